#!/bin/sh
# What examples/lab promises: nodes that can be killed, stopped, wiped and cut
# off as machines can, and that leave nothing behind.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
setup_home
dir=$CM_HOME/lab
lab() { sh "$ROOT/examples/lab" "$@"; }
end() {
	trap '' HUP INT TERM
	for d in "$dir" "$dir-c"; do
		[ ! -f "$d/lab.conf" ] || lab down "$d"
	done
	cleanup
}
trap end EXIT

# The processes of a node, or of all, that are no zombies.
of_node() {
	grep -lz "^CM_LAB=$dir/${1-}" /proc/[0-9]*/environ 2>/dev/null |
	    sed 's,^/proc/,,; s,/.*,,'
}

states() {
	for p in $(of_node "$1"); do
		sed 's/.*) //; s/ .*//' "/proc/$p/stat"
	done 2>/dev/null | sort -u | tr -d '\n'
}

state() { lab status "$dir" | awk -v n="$1" '$1 == n { print $3 }'; }
is_empty() { [ -z "$(ls -A "$1")" ]; }

exits "no arguments: usage" 64 lab
exits "an unknown command: usage" 64 lab fly "$dir"
exits "a number of nodes that is none" 64 lab up "$dir" two
exits "more copies than nodes" 64 lab up -k 3 "$dir" 2
exits "a folder without a lab" 66 lab status "$CM_HOME"
exits "addresses that are none" 64 env LAB_NET=127.1 \
    sh "$ROOT/examples/lab" up "$dir"

ok "two nodes come up" new_lab -s refuse "$dir" 2
is "each runs" "$(state n1) $(state n2)" "up up"
is "there are 100 mailboxes" "$(lab run "$dir" n1 cm-user list | wc -l)" 100
is "a command runs as its node" \
    "$(lab run "$dir" n2 sh -c 'echo "$CM_NODE $CM_CLUSTER"')" \
    "n2 $dir/cluster.xml"
exits "and its exit code comes back" 42 lab run "$dir" n2 sh -c 'exit 42'
exits "an unknown node" 66 lab kill "$dir" n3
exits "a lab that is there is not made again" 73 lab up "$dir" 2
exits "a node that runs is not started again" 73 lab start "$dir" n1
exits "nor wiped" 73 lab wipe "$dir" n1
exits "links are cut with -netns only" 64 lab cut "$dir" n1 n2
exits "a taken port is told of" 69 lab up "$dir-b" 1
exits "and leaves no lab" 66 lab status "$dir-b"
exits "a command of a node cannot kill it" 64 \
    lab run "$dir" n2 sh "$ROOT/examples/lab" kill "$dir" n2

lab run "$dir" n2 setsid sleep 1000 >/dev/null 2>&1 </dev/null &
ok "stop" lab stop "$dir" n2
is "stops all of a node" "$(states n2)" T
is "and status says so" "$(state n1) $(state n2)" "up stopped"
ok "cont" lab cont "$dir" n2
is "lets it go on" "$(states n2 | tr -d RSD)" ""
is "as it was" "$(state n2)" up

ok "kill" lab kill "$dir" n2
is "leaves nothing of a node" "$(of_node n2)" ""
is "and the others alone" "$(state n1) $(state n2)" "up down"
touch "$dir/n2/disk/x" "$dir/n2/state/x"
ok "wipe" lab wipe "$dir" n2
ok "empties its disks" is_empty "$dir/n2/disk"
ok "and its state" is_empty "$dir/n2/state"
ok "but its certificate stays" test -s "$dir/n2/tls/node.pem"
ok "start" lab start "$dir" n2
is "it runs again" "$(state n2)" up

ok "add" lab add "$dir"
is "one more node runs" "$(state n3)" up
is "and the others know it" "$(lab run "$dir" n1 cm-route show |
    grep -c '^  n3  *127[.]')" 1
exits "it has a number of its own" 66 lab kill "$dir" n4

ok "down" lab down "$dir"
is "leaves no process" "$(of_node)" ""
ok "up starts all again" lab up "$dir"
is "both of them" "$(state n1) $(state n2)" "up up"
is "with their mailboxes" "$(lab run "$dir" n1 cm-user list | wc -l)" 100
lab down "$dir"

# Can n1 connect to n2?
connects() {
	lab run "$dir-c" n1 python3 -c '
import socket
socket.create_connection(("10.0.0.12", 2443), 1)' 2>/dev/null
}
fails() { ! "$@"; }

with_links() {
	ok "each node in a namespace" lab up -netns "$dir-c" 2 || return
	ok "they reach each other" connects
	lab cut "$dir-c" n2 n1
	ok "until they are cut off" fails connects
	lab heal "$dir-c"
	ok "and healed" connects
	ok "down" lab down "$dir-c"
	is "no namespace is left" "$(ip netns list |
	    grep "$(sed -n 's/.*netns=\([^ ]*\).*/\1/p' "$dir-c/lab.conf")")" ""
}
unset LAB_NET
if [ "$(id -u)" -eq 0 ] && unshare -n ip link add eth0 type veth \
    peer name eth1 2>/dev/null; then
	with_links
else
	exits "namespaces are for root" 77 lab up -netns "$dir-c" 2
fi
done_testing
