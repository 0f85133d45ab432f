#!/bin/sh
# examples/demo runs to its end, with its own messages and with real ones.
. "$(dirname "$0")/lib.sh"

setup_home
one_demo() {
	CORPUS=$1 sh "$ROOT/examples/demo" >"$CM_HOME/out" 2>&1 </dev/null &&
	    return
	sed 's/^/# /' "$CM_HOME/out"
	return 1
}
ok "with the messages beside it" one_demo ""
: "${CORPUS:=$ROOT/../shared/corpus}"
[ ! -d "$CORPUS" ] || ok "with those of $CORPUS" one_demo "$CORPUS"
ok "it shows a repair" grep -q 'repaired from' "$CM_HOME/out"
done_testing
