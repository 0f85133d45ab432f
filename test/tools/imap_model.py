"""Clients that change two folders of one mailbox at the same time, through all
nodes, and what RFC 3501 says of sequence numbers and UIDs, checked line by line.

What must hold: numbers go down by EXPUNGE alone, never while a command with
numbers goes on, and nothing is told out of a command; UIDs rise with numbers; a
UID means one message for ever, to everybody; what was appended, copied or moved
is there at the end unless somebody expunged it; in the end all clients, and one
that comes new, know the same.  A client that was away and comes back by QRESYNC
knows what a full look shows.
"""
import random
import re
import threading
import time

from imapping import Imap, Remote, literal

FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "Work", "$Later")
FOLDERS = ("INBOX", "Other")
LEVEL_S = 20                    # until all nodes have the same
FETCHED = re.compile(rb"\* (\d+) FETCH \((.*)\)$", re.S)
COPIED = re.compile(r"\[COPYUID (\d+) (\S+) (\S+)\]")


class Wrong(Exception):
    """A rule is broken."""


class Away(Exception):
    """The connection is lost."""


def members(text):
    """Of a set: "1:3,7"."""
    out = []
    for part in text.split(","):
        a, _, b = part.partition(":")
        out += range(int(a), int(b or a) + 1)
    return out


class Ledger:
    """What all clients know together."""
    def __init__(self):
        self.lock = threading.Lock()
        self.token = {}         # (folder, uid): the message's token
        self.born = set()       # given by APPENDUID or COPYUID
        self.gone = set()       # somebody was told so
        self.marked = set()     # may have \Deleted, so anybody may expunge it
        self.validity = {}
        self.tokens = 0
        self.unsure = set()     # tokens of an APPEND without an answer

    def new_token(self):
        with self.lock:
            self.tokens += 1
            return "tok%d" % self.tokens

    def is_(self, folder, uid, token):
        with self.lock:
            was = self.token.setdefault((folder, uid), token)
        if was != token:
            raise Wrong("%s %d was %s and is %s" % (folder, uid, was, token))

    def give(self, folder, uid, token):
        """A UID that was never given.  APPEND may tell that of the first copy
        when others have moved the message before it answers."""
        with self.lock:
            if (folder, uid) in self.born and \
                    self.token.get((folder, uid)) != token:
                raise Wrong("%s: UID %d is given twice: to %s and %s" % (
                    folder, uid, self.token.get((folder, uid)), token))
            self.born.add((folder, uid))
        self.is_(folder, uid, token)

    def valid(self, folder, v):
        with self.lock:
            if self.validity.setdefault(folder, v) != v:
                raise Wrong("%s has another UIDVALIDITY" % folder)


class Client(threading.Thread):
    def __init__(self, name, ledger, where, user, seed, until):
        super().__init__(name=name, daemon=True)
        self.ledger, self.where, self.user = ledger, where, user
        self.r = random.Random("%s %s" % (seed, name))
        self.until = until
        self.qresync = self.r.random() < 0.4
        self.ops = self.refused = self.lost = 0
        self.wrong = None
        self.trace = []

    # --- the view ---

    def connect(self):
        end = time.monotonic() + 60
        while True:
            try:
                host, port, ca = self.where(self.r)
                self.c = Imap(self.user, server=Remote(host, port, ca))
                if self.c.login and self.c.login.startswith("OK"):
                    break
            except (OSError, EOFError):
                pass
            if time.monotonic() > end:
                raise Wrong("cannot log in")
            time.sleep(0.2)
        self.folder = None
        if self.qresync:
            self.cmd("ENABLE QRESYNC")

    def known(self):
        return [u for u in self.view if u is not None]

    def gap(self, uid):
        """The number, less one, of a message whose UID is not known and may
        be this one; or None."""
        at = None
        for i, u in enumerate(self.view):
            if u is None:
                at = i if at is None else at
            elif u > uid:
                break
            else:
                at = None
        return at

    def forget(self, at):
        uid = self.view.pop(at)
        if uid is not None:
            self.flags.pop(uid, None)
            with self.ledger.lock:
                self.ledger.gone.add((self.folder, uid))

    def set_uid(self, at, uid):
        was = self.view[at]
        if was is not None and was != uid:
            raise Wrong("number %d was UID %d and is %d" % (at + 1, was, uid))
        self.view[at] = uid
        before = [u for u in self.view[:at] if u is not None][-1:]
        after = [u for u in self.view[at + 1:] if u is not None][:1]
        if before and before[0] >= uid or after and after[0] <= uid:
            raise Wrong("UIDs do not rise at number %d" % (at + 1))

    def fetched(self, number, text):
        if not 1 <= number <= len(self.view):
            raise Wrong("FETCH of number %d of %d" % (number, len(self.view)))
        uid = re.search(rb"\bUID (\d+)", text)
        if uid:
            self.set_uid(number - 1, int(uid[1]))
        uid = self.view[number - 1]
        flags = re.search(rb"FLAGS \(([^)]*)\)", text)
        if flags and uid is not None:
            self.flags[uid] = set(flags[1].decode().split())
        token = re.search(rb"X-Token: (\w+)", text)
        if token and uid is not None:
            self.ledger.is_(self.folder, uid, token[1].decode())
        modseq = re.search(rb"MODSEQ \((\d+)\)", text)
        if modseq and uid is not None:
            self.modseq[uid] = int(modseq[1])

    def untagged(self, line, numbers):
        """numbers: a command is in progress in which they must stay."""
        m = re.match(rb"\* (\d+) (EXISTS|EXPUNGE)$", line)
        if m and m[2] == b"EXISTS":
            if int(m[1]) < len(self.view):
                raise Wrong("EXISTS %d of %d" % (int(m[1]), len(self.view)))
            self.view += [None] * (int(m[1]) - len(self.view))
        elif m:
            if numbers:
                raise Wrong("EXPUNGE during a command with numbers")
            if self.qresync:
                raise Wrong("EXPUNGE with QRESYNC")
            if not 1 <= int(m[1]) <= len(self.view):
                raise Wrong("EXPUNGE %d of %d" % (int(m[1]), len(self.view)))
            self.forget(int(m[1]) - 1)
        elif line.startswith(b"* VANISHED ") and b"EARLIER" not in line:
            if numbers:
                raise Wrong("VANISHED during a command with numbers")
            for uid in members(line.split()[2].decode()):
                if uid in self.view:
                    self.forget(self.view.index(uid))
                elif (at := self.gap(uid)) is not None:
                    self.forget(at)
                    with self.ledger.lock:
                        self.ledger.gone.add((self.folder, uid))
                else:
                    raise Wrong("VANISHED %d, which is not there" % uid)
        elif m := FETCHED.match(line):
            self.fetched(int(m[1]), m[2])
        elif line.startswith(b"* BYE"):
            raise Away(line)

    def cmd(self, *parts, numbers=False, hear=True):
        self.trace.append((time.monotonic(), parts))
        tag = self.c.begin(*parts)
        got = []
        while True:
            try:
                line = self.c.line()
            except (OSError, EOFError) as e:
                raise Away(repr(e))
            if line is None:
                raise Away("hung up")
            self.trace.append(line)
            if line.startswith(tag):
                del self.trace[:-200]
                return got, line[len(tag):].decode(errors="replace")
            if not line.startswith((b"* ", b"+ ")):
                raise Wrong("out of order: %r" % line)
            if hear and self.folder:
                self.untagged(line, numbers)
            got.append(line)

    def good(self, *parts, **kw):
        got, end = self.cmd(*parts, **kw)
        if not end.startswith("OK"):
            self.refused += 1
        return got, end

    def select(self, folder, how=""):
        """Untagged answers, and HIGHESTMODSEQ."""
        self.folder = None
        got, end = self.cmd("SELECT %s%s" % (folder, how), hear=False)
        if not end.startswith("OK"):
            raise Wrong("SELECT: " + end)
        text = b"\n".join(got)
        self.ledger.valid(folder, int(re.search(rb"UIDVALIDITY (\d+)",
                                                text)[1]))
        self.folder = folder
        self.view = [None] * int(re.search(rb"\* (\d+) EXISTS", text)[1])
        self.flags, self.modseq = {}, {}
        self.highest = int(re.search(rb"HIGHESTMODSEQ (\d+)", text)[1])
        return got

    def look(self):
        """UIDs, flags and tokens of all messages that are new here."""
        for i in range(20):
            if None not in self.view:
                return
            at = self.view.index(None) + 1
            end = self.cmd("FETCH %d:* (UID FLAGS BODY.PEEK[HEADER.FIELDS "
                           "(X-Token)])" % at, numbers=True)[1]
            if end.startswith("NO [EXPUNGEISSUED]"):
                self.cmd("NOOP")
            elif not end.startswith("OK"):
                self.refused += 1
                time.sleep(0.1)

    # --- what it does ---

    def some(self):
        """A set of numbers or UIDs: (prefix, set, UIDs)."""
        known = [(i + 1, u) for i, u in enumerate(self.view) if u is not None]
        if not known:
            return None
        picked = sorted(self.r.sample(known, min(len(known),
                                                 self.r.randint(1, 5))))
        uids = [u for n, u in picked]
        if self.r.random() < 0.5:
            return "", ",".join(str(n) for n, u in picked), uids
        return "UID ", ",".join(map(str, uids)), uids

    def append(self):
        token = self.ledger.new_token()
        folder = self.r.choice(FOLDERS)
        msg = "From: a@b.example\r\nSubject: %s\r\nX-Token: %s\r\n\r\n%s\r\n" \
            % (token, token, token * self.r.randint(1, 300))
        with self.ledger.lock:
            self.ledger.unsure.add(token)
        end = self.good("APPEND %s (%s)" % (folder, " ".join(
            self.r.sample(FLAGS, self.r.randint(0, 2)))), msg.encode())[1]
        with self.ledger.lock:
            self.ledger.unsure.discard(token)
        m = re.match(r"OK \[APPENDUID (\d+) (\d+)\]", end)
        if m:
            self.ledger.valid(folder, int(m[1]))
            self.ledger.give(folder, int(m[2]), token)
        elif end.startswith("OK") or "UNAVAILABLE" in end:
            with self.ledger.lock:
                self.ledger.unsure.add(token)

    def store(self):
        if not (s := self.some()):
            return
        how = self.r.choice(("+", "-", "")) + "FLAGS" + \
            self.r.choice(("", ".SILENT"))
        flags = self.r.sample(FLAGS, self.r.randint(0, 3))
        got, end = self.good("%sSTORE %s %s (%s)" % (
            s[0], s[1], how, " ".join(flags)), numbers=not s[0])
        if not end.startswith("OK") or "SILENT" not in how:
            return
        for uid in s[2]:        # the client is to know it without being told
            if uid not in self.flags or uid not in self.view:
                continue
            told = any(b"FLAGS" in x and re.match(
                rb"\* %d FETCH" % (self.view.index(uid) + 1), x)
                for x in got)
            if told:
                continue
            now = self.flags[uid]
            self.flags[uid] = now | set(flags) if how[0] == "+" else \
                now - set(flags) if how[0] == "-" else set(flags)

    def expunge(self):
        if not (s := self.some()):
            return
        with self.ledger.lock:
            self.ledger.marked |= {(self.folder, u) for u in s[2]}
        self.good("%sSTORE %s +FLAGS (\\Deleted)" % s[:2], numbers=not s[0])
        if self.r.random() < 0.3:
            self.good("EXPUNGE")
        else:
            self.good("UID EXPUNGE %s" % ",".join(map(str, s[2])))

    def copy(self):
        if not (s := self.some()):
            return
        verb = self.r.choice(("COPY", "MOVE"))
        folder = self.folder
        to = self.r.choice(FOLDERS)
        got, end = self.good("%s%s %s %s" % (s[0], verb, s[1], to))
        m = COPIED.search(end + " ".join(x.decode() for x in got if
                                         x.startswith(b"* OK")))
        if not m:
            return
        self.ledger.valid(to, int(m[1]))
        a, b = members(m[2]), members(m[3])
        if len(a) != len(b) or not set(a) <= set(s[2]):
            raise Wrong("COPYUID of %r: %s" % (s, m[0]))
        for old, new in zip(a, b):
            with self.ledger.lock:
                token = self.ledger.token.get((folder, old))
                if (folder, old) in self.ledger.marked:
                    self.ledger.marked.add((to, new))
                if verb == "MOVE":
                    self.ledger.gone.add((folder, old))
            self.ledger.give(to, new, token)

    def body(self):
        if not (known := self.known()):
            return
        uid = self.r.choice(known)
        got, end = self.good("UID FETCH %d (BODY.PEEK[])" % uid)
        for x in got:
            if b"BODY[]" in x:
                text = literal(x)
                token = re.search(rb"X-Token: (\w+)", text)[1]
                if not text.endswith(token + b"\r\n"):
                    raise Wrong("%d has other bytes" % uid)
                self.ledger.is_(self.folder, uid, token.decode())

    def search(self):
        got, end = self.good("SEARCH NOT DELETED", numbers=True)
        for x in got:
            if x.startswith(b"* SEARCH"):
                found = [int(n) for n in x.split()[2:]]
                if found and max(found) > len(self.view):
                    raise Wrong("SEARCH finds %d of %d" % (
                        max(found), len(self.view)))

    def idle(self):
        self.c.s.send(b"i IDLE\r\n")
        if not (line := self.c.line()) or not line.startswith(b"+"):
            raise Away("no IDLE")
        time.sleep(self.r.random())
        self.c.s.send(b"DONE\r\n")
        got, end = self.c.end(b"i ")
        if end is None:
            raise Away("hung up")
        for line in got:
            self.untagged(line, False)

    def switch(self):
        self.select(self.r.choice(FOLDERS))

    def come_back(self):
        """By QRESYNC, which has to show what a full look does."""
        if not self.qresync or None in self.view:
            return
        before = {u: self.flags.get(u) for u in self.view}
        if None in before.values():
            return
        folder, since = self.folder, self.highest
        validity = self.ledger.validity[folder]
        self.cmd("UNSELECT")
        time.sleep(self.r.random() / 2)
        all_ = not before or self.r.random() < 0.5
        got = self.select(folder, " (QRESYNC (%d %d%s))" % (
            validity, since, "" if all_ else " 1:%d" % max(before)))
        for line in got:
            if line.startswith(b"* VANISHED (EARLIER) "):
                for uid in members(line.split()[3].decode()):
                    if before.pop(uid, None) is not None:
                        with self.ledger.lock:
                            self.ledger.gone.add((folder, uid))
            elif m := FETCHED.match(line):
                self.fetched(int(m[1]), m[2])
        before.update({u: f for u, f in self.flags.items()})
        exists, highest = len(self.view), self.highest
        self.flags = dict(before)
        full = self.cmd("FETCH 1:* (UID FLAGS MODSEQ)", numbers=True)[0] \
            if exists else []
        for line in full:
            m = FETCHED.match(line)
            uid = m and re.search(rb"\bUID (\d+)", m[2])
            flags = m and re.search(rb"FLAGS \(([^)]*)\)", m[2])
            modseq = m and re.search(rb"MODSEQ \((\d+)\)", m[2])
            if not (uid and flags and modseq):
                continue
            uid = int(uid[1])
            if int(modseq[1]) > highest:
                continue        # changed after the SELECT
            if uid not in before and all_:
                raise Wrong("QRESYNC did not tell of %d" % uid)
            if uid in before and before[uid] != set(flags[1].decode().split()):
                raise Wrong("QRESYNC: flags of %d: %r, not %r" % (
                    uid, before[uid], flags[1]))
        there = {int(re.search(rb"\bUID (\d+)", x)[1]) for x in full
                 if b" FETCH (" in x and b"UID " in x}
        for uid in set(before) - there:
            # gone since the SELECT, or QRESYNC should have told
            if uid not in self.known() and exists == len(there):
                raise Wrong("QRESYNC did not tell that %d has gone" % uid)

    OPS = ((append, 6), (store, 8), (expunge, 2), (copy, 4), (body, 4),
           (search, 2), (idle, 1), (switch, 1), (come_back, 3))

    def step(self):
        fn = self.r.choices([f for f, w in self.OPS],
                            [w for f, w in self.OPS])[0]
        fn(self)
        if self.r.random() < 0.5:
            self.cmd("NOOP")
        if self.r.random() < 0.7:
            self.look()
        self.ops += 1

    def run(self):
        try:
            self.connect()
            self.select(self.r.choice(FOLDERS))
            while time.monotonic() < self.until():
                try:
                    self.step()
                except (Away, OSError, EOFError) as e:
                    self.trace.append(repr(e))
                    self.lost += 1
                    self.connect()
                    self.select(self.r.choice(FOLDERS))
        except Exception as e:
            self.wrong = e

    # --- the end ---

    def settle(self):
        """What it knows of its folder when all is quiet."""
        self.cmd("NOOP")
        self.look()
        self.cmd("NOOP")
        return {u: frozenset(self.flags.get(u, ())) for u in self.view}


def fresh(where, user, folder, r):
    """The folder as a new client finds it: {uid: (flags, token)}."""
    host, port, ca = where(r)
    c = Imap(user, server=Remote(host, port, ca))
    c.ok("EXAMINE " + folder)
    out = {}
    for x in c.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (X-Token)])"):
        m = re.match(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)", x)
        if m:
            out[int(m[1])] = (frozenset(m[2].decode().split()),
                              re.search(rb"X-Token: (\w+)", x)[1].decode())
    c.close()
    return out


def judge(clients, ledger, where, user):
    """What is wrong, one text each."""
    wrong = ["%s: %r\n  %s" % (c.name, c.wrong, "\n  ".join(
        repr(x)[:300] for x in c.trace[-30:])) for c in clients if c.wrong]
    r = random.Random(1)
    there = {f: fresh(where, user, f, r) for f in FOLDERS}
    for c in clients:
        if c.wrong:
            continue
        want = {u: f for u, (f, t) in there[c.folder].items()}
        try:
            got = c.settle()
            # each of the two asks a node of its own, and one may be behind
            for _ in range(LEVEL_S):
                if got == want:
                    break
                print("# %s and another node differ" % c.name, flush=True)
                time.sleep(1)
                now = fresh(where, user, c.folder, r)
                got, want = c.settle(), {u: f for u, (f, t) in now.items()}
        except (Wrong, Away, OSError, EOFError) as e:
            wrong.append("%s: %r" % (c.name, e))
            continue
        if got != want:
            wrong.append("%s: %s is %r, not %r" % (
                c.name, c.folder, sorted(set(got.items()) - set(
                    want.items()))[:5], sorted(set(want.items()) - set(
                        got.items()))[:5]))
    for f in FOLDERS:
        for uid, (flags, token) in there[f].items():
            try:
                ledger.is_(f, uid, token)
            except Wrong as e:
                wrong.append(str(e))
            if (f, uid) in ledger.gone:
                wrong.append("%s: %d had gone" % (f, uid))
    all_ = {(f, u) for f in FOLDERS for u in there[f]}
    lost = ledger.born - all_ - ledger.gone - ledger.marked
    if lost:
        wrong.append("not there: %r" % sorted(lost)[:10])
    return wrong
