#!/bin/sh
# A node is emptied and taken out of the cluster while mail flows: the whole
# story of cm-rebuild drain.
. "$ROOT/test/lib.sh"

LAB=$ROOT/examples/lab
export LAB_CRON=2
command -v xinetd >/dev/null || skip "no xinetd"

T=$(mktemp -d) || exit 1
CM_HOME=$T/home		# lib.sh writes to $CM_HOME.err
D=$T/lab
ended() {
	: >"$T/stop"
	wait
	sh "$LAB" down "$D" >/dev/null 2>&1
	rm -rf "$T"
}
trap ended EXIT
trap 'exit 1' HUP INT TERM

lab() { sh "$LAB" "$@" >>"$T/lab.log" 2>&1; }
on() { node=$1; shift; sh "$LAB" run "$D" "$node" "$@"; }

# said CODE COMMAND...: exits with that; what it says goes to $T/said.
said() {
	code=$1
	shift
	got=0
	"$@" >"$T/said" 2>&1 || got=$?
	[ "$got" -eq "$code" ] || {
		echo "# exit $got, not $code: $*"
		sed 's/^/# /' "$T/said"
		return 1
	}
}
has() { grep -q "$1" "$T/said" || { sed 's/^/# /' "$T/said"; return 1; }; }
lacks() { ! grep -q "$1" "$2" || { sed 's/^/# /' "$2"; return 1; }; }

# --- the plan alone: no node runs

plan() { cm-rebuild -C "$1" -n n1 drain -p n3; }
cat >"$T/a.xml" <<END
<?xml version="1.0" encoding="UTF-8"?>
<!-- ours -->
<cluster name="t" catalog="n1">
  <node name="n1" state="$T/none"/>
  <node name="n2"/>
  <node name="n3" drain="yes"/>

  <volume name="v1" home="n1" path="/srv/v1">
    <copy node="n3" path="/srv/v1"/>
  </volume>
  <volume name="v3" home="n3" path="/srv/v3">
    <copy node="n1" path="/disk2/v3"/>
  </volume>
  <volume name="lone" home="n3" path="/srv/lone"/>
  <volume name="two" home="n1" path="/srv/two">
    <copy node="n2" path="/d/v1"/>
  </volume>
  <policy copies="2"/>
</cluster>
END
cat >"$T/want" <<END
<?xml version="1.0" encoding="UTF-8"?>
<!-- ours -->
<cluster name="t" catalog="n1">
  <node name="n1" state="$T/none"/>
  <node name="n2"/>
  <node name="n3" drain="yes"/>

  <volume name="v1" home="n1" path="/srv/v1" places="2">
    <copy node="n3" path="/srv/v1"/>
    <copy node="n2" path="/d/v1-2"/>
  </volume>
  <volume name="v3" home="n1" path="/disk2/v3" places="2">
    <copy node="n3" path="/srv/v3"/>
    <copy node="n2" path="/d/v3"/>
  </volume>
  <volume name="lone" home="n3" path="/srv/lone" places="1">
    <copy node="n1" path="/srv/lone"/>
  </volume>
  <volume name="two" home="n1" path="/srv/two">
    <copy node="n2" path="/d/v1"/>
  </volume>
  <policy copies="2"/>
</cluster>
END
plan "$T/a.xml" >"$T/b.xml"
is "homes and copies change places, copies are added" "$(cat "$T/b.xml")" \
    "$(cat "$T/want")"
plan "$T/b.xml" >"$T/c.xml"
is "what had no copy moves then" \
    "$(diff "$T/b.xml" "$T/c.xml" | grep '^>' | tr -s ' ')" \
    '> <volume name="lone" home="n1" path="/srv/lone" places="1">
> <copy node="n3" path="/srv/lone"/>'
ok "then the disks are looked at: no node is there to ask" \
    said 75 plan "$T/c.xml"
ok "it is said" has "volume v3: node n. cannot be asked"
ok "and no file is printed" lacks "<cluster" "$T/said"
sed 's/ drain="yes"//' "$T/a.xml" >"$T/d.xml"
ok "only of a node that drains" said 78 plan "$T/d.xml"
sed 's/"n[12]"/& drain="yes"/' "$T/a.xml" | sed '/<volume/,$s/ drain="yes"//' \
    >"$T/d.xml"
ok "not when all drain" said 78 plan "$T/d.xml"
ok "unknown node" said 66 cm-rebuild -C "$T/a.xml" -n n1 drain n9
ok "usage" said 64 cm-rebuild -C "$T/a.xml" -n n1 drain -x

# --- a cluster with mail, and mail all the time

up() {
	for try in 1 2 3 4 5; do
		LAB_NET=127.$((($$ + try) % 200 + 20)).$((try + 130))
		export LAB_NET
		lab up -S 128K -s refuse "$D" 3 && return
		lab down "$D"
		rm -rf "$D"
	done
	return 1
}
up || skip "no lab: $(tail -1 "$T/lab.log")"

# ack NODE NUMBER: stores one; the ledger gets what was acknowledged.
ack() {
	awk -v n="$2" 'BEGIN { print "Subject: " n "\n\nmessage " n " begins"
	    for (i = n % 97; i > 0; i--) print n ": line " i
	    print "message " n " ends" }' >"$T/msg.$1"
	on "$1" sh -c 'cm-store -f a@example.net u1@example.test |
	    cm-mirror' <"$T/msg.$1" >"$T/ack.$1" 2>>"$T/err.$1" || return
	[ -s "$T/ack.$1" ] && sed "s/^/$2	/" "$T/ack.$1" >>"$T/ledger.$1"
}

# flow NODE FIRST: until it is to stop, messages FIRST, FIRST + 3, ...
flow() {
	i=$2
	while [ ! -e "$T/stop" ] && [ ! -e "$T/stop.$1" ]; do
		ack "$1" "$i"
		i=$((i + 3))
	done
}

acked() { cat "$T"/ledger.* 2>/dev/null | grep -c .; }

# more NODE: until that node has acknowledged 3 more.
more() {
	was=$(grep -c . "$T/ledger.$1")
	tries=600
	while [ "$(grep -c . "$T/ledger.$1")" -lt $((was + 3)) ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { tail -3 "$T/err.$1"; return 1; }
		sleep 0.1
	done
}

for n in n1 n2 n3; do
	: >"$T/ledger.$n"
	flow "$n" "${n#n}" &
done
ok "mail flows on n1" more n1
ok "and n3" more n3

# bring FILE: to all nodes, here one file.
bring() { cp "$1" "$D/cluster.xml.new" && mv "$D/cluster.xml.new" \
    "$D/cluster.xml"; }

cp "$D/cluster.xml" "$T/old.xml"
# a writer that has read the old file, and one that has the volume open
mkfifo "$T/late" "$T/many"
on n3 sh -c 'cm-store -C "$1" -f a@example.net u1@example.test' sh \
    "$T/old.xml" <"$T/late" >"$T/late.ack" 2>"$T/late.err" &
late=$!
exec 8>"$T/late"
# not by a redirection of the function: the shell would keep the end of a pipe
(exec 8>&-
on n3 cm-store -C "$T/old.xml" -m u1@example.test <"$T/many" \
    >"$T/many.ack" 2>"$T/many.err") &
many=$!
exec 9>"$T/many"
printf 'From a@example.net Thu Jan  1 00:00:00 2026\nSubject: m\n\nfirst\n\n' >&9
printf 'From a@example.net Thu Jan  1 00:00:00 2026\nSubject: m\n\n' >&9

sed 's/<node name="n3"/& drain="yes"/' "$T/old.xml" >"$T/new.xml"
bring "$T/new.xml"
ok "n3 drains: it is at home there still" said 75 on n1 cm-rebuild drain n3
ok "and it is said what is next" has "volume v3: .*cm-rebuild drain -p n3"
ok "mail flows on n3" more n3
is "into other volumes" "$(tail -1 "$T/ledger.n3" | cut -f3 | cut -d: -f1 |
    tr -d 12)" v
ok "and on n1" more n1

on n1 cm-rebuild drain -p n3 >"$T/new.xml"
ok "the plan moves v3" grep -q 'name="v3" home="n1"' "$T/new.xml"
bring "$T/new.xml"
ok "until it is promoted it takes nothing" said 75 on n1 cm-rebuild copy v3 n2
more n1
# tells N1 TEXT: until a look says so: cm-stored reads a new file in a second
tells() {
	tries=60
	until on "$1" cm-rebuild drain n3 2>&1 | grep -q "$2"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.2
	done
}
ok "and a look says so, with the command" \
    tells n2 "on n1: cm-rebuild volume v3"

# --- killed at every step

steps=fsync,fdatasync,rename,unlink,linkat,ftruncate,flock,connect
kills=0
at=1
while command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; do
	got=0
	on n1 strace -f -qq -o /dev/null -e "trace=$steps" \
	    -e "inject=$steps:signal=KILL:when=$at" cm-rebuild volume v3 >"$T/said" 2>&1 || got=$?
	[ "$got" -ne 0 ] || break
	kills=$((kills + 1))
	at=$((at + 1))
	if [ "$at" -eq 7 ]; then
		ok "killed: it takes nothing" said 75 on n1 cm-mirror -a
		ok "nor does the old home" said 75 on n3 cm-store \
		    -C "$T/old.xml" -f a@example.net u1@example.test </dev/null
	fi
	[ "$at" -lt 300 ] || break
done
echo "# killed $kills times"
ok "promoted" said 0 on n1 cm-rebuild volume v3
ok "again: nothing to do" said 0 on n1 cm-rebuild volume v3
is "the folder is the home of n1" \
    "$(grep ^role "$D/n1/disk/v3/volume")" "role home n1"
is "and what was the home a copy" \
    "$(grep ^role "$D/n3/disk/v3/volume")" "role copy"

# --- writers with the old file

printf 'Subject: late\n\nlate\n' >&8
exec 8>&-
got=0
wait "$late" || got=$?
is "a writer that had the old file is refused" "$got" 75
ok "loudly" grep -q "is a copy, and takes no mail" "$T/late.err"
is "with no receipt" "$(cat "$T/late.ack")" ""
printf 'second\n' >&9
exec 9>&-
got=0
wait "$many" || got=$?
is "so is one that had the volume open" "$got" 75
ok "a new writer, too" said 75 on n3 cm-store -C "$T/old.xml" \
    -f a@example.net u1@example.test </dev/null
ok "loudly" has "v3: .*v3 on node n3 is a copy, and takes no mail"
ok "and cannot take it back" said 75 on n3 cm-rebuild -C "$T/old.xml" \
    volume v3
ok "a shipper neither" said 75 on n3 cm-mirror -C "$T/old.xml" -a
ok "it is no old home that is set aside" [ ! -e "$D/n3/disk/v3/superseded" ]

# --- the rest of it

on n2 cm-rebuild drain n3 >"$T/why" 2>&1
tries=20
until said 0 on n1 cm-rebuild drain n3 >"$T/why"; do
	tries=$((tries - 1))
	[ "$tries" -gt 0 ] || break
done
ok "nothing of n3 is needed" said 0 on n1 cm-rebuild drain n3
ok "it is said" has "node n3 can be taken out"
ok "again" said 0 on n2 cm-rebuild drain n3
ok "on the node itself" said 0 on n3 cm-rebuild drain n3
: >"$T/stop.n3"
on n1 cm-rebuild drain -p n3 >"$T/new.xml"
ok "the file without it" lacks n3 "$T/new.xml"
bring "$T/new.xml"
lab kill "$D" n3
ok "mail flows on n1" more n1
ok "and n2" more n2
: >"$T/stop"
wait

# --- every message is there, once, the same

# each node brings what is at home there
on n2 cm-catalog sync
on n1 cm-catalog sync
on n1 cm-catalog list u1@example.test >"$T/list"
cat "$T"/ledger.* >"$T/ledger"
echo "# $(grep -c . "$T/ledger") messages were acknowledged," \
    "$(grep -c . "$T/ledger.n3") of them on n3"
cut -f2 "$T/ledger" | sort >"$T/ids"
is "each was listed once" "$(cut -f2 "$T/list" | sort | uniq -d)" ""
is "all that was acknowledged" \
    "$(cut -f2 "$T/list" | sort | comm -13 - "$T/ids")" ""
cut -f1 "$T/ledger" | sort -n | awk '{ print "message " $1 " begins"
    for (i = $1 % 97; i > 0; i--) print $1 ": line " i
    print "message " $1 " ends" }' >"$T/want"
sort -n "$T/ledger" | cut -f2- >"$T/receipts"
for n in n1 n2; do
	on "$n" cm-fetch <"$T/receipts" 2>"$T/err" |
	    grep -E '^message |: line ' | tr -d '\r' >"$T/got"
	ok "and is fetched on $n as it was" cmp "$T/want" "$T/got"
	ok "without a word" [ ! -s "$T/err" ]
	ok "nothing is wrong on $n" said 0 on "$n" cm-rebuild check
done
ok "the catalog agrees" said 0 on n1 cm-catalog check
done_testing
