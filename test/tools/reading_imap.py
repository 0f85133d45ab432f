"""IMAP, as reading.py measures it: with the smallest work on the client's side.
"""
import re
import socket
import time

TAIL = re.compile(rb"(?:\A|\n)t (OK|NO|BAD)[^\n]*\r\n\Z")


class Imap:
    def __init__(self, address, tls, user, context, password, scram, b64):
        self.s = socket.create_connection(address, 60)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.b = b""
        if tls:
            self.s = context.wrap_socket(self.s)
        self.line()
        if tls:
            self.command(b"LOGIN " + user.encode() + b" " + password)
            return
        self.b64 = b64
        scram(user, self.challenge)
        self.s.sendall(b"\r\n")
        self.answer(b"")

    def challenge(self, answer):
        import base64
        if answer[:1] == b"n":
            self.s.sendall(b"t AUTHENTICATE SCRAM-SHA-256\r\n")
            self.plus()
        self.s.sendall(self.b64(answer) + b"\r\n")
        return base64.b64decode(self.plus())

    def plus(self):
        line = self.line()
        if line[:1] != b"+":
            raise SystemExit("reading: %r" % line)
        return line[2:]

    def more(self):
        got = self.s.recv(1 << 18)
        if not got:
            raise SystemExit("reading: hung up on")
        return got

    def line(self):
        while b"\r\n" not in self.b:
            self.b += self.more()
        line, self.b = self.b.split(b"\r\n", 1)
        return line

    def answer(self, command):
        """Bytes of it, and the last of them."""
        n, tail = len(self.b), self.b[-4000:]
        self.b = b""
        while not (m := TAIL.search(tail)):
            got = self.more()
            n += len(got)
            tail = (tail + got)[-4000:]
        if m[1] != b"OK":
            raise SystemExit("reading: %r: %r" % (command, tail[-300:]))
        return n, tail

    def command(self, text):
        self.s.sendall(b"t " + text + b"\r\n")
        return self.answer(text)

    def list(self):
        self.command(b"SELECT INBOX")
        got = self.command(b"STATUS INBOX (MESSAGES UNSEEN)")[1]
        return int(re.search(rb"MESSAGES (\d+)", got)[1])

    def fetch_all(self, messages):
        """Bytes of all messages, without the time of SELECT; and seconds."""
        self.command(b"EXAMINE INBOX")
        begun = time.monotonic()
        n = self.command(b"FETCH 1:%d BODY.PEEK[]" % messages)[0]
        return n, time.monotonic() - begun

    def append(self, message):
        self.s.sendall(b"t APPEND INBOX {%d}\r\n" % len(message))
        self.plus()
        self.s.sendall(message + b"\r\n")
        self.answer(b"APPEND")

    def quit(self):
        self.s.sendall(b"t LOGOUT\r\n")
        self.s.close()
