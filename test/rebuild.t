#!/usr/bin/env python3
"""cm-rebuild: what was lost comes back from what is left."""
import os
import random
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *

rnd = random.Random(1)
SEGMENT = '<volume name="v1" home="n1" path="%s/v1" segment="%s">%s</volume>'


def volume(size="1G", *copies):
    configure(SEGMENT % (base, size, "".join(
        '<copy node="n1" path="%s/%s"/>' % (base, c) for c in copies)),
        '<policy copies="1"/>')


def fill(megabytes, size=1 << 20):
    """An mbox of messages that are not like each other."""
    box = []
    for i in range(megabytes * (1 << 20) // size):
        body = rnd.randbytes(size // 2).hex()
        box.append("From a@b.c Fri Nov 24 08:00:00 2023\nSubject: %d\n\n%s"
                   "\n\n" % (i, body))
    r = run("cm-store", "-m", BOB, stdin="".join(box))
    if r.returncode != 0:
        raise AssertionError(r)
    return ids(r.stdout.decode().splitlines())


def fresh():
    stop_all()
    for d in os.listdir(base):
        if os.path.isdir(base + "/" + d) and d != "state":
            shutil.rmtree(base + "/" + d)
    shutil.rmtree(base + "/state", ignore_errors=True)
    users()


def is_same(a, b):
    """As cmp sees it; an empty segment has nothing to be shipped."""
    have = [f for f, b in sorted(segments(a).items()) if b]
    return have == [f for f, b in sorted(segments(b).items()) if b] and all(
        run("cmp", base + "/%s/%s" % (a, f), base + "/%s/%s" % (b, f)
            ).returncode == 0 for f in have)


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        b = f.read(1)
        f.seek(at)
        f.write(bytes([b[0] ^ 0x20]))


def usage():
    for args in ((), ("copy",), ("copy", "v1"), ("copy", "v1", "a", "b"),
                 ("volume",), ("volume", "v1", "x"), ("check", "-x"),
                 ("check", "-r", "x"), ("catalog", "a", "b"),
                 ("node", "a", "b"), ("-b", "0", "check"),
                 ("-x",)):
        r = exits(64, "usage: %s" % " ".join(args), "cm-rebuild", *args)
    ok(b"usage:" in r.stderr, "is shown", r.stderr)
    for args in (("copy", "v9", base + "/c"), ("volume", "v9")):
        r = exits(66, "no such volume: %s" % args[0], "cm-rebuild", *args)
        ok(b"v9" in r.stderr, "is named", r.stderr)
    r = exits(66, "no such dump", "cm-rebuild", "catalog", base + "/none")
    ok(b"none" in r.stderr, "is named", r.stderr)
    exits(66, "no such file", "cm-rebuild", "-C", base + "/none", "check")
    exits(78, "no such node", "cm-rebuild", "-n", "n9", "check")


def copies():
    volume("64K")
    r = exits(0, "a copy of an empty volume", "cm-rebuild", "copy", "v1",
              base + "/e")
    acked = receipts(80, size=4000)
    for i in range(2):
        exits(0, "copy, time %d" % (i + 1), "cm-rebuild", "copy", "v1",
              base + "/new/copy")
        ok(is_same("v1", "new/copy"), "is the same bytes")
    ok(len(segments("v1")) > 4, "of several segments")
    exits(0, "the one of the empty volume", "cm-rebuild", "copy", "v1",
          base + "/e")
    ok(is_same("v1", "e"), "is the same bytes too")
    flip(seg("e", 2), 1000)
    os.truncate(seg("e", 3), 2222)
    os.unlink(seg("e", 4))
    r = exits(0, "one with damages", "cm-rebuild", "copy", "v1", base + "/e")
    ok(is_same("v1", "e") and b"00000002" in r.stderr,
       "is put right, and it is said", r.stderr)
    keep = segments("v1")
    flip(seg("v1", 2), 1000)
    r = exits(65, "a damaged home", "cm-rebuild", "copy", "v1", base + "/e")
    same(segments("e"), keep, "does not harm a good copy")
    write(seg("v1", 2), keep["00000002.seg"])
    # A folder of something else is left alone.
    os.mkdir(base + "/other")
    write(base + "/other/volume", read(base + "/v1/volume").replace(
        b"v1", b"v7"))
    write(base + "/other/00000001.seg", b"x")
    r = exits(78, "another volume's folder", "cm-rebuild", "copy", "v1",
              base + "/other")
    same(read(base + "/other/00000001.seg"), b"x", "stays as it is")
    write(base + "/file", b"")
    r = run("cm-rebuild", "copy", "v1", base + "/file/copy")
    ok(r.returncode != 0 and base.encode() in r.stderr,
       "no folder: it is said", r)
    r = run("cm-rebuild", "copy", "v1", base + "/v1")
    ok(segments("v1") == keep, "the home itself is not harmed", r)

    name = "a disk that fills up"
    if not can_unshare():
        return skip(name, "no mounts of our own (unshare -rm)")
    os.mkdir(base + "/disk")
    r = run("unshare", "-rm", "sh", "-c", """
        mount -t tmpfs -o size=4160k none disk || exit 1
        head -c 4096000 /dev/zero >disk/other || exit 1
        cm-rebuild copy v1 $PWD/disk/c; echo $?
        rm disk/other
        cm-rebuild copy v1 $PWD/disk/c; echo $?
        for f in v1/*.seg; do cmp $f disk/c/${f#v1/} || echo differs; done
        """, pre=lambda: os.chdir(base))
    same(r.stdout, b"75\n0\n", name + ": 75, and with space it goes on")
    if r.stderr:
        print("# " + r.stderr.decode()[:800].replace("\n", "\n# "))


def big_copy():
    """Of 100 MB, killed again and again."""
    fresh()
    volume("8M")
    fill(100)
    total = sum(os.stat(base + "/v1/" + f).st_size for f in segments("v1"))
    d = base + "/big"

    def size():
        try:
            return sum(os.stat(d + "/" + f).st_size for f in os.listdir(d))
        except OSError:
            return 0
    kills = 0
    goal = 1
    while kills < 12:
        p = subprocess.Popen(["cm-rebuild", "copy", "v1", d],
                             stderr=subprocess.DEVNULL)
        while p.poll() is None and size() < goal:
            pass
        if p.poll() is None:
            p.kill()
            kills += 1
        if p.wait() == 0:
            break
        goal = max(size(), goal) + rnd.randrange(1, total // 10)
    ok(kills >= 3, "killed in the midst of 100 MB", kills)
    exits(0, "and resumed", "cm-rebuild", "copy", "v1", d)
    ok(is_same("v1", "big"), "it is the same bytes")
    shutil.rmtree(d)


def busy():
    """Copies, checks and repairs while mail comes in and is mirrored."""
    fresh()
    volume("64K", "c1")
    stop = threading.Event()
    acked, wrong = [], []

    def work(k):
        n = 0
        while not stop.is_set():
            n += 1
            r = store("Subject: %d\n\n" % n + "x" * (n * 7919 % 30000))
            m = run("cm-mirror", "-k", "2", stdin=r.stdout)
            if m.returncode == 0 and b"n1#1" in m.stdout:
                acked.append(m.stdout.decode().split("\t")[0])
            else:
                wrong.append([r, m])
    t = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for x in t:
        x.start()
    bad = []
    until(lambda: len(acked) > 5)
    for i in range(12):
        for cmd in (("copy", "v1", base + "/c1"), ("check",),
                    ("copy", "v1", base + "/c2"), ("check", "-r"),
                    ("volume", "v1")):
            r = run("cm-rebuild", *cmd)
            if r.returncode != 0 or r.stdout:
                bad.append([cmd, r.returncode, r.stdout, r.stderr])
    stop.set()
    for x in t:
        x.join()
    same(bad[:3], [], "copy, volume, check and check -r while mail comes in")
    same(wrong[:3], [], "which does")
    exits(0, "a last copy", "cm-rebuild", "copy", "v1", base + "/c2")
    exits(0, "cm-mirror -a", "cm-mirror", "-a")
    ok(is_same("v1", "c1") and is_same("v1", "c2"), "the same bytes")
    exits(0, "check", "cm-rebuild", "check")
    run("cm-catalog", "sync")
    got = [x[1] for x in listed()]
    ok(set(acked) <= set(got) and len(got) == len(set(got)),
       "what was acknowledged is there, once")


def homes():
    """The home is gone: what any copy has comes back."""
    fresh()
    volume("64K", "c1", "c2", "c3")
    acked = ids(receipts(60, size=4000))
    exits(0, "three copies", "cm-mirror", "-a")
    run("cm-catalog", "sync")
    stop_all()
    keep = segments("v1")
    n = len(keep)
    # c1 is behind, c2 lacks a segment and is damaged, c3 is cut in the midst
    # of a record and damaged elsewhere: between them they have everything.
    os.unlink(seg("c1", n))
    os.truncate(seg("c1", n - 1), 20000)
    os.unlink(seg("c2", 1))
    flip(seg("c2", 2), 5000)
    os.truncate(seg("c3", n - 1), 5000)
    flip(seg("c3", 1), 9000)
    shutil.rmtree(base + "/v1")
    r = exits(75, "nothing is stored without a home", "cm-store", BOB,
              stdin="x\n")
    for i in range(2):
        exits(0, "volume, time %d" % (i + 1), "cm-rebuild", "volume", "v1")
        same({f: b for f, b in segments("v1").items() if f in keep}, keep,
             "the best of each copy")
    exits(0, "check -r", "cm-rebuild", "check", "-r")
    exits(0, "check", "cm-rebuild", "check")
    exits(0, "cm-catalog check", "cm-catalog", "check")
    # a stretch that came back late was listed late
    same(sorted(x[1] for x in listed()), sorted(acked),
         "all messages are listed")
    a = store("Subject: after\n\n")
    m = run("cm-mirror", "-k", "4", stdin=a.stdout)
    ok(b"\tn1,n1#1,n1#2,n1#3\t" in m.stdout, "and it goes on", [a, m])

    # The damage is in the first copy, and a later one is good.
    stop_all()
    keep = {f: b for f, b in segments("v1").items() if b}
    flip(seg("c1", 2), 5000)
    shutil.rmtree(base + "/v1")
    exits(0, "a damage in the first copy", "cm-rebuild", "volume", "v1")
    same({f: b for f, b in segments("v1").items() if b}, keep,
         "does not come into the home")
    exits(0, "again", "cm-rebuild", "volume", "v1")

    # No copy at all, and a home without its name.
    stop_all()
    for d in ("v1", "c1", "c2", "c3"):
        os.rename(base + "/" + d, base + "/away-" + d)
    r = exits(66, "nothing is left", "cm-rebuild", "volume", "v1")
    ok(b"no copy" in r.stderr, "is said", r.stderr)
    shutil.rmtree(base + "/v1", ignore_errors=True)
    for d in ("v1", "c1", "c2", "c3"):
        os.rename(base + "/away-" + d, base + "/" + d)
    os.unlink(base + "/v1/volume")
    exits(0, "the home lost its file \"volume\"", "cm-rebuild", "volume",
          "v1")
    same({f: b for f, b in segments("v1").items() if b}, keep,
         "and has all its segments")
    exits(0, "cm-catalog check", "cm-catalog", "check")
    same(exits(0, "check", "cm-rebuild", "check").stdout, b"", "not a word")


def killed_volume():
    """Killed while it makes a home anew."""
    fresh()
    volume("4M", "c1")
    acked = fill(40)
    exits(0, "mirrored", "cm-mirror", "-a")
    run("cm-catalog", "sync")
    stop_all()
    keep = segments("v1")
    shutil.rmtree(base + "/v1")
    kills = 0
    for n in range(1, len(keep)):
        p = subprocess.Popen(["cm-rebuild", "volume", "v1"],
                             stderr=subprocess.DEVNULL)
        while p.poll() is None and not os.path.exists(seg("v1", n)):
            pass
        if p.poll() is None:
            p.kill()
            kills += 1
        if p.wait() == 0:
            break
        if n == 3:
            exits(75, "meanwhile nothing is stored", "cm-store", BOB,
                  stdin="x\n")
    ok(kills > 3, "killed in the midst", kills)
    for i in range(2):
        exits(0, "and again", "cm-rebuild", "volume", "v1")
    ok({f: b for f, b in segments("v1").items() if b} == keep,
       "it is the same bytes")
    same(run("cm-catalog", "check").returncode, 0, "the catalog agrees")
    # a stretch that came back late was listed late
    same(sorted(x[1] for x in listed()), sorted(acked),
         "all messages are listed")


def catalogs():
    fresh()
    volume("64K", "c1")
    run("cm-user", "alias", "all@example.org", ANN, BOB)
    receipts(20, size=4000)
    run("cm-catalog", "add", stdin=store("Subject: s\n\n", BOB, ANN, args=(
        "-F", "Sent/\u65e5")).stdout)
    run("cm-catalog", "flag", "+\\Seen", BOB + "/INBOX/3")
    run("cm-catalog", "expunge", BOB + "/INBOX/5")
    dump = run("cm-catalog", "dump").stdout
    write(base + "/dump", dump)
    before = listed()
    for i in range(2):
        exits(0, "a catalog that is well, time %d" % (i + 1), "cm-rebuild",
              "catalog")
        ok(run("cm-catalog", "dump").stdout == dump, "stays as it is")
    later = store("Subject: later\n\n").stdout.decode().split("\t")[0]
    stop_all()
    shutil.rmtree(base + "/state/catalog")
    for i in range(2):
        exits(0, "with a dump, time %d" % (i + 1), "cm-rebuild", "catalog",
              base + "/dump")
        now = listed()
        ok([x for x in now if x[1] != later] == before and
           [x[1] for x in now].count(later) == 1,
           "everything is as it was, and what came later is there", now)
    exits(0, "alias", "cm-route", "rcpt", "all@example.org")
    for name, text in (("half", dump[:len(dump) // 2]), ("empty", b""),
                       ("no dump", b"hello\n"), ("one with a dot",
                                                 dump + b".\nstop\n")):
        was = run("cm-catalog", "dump").stdout
        write(base + "/bad", text)
        exits(65, "a dump that is none: %s" % name, "cm-rebuild", "catalog",
              base + "/bad")
        ok(run("cm-catalog", "dump").stdout == was, "changes nothing")

    for i in range(2):
        r = exits(0, "from the volumes alone, time %d" % (i + 1),
                  "cm-rebuild", "catalog", "-f")
        ok(b"UIDVALIDITY" in r.stderr, "it says what is lost", r.stderr)
        now = listed()
        ok(set(x[1] for x in before) <= set(x[1] for x in now) and
           len(now) == len(set(x[1] for x in now)) == 22,
           "every message is there once", now)
        same(len(listed(ANN)), 1, "for the other mailbox too")
        same(run("cm-catalog", "check").returncode, 0, "check agrees")
    ok(os.path.exists(base + "/state/catalog-before-rebuild.dump"),
       "what was there before is kept")

    # The agent is killed while it builds.
    fill(4, size=2000)
    run("cm-catalog", "sync")
    n = len(listed())
    p = subprocess.Popen(["cm-rebuild", "catalog", "-f"],
                         stderr=subprocess.DEVNULL)
    kills = 0
    while p.poll() is None and kills < 3:
        kills += kill(helper("catalog"))
        time.sleep(0.1)
    p.wait()
    ok(p.returncode in (0, 75), "the agent dies in the midst: done or again",
       p.returncode)
    exits(0, "again", "cm-rebuild", "catalog")
    run("cm-catalog", "sync")
    now = listed()
    same([len(now), len(set(x[1] for x in now))], [n, n],
         "every message is there once")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")


def checks():
    """What is wrong is named with its place; -r says what it did."""
    fresh()
    volume("64K", "c1", "c2")
    receipts(40, size=4000)
    exits(0, "mirrored", "cm-mirror", "-a")
    same(exits(0, "all is well", "cm-rebuild", "check").stdout, b"",
         "not a word")
    stop_all()
    keep = segments("v1")
    flip(seg("v1", 1), 5000)
    flip(seg("c1", 2), 5000)
    os.unlink(seg("c2", 1))
    with open(seg("c2", 2), "r+b") as f:
        f.seek(10000)
        f.write(bytes(20000))
    r = exits(1, "check", "cm-rebuild", "check")
    said = r.stdout.decode()
    for want in ("v1:00000001 on n1: ", "v1:00000002 on n1#1: ",
                 "v1:00000001 on n1#2: ", "v1:00000002 on n1#2: "):
        ok(want in said, "names %s" % want, said)
    same([read(seg("c1", 2)) == keep["00000002.seg"],
          read(seg("v1", 1)) == keep["00000001.seg"]], [False, False],
         "and changes nothing")
    r = exits(0, "check -r", "cm-rebuild", "check", "-r")
    ok(r.stdout.count(b"repaired from") >= 3 and b"was behind" in r.stdout,
       "says what it did", r.stdout)
    ok(all(segments(d) == keep for d in ("v1", "c1", "c2")),
       "all are the same again")
    for args in ((), ("-r",)):
        same(exits(0, "again", "cm-rebuild", "check", *args).stdout, b"",
             "not a word")


try:
    volume()
    users()
    usage()
    copies()
    checks()
    homes()
    catalogs()
    busy()
    killed_volume()
    big_copy()
finally:
    finish()
