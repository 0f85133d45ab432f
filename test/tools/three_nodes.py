"""Mailboxes whose messages lie on three nodes of a lab, one of which dies."""
import imaplib
import poplib
import random as rnd

import front
from readers import *

CORPUS = os.environ.get("CORPUS") or os.environ["ROOT"] + "/examples/mail"
NODES = "n1", "n2", "n3"
LARGE, LARGE_SIZE = 24, 600000          # more than all buffers on the way hold
RELAY_AT = ".18"                        # the certificate has it
# A first line that begins so is taken off by fetchmail: an mbox's.
MBOX_LINE = re.compile(rb"\AFrom .*\r\n")


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


def fill(numbers):
    """All messages to all these mailboxes, on each node a third; in their
    order."""
    boxes = [box(k) for k in numbers]
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


def reading(number, relay, mails, client, k, way, called, keep, death):
    """A client gets all; with death a node dies meanwhile, with None it has
    them all and gets nothing.  The way has a name."""
    name = "%s, %s%s" % (client.__name__, called, "" if keep else
                         ", deleting")
    job = Job(front.net + RELAY_AT, way, box(k), base + "/%s%d" % (
        client.__name__, k), keep)
    os.makedirs(job.dir, exist_ok=True)
    want = [] if death is None else mails
    if client.__name__.startswith("fetchmail"):
        want = [MBOX_LINE.sub(b"", m) for m in want]
    victim = NODES[1 + number % 2]
    relay.arm(sum(map(len, mails)) // 10 if death else None,
              (lambda: dies(victim)) if death else None)
    try:
        got = client(job)
    except (Failed, OSError, poplib.error_proto, imaplib.IMAP4.error,
            subprocess.TimeoutExpired) as e:
        ok(False, name, repr(e))
        return
    why = differs(*(list(filter(getattr(client, "keeps", None), x))
                    for x in (got, want)))
    if len(got) != len(want):
        why = "%d messages of %d" % (len(got), len(want))
    ok(why is None, "%s: %s" % (
        name, "nothing new" if death is None else
        "%d messages%s" % (len(want), ", while %s dies" % victim
                           if death else "")), why)
    if death:
        ok(relay.act is None and relay.after > relay.n / 2,
           "it was in the middle: most came later", (relay.n, relay.after))
        back(victim)
    if not keep:
        left = on("n1", "cm-catalog", "list", box(k))
        same(left, b"", "nothing is left in the mailbox")
