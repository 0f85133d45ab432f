#!/bin/sh
# cm-route: recipients, the choice of a volume, the routing table.
. "$ROOT/test/lib.sh"
setup_home
tab=$(printf '\t')

# What it shows, with blanks run together.
shown() {
	cm-route show | sed 's/  */ /g; s/^ //'
}

rcpt() {
	cm-route rcpt "$@" >"$CM_HOME/out"
}

# rcpt
cm-user add -N ann@example.org bob@example.org
cm-user alias both@example.org ann@example.org bob@example.org
exits "rcpt" 0 rcpt Ann@Example.org both@example.org bob+x@example.org
is "a line for each" "$(cat "$CM_HOME/out")" \
"Ann@Example.org${tab}ann@example.org
both@example.org${tab}ann@example.org,bob@example.org
bob+x@example.org${tab}bob@example.org"
exits "unknown" 67 rcpt no@example.org ann@example.org x no@example.com
is "the known ones all the same" "$(cat "$CM_HOME/out")" \
    "ann@example.org${tab}ann@example.org"
is "the unknown ones by name" "$(cat "$CM_HOME.err")" \
'cm-route: no@example.org: no valid recipient on specified domain
cm-route: x: no valid recipient on specified domain
cm-route: no@example.com: no valid recipient on specified domain'
exits "no operand" 64 cm-route rcpt
exits "no command" 64 cm-route
exits "unknown command" 64 cm-route choose
cm-catalog stop
exits "no catalog" 75 env CM_BIN=/none cm-route rcpt ann@example.org

# The embedded default
is "select" "$(cm-route select)" v1
ok "show without a file" test "$(shown | grep -c '^v1 home local ')" = 1
exits "too large" 65 cm-route select -s 51M

# Two volumes here, one elsewhere, one that is closed, and rules
cat >"$CM_HOME/cluster.xml" <<X
<cluster name="test" catalog="n1">
  <domain name="example.org"/>
  <node name="n1" address="192.0.2.1" state="$CM_HOME/n1"/>
  <node name="n2" address="192.0.2.2" state="$CM_HOME/n2"/>
  <volume name="small" home="n1" path="$CM_HOME/small">
    <copy node="n2" path="/srv/small"/>
  </volume>
  <volume name="big" home="n1" path="$CM_HOME/big"/>
  <volume name="shut" home="n1" path="$CM_HOME/shut" closed="yes"/>
  <volume name="far" home="n2" path="/srv/far"/>
  <policy select="round-robin" copies="1" timeout="2.5" short="refuse"
      size="20M"/>
  <rule priority="high" volumes="small shut"/>
  <rule min-size="5M" max-size="10M" volumes="big far"/>
</cluster>
X
CM_CLUSTER=$CM_HOME/cluster.xml
CM_NODE=n1
export CM_CLUSTER CM_NODE
one=$(cm-route select)
two=$(cm-route select -p normal -s 4K)
is "turns" "$(printf '%s\n' "$one" "$two" | sort | uniq -c | sed 's/^ *//')" \
'2 big
2 small'
ok "another one first" test "$one" != "$two"
is "and around" "$(cm-route select)" "$one"
is "a rule for the size" "$(cm-route select -s 5M)" big
is "up to its end" "$(cm-route select -s 10M)" big
is "and no further" "$(cm-route select -s 10485761 | sort | tr '\n' ' ')" \
    'big small '
is "a rule for the priority" "$(cm-route select -p high -s 6M)" small
is "the other node" "$(cm-route -n n2 select)" far
exits "too large here" 65 cm-route select -s 20971521
ok "says so" grep -q 'too large' "$CM_HOME.err"
exits "not a size" 64 cm-route select -s many
exits "not a priority" 64 cm-route select -p none
exits "an operand" 64 cm-route select big
exits "no node" 78 cm-route -n n3 select
sed 's/home="n2" path/home="n1" closed="yes" path/' "$CM_CLUSTER" \
    >"$CM_HOME/none.xml"
exits "nothing open" 75 cm-route -C "$CM_HOME/none.xml" -n n2 select

# show
table=$(shown)
row() {
	is "$1" "$(echo "$table" | grep -c "^$2\$")" 1
}
row "cluster" "test $CM_CLUSTER"
row "domain" "example.org"
row "this node" "n1 192.0.2.1 $CM_HOME/n1 this node"
row "that node" "n2 192.0.2.2 $CM_HOME/n2"
row "volume" "small home n1 $CM_HOME/small open [0-9.]* [KMGTP]*i*B free"
row "copy" "copy n2 /srv/small"
row "closed" "shut home n1 $CM_HOME/shut closed [0-9.]* [KMGTP]*i*B free"
row "elsewhere" "far home n2 /srv/far open not here"
row "rule 1" "1 any size high priority small shut"
row "rule 2" "2 from 5M to 10M any priority big far"
row "select" "select round-robin"
row "copies" "copies 1"
row "timeout" "timeout 2.5 s"
row "short" "short refuse"
row "size" "size 20M"
is "columns" "$(cm-route show | grep -c '^  [a-z0-9]* *home n[12]  ')" 4

# rcpt where domains are named
cm-user add -N ann@example.org
is "known" "$(cm-route rcpt ann@example.org | cut -f 2)" ann@example.org
exits "another domain" 67 cm-route rcpt ann@example.com
is "the same words" "$(cat "$CM_HOME.err")" \
    'cm-route: ann@example.com: no valid recipient on specified domain'
done_testing
