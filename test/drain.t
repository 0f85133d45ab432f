#!/bin/sh
# A node is emptied and taken out of the cluster while mail flows: the whole
# story of cm-rebuild drain.
. "$ROOT/test/lib.sh"

. "$ROOT/test/flow.sh"

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

up -S 128K -s refuse "$D" 3 || skip "no lab: $(tail -1 "$T/lab.log")"

# n3 has a volume without copies, too
lone="<volume name=\"lone\" home=\"n3\" path=\"$D/n3/disk/lone\"/>"
sed "s,<policy,$lone\n  &," "$D/cluster.xml" >"$T/new.xml"
bring "$T/new.xml"
for n in n1 n2 n3; do
	begin "$n"
done
ok "mail flows on n1" more n1
ok "and n3" more n3

cp "$D/cluster.xml" "$T/old.xml"
# what the late writers have read: lone takes mail until it moves, too
sed -i 's/name="lone"/& closed="yes"/' "$T/old.xml"
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

sed 's/<node name="n3"/& drain="yes"/' "$D/cluster.xml" >"$T/new.xml"
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
ok "and lone when it is run again" sh -c '"$@" >"$0"' "$T/new.xml" \
    sh "$LAB" run "$D" n1 cm-rebuild drain -p n3
ok "which has a copy by then" grep -q 'name="lone" home="n[12]"' "$T/new.xml"
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
		ok "killed: it takes nothing" \
		    said 75 on n1 cm-rebuild copy v3 n2
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

all_there n1 n2

# --- folders from before roles were written down

sed -i /^role/d "$D/n1/disk/v1/volume" "$D/n2/disk/v1/volume"
# all of its volumes have their turn
for i in 1 2 3 4; do
	on n1 cm-store -f a@example.net u1@example.test </dev/null
done >"$T/ack" 2>"$T/said"
ok "a home without a role takes mail" grep -q '	v1:' "$T/ack"
ok "its copy gets a role" said 0 on n1 cm-mirror -a
is "that of a copy" "$(grep ^role "$D/n2/disk/v1/volume")" "role copy"
lab kill "$D" n1
lab start "$D" n1
rm "$D/n1/disk/v1/control"
ok "without its control file it may be a copy" said 75 on n1 cm-mirror -a
ok "it is said" has "cm-rebuild volume v1"
ok "and made a home" said 0 on n1 cm-rebuild volume v1
is "that says so" "$(grep ^role "$D/n1/disk/v1/volume")" "role home n1"
ok "nothing is wrong" said 0 on n1 cm-rebuild check
done_testing
