#!/usr/bin/env python3
"""cm-mirror: a receipt comes out when its record is where it must be."""
import os
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *

NOWHERE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def volume(name, *copies, home="n1", more=""):
    return '<volume name="%s" home="%s" path="%s/%s" %s>%s</volume>' % (
        name, home, base, name, more,
        "".join('<copy node="n1" path="%s/%s"/>' % (base, c) for c in copies))


def mirror(*args, lines=(), code=0, name="cm-mirror", **kw):
    """Feeds it receipts; the lines that come out, split."""
    r = exits(code, name, "cm-mirror", *args,
              stdin="".join(x + "\n" for x in lines), **kw)
    mirror.said = r.stderr.decode()
    return [x.split("\t") for x in r.stdout.decode().splitlines()]


def is_same(home, copy):
    return segments(home) == segments(copy)


def the_filter():
    lines = receipts(300)
    out = mirror(lines=lines)
    same([x[0] for x in out], ids(lines), "all receipts, in their order")
    same(set(x[2] for x in out), {"n1,n1#1"}, "with the places reached")
    same([x[:2] + x[3:] for x in out], [x.split("\t")[:2] +
                                        x.split("\t")[3:] for x in lines],
         "and nothing else changed")
    ok(is_same("v1", "c1"), "the copy has the same bytes")
    again = mirror(lines=["\t".join(x) for x in out], name="what it printed")
    same(again, out, "gives the same")
    r = run("cm-catalog", "add", stdin="\t".join(out[0]) + "\n")
    full = r.stdout.decode().rstrip("\n")
    same(mirror(lines=[full], name="a receipt with entries")[0],
         full.split("\t"), "keeps them")
    same(mirror(name="nothing"), [], "of nothing")
    r = exits(75, "output that fails", "sh", "-c",
              "cm-mirror <%s/r >/dev/full" % base) if not write(
        base + "/r", lines[0] + "\n") else None
    ok(r.stderr != b"", "says so")

    bad = [lines[0], "", "garbage", lines[1].replace("\t", " "), lines[1] +
           "\ta\tb", lines[1].replace("\tv1:", "\tv7:"), lines[2]]
    out = mirror(lines=bad, code=65, name="bad lines")
    same([x[0] for x in out], ids([lines[0], lines[2]]),
         "the others are processed")
    ok(all("line %d " % n in mirror.said for n in range(2, 7)) and
       "line 1 " not in mirror.said and "line 7 " not in mirror.said,
       "each is named by number", mirror.said)
    r = exits(65, "half a line at the end", "cm-mirror",
              stdin=lines[0] + "\n" + lines[1])
    ok(r.stdout.count(b"\n") == 1 and b"line 2" in r.stderr, "is named", r)
    r = exits(65, "a line that does not end", "cm-mirror",
              stdin=lines[0] + "\n" + "x" * 5000000 + "\n")
    ok(r.stdout.count(b"\n") == 1 and b"line 2" in r.stderr, "is named",
       r.stderr)
    for args in (("x",), ("-k", "0"), ("-k", "x"), ("-k", "-1"),
                 ("-a", "-S", "v1"), ("-i", "x"), ("-x",), ("-S",)):
        exits(64, "usage: %s" % " ".join(args), "cm-mirror", *args)
    exits(64, "no such volume", "cm-mirror", "-S", "v9")


def two_volumes():
    configure(volume("v1", "c1", "d1") + volume("v2", "c2") + volume("v3"),
              '<policy copies="2" timeout="30"/>')
    lines = []
    for i in range(6):
        lines += store("Subject: %d\n\n" % i).stdout.decode().splitlines()
    by = {v: [x for x in lines if "\t%s:" % v in x]
          for v in ("v1", "v2", "v3")}
    same([len(by[v]) for v in sorted(by)], [2, 2, 2], "three volumes")
    out = mirror("-k", "1", lines=by["v3"], name="no copies, -k 1")
    same([x[2] for x in out], ["n1", "n1"], "the home is enough")
    out = mirror("-k", "2", lines=lines, name="-k 2")
    same([x[0] for x in out], ids(lines), "in the order of the input")
    ok(all(len(x[2].split(",")) >= 2 for x in out
           if not x[1].startswith("v3:")), "each is in two places", out)
    ok("warning" in mirror.said and mirror.said.count("wanted are 2") == 2,
       "for a volume without copies a warning", mirror.said)
    out = mirror("-k", "3", lines=by["v1"], name="-k 3")
    same([x[2] for x in out], ["n1,n1#1,n1#2"] * 2, "three places")
    out = mirror("-k", "9", lines=by["v1"], name="-k 9")
    ok("wanted are 9" in mirror.said and len(out) == 2,
       "more than there can be", mirror.said)
    ok(is_same("v1", "d1") and is_same("v2", "c2"), "the same bytes")


def policy(short):
    configure(volume("v1", "c1", "off/c") + volume("v2", "c2"),
              '<policy copies="3" timeout="1" short="%s"/>' % short)


def away():
    """off is a file, so that a folder below it cannot be made: as good as a
    disk that is not there, for root too."""
    stop_all()
    write(base + "/off", "")
    policy("refuse")
    lines = [x for x in receipts(4, tag="refuse")]
    one = [x for x in lines if "\tv1:" in x]
    two = [x for x in lines if "\tv2:" in x]
    ok(one and two, "both volumes", lines)
    same(mirror(lines=one, code=75, name="refuse"), [], "prints nothing")
    ok(all(x.split("\t")[0] in mirror.said for x in one) and
       "wanted are 3" in mirror.said, "and names each", mirror.said)
    out = mirror("-k", "2", lines=one, name="what is enough passes")
    same(set(x[2] for x in out), {"n1,n1#1"}, "with what was reached")
    out = mirror(lines=[one[0], "bad", two[0]], code=75,
                 name="refused, bad and short")
    same(out, [], "75 is what counts")
    out = mirror("-k", "2", lines=one[:1] + ["bad"] + two, code=65,
                 name="one bad line")
    same([x[0] for x in out], ids(one[:1] + two), "the others pass")

    policy("degrade")
    out = mirror(lines=one, name="degrade")
    same([x[0] for x in out], ids(one), "prints them")
    same(set(x[2] for x in out), {"n1,n1#1"}, "with what was reached")
    ok(mirror.said.count("warning") == len(one), "and a warning for each",
       mirror.said)
    r = exits(75, "-a with a copy away", "cm-mirror", "-a")
    ok(b"v1" in r.stderr and is_same("v2", "c2"), "the others are brought up",
       r.stderr)
    # It comes back.
    os.unlink(base + "/off")
    exits(0, "the copy comes back: -a", "cm-mirror", "-a")
    ok(is_same("v1", "off/c") and is_same("v1", "c1"), "it has caught up")
    out = mirror("-k", "3", lines=one, name="and the same receipts")
    same(set(x[2] for x in out), {"n1,n1#1,n1#2"}, "have all places")

    # A copy that is lost while the shipper runs, and one that is swapped.
    os.rename(base + "/c1", base + "/c1.away")
    new = [x for x in receipts(4, tag="swap") if "\tv1:" in x]
    exits(0, "a copy's folder went: -a", "cm-mirror", "-a")
    ok(is_same("v1", "c1"), "is filled again")
    shutil.rmtree(base + "/c1")
    os.rename(base + "/c1.away", base + "/c1")
    exits(0, "an older one in its place: -a", "cm-mirror", "-a")
    ok(is_same("v1", "c1"), "has caught up")

    # Another volume's folder is never written to.
    stop_all()
    shutil.rmtree(base + "/c1")
    shutil.copytree(base + "/c2", base + "/c1")
    was = segments("c1")
    new = [x for x in receipts(4, tag="other") if "\tv1:" in x]
    out = mirror("-k", "2", lines=new, name="another volume's folder")
    same(set(x[2] for x in out), {"n1,n1#2"}, "is not counted")
    same(segments("c1") == was, True, "and stays as it is")
    stop_all()
    shutil.rmtree(base + "/c1")
    exits(0, "-a", "cm-mirror", "-a")


def read_only():
    if not can_unshare():
        return skip("a copy on a disk that is read only",
                    "no mounts of our own (unshare -rm)")
    stop_all()
    policy("refuse")
    line = [x for x in receipts(4, tag="ro") if "\tv1:" in x][0]
    write(base + "/r", line + "\n")
    r = run("unshare", "-rm", "sh", "-c", r"""
        mount --bind c1 c1 && mount -o remount,bind,ro c1 || exit 1
        cm-mirror -k 3 <r; echo "code $?"
        cm-mirror -k 2 <r | cut -f 3
        for v in v1 v2; do
            f=state/run/mirror-$v.lock
            [ -f $f ] || continue
            kill $(cat $f) 2>/dev/null
            flock -w 20 $f true
        done""", pre=lambda: os.chdir(base))
    same(r.stdout.decode().splitlines(), ["code 75", "n1,n1#2"],
         "a copy on a disk that is read only")
    exits(0, "writable again: -a", "cm-mirror", "-a")
    ok(is_same("v1", "c1"), "it has caught up")


def not_ours():
    """A volume at home elsewhere, and a place that does not exist."""
    stop_all()
    conf = '<node name="n2" address="192.0.2.2"/>'
    for short, code in (("refuse", 75), ("degrade", 75)):
        configure(volume("v1", "c1") + volume("v8", "c8", home="n2"),
                  '<policy copies="2" timeout="1" short="%s"/>' % short,
                  rest=conf)
        line = receipts(1, tag="ours")[0]
        far = line.replace("\tv1:", "\tv8:").replace("\tn1\t", "\tn2\t")
        t0 = time.monotonic()
        r = run("cm-mirror", stdin=far + "\n" + line + "\n")
        out = [x.split("\t")[0] for x in r.stdout.decode().splitlines()]
        ok(time.monotonic() - t0 < 10 and r.returncode == code and
           out == ids([line]),
           "%s: a volume of another node's is not ours to answer for" %
           short, [time.monotonic() - t0, r])
        f = line.split("\t")
        end = os.stat(seg("v1")).st_size
        n = int(f[1].split(":")[3])
        for place in ("v1:00000001:%d:%d" % (end, n),
                      "v1:00000009:0:%d" % n):
            r = run("cm-mirror", stdin="\t".join(
                [NOWHERE, place] + f[2:]) + "\n" + line + "\n")
            out = [x.split("\t")[0] for x in r.stdout.decode().splitlines()]
            ok(r.returncode in (65, 75) and out == ids([line]),
               "%s: a place where nothing is does not pass" % short, r)
    configure(volume("v1", "c1"))


def shipper():
    stop_all()
    configure(volume("v1", "c1"), '<policy copies="2" timeout="30"/>')
    ps = [subprocess.Popen(["cm-mirror"], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE) for i in range(6)]
    lines = receipts(6, tag="first")
    for p, x in zip(ps, lines):
        p.stdin.write((x + "\n").encode())
        p.stdin.close()
    out = [p.stdout.read().decode() for p in ps]
    for p in ps:
        p.stdout.close()
    ok(all(p.wait() == 0 for p in ps) and ids(out) == ids(lines),
       "six that start a shipper at once", out)
    pid = helper("mirror-v1")
    ok(pid, "one runs")
    exits(0, "another one", "cm-mirror", "-i", "60", "-S", "v1")
    same(helper("mirror-v1"), pid, "leaves it alone")

    # Kills under load.
    stop = threading.Event()
    acked, wrong = [], []

    def work(k):
        n = 0
        while not stop.is_set():
            n += 1
            r = store("Subject: k\n\n" + "x" * (n * 7919 % 40000))
            m = run("cm-mirror", stdin=r.stdout)
            if m.returncode == 0 and b"\tn1,n1#1\t" in m.stdout:
                acked.append(m.stdout.decode().split("\t")[0])
            else:
                wrong.append([r, m])
    t = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for x in t:
        x.start()
    kills, seen = 0, -1
    while kills < 15 and until(lambda: len(acked) > seen):
        seen = len(acked)
        kills += kill(helper("mirror-v1"))
    stop.set()
    for x in t:
        x.join()
    same(kills, 15, "the shipper is killed 15 times under load")
    same(wrong, [], "and nobody notices")
    exits(0, "-a", "cm-mirror", "-a")
    ok(is_same("v1", "c1"), "the copy has the same bytes")
    run("cm-catalog", "sync")
    got = [x[1] for x in listed()]
    ok(set(acked) <= set(got) and len(set(got)) == len(got),
       "what was acknowledged is there, once")
    same(run("cm-rebuild", "check").returncode, 0, "all is well")

    # Clients that misbehave.
    s = []
    for junk in (b"\0" * 100000, b"wait\n", b"wait 1 2 3\n", b"status\n" * 9,
                 b"wait 4294967295 4294967295 9 4294967295\n", b"wait 1",
                 b"wait -1 0 0 0\n", b"x" * 70000 + b"\n", b""):
        c = socket.socket(socket.AF_UNIX)
        c.connect(base + "/state/run/mirror-v1.sock")
        try:
            c.sendall(junk)
        except OSError:
            pass
        s.append(c)
    out = mirror(lines=receipts(1, tag="junk"), name="hostile clients")
    same([x[2] for x in out], ["n1,n1#1"], "disturb nobody")
    for c in s:
        c.close()


def small_segments():
    """Many segments: the copy has each of them."""
    stop_all()
    configure('<volume name="v4" home="n1" path="%s/v4" segment="64K"><copy '
              'node="n1" path="%s/c4"/></volume>' % (base, base))
    lines = receipts(60, size=9000, tag="seg")
    out = mirror(lines=lines, name="over many segments")
    same(len(out), 60, "all come out")
    ok(len(segments("v4")) > 5 and is_same("v4", "c4"),
       "each segment is the same")
    stop_all()
    for n in (2, 4):
        os.unlink(seg("c4", n))
    os.truncate(seg("c4", 3), 1000)
    exits(0, "segments lost in the middle: -a", "cm-mirror", "-a")
    ok(is_same("v4", "c4"), "they are sent again")


def new_numbers():
    """The numbers of segments leap by millions when a home is made anew."""
    stop_all()
    configure(volume("v5", "c5", "off5/c"), '<policy copies="2"/>')
    same(len(mirror("-k", "3", lines=receipts(2, tag="old"))), 2, "on all")
    stop_all()
    shutil.rmtree(base + "/v5")
    exits(0, "a home made anew", "cm-rebuild", "volume", "v5")
    stop_all()
    shutil.rmtree(base + "/off5")
    write(base + "/off5", "")
    same(len(mirror(lines=receipts(2, tag="new"))), 2, "takes messages")
    ok(int(sorted(segments("v5"))[-1][:8]) > 1000000, "in a late segment",
       segments("v5").keys())
    want = sum(os.stat(base + "/v5/" + x).st_size for x in segments("v5"))
    t0 = time.monotonic()
    out = [run("cm-mirror", "-s").stdout.decode() for i in range(10)]
    ok(time.monotonic() - t0 < 8, "a copy that lacks all is told of at once",
       time.monotonic() - t0)
    lag = [x.split("\t")[2] for x in out[-1].splitlines() if "off5" in x or
           "n1#2" in x]
    same(lag, [str(want)], "by how much")


try:
    configure(policy='<policy timeout="30"/>')
    users()
    the_filter()
    two_volumes()
    away()
    read_only()
    shipper()
    small_segments()
    new_numbers()
    not_ours()
finally:
    finish()
