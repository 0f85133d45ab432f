#!/bin/sh
# The catalog on three nodes: one leads, any serves; the leader dies, a node is
# wiped, all are stopped, and every copy is the same in the end.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
CM_HOME=$dir/home		# lib.sh writes to $CM_HOME.err
trap 'lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG="n1 n2 n3"

store() {
	on "$1" sh -c "printf 'Subject: $2\n\nx\n' | cm-store u1@example.test |
	    cm-mirror | cm-catalog add"
}
list() { on "$1" cm-catalog list u1@example.test; }
leader() { on "$1" cm-catalog stat | awk '$1 == "leader" { print $2 }'; }
role() {
	on "$1" cm-catalog stat |
	    awk -v n="$1" '$1 == "replica" && $2 == n { print $3 }'
}

# until COMMAND...: for a minute at most.
until_true() {
	for second in $(seq 60); do
		! "$@" || return 0
		sleep 1
	done
	return 1
}
has_role() { case $(role "$1") in leader|follower) ;; *) false ;; esac; }
has_listed() { [ "$(list "$1" | wc -l)" -eq "$2" ]; }
same_dumps() {
	for n in n1 n2 n3; do
		on $n cm-catalog dump -l >"$dir/dump.$n" || return 1
	done
	cmp -s "$dir/dump.n1" "$dir/dump.n2" &&
	    cmp -s "$dir/dump.n1" "$dir/dump.n3"
}
other() { [ "$1" = n1 ] && echo n2 || echo n1; }

ok "three nodes" new_lab "$dir/lab" 3
for n in n1 n2 n3; do
	ok "$n takes part" until_true has_role $n
	ok "a message at $n" store $n "at $n"
	is "is listed there at once" "$(list $n | wc -l)" "${n#n}"
done
is "all say the same of who leads" \
    "$(for n in n1 n2 n3; do leader $n; done | sort -u | wc -l)" 1
entry=$(list n3 | head -n 1 | cut -f 1)
ok "a flag is set at n2" on n2 cm-catalog flag '+\Seen' "$entry"
is "and seen there at once" "$(list n2 | head -n 1 | cut -f 6)" '\Seen'
ok "all catalogs are the same" until_true same_dumps

was=$(leader n1)
o=$(other "$was")
kill -KILL "$(cat "$dir/lab/$was/state/run/catalog.lock")"
ok "the leader's agent is killed: a change through $o" \
    on "$o" cm-catalog flag '+\Flagged' "$entry"
is "is seen there" "$(list "$o" | head -n 1 | cut -f 6)" '\Flagged \Seen'
for n in n1 n2 n3; do
	ok "$n takes part" until_true has_role $n
done

was=$(leader n1)
o=$(other "$was")
ok "the leader's node is killed" lab kill "$dir/lab" "$was"
# whether it is listed before or after the next one leads
store "$o" "without $was" || :
ok "is listed" until_true has_listed "$o" 4
ok "it is wiped" lab wipe "$dir/lab" "$was"
ok "and starts again" lab start "$dir/lab" "$was"
ok "its volume is put back" until_true on "$was" cm-rebuild node "$was"
ok "it takes part" until_true has_role "$was"
is "and has all" "$(list "$was" | wc -l)" 4
ok "all catalogs are the same" until_true same_dumps

# The leader's followers stop while a change and some syncs wait for them, and
# lead on without it.
# busy PID: a thread of it that does not sleep, in most of 20 looks.
busy() {
	for look in $(seq 20); do
		sed -n 's/^\([0-9]*\) (.*) R .*/\1/p' /proc/"$1"/task/*/stat
		sleep 0.1
	done | sort | uniq -c | awk '$1 > 14 { print "thread " $2 }'
}
agent() { cat "$dir/lab/$1/state/run/catalog.lock"; }
signal_others() {
	for n in n1 n2 n3; do
		[ $n = "$was" ] || kill -s "$1" "$(agent $n)"
	done
}
was=$(leader n1)
pid=$(agent "$was")
signal_others STOP
on "$was" cm-catalog flag +waits "$entry" 2>/dev/null &
pids=
for n in 1 2 3 4 5; do
	on "$was" timeout 60 cm-catalog sync 2>"$dir/sync.$n" &
	pids="$pids $!"
	sleep 0.1
done
gives_up() { [ "$(leader "$was")" = - ]; }
ok "the leader's followers are stopped: it gives up" until_true gives_up
kill -s STOP "$pid"
signal_others CONT
others_lead() { case $(leader "$o") in "$was"|-|"") false ;; esac; }
o=$(other "$was")
ok "they lead on without it" until_true others_lead
kill -s CONT "$pid"
for n in n1 n2 n3; do
	ok "it goes on: $n takes part" until_true has_role $n
done
for p in $pids; do
	rc=0
	wait "$p" || rc=$?
	# done, or to be tried again, but told
	ok "a sync is answered, $rc" [ "$rc" -eq 0 -o "$rc" -eq 75 ]
done
is "it is the same agent" "$(agent "$was")" "$pid"
is "and all its threads sleep" "$(busy "$pid")" ""
ok "all catalogs are the same" until_true same_dumps

for n in n1 n2 n3; do
	[ $n = "$o" ] || lab kill "$dir/lab" $n
done
# it leads, or hears the others, for a moment
alone() { [ "$(leader "$o")" = - ]; }
ok "a node alone does not lead" until_true alone
exits "nor take changes" 75 on "$o" cm-catalog flag '+\Draft' "$entry"
is "but lists" "$(list "$o" | wc -l)" 4
ok "all nodes are killed" lab kill "$dir/lab" "$o"
for n in n1 n2 n3; do
	lab start "$dir/lab" $n
done
for n in n1 n2 n3; do
	ok "and start again: $n takes part" until_true has_role $n
done
ok "a change" on n1 cm-catalog flag '+\Draft' "$entry"
ok "all catalogs are the same" until_true same_dumps
ok "and right" on n2 cm-catalog check
done_testing
