#!/bin/sh
# 200 kills of storing processes, filters, shippers and the agent, at random
# moments while mail is stored.  The ledger has every message whose pipeline
# exited 0; all of it must be there, once, without any repair.
. "$(dirname "$0")/lib.sh"

setup_home
cat >"$CM_HOME/cluster.xml" <<END
<cluster name="t"><domain name="example.test"/>
<node name="n1" state="$CM_HOME/state"/>
<volume name="v1" home="n1" path="$CM_HOME/v1" segment="4M">
  <copy node="n1" path="$CM_HOME/c1"/></volume>
<volume name="v2" home="n1" path="$CM_HOME/v2">
  <copy node="n1" path="$CM_HOME/c2"/></volume>
</cluster>
END
CM_CLUSTER=$CM_HOME/cluster.xml CM_NODE=n1 STATE=$CM_HOME/state
export CM_CLUSTER CM_NODE STATE

same() {
	for f in "$CM_HOME"/v[12]/*.seg; do
		c=$(echo "$f" | sed 's,/v\([12]\)/,/c\1/,')
		cmp "$f" "$c" || return 1
	done
}

for i in 0 1 2 3 4; do
	cm-user add -N "u$i@example.test" || exit 1
done
seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
ok "200 kills, seed $seed: all that was acknowledged is there once" \
    python3 "$ROOT/test/tools/kill.py" 200 "$seed"
ok "the shippers bring the copies up to the homes" cm-mirror -a
ok "which are then the same" same
ok "every record of every copy is sound" cm-rebuild check
is "nothing was set aside as torn" "$(ls "$CM_HOME"/*/cut-* 2>/dev/null)" ""
done_testing
