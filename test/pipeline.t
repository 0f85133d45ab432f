#!/bin/sh
# Real messages go in by cm-store | cm-mirror | cm-catalog add and come out as
# they were, but for CRLF line ends; mail programs read what cm-fetch writes.
. "$(dirname "$0")/lib.sh"

setup_home
: "${CORPUS:=$ROOT/../shared/corpus}"
[ -d "$CORPUS" ] || CORPUS=$ROOT/examples/mail
cat >"$CM_HOME/cluster.xml" <<END
<cluster name="t"><domain name="example.org"/>
<node name="n1" state="$CM_HOME/state"/>
<volume name="v1" home="n1" path="$CM_HOME/v1" segment="256K">
  <copy node="n1" path="$CM_HOME/c1"/></volume>
<volume name="v2" home="n1" path="$CM_HOME/v2">
  <copy node="n1" path="$CM_HOME/c2"/></volume>
</cluster>
END
CM_CLUSTER=$CM_HOME/cluster.xml CM_NODE=n1
export CM_CLUSTER CM_NODE
cd "$CM_HOME" || exit 1
bob=bob@example.org
ls "$CORPUS"/*.eml >files || exit 1
count=$(wc -l <files)
echo "# $count messages in $CORPUS"

# Bare LF becomes CRLF, and nothing else changes.
crlf() {
	python3 -c 'import re, sys
sys.stdout.buffer.write(re.sub(rb"(?<!\r)\n", b"\r\n",
                               sys.stdin.buffer.read()))'
}

store_all() {
	while read -r f; do
		cm-store -f ann@example.net $bob <"$f" | cm-mirror |
		    cm-catalog add || return 1
	done <files >receipts
}

all_the_same() {
	uid=0
	while read -r f; do
		uid=$((uid + 1))
		cm-fetch -r -u $uid $bob >got || return 1
		crlf <"$f" >want
		cmp got want || { echo "# $f"; return 1; }
	done <files
}

# count_python KIND PATH: how many messages Python's mailbox module sees.
count_python() {
	python3 -c 'import mailbox, sys
box = getattr(mailbox, sys.argv[1])(sys.argv[2], create=False)
print(sum(1 for m in box if m.items() is not None))' "$1" "$2"
}

# count_mutt PATH: how many mutt pipes out, one by one.  Of the keys that it is
# given some are lost at times when the machine is busy: it has three tries to
# tag more than the one under its cursor.
count_mutt() {
	for try in 1 2 3; do
		pipe_out "$1"
		[ "$(wc -l <count)" -lt 2 ] || break
	done
	wc -l <count
}
pipe_out() {
	rm -f count
	TERM=vt100 timeout 240 script -qec "mutt -R -n -F /dev/null \
	    -e 'set wait_key=no pipe_split=yes' -e 'push \"<tag-pattern>~A\
<enter><tag-prefix><pipe-message>echo x >>$CM_HOME/count<enter><exit>\"' \
	    -f $1" /dev/null >mutt.out 2>&1 </dev/null || :
	[ -f count ] || : >count
}

# The bodies in an mbox, by Python: each the message that went in.
mbox_bodies() {
	python3 - out.mbox files <<'PY'
import mailbox, re, sys
box = mailbox.mbox(sys.argv[1], create=False)
files = [l.rstrip("\n") for l in open(sys.argv[2])]
bad = 0
for m, f in zip((box.get_bytes(k) for k in box.keys()), files):
    got = re.sub(rb"(?m)^>(>*From )", rb"\1", m)
    want = open(f, "rb").read().replace(b"\r\n", b"\n")
    if not want.endswith(b"\n"):
        want += b"\n"
    if got != want:
        print("#", f)
        bad += 1
sys.exit(bad > 0)
PY
}

ok "a mailbox" cm-user add -N $bob
ok "all messages go through the pipeline" store_all
is "each prints one line" "$(wc -l <receipts)" "$count"
is "with five fields" "$(awk -F'\t' 'NF != 5' receipts)" ""
is "on the home and its copy" "$(cut -f3 receipts | sort -u)" "n1,n1#1"
is "UIDs rise one by one" "$(cut -f5 receipts | sed 's,.*/,,')" \
    "$(seq "$count")"
is "all are listed" "$(cm-catalog list $bob | wc -l)" "$count"
ok "each comes back as it was, but for CRLF" all_the_same
ok "the catalog and the volumes agree" cm-catalog check
ok "all copies are sound" cm-rebuild check

cm-fetch $bob >out.mbox
is "Python reads the mbox" "$(count_python mbox out.mbox)" "$count"
ok "and the messages in it are the same" mbox_bodies
is "mutt reads the mbox" "$(count_mutt "$CM_HOME/out.mbox")" "$count"
cm-catalog list $bob | cm-fetch -d out.maildir
is "Python reads the Maildir" "$(count_python Maildir out.maildir)" "$count"
is "mutt reads the Maildir" "$(count_mutt "$CM_HOME/out.maildir")" "$count"

# and in again: an mbox and a Maildir are as good as single messages
ok "another mailbox" cm-user add -N eve@example.org
cm-store -m eve@example.org <out.mbox | cm-mirror | cm-catalog add >again
is "the mbox goes in again" "$(wc -l <again)" "$count"
cm-store -F dir -d out.maildir eve@example.org | cm-mirror | cm-catalog add \
    >again
is "so does the Maildir" "$(wc -l <again)" "$count"
cm-fetch -m eve@example.org >twice.mbox
is "and out again" "$(count_python mbox twice.mbox)" $((count * 2))
ok "the catalog and the volumes agree" cm-catalog check
done_testing
