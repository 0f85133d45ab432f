#!/bin/sh
# examples/demo and demo-disks run to their end, with their own messages and
# with real ones, and leave nothing behind.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
setup_home
TMPDIR=$CM_HOME/tmp
export TMPDIR
mkdir "$TMPDIR"

# demo OUT CORPUS [NAME]
demo() {
	CORPUS=$2 sh "$ROOT/examples/${3-demo}" >"$CM_HOME/$1" 2>&1 </dev/null &&
	    return
	sed 's/^/# /' "$CM_HOME/$1"
	return 1
}
shown() { grep -q "$2" "$CM_HOME/$1"; }

# Processes of labs below TMPDIR, but for zombies, have that in their arguments
# or their environment.
processes() {
	grep -lzF "$TMPDIR/cm-demo" /proc/[0-9]*/environ /proc/[0-9]*/cmdline \
	    2>/dev/null
}
nothing_is_left() {
	left=$(ls -A "$TMPDIR"; processes)
	[ -z "$left" ] || { echo "$left" | sed 's/^/# /'; return 1; }
}

demo other "" &
ok "three nodes, with the messages beside it" demo out ""
ok "while a second one runs" wait $!
ok "it shows a dead node" shown out '^!! node n2 does not answer'
ok "and a wiped one" shown out '^!! volume v2: its home on n2 is gone'
is "all is well before and after" \
    "$(grep -c '^lab: all is well' "$CM_HOME/out")" 2
ok "nothing is left" nothing_is_left

# Ctrl-C: the signal goes to the whole process group.
interrupt() {
	setsid perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' \
	    sh "$ROOT/examples/demo" >"$CM_HOME/cut" 2>&1 </dev/null &
	tries=300
	until shown cut "$1" || [ "$tries" -eq 0 ]; do
		tries=$((tries - 1))
		sleep 0.1
	done
	kill -INT "-$!"
	wait $!
}
exits "interrupted while it starts" 130 interrupt 'lab up'
ok "nothing is left" nothing_is_left
exits "interrupted with a dead node" 130 interrupt 'lab kill'
ok "nothing is left" nothing_is_left
sh "$ROOT/examples/demo" 2>&1 </dev/null | head -n 30 >"$CM_HOME/head"
ok "its reader goes away: nothing is left" nothing_is_left

: "${CORPUS:=$ROOT/../shared/corpus}"
[ ! -d "$CORPUS" ] || ok "with those of $CORPUS" demo real "$CORPUS"

ok "disks, with the messages beside it" demo disks "" demo-disks
ok "it shows a repair" shown disks 'repaired from'
[ ! -d "$CORPUS" ] ||
    ok "disks, with those of $CORPUS" demo disks "$CORPUS" demo-disks
ok "nothing is left" nothing_is_left
done_testing
