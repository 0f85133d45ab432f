# A cluster in which mail is stored all the time, with a ledger of what was
# acknowledged; for tests that begin with lib.sh.
LAB=$ROOT/examples/lab
export LAB_CRON=2
command -v xinetd >/dev/null || skip "no xinetd"

T=$(mktemp -d) || exit 1
CM_HOME=$T/home		# lib.sh writes to $CM_HOME.err
D=$T/lab
ended() {
	: >"$T/stop"
	wait
	sh "$LAB" down "$D" >/dev/null 2>&1
	rm -rf "$T"
}
trap ended EXIT
trap 'exit 1' HUP INT TERM

lab() { sh "$LAB" "$@" >>"$T/lab.log" 2>&1; }
on() { node=$1; shift; sh "$LAB" run "$D" "$node" "$@"; }

# said CODE COMMAND...: exits with that; what it says goes to $T/said.
said() {
	code=$1
	shift
	got=0
	"$@" >"$T/said" 2>&1 || got=$?
	[ "$got" -eq "$code" ] || {
		echo "# exit $got, not $code: $*"
		sed 's/^/# /' "$T/said"
		return 1
	}
}
has() { grep -q "$1" "$T/said" || { sed 's/^/# /' "$T/said"; return 1; }; }
lacks() { ! grep -q "$1" "$2" || { sed 's/^/# /' "$2"; return 1; }; }

# ack NODE NUMBER: stores one; the ledger gets what was acknowledged.
ack() {
	awk -v n="$2" 'BEGIN { print "Subject: " n "\n\nmessage " n " begins"
	    for (i = n % 97; i > 0; i--) print n ": line " i
	    print "message " n " ends" }' >"$T/msg.$1"
	on "$1" sh -c 'cm-store -f a@example.net u1@example.test |
	    cm-mirror' <"$T/msg.$1" >"$T/ack.$1" 2>>"$T/err.$1" || return
	[ -s "$T/ack.$1" ] && sed "s/^/$2	/" "$T/ack.$1" >>"$T/ledger.$1"
}

# flow NODE FIRST: until it is to stop, messages FIRST, FIRST + 3, ...
flow() {
	i=$2
	while [ ! -e "$T/stop" ] && [ ! -e "$T/stop.$1" ]; do
		ack "$1" "$i"
		i=$((i + 3))
	done
}

# more NODE: until that node has acknowledged 3 more.
more() {
	was=$(grep -c . "$T/ledger.$1")
	tries=600
	while [ "$(grep -c . "$T/ledger.$1")" -lt $((was + 3)) ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { tail -3 "$T/err.$1"; return 1; }
		sleep 0.1
	done
}

# begin NODE: mail flows there.
begin() {
	: >"$T/ledger.$1"
	flow "$1" "${1#n}" &
}

# up ARGUMENTS: a lab at addresses that nobody has.
up() {
	for try in 1 2 3 4 5; do
		LAB_NET=127.$((($$ + try) % 200 + 20)).$((try + 130))
		export LAB_NET
		lab up "$@" && return
		lab down "$D"
		rm -rf "$D"
	done
	return 1
}

# bring FILE: to all nodes, here one file.
bring() { cp "$1" "$D/cluster.xml.new" && mv "$D/cluster.xml.new" \
    "$D/cluster.xml"; }

# all_there NODE...: every message of the ledger is listed once, and the same
# on each of them.
all_there() {
	# each node brings what is at home there
	for n; do
		on "$n" cm-catalog sync
	done
	on n1 cm-catalog sync
	on n1 cm-catalog list u1@example.test >"$T/list"
	cat "$T"/ledger.* >"$T/ledger"
	echo "# $(grep -c . "$T/ledger") messages were acknowledged," \
	    "$(grep -c . "$T/ledger.n3") of them on n3"
	cut -f2 "$T/ledger" | sort >"$T/ids"
	is "each was listed once" "$(cut -f2 "$T/list" | sort | uniq -d)" ""
	is "all that was acknowledged" \
	    "$(cut -f2 "$T/list" | sort | comm -13 - "$T/ids")" ""
	cut -f1 "$T/ledger" | sort -n | awk '{ print "message " $1 " begins"
	    for (i = $1 % 97; i > 0; i--) print $1 ": line " i
	    print "message " $1 " ends" }' >"$T/want"
	sort -n "$T/ledger" | cut -f2- >"$T/receipts"
	for n; do
		on "$n" cm-fetch <"$T/receipts" 2>"$T/err" |
		    grep -E '^message |: line ' | tr -d '\r' >"$T/got"
		ok "and is fetched on $n as it was" cmp "$T/want" "$T/got"
		ok "without a word" [ ! -s "$T/err" ]
		ok "nothing is wrong on $n" said 0 on "$n" cm-rebuild check
	done
	ok "the catalog agrees" said 0 on n1 cm-catalog check
}
