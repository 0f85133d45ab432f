#!/usr/bin/env python3
"""What IMAP asks of the catalog: folders, and messages with their summaries."""
import os
import sys
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *

TOOL = os.environ["OUT"] + "/tools/mailbox"
os.environ["CM_BIN"] = os.environ["BIN"]    # where it finds the agent
ALL, STORED, ENVELOPE, BODY = "-", 1, 2, 4
ODD = ["it's", "a b", "100%", "Gel\u00f6scht", "deep/er/est"]


def lists(folder="INBOX", validity=0, since=0, what=0, uids=ALL):
    """(the folder's words, rows of words), or the last line of a failure."""
    r = run(TOOL, "list", BOB, folder, str(validity), uids, str(since),
            str(what))
    lines = r.stdout.decode(errors="surrogateescape").splitlines()
    if r.returncode != 0:
        return lines[-1]
    return lines[-1].split(" "), [[urllib.parse.unquote(f) for f in
                                   x.split("\t")] for x in lines[:-1]]


def uids(*a, **kw):
    return [int(x[0]) for x in lists(*a, **kw)[1]]


def folders():
    r = exits(0, "folders", "cm-catalog", "folders", BOB)
    return [x.split("\t") for x in r.stdout.decode().splitlines()]


def look_at_folders():
    same([x[:1] + x[2:] for x in folders()],
         [[BOB + "/INBOX", "1", "0", "0", "0", "1"]],
         "a new mailbox has an empty INBOX")
    for name in ODD:
        store("Subject: odd\n\n", args=("-F", name))
    receipts(3)
    run("cm-catalog", "sync")
    run("cm-catalog", "flag", "+\\Seen", BOB + "/INBOX/2")
    rows = folders()
    same([urllib.parse.unquote(x[0])[len(BOB) + 1:] for x in rows],
         sorted(["INBOX"] + ODD, key=lambda x: x.encode()),
         "all folders, in the order of their bytes")
    inbox = [x for x in rows if x[0] == BOB + "/INBOX"][0]
    size = sum(int(x[3]) for x in listed(BOB, "-F", "INBOX"))
    same(inbox[2:], ["4", "3", "2", str(size), "5"],
         "UIDNEXT, messages, unread ones, bytes, and a modseq for each change")
    same(len(set(x[1] for x in rows)), len(rows),
         "each has a UIDVALIDITY of its own")
    same(lists("INBOX")[0][1:], inbox[1:], "a list says the same of it")
    exits(67, "of nobody", "cm-catalog", "folders", "no@example.org")
    exits(67, "of no address", "cm-catalog", "folders", "a\nb")
    exits(64, "without a mailbox", "cm-catalog", "folders")
    for name in ODD:
        same(lists(name)[0][2:4], ["2", "1"], "a list of " + name)


def look_at_messages():
    validity = int(lists()[0][1])
    want = [x[1:5] for x in listed(BOB, "-F", "INBOX")]
    got = lists(what=STORED)[1]
    same([x[4:7] for x in got], [x[:3] for x in want],
         "id, place and size are those of a listing")
    same([x[:3] for x in got], [["1", "2", "0"], ["2", "5", "1"],
                                ["3", "4", "0"]], "UID, modseq, flags")
    run("cm-catalog", "flag", "+work", "+\\Flagged", BOB + "/INBOX/3")
    same(lists(uids="3")[1], [["3", "6", "4", "work"]], "keywords")
    same(uids(uids="2:9"), [2, 3], "a range over the end")
    same(uids(uids="1,3"), [1, 3], "a set")
    same(uids(uids="7:9"), [], "none of them is there")
    same(lists(uids="")[1], [], "an empty set")
    same(lists("INBOX", uids="")[0][1], str(validity), "has a folder, too")
    same(uids(since=4), [2, 3], "what has changed since a modseq")
    same(uids(since=6), [], "nothing since the last one")
    same(uids(validity=validity), [1, 2, 3], "with its UIDVALIDITY")
    stale = lists(validity=validity + 1)
    ok(isinstance(stale, str), "another UIDVALIDITY is no list", stale)
    same(lists(validity=validity + 1, uids=""), stale, "of nothing neither")
    ok(isinstance(lists("Nothing"), str) and lists("Nothing") != stale,
       "nor is a folder that is not there", lists("Nothing"))
    ok(isinstance(lists("a//b"), str), "or has no name for one")
    run("cm-catalog", "expunge", BOB + "/INBOX/1")
    same(uids(), [2, 3], "a message that is gone")
    same(uids(uids=",".join(str(i) for i in range(1, 40001, 2))), [3],
         "a set of 20,000 ranges")
    for far in ("3,500:600,4294967295", "1,3", "2,300", "1:2,4:900,2000:*",
                "2:3,4000000000"):
        same(uids(uids=far), [i for i in (2, 3) if str(i) in
             far.replace("1:2", "2").replace("2:3", "2,3").split(",")],
             "of " + far)


def store_flags(how, flags, uids, since="-", folder="S", validity=0):
    """(rows, modified), or the last line of a failure."""
    r = run(TOOL, "store", BOB, folder, str(validity), uids, since, how, flags)
    lines = r.stdout.decode().splitlines()
    if r.returncode != 0:
        return lines[-1]
    return ([[urllib.parse.unquote(f) for f in x.split("\t")]
             for x in lines[:-1]], lines[-1][len("modified "):])


def expunge(uids, folder="S", validity=0):
    r = run(TOOL, "expunge", BOB, folder, str(validity), uids)
    return r.stdout.decode().splitlines()[-1]


def change_messages():
    for i in range(5):
        store("Subject: s\n\n", args=("-F", "S"))
    run("cm-catalog", "sync")
    same(store_flags("add", "\\Seen work", "2:3,9"),
         ([["2", "7", "1", "work"], ["3", "8", "1", "work"]], ""),
         "flags of those that are there")
    same(store_flags("add", "\\Seen", "1:3"),
         ([["1", "9", "1", ""], ["2", "7", "1", "work"],
           ["3", "8", "1", "work"]], ""), "what is so takes no modseq")
    same(store_flags("del", "work \\Flagged", "2"),
         ([["2", "10", "1", ""]], ""), "some are taken away")
    same(store_flags("set", "\\Flagged b", "1,3"),
         ([["1", "11", "4", "b"], ["3", "12", "4", "b"]], ""),
         "these and no others")
    same(store_flags("set", "", "3"), ([["3", "13", "0", ""]], ""), "none")
    same(store_flags("add", "x", "1:4", since="10"),
         ([["2", "14", "1", "x"], ["4", "15", "0", "x"]], "1,3"),
         "with UNCHANGEDSINCE the others are told")
    same(store_flags("add", "x", ""), ([], ""), "of no message")
    was = lists("S", what=STORED)
    validity = int(was[0][1])
    same(was[0][3:5] + was[0][6:], ["5", "4", "15"],
         "the folder counts what is unread, and modseqs")
    stale = store_flags("add", "y", "1:5", validity=validity + 1)
    ok(isinstance(stale, str), "another UIDVALIDITY", stale)
    ok(isinstance(store_flags("add", "y", "1", folder="No"), str),
       "no such folder")
    ok(isinstance(store_flags("add", "a(b", "1"), str), "no flag")
    for words in (["", "add", "y", "0"], ["", "add", "y", "1:"],
                  ["-1", "add", "y", "1"], ["", "sub", "y", "1"],
                  ["", "add", "a(b", "1"]):
        a = request("store", BOB, "S", "0", *words)
        ok(a[-1].startswith(".-"), "not a request: %s" % words, a)
    same(lists("S", what=STORED), was, "change nothing")

    same(expunge("-"), "gone ", "nothing is deleted")
    store_flags("add", "\\Deleted", "1:2,5")
    same(expunge("2:4"), "gone 2", "of some UIDs, who is deleted")
    same(expunge(""), "gone ", "of none")
    ok("gone" not in expunge("-", validity=validity + 1) and
       "gone" not in expunge("-", folder="No"), "not of another folder")
    same(uids("S"), [1, 3, 4, 5], "the others are there")
    same(expunge("-"), "gone 1,5", "of all, who is deleted")
    same(uids("S"), [3, 4], "the rest")
    same(expunge("-"), "gone ", "and again: nothing")
    f = lists("S")[0]
    same([f[2], f[3]], ["6", "2"], "UIDs go on, messages are counted")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")


def tool(*words):
    """Its lines, or the last one of a failure."""
    r = run(TOOL, words[0], BOB, *words[1:])
    out = r.stdout.decode().splitlines()
    return out if r.returncode == 0 else out[-1]


def tree():
    """{name: (id, uidvalidity, uidnext, messages, use, subscribed)}"""
    run("cm-catalog", "stat")       # which starts the agent, if need be
    r = run(TOOL, "folders", BOB)
    if r.returncode != 0:
        raise AssertionError(r)
    rows = [x.split(" ") for x in r.stdout.decode().splitlines()]
    return {urllib.parse.unquote(x[0]): tuple(x[1:5]) + (x[8],) +
            (len(x) == 10,) for x in rows}


def change_folders():
    there, gone, bad = "exists already", "does not exist", "malformed input"
    same(tool("create", "Sent", "32"), [], "a folder with a use")
    same(tool("create", "Sent", "0"), there, "is made once")
    same(tool("create", "inbox", "0"), there, "INBOX is there")
    for name in "a//b", "/a", "", "a\x01":
        same(tool("create", name, "0"), bad, "no name: %r" % name)
    same(tool("create", "x", "256"), bad, "no use")
    for words in (["folder-add", BOB, "x", "-1"], ["folder-add", BOB, "x"],
                  ["folder-del", BOB, "%01"], ["subscribe", BOB, "x", "2"],
                  ["folder-add", "", "x", "0"], ["folder-rename", BOB, "x"],
                  ["folder-rename", BOB, "Sent", "/"], ["folder-del", BOB]):
        a = request(*words)
        ok(a[-1].startswith(".-"), "not a request: %s" % words, a)
    same(run(TOOL, "create", "no@example.org", "x", "0").stdout,
         b"no valid recipient on specified domain\n", "no mailbox")
    s = tree()["Sent"]
    same(s[2:], ("1", "0", "32", False), "it is empty, and has its use")
    same(tool("status", "Sent")[0].split(" ")[1:3], list(s[:2]),
         "its status says the same")
    same(tool("status", "Nothing"), gone, "of none there is no status")
    for name in "Sent", "Later", "a b", "Sent":
        same(tool("subscribe", name, "1"), [], "subscribed: " + name)
    t = tree()
    same([(t[x][4], t[x][5]) for x in ("Sent", "Later", "a b")],
         [("32", True), ("gone", True), ("0", True)],
         "names are listed, too, whose folders are not there")
    same(list(t), sorted(t, key=lambda x: x.encode()), "in their order")
    ok("Later" not in [urllib.parse.unquote(x[0].split("/", 1)[1])
                       for x in folders()], "not as folders")
    same(tool("status", "Later"), gone, "nor is it one")

    for i in range(3):
        store("Subject: s\n\n", args=("-F", "Sent"))
    store("Subject: s\n\n", args=("-F", "Sent/old"))
    run("cm-catalog", "sync")
    was, rows = tree(), lists("Sent", what=STORED)[1]
    same(tool("rename", "Sent", "Out/box"), [], "another name")
    t = tree()
    same(t["Out/box"][:5], was["Sent"][:5], "is the same folder")
    same(t["Out/box/old"][:5], was["Sent/old"][:5], "and that below it")
    same((t["Sent"][4], t["Sent"][5], t["Out/box"][5]),
         ("gone", True, False), "its old name is still subscribed to")
    same(lists("Out/box", what=STORED)[1], rows, "its messages are there")
    same(tool("rename", "Sent", "x"), gone, "it is not there any more")
    same(tool("rename", "Out", "Out/box/x"), "wrong usage", "below itself")
    same(tool("rename", "Out/box", "a b"), there, "to one that is there")
    same(tool("rename", "Out/box", "x//y"), bad, "to no name")
    same(tool("rename", "Out", "In"), [], "a level with folders below it")
    ok("In/box/old" in tree() and "Out/box" not in tree(), "is renamed")
    same(tool("rename", "Out", "In"), gone, "and is not there")
    same(tool("rename", "In/box", "n" * 252), "too large",
         "one below would have too long a name")
    store("Subject: late\n\n", args=("-F", "Sent"))
    run("cm-catalog", "sync")
    ok(int(tree()["Sent"][1]) > int(was["Sent"][1]),
       "mail to the old name makes another folder of that name")

    store("Subject: in\n\n")
    store("Subject: in\n\n", args=("-F", "INBOX/below"))
    run("cm-catalog", "sync")
    was, rows = tree(), lists(what=STORED)[1]
    same(tool("rename", "INBOX", "INBOX/below"), there, "INBOX to another")
    same(tool("rename", "INBOX", "Old"), [], "INBOX")
    t = tree()
    same(lists("Old", what=STORED)[1], rows, "its messages have gone")
    same(t["INBOX"][2:], ("1", "0", "0", False), "it is empty")
    ok(int(t["INBOX"][1]) > int(was["INBOX"][1]), "and a new one")
    same(t["INBOX/below"], was["INBOX/below"], "what is below it stays")

    bytes_then = quota()
    same(tool("delete", "INBOX"), "permission denied", "INBOX stays")
    same(tool("delete", "No"), gone, "none goes")
    size = sum(int(x[6]) for x in lists("In/box", what=STORED)[1])
    one = [x[4] for x in lists("In/box", what=STORED)[1]]
    same(tool("delete", "In/box"), [], "one goes")
    ok("In/box" not in tree() and "In/box/old" in tree(), "without others")
    same(quota(), bytes_then - size, "its bytes are not counted any more")
    same(lists("In/box"), gone, "nothing can be read in it")
    ok(until(lambda: all("\t-\t" in x for x in records(one))),
       "and its messages are garbage", records(one))
    same(tool("subscribe", "In/box", "0"), [], "no subscription is none")
    same(tool("subscribe", "Later", "0"), [], "one is taken back")
    ok("Later" not in tree(), "and not listed any more")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")
    # what the tests that follow expect
    for name in "INBOX/below", "a b", "Sent", "Old":
        tool("delete", name)


def quota():
    return [int(x.split("\t")[6]) for x in
            run("cm-catalog", "dump", "-l").stdout.decode().splitlines()
            if x.startswith("account\t" + BOB)][0]


def records(ids):
    return [x for x in run("cm-catalog", "dump",
                           "-l").stdout.decode().splitlines()
            if x.startswith("record\t") and x.split("\t")[1] in ids]


def folders_and_kills():
    """The agent dies: a change of folders is there or not, and whole."""
    box = "".join("From a@b.c Fri Nov 24 08:00:00 2023\nSubject: %d\n\n\n" % i
                  for i in range(2000))
    run("cm-store", "-m", "-F", "T/big", BOB, stdin=box)
    for i in range(40):
        tool("create", "T/%d" % i, "0")
    run("cm-catalog", "sync")
    was = {x[2:]: v for x, v in tree().items() if x.startswith("T/")}
    name, said = "T", set()
    for i in range(12):
        to = "T%d" % i
        p = subprocess.Popen([TOOL, "rename", BOB, name, to],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(0.0015 * i)
        kill(helper("catalog"))
        said.add(p.wait())
        now = {x.split("/", 1)[0] for x in tree() if x.startswith("T")}
        if not ok(len(now) == 1, "agent killed: one name of all (%s)" % now):
            return
        name = now.pop()
        ok({x[len(name) + 1:]: v for x, v in tree().items()
            if x.startswith(name + "/")} == was, "with all that it was")
    print("# exit codes: %s" % said)
    before = quota()
    run("cm-catalog", "stat")
    size = int(tool("status", name + "/big")[0].split(" ")[6])
    same(tool("delete", name + "/big"), [], "a large one goes")
    kill(helper("catalog"))
    ok(name + "/big" not in tree(), "agent killed: it is not there")
    same(run("cm-catalog", "check").returncode, 0, "check agrees at once")
    same(quota(), before - size, "and the sum of bytes is right")
    for i in range(4):
        kill(helper("catalog"))
        run("cm-catalog", "stat")
    dump = run("cm-catalog", "dump", "-l").stdout
    exits(0, "what is left is loaded", "cm-catalog", "load", "-f", stdin=dump)
    same(run("cm-catalog", "check").returncode, 0, "check agrees")
    store("Subject: x\n\n", args=("-F", name + "/big"))
    run("cm-catalog", "sync")
    ok(int(tree()[name + "/big"][1]) > int(was["big"][1]),
       "another one has a higher UIDVALIDITY")
    same(len(uids(name + "/big")), 1, "and one message")


def many_messages():
    """One request changes all; the agent that dies leaves all or none."""
    box = "".join("From a@b.c Fri Nov 24 08:00:00 2023\nSubject: %d\n\n\n" % i
                  for i in range(3000))
    run("cm-store", "-m", "-F", "M", BOB, stdin=box)
    run("cm-catalog", "sync")
    for i in range(8):
        p = subprocess.Popen([TOOL, "store", BOB, "M", "0", "1:*", "-", "set",
                              "k%d" % i], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(0.02 * i)
        kill(helper("catalog"))
        p.wait()
        run("cm-catalog", "sync")
        words = set(x[3] for x in lists("M")[1])
        same(len(words), 1, "agent killed: one state of all (%s)" % words)
    rows, modified = store_flags("add", "\\Deleted", "1:*", folder="M")
    same(len(rows), 3000, "flags of 3,000")
    same(expunge("-", folder="M"), "gone 1:3000", "which go")
    same(lists("M")[0][2:6], ["3001", "0", "0", "0"], "nothing is left")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")


def copy(uids, to, how="copy", folder="K", validity=0):
    """(old UIDs, new ones), or the last line of a failure."""
    r = run(TOOL, "copy", BOB, folder, str(validity), uids, to, how)
    lines = r.stdout.decode().splitlines()
    if r.returncode != 0:
        return lines[-1]
    same(lines[2], "uidvalidity " + lists(to)[0][1], "UIDVALIDITY of " + to)
    return lines[0][len("from "):], lines[1][len("to "):]


def bytes_of(rows):
    return str(sum(int(x[6]) for x in rows))


def many_copies():
    """Each copy writes the record with all of them: there is an end to it."""
    store("Subject: many\n\nx\n", args=("-F", "Many"))
    run("cm-catalog", "sync")

    def again(uids, to="Many"):
        return run(TOOL, "copy", BOB, "Many", "0", uids, to,
                   "copy").returncode
    same([again("1:*") for _ in range(9)], [0] * 9, "512 of a message")
    ok(again("1:*") != 0, "1024 are too many")
    same(len(uids("Many")), 512, "none of them is made")
    same(again("1:488"), 0, "1000 are not")
    ok(again("1", "L") != 0, "not one more in another folder")
    same(copy("1", "Many", "move", folder="Many"), ("1", "1001"),
         "a move is none")
    same(tool("delete", "Many"), [], "they go")


def copy_messages():
    for i in range(4):
        store("Subject: k%d\n\n%s\n" % (i, "x" * i), args=("-F", "K"))
    for i in range(2):
        store("Subject: l\n\n", args=("-F", "L"))
    run("cm-catalog", "sync")
    store_flags("add", "\\Seen", "1", folder="K")
    store_flags("add", "\\Flagged work", "3", folder="K")
    was = lists("K", what=STORED)[1]
    used = sum(int(x[6]) for f in folders() for x in lists(
        urllib.parse.unquote(f[0])[len(BOB) + 1:], what=STORED)[1])
    modseq = int(lists("L")[0][6])
    same(copy("1,3:4,9", "L"), ("1,3:4", "3:5"), "messages are copied")
    f, rows = lists("L", what=STORED)
    same([x[2:] for x in rows[2:]], [x[2:] for x in was[:1] + was[2:]],
         "with flags, keywords, id, place, size and arrival")
    same([int(x[1]) for x in rows[2:]], [modseq + 1, modseq + 2, modseq + 3],
         "each has a modseq of its own")
    same(f[2:], ["6", "5", "4", bytes_of(rows), str(modseq + 3)],
         "and is counted")
    same(lists("K", what=STORED)[1], was, "the old ones are as they were")
    same(copy("2", "K"), ("2", "5"), "a copy in the same folder")
    same(uids("K"), [1, 2, 3, 4, 5], "is one more")
    store_flags("add", "\\Deleted", "5", folder="K")
    same([x[2] for x in lists("K")[1]], ["1", "0", "4", "0", "8"],
         "and has flags of its own")
    same(expunge("-", "K"), "gone 5", "it may go,")
    same(uids("K"), [1, 2, 3, 4], "and the other stays")
    n = int(lists("INBOX")[0][2])
    same(copy("1:2", "INBOX"), ("1:2", "%d:%d" % (n, n + 1)), "into INBOX")
    same(copy("7:9", "L"), ("", ""), "none of them is there")
    same(copy("", "L"), ("", ""), "an empty set")
    none, target = copy("1", "K", folder="No"), copy("1", "No")
    ok(isinstance(none, str) and isinstance(target, str) and none != target,
       "no such folder, and no such target", (none, target))
    same(copy("7", "No"), target, "of no message neither")
    same(copy("", "No"), target, "nor of an empty set")
    same(copy("1", "a//b"), target, "nor is that a name for one")
    v = int(lists("K")[0][1])
    same(copy("1", "L", validity=v + 1), copy("", "L", validity=v + 1),
         "another UIDVALIDITY")
    same(len(uids("L")), 5, "is no copy")
    for words in (["x", "1", "L", "copy"], ["0", "0", "L", "copy"],
                  ["0", "1", "L", "link"]):
        a = request("copy", BOB, "K", *words)
        ok(a[-1].startswith(".-"), "not a request: %s" % words, a)
    same(len(uids("L")), 5, "changes nothing")

    modseq = int(lists("K")[0][6])
    same(copy("1,3", "L", "move"), ("1,3", "6:7"), "two are moved")
    f, rows = lists("K", what=STORED)
    same([x[0] for x in rows], ["2", "4"], "and are not there any more")
    same(f[2:], ["6", "2", "2", bytes_of(rows), str(modseq + 2)],
         "nor counted; each takes a modseq")
    same([x[2:] for x in lists("L", what=STORED)[1][-2:]],
         [was[0][2:], was[2][2:]], "but elsewhere, as they were")
    same(copy("2", "K", "move"), ("2", "6"), "a move to the same folder")
    same(uids("K"), [4, 6], "is another UID")
    same(copy("1:3", "L", "move"), ("", ""), "what is moved is gone")

    total = sum(int(x[6]) for f in folders() for x in lists(
        urllib.parse.unquote(f[0])[len(BOB) + 1:], what=STORED)[1])
    size = int(lists("K", what=STORED, uids="4")[1][0][6])
    run("cm-user", "set", BOB, "quota", str(total + size - 1))
    r = run(TOOL, "copy", BOB, "K", "0", "4", "L", "copy")
    ok(r.returncode != 0, "a copy that the quota has no room for", r)
    same([len(uids("K")), len(uids("L"))], [2, 7], "is not made")
    same(copy("4", "L", "move"), ("4", "8"), "a move needs no room")
    run("cm-user", "set", BOB, "quota", str(total + size))
    same(copy("8", "K", folder="L"), ("8", "7"), "with room it is made")
    run("cm-user", "set", BOB, "quota", "0")
    same(run("cm-catalog", "check").returncode, 0, "check agrees")
    d = run("cm-catalog", "dump", "-l").stdout
    bob = [x for x in d.split(b"\n") if x.startswith(b"account\tbob")][0]
    same(int(bob.split(b"\t")[6]), total + size, "the mailbox's bytes too")


def killed_moves():
    """The agent dies: a message is never in neither folder, nor in both, and
    no UID is that of two."""
    box = "".join("From a@b.c Fri Nov 24 08:00:00 2023\nSubject: %d\n\n\n" % i
                  for i in range(3000))
    run("cm-store", "-m", "-F", "P", BOB, stdin=box)
    store("Subject: q\n\n", args=("-F", "Q"))
    run("cm-catalog", "sync")
    every = sorted(x[4] for f in "PQ" for x in lists(f, what=STORED)[1])
    seen, bad, ends = {}, [], set()
    for i in range(12):
        source, target = "PQ" if uids("P") else "QP"
        p = subprocess.Popen([TOOL, "copy", BOB, source, "0", "1:*", target,
                              "move"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(0.008 * i)
        kill(helper("catalog"))
        p.wait()
        run("cm-catalog", "sync")
        ids = []
        for f in "PQ":
            for x in lists(f, what=STORED)[1]:
                ids.append(x[4])
                if seen.setdefault((f, x[0]), x[4]) != x[4]:
                    bad.append((f, x[0]))
        if sorted(ids) != every:
            bad.append((i, len(ids), len(set(ids))))
        ends.add(not uids(source))
    same(bad, [], "agent killed: each is in one folder, UIDs do not repeat")
    print("# moved: %s" % sorted(ends))
    same(run("cm-catalog", "check").returncode, 0, "check agrees")


def vanished(since, folder="V", validity=0):
    """The UIDs, or the last line of a failure."""
    r = run(TOOL, "vanished", BOB, folder, str(validity), "-", str(since))
    lines = r.stdout.decode().splitlines()
    return lines[-1] if r.returncode != 0 else lines[0][len("vanished "):]


def modseq(folder="V"):
    return int(lists(folder)[0][6])


def look_at_vanished():
    for i in range(12):
        store("Subject: v\n\n", args=("-F", "V"))
    run("cm-catalog", "sync")
    first = modseq()
    same(vanished(0), "", "nothing is gone from a new folder")
    store_flags("add", "\\Deleted", "2:4,9", folder="V")
    marked = modseq()
    same(vanished(first), "", "what is marked is there")
    same(expunge("-", "V"), "gone 2:4,9", "some are expunged")
    same([vanished(0), vanished(marked), vanished(modseq())],
         ["2:4,9", "2:4,9", ""], "and are gone since then")
    before = modseq()
    same(copy("1,5", "L", "move", folder="V")[0], "1,5", "some are moved")
    same([vanished(before), vanished(marked)], ["1,5", "1:5,9"],
         "and are gone, too")
    before = modseq()
    run("cm-catalog", "expunge", BOB + "/V/12")
    same(vanished(before), "12", "and one by itself")
    before = modseq()
    same(copy("6", "V", "move", folder="V"), ("6", "13"), "within the folder")
    same([vanished(before), uids("V")], ["6", [7, 8, 10, 11, 13]],
         "the old UID is gone")
    same(copy("7", "V", folder="V"), ("7", "14"), "a copy")
    same(vanished(before), "6", "is no end of anything")
    every = vanished(0)
    kill(helper("catalog"))
    run("cm-catalog", "sync")
    same(vanished(0), every, "the agent killed: the same")
    v = int(lists("V")[0][1])
    same(vanished(0, validity=v), every, "with its UIDVALIDITY")
    stale, none = vanished(0, validity=v + 1), vanished(0, folder="No")
    same(stale, lists("V", validity=v + 1), "another UIDVALIDITY")
    same(none, lists("No"), "no such folder")
    for words in (["x", "0"], ["0", "x"], ["0", "-1"]):
        a = request("vanished", BOB, "V", *words)
        ok(a[-1].startswith(".-"), "not a request: %s" % words, a)

    # a dump does not tell
    d = run("cm-catalog", "dump").stdout
    now = modseq()
    exits(0, "a dump is loaded", "cm-catalog", "load", "-f", stdin=d)
    run("cm-catalog", "sync")
    same(modseq(), now, "the folder is as it was")
    same(vanished(now), "", "nothing is gone since then")
    end = vanished(now - 1)
    ok(end not in (stale, none, "", every), "what was before is not known",
       end)
    run("cm-catalog", "expunge", BOB + "/V/7")
    same([vanished(now), vanished(now - 1)], ["7", end],
         "what comes behind is")
    exits(0, "the mailbox is deleted", "cm-user", "del", BOB)
    users(BOB)
    store("Subject: v\n\n", args=("-F", "V"))
    run("cm-catalog", "sync")
    same(vanished(0), "", "the next one's folder is a new one")


def look_at_summaries():
    tab = "Subject: a\tb \"c\" \\ d\nFrom: Ann <ann@example.org>\n" \
        "Message-ID: <x@y>\nContent-Type: text/plain; charset=utf-8\n\nx\n"
    store(tab, args=("-F", "T"))
    store("Subject: 2\n\n", args=("-F", "T"))
    run("cm-catalog", "sync")
    env, body = (lists("T", what=w)[1][0] for w in (ENVELOPE, BODY))
    ok("Ann" in env[4] and '\\"c\\" \\\\ d"' in env[4] and
       env[4].startswith("(") and env[4].endswith(")"),
       "an ENVELOPE, with its tab and quotes", env)
    ok(body[4].startswith('("text" "plain" ("charset" "utf-8")') or
       body[4].lower().startswith('("text" "plain"'), "a BODYSTRUCTURE", body)
    both = lists("T", what=STORED | ENVELOPE | BODY)[1]
    same([x[-2:] for x in both][0], [env[4], body[4]], "both, and more")
    same([len(x) for x in both], [10, 10], "of each message")


def corpus():
    """Summaries of real messages, of an agent that has just begun, too."""
    d = os.environ.get("CORPUS")
    if not d:
        return skip("summaries of real messages", "there is no corpus")
    n = 0
    for root, dirs, files in sorted(os.walk(d)):
        dirs.sort()
        for f in sorted(files):
            if f.endswith(".eml") and n < 100:
                r = store(read(os.path.join(root, f)), args=("-F", "C"))
                n += r.returncode == 0
    run("cm-catalog", "sync")
    was = lists("C", what=7)
    same(len(was[1]), n, "all of the %d real messages are there" % n)
    ok(all(len(x) == 10 and x[8].startswith("(") and x[9].startswith("(")
           for x in was[1]), "each has its summaries")
    exits(0, "the agent ends", "cm-catalog", "stop")
    run("cm-catalog", "sync")
    same(lists("C", what=7), was, "and another one says the same")


try:
    configure('<volume name="v1" home="n1" path="%s/v1"/>' % base)
    users()
    look_at_folders()
    look_at_messages()
    change_messages()
    look_at_summaries()
    change_folders()
    folders_and_kills()
    many_messages()
    copy_messages()
    many_copies()
    killed_moves()
    corpus()
    look_at_vanished()
finally:
    finish()
