#!/usr/bin/env python3
"""Programs that other people wrote read mailboxes by IMAP, as in readers.t; and
keep them the same as Maildirs of theirs, both ways."""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from imap_readers import *                                      # noqa
from three_nodes import *                                       # noqa
import front                                                    # noqa

# (client, its mailbox, way, kept on the server, a node dies)
READINGS = [
    (imap_python, 0, "implicit", True, True),
    (imap_python, 0, "starttls", False, False),
    (imap_at_once, 1, "starttls-plain", True, True),
    (imap_at_once, 1, "implicit", False, False),
    (imap_curl, 2, "starttls", True, True),
    (imap_curl, 2, "implicit", True, False),
    (imap_curl, 2, "starttls-plain", False, False),
    (fetchmail_imap, 3, "implicit", True, True),
    (fetchmail_imap, 4, "starttls", False, False),
    (mbsync, 5, "implicit", True, True),
    (mbsync, 6, "starttls", True, True),
    (offlineimap, 7, "implicit", True, True),
]
PROGRAMS = {imap_curl: "curl", fetchmail_imap: "fetchmail", mbsync: "mbsync",
            offlineimap: "offlineimap"}
ADDED = b"From: me@from.test\r\nSubject: %s\r\n\r\nadded %s\r\n"


def there(client):
    name = PROGRAMS.get(client)
    if name is None or find(name, name if name == "fetchmail" else None):
        return True
    missing(client.__name__, "its package is not there")
    return False


# --- both ways ---


def server(m):
    """Of each folder: its messages' UIDs, flags and bytes."""
    out = {}
    for line in good(m.list()):
        name = line.decode().split(' "/" ', 1)[1].strip('"')
        good(m.select('"%s"' % name, readonly=True))
        got = good(m.fetch("1:*", "(UID FLAGS BODY.PEEK[])")) \
            if int(m.untagged_responses["EXISTS"][-1]) else []
        out[name] = [(int(re.search(rb"UID (\d+)", x[0])[1]),
                      sorted(re.search(rb"FLAGS \(([^)]*)", x[0])[1].split()),
                      x[1]) for x in got if isinstance(x, tuple)]
    return out


def near(job):
    """The same of the Maildirs, with names of files, too."""
    out = {}
    for d in sorted(glob.glob(job.dir + "/mail/**/cur", recursive=True)):
        folder = os.path.dirname(d)
        out[os.path.relpath(folder, job.dir + "/mail")] = maildir_messages(
            folder)
    return out


LETTERS = {rb"\Seen": "S", rb"\Flagged": "F", rb"\Answered": "R",
           rb"\Draft": "D"}


def letters(flags):
    return flags if isinstance(flags, str) else "".join(sorted(
        LETTERS[f] for f in flags if f in LETTERS))


def agree(client, far, here, name):
    """Both sides have the same messages with the same flags; UIDs of files are
    the client's own."""
    test = getattr(client, "keeps", lambda m: True)
    sides = [{folder: (len(x), sorted((own(m[-1]), letters(m[1])) for m in (
        x.values() if isinstance(x, dict) else x) if test(m[-1])))
        for folder, x in side.items()} for side in (far, here)]
    ok(sides[0] == sides[1], name, [(f, a, b[0]) for f in sides[0] for a, b in [
        (sides[0][f][0], sides[1].get(f, (None, None)))] if
        sides[0][f] != sides[1].get(f)])


def of_uid(job, folder, uid):
    return [f for f, m in maildir_messages(job.dir + "/mail/" + folder).items()
            if m[0] == uid][0]


def mark(path, letters):
    """As a reader does: into cur, with flags."""
    d, f = os.path.split(path)
    to = os.path.dirname(d) + "/cur/" + f.split(":2,")[0] + ":2," + letters
    os.rename(path, to)


def put_near(job, folder, what):
    d = job.dir + "/mail/" + folder
    for sub in "tmp", "new", "cur":
        os.makedirs(d + "/" + sub, exist_ok=True)
    write(d + "/new/%d.%s.host" % (1700000000, what),
          (ADDED % (what.encode(), what.encode())).replace(b"\r\n", b"\n"))


def change_near(job):
    mark(of_uid(job, "INBOX", 3), "FS")
    os.unlink(of_uid(job, "INBOX", 5))
    put_near(job, "INBOX", "near-inbox")
    put_near(job, "Made-near", "near-new")


def change_far(m):
    good(m.select())
    good(m.uid("STORE", "4", "+FLAGS", r"(\Answered \Flagged)"))
    good(m.uid("STORE", "6", "+FLAGS", r"\Deleted"))
    good(m.expunge())
    good(m.append("INBOX", r"(\Seen)", None, ADDED % (b"far-inbox",
                                                     b"far-inbox")))
    good(m.create("Made-far"))
    good(m.append("Made-far", None, None, ADDED % (b"far-new", b"far-new")))
    good(m.uid("COPY", "8,9", "Made-far"))


def both_ways(client, sync, k, way):
    """Changes on both sides, with a node dead; then nothing more to do."""
    job = Job(front.net + RELAY_AT, IMAP[way], box(k), base + "/%s%d" % (
        client.__name__, k), True)
    name = client.__name__
    m = session(job)
    before = server(m)
    change_near(job)
    change_far(m)
    dies("n3")
    try:
        for _ in range(2):      # folders that are new may need another one
            sync(job)
        far, here = server(m), near(job)
        agree(client, far, here, name + ": both ways, a node dead")
        same({f: len(x) for f, x in far.items()},
             {"INBOX": len(before["INBOX"]), "Made-far": 3, "Made-near": 1},
             name + ": what came and went on either side")
        flags = {u: f for u, f, _ in far["INBOX"]}
        same([rb"\Flagged" in flags[3] and rb"\Seen" in flags[3],
              rb"\Answered" in flags[4], 5 in flags, 6 in flags],
             [True, True, False, False], name + ": flags, and what went")
        kept = {u: x for u, _, x in before["INBOX"]}
        ok(all(kept[u] == x for u, _, x in far["INBOX"] if u in kept),
           name + ": the others are as they were")
        sync(job)
        same([server(m) == far, near(job) == here], [True, True],
             name + ": another run changes nothing")
    finally:
        back("n3")
    sync(job)
    same([server(m) == far, near(job) == here], [True, True],
         name + ": nor one with the node back")
    m.logout()


def talks_to_it(client, k, way, mails, relay):
    """The node dies that it talks to; the next run goes to another one."""
    job = Job(front.net + RELAY_AT, IMAP[way], box(k), base + "/%s%d" % (
        client.__name__, k), True)
    os.makedirs(job.dir, exist_ok=True)
    name = client.__name__ + ": its own node dies"
    relay.to = front.net + ".12"
    relay.arm(sum(map(len, mails)) // 10, lambda: dies("n2"))
    try:
        client(job)
        ok(False, name, "and nobody noticed")
    except (Failed, subprocess.TimeoutExpired):
        ok(relay.act is None, name + " in the middle")
    finally:
        relay.to = front.net + ".11"
        relay.arm(None, None)
    try:
        test = getattr(client, "keeps", None)
        why = differs(*(list(filter(test, x)) for x in (client(job), mails)))
        ok(why is None, name + ", and another one has the rest", why)
    except (Failed, subprocess.TimeoutExpired) as e:
        ok(False, name + ", and another one has the rest", e)
    back("n2")


def append_by_curl(k):
    """curl -T: with the flag that it gives, \\Seen."""
    mail = ADDED % (b"curl", b"curl")
    write(base + "/mail", mail)
    must(run(find("curl"), "-sS", "--max-time", str(TIMEOUT), "--cacert", CA,
             "--user", box(k) + ":" + PASSWORD, "-T", base + "/mail",
             "imaps://%s:2993/INBOX" % (front.net + ".12")))
    same([clean(x) for x in imap_python(Job(
        front.net + ".13", IMAP["implicit"], box(k), base, True))], [mail],
        "curl appends through one node, and another one has it")


def go():
    mails = fill(sorted({r[1] for r in READINGS} | {8, 9}))
    relay = Relay(front.net + RELAY_AT, front.net + ".11", (2143, 2993))
    only = sys.argv[1:]
    for i, r in enumerate(READINGS):
        if (not only or r[0].__name__ in only) and there(r[0]):
            reading(i, relay, mails, r[0], r[1], IMAP[r[2]], *r[2:])
    relay.arm(None, None)
    for client, sync, k, way in (
            (mbsync, mbsync_run, 5, "implicit"),
            (offlineimap, offlineimap_run, 7, "implicit")):
        if (not only or client.__name__ in only) and find(PROGRAMS[client]):
            both_ways(client, sync, k, way)
    # offlineimap's STARTTLS hangs on a loaded machine: a thread of imaplib2
    # that writes waits for the one that reads
    for client, k, way in (mbsync, 8, "starttls"), (offlineimap, 9,
                                                    "implicit"):
        if (not only or client.__name__ in only) and find(PROGRAMS[client]):
            talks_to_it(client, k, way, mails, relay)
    if not only and there(imap_curl):
        append_by_curl(20)


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
