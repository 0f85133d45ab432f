#!/bin/sh
# What readers change is in the journal before it is done.
. "$(dirname "$0")/lib.sh"
setup_home
j=$CM_HOME/catalog.journal

noted() { awk -F '\t' -v k="$1" '$6 == k' "$j" | tail -n 1 | cut -f "$2"; }
cm_mailbox() {
	what=$1
	shift
	"$OUT/tools/mailbox" "$what" ann@example.org "$@"
}
e=ann@example.org/INBOX/1

ok "a mailbox" cm-user add -N ann@example.org
is "is in the journal" "$(noted user-add 7-9)" "ann@example.org	-	1"
echo x | cm-store ann@example.org | cm-mirror | cm-catalog add >"$CM_HOME/r"
id=$(cut -f 1 "$CM_HOME/r") place=$(cut -f 2 "$CM_HOME/r")
is "what a delivery takes is in it" "$(noted uids 7,9-)" \
    "ann@example.org/INBOX	1	2	2	$id"
is "and ends a batch of the catalog's" "$(noted batch 8-)" "2	1"
is "which a dump knows" "$(cm-catalog dump -l | grep '^meta	batch	')" \
    "meta	batch	2"
ok "a flag" cm-catalog flag '+\Seen' '+a' "$e"
is "is, with what was there before" "$(noted flag 7-)" \
    "$e	$id	$place	2	-	\\Seen%20a	-	3"
ok "one taken away" cm-catalog flag '-a' "$e"
is "is" "$(noted flag 10-)" "3	\\Seen%20a	-	a	4"
exits "a flag of no message" 66 cm-catalog flag '+\Seen' "${e%1}9"
is "is not" "$(grep -c '	flag	' "$j")" 2
copy() {
	"$OUT/tools/mailbox" copy ann@example.org INBOX 0 "$@" >"$CM_HOME/r"
}
ok "a copy" copy 1 INBOX copy
is "is, with its UID" "$(noted copy 7-14)" \
    "$e	$id	$place	4	\\Seen	${e%1}2	$(noted uids 8)	5"
ok "and when that was" test "$(noted copy 15)" -ge "$(($(date +%s) - 600))000"
is "which is given before" "$(noted uids 7,9-)" "${e%/1}	2	3"
is "in the same batch" "$(noted batch 9)" 2
ok "a move" copy 2 INBOX move
is "is, with the end of the old one" "$(noted move 7-14,16)" \
    "${e%1}2	$id	$place	5	\\Seen	${e%1}3	$(noted uids 8)	6	7"
ok "which goes again" sh -c "cm-catalog expunge ${e%1}3"
exits "a copy to nowhere" 66 copy 1 No copy
is "is not" "$(grep -c '	copy	' "$j")" 1
ok "a quota" cm-user set ann@example.org quota 1M
is "is, with the one before" "$(noted user-set 7-)" \
    "ann@example.org	quota	0	1048576"
ok "an alias" cm-user alias a@example.org ann@example.org
is "is" "$(noted alias 7-)" "a@example.org	-	ann@example.org"
ok "a folder" cm_mailbox create Sent 32
is "is" "$(noted folder-add 7-)" "ann@example.org/Sent	2	$(cm-catalog \
    folders ann@example.org | awk '/Sent/ { print $2 }')	32"
exits "one that is there" 73 cm_mailbox create Sent 32
is "is not" "$(grep -c '	folder-add	' "$j")" 1
ok "another name" cm_mailbox rename Sent 'a/100%'
is "is" "$(noted folder-rename 7-)" \
    "ann@example.org/Sent	a/100%25	0	0"
ok "INBOX gets one" cm_mailbox rename INBOX Old
is "is, with the new INBOX" "$(noted folder-rename 7-9)" \
    "ann@example.org/INBOX	Old	3"
ok "and another one" cm_mailbox rename Old Older
ok "subscribed" cm_mailbox subscribe x 1
ok "twice" cm_mailbox subscribe x 1
is "is" "$(noted subscribe 7-)" "ann@example.org/x	1"
is "once" "$(grep -c '	subscribe	' "$j")" 1
ok "a deleted folder" cm_mailbox delete 'a/100%'
is "is, with what was in it" "$(noted folder-del 7,9-)" \
    "ann@example.org/a/100%25	0	0	1"
e=ann@example.org/Older/1
kill -KILL "$(cat "$CM_HOME/run/catalog.lock")"
printf '00000000\ttorn' >>"$j"
ok "the agent is killed, and the end torn" cm-catalog expunge "$e"
is "an expunged message is" "$(noted expunge 7-8)" "$e	$id"
is "the torn end is not" "$(grep -c torn "$j")" 0
ok "a deleted mailbox" cm-user del ann@example.org
is "is" "$(noted user-del 7-)" "ann@example.org	0	0	1"
is "nobody else may read it" "$(stat -c %a "$j")" 600
ok "a dump" sh -c "cm-catalog dump >$CM_HOME/d1"
is "begins a new one" "$(wc -l <"$j")" 1
ok "the old one is there" grep -q user-del "$j.1"
ok "a check" cm-catalog check
ok "is no dump: it stays" grep -q user-del "$j.1"
ok "the next dump" sh -c "cm-catalog dump >$CM_HOME/d2"
ok "lets it go" sh -c "! grep -q user-del $j.1"

# a journal that cannot be used
ok "the agent ends" cm-catalog stop
echo nonsense >"$j"
exits "what is no journal" 75 cm-catalog list ann@example.org
ok "is named" grep -q "$j: not a journal" "$CM_HOME/run/catalog.log"
rm "$j" "$j.1"
done_testing
