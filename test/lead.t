#!/bin/sh
# cm-catalog lead: the lead goes from node to node while mail and changes of
# readers flow, and none of them is lost or refused.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
CM_HOME=$dir/home		# lib.sh writes to $CM_HOME.err
trap 'touch "$dir/stop"; lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG="n1 n2 n3"

store() {
	on "$1" sh -c "printf 'Subject: $2\n\nx\n' | cm-store u1@example.test |
	    cm-mirror | cm-catalog add" >/dev/null
}
list() { on "$1" cm-catalog list u1@example.test; }
leader() { on "$1" cm-catalog stat | awk '$1 == "leader" { print $2 }'; }
role() {
	on "$1" cm-catalog stat |
	    awk -v n="$1" '$1 == "replica" && $2 == n { print $3 }'
}
# until COMMAND...: for a minute at most.
until_true() {
	for second in $(seq 120); do
		! "$@" || return 0
		sleep 0.5
	done
	return 1
}
# What is told of a name that nobody has.
nobody() {
	on "$1" python3 -c 'import os, socket
s = socket.socket(socket.AF_UNIX)
os.chdir(os.environ["CM_LAB"] + "/state")
s.connect("run/catalog.sock")
s.sendall(b"verifier\tno@example.test\n")
print(s.makefile().readline(), end="")'
}
has_role() { case $(role "$1") in leader|follower) ;; *) false ;; esac; }
is_leader() { [ "$(leader "$1")" = "$2" ]; }
has_listed() { [ "$(list "$1" | wc -l)" -eq "$2" ]; }
same_dumps() {
	for n in n1 n2 n3; do
		on $n cm-catalog dump -l >"$dir/dump.$n" || return 1
	done
	cmp -s "$dir/dump.n1" "$dir/dump.n2" &&
	    cmp -s "$dir/dump.n1" "$dir/dump.n3"
}

# load NODE: mail, and keywords on the first message, each one a line in
# sent.NODE or set.NODE; a failure in failed.
load() {
	i=0
	while [ ! -e "$dir/stop" ]; do
		i=$((i + 1))
		store "$1" "$1 $i" 2>>"$dir/failed" && echo $i >>"$dir/sent.$1"
		on "$1" cm-catalog flag "+k$1-$i" "$entry" 2>>"$dir/failed" &&
		    echo "k$1-$i" >>"$dir/set.$1"
		on "$1" cm-user add -N "$1-$i@example.test" \
		    2>>"$dir/failed" && echo "$1-$i" >>"$dir/users.$1"
	done
}

ok "three nodes" new_lab "$dir/lab" 3
[ "$failed" -eq 0 ] || exit 1
for n in n1 n2 n3; do
	ok "$n takes part" until_true has_role $n
done
ok "a message" store n1 first
entry=$(list n1 | cut -f 1)

was=$(leader n1)
case $was in
n1)	to=n2 by=n3 ;;
n2)	to=n3 by=n1 ;;
*)	to=n1 by=n2 ;;
esac
ok "the lead is moved by the third node" on $by cm-catalog lead $to
is "the leader says so" "$(leader $to)" $to
ok "all know it" until_true is_leader $by $to
is "to where it is: nothing happens" \
    "$(on $by cm-catalog lead -v $to)" "$to leads; changes waited for 0 ms"

told=$(nobody n1)
case $told in
"=	SCRAM-SHA-256"*)	good=0 ;;
*)			good=1 ;;
esac
is "nobody is told something" $good 0
is "the same by each node" "$(nobody n2) $(nobody n3)" "$told $told"
ok "a password" on n1 sh -c "echo secret | cm-user passwd u1@example.test"
for n in n1 n2 n3; do
	ok "is known to $n" until_true \
	    on $n sh -c "echo secret | cm-user check u1@example.test"
done

exits "a node that is none" 66 on n1 cm-catalog lead n9
ok "is said" grep -q "node n9 is not in" "$CM_HOME.err"
exits "no node" 64 on n1 cm-catalog lead
exits "two nodes" 64 on n1 cm-catalog lead n1 n2
exits "an option that is none" 64 on n1 cm-catalog lead -x n1
at=$(leader n1)
ok "another node stands still" lab stop "$dir/lab" "$was"
sleep 1
exits "it cannot lead" 75 on "$at" cm-catalog lead "$was"
ok "that is said" grep -q "node $was is away" "$CM_HOME.err"
is "the lead stayed" "$(leader "$at")" "$at"
ok "and takes changes" on "$at" cm-catalog flag '+\Seen' "$entry"
ok "it goes on" lab cont "$dir/lab" "$was"
ok "$was takes part" until_true has_role "$was"

for n in n1 n2 n3; do
	load $n &
	loads="${loads-} $!"
done
for n in n1 n2 n3 n2 n1 n3; do
	out=$(on n2 cm-catalog lead -v $n 2>"$dir/err") || cat "$dir/err"
	echo "# $out"
	is "under load: $n leads" "${out%% *}" $n
	sleep 0.7
done
touch "$dir/stop"
wait $loads
is "nothing failed" "$(cat "$dir/failed" 2>/dev/null)" ""
sent=$(cat "$dir"/sent.* | wc -l)
echo "# $sent messages"
ok "all are listed" until_true has_listed n1 $((sent + 1))
list n1 | head -n 1 | cut -f 6 | tr ' ' '\n' | grep '^k' | sort >"$dir/have"
is "all keywords are there" "$(cat "$dir"/set.* | sort)" "$(cat "$dir/have")"
is "all users are there" "$(cat "$dir"/users.* | sort)" \
    "$(on n1 cm-user list | sed -n 's/^\(n[123]-[0-9]*\)@.*/\1/p' | sort)"
ok "all catalogs are the same" until_true same_dumps
ok "and right" on n1 cm-catalog check
done_testing
