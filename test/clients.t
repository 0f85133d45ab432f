#!/usr/bin/env python3
"""Mail clients that other people wrote deliver the corpus to cm-smtpd under
xinetd and openbsd-inetd, each with wait and nowait, started as examples/services
say, and cm-fetch gives all of it back, byte for byte behind our trace.

Each client delivers each message once: a quarter to each of the four servers,
there in one way after the other (WAYS in test/tools/mailers.py).  With CM_FULL
each client delivers each message to each server, in each way.
"""
import collections
import concurrent.futures
import glob
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from mailers import *                                           # noqa
import front                                                    # noqa

CORPUS = os.environ.get("CORPUS") or os.environ["ROOT"] + "/examples/mail"
SENDER, UTF8_SENDER = "s%d@from.test", "s%d-ü@büro.test"
UTF8_BOX = "böb@bücher.test"
AT_ONCE = 6

# the client, its mailbox, ways; of gsasl only short messages: see its put()
CLIENTS = [
    (python, "u0", "lmtp plain utf8 starttls utf8-tls tls-plain tls-login "
     "implicit-plain implicit-login"),
    (bdat, "u1", "plain starttls utf8"),
    (curl, "u2", "plain utf8 starttls utf8-tls tls-plain tls-login "
     "implicit-plain implicit-login"),
    (msmtp, "u3", "lmtp plain starttls scram-1 scram-256 tls-plain tls-login "
     "tls-scram-1 tls-scram-256 implicit-plain implicit-scram-256"),
    (swaks, "u4", "lmtp plain starttls tls-plain tls-login implicit-plain "
     "implicit-login"),
    (gsasl, "u5", "scram-1 scram-256 tls-scram-1-plus tls-scram-256-plus"),
    (exim, "u6", "plain starttls utf8 utf8-tls"),
]
POSTFIX_WAYS = ["lmtp", "plain", "starttls", "tls-scram-256", "implicit-plain"]
# Exim mends those: blank lines in a header, addresses without a domain.
EXIM_CHANGES = re.compile(rb"\A(?:[^\r\n]+\r\n)*(?:[ \t]+\r\n|"
                          rb"(?:From|To|B?Cc|Sender): *\w*\r\n)", re.I)
TRACE = re.compile(
    rb"\AReturn-Path: <(?P<sender>[^>]*)>\r\n"
    rb"Delivered-To: (?P<box>.*)\r\n"
    rb"Received: from .*(?:\r\n\t\(using .*)?\r\n\tby \S+ \(clustermail\) "
    rb"with (?P<said>\S+) id (?P<id>\S+)\r\n\tfor <.*>; .*\r\n")
POSTFIX_TRACE = re.compile(rb"\AReceived: .*\r\n(?:[ \t].*\r\n)*")

Sent = collections.namedtuple("Sent", "client server way mail to said")
sent = {}                       # by sender
servers = {}                    # name: address


def ascii_domain(address):
    """Mailboxes have their domain in this form; clients may use either."""
    local, domain = address.rsplit("@", 1)
    return local + "@" + domain.encode("idna").decode()


def sender_of(way):
    utf8 = WAYS[way].said.startswith("UTF8")
    return (UTF8_SENDER if utf8 else SENDER) % len(sent), utf8


def plan(mails):
    """(client, sender) of each delivery but Postfix's."""
    out = []
    for k, (client, box, ways) in enumerate(CLIENTS):
        if client is exim and not has_exim:
            continue
        ways = ways.split()
        if client is gsasl:
            mine = sorted(mails, key=lambda m: m.data.count(b"\n"))[:16]
        elif client is exim:
            # and before what is no field it puts an empty line, one byte of
            # which it then forgets to count for BDAT
            mine = [m for m in mails if not EXIM_CHANGES.search(m.data) and
                    mended(m.data, "exim") == m.data]
        else:
            mine = mails
        for i, mail in enumerate(mine):
            server = sorted(servers)[(i + k) % 4]
            some = [(server, ways[i // 4 % len(ways)])]
            if os.environ.get("CM_FULL"):
                some = [(s, w) for s in sorted(servers) for w in ways]
            for server, way in some:
                sender, utf8 = sender_of(way)
                to = UTF8_BOX if utf8 else box + "+x@" + DOMAIN
                sent[sender] = Sent(client.__name__, server, way, mail, to,
                                    WAYS[way].said)
                out.append((client, sender))
    return out


def deliver(job):
    client, sender = job
    s = sent[sender]
    try:
        why = client(servers[s.server], WAYS[s.way], sender, s.to, s.mail)
    except Exception as e:
        why = repr(e)
    return why and "%s, %s, %s, %s: %s" % (s.client, s.server, s.way,
                                           s.mail.name, why)


def deliver_all(jobs):
    """The figures are for whoever reads this."""
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        bad = [w for w in pool.map(deliver, jobs) if w]
    for client, box, ways in CLIENTS:
        name = client.__name__
        n = sum(s.client == name for s in sent.values())
        mine = [w for w in bad if w.startswith(name + ",")]
        if client is exim and not has_exim:
            missing("exim", "needs root and its package")
        else:
            ok(not mine, "%s: %d messages, each in one of: %s" % (
                name, n, ways), "%d: %s" % (len(mine), "\n".join(mine)))
    print("# %.1f s" % (time.monotonic() - begun))


def all_plain(mails):
    """The whole corpus by smtplib once more, in one session."""
    bad = []
    server = sorted(servers)[0]
    session = python_session(servers[server], WAYS["plain"])
    for mail in mails:
        sender = SENDER % len(sent)
        sent[sender] = Sent("one session", server, "plain", mail,
                            "u7@" + DOMAIN, "ESMTP")
        why = python(None, WAYS["plain"], sender, "u7@" + DOMAIN, mail,
                     session)
        if why:
            bad.append("%s: %s" % (mail.name, why))
    session.quit()
    same(bad, [], "smtplib: %d messages in one session" % len(mails))


# --- Postfix

def postfix_box(server, way):
    return "u%d@%s" % (40 + 5 * sorted(servers).index(server) +
                       POSTFIX_WAYS.index(way), DOMAIN)


def has_left():
    d = LAB + "/postfix/spool/"
    return not any(files for q in ("incoming", "active", "deferred", "maildrop")
                   for _, _, files in os.walk(d + q))


def by_postfix(mails):
    if not has_postfix:
        return missing("Postfix", "needs root and its package")
    host = front.net + ".50"
    boxes = [(postfix_box(s, w), w, servers[s]) for s in sorted(servers)
             for w in POSTFIX_WAYS]
    postfix(host, servers[sorted(servers)[0]], boxes)
    begun = time.monotonic()
    session = smtplib.SMTP(host, 2526, timeout=TIMEOUT)
    # each by LMTP, and each by SMTP in one of the ways
    for i, mail in enumerate(mails):
        for way in "lmtp", POSTFIX_WAYS[1 + i // 4 % 4]:
            server = sorted(servers)[i % 4]
            said = WAYS[way].said
            utf8 = i % 8 > 4 and way != "tls-scram-256"
            sender = (UTF8_SENDER if utf8 else SENDER) % len(sent)
            to = postfix_box(server, way)
            if utf8:
                said = "UTF8" + said.replace("ESMTP", "SMTP")
            sent[sender] = Sent("postfix", server, way, mail, to, said)
            session.sendmail(sender, [to], mail.data, ["BODY=8BITMIME"] +
                             (["SMTPUTF8"] if utf8 else []))
    session.quit()
    ok(until(has_left, 60) and not run("grep", "status=bounced", LAB +
                                       "/postfix/log").stdout, "Postfix: %d messages by LMTP "
       "and as many by SMTP: %s" % (len(mails), " ".join(POSTFIX_WAYS[1:])),
       run("grep", "status=[bd]", LAB + "/postfix/log").stdout[:3000])
    print("# %.1f s" % (time.monotonic() - begun))
    probes(host)


def probes(host):
    """reject_unverified_recipient: it asks cm-smtpd, with MAIL, RCPT, RSET."""
    s = smtplib.SMTP(host, 2525, timeout=TIMEOUT)
    s.ehlo("here.from.test")
    same(s.mail("a@from.test")[0], 250, "Postfix asks for recipients")
    same(s.rcpt("u8@" + DOMAIN)[0], 250, "one that is there is taken")
    code, text = s.rcpt("nobody@" + DOMAIN)
    ok(code == 550 and b"no such mailbox" in text, "another one is refused",
       text)
    s.quit()


# --- what came

def messages(box):
    """What cm-fetch gives of a mailbox, one by one: each has its sender."""
    data = on("n2", "cm-fetch", "-r", box)
    at = [m.start() for m in re.finditer(
        rb"(?m)^Return-Path: <s\d+[^>]*>\r\nDelivered-To: ", data)]
    if data and (not at or at[0] != 0):
        raise AssertionError(data[:300])
    return [data[a:b] for a, b in zip(at, at[1:] + [len(data)])]


def without_trace(s, m, whole):
    """The message as the client sent it."""
    rest = whole[m.end():]
    if "A" in s.said:           # submitted: what is missing is put in front
        for name, field in ((rb"Date:", rb"Date: \w{3}, .* \+0000\r\n"),
                            (rb"Message-ID:", rb"Message-ID: <%s@.*>\r\n" %
                             m["id"])):
            if not re.search(rb"(?mi)^" + name, header(may_be(s))):
                rest = re.sub(rb"\A" + field, b"", rest)
    return POSTFIX_TRACE.sub(b"", rest) if s.client == "postfix" else rest


def header(data):
    return data[:data.find(b"\r\n\r\n") + 2]


def mended(data, client):
    """An empty line before what is no field, as Postfix and Exim put it there;
    Postfix also takes blanks before the colon away."""
    at = 0
    while at < len(data):
        end = data.index(b"\n", at) + 1
        line = data[at:end]
        if line == b"\r\n":
            break
        if client == "postfix":
            line = re.sub(rb"\A([!-9;-~]+)[ \t]+:", rb"\1:", line)
        if not re.match(rb"[!-9;-~]+[ \t]*:|[ \t]", line):
            line = b"\r\n" + line
        data = data[:at] + line + data[end:]
        if line.startswith(b"\r\n"):
            break
        at += len(line)
    return data


def may_be(s):
    """What a client makes of a message: Postfix mends what is not one by RFC
    5322, and an mbox's line in front."""
    data = s.mail.data
    if s.client != "postfix":
        return data
    if data.startswith(b"From "):
        data = b"X-Mailbox-Line: " + data
    return mended(data, s.client)


def wrong(whole, got):
    """What is wrong with a message that came, or None."""
    m = TRACE.match(whole)
    if not m:
        return "no trace: %r" % whole[:500]
    sender = m["sender"].decode().replace("xn--bro-hoa", "büro")
    s = sent.get(sender)
    if not s:
        return "nobody sent it: %r" % whole[:300]
    got[sender] += 1
    if m["said"].decode() != s.said:
        return "%s, %s: with %s, not %s" % (s.client, s.way, m["said"].decode(),
                                            s.said)
    rest = without_trace(s, m, whole)
    want = may_be(s)
    if rest != want:
        i = len(os.path.commonprefix([rest, want]))
        return "%s, %s, %s: from byte %d %r, not %r" % (
            s.client, s.way, s.mail.name, i, rest[i:i + 80],
            want[i:i + 80])
    return None


def came():
    for n in "n1", "n2":
        on(n, "cm-catalog", "sync")
    got, bad = collections.Counter(), []
    for box in sorted({ascii_domain(s.to.replace("+x", ""))
                       for s in sent.values()}):
        bad += [w for w in (wrong(x, got) for x in messages(box)) if w]
    ok(not bad, "cm-fetch gives each back byte for byte, with a trace that is "
       "true", "%d: %s" % (len(bad), "\n".join(bad)))
    lost = [sent[s][:3] + (sent[s].mail.name,) for s in sent if not got[s]]
    twice = [sent[s] for s in got if got[s] > 1]
    same((lost, twice), ([], []), "all %d of them, each once" % len(sent))


def mechanisms():
    log = b"".join(read("%s/%s/state/run/submission.log" % (LAB, n))
                   for n in ("n1",)).decode()
    seen = set(re.findall(r"login as=%s mechanism=(\S+)" % USER, log))
    same(sorted(seen), ["LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS",
                        "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"],
         "the log has logins by all mechanisms")


# --- what is refused

def refused():
    """Of the corpus nothing is.  Such messages are:"""
    for name, data, why in (
            ("a bare CR", b"a\rb\r\n", b"a bare CR in the message"),
            ("a bare LF", b"a\nb\r\n", b"a bare LF in the message"),
            ("a NUL", b"a\0b\r\n", b"a NUL in the message"),
            ("a long line", b"x" * 65537 + b"\r\n", b"a line of over 65536")):
        data = b"Subject: x\r\n\r\n" + data
        for server in sorted(servers):
            s = python_session(servers[server], WAYS["plain"])
            s.mail("a@from.test")
            s.rcpt("u8@" + DOMAIN)
            s.putcmd("DATA")
            s.getreply()
            s.send(data + b".\r\n")
            one = s.getreply()
            s.mail("a@from.test")
            s.rcpt("u8@" + DOMAIN)
            s.send(b"BDAT %d LAST\r\n" % len(data) + data)
            two = s.getreply()
            s.quit()
            ok(all(code == 550 and why in text for code, text in (one, two)),
               "%s is refused, by DATA and BDAT: %s" % (name, server),
               (one, two))
    same(on("n1", "sh", "-c", "cm-catalog sync; cm-fetch -r u8@" + DOMAIN),
         b"", "nothing is kept of them")


def servers_up():
    for name, fn, end, wait in (("xinetd-wait", xinetd, 21, True),
                                ("xinetd-nowait", xinetd, 22, False),
                                ("inetd-wait", inetd, 23, True),
                                ("inetd-nowait", inetd, 24, False)):
        host = "%s.%d" % (front.net, end)
        if fn is inetd and not find("inetd", "openbsd-inetd"):
            missing(name, "the package openbsd-inetd is not there")
            host = servers["xinetd-" + name[6:]]
        else:
            fn(name, host, wait)
        need(host, *PORTS.values())
        servers[name] = host


def go():
    programs = [p for p in ("swaks", "curl", "msmtp", "gsasl") if not find(p)]
    if programs:
        missing(" ".join(programs), "not installed")
        CLIENTS[:] = [c for c in CLIENTS if c[0].__name__ not in programs]
    os.mkdir(base + "/msgs")
    mails = [Mail(f) for f in sorted(glob.glob(CORPUS + "/*.eml"))]
    edit_conf('<domain name="example.test"/>', '<domain name="example.test"/>'
              '<domain name="xn--bcher-kva.test"/>')
    if not until(lambda: lab("run", LAB, "n1", "cm-user", "add", "-N",
                             ascii_domain(UTF8_BOX)).returncode == 0):
        raise AssertionError("the new domain is not seen")
    servers_up()
    if has_exim:
        exim_setup()
    deliver_all(plan(mails))
    all_plain(mails)
    by_postfix(mails)
    came()
    if not programs:
        mechanisms()
    refused()


has_exim = os.getuid() == 0 and find("exim4", "exim4-daemon-light") and \
    can_unshare()
has_postfix = os.getuid() == 0 and find("postfix", "postfix")
try:
    if not lab_up():
        missing("the lab", "xinetd is not installed")
    else:
        try:
            go()
        finally:
            lab_down()
finally:
    finish()
