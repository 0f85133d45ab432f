#!/usr/bin/env python3
"""cm-imapd and Dovecot beside each other: real messages in both, and the same
commands.  Each difference must be in test/deviations.txt, below the word for
its reason, which cm-deviations(7) tells; and what is there must be a
difference.

The messages: CORPUS is a folder of them, test/mail has more.
"""
import calendar
import email.header
import glob
import os
import re
import sys
import time

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
from dialog import *
from imapping import *
from imap_list import *
import dovecot
import mime_walk

FIELDS = "(From To Cc Subject Date Message-ID References Content-Type X-None)"
ENVELOPE = ("date subject from sender reply-to to cc bcc in-reply-to "
            "message-id").split()
LISTED = os.environ["ROOT"] + "/test/deviations.txt"
MAN = os.environ["ROOT"] + "/man/cm-deviations.7"
FIRST = 1500000000              # INTERNALDATE of the first message
found = {}                      # (message, item): what both say
looked = set()                  # searches


def differ(name, item, ours, theirs):
    found.setdefault((name, item), (ours, theirs))


def mails():
    d = os.environ.get("CORPUS")
    for d in ([d] if d else []) + [os.environ["ROOT"] + "/test/mail"]:
        for f in sorted(glob.glob(d + "/*.eml")):
            yield os.path.basename(f)[:-4], mime_walk.crlf(read(f))


def date(n):
    return time.strftime('"%d-%b-%Y %H:%M:%S +0000"',
                         time.gmtime(FIRST + 3600 * n))


# --- FETCH ---

def envelopes(name, ours, theirs):
    for what, a, b in zip(ENVELOPE, ours, theirs):
        if a != b:
            differ(name, "ENVELOPE " + what, a, b)


def structures(name, a, b, item="BODYSTRUCTURE"):
    """The parts that are not the same, each of the innermost alone."""
    if a.kind != b.kind or len(a.children) != len(b.children):
        differ(name, "%s[%s] parts" % (item, a.path), a.value, b.value)
        return
    where = "%s[%s]" % (item, a.path)
    for x in "type", "params", "encoding", "size", "lines":
        if getattr(a, x) != getattr(b, x):
            differ(name, where + " " + x, getattr(a, x), getattr(b, x))
    if a.kind != "multipart":
        for x in "id", "description", "md5":
            if getattr(a, x) != getattr(b, x):
                differ(name, where + " " + x, getattr(a, x), getattr(b, x))
    for x, v, w in zip(("disposition", "language", "location"), a.more,
                       b.more):
        if v != w:
            differ(name, where + " " + x, v, w)
    if len(a.more) != len(b.more):
        differ(name, where + " extension", a.more, b.more)
    if a.kind == "message":
        envelopes("%s %s" % (name, a.path), a.envelope, b.envelope)
    for x, y in zip(a.children, b.children):
        structures(name, x, y, item)


def one(c, n, items):
    for line in c.ok("FETCH %d (%s)" % (n, items)):
        got = fetched(line)
        if got and got[0] == n:
            return got[1]
    return {}


def plain(items):
    """What may be written in more than one way in an item's name."""
    return {k.upper().replace('"', ""): v for k, v in items.items()}


def instant(v):
    m = re.fullmatch(rb"([ \d]\d-...-\d{4} \S+) ([+-])(\d\d)(\d\d)", v)
    at = calendar.timegm(time.strptime(m[1].decode().strip(),
                                       "%d-%b-%Y %H:%M:%S"))
    ahead = int(m[3]) * 3600 + int(m[4]) * 60
    return at - (ahead if m[2] == b"+" else -ahead)


def fetches(us, them, names):
    for n, name in enumerate(names, 1):
        items = "UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE " \
            "BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] " \
            "BODY.PEEK[HEADER.FIELDS %s] BODY.PEEK[HEADER.FIELDS.NOT %s]" % (
                FIELDS, FIELDS)
        a, b = plain(one(us, n, items)), plain(one(them, n, items))
        envelopes(name, a.pop("ENVELOPE"), b.pop("ENVELOPE"))
        x, y = Body(a.pop("BODYSTRUCTURE")), Body(b.pop("BODYSTRUCTURE"))
        structures(name, x, y)
        for v in a, b:
            v["INTERNALDATE"] = instant(v["INTERNALDATE"])
        paths = sorted({p.path for p in x.all() if p.path} |
                       {p.path for p in y.all() if p.path})
        for p in paths:
            for s in "", ".MIME", ".HEADER", ".TEXT":
                more = "BODY.PEEK[%s%s]" % (p, s)
                a.update(plain(one(us, n, more)))
                b.update(plain(one(them, n, more)))
        other = any(k[0] == name and k[1].endswith("parts") for k in found)
        for k in a:
            # RFC 3501 section 6.4.5: they are of message/rfc822 parts alone
            if a[k] is None and b.get(k) == b"" and re.fullmatch(
                    r"BODY\[[\d.]+\.(HEADER|TEXT)\]", k):
                differ("any", "BODY[n.HEADER] BODY[n.TEXT]", None, b"")
            elif a[k] != b.get(k) and other and k[5:6].isdigit():
                differ(name, "BODY[n]", (k, a[k]), b.get(k))
            elif a[k] != b.get(k):
                differ(name, k.replace(FIELDS.upper(), "..."), a[k], b.get(k))


# --- SEARCH ---

def text_of(value):
    """A header's value with its encoded words, as well as it goes."""
    try:
        return str(email.header.make_header(email.header.decode_header(
            value.decode("utf-8", "replace"))))
    except (LookupError, UnicodeError, ValueError,
            email.errors.HeaderParseError):
        return ""


def words_of(name, raw):
    """(key, word): what this message has, and others may have too."""
    root = mime_walk.Part(raw, 0, len(raw))
    for key, field in (("SUBJECT", b"subject"), ("FROM", b"from"),
                       ("TO", b"to"), ("CC", b"cc")):
        value = text_of(mime_walk.field(root.header_bytes, field) or b"")
        for w in re.findall(r"[^\W_]{4,}", value)[:3]:
            yield key, w
    texts = [t for t in (mime_walk.decoded(p) for p in root.all()
                         if p.kind == "leaf" and p.type[0] == b"text" and
                         p.binary() is not None) if t]
    for t in texts[:2]:
        w = re.findall(r"[^\W_]{5,}", t)
        for k in range(0, len(w), max(1, len(w) // 3)):
            yield "BODY", w[k].upper()
            yield "TEXT", w[k].lower()
    for k, value, _ in mime_walk.fields(root.header_bytes)[:3]:
        yield "TEXT", k.decode()


def search(c, key, word):
    for line in c.ok("SEARCH CHARSET UTF-8 %s" % key, word.encode()):
        if line.startswith(b"* SEARCH"):
            return {int(x) for x in line.split()[2:]}
    return None


def searches(us, them, messages):
    asked = sorted({x for m in messages for x in words_of(*m)} | {
        ("BODY", ""), ("TEXT", "example"), ("BODY", "no such words"),
        ("FROM", "@"), ("HEADER Message-ID", "@"), ("HEADER X-Mailer", ""),
        ("HEADER References", "<"), ("HEADER Received", "esmtp"),
        ("SUBJECT", ""), ("SUBJECT", "re:"), ("BODY", "a b"),
        ("TEXT", "boundary"), ("BODY", "content-type"), ("BODY", "<html")})
    for key, word in asked:
        looked.add("SEARCH %s %s" % (key, word))
        a, b = search(us, key, word), search(them, key, word)
        for n in a ^ b:
            differ(messages[n - 1][0], "SEARCH %s %s" % (key, word), n in a,
                   n in b)
    ok(len(asked) > 20, "%d searches" % len(asked))
    for key in "SENTON", "SENTBEFORE", "SENTSINCE":
        looked.add("SEARCH " + key)
        for day in ("1-Jan-2000", "24-Nov-2005", "25-Oct-2002", "1-Jan-2024",
                    "2-Jan-2024", "10-May-2005", "1-Aug-2008"):
            a, b = (set(x.ok("SEARCH %s %s" % (key, day))[0].split()[2:])
                    for x in (us, them))
            for n in a ^ b:
                differ(messages[int(n) - 1][0], "SEARCH " + key, n in a, n in b)


# --- SORT, THREAD ---

def moved(a, b):
    """The fewest that must go for both to be in the same order."""
    place = {x: i for i, x in enumerate(b)}
    best = []                   # (length, the one before) for each of a
    for i, x in enumerate(a):
        j = max((j for j in range(i) if place[a[j]] < place[x]),
                key=lambda j: best[j][0], default=None)
        best.append((best[j][0] + 1 if j is not None else 1, j))
    kept = set()
    i = max(range(len(a)), key=lambda i: best[i][0], default=None)
    while i is not None:
        kept.add(a[i])
        i = best[i][1]
    return [x for x in a if x not in kept]


def order(c, keys):
    for line in c.ok("SORT (%s) UTF-8 ALL" % keys):
        if line.startswith(b"* SORT"):
            return [int(x) for x in line.split()[2:]]
    return []


def sorts(us, them, names):
    for keys in ("SUBJECT", "FROM", "TO", "CC", "DATE", "SIZE", "ARRIVAL",
                 "REVERSE DATE", "REVERSE SUBJECT", "SUBJECT FROM DATE"):
        a, b = order(us, keys), order(them, keys)
        same(sorted(a), list(range(1, len(names) + 1)), "SORT %s has all" %
             keys)
        for x in moved(a, b):
            differ(names[x - 1], "SORT " + keys, a.index(x), b.index(x))


def parents(tree, up, out):
    """{number: the one it is below; 0: none} of a thread."""
    for x in tree:
        if isinstance(x, list):
            parents(x, up, out)
        else:
            out[x] = up
            up = x


def groups(trees):
    """{number: all of its thread}"""
    out = {}
    for t in trees:
        got = {}
        parents(t, 0, got)
        for x in got:
            out[x] = sorted(got)
    return out


def thread(c):
    for line in c.ok("THREAD REFERENCES UTF-8 ALL"):
        if line.startswith(b"* THREAD"):
            return threads(line)
    return []


def threads_of_both(us, them, names):
    a, b = thread(us), thread(them)
    x, y, flat = {}, {}, []
    for t, out in (a, x), (b, y):
        for tree in t:
            parents(tree, 0, out)
    g, h = groups(a), groups(b)
    same(sorted(x), list(range(1, len(names) + 1)), "THREAD has all")
    for n, name in enumerate(names, 1):
        if g[n] != h[n]:
            differ(name, "THREAD together", [names[i - 1] for i in g[n]],
                   [names[i - 1] for i in h[n]])
        elif x[n] != y[n]:
            differ(name, "THREAD parent", x[n], y[n])
    for n in moved(list(x), list(y)):
        differ(names[n - 1], "THREAD order", list(x).index(n),
               list(y).index(n))


# --- what is known ---

def known():
    """{(message, item): reason}"""
    out, reason = {}, ""
    for line in read(LISTED).decode().splitlines():
        if line.startswith("== "):
            reason = line[3:]
        elif line and line[0] != "#":
            out[tuple(line.split("\t"))] = reason
    return out


def judge(names):
    listed = known()
    told = set(re.findall(r"(?m)^\.It Cm (\S+)$",
                          read(MAN).decode().split(".Sh DOVECOT")[-1]))
    same(sorted(told), sorted(set(listed.values())),
         "cm-deviations(7) tells of every reason, and of no other")
    for (name, item), (a, b) in sorted(found.items()):
        if (name, item) not in listed:
            ok(False, "%s: %s" % (name, item), "ours:   %r\nDovecot: %r" % (
                a, b))
    for (name, item), why in sorted(listed.items()):
        # words to look for are those of the messages that there are
        if name != "any" and name.split(" ")[0] not in names or \
                item.startswith("SEARCH") and item not in looked:
            continue
        ok((name, item) in found, "%s: %s: %s" % (name, item, why),
           "no difference any more")


try:
    why = dovecot.missing()
    if why and not os.environ.get("CM_NO_SKIP"):
        skip("Dovecot beside ours", why)
    elif not ok(not why, "Dovecot can be run", why):
        pass
    else:
        certificates()
        configure(rest='<mail certificate="%s/service/service.pem" '
                  'key="%s/service/service.key"/>' % (base, base))
        run("cm-user", "import", stdin="%s:secret\n" % BOB)
        messages = list(mails())
        names = [m[0] for m in messages]
        us = Imap()
        for n, (name, raw) in enumerate(messages, 1):
            us.ok("APPEND INBOX %s" % date(n), raw)
        us.ok("SELECT INBOX")
        dovecot.fill([(raw, FIRST + 3600 * n)
                      for n, (name, raw) in enumerate(messages, 1)])
        them = Imap(None, server=dovecot.Dovecot())
        them.ok("SELECT INBOX")
        fetches(us, them, names)
        searches(us, them, messages)
        sorts(us, them, names)
        threads_of_both(us, them, names)
        same((us.close(), them.close()), (0, 0), "goodbye")
        judge(names)
finally:
    finish()
