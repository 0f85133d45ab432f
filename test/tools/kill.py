#!/usr/bin/env python3
"""kill.py ROUNDS SEED: store under load while processes are killed.

Workers run "cm-store | cm-mirror | cm-catalog add"; a killer ends one of the
three, a shipper or the agent with SIGKILL, ROUNDS times.  The ledger has every
message whose pipeline exited 0.  Prints what is wrong; exit 1 then.
"""
import os
import random
import signal
import subprocess
import sys
import threading
import time

rounds, seed = int(sys.argv[1]), int(sys.argv[2])
rnd = random.Random(seed)
run = os.environ["STATE"] + "/run"
mailboxes = ["u%d@example.test" % i for i in range(5)]
lock = threading.Lock()
live = {}               # name of the tool -> its processes
ledger = {}             # id -> number of recipients
longest = 0.0           # seconds from a pipeline's start to its end
failed = 0
HANG = 30 if os.environ.get("SAN") else 5
stop = False
wrong = []


def start(*cmd, stdin):
    with lock:
        p = subprocess.Popen(cmd, stdin=stdin, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        live.setdefault(cmd[0], set()).add(p)
    return p


def pipeline(n, r):
    to = r.sample(mailboxes, r.randint(1, 3))
    body = "Subject: %d\n\n%s\n" % (n, "x" * r.choice([10, 3000, 200000]))
    a = start("cm-store", "-f", "a@b.c", *to, stdin=subprocess.PIPE)
    b = start("cm-mirror", stdin=a.stdout)
    c = start("cm-catalog", "add", stdin=b.stdout)
    a.stdout.close()
    b.stdout.close()
    try:
        a.stdin.write(body.encode())
        a.stdin.close()
    except BrokenPipeError:
        pass
    out = c.stdout.read().decode()
    c.stdout.close()
    codes = [p.wait() for p in (c, b, a)]
    with lock:
        for p in (a, b, c):
            live[p.args[0]].discard(p)
    return codes == [0, 0, 0] and out, len(to)


def worker(k):
    global longest, failed
    r = random.Random(seed * 100 + k)
    n = k * 1000000
    while not stop:
        n += 1
        t0 = time.monotonic()
        out, count = pipeline(n, r)
        took = time.monotonic() - t0
        with lock:
            longest = max(longest, took)
            if out:
                ledger[out.split("\t")[0]] = count
            else:
                failed += 1


def pid_of(name):
    try:
        with open("%s/%s.lock" % (run, name)) as f:
            return int(f.read())
    except (OSError, ValueError):
        return 0


def is_ours(pid):
    """The lock file may name a process that is gone."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            words = f.read().split(b"\0")
        return any(w.endswith((b"/cm-catalog", b"/cm-mirror")) for w in words)
    except OSError:
        return False


def kill_one():
    what = rnd.choice(["cm-store", "cm-store", "cm-mirror", "cm-catalog",
                       "mirror-v1", "mirror-v2", "catalog", "catalog"])
    with lock:
        if what.startswith("cm-"):
            pid = rnd.choice(sorted(p.pid for p in live.get(what, ())
                                    if p.poll() is None) or [0])
        else:
            pid = pid_of(what)
            if pid and not is_ours(pid):
                pid = 0
        if not pid:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
    killed[what] = killed.get(what, 0) + 1
    return True


killed = {}
workers = [threading.Thread(target=worker, args=(k,)) for k in range(4)]
for w in workers:
    w.start()
kills = 0
while kills < rounds:
    time.sleep(rnd.uniform(0.005, 0.1))
    kills += kill_one()
    # on a slow machine kills must not outrun the mail
    since = time.monotonic()
    while len(ledger) < kills and time.monotonic() - since < HANG:
        time.sleep(0.01)
stop = True
for w in workers:
    w.join()

check = subprocess.run(["cm-catalog", "check"], capture_output=True, text=True)
if check.returncode != 0:
    wrong.append("check: exit %d\n%s%s" % (check.returncode,
                                           check.stdout[:2000], check.stderr))
listed = {}
for m in mailboxes:
    out = subprocess.run(["cm-catalog", "list", m], capture_output=True,
                         text=True)
    for line in out.stdout.splitlines():
        i = line.split("\t")[1]
        listed[i] = listed.get(i, 0) + 1
for i, n in ledger.items():
    if listed.get(i, 0) != n:
        wrong.append("%s: listed %d times, wanted %d" %
                     (i, listed.get(i, 0), n))
if longest > HANG:
    wrong.append("a pipeline took %.1f s" % longest)
if len(ledger) < rounds / 2:
    wrong.append("only %d messages were acknowledged" % len(ledger))
print("# killed: " + ", ".join("%s %d" % k for k in sorted(killed.items())))
print("# %d kills, %d pipelines done, %d failed, longest %.2f s" %
      (kills, len(ledger), failed, longest))
for w in wrong[:20]:
    print("# " + w.replace("\n", "\n# "))
sys.exit(bool(wrong))
