#!/bin/sh
# Folders and flags as IMAP's sessions have them, on three nodes: each reads what
# it wrote, no change is lost to another one, and all see the same.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
CM_HOME=$dir/home		# lib.sh writes to $CM_HOME.err
trap 'lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG="n1 n2 n3"
who=u1@example.test

deliver() {
	on "$1" sh -c "printf 'Subject: x\n\nx\n' | cm-store $who |
	    cm-mirror | cm-catalog add" >/dev/null
}
box() {
	n=$1 what=$2
	shift 2
	on "$n" "$OUT/tools/mailbox" "$what" $who INBOX 0 "$@"
}
folders() { on "$1" cm-catalog folders $who; }
keywords() { box "$1" list "$2" 0 0 | head -n 1 | cut -f 4; }
until_same() {
	for i in $(seq 100); do
		[ "$(box n1 list - 0 1)" = "$(box n2 list - 0 1)" ] &&
		    [ "$(box n1 list - 0 1)" = "$(box n3 list - 0 1)" ] &&
		    return 0
		sleep 0.1
	done
	return 1
}

ok "three nodes" new_lab "$dir/lab" 3
[ "$failed" -eq 0 ] || exit 1
for n in n1 n2 n3; do
	ok "a message by $n" deliver $n
done
ok "all see the same" until_same
is "folders, too" "$(folders n2) $(folders n3)" "$(folders n1) $(folders n1)"

stale=
for n in n1 n2 n3; do
	for i in $(seq 15); do
		box $n store 1:3 - set "k$i-$n" >"$dir/out" || stale="$stale !"
		[ "$(keywords $n 3)" = "k$i-$n" ] || stale="$stale $n/$i"
	done
done
is "each node reads what it wrote" "$stale" ""

# three nodes at the same message
box n1 store 2 - set "" >"$dir/out"
for n in n1 n2 n3; do
	for i in $(seq 10); do
		box $n store 2 - add "$n-$i" || touch "$dir/failed"
	done >"$dir/out.$n" &
done
wait
ok "nothing failed" [ ! -e "$dir/failed" ]
ok "all see the same afterwards" until_same
is "no keyword of any node is lost" \
    "$(keywords n2 2 | sed 's/%20/\n/g' | sort | wc -l)" 30
is "each change had a modseq of its own" \
    "$(cut -f 2 "$dir"/out.n? | grep -v modified | sort | uniq -d)" ""

# of two that take the same state for the last one, one is told
since=$(box n1 list 1 0 0 | head -n 1 | cut -f 2)
for n in n2 n3; do
	box $n store 1 "$since" add "won-$n" >"$dir/out.$n" &
done
wait
is "UNCHANGEDSINCE: one of two nodes is told that it comes too late" \
    "$(cat "$dir/out.n2" "$dir/out.n3" | grep -c '^modified 1$')" 1

is "a message is marked" \
    "$(box n2 store 2 - add '\Deleted' | head -n 1 | cut -f 3)" 8
is "and goes by another node" "$(box n3 expunge -)" "gone 2"
ok "all see that" until_same
is "two are left" "$(box n1 list - 0 0 | cut -f 1 | head -n 2 | xargs)" "1 3"

# copies, of whoever asks for them
who=u2@example.test
for n in n1 n2 n3; do
	ok "a message by $n" deliver $n
done
uids() { box "$1" list - 0 0 | grep '	' | cut -f 1 | xargs; }
stale=
next=4
for i in $(seq 5); do
	for n in n1 n2 n3; do
		[ "$(box $n copy 1 INBOX copy | sed -n 2p)" = "to $next" ] ||
		    stale="$stale ?$n/$i"
		case " $(uids $n) " in
		*" $next "*) ;;
		*) stale="$stale $n/$i" ;;
		esac
		next=$((next + 1))
	done
done
is "a copy is there, with the next UID, on the node that made it" "$stale" ""
ok "all see them" until_same

# three nodes move all of them at once
for n in n1 n2 n3; do
	box $n copy 4:18 INBOX move >"$dir/out.$n" || touch "$dir/failed" &
done
wait
ok "nothing failed" [ ! -e "$dir/failed" ]
ok "all see the same" until_same
is "each was moved once" "$(uids n2 | wc -w) $(cat "$dir"/out.n? |
    grep -c '^from .')" "18 1"
# what is gone is known by all
gone() { box "$1" vanished - "$2"; }
since=$(box n1 list - 0 0 | tail -n 1 | cut -d ' ' -f 7)
box n2 store 1,3 - add '\Deleted' >"$dir/out"
is "two go" "$(box n3 expunge -)" "gone 1,3"
is "which the node that did it says" "$(gone n3 "$since")" "vanished 1,3"
ok "all see the same" until_same
is "so do the others" "$(gone n1 "$since") $(gone n2 "$since")" \
    "vanished 1,3 vanished 1,3"
who=u1@example.test

# folders: each node sees at once what it did
folder() {
	n=$1 what=$2
	shift 2
	on "$n" "$OUT/tools/mailbox" "$what" $who "$@"
}
names() { folder "$1" folders | cut -d ' ' -f 1 | grep -v '^gone' | xargs; }
stale=
for n in n1 n2 n3; do
	for i in $(seq 5); do
		folder $n create "F$i-$n" "$i" >"$dir/out" || stale="$stale c"
		folder $n folders | grep -q "^F$i-$n .* $i\$" ||
		    stale="$stale $n/create$i"
		folder $n subscribe "F$i-$n" 1 >"$dir/out" || stale="$stale s"
		folder $n folders | grep -q "^F$i-$n .* $i subscribed\$" ||
		    stale="$stale $n/subscribe$i"
		folder $n rename "F$i-$n" "G$i-$n" >"$dir/out" ||
		    stale="$stale r"
		folder $n status "G$i-$n" >"$dir/out" || stale="$stale $n/to$i"
		folder $n status "F$i-$n" >"$dir/out" &&
		    stale="$stale $n/from$i"
		folder $n delete "G$i-$n" >"$dir/out" || stale="$stale d"
		folder $n status "G$i-$n" >"$dir/out" &&
		    stale="$stale $n/delete$i"
		folder $n subscribe "F$i-$n" 0 >"$dir/out" || stale="$stale u"
	done
done
is "folders: each node reads what it wrote" "$stale" ""
is "and nothing is left of it" "$(names n1)" "INBOX"

for n in n1 n2 n3; do
	for i in $(seq 8); do
		folder $n create "Same$i" 0 >"$dir/out.$n-$i" && echo $i
	done >"$dir/made.$n" &
done
wait
is "of three nodes that make the same folder, one does" \
    "$(cat "$dir"/made.n? | sort -n | xargs)" "1 2 3 4 5 6 7 8"
is "the others are told" \
    "$(cat "$dir"/out.n?-? | grep -c 'exists already')" 16

on n2 sh -c "printf 'Subject: x\n\nx\n' | cm-store -F Same1/x $who |
    cm-mirror | cm-catalog add" >"$dir/out"
ok "a follower renames what has mail" folder n3 rename Same1 Other
is "and reads it there" \
    "$(folder n3 status Other/x | cut -d ' ' -f 5)" 1
exits "the old name is gone, to the leader, too" 66 folder n1 status Same1/x
exits "INBOX is not deleted by a follower" 77 folder n2 delete INBOX
exits "nor below itself" 64 folder n2 rename Other Other/x/y
ok "INBOX gets another name by a follower" folder n2 rename INBOX Old
is "with what was in it" "$(box n2 list - 0 0 | wc -l) $(folder n2 status Old |
    cut -d ' ' -f 5)" "1 2"
until_folders() {
	for i in $(seq 100); do
		[ "$(folder n1 folders)" = "$(folder n2 folders)" ] &&
		    [ "$(folder n1 folders)" = "$(folder n3 folders)" ] &&
		    return 0
		sleep 0.1
	done
	return 1
}
ok "all see the same folders" until_folders
ok "one with mail goes" folder n2 delete Old
ok "the catalog is right" on n1 cm-catalog check
sum() { on "$1" cm-catalog dump -l | cksum; }
until_bytes() {
	for i in $(seq 100); do
		[ "$(sum n1)" = "$(sum n2)" ] && [ "$(sum n1)" = "$(sum n3)" ] &&
		    return 0
		sleep 0.1
	done
	return 1
}
ok "on all nodes, byte for byte" until_bytes
done_testing
