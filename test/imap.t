#!/usr/bin/env python3
"""cm-imapd: transcripts of sessions, sessions that see each other's changes,
folders, searches, messages that cannot be read."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
from dialog import *
from imapping import *

MODES = {"imap": ["cm-imapd"], "imaps": ["cm-imapd", "-t"],
         "imaptls": ["cm-imapd"]}
MAIL = b"From: Ann <ann@example.org>\r\nSubject: %s\r\n\r\nhello\r\n"


def append(c, subject, folder="INBOX", flags="()"):
    """Its UID."""
    got, end = c.cmd("APPEND %s %s" % (folder, flags),
                     MAIL % subject.encode())
    m = re.match(r"OK \[APPENDUID (\d+) (\d+)\]", end)
    if not m:
        raise AssertionError(end)
    return int(m[2])


def selected(folder="INBOX", name=BOB, how="SELECT"):
    c = Imap(name)
    c.ok("%s %s" % (how, folder))
    return c


def flags(c, what="1:*"):
    """{uid: set of flags}"""
    out = {}
    for line in c.ok("UID FETCH %s FLAGS" % what):
        m = re.match(rb"\* \d+ FETCH \(UID (\d+) FLAGS \((.*)\)\)$", line)
        if m:
            out[int(m[1])] = set(m[2].decode().split())
    return out


def numbers(c, keys, verb="SEARCH"):
    for line in c.ok("%s %s" % (verb, keys)):
        if line.startswith(b"* SEARCH"):
            return [int(x) for x in line.split()[2:]]


def texts(c, folder):
    """The subjects of a folder, in their order."""
    c.ok("EXAMINE %s" % folder)
    got = c.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]") \
        if numbers(c, "ALL") else []
    return [literal(x).decode().strip()[9:] for x in got if b"FETCH" in x]


# --- sessions that see each other ---

def each_other():
    a, b = selected(), selected()
    for x in ("one", "two", "three"):
        append(a, x)
    got = b.ok("NOOP")
    same(got, [b"* 3 EXISTS"], "new messages are told of with NOOP")
    a.ok("STORE 2 +FLAGS (\\Flagged Work)")
    same(b.ok("NOOP"), [b"* 2 FETCH (UID 2 FLAGS (\\Flagged Work))"],
         "flags too")
    same(b.ok("NOOP"), [], "once")
    same(a.ok("NOOP"), [], "and not to who made them")
    a.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    same(a.ok("EXPUNGE"), [b"* 1 EXPUNGE"], "EXPUNGE")
    got, end = b.cmd("FETCH 1:3 UID")
    same(got, [b"* 2 FETCH (UID 2)", b"* 3 FETCH (UID 3)"],
         "FETCH with numbers has those that it had, and no EXPUNGE")
    ok(end.startswith("NO [EXPUNGEISSUED]"), "and the answer says so", end)
    same(b.ok("NOOP"), [b"* 1 EXPUNGE"], "NOOP tells of it")
    same(b.ok("FETCH 1 UID"), [b"* 1 FETCH (UID 2)"], "then numbers go down")
    # a silent change does not hide another one
    a.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
    got = b.ok("STORE 1 +FLAGS.SILENT (\\Answered)")
    same(got, [b"* 1 FETCH (FLAGS (\\Seen \\Answered \\Flagged Work))"],
         "a silent STORE shows what others did")
    a.ok("NOOP")
    idle = b.idle()
    ok(idle.startswith(b"+ "), "IDLE", idle)
    append(a, "four")
    same(b.line(), b"* 3 EXISTS", "IDLE tells of a new message")
    a.ok("STORE 3 +FLAGS (\\Deleted)")
    same(b.line(), b"* 3 FETCH (UID 4 FLAGS (\\Deleted))", "of flags")
    a.ok("UID EXPUNGE 4")
    same(b.line(), b"* 3 EXPUNGE", "and of what has gone")
    same(b.done()[1][:2], "OK", "DONE")
    a.ok("STORE 1:* +FLAGS (\\Deleted)")
    same(a.ok("CLOSE"), [], "CLOSE expunges without a word")
    same(b.ok("NOOP"), [b"* 1 EXPUNGE", b"* 1 EXPUNGE"], "others hear of it")
    same((a.close(), b.close()), (0, 0), "goodbye")


def read_only():
    c = selected(how="EXAMINE")
    append(c, "seen")
    c.ok("NOOP")
    for x in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 INBOX"):
        got, end = c.cmd(x)
        ok(end.startswith("NO [READ-ONLY]"), "EXAMINE: no " + x, end)
    c.ok("FETCH 1 BODY[]")
    same(list(flags(c).values()), [set()], "EXAMINE: FETCH marks nothing")
    c.ok("CLOSE")
    c.ok("SELECT INBOX")
    c.ok("FETCH 1 BODY.PEEK[]")
    same(list(flags(c).values()), [set()], "BODY.PEEK marks nothing")
    got = c.ok("FETCH 1 BODY[TEXT]")
    ok(got[-1].endswith(b"FETCH (FLAGS (\\Seen))"), "BODY[] marks it as seen",
       got)
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    c.ok("UNSELECT")
    c.ok("SELECT INBOX")
    same(len(flags(c)), 1, "UNSELECT expunges nothing")
    c.ok("EXPUNGE")
    c.close()


# --- folders ---

def folders():
    c = Imap()
    for x in ("Work", "Work/a", "Work/a/deep", "Lost/child", "&AOQ-"):
        c.ok("CREATE %s" % x)
    c.ok("CREATE Sent (USE (\\Sent))")
    c.ok("CREATE Slash/")
    got = dict(re.match(rb'\* LIST \((.*)\) "/" "?([^"]*)"?$', x).groups()[::-1]
               for x in c.ok('LIST "" *'))
    same(sorted(got), sorted([b"INBOX", b"Work", b"Work/a", b"Work/a/deep",
                              b"Lost", b"Lost/child", b"&AOQ-", b"Sent",
                              b"Slash"]), "LIST has them all")
    ok(b"\\Noselect" in got[b"Lost"] and b"\\HasChildren" in got[b"Lost"],
       "a level that is no folder", got)
    ok(b"\\HasChildren" in got[b"Work"] and
       b"\\HasNoChildren" in got[b"Work/a/deep"], "children", got)
    ok(b"\\Sent" in got[b"Sent"], "a special use", got)
    got = c.ok('LIST "" %')
    same(len(got), 6, "% is one level") or print("#", got)
    got = c.ok('LIST Work/ %')
    same([x.split()[-1] for x in got], [b'"Work/a"'], "a reference")
    got = c.ok('LIST "" inbox')
    same([x.split()[-1] for x in got], [b'"INBOX"'], "inbox in any case")
    for cmd, code in (("CREATE Work", "ALREADYEXISTS"),
                      ("CREATE inbox", "ALREADYEXISTS"),
                      ("DELETE None", "NONEXISTENT"), ("DELETE INBOX", "CANNOT"),
                      ("RENAME None x", "NONEXISTENT"),
                      ("RENAME Work Sent", "ALREADYEXISTS"),
                      ("RENAME Work Work/a/b", "CANNOT"),
                      ("SELECT None", "NONEXISTENT"),
                      ("STATUS None (MESSAGES)", "NONEXISTENT"),
                      ("CREATE \"bad//name\"", "CANNOT"),
                      ("CREATE x (USE (\\Foo))", "USEATTR")):
        end = c.cmd(cmd)[1]
        ok(end.startswith("NO [%s]" % code), "%s: %s" % (cmd, code), end)
    end = c.cmd("APPEND None", MAIL % b"x")[1]
    ok(end.startswith("NO [TRYCREATE]"), "APPEND to no folder", end)
    uid = append(c, "mine", "Work", "(\\Seen)")
    c.ok("RENAME Work Job")
    got = c.ok('LIST "" Job*')
    same([x.split()[-1].strip(b'"') for x in got],
         [b"Job", b"Job/a", b"Job/a/deep"], "RENAME takes those below along")
    c.ok("SELECT Job")
    same(flags(c), {uid: {"\\Seen"}}, "and the messages with their UIDs")
    c.ok("RENAME Job Task")
    same(flags(c), {uid: {"\\Seen"}}, "the selected one is renamed")
    uid = append(c, "below", "Task/a")
    c.ok("SELECT Task/a")
    c.ok("RENAME Task Else")
    same(flags(c), {uid: set()}, "or one above it")
    c.ok("RENAME Else Task")
    c.ok("UNSELECT")
    c.ok("DELETE Task")
    got = c.ok('LIST "" Task')
    ok(len(got) == 1 and b"\\Noselect" in got[0],
       "DELETE leaves those below", got)
    c.ok("SUBSCRIBE Sent")
    c.ok("SUBSCRIBE Task/a/deep")
    c.ok("SUBSCRIBE Gone")
    got = c.ok('LSUB "" *')
    same([x.split()[-1].strip(b'"') for x in got],
         [b"Gone", b"Sent", b"Task/a/deep"], "LSUB")
    got = c.ok('LSUB "" %')
    same([x.split()[-1].strip(b'"') for x in got], [b"Gone", b"Sent", b"Task"],
         "LSUB %: levels above")
    got = c.ok('LIST (SUBSCRIBED) "" *')
    ok(any(b"\\NonExistent" in x and b"Gone" in x for x in got),
       "subscribed and not there", got)
    got = c.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" Task')
    ok(len(got) == 1 and got[0].endswith(b'("CHILDINFO" ("SUBSCRIBED"))'),
       "RECURSIVEMATCH", got)
    c.ok("UNSUBSCRIBE Gone")
    same(len(c.ok('LIST (SUBSCRIBED) "" *')), 2, "UNSUBSCRIBE")
    got = c.ok('LIST "" Sent RETURN (STATUS (MESSAGES UIDNEXT SIZE))')
    ok(len(got) == 2 and
       re.match(rb'\* STATUS "Sent" \(MESSAGES 0 UIDNEXT 1 SIZE 0\)$', got[1]),
       "LIST with STATUS", got)
    got = c.ok('LIST (SPECIAL-USE) "" *')
    same(len(got), 1, "LIST (SPECIAL-USE)") or print("#", got)
    append(c, "in the inbox")
    c.ok("SELECT INBOX")
    got = c.ok("RENAME INBOX Old")
    ok(got[0] == b"* 1 EXPUNGE" and got[1].startswith(b"* OK [UIDVALIDITY "),
       "RENAME INBOX: its messages go", got)
    same(texts(c, "Old"), ["in the inbox"], "RENAME INBOX takes its messages")
    same(texts(c, "INBOX"), [], "and INBOX is there, empty")
    other = selected("Old")
    c.ok("SELECT INBOX")
    c.ok("DELETE Old")
    got, end = other.cmd("NOOP")
    ok(end is None or any(x.startswith(b"* BYE") for x in got),
       "a deleted folder ends the sessions that have it", [got, end])
    other.close()
    c.close()


def copies():
    c = selected()
    c.ok("CREATE Copies")
    uids = [append(c, "c%d" % i, flags="(\\Flagged)") for i in range(4)]
    c.ok("NOOP")
    got, end = c.cmd("COPY 1:2,4 Copies")
    m = re.match(r"OK \[COPYUID (\d+) (\S+) (\S+)\]", end)
    ok(m and m[2] == "%d:%d,%d" % (uids[0], uids[1], uids[3]) and
       m[3] == "1:3", "COPY with COPYUID", end)
    got, end = c.cmd("COPY 1 None")
    ok(end.startswith("NO [TRYCREATE]"), "COPY to no folder", end)
    got, end = c.cmd("UID MOVE %d Copies" % uids[2])
    ok(end.startswith("OK"), "MOVE", end)
    ok(re.match(rb"\* OK \[COPYUID \d+ %d 4\]" % uids[2], got[0]) and
       got[1:] == [b"* 3 EXPUNGE"], "tells the UID, then the EXPUNGE", got)
    same(texts(c, "Copies"), ["c0", "c1", "c3", "c2"], "they are there")
    same(set(map(frozenset, flags(c).values())), {frozenset(["\\Flagged"])},
         "with their flags")
    c.ok("SELECT INBOX")
    same(sorted(flags(c)), [uids[0], uids[1], uids[3]], "and one is not here")
    got, end = c.cmd("COPY 1 INBOX")
    ok(end.startswith("OK [COPYUID"), "COPY into the same folder", end)
    same(got, [b"* 4 EXISTS"], "shows it")
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    c.ok("DELETE Copies")
    c.close()


# --- searches ---

def searches():
    c = selected()
    for subject, fl in (("apple", "(\\Seen)"), ("banana", "(\\Flagged Work)"),
                        ("apple pie", "()"), ("=?utf-8?q?k=C3=A4se?=", "()")):
        append(c, subject, flags=fl)
    c.ok("NOOP")
    for keys, want in (
            ("ALL", [1, 2, 3, 4]), ("SEEN", [1]), ("UNSEEN", [2, 3, 4]),
            ("KEYWORD Work", [2]), ("UNKEYWORD Work", [1, 3, 4]),
            ("SUBJECT apple", [1, 3]), ("SUBJECT APPLE UNSEEN", [3]),
            ("OR SEEN FLAGGED", [1, 2]), ("NOT (OR SEEN FLAGGED)", [3, 4]),
            ("FROM ann", [1, 2, 3, 4]), ("BODY hello", [1, 2, 3, 4]),
            ("BODY hullo", []), ("2:3", [2, 3]), ("*", [4]),
            ("HEADER Subject pie", [3]), ("LARGER 10000", []),
            ("SMALLER 10000", [1, 2, 3, 4]), ("NEW", []), ("RECENT", []),
            ("SINCE 1-Jan-2000", [1, 2, 3, 4]),
            ("BEFORE 1-Jan-2000", []), ("TEXT banana", [2])):
        same(numbers(c, keys), want, "SEARCH " + keys)
    got, end = c.cmd("SEARCH CHARSET UTF-8 SUBJECT", "k\u00e4se".encode())
    same(got, [b"* SEARCH 4"], "SEARCH in UTF-8")
    got, end = c.cmd("SEARCH CHARSET X-NONE SUBJECT x")
    ok(end.startswith("NO [BADCHARSET"), "an unknown charset", end)
    for keys, want in (("(SUBJECT)", [4, 1, 3, 2]),
                       ("(REVERSE ARRIVAL)", None), ("(SIZE)", None)):
        got = [x for x in c.ok("SORT %s UTF-8 ALL" % keys)
               if x.startswith(b"* SORT")][0]
        got = [int(x) for x in got.split()[2:]]
        if want is None:
            same(sorted(got), [1, 2, 3, 4], "SORT " + keys)
        elif not same(got[:3], [1, 3, 2], "SORT " + keys):
            print("#", got)
    for how in ("REFERENCES", "ORDEREDSUBJECT"):
        same(c.ok("THREAD %s UTF-8 1:3" % how),
             [b"* THREAD (1)(2)(3)"], "THREAD " + how)
    same(c.ok("SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN"),
         [b'* ESEARCH (TAG "t%d") MIN 2 MAX 4 COUNT 3 ALL 2:4' % c.tags],
         "ESEARCH")
    same(c.ok("SEARCH RETURN (SAVE) UNSEEN"), [], "SEARCHRES saves")
    same(len(c.ok("FETCH $ UID")), 3, "and $ is what was saved")
    same(c.ok("SEARCH OLDER 1000"), [b"* SEARCH"], "OLDER")
    same(c.ok("SEARCH YOUNGER 1000"), [b"* SEARCH 1 2 3 4"], "YOUNGER")
    uids = numbers(c, "ALL", "UID SEARCH")
    same(numbers(c, "UID %d:*" % uids[2], "UID SEARCH"), uids[2:],
         "UID SEARCH")
    c.close()


def condstore():
    c = selected()
    c.ok("CREATE Mod")
    c.ok("SELECT Mod")
    u = [append(c, "m%d" % i, "Mod") for i in range(3)]
    got = c.ok("FETCH 1:3 (UID MODSEQ)")
    mod = [int(re.search(rb"MODSEQ \((\d+)\)", x)[1]) for x in got
           if b"FETCH" in x]
    ok(len(mod) == 3 and mod == sorted(set(mod)), "each has a MODSEQ", got)
    ok(got[0].startswith(b"* OK [HIGHESTMODSEQ"),
       "the first use of it tells the highest", got[0])
    got = c.ok("STORE 1 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Seen)" % mod[0])
    ok(len(got) == 1 and re.match(rb"\* 1 FETCH \(MODSEQ \(\d+\)\)$", got[0]),
       "UNCHANGEDSINCE: the new MODSEQ, also when silent", got)
    got, end = c.cmd("STORE 1:2 (UNCHANGEDSINCE %d) +FLAGS (x)" % mod[1])
    ok(end.startswith("OK [MODIFIED 1]"), "and who was changed before", end)
    got = c.ok("SEARCH MODSEQ %d" % (mod[2] + 1))
    ok(re.match(rb"\* SEARCH 1 2 \(MODSEQ \d+\)$", got[0]), "SEARCH MODSEQ",
       got)
    got = c.ok("FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % mod[2])
    same([x.split()[1] for x in got], [b"1", b"2"], "FETCH CHANGEDSINCE")
    ok(all(b"MODSEQ" in x for x in got), "has their MODSEQs", got)
    got = c.ok("STATUS Mod (HIGHESTMODSEQ)")
    ok(re.search(rb"HIGHESTMODSEQ \d+", got[0]), "STATUS", got)
    c.close()
    return u


def qresync(u):
    c = Imap()
    end = c.cmd("SELECT Mod (QRESYNC (1 1))")[1]
    ok(end.startswith("BAD"), "QRESYNC wants ENABLE", end)
    same(c.ok("ENABLE QRESYNC X-NONE"), [b"* ENABLED QRESYNC"], "ENABLE")
    text = b"\n".join(c.ok("SELECT Mod")).decode()
    validity = int(re.search(r"UIDVALIDITY (\d+)", text)[1])
    modseq = int(re.search(r"HIGHESTMODSEQ (\d+)", text)[1])
    c.ok("UNSELECT")
    a = selected("Mod")
    a.ok("UID STORE %d +FLAGS.SILENT (\\Deleted)" % u[1])
    a.ok("EXPUNGE")
    a.ok("UID STORE %d FLAGS.SILENT (\\Answered)" % u[2])
    got = c.ok("SELECT Mod (QRESYNC (%d %d))" % (validity, modseq))
    ok(b"* VANISHED (EARLIER) %d" % u[1] in got, "what has gone", got)
    changed = [x for x in got if b" FETCH " in x]
    ok(len(changed) == 1 and b"UID %d" % u[2] in changed[0] and
       b"FLAGS (\\Answered)" in changed[0], "what was changed", got)
    got = c.ok("SELECT Mod (QRESYNC (%d %d))" % (validity + 1, modseq))
    same((got[0][:13], [x for x in got if b"VANISHED" in x]),
         (b"* OK [CLOSED]", []), "another UIDVALIDITY: nothing of it")
    got = c.ok("SELECT Mod (QRESYNC (%d 1 %d))" % (validity, u[0]))
    same([x for x in got if b"VANISHED" in x], [], "known UIDs are all")
    a.ok("UID STORE %d +FLAGS.SILENT (\\Deleted)" % u[2])
    a.ok("EXPUNGE")
    same(c.ok("NOOP"), [b"* VANISHED %d" % u[2]], "VANISHED, no EXPUNGE")
    got = c.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)" % modseq)
    ok(got[0].startswith(b"* VANISHED (EARLIER) %d" % u[1]),
       "UID FETCH with VANISHED", got)
    a.close()
    c.close()


def revisions():
    c = Imap()
    same(c.ok("ENABLE UTF8=ACCEPT"), [b"* ENABLED UTF8=ACCEPT"], "ENABLE UTF8")
    got, end = c.cmd("CREATE", "R\u00e4ume".encode())
    m = re.match(r"OK \[MAILBOXID \((F\d+)\)\]", end)
    ok(m, "CREATE tells the folder's id", end)
    got = c.ok('LIST "" R*')
    ok("R\u00e4ume".encode() in got[0], "names are in UTF-8", got)
    plain = Imap()
    got = plain.ok('LIST "" R*')
    ok(b"R&AOQ-ume" in got[0], "elsewhere in modified UTF-7", got)
    got = plain.ok("STATUS R&AOQ-ume (MAILBOXID)")
    ok(m and m[1].encode() in got[0], "STATUS MAILBOXID", got)
    plain.ok("RENAME R&AOQ-ume Rooms")
    got = plain.ok("STATUS Rooms (MAILBOXID)")
    ok(m and m[1].encode() in got[0], "which a rename leaves", got)
    plain.close()
    c.close()
    c = Imap()
    c.ok("ENABLE IMAP4rev2")
    got = c.ok("SELECT INBOX")
    ok(b'* LIST () "/" "INBOX"' in got and b"* 0 RECENT" not in got,
       "IMAP4rev2: SELECT", got)
    got = c.ok("SEARCH SUBJECT apple")
    ok(got[0].startswith(b"* ESEARCH (TAG ") and got[0].endswith(b" ALL 1,3"),
       "IMAP4rev2: SEARCH", got)
    got = c.ok("FETCH 1 (EMAILID THREADID PREVIEW)")
    ok(re.match(rb'\* 1 FETCH \(EMAILID \([0-9a-zA-Z]{26}\) THREADID NIL '
                rb'PREVIEW "hello"\)$', got[0]), "ids and a preview", got)
    got = c.ok("STATUS INBOX (DELETED)")
    ok(got[0].endswith(b"(DELETED 0)"), "STATUS DELETED", got)
    c.ok("APPEND INBOX", b"Subject: b\r\nContent-Transfer-Encoding: base64\r\n"
         b"\r\naGFsbG8=\r\n")
    same([literal(x) for x in c.ok("FETCH * BINARY.PEEK[1]")], [b"hallo"],
         "BINARY")
    ok(c.ok("FETCH * BINARY.SIZE[1]")[0].endswith(b"BINARY.SIZE[1] 5)"),
       "BINARY.SIZE")
    c.close()


def saved():
    """RFC 8514: when a message was put there, whatever its own date is."""
    c = Imap()
    c.ok("CREATE Saved")
    c.ok('APPEND Saved "01-Feb-2003 04:05:06 +0000"', b"Subject: old\r\n\r\n")
    c.ok("SELECT Saved")
    c.ok("COPY 1 Saved")
    c.ok("NOOP")
    got = c.ok("FETCH 1:2 (INTERNALDATE SAVEDATE)")
    days = [time.strftime("%d-%b-%Y", time.gmtime(t)).encode()
            for t in (time.time() - 600, time.time())]
    ok(len(got) == 2 and all(b'INTERNALDATE " 1-Feb-2003' in x and
                             any(b'SAVEDATE "' + d in x for d in days)
                             for x in got), "SAVEDATE", got)
    day = time.strftime("%d-%b-%Y", time.gmtime(time.time() - 86400))
    same([c.ok(x) for x in ("SEARCH SAVEDSINCE " + day,
                            "SEARCH SAVEDBEFORE " + day,
                            "SEARCH SINCE " + day, "SEARCH SAVEDATESUPPORTED")],
         [[b"* SEARCH 1 2"], [b"* SEARCH"], [b"* SEARCH"], [b"* SEARCH 1 2"]],
         "and searches for it")
    c.close()


def unreadable():
    c = selected()
    os.rename(base + "/v1", base + "/v1.away")
    os.rename(base + "/c1", base + "/c1.away")
    got, end = c.cmd("FETCH 1:2 (UID BODY.PEEK[])")
    ok(end.startswith("NO [") and got == [],
       "a message without a copy: NO, and no empty body", [got, end])
    ok(len(c.ok("FETCH 1:2 (ENVELOPE BODYSTRUCTURE RFC822.SIZE)")) == 2,
       "what the catalog knows is there")
    got, end = c.cmd("SEARCH BODY hello")
    ok(end.startswith("NO [") and got == [],
       "a search that cannot look says so", [got, end])
    for x in ("v1", "c1"):
        shutil.rmtree(base + "/" + x, ignore_errors=True)
        os.rename(base + "/%s.away" % x, base + "/" + x)
    got = c.ok("FETCH 1:2 BODY.PEEK[TEXT]")
    same([literal(x) for x in got], [b"hello\r\n"] * 2,
         "it is, when the copies are back")
    c.close()


def killed_agent():
    c = selected()
    kill(helper("catalog"))
    ok(c.cmd("STORE 1 +FLAGS (\\Answered)")[1].startswith("OK"),
       "the agent killed: another one does it")
    kill(helper("catalog"))
    uid = append(c, "after")
    ok(uid in flags(c), "and what was appended is there")
    c.close()


# --- limits ---

def limits():
    c = Imap(None)
    same(c.cmd("X" * 9000)[1], "BAD line too long",
         "a long line before the login")
    c.s.send(b"x LOGIN {9000}\r\n")
    ok(c.line().startswith(b"x BAD"), "a large literal before the login")
    c.s.send(b"y LOGIN {9000+}\r\n" + b"z" * 9000 + b" b\r\n")
    ok(c.line().startswith(b"y BAD"), "also one that comes unasked")
    ok(c.cmd("NOOP")[1].startswith("OK"), "which is read over")
    c.close()
    c = Imap()
    got, end = c.cmd("APPEND INBOX {99999999999}")
    ok(end.startswith("NO [TOOBIG]"), "a message that is too large", end)
    got, end = c.cmd("APPEND INBOX", b"Subject: nul\r\n\r\n\0\r\n")
    ok(end.startswith("NO [UNKNOWN-CTE]"), "a NUL", end)
    got, end = c.cmd("APPEND INBOX", b"")
    ok(end.startswith("NO"), "an empty message", end)
    c.close()
    c = Imap(None)
    for i in range(25):
        if (end := c.cmd("NONSENSE")[1]) is None:
            break
    ok(end is None and 18 < i < 22, "20 errors end a session", [i, end])
    c.s.close()


def large():
    c = selected()
    body = b"x" * 998 + b"\r\n"
    msg = b"Subject: large\r\n\r\n" + body * 3000 + b"end\n"
    end = c.cmd("APPEND INBOX", msg)[1]
    ok(end.startswith("OK [APPENDUID"), "three megabytes", end)
    got = c.ok("FETCH * BODY.PEEK[]")
    same(literal(got[0]), msg[:-1] + b"\r\n", "are there, a bare LF made CRLF")
    c.close()


def compressed():
    c = Imap()
    same(c.compress(), "OK from here on", "COMPRESS")
    ok("COMPRESSIONACTIVE" in c.cmd("COMPRESS DEFLATE")[1], "once")
    ok(b"COMPRESS" not in c.ok("CAPABILITY")[0], "and is not offered again")
    c.ok("SELECT INBOX")
    msg = b"Subject: z\r\n\r\n" + b"".join(
        b"%x\r\n" % (i * 7919 % 99991) for i in range(200000))
    ok(c.cmd("APPEND INBOX", msg)[1].startswith("OK"), "a large message in")
    ok(literal(c.ok("FETCH * BODY.PEEK[]")[0]) == msg, "and out")
    idle = c.idle()
    ok(idle and idle.startswith(b"+"), "IDLE, compressed")
    other = selected()
    append(other, "idle")
    ok(b"EXISTS" in c.line(), "tells")
    c.done()
    other.close()
    c.s.below.send(b"garbage that is no stream" * 10)
    same(c.line(), None, "garbage ends it")
    c.s.close()


def appends():
    """Several at once, and of pieces."""
    c = selected()
    c.ok("CREATE Multi")
    got, end = c.cmd("APPEND Multi (\\Seen)", MAIL % b"m1", "(\\Flagged)",
                     MAIL % b"m2")
    m = re.match(r"OK \[APPENDUID \d+ (\S+)\]", end)
    same(m and m[1], "1:2", "MULTIAPPEND: their UIDs")
    same(texts(c, "Multi"), ["m1", "m2"], "both are there")
    same(flags(c), {1: {"\\Seen"}, 2: {"\\Flagged"}}, "with their flags")
    got, end = c.cmd("APPEND Multi", MAIL % b"m3", "CATENATE (URL "
                     '"/Multi/;UID=99")')
    ok(end.startswith('NO [BADURL "/Multi/;UID=99"]'), "a URL of nothing", end)
    same(texts(c, "Multi"), ["m1", "m2"], "and none of them is there")
    got, end = c.cmd(
        'APPEND Multi CATENATE (URL "/Multi/;UID=1/;SECTION=HEADER" TEXT',
        b"piece\r\n", 'URL "/Multi/;UID=2/;SECTION=TEXT/;PARTIAL=0.3")')
    ok(end.startswith("OK [APPENDUID"), "CATENATE", end)
    c.ok("NOOP")
    same(literal(c.ok("FETCH * BODY.PEEK[]")[0]),
         (MAIL % b"m1")[:-7] + b"piece\r\nhel", "its pieces")
    for url in ("/None/;UID=1", "/Multi/;UID=1/;SECTION=9", "Multi/;UID=1",
                "/Multi;UIDVALIDITY=7/;UID=1", "/Multi/;UID=0", "/Multi"):
        got, end = c.cmd('APPEND Multi CATENATE (URL "%s")' % url)
        ok(end.startswith("NO [BADURL"), "no URL of a message: " + url, end)
    c.close()


def quotas():
    c = Imap()
    got = c.ok("GETQUOTAROOT INBOX")
    same(got, [b'* QUOTAROOT "INBOX" ""', b'* QUOTA "" ()'], "no quota")
    run("cm-user", "set", BOB, "quota", "1M")
    m = re.match(rb'\* QUOTA "" \(STORAGE (\d+) 1024\)$',
                 c.ok('GETQUOTA ""')[0])
    ok(m and int(m[1]) > 1024, "a quota, and more than that is used", m)
    end = c.cmd("APPEND INBOX", MAIL % b"over")[1]
    ok(end.startswith("NO [OVERQUOTA]"), "APPEND over it", end)
    end = c.cmd('SETQUOTA "" (STORAGE 5000)')[1]
    ok(end.startswith("NO [NOPERM]"), "SETQUOTA is not for users", end)
    ok(c.cmd("GETQUOTA x")[1].startswith("NO [NONEXISTENT]"), "no such root")
    run("cm-user", "set", BOB, "quota", "0")
    c.close()


def logins():
    for name, password, what in ((BOB, "wrong", "a wrong password"),
                                 ("nobody@example.org", "secret", "no name"),
                                 ("team@example.org", "secret", "an alias")):
        c = Imap(name, password)
        same(c.login, "NO [AUTHENTICATIONFAILED] wrong name or password", what)
        c.close()
    held = [Imap() for i in range(20)]
    late = Imap()
    ok(late.login.startswith("NO [LIMIT]"), "one session too many", late.login)
    for c in held + [late]:
        c.close()


try:
    certificates()
    configure(rest='<mail certificate="%s/service/service.pem" '
              'key="%s/service/service.key"/>' % (base, base))
    text = read(base + "/cluster.xml").decode()
    write(base + "/cluster.xml", text.replace(
        '<node name="n1"', '<node name="n1" hostname="mx.example.org"'))
    run("cm-user", "import", stdin="".join(
        "%s:secret\n" % x for x in (ANN, BOB, "empty@example.org")))
    run("cm-user", "alias", "team@example.org", BOB)
    store("From: Bob <bob@example.org>\nSubject: dots\n\n.\n..\nlast\n", ANN)
    run("cm-catalog", "sync")
    for title, mode, steps in transcripts(
            os.environ["ROOT"] + "/test/transcripts/imap.txt"):
        if mode == "imap":        # no certificate: no TLS
            write(base + "/plain.xml", re.sub(
                r'certificate="\S*" key="\S*"', "",
                read(base + "/cluster.xml").decode()))
            play(title, mode, steps,
                 ["cm-imapd", "-C", base + "/plain.xml"])
        else:
            play(title, mode, steps, MODES[mode])
    each_other()
    read_only()
    copies()
    folders()
    searches()
    revisions()
    qresync(condstore())
    saved()
    unreadable()
    killed_agent()
    large()
    compressed()
    appends()
    quotas()
    limits()
    logins()
finally:
    finish()
