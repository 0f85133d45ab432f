#!/usr/bin/env python3
"""chaos.py [-m smtp] LAB DIR SECONDS SEED [FAULT...]: store on all nodes of a
lab while nodes are killed, stopped, wiped and cut off, one at a time.

LAB is examples/lab, DIR a lab of it that is up.  FAULTs are of kill, stop,
wipe, cut, agent, pause and worker; all of them when there is none.  Workers on
each node run "cm-store | cm-mirror | cm-catalog add".  The ledger has every
message of which cm-store and cm-mirror exited 0.  At the end each of them must
be on the disks of as many nodes as the policy says, both where its receipt and
where the catalog has it; be listed once for each recipient; and come back
unchanged.  Prints what is wrong, and exits 1 then.

With -m smtp they talk to cm-smtpd, by SMTP and LMTP, in new connections and in
kept ones, and its workers are killed, too.  The ledger has every message that
got a 250.  One whose connection was lost behind the data may have come; some of
these are sent again, and may come twice then, and in no other way.

No fault begins before all nodes run and have caught up after the last.  The
catalog's node is not killed and not wiped, since it alone has the catalog.
"""
import collections
import faulthandler
import glob
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mailer

BY_SMTP = sys.argv[1:3] == ["-m", "smtp"]
LAB, DIR, SECONDS, SEED, *KINDS = sys.argv[3 if BY_SMTP else 1:]
DIR = os.path.realpath(DIR)
SECONDS, SEED = float(SECONDS), int(SEED)
SLOW = 4 if os.environ.get("SAN") else 1
CATCH_UP = 120 * SLOW   # seconds for all copies to have everything
HANG = 60 * SLOW        # seconds of a pipeline
COMMAND = 120 * SLOW    # seconds of any other command
SLOW_AFTER = 8 * SLOW   # seconds: catching up is told of, and why
CHECKS = 180 * SLOW     # seconds of all that comes after the load
PATIENCE = 6            # seconds: a little over the policy's timeout
WORKERS = 3             # of each node
MAILBOXES = ["u%d@example.test" % i for i in range(20)]
# exit codes that no fault explains: the sender is told a wrong thing
NEVER = (64, 65, 67, 68, 70, 76, 77, 78, -6, -7, -8, -11)

rnd = random.Random(SEED)
lock = threading.Lock()
wrong = []
codes = collections.Counter()
ledger = {}             # id -> Message
refused = collections.Counter()  # tag -> times that it was refused
entries = {}            # mailbox/folder/UID, as it was told -> id
clashes = []            # (mailbox/folder/UID, id, another id)
validities = collections.defaultdict(set)   # mailbox/folder -> UIDVALIDITY
gone = set()            # tags whose last word was a refusal
unsure = collections.Counter()   # tag -> times that nobody knows
excused = {}            # id -> Message that was on the wiped disk alone
wiped = set()           # names of nodes
hollow = set()          # ids of listed messages without a record
stop = threading.Event()
began = time.monotonic()


def note(text):
    print("# %6.1f %s" % (time.monotonic() - began, text), flush=True)


def bad(text):
    with lock:
        wrong.append(text)
    note("WRONG: " + text.split("\n")[0])


class Node:
    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()    # held while processes are made
        self.is_up = True
        self.acked = 0
        self.accepted = mailer.Accepted("%s/%s/state/run" % (DIR, name))
        out = subprocess.run([LAB, "run", DIR, name, "env", "-0"],
                             capture_output=True, check=True,
                             timeout=COMMAND).stdout.decode()
        self.env = dict(v.split("=", 1) for v in out.split("\0") if v)
        self.netns = self.env.get("CM_LAB_NETNS")
        self.enter = ["nsenter", "--net=" + self.netns, "--"] \
            if self.netns else []

    def popen(self, *cmd, **how):
        return subprocess.Popen(self.enter + list(cmd), env=self.env, **how)

    def run(self, *cmd):
        """Exit code and output, both streams; 75 when it took too long."""
        with self.popen(*cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT) as p:
            try:
                out = p.communicate(timeout=COMMAND)[0]
            except subprocess.TimeoutExpired:
                p.kill()
                return 75, "%s: took over %d s" % (cmd[0], COMMAND)
        return p.returncode, out.decode(errors="replace")

    def run_if_up(self, *cmd):
        """As run; a process that is begun while the node is killed would be
        one of a dead node."""
        with self.lock:
            if not self.is_up:
                return 75, ""
            p = self.popen(*cmd, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with p:
            try:
                out = p.communicate(timeout=COMMAND)[0]
            except subprocess.TimeoutExpired:
                p.kill()
                return 75, ""
        return p.returncode, out.decode(errors="replace")

    def set_up(self, is_up):
        with self.lock:
            self.is_up = is_up


class Message:
    """One that was acknowledged.  By SMTP nobody is told the place, and there
    is more in front of the text."""
    def __init__(self, id, place, nodes, to, text, node, took):
        self.id, self.place, self.nodes = id, place, nodes
        self.to = to
        self.text = hashlib.sha256(text).digest()
        self.size = len(text)
        self.node = node
        self.at = time.monotonic()
        self.took = took


class Cluster:
    def __init__(self):
        root = ET.parse(DIR + "/cluster.xml").getroot()
        policy = root.find("policy")
        self.names = [n.get("name") for n in root.findall("node")]
        # the only node that has it; None when there are several
        names = root.get("catalog", " ".join(self.names)).split()
        self.catalog = names[0] if len(names) == 1 else None
        self.is_pair = len(names) == 2 and root.get("pair") != "safe"
        # one to compare the others with
        self.reference = self.catalog or self.names[0]
        self.copies = int(policy.get("copies"))
        self.refuses = policy.get("short", "degrade" if len(self.names) <= 2
                                  else "refuse") == "refuse"
        self.folders = {v.get("name"): [(v.get("home"), v.get("path"))] +
                        [(c.get("node"), c.get("path"))
                         for c in v.findall("copy")]
                        for v in root.findall("volume")}
        with open(DIR + "/lab.conf") as f:
            self.can_cut = bool(re.search(r"netns=\S", f.read()))
        self.nodes = {n: Node(n) for n in self.names}
        for n in root.findall("node"):
            self.nodes[n.get("name")].address = n.get("address")


def lab(*words):
    p = subprocess.run([LAB, words[0], DIR, *words[1:]], text=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=COMMAND)
    if p.returncode != 0:
        raise RuntimeError("lab %s: exit %d\n%s" %
                           (" ".join(words), p.returncode, p.stdout))


# --- load

class Pipeline:
    running = set()

    def __init__(self, node):
        self.node = node
        self.began = time.monotonic()
        pipe = subprocess.PIPE
        quiet = {"stdout": pipe, "stderr": subprocess.DEVNULL}
        self.to = rnd_of_thread().sample(MAILBOXES,
                                         rnd_of_thread().randint(1, 3))
        self.store = node.popen("cm-store", "-f", "a@example.net", *self.to,
                                stdin=pipe, **quiet)
        self.mirror = node.popen("cm-mirror", stdin=self.store.stdout, **quiet)
        self.add = node.popen("cm-catalog", "add", stdin=pipe, **quiet)
        self.store.stdout.close()
        self.all = (self.store, self.mirror, self.add)
        with lock:
            Pipeline.running.add(self)

    def end(self):
        for p in self.all:
            for f in (p.stdin, p.stdout):
                try:
                    if f is not None:
                        f.close()
                except BrokenPipeError:
                    pass
            codes["%s %d" % (os.path.basename(p.args[len(self.node.enter)]),
                             p.wait())] += 1
        with lock:
            Pipeline.running.discard(self)


def feed(f, data):
    try:
        f.write(data)
        f.close()
    except BrokenPipeError:
        pass


own = threading.local()


def rnd_of_thread():
    return own.rnd


def make_text(tag):
    r = rnd_of_thread()
    size = r.choices([10, 3000, 200000], [40, 57, 3])[0]
    body = r.randbytes(size // 2).hex()
    lines = [body[i:i + 72] for i in range(0, len(body), 72)]
    return ("Subject: %s\nX-Tag: %s\n\n%s\n" %
            (tag, tag, "\n".join(lines))).encode()


def acknowledged(cluster, m):
    if len(m.nodes) < cluster.copies and cluster.refuses:
        bad("%s was acknowledged with too few copies: %s" % (m.id, m.nodes))
    with lock:
        if m.id in ledger:
            wrong.append("%s was acknowledged twice" % m.id)
        ledger[m.id] = m
        m.node.acked += 1


# --- by SMTP

def connection(node, kind):
    """A new one, or one that was kept; None: there is none."""
    kept = own.kept.pop(node.name, None) if kind == "kept" else None
    if kept:
        return kept
    try:
        mailer.enter(node.netns)
        return mailer.connect(kind, node.address, HANG)
    except (OSError, mailer.smtplib.SMTPException) as e:
        codes["%s: no connection, %s" % (node.name, type(e).__name__)] += 1
        if isinstance(e, TimeoutError):
            bad("no connection to %s in %d s" % (node.name, HANG))
        return None


def end_connection(node, kind, c, is_good):
    if is_good and kind == "kept":
        own.kept[node.name] = c
        return
    try:
        if is_good:
            c.quit()
    except (OSError, mailer.smtplib.SMTPException):
        pass
    c.close()


def note_kept(node, cluster, to, text, o, took):
    nodes = node.accepted.nodes_of(o.id)
    if nodes is None:
        # the log was wiped: so was this node's disk
        note("%s: the log of %s does not have it" % (o.id, node.name))
        nodes = {node.name}
    acknowledged(cluster, Message(o.id, None, nodes, to, text, node, took))


def send_by_smtp(node, cluster, tag, text):
    """As send."""
    kind = own.rnd.choices(["new", "kept", "lmtp"], [40, 40, 20])[0]
    to = own.rnd.sample(MAILBOXES, own.rnd.randint(1, 3))
    start = time.monotonic()
    c = connection(node, kind) if node.is_up else None
    if c is None:
        return False
    text = text.replace(b"\n", b"\r\n")
    o = mailer.put(c, "a@example.net", to, text)
    end_connection(node, kind, c, o.state in ("kept", "refused"))
    codes["%s %s %d" % (kind, o.state, o.code)] += 1
    if o.text == "timeout" or o.state == "unequal":
        bad("%s, %s of %s: %s" % (node.name, kind, tag, o.text))
    elif o.state == "refused" and not 400 <= o.code < 500:
        bad("%s said %d %s" % (node.name, o.code, o.text))
    elif o.state == "refused":
        refused[tag] += 1
    elif o.state == "kept":
        note_kept(node, cluster, to, text, o, time.monotonic() - start)
    elif o.state == "unsure":
        unsure[tag] += 1
        if own.rnd.random() < 0.5:
            # as a sender would; it may come twice, and gone it is not
            send_by_smtp(own.rnd.choice(list(cluster.nodes.values())),
                         cluster, tag, text.replace(b"\r\n", b"\n"))
    return o.state != "away"


def send(node, cluster, tag, text):
    """One message through one pipeline; into the ledger when it is safe."""
    with node.lock:
        if not node.is_up:
            return False
        p = Pipeline(node)
    feed(p.store.stdin, text)
    receipt = p.mirror.stdout.read()
    done = [p.store.wait(), p.mirror.wait()]
    if done == [0, 75] and not receipt:
        refused[tag] += 1
    if done == [0, 0]:
        f = receipt.decode().rstrip("\n").split("\t")
        acknowledged(cluster, Message(
            f[0], f[1], {c.split("#")[0] for c in f[2].split(",")}, p.to,
            text.replace(b"\n", b"\r\n"), node,
            time.monotonic() - p.began))
    feed(p.add.stdin, receipt)
    for line in p.add.stdout.read().decode().splitlines():
        f = line.split("\t")
        for entry in f[4].split(",") if len(f) > 4 else ():
            with lock:
                was = entries.setdefault(entry, f[0])
            if was != f[0]:
                clashes.append((entry, was, f[0]))
    p.end()
    for c in done + [p.add.returncode]:
        if c in NEVER:
            bad("exit code %d of a pipeline on %s" % (c, node.name))
    return True


def send_until_taken(node, cluster, tag):
    """What was refused is sent again, as a whole, to any node, as a sender
    would; the tag must not come twice."""
    text = make_text(tag)
    while not stop.is_set():
        gone.discard(tag)
        was = refused[tag]
        if not (send_by_smtp if BY_SMTP else send)(node, cluster, tag, text):
            time.sleep(0.05)
            return
        if refused[tag] == was:
            return
        gone.add(tag)
        time.sleep(0.05)
        node = own.rnd.choice(list(cluster.nodes.values()))


def worker(node, cluster, k):
    own.rnd = random.Random("%d %s %d" % (SEED, node.name, k))
    own.kept = {}
    n = 0
    while not stop.is_set():
        n += 1
        try:
            send_until_taken(node, cluster, "%s-%d-%d" % (node.name, k, n))
        except Exception as e:
            bad("worker: %r" % e)
            return
        time.sleep(own.rnd.uniform(0, 0.04))


def watch_pipelines():
    """What hangs is told of, and ended."""
    while True:
        time.sleep(1)
        with lock:
            late = [p for p in Pipeline.running
                    if time.monotonic() - p.began > HANG]
        for p in late:
            p.began = time.monotonic()
            bad("a pipeline on %s took over %d s: %s" %
                (p.node.name, HANG, [q.poll() for q in p.all]))
            for q in p.all:
                q.kill()


# --- faults: each hurts one node, or the way between two, and mends it

def pause():
    time.sleep(rnd.uniform(0.5, 2.5) if SECONDS < 60 else rnd.uniform(1, 8))


def spared(cluster):
    return [n for n in cluster.names if n != cluster.reference]


def agent_of(node):
    """The pid of its catalog's agent; 0 when there is none."""
    try:
        with open("%s/%s/state/run/catalog.lock" % (DIR, node)) as f:
            return int(f.read())
    except (OSError, ValueError):
        return 0


def leader(cluster):
    """The node that leads the catalog, as the first that answers says."""
    for node in cluster.nodes.values():
        m = re.search(r"^leader\t(n\d+)$", node.run("cm-catalog", "stat")[1],
                      re.M)
        if m:
            return m[1]
    return cluster.names[0]


def signal_agent(pid, what):
    """Only ever to one process: 0 and -1 would mean many."""
    if pid > 1:
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            pass


def fault_agent(cluster):
    """The leader's agent dies; its node goes on."""
    name = leader(cluster)
    yield "agent " + name
    signal_agent(agent_of(name), signal.SIGKILL)
    pause()


def fault_pause(cluster):
    """The leader's agent is stopped, and goes on as if nothing was."""
    name = leader(cluster)
    pid = agent_of(name)
    yield "pause " + name
    signal_agent(pid, signal.SIGSTOP)
    try:
        pause()
    finally:
        signal_agent(pid, signal.SIGCONT)


def smtpds(node):
    """Its processes of cm-smtpd: {pid: parent}."""
    mine = ("CM_LAB=%s/%s" % (DIR, node)).encode()
    found = {}
    for d in glob.glob("/proc/[0-9]*"):
        try:
            with open(d + "/environ", "rb") as f:
                if mine not in f.read().split(b"\0") or os.path.basename(
                        os.readlink(d + "/exe")) != "cm-smtpd":
                    continue
            with open(d + "/stat") as f:
                found[int(d[6:])] = int(f.read().rsplit(")")[1].split()[1])
        except OSError:
            pass
    return found


def fault_worker(cluster):
    """Workers of cm-smtpd die, one after the other or all at once, now and
    then the process that keeps them."""
    name = rnd.choice(cluster.names)
    yield "worker " + name
    for _ in range(rnd.randint(5, 30)):
        pids = smtpds(name)
        workers = [p for p, parent in pids.items() if parent in pids]
        masters = sorted(pids.keys() - set(workers))
        kind = rnd.random()
        some = masters if kind < 0.1 else workers
        if some and kind < 0.5:
            some = [rnd.choice(some)]
        for p in some:
            signal_agent(p, signal.SIGKILL)
        time.sleep(rnd.uniform(0, 0.3))


def fault_kill(cluster):
    node = cluster.nodes[rnd.choice(spared(cluster))]
    yield "kill " + node.name
    node.set_up(False)
    lab("kill", node.name)
    pause()
    lab("start", node.name)
    node.set_up(True)


def fault_stop(cluster):
    node = cluster.nodes[rnd.choice(cluster.names)]
    yield "stop " + node.name
    node.set_up(False)
    lab("stop", node.name)
    try:
        pause()
    finally:
        lab("cont", node.name)
    node.set_up(True)


def fault_cut(cluster):
    a, b = rnd.sample(cluster.names, 2)
    yield "cut %s %s" % (a, b)
    lab("cut", a, b)
    try:
        pause()
    finally:
        lab("heal")


def fault_wipe(cluster):
    node = cluster.nodes[rnd.choice(spared(cluster))]
    yield "wipe " + node.name
    node.set_up(False)
    lab("kill", node.name)
    excuse(cluster, node)
    lab("wipe", node.name)
    wiped.add(node.name)
    pause()
    lab("start", node.name)
    node.set_up(True)
    rebuild(node)


def holders(cluster, m):
    """The nodes whose disks have it, wherever it was put."""
    if m.place is not None:
        return where(cluster, m, m.place)
    have = set()
    for folders in cluster.folders.values():
        for node, path in folders:
            for p in glob.glob(path + "/*.seg"):
                with open(p, "rb") as f:
                    if m.id.encode() in f.read():
                        have.add(node)
    return have


def excuse(cluster, node):
    """With "degrade" one node may have been the only one, and says so.  It is
    killed: what the others have now is all that there is."""
    with lock:
        for m in list(ledger.values()):
            if m.nodes == {node.name} and not m.caught_up and \
               not holders(cluster, m) - {node.name}:
                excused[m.id] = ledger.pop(m.id)
                note("%s was on %s alone, said at %.1f" %
                     (m.id, node.name, m.at - began))


def rebuild(node):
    """Now and then it is killed on its way, and has to go on."""
    if rnd.random() < 0.5:
        p = node.popen("cm-rebuild", "node", node.name,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        time.sleep(rnd.uniform(0.02, 0.5))
        p.kill()
        p.wait()
    end = time.monotonic() + CATCH_UP
    while True:
        code, out = node.run("cm-rebuild", "node", node.name)
        if code == 0:
            return
        if code != 75 or time.monotonic() > end:
            raise RuntimeError("cm-rebuild node %s: exit %d\n%s" %
                               (node.name, code, out))
        time.sleep(0.2)


def tell(*texts):
    for t in texts:
        for line in t.splitlines():
            print("#     " + line)


def until_done(cluster, *cmd):
    """The command exits 0 on every node, if need be after some time."""
    start = time.monotonic()
    told = False
    for node in cluster.nodes.values():
        while True:
            code, out = node.run(*cmd)
            if code == 0:
                break
            if not told and time.monotonic() - start > SLOW_AFTER:
                told = True
                note("%s on %s is slow: exit %d" % (" ".join(cmd), node.name,
                                                    code))
                tell(out, node.run("cm-mirror", "-s")[1])
                log_tails(node.name, "mirror-*")
            if time.monotonic() > start + CATCH_UP:
                raise RuntimeError("%s on %s: exit %d after %d s\n%s" % (
                    " ".join(cmd), node.name, code, CATCH_UP, out))
            time.sleep(0.2)


def catch_up(cluster):
    with lock:
        seen = list(ledger.values())
    until_done(cluster, "cm-mirror", "-a")
    if cluster.catalog is None:
        until_done(cluster, "sh", "-c", "cm-catalog stat | awk -v n=$CM_NODE "
                   "'$1 == \"replica\" && $2 == n { print; "
                   "if ($3 == \"leader\" || $3 == \"follower\") ok = 1 } "
                   "END { exit ok ? 0 : 75 }'")
    for m in seen:
        m.caught_up = True


Message.caught_up = False


def all_run():
    """Nothing is hurt: what the next fault may rely on."""
    p = subprocess.run([LAB, "status", DIR], capture_output=True, check=True,
                       text=True, timeout=COMMAND)
    states = {f[0]: f[2] for f in map(str.split, p.stdout.splitlines())
              if re.fullmatch(r"n\d+", f[0])}
    if set(states.values()) != {"up"}:
        raise RuntimeError("before a fault: %s" % states)


class Tally:
    def __init__(self):
        self.n = self.acked = 0
        self.long = 0.0         # seconds beyond the time of patience


def acked_of(cluster):
    return collections.Counter({n: node.acked
                                for n, node in cluster.nodes.items()})


def each(cluster, counts):
    return ", ".join("%s %d" % (n, counts[n]) for n in cluster.names)


def one_fault(cluster, fault, tally):
    all_run()
    before, t0 = acked_of(cluster), time.monotonic()
    steps = fault(cluster)
    what = next(steps)
    next(steps, None)
    per, t1 = acked_of(cluster) - before, time.monotonic()
    acked = per.total()
    catch_up(cluster)
    note("%-10s %4.1f s, %4d acknowledged (%s); caught up after %.1f s" %
         (what, t1 - t0, acked, each(cluster, per), time.monotonic() - t1))
    t = tally[what.split()[0]]
    t.n += 1
    t.acked += acked
    t.long += max(0, t1 - t0 - PATIENCE)


def faults(cluster, tally):
    all_kinds = {"kill": fault_kill, "stop": fault_stop, "wipe": fault_wipe}
    if cluster.catalog is None:
        all_kinds.update(agent=fault_agent, pause=fault_pause)
    if BY_SMTP:
        all_kinds["worker"] = fault_worker
    if cluster.can_cut:
        all_kinds["cut"] = fault_cut
    kinds = [f for k, f in all_kinds.items() if not KINDS or k in KINDS]
    rnd.shuffle(kinds)
    turn = 0
    while time.monotonic() - began < SECONDS:
        # each kind once, then any
        fault = kinds[turn] if turn < len(kinds) else rnd.choice(kinds)
        turn += 1
        one_fault(cluster, fault, tally)
        time.sleep(rnd.uniform(0.1, 0.5))
    for kind, t in tally.items():
        if t.acked == 0 and t.long > 5:
            bad("%s: nothing was acknowledged, %d times" % (kind, t.n))


# --- what must hold at the end

def check_command(node, *cmd):
    code, out = node.run(*cmd)
    if code != 0:
        bad("%s on %s: exit %d\n%s" % (" ".join(cmd), node.name, code, out))


def check_catalog(cluster):
    """A node lists what is on its own disk, before the copies have it.  So a
    message that was never acknowledged may be listed and lost with a disk,
    see "a home made of a copy that was behind" in cm-internals(7)."""
    node = cluster.nodes[cluster.reference]
    code, out = node.run("cm-catalog", "check")
    rest = []
    for line in out.splitlines():
        m = re.search(r"(\w+):\d+:\d+:\d+: (\w+) is in the catalog, but "
                      "there is no record", line)
        if m and m[2] not in ledger and \
           cluster.folders[m[1]][0][0] in wiped:
            hollow.add(m[2])
        else:
            rest.append(line)
    if rest or code != bool(hollow):
        bad("cm-catalog check on %s: exit %d\n%s" % (node.name, code, out))


def digest_of(path, start=0, size=-1):
    with open(path, "rb") as f:
        f.seek(start)
        return hashlib.sha256(f.read(size)).digest()


def check_segments(cluster):
    """Home and copies are the same, byte for byte.  An empty segment of the
    home, which was begun and left, has nothing to be sent."""
    count = 0
    for volume, folders in sorted(cluster.folders.items()):
        have = {node: {os.path.basename(p): digest_of(p)
                       for p in glob.glob(path + "/*.seg")
                       if os.path.getsize(p) > 0}
                for node, path in folders}
        home = folders[0][0]
        count += len(have[home])
        for node, segments in have.items():
            for name in sorted(segments.keys() | have[home].keys()):
                if segments.get(name) != have[home].get(name):
                    bad("%s/%s differs on %s and %s" %
                        (volume, name, home, node))
    return count


def is_in(m, place, path):
    volume, segment, offset, length = place.split(":")
    # the message is the end of its record, with an LF behind it
    start = int(offset) + int(length) - m.size - 1
    try:
        return digest_of("%s/%s.seg" % (path, segment), start,
                         m.size) == m.text
    except OSError:
        return False


def where(cluster, m, place):
    """The nodes on whose disks it is."""
    return {node for node, path in cluster.folders[place.split(":")[0]]
            if is_in(m, place, path)}


def check_disks(cluster, places):
    """Each is whole in the files of enough nodes.  One that a node took after
    another had given up waiting for copies has two places."""
    moved = 0
    for m in ledger.values():
        listed = places.get(m.id, set())
        moved += m.place not in listed and m.place is not None
        for place in ({m.place} | listed) - {None}:
            on = where(cluster, m, place)
            if len(on) < cluster.copies:
                bad("%s of %s (%s), acknowledged on %s, is on %s only" %
                    (m.id, m.node.name, place, sorted(m.nodes), sorted(on)))
    return moved


def listing(node, mailbox):
    """(entry, id, size, place) of each message, in the order of cm-fetch."""
    code, out = node.run("cm-catalog", "list", mailbox)
    if code != 0:
        bad("cm-catalog list %s on %s: exit %d\n%s" %
            (mailbox, node.name, code, out))
        return []
    lines = [line.split("\t") for line in out.splitlines()]
    return [(f[0], f[1], int(f[3]), f[2]) for f in lines]


def check_lists(cluster):
    """Each once for each recipient, as seen from each node; the lists."""
    want = collections.defaultdict(set)
    for m in ledger.values():
        for mailbox in m.to:
            want[mailbox].add(m.id)
    lists = {}
    for mailbox in MAILBOXES:
        seen = {n: listing(node, mailbox)
                for n, node in cluster.nodes.items()}
        lists[mailbox] = seen[cluster.reference]
        ids = collections.Counter(e[1] for e in seen[cluster.reference])
        for i in sorted(want[mailbox] - ids.keys()):
            m = ledger[i]
            bad("%s of %s (%s) is not listed for %s" %
                (i, m.node.name, m.place, mailbox))
        for i, n in ids.items():
            if n > 1:
                bad("%s is listed %d times for %s" % (i, n, mailbox))
        for n in seen:
            if seen[n] != seen[cluster.reference]:
                bad("the list of %s on %s is not that of %s" %
                    (mailbox, n, cluster.reference))
    return lists


def look_at_validities(cluster):
    for node in cluster.nodes.values():
        code, out = node.run_if_up("cm-catalog", "dump", "-l")
        for line in out.splitlines() if code == 0 else ():
            f = line.split("\t")
            if f[0] == "folder":
                with lock:
                    validities[f[1]].add(f[3])


def watch_validities(cluster):
    while not stop.is_set():
        try:
            look_at_validities(cluster)
        except (RuntimeError, subprocess.TimeoutExpired):
            pass            # asked again soon
        stop.wait(3)


def check_uids(cluster, lists):
    """A UID that somebody was told of means the same message for ever, within
    a UIDVALIDITY.  Of a pair, one that a node gave while it was alone may mean
    nothing any more: that node was wiped, or the other one went on."""
    look_at_validities(cluster)
    now = {e[0]: e[1] for entries_of in lists.values() for e in entries_of}
    void = new = 0
    for entry, i in entries.items():
        if now.get(entry) == i:
            continue
        if cluster.is_pair and entry not in now:
            void += 1
        else:
            clashes.append((entry, i, now.get(entry)))
    for entry, was, i in clashes:
        if cluster.is_pair and len(validities[entry.rsplit("/", 1)[0]]) > 1:
            new += 1
        else:
            bad("%s was %s, and is %s" % (entry, was, i))
    if void:
        note("%d UIDs of a node that was alone mean nothing any more" % void)
    if new:
        note("%d UIDs were of an earlier UIDVALIDITY" % new)


def check_dumps(cluster):
    """All catalogs are the same, soon: a pair that was split needs a moment to
    see that it was, and to merge; each of them is done with all before that,
    by its own lights."""
    end = time.monotonic() + CATCH_UP
    while True:
        dumps = {n: hashlib.sha256(node.run("cm-catalog", "dump", "-l")[1]
                                   .encode()).hexdigest()
                 for n, node in cluster.nodes.items()}
        if len(set(dumps.values())) == 1:
            return
        if time.monotonic() > end:
            bad("the catalogs differ: %s" % dumps)
            return
        time.sleep(0.5)


def fetch(node, *what):
    with node.popen("cm-fetch", "-r", *what, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        try:
            out, err = p.communicate(timeout=COMMAND)
        except subprocess.TimeoutExpired:
            p.kill()
            return 75, b"", "took over %d s" % COMMAND
    return p.returncode, out, err.decode(errors="replace")


def fetched(node, mailbox, entries):
    """The messages of a mailbox; one by one when they do not add up."""
    code, out, err = fetch(node, mailbox)
    whole = [e for e in entries if e[1] not in hollow]
    want = 0 if len(whole) == len(entries) else 65
    entries = whole
    if code == want and len(out) == sum(size for _, _, size, _ in entries):
        at = 0
        for _, i, size, _ in entries:
            yield i, out[at:at + size]
            at += size
        return
    bad("cm-fetch -r %s on %s: exit %d, %d bytes\n%s" %
        (mailbox, node.name, code, len(out), err))
    for entry, i, _, _ in entries[:1000]:
        code, out, err = fetch(node, entry)
        if code != 0:
            bad("cm-fetch -r %s (%s) on %s: exit %d\n%s" %
                (entry, i, node.name, code, err))
        yield i, out


def check_texts(cluster, lists):
    """Each comes back as it was sent, and no message under two ids."""
    count = 0
    for k, (mailbox, entries) in enumerate(sorted(lists.items())):
        node = cluster.nodes[cluster.names[k % len(cluster.names)]]
        tags = collections.Counter()
        for i, text in fetched(node, mailbox, entries):
            count += 1
            if i in ledger and not is_same(text, ledger[i]):
                bad("%s came back changed from %s" % (i, node.name))
            m = re.search(rb"X-Tag: (\S+)", text[:2000])
            check_tag(m[1].decode() if m else "", mailbox, tags)
    return count


def is_same(text, m):
    at = max(0, len(text) - m.size)
    return hashlib.sha256(text[at:]).digest() == m.text and \
        (text.startswith(b"Return-Path: <") if BY_SMTP else at == 0)


def check_tag(tag, mailbox, tags):
    if not tag:
        return
    tags[tag] += 1
    if tags[tag] > 1 + unsure[tag]:
        bad("%s is there %d times for %s; it was refused %d times, and %d "
            "times nobody knows" % (tag, tags[tag], mailbox, refused[tag],
                                    unsure[tag]))
    if tag in gone and not unsure[tag]:
        bad("%s was refused, but is listed" % tag)


def finish(cluster):
    lab("up")
    if cluster.can_cut:
        lab("heal")
    catch_up(cluster)
    until_done(cluster, "cm-catalog", "sync")
    if cluster.catalog is None:
        check_dumps(cluster)
        until_done(cluster, "cm-catalog", "sync")
    for node in cluster.nodes.values():
        check_command(node, "cm-rebuild", "check")
    check_catalog(cluster)
    segments = check_segments(cluster)
    lists = check_lists(cluster)
    check_uids(cluster, lists)
    if cluster.catalog is None:
        check_dumps(cluster)
    places = collections.defaultdict(set)
    for entries in lists.values():
        for _, i, _, place in entries:
            places[i].add(place)
    moved = check_disks(cluster, places)
    count = check_texts(cluster, lists)
    note("%d segments compared, %d entries listed, %d fetched; %d listed at "
         "another place than acknowledged" %
         (segments, sum(map(len, lists.values())), count, moved))


def log_tails(node="n*", log="*"):
    for path in sorted(glob.glob("%s/%s/log/%s" % (DIR, node, log)) +
                       glob.glob("%s/%s/state/run/%s.log" %
                                 (DIR, node, log))):
        with open(path, errors="replace") as f:
            lines = f.readlines()[-5:]
        if lines:
            print("# --- %s\n# %s" % (path, "# ".join(lines).rstrip()))


def report(cluster, tally):
    print("# exit codes: " + ", ".join("%s: %d" % c
                                       for c in sorted(codes.items())))
    print("# faults: " + ", ".join("%s %d (%d acknowledged meanwhile)" %
                                   (k, t.n, t.acked)
                                   for k, t in sorted(tally.items())))
    if BY_SMTP:
        print("# lost behind the data: %d messages, %d times" %
              (len(unsure), sum(unsure.values())))
    few = sum(len(m.nodes) < cluster.copies for m in ledger.values())
    per = acked_of(cluster)
    print("# refused and sent again: %d messages, %d times" %
          (len([n for n in refused.values() if n]), sum(refused.values())))
    print("# acknowledged: %d (%s), %d of them short of copies; lost with "
          "their only disk: %d; listed, never acknowledged and lost: %d" %
          (len(ledger), each(cluster, per), few, len(excused), len(hollow)))
    for name in cluster.names:
        took = sorted(m.took for m in ledger.values() if m.node.name == name)
        if took:
            print("# seconds until acknowledged on %s: half %.3f, 99%% %.3f, "
                  "all %.3f" % (name, took[len(took) // 2],
                                took[len(took) * 99 // 100], took[-1]))
        else:
            wrong.append("nothing was acknowledged on " + name)
    for w in wrong[:30]:
        print("# " + w[:3000].rstrip().replace("\n", "\n#     "))
    if wrong:
        print("# %d things are wrong" % len(wrong))
        log_tails()
    sys.stdout.flush()


def attempt(step, *args):
    try:
        step(*args)
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        bad(str(e))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # whatever happens, it ends; who started this ends the lab
    faulthandler.dump_traceback_later(
        SECONDS + 2 * CATCH_UP + HANG + CHECKS, exit=True)
    cluster = Cluster()
    tally = collections.defaultdict(Tally)
    workers = [threading.Thread(target=worker, args=(node, cluster, k),
                                daemon=True)
               for node in cluster.nodes.values() for k in range(WORKERS)]
    threading.Thread(target=watch_pipelines, daemon=True).start()
    if cluster.is_pair:
        threading.Thread(target=watch_validities, args=(cluster,),
                         daemon=True).start()
    note("%d nodes, %d copies, %s%s, seed %d" %
         (len(cluster.names), cluster.copies, "by SMTP, " if BY_SMTP else "",
          "refuse" if cluster.refuses else "degrade", SEED))
    for w in workers:
        w.start()
    attempt(faults, cluster, tally)
    stop.set()
    for w in workers:
        w.join(2 * HANG)
    attempt(finish, cluster)
    report(cluster, tally)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
