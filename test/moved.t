#!/bin/sh
# A message whose home had too few copies was acknowledged on two other nodes:
# it is listed where it was acknowledged, and is read when the node that took
# it is lost with its disk.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
trap 'lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600

store() {
	on n2 sh -c 'cm-store u1@example.test | cm-mirror | cm-catalog add'
}

ok "three nodes" new_lab "$dir/lab" 3
ok "n3 dies" lab kill "$dir/lab" n3
for i in 1 2 3 4 5 6; do
	printf 'Subject: %d\n\nx\n' "$i" | store >>"$dir/receipts"
done
is "six messages are taken" "$(wc -l <"$dir/receipts")" 6
is "by the volume whose copies are alive" \
    "$(cut -f 2 "$dir/receipts" | cut -d : -f 1 | sort -u)" v1
is "and listed there" "$(on n1 cm-catalog list u1@example.test |
    cut -f 3 | sort)" "$(cut -f 2 "$dir/receipts" | sort)"
ok "n2 is lost" lab kill "$dir/lab" n2
ok "with its disks" lab wipe "$dir/lab" n2
ok "n3 is back" lab start "$dir/lab" n3
is "all are read" "$(on n1 cm-fetch u1@example.test |
    grep -c '^Subject: ')" 6
ok "n2 is swapped" lab start "$dir/lab" n2
ok "and rebuilt" on n2 cm-rebuild node n2
is "all are there" "$(on n2 cm-fetch u1@example.test |
    grep -c '^Subject: ')" 6
for n in n1 n2 n3; do
	ok "all is well on $n" on $n cm-rebuild check
done
ok "and in the catalog" on n1 cm-catalog check
done_testing
