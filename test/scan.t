#!/usr/bin/env python3
"""What happens before a message is kept: a real clamd, programs, the quarantine.

EICAR's test string is known to clamd by a signature of our own, since none can be
downloaded here.
"""
import base64
import io
import os
import re
import shutil
import signal
import socket
import sys
import threading
import zipfile

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *

# in two pieces, so that this file is not one
EICAR = (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-" +
         b"ANTIVIRUS-TEST-FILE!$H+H*")
SIGNATURE = "Test.Eicar.UNOFFICIAL"
FIELD = b"X-Clustermail-Filter: "
CLAMD = shutil.which("clamd", path=os.environ["ROOT"] +
                     "/build/trees/clamav-daemon/usr/sbin:" +
                     os.environ["PATH"] + ":/usr/sbin")
SOCKET = base + "/clamd.sock"
clamd = None


def filters(text):
    configure(rest="<filters>%s</filters>" % text)


def by_clamd(more=""):
    filters('<clamd socket="%s" timeout="20" %s/>' % (SOCKET, more))


def start_clamd(limit="30M"):
    """Its folder has one signature: the string at the start of a file."""
    global clamd
    os.makedirs(base + "/db", exist_ok=True)
    write(base + "/db/test.ndb", "Test.Eicar:0:0:%s\n" % EICAR.hex())
    write(base + "/clamd.conf", "LocalSocket %s\nDatabaseDirectory %s/db\n"
          "Foreground yes\nStreamMaxLength %s\nMaxThreads 4\nLogFile %s\n"
          "TemporaryDirectory %s\n" % (SOCKET, base, limit,
                                       base + "/clamd.log", base))
    clamd = subprocess.Popen([CLAMD, "-c", base + "/clamd.conf"],
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    return until(lambda: os.path.exists(SOCKET), 60)


def stop_clamd():
    global clamd
    if clamd:
        clamd.send_signal(signal.SIGCONT)
        clamd.terminate()
        clamd.wait(30)
    clamd = None


def send(data, *to):
    """The last answer to a message to bob in one session."""
    data = re.sub(rb"(?m)^\.", b"..", data)
    rcpts = b"".join(b"RCPT TO:<%s>\r\n" % t.encode() for t in to or (BOB,))
    r = run("cm-smtpd", timeout=120, stdin=b"HELO c.example\r\nMAIL FROM:"
            b"<ann@example.net>\r\n" + rcpts + b"DATA\r\n" + data +
            b"\r\n.\r\nQUIT\r\n")
    return r.stdout.decode().splitlines()[-2]


def inbox(box=BOB):
    run("cm-catalog", "sync")
    return [x for x in listed(box) if "/INBOX/" in x[0]]


def count(box=BOB):
    return len(inbox(box))


def last(box=BOB):
    return run("cm-fetch", "-r", inbox(box)[-1][0]).stdout


def part(content, encoding="7bit", kind="application/octet-stream"):
    return (b"Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s" % (
        kind.encode(), encoding.encode(), content))


def multi(*parts, subject=b"parts"):
    return (b"Subject: " + subject + b"\r\nMIME-Version: 1.0\r\nContent-Type: "
            b"multipart/mixed; boundary=\"b\"\r\n\r\nnot seen\r\n" +
            b"".join(b"--b\r\n" + p + b"\r\n" for p in parts) + b"--b--\r\n")


def zipped(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a.com", data)
    return out.getvalue()


def b64(data):
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


TEXT = part(b"all is well", kind="text/plain")
NESTED = (b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n" +
          part(b64(EICAR), "base64"))
INFECTED = {
    "plain": b"Subject: plain\r\n\r\n" + EICAR,
    "base64": multi(part(b64(EICAR), "base64"), TEXT),
    "zip": multi(TEXT, part(b64(zipped(EICAR)), "base64", "application/zip")),
    "second part": multi(TEXT, part(EICAR), TEXT),
    "nested message": multi(TEXT, NESTED),
}


def is_gone(raw):
    """No form of it is left."""
    return all(x not in raw for x in (EICAR, b64(EICAR)[:60],
                                      b64(zipped(EICAR))[:60]))


# --- clamd ---

def clean_mail():
    by_clamd()
    body = multi(TEXT, part(b64(b"\0\1\2" * 100), "base64"))
    said = send(body)
    ok(said.startswith("250 "), "clean: taken", said)
    ok(last().endswith(body + b"\r\n") and FIELD not in last(),
       "byte for byte", last())


def disarmed():
    by_clamd()
    for name, raw in INFECTED.items():
        said = send(raw)
        ok(said.startswith("250 2.0.0"), name + ": taken", said)
        got = last()
        ok(is_gone(got), name + ": it is gone", got)
        ok(FIELD + b"clamd; removed=" + SIGNATURE.encode() in got and
           b"A part of this message was removed" in got, name + ": marked",
           got)
        if name != "plain":
            ok(b"all is well" in got and got.count(b"\r\n--b") ==
               raw.count(b"--b\r\n") + 1, name + ": the rest is there", got)
        ok(re.search(rb"^Subject: ", got, re.M), name + ": its header, too",
           got)
    log = read(base + "/state/run/smtpd.log").decode()
    ok(re.search(r"filter id=\w+ filter=clamd action=marked finding=\"%s\" "
                 r"from=<ann@example.net> to=<bob@example.org> size=\d+" %
                 re.escape(SIGNATURE), log), "the finding is in the log",
       log[-800:])


def quarantined():
    by_clamd('infected="quarantine"')
    before = count()
    said = send(INFECTED["base64"], BOB, ANN)
    ok(said.startswith("250 2.0.0 ok "), "quarantine: taken", said)
    same(count(), before, "and not delivered")
    i = said.split()[-1]
    r = exits(0, "it is listed", "cm-scan", "quarantine", "list")
    row = r.stdout.decode().rstrip("\n").split("\t")
    same([row[0]] + row[2:6], [i, "clamd", SIGNATURE, "ann@example.net", BOB],
         "with what was found")
    show = exits(0, "shown", "cm-scan", "quarantine", "show", i).stdout
    ok(b"\nmailbox bob@example.org\nmailbox ann@example.org\n" in show and
       show.endswith(INFECTED["base64"] + b"\r\n"), "as it was", show)
    run("cm-catalog", "sync")
    same([x[1] for x in listed("quarantine@n1.invalid")], [i],
         "its copy is a record")
    exits(66, "another id", "cm-scan", "quarantine", "show", "0" * 26)
    exits(66, "no id", "cm-scan", "quarantine", "release", "../x")
    r = exits(0, "released", "cm-scan", "quarantine", "release", i)
    for box in BOB, ANN:
        got = last(box)
        ok(got.endswith(INFECTED["base64"] + b"\r\n") and FIELD not in got,
           "it is with %s as it was" % box, got)
        same(inbox(box)[-1][1], r.stdout.decode().strip(), "under its id")
    same(run("cm-scan", "quarantine", "list").stdout, b"", "and here no more")
    same(listed("quarantine@n1.invalid"), [], "nor its copy")
    exits(66, "released once", "cm-scan", "quarantine", "release", i)
    ids = [send(INFECTED[k]).split()[-1] for k in ("zip", "plain", "base64")]
    exits(0, "one is deleted", "cm-scan", "quarantine", "delete", ids[0])
    exits(0, "young ones do not expire", "cm-scan", "quarantine", "expire",
          "1")
    same([x.split("\t")[0] for x in run("cm-scan", "quarantine", "list")
          .stdout.decode().splitlines()], ids[1:], "two are left")
    exits(0, "expire 0", "cm-scan", "quarantine", "expire", "0")
    same(run("cm-scan", "quarantine", "list").stdout, b"", "all are gone")
    same(os.listdir(base + "/state/spool/quarantine/new"), [],
         "with their reports")


def half_released():
    """Cut off behind the delivery: it is there once."""
    by_clamd('infected="quarantine"')
    i = send(INFECTED["second part"]).split()[-1]
    new = base + "/state/spool/quarantine/new/"
    keep = {f: read(new + f) for f in os.listdir(new)}
    before = count()
    first = run("cm-scan", "quarantine", "release", i).stdout
    same(count(), before + 1, "released")
    for f, data in keep.items():
        write(new + f, data + (b"release " + first if "report" in f else b""))
    again = exits(0, "released again", "cm-scan", "quarantine", "release", i)
    same((again.stdout, count()), (first, before + 1), "and there once")


# --- clamd away ---

class Fake(threading.Thread):
    """A clamd that answers with that, or nothing."""

    def __init__(self, answer, hang=False):
        super().__init__(daemon=True)
        self.answer, self.hang = answer, hang
        self.s = socket.socket()
        self.s.bind(("127.0.0.1", 0))
        self.s.listen(16)
        self.port = self.s.getsockname()[1]
        self.start()

    def run(self):
        kept = []
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            kept.append(c)
            if not self.hang:
                try:
                    c.recv(65536)
                    c.sendall(self.answer)
                    c.shutdown(socket.SHUT_WR)
                except OSError:
                    pass


def away():
    before = count()
    mail = b"Subject: away\r\n\r\nx"
    for what, answer, hang in (("rubbish", b"\xff\0\1hello\0", False),
                               ("an error", b"stream: Broken ERROR\0", False),
                               ("nothing", b"", False),
                               ("half of it", b"stream: ", False),
                               ("a lie", b" FOUND\0", False),
                               ("too much", b"stream: " + b"x" * 5000, False),
                               ("no answer", b"", True)):
        f = Fake(answer, hang)
        for policy in "defer", "accept":
            filters('<clamd host="127.0.0.1" port="%d" timeout="1" '
                    'away="%s"/>' % (f.port, policy))
            said = send(mail)
            ok(said.startswith("451 4.7.1" if policy == "defer" else "250 "),
               "%s, %s" % (what, policy), said)
            if policy == "accept":
                ok(FIELD + b"clamd; unavailable\r\n" in last(),
                   what + ": marked", last())
        f.s.close()
    same(count(), before + 7, "deferred ones are not there")
    filters('<clamd socket="%s/none"/>' % base)
    ok(send(mail).startswith("451 "), "no socket: 451")
    filters('<clamd host="127.0.0.1" port="%d"/>' % f.port)
    ok(send(mail).startswith("451 "), "nobody listens: 451")
    by_clamd()
    clamd.send_signal(signal.SIGSTOP)
    filters('<clamd socket="%s" timeout="1"/>' % SOCKET)
    ok(send(mail).startswith("451 "), "it hangs: 451")
    clamd.send_signal(signal.SIGCONT)
    by_clamd()
    ok(send(mail).startswith("250 "), "and is there again: 250")


def large():
    data = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n"
    data += (b"y" * 76 + b"\r\n") * ((50 << 20) // 78)
    configure(policy='<policy size="60M"/>', rest='<filters><clamd socket='
              '"%s" max-size="60M" timeout="60" away="accept"/></filters>' %
              SOCKET)
    said = send(data)
    ok(said.startswith("250 "), "%d MiB" % (len(data) >> 20), said)
    ok(FIELD not in last() and last().endswith(data + b"\r\n"),
       "which clamd has looked at", last()[:600])
    by_clamd('max-size="1K"')
    before = count()
    ok(send(b"Subject: x\r\n\r\n" + b"x" * 2000).startswith("250 ") and
       FIELD + b"clamd; too-large\r\n" in last(), "over max-size: marked")
    same(count(), before + 1, "once")


def metrics():
    """What came of them is counted."""
    out = run("cm-scan", "counts").stdout.decode()
    n = {w: int(v) for w, v in re.findall(
        r'filter="clamd",result="(\S+)"} (\d+)', out)}
    ok(n["pass"] > 2 and n["marked"] >= len(INFECTED) and n["away"] >= 15 and
       n["quarantine"] >= 5 and n["too-large"] == 1, "counts", out)


# --- programs ---

def program(text, more=""):
    write(base + "/prog", "#!/bin/sh\n" + text)
    os.chmod(base + "/prog", 0o755)
    filters('<program command="%s/prog a b" timeout="2" %s/>' % (base, more))


def programs():
    mail = b"Subject: prog\r\n\r\n.dot\r\nx"
    program('cat >%s/in; env >%s/env; echo "$@" >%s/args\n'
            'echo "X-Spam: no"; echo "not a field"; echo "X-B: 1"\n'
            % (base, base, base))
    said = send(mail, BOB, ANN)
    ok(said.startswith("250 "), "a program: taken", said)
    got = last()
    ok(b"\r\nX-Spam: no\r\nX-B: 1\r\nReceived: " in got and
       b"not a field" not in got and got.endswith(mail + b"\r\n"),
       "its fields are in front", got)
    ok(read(base + "/in").endswith(mail + b"\r\n") and
       read(base + "/args") == b"a b\n", "it has had the message", read(
           base + "/in"))
    e = read(base + "/env").decode()
    ok("CM_SENDER=ann@example.net\n" in e and
       "CM_RECIPIENTS=%s\n%s\n" % (BOB, ANN) in e and
       "CM_HELO=c.example\n" in e and "CM_CLUSTER" not in e,
       "and what is known of it, no more", e)
    run("cm-user", "import", stdin=b"".join(
        b"alias %s%d@example.org bob@example.org\n" % (b"x" * 50, i)
        for i in range(990)))
    said = send(mail, *["%s%d@example.org" % ("x" * 50, i)
                        for i in range(990)])
    ok(said.startswith("250 "), "990 recipients", said)
    before = count()
    for code, want, name in ((75, "451 4.7.1", "defer"),
                             (77, "550 5.7.1 not you", "reject"),
                             (11, "250 ", "discard"),
                             (12, "250 ", "quarantine"),
                             (1, "451 ", "no answer of its own")):
        program('echo "not you"; exit %d' % code)
        said = send(mail)
        ok(said.startswith(want), name, said)
    same(count(), before, "none is kept")
    same(len(run("cm-scan", "quarantine", "list").stdout.splitlines()), 1,
         "one is in quarantine")
    run("cm-scan", "quarantine", "expire", "0")
    program("exit 10")
    ok(send(mail).startswith("250 "), "junk")
    same(count(), before, "not in INBOX")
    same(len([x for x in listed() if "/Junk/" in x[0]]), 1, "but in Junk")
    for what, text in (("sleeps", "sleep 60"), ("hangs in a child",
                       "sleep 60 & exec cat >/dev/null"),
                       ("is killed", "kill -9 $$"),
                       ("is not there", None)):
        program(text or "")
        if text is None:
            os.unlink(base + "/prog")
        ok(send(mail).startswith("451 "), "one that %s: 451" % what)
    program("echo 'X-Long: %s'; yes | head -c 1000000" % ("y" * 5000))
    ok(send(mail).startswith("250 ") and b"X-Long" not in last(),
       "one that says too much")
    program("exit 0")
    ok(send(b"Subject: big\r\n\r\n" + (b"z" * 70 + b"\r\n") * 100000)
       .startswith("250 "), "one that does not read")


def pipes():
    """cm-scan as a filter."""
    by_clamd()
    r = run("cm-scan", "-f", "a@b.example", BOB, stdin=INFECTED["base64"])
    ok(r.returncode == 0 and is_gone(r.stdout) and
       r.stdout.startswith(FIELD + b"clamd; removed="), "cm-scan disarms",
       r.stdout + r.stderr)
    r = run("cm-scan", stdin=b"Subject: x\r\n\r\nx\r\n")
    same((r.returncode, r.stdout), (0, b"Subject: x\r\n\r\nx\r\n"),
         "and passes on")
    by_clamd('infected="quarantine"')
    r = run("cm-scan", stdin=INFECTED["plain"])
    same((r.returncode, r.stdout), (12, b""), "quarantine: 12")
    program("exit 77")
    same(run("cm-scan", stdin=b"x").returncode, 77, "reject: 77")
    exits(64, "no command", "cm-scan", "quarantine")
    exits(64, "days", "cm-scan", "quarantine", "expire", "x")


def wrong_conf():
    for text, why in (
            ("<clamd/>", "clamd has either socket or host"),
            ('<clamd socket="/x" host="127.0.0.1"/>', "either"),
            ('<clamd host="localhost"/>', "not an IP address"),
            ('<program command="x"/>', "not absolute"),
            ('<program command="/a/b.sh"/>', "needs a name"),
            ('<program command="/a/b" away="x"/>', "defer or accept"),
            ('<other/>', "")):
        filters(text)
        r = run("cm-route", "show")
        ok(r.returncode == 78 and why.encode() in r.stderr and
           b"cluster.xml:1:" in r.stderr, "wrong: " + text, r.stderr)


try:
    configure()
    users(BOB, ANN)
    wrong_conf()
    programs()
    if CLAMD is None:
        missing("clamd", "no package clamav-daemon in build/trees")
    else:
        ok(start_clamd(), "clamd", os.path.exists(base + "/clamd.log") and
           read(base + "/clamd.log")[-1000:])
        clean_mail()
        disarmed()
        quarantined()
        half_released()
        pipes()
        away()
        stop_clamd()
        os.path.exists(SOCKET) and os.unlink(SOCKET)
        ok(start_clamd("60M"), "clamd with another limit")
        large()
        metrics()
finally:
    stop_clamd()
    finish()
