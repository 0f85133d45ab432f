"""IMAP's answers as Python has them.

A list becomes a list, a string (quoted or literal) bytes, NIL None, any other
word a str, digits alone an int.
"""
import re

LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
WORD = re.compile(rb'[^ ()\[\]"{\r\n]+')


class Broken(ValueError):
    pass


class Reader:
    def __init__(self, data, at=0):
        self.data = data
        self.at = at
        self.quoted = []        # what was in quotes, as it came

    def fail(self, why):
        raise Broken("%s at %d of %r" % (why, self.at, self.data))

    def next_is(self, c):
        return self.data[self.at:self.at + 1] == c

    def take(self, c):
        if not self.next_is(c):
            self.fail("no %r" % c)
        self.at += 1

    def match(self, regexp):
        m = regexp.match(self.data, self.at)
        if m:
            self.at = m.end()
        return m

    def string(self):
        m = self.match(LITERAL)
        if m:
            n = int(m[1])
            text = self.data[self.at:self.at + n]
            if len(text) < n:
                self.fail("a short literal")
            if b"\0" in text and m[0][:1] != b"~":
                self.fail("a NUL in what is no literal8")
            self.at += n
            return text
        m = self.match(QUOTED) or self.fail("no string")
        if b"\r" in m[1] or b"\n" in m[1] or b"\0" in m[1]:
            self.fail("a quoted line")
        self.quoted.append(m[1])
        return re.sub(rb"\\(.)", rb"\1", m[1], flags=re.DOTALL)

    def word(self):
        m = self.match(WORD) or self.fail("no word")
        text = m[0].decode()
        return None if text.upper() == "NIL" else \
            int(text) if text.isdigit() else text

    def value(self):
        if self.next_is(b"("):
            return self.list()
        if self.data[self.at:self.at + 1] in (b'"', b"{", b"~"):
            return self.string()
        return self.word()

    def list(self):
        """Lists behind each other have no space between them: bodies,
        addresses."""
        out = []
        self.take(b"(")
        while not self.next_is(b")"):
            if out and not (self.next_is(b"(") and isinstance(out[-1], list)):
                self.take(b" ")
            out.append(self.value())
        self.take(b")")
        return out

    def item(self):
        """A FETCH item's name, in capitals but for a section's fields."""
        m = self.match(re.compile(rb"[A-Za-z0-9.]+")) or self.fail("no item")
        name = m[0].decode().upper()
        if not self.next_is(b"["):
            return name
        start = self.at
        while not self.next_is(b"]"):
            if self.data[self.at:self.at + 1] in (b'"', b"{"):
                self.string()
            elif self.at == len(self.data):
                self.fail("no end of a section")
            else:
                self.at += 1
        self.at += 1
        self.match(re.compile(rb"<\d+>"))
        return name + self.data[start:self.at].decode()


def fetched(line, utf8=False):
    """(number, {item: value}) of an answer to FETCH; None: it is another.
    utf8: UTF8=ACCEPT is enabled."""
    m = re.match(rb"\* (\d+) FETCH \(", line)
    if not m:
        return None
    r, out = Reader(line, m.end()), {}
    while not r.next_is(b")"):
        if out:
            r.take(b" ")
        name = r.item()
        r.take(b" ")
        out[name] = r.value()
    r.take(b")")
    if r.at != len(line):
        r.fail("something behind it")
    for q in r.quoted:
        try:
            q.decode("utf-8" if utf8 else "ascii")
        except UnicodeDecodeError:
            r.fail("8 bits in quotes")
    return int(m[1]), out


def threads(line):
    """The lists behind "* THREAD"."""
    r = Reader(b"(%s)" % line[9:].strip())
    return r.list()


class Body:
    """A part of a BODYSTRUCTURE.  path: its number as in BODY[...], "" for the
    message's own multipart; kind: "leaf", "multipart", "message"."""
    def __init__(self, value, path="", top=True):
        self.value = value
        self.children = []
        self.lines = self.size = self.encoding = self.envelope = None
        self.path = path
        if isinstance(value[0], list):
            self.multipart(value, path)
            return
        # what is no multipart is part 1 of its message
        if top:
            self.path = path + ".1" if path else "1"
        self.single(value)

    def multipart(self, value, path):
        self.kind = "multipart"
        n = [isinstance(x, list) for x in value].index(False)
        for i, x in enumerate(value[:n], 1):
            self.children.append(
                Body(x, "%s.%d" % (path, i) if path else str(i), False))
        self.type = b"multipart/" + value[n].lower()
        self.params = pairs(value[n + 1])
        self.more = value[n + 2:]

    def single(self, value):
        self.type = value[0].lower() + b"/" + value[1].lower()
        self.params = pairs(value[2])
        self.id, self.description, self.encoding, self.size = value[3:7]
        at = 7
        self.kind = "leaf"
        if self.type in (b"message/rfc822", b"message/global"):
            self.kind = "message"
            self.envelope = value[7]
            self.children = [Body(value[8], self.path)]
            at = 9
        if self.kind == "message" or value[0].lower() == b"text":
            self.lines = value[at]
            at += 1
        self.md5, self.more = value[at], value[at + 1:]

    def all(self):
        """Those of a message that is no multipart have one number twice: its
        own part, and the message's in the part around it."""
        yield self
        for c in self.children:
            yield from c.all()


def pairs(value):
    if value is None:
        return {}
    return {k.lower(): v for k, v in
            reversed(list(zip(value[::2], value[1::2])))}
