#!/bin/sh
# Two nodes and a witness, and cut cables while both take changes: what was
# taken is on both in the end, whoever was cut from whom.
. "$(dirname "$0")/lib.sh"

command -v xinetd >/dev/null || skip "xinetd is not installed"
command -v ip >/dev/null || skip "no ip(8)"
[ "$(id -u)" -eq 0 ] || skip "network namespaces are for root"
unshare -n true 2>/dev/null || skip "no network namespaces here"
lab() { sh "$ROOT/examples/lab" "$@"; }
on() { lab run "$dir/lab" "$@"; }

dir=$(mktemp -d)
CM_HOME=$dir/home		# lib.sh writes to $CM_HOME.err
trap 'touch "$dir/stop"; lab down "$dir/lab" >/dev/null 2>&1; rm -rf "$dir"' \
    EXIT
trap 'exit 1' HUP INT TERM
export LAB_CRON=600 LAB_CATALOG="n1 n2" LAB_WITNESS=n3

stat() { on "$1" timeout 20 cm-catalog stat 2>/dev/null; }
leader() { stat "$1" | awk '$1 == "leader" { print $2 }'; }
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
leads() { [ "$(leader "$1")" = "$1" ]; }
leads_not() { [ "$(leader "$1")" != "$1" ]; }
same_dumps() {
	for n in n1 n2; do
		on $n cm-catalog dump -l >"$dir/dump.$n" || return 1
	done
	cmp -s "$dir/dump.n1" "$dir/dump.n2"
}
kept() { cut -d ' ' -f 4 "$dir/lab/n3/state/witness"; }
is_kept() { [ "$(kept)" = "$1" ]; }
taken() { [ "$(cat "$dir/set.$1" 2>/dev/null | wc -l)" -gt "$2" ]; }
# goes_on NODE: it takes three more changes.
goes_on() {
	until_true taken "$1" $(($(cat "$dir/set.$1" 2>/dev/null | wc -l) + 2))
}
both_follow() {
	lab heal "$dir/lab"
	for n in n1 n2; do
		ok "healed: $n takes part" until_true has_role $n
	done
	ok "the witness lets go" until_true is_kept -
	ok "both take changes" goes_on n1
	ok "both" goes_on n2
}

# load NODE: keywords, each that was taken a line in set.NODE.
load() {
	i=0
	while [ ! -e "$dir/stop" ]; do
		i=$((i + 1))
		if [ -e "$dir/dead.$1" ]; then
			sleep 0.2
			continue
		fi
		on "$1" timeout 20 cm-catalog flag "+k$1-$i" "$entry" \
		    2>>"$dir/failed" && echo "k$1-$i" >>"$dir/set.$1"
		sleep 0.1
	done
}

for try in 1 2 3; do
	LAB_NET=10.$(($$ % 200 + 20)).$try
	export LAB_NET
	lab up -netns "$dir/lab" 3 2>"$dir/err" && break
	rm -rf "$dir/lab"
done
[ -f "$dir/lab/lab.conf" ] || skip "no lab: $(tail -n 1 "$dir/err")"
for n in n1 n2; do
	ok "$n takes part" until_true has_role $n
done
ok "a message" on n1 sh -c "printf 'Subject: x\n\nx\n' |
    cm-store u1@example.test | cm-mirror | cm-catalog add >/dev/null"
entry=$(on n1 cm-catalog list u1@example.test | cut -f 1)
ok "the witness has joined" until_true is_kept -
load n1 &
loads=$!
load n2 &
loads="$loads $!"
ok "both take changes" goes_on n1
ok "both" goes_on n2

a=$(leader n1)
[ "$a" = n1 ] && b=n2 || b=n1
ok "$a leads, and is cut from $b" lab cut "$dir/lab" n1 n2
ok "it goes on" goes_on "$a"
is "the witness keeps that" "$(kept)" "$a"
ok "$b does not lead" leads_not "$b"
both_follow

a=$(leader n1)
[ "$a" = n1 ] && b=n2 || b=n1
lab cut "$dir/lab" n1 n2
ok "$a leads, and is cut from both" lab cut "$dir/lab" "$a" n3
ok "$b leads" until_true leads "$b"
ok "$a does not" until_true leads_not "$a"
ok "$b takes changes" goes_on "$b"
both_follow

a=$(leader n1)
[ "$a" = n1 ] && b=n2 || b=n1
ok "$a leads, and is cut from $b" lab cut "$dir/lab" n1 n2
ok "it goes on" goes_on "$a"
is "the witness keeps that" "$(kept)" "$a"
touch "$dir/dead.$a"
sleep 1
ok "then it dies" lab kill "$dir/lab" "$a"
lab heal "$dir/lab"
sleep 3
ok "$b does not lead" leads_not "$b"
ok "$a is back" lab start "$dir/lab" "$a"
rm "$dir/dead.$a"
both_follow

touch "$dir/stop"
wait $loads
sort "$dir"/set.* >"$dir/want"
for n in n1 n2; do
	on $n cm-catalog list u1@example.test | cut -f 6 | tr ' ' '\n' |
	    grep '^k' | sort >"$dir/have"
	is "all that was taken is on $n" \
	    "$(comm -23 "$dir/want" "$dir/have")" ""
done
echo "# $(wc -l <"$dir/want") changes"
ok "both have the same" until_true same_dumps
ok "and right" on n1 cm-catalog check
done_testing
