"""Sessions with a server, as test/transcripts/README describes them."""
import fnmatch
import os
import re
import socket
import ssl
import subprocess
import zlib

from cluster import base, ok, read, run

WAIT = 60


def certificates(*names):
    """The CA, and service.pem and service.key in base/service, for
    mx.example.org and these names."""
    mkcerts = os.environ["ROOT"] + "/share/mkcerts"
    for words in (["ca"], ["service", base + "/service", "mx.example.org",
                            *names]):
        r = run(mkcerts, base + "/ca", *words)
        if r.returncode != 0:
            raise AssertionError(r)


def trusting():
    return ssl.create_default_context(cafile=base + "/ca/ca.pem")


class Server:
    """A program with one session on a socket; "-t" in its words: TLS."""
    out = into = None

    def __init__(self, *words):
        self.s, theirs = socket.socketpair()
        self.p = subprocess.Popen(words, stdin=theirs, stdout=theirs,
                                  stderr=subprocess.DEVNULL)
        theirs.close()
        self.s.settimeout(WAIT)
        self.buf = b""
        if "-t" in words:
            self.tls()

    def tls(self):
        self.s = trusting().wrap_socket(self.s,
                                        server_hostname="mx.example.org")

    def compress(self):
        """RFC 4978, from here on both ways."""
        self.out = zlib.compressobj(wbits=-15)
        self.into = zlib.decompressobj(wbits=-15)
        self.buf = self.into.decompress(self.buf)

    def send(self, data):
        if self.out:
            data = self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH)
        try:
            self.s.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            pass

    def more(self):
        try:
            got = self.s.recv(65536)
        except ConnectionResetError:
            got = b""
        self.buf += self.into.decompress(got) if self.into else got
        return got

    def line(self):
        """The next line without its end; None when it has hung up."""
        while b"\r\n" not in self.buf:
            if not self.more():
                return None
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line.decode(errors="replace")

    def say(self, text):
        """A command, and the line of its answer."""
        self.send(text.encode() + b"\r\n")
        return self.line()

    def close(self):
        self.s.close()
        return self.p.wait(WAIT)

    def kill(self):
        self.p.kill()
        self.p.wait(WAIT)
        self.s.close()


def step(server, kind, text):
    """What is wrong, or None."""
    if kind == "C":
        server.send(text.encode() + b"\r\n")
    elif kind == "c":
        server.send(text.encode("latin-1").decode("unicode_escape")
                    .encode("latin-1"))
    elif kind == "Z":
        server.send((b"x" * 78 + b"\r\n") * (int(text) // 80))
    elif kind == "T":
        server.tls()
    elif kind == "X":
        server.compress()
    elif kind == "E":
        line = server.line()
        if line is not None:
            return "it goes on: %r" % line
    else:
        line = server.line()
        if line is None or not fnmatch.fnmatchcase(
                line, re.sub(r"([\[])", r"[\1]", text)):
            return "got %r, wanted %r" % (line, text)
    return None


def play(title, mode, steps, words):
    server = Server(*words)
    wrong = None
    try:
        for number, kind, text in steps:
            wrong = step(server, kind, text)
            if wrong:
                wrong = "line %d: %s" % (number, wrong)
                break
    except TimeoutError:
        wrong = "line %d: no answer" % number
    code = server.close()
    ok(wrong is None and code == 0, "%s: %s" % (mode, title),
       wrong or "exit %d" % code)


def transcripts(path):
    """(title, mode, steps) of each session in a file."""
    title = None
    for number, line in enumerate(read(path).decode().split("\n"), 1):
        if line.startswith("== "):
            if title:
                yield title, mode, steps
            _, mode, title = line.split(" ", 2)
            steps = []
        elif line:
            steps.append((number, line[0], line[3:]))
    yield title, mode, steps


def play_all(name, modes):
    """All sessions of test/transcripts/NAME.txt; modes: words to start."""
    for title, mode, steps in transcripts("%s/test/transcripts/%s.txt" % (
            os.environ["ROOT"], name)):
        play(title, mode, steps, modes[mode])
