#!/bin/sh
# A record of a volume on another node than the catalog's cannot be read when
# its entries are sent: what is behind it is listed, and it too, once, when a
# repair has brought it back.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
trap 'lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG=n1

store() {
	printf 'Subject: %s\n\nx\n' "$1" |
	    on n2 sh -c 'cm-store u1@example.test | cm-mirror'
}
listed() {
	on n1 cm-fetch u1@example.test 2>/dev/null | sed -n 's/^Subject: //p' |
	    sort | tr '\n' ' '
}
# It comes to that within a minute.
comes_to() {
	i=0
	while [ "$(listed)" != "$1" ] && [ $((i += 1)) -le 60 ]; do
		sleep 1
	done
	is "$2" "$(listed)" "$1"
}
gaps() { on n1 cm-catalog stat | sed -n 's/^gaps	//p'; }
# harm PLACE: a byte of the record's head, at its home.
harm() {
	seg=${1#v2:} at=${seg#*:}
	printf X | dd of="$dir/lab/n2/disk/v2/${seg%%:*}.seg" bs=1 \
	    seek=$((${at%%:*} + 20)) conv=notrunc 2>/dev/null
}

ok "three nodes" new_lab "$dir/lab" 3
# n2 asks for the mailboxes when its agent begins
lab kill "$dir/lab" n2
ok "n2 is started again" lab start "$dir/lab" n2
store one >>"$dir/receipts"
comes_to "one " "a message is listed"
known() { grep -qs u1@example.test "$dir/lab/n2/state/accounts.last"; }
i=0
while ! known && [ $((i += 1)) -le 60 ]; do
	sleep 1
done
ok "the catalog's node dies" lab kill "$dir/lab" n1
for s in two three four; do
	store $s >>"$dir/receipts"
done
is "more are taken meanwhile" "$(wc -l <"$dir/receipts")" 4
harm "$(sed -n 3p "$dir/receipts" | cut -f 2)"
ok "one of them is damaged; the catalog's node is back" \
    lab start "$dir/lab" n1
comes_to "four one two " "those that can be read are listed"
is "and a gap is known" "$(gaps)" 1
ok "it is repaired from a copy" on n2 cm-rebuild check -r
comes_to "four one three two " "it is listed"
is "and no gap is left" "$(gaps)" 0
is "each has a UID of its own" "$(on n1 cm-catalog list u1@example.test |
    cut -f 1 | sort -u | wc -l)" 4
ok "the catalog is right" on n1 cm-catalog check
done_testing
