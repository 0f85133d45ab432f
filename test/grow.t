#!/bin/sh
# A cluster grows from one node to three by edits of cluster.xml, while mail is
# stored all the time; nothing is started again by hand.
. "$ROOT/test/lib.sh"
. "$ROOT/test/flow.sh"

up -S 128K "$D" 1 || skip "no lab: $(tail -1 "$T/lab.log")"
begin n1
ok "mail flows on n1" more n1

# edit SED...: the next cluster.xml.
edit() { sed "$@" "$D/cluster.xml" >"$T/new.xml" && bring "$T/new.xml"; }

# volume NAME HOME COPY: its element, for sed.
volume() {
	printf '%s' "<volume name=\"$1\" home=\"$2\" path=\"$D/$2/disk/$1\"" \
	    " segment=\"128K\"><copy node=\"$3\" path=\"$D/$3/disk/$1\"/>" \
	    "</volume>"
}

# reaches NODE COPIES: until what that node acknowledges names them.
reaches() {
	tries=300
	until tail -1 "$T/ledger.$1" | cut -f4 | grep -qx "$2"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { tail -3 "$T/err.$1"; return 1; }
		sleep 0.1
	done
}

# --- to two

ok "a second node" lab add "$D"
ok "mail flows" more n1
edit -e "s,</volume>,<copy node=\"n2\" path=\"$D/n2/disk/v1\"/>&," \
    -e 's/copies="1"/copies="2"/' \
    -e "s,<policy,$(volume v2 n2 n1)\n  &,"
ok "v1 gets a copy" reaches n1 n1,n2
begin n2
ok "and n2 a volume, whose copy is on n1" reaches n2 n2,n1

# --- to three: a copy more, a volume closed, two more volumes

ok "a third node" lab add "$D"
ok "mail flows" more n2
edit -e "/name=\"v2\"/s,</volume>,<copy node=\"n3\" path=\"$D/n3/disk/v2\"/>&," \
    -e 's/<volume name="v1"/& closed="yes"/' \
    -e "s,<policy,$(volume v3 n3 n1)\n  $(volume v4 n1 n3)\n  &,"
begin n3
ok "n3 has a volume" reaches n3 n3,n1
ok "n1 another one" reaches n1 n1,n3
full=$(cat "$D"/n1/disk/v1/*.seg | wc -c)
for n in n1 n2 n3; do
	ok "mail flows on $n" more "$n"
done
ok "what is closed takes nothing" \
    [ "$(cat "$D"/n1/disk/v1/*.seg | wc -c)" -eq "$full" ]
: >"$T/stop"
wait

# --- every message is in enough places, listed once, and the same

# sums NODE VOLUME: of what is in the segments.
sums() {
	(cd "$D/$1/disk/$2" && find . -name '*.seg' -size +0 | sort |
	    xargs md5sum)
}
# whole VOLUME NODE...: until all have the same.
whole() {
	v=$1 home=$2
	shift
	for n; do
		tries=300
		until [ -n "$(sums "$home" "$v")" ] &&
		    [ "$(sums "$home" "$v")" = "$(sums "$n" "$v")" ]; do
			tries=$((tries - 1))
			[ "$tries" -gt 0 ] || return 1
			sleep 0.1
		done
	done
}
ok "v1 is on two nodes" whole v1 n1 n2
ok "v2 on three" whole v2 n2 n1 n3
ok "v3 on two" whole v3 n3 n1
ok "v4 on two" whole v4 n1 n3
all_there n1 n2 n3
done_testing
