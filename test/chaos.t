#!/bin/sh
# The short run of "make chaos": see test/chaos.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
trap 'exit 1' HUP INT TERM
chaos() {
	sh "$ROOT/test/chaos" "$@" >"$said" && cat "$said" ||
	    { cat "$said" >&2; return 1; }
}
ok "three nodes, hurt one after the other: nothing acknowledged is lost" \
    chaos -n 3 -t 18
ok "two nodes, likewise" chaos -n 2 -t 10
ok "two nodes that refuse what only one has" chaos -n 2 -t 10 -s refuse
ok "two nodes, by SMTP and LMTP, its workers hurt too" \
    chaos -m smtp -n 2 -t 10
ok "three nodes, likewise" chaos -m smtp -n 3 -t 10 worker agent kill
done_testing
