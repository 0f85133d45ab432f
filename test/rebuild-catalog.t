#!/usr/bin/env python3
"""The catalog against volumes that are lost, cut, behind or made again.

Each part is named after what went wrong once.
"""
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *

BEFORE = base + "/state/catalog-before-rebuild.dump"
AGENT_LOG = base + "/state/run/catalog.log"


def volume(name, *copies):
    return '<volume name="%s" home="n1" path="%s/%s">%s</volume>' % (
        name, base, name, "".join('<copy node="n1" path="%s/%s"/>' %
                                  (base, c) for c in copies))


def fresh(*volumes):
    """Another cluster with nothing in it."""
    stop_all()
    for d in os.listdir(base):
        if os.path.isdir(base + "/" + d):
            shutil.rmtree(base + "/" + d)
    configure("".join(volumes), '<policy select="round-robin"/>')
    users(BOB)


def add(subject, size=20):
    """A message on its way until it is listed; its id and place."""
    a = store("Subject: %s\n\n%s\n" % (subject, "x" * size))
    b = run("cm-mirror", stdin=a.stdout)
    c = run("cm-catalog", "add", stdin=b.stdout)
    if c.returncode != 0:
        return ["", str([a, b, c])]
    return c.stdout.decode().split("\t")[:2]


def roll(volume="v1"):
    """The next message begins another segment."""
    stop_all()
    os.unlink("%s/%s/control" % (base, volume))


def uids():
    return {x[0]: x[1] for x in listed()}


def is_listed(*want):
    return set(want) <= set(uids().values())


def well(name):
    r = run("cm-catalog", "check")
    ok(r.returncode == 0, name, [r.returncode, r.stdout, r.stderr])


def state():
    r = run("cm-catalog", "stat")
    return r.stdout.decode().split("\n")[0].split("\t")[-1]


def sync():
    run("cm-catalog", "sync")


def lost_volume():
    fresh(volume("v1"))
    old = [add("old %d" % i)[0] for i in range(3)]
    entry = listed()[0][0]
    stop_all()
    shutil.rmtree(base + "/v1")
    new, place = add("new")
    ok(new and is_listed(new), "a message in a volume that was lost and made "
       "again is listed", place)
    ok(b"not the home it was" in read(AGENT_LOG), "which the agent says",
       read(AGENT_LOG)[-500:])
    r = run("cm-catalog", "check")
    ok(r.returncode == 1 and all(i.encode() in r.stdout for i in old) and
       new.encode() not in r.stdout, "check names what was lost, and nothing "
       "else", r)
    r = run("cm-fetch", "-r", entry)
    ok(r.returncode != 0 and b"new" not in r.stdout,
       "an old entry does not give the new message", r)
    shutil.rmtree(base + "/v1")	# under an agent that runs
    more = add("more")[0]
    ok(more and is_listed(new, more) and len(uids()) == 5,
       "each is listed once", uids())


def copy_behind():
    fresh(volume("v1", "c1", "c2"))
    first = add("first")[0]
    roll()
    shutil.copytree(base + "/c1", base + "/behind")
    lost = [add("second %d" % i)[0] for i in range(3)]
    before = uids()
    stop_all()
    shutil.rmtree(base + "/v1")
    shutil.rmtree(base + "/c1")
    os.rename(base + "/behind", base + "/c1")
    os.rename(base + "/c2", base + "/away")
    exits(0, "a home made of a copy that was behind", "cm-rebuild", "volume",
          "v1")
    new, place = add("new", size=10)
    ok(new and is_listed(new), "what is stored there is listed", place)
    ok(place and int(place.split(":")[1]) > 1000,
       "in a segment that the lost home cannot have begun", place)
    r = run("cm-catalog", "check")
    ok(r.returncode == 1 and all(i.encode() in r.stdout for i in lost) and
       first.encode() not in r.stdout and new.encode() not in r.stdout,
       "check names what was lost, and nothing else", r)
    stop_all()
    shutil.rmtree(base + "/c2", ignore_errors=True)
    os.rename(base + "/away", base + "/c2")
    exits(0, "the copy that was away comes back", "cm-mirror", "-a")
    sync()
    well("and gives what was lost")
    now = uids()
    ok(all(now.get(e) == i for e, i in before.items()) and is_listed(new) and
       len(now) == 5, "under the UIDs it had", [before, now])
    # nothing of the second epoch reached a copy before the third
    stop_all()
    shutil.rmtree(base + "/v1")
    exits(0, "the home is lost once more", "cm-rebuild", "volume", "v1")
    third = add("third")[1]
    stop_all()
    for d in ("v1", "c1"):
        shutil.rmtree(base + "/" + d)
    os.unlink(seg("c2", int(third.split(":")[1])))
    exits(0, "and again", "cm-rebuild", "volume", "v1")
    fourth = add("fourth")
    ok(fourth[0] and is_listed(fourth[0]), "what is stored is listed", fourth)
    ok(third.split(":")[1] < fourth[1].split(":")[1],
       "each epoch begins behind the one before", [third, fourth])


def torn_only_record():
    fresh(volume("v1"))
    add("alone")
    stop_all()
    os.truncate(seg("v1"), 10)
    new, place = add("next")
    ok(new and is_listed(new), "with the only record torn, the next message "
       "is listed", place)
    ok(place.startswith("v1:00000002:"), "in another segment", place)
    for name, size in (("killed in its cut", 0), ("empty after a crash", 0)):
        roll()
        os.truncate(seg("v1", int(place.split(":")[1])), size)
        new, place = add(name, size=5)
        ok(new and is_listed(new), "and behind a segment that was " + name,
           place)


def split_record():
    fresh(volume("v1", "c1"))
    want = [add("a")[0], add("b")[0]]
    roll()
    want.append(add("c")[0])
    stop_all()
    size = os.stat(seg("v1")).st_size
    os.truncate(seg("v1"), size - 10)
    exits(0, "a sealed segment that ends within a record is indexed",
          "cm-rebuild", "catalog", "-f")
    ok(is_listed(want[0], want[2]), "its other records, and those behind",
       uids())
    # the bytes come, as when a fetch was killed in between
    data = read(seg("c1"))
    for end in (size - 5, size - 1):
        with open(seg("v1"), "r+b") as f:
            f.seek(size - 10)
            f.write(data[size - 10:end])
        sync()
    run("cm-rebuild", "check", "-r")
    sync()
    ok(is_listed(*want) and len(uids()) == 3, "the record whose end came "
       "later is listed, once", uids())
    well("check agrees")


def volume_not_indexed():
    fresh(volume("v1"), volume("v2"))
    want = [add("one %d" % i)[0] for i in range(4)]
    roll("v2")
    want += [add("two %d" % i)[0] for i in range(4)]
    stop_all()
    os.rename(seg("v2"), base + "/kept")
    os.mkdir(seg("v2"))		# opens, and cannot be read
    r = run("cm-rebuild", "catalog", "-f")
    same(r.returncode, 75, "rebuild does not say ok while a volume cannot be "
         "read")
    same(state(), "being built", "and the catalog is not called good")
    same(run("cm-catalog", "sync").returncode, 75, "nor a sync done")
    os.rmdir(seg("v2"))
    os.rename(base + "/kept", seg("v2"))
    ok(until(lambda: run("cm-catalog", "sync").returncode == 0),
       "when it can be read again")
    ok(is_listed(*want), "all is listed", uids())
    ok(until(lambda: state() == "ok"), "and the catalog is good", state())


def make_large(n=150000):
    """So that loading takes a while."""
    d = run("cm-catalog", "dump").stdout.decode().splitlines()[:-1]
    k = max(i for i, x in enumerate(d) if x.split("\t")[0] in
            ("account", "folder", "message", "meta")) + 1
    d[k:k] = ["alias\ta%06d@example.org\t%s" % (i, BOB) for i in range(n)]
    r = run("cm-catalog", "load", "-f", stdin="\n".join(
        d + ["end\t%d" % len(d)]) + "\n")
    if r.returncode != 0:
        raise AssertionError(r)


def aliases():
    return sum(b"\talias\t" in x for x in
               run("cm-user", "list").stdout.splitlines())


def killed_and_run_again():
    fresh(volume("v1"))
    add("one")
    run("cm-catalog", "flag", "+\\Flagged", BOB + "/INBOX/1")
    r = run("cm-user", "passwd", BOB, stdin="secret\n")
    make_large()
    dump = run("cm-catalog", "dump").stdout
    half = False
    for wait in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6) * 3:
        if os.path.exists(BEFORE):
            os.unlink(BEFORE)
        p = subprocess.Popen(["cm-rebuild", "catalog"],
                             stderr=subprocess.DEVNULL)
        until(lambda: os.path.exists(BEFORE))
        time.sleep(wait)
        p.kill()
        p.wait()
        kill(helper("catalog"))
        half = state() == "half loaded"
        if half:
            break
        exits(0, "a rebuild goes on", "cm-rebuild", "catalog")
    ok(half, "a rebuild is killed while it loads", state())
    same(run("cm-user", "list").returncode, 75, "nobody is told anything")
    r = exits(0, "it is run again", "cm-rebuild", "catalog")
    ok(b"without a dump" not in r.stderr, "with the dump it had made", r)
    same(run("cm-catalog", "dump").stdout == dump, True,
         "passwords, aliases, flags and UIDs are as they were")


def changes_meanwhile():
    fresh(volume("v1"))
    add("one")
    make_large()
    acked, stop = [], threading.Event()

    def work():
        n = 0
        while not stop.is_set():
            n += 1
            r = run("cm-catalog", "flag", "+k%d" % n, BOB + "/INBOX/1")
            if r.returncode == 0:
                acked.append("k%d" % n)
    t = threading.Thread(target=work)
    t.start()
    until(lambda: len(acked) > 3)
    for i in range(3):
        exits(0, "a rebuild while users change things", "cm-rebuild",
              "catalog")
    stop.set()
    t.join()
    have = set(listed()[0][5].split())
    ok(set(acked) <= have, "no change that was acknowledged is lost",
       sorted(set(acked) - have))
    # in a catalog that is half loaded they would be
    same(aliases(), 150000, "and everything else is there")


def no_uid_twice(name, was):
    now = uids()
    twice = {e: (was[e], now[e]) for e in was if now.get(e, was[e]) != was[e]}
    same(twice, {}, "no UID means another message: " + name)
    same(sorted(now.values()), sorted(was.values()), "and all are listed")


def uids_after_a_load():
    fresh(volume("v1"), volume("v2", "c2"))
    add("first")
    dump = run("cm-catalog", "dump").stdout
    for i in range(6):
        add("%d" % i)
    was = uids()
    for i in range(4):
        stop_all()
        shutil.rmtree(base + "/state/catalog")
        cmd = ("cm-catalog", "load") if i % 2 else ("cm-rebuild", "catalog",
                                                    base + "/dump")
        write(base + "/dump", dump)
        exits(0, " ".join(cmd[:2]), *cmd, stdin=dump)
        sync()
        no_uid_twice("by an agent that has just begun, time %d" % i, was)
    stop_all()
    shutil.rmtree(base + "/state/catalog")
    os.rename(base + "/v2", base + "/v2.away")
    r = exits(75, "a volume is away", "cm-catalog", "load", stdin=dump)
    same(state(), "missing", "nothing is loaded then")
    os.rename(base + "/v2.away", base + "/v2")
    exits(0, "and it is when the volume is back", "cm-catalog", "load",
          stdin=dump)
    sync()
    no_uid_twice("after a volume was away", was)

    # One volume, indexed in another order than it lies there.
    fresh(volume("v1", "c1"))
    dump = run("cm-catalog", "dump").stdout
    add("a")
    add("b")
    roll()
    add("c")
    stop_all()
    os.truncate(seg("v1"), os.stat(seg("v1")).st_size - 10)
    run("cm-catalog", "load", "-f", stdin=dump)
    sync()
    run("cm-rebuild", "check", "-r")
    sync()
    was = uids()
    exits(0, "load behind a repair", "cm-catalog", "load", "-f", stdin=dump)
    sync()
    no_uid_twice("after a repair", was)

    # What was lost with a volume had UIDs too.
    fresh(volume("v1"))
    add("kept")
    dump = run("cm-catalog", "dump").stdout
    lost = [add("lost %d" % i)[0] for i in range(3)]
    was = uids()
    stop_all()
    shutil.rmtree(base + "/v1")
    exits(0, "load beside a new volume", "cm-catalog", "load", "-f",
          stdin=dump)
    new = add("new")[0]
    now = uids()
    ok(new in now.values() and all(now.get(e, i) == i for e, i in
                                   was.items()),
       "no UID means another message: after a volume was lost", [was, now])


def good_catalog_stays():
    fresh(volume("v1"))
    add("one")
    sync()
    before = run("cm-catalog", "dump").stdout
    stop_all()

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    r = run("cm-rebuild", "catalog", pre=full)
    ok(r.returncode in (73, 74, 75), "without space the catalog is not "
       "rebuilt", r)
    stop_all()
    same([x for x in os.listdir(base + "/state") if ".bad." in x], [],
         "nor set aside")
    same(run("cm-catalog", "dump").stdout, before, "and stays as it is")
    stop_all()
    for f in os.listdir(base + "/state/catalog"):
        write(base + "/state/catalog/" + f, os.urandom(20000))
    write(base + "/dump", before)
    exits(0, "a corrupt one is", "cm-rebuild", "catalog", base + "/dump")
    same(len([x for x in os.listdir(base + "/state") if ".bad." in x]), 1,
         "set aside")
    same(run("cm-catalog", "dump").stdout, before, "and made again")

def older_dump():
    """Mail for mailboxes that a loaded dump does not know."""
    fresh(volume("v1"))
    dump = run("cm-catalog", "dump").stdout
    users(ANN)
    a = store("Subject: new\n\n\n", ANN)
    run("cm-catalog", "sync")
    same(len(listed(ANN)), 1, "a mailbox newer than the dump")
    exits(0, "load an older dump", "cm-catalog", "load", "-f", stdin=dump)
    sync()
    same(len(listed(ANN)), 1, "its mail is listed again")
    exits(0, "deleted", "cm-user", "del", ANN)
    dump = run("cm-catalog", "dump").stdout
    ok(b"\ndeleted\t" + ANN.encode() in dump, "is noted in dumps", dump)
    stop_all()
    # late mail, stored before and indexed after
    roll()
    shutil.rmtree(base + "/state/catalog")
    exits(0, "rebuilt with that dump", "cm-rebuild", "catalog",
          "/dev/stdin", stdin=dump)
    same(run("cm-route", "rcpt", ANN).returncode, 67, "it stays deleted")
    users(ANN)
    same(listed(ANN), [], "and is empty when it is added again")


def deleted_mailbox():
    fresh(volume("v1"))
    users(ANN)
    add("bob")
    box = "".join("From a@b.c Fri Nov 24 08:00:00 2023\nSubject: %d\n\n\n"
                  % i for i in range(6000))
    run("cm-store", "-m", ANN, stdin=box)
    sync()
    exits(0, "a large mailbox is deleted", "cm-user", "del", ANN)
    exits(0, "and the catalog rebuilt meanwhile", "cm-rebuild", "catalog")
    well("no record refers to it")
    lines = run("cm-catalog", "dump").stdout.decode().splitlines()
    k = [i for i, x in enumerate(lines) if x.startswith("record\t")][-1]
    w = lines[k].split("\t")
    w[5] = "777.1.1" if w[5] == "-" else w[5] + ",777.1.1"
    lines[k] = "\t".join(w)
    r = run("cm-catalog", "load", "-f", stdin="\n".join(lines) + "\n")
    same(r.returncode, 0, "a dump that was made meanwhile")
    well("does not refer to it either")


try:
    configure()
    for part in (lost_volume, copy_behind, torn_only_record, split_record,
                 uids_after_a_load, changes_meanwhile, killed_and_run_again,
                 volume_not_indexed, older_dump, deleted_mailbox,
                 good_catalog_stays):
        if part.__name__ in (sys.argv[1:] or [part.__name__]):
            part()
finally:
    finish()
