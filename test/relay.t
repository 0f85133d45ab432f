#!/usr/bin/env python3
# Mail for other domains: it goes to the smarthost once, is tried again, and
# goes back when it cannot be delivered.
import email
import email.policy
import fcntl
import os
import sys
import threading
import time

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *                                           # noqa
from smarthost import Smarthost                                 # noqa

OUT = os.environ["OUT"] + "/tools/outgoing"
spool = base + "/state/spool/outgoing"
certs = base + "/certs"
had = 1                 # reports to bob, of test_strange
CA = certs + "/ca.pem"
CERT, KEY = [certs + "/localhost/node." + s for s in ("pem", "key")]
MSG = b"From: bob@example.org\r\nSubject: a\r\n\r\n.\r\n..two\r\nend\r\n"
EVE, JOE = "eve@example.net", "joe@example.com"


def relay(h, tls="starttls", ca=CA, host="localhost", rest="", volumes=None):
    configure(volumes, rest='<relay host="%s" port="%d" tls="%s" %s %s/>' % (
        host, h if isinstance(h, int) else h.port, tls,
        'ca="%s"' % ca if ca else "", rest))


def add(*to, msg=MSG, sender=BOB, args=()):
    r = run(OUT, "-f", sender, *args, *(to or (EVE,)), stdin=msg)
    if r.returncode != 0:
        raise AssertionError(r)


def queue(*ids):
    return run("cm-relay", "-q", *ids)


def waiting():
    return sorted(os.listdir(spool + "/new"))


def lines():
    r = run("cm-relay", "-l")
    return [x.split("\t") for x in r.stdout.decode().splitlines()]


def state(i):
    return read("%s/state/%s" % (spool, i)).decode()


def change_state(i, key, value):
    s = "".join("%s %s\n" % (key, value) if x.startswith(key + " ") else
                x + "\n" for x in state(i).splitlines())
    write("%s/state/%s" % (spool, i), s)


def due_all():
    for i in waiting():
        if os.path.exists("%s/state/%s" % (spool, i)):
            change_state(i, "next", 1)


def clear():
    for i in waiting():
        os.unlink(spool + "/new/" + i)


def inbox(mailbox):
    return run("cm-fetch", "-r", mailbox).stdout


def bounces(n, mailbox=BOB):
    """The reports in a mailbox, once there are n of them but for the first."""
    skip = had if mailbox == BOB else 0
    until(lambda: len(listed(mailbox)) >= n + skip)
    out = []
    for entry in listed(mailbox)[skip:]:
        r = run("cm-fetch", "-r", entry[0])
        out.append(email.message_from_bytes(r.stdout,
                                            policy=email.policy.default))
    return out


def rcpts(mail):
    return [x[x.index("<") + 1:x.index(">")] for x in mail.rcpt]


def test_start():
    for cmd in (("ca",), ("node", "localhost")):
        r = run("sh", os.environ["ROOT"] + "/share/mkcerts", certs, *cmd)
        ok(r.returncode == 0, "certificates: " + cmd[0], r.stderr)
    configure()
    users(BOB, ANN)
    r = run(OUT, "-f", BOB, EVE, stdin=MSG)
    same(r.returncode, 77, "without a relay nothing is taken")
    exits(0, "an empty spool is no error", "cm-relay", "-q")
    for bad in ((), ("-x",), ("-q", "-l"), ("-r",), ("-l", "x"), ("-t",)):
        exits(64, "usage: %s" % " ".join(bad), "cm-relay", *bad)


def test_sends():
    h = Smarthost(CERT, KEY, login=("us", "secret"))
    write(base + "/password", "secret\n")
    relay(h, rest='user="us" password="%s/password"' % base)
    exits(64, "a recipient of ours is refused", OUT, "-f", BOB, EVE,
          "ann@EXAMPLE.org", stdin=MSG)
    exits(65, "and words that would be more than one line", OUT, "-f", BOB,
          "-e", "a\r\nRSET", EVE, stdin=MSG)
    same(waiting(), [], "nothing of them is taken")
    add(EVE, JOE)
    one = lines()
    ok(len(one) == 1 and one[0][2:4] == ["-", "0"] and
       one[0][5:7] == [BOB, EVE + "," + JOE], "it is listed", one)
    exits(0, "it is sent", "cm-relay", "-q")
    same([m.data for m in h.mail], [MSG], "byte for byte")
    same(rcpts(h.mail[0]), [EVE, JOE], "to both")
    ok(h.mail[0].mail.startswith("MAIL FROM:<%s> SIZE=%d" % (BOB, len(MSG)))
       and h.mail[0].tls and h.mail[0].user == "us", "with TLS and login",
       h.mail[0].mail)
    same(waiting(), [], "and gone")
    raw = b"A: b\r\n\r\n" + bytes(range(128, 256)) + b"\r\n"
    add(msg=raw)
    add(msg=b"A: b\n\nx\n.\n..\nno end")
    add(msg=b"")
    add(msg=b"A: b\r\n\r\n" + (b"." * 70 + b"\r\n") * 9000)
    before = h.connections
    exits(0, "several", "cm-relay", "-q")
    got = sorted(m.data for m in h.mail[1:])
    same(got, sorted([raw, b"A: b\r\n\r\nx\r\n.\r\n..\r\nno end\r\n", b"",
                      b"A: b\r\n\r\n" + (b"." * 70 + b"\r\n") * 9000]),
         "all bytes, with CRLF, and an end")
    ok([m for m in h.mail if m.data == raw][0].mail.endswith(
        "BODY=8BITMIME"), "8-bit is said")
    ok(h.connections - before <= 4, "not more than four connections",
       h.connections - before)
    for i in range(30):
        add(msg=MSG + b"%d\r\n" % i)
    before, h.most = h.connections, 0
    exits(0, "thirty", "cm-relay", "-q")
    same(len({m.data for m in h.mail[5:]}), 30, "are sent")
    ok(h.connections - before <= 4 and h.most <= 4, "over kept connections",
       (h.connections - before, h.most))
    many = ["u%d@example.net" % i for i in range(250)]
    add(*many)
    exits(0, "250 recipients", "cm-relay", "-q")
    same(sorted(sum([rcpts(m) for m in h.mail[35:]], [])), sorted(many),
         "each is reached once")
    same(len(h.mail), 38, "by a hundred at a time")
    r = run(OUT, "-s", "-f", BOB, EVE, stdin=MSG,
            env={"CM_BIN": os.environ["BIN"]})
    ok(r.returncode == 0 and until(lambda: len(h.mail) == 39),
       "it is sent at once when asked for", r)
    until(lambda: not waiting())
    h.close()


def test_ways():
    h = Smarthost(CERT, KEY, implicit=True)
    relay(h, tls="implicit")
    add()
    exits(0, "TLS from the beginning", "cm-relay", "-q")
    same(len(h.mail), 1, "works")
    h.close()
    h = Smarthost(words=())
    relay(h, tls="none", ca=None, host="127.0.0.1")
    add()
    exits(0, "no TLS, an address, a server that can do nothing",
          "cm-relay", "-q")
    ok(len(h.mail) == 1 and h.mail[0].mail == "MAIL FROM:<%s>" % BOB,
       "works, without parameters", [m.mail for m in h.mail])
    relay(h, ca=CA)
    add()
    exits(75, "TLS is wanted, and there is none", "cm-relay", "-q")
    same(len(h.mail), 1, "nothing is sent in the clear")
    ok("MAIL" not in " ".join(h.lines[-2:]), "not even begun", h.lines)
    h.close()
    clear()
    h = Smarthost(CERT, KEY)
    write(base + "/other.pem", read(CA))
    r = run("sh", os.environ["ROOT"] + "/share/mkcerts", base + "/other",
            "ca")
    relay(h, ca=base + "/other/ca.pem")
    add()
    r = exits(75, "a CA that did not sign it", "cm-relay", "-q")
    ok(b"ertificate" in r.stderr, "is said", r.stderr)
    relay(h, host="127.0.0.1")
    due_all()
    exits(75, "a certificate with another name", "cm-relay", "-q")
    same((h.mail, len(waiting())), ([], 1), "nothing is sent, all is kept")
    h.close()
    clear()


def test_login():
    h = Smarthost(CERT, KEY, login=("us", "secret"))
    write(base + "/password", "wrong\n")
    relay(h, rest='user="us" password="%s/password"' % base)
    add()
    add()
    r = exits(75, "a wrong password", "cm-relay", "-q")
    ok(b"535 5.7.8 wrong password" in r.stderr, "is said", r.stderr)
    same(r.stderr.count(b"\n"), 1, "once")
    same(len(waiting()), 2, "and is temporary")
    same([x[3] for x in lines()], ["1", "1"], "each was tried")
    relay(h)
    due_all()
    r = exits(75, "no login where one is wanted", "cm-relay", "-q")
    ok(b"log in first" in r.stderr, "is said", r.stderr)
    same(len(waiting()), 2, "and does not bounce")
    write(base + "/password", "secret")
    relay(h, rest='user="us" password="%s/password"' % base)
    exits(0, "nothing is due yet", "cm-relay", "-q")
    same(h.mail, [], "nothing is sent")
    exits(0, "now", "cm-relay", "-q", *waiting())
    same(len(h.mail), 2, "they are")
    os.unlink(base + "/password")
    add()
    exits(66, "no password file", "cm-relay", "-q")
    same(len(waiting()), 1, "all waits")
    clear()
    h.close()
    h = Smarthost(CERT, KEY)
    write(base + "/password", "secret")
    relay(h, rest='user="us" password="%s/password"' % base)
    add()
    r = exits(75, "a host without login, and we have one", "cm-relay", "-q")
    ok(b"offers no login" in r.stderr, "is said", r.stderr)
    clear()
    h.close()


def test_later():
    h = Smarthost(CERT, KEY)
    relay(h)
    h.rcpt[EVE] = ["450 4.2.0 busy", "250 ok"]
    add(EVE, JOE)
    exits(75, "450 for one of two", "cm-relay", "-q")
    same([rcpts(m) for m in h.mail], [[JOE]], "the other has it")
    one = lines()[0]
    same((one[3], one[6], one[7]), ("1", EVE, "450 4.2.0 busy"),
         "it is listed with the answer")
    i = waiting()[0]
    at = int(state(i).split("next ")[1].split()[0])
    ok(290 < at / 1000 - time.time() <= 300, "tried again in 5 minutes", at)
    exits(0, "not before", "cm-relay", "-q")
    same(len(h.mail), 1, "indeed")
    due_all()
    exits(0, "then it is sent", "cm-relay", "-q")
    same([rcpts(m) for m in h.mail], [[JOE], [EVE]], "to that one alone")
    for key, text in (("MAIL", "451 4.3.0 m"), ("DATA", "451 4.3.0 d"),
                      (".", "452 4.3.1 e"), ("hello", "421 4.3.2 g"),
                      ("MAIL", "421 4.3.2 f"), (".", "hang up"),
                      ("MAIL", "hang up"), ("hello", "554 no service")):
        h.on = {key: [text]}
        add()
        exits(75, "%s: %s" % (key, text), "cm-relay", "-q")
        same(len(waiting()), 1, "it waits")
        h.on = {}
        due_all()
        exits(0, "and is sent", "cm-relay", "-q")
    same(len(h.mail), 10, "each once")
    port = h.port
    h.close()
    add()
    add()
    exits(75, "nobody there", "cm-relay", "-q")
    for n, wait in ((2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 240),
                    (8, 240)):
        due_all()
        queue()
        i = waiting()[0]
        at = int(state(i).split("next ")[1].split()[0]) / 1000 - time.time()
        ok(wait * 60 - 20 < at <= wait * 60 and "tries %d\n" % n in state(i),
           "try %d: then in %d minutes" % (n, wait), state(i))
    h = Smarthost(CERT, KEY, port=port)
    due_all()
    exits(0, "it is back", "cm-relay", "-q")
    same(len(h.mail), 2, "and gets all")
    h.close()


def test_strange():
    """A smarthost that talks nonsense: nothing is lost, nothing bounces."""
    h = Smarthost(CERT, KEY)
    relay(h)
    h.rcpt[JOE] = ["250 ok"]
    want = 0
    for key, text in (("MAIL", "2"), ("MAIL", "zzz"), ("MAIL", ""),
                      ("MAIL", "999 what"), ("MAIL", "250" + "x" * 9),
                      ("MAIL", "250 " + "x" * 20000),
                      ("MAIL", "250-a\r\n" * 1000 + "250 b"),
                      ("MAIL", "250-a\r\n550"), ("MAIL", "354 go"),
                      ("DATA", "250 ok"), ("DATA", "354"), (".", "354 more"),
                      (".", "4"), ("hello", "zzz"),
                      ("hello", "220-" + "x" * 70000)):
        h.on = {key: [text]}
        add(JOE)
        r = queue()
        if (key, text) in (("DATA", "354"),):
            same((r.returncode, waiting()), (0, []), "354 needs no text")
            want += 1
            continue
        if text.endswith("550"):
            same((r.returncode, waiting()), (0, []), "the last line counts")
            continue
        short = text[:12].replace("\r\n", " ")
        ok(r.returncode == 75 and len(waiting()) == 1,
           "%s: %s: it waits" % (key, short), r)
        clear()
    same(len(h.mail), want, "what it did not take it has not")
    h.on = {}
    for text in ("350 hm", "250\0 x", "450 a\x1b[31m\xe4\tb\nrcpt 0 sent 1 x"):
        h.rcpt[JOE] = [text]
        add(JOE)
        queue()
        h.rcpt[JOE] = ["250 ok"]
        due_all()
        queue()
        same(waiting(), [], "RCPT: %r: then it is sent" % text[:8])
    h.close()


def parts(m):
    """Text, fields of the message, fields of the recipients, the rest."""
    p = list(m.iter_parts())
    s = p[1].get_payload()
    return p[0].get_content(), s[0], s[1:], p[2]


def test_bounce():
    h = Smarthost(CERT, KEY)
    relay(h)
    h.rcpt[EVE] = ["550 5.1.1 no such user here"]
    add(EVE, JOE, args=("-e", "x+20y", "-o", "rfc822;e+2Bve@example.net"))
    r = exits(0, "550 for one of two", "cm-relay", "-q")
    ok(EVE.encode() in r.stderr, "is logged", r.stderr)
    same((len(h.mail), waiting()), (1, []), "the other has it")
    m = bounces(1)[0]
    same((m.get_content_type(), m.get_param("report-type"), m["To"],
          m["Auto-Submitted"]), ("multipart/report", "delivery-status",
                                 BOB, "auto-replied"), "a report")
    ok(m["Date"].datetime and m["Message-ID"] and "MAILER-DAEMON@" in
       m["From"], "with what a header needs", m.items())
    text, msg, to, rest = parts(m)
    ok("<%s>" % EVE in text and "550 5.1.1 no such user here" in text and
       JOE not in text, "people can read it", text)
    same((msg["Original-Envelope-Id"], bool(msg["Reporting-MTA"]),
          bool(msg["Arrival-Date"]), len(to)), ("x y", True, True, 1),
         "fields of the message")
    same([to[0][k] for k in (
        "Original-Recipient", "Final-Recipient", "Action", "Status",
        "Remote-MTA", "Diagnostic-Code")],
        ["rfc822; e+ve@example.net", "rfc822; " + EVE, "failed", "5.1.1",
         "dns; localhost", "smtp; 550 5.1.1 no such user here"],
        "fields of the recipient")
    same((rest.get_content_type(), rest.get_payload().replace("\n", "\r\n")
          .replace("\r\r", "\r").strip().encode()),
         ("text/rfc822-headers", MSG.split(b"\r\n\r\n")[0]), "the header")
    add(EVE, args=("-R", "FULL"))
    queue()
    rest = parts(bounces(2)[1])[3]
    ok(rest.get_content_type() == "message/rfc822" and
       b"..two" in rest.get_payload()[0].as_bytes(), "RET=FULL")
    add(EVE, args=("-N", "NEVER"))
    add(EVE, sender="")
    r = exits(0, "NOTIFY=NEVER, and the null sender", "cm-relay", "-q")
    same(waiting(), [], "go")
    ok(b"dropped" in r.stderr, "and the latter is logged", r.stderr)
    add(EVE, sender="nobody@example.org")
    r = exits(0, "a sender of ours who is gone", "cm-relay", "-q")
    ok(b"nobody@example.org is gone" in r.stderr, "is logged", r.stderr)
    h.rcpt["far@example.edu"] = ["250 ok"]
    add(EVE, sender="far@example.edu")
    exits(0, "a sender elsewhere", "cm-relay", "-q")
    exits(0, "gets it", "cm-relay", "-q")
    m = h.mail[-1]
    ok(m.mail.startswith("MAIL FROM:<>") and rcpts(m) ==
       ["far@example.edu"] and b"no such user here" in m.data,
       "through the smarthost, from nobody", m.mail)
    h.on = {".": ["554 5.6.0 no"]}
    add(JOE)
    exits(0, "554 at the end", "cm-relay", "-q")
    same(parts(bounces(3)[2])[2][0]["Status"], "5.6.0", "bounces")
    h.on = {"MAIL": ["550 not you"]}
    add(JOE, EVE)
    exits(0, "550 to MAIL", "cm-relay", "-q")
    to = parts(bounces(4)[3])[2]
    same([x["Status"] for x in to], ["5.0.0"] * 2, "bounces for all")
    h.on = {}
    add(msg=b"x" * 1000001 + b"\r\n", sender=ANN)
    exits(0, "over its SIZE", "cm-relay", "-q")
    same(parts(bounces(1, ANN)[0])[2][0]["Status"], "5.3.4",
         "is not even sent")
    h.words = []
    add(msg=b"A: \xc3\xa4\r\n\r\n", sender=ANN)
    add("\u00e4@example.net", msg=MSG, sender=ANN, args=("-u",))
    exits(0, "no 8BITMIME, no SMTPUTF8", "cm-relay", "-q")
    all3 = bounces(3, ANN)[1:]
    same(sorted(parts(m)[2][0]["Status"] for m in all3 if
                "global" not in list(m.iter_parts())[1].get_content_type()),
         ["5.6.3"], "8 bits come back")
    raw = inbox(ANN)
    ok(b"message/global-delivery-status" in raw and
       "Final-Recipient: utf-8; \u00e4@example.net".encode() in raw and
       b"Status: 5.6.7" in raw, "and so does what is international", raw)
    h.words = ["8BITMIME", "SMTPUTF8", "DSN"]
    add("\u00e4@example.net", args=("-u", "-R", "HDRS", "-e", "id", "-N",
                                    "SUCCESS,FAILURE", "-o", "utf-8;x"))
    exits(0, "all at once", "cm-relay", "-q")
    ok(h.mail[-1].mail.endswith(" SMTPUTF8 RET=HDRS ENVID=id") and
       h.mail[-1].rcpt[0].endswith(
        "<\u00e4@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;x"),
       "with all parameters", (h.mail[-1].mail, h.mail[-1].rcpt))
    add(JOE, args=("-u",))
    queue()
    ok("SMTPUTF8" not in h.mail[-1].mail, "not said where it is not needed",
       h.mail[-1].mail)
    h.words = []
    add(JOE, args=("-N", "SUCCESS"))
    exits(0, "a host without DSN", "cm-relay", "-q")
    to = parts(bounces(5)[4])[2]
    same((to[0]["Action"], to[0]["Status"]), ("relayed", "2.0.0"),
         "the sender hears that it was passed on")
    h.rcpt[EVE] = ["450 4.2.0 busy"]
    add(EVE)
    queue()
    i = waiting()[0]
    f = "%s/new/%s" % (spool, i)
    old = int(read(f).split(b"time ")[1].split()[0])
    write(f, read(f).replace(b"time %d" % old,
                             b"time %d" % (old - 5 * 86400000)))
    due_all()
    exits(0, "five days over", "cm-relay", "-q")
    to = parts(bounces(6)[5])[2]
    same((to[0]["Status"], to[0]["Diagnostic-Code"], waiting()),
         ("4.4.7", "smtp; 450 4.2.0 busy", []), "it goes back")
    h.close()
    add(EVE, JOE)
    queue()
    i = waiting()[0]
    f = "%s/new/%s" % (spool, i)
    old = int(read(f).split(b"time ")[1].split()[0])
    write(f, read(f).replace(b"time %d" % old,
                             b"time %d" % (old - 5 * 86400000)))
    due_all()
    exits(0, "five days without a smarthost", "cm-relay", "-q")
    to = parts(bounces(7)[6])[2]
    same(([x["Status"] for x in to], waiting()), (["4.4.7"] * 2, []),
         "it goes back")
    same(len(listed(BOB)), had + 7, "no report came twice")


def start_held(h, *cmd):
    """cm-relay until the smarthost has all of a message, unanswered."""
    h.hold, h.held = threading.Event(), threading.Event()
    p = subprocess.Popen(cmd or ("cm-relay", "-q"),
                         stderr=subprocess.PIPE)
    if not h.held.wait(30):
        raise AssertionError("nothing came")
    return p


def test_kill():
    h = Smarthost(CERT, KEY)
    relay(h)
    add()
    p = start_held(h)
    r = exits(0, "a second cm-relay beside the first", "cm-relay", "-q")
    exits(75, "what is being sent cannot be removed", "cm-relay", "-r",
          *waiting())
    locks = [open("%s/slot.%d" % (spool, i), "w") for i in range(4)]
    for f in locks:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
    exits(75, "another one, and all connections are in use", "cm-relay",
          "-q")
    for f in locks:
        f.close()
    h.hold.set()
    same((p.wait(30), len(h.mail), waiting()), (0, 1, []), "sends nothing")
    add()
    p = start_held(h)
    p.kill()
    p.wait()
    same(len(waiting()), 1, "killed before the answer: it waits")
    h.hold.set()
    until(lambda: h.now == 0)
    h.hold = None
    exits(0, "and is sent again", "cm-relay", "-q")
    same(waiting(), [], "and gone")
    n = len(h.mail)
    for i in range(20):
        add(EVE, JOE, msg=MSG + b"%d\r\n" % i)
    h.rcpt[JOE] = ["550 5.1.1 no"]
    ann = len(listed(ANN))
    kills = 0
    for wait in range(1, 40):
        p = subprocess.Popen(("cm-relay", "-q"), stderr=subprocess.PIPE)
        try:
            p.wait(0.01 * wait)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            kills += 1
        due_all()
        if not waiting():
            break
    exits(0, "killed again and again (%d)" % kills, "cm-relay", "-q")
    same(len({m.data for m in h.mail[n:]}), 20, "all arrive")
    ok(len(h.mail) - n <= 20 + 4 * kills, "few of them twice",
       len(h.mail) - n)
    same(waiting(), [], "and none is left")
    same(len(listed(ANN)), ann, "nobody else hears of it")
    subjects = until(lambda: len(listed(BOB)) == had + 7 + 20)
    ok(subjects, "one report for each", len(listed(BOB)))
    ps = [subprocess.Popen(("cm-relay", "-q"), stderr=subprocess.PIPE)
          for _ in range(4)]
    for p in ps:
        p.communicate()
    h.rcpt, n = {}, len(h.mail)
    for i in range(40):
        add(msg=MSG + b"%d\r\n" % i)
    h.most = 0
    ps = [subprocess.Popen(("cm-relay", "-q"), stderr=subprocess.PIPE)
          for _ in range(4)]
    for p in ps:
        p.communicate()
    queue()
    same((len(h.mail) - n, len({m.data for m in h.mail[n:]})), (40, 40),
         "four at once send each once")
    ok(h.most <= 4, "over four connections in all", h.most)
    h.close()


def test_garbage():
    h = Smarthost(CERT, KEY)
    relay(h)
    add()
    good = waiting()[0]
    text = read(spool + "/new/" + good)
    bad = {"x": text, "01J00000000000000000000001": b"",
           "01J00000000000000000000002": b"outgoing 1\n",
           "01J00000000000000000000003": b"\0" * 5000,
           "01J00000000000000000000004": text.replace(b"to ", b"at "),
           "01J00000000000000000000005": text.replace(b"\n\n", b"\n", 1),
           "01J00000000000000000000006": text.replace(b"time 1", b"time x")}
    for name, data in bad.items():
        write(spool + "/new/" + name, data)
    os.mkdir(spool + "/new/01J00000000000000000000007")
    os.mkfifo(spool + "/new/01J00000000000000000000008")
    write(spool + "/new/01J00000000000000000000009", text)
    write(spool + "/state/01J00000000000000000000009", "tries 1\nrcpt 7 x\n")
    want = sorted(list(bad) + ["01J0000000000000000000000%d" % i
                               for i in (7, 8, 9)])
    r = exits(65, "garbage in the spool", "cm-relay", "-q")
    same(sorted(os.listdir(spool + "/failed")), want, "is set aside")
    ok(all(n.encode() in r.stderr for n in want), "and named", r.stderr)
    same((len(h.mail), waiting()), (1, []), "what is good is sent")
    add()
    i = waiting()[0]
    exits(0, "one is removed", "cm-relay", "-r", i)
    same(waiting(), [], "indeed")
    exits(66, "once", "cm-relay", "-r", i)
    exits(66, "no such one", "cm-relay", "-q", i)
    exits(66, "no paths", "cm-relay", "-r", "../failed/x")
    exits(66, "no paths", "cm-relay", "-q", "../failed/x")
    ok(os.path.exists(spool + "/failed/x"), "it is still there")
    r = run(OUT, "-i", i, "-f", BOB, EVE, stdin=MSG)
    ok(r.returncode == 0, "an id of one's own", r)
    r = run(OUT, "-i", i, "-f", BOB, EVE, stdin=MSG)
    ok(r.returncode == 1, "is taken once", r)
    clear()
    h.close()


def test_full():
    if not can_unshare():
        return skip("full disk", "no mounts")
    add()
    clear()
    r = run("unshare", "-rm", "sh", "-c",
            "mount -t tmpfs -o size=200k none %s && exec %s -f %s %s" % (
                base + "/state/spool", OUT, BOB, EVE),
            stdin=MSG + b"x" * 400000)
    ok(r.returncode == 75, "a full disk refuses", r)
    same(waiting(), [], "nothing is taken")


def test_copies():
    """n1 dies; n2 has its copies, and sends what waited there."""
    h = Smarthost(CERT, KEY)
    h.rcpt[EVE] = ["450 4.2.0 busy"]
    volumes = '<node name="n2" state="%s/state2"/><volume name="v1" ' \
        'home="n1" path="%s/v1"><copy node="n1" path="%s/c1"/></volume>' % (
            base, base, base)
    relay(h, volumes=volumes)
    for i in os.listdir(spool + "/state"):
        os.unlink(spool + "/state/" + i)
    add(args=("-d",))
    box = "outgoing@n1.invalid"
    ok(until(lambda: len(listed(box)) == 1), "a copy is a record", listed(box))
    exits(75, "it waits", "cm-relay", "-q")
    same(len(listed(box)), 1, "and so does the copy")
    h.rcpt = {}
    due_all()
    exits(0, "it is sent", "cm-relay", "-q")
    same(listed(box), [], "the copy goes")
    add(args=("-d",))
    exits(0, "sent before it is listed", "cm-relay", "-q")
    same(len(h.mail), 2, "indeed")
    # its state goes with the copy, which may not be listed yet
    ok(until(lambda: queue().returncode == 0 and
             not os.listdir(spool + "/state")),
       "one of the next takes the copy away", os.listdir(spool + "/state"))
    same(listed(box), [], "indeed")
    h.rcpt[EVE] = ["450 4.2.0 busy"]
    add(args=("-d",))
    i = waiting()[0]
    until(lambda: len(listed(box)) == 1)
    file = read(spool + "/new/" + i)
    clear()
    exits(64, "not from itself", "cm-relay", "-t", "n1")
    exits(0, "a node without any", "cm-relay", "-t", "n9")
    # the same catalog; the node's own name is what differs
    conf = read(base + "/cluster.xml").decode()
    write(base + "/cluster.xml", conf.replace('catalog="n1"', 'catalog="n2"')
          .replace("/state\"", "/old\"").replace("/state2\"", "/state\"")
          .replace('home="n1"', 'home="n2"')
          .replace('copy node="n1"', 'copy node="n2"'))
    stop_all()
    os.environ["CM_NODE"] = "n2"
    exits(0, "another node takes them over", "cm-relay", "-t", "n1")
    same(waiting(), [i], "they are in its spool")
    same(read(spool + "/new/" + i), file, "as they were")
    ok(until(lambda: listed(box) == []), "and out of the dead one's mailbox")
    h.rcpt, n = {}, len(h.mail)
    exits(0, "and are sent", "cm-relay", "-q")
    same([m.data for m in h.mail[n:]], [MSG], "once")
    os.environ["CM_NODE"] = "n1"
    h.close()


try:
    for part in (test_start, test_sends, test_ways, test_login, test_later,
                 test_strange, test_bounce, test_kill, test_garbage, test_full,
                 test_copies):
        part()
finally:
    finish()
