#!/bin/sh
# Who may bring a witness frames, and what of them is refused; behind all that
# it votes as before.  A lab of four nodes: n1 and n2 keep the catalog, n3 has no
# part in it, n4 is the witness.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
command -v certtool >/dev/null || skip "no certtool"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$D" "$@"; }

T=$(mktemp -d) || exit 1
CM_HOME=$T/home		# lib.sh writes to $CM_HOME.err
D=$T/lab
trap 'lab down "$D" >/dev/null 2>&1; rm -rf "$T"' EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG="n1 n2" LAB_WITNESS=n4

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
leader() { stat "$1" | awk '$1 == "leader" { print $2 }'; }
# until COMMAND...: for a minute at most.
until_true() {
	for second in $(seq 120); do
		! "$@" || return 0
		sleep 0.5
	done
	return 1
}
has_role() { case $(role "$1") in leader|follower) ;; *) false ;; esac; }
leads() { [ "$(leader "$1")" = "$1" ]; }
same_dumps() {
	for n in n1 n2; do
		on $n cm-catalog dump -l >"$T/dump.$n" || return 1
	done
	cmp -s "$T/dump.n1" "$T/dump.n2"
}
kept() { cut -d ' ' -f 4 "$D/n4/state/witness"; }
is_kept() { [ "$(kept)" = "$1" ]; }
agent() { cat "$D/$1/state/run/$2.lock"; }
flag() { on "$1" cm-catalog flag "+$2" u1@example.test/INBOX/1; }

both="tls_www_server
tls_www_client"
good="expiration_days = 30"

ok "four nodes" new_lab "$D" 4
[ "$failed" -eq 0 ] || exit 1
for n in n1 n2; do
	ok "$n takes part" until_true has_role $n
done
ok "a message" on n1 sh -c "printf 'Subject: x\n\nx\n' |
    cm-store u1@example.test | cm-mirror | cm-catalog add >/dev/null"
leads n1 || ok "n1 leads" on n1 cm-catalog lead n1
ok "the witness has joined, and both have all" until_true is_kept -

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

# n2's own connections would take the place of those that are made here
n2=$(agent n2 catalog)
witness=$(agent n4 witness)
kill -STOP "$n2"
ok "n2's agent is stopped: changes go on" flag n1 stopped
python3 "$ROOT/test/tools/replica_wire.py" "$D" "$T/certs" n4 n2 n3 \
    >"$T/out" 2>"$T/err"
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

ok "changes go on" flag n1 behind
is "the witness keeps who has them" "$(kept)" n1
kill -CONT "$n2"
ok "n2 goes on" until_true same_dumps
ok "the witness lets go" until_true is_kept -
is "it is the same" "$(agent n4 witness)" "$witness"
log=$D/n4/state/run/witness.log
ok "its log has who has no part" grep -q "node n3 has no part" "$log"
ok "and whose frames were none" grep -q "frames of node n2" "$log"
ok "and is short" [ "$(wc -c <"$log")" -lt 20000 ]
stored=$D/n4/state/run/stored.log
[ -f "$stored" ] || stored=$D/n4/log/xinetd
ok "cm-stored's has whose certificate was no good" grep -q \
    "refused: its certificate" "$stored"

# --- it votes as before

ok "n2 is killed" lab kill "$D" n2
ok "a change is taken" flag n1 alone
is "the witness keeps who has it" "$(kept)" n1
ok "n2 is back" lab start "$D" n2
ok "the witness lets go" until_true is_kept -
ok "n1, which leads, is killed" lab kill "$D" n1
ok "n2 leads, with the witness's vote" until_true leads n2
ok "and takes a change" flag n2 second
ok "n1 is back" lab start "$D" n1
ok "and follows" until_true has_role n1
ok "both have all" until_true same_dumps
is "nothing was lost" "$(on n1 cm-catalog list u1@example.test | cut -f 6)" \
    "stopped behind alone second"
done_testing
