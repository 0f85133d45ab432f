#!/bin/sh
# cm-status: what a person looks at, in three forms, with one node and three.
. "$ROOT/test/lib.sh"

LAB=$ROOT/examples/lab
export LAB_CRON=2 LAB_CATALOG=n1

setup_home
D=$CM_HOME/lab
ended() {
	trap '' HUP INT TERM
	[ ! -f "$D/lab.conf" ] || sh "$LAB" down "$D" >/dev/null 2>&1
	cleanup
}
trap ended EXIT

command -v xmllint >/dev/null || skip "no xmllint"

lab() { sh "$LAB" "$@" >>"$CM_HOME/lab.log" 2>&1; }
on() { node=$1; shift; sh "$LAB" run "$D" "$node" "$@"; }

# An expression about what -x said, as text.
about() { xmllint --xpath "string($1)" "$CM_HOME/x"; }

# A line of the text has all these words, in this order, with blanks between.
row() {
	words=
	for w; do words="$words *$w"; done
	grep -qE "^( !|!!)?$words *\$" "$CM_HOME/text" ||
	    { sed 's/^/# /' "$CM_HOME/text"; return 1; }
}

has() {
	grep -qE "$1" "$CM_HOME/text" ||
	    { sed 's/^/# /' "$CM_HOME/text"; return 1; }
}

# into FILE COMMAND...: what it prints goes there.
into() {
	to=$CM_HOME/$1
	shift
	"$@" >"$to"
}

# says NAME CODE COMMAND...: the text it prints is kept.
says() {
	what=$1 code=$2
	shift 2
	exits "$what" "$code" into text "$@"
}

# looks NAME CODE COMMAND...: each form exits with that and is well-formed.
looks() {
	says "$@"
	shift 2
	exits "$what: XML" "$code" into x "$@" -x
	ok "$what: well-formed XML" xmllint --noout --nonet "$CM_HOME/x"
	exits "$what: a page" "$code" into html "$@" -H
	ok "$what: well-formed page" xmllint --noout --nonet "$CM_HOME/html"
}

nothing_from_outside() {
	! grep -iE '<script|src=|href=|url\(|@import' "$CM_HOME/html"
}

exits "an unknown option" 64 cm-status -q
exits "two forms" 64 cm-status -x -H
exits "an operand" 64 cm-status n1
exits "no such file" 66 cm-status -C "$CM_HOME/none.xml"

# --- one node, without cluster.xml and cm-stored

looks "nothing yet" 0 cm-status
ok "it is well" has '^clustermail: all is well'
is "the volume is empty" "$(about //home/@state)" empty
is "there was no check" "$(about 'count(//check)')" 0
cm-user add bob@example.org </dev/null >/dev/null 2>&1 || :
echo x | cm-store -f a@example.net bob@example.org 2>/dev/null |
    cm-catalog add >/dev/null
looks "a message" 0 cm-status
is "in a segment" "$(about //home/@segments)" 1
is "and listed" "$(about //catalog/@messages)" 1
is "nothing is behind" "$(about //catalog/@behind)" 0
says "a check" 0 cm-rebuild check
mkdir -p "$CM_HOME/spool/incoming/new" "$CM_HOME/spool/incoming/failed"
: >"$CM_HOME/spool/incoming/new/1"
: >"$CM_HOME/spool/incoming/failed/2"
: >"$CM_HOME/spool/incoming/failed/3"
looks "checked, with a spool" 0 cm-status
ok "it says so" row local up '[0-9.]+/[0-9]+' 0 '[0-9.]+[A-Z]?' '[0-9]+%' \
    1 2 '[0-9]+ s ago, clean'
ok "files that failed are noted" has '^ ! node local: 2 files in spool/inco'
is "by their numbers" "$(about //spool/@waiting),$(about //spool/@failed)" 1,2
is "the check's end is today" "$(about //check/@end | cut -c1-4)" \
    "$(date -u +%Y)"
ok "no colour to a file" sh -c '! grep -q "$(printf "\033")" "$1"' sh \
    "$CM_HOME/text"

printf '\377' | dd of="$CM_HOME/v1/00000001.seg" bs=1 seek=270 conv=notrunc \
    2>/dev/null
says "damage" 1 cm-rebuild check
looks "after it" 1 cm-status
ok "it is first" has '^!! node local: the last check found: v1:00000001'
is "it is wrong" "$(about /status/@well),$(about //problem/@level)" no,wrong
rm "$CM_HOME/last-scrub"

# what another node may say
printf 'scrub 2020-01-01T00:00:00.000Z 1 1 1\nfinding %s\033[31m%s\n' \
    '<script>"&' "'</title>" >"$CM_HOME/last-scrub"
looks "odd text" 1 cm-status
ok "nothing of it is an element" nothing_from_outside
ok "nor for the terminal" has "<script>\"&\\?\\[31m'</title>"
is "but it is there" "$(about //finding)" "<script>\"&?[31m'</title>"
printf 'scrub yesterday\n' >"$CM_HOME/last-scrub"
says "a note that cannot be read" 0 cm-status
rm "$CM_HOME/last-scrub"

if command -v script >/dev/null; then
	tty() {
		TERM=xterm script -qec "$1" /dev/null </dev/null |
		    grep -c "$(printf '\033')"
	}
	ok "colours on a terminal" [ "$(tty cm-status)" -gt 0 ]
	is "none with NO_COLOR" "$(tty 'NO_COLOR=1 cm-status')" 0
	is "nor on a dumb one" "$(tty 'TERM=dumb cm-status')" 0
fi
exits "a full disk" 75 sh -c 'exec cm-status >/dev/full'

# --- three nodes

command -v xinetd >/dev/null || skip "no xinetd"
up() {
	for try in 1 2 3 4 5; do
		LAB_NET=127.$((($$ + try) % 200 + 20)).$((try + 110))
		export LAB_NET
		lab up "$D" 3 && return
		lab down "$D"
		rm -rf "$D"
	done
	return 1
}
up || skip "no lab: $(tail -1 "$CM_HOME/lab.log")"

for n in n1 n2 n3; do
	echo "of $n" | on "$n" sh -c 'cm-store -f a@example.net \
	    u1@example.test | cm-mirror | cm-catalog add' >/dev/null
done
# A link that was just made may be seen before it is up.
for i in $(seq 60); do
	on n1 cm-status -x >"$CM_HOME/x"
	[ "$(about 'count(//copy[@link="up"])')" != 3 ] || break
	sleep 0.5
done
for n in n1 n2 n3; do
	looks "seen from $n" 0 on "$n" cm-status
	is "all nodes are up" "$(about 'count(//node[@state="up"])')" 3
	is "and all copies" "$(about 'count(//copy[@link="up"])')" 3
	is "seen by it" "$(about /status/@seen-from)" "$n"
done
is "no copy lacks anything" "$(about 'sum(//copy/@lag-bytes)')" 0
ok "copies have what homes have" [ "$(about 'sum(//copy/@bytes)')" = \
    "$(about 'sum(//home/@bytes)')" ]
is "the catalog is on n1" "$(about //catalog/@node)" n1
is "with all messages" "$(about //catalog/@messages)" 3
ok "a home in its row" row v2 n2 up 1 1 '[0-9]+' home
ok "a copy in its row" row n3 up 1 1 '[0-9]+' 0 '0 s'
is "three charts" "$(grep -c '<svg' "$CM_HOME/html")" 3
ok "nothing from outside" nothing_from_outside

tls=$D/n1/tls
ask() {
	curl -sf --noproxy '*' --cacert "$tls/ca.pem" --cert "$tls/node.pem" \
	    --key "$tls/node.key" \
	    --resolve "n2:2443:$LAB_NET.12" "https://n2:2443$1"
}
if command -v curl >/dev/null; then
	ask /v1/load >"$CM_HOME/text"
	ok "GET /v1/load: a place" has '^place v2 -1 1 1 [0-9]+ 1 [0-9]+ ok$'
	ok "a copy's" has '^place v1 0 1 1 [0-9]+ 1 [0-9]+ ok$'
	ok "free space" has '^free v2 [0-9]+$'
	ok "a disk" has '^disk [0-9]+ [0-9]+ state v1 v2$'
	ask /metrics >"$CM_HOME/text"
	for m in 'load' 'sessions' 'free_bytes\{volume="v2"\}' \
	    'place_bytes\{volume="v1",place="0"\}' \
	    'copy_lag_seconds\{volume="v2",copy="n3"\}' \
	    'copy_up\{volume="v2",copy="n3"\}' 'disk_bytes\{holds="[^"]*"\}'
	do
		ok "GET /metrics: $m" has "^clustermail_$m [0-9.]+\$"
	done
fi

lab kill "$D" n2
looks "a node is down" 1 on n3 cm-status
ok "it is said first" has '^!! node n2 does not answer: '
is "only that" "$(about 'count(//problem)')" 1
is "its home is unknown" "$(about '//home[@node="n2"]/@state')" unknown
is "so is its copy's lag" "$(about 'count(//copy[@lag-bytes])')" 2
lab start "$D" n2
lab stop "$D" n2
began=$(date +%s)
says "a node says nothing" 1 on n3 cm-status
ok "it is not waited for long" [ $(($(date +%s) - began)) -le 12 ]
ok "and it is told" has '^!! node n2 does not answer: '
lab cont "$D" n2

lab kill "$D" n2
lab wipe "$D" n2
lab start "$D" n2
says "its disks are empty" 1 on n3 cm-status
ok "and it is told what to do" has '^!! volume v2: its home on n2 is gone: cm'
ok "it is gone" row '!!' v2 n2 gone 0 0 0 home
says "rebuilt" 0 on n2 cm-rebuild node
# the other shippers look again within seconds
for try in 1 2 3 4 5 6 7 8 9 10; do
	! on n3 cm-status >"$CM_HOME/text" || break
	sleep 1
done
ok "all is well again" has ': all is well'

lab kill "$D" n1
says "the catalog is away" 1 on n3 cm-status
ok "and it is told" has '^!! the catalog does not answer: '
ok "with its node" has '^!! node n1 does not answer: '

done_testing
