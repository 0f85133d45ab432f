#!/usr/bin/env python3
"""A lost catalog is made of a dump, the volumes and the journal: what readers
changed behind the dump is as it was."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *

STATE = base + "/state"
JOURNAL = STATE + "/catalog.journal"
TOOL = os.environ["OUT"] + "/tools/mailbox"
CLA, DAN = "cla@example.org", "dan@example.org"


def volume(name):
    return '<volume name="%s" home="n1" path="%s/%s"/>' % (name, base, name)


def fresh(*names):
    stop_all()
    for d in os.listdir(base):
        if os.path.isdir(base + "/" + d):
            shutil.rmtree(base + "/" + d)
    configure("".join(volume(n) for n in names or ("v1", "v2")),
              '<policy select="round-robin"/>')
    users(ANN, BOB)


def add(subject, *to, args=()):
    """Stored, and listed before anything else is."""
    r = store("Subject: %s\n\nx\n" % subject, *to, args=args)
    run("cm-catalog", "sync")
    return r.stdout.decode().split("\t")[0]


def flag(entry, *what):
    r = run("cm-catalog", "flag", *what, entry)
    if r.returncode != 0:
        raise AssertionError(r)


def expunge(entry):
    r = run("cm-catalog", "expunge", entry)
    if r.returncode != 0:
        raise AssertionError(r)


TOOL = os.environ["OUT"] + "/tools/mailbox"


def copy(uids, to, how="copy", folder="INBOX", mailbox=BOB):
    r = run(TOOL, "copy", mailbox, folder, "0", uids, to, how)
    if r.returncode != 0:
        raise AssertionError(r)
    return r.stdout.decode().split("\n")[1][3:]


def dump():
    r = run("cm-catalog", "dump", "-l")
    if r.returncode != 0:
        raise AssertionError(r)
    return r.stdout


def dump_to(name):
    """One that counts."""
    r = run("cm-catalog", "dump")
    write(base + "/" + name, r.stdout)
    return base + "/" + name


def lose():
    stop_all()
    shutil.rmtree(STATE + "/catalog")


def rebuild(name, *args, code=0):
    return exits(code, name, "cm-rebuild", "catalog", *args).stderr.decode()


def sorted_refs(text):
    """The order of a record's references means nothing."""
    lines = text.split(b"\n")
    for i, l in enumerate(lines):
        if l.startswith(b"record\t"):
            f = l.split(b"\t")
            f[5] = b",".join(sorted(f[5].split(b",")))
            lines[i] = b"\t".join(f)
    return b"\n".join(lines)


def is_as_it_was(want, name):
    got, want = sorted_refs(dump()), sorted_refs(want)
    if not ok(got == want, name):
        w, g = want.decode().splitlines(), got.decode().splitlines()
        for x in [x for x in w if x not in g][:20]:
            print("# lost: " + x[:300])
        for x in [x for x in g if x not in w][:20]:
            print("# new:  " + x[:300])


def entries(mailbox=BOB):
    return {x[1]: (x[0], x[5]) for x in listed(mailbox)}


def before():
    """What the dump has."""
    for i in range(4):
        add("before %d" % i)
    flag(BOB + "/INBOX/1", "+\\Seen", "+work")
    flag(BOB + "/INBOX/2", "+\\Seen")
    run("cm-user", "alias", "info@example.org", BOB)


def behind():
    """What it does not have."""
    flag(BOB + "/INBOX/1", "-\\Seen", "+\\Flagged", "+later", "-work")
    flag(BOB + "/INBOX/2", "-\\Seen")
    flag(BOB + "/INBOX/2", "+\\Seen", "+\\Answered")
    expunge(BOB + "/INBOX/3")
    for i in range(5):
        add("behind %d" % i, BOB, ANN)
    flag(BOB + "/INBOX/6", "+\\Seen", "+new")
    flag(BOB + "/INBOX/6", "-\\Seen")
    flag(ANN + "/INBOX/2", "+\\Deleted")
    expunge(ANN + "/INBOX/2")
    expunge(BOB + "/INBOX/9")
    add("a folder", args=("-F", "Lists/x"))
    add("another", args=("-F", "Lists/y"))
    add("odd", args=("-F", "a 100% folder"))
    # of those that the dump has, and of those that it has not
    copy("1,2", "Lists/x")
    copy("5,6", "Lists/x")
    copy("6", "Lists/x")
    copy("1,5", "INBOX")
    flag(BOB + "/INBOX/5", "+\\Flagged", "+original")
    copies = copy("5", "INBOX", "move")
    flag(BOB + "/INBOX/" + copies, "+moved", "-original")
    copy("7:8", "Lists/y", "move")
    flag(BOB + "/Lists/y/2", "+\\Draft")
    copy("1", "a 100% folder", "move", "Lists/y")
    flag(BOB + "/a 100% folder/1".replace("%", "%25").replace(" ", "%20"),
         "+percent")
    expunge(BOB + "/Lists/x/3")
    copy("2", "a 100% folder", "move")
    add("two", args=("-F", "Lists/y"))
    add("three", args=("-F", "Lists/x"))
    flag(BOB + "/Lists/x/1", "+\\Flagged")
    run("cm-user", "add", CLA, stdin="secret\n")
    add("for one that goes", CLA, BOB)
    flag(CLA + "/INBOX/1", "+\\Seen")
    run("cm-user", "del", CLA)
    run("cm-user", "add", "-N", CLA)
    add("for the next one", CLA)
    run("cm-user", "add", DAN, stdin="secret\n")
    run("cm-user", "passwd", BOB, stdin="geheim\n")
    run("cm-user", "set", BOB, "quota", "5M")
    run("cm-user", "alias", "info@example.org", ANN, BOB)
    run("cm-user", "alias", "gone@example.org", ANN)
    run("cm-user", "alias", "-d", "gone@example.org")
    run("cm-user", "alias", "all@example.org", BOB)
    add("the last one")
    run("cm-catalog", "sync")


def all_is_back():
    fresh()
    before()
    d = dump_to("d")
    behind()
    want = dump()
    lose()
    r = rebuild("a catalog that was lost behind a dump", d)
    is_as_it_was(want, "is as it was, to the byte")
    ok("done again from the journal: 38" in r and "could not be" not in r,
       "what was done is said", r)
    same(run("cm-catalog", "check").returncode, 0, "and is right")
    lose()
    rebuild("lost again", d)
    is_as_it_was(want, "and as it was again")
    add("more")
    flag(BOB + "/INBOX/4", "+\\Seen")
    want = dump()
    lose()
    rebuild("lost later", d)
    is_as_it_was(want, "what came behind the rebuild is there too")
    rebuild("the same over one that works", d)
    is_as_it_was(want, "changes nothing")
    # what was stored, and not listed yet
    stop_all()
    store("Subject: late\n\n\n")
    lose()
    rebuild("with a message that was never listed", d)
    ids = entries()
    same(len(ids), len(set(x.split(b"\t")[2] for x in want.splitlines()
                           if x.startswith(b"message\tbob@example.org/")))
         + 1, "it is listed, and nothing else is new")


def what_is_gone():
    """The floor of what is known to be gone is the modseq of the rebuild."""
    fresh()
    before()
    d = dump_to("d")
    copy("1", "INBOX", "move")
    expunge(BOB + "/INBOX/2")
    add("behind")
    expunge(BOB + "/INBOX/6")

    def gone(since):
        r = run(TOOL, "vanished", BOB, "INBOX", "0", "-", str(since))
        return r.stdout.decode().split("\n")[0 if r.returncode == 0 else 1]

    def modseq():
        r = run(TOOL, "list", BOB, "INBOX", "0", "-", "0", "0")
        return int(r.stdout.split()[-1])
    same(gone(1), "vanished 1:2,6", "before")
    want, now = dump(), modseq()
    lose()
    rebuild("lost, when UIDs have gone", d)
    is_as_it_was(want, "as it was")
    same([gone(now), gone(now - 1)], ["vanished ", "end"],
         "what had gone before is not known")
    expunge(BOB + "/INBOX/3")
    same(gone(now), "vanished 3", "what goes then is")


def folder(what, *args):
    r = run(TOOL, what, BOB, *args)
    if r.returncode != 0:
        raise AssertionError((what, args, r))


def change_folders():
    """Each kind of change, with mail and flags in all of them."""
    folder("create", "Sent", "32")
    folder("create", "A", "0")
    folder("create", "100%/x", "0")
    folder("subscribe", "Sent", "1")
    folder("subscribe", "not there", "1")
    folder("subscribe", "A", "1")
    for name in "A", "A/b", "Go", "Go", "Go/below", "100%/x":
        add("to " + name, args=("-F", name))
    flag(BOB + "/A/1", "+old")
    flag(BOB + "/100%25/x/1", "+odd")
    for name in "Zz", "M/n", "Aa", "Qq", "Bb", "Yy":
        store("Subject: together\n\n", args=("-F", name))
    run("cm-catalog", "sync")
    folder("rename", "A", "B/c")
    flag(BOB + "/B/c/1", "+new")
    flag(BOB + "/B/c/b/1", "+\\Flagged")
    add("another A", args=("-F", "A"))
    flag(BOB + "/A/1", "+second")
    flag(BOB + "/Go/1", "+\\Seen")
    folder("delete", "Go")
    add("another Go", args=("-F", "Go"))
    add("to one that goes for good", args=("-F", "Gone"))
    folder("delete", "Gone")
    folder("subscribe", "A", "0")
    add("inbox")
    folder("rename", "INBOX", "Old")
    add("in the new one")
    flag(BOB + "/Old/1", "+moved")
    expunge(BOB + "/B/c/b/1")
    folder("rename", "Sent", "Out")
    folder("rename", "B", "D")
    folder("create", "Empty", "64")
    folder("delete", "Empty")
    folder("create", "Last", "0")


def folders_are_back():
    fresh()
    add("first", BOB, ANN)
    add("there before", args=("-F", "Go"))
    folder("create", "Kept", "2")
    folder("subscribe", "Kept", "1")
    d = dump_to("d")
    change_folders()
    want = dump()
    same(run("cm-catalog", "check").returncode, 0, "folders are changed")
    lose()
    r = rebuild("the catalog is lost", d)
    is_as_it_was(want, "folders are as they were behind a dump")
    ok("could not be" not in r, "all was done again", r)
    same(run("cm-catalog", "check").returncode, 0, "and is right")
    lose()
    rebuild("it is lost again", "-f")
    is_as_it_was(want, "folders are as they were without a dump")
    same(run("cm-catalog", "check").returncode, 0, "and are right")
    dump_to("d2")
    exits(0, "a dump is loaded", "cm-catalog", "load", "-f",
          stdin=read(base + "/d2"))
    older = b"\n".join(x.rsplit(b"\t", 1)[0] if x.startswith(b"folder\t")
                       else x for x in read(base + "/d2").splitlines())
    exits(0, "one of before there were uses", "cm-catalog", "load", "-f",
          stdin=older + b"\n")
    same([x.split(b"\t")[9] for x in dump().splitlines()
          if x.startswith(b"folder\t") and not x.endswith(b"\t0")], [],
         "has none")
    exits(0, "the dump again", "cm-catalog", "load", "-f",
          stdin=read(base + "/d2"))
    same([x for x in dump().splitlines() if not x.startswith(b"meta\t")],
         [x for x in read(base + "/d2").splitlines()
          if not x.startswith(b"meta\t")], "uses and subscriptions are in it")


def copies_in_folders():
    """Copies in folders that get other names, or are deleted."""
    fresh()
    add("first")
    d = dump_to("d")
    for i in range(3):
        add("behind %d" % i)
    for name in "X", "Go":
        folder("create", name, "0")
        copy("1:3", name)
        copy("2", name)
    folder("rename", "X", "Y/z")
    flag(BOB + "/Y/z/2", "+renamed")
    flag(BOB + "/Y/z/4", "+again")
    expunge(BOB + "/Y/z/3")
    folder("delete", "Go")
    for name in "X", "Go":
        folder("create", name, "0")
        copy("2:4", name)
        flag(BOB + "/%s/1" % name, "+second")
    copy("2", "Y/z", "move", "X")
    flag(BOB + "/Y/z/5", "+moved")
    copy("4", "X", "move")
    folder("rename", "INBOX", "Old")
    flag(BOB + "/Old/2", "+old")
    copy("2", "INBOX", "copy", "Old")
    flag(BOB + "/INBOX/1", "+new")
    want = dump()
    for name, *args in (("behind a dump", d), ("without one", "-f")):
        lose()
        r = rebuild("copies and folders, " + name, *args)
        is_as_it_was(want, "are as they were")
        ok("could not be" not in r, "all was done again", r)
        same(run("cm-catalog", "check").returncode, 0, "and is right")


def older_dumps():
    fresh()
    before()
    old = dump_to("old")
    flag(BOB + "/INBOX/1", "+a")
    expunge(BOB + "/INBOX/4")
    run("cm-user", "del", ANN)
    users(ANN)
    add("between")
    d = dump_to("d")
    behind()
    want = dump()
    lose()
    rebuild("with the dump before the last", old)
    is_as_it_was(want, "all is as it was")
    lose()
    rebuild("with the last one", d)
    is_as_it_was(want, "too")
    dump_to("third")
    was = {x[0]: x[1] for x in listed()}
    add("and on")
    lose()
    r = rebuild("with one that the journal does not reach back to", old)
    ok("are in no journal" in r, "that is said", r)
    now = {x[0]: x[1] for x in listed()}
    same([e for e in was if now.get(e, was[e]) != was[e]], [],
         "no UID means another message")
    same(sorted(set(was.values()) - set(now.values())), [],
         "no message is missing")


def no_dump():
    fresh()
    before()
    behind()
    want = dump()
    lose()
    r = rebuild("from the volumes, and a journal that has all", "-f")
    is_as_it_was(want, "all is as it was")
    dump_to("d1")
    dump_to("d2")
    flag(BOB + "/INBOX/1", "+late")
    run("cm-user", "set", ANN, "quota", "7M")
    expunge(BOB + "/INBOX/4")
    add("the very last")
    a = entries()
    gone = [x[1] for x in listed() if x[0] == BOB + "/INBOX/1"][0]
    lose()
    r = rebuild("from the volumes, and a journal that has the end", "-f")
    b = entries()
    flags = [x[5].split() for x in listed() if x[1] == gone]
    ok(any("late" in f and "later" in f for f in flags),
       "flags are those of the last line", flags)
    u = run("cm-user", "list").stdout.decode()
    ok("7340032" in u or "7M" in u, "settings too", u)
    same(sorted(set(a) - set(b)), [], "no message is missing")
    last = [i for i, x in a.items() if i not in want.decode()][0]
    same(b[last], a[last], "the UID is the one that the journal tells")


def renamed_then():
    """Folders that the journal only knows by a rename."""
    fresh()
    first = add("inbox")
    ids = [add("to A", args=("-F", "A")), add("to A/b", args=("-F", "A/b"))]
    dump_to("d1")
    dump_to("d2")
    folder("rename", "A", "B")
    folder("rename", "INBOX", "Old")
    flag(BOB + "/B/1", "+late")
    flag(BOB + "/B/b/1", "+late")
    flag(BOB + "/Old/1", "+late")
    lose()
    rebuild("without what was before the folders got other names", "-f")
    run("cm-catalog", "sync")
    rows = {x[1]: x for x in listed()}
    same([rows[i][5] for i in ids + [first]], ["late"] * 3,
         "each message has its flags")
    same(rows[first][0].rsplit("/", 1)[0], BOB + "/Old",
         "what was in INBOX is where it was")
    same([l for l in dump().split(b"\n") if l.startswith(b"expected")], [],
         "nothing is waited for")


def another_catalog():
    fresh()
    before()
    d = dump_to("d")
    add("x")
    other = dump_to("other")
    flag(BOB + "/INBOX/1", "+lost")
    exits(0, "another catalog is loaded", "cm-catalog", "load", "-f",
          stdin=read(d))
    run("cm-catalog", "sync")
    flag(BOB + "/INBOX/2", "+kept")
    add("y")
    want = dump()
    lose()
    r = rebuild("with a dump of the one before", other)
    ok("of another catalog" in r and "again from the journal: 0" in r,
       "nothing is done again, which is said", r)
    flags = [x[5] for x in listed()]
    ok(not any("lost" in f or "kept" in f for f in flags), "nothing", flags)
    fresh()
    before()
    d = dump_to("d")
    flag(BOB + "/INBOX/1", "+lost")
    run("cm-catalog", "load", "-f", stdin=read(d))
    run("cm-catalog", "sync")
    flag(BOB + "/INBOX/2", "+kept")
    add("y")
    want = dump()
    lose()
    rebuild("with the one that was loaded", d)
    is_as_it_was(want, "it is as it was behind the load")


def journal_is_lost():
    fresh()
    before()
    d = dump_to("d")
    n = add("behind")
    flag(BOB + "/INBOX/1", "+lost")
    stop_all()
    shutil.rmtree(STATE)
    r = rebuild("all of the state is lost", d)
    ok("there is no journal" in r, "that is said", r)
    e = entries()
    ok(n in e and len(e) == 5, "all messages are there", e)
    ok(e[n][0] != BOB + "/INBOX/5", "with a UID that none can have had", e)
    want = dump()
    flag(BOB + "/INBOX/2", "+since")
    want = dump()
    lose()
    rebuild("lost once more", d)
    is_as_it_was(want, "what was done since is there")


def damaged():
    fresh()
    before()
    d = dump_to("d")
    flag(BOB + "/INBOX/1", "+one")
    flag(BOB + "/INBOX/2", "+two")
    flag(BOB + "/INBOX/4", "+three")
    add("behind")
    stop_all()
    lines = read(JOURNAL).split(b"\n")
    k = [i for i, x in enumerate(lines) if b"\tflag\t" in x][1]
    lines[k] = lines[k].replace(b"two", b"twx")
    number = lines[k].split(b"\t")[1].decode()
    write(JOURNAL, b"\n".join(lines))
    lose()
    r = rebuild("with a damaged line", d)
    ok("journal of n1, line %s: not done" % number in r and
       "the line is damaged" in r, "it is named", r)
    ok("again from the journal: 2" in r and "could not be: 1" in r,
       "and counted", r)
    e = sorted(x[5] for x in listed())
    ok(any("one" in f for f in e) and any("three" in f for f in e) and
       not any("tw" in f for f in e), "the others were done", e)


def killed():
    fresh("v1")
    box = "".join("From a@b.c Fri Nov 24 08:00:00 2023\nSubject: %d\n\n\n" % i
                  for i in range(1500))
    run("cm-store", "-m", BOB, stdin=box)
    d = dump_to("d")
    run("cm-store", "-m", BOB, stdin=box)
    run("cm-catalog", "sync")
    for i in range(1, 3000, 10):
        request("flag", BOB, "INBOX", str(i), "k%d" % (i % 7), "")
    for i in range(2, 3000, 20):
        request("expunge", BOB, "INBOX", str(i))
    copy("1:300", "INBOX", "move")
    copy("1400:1600", "INBOX")
    box = "".join("From a@b.c Fri Nov 24 08:00:00 2023\nSubject: %d\n\n\n" % i
                  for i in range(600))
    run("cm-store", "-m", "-F", "Go", BOB, stdin=box)
    run("cm-store", "-m", "-F", "Stay", BOB, stdin=box)
    run("cm-catalog", "sync")
    for i in range(40):
        request("folder-add", BOB, "f%d" % i, "%d" % (i % 3))
        request("subscribe", BOB, "f%d" % (i // 2), "%d" % (i % 2))
        request("folder-rename", BOB, "Stay" if i == 0 else "Stay%d" % (i - 1),
                "Stay%d" % i)
        if i % 3 == 0:
            request("folder-del", BOB, "f%d" % i)
    request("folder-del", BOB, "Go")
    request("folder-rename", BOB, "INBOX", "Was")
    for i in range(60):
        request("user-add", "u%d@example.org" % i, "-")
        if i % 3 == 0:
            request("user-del", "u%d@example.org" % i)
    want = dump()
    times = 0
    for step in range(0, 60, 2):
        lose()
        p = subprocess.Popen(["cm-rebuild", "catalog", d],
                             stderr=subprocess.DEVNULL)
        until(lambda: os.path.exists(STATE + "/catalog-loading.dump"))
        time.sleep(0.005 * step)
        kill(p.pid)
        p.wait()
        kill(helper("catalog"))
        now = run("cm-catalog", "stat").stdout.decode().split("\n")[0]
        if "ok" in now:
            break
        times += 1
        again = [d] if "missing" in now else []
        if run("cm-rebuild", "catalog", *again).returncode != 0 or \
                sorted_refs(dump()) != sorted_refs(want):
            ok(False, "killed after %d ms, and run again" % (5 * step))
            is_as_it_was(want, "as it was")
            return
    ok(times > 0, "killed %d times in the middle, and run again: each time "
       "as it was" % times)


try:
    configure()
    for part in (all_is_back, what_is_gone, folders_are_back,
                 copies_in_folders, older_dumps, no_dump, renamed_then,
                 another_catalog,
                 journal_is_lost, damaged, killed):
        if part.__name__ in (sys.argv[1:] or [part.__name__]):
            part()
finally:
    finish()
