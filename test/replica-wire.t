#!/bin/sh
# Who may bring the catalog's frames, and what of them is refused: a lab of
# four nodes, three of them with a catalog, and raw TLS to one of them.
. "$ROOT/test/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
command -v certtool >/dev/null || skip "no certtool"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$D" "$@"; }

T=$(mktemp -d) || exit 1
CM_HOME=$T/home		# lib.sh writes to $CM_HOME.err
D=$T/lab
trap 'lab down "$D" >/dev/null 2>&1; rm -rf "$T"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG="n1 n2 n3"

# certificate NAME CA TEMPLATE-LINE...: a client's, in $T/certs.
certificate() {
	name=$1 ca=$2
	shift 2
	{ echo "cn = $name"; echo signing_key; printf '%s\n' "$@"; } \
	    >"$T/template"
	certtool --generate-privkey --key-type=ecdsa --curve=secp256r1 \
	    --outfile "$T/certs/$name.key" 2>>"$T/log" &&
	certtool --generate-certificate --load-privkey "$T/certs/$name.key" \
	    --load-ca-certificate "$ca/ca.pem" \
	    --load-ca-privkey "$ca/ca.key" --template "$T/template" \
	    --outfile "$T/certs/$name.pem" 2>>"$T/log"
}
stat() { on "$1" cm-catalog stat 2>/dev/null; }
role() { stat "$1" | awk -v n="$1" '$1 == "replica" && $2 == n { print $3 }'; }
# until COMMAND...: for a minute at most.
until_true() {
	for second in $(seq 120); do
		! "$@" || return 0
		sleep 0.5
	done
	return 1
}
has_role() { case $(role "$1") in leader|follower) ;; *) false ;; esac; }
same_dumps() {
	for n in n1 n2 n3; do
		on $n cm-catalog dump -l >"$T/dump.$n" || return 1
	done
	cmp -s "$T/dump.n1" "$T/dump.n2" && cmp -s "$T/dump.n1" "$T/dump.n3"
}

both="tls_www_server
tls_www_client"
good="expiration_days = 30"

ok "four nodes" new_lab "$D" 4
[ "$failed" -eq 0 ] || exit 1
for n in n1 n2 n3; do
	ok "$n takes part" until_true has_role $n
done
ok "a message" on n1 sh -c "printf 'Subject: x\n\nx\n' |
    cm-store u1@example.test | cm-mirror | cm-catalog add >/dev/null"
ok "the same on all nodes" until_true same_dumps
cp "$T/dump.n2" "$T/before"

mkdir "$T/certs"
"$CM_SHARE/mkcerts" "$T/other" ca >>"$T/log" 2>&1
ok "an expired certificate" certificate expired "$D/ca" "dns_name = n1" \
    "$both" 'activation_date = "2020-01-01 00:00:00"' \
    'expiration_date = "2021-01-01 00:00:00"'
ok "another CA's" certificate other-ca "$T/other" "dns_name = n1" "$both" \
    "$good"
ok "one named like no node" certificate nobody "$D/ca" "dns_name = n9" \
    "$both" "$good"
ok "a stranger's" sh -c 'certtool --generate-privkey --key-type=ecdsa \
    --outfile "$1/stranger.key" && certtool --generate-self-signed \
    --load-privkey "$1/stranger.key" --template "$2" \
    --outfile "$1/stranger.pem"' sh "$T/certs" "$T/template" 2>>"$T/log"

python3 "$ROOT/test/tools/replica_wire.py" "$D" "$T/certs" >"$T/out" \
    2>"$T/err"
rc=$?
while IFS= read -r line; do
	case $line in
	"ok - "*)	report "${line#ok - }" 0 ;;
	"not ok - "*)	report "${line#not ok - }" 1 ;;
	*)		printf '%s\n' "$line" ;;
	esac
done <"$T/out"
is "asked to the end" "$rc" 0
[ "$rc" -eq 0 ] || sed 's/^/# /' "$T/err"

for n in n1 n2 n3; do
	ok "$n takes part" until_true has_role $n
done
ok "nothing was changed" until_true same_dumps
ok "as before" cmp "$T/before" "$T/dump.n2"
ok "a change" on n2 cm-catalog flag '+\Seen' u1@example.test/INBOX/1
ok "is everywhere" until_true same_dumps
log=$D/n2/state/run/catalog.log
ok "the log has who has no part" grep -q "node n4 has no part" "$log"
ok "who wanted to be another one" grep -q \
    "node n4 wants to be node n1" "$log"
ok "and whose frames were none" grep -q "frames of node n3" "$log"
ok "and that messages were none" grep -q "none of this version" "$log"
ok "and is short" [ "$(wc -c <"$log")" -lt 50000 ]
stored=$D/n2/state/run/stored.log
[ -f "$stored" ] || stored=$D/n2/log/xinetd
ok "cm-stored's has whose certificate was no good" grep -q \
    "refused: its certificate" "$stored"
done_testing
