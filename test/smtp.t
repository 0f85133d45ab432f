#!/usr/bin/env python3
"""cm-smtpd: transcripts of sessions, and what is kept of them."""
import os
import re
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
from dialog import *

MODES = {"smtp": ["cm-smtpd"], "lmtp": ["cm-smtpd", "-l"],
         "submission": ["cm-smtpd", "-s"]}


def subjects(mailbox):
    run("cm-catalog", "sync")
    return sorted(re.findall(rb"^Subject: (.*?)\r?$", run(
        "cm-fetch", "-r", mailbox).stdout, re.M))


def one(data, *args):
    """A message to bob in one session; the last line of the answer."""
    r = run("cm-smtpd", *args, stdin=b"HELO c.example\r\n"
            b"MAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\n"
            b"DATA\r\n" + data + b"\r\n.\r\nQUIT\r\n")
    return r.stdout.decode().splitlines()[-2]


def last_message():
    run("cm-catalog", "sync")
    return run("cm-fetch", "-r", listed()[-1][0]).stdout


def kept():
    same(subjects(BOB), [b"chunks", b"one", b"piped", b"to two"],
         "what was accepted is there, and nothing else")
    for name in "böb@example.org", "bob@xn--bcher-kva.example":
        same(subjects(name), [b"umlauts"], "what was for " +
             name.encode("ascii", "backslashreplace").decode())
    same(subjects("ann@example.org"), [b"to two"], "each for whom it was")
    body = b"Subject: whole\r\n\r\n.\r\n..\r\n.x\r\n\r\n\xff\xfe\r\n"
    said = one(body.replace(b"\r\n.", b"\r\n.."))
    got = last_message()
    i = said.split()[-1]
    ok(got.endswith(body + b"\r\n"), "dots and bytes come back as they were", got)
    ok(re.match(rb"Return-Path: <ann@example.net>\r\n"
                rb"Delivered-To: bob@example.org\r\n"
                rb"Received: from c\.example \(local\)\r\n"
                rb"\tby mx\.example\.org \(clustermail\) with SMTP id %s\r\n"
                rb"\tfor <bob@example\.org>; \w{3}, \d+ \w{3} \d{4} "
                rb"\d\d:\d\d:\d\d \+0000\r\nSubject: whole" % i.encode(), got),
       "behind the trace", got)
    same(listed()[-1][1], i, "the answer names the message")
    log = read(base + "/state/run/smtpd.log").decode()
    ok(re.search(r"accepted id=%s client=pipe helo=c\.example tls=no "
                 r"from=ann@example\.net to=bob@example\.org size=\d+ "
                 r"volume=v1 copies=n1,n1#1 delay=\d+ms" % i, log),
       "the log has a line of it", log[-500:])
    ok("refused code=550 status=5.1.1 client=local" in log,
       "and of what was refused", log[:500])


def hops(n):
    return b"".join(b"Received: from a by b; x\r\n" for _ in range(n))


def limits():
    ok(one(hops(100) + b"Subject: hops\r\n\r\nx").startswith("250 "),
       "100 hops are taken")
    same(one(hops(101) + b"Subject: hops\r\n\r\nx"),
         "554 5.4.6 this message goes in circles", "101 are not")
    ok(one(b"Subject: long\r\n\r\n" + b"x" * 65534).startswith("250 "),
       "a line of 64 KiB is taken")
    same(one(b"Subject: long\r\n\r\n" + b"x" * 65535),
         "550 5.6.0 a line of over 65536 bytes", "a longer one is not")
    r = run("cm-smtpd", stdin=b"NOOP " + b"x" * 20000 + b"\r\nQUIT\r\n")
    same([x[:3] for x in r.stdout.decode().splitlines()],
         ["220", "500", "221"], "a command that is too long")
    rcpts = b"".join(b"RCPT TO:<bob+%d@example.org>\r\n" % i
                     for i in range(150))
    r = run("cm-smtpd", stdin=b"HELO c\r\nMAIL FROM:<>\r\n" + rcpts +
            b"DATA\r\n\r\nx\r\n.\r\nQUIT\r\n")
    codes = [x[:3] for x in r.stdout.decode().splitlines()]
    same((codes.count("452"), codes[-3:]), (50, ["354", "250", "221"]),
         "recipients over the limit are put off, those below are served")
    run("cm-catalog", "sync")
    before = len(listed())
    r = run("cm-smtpd", stdin=b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:"
            b"<bob@example.org>\r\nDATA\r\nSubject: cut\r\n\r\nx\r\n")
    run("cm-catalog", "sync")
    same((r.returncode, len(listed())), (0, before),
         "a client that goes in a message leaves nothing")


def no_catalog():
    """Its agent cannot be started."""
    last = base + "/state/accounts.last"
    ok(until(lambda: os.path.exists(last) and b"team@" in read(last)),
       "the catalog's node writes down who there is")
    stop_all()
    os.rename(base + "/state/catalog", base + "/catalog.away")
    write(base + "/state/catalog", "not a folder")
    r = run("cm-smtpd", stdin=b"HELO c\r\nMAIL FROM:<>\r\n"
            b"RCPT TO:<bob@example.org>\r\nRCPT TO:<new@example.org>\r\n"
            b"RCPT TO:<team@example.org>\r\nDATA\r\n"
            b"Subject: no catalog\r\n\r\nx\r\n.\r\nQUIT\r\n")
    same([x[:9] for x in r.stdout.decode().splitlines()[3:7]],
         ["250 2.1.5", "451 4.3.0", "250 2.1.5", "354 end w"],
         "without the catalog those known last are served, others put off")
    os.unlink(base + "/state/catalog")
    os.rename(base + "/catalog.away", base + "/state/catalog")
    run("cm-catalog", "sync")
    for name in BOB, ANN:
        same(subjects(name).count(b"no catalog"), 1, "listed for " + name)


def away():
    """No volume takes mail."""
    os.rename(base + "/v1", base + "/v1.away")
    write(base + "/v1", "")
    r = one(b"Subject: away\r\n\r\nx")
    ok(r.startswith("451 4.3.0 "), "without a volume: try again", r)
    os.unlink(base + "/v1")
    os.rename(base + "/v1.away", base + "/v1")


try:
    configure(policy='<policy size="1M"/>', rest='<mail recipients="100"/>')
    text = read(base + "/cluster.xml").decode()
    write(base + "/cluster.xml",
          text.replace('<node name="n1"', '<node name="n1" '
                       'hostname="mx.example.org"').replace(
              "<node", '<domain name="xn--bcher-kva.example"/><node', 1))
    users(BOB, "ann@example.org", "full@example.org", "böb@example.org",
          "bob@xn--bcher-kva.example")
    run("cm-user", "alias", "postmaster@example.org", BOB)
    run("cm-user", "alias", "team@example.org", BOB, "ann@example.org")
    run("cm-user", "set", "full@example.org", "quota", "1")
    store("Subject: fills it\n\nx\n", "full@example.org")
    run("cm-catalog", "sync")
    play_all("smtp", MODES)
    kept()
    limits()
    no_catalog()
    away()
finally:
    finish()
