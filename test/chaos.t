#!/bin/sh
# The short run of "make chaos": see test/chaos.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
ok "three nodes, hurt one after the other: nothing acknowledged is lost" \
    sh "$ROOT/test/chaos" -n 3 -t 18
ok "two nodes, likewise" sh "$ROOT/test/chaos" -n 2 -t 10
ok "two nodes that refuse what only one has" \
    sh "$ROOT/test/chaos" -n 2 -t 10 -s refuse
done_testing
