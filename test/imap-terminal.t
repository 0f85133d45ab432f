#!/usr/bin/env python3
"""NeoMutt and S-nail, each on a terminal, with a mailbox of cm-imapd: somebody
reads, flags, deletes, copies and saves messages and quits.  Then Python's
imaplib looks at what became of it on the server."""
import imaplib
import os
import re
import shutil
import ssl
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *                                           # noqa
from dialog import certificates                                 # noqa
from terminal import *                                          # noqa

WORDS = "zero", "one", "two", "three", "four", "five"
WAIT = 50
SNAIL_PROMPT = r"ready> \Z"


class Listener:
    """cm-imapd as inetd starts it in wait mode."""
    def __init__(self, *words):
        self.s = socket.socket()
        self.s.bind(("127.0.0.1", 0))
        self.s.listen(50)
        self.port = self.s.getsockname()[1]
        self.p = subprocess.Popen(("cm-imapd", "-i", "1000") + words,
                                  stdin=self.s, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)

    def end(self):
        self.p.send_signal(signal.SIGTERM)
        try:
            self.p.wait(WAIT)
        finally:
            self.p.kill()
            self.s.close()


def message(k, to):
    return ("From: Ann <ann@example.org>\r\nTo: %s\r\nSubject: subject-%s\r\n"
            "Date: Mon, %d Jan 2024 12:00:00 +0000\r\n"
            "Message-ID: <%s.%s>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n"
            "marker-%s\r\n.\r\nFrom here\u00e4 on\r\n%s\r\n" % (
                to, WORDS[k], k + 1, WORDS[k], to, WORDS[k],
                "x" * 70 * k)).encode()


def arrives(m, name):
    if store(m, name).returncode != 0:
        raise AssertionError(name)
    run("cm-catalog", "sync")


def account(name, n=5):
    """A mailbox with messages 0 to n - 1, and the bytes of all."""
    run("cm-user", "import", stdin="%s:secret\n" % name)
    out = [message(k, name) for k in range(len(WORDS))]
    for m in out[:n]:
        arrives(m, name)
    return out


# --- what the server has ---

def checker(name):
    c = imaplib.IMAP4_SSL("localhost", imaps.port, timeout=WAIT,
                          ssl_context=ssl.create_default_context(
                              cafile=base + "/ca/ca.pem"))
    c.login(name, "secret")
    return c


def there(c, folder):
    """{uid: (flags, bytes)} of a folder."""
    typ, got = c.select('"%s"' % folder, readonly=True)
    if typ != "OK":
        return None
    out = {}
    for x in c.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1]:
        if isinstance(x, tuple):
            uid = int(re.search(rb"UID (\d+)", x[0])[1])
            flags = set(re.search(rb"FLAGS \((.*?)\)", x[0])[1]
                        .decode().split())
            out[uid] = flags, x[1]
    c.unselect()
    return out


def ends(t, name, what):
    same((name, t.end()), (name, 0), name + " quits" + what)


# --- NeoMutt ---

def neomutt_rc(name, way):
    """By STARTTLS, or from the first byte."""
    d = base + "/" + name
    os.makedirs(d + "/cache", exist_ok=True)
    url = "imap://localhost:%d" % imap.port if way == "starttls" else \
        "imaps://localhost:%d" % imaps.port
    write(d + "/rc", """\
set folder="%s/"
set spoolfile="+INBOX" imap_user="%s" imap_pass=secret
set ssl_force_tls ssl_starttls ssl_ca_certificates_file="%s"
set certificate_file="%s/certs" tmpdir="%s" header_cache="%s/cache"
set imap_condstore imap_qresync imap_idle
set noconfirmappend noconfirmcreate nomark_old delete=yes quit=yes move=no
set sort=mailbox-order nowait_key nobeep nohelp arrow_cursor
set mail_check=1 timeout=1
set status_format="BOX %%D m=%%m f=%%F d=%%d n=%%u"
set index_format="%%C/%%Z/%%s" pager_stop
set postponed="" record=""
""" % (url, name, base + "/ca/ca.pem", d, d, d))
    return d


def neomutt(name, way="starttls"):
    d = neomutt_rc(name, way)
    return Terminal("neomutt", "-n", "-F", d + "/rc", "-d2", "-l", d + "/log",
                    env={"HOME": d, "LC_ALL": "C.UTF-8"}, wait=WAIT)


def prompted(t, key, prompt, answer):
    """^U takes away what it proposes."""
    t.type(key)
    t.see(prompt)
    t.type("\x15" + answer + "\r")


def jump(t, n):
    t.type("%d\r" % n)
    t.see("^-> *%d/" % n)


def neomutt_works(t, name, messages):
    for k in range(5):
        t.see(r"^(->)? *%d/.*/subject-%s$" % (k + 1, WORDS[k]))
    t.see(r"m=5 f=0 d=0 n=5")
    jump(t, 2)
    t.type("\r")
    t.see("^marker-one$", "^\\.$")
    t.type("i")
    t.see("m=5 f=0 d=0 n=4")
    jump(t, 3)
    t.type("F")
    t.see("m=5 f=1 d=0 n=4")
    jump(t, 4)
    t.type("d")
    t.see("m=5 f=1 d=1")
    jump(t, 5)
    prompted(t, "C", "Copy to mailbox", "+Copies")
    t.see("m=5 f=1 d=1")
    jump(t, 1)
    prompted(t, "s", "Save to mailbox", "+Saved/deep")
    t.see("m=5 f=1 d=2")
    arrives(messages[5], name)          # it idles
    t.see("m=6 f=1 d=2", "/subject-five$")
    t.type("$")
    t.see("m=4 f=1 d=0")
    t.type("q")


def neomutt_session():
    name = "neomutt@example.org"
    messages = account(name)
    t = neomutt(name)
    try:
        neomutt_works(t, name, messages)
        ends(t, "NeoMutt", ", by STARTTLS")
    finally:
        t.close()
    c = checker(name)
    same(there(c, "INBOX"), {
        2: ({"\\Seen"}, messages[1]), 3: ({"\\Flagged"}, messages[2]),
        5: (set(), messages[4]), 6: (set(), messages[5])},
        "NeoMutt: flags, UIDs and bytes of what it left")
    same(there(c, "Copies"), {1: (set(), messages[4])},
         "NeoMutt: the copy, in a folder it made")
    same(there(c, "Saved/deep"), {1: (set(), messages[0])},
         "NeoMutt: what was saved is there")
    return name, c


def listing(t):
    """(number, flagged, subject) of each message that is shown."""
    return [(int(n), "!" in state, s) for n, state, s in re.findall(
        r"^[-> ]*(\d+)/(.*)/subject-(\w+)$", t.screen.text(), re.M)]


def neomutt_again(name, c):
    """It has a cache of what it saw: QRESYNC tells what is not so any more.
    The last one has gone: of others it fetches all again, for it counts those
    that have vanished before."""
    c.select("INBOX")
    c.uid("STORE", "3", "-FLAGS", "(\\Flagged)")
    c.uid("STORE", "5", "+FLAGS", "(\\Flagged \\Seen)")
    c.uid("STORE", "6", "+FLAGS", "(\\Deleted)")
    c.expunge()
    c.uid("COPY", "5", "INBOX")
    want = [(1, False, "one"), (2, False, "two"), (3, True, "four"),
            (4, True, "four")]
    t = neomutt(name)
    try:
        t.see("m=4 f=2 d=0 n=1")
        same(listing(t), want,
             "NeoMutt, with its cache: what others have changed")
        t.type("q")
        ends(t, "NeoMutt", " again")
    finally:
        t.close()
    said = read(base + "/" + name + "/log0").decode(errors="replace")
    ok(re.search(r"\(CHANGEDSINCE \d+ VANISHED\)", said) and
       "QRESYNC failed" not in said, "by QRESYNC", said[-4000:])
    t = neomutt(name, "implicit")
    try:
        t.see("m=4 f=2 d=0 n=1")
        same(listing(t), want, "NeoMutt, by TLS from the first byte: the same")
        jump(t, 1)
        t.type("d")
        t.see("d=1")
        t.type("q")
        ends(t, "NeoMutt", ", and purges what it was told to delete")
    finally:
        t.close()
    c.noop()
    same(sorted(there(c, "INBOX")), [3, 5, 7], "it has")
    c.logout()


# --- S-nail ---

def snail(name):
    d = base + "/" + name
    os.makedirs(d, exist_ok=True)
    write(d + "/rc", """\
set hold noheader crt= prompt="ready> " headline="%%m/%%a/%%s"
set tls-verify=strict tls-ca-file=%s tls-ca-no-defaults
""" % (base + "/ca/ca.pem"))
    t = Terminal("s-nail", "-:u", "-Sv15-compat=yes", "-Sline-editor-disable",
                 "-f", "imaps://%s:secret@localhost:%d/INBOX" % (
                     name.replace("@", "%40"), imaps.port),
                 env={"HOME": d, "LC_ALL": "C.UTF-8", "MAILRC": d + "/rc"},
                 wait=WAIT)
    return t, t.hear(SNAIL_PROMPT)


def told(t, command):
    """What it says to that, in lines."""
    t.type(command + "\n")
    return [" ".join(x.split()) for x in
            t.hear(SNAIL_PROMPT).splitlines()[1:-1]]


def snail_works(t, name, messages):
    same(told(t, "from *"), ["%d/U/ subject-%s" % (k + 1, WORDS[k])
                             for k in range(5)], "S-nail: the list")
    got = told(t, "type 2")
    ok("marker-one" in got and "." in got and "x" * 70 in got,
       "S-nail: a message", got)
    told(t, "flag 3")
    told(t, "delete 4")
    got = told(t, "copy 5 @Copies")
    ok(re.search(r"/Copies \[New file\]", str(got)), "S-nail: copies", got)
    got = told(t, "copy 2 @Copies")
    ok(re.search(r"/Copies ", str(got)), "S-nail: into a folder that is there",
       got)
    got = told(t, "move 1 @Saved/deep")
    ok(re.search(r"/Saved/deep \[New file\]", str(got)), "S-nail: moves", got)
    same(told(t, "from '(subject two)'"), ["3/F/ subject-two"],
         "S-nail: searches")
    arrives(messages[5], name)
    told(t, "newmail")
    same([re.sub("/.*-", "", x) for x in told(t, "from *")],
         ["2one", "3two", "5four", "6five"],
         "S-nail: a message that came meanwhile")
    t.type("quit\n")


def snail_session():
    name = "snail@example.org"
    messages = account(name)
    t, got = snail(name)
    try:
        snail_works(t, name, messages)
        ends(t, "S-nail", "")
    finally:
        t.close()
    c = checker(name)
    same(there(c, "INBOX"), {
        2: ({"\\Seen"}, messages[1]), 3: ({"\\Flagged"}, messages[2]),
        5: ({"\\Seen"}, messages[4]), 6: (set(), messages[5])},
        "S-nail: flags, UIDs and bytes of what it left")
    same({u: x[1] for u, x in there(c, "Copies").items()},
         {1: messages[4], 2: messages[1]}, "S-nail: the copies")
    same({u: x[1] for u, x in there(c, "Saved/deep").items()},
         {1: messages[0]}, "S-nail: what was moved is there")
    c.logout()


imap = imaps = None
try:
    certificates("localhost")
    configure(rest='<mail certificate="%s/service/service.pem" '
              'key="%s/service/service.key"/>' % (base, base))
    imap, imaps = Listener(), Listener("-t")
    if shutil.which("neomutt"):
        neomutt_again(*neomutt_session())
    else:
        missing("NeoMutt", "neomutt is not installed")
    if shutil.which("s-nail"):
        snail_session()
    else:
        missing("S-nail", "s-nail is not installed")
finally:
    for x in imap, imaps:
        if x:
            x.end()
    finish()
