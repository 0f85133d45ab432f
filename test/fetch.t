#!/bin/sh
# cm-fetch: what was stored comes out again, from whichever copy is good.
. "$(dirname "$0")/lib.sh"

setup_home
cat >"$CM_HOME/cluster.xml" <<EOF
<cluster>
  <node name="n1" state="$CM_HOME"/>
  <volume name="v1" home="n1" path="$CM_HOME/v1">
    <copy node="n1" path="$CM_HOME/c1"/>
  </volume>
</cluster>
EOF
CM_CLUSTER=$CM_HOME/cluster.xml CM_NODE=n1
export CM_CLUSTER CM_NODE
cd "$CM_HOME" || exit 1
bob=bob@example.org

stop() {
	cm-catalog stop
	cleanup
}
trap stop EXIT

# request WORD...: one request to the agent; prints its last line.
request() {
	python3 - "$@" <<'EOF'
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
os.chdir(os.environ["CM_HOME"])
s.connect("run/catalog.sock")
s.sendall(("\t".join(sys.argv[1:]) + "\n").encode())
for line in s.makefile():
    if line[0] == ".":
        sys.exit(int(line[1:].split("\t")[0]) != 0)
EOF
}

# to FILE COMMAND...
to() {
	file=$1
	shift
	"$@" >"$file"
}

# An mbox of 250 messages, with what is hard in some of them.
python3 - >in.mbox <<'EOF'
for i in range(250):
    print("From s%d@example.net Fri Nov 24 08:%02d:00 2023" % (i, i % 60))
    print("From: s%d@example.net\nSubject: %d\n" % (i, i))
    print("body %d" % i)
    if i % 10 == 0:
        print(">From a line\n>>From another\n >From\nFrom: x")
    if i % 50 == 0:
        for k in range(20000):
            print("line %d of a large one" % k if k % 3 else
                  ">From line %d" % k)
    print()
EOF

cm-catalog sync
ok "a mailbox" request user-add $bob ""
cm-store -m $bob <in.mbox >receipts || echo "# cm-store $?"
cm-mirror <receipts | cm-catalog add >/dev/null
is "stored" "$(wc -l <receipts)" 250

exits "to an mbox" 0 to out.mbox cm-fetch $bob
is "the mbox is the one that was stored" \
    "$(cmp in.mbox out.mbox && echo same)" same
is "python reads as many messages" "$(python3 -c '
import mailbox
m = mailbox.mbox("out.mbox")
print(len(m), m[20]["subject"], m[249].get_from().split()[0])')" \
    "250 20 s249@example.net"
cm-catalog list $bob >list
cm-fetch -m <list >out2.mbox
is "from the catalog's list" "$(cmp out.mbox out2.mbox && echo same)" same
cm-catalog list $bob | cm-fetch | cmp - out.mbox
is "as a pipe" $? 0
cm-fetch <receipts | cmp - out.mbox
is "from receipts" $? 0
cut -f1,2 receipts | cm-fetch | cmp - out.mbox
is "from ids and places" $? 0
is "entries alone, in their order" "$(cut -f1 list | sort -r | sed 2q |
    cm-fetch -r | grep ^Subject | tr '\r\n' ' ;')" \
    "Subject: 98 ;Subject: 97 ;"
is "entries and receipts mixed" "$({ sed -n 4p receipts; sed -n 2p list
    echo $bob/INBOX/9; } | cm-fetch -r | grep ^Subject | tr -d '\r' |
    tr '\n' ';')" "Subject: 3;Subject: 1;Subject: 8;"
cm-catalog stop
flock -w 10 run/catalog.lock true
is "receipts" "$(sed -n 3p receipts | cm-fetch | sed 1q | cut -d' ' -f2)" \
    s2@example.net
ok "need no catalog" flock -n run/catalog.lock true

sed -n 2p list | cm-fetch >one
sed -n 2p list | sed 's/v1:00000001:[0-9]*/v1:00000099:0/' | cm-fetch |
    cmp - one
is "an old place: the catalog knows the new one" $? 0

# raw
printf 'Subject: raw\r\n\r\nFrom here\r\nto \001 there\r\n' >raw.in
id=$(cm-store -f ann@example.net $bob <raw.in | cm-catalog add | cut -f1)
cm-fetch -r $bob/INBOX/251 | cmp - raw.in
is "raw, byte for byte" $? 0
cm-fetch -r -u 251 $bob | cmp - raw.in
is "by its UID" $? 0
is "From_ line with the sender" "$(cm-fetch -u 251 -F INBOX $bob |
    sed -n '1s/ [A-Z].*//p;s/^>//p')" "From ann@example.net
From here"
cm-store -f '' -F Sent/2023 $bob <raw.in | cm-catalog add >/dev/null
is "the null sender" "$(cm-fetch -F Sent/2023 $bob | head -1 |
    cut -d' ' -f2)" MAILER-DAEMON
is "all folders" "$(cm-fetch $bob | grep -c '^From ')" 252

# what is not there
exits "unknown mailbox" 67 cm-fetch nobody@example.org
exits "no such UID" 66 cm-fetch -u 999 $bob
is "says which" "$(cut -d: -f2 "$CM_HOME.err")" " entry $bob/INBOX/999"
exits "no such entry" 66 cm-fetch $bob/INBOX/300
exits "one below a later one" 66 cm-fetch $bob/Sent/2023/3
exits "the others come nevertheless" 67 to out3.mbox \
    cm-fetch nobody@example.org $bob
is "all of them" "$(grep -c '^From ' out3.mbox)" 252
echo nonsense >bad
exits "a line that is nothing" 65 cm-fetch <bad
exits "two forms" 64 cm-fetch -m -r $bob
exits "a folder without a mailbox" 64 cm-fetch -F INBOX </dev/null
exits "nothing of nothing" 0 cm-fetch </dev/null

# output that fails
exits "a full disk" 75 to /dev/full cm-fetch $bob
(cm-fetch $bob 2>err; echo $? >code) | true
is "a reader that went" "$(cat code)" 75

# Maildir
exits "to a Maildir" 0 cm-fetch -d M $bob
is "files" "$(find M -type f -path '*/new/*' | wc -l)" 252
is "none in tmp" "$(find M -path '*/tmp/*' | wc -l)" 0
is "a Maildir++ folder" "$(ls M/.Sent.2023 | tr '\n' ' ')" \
    "cur maildirfolder new tmp "
f=$(ls M/new/*."$id".n1)
is "LF line ends" "$(cat "$f")" "$(tr -d '\r' <raw.in)"
is "the time of arrival" "$(find M/new -newermt '2023-11-24 08:16:59Z' \
    ! -newermt '2023-11-24 08:17:01Z' | wc -l)" 4
cm-fetch -d M $bob
is "twice adds nothing" "$(find M -type f -path '*/new/*' | wc -l)" 252
mv "$f" "M/cur/$(basename "$f"):2,S"
cm-catalog flag +'\Seen' +'\Flagged' +'\Answered' +word $bob/INBOX/1
cm-fetch -d M <list
is "nor when it was read" "$(find M -type f -name '[0-9]*' | wc -l)" 252
cm-fetch -d N $bob
is "flags" "$(find N/cur -type f | sed 's/.*://')" 2,FRS
is "the rest is new" "$(find N/new -type f | wc -l)" 250
cm-fetch -d R <receipts
is "from receipts" "$(find R/new -type f | wc -l)" 250
is "python reads it" "$(python3 -c '
import mailbox
m = mailbox.Maildir("N", create=False)
print(len(m), m.list_folders())')" "251 ['Sent.2023']"

# damage PATTERN FILE: changes one letter where that stands.
damage() {
	python3 - "$1" "$2" <<'EOF'
import sys
with open(sys.argv[2], "r+b") as f:
    b = f.read()
    at = b.index(sys.argv[1].encode())
    f.seek(at)
    f.write(bytes([b[at] ^ 1]))
EOF
}

cm-mirror -a
cm-fetch $bob >before
damage 'body 33' v1/00000001.seg
damage 's44@example.net' v1/00000001.seg
exits "a damaged home" 0 to after cm-fetch $bob
is "is not seen" "$(cmp before after && echo same)" same
is "but told of" "$(grep -c 'damaged in .*v1; another copy' "$CM_HOME.err")" 2
damage 'body 33' c1/00000001.seg
exits "no good copy" 65 to after cm-fetch $bob
is "the others come" "$(grep -c '^From ' after)" 251
is "and not that one" "$(grep -c 'Subject: 33' after)" 0
is "its entry is named" \
    "$(grep -c "$bob/INBOX/34: no good copy of v1:" "$CM_HOME.err")" 1
exits "nor in a Maildir" 65 cm-fetch -d D $bob
is "no file for it" "$(find D -type f -name '[0-9]*' | wc -l)" 251
is "none in tmp" "$(find D -path '*/tmp/*' | wc -l)" 0
damage 'body 33' c1/00000001.seg 2>/dev/null ||
    damage 'cody 33' c1/00000001.seg
mv v1 v1.away
exits "the home is gone" 0 to after cm-fetch $bob
is "the copy has all" "$(cmp before after && echo same)" same
mv c1 c1.away
exits "nobody has anything" 65 to after cm-fetch $bob
is "nothing is written" "$(wc -c <after)" 0
mv v1.away v1
mv c1.away c1
done_testing
