#!/usr/bin/env python3
"""Programs that other people wrote read mailboxes whose messages lie on three
nodes, through one of them, and get each message once with its own bytes, also
when another node dies in the middle of it.

The node that dies is the home of a third of what they read: the rest of that
comes from its copy.
"""
import os
import random as rnd
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from readers import *                                           # noqa
import front                                                    # noqa

CORPUS = os.environ.get("CORPUS") or os.environ["ROOT"] + "/examples/mail"
NODES = "n1", "n2", "n3"
LARGE, LARGE_SIZE = 24, 600000          # more than all buffers on the way hold
RELAY_AT = ".18"                        # the certificate has it
# A first line that begins so is taken off by fetchmail: an mbox's.
MBOX_LINE = re.compile(rb"\AFrom .*\r\n")

# (client, its mailbox, way, kept on the server, a node dies)
READINGS = [
    (python, 0, "implicit", True, True),
    (python, 0, "stls", False, False),
    (curl, 1, "stls", True, True),
    (curl, 1, "implicit", True, False),
    (curl, 1, "stls-plain", True, False),
    (curl, 8, "implicit", False, False),
    (mpop, 2, "scram", True, True),
    (mpop, 2, "scram", True, None),     # again: nothing is new
    (mpop, 3, "implicit", False, True),
    (mpop, 4, "stls", True, False),
    (mpop, 5, "implicit-scram-1", False, False),
    (fetchmail, 6, "implicit", True, True),
    (fetchmail, 6, "implicit", True, None),
    (fetchmail, 7, "stls", False, False),
]


def box(k):
    return "u%d@%s" % (k, DOMAIN)


def message(i):
    r = rnd.Random(i)
    out = b"From: a@from.test\r\nSubject: large %d\r\n\r\n" % i
    while len(out) < LARGE_SIZE:
        out += b"." * r.choice((0, 0, 1, 2)) + b"%x" % r.getrandbits(
            r.choice((8, 200, 3000))) + b"\r\n"
    return out


def clean(data):
    """What each client can be asked to give back as it is: not a bare CR or LF,
    which files of lines do not have."""
    data = crlf(data)
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def fill():
    """All messages to all mailboxes, on each node a third; in their order."""
    boxes = [box(k) for k in sorted({r[1] for r in READINGS})]
    mails = [clean(read(f)) for f in sorted(glob.glob(CORPUS + "/*.eml"))]
    mails += [message(i) for i in range(LARGE)]
    rnd.Random(1).shuffle(mails)
    for i, m in enumerate(mails):
        on(NODES[i % 3], "sh", "-c",
           'cm-store "$@" | cm-mirror | cm-catalog add', "sh", *boxes,
           stdin=m)
    for n in NODES:
        on(n, "cm-catalog", "sync")
    lines = on("n1", "cm-catalog", "list", boxes[0]).decode().splitlines()
    homes = [x.split("\t")[2].split(":")[0] for x in lines]
    same((len(lines), sorted(set(homes))), (len(mails), ["v1", "v2", "v3"]),
         "%d messages, on three nodes" % len(mails))
    same(on("n1", "cm-fetch", "-r", boxes[0]), b"".join(mails),
         "each node's third in turn")
    return mails


def differs(got, want):
    if len(got) != len(want):
        return "%d messages of %d" % (len(got), len(want))
    for k, (g, w) in enumerate(zip(got, want)):
        if g != w:
            i = len(os.path.commonprefix([g, w]))
            return "message %d, from byte %d: %r, not %r; it begins %r" % (
                k + 1, i, g[i:i + 200], w[i:i + 200], w[:500])
    return None


def dies(node):
    r = lab("kill", LAB, node)
    if r.returncode != 0:
        raise AssertionError(r)


def back(node):
    r = lab("start", LAB, node)
    if r.returncode != 0:
        raise AssertionError(r)
    on(node, "cm-catalog", "sync")


def reading(number, relay, mails, client, k, way, keep, death):
    name = "%s, %s%s" % (client.__name__, way, "" if keep else ", deleting")
    job = Job(front.net + RELAY_AT, POP3[way], box(k), base + "/%s%d" % (
        client.__name__, k), keep)
    os.makedirs(job.dir, exist_ok=True)
    want = [] if death is None else mails
    if client is fetchmail:
        want = [MBOX_LINE.sub(b"", m) for m in want]
    victim = NODES[1 + number % 2]
    relay.arm(sum(map(len, mails)) // 5 if death else None,
              (lambda: dies(victim)) if death else None)
    try:
        got = client(job)
    except (Failed, OSError, poplib.error_proto,
            subprocess.TimeoutExpired) as e:
        ok(False, name, repr(e))
        return
    why = differs(got, want)
    ok(why is None, "%s: %s" % (
        name, "nothing new" if death is None else
        "%d messages%s" % (len(want), ", while %s dies" % victim
                           if death else "")), why)
    if death:
        ok(relay.act is None and relay.after > sum(map(len, mails)) / 2,
           "it was in the middle: most came later", (relay.n, relay.after))
        back(victim)
    if not keep:
        left = on("n1", "cm-catalog", "list", box(k))
        same(left, b"", "nothing is left in the mailbox")


def go():
    mails = fill()
    relay = Relay(front.net + RELAY_AT, front.net + ".11", (2110, 2995))
    for i, r in enumerate(READINGS):
        if len(sys.argv) > 1 and r[0].__name__ not in sys.argv[1:]:
            continue
        client, tree = r[0], "fetchmail" if r[0] is fetchmail else None
        if client is not python and not find(client.__name__, tree):
            missing(client.__name__, "its package is not there")
            continue
        reading(i, relay, mails, *r)
    if len(sys.argv) > 1:
        return
    log = read(LAB + "/n1/state/run/pop3d.log").decode()
    seen = set(re.findall(r"login as=\S+ mechanism=(\S+)", log))
    same(sorted(seen), ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "password"],
         "the log has logins by all mechanisms")


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
