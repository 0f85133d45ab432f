#!/bin/sh
# Who cm-stored lets in, and what it must refuse: a lab of three nodes, and
# raw TLS to one of them.
. "$ROOT/test/lib.sh"

LAB=$ROOT/examples/lab
# the nodes share an address here, and its connections are counted
export LAB_CRON=1000 LAB_CATALOG=n1

command -v xinetd >/dev/null || skip "no xinetd"
[ -x "$BIN/cm-stored" ] || skip "not built"

T=$(mktemp -d) || exit 1
CM_HOME=$T/home		# lib.sh writes to $CM_HOME.err
D=$T/lab
ended() {
	sh "$LAB" down "$D" >/dev/null 2>&1
	rm -rf "$T"
}
trap ended EXIT
trap 'exit 1' HUP INT TERM

lab() { sh "$LAB" "$@" >>"$T/lab.log" 2>&1; }
on() { node=$1; shift; sh "$LAB" run "$D" "$node" "$@"; }

up() {
	for try in 1 2 3 4 5; do
		LAB_NET=127.$((($$ + try) % 200 + 20)).$((try + 120))
		export LAB_NET
		lab up -S 1M -s refuse "$D" 3 && return
		lab down "$D"
		rm -rf "$D"
	done
	return 1
}

# certificate NAME CA TEMPLATE-LINE...: a client's, in $T/certs.
certificate() {
	name=$1 ca=$2
	shift 2
	{ echo "cn = $name"; echo signing_key; printf '%s\n' "$@"; } \
	    >"$T/template"
	certtool --generate-privkey --key-type=ecdsa --curve=secp256r1 \
	    --outfile "$T/certs/$name.key" 2>>"$T/lab.log" &&
	certtool --generate-certificate --load-privkey "$T/certs/$name.key" \
	    --load-ca-certificate "$ca/ca.pem" \
	    --load-ca-privkey "$ca/ca.key" --template "$T/template" \
	    --outfile "$T/certs/$name.pem" 2>>"$T/lab.log"
}

both="tls_www_server
tls_www_client"
good="expiration_days = 30"

up || skip "no lab: $(tail -1 "$T/lab.log")"
for n in n1 n2 n3; do
	printf 'Subject: x\n\nmail of %s\n' "$n" | on "$n" sh -c \
	    'cm-store -f a@example.net u1@example.test | cm-mirror' ||
	    exit 1
done >"$T/receipts"
is "there is mail" "$(wc -l <"$T/receipts")" 3

mkdir "$T/certs"
"$CM_SHARE/mkcerts" "$T/other" ca >>"$T/lab.log" 2>&1
ok "strangers' certificates" certificate expired "$D/ca" "dns_name = n1" \
    "$both" 'activation_date = "2020-01-01 00:00:00"' \
    'expiration_date = "2021-01-01 00:00:00"'
ok "one that is not valid yet" certificate tomorrow "$D/ca" "dns_name = n1" \
    "$both" 'activation_date = "2090-01-01 00:00:00"' \
    'expiration_date = "2091-01-01 00:00:00"'
ok "another CA's" certificate other-ca "$T/other" "dns_name = n1" "$both" \
    "$good"
ok "no node's" certificate nobody "$D/ca" "dns_name = n9" "$both" "$good"
ok "a node's name in front" certificate prefix "$D/ca" \
    "dns_name = n1.example.test" "$both" "$good"
ok "a name for any" certificate wildcard "$D/ca" "dns_name = *" "$both" \
    "$good"
ok "a name in cn alone" certificate n1 "$D/ca" "$both" "$good"
ok "a server's alone" certificate server "$D/ca" "dns_name = n1" \
    tls_www_server "$good"
ok "self-signed" sh -c 'certtool --generate-privkey --key-type=ecdsa \
    --outfile "$1/self.key" && certtool --generate-self-signed \
    --load-privkey "$1/self.key" --template "$2" --outfile "$1/self.pem"' \
    sh "$T/certs" "$T/template" 2>>"$T/lab.log"

python3 "$ROOT/test/tools/stored.py" "$D" "$T/certs" >"$T/out" 2>"$T/err"
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

log=$D/n2/state/run/stored.log
[ -f "$log" ] || log=$D/n2/log/xinetd
ok "the log has who was refused" grep -q "refused: its certificate" "$log"
ok "and whose name is no node's" grep -q "no node that may connect: n9" "$log"
ok "and who wrote to what is not his" grep -q \
    "node n3 writes to a copy of volume v1" "$log"
ok "and is short" [ "$(wc -c <"$log")" -lt 100000 ]

# --- an old home

lab kill "$D" n1
cp -a "$D/n1/disk/v1" "$T/old"
rm -rf "$D/n1/disk/v1"
lab start "$D" n1
ok "a home is made anew" on n1 cm-rebuild volume v1 2>"$T/err"
printf 'Subject: x\n\nnewer\n' | on n1 sh -c \
    'cm-store -f a@example.net u1@example.test | cm-mirror' >"$T/r" \
    2>>"$T/err"
is "and its copy has the new epoch" "$(sed -n 's/^epoch //p' \
    "$D/n2/disk/v1/volume" | head -1)" "$(sed -n 's/^epoch //p' \
    "$D/n1/disk/v1/volume" | head -1)"
salt=$(sed -n 's/^salt //p' "$D/n2/disk/v1/volume")
before=$(cd "$D/n2/disk/v1" && md5sum *.seg volume)
tls=$D/n1/tls
for q in offset=0 "offset=0&patch" "offset=999" cut=0; do
	is "an older epoch: $q" "$(curl -s -o /dev/null -m 20 --noproxy '*' \
	    -w '%{http_code}' --cacert "$tls/ca.pem" --cert "$tls/node.pem" \
	    --key "$tls/node.key" --resolve "n2:2443:$LAB_NET.12" \
	    --data-binary xxxx \
	    "https://n2:2443/v1/volume/v1/00000001?copy=0&salt=$salt&epoch=1&$q")" \
	    412
done
is "nothing was changed" "$(cd "$D/n2/disk/v1" && md5sum *.seg volume)" \
    "$before"
done_testing
