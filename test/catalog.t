#!/usr/bin/env python3
"""cm-catalog: what is stored is listed once, whoever dies or lies."""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *

NOWHERE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
odd = ["it's", 'a "quote"', "a b", "100%", "a,b", "Gel\u00f6scht",
       "\u65e5\u672c/\u8a9e", "deep/er/est", "-", ".", "..", "*", "%s%n",
       "back\\slash", "x" * 200, "<&>"]


def add():
    lines = receipts(3)
    r = exits(0, "add", "cm-catalog", "add", stdin="\n".join(lines) + "\n")
    out = r.stdout.decode().splitlines()
    same([x.split("\t")[:4] for x in out], [x.split("\t") for x in lines],
         "the receipts come out in their order")
    same([x.split("\t")[4:] for x in out], [["%s/INBOX/%d" % (BOB, i)]
                                            for i in (1, 2, 3)],
         "with one field more: the entry")
    two = store("x\n", BOB, ANN, args=("-F", "S")).stdout.decode()
    r = exits(0, "two mailboxes", "cm-catalog", "add", stdin=two)
    same(sorted(r.stdout.decode().rstrip("\n").split("\t")[4].split(",")),
         [ANN + "/S/1", BOB + "/S/1"], "two entries")
    again = exits(0, "what it printed, again", "cm-catalog", "add",
                  stdin=r.stdout)
    same(again.stdout, r.stdout, "gives the same")
    same(exits(0, "nothing", "cm-catalog", "add").stdout, b"", "of nothing")

    bad = [lines[0], "", "garbage", lines[1] + "\ta\tb", lines[1][:30],
           lines[1].replace("\t", " "), "i" + lines[1][1:], lines[2]]
    r = exits(65, "bad lines", "cm-catalog", "add", stdin="\n".join(bad) +
              "\n")
    same(ids(r.stdout.decode().splitlines()), ids([lines[0], lines[2]]),
         "the good ones are there")
    said = r.stderr.decode()
    ok(all("line %d " % n in said for n in range(2, 8)) and
       "line 1 " not in said and "line 8 " not in said,
       "the others are named by number", said)
    r = exits(65, "a last line without its end", "cm-catalog", "add",
              stdin=lines[0] + "\n" + lines[1])
    ok("line 2" in r.stderr.decode() and r.stdout.count(b"\n") == 1,
       "is named", r)
    r = exits(65, "a line without end", "cm-catalog", "add",
              stdin=lines[0] + "\n" + "x" * 5000000)
    ok("line 2" in r.stderr.decode() and r.stdout.count(b"\n") == 1,
       "is named", r.stderr)

    # Places that do not exist: 75, the others come.
    f = lines[0].split("\t")
    n = os.stat(seg("v1")).st_size
    gone = ["\t".join([NOWHERE, "v1:00000001:%d:300" % n] + f[2:]),
            "\t".join([NOWHERE, f[1]] + f[2:]),
            "\t".join([NOWHERE, "v1:99999999:0:9"] + f[2:]),
            "\t".join([NOWHERE, "no-volume:00000001:0:9"] + f[2:])]
    r = exits(75, "no such places", "cm-catalog", "add",
              stdin="\n".join(gone + [lines[1]]) + "\n")
    same(ids(r.stdout.decode().splitlines()), ids([lines[1]]),
         "the others come")
    same(r.stderr.decode().count(NOWHERE), 4, "each is named")
    r = exits(0, "an old place of a known id", "cm-catalog", "add", stdin=
              "\t".join([f[0], "v1:00000009:0:9"] + f[2:]) + "\n")
    ok(r.stdout.endswith(b"\t%s/INBOX/1\n" % BOB.encode()), "is listed",
       r.stdout)


def look_up():
    same([x[0] for x in listed()], [BOB + "/INBOX/1", BOB + "/INBOX/2",
                                    BOB + "/INBOX/3", BOB + "/S/1"], "list")
    same([x[0] for x in listed(BOB, "-F", "S")], [BOB + "/S/1"], "list -F")
    same(listed(BOB, "-F", "none"), [], "of no such folder: nothing")
    same([len(x) for x in listed()], [6] * 4, "six fields")
    exits(67, "unknown mailbox", "cm-catalog", "list", "no@example.org")
    exits(67, "a list of an alias", "cm-catalog", "list", "all@example.org")
    for args in ((), ("lost",), ("list",), ("list", "-F", "x"), ("add", "x"),
                 ("list", BOB, ANN), ("load", "-x"), ("load", "x"),
                 ("flag", "Seen", BOB + "/INBOX/1"), ("flag",),
                 ("serve", "-i", "x"), ("stat", "x"), ("-x", "stat")):
        exits(64, "usage: %s" % " ".join(args), "cm-catalog", *args)

    r = exits(0, "stat", "cm-catalog", "stat")
    stat = [x.split("\t") for x in r.stdout.decode().splitlines()]
    d = {x[0]: x[1] for x in stat}
    same([d.get("state"), d.get("node"), d.get("mailboxes"),
          d.get("messages"), d.get("gaps")], ["ok", "n1", "2", "5", "0"],
         "stat tells")
    same(int(d["pid"]), helper("catalog"), "the agent's pid")
    same(d["cursor"], "v1:00000001:%d" % os.stat(seg("v1")).st_size,
         "up to where it is indexed")

    for f in odd:
        r = store("Subject: %s\n\n" % f, args=("-F", f))
        e = run("cm-catalog", "add", stdin=r.stdout)
        entry = e.stdout.decode().rstrip("\n").split("\t")[-1]
        got = run("cm-fetch", "-r", entry)
        ok(r.returncode == 0 and [x[0] for x in listed(BOB, "-F", f)] ==
           [entry] and got.stdout.startswith(b"Subject: %s\r\n" % f.encode()),
           "folder %s" % f[:20], [r, e, got])
        if f == "a,b":
            same(entry, BOB + "/a%2Cb/1", "a comma is encoded")


def inbox():
    return listed(BOB, "-F", "INBOX")


def change():
    r = exits(0, "flag", "cm-catalog", "flag", "+\\Seen", "+$Work",
              BOB + "/INBOX/1", BOB + "/a%20b/1")
    same([inbox()[0][5], listed(BOB, "-F", "a b")[0][5]],
         ["\\Seen $Work"] * 2, "sets flags")
    exits(0, "flag by lines", "cm-catalog", "flag", "-\\seen", "+\\Deleted",
          stdin="\t".join(inbox()[0]) + "\n")
    same(sorted(inbox()[0][5].split()), ["$Work", "\\Deleted"],
         "clears and sets")
    r = exits(66, "no such entry", "cm-catalog", "flag", "+\\Seen",
              BOB + "/INBOX/99", BOB + "/INBOX/2")
    ok(b"INBOX/99" in r.stderr, "is named", r.stderr)
    same(inbox()[1][5], "\\Seen", "the other is changed")
    exits(67, "of nobody", "cm-catalog", "flag", "+\\Seen",
          "no@example.org/INBOX/1")
    for f in ("+\\Recent", "+\\None", "+(", "+x" * 3000):
        exits(65, "flag %s" % f[:20], "cm-catalog", "flag", f,
              BOB + "/INBOX/2")
    same(inbox()[1][5], "\\Seen", "change nothing")
    for e in ("x", BOB, BOB + "/INBOX", BOB + "/INBOX/0", BOB + "/INBOX/x",
              BOB + "/INBOX/4294967296", "/INBOX/1", BOB + "/%zz/1"):
        exits(65, "no entry: %s" % e, "cm-catalog", "expunge", e)
    r = exits(0, "expunge", "cm-catalog", "expunge", BOB + "/INBOX/2")
    exits(66, "twice", "cm-catalog", "expunge", BOB + "/INBOX/2")
    same([x[0] for x in listed(BOB, "-F", "INBOX")],
         [BOB + "/INBOX/1", BOB + "/INBOX/3"], "is gone")
    line = receipts(1)[0]
    r = run("cm-catalog", "add", stdin=line + "\n")
    ok(r.stdout.endswith(b"/INBOX/4\n"), "a UID is never given again",
       r.stdout)
    run("cm-catalog", "expunge", BOB + "/INBOX/4")
    r = exits(0, "add of what was expunged", "cm-catalog", "add",
              stdin=line + "\n")
    same(r.stdout.decode(), line + "\t\n", "an empty field")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")


def get_dump():
    return run("cm-catalog", "dump").stdout


def load(dump, *args):
    return run("cm-catalog", "load", *args, stdin=dump)


def whole(lines):
    """A dump of these lines, its count made right."""
    return "\n".join(lines + ["end\t%d" % len(lines)]) + "\n"


def dump_and_load():
    dump = get_dump()
    same(get_dump(), dump, "two dumps are the same")
    lines = dump.decode().splitlines()[:-1]
    same(dump.decode(), whole(lines), "the last line counts the others")
    r = exits(0, "load of what is there", "cm-catalog", "load", stdin=dump)
    other = whole([x for x in lines if not x.startswith("alias")] +
                  ["alias\tz@example.org\tbob@example.org"])
    r = exits(73, "load of another", "cm-catalog", "load", stdin=other)
    same(get_dump(), dump, "changes nothing without -f")
    stop_all()
    shutil.rmtree(base + "/state/catalog")
    r = exits(0, "load into an empty one", "cm-catalog", "load", stdin=dump)
    same(get_dump(), dump, "the same bytes")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")

    def with_line(i, f, n, text):
        i = [k for k, x in enumerate(lines) if x.startswith(i + "\t")][0]
        w = lines[i].split("\t")
        w[n] = text
        return whole(lines[:i] + ["\t".join(w)] + lines[i + 1:]), i + 1

    broken = {
        "empty": ("", 1), "garbage": ("\0\1\2" * 100 + "\n", 1),
        "no first line": (whole(lines[1:]), 1),
        "of another version": (whole(["clustermail-catalog 2"] + lines[1:]),
                               1),
        "without its end": ("\n".join(lines) + "\n", None),
        "a line lost": ("\n".join(lines[:3] + lines[4:] +
                                  ["end\t%d" % len(lines)]) + "\n",
                        len(lines)),
        "half its last line": (dump.decode()[:-3], None),
        "more behind the end": (dump.decode() + "meta\ta\tb\n",
                                len(lines) + 2),
        "two dumps": (dump.decode() * 2, len(lines) + 2),
        "an empty line": (whole(lines[:4] + [""] + lines[4:]), 5),
        "an unknown word": (whole(lines[:4] + ["x\ty"] + lines[4:]), 5),
        "a word too many": (whole(lines[:4] + [lines[4] + "\tx"] +
                                  lines[5:]), 5),
        "CRLF": (dump.decode().replace("\n", "\r\n"), 1),
        "a long line": (whole(lines[:4] + ["meta\ta\t" + "x" * (17 << 20)] +
                              lines[4:]), 5),
        "an id": with_line("message", "id", 2, "x" * 26),
        "a place": with_line("record", "place", 2, "v1:1:2:3"),
        "a number": with_line("account", "id", 2, "-1"),
        "a large number": with_line("folder", "validity", 3, "4294967296"),
        "a date": with_line("message", "date", 5, "yesterday"),
        "flags": with_line("message", "flags", 7, "\\None"),
        "an encoding": with_line("account", "name", 1, "%zz"),
        "entries": with_line("record", "refs", 5, "1.2"),
        "an entry": with_line("message", "entry", 1, BOB),
        "a line with a dot": (whole(lines[:4] + ["."] + lines[4:]), 5),
        "a request in it": (whole(lines) + ".\nuser-del\tbob@example.org\n",
                            len(lines) + 2),
    }
    log = base + "/state/run/catalog.log"
    for name, (text, line) in broken.items():
        at = os.stat(log).st_size
        r = load(text, "-f")
        said = r.stderr.decode() + read(log)[at:].decode()
        ok(r.returncode == 65 and (line is None or "dump:%d:" % line in said),
           "a broken dump is refused: " + name,
           [r.returncode, line, said[-300:]])
    same(get_dump(), dump, "and nothing has changed")

    # What was stored since is indexed again.
    new = receipts(2, tag="since")
    run("cm-catalog", "sync")
    e = [x[0] for x in listed() if x[1] in ids(new)]
    r = exits(0, "load -f of an older one", "cm-catalog", "load", "-f",
              stdin=dump)
    run("cm-catalog", "sync")
    m = [x for x in listed() if x[1] in ids(new)]
    same([x[1] for x in m], ids(new), "what was stored since is listed")
    same(set(e) & set(x[0] for x in listed()), set(),
         "no UID means another message than before")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")

    # Through a pipe, which cannot be read twice, and an agent that dies.
    receipts(2000, tag="many")
    dump = get_dump()
    pid = helper("catalog")
    os.kill(pid, signal.SIGSTOP)
    p = subprocess.Popen(["cm-catalog", "load", "-f"], stdin=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    p.stdin.write(dump)
    p.stdin.close()
    kill(pid)
    said = p.stderr.read()
    p.stderr.close()
    same(p.wait(), 0, "load, and the agent dies in the midst of it")
    same(get_dump() == dump, True, "all is loaded")
    exits(0, "stop", "cm-catalog", "stop")
    ok(not is_locked(base + "/state/run/catalog.lock"),
       "returns when the agent has let go of everything")


def check():
    """Each kind of disagreement, by a dump that was changed."""
    lines = get_dump().decode().splitlines()[:-1]
    good = whole(lines)

    def find(word, text=""):
        return [k for k, x in enumerate(lines) if x.startswith(word + "\t")
                and text in x][0]

    def try_it(name, changed, *want):
        r = load(whole(changed), "-f")
        c = run("cm-catalog", "check")
        said = c.stdout.decode()
        ok(r.returncode == 0 and c.returncode == 1 and
           all(w in said for w in want), "check finds " + name,
           [r, c.returncode, want, said, c.stderr])

    def edit(i, n, text):
        w = lines[i].split("\t")
        w[n] = text
        return lines[:i] + ["\t".join(w)] + lines[i + 1:]

    i = find("record", "\t" + listed()[0][2] + "\t")
    one, place = lines[i].split("\t")[1:3]
    v, s, off, n = place.split(":")
    entry = listed()[0][0]
    m = find("message", one)
    try_it("a record that is not indexed",
           [x for x in lines if one not in x], place, one)
    try_it("an entry without its record", lines[:i] + lines[i + 1:], entry)
    beyond = "v1:%s:%d:%s" % (s, os.stat(seg("v1")).st_size + 500, n)
    gone = [x.replace(place, beyond) for x in lines]
    try_it("a place where nothing is", gone, beyond, one)
    try_it("a place in a segment that is not there",
           [x.replace(place, "v1:00000777:0:" + n) for x in lines],
           "v1:00000777:0:" + n)
    try_it("a place in a volume that is not there",
           [x.replace(place, "v9:00000001:0:" + n) for x in lines], one)
    other = one[:-1] + ("0" if one[-1] != "0" else "1")
    try_it("a wrong id", [x.replace(one, other) for x in lines], place, one)
    try_it("a wrong length", [x.replace(place, "%s:%s:%s:%d" % (
        v, s, off, int(n) - 1)) for x in lines], place)
    try_it("an entry with another place than its record",
           edit(m, 3, "v1:00000001:0:9"), entry)
    try_it("a record that says nothing of its entry", edit(i, 5, "-"), one)
    try_it("a lost entry", lines[:m] + lines[m + 1:], one,
           entry.rsplit("/", 1)[0] + ": 0 messages")
    k = find("folder", BOB + "/INBOX\t")
    w = lines[k].split("\t")
    top = max(int(x[0].split("/")[-1]) for x in listed(BOB, "-F", "INBOX"))
    try_it("a wrong count in a folder", edit(k, 6, "77"), BOB + "/INBOX",
           "77")
    try_it("a next UID that was given before", edit(k, 4, str(top)),
           BOB + "/INBOX", str(top))
    box = find("account", BOB + "\t")
    try_it("a wrong sum of a mailbox", edit(box, 7, "78"), BOB + ": ", "78")
    try_it("a wrong sum of its bytes", edit(box, 6, "79"), BOB + ": ", "79")
    try_it("a folder's id that is not given yet", edit(k, 2, "4000"),
           BOB + "/INBOX: its id", "4000")
    try_it("a use that there is not", edit(k, 9, "256"), BOB + "/INBOX: its "
           "use is 256")
    try_it("a name that is none",
           lines[:k] + [w[0] + "\t" + BOB + "/a//b\t" + "\t".join(w[2:])] +
           lines[k + 1:], BOB + "/a//b: not a name", BOB + ": it has no INBOX")
    try_it("a subscription to no name",
           lines[:k] + ["subscribed\t" + BOB + "/x//y"] + lines[k:],
           BOB + "/x//y: not a name")
    c = find("cursor")
    end = os.stat(seg("v1")).st_size
    try_it("an index that goes beyond the log",
           edit(c, 1, "v1:00000001:0:%d" % (end + 9)), "v1:00000001",
           str(end + 9))
    r = load(good, "-f")
    same(exits(0, "the right one again", "cm-catalog", "check").stdout, b"",
         "and not a word")

    stop_all()
    keep = read(seg("v1"))
    at = int(off) + int(n) - 3
    with open(seg("v1"), "r+b") as f:
        f.seek(at)
        f.write(bytes([keep[at] ^ 1]))
    r = exits(1, "a bad checksum", "cm-catalog", "check")
    ok(place in r.stdout.decode() and b"damaged" in r.stdout, "is named",
       r.stdout)
    write(seg("v1"), keep)
    exits(0, "and is good again", "cm-catalog", "check")


def check_while_mail_comes():
    stop = threading.Event()
    wrong = []

    def work():
        while not stop.is_set():
            r = store("Subject: meanwhile\n\n" + "x" * 5000)
            if r.returncode != 0:
                wrong.append(r)
    t = [threading.Thread(target=work) for i in range(2)]
    for x in t:
        x.start()
    bad = []
    for i in range(12):
        r = run("cm-catalog", "check")
        if r.returncode != 0:
            bad.append(r)
    stop.set()
    for x in t:
        x.join()
    same(bad, [], "check finds nothing wrong while mail comes in")
    same(wrong, [], "which does")


def agent():
    stop_all()
    exits(0, "stop without an agent starts none", "cm-catalog", "stop",
          env={"CM_BIN": "/none"})
    ps = [subprocess.Popen(["cm-catalog", "list", BOB],
                           stdout=subprocess.PIPE) for i in range(8)]
    n = [len(p.stdout.read()) for p in ps]
    for p in ps:
        p.stdout.close()
    ok([p.wait() for p in ps] == [0] * 8 and len(set(n)) == 1,
       "eight that start one at once", n)
    pid = helper("catalog")
    ok(pid, "it runs")
    exits(0, "another serve", "cm-catalog", "serve", "-i", "60")
    same(helper("catalog"), pid, "leaves it alone")
    r = run("cm-catalog", "stat")
    ok(b"pid\t%d\n" % pid in r.stdout, "and it still answers")
    exits(0, "stop", "cm-catalog", "stop")
    ok(not is_locked(base + "/state/run/catalog.lock"), "ends it")
    p = subprocess.Popen(["cm-catalog", "serve"])
    ok(until(lambda: helper("catalog") == p.pid), "serve in the foreground")
    run("cm-catalog", "stop")
    same(p.wait(30), 0, "ends with 0")


def agent_killed():
    """Clients add while the agent dies again and again."""
    stop = threading.Event()
    acked, failed_adds = [], []
    was = set(x[1] for x in listed())

    def work():
        while not stop.is_set():
            r = store("Subject: k\n\n", BOB, ANN, args=("-F", "K"))
            if r.returncode == 0:
                a = run("cm-catalog", "add", stdin=r.stdout)
                (acked if a.returncode == 0 else failed_adds).append(
                    r.stdout.decode().split("\t")[0])
            elif r.returncode != 75:
                failed_adds.append(r)
    t = [threading.Thread(target=work) for i in range(3)]
    for x in t:
        x.start()
    kills = 0
    seen = -1
    while kills < 15:
        # each time something was acknowledged since the last one
        if not until(lambda: len(acked) > seen):
            break
        seen = len(acked)
        kills += kill(helper("catalog"))
    stop.set()
    for x in t:
        x.join()
    same(kills, 15, "the agent is killed 15 times under clients")
    run("cm-catalog", "sync")
    bob, ann = ([x[1] for x in listed(m, "-F", "K")] for m in (BOB, ANN))
    ok(set(acked) <= set(bob), "nothing acknowledged is lost",
       set(acked) - set(bob))
    ok(len(set(bob)) == len(bob) and bob == ann, "nothing is there twice")
    e = [x[0] for x in listed()]
    same(len(set(e)), len(e), "no UID either")
    ok(was <= set(x[1] for x in listed()), "what was there is there")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sock)
    return s


def served(name):
    t0 = time.monotonic()
    r = run("cm-catalog", "list", BOB)
    ok(r.returncode == 0 and time.monotonic() - t0 < 4, name,
       [time.monotonic() - t0, r.stderr])


def hostile():
    before = get_dump()
    pid = helper("catalog")
    held = []
    for junk in (b"\0" * 100000 + b"\n", os.urandom(100000), b"\n" * 1000,
                 b"list\n", b"\t\t\t\t\t\t\t\t\t\t\t\t\n", b"%zz\n",
                 b"list\t%00\n", b"rcpt\t" + b"x" * 900000 + b"\n",
                 b"user-add\n", b"GET / HTTP/1.1\r\n\r\n", b"wait\ta\tb\n",
                 b"flag\ta\tb\t-1\tc\td\n", b"list\t%s\t\xff\n" %
                 BOB.encode(), b"expunge\t%s\tINBOX\t0\n" % BOB.encode(),
                 b"load\nclustermail-catalog 1\n", b"rebuild\tdump\nx\n.\n",
                 b"load\tforce\n.\n"):
        s = connect()
        s.sendall(junk)
        held.append(s)
    served("garbage disturbs nobody")
    s = connect()
    try:
        for i in range(400):
            s.sendall(b"x" * 65536)
        s.sendall(b"\n")
        end = s.recv(100)
    except OSError:
        end = b""
    ok(end == b"" or b".-" in end, "a line of 25 MB is refused", end)
    s.close()
    served("which disturbs nobody either")
    for i in range(50):
        s = connect()
        s.sendall(b"list\t" + BOB.encode())
        held.append(s)
    served("half lines")
    s = connect()
    s.sendall(b"dump\n" * 200)
    held.append(s)
    served("one that asks and does not read")
    for i in range(330):
        held.append(connect())
    served("four hundred connections that say nothing")
    extra = []
    for i in range(100):
        extra.append(connect())
    served("more than it serves at once")
    r = store("Subject: through\n\n")
    same(run("cm-catalog", "add", stdin=r.stdout).returncode, 0,
         "a message is stored and listed meanwhile")
    same(helper("catalog"), pid, "it is the same agent")
    run("cm-catalog", "expunge", [x[0] for x in listed()
                                  if x[1] in r.stdout.decode()][0])
    for s in held + extra:
        s.close()
    same([x for x in get_dump().decode().splitlines()
          if x.startswith("account")][0].split("\t")[1:3],
         [x for x in before.decode().splitlines()
          if x.startswith("account")][0].split("\t")[1:3],
         "nobody's account was touched")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")


try:
    configure('<volume name="v1" home="n1" path="%s/v1"/>' % base)
    users()
    run("cm-user", "alias", "all@example.org", ANN, BOB)
    add()
    look_up()
    change()
    dump_and_load()
    check()
    agent()
    hostile()
    agent_killed()
    check_while_mail_comes()
finally:
    finish()
