#!/usr/bin/env python3
"""short="refuse": what was refused is not listed, however its sender tries
again, and what was acknowledged is, once."""
import os
import random
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *


def policy(timeout="0.3", short="refuse"):
    configure('<volume name="v1" home="n1" path="%s/v1">'
              '<copy node="n1" path="%s/off/c"/></volume>' % (base, base),
              '<policy copies="2" timeout="%s" short="%s"/>' %
              (timeout, short))


def cut():
    """off is a file: as good as a disk that is not there, for root too."""
    kill(helper("mirror-v1"))
    if os.path.isdir(base + "/off"):
        os.rename(base + "/off", base + "/off.kept")
    write(base + "/off", "")


def heal():
    os.unlink(base + "/off")
    if os.path.isdir(base + "/off.kept"):
        os.rename(base + "/off.kept", base + "/off")


def pipeline(n):
    """Stores, mirrors and lists a message as a person would."""
    return run("sh", "-c",
               "cm-store -f %s %s >r && cm-mirror <r >m; rc=$?; "
               "cm-catalog add <m >a && exit $rc" % (ANN, BOB),
               stdin="Subject: %s\n\nx\n" % n,
               pre=lambda: os.chdir(base))


def subjects():
    run("cm-catalog", "sync")
    box = run("cm-fetch", "-m", BOB).stdout.decode()
    return sorted(x.split()[1] for x in box.splitlines()
                  if x.startswith("Subject:"))


def refused():
    cut()
    for i in range(3):
        r = pipeline("one")
        same(r.returncode, 75, "with its copy cut off: refused")
    same(read(base + "/m"), b"", "nothing is printed")
    same(subjects(), [], "nor listed")
    last = read(base + "/r").decode()
    heal()
    exits(0, "the copy is back: -a", "cm-mirror", "-a")
    same(subjects(), [], "what was refused is not listed")
    r = pipeline("one")
    same(r.returncode, 0, "the whole pipeline is tried again")
    same(subjects(), ["one"], "the message is listed once")

    r = exits(0, "a refused receipt is tried again", "cm-mirror",
              stdin=last)
    new = r.stdout.decode()
    ok(ids([new]) == ids([last]) and
       new.split("\t")[1] != last.split("\t")[1], "gets another place", new)
    exits(0, "cm-catalog add", "cm-catalog", "add", stdin=new)
    same(subjects(), ["one", "one"], "is another message")
    r = exits(0, "once more", "cm-mirror", stdin=last)
    exits(0, "is", "cm-catalog", "add", stdin=r.stdout)
    same(subjects(), ["one", "one"], "the same one")


def kept_in_mind():
    """Whatever is lost or made anew, it stays as it is."""
    for name, what in (("the control file", "v1/control"),):
        stop_all()
        os.unlink(base + "/" + what)
        same(subjects(), ["one", "one"], "without " + name)
    r = exits(0, "cm-rebuild catalog", "cm-rebuild", "catalog")
    same(subjects(), ["one", "one"], "it lists the same")
    stop_all()
    shutil.rmtree(base + "/state/catalog")
    r = exits(0, "from the volumes alone", "cm-rebuild", "catalog")
    same(subjects(), ["one", "one"], "it lists the same")
    stop_all()
    shutil.rmtree(base + "/v1")
    exits(0, "the home is lost: cm-rebuild volume", "cm-rebuild", "volume",
          "v1")
    same(subjects(), ["one", "one"], "it lists the same")
    exits(0, "cm-rebuild check", "cm-rebuild", "check")
    exits(0, "cm-catalog check", "cm-catalog", "check")


def waits():
    """What nobody mirrors counts when its copy has it."""
    cut()
    exits(0, "cm-store alone", "cm-store", BOB, stdin="Subject: two\n\n")
    same(subjects(), ["one", "one"], "is not listed while its copy is away")
    exits(0, "cm-catalog check", "cm-catalog", "check")
    heal()
    ok(until(lambda: "two" in subjects()), "is listed when it is back")
    # ... also with a copy that is away when the volume is scanned.
    cut()
    stop_all()
    os.unlink(base + "/v1/control")
    r = pipeline("three")
    same(r.returncode, 75, "refused again")
    policy(short="degrade")
    same(subjects(), ["one", "one", "two"], "with degrade it stays so")
    r = exits(0, "but the receipt passes now", "cm-mirror",
              stdin=read(base + "/r"))
    exits(0, "and", "cm-catalog", "add", stdin=r.stdout)
    same(subjects(), ["one", "one", "three", "two"], "is listed")
    policy()
    heal()
    exits(0, "-a", "cm-mirror", "-a")


def killed():
    """A cm-mirror that is killed has said nothing: once at most."""
    before = subjects()
    cut()
    for i in range(6):
        run("cm-store", BOB, stdin="Subject: k%d\n\n" % i,
            pre=lambda: os.chdir(base))
        r = store("Subject: k%d\n\n" % i)
        p = subprocess.Popen(["cm-mirror"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        p.stdin.write(r.stdout)
        p.stdin.close()
        time.sleep(random.random() * 0.4)
        p.kill()
        p.wait()
        p.stdout.close()
    heal()
    exits(0, "-a", "cm-mirror", "-a")
    now = subjects()
    ok(all(now.count("k%d" % i) in (1, 2) for i in range(6)) and
       set(before) <= set(now), "killed: each is there once at most", now)


def races():
    """The copy comes back about when the time is over."""
    wrong, acked, refused = [], set(), set()
    for turn in range(15):
        cut()
        lines = receipts(20, tag="race%d-" % turn)
        ps = []
        for i in range(3):
            p = subprocess.Popen(["cm-mirror"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
            p.stdin.write("".join(x + "\n" for x in lines).encode())
            p.stdin.close()
            ps.append(p)
            time.sleep(random.random() * 0.1)
        time.sleep(random.random() * 0.3)
        heal()
        out = set()
        for p in ps:
            out |= set(ids(p.stdout.read().decode().splitlines()))
            p.stdout.close()
            p.wait()
        acked |= out
        refused |= set(ids(lines)) - out
    exits(0, "-a", "cm-mirror", "-a")
    run("cm-catalog", "sync")
    got = [x[1] for x in listed()]
    ok(len(got) == len(set(got)), "none is listed twice")
    same(acked - set(got), set(), "%d acknowledged ones are listed" %
         len(acked))
    same(refused & set(got), set(), "%d refused ones are not" % len(refused))
    ok(acked and refused, "there were both")
    exits(0, "cm-rebuild check", "cm-rebuild", "check")
    exits(0, "cm-catalog check", "cm-catalog", "check")


try:
    policy()
    users()
    refused()
    kept_in_mind()
    waits()
    killed()
    races()
finally:
    finish()
