"""A message's parts by their offsets, as RFC 2046 and RFC 3501 say: from the
outside in, where lib/format/mime.c goes over the lines once.

What the RFCs leave open is decided as our man page cm-deviations(7) says.
"""
import base64
import binascii
import html.parser
import quopri
import re
import urllib.parse

NAME = rb"[!-9;-~]+"
FIELD = re.compile(NAME + rb"[ \t]*:")
START = re.compile(rb">?From .|" + FIELD.pattern)
TOKEN = re.compile(rb"[^\x00-\x20\x7f-\xff()<>@,;:\\\"/\[\]?=]+")
ENCODED = (b"base64", b"quoted-printable")


def crlf(data):
    return re.sub(rb"\r?\n", b"\r\n", data)


def header_end(raw, start, end):
    """Behind the empty line; start, if no header begins there."""
    line = raw[start:end].split(b"\r\n", 1)[0]
    if line and not START.match(line):
        return start
    if not line:
        return min(start + 2, end)
    at = raw.find(b"\r\n\r\n", start, end)
    return at + 4 if at >= 0 else end


def fields(header):
    """(name in small letters, value, whole) of each field."""
    out, lines = [], header.split(b"\r\n")
    i = 0
    while i < len(lines) and (lines[i] or i == 0):
        m, whole = FIELD.match(lines[i]), lines[i]
        i += 1
        if not m:
            continue
        while i < len(lines) and lines[i][:1] in (b" ", b"\t"):
            whole += b"\r\n" + lines[i]
            i += 1
        name, value = whole.split(b":", 1)
        more = b"\r\n" if b"\r\n".join(lines[:i]) != header else b""
        out.append((name.rstrip(b" \t").lower(), value, whole + more))
    return out


def empty_line(header):
    """The one behind it, if it is there."""
    return b"\r\n" if re.search(rb"(\A|\r\n)\r\n\Z", header) else b""


def field(header, name):
    for n, value, _ in fields(header):
        if n == name:
            return re.sub(rb"\r\n(?=[ \t])", b"", value).strip(b" \t\r\n")
    return None


def uncomment(value):
    """Without comments that are not in quotes."""
    out, depth, quoted, i = b"", 0, False, 0
    while i < len(value):
        c = value[i:i + 1]
        n = 2 if c == b"\\" and (quoted or depth) else 1
        if quoted or depth == 0 and c != b"(":
            quoted ^= c == b'"'
            out += value[i:i + n]
        elif c == b"(":
            depth += 1
        elif c == b")":
            depth -= 1
            out += b" "
        i += n
    return out


def content_type(value):
    """(type, subtype, {parameter: value}); None: it is none."""
    value = uncomment(value)
    m = re.match(rb"\s*(%b)\s*/\s*(%b)" % (TOKEN.pattern, TOKEN.pattern),
                 value)
    if not m:
        return None
    params = {}
    for name, text in re.findall(
            rb"[;\s]\s*([^\s=;]+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"?|[^;\s]*)",
            value[m.end():], re.DOTALL):
        if text[:1] == b'"':
            text = re.sub(rb"\\(.)", rb"\1", text[1:].removesuffix(b'"'))
        params.setdefault(name.lower(), text)
    return m[1].lower(), m[2].lower(), params


def joined(params):
    """RFC 2231 section 3: pieces made one, "name*" if one is encoded."""
    out = {}
    for name, text in params.items():
        m = re.fullmatch(rb"([^*]+)\*(\d+)(\*?)", name)
        if not m:
            out[name] = text
        elif m[2] == b"0":
            n, pieces = 0, []
            while True:
                star = b"%b*%d" % (m[1], n)
                if star + b"*" in params:
                    pieces.append((params[star + b"*"], True))
                elif star in params:
                    pieces.append((params[star], False))
                else:
                    break
                n += 1
            if any(e for _, e in pieces):
                out[m[1] + b"*"] = b"".join(
                    p if e else urllib.parse.quote_from_bytes(
                        p, "!#$&+-.^_`{|}~").encode() for p, e in pieces)
            else:
                out[m[1]] = b"".join(p for p, _ in pieces)
    return out


class Part:
    def __init__(self, raw, start, end, path="", top=True, default=None):
        self.raw, self.start, self.end = raw, start, end
        # the empty line behind a header is there, even if what comes next
        # delimits the part and counts its line end as its own
        if header_end(raw, start, end + 2) == end + 2 and \
                re.search(rb"(\A|\r\n)\r\n\Z", raw[start:end + 2]):
            self.end = end = end + 2
        self.body = header_end(raw, start, end)
        self.children = []
        self.path = path
        self.kind = "leaf"
        header = raw[start:self.body]
        self.encoding = field(header, b"content-transfer-encoding")
        value = field(header, b"content-type")
        known = content_type(value) if value is not None else default
        self.type = known or (b"text", b"plain", {})
        encoded = (self.encoding or b"").rstrip(b"; ").lower() in ENCODED
        self.boundary = self.type[2].get(b"boundary", b"").rstrip(b" \t")
        if self.type[0] == b"multipart" and self.boundary:
            self.kind = "multipart"
            self.split()
            self.end = max([self.end] + [x.end for x in self.children])
            return
        if top:
            self.path = path + ".1" if path else "1"
        if self.type[0] == b"message" and not encoded and \
                self.type[1] in (b"rfc822", b"global"):
            self.kind = "message"
            self.children = [Part(raw, self.body, end, self.path)]
            self.end = self.children[0].end

    def split(self):
        """Its parts: what is between the lines that delimit them."""
        delimiter = re.compile(rb"(?:^|\r\n)--%b(--)?[ \t]*(?:\r\n|$)" %
                               re.escape(self.boundary))
        text = self.raw[self.body:self.end]
        at, starts, ends, n = 0, [], [], 0
        while m := delimiter.search(text, at):
            # a line's start, too, is where an empty part was before it
            ends.append(m.start())
            if m[1]:
                break
            starts.append(m.end())
            at = m.end() - 2 if m[0].endswith(b"\r\n") else m.end()
        else:
            ends.append(len(text))
        default = (b"message", b"rfc822", {}) \
            if self.type[1] == b"digest" else None
        for s, e in zip(starts, ends[1:]):
            n += 1
            path = "%s.%d" % (self.path, n) if self.path else str(n)
            self.children.append(Part(
                self.raw, self.body + s, self.body + max(s, e), path, False,
                default))

    @property
    def header_bytes(self):
        return self.raw[self.start:self.body]

    @property
    def body_bytes(self):
        return self.raw[self.body:self.end]

    def lines(self):
        return self.body_bytes.count(b"\n")

    def all(self):
        yield self
        for c in self.children:
            yield from c.all()

    def binary(self):
        """Its transfer encoding undone; None: it is none that is known."""
        how = (self.encoding or b"").rstrip(b"; ").lower()
        if self.kind != "leaf" or how in (b"", b"7bit", b"8bit", b"binary"):
            return self.body_bytes
        if how == b"base64":
            return unbase64(self.body_bytes)
        if how == b"quoted-printable":
            # rule 3, which Python does not know
            return quopri.decodestring(re.sub(
                rb"[ \t]+(?=\r\n|\Z)", b"", self.body_bytes))
        return None


def unbase64(data):
    """RFC 2045 section 6.8: what is not of the alphabet counts for nothing,
    and "=" ends it; some write another piece behind it."""
    out = b""
    for piece in re.split(rb"=+", data):
        piece = re.sub(rb"[^A-Za-z0-9+/]", b"", piece)
        if len(piece) % 4 == 1:
            piece = piece[:-1]
        out += binascii.a2b_base64(piece + b"=" * (-len(piece) % 4))
    return out


# --- PREVIEW ---

class Visible(html.parser.HTMLParser):
    """HTML's text; a tag is a blank."""
    HIDDEN = ("style", "script", "head", "title")

    def __init__(self, text):
        super().__init__()
        self.text, self.hidden = "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.text += " "
        if tag in self.HIDDEN:
            self.hidden.append(tag)

    def handle_endtag(self, tag):
        self.text += " "
        if tag in self.hidden:
            del self.hidden[self.hidden.index(tag):]

    def handle_data(self, data):
        if not self.hidden:
            self.text += data


def decoded(part):
    text, charset = part.binary(), part.type[2].get(b"charset", b"us-ascii")
    name = charset.decode("latin-1").lower()
    if name == "us-ascii":
        name = "utf-8"
    try:
        return text.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None


def preview(root):
    """RFC 8970; None: no way to say with what Python knows."""
    for p in root.all():
        if p.kind != "leaf" or p.type[0] != b"text" or p.binary() is None:
            continue
        text = decoded(p)
        if text is None:
            return None
        if p.type[1] == b"html":
            text = Visible(text).text
        text = re.sub(r"[\x00-\x20\x7f-\xa0\xad\u2000-\u200f\u2028-\u202f"
                      r"\u3000\ufeff]+", " ", text).strip(" ")
        if text:
            return text[:200].rstrip(" ")
    return ""
