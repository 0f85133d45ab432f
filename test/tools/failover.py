#!/usr/bin/env python3
"""failover.py LAB DIR KILLS SENDERS: how long until changes go on behind the
death of the catalog's leader, while mail is stored on all nodes.

LAB is examples/lab, DIR a lab of it that is up.  On each node so many senders
run "cm-store | cm-mirror" without a pause, and pass what is safe to "cm-catalog
add", which may take its time.  The leader is
killed KILLS times: its agent alone and its whole node in turn.  The seconds run
from the death of the agent until another node took a change of a flag.  The
ledger has each message of which cm-store and cm-mirror said that it is safe;
at the end each of them must be listed once.  Prints lines "what TAB figure...";
exits 1 when something is wrong, and says what on stderr.
"""
import collections
import os
import random
import re
import select
import signal
import statistics
import subprocess
import sys
import threading
import time

LAB, DIR, KILLS, SENDERS = sys.argv[1:]
DIR, KILLS, SENDERS = os.path.realpath(DIR), int(KILLS), int(SENDERS)
COMMAND = 60            # seconds of any command
PATIENCE = 120          # seconds for anything to come right
ADDS = 50               # that a sender has under way
MESSAGE = b"Subject: %d\r\n\r\n" + 40 * (b"x" * 72 + b"\r\n")
PIPE, NONE = subprocess.PIPE, subprocess.DEVNULL

stop = threading.Event()
lock = threading.Lock()
ledger = []             # (when, id)
refused = collections.Counter()  # node -> messages that were not taken
failures = []


def fail(text):
    failures.append(text)
    print("failover: " + text, file=sys.stderr, flush=True)


class Node:
    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()    # held while processes are made
        self.is_up = True
        self.life = 0
        self.acks = []          # (life, when)
        out = subprocess.run([LAB, "run", DIR, name, "env", "-0"],
                             capture_output=True, check=True,
                             timeout=COMMAND).stdout.decode()
        self.env = dict(v.split("=", 1) for v in out.split("\0") if v)

    def popen(self, *cmd, **how):
        return subprocess.Popen(cmd, env=self.env, stderr=NONE, **how)

    def run(self, *cmd):
        """Exit code and output."""
        with self.popen(*cmd, stdin=NONE, stdout=PIPE) as p:
            try:
                out = p.communicate(timeout=COMMAND)[0]
            except subprocess.TimeoutExpired:
                p.kill()
                fail("%s: %s took %d s" % (self.name, cmd, COMMAND))
                return 75, ""
        return p.returncode, out.decode()

    def stat(self):
        return self.run("cm-catalog", "stat")[1]

    def set_up(self, is_up):
        with self.lock:
            self.is_up = is_up
            self.life += 1


def lab(*words):
    subprocess.run([LAB, words[0], DIR, *words[1:]], check=True, stdin=NONE,
                   stdout=NONE, timeout=COMMAND)


def until(what, text):
    end = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > end:
            raise SystemExit("failover: " + text)
        time.sleep(0.05)


# --- load

def begin(node, to):
    """The pipeline's processes; None while the node is down: a process that
    begins while it is killed would be one of a dead node."""
    with node.lock:
        if not node.is_up:
            return None
        store = node.popen("cm-store", "-f", "a@example.net", to, stdin=PIPE,
                           stdout=PIPE)
        mirror = node.popen("cm-mirror", stdin=store.stdout, stdout=PIPE)
        store.stdout.close()
        return store, mirror, node.life


def list_it(node, life, receipt, adds):
    """Without that it is listed too, when the leader hears of it."""
    with node.lock:
        if node.life == life:
            adds.append(node.popen("cm-catalog", "add", stdin=PIPE,
                                   stdout=NONE))
            give(adds[-1].stdin, receipt)
    adds[:] = [a for a in adds if a.poll() is None]
    if len(adds) > ADDS:
        adds.pop(0).wait()


def give(f, data):
    try:
        f.write(data)
        f.close()
    except BrokenPipeError:
        pass


def send(node, to, n, adds):
    started = begin(node, to)
    if started is None:
        time.sleep(0.02)
        return
    store, mirror, life = started
    give(store.stdin, MESSAGE % n)
    receipt = mirror.stdout.read()
    if [store.wait(), mirror.wait()] == [0, 0]:
        now = time.monotonic()
        with lock:
            ledger.append((now, receipt.split(b"\t")[0].decode()))
            node.acks.append((life, now))
    elif node.is_up and node.life == life:
        refused[node.name] += 1
    mirror.stdout.close()
    if receipt:
        list_it(node, life, receipt, adds)


def sender(node, k):
    n, adds = 0, []
    rnd = random.Random("%s %d" % (node.name, k))
    while not stop.is_set():
        n += 1
        try:
            send(node, "u%d@example.test" % rnd.randrange(20), n, adds)
        except Exception as e:
            fail("%s: %r" % (node.name, e))
            return
    for a in adds:
        a.wait()


# --- kills

def leader(nodes):
    for n in nodes.values():
        m = re.search(r"^leader\t(\S+)$", n.stat(), re.M)
        if m and m[1] in nodes:
            return m[1]
    return None


def all_take_part(nodes):
    return all(len(re.findall(r"^replica\tn\d+\t(?:leader|follower)\t",
                              n.stat(), re.M)) == len(nodes)
               for n in nodes.values())


def agent_of(name):
    with open("%s/%s/state/run/catalog.lock" % (DIR, name)) as f:
        return int(f.read())


def die(node, whole):
    """Returns when its agent is dead: then; and what kills the rest of it."""
    pid = agent_of(node.name)
    if pid <= 1:
        raise SystemExit("failover: no agent")
    fd = os.pidfd_open(pid)
    killer = None
    if whole:
        node.set_up(False)
        killer = subprocess.Popen([LAB, "kill", DIR, node.name], stdin=NONE)
    else:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    select.select([fd], [], [], COMMAND)
    os.close(fd)
    return time.monotonic(), killer


def kill_leader(nodes, i, whole):
    """Seconds to a change, and messages acknowledged meanwhile."""
    name = leader(nodes)
    if name is None:
        raise SystemExit("failover: no leader")
    others = [n for n in nodes.values() if n.name != name]
    other = others[i % len(others)]
    began, killer = die(nodes[name], whole)
    while other.run("cm-catalog", "flag", "+k" if i % 2 else "-k",
                    "u99@example.test/INBOX/1")[0] != 0:
        if time.monotonic() - began > PATIENCE:
            raise SystemExit("failover: no change is taken any more")
        time.sleep(0.02)
    ended = time.monotonic()
    if killer is not None:
        killer.wait()
        time.sleep(1)
        lab("start", name)
        nodes[name].set_up(True)
    until(lambda: all_take_part(nodes), "not all nodes take part again")
    time.sleep(1)
    with lock:
        return ended - began, sum(began <= t <= ended for t, _ in ledger)


# --- what came of it

def gap(node, since):
    """The longest between two of its acknowledgements, while it was up."""
    longest = 0
    with lock:
        acks = [a for a in node.acks if a[1] >= since]
    for (life, a), (next_life, b) in zip(acks, acks[1:]):
        if life == next_life:
            longest = max(longest, b - a)
    return longest


def listed(node):
    """How often each message is."""
    return collections.Counter(
        line.split("\t")[2] for line in
        node.run("cm-catalog", "dump", "-l")[1].splitlines()
        if line.startswith("message\t"))


def check(nodes):
    def synced():
        return all(n.run("cm-catalog", "sync")[0] == 0
                   for n in nodes.values())

    until(synced, "not all is indexed")
    dumps = {}

    def same():
        for n in nodes.values():
            dumps[n.name] = listed(n)
        return all(d == dumps["n1"] for d in dumps.values())

    until(same, "the nodes' catalogs are not the same")
    at = dumps["n1"]
    missing = [i for _, i in ledger if at[i] == 0]
    twice = [i for i in at if at[i] > 1]
    if missing:
        fail("%d are not listed: %s" % (len(missing), missing[:3]))
    if twice:
        fail("%d are listed twice: %s" % (len(twice), twice[:3]))
    if len({i for _, i in ledger}) != len(ledger):
        fail("an id was given twice")


def tell(what, *figures):
    print("\t".join([what] + ["%.2f" % f if isinstance(f, float) else str(f)
                              for f in figures]), flush=True)


def phase(nodes, whole, kills):
    since, had = time.monotonic(), len(ledger)
    took, meanwhile = [], 0
    for i in range(kills):
        s, n = kill_leader(nodes, i, whole)
        took.append(s)
        meanwhile += n
    seconds = time.monotonic() - since
    what = "node" if whole else "agent"
    tell(what, kills, statistics.median(took), max(took))
    tell(what + "-meanwhile", meanwhile, sum(took), meanwhile / sum(took))
    tell(what + "-load", len(ledger) - had, (len(ledger) - had) / seconds)
    tell(what + "-gap", max(gap(n, since) for n in nodes.values()))
    tell(what + "-refused", sum(refused.values()))
    refused.clear()


def main():
    names = re.findall(r'<node name="(\w+)"',
                       open(DIR + "/cluster.xml").read())
    nodes = {n: Node(n) for n in names}
    until(lambda: all_take_part(nodes), "not all nodes take part")
    adds = []
    send(nodes["n1"], "u99@example.test", 0, adds)
    for a in adds:
        a.wait()
    threads = [threading.Thread(target=sender, args=(n, k), daemon=True)
               for n in nodes.values() for k in range(SENDERS)]
    for t in threads:
        t.start()
    time.sleep(3)
    if KILLS - KILLS // 2 > 0:
        phase(nodes, False, KILLS - KILLS // 2)
    if KILLS // 2 > 0:
        phase(nodes, True, KILLS // 2)
    stop.set()
    for t in threads:
        t.join(COMMAND)
        if t.is_alive():
            fail("a pipeline hangs")
    check(nodes)
    tell("listed-once", len(ledger))


main()
sys.exit(bool(failures))
