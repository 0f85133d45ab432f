#!/bin/sh
# What the shell tests share; they begin with:  . "$ROOT/test/lib.sh"
# Output is TAP for prove; a test ends with done_testing.

ROOT=${ROOT:-$(cd "$(dirname "$0")/.." && pwd)}
BIN=${BIN:-$ROOT/bin}
PATH=$BIN:$PATH:/usr/sbin:/sbin
CM_SHARE=$ROOT/share
LC_ALL=C
export ROOT BIN PATH CM_SHARE LC_ALL
unset CM_CLUSTER CM_NODE CM_BIN

tests=0
failed=0

# report NAME STATUS: one line of TAP; returns the status.
report() {
	tests=$((tests + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $tests - $1"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $1"
		# what prove does not show, in CI's log
		echo "# $0: not ok $tests - $1" >&2
	fi
	return "$2"
}

# ok NAME COMMAND...: the command succeeds.
ok() {
	name=$1
	shift
	status=0
	"$@" || status=$?
	report "$name" "$status" || echo "# exit $status: $*"
}

# is NAME GOT WANT: the two are the same text.
is() {
	status=0
	[ "$2" = "$3" ] || status=1
	report "$1" "$status" || printf 'got:  %s\nwant: %s\n' "$2" "$3" |
	    sed 's/^/# /'
}

# exits NAME CODE COMMAND...: it exits with that code.  What it says goes to
# $CM_HOME.err and is shown when the code is another one.
exits() {
	name=$1 want=$2
	shift 2
	got=0
	"$@" 2>"$CM_HOME.err" || got=$?
	status=0
	[ "$got" -eq "$want" ] || status=1
	report "$name" "$status" || {
		echo "# exit $got, not $want: $*"
		sed 's/^/# /' "$CM_HOME.err"
	}
}

# skip REASON: this machine cannot run the rest of this test.  With CM_NO_SKIP
# set that is a failure.
skip() {
	if [ -n "${CM_NO_SKIP-}" ]; then
		echo "not ok $((tests + 1)) - skipped: $1"
		exit 1
	fi
	[ "$tests" -gt 0 ] || { echo "1..0 # SKIP $1"; exit 0; }
	report "# SKIP $1" 0
	done_testing
}

done_testing() {
	echo "1..$tests"
	[ "$failed" -eq 0 ] || exit 1
	exit 0
}

# A folder of its own in $CM_HOME: the embedded default lies there, and is
# taken away at the end.  State folders of other nodes must lie below it too.
setup_home() {
	CM_HOME=$(mktemp -d) || exit 1
	export CM_HOME
	trap cleanup EXIT
	trap 'exit 1' HUP INT TERM
}

# The helpers that were started on demand end with the test: each holds a
# lock on the file that has its pid in it.
cleanup() {
	[ ! -S "$CM_HOME/run/catalog.sock" ] || [ -n "${CM_CLUSTER-}" ] ||
	    cm-catalog stop >/dev/null 2>&1
	for lock in $(find "$CM_HOME" -path '*/run/*.lock' 2>/dev/null); do
		flock -n "$lock" true || kill "$(cat "$lock")" 2>/dev/null
	done
	for lock in $(find "$CM_HOME" -path '*/run/*.lock' 2>/dev/null); do
		flock -w 10 "$lock" true
	done
	rm -rf "$CM_HOME" "$CM_HOME.err"
}

# new_lab OPTION... DIR N: a lab (examples/lab) on addresses of 127/8 that no
# other has; LAB_NET is set.
new_lab() {
	for try in 1 2 3; do
		LAB_NET=$(od -An -N2 -tu1 /dev/urandom |
		    awk '{ print "127." $1 % 254 + 1 "." $2 }')
		export LAB_NET
		rc=0
		sh "$ROOT/examples/lab" up "$@" || rc=$?
		[ "$rc" -eq 69 ] || return "$rc"
	done
}
