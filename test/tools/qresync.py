#!/usr/bin/env python3
"""A mail reader that keeps what it saw (RFC 7162), without a state of its own.

qresync.py ADDRESS PORT USER [STATE]

Prints, in JSON, what the INBOX has: {"validity", "modseq", "rows": {uid: [modseq,
flags]}}.  With STATE, what it printed before, only what changed since is asked
for, and put into that: with another UIDVALIDITY all is asked for anew, which
"anew" says.  TLS, password "secret".
"""
import imaplib
import json
import re
import ssl
import sys


def fetched(lines):
    rows = {}
    for l in lines:
        l = l if isinstance(l, bytes) else b" ".join(l)
        m = re.search(rb"UID (\d+)", l), re.search(rb"FLAGS \((.*?)\)", l), \
            re.search(rb"MODSEQ \((\d+)\)", l)
        if all(m):
            rows[m[0][1].decode()] = [int(m[2][1]), sorted(
                x for x in m[1][1].decode().split() if x != "\\Recent")]
    return rows


def vanished(lines):
    for l in lines:
        for r in re.sub(rb"\(EARLIER\)", b"", l).strip().split(b","):
            a, _, b = r.partition(b":")
            yield int(a), int(b or a)


def main():
    address, port, user = sys.argv[1:4]
    had = json.loads(sys.argv[4]) if len(sys.argv) > 4 else None
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    c = imaplib.IMAP4_SSL(address, int(port), ssl_context=tls, timeout=60)
    c.login(user, "secret")
    c.enable("QRESYNC")
    more = ["(QRESYNC (%d %d))" % (had["validity"], had["modseq"])] \
        if had else []
    c.untagged_responses = {}
    kind, data = c._simple_command("SELECT", "INBOX", *more)
    if kind != "OK":
        sys.exit("SELECT: %r" % data)
    c.state = "SELECTED"        # select() takes no parameters
    said = c.untagged_responses
    validity = int(said["UIDVALIDITY"][-1])
    modseq = int(said["HIGHESTMODSEQ"][-1])
    anew = not had or had["validity"] != validity
    if anew:
        c.untagged_responses = {}
        c._simple_command("UID", "FETCH", "1:*", "(UID FLAGS MODSEQ)")
        rows = fetched(c.untagged_responses.get("FETCH", []))
    else:
        rows = had["rows"]
        for a, b in vanished(said.get("VANISHED", [])):
            for u in [u for u in rows if a <= int(u) <= b]:
                del rows[u]
        rows.update(fetched(said.get("FETCH", [])))
    c.logout()
    print(json.dumps({"validity": validity, "modseq": modseq, "anew": anew,
                      "rows": rows}))


main()
