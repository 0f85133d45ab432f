"""A session with cm-imapd: commands, answers with their literals, a view."""
import re
import socket
import ssl
import zlib

from cluster import BOB
from dialog import Server

LITERAL = re.compile(rb"\{(\d+)\+?\}$")


class Remote:
    """A connection to a server that runs, as dialog.Server is one."""
    def __init__(self, host, port, ca=None):
        self.s = socket.create_connection((host, port), 60)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca:
            context = ssl.create_default_context(cafile=ca)
            context.check_hostname = False
            self.s = context.wrap_socket(self.s)
        self.buf = b""

    def send(self, data):
        try:
            self.s.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            pass

    def more(self):
        try:
            got = self.s.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            got = b""
        self.buf += got
        return got

    def close(self):
        self.s.close()
        return 0


class Deflated:
    """What is sent and read over another one, compressed."""
    def __init__(self, s):
        self.below = s
        self.out = zlib.compressobj(wbits=-15)
        self.into = zlib.decompressobj(wbits=-15)
        self.buf = self.into.decompress(s.buf)

    def send(self, data):
        self.below.send(self.out.compress(data) +
                        self.out.flush(zlib.Z_SYNC_FLUSH))

    def more(self):
        self.below.buf = b""
        got = self.below.more()
        data = self.into.decompress(got)
        self.buf += data
        return data or (self.more() if got else b"")

    def close(self):
        return self.below.close()


class Imap:
    """Lines are bytes, literals in them as they came: b'... {3}\\r\\nabc)'."""
    def __init__(self, name=BOB, password="secret", server=None):
        self.s = server or Server("cm-imapd", "-t")
        self.tags = 0
        self.greeting = self.line()
        self.login = self.cmd("LOGIN %s %s" % (name, password))[1] \
            if name else None

    def octets(self, n):
        while len(self.s.buf) < n:
            if not self.s.more():
                raise EOFError("hung up in a literal")
        got, self.s.buf = self.s.buf[:n], self.s.buf[n:]
        return got

    def raw_line(self):
        while b"\r\n" not in self.s.buf:
            if not self.s.more():
                return None
        line, self.s.buf = self.s.buf.split(b"\r\n", 1)
        return line

    def line(self):
        """One answer, its literals included; None when it has hung up."""
        line = self.raw_line()
        while line is not None and (m := LITERAL.search(line)):
            line += b"\r\n" + self.octets(int(m[1]))
            line += self.raw_line() or b""
        return line

    def begin(self, *parts):
        """Sends a command: text, and bytes, which become literals."""
        self.tags += 1
        out = b"t%d" % self.tags
        for part in parts:
            out += b" " + part.encode() if isinstance(part, str) else \
                b" {%d+}\r\n" % len(part) + part
        self.s.send(out + b"\r\n")
        return b"t%d " % self.tags

    def end(self, tag):
        """(untagged answers, what follows the tag); None: hung up."""
        got = []
        while (line := self.line()) is not None:
            if line.startswith(tag):
                return got, line[len(tag):].decode(errors="replace")
            got.append(line)
        return got, None

    def cmd(self, *parts):
        return self.end(self.begin(*parts))

    def ok(self, *parts):
        """The untagged answers of a command that must be OK."""
        got, end = self.cmd(*parts)
        if end is None or not end.startswith("OK"):
            raise AssertionError("%r: %r %r" % (parts, got, end))
        return got

    def compress(self):
        """RFC 4978, from here on both ways."""
        end = self.cmd("COMPRESS DEFLATE")[1]
        if end.startswith("OK"):
            self.s = Deflated(self.s)
        return end

    def idle(self):
        self.s.send(b"i IDLE\r\n")
        return self.line()

    def done(self):
        self.s.send(b"DONE\r\n")
        return self.end(b"i ")

    def close(self):
        """Its exit code."""
        self.s.send(b"bye LOGOUT\r\n")
        self.end(b"bye ")
        return self.s.close()


def literal(line):
    """The bytes of an answer's last literal."""
    m = list(re.finditer(rb"\{(\d+)\}\r\n", line))
    if not m:
        return None
    # the first one that reaches to the end, but for what closes it
    for x in m:
        at, n = x.end(), int(x[1])
        if len(line) - at - n in (1,):
            return line[at:at + n]
    return None
