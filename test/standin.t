#!/bin/sh
# A home is down before the catalog has what it stored: a node with a copy
# sends it.
. "$ROOT/test/lib.sh"

LAB=$ROOT/examples/lab
# nothing acts but what this test starts
export LAB_CRON=3600

command -v xinetd >/dev/null || skip "no xinetd"
[ -x "$BIN/cm-stored" ] || skip "not built"

T=$(mktemp -d) || exit 1
CM_HOME=$T/home		# lib.sh writes to $CM_HOME.err
D=$T/lab
BOX=u1@example.test
ended() {
	sh "$LAB" down "$D" >/dev/null 2>&1
	rm -rf "$T"
}
trap ended EXIT
trap 'exit 1' HUP INT TERM

# 5 to 7 are messages that are not at their end: nobody else may hold them
lab() { sh "$LAB" "$@" 5>&- 6>&- 7>&- >>"$T/lab.log" 2>&1; }
on() { node=$1; shift; sh "$LAB" run "$D" "$node" "$@" 5>&- 6>&- 7>&-; }

# until_ok COMMAND...: for a minute
until_ok() {
	for try in $(seq 300); do
		! "$@" || return 0
		sleep 0.2
	done
	return 1
}

# subjects NODE: of what is listed and can be read there, in one line.
subjects() {
	on "$1" cm-fetch -m "$BOX" 2>>"$T/err" | sed -n 's/^Subject: //p' |
	    sort | tr '\n' ' '
}

lists() { [ "$(subjects "$1")" = "$2" ]; }

# begin NODE NAME FD: cm-store has asked for the mailbox, and now reads a
# message; a pipe does not hold as much as this.
begin() {
	mkfifo "$T/$2.in"
	{
		exec 5>&- 6>&- 7>&-
		on "$1" cm-store -f a@example.net "$BOX" <"$T/$2.in"
	} >"$T/$2.r" 2>>"$T/err" &
	eval "pid_$2=\$!; exec $3>\"\$T/\$2.in\""
	{
		printf 'Subject: %s\n\n' "$2"
		seq 100000
	} >&"$3"
}

# end NAME FD: the message's end.
end() {
	eval "exec $2>&-; wait \"\$pid_$1\""
}

# stop_agent NODE: it sends nothing to the catalog any more.
stop_agent() { kill -STOP "$(cat "$D/$1/state/run/catalog.lock")"; }

# agent LINE...: a request with a body to the catalog's agent; its code.
agent() {
	python3 -c '
import os, socket, sys
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX)
s.connect("catalog.sock")
s.sendall(("\n".join(sys.argv[2:]) + "\n").replace(" ", "\t").encode())
for line in s.makefile():
    print(line.split("\t")[0].rstrip() if line[0] == "." else line.rstrip())
    if line[0] == ".":
        break' "$D/n1/state/run" "$@"
}

cursors() { on n1 cm-catalog dump | grep -E '^(cursor|meta	volume)'; }

new_lab -s degrade "$D" 3 >>"$T/lab.log" 2>&1 ||
    skip "no lab: $(tail -1 "$T/lab.log")"

for n in n1 n2 n3; do
	printf 'Subject: first-%s\n\n' "$n" | on "$n" sh -c \
	    'cm-store -f a@example.net u1@example.test | cm-mirror |
	    cm-catalog add' >>"$T/first" 2>>"$T/err"
done
is "a message from each node" "$(subjects n1)" "first-n1 first-n2 first-n3 "

# --- a home whose copy is on a node without the catalog

begin n2 kept 6
stop_agent n2
end kept 6
on n2 cm-mirror <"$T/kept.r" >"$T/kept.m" 2>>"$T/err"
is "acknowledged by home and copy" "$(cut -f3 "$T/kept.m")" n2,n3
is "and not listed" "$(subjects n1)" "first-n1 first-n2 first-n3 "
on n3 cm-catalog stat >>"$T/stat" 2>>"$T/err"
lab kill "$D" n2
all="first-n1 first-n2 first-n3 kept "
ok "the home dies: it is listed" until_ok lists n1 "$all"
is "and read from the copy's node" "$(subjects n3)" "$all"
ok "that node says why" grep -q "volume v2: node n2 is away" \
    "$D/n3/state/run/catalog.log"
lab start "$D" n2
on n2 cm-catalog sync 2>>"$T/err"
is "the home is back: each is listed once" "$(subjects n2)" "$all"
printf 'Subject: later\n\n' | on n2 sh -c \
    'cm-store -f a@example.net u1@example.test | cm-mirror |
    cm-catalog add' >"$T/later" 2>>"$T/err"
all="first-n1 first-n2 first-n3 kept later "
is "and it goes on" "$(subjects n1)" "$all"

# --- a home whose copy is on the catalog's node

begin n3 beside 5
stop_agent n3
end beside 5
on n3 cm-mirror <"$T/beside.r" >"$T/beside.m" 2>>"$T/err"
is "acknowledged by home and copy" "$(cut -f3 "$T/beside.m")" n3,n1
is "and not listed" "$(subjects n1)" "$all"
lab kill "$D" n3
all="beside first-n1 first-n2 first-n3 kept later "
ok "the home dies: it is listed" until_ok lists n1 "$all"
lab start "$D" n3
on n3 cm-catalog sync 2>>"$T/err"
is "the home is back: each is listed once" "$(subjects n3)" "$all"
on n1 cm-catalog sync
ok "the catalog is in order" on n1 cm-catalog check

# --- a copy that has damage: what is whole is listed, the rest is the home's

begin n2 whole 5
begin n2 damaged 6
stop_agent n2
end whole 5
on n2 cm-mirror <"$T/whole.r" >"$T/whole.m" 2>>"$T/err"
end damaged 6
on n2 cm-mirror <"$T/damaged.r" >"$T/damaged.m" 2>>"$T/err"
place=$(cut -f2 "$T/damaged.m")
seg=$(echo "$place" | cut -d: -f2) at=$(echo "$place" | cut -d: -f3)
printf X | dd of="$D/n3/disk/v2/$seg.seg" bs=1 seek="$((at + 60))" \
    conv=notrunc 2>/dev/null
lab kill "$D" n2
all="beside first-n1 first-n2 first-n3 kept later whole "
ok "what comes before is listed" until_ok lists n1 "$all"
ok "what is wrong is said" until_ok grep -q "not listed from $at on" \
    "$D/n3/state/run/catalog.log"
lab start "$D" n2
all="beside damaged first-n1 first-n2 first-n3 kept later whole "
on n2 cm-catalog sync 2>>"$T/err"
ok "the home has it right" until_ok lists n1 "$all"

# --- an old home, and an old copy

salt=$(sed -n 's/^salt //p' "$D/n2/disk/v2/volume")
lab kill "$D" n2
cp "$D/n2/disk/v2/$seg.seg" "$D/n3/disk/v2/$seg.seg"
mv "$D/n2/disk/v2" "$T/old"
lab start "$D" n2
on n2 cm-rebuild volume v2 >>"$T/err" 2>&1
printf 'Subject: anew\n\n' | on n2 sh -c \
    'cm-store -f a@example.net u1@example.test | cm-mirror |
    cm-catalog add' >"$T/anew" 2>>"$T/err"
all="anew beside damaged first-n1 first-n2 first-n3 kept later whole "
ok "made anew: each is listed once" until_ok lists n1 "$all"
cursors >"$T/before"
ok "the newer home is followed" grep -q "volume/v2	$salt%202$" "$T/before"
is "the older one's cursors" "$(agent "cursors v2 $salt 1")" .-19
is "its entries" "$(agent "index v2 $salt 1 7 0 60" "G 0 60" .)" .-19
is "those of a copy" "$(agent "index v2 $salt 1 7 0 60 copy" "G 0 60" .)" .-19
is "of another volume's copy" "$(agent "cursors v2 00000001 9 copy")" .-19
is "its home may come" "$(agent "cursors v2 00000001 1")" .0
is "another word is none" "$(agent "cursors v2 $salt 2 home")" .-14
ok "the newer one's" [ "$(agent "cursors v2 $salt 2" | wc -l)" -gt 1 ]
ok "a copy's of it" [ "$(agent "cursors v2 $salt 2 copy" | wc -l)" -gt 1 ]
ok "nothing was changed by that" test "$(cursors)" = "$(cat "$T/before")"
lab kill "$D" n2
sed -i 's/^epoch 2/epoch 1/' "$D/n3/disk/v2/volume"
ok "an old copy: nothing is taken of it" until_ok grep -q \
    "volume v2: listing it from" "$D/n3/state/run/catalog.log"
ok "nothing was changed" test "$(cursors)" = "$(cat "$T/before")"
is "everything is listed once" "$(subjects n1)" "$all"

done_testing
