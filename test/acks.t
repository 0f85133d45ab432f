#!/bin/sh
# Who stores record after record is told in shared memory that they are safe:
# what it was told is on the copy, whatever happens to the shipper meanwhile.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
trap 'lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

export LAB_CRON=600
fill=$OUT/tools/fill
lock=$dir/lab/n1/state/run/mirror-v1.lock
ledger=$dir/ledger

lines() { cat "$ledger" 2>/dev/null | wc -l; }
# More is acknowledged than so much, within a minute.
past() {
	i=0
	while [ "$(lines)" -le "$1" ] && [ $((i += 1)) -le 1200 ]; do
		sleep 0.05
	done
	[ "$(lines)" -gt "$1" ]
}
goes_on() { past "$(lines)"; }
shipper() { [ -s "$lock" ] && kill "-$1" "$(cat "$lock")"; }
store() {
	on n1 env CM_BIN="$BIN" "$fill" -m 2 -r "$ledger" 8 "$1" 3000 3 u1@example.test \
	    </dev/null >"$dir/out" 2>"$dir/err" &
	pid=$!
}

ok "two nodes" new_lab "$dir/lab" 2
store 1000000
ok "records are acknowledged" past 100
for i in 1 2 3; do
	ok "the shipper is killed" shipper KILL
	ok "and it goes on" goes_on
done
ok "the shipper is stopped" shipper STOP
sleep 1
ok "it continues" shipper CONT
ok "and so do all" goes_on
ok "the copy is looked through" on n1 cm-rebuild copy v1 n2
ok "and so do all" goes_on
kill "$pid"
wait "$pid" 2>/dev/null
ok "the home's node dies" lab kill "$dir/lab" n1
ok "its disk is lost" lab wipe "$dir/lab" n1
ok "it is swapped" lab start "$dir/lab" n1
ok "and rebuilt" on n1 cm-rebuild node n1
# a process killed while it wrote leaves half a line
grep -P '^[^\t]+\t[^\t]+\t.+\t' "$ledger" >"$dir/told"
is "every record that was acknowledged is there" \
    "$(on n2 cm-fetch <"$dir/told" | grep -c '^Message-ID: ')" \
    "$(cut -f 1 "$dir/told" | sort -u | wc -l)"
ok "no home, no copy is damaged" on n1 cm-rebuild check
done_testing
