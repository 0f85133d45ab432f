#!/usr/bin/env python3
"""What IMAP gives of real messages, to the byte: sections, pieces of them,
decoded parts, sizes and previews.  CORPUS is a folder of them; test/mail has
more, with odd structures.  What is wanted is found in the files themselves.
"""
import email
import email.policy
import glob
import os
import re
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
from dialog import *
from imapping import *
from imap_list import *
import mime_walk

PICK = ("Subject", "from", "X-NONE", "Received", "content-TYPE")
NAMES = [x.lower().encode() for x in PICK]

# Where Python's email package finds other parts.
OTHER_PARTS = {
    "broken": "it looks into an encoded message, RFC 2046 section 5.2.1 has "
              "none",
}


# Texts that Python cannot read.  What is made of such the unit test of charset
# tells.
NO_PREVIEWS = {
    "error_emails_content_transfer_encoding_empty": "bytes that are no Big5",
    "plain_emails_raw_email10": "a charset that is none",
}


def mails():
    d = os.environ.get("CORPUS")
    where = [d] if d else []
    for d in where + [os.environ["ROOT"] + "/test/mail"]:
        for f in sorted(glob.glob(d + "/*.eml")):
            yield os.path.basename(f)[:-4], mime_walk.crlf(read(f))


class Mail:
    def __init__(self, name, raw):
        self.name, self.raw = name, raw
        self.root = mime_walk.Part(raw, 0, len(raw))
        self.wrong = []

    def same(self, got, want, what):
        if got != want:
            self.wrong.append("%s:\n  got  %r\n  want %r" % (
                what, got, want))

    def report(self, what):
        ok(not self.wrong, "%s: %s" % (self.name, what),
           "\n".join(self.wrong[:8]))
        self.wrong = []


def picked(header, no):
    """HEADER.FIELDS, and HEADER.FIELDS.NOT."""
    return b"".join(whole for name, _, whole in mime_walk.fields(header)
                    if (name in NAMES) != no) + mime_walk.empty_line(header)


def of_message(prefix, p):
    """Items of a message, or of one in a message/rfc822 part."""
    header = p.header_bytes
    names = "(%s)" % " ".join(PICK)
    return {"BODY[%sHEADER]" % prefix: header,
            "BODY[%sTEXT]" % prefix: p.body_bytes,
            "BODY[%sHEADER.FIELDS %s]" % (prefix, names):
                picked(header, False),
            "BODY[%sHEADER.FIELDS.NOT %s]" % (prefix, names):
                picked(header, True)}


def of_part(p):
    out = {"BODY[%s.MIME]" % p.path: p.header_bytes,
           "BODY[%s]" % p.path: p.body_bytes}
    if p.kind == "message":
        out.update(of_message(p.path + ".", p.children[0]))
    else:
        for x in "HEADER", "TEXT":
            out["BODY[%s.%s]" % (p.path, x)] = None
    return out


def numbered(root):
    """The parts that have a number of their own: not the message, nor a
    multipart that is all of a message in a part, nor what is in such one alone.
    """
    by_path = {}
    for p in root.all():
        if p.path:
            by_path.setdefault(p.path, p)
    return by_path


def wanted(m):
    out = {"BODY[]": m.raw, "RFC822.SIZE": len(m.raw), "RFC822": m.raw,
           "RFC822.HEADER": m.root.header_bytes,
           "RFC822.TEXT": m.root.body_bytes, "BINARY[]": m.raw,
           "BINARY.SIZE[]": len(m.raw)}
    out.update(of_message("", m.root))
    paths = numbered(m.root)
    for p in paths.values():
        out.update(of_part(p))
    top = max([int(x.split(".")[0]) for x in paths] or [0]) + 1
    for path in [str(top), "99", "%d.1" % top] + [
            x + ".1" for x, p in paths.items() if p.kind == "leaf"]:
        out["BODY[%s]" % path] = out["BODY[%s.MIME]" % path] = None
    for p in m.root.all():
        if p.kind == "multipart" and not p.children:
            path = p.path + ".1" if p.path else "1"
            out.update({"BODY[%s]" % path: b"", "BODY[%s.MIME]" % path: b"",
                        "BINARY[%s]" % path: b"",
                        "BINARY.SIZE[%s]" % path: 0,
                        "BODY[%s.1]" % path: None,
                        "BODY[%s]" % (path[:-1] + "2"): None})
    return out


def ask(c, number, items, utf8=False):
    """{item: value}; {} when the answer is NO."""
    got, end = c.cmd("FETCH %d (%s)" % (number, " ".join(items)))
    if not end.startswith("OK"):
        return {"NO": end}
    found = [fetched(x, utf8) for x in got]
    for n, answer in filter(None, found):
        if n == number and len(answer) >= len(set(items)) - 1:
            return answer
    return {}


def sections(c, n, m):
    want = wanted(m)
    got = ask(c, n, [x.replace("BODY[", "BODY.PEEK[")
                     .replace("BINARY[", "BINARY.PEEK[") for x in want])
    for item, value in want.items():
        m.same(got.get(item, "nothing"), value, item)
    m.report("%d sections" % len(want))


def partials(c, n, m):
    size = len(m.raw)
    body = len(m.root.body_bytes)
    want = {}
    for o, k in ((0, 1), (0, size), (0, size + 1), (1, 10), (size - 1, 1),
                 (size - 1, 2), (size, 1), (size + 1, 1), (4294967295, 1),
                 (0, 4294967295), (size // 2, 4096)):
        want["BODY[]<%d.%d>" % (o, k)] = m.raw[o:o + k]
    for o, k in ((0, 7), (3, 70), (body, 1), (body + 10, 10)):
        want["BODY[TEXT]<%d.%d>" % (o, k)] = m.root.body_bytes[o:o + k]
        want["BODY[HEADER]<%d.%d>" % (o, k)] = m.root.header_bytes[o:o + k]
        name = 'BODY[HEADER.FIELDS (Subject)]<%d.%d>' % (o, k)
        want[name] = b"".join(
            w for x, _, w in mime_walk.fields(m.root.header_bytes)
            if x == b"subject")
        want[name] = (want[name] + mime_walk.empty_line(
            m.root.header_bytes))[o:o + k]
    for p in numbered(m.root).values():
        b = p.body_bytes
        for o, k in (0, 5), (2, 50), (len(b), 3):
            want["BODY[%s]<%d.%d>" % (p.path, o, k)] = b[o:o + k]
            if p.binary() is not None:
                want["BINARY[%s]<%d.%d>" % (p.path, o, k)] = \
                    p.binary()[o:o + k]
    # answers have the offset alone, so that one name may come twice
    for item, value in want.items():
        got = ask(c, n, [item.replace("[", ".PEEK[")])
        m.same(got.get(re.sub(r"\.\d+>$", ">", item), got), value, item)
    m.report("%d pieces" % len(want))


def binaries(c, n, m):
    paths = numbered(m.root)
    for path, p in paths.items():
        data = p.binary()
        items = ["BINARY.PEEK[%s]" % path, "BINARY.SIZE[%s]" % path]
        got = ask(c, n, items)
        if data is None:
            m.same(got.get("NO", got)[:16], "NO [UNKNOWN-CTE]", path)
            continue
        m.same(got.get("BINARY[%s]" % path, got), data, "BINARY " + path)
        m.same(got.get(items[1], got), len(data), items[1])
    m.report("%d parts decoded" % len(paths))


# --- the structure that our BODYSTRUCTURE says ---

def delimited(m, b, start, parts, texts):
    """Each part stands behind a delimiter line, and up to the next."""
    mark = b"--" + b.params[b"boundary"].rstrip(b" \t")
    at = start
    for c in b.children:
        mime, body = texts(c)
        i = m.raw.find(mark, at)
        while i >= 0 and (i > start and m.raw[i - 2:i] != b"\r\n" or
                          m.raw[i + len(mark):].split(b"\r\n")[0].strip()):
            i = m.raw.find(mark, i + 1)
        if i < 0:
            m.wrong.append("%s: no delimiter" % c.path)
            return
        line = m.raw.find(b"\r\n", i)
        at = line + 2 if line >= 0 else len(m.raw)
        m.same(m.raw[at:at + len(mime) + len(body)], mime + body,
               "%s is behind its delimiter" % c.path)
        parts[id(c)] = at
        end = at + len(mime) + len(body)
        behind = m.raw[end:]
        shared = mime == b"\r\n" or (mime + body).endswith(b"\r\n\r\n")
        if behind and mime + body and not behind.startswith(b"\r\n--") and \
                not (shared and behind.startswith(b"--")):
            m.wrong.append("%s: no delimiter behind it: %r" % (
                c.path, behind[:60]))
        at = max(at, end - 2)


def structure(c, n, m):
    """BODYSTRUCTURE against the parts in the file, and BODY[n] against both.
    """
    answer = ask(c, n, ["BODYSTRUCTURE", "BODY"])
    top = Body(answer["BODYSTRUCTURE"])
    compare(m, top, m.root)
    m.same(without_extension(answer["BODYSTRUCTURE"]), answer["BODY"],
           "BODY is BODYSTRUCTURE without its extension")
    for b in top.all():
        if b.kind == "multipart" and b.path == "" or not b.path:
            continue
        got = ask(c, n, ["BODY.PEEK[%s]" % b.path])
        text = got.get("BODY[%s]" % b.path, got)
        if b.size is not None and text is not None:
            m.same(b.size, len(text), b.path + ": octets")
        if b.lines is not None and text is not None:
            m.same(b.lines, text.count(b"\r\n"), b.path + ": lines")

    def texts(part):
        got = ask(c, n, ["BODY.PEEK[%s.MIME]" % part.path,
                         "BODY.PEEK[%s]" % part.path])
        return (got["BODY[%s.MIME]" % part.path] or b"",
                got["BODY[%s]" % part.path] or b"")

    def places(b, start):
        if b.kind == "message":
            mime, body = texts(b)
            m.same(m.raw[start:start + len(mime) + len(body)], mime + body,
                   "place of " + b.path)
            places(b.children[0], start + len(mime))
        if b.kind == "multipart" and not is_empty(b):
            parts = {}
            header = mime_walk.header_end(m.raw, start, len(m.raw)) - start
            delimited(m, b, start + header, parts, texts)
            for x in b.children:
                if id(x) in parts:
                    places(x, parts[id(x)])
    places(top, 0)
    m.report("BODYSTRUCTURE")


def is_empty(b):
    """A multipart without parts; its syntax asks for one."""
    return b.kind == "multipart" and len(b.children) == 1 and \
        b.children[0].size == 0 and b.children[0].more == [None] * 3


def compare(m, b, p):
    """A part of BODYSTRUCTURE, and one that was found in the file."""
    where = p.path or "top"
    m.same(b.path, p.path, "number")
    m.same(b.kind, p.kind, where + ": kind")
    if p.kind == "multipart" and not p.children:
        m.same(is_empty(b), True, where + ": empty")
        return
    kind = b"/".join(p.type[:2])
    if p.kind == "leaf" and p.type[0] == b"multipart":
        kind = b"text/plain"            # without a boundary
    elif p.kind == "leaf" and kind in (b"message/rfc822", b"message/global"):
        kind = b"application/octet-stream"      # encoded
    m.same(b.type, kind, where + ": type")
    if kind == b"/".join(p.type[:2]):
        m.same(b.params, mime_walk.joined(p.type[2]) or (
            {b"charset": b"us-ascii"} if is_default(p) else {}),
            where + ": parameters")
    if p.kind != "multipart":
        m.same(b.size, len(p.body_bytes), where + ": octets")
        if b.lines is not None:
            m.same(b.lines, p.lines(), where + ": lines")
        m.same(b.encoding.lower(), encoding(p), where + ": encoding")
    for name, value in ((b"content-id", "id"),
                        (b"content-description", "description")):
        if p.kind != "multipart":
            m.same(getattr(b, value), mime_walk.field(p.header_bytes, name),
                   "%s: %s" % (where, value))
    if len(b.children) != len(p.children):
        m.same(len(b.children), len(p.children), where + ": parts")
        return
    for x, y in zip(b.children, p.children):
        compare(m, x, y)


def is_default(p):
    value = mime_walk.field(p.header_bytes, b"content-type")
    return p.kind == "leaf" and (value is None or
                                 mime_walk.content_type(value) is None)


def encoding(p):
    m = mime_walk.TOKEN.match(mime_walk.uncomment(p.encoding or b""))
    return m[0].lower() if m else b"7bit"


def without_extension(v):
    if isinstance(v[0], list):
        n = [isinstance(x, list) for x in v].index(False)
        return [without_extension(x) for x in v[:n]] + [v[n]]
    kind = (v[0] + b"/" + v[1]).lower()
    if kind in (b"message/rfc822", b"message/global"):
        return v[:8] + [without_extension(v[8]), v[9]]
    return v[:8] if v[0].lower() == b"text" else v[:7]


# --- a second opinion ---

def outline(part):
    """Of Python's email package, as far as it goes into parts."""
    inner = part.get_payload() if part.is_multipart() else []
    if part.get_content_type() == "message/delivery-status":
        inner = []              # its fields, which Python has as messages
    return [part.get_content_type().encode()] + [outline(x) for x in inner]


def our_outline(p):
    return [b"/".join(p.type[:2])] + [our_outline(x) for x in p.children]


def opinions(m):
    got = outline(email.message_from_bytes(m.raw,
                                           policy=email.policy.compat32))
    why = OTHER_PARTS.get(m.name)
    if why:
        ok(got != our_outline(m.root), "%s: Python finds other parts: %s" % (
            m.name, why))
    else:
        m.same(our_outline(m.root), got, "parts")
        m.report("parts as Python's email package has them")


# --- all of it ---

def previews(c, all_mails):
    c.ok("ENABLE UTF8=ACCEPT")
    for n, m in enumerate(all_mails, 1):
        want = mime_walk.preview(m.root)
        got = ask(c, n, ["PREVIEW"], True)["PREVIEW"]
        if want is None:
            m.same(m.name in NO_PREVIEWS, True, "is known to be unread")
            m.report("no preview to compare: " + NO_PREVIEWS.get(m.name, ""))
            continue
        m.same(got.decode(), want, "PREVIEW")
        m.report("preview")


def appended(all_mails):
    c = Imap()
    c.ok("CREATE Corpus")
    for m in all_mails:
        end = c.cmd("APPEND Corpus", m.raw)[1]
        if not end.startswith("OK"):
            m.wrong.append(end)
        m.report("appended")
    c.ok("SELECT Corpus")
    return c


def delivered(all_mails):
    """By LMTP: the message, and above it what a hop adds."""
    s = Server("cm-smtpd", "-l")
    s.line()
    s.send(b"LHLO c.example\r\n")
    while s.line()[3] == "-":
        pass
    for m in all_mails:
        s.say("MAIL FROM:<ann@example.org> BODY=8BITMIME SMTPUTF8")
        s.say("RCPT TO:<%s>" % BOB)
        s.say("DATA")
        s.send(re.sub(rb"^\.", b"..", m.raw, flags=re.M))
        end = s.say("." if m.raw.endswith(b"\r\n") else "\r\n.")
        m.same(end[:3], "250", "LMTP: " + end)
    s.say("QUIT")
    s.close()
    run("cm-catalog", "sync")
    c = Imap()
    c.ok("SELECT INBOX")
    for n, m in enumerate(all_mails, 1):
        got = ask(c, n, ["BODY.PEEK[]", "RFC822.SIZE"])
        text = got["BODY[]"]
        want = m.raw if m.raw.endswith(b"\r\n") else m.raw + b"\r\n"
        top = text[:len(text) - len(want)]
        m.same(text[len(top):], want, "the message")
        m.same(got["RFC822.SIZE"], len(text), "RFC822.SIZE")
        if not re.fullmatch(rb"Return-Path: <ann@example.org>\r\n"
                            rb"Delivered-To: bob@example.org\r\n"
                            rb"Received: (.*\r\n[ \t])*.*\r\n", top):
            m.wrong.append("above it: %r" % top)
        m.report("delivered")
    c.close()


try:
    certificates()
    configure(rest='<mail certificate="%s/service/service.pem" '
              'key="%s/service/service.key"/>' % (base, base))
    run("cm-user", "import", stdin="%s:secret\n" % BOB)
    every = [Mail(*x) for x in mails()]
    ok(len(every) > 5, "%d messages" % len(every))
    c = appended(every)
    for n, m in enumerate(every, 1):
        sections(c, n, m)
        partials(c, n, m)
        binaries(c, n, m)
        structure(c, n, m)
        opinions(m)
    previews(c, every)
    c.close()
    delivered(every)
finally:
    finish()
