#!/usr/bin/env python3
"""Two nodes that keep the catalog are cut off from each other, both go on, and
meet again: every message is there once, every flag as the rules of
cm-internals(7) say, no UID means two messages, and both have the same bytes.
Links are cut in network namespaces; without those each node in turn is
stopped.  SPLIT_MESSAGES and SPLIT_CHANGES are for each side."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = os.environ.get("ROOT") or os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))
BIN = os.environ.get("BIN") or ROOT + "/bin"
LAB = ROOT + "/examples/lab"
TOOL = (os.environ.get("OUT") or ROOT + "/build") + "/tools/mailbox"
BOX = "u8@example.test"		# whose folders are changed
MESSAGES = int(os.environ.get("SPLIT_MESSAGES", "40"))
CHANGES = int(os.environ.get("SPLIT_CHANGES", "200"))
SEED = int(os.environ.get("SPLIT_SEED") or
           int.from_bytes(os.urandom(4), "big"))
MOVER = "u9@example.test"	# its messages are copied and moved, no other's
WAIT = 90 + (MESSAGES + CHANGES) // 10
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "k1", "k2"]
rnd = random.Random(SEED)
count = failed = 0
env = dict(os.environ, BIN=BIN, LAB_CRON="600", LAB_CATALOG="n1 n2",
           LC_ALL="C", PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
env.pop("LAB_NET", None)


def ok(good, name, why=""):
    global count, failed
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    if not good:
        failed += 1
        print("\n".join("# " + x for x in str(why).splitlines()[:20]))
    return good


def lab(*args, check=True):
    p = subprocess.run(["sh", LAB, *args], env=env, capture_output=True,
                       text=True, timeout=300)
    if check and p.returncode != 0:
        raise SystemExit("# lab %s: %s" % (args, p.stderr))
    return p


def on(node, *args):
    return lab("run", where, node, "timeout", "250", *args, check=False)


def has_netns():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-n", "sh", "-c", "ip link add br0 type bridge && ip link "
         "add eth0 type veth peer name eth1"], env=env,
        capture_output=True).returncode == 0


def up():
    for _ in range(3):
        if not netns:
            a, b = os.urandom(2)
            env["LAB_NET"] = "127.%d.%d" % (a % 254 + 1, b)
        p = lab("up", *(["-netns"] if netns else []), where, "2", check=False)
        if p.returncode != 69:
            break
    return p.returncode == 0


def until(what, seconds=None):
    end = time.time() + (seconds or WAIT)
    while not what():
        if time.time() > end:
            return False
        time.sleep(0.3)
    return True


def stat(node):
    out = {}
    for l in on(node, "cm-catalog", "stat").stdout.splitlines():
        k, _, v = l.partition("\t")
        out.setdefault(k, v)
    return out


def is_alone(node):
    s = stat(node)
    return s.get("quorum") == "1 of 2" and s.get("leader") == node


def is_level(node):
    s = stat(node)
    return s.get("quorum") == "2 of 2" and "alone" not in s and \
        s.get("leader", "-") != "-" and s.get("state") == "ok"


def merging():
    return [f for n in ("n1", "n2") for f in
            os.listdir("%s/%s/state" % (where, n))
            if f.startswith("catalog.merge-")]


def dump(node):
    return on(node, "cm-catalog", "dump", "-l").stdout


class World:
    """What a dump says."""
    def __init__(self, text):
        self.text = text
        self.validity, self.next, self.at, self.flags = {}, {}, {}, {}
        self.quota, self.alias, self.password = {}, {}, {}
        self.rows, self.modseq, self.message = [], {}, {}
        for l in text.splitlines():
            f = l.split("\t")
            if f[0] == "account":
                self.quota[f[1]] = int(f[5])
            elif f[0] == "alias":
                self.alias[f[1]] = f[2]
            elif f[0] == "folder":
                self.validity[f[1]] = int(f[3])
                self.next[f[1]] = int(f[4])
                self.modseq[f[1]] = int(f[5])
            elif f[0] == "message":
                folder, uid = f[1].rsplit("/", 1)
                flags = set() if f[7] == "-" else set(f[7].split("%20"))
                self.rows.append((folder, int(uid), f[2], flags))
                self.message.setdefault(folder, {})[int(uid)] = \
                    f[2], flags, int(f[6])
                if not folder.startswith(MOVER):
                    self.at[folder, f[2]] = int(uid)
                    self.flags[folder, f[2]] = flags

    def uids(self):
        return {(fo, self.validity[fo], u): i for fo, u, i, _ in self.rows}

    def places(self, i):
        """Where MOVER has it: folders, each as often as it is there, with its
        flags."""
        return sorted((fo[len(MOVER) + 1:], " ".join(sorted(fl)))
                      for fo, _, x, fl in self.rows
                      if x == i and fo.startswith(MOVER + "/"))


def store(node, mailboxes, n):
    """n messages to each; the ids."""
    script = "".join(
        "i=0; while [ $i -lt %d ]; do i=$((i+1)); printf 'Subject: %s '$i'"
        "\\n\\nx\\n' | cm-store %s@example.test; done; " % (n, node, m)
        for m in mailboxes)
    p = on(node, "sh", "-c", "{ %s } | cm-catalog add" % script)
    if p.returncode != 0:
        print("# %s: %s" % (node, p.stderr))
    return [l.split("\t")[0] for l in p.stdout.splitlines()]


class Side:
    """What was done on one side of a split."""
    def __init__(self, node, base):
        self.node, self.base, self.did, self.changes = node, base, [], 0
        self.seen = {}

    def command(self, *args):
        p = on(self.node, *args)
        if p.returncode == 0:
            self.changes += 1
        return p.returncode == 0

    def look(self):
        w = World(dump(self.node))
        self.seen.update(w.uids())
        return w

    def change(self, n):
        """n changes, by one shell: what was done is known from its words."""
        w = self.look()
        keys = [k for k in w.at if not k[0].startswith(BOX)]
        script, plan = [], []
        for _ in range(n):
            k = rnd.choice(keys)
            entry = "%s/%d" % (k[0], w.at[k])
            if rnd.random() < 0.06:
                keys.remove(k)
                plan.append((k, None, None))
                script.append("cm-catalog expunge '%s'" % entry)
                continue
            add = [rnd.choice(FLAGS)] if rnd.random() < .6 else []
            rest = [f for f in FLAGS if f not in add]
            clear = [rnd.choice(rest)] if not add or rnd.random() < .3 else []
            plan.append((k, add, clear))
            script.append("cm-catalog flag %s '%s'" % (" ".join(
                ["'+%s'" % f for f in add] + ["'-%s'" % f for f in clear]),
                entry))
        p = on(self.node, "sh", "-c", "\n".join(
            "%s && echo %d" % (s, i) for i, s in enumerate(script)) + "\ntrue")
        done = [plan[int(x)] for x in p.stdout.split()]
        self.did += done
        self.changes += len(done)
        self.final = self.look()
        return ok(len(done) == n, "%d changes at %s" % (n, self.node),
                  p.stderr)


def expect(winner, loser, end):
    """Flags by message as the rules say, and who may be gone."""
    state = {k: set(v) for k, v in winner.final.flags.items()}
    touched, any_change = {}, set()
    for k, add, clear in winner.did:
        any_change.add(k)
        touched.setdefault(k, set()).update((add or []) + (clear or []))
    for k in loser.final.flags:
        if k not in winner.base.flags:
            state.setdefault(k, set())
    gone = {k for k, add, _ in loser.did if add is None and
            k not in winner.base.flags}
    for k in gone:
        state[k] = set()        # listed again, then expunged again
    for k, add, clear in loser.did:
        if k not in state:
            continue            # expunged where it went on
        if add is None:
            if k not in any_change:
                del state[k]
            continue
        state[k] |= set(add)
        state[k] -= set(clear) - touched.get(k, set())
    return state


# What happens to a message of MOVER's at the loser, at the winner, and what
# comes of it.  "copy:A" of INBOX, "A>B" a move, "+k" a flag where it is,
# "-" expunged where it is; of a copy, from there on the copy is meant.
MOVES = (
    ("copied", "copy:A", "", [("A", ""), ("INBOX", "")]),
    ("moved", "INBOX>A", "", [("A", "")]),
    ("moved, and flagged", "INBOX>A", "+\\Flagged", [("A", "\\Flagged")]),
    ("moved, and flagged at both", "+k1 INBOX>A", "+k2",
     [("A", "k1 k2")]),
    ("moved, and expunged", "INBOX>A", "-", [("A", "")]),
    ("moved to two folders", "INBOX>A", "INBOX>B", [("A", ""), ("B", "")]),
    ("moved to one folder by both", "+k1 INBOX>A", "INBOX>A", [("A", "k1")]),
    ("flagged, and moved", "+\\Answered", "INBOX>B", [("B", "\\Answered")]),
    ("copied, and the copy expunged", "copy:A -", "", [("INBOX", "")]),
    ("moved twice, and flagged", "INBOX>A A>B +k2", "", [("B", "k2")]),
    ("copied here, and the copy flagged", "copy:INBOX +k1", "",
     [("INBOX", ""), ("INBOX", "k1")]),
    ("copied here, and the copy expunged", "copy:INBOX -", "",
     [("INBOX", "")]),
    ("expunged, and copied", "-", "copy:A", [("A", "")]),
    ("copied, and expunged", "copy:A", "-", [("A", "")]),
    ("copied by both", "copy:A +k1", "copy:A +k2",
     [("A", "k1"), ("A", "k2"), ("INBOX", "")]),
    ("moved to a new folder", "INBOX>C", "", [("C", "")]),
    ("expunged, and moved", "-", "INBOX>B", [("B", "")]),
    ("left as it is", "", "", [("INBOX", "")]),
)
NAMES = {"A": "a 100%", "B": "B/b", "C": "c"}


def entry(folder, uid=""):
    name = NAMES.get(folder, folder).replace("%", "%25").replace(" ", "%20")
    return "%s/%s%s" % (MOVER, name, uid and "/%d" % uid)


def names(rows):
    """Of a folder of MOVER's, as the table has it."""
    back = {entry(k)[len(MOVER) + 1:]: k for k in NAMES}
    return sorted((back.get(fo, fo), fl) for fo, fl in rows)


def act(node, ident, what):
    """Does one column of MOVES to a message; what could not be done."""
    at, uid, bad = "INBOX", None, []
    for fo, u, i, _ in World(dump(node)).rows:
        if i == ident and fo.startswith(MOVER):
            uid = u
    for w in what.split():
        if w[0] in "+-":
            p = on(node, "cm-catalog", *(["flag", w] if w != "-" else
                                         ["expunge"]), entry(at, uid))
        else:
            to = w.split(":" if ":" in w else ">")[1]
            p = on(node, TOOL, "copy", MOVER, NAMES.get(at, at), "0",
                   str(uid), NAMES.get(to, to),
                   "copy" if ":" in w else "move")
            at, uid = to, int(p.stdout.split("\n")[1][3:] or 0)
        if p.returncode != 0 or not uid:
            bad.append((w, p.stdout, p.stderr))
    return bad


def deliver(node, *args):
    p = on(node, "sh", "-c", "printf 'Subject: m\\n\\nx\\n' | cm-store \"$@\" "
           "| cm-catalog add", "sh", *args, MOVER)
    if p.returncode != 0:
        print("# %s: %s" % (node, p.stderr))
    return p.stdout.split("\t")[0]


def move_all(node, column, fresh):
    """What this side does to the messages that both have; and, of the loser,
    to one that came to it alone."""
    bad = []
    if column == 1:
        deliver(node, "-F", NAMES["C"])
    for m in MOVES:
        bad += act(node, fresh[m[0]], m[column])
    if column == 1:
        fresh["new"] = deliver(node)
        bad += act(node, fresh["new"], "copy:INBOX INBOX>A +k1")
        fresh["renamed"] = rename_with_copies(node, fresh, bad)
    ok(not bad, "messages are copied and moved at %s" % node, bad)


def rename_with_copies(node, fresh, bad):
    """A folder that this side alone has, with copies in it, gets another name;
    what is done to them then means those."""
    name = "d%d" % rounds
    p = [on(node, TOOL, "create", MOVER, name, "0")]
    i = deliver(node)
    uid = [u for fo, u, x, _ in World(dump(node)).rows
           if x == i and fo == MOVER + "/INBOX"][0]
    for _ in range(3):
        p.append(on(node, TOOL, "copy", MOVER, "INBOX", "0", str(uid), name,
                    "copy"))
    uids = [u for fo, u, x, _ in World(dump(node)).rows
            if x == i and fo == MOVER + "/" + name]
    p.append(on(node, TOOL, "rename", MOVER, name, "e%d/x" % rounds))
    to = "%s/e%d/x/" % (MOVER, rounds)
    p.append(on(node, "cm-catalog", "flag", "+k1", to + str(uids[1])))
    p.append(on(node, "cm-catalog", "expunge", to + str(uids[0])))
    p.append(on(node, "cm-catalog", "flag", "+k2", to + str(uids[2])))
    bad += [x for x in p if x.returncode != 0]
    return i


def look_at_moves(fresh, end):
    for m in MOVES:
        ok(names(end.places(fresh[m[0]])) == m[3], "%s: as the rules say" %
           m[0], names(end.places(fresh[m[0]])))
    got = names(end.places(fresh["new"]))
    ok(got == [("A", "k1"), ("INBOX", "")], "a new one, too", got)
    got = names(end.places(fresh["renamed"]))
    ok(got == [("INBOX", ""), ("e%d/x" % rounds, "k1"),
               ("e%d/x" % rounds, "k2")],
       "copies in a folder that was renamed then", got)


def folder(node, what, *args):
    p = on(node, TOOL, what, BOX, *args)
    if p.returncode != 0:
        ok(False, "%s: %s %s" % (node, what, args), p.stdout + p.stderr)


def to_folder(node, name):
    """A message to it; its id."""
    p = on(node, "sh", "-c", "printf 'Subject: %s\\n\\nx\\n' | cm-store -F "
           "'%s' %s | cm-catalog add" % (node, name, BOX))
    ok(p.returncode == 0, "%s: a message to %s" % (node, name), p.stderr)
    return p.stdout.split("\t")[0]


class Folders:
    """Changes of folders on both sides, and what has to come of them."""
    NAMES = "Untouched", "Mailed", "Flagged", "Deleted", "Moved", "Moved/below"

    def __init__(self, node, n):
        self.n, self.id = n, {}
        for f in self.NAMES:
            self.id[f] = to_folder(node, self.name(f))

    def name(self, f):
        return "%s%d" % (f, self.n) if "/" not in f else \
            "%s%d/below" % (f.split("/")[0], self.n)

    def at_winner(self, node):
        n = self.name
        self.id["mail"] = to_folder(node, n("Mailed"))
        on(node, "cm-catalog", "flag", "+kept", "%s/%s/1" % (BOX,
                                                            n("Flagged")))
        folder(node, "delete", n("Deleted"))
        folder(node, "create", n("Both"), "0")
        folder(node, "subscribe", n("winner"), "1")
        self.id["both w"] = to_folder(node, n("Both"))
        folder(node, "rename", "INBOX", n("Old"))
        self.id["inbox w"] = to_folder(node, "INBOX")

    def at_loser(self, node):
        n = self.name
        folder(node, "delete", n("Untouched"))
        folder(node, "delete", n("Mailed"))
        folder(node, "delete", n("Flagged"))
        self.id["late"] = to_folder(node, n("Deleted"))
        folder(node, "create", n("Both"), "32")
        self.id["both l"] = to_folder(node, n("Both"))
        folder(node, "create", n("Made"), "64")
        folder(node, "create", n("Passing"), "0")
        folder(node, "delete", n("Passing"))
        folder(node, "rename", n("Moved"), n("New"))
        self.id["new"] = to_folder(node, n("New"))
        folder(node, "subscribe", n("loser"), "1")
        folder(node, "subscribe", n("loser"), "1")
        self.id["inbox l"] = to_folder(node, "INBOX")

    def look(self, world, text):
        at = {}
        for (f, i), _ in world.at.items():
            if f.startswith(BOX):
                at.setdefault(i, []).append(f[len(BOX) + 1:])
        n, i = self.name, self.id
        want = {i["Mailed"]: n("Mailed"), i["mail"]: n("Mailed"),
                i["Flagged"]: n("Flagged"), i["late"]: n("Deleted"),
                i["both w"]: n("Both"), i["both l"]: n("Both"),
                i["new"]: n("New"), i["inbox w"]: "INBOX",
                i["inbox l"]: "INBOX"}
        got = {k: at.get(k) for k in want}
        ok(got == {k: [v] for k, v in want.items()},
           "mail wins over a deletion, and each message is where it belongs",
           (got, want))
        ok(i["Untouched"] not in at and i["Deleted"] not in at,
           "what nobody touched is deleted by either side", at)
        # mail to the new name may be there before the rename is done
        moved = at.get(i["Moved"]), at.get(i["Moved/below"])
        ok(moved in (([n("New")], [n("New") + "/below"]),
                     ([n("Moved")], [n("Moved") + "/below"])),
           "a rename takes all with it, or nothing", moved)
        ok(world.flags.get((BOX + "/" + n("Flagged"), i["Flagged"])) ==
           {"kept"}, "a flag that was set keeps a folder")
        rows = {l.split("\t")[1]: l.split("\t") for l in text.splitlines()
                if l.startswith("folder\t" + BOX)}
        ok(rows[BOX + "/" + n("Both")][9] == "32" and
           rows[BOX + "/" + n("Made")][9] == "64", "uses are there", rows)
        ok(BOX + "/" + n("Passing") not in rows and
           BOX + "/" + n("Untouched") not in rows, "no row is left")
        ok(all("subscribed\t%s/%s\n" % (BOX, n(s)) in text
               for s in ("winner", "loser")), "both are subscribed to")


def cut():
    if netns:
        lab("cut", where, "n1", "n2")


def heal():
    if netns:
        lab("heal", where)
    else:
        lab("cont", where, "n1")
        lab("cont", where, "n2")


def alone(node):
    """From here on this side is by itself."""
    if not netns:
        o = "n1" if node == "n2" else "n2"
        lab("stop", where, o)
        lab("cont", where, node)
    return ok(until(lambda: is_alone(node)), "%s goes on alone" % node,
              stat(node))


def kill_agents(stop):
    """kill -9 of one agent after the other, until that time."""
    n = 0
    while time.time() < stop:
        node = ("n1", "n2")[n % 2]
        try:
            pid = int(open("%s/%s/state/run/catalog.lock" %
                           (where, node)).read())
            environ = open("/proc/%d/environ" % pid).read()
            if pid > 1 and "CM_LAB=%s/%s\0" % (where, node) in environ:
                os.kill(pid, 9)
                n += 1
            else:
                raise OSError()
        except (OSError, ValueError):
            on(node, "cm-catalog", "stat")    # who asks starts it
        time.sleep(rnd.uniform(0.2, 1.2))
    return n


def split(winner, more, kills):
    loser = "n1" if winner == "n2" else "n2"
    print("# a split that %s wins%s" % (winner, ", with kills" if kills else
                                        ""), flush=True)
    fresh = {m[0]: deliver(winner) for m in MOVES}
    folders = Folders(loser, rounds)
    until(lambda: dump("n1") == dump("n2"))
    base = World(dump(winner))
    before.clear()
    before.update(base.uids())
    sides, mail = {}, {}
    cut()
    for node in (winner, loser) if winner == "n2" else (loser, winner):
        if not alone(node):
            return
        s = sides[node] = Side(node, base)
        ids = store(node, ["u1", "u3" if node == loser else "u4"],
                    MESSAGES // 2)
        ok(len(ids) == MESSAGES // 2 * 2, "messages at %s" % node)
        s.ids = ids
        s.change(CHANGES + (more if node == winner else 0))
        s.ok = [
            s.command("cm-user", "add", "-N", "new%s@example.test" % node),
            s.command("cm-user", "add", "-N", "both%d@example.test" % rounds),
            s.command("cm-user", "set", "u5@example.test", "quota",
                      "%dM" % (rounds + (1 if node == winner else 2))),
            s.command("cm-user", "set", "u6@example.test" if node == loser
                      else "u7@example.test", "quota", "%dM" % (rounds + 7)),
            s.command("cm-user", "alias", "a%s@example.test" % node,
                      "u1@example.test")]
        move_all(node, 1 if node == loser else 2, fresh)
        if node == winner:
            folders.at_winner(node)
        else:
            folders.at_loser(node)
        s.final = s.look()
        s.ids += store(node, ["new%s" % node], 1)
        s.look()
        mail[node] = readers(node)
    w, l = sides[winner], sides[loser]
    left_out(l)
    heal()
    if kills:
        n = kill_agents(time.time() + 8)
        ok(n > 1, "agents are killed meanwhile")
        print("# %d times" % n)
    for n in ("n1", "n2"):
        ok(until(lambda: is_level(n)), "%s is level" % n, stat(n))
    ok(until(lambda: not merging()), "all is merged", merging())
    for n in ("n1", "n2"):
        on(n, "cm-catalog", "sync")
    ok(until(lambda: dump("n1") == dump("n2")), "both have the same bytes")
    end = World(dump("n1"))
    every = w.ids + l.ids
    found = [i for _, i in end.at]
    gone = {i for s in (w, l) for (_, i), add, _ in s.did if add is None}
    ok(len(found) == len(set(found)), "no message is there twice")
    ok(not set(every) - set(found) - gone, "every message is there",
       set(every) - set(found) - gone)
    want = {k: v for k, v in expect(w, l, end).items()
            if not k[0].startswith(BOX)}
    got = {k: v for k, v in end.flags.items() if k in want or
           (k[1] not in every and not k[0].startswith(BOX))}
    ok(got == want, "every flag is as the rules say", "\n".join(
        "%s: %s, not %s" % (k, got.get(k), want.get(k))
        for k in sorted(set(got) | set(want))
        if got.get(k) != want.get(k)))
    uids(w, l, end)
    for s in w, l:
        client(s, end)
        resync(s.node, mail[s.node])
    look_at_moves(fresh, end)
    folders.look(end, end.text)
    ok(end.quota["u5@example.test"] == rounds + 1 << 20,
       "a setting of both stays that of who went on")
    ok(end.quota["u6@example.test"] == rounds + 7 << 20 and
       end.quota["u7@example.test"] == rounds + 7 << 20,
       "one of each side is there")
    ok({"an1@example.test", "an2@example.test"} <= set(end.alias),
       "so are both aliases")
    ok("newn1@example.test" in end.quota and
       "newn2@example.test" in end.quota, "and both mailboxes")
    ok(on(winner, "cm-catalog", "check").returncode == 0, "check agrees")


def uids(w, l, end):
    def clash(s):
        return ["%s: %s, was %s" % (k, i, s.seen[k])
                for k, i in end.uids().items()
                if k in s.seen and s.seen[k] != i]
    ok(not clash(w) and not clash(l), "no UID means another message",
       clash(w) + clash(l))
    ok(all(end.validity[f] >= s.final.validity[f] for s in (w, l)
           for f in s.final.validity if f in end.validity),
       "UIDVALIDITY only rises")
    f = "u1@example.test/INBOX"
    for m in "u2", "u3", "u4":
        f = m + "@example.test/INBOX"
        ok(end.validity[f] == w.base.validity[f],
           "one side gave UIDs: that of %s stays" % m,
           "%d, was %d" % (end.validity[f], w.base.validity[f]))
    # those of the second node are all above those of the first one
    f = "u1@example.test/INBOX"
    ok((end.validity[f] == w.base.validity[f]) == (w.node == "n2"),
       "both did: that of u1 stays if whose are higher goes on",
       "%d, was %d" % (end.validity[f], w.base.validity[f]))
    f = "u3@example.test/INBOX"
    ok(end.next[f] >= l.final.next[f], "and the next UID is beyond those")
    ever.update(w.seen)
    ever.update(l.seen)
    ever.update(end.uids())


def left_out(s):
    """The journal tells where those begin that this side left out."""
    f = "u3@example.test/INBOX"
    n = s.base.next[f]
    l = "\tuids\t%s\t%d\t%d\t%d\n" % (f, s.base.validity[f], n, n + (
        32768 if s.node == "n1" else 65536))
    with open("%s/%s/state/catalog.journal" % (where, s.node)) as j:
        ok(l in j.read(), "UIDs that are left out are told", l)


def client(s, end):
    """What one that has all of this side's sees of the changes, when it asks
    for what is behind the last UID, and behind the highest modseq."""
    new, changed, known = [], [], s.base.uids()
    for f, validity in s.final.validity.items():
        if end.validity.get(f) != validity:
            continue            # it begins anew
        had, has = s.final.message.get(f, {}), end.message.get(f, {})
        for uid, (i, flags, modseq) in has.items():
            if had.get(uid, ())[:2] == (i, flags):
                continue
            # what it saw going may be there again
            if uid not in had and (f, validity, uid) not in known and \
                    uid <= max(had, default=0):
                new.append((f, uid, i))
            if modseq <= s.final.modseq[f]:
                changed.append((f, uid, had.get(uid), modseq,
                                s.final.modseq[f]))
        if set(had) - set(has) and end.modseq[f] <= s.final.modseq[f]:
            changed.append((f, set(had) - set(has)))
    ok(not new, "for a client of %s new messages have higher UIDs" % s.node,
       "\n".join(map(str, new)))
    ok(not changed, "for a client of %s changes have a higher modseq" % s.node,
       "\n".join(map(str, changed)))


def reader(node, user, state=None):
    """What a reader of INBOX knows at that node, see qresync.py."""
    net = env.get("LAB_NET") or "10.0.0"
    p = on(node, sys.executable, ROOT + "/test/tools/qresync.py",
           "%s.1%s" % (net, node[1]), "2993", user + "@example.test",
           *([json.dumps(state)] if state else []))
    try:
        return json.loads(p.stdout)
    except ValueError:
        return {"failed": p.stdout + p.stderr}


def readers(node):
    return {u: reader(node, u) for u in ("u1", "u2", "u3", "u4")}


def resync(node, had):
    """One that asks for what changed knows all, and who kept his UIDVALIDITY
    has seen no new message below one that he knew."""
    bad, low = [], []
    for u, state in had.items():
        known = set(map(int, state.get("rows", {})))
        got, all_of_it = reader(node, u, state), reader(node, u)
        if "failed" in got or got["rows"] != all_of_it.get("rows"):
            bad.append((u, got, all_of_it))
        elif not got["anew"]:
            low += [(u, x) for x in map(int, got["rows"]) if x not in known and
                    x < max(known) and x not in returned(u)]
    ok(not bad, "an IMAP reader of %s that asks for changes has all" % node,
       bad)
    ok(not low, "and has missed none that it would not ask for", low)


def returned(user):
    """UIDs from before the split: what was taken away on one side and changed
    on the other is there again."""
    return {uid for (f, _, uid) in before if
            f == user + "@example.test/INBOX"}


def later():
    store("n1", ["u1", "u3"], 2)
    store("n2", ["u1", "u4"], 2)
    now = World(dump("n1")).uids()
    ok(all(ever.get(k, i) == i for k, i in now.items()),
       "no UID is given twice later")


def lost(first):
    """Both lose it, and it is made of a dump from before the splits."""
    for n in ("n1", "n2"):
        on(n, "cm-catalog", "sync")
    until(lambda: dump("n1") == dump("n2"))
    was = World(dump("n1"))
    path = "%s/first.dump" % top
    with open(path, "w") as f:
        f.write(first)
    for n in ("n1", "n2"):
        lab("kill", where, n)
        shutil.rmtree("%s/%s/state/catalog" % (where, n))
    for n in ("n1", "n2"):
        lab("start", where, n)
    ok(until(lambda: stat("n1").get("leader", "-") != "-"),
       "both lost it: one leads")
    p = on("n2", "cm-rebuild", "catalog", path)
    ok(p.returncode == 0 and "in no journal" not in p.stderr and
       "could not be" not in p.stderr, "it is made of the first dump and the "
       "journals", p.stderr)
    ok(until(lambda: on("n1", "cm-catalog", "sync").returncode == 0 and
             World(dump("n1")).at == was.at), "every message is where it was, "
       "with its UID", sorted(set(was.at.items()) ^
                              set(World(dump("n1")).at.items())))
    now = World(dump("n1"))
    ok(sorted(map(str, now.rows)) == sorted(map(str, was.rows)), "copies, too",
       sorted(set(map(str, now.rows)) ^ set(map(str, was.rows))))
    ok(now.flags == was.flags, "flags are as they were",
       [(k, was.flags[k], now.flags.get(k)) for k in was.flags
        if now.flags.get(k) != was.flags[k]])
    ok(now.message == was.message, "modseqs are as they were",
       "\n".join("%s: %s, not %s" % (f, now.message.get(f, {}).get(u), m)
                 for f in was.message for u, m in was.message[f].items()
                 if now.message.get(f, {}).get(u) != m))
    ok(all(now.modseq[f] >= n for f, n in was.modseq.items()),
       "no folder's modseq is lower", set(was.modseq.items()) -
       set(now.modseq.items()))
    ok(now.validity == was.validity, "so is each UIDVALIDITY",
       set(now.validity.items()) ^ set(was.validity.items()))
    ok(all(now.next[f] >= n for f, n in was.next.items()),
       "no next UID is lower", [now.next, was.next])
    ok((now.alias, now.quota, now.password) ==
       (was.alias, was.quota, was.password), "aliases and users too",
       [now.alias, was.alias, now.quota, was.quota])
    ok(until(lambda: dump("n1") == dump("n2")), "both have the same bytes")


def main():
    global rounds
    if not ok(up(), "two nodes"):
        return
    for n in ("n1", "n2"):
        ok(until(lambda: is_level(n)), "%s is level" % n, stat(n))
    store("n1", ["u1", "u2", "u3"], 8)
    store("n2", ["u1", "u2", "u4"], 8)
    for f in "AB":
        deliver("n1", "-F", NAMES[f])
    ok(until(lambda: dump("n1") == dump("n2")), "both have the same bytes")
    first = on("n1", "cm-catalog", "dump").stdout
    for rounds, (winner, kills) in enumerate((("n1", False), ("n2", True)),
                                             1):
        split(winner, 60, kills)
        if failed:
            return
        later()
        for a in "an1", "an2":
            on("n1", "cm-user", "alias", "-d", a + "@example.test")
        for u in "newn1", "newn2":
            on("n1", "cm-user", "del", u + "@example.test")
        until(lambda: dump("n1") == dump("n2"))
    lost(first)


if shutil.which("xinetd", path=env["PATH"]) is None:
    if os.environ.get("CM_NO_SKIP"):
        print("not ok 1 - skipped: xinetd is not installed\n1..1")
        sys.exit(1)
    print("1..0 # SKIP xinetd is not installed")
    sys.exit(0)
netns = has_netns() and not os.environ.get("SPLIT_STOP")
top = tempfile.mkdtemp()
where = top + "/lab"
ever, before, rounds = {}, {}, 0
for sig in signal.SIGTERM, signal.SIGHUP:
    signal.signal(sig, lambda *_: sys.exit(1))
print("# seed %d, %s" % (SEED, "links are cut" if netns else
                         "nodes are stopped in turn"), flush=True)
try:
    main()
finally:
    if os.environ.get("KEEP"):
        print("# kept: " + top)
        lab("down", where, check=False)
    else:
        lab("down", where, check=False)
        shutil.rmtree(top, ignore_errors=True)
print("1..%d" % count)
sys.exit(failed != 0)
