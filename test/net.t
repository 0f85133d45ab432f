#!/bin/sh
# Reading, checking and rebuilding over the network: three nodes on loopback.
. "$ROOT/test/lib.sh"

LAB=$ROOT/examples/lab
MK=$OUT/tools/mkmsgs
# no cron mends what this test breaks before it has looked
export LAB_CRON=600 LAB_CATALOG=n1

command -v xinetd >/dev/null || skip "no xinetd"
[ -x "$BIN/cm-stored" ] && [ -x "$MK" ] || skip "not built"

T=$(mktemp -d) || exit 1
CM_HOME=$T/home		# lib.sh writes to $CM_HOME.err
D=$T/lab
ended() {
	sh "$LAB" down "$D" >/dev/null 2>&1
	rm -rf "$T"
}
trap ended EXIT
trap 'exit 1' HUP INT TERM

lab() { sh "$LAB" "$@" >>"$T/lab.log" 2>&1; }
on() { node=$1; shift; sh "$LAB" run "$D" "$node" "$@"; }
disk() { echo "$D/$1/disk/$2"; }

# up: a lab at addresses that nobody has.
up() {
	for try in 1 2 3 4 5; do
		LAB_NET=127.$((($$ + try) % 200 + 20)).$((try + 100))
		export LAB_NET
		lab up -S 1M -s refuse "$D" 3 && return
		lab down "$D"
		rm -rf "$D"
	done
	return 1
}

# sums NODE VOLUME: of what is in the segments, whoever has begun one more.
sums() {
	(cd "$(disk "$1" "$2")" 2>/dev/null &&
	    find . -name '*.seg' -size +0 | sort | xargs md5sum)
}

# same VOLUME A B: home and copy have the same bytes, and some.
same() {
	[ -n "$(sums "$2" "$1")" ] && [ "$(sums "$2" "$1")" = \
	    "$(sums "$3" "$1")" ]
}

# store NODE NUMBER: one message there, its receipt on stdout.
store() {
	printf 'From: a@example.net\nSubject: %s\n\nmessage %s of %s\n' \
	    "$2" "$2" "$1" | on "$1" sh -c \
	    'cm-store -f a@example.net u1@example.test | cm-mirror'
}

# listed ID: it comes to be, within a minute.
listed() {
	for try in $(seq 300); do
		! on n1 cm-catalog list u1@example.test 2>>"$T/err" |
		    grep -q "$1" || return 0
		sleep 0.2
	done
	return 1
}

# flip FILE OFFSET: another byte there.
flip() {
	printf '\377' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

field() { cut -f2 "$1" | cut -d: -f"$2"; }

# said CODE NODE COMMAND...: exits with that; what it says goes to $T/said.
said() {
	code=$1
	shift
	got=0
	on "$@" >"$T/said" 2>&1 || got=$?
	[ "$got" -eq "$code" ] || { sed 's/^/# /' "$T/said"; return 1; }
}

has() { grep -q "$1" "$T/said" || { sed 's/^/# /' "$T/said"; return 1; }; }

up || skip "no lab: $(tail -1 "$T/lab.log")"

# Nodes that keep no catalog may ask the one that does; where they cannot, each
# has its own.
for n in n2 n3; do
	echo u1@example.test:secret | on "$n" cm-user import >/dev/null 2>&1
done

# --- what was stored is in both places, and can be read from everywhere

for n in n1 n2 n3; do
	for i in 1 2 3 4 5; do
		store "$n" "$i" >>"$T/few" 2>>"$T/err"
	done
done
is "all were acknowledged" "$(grep -c . "$T/few")" 15
is "each on two nodes" "$(cut -f3 "$T/few" | sort -u | tr '\n' ' ')" \
    "n1,n2 n2,n3 n3,n1 "
ok "v1 is on n1 and n2" same v1 n1 n2
ok "v2 is on n2 and n3" same v2 n2 n3
ok "v3 is on n3 and n1" same v3 n3 n1
sort -k1.20 "$T/few" >"$T/mixed"
for n in n1 n2 n3; do
	on "$n" cm-fetch <"$T/mixed" >"$T/box.$n" 2>>"$T/err"
done
is "read on n1" "$(grep -c '^message . of n' "$T/box.n1")" 15
ok "the same on n2" cmp "$T/box.n1" "$T/box.n2"
ok "the same on n3" cmp "$T/box.n1" "$T/box.n3"
is "in the order asked for" "$(cut -f1 "$T/mixed" | wc -l)" \
    "$(grep -c '^From ' "$T/box.n1")"

# --- a bad byte

grep "	v2:" "$T/few" | sed -n 2p >"$T/one"
at=$(($(field "$T/one" 3) + $(field "$T/one" 4) - 8))
file=$(printf %s.seg "$(field "$T/one" 2)")
for where in n2 n3; do
	flip "$(disk "$where" v2)/$file" "$at"
	ok "a bad byte on $where: found" said 1 n2 cm-rebuild check
	ok "it is said where" has "v2:$(field "$T/one" 2) on $where: .* damaged"
	on n1 cm-fetch <"$T/mixed" >"$T/box" 2>"$T/said"
	ok "another node reads the good one" cmp "$T/box" "$T/box.n1"
	[ "$where" = n3 ] || ok "and says so" has "damaged in node n2"
	ok "repaired" said 0 n2 cm-rebuild check -r
	ok "from the other node" has "were damaged; repaired from n"
	ok "they are the same" same v2 n2 n3
	ok "and nothing is wrong" said 0 n2 cm-rebuild check
done

# --- a node dies while it is read from

"$MK" 400 100000 | on n2 cm-store -m u1@example.test 2>>"$T/err" | on n2 \
    cm-mirror >"$T/many" 2>>"$T/err"
is "a large mailbox" "$(grep -c n2,n3 "$T/many")" 400
on n2 cm-fetch <"$T/many" | md5sum >"$T/want"
(on n1 cm-fetch <"$T/many" 2>"$T/said"; echo $? >"$T/code") | {
	dd bs=65536 count=16 iflag=fullblock 2>/dev/null
	lab kill "$D" n2
	cat
} | md5sum >"$T/got"
is "killed in the midst: all of it comes" "$(cat "$T/got")" "$(cat "$T/want")"
is "with exit code 0" "$(cat "$T/code")" 0
ok "and the node's death is told" has "node n2: cannot be reached"
ok "a check at the other end of it" said 0 n3 cm-rebuild check
ok "and one that needs it" said 1 n1 cm-rebuild check
ok "it says why" has "on n2: cannot be checked"
lab kill "$D" n3
got=0
on n1 cm-fetch <"$T/many" >"$T/box" 2>"$T/said" || got=$?
is "both nodes away: try again" "$got" 75
lab start "$D" n2
lab start "$D" n3

# --- a machine is swapped

before=$(sums n2 v2)
copy=$(sums n2 v1)
lab kill "$D" n2
rm -rf "$(disk n2 v1)" "$(disk n2 v2)"
lab start "$D" n2
ok "an empty home takes nothing" said 75 n2 sh -c \
    'echo | cm-store -f a@example.net u1@example.test'
# not by the function: the process itself is to be killed
sh "$LAB" run "$D" n2 cm-rebuild -b 10M node >"$T/said" 2>&1 &
pid=$!
sleep 2
kill -9 "$pid"
wait "$pid" 2>/dev/null
half=$(sums n2 v2 | wc -l)
ok "killed in the midst: some of it is there" [ "$half" -gt 0 ]
ok "not all of it" [ "$half" -lt "$(echo "$before" | wc -l)" ]
ok "begun again" said 0 n2 cm-rebuild node
ok "the home is made anew" has "home made anew"
is "its bytes are back" "$(sums n2 v2)" "$before"
is "and the copy's" "$(sums n2 v1)" "$copy"
ok "a second time" said 0 n2 cm-rebuild node n2
ok "nothing is fetched" has "v2: 0 bytes fetched"
ok "on another machine it is refused" said 75 n1 cm-rebuild node n2
for n in n1 n2 n3; do
	ok "nothing is wrong on $n" said 0 "$n" cm-rebuild check
done
store n2 after >"$T/after" 2>>"$T/err"
is "mail is taken again" "$(cut -f3 "$T/after")" n2,n3
on n1 cm-fetch <"$T/many" 2>>"$T/err" | md5sum >"$T/got"
is "old places are valid" "$(cat "$T/got")" "$(cat "$T/want")"

# --- a copy, from either end

for run in n3 n2; do
	lab kill "$D" n3
	rm -rf "$(disk n3 v2)"
	lab start "$D" n3
	ok "copy, run on $run" said 0 "$run" cm-rebuild copy v2 n3
	ok "is the same bytes" same v2 n2 n3
	flip "$(disk n3 v2)/$file" "$at"
	ok "again, with a bad byte" said 0 "$run" cm-rebuild copy v2 n3
	ok "is put right" same v2 n2 n3
done
ok "into a folder" said 0 n1 cm-rebuild copy v2 "$T/spare"
is "is the same bytes" "$(cd "$T/spare" && find . -name '*.seg' -size +0 |
    sort | xargs md5sum)" "$(sums n2 v2)"
flip "$(disk n2 v2)/$file" "$at"
ok "a damaged home" said 65 n3 cm-rebuild copy v2 n3
flip "$(disk n3 v2)/$file" $((at + 1))
ok "and a damaged copy" said 1 n2 cm-rebuild check -r
ok "cannot be repaired, and it is said" has "no copy has them whole"
cp "$T/spare/$file" "$(disk n2 v2)/$file"
ok "with a good home" said 0 n2 cm-rebuild check -r
ok "they are the same again" same v2 n2 n3

# --- an old home is back

lab kill "$D" n2
cp -a "$(disk n2 v2)" "$T/old"
mv "$(disk n2 v2)" "$T/gone"
lab start "$D" n2
ok "a newer home is made" said 0 n2 cm-rebuild volume v2
store n2 newer >"$T/newer" 2>>"$T/err"
is "and takes mail" "$(cut -f3 "$T/newer")" n2,n3
want=$(sums n3 v2)
lab kill "$D" n2
rm -rf "$(disk n2 v2)"
cp -a "$T/old" "$(disk n2 v2)"
lab start "$D" n2
ok "the old one: nothing is acknowledged" said 75 n2 sh -c \
    'echo | cm-store -f a@example.net u1@example.test | cm-mirror'
ok "it gives nothing to a copy" said 75 n3 cm-rebuild copy v2 n3
ok "nor sends it" said 75 n2 cm-rebuild copy v2 n3
ok "nor is it good for a check" said 1 n2 cm-rebuild check
ok "and that is said loudly" has "made anew on another machine"
is "the copy is as it was" "$(sums n3 v2)" "$want"
ok "it is set aside" said 0 n2 cm-rebuild volume v2
ok "loudly" has "OLD HOME SET ASIDE"
ok "and kept" [ -f "$(disk n2 v2).superseded-3/00000001.seg" ]
is "what is there is the newer one" "$(sums n2 v2)" "$want"
ok "nothing is wrong" said 0 n2 cm-rebuild check

# --- an old home is back, beside the catalog, and no copy tells that it is

cursors() {
	on n1 cm-catalog dump -l 2>>"$T/err" |
	    grep -E '^(home|cursor|gap)[[:space:]]v1([[:space:]:]|$)'
}
lab kill "$D" n1
cp -a "$(disk n1 v1)" "$T/old1"
mv "$(disk n1 v1)" "$T/gone1"
lab start "$D" n1
ok "a newer home is made" said 0 n1 cm-rebuild volume v1
store n1 newer >"$T/newer" 2>>"$T/err"
ok "and takes mail, which is listed" listed "$(cut -f 1 "$T/newer")"
want=$(cursors)
ok "the catalog knows how far" [ -n "$want" ]
lab kill "$D" n2
lab kill "$D" n1
rm -rf "$(disk n1 v1)"
cp -a "$T/old1" "$(disk n1 v1)"
lab start "$D" n1
on n1 cm-catalog list u1@example.test >"$T/list" 2>>"$T/err"
is "the old one does not take that back" "$(cursors)" "$want"
lab start "$D" n2

done_testing
