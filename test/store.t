#!/usr/bin/env python3
"""cm-store: a message is stored as it came, once, or not at all."""
import fcntl
import os
import re
import resource
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *

incoming = base + "/state/spool/incoming"
ULID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"


def fetch(uid, folder="INBOX", mailbox=BOB):
    return run("cm-fetch", "-r", "-F", folder, "-u", str(uid), mailbox).stdout


def add(receipts):
    return run("cm-catalog", "add", stdin=receipts).stdout.decode()


def record(receipt):
    """The record's own bytes, by the receipt's place."""
    v, s, off, n = receipt.decode().split("\t")[1].split(":")
    with open(seg(v, int(s)), "rb") as f:
        f.seek(int(off))
        return f.read(int(n))


def unchanged(name, *cmd, code=67, stdin=b"Subject: x\n\nx\n", **kw):
    """It exits with code, prints no receipt, and nothing is stored."""
    was = segments("v1")
    r = exits(code, name, *cmd, stdin=stdin, **kw)
    ok(r.stdout == b"" and segments("v1") == was, name + ": nothing stored",
       r.stdout)
    return r


def envelope_and_receipt():
    t0 = int(time.time() * 1000)
    r = exits(0, "two recipients", "cm-store", "-f", "Carl@Example.net",
              ANN, BOB, stdin="Subject: two\n\nbody\n")
    f = r.stdout.decode().rstrip("\n").split("\t")
    ok(len(f) == 4 and re.fullmatch(ULID, f[0]), "a receipt of four fields", f)
    ok(re.fullmatch(r"v1:00000001:\d+:\d+", f[1]), "the place", f)
    same(f[2:], ["n1", "ann@example.org/INBOX,bob@example.org/INBOX"],
         "the home, and each mailbox with its folder")
    when = 0
    for c in f[0][:10]:
        when = when * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(c)
    ok(t0 <= when <= time.time() * 1000, "the id begins with the time",
       [t0, when])
    b = record(r.stdout)
    ok(b.endswith(b"Subject: two\r\n\r\nbody\r\n\n") and
       b.count(b"\r\nbody\r\n") == 1, "the record is there, stored once", b)
    ok(b"Carl@example.net" in b or b"carl@example.net" in b,
       "with the sender", b)
    add(r.stdout)
    same([m[1] for m in listed(ANN)], [f[0]], "listed for one")
    same([m[1] for m in listed()], [f[0]], "and for the other")

    run("cm-user", "alias", "all@example.org", ANN, BOB, "bob+x@example.org")
    r = store("x\n", "all@example.org", "BOB@example.org", BOB)
    same(r.stdout.decode().rstrip("\n").split("\t")[3:],
         ["ann@example.org/INBOX,bob@example.org/INBOX"],
         "each mailbox once, however many recipients lead to it")
    add(r.stdout)
    for sender in ("", "<>"):
        r = store("x\n", args=("-f", sender))
        ok(r.returncode == 0 and b"\nfrom \n" in record(r.stdout) or
           b"\nfrom\n" in record(r.stdout), "the null sender %r" % sender,
           record(r.stdout))
        add(r.stdout)

    for name, enc in (("Sent/2023", "Sent/2023"), ("a b,c%", "a%20b%2Cc%25"),
                      ("Gel\u00f6scht/\u65e5\u672c", "Gel\u00f6scht/\u65e5"
                       "\u672c"), ("inbox", "INBOX")):
        r = store("Subject: f\n\nx\n", args=("-F", name))
        same(r.stdout.decode().rstrip("\n").split("\t")[3:],
             ["bob@example.org/" + enc], "folder %r" % name)
        e = add(r.stdout).rstrip("\n").split("\t")[-1]
        ok(e.startswith("bob@example.org/" + enc + "/"), "listed there", e)
        same(fetch(e.split("/")[-1], name), b"Subject: f\r\n\r\nx\r\n",
             "and fetched from there")


def refused():
    r = unchanged("an unknown recipient", "cm-store", "no@example.org")
    ok(b"no@example.org" in r.stderr, "is named", r.stderr)
    r = unchanged("two unknown of three", "cm-store", "x@example.org", BOB,
                  "y@example.com")
    ok(b"x@example.org" in r.stderr and b"y@example.com" in r.stderr,
       "each is named", r.stderr)
    for name in ("/x", "x/", "a//b", "", "x\ny", b"\xff".decode(
            errors="surrogateescape"), "x" * 5000):
        unchanged("folder %r" % name[:8], "cm-store", "-F", name, BOB,
                  code=65)
    for name in ("a b@c.d", "a@b\nc", "@", "x" * 3000 + "@b.c"):
        unchanged("sender %r" % name[:8], "cm-store", "-f", name, BOB,
                  code=65)
    for args in ((), ("-m",), ("-q", BOB), ("-q", "-m"), ("-x", BOB),
                 ("-m", "-d", base, BOB), ("-q", "-d", base), ("-F",)):
        unchanged("usage: %s" % " ".join(args), "cm-store", *args, code=64)
    unchanged("no such file", "cm-store", "-C", base + "/none", BOB, code=66)
    unchanged("no such node", "cm-store", "-n", "n9", BOB, code=78)
    stop_all()
    unchanged("no catalog to ask", "cm-store", BOB, code=75,
              env={"CM_BIN": "/none"})


def closed_descriptors():
    """What a shell does with <&- and >&-: no file of ours gets their place."""
    was = segments("v1")
    for fd in (0, 1, 2):
        r = run("cm-store", BOB, stdin="Subject: closed\n\nx\n",
                pre=lambda: os.close(fd))
        now = segments("v1")
        ok(all(now[f].startswith(was[f]) for f in was),
           "without fd %d nothing stored is touched" % fd, r)
        ok((r.returncode == 0) == (fd == 2), "and the exit status tells", r)
        was = now
    same(run("cm-rebuild", "check").returncode, 0, "the log is good")
    run("cm-catalog", "sync")


def content():
    messages = {
        "empty": b"",
        "header only": b"Subject: x\n",
        "header without its line's end": b"Subject: x",
        "body only": b"\njust a body\n",
        "no final newline": b"Subject: x\n\nend",
        "NULs": b"Subject: \0\n\n\0\0\0\n\0",
        "8 bit": b"Subject: \xff\xfe\xe4\n\n" + bytes(range(128, 256)),
        "every byte": bytes(range(256)) * 3,
        "bare CR": b"Subject: x\r\n\r\na\rb\r\r\nc\r",
        "CRs alone": b"\r\r\r",
        "mixed line ends": b"A: b\r\nC: d\n\r\n\ne\r\n\n\r\n",
        "a long line": b"Subject: " + b"x" * 3000000 + b"\n\n" +
        b"y" * 3000000,
        "a dot": b"A: b\n\n.\n..\n.\r\n",
        "From_ lines": b"From x\n>From y\n\nFrom z\n",
        "like a record": None,
        "CR at the end of a chunk": b"x" * 65535 + b"\r\ny",
        "CR before LF over two chunks": b"x" * 65536 + b"\r" + b"\n" * 3,
        "spilled": b"0123456789abcde\n" * 70000 + b"\r",
    }
    messages["like a record"] = read(seg("v1"))
    all_receipts = b""
    for name, m in messages.items():
        r = store(m, args=("-F", "C"))
        all_receipts += r.stdout
        if r.returncode != 0:
            ok(False, name, r)
    add(all_receipts)
    uid = 0
    for name, m in messages.items():
        uid += 1
        want = re.sub(rb"(?<!\r)\n", b"\r\n", m)
        got = fetch(uid, "C")
        ok(got == want, "unharmed: " + name,
           "%d bytes, not %d: %r" % (len(got), len(want), got[:60]))
    same(run("cm-rebuild", "check").returncode, 0, "the log is good")
    same(run("cm-catalog", "check").returncode, 0, "the catalog too")


def large():
    limit = 50 << 20
    line = b"0123456789" * 10 + b"\r\n"
    big = (b"Subject: big\r\n\r\n" + line * (limit // len(line) + 1))[:limit]

    def little_memory():
        if not SAN:         # ASan's own memory counts
            resource.setrlimit(resource.RLIMIT_DATA, (40 << 20, 40 << 20))
    r = exits(0, "the largest message, in 40 MiB of memory", "cm-store", "-F",
              "Big", BOB, stdin=big, pre=little_memory)
    add(r.stdout)
    ok(fetch(1, "Big") == big, "comes back")
    unchanged("one byte more", "cm-store", "-F", "Big", BOB, stdin=big + b"x",
              code=65, pre=little_memory)
    unchanged("too large by its CRs", "cm-store", BOB, code=65,
              stdin=b"\n" * (limit // 2 + 1))
    configure(policy='<policy size="1K"/>')
    same(store(b"x" * 1024).returncode, 0, "as large as the policy says")
    r = unchanged("larger", "cm-store", BOB, stdin=b"x" * 1025, code=65)
    ok(b"1024" in r.stderr, "the limit is named", r.stderr)
    configure()


def mbox():
    box = b"""From carl@example.net Fri Nov 24 08:30:01 2023
Subject: one
Status: RO
X-Status: AF

>From quoted
>>From twice

From MAILER-DAEMON Fri Nov 24 08:30:02 2023
Subject: two

no final newline"""
    r = exits(0, "an mbox", "cm-store", "-m", "-F", "M", BOB, stdin=box)
    same(r.stdout.count(b"\n"), 2, "two receipts")
    add(r.stdout)
    m = listed(BOB, "-F", "M")
    same([x[4][:19] for x in m], ["2023-11-24T08:30:01",
                                  "2023-11-24T08:30:02"], "times of arrival")
    same(sorted(m[0][5].split()), ["\\Answered", "\\Flagged", "\\Seen"],
         "flags")
    same(m[1][5], "-", "and none")
    same(fetch(1, "M").split(b"\r\n\r\n")[1], b"From quoted\r\n>From twice"
         b"\r\n", "a > less")
    lines = r.stdout.splitlines()
    ok(b"carl@example.net" in record(lines[0]), "the sender of its From_")
    r = store(box, args=("-m", "-f", "dora@example.net", "-F", "M"))
    ok(b"dora@example.net" in record(r.stdout.splitlines()[0]) and
       b"carl@" not in record(r.stdout.splitlines()[0]), "-f goes before it")
    add(r.stdout)
    r = exits(0, "an empty mbox", "cm-store", "-m", BOB, stdin=b"")
    same(r.stdout, b"", "nothing of nothing")
    unchanged("not an mbox", "cm-store", "-m", BOB, stdin=b"hello\n", code=65)
    unchanged("unknown recipient", "cm-store", "-m", "no@example.org",
              stdin=box)
    configure(policy='<policy size="2K"/>')
    was = len(listed())
    r = exits(65, "one message of three is too large", "cm-store", "-m", BOB,
              stdin=b"From a@b.c Fri Nov 24 08:30:01 2023\nA: 1\n\n1\n\nFrom "
              b"a@b.c Fri Nov 24 08:30:01 2023\nA: 2\n\n" + b"x" * 3000 +
              b"\n\nFrom a@b.c Fri Nov 24 08:30:01 2023\nA: 3\n\n3\n")
    ok(b"mbox:6" in r.stderr, "its line is named", r.stderr)
    add(r.stdout)
    same(len(listed()) - was, r.stdout.count(b"\n"),
         "what has a receipt is stored, and nothing else")
    configure()


def maildir():
    d = base + "/M"
    for sub in ("tmp", "new", "cur", ".Sent/cur"):
        os.makedirs(d + "/" + sub)
    write(d + "/tmp/0.half", b"Subject: half\n\n")
    write(d + "/.Sent/cur/0.other:2,S", b"Subject: other\n\n")
    write(d + "/new/1.new", b"Subject: 1\n\nnew\n")
    for i, f in enumerate(("", "S", "FRS", "DT", "abS", "P")):
        write(d + "/cur/%d.cur:2,%s" % (i + 2, f), b"Subject: %d\n\n" % i)
    write(d + "/cur/8.empty:2,", b"")
    os.symlink("/etc/passwd", d + "/cur/9.link:2,S")
    os.mkfifo(d + "/cur/9.fifo:2,S")
    for f in os.listdir(d + "/cur"):
        if "cur" in f or "empty" in f:
            os.utime(d + "/cur/" + f, (1700000000 + int(f[0]),) * 2)
    r = exits(0, "a Maildir", "cm-store", "-d", d, "-F", "D", BOB)
    add(r.stdout)
    m = listed(BOB, "-F", "D")
    same(len(m), 8, "new and cur, no tmp, links or folders")
    flags = sorted(" ".join(sorted(x[5].split())) for x in m)
    same(flags, ["-", "-", "-", "-", "\\Answered \\Flagged \\Seen",
                 "\\Deleted \\Draft", "\\Seen", "\\Seen"], "flags")
    times = sorted(x[4] for x in m)
    same([t[:19] for t in times[:7]], ["2023-11-14T22:13:%02d" % (22 + i)
                                       for i in range(7)], "times")
    unchanged("no Maildir", "cm-store", "-d", base + "/none", BOB, code=66)
    unchanged("a file", "cm-store", "-d", base + "/cluster.xml", BOB, code=66)


def drop(name, text):
    write(incoming + "/tmp/" + name, text)
    os.rename(incoming + "/tmp/" + name, incoming + "/new/" + name)


def spool():
    r = exits(0, "-q with no spool yet", "cm-store", "-q")
    drop("a", b"from carl@example.net\nto %s\nto all@example.org\nfolder Fax"
         b"/in\n\nSubject: a\n\nx\n" % BOB.encode())
    drop("b", b"to bob@example.org\r\n\r\nSubject: b\r\n\r\nx\r\n")
    drop("c", b"to bob@example.org\n\n")
    drop("bad1", b"Subject: x\n\nno lines\n")
    drop("bad2", b"to no@example.org\n\nx\n")
    drop("bad3", b"from a@b.c\n\nnobody\n")
    drop("bad4", b"to bob@example.org\nfolder /x\n\nx\n")
    drop("bad5", b"to bob@example.org\nno empty line")
    drop("bad6", b"")
    os.mkfifo(incoming + "/new/bad7")
    os.mkdir(incoming + "/new/bad8")
    write(incoming + "/tmp/half", b"to bob@example.org\n\nhalf")
    r = run("cm-store", "-q", timeout=20)
    ok(r.returncode in (65, 67), "-q says that something failed for good", r)
    same(r.stdout.count(b"\n"), 3, "three receipts")
    same(sorted(os.listdir(incoming + "/failed")),
         ["bad%d" % i for i in range(1, 9)], "what can never be stored")
    ok(all(b"/%s" % f.encode() in r.stderr for f in
           os.listdir(incoming + "/failed")), "is named", r.stderr)
    same(os.listdir(incoming + "/new"), [],
         "the rest is gone, and no FIFO held it up")
    same(os.listdir(incoming + "/tmp"), ["half"], "tmp is left alone")
    os.unlink(incoming + "/tmp/half")
    rows = add(r.stdout).splitlines()
    same(rows[0].split("\t")[3], "bob@example.org/Fax/in,ann@example.org/Fax"
         "/in", "recipients and folder")
    same(fetch(1, "Fax/in"), b"Subject: a\r\n\r\nx\r\n", "the message")
    same(exits(0, "nothing is left", "cm-store", "-q").stdout, b"",
         "and nothing is stored again")

    # What cannot be done now stays.
    drop("later", b"to bob@example.org\n\nSubject: later\n\n")
    r = unchanged("no space", "cm-store", "-q", code=75, pre=full)
    same(os.listdir(incoming + "/new"), ["later"], "it stays")
    r = exits(75, "no reader for the receipts", "sh", "-c",
              "cm-store -q >/dev/full")
    ok(r.stderr != b"", "says so")
    same(os.listdir(incoming + "/new"), ["later"], "it stays too")
    r = exits(0, "then it is stored", "cm-store", "-q")
    add(r.stdout)
    run("cm-catalog", "sync")
    i = r.stdout.decode().split("\t")[0]
    same([m[1] for m in listed()].count(i), 1,
         "and listed once, though it was stored twice")


def killed_spool():
    names = ["k%03d" % i for i in range(120)]
    for n in names:
        drop(n, b"to bob@example.org\nfolder Kill\n\nSubject: %s\n\n%s\n" %
             (n.encode(), b"x" * 2000))
    left = len(names)
    rounds = 0
    while left and rounds < 400:
        rounds += 1
        p = subprocess.Popen(["cm-store", "-q"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
        goal = left - 1 - rounds * 5 % 11
        # killed at the moment when so many are done
        while p.poll() is None and len(os.listdir(incoming + "/new")) > goal:
            pass
        if p.poll() is None:
            p.kill()
        p.communicate()
        left = len(os.listdir(incoming + "/new"))
    same(left, 0, "killed again and again, the spool empties")
    ok(rounds > 3, "it was killed in the midst", rounds)
    run("cm-catalog", "sync")
    m = listed(BOB, "-F", "Kill")
    subjects = sorted(fetch(x[0].split("/")[-1], "Kill").split(b"\r\n")[0]
                      for x in m)
    same(subjects, [b"Subject: " + n.encode() for n in names],
         "every message is there exactly once")
    same(os.listdir(incoming + "/failed").count("k000"), 0, "none failed")


def full():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    n = os.stat(seg("v1")).st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))


def no_space():
    for n in (1000, 3000000):
        was = segments("v1")
        r = unchanged("no space for %d bytes" % n, "cm-store", BOB, code=75,
                      stdin=b"x" * n, pre=full)
        ok(b"volume v1: write" in r.stderr, "is said", r.stderr)
    a = store("Subject: after\n\n")
    same(add(a.stdout).count("\n"), 1, "with space it goes on")
    same(run("cm-rebuild", "check").returncode, 0, "the log is good")

    name = "a disk that fills up"
    if not can_unshare():
        return skip(name, "no mounts of our own (unshare -rm)")
    # The disk is in the namespace only: all that looks at it runs there.
    os.mkdir(base + "/disk")
    conf = read(base + "/cluster.xml")
    configure('<volume name="v1" home="n1" path="%s/disk/v1"/>' % base,
              state=base + "/disk/state")
    r = run("unshare", "-rm", "sh", "-c", r"""
        mount -t tmpfs -o size=24m none disk && cd disk || exit 1
        cm-user add -N bob@example.org || exit 1
        head -c 300000 /dev/urandom >m
        : >receipts
        n=0
        while cm-store bob@example.org <m >>receipts 2>err; do
            n=$((n + 1)); [ $n -lt 200 ] || exit 2; done
        cm-store bob@example.org <m >out 2>>err
        echo "code $? out $(wc -c <out)"
        rm m
        size=$(stat -c %s v1/00000001.seg)
        end=$(tail -n 1 receipts | cut -f 2 | tr : ' ' |
            awk '{ print $3 + $4 }')
        echo "half $((size - end))"
        cm-rebuild check >&2; echo "check $?"
        echo small | cm-store bob@example.org >>receipts; echo "again $?"
        cm-catalog sync; cm-catalog check >&2; echo "catalog $?"
        echo "lost $(($(wc -l <receipts) -
            $(cm-catalog list bob@example.org | wc -l)))"
        pid=$(cat state/run/catalog.lock)
        cm-catalog stop
        tail --pid=$pid -f /dev/null
        """, pre=lambda: os.chdir(base))
    write(base + "/cluster.xml", conf)
    same(r.stdout.decode().splitlines(), [
        "code 75 out 0", "half 0", "check 0", "again 0", "catalog 0",
        "lost 0"], name + ": 75, nothing by half, and all is good afterwards")
    if r.stderr:
        print("# " + r.stderr.decode()[:2000].replace("\n", "\n# "))


def no_lock():
    fd = os.open(base + "/v1/lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    t0 = time.monotonic()
    r = unchanged("the append lock is held", "cm-store", BOB, code=75)
    ok(time.monotonic() - t0 < 30, "not for ever")
    ok(b"lock" in r.stderr, "is said", r.stderr)
    os.close(fd)
    same(store("x\n").returncode, 0, "afterwards it goes on")
    # Another volume takes it meanwhile.
    configure('<volume name="v1" home="n1" path="%s/v1"/><volume name="v2" '
              'home="n1" path="%s/v2"/>' % (base, base))
    os.makedirs(base + "/v2")
    fd = os.open(base + "/v1/lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    for i in range(2):
        r = exits(0, "with another volume it is stored", "cm-store", BOB,
                  stdin="x\n")
        ok(b"\tv2:" in r.stdout, "there", r.stdout)
    os.close(fd)


def one_by_one():
    """Many at once: all receipts are of different places, all is listed."""
    n = 12
    ps = [subprocess.Popen(["cm-store", "-F", "Many", BOB],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
          for i in range(n)]
    for i, p in enumerate(ps):
        p.stdin.write(b"Subject: %d\n\n" % i + b"x" * i * 9000)
        p.stdin.close()
    out = b"".join(p.stdout.read() for p in ps)
    ok(all(p.wait() == 0 for p in ps), "twelve at once")
    for p in ps:
        p.stdout.close()
    add(out)
    m = listed(BOB, "-F", "Many")
    same(sorted(x[1] for x in m), sorted(ids(out.decode().splitlines())),
         "each is there once")


try:
    configure()
    users()
    configure('<volume name="v1" home="n1" path="%s/v1"/>' % base)
    # from here on the volume has no copy: nothing follows it but the agent
    plain = configure

    def configure(volumes='<volume name="v1" home="n1" path="%s/v1"/>' % base,
                  **kw):
        plain(volumes, **kw)
    envelope_and_receipt()
    refused()
    closed_descriptors()
    content()
    large()
    mbox()
    maildir()
    spool()
    killed_spool()
    no_space()
    one_by_one()
    no_lock()
finally:
    finish()
