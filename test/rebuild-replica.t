#!/bin/sh
# cm-rebuild catalog where three nodes keep it: lost on a follower, damaged on
# the leader, lost on all, while mail is stored; UIDs, flags, folders and users
# are the same afterwards.
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
	    cm-mirror | cm-catalog add" >/dev/null
}
list() { on "$1" cm-catalog list u1@example.test; }
stat() { on "$1" cm-catalog stat 2>/dev/null; }
leader() { stat "$1" | awk '$1 == "leader" { print $2 }'; }
role() { stat "$1" | awk -v n="$1" '$1 == "replica" && $2 == n { print $3 }'; }
# until COMMAND...: for a minute at most.
until_true() {
	for second in $(seq 120); do
		! "$@" || return 0
		sleep 0.5
	done
	return 1
}
has_role() { case $(role "$1") in leader|follower) ;; *) false ;; esac; }
all_parts() {
	for k in n1 n2 n3; do
		ok "$k takes part" until_true has_role $k
	done
}
same_dumps() {
	for n in n1 n2 n3; do
		on $n cm-catalog dump -l >"$dir/dump.$n" || return 1
	done
	cmp -s "$dir/dump.n1" "$dir/dump.n2" &&
	    cmp -s "$dir/dump.n1" "$dir/dump.n3"
}
# What a reader sees of a node's catalog.
seen() { on "$1" cm-catalog list u1@example.test; on "$1" cm-user list; }
agent() { cat "$dir/lab/$1/state/run/catalog.lock"; }
other() { [ "$1" = n1 ] && echo n2 || echo n1; }
state() { echo "$dir/lab/$1/state"; }

ok "three nodes" new_lab "$dir/lab" 3
[ "$failed" -eq 0 ] || exit 1
all_parts
for i in 1 2 3 4 5 6; do
	store n$((i % 3 + 1)) "message $i"
done
entry=$(list n1 | head -n 1 | cut -f 1)
ok "a flag" on n1 cm-catalog flag '+\Flagged' +work "$entry"
ok "a user with a password" sh -c 'echo secret2 |
    sh "$1/examples/lab" run "$2" n1 cm-user add new@example.test' sh \
    "$ROOT" "$dir/lab"

# --- lost on a follower, which must not vote with what it had

l=$(leader n1)
f=$(other "$l")
seen "$l" >"$dir/before"
old=$(cat "$(state "$f")/catalog.ballot")
ok "the catalog of $f, no leader, comes in again" \
    on "$f" cm-rebuild catalog 2>"$dir/said"
ok "that is said" grep -q "came in from node $l" "$dir/said"
is "$f follows" "$(role "$f")" follower
is "and has all" "$(seen "$f")" "$(cat "$dir/before")"
is "the old one is kept" "$(ls -d "$(state "$f")"/catalog.bad.* | wc -l)" 1
new=$(cat "$(state "$f")/catalog.ballot")
is "it promised nothing less" "$((${new% *} >= ${old% *}))" 1

for n in 1 2; do
	kill -KILL "$(agent "$f")"
	rm -rf "$(state "$f")/catalog"
	[ $n = 2 ] || : >"$(state "$f")/catalog.joined"
done
store "$f" "while it is away" || :
ok "its files are gone: it comes in" on "$f" cm-rebuild catalog \
    2>"$dir/said"
is "$f follows" "$(role "$f")" follower
is "and has the new one too" "$(list "$f" | wc -l)" 7
ok "all catalogs are the same" until_true same_dumps

# --- the leader's

l=$(leader n1)
seen "$l" >"$dir/before"
ok "the leader's, while it leads" on "$l" cm-rebuild catalog 2>"$dir/said"
is "it follows" "$(role "$l")" follower
is "and has all" "$(seen "$l")" "$(cat "$dir/before")"
l=$(leader n1)
kill -KILL "$(agent "$l")"
for file in "$(state "$l")"/catalog/*; do
	dd if=/dev/urandom of="$file" bs=4096 count=4 conv=notrunc 2>/dev/null
done
ok "the leader's is damaged" on "$l" cm-rebuild catalog 2>"$dir/said" ||
    sed 's/^/# /' "$dir/said"
is "it follows" "$(role "$l")" follower
is "and has all" "$(seen "$l")" "$(cat "$dir/before")"
all_parts
ok "all catalogs are the same" until_true same_dumps
ok "a change" on "$l" cm-catalog flag +again "$entry"

# --- nobody to take it from

o=$(other "$l")
for n in n1 n2 n3; do
	[ $n = "$o" ] || lab kill "$dir/lab" $n
done
exits "no other node is there" 75 on "$o" cm-rebuild catalog
# it may have led, and not know yet that it is alone
ok "it is said" grep -qE "no node leads the catalog|no other one can" \
    "$CM_HOME.err"
ok "its catalog stayed" test -f "$(state "$o")/catalog/meta.db"
ok "and it may vote" test -f "$(state "$o")/catalog.joined"
for n in n1 n2 n3; do
	[ $n = "$o" ] || lab start "$dir/lab" $n
done
all_parts

# --- lost on all

ok "a dump" on n1 sh -c "cm-catalog dump >$dir/dump"
store n2 "behind the dump"
store n3 "and one more"
l=$(leader n1)
ok "a flag behind it" on "$l" cm-catalog flag +behind '-\Flagged' "$entry"
late=$(list "$l" | tail -n 1 | cut -f 1)
o=$(other "$l")
ok "another one leads" on "$l" cm-catalog lead "$o"
ok "a flag of a new message there" on "$o" cm-catalog flag '+\Seen' "$late"
ok "a message is expunged" on "$o" cm-catalog expunge \
    "$(list "$o" | sed -n 2p | cut -f 1)"
ok "a user goes" on "$o" cm-user del new@example.test
ok "and one comes" sh -c 'echo secret3 | sh "$1/examples/lab" run "$2" n3 \
    cm-user add newer@example.test' sh "$ROOT" "$dir/lab"
ok "an alias" on n2 cm-user alias all@example.test u1@example.test
ok "the first one leads again" on "$o" cm-catalog lead "$l"
ok "a last flag" on "$l" cm-catalog flag +last "$late"
seen n1 >"$dir/before"
for n in n1 n2 n3; do
	lab kill "$dir/lab" $n
	rm -rf "$(state $n)/catalog" "$(state $n)"/catalog.bad.*
done
for n in n1 n2 n3; do
	lab start "$dir/lab" $n
done
has_lead() { [ "$(leader n1)" != - ] && [ -n "$(leader n1)" ]; }
ok "all are lost: one leads" until_true has_lead
exits "a reader is told to wait" 75 list n2
exits "nothing is made of the volumes alone unasked" 66 \
    on n2 cm-rebuild catalog
ok "it is said" grep -q "lost on all nodes" "$CM_HOME.err"
exits "a dump that is none" 66 on n2 cm-rebuild catalog "$dir/none"
(on n2 cm-rebuild catalog "$dir/dump" 2>"$dir/said.n2" || echo $? >"$dir/rc.n2") &
(on n3 cm-rebuild catalog "$dir/dump" 2>"$dir/said.n3" || echo $? >"$dir/rc.n3") &
wait
case $(cat "$dir"/rc.n? 2>/dev/null) in
73|75)	ok "two at once: one rebuilds" true ;;
*)	ok "two at once: one rebuilds" false
	sed 's/^/# /' "$dir"/said.n? "$dir"/rc.n? ;;
esac
exits "a third has nothing to rebuild" 0 on n1 cm-rebuild catalog
cat "$dir"/said.n? >"$dir/said"
ok "what was done again is said" grep -q "from the journal: 7\$" "$dir/said" ||
    sed 's/^/# /' "$dir/said"
ok "nothing else is" sh -c '! grep -E "could not|in no journal" "$1"' sh \
    "$dir/said"
as_before() { [ "$(seen "$1" 2>/dev/null)" = "$(cat "$dir/before")" ]; }
for n in n1 n2 n3; do
	ok "$n has all as it was: UIDs, flags and users" until_true \
	    as_before $n || seen $n | diff "$dir/before" - | sed 's/^/# /'
done
ok "all catalogs are the same" until_true same_dumps
ok "and right" on n2 cm-catalog check
is "no UID was given again" "$(list n1 | cut -f 1 | sort | uniq -d)" ""

# --- and again, with the journal of one that led

lose_all() {
	for n in n1 n2 n3; do
		lab kill "$dir/lab" $n
		rm -rf "$(state $n)/catalog" "$(state $n)"/catalog.bad.*
	done
	rm -f "$(state "$1")"/catalog.journal*
	for n in n1 n2 n3; do
		lab start "$dir/lab" $n
	done
}
lose_all "$o"
ok "all are lost, and one journal: one leads" until_true has_lead
ok "it is rebuilt" on n1 cm-rebuild catalog "$dir/dump" 2>"$dir/said"
ok "what is missing is said" grep -q "are in no journal" "$dir/said" ||
    sed 's/^/# /' "$dir/said"
flags() { list n1 2>/dev/null | cut -f 6 | tr '\n' ' '; }
has_flags() { case $(flags) in *behind*last*) ;; *) false ;; esac; }
ok "what the others tell is done" until_true has_flags
all_here() { [ "$(list n1 | wc -l)" -eq 9 ]; }
ok "a message that nobody tells of as expunged is back" until_true all_here
has_new() { on n1 cm-user list | grep -q '^new@'; }
ok "so is a user" has_new
exits "a node that keeps none" 78 sh -c \
    'sed s/n1.n2.n3/n1\ n2/ <"$1" >"$1.2" && cm-rebuild -C "$1.2" -n n3 \
    catalog' sh "$dir/lab/cluster.xml"
done_testing
