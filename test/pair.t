#!/bin/sh
# Two nodes that keep the catalog: the survivor goes on alone, or waits
# (pair="safe"); what comes back is level again.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
CM_HOME=$dir/home
trap 'lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG="n1 n2"

store() {
	on "$1" sh -c "printf 'Subject: $2\n\nx\n' | cm-store u1@example.test |
	    cm-mirror | cm-catalog add"
}
list() { on "$1" cm-catalog list u1@example.test; }
flags() { list "$1" | head -n 1 | cut -f 6; }
stat_of() { on "$1" cm-catalog stat | awk -F '\t' -v k="$2" '$1 == k'; }
leader() { stat_of "$1" leader | cut -f 2; }
quorum() { stat_of "$1" quorum | cut -f 2; }
is_alone() { [ "$(quorum "$1")" = "1 of 2" ]; }
is_level() {
	[ "$(quorum "$1")" = "2 of 2" ] && [ -z "$(stat_of "$1" alone)" ] &&
	    [ "$(leader "$1")" != - ]
}

# until_true COMMAND...: for a minute at most.
until_true() {
	for second in $(seq 60); do
		! "$@" || return 0
		sleep 1
	done
	return 1
}
has_role() {
	case $(on "$1" cm-catalog stat |
	    awk -v n="$1" '$1 == "replica" && $2 == n { print $3 }') in
	leader|follower) ;;
	*) false ;;
	esac
}
has_listed() { [ "$(list "$1" | wc -l)" -eq "$2" ]; }
same_dumps() {
	for n in n1 n2; do
		on $n cm-catalog dump -l >"$dir/dump.$n" || return 1
	done
	cmp -s "$dir/dump.n1" "$dir/dump.n2"
}
other() { [ "$1" = n1 ] && echo n2 || echo n1; }
policy() {
	sed "s/<cluster name=\"lab\".* catalog/<cluster name=\"lab\" $1 catalog/" \
	    "$dir/lab/cluster.xml" >"$dir/new.xml" &&
	    mv "$dir/new.xml" "$dir/lab/cluster.xml"
}
has_policy() { [ "$(stat_of "$1" pair | cut -f 2)" = "$2" ]; }

ok "two nodes" new_lab "$dir/lab" 2
for n in n1 n2; do
	ok "$n takes part" until_true has_role $n
	ok "a message at $n" store $n "at $n"
done
ok "both are needed" until_true is_level n1
ok "both are the same" until_true same_dumps
entry=$(list n1 | head -n 1 | cut -f 1)

# the leader dies, then the follower: it is the same for who survives
for round in leader follower; do
	l=$(leader n1)
	o=$(other "$l")
	if [ $round = leader ]; then dies=$l lives=$o
	else dies=$o lives=$l; fi
	ok "the $round's node is killed" lab kill "$dir/lab" "$dies"
	ok "the other one goes on alone" until_true is_alone "$lives"
	ok "and takes changes" on "$lives" cm-catalog flag "+$round" "$entry"
	store "$lives" "without $dies" || :
	want=$(($(list "$lives" | wc -l)))
	kill -KILL "$(cat "$dir/lab/$lives/state/run/catalog.lock")"
	ok "its agent is killed, and goes on alone" until_true is_alone "$lives"
	case $(flags "$lives") in
	*$round*) ok "with the change" true ;;
	*) ok "with the change" false ;;
	esac
	ok "the other node starts again" lab start "$dir/lab" "$dies"
	ok "both are level" until_true is_level "$lives"
	ok "there too" until_true is_level "$dies"
	ok "no file says that one was alone" \
	    sh -c "! grep -l ^alone $dir/lab/n?/state/catalog.pair"
	ok "a change through the one that was dead" \
	    on "$dies" cm-catalog flag "+back-$round" "$entry"
	ok "both are the same" until_true same_dumps
	is "nothing is missing" "$(list "$dies" | wc -l)" "$want"
done

ok "safe" policy 'pair="safe"'
ok "is known" until_true has_policy n1 safe
ok "at both" until_true has_policy n2 safe
l=$(leader n1)
o=$(other "$l")
ok "a node is killed" lab kill "$dir/lab" "$l"
sleep 5
exits "changes wait for it" 75 on "$o" cm-catalog flag '+\Draft' "$entry"
ok "mail does not" on "$o" sh -c "printf 'Subject: safe\n\nx\n' |
    cm-store u1@example.test | cm-mirror"
ok "it starts again" lab start "$dir/lab" "$l"
ok "both are level" until_true is_level "$o"
ok "what was stored is listed" until_true has_listed "$o" 5
ok "a change" on "$o" cm-catalog flag '+\Draft' "$entry"
ok "both are the same" until_true same_dumps
done_testing
