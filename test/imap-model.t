#!/usr/bin/env python3
"""Ten clients change one mailbox through three nodes; see
test/tools/imap_model.py.  MODEL_SECONDS and MODEL_SEED: how long (20), and with
which random numbers; MODEL_FAULTS=1: agents and workers are killed meanwhile.
"""
import os
import random
import sys
import time

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from front import *                                             # noqa
import front                                                    # noqa
from imap_model import *                                        # noqa

SECONDS = float(os.environ.get("MODEL_SECONDS", "20"))
SEED = os.environ.get("MODEL_SEED") or str(random.randrange(10 ** 9))
FAULTS = os.environ.get("MODEL_FAULTS") == "1"
CLIENTS = 10
USER = "model@" + DOMAIN


def where(r):
    return "%s.%d" % (front.net, r.choice((11, 12, 13))), 2993, CA


def pids(node, program):
    """Of that node's processes of a program."""
    out = []
    for p in os.listdir("/proc"):
        if not p.isdigit() or exe_of(int(p)) != BIN + "/" + program:
            continue
        try:
            env = read("/proc/%s/environ" % p)
        except OSError:
            continue
        if b"CM_LAB=%s/%s\0" % (LAB.encode(), node.encode()) in env:
            out.append(int(p))
    return out


def fault(r):
    node = r.choice(("n1", "n2", "n3"))
    if r.random() < 0.15:
        lab("kill", LAB, node)
        time.sleep(r.random() * 4)
        if lab("start", LAB, node).returncode != 0:
            raise AssertionError(node)
        return
    program = r.choice(("cm-catalog", "cm-imapd", "cm-imapd"))
    if p := pids(node, program):
        kill(r.choice(p))


def go():
    on("n1", "cm-user", "import", stdin="%s:secret\n" % USER)
    c = Imap(USER, server=Remote(*where(random)))
    c.ok("CREATE Other")
    c.close()
    ledger, end = Ledger(), time.monotonic() + SECONDS
    clients = [Client("c%d" % i, ledger, where, USER, SEED, lambda: end)
               for i in range(CLIENTS)]
    for x in clients:
        x.start()
    r, faults = random.Random(SEED), 0
    while time.monotonic() < end:
        time.sleep(1.5)
        if FAULTS:
            fault(r)
            faults += 1
    for x in clients:
        x.join(180)
    hung = [x.name for x in clients if x.is_alive()]
    same(hung, [], "all clients came to an end")
    ops, refused = sum(x.ops for x in clients), sum(x.refused for x in clients)
    print("# seed %s: %d changes, %d refused, %d messages, %d lost connections,"
          " %d faults" % (SEED, ops, refused, len(ledger.born),
                          sum(x.lost for x in clients), faults))
    ok(ops > 10 * CLIENTS, "they did something", ops)
    if not FAULTS:
        ok(refused < ops / 20, "few were refused", refused)
    for node in ("n1", "n2", "n3"):
        on(node, "cm-catalog", "sync")
    wrong = judge(clients, ledger, where, USER)
    ok(not wrong, "no rule is broken", "\n".join(wrong)[:8000])


try:
    if not lab_up(3):
        missing("the lab", "xinetd is not installed")
    else:
        try:
            go()
        finally:
            lab_down()
finally:
    finish()
