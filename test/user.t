#!/bin/sh
# cm-user: mailboxes, aliases, passwords, import.
. "$ROOT/test/lib.sh"
setup_home

# The verifiers of a mailbox, as the catalog keeps them.
verifier() {
	cm-catalog dump | awk -F '\t' -v a="$1" '
	    $1 == "account" && $2 == a { sub("%20", " ", $10); print $10 }'
}

# Is this the mailbox's password, by each of its verifiers?  Says so by another
# way than the library.
has_password() {
	verifier "$1" | python3 -c '
import base64, hashlib, hmac, sys
def fits(verifier, hash):
    scheme, work, keys = verifier.split("$")
    count, salt = work.split(":")
    salted = hashlib.pbkdf2_hmac(hash, sys.argv[1].encode(),
        base64.b64decode(salt), int(count))
    key = lambda text: hmac.new(salted, text, hash).digest()
    want = [hashlib.new(hash, key(b"Client Key")).digest(),
        key(b"Server Key")]
    return [base64.b64decode(k) for k in keys.split(":")] == want
hashes = dict([("SCRAM-SHA-256", "sha256"), ("SCRAM-SHA-1", "sha1")])
all = sys.stdin.read().strip("\n").split(" ")
assert [v.split("$")[0] for v in all] == list(hashes)[:len(all)]
sys.exit(not all or not min(fits(v, hashes[v.split("$")[0]]) for v in all))' \
	    "$2"
}

# Asks the catalog as the services for clients do; prints its answer.
request() {
	python3 - "$@" <<'EOF'
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
os.chdir(os.environ["CM_HOME"])
s.connect("run/catalog.sock")
s.sendall(("\t".join(sys.argv[1:]) + "\n").encode())
for line in s.makefile():
    print(line.split("\t")[0] if line[0] == "." else line, end="")
    if line[0] == ".":
        break
EOF
}

# How many verifiers a mailbox has.
verifiers() {
	verifier "$1" | wc -w
}

not() {
	! "$@"
}

# Where an address leads.
leads() {
	cm-route rcpt "$1" | cut -f 2
}

tab=$(printf '\t')

# add
echo secret >"$CM_HOME/in"
exits "add one" 0 cm-user add Ann@Example.ORG <"$CM_HOME/in"
ok "its password" has_password ann@example.org secret
ok "and no other one" not has_password ann@example.org Secret
is "for both mechanisms" "$(verifiers ann@example.org)" 2
exits "add it again" 73 cm-user add ann@example.org <"$CM_HOME/in"
ok "names it" grep -q '^cm-user: ann@example.org: exists already$' \
    "$CM_HOME.err"
ok "the password is as it was" has_password ann@example.org secret
printf 'one\r\ntwo' >"$CM_HOME/in"
exits "add two" 0 cm-user add bob@example.org carl@example.net <"$CM_HOME/in"
ok "the first line is the first one's" has_password bob@example.org one
ok "the second line has no end" has_password carl@example.net two
exits "add without password" 0 cm-user add -N dora@example.org </dev/null
exits "empty stdin" 0 cm-user add eva@example.org </dev/null
is "no password" "$(verifier dora@example.org)$(verifier eva@example.org)" --
exits "too few lines" 65 cm-user add f@example.org g@example.org <<X
secret
X
is "the others are there" "$(cm-user list '[fg]@*' | cut -f 1)" f@example.org
exits "no domain" 65 cm-user add -N ann
exits "not an address" 65 cm-user add -N 'a b@example.org'
exits "no operand" 64 cm-user add -N
exits "unknown option" 64 cm-user add -P secret x@example.org
exits "a wrong one takes its own line" 65 \
    cm-user add nobody h@example.org <<X
first
second
X
ok "the other has its line" has_password h@example.org second
head -c 9000 /dev/zero | tr '\0' x >"$CM_HOME/in"
exits "password too long" 65 cm-user add long@example.org <"$CM_HOME/in"
exits "UTF-8 address" 0 cm-user add -N 'rené@example.org'
is "is kept as it is" "$(leads 'rené@example.org')" 'rené@example.org'

# passwd
echo changed >"$CM_HOME/in"
exits "passwd" 0 cm-user passwd ANN@example.org <"$CM_HOME/in"
ok "another password" has_password ann@example.org changed
exits "passwd of nobody" 67 cm-user passwd no@example.org <"$CM_HOME/in"
ok "names it" grep -q 'no mailbox no@example.org' "$CM_HOME.err"
exits "an empty pipe locks nobody out" 65 cm-user passwd ann@example.org \
    </dev/null
ok "it is as it was" has_password ann@example.org changed
exits "passwd -N" 0 cm-user passwd -N bob@example.org
is "takes it away" "$(verifier bob@example.org)" -

# check
check() {
	printf '%s\n' "$2" | cm-user check "$1"
}
exits "check" 0 check ann@example.org changed
exits "whatever its case" 0 check ANN@example.org changed
exits "wrong password" 77 check ann@example.org secret
ok "says so" grep -q '^cm-user: ann@example.org: wrong name or password: ' \
    "$CM_HOME.err"
cp "$CM_HOME.err" "$CM_HOME/wrong"
exits "nobody" 77 check no@example.org changed
is "says the same" "$(sed 's/no@/ann@/' "$CM_HOME.err")" "$(cat "$CM_HOME/wrong")"
exits "without a password" 77 check bob@example.org one
exits "an empty one" 77 check bob@example.org ''
exits "no domain" 77 check ann changed
exits "not an address" 77 check 'a b@example.org' changed
exits "+detail" 77 check ann+x@example.org changed
exits "no password there" 65 cm-user check ann@example.org </dev/null
exits "no operand" 64 cm-user check
exits "two" 64 cm-user check ann@example.org bob@example.org

# what is said of those who log in
is "a mailbox and its verifiers" "$(request verifier Ann@Example.org)" \
    "=ann@example.org$tab$(verifier ann@example.org | sed 's/ /%20/')
.0"
is "nobody logs in as nobody" "$(request verifier no@example.org | tail -n 1)" \
    .-4
nobody() {
	request verifier "$1" | sed -n "s/^=$tab//p"
}
nobody no@example.org >"$CM_HOME/no"
is "who looks like somebody" "$(tr -c '$:%\n' x <"$CM_HOME/no")" \
    "$(verifier ann@example.org | sed 's/ /%20/' | tr -c '$:%\n' x)"
is "and is the same again" "$(nobody no@example.org)" "$(cat "$CM_HOME/no")"
is "in other letters" "$(nobody NO@Example.org)" "$(cat "$CM_HOME/no")"
ok "another one is another" not test "$(nobody not@example.org)" = \
    "$(cat "$CM_HOME/no")"
cm-catalog stop
cm-catalog stat >"$CM_HOME/stat"
is "the same of another agent" "$(nobody no@example.org)" \
    "$(cat "$CM_HOME/no")"
nobody bob@example.org >"$CM_HOME/bob"
ok "one without a password looks like nobody" test -s "$CM_HOME/bob"
is "no address" "$(request verifier 'A%20b' | tail -n 1)" .-4
is "too long a name" "$(request verifier "$(head -c 2000 /dev/zero |
    tr '\0' x)" | tail -n 1)" .-2
is "not a verifier" "$(request user-add new@example.org SCRAM-SHA-256x)" .-2
is "as a change" "$(request user-set ann@example.org password x)" .-2
exits "makes nobody" 77 check new@example.org x
exits "and changes nothing" 0 check ann@example.org changed

# alias
exits "alias" 0 cm-user alias info@example.org ann@example.org bob@example.org
exits "alias of an alias" 0 cm-user alias ALL@example.org Info@Example.org \
    dora@example.org ann@example.org
is "chain" "$(leads all@example.org)" \
    ann@example.org,bob@example.org,dora@example.org
is "+detail" "$(leads ann+lists@example.org)" ann@example.org
is "+detail of an alias" "$(leads info+x@example.org)" \
    ann@example.org,bob@example.org
exits "alias where a mailbox is" 73 cm-user alias ann@example.org b@example.org
exits "mailbox where an alias is" 73 cm-user add -N info@example.org
exits "no target" 64 cm-user alias info@example.org
exits "an alias does not log in" 77 check info@example.org changed
exits "a bad target" 65 cm-user alias info@example.org nobody
is "changes nothing" "$(leads info@example.org)" \
    ann@example.org,bob@example.org
exits "target unknown yet" 0 cm-user alias new@example.org later@example.org
ok "says so" grep -q 'warning: new@example.org leads to no mailbox' \
    "$CM_HOME.err"
exits "circle" 0 cm-user alias later@example.org new@example.org
exits "ends" 67 cm-route rcpt later@example.org
exits "alias -d" 0 cm-user alias -d later@example.org
exits "and again" 67 cm-user alias -d later@example.org
exits "of a mailbox" 67 cm-user alias -d ann@example.org
exits "del of an alias" 67 cm-user del info@example.org

# set and list
exits "quota" 0 cm-user set ann@example.org quota 2K
exits "sms" 0 cm-user set ann@example.org sms +4930123456
is "list" "$(cm-user list ann@\*)" \
    "ann@example.org${tab}0${tab}0${tab}2048${tab}password${tab}+4930123456"
exits "quota cleared" 0 cm-user set ann@example.org quota -
exits "sms cleared" 0 cm-user set ann@example.org sms -
is "list again" "$(cm-user list ANN@\*)" \
    "ann@example.org${tab}0${tab}0${tab}-${tab}password${tab}-"
exits "not a quota" 65 cm-user set ann@example.org quota 2X
exits "not a number" 65 cm-user set ann@example.org sms 'ring me'
exits "no such thing" 64 cm-user set ann@example.org password x
exits "nobody" 67 cm-user set no@example.org quota 1M
is "aliases" "$(cm-user list info@example.org)" \
    "info@example.org${tab}alias${tab}ann@example.org${tab}bob@example.org"
is "all" "$(cm-user list | wc -l)" 11
printf 'a: b\n\nhello\n' | cm-store info@example.org >"$CM_HOME/receipt"
cm-catalog add <"$CM_HOME/receipt" >"$CM_HOME/added"
is "messages are counted" "$(cm-user list bob@example.org | cut -f 2,3)" \
    "1${tab}15"

# del
exits "del" 0 cm-user del bob@example.org
exits "is gone" 67 cm-route rcpt bob@example.org
exits "and again, with another" 67 cm-user del bob@example.org dora@example.org
exits "the other is gone too" 67 cm-route rcpt dora@example.org
is "the alias is left" "$(leads info@example.org)" ann@example.org

# import
cat >"$CM_HOME/flat" <<X
# address:password:quota:sms
  # a comment behind blanks

im1@example.org:se cret#:1M:+49301
im2@example.org:$(verifier ann@example.org):2K
im3@example.org:{SCRAM-SHA-256}$(verifier ann@example.org)::301
im4@example.org
im5@example.org:{PLAIN}{SSHA}x
ann@example.org:changed:3G
im6@example.org:$(verifier ann@example.org | cut -d ' ' -f 1):3K
im7@example.org:{SCRAM-SHA-256}$(verifier ann@example.org |
    sed 's/SCRAM-SHA-256.//;s/ .*//')::302
alias im@example.org im1@example.org im4@example.org
carl@example.net::-
X
exits "import" 0 cm-user import "$CM_HOME/flat"
ok "password" has_password im1@example.org 'se cret#'
ok "verifier" has_password im2@example.org changed
ok "verifier with its scheme" has_password im3@example.org changed
is "both were taken" "$(verifiers im2@example.org)$(verifiers im3@example.org)" \
    22
ok "a single one" has_password im6@example.org changed
ok "without its scheme" has_password im7@example.org changed
is "stays one" "$(verifiers im6@example.org)$(verifiers im7@example.org)" 11
exits "is checked" 0 check im6@example.org changed
exits "too" 77 check im6@example.org Changed
is "no password" "$(verifier im4@example.org)" -
ok "one that looks like a hash" has_password im5@example.org '{SSHA}x'
ok "one that was there" has_password ann@example.org changed
ok "an empty field changes nothing" has_password carl@example.net two
is "quota and sms" "$(cm-user list 'im[12367]@*' | cut -f 1,4,6)" \
"im1@example.org${tab}1048576${tab}+49301
im2@example.org${tab}2048${tab}-
im3@example.org${tab}-${tab}301
im6@example.org${tab}3072${tab}-
im7@example.org${tab}-${tab}302"
is "alias" "$(leads im@example.org)" im1@example.org,im4@example.org
cm-catalog dump >"$CM_HOME/dump1"
exits "import twice, from stdin" 0 cm-user import <"$CM_HOME/flat"
cm-catalog dump >"$CM_HOME/dump2"
ok "changes nothing" cmp "$CM_HOME/dump1" "$CM_HOME/dump2"
echo 'im1@example.org:other' | cm-user import
ok "a changed password does" has_password im1@example.org other
is "both verifiers, through dump and load" \
    "$(verifiers im1@example.org)$(verifiers im6@example.org)" 21
cm-catalog dump >"$CM_HOME/dump3"
exits "load" 0 cm-catalog load -f <"$CM_HOME/dump3"
cm-catalog dump >"$CM_HOME/dump4"
ok "the same bytes" cmp "$CM_HOME/dump3" "$CM_HOME/dump4"
is "nobody is still the same" "$(nobody no@example.org)" "$(cat "$CM_HOME/no")"
ok "of which no dump tells" not grep -q login-secret "$CM_HOME/dump3"
exits "and the same password" 0 check im1@example.org other
is "a single verifier is asked for with one made up" \
    "$(request verifier im6@example.org | cut -d % -f 1)" \
    "=im6@example.org$tab$(verifier im6@example.org)
.0"
echo 'im6@example.org:changed' | cm-user import
is "the same password adds what is missing" "$(verifiers im6@example.org)" 2
ok "and fits both" has_password im6@example.org changed

cat >"$CM_HOME/bad" <<X
bad1
bad2@example.org:{SSHA}abcdef
bad3@example.org:SCRAM-SHA-256\$1:a\$b:c
bad4@example.org:secret:many
bad5@example.org:secret:1M:none
bad6@example.org:secret:1M:1:more
alias bad7@example.org
alias ann@example.org im1@example.org
bad12@example.org:$(verifier ann@example.org | sed 's/SCRAM-SHA-1/SCRAM-SHA-2/')
bad13@example.org:$(verifier ann@example.org | cut -d ' ' -f 2)
bad14@example.org:$(verifier ann@example.org) :1M
info@example.org:secret
good@example.org:secret
X
head -c 20000 /dev/zero | tr '\0' x >>"$CM_HOME/bad"
printf '\nlast@example.org:secret' >>"$CM_HOME/bad"
exits "bad lines" 65 cm-user import "$CM_HOME/bad"
is "each is named" "$(sed -n "s|^cm-user: $CM_HOME/bad:\([0-9]*\): .*|\1|p" \
    "$CM_HOME.err" | tr '\n' ' ')" '1 2 3 4 5 6 7 8 9 10 11 12 14 '
is "the good ones are there" \
    "$(cm-user list | cut -f 1 | grep -E '^(bad|good|last)' | tr '\n' ' ')" \
    'good@example.org last@example.org '
ok "no password is shown" not grep -q secret "$CM_HOME.err"
exits "no file" 66 cm-user import "$CM_HOME/none"

# On a terminal the password is asked for, twice and without echo.
typed() {
	python3 "$ROOT/test/tools/typed.py" "$@" >"$CM_HOME/screen"
}
exits "terminal" 0 typed "cm-user add tty@example.org" geheim geheim
ok "asked" grep -q 'Password for tty@example.org: ' "$CM_HOME/screen"
ok "no echo" not grep -q geheim "$CM_HOME/screen"
ok "the password" has_password tty@example.org geheim
exits "two that differ" 65 typed "cm-user passwd tty@example.org" one two
ok "say so" grep -q 'not the same' "$CM_HOME/screen"
ok "change nothing" has_password tty@example.org geheim
exits "passwd on a terminal" 0 typed "cm-user passwd tty@example.org" neu neu
ok "the new one" has_password tty@example.org neu
exits "check asks once" 0 typed "cm-user check tty@example.org" neu
exits "and says no" 77 typed "cm-user check tty@example.org" alt
exits "known before anything is asked" 73 typed "cm-user add tty@example.org"
ok "nothing was" not grep -q Password "$CM_HOME/screen"
exits "nobody, too" 67 typed "cm-user passwd no@example.org"
ok "nothing was asked" not grep -q Password "$CM_HOME/screen"
exits "empty" 65 typed "cm-user passwd tty@example.org" '' ''
exits "interrupted, with the echo back" 130 \
    typed "cm-user passwd tty@example.org" a ^C
ok "changes nothing" has_password tty@example.org neu

# Where cluster.xml names domains, others are refused.
cm-catalog stop
cat >"$CM_HOME/cluster.xml" <<X
<cluster>
  <domain name="example.org"/>
  <node name="n1" state="$CM_HOME/n1"/>
  <volume name="v1" home="n1" path="$CM_HOME/v1x"/>
</cluster>
X
CM_CLUSTER=$CM_HOME/cluster.xml
CM_NODE=n1
export CM_CLUSTER CM_NODE
exits "served" 0 cm-user add -N ann@example.org
exits "not served" 68 cm-user add -N ann@example.com
ok "names the file" grep -q "not in a domain of $CM_CLUSTER" "$CM_HOME.err"
exits "an alias neither" 68 cm-user alias a@example.com ann@example.org
exits "import neither" 65 cm-user import <<X
b@example.com:secret
b@example.org:secret
X
is "the rest is there" "$(cm-user list | cut -f 1 | tr '\n' ' ')" \
    'ann@example.org b@example.org '
done_testing
