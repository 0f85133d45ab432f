#!/bin/sh
# Two nodes keep the catalog, and a third one, with no disk to speak of, votes:
# whichever of the three dies, changes go on; and a node that may lack the
# newest of them does not lead, though it has the witness on its side.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
CM_HOME=$dir/home		# lib.sh writes to $CM_HOME.err
trap 'lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG="n1 n2" LAB_WITNESS=n3

stat() { on "$1" cm-catalog stat 2>/dev/null; }
leader() { stat "$1" | awk '$1 == "leader" { print $2 }'; }
role() { stat "$1" | awk -v n="$1" '$1 == "replica" && $2 == n { print $3 }'; }
witness() { stat "$1" | awk '$1 == "witness" { print $3, $5 }'; }
# until COMMAND...: for a minute at most.
until_true() {
	for second in $(seq 120); do
		! "$@" || return 0
		sleep 0.5
	done
	return 1
}
has_role() { case $(role "$1") in leader|follower) ;; *) false ;; esac; }
is_witness() { [ "$(witness "$1")" = "$2" ]; }
leads() { [ "$(leader "$1")" = "$1" ]; }
flag() { on "$1" cm-catalog flag "+$2" "$entry"; }
flags() { on "$1" cm-catalog list u1@example.test | head -n 1 | cut -f 6 | tr ' ' '\n' |
	sort | paste -sd ' ' -; }
same_dumps() {
	for n in n1 n2; do
		on $n cm-catalog dump -l >"$dir/dump.$n" || return 1
	done
	cmp -s "$dir/dump.n1" "$dir/dump.n2"
}
agent() { cat "$dir/lab/$1/state/run/$2.lock"; }
kept() { cut -d ' ' -f 4 "$dir/lab/n3/state/witness"; }
is_kept() { [ "$(kept)" = "$1" ]; }

ok "two nodes and a witness" new_lab "$dir/lab" 3
[ "$failed" -eq 0 ] || exit 1
for n in n1 n2; do
	ok "$n takes part" until_true has_role $n
done
ok "the witness has joined, and both have all" until_true is_witness n1 "here -"
is "the quorum" "$(stat n1 | awk '$1 == "quorum" { print $2, $3, $4 }')" \
    "2 of 3"
ok "a message" on n1 sh -c "printf 'Subject: x\n\nx\n' |
    cm-store u1@example.test | cm-mirror | cm-catalog add >/dev/null"
entry=$(on n1 cm-catalog list u1@example.test | cut -f 1)
ok "a change through the witness's node" flag n3 first
ok "both have it" until_true same_dumps
ok "the witness has no catalog" [ ! -e "$dir/lab/n3/state/catalog" ]
ok "cm-status has it" sh -c 'sh "$1/examples/lab" run "$2" n2 cm-status -x |
    grep -q "witness=\"n3\""' sh "$ROOT" "$dir/lab"

# --- the follower dies, then the leader, and the follower comes back

a=$(leader n1)
[ "$a" = n1 ] && b=n2 || b=n1
ok "$b, which follows, is killed" lab kill "$dir/lab" "$b"
ok "a change is taken" flag "$a" alone
is "the witness keeps who has it" "$(kept)" "$a"
ok "one more" flag "$a" more
ok "$a is killed too" lab kill "$dir/lab" "$a"
ok "$b is back, with the witness" lab start "$dir/lab" "$b"
ok "it sees it" until_true is_witness "$b" "here $a"
sleep 3
is "it does not lead" "$(leader "$b")" -
exits "and takes no change" 75 flag "$b" lost
ok "the witness's agent is killed" kill -KILL "$(agent n3 witness)"
sleep 2
is "it has forgotten nothing" "$(leader "$b") $(kept)" "- $a"
ok "cm-status says who is waited for" sh -c '
    sh "$1/examples/lab" run "$2" $3 cm-status -x |
    grep -q "node $4 alone has"' sh "$ROOT" "$dir/lab" "$b" "$a"
ok "$a is back" lab start "$dir/lab" "$a"
ok "and leads" until_true leads "$a"
is "with all that was taken" "$(flags "$a")" "alone first more"
ok "$b follows" until_true has_role "$b"
ok "a change" flag "$b" both
ok "the witness lets go" until_true is_kept -
ok "both have all" until_true same_dumps

# --- the leader dies, the follower goes on

ok "$a, which leads, is killed" lab kill "$dir/lab" "$a"
ok "$b leads" until_true leads "$b"
ok "and takes changes" flag "$b" second
is "the witness keeps that" "$(kept)" "$b"
ok "$a is back" lab start "$dir/lab" "$a"
ok "and follows" until_true has_role "$a"
is "who leads" "$(leader "$a")" "$b"
ok "the witness lets go" until_true is_kept -
is "it has all" "$(flags "$a")" "alone both first more second"

# --- the witness dies, and is swapped

ok "the witness's node is killed" lab kill "$dir/lab" n3
ok "changes go on" flag "$a" without
ok "it is seen" until_true is_witness "$a" "away -"
ok "the witness is wiped" lab wipe "$dir/lab" n3
ok "a node is killed too" lab kill "$dir/lab" "$a"
ok "the witness is back, with nothing" lab start "$dir/lab" n3
ok "it is new" until_true is_witness "$b" "new -"
exits "it does not vote: no change" 75 flag "$b" lost
ok "until both nodes are there" lab start "$dir/lab" "$a"
ok "then it joins" until_true is_witness "$b" "here -"
ok "both have all" until_true same_dumps

# --- the lead is moved, and a damaged witness

l=$(leader n1)
[ "$l" = n1 ] && o=n2 || o=n1
ok "the lead is moved" on n3 cm-catalog lead $o
ok "a change" flag "$l" moved
ok "the witness is told" until_true is_witness "$l" "here -"
exits "the witness cannot lead" 78 on n1 cm-catalog lead n3
exits "another node is no witness" 78 on n1 cm-catalog serve -w
kill -KILL "$(agent n3 witness)"
echo "1 2" >"$dir/lab/n3/state/witness"
exits "what it kept is damaged: it says so" 65 on n3 cm-catalog serve -w
ok "by name" grep -q "n3/state/witness: cannot be read" "$CM_HOME.err"
ok "changes go on" flag "$l" last
ok "both have all" until_true same_dumps
ok "and right" on $o cm-catalog check
done_testing
