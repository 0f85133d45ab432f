#!/usr/bin/env python3
"""reading.py PROTOCOL HOST PORT tls|plain WHAT ...: what test/bench/read
measures of a server that mailboxes are read from.  PROTOCOL:
pop3, imap.

    logins CLIENTS SECONDS BOX...   sessions that log in and leave, per second
    list BOX N M    seconds of a session that logs in, asks for the number of
                    messages and the list of their sizes, and leaves; the
                    median of N times; M messages must be there
    fetch BOX M     MiB per second of one that fetches M messages
    do BOX COMMAND...   seconds of IMAP's commands, one after the other, in a
                    folder that was selected before
    append BOX N SIZE   messages appended per second in one session
    idle COUNT BOX...   logs in so often, says "ready", and waits for the end of
                    its standard input

TLS: USER and PASS; plain: SCRAM-SHA-256.  The password is "secret".
"""
import base64
import hashlib
import hmac
import os
import socket
import ssl
import statistics
import sys
import time

from reading_imap import Imap

PASSWORD = b"secret"
CHUNK = 1 << 18
b64 = base64.b64encode
salted = {}                     # what a client computes once for an account


def mac(key, data):
    return hmac.new(key, data, "sha256").digest()


def scram(user, ask):
    """RFC 5802; ask sends an answer and gives the next challenge."""
    first = b"n=%s,r=%s" % (user.encode(), b64(os.urandom(18)))
    server = ask(b"n,," + first)
    f = dict(x.split(b"=", 1) for x in server.split(b","))
    what = f[b"s"], int(f[b"i"])
    if what not in salted:
        salted[what] = hashlib.pbkdf2_hmac(
            "sha256", PASSWORD, base64.b64decode(what[0]), what[1])
    bare = b"c=biws,r=" + f[b"r"]
    key = mac(salted[what], b"Client Key")
    proof = mac(hashlib.sha256(key).digest(),
                b",".join((first, server, bare)))
    ask(bare + b",p=" + b64(bytes(a ^ b for a, b in zip(key, proof))))


class Pop3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def __init__(self, address, tls, user):
        self.s = socket.create_connection(address, 60)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.b = b""
        if tls:
            self.s = self.context.wrap_socket(self.s)
        self.good(self.line())
        if tls:
            self.say(b"USER " + user.encode())
            self.say(b"PASS " + PASSWORD)
        else:
            scram(user, self.challenge)
            self.s.sendall(b"\r\n")
            self.good(self.line())

    def challenge(self, answer):
        first = b"AUTH SCRAM-SHA-256 " if answer[:1] == b"n" else b""
        self.s.sendall(first + b64(answer) + b"\r\n")
        line = self.line()
        if line[:2] != b"+ ":
            raise SystemExit("reading: %r" % line)
        return base64.b64decode(line[2:])

    def more(self):
        got = self.s.recv(CHUNK)
        if not got:
            raise SystemExit("reading: hung up on")
        return got

    def line(self):
        while b"\r\n" not in self.b:
            self.b += self.more()
        line, self.b = self.b.split(b"\r\n", 1)
        return line

    def good(self, line):
        if not line.startswith(b"+OK"):
            raise SystemExit("reading: %r" % line)
        return line

    def say(self, line):
        self.s.sendall(line + b"\r\n")
        return self.good(self.line())

    def text(self):
        """Of an answer of several lines: how many bytes; the parts of it."""
        n, parts, tail = 0, [], b"\r\n"
        got, self.b = self.b, b""
        while True:
            n += len(got)
            parts.append(got)
            tail = (tail + got)[-5:]
            if tail == b"\r\n.\r\n":
                return n, parts
            got = self.more()

    def list(self):
        n = int(self.say(b"STAT").split()[1])
        self.say(b"LIST")
        got = b"".join(self.text()[1]).count(b"\n") - 1
        if got != n:
            raise SystemExit("reading: %d of %d listed" % (got, n))
        return n

    def fetch(self, number):
        self.say(b"RETR %d" % number)
        return self.text()[0]

    def quit(self):
        self.say(b"QUIT")
        self.s.close()


def imap(address, tls, user):
    return Imap(address, tls, user, Pop3.context, PASSWORD, scram, b64)


PROTOCOLS = {"pop3": Pop3, "imap": imap}


def logins(open_, clients, seconds, *boxes):
    """A process for each client."""
    pipes = []
    for k in range(int(clients)):
        r, w = os.pipe()
        if os.fork() == 0:
            n, begun = 0, time.monotonic()
            while time.monotonic() - begun < float(seconds):
                open_(boxes[(k + n) % len(boxes)]).quit()
                n += 1
            os.write(w, b"%f" % (n / (time.monotonic() - begun)))
            os._exit(0)
        os.close(w)
        pipes.append(r)
    rates = [os.read(r, 100) for r in pipes]
    if not all(rates):
        raise SystemExit("reading: a client failed")
    print("%.1f" % sum(map(float, rates)))


def list_(open_, box, times, messages):
    took = []
    for i in range(int(times)):
        begun = time.monotonic()
        c = open_(box)
        if c.list() != int(messages):
            raise SystemExit("reading: not %s messages" % messages)
        c.quit()
        took.append(time.monotonic() - begun)
    print("%.4f" % statistics.median(took))


def fetch(open_, box, messages):
    c = open_(box)
    if isinstance(c, Imap):
        n, took = c.fetch_all(int(messages))
    else:
        begun = time.monotonic()
        n = sum(c.fetch(i + 1) for i in range(int(messages)))
        took = time.monotonic() - begun
    c.quit()
    print("%.1f" % (n / took / (1 << 20)))


def do(open_, box, *commands):
    c = open_(box)
    c.command(b"SELECT INBOX")
    begun = time.monotonic()
    for x in commands:
        c.command(x.encode())
    took = time.monotonic() - begun
    c.quit()
    print("%.4f" % took)


def append(open_, box, n, size):
    c = open_(box)
    text = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * (int(size) // 72)
    begun = time.monotonic()
    for i in range(int(n)):
        c.append(text)
    took = time.monotonic() - begun
    c.quit()
    print("%.1f" % (int(n) / took))


def idle(open_, count, *boxes):
    held = [open_(boxes[i % len(boxes)]) for i in range(int(count))]
    print("ready", flush=True)
    sys.stdin.read()
    for c in held:
        c.quit()


def main(protocol, host, port, tls, what, *args):
    def open_(box):
        return PROTOCOLS[protocol]((host, int(port)), tls == "tls", box)
    {"logins": logins, "list": list_, "fetch": fetch, "idle": idle,
     "do": do, "append": append}[what](open_, *args)


main(*sys.argv[1:])
