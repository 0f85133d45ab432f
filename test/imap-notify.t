#!/usr/bin/env python3
"""cm-imapd: NOTIFY (RFC 5465).  One session watches, another one changes."""
import os
import re
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
from dialog import *
from imapping import *

MAIL = b"From: Ann <ann@example.org>\r\nSubject: %s\r\n\r\nhello\r\n"
MESSAGES = "(MessageNew MessageExpunge)"
FLAGS = "(MessageNew MessageExpunge FlagChange)"
NAMES = "(MailboxName)"


def append(c, subject, folder="INBOX", flags="()"):
    """Its UID."""
    got, end = c.cmd("APPEND %s %s" % (folder, flags),
                     MAIL % subject.encode())
    return int(re.match(r"OK \[APPENDUID \d+ (\d+)\]", end)[1])


class Watch:
    """Two sessions of the same mailbox."""
    def __init__(self, notify, before=()):
        self.a, self.b = Imap(), Imap()
        for x in before:
            self.a.ok(x)
        self.first = self.a.ok("NOTIFY " + notify)

    def told(self, want, name, n=1):
        """The next n lines, which come with no command."""
        got = [self.a.line() for i in range(n)]
        if n == 1:
            got = got[0]
        ok(re.fullmatch(want, b"\n".join(got) if n > 1 else got or b"",
                        re.DOTALL), name, got)

    def close(self):
        same((self.a.close(), self.b.close()), (0, 0), "goodbye")


def status(folder, items):
    return b'\\* STATUS "%s" \\(%s\\)' % (folder.encode(), items.encode())


def listed_as(name, attributes=r"\HasNoChildren", old=None):
    line = '* LIST (%s) "/" "%s"' % (attributes, name)
    if old:
        line += ' ("OLDNAME" ("%s"))' % old
    return re.escape(line.encode())


# --- the selected folder ---

def selected():
    w = Watch("SET (selected (MessageNew (UID FLAGS BODY.PEEK[HEADER.FIELDS "
              "(SUBJECT)]) MessageExpunge FlagChange))", ["SELECT INBOX"])
    append(w.b, "one", flags="(\\Flagged)")
    w.told(rb'\* 1 EXISTS\n\* 1 FETCH \(UID 1 FLAGS \(\\Flagged\) '
           rb'BODY\[HEADER.FIELDS \(SUBJECT\)\] \{16\}\r\n'
           rb'Subject: one\r\n\r\n\)',
           "a new message, with its items and no command", 2)
    append(w.b, "two")
    w.told(rb"\* 2 EXISTS\n\* 2 FETCH \(UID 2 FLAGS \(\) .*", "the next", 2)
    w.b.ok("SELECT INBOX")
    w.b.ok("STORE 2 +FLAGS (\\Deleted)")
    w.told(rb"\* 2 FETCH \(UID 2 FLAGS \(\\Deleted\)\)", "flags")
    w.b.ok("EXPUNGE")
    w.told(rb"\* 2 EXPUNGE", "what has gone")
    got = w.a.ok("APPEND INBOX", MAIL % b"mine")
    same(got, [b"* 2 EXISTS"], "APPEND by itself: EXISTS and no FETCH")
    got = w.a.ok("COPY 1 INBOX")
    same(got, [b"* 3 EXISTS"], "COPY too")
    append(w.b, "his")
    w.told(rb"\* 4 EXISTS\n\* 4 FETCH \(UID 5 .*", "others are fetched", 2)
    w.b.ok("CREATE Work")
    append(w.b, "elsewhere", "Work")
    w.b.ok("NOOP")
    w.b.ok("STORE 1 -FLAGS (\\Flagged)")
    w.told(rb"\* 1 FETCH .*", "nothing of other folders")
    w.a.idle()
    append(w.b, "idle")
    w.told(rb"\* 5 EXISTS\n\* 5 FETCH \(UID 6 .*", "in IDLE the same", 2)
    w.a.done()
    w.a.ok("SELECT Work")
    w.b.ok("UID STORE 6 +FLAGS (\\Seen)")
    append(w.b, "there", "Work")
    w.told(rb"\* 2 EXISTS\n\* 2 FETCH \(UID 2 .*",
           "it is the one that is selected now", 2)
    w.b.ok("DELETE Work")
    w.told(rb"\* BYE .*", "its end ends the session")
    w.b.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    w.b.ok("CLOSE")
    w.a.s.close()
    w.b.close()


def delayed():
    w = Watch("SET (selected-delayed %s)" % FLAGS, ["SELECT INBOX"])
    w.b.ok("SELECT INBOX")
    for x in ("one", "two", "three"):
        append(w.b, x)
    w.told(rb"\* \d EXISTS", "a new message, without items")
    w.a.ok("NOOP")
    w.b.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    w.told(rb"\* 1 FETCH .*Deleted.*", "flags")
    w.b.ok("EXPUNGE")
    w.b.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
    w.told(rb"\* 2 FETCH \(UID \d+ FLAGS \(\\Seen\)\)",
           "selected-delayed: no EXPUNGE with no command")
    got, end = w.a.cmd("FETCH 2:3 UID")
    same([x.split()[1] for x in got], [b"2", b"3"], "nor with FETCH")
    same(w.a.ok("NOOP"), [b"* 1 EXPUNGE"], "but with NOOP")
    w.b.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    w.told(rb"\* 1 FETCH .*Deleted.*", "flags again")
    w.b.ok("EXPUNGE")
    ok(w.a.idle().startswith(b"+"), "IDLE")
    w.told(rb"\* 1 EXPUNGE", "and with IDLE")
    w.a.done()
    w.b.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    w.b.ok("CLOSE")
    w.close()


def vanished():
    w = Watch("SET (selected %s)" % FLAGS, ["ENABLE QRESYNC", "SELECT INBOX"])
    uid = append(w.b, "one", flags="(\\Deleted)")
    w.told(rb"\* 1 EXISTS", "EXISTS")
    w.b.ok("SELECT INBOX")
    w.b.ok("EXPUNGE")
    w.told(rb"\* VANISHED %d" % uid, "VANISHED with QRESYNC")
    w.close()


def snapshot():
    """Who does not watch the selected folder has it as it was."""
    w = Watch("SET (selected NONE) (personal %s)" % NAMES, ["SELECT INBOX"])
    one, two = append(w.b, "one"), append(w.b, "two")
    w.b.ok("CREATE Mark")
    w.told(listed_as("Mark"), "nothing of messages")
    same(w.a.ok("NOOP"), [], "in NOOP neither")
    same(w.a.ok("NOTIFY SET (selected %s)" % MESSAGES), [b"* 2 EXISTS"],
         "NOTIFY SET tells all that has changed")
    w.b.ok("SELECT INBOX")
    w.b.ok("STORE 1 +FLAGS (\\Seen)")
    append(w.b, "three", flags="(\\Deleted)")
    w.told(rb"\* 3 EXISTS", "without FlagChange no flags")
    same(w.a.ok("NOTIFY NONE"), [], "NOTIFY NONE")
    w.b.ok("STORE 1 +FLAGS (\\Flagged)")
    append(w.b, "four")
    same(w.a.ok("NOOP"), [], "then nothing is told")
    w.a.ok("UID STORE %d +FLAGS.SILENT (\\Deleted)" % one)
    same(w.a.ok("UID EXPUNGE %d" % one), [b"* 1 EXPUNGE"],
         "but what it expunges itself")
    got = w.a.ok("UID MOVE %d Mark" % two)
    same([x for x in got if b"COPYUID" not in x], [b"* 1 EXPUNGE"],
         "or moves")
    same(w.a.ok("NOTIFY SET (selected %s)" % FLAGS), [b"* 2 EXISTS"],
         "and the rest with SET")
    w.b.ok("DELETE Mark")
    w.b.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    w.b.ok("CLOSE")
    w.close()


# --- messages of others ---

def others():
    w = Watch("SET STATUS (selected %s) (personal %s)" % (FLAGS, FLAGS))
    same(len(w.first), 1, "SET STATUS: one line for each folder")
    ok(re.fullmatch(status("INBOX", r"MESSAGES 0 UIDNEXT \d+ UIDVALIDITY \d+ "
                           r"UNSEEN 0 HIGHESTMODSEQ \d+"), w.first[0]),
       "with the numbers", w.first)
    uid = append(w.b, "one")
    counts = "MESSAGES %%d UIDNEXT %d UIDVALIDITY \\d+ UNSEEN %%d" % (uid + 1)
    w.told(status("INBOX", counts % (1, 1)), "a new message in another folder")
    w.b.ok("SELECT INBOX")
    w.b.ok("STORE 1 +FLAGS (\\Flagged)")
    w.b.ok("STORE 1 +FLAGS (\\Seen)")
    w.told(status("INBOX", counts % (1, 0)), "UNSEEN, and no other flag")
    w.b.ok("STORE 1 +FLAGS (\\Deleted)")
    w.b.ok("EXPUNGE")
    w.told(status("INBOX", counts % (0, 0)), "one less")
    w.a.ok("ENABLE CONDSTORE")
    uid = append(w.b, "two")
    w.told(status("INBOX", r"MESSAGES 1 UIDNEXT %d UIDVALIDITY \d+ UNSEEN 1 "
                  r"HIGHESTMODSEQ \d+" % (uid + 1)), "CONDSTORE: HIGHESTMODSEQ")
    w.b.ok("NOOP")
    w.b.ok("STORE 1 +FLAGS (\\Flagged)")
    w.told(status("INBOX", "MESSAGES 1 .*"), "and every flag")
    w.a.ok("SELECT INBOX")
    w.b.ok("STORE 1 +FLAGS (Work)")
    w.told(rb"\* 1 FETCH .*", "the selected one is told of as such")
    w.b.ok("CREATE Other")
    append(w.b, "there", "Other")
    w.told(status("Other", "MESSAGES 1 .*"), "others are, too")
    w.a.ok("STORE 1 +FLAGS.SILENT (Mine)")
    w.a.ok("UNSELECT")
    append(w.b, "three", "Other")
    w.told(status("Other", "MESSAGES 2 .*"),
           "what it did itself is no news when it is left")
    w.a.ok("SELECT INBOX")
    w.a.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    w.a.ok("CLOSE")
    append(w.b, "four", "Other")
    w.told(status("Other", "MESSAGES 3 .*"), "nor what CLOSE expunged")
    w.b.ok("DELETE Other")
    w.b.ok("CLOSE")
    w.close()


def groups():
    w = Watch("SET (mailboxes (A/b None) %s) (subtree T %s) (subscribed %s)" %
              (MESSAGES, MESSAGES, MESSAGES),
              ["CREATE A/b", "CREATE A/b/c", "CREATE T/x", "CREATE Tx",
               "CREATE S"])
    for folder, told in (("A/b/c", False), ("A/b", True), ("Tx", False),
                         ("INBOX", False), ("T/x", True)):
        append(w.b, "x", folder)
        if told:
            w.told(status(folder, r"MESSAGES 1 UIDNEXT 2 UIDVALIDITY \d+"),
                   "of %s alone" % folder)
    append(w.b, "x", "S")
    w.b.ok("SUBSCRIBE S")
    # which is seen by the next look, and what came before it is told or not
    w.a.ok("NOOP")
    append(w.b, "y", "S")
    w.told(status("S", "MESSAGES 2 .*"), "subscribed to later")
    w.b.ok("UNSUBSCRIBE S")
    w.a.ok("NOOP")
    append(w.b, "z", "S")
    append(w.b, "z", "A/b")
    w.told(status("A/b", "MESSAGES 2 .*"), "and no more")
    w.a.ok("NOTIFY SET STATUS (inboxes %s)" % MESSAGES)
    append(w.b, "z", "Tx")
    w.told(status("Tx", "MESSAGES 2 .*"), "inboxes are all")
    for x in ("A/b", "A/b/c", "T/x", "Tx", "S"):
        w.b.ok("DELETE " + x)
    w.b.ok("SELECT INBOX")
    w.b.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    w.b.ok("CLOSE")
    w.close()


# --- folders ---

def names():
    w = Watch("SET (personal (MailboxName SubscriptionChange))")
    w.b.ok("CREATE New (USE (\\Archive))")
    w.told(listed_as("New", r"\HasNoChildren \Archive"), "a new folder")
    w.b.ok("CREATE New/below")
    w.told(listed_as("New", r"\HasChildren \Archive") + b"\n" +
           listed_as("New/below"), "one below it, and the one above", 2)
    w.b.ok("CREATE Level/x")
    w.told(listed_as("Level", r"\NonExistent \HasChildren") + b"\n" +
           listed_as("Level/x"), "a level that is none", 2)
    w.b.ok("RENAME New Old")
    w.told(listed_as("Old", r"\HasChildren \Archive", "New"),
           "renamed: one line, with the old name")
    w.b.ok("SUBSCRIBE Old/below")
    w.told(listed_as("Old/below", r"\HasNoChildren \Subscribed"), "SUBSCRIBE")
    w.b.ok("SUBSCRIBE Nowhere")
    w.told(listed_as("Nowhere", r"\NonExistent \HasNoChildren \Subscribed"),
           "of a name alone")
    w.b.ok("UNSUBSCRIBE Nowhere")
    w.told(listed_as("Nowhere", r"\NonExistent \HasNoChildren"), "UNSUBSCRIBE")
    w.b.ok("DELETE Old/below")
    w.told(listed_as("Old", r"\HasNoChildren \Archive") + b"\n" +
           listed_as("Old/below", r"\NonExistent \HasNoChildren \Subscribed"),
           "DELETE", 2)
    w.b.ok("UNSUBSCRIBE Old/below")
    w.told(listed_as("Old/below", r"\NonExistent \HasNoChildren"),
           "which is forgotten")
    w.b.ok("RENAME Level Base")
    w.told(listed_as("Base/x", old="Level/x"), "a level that is none, renamed")
    w.b.ok("CREATE &AOQ-")
    w.told(listed_as("&AOQ-"), "names are encoded")
    w.b.ok("RENAME INBOX Kept")
    w.told(listed_as("Kept", old="INBOX"), "INBOX renamed")
    for x, told in (("Kept", 1), ("&AOQ-", 1), ("Base/x", 2), ("Old", 1)):
        w.b.ok("DELETE " + x)
        w.told(b".*NonExistent.*", "DELETE " + x, told)
    w.a.ok("NOTIFY SET (mailboxes (one Two) %s)" % NAMES)
    w.b.ok("CREATE other")
    w.b.ok("CREATE one")
    w.told(listed_as("one"), "named folders alone")
    w.b.ok("RENAME one three")
    w.told(listed_as("three", old="one"), "also away from their name")
    w.b.ok("RENAME three Two")
    w.told(listed_as("Two", old="three"), "and to it")
    w.b.ok("SUBSCRIBE Two")
    w.b.ok("DELETE Two")
    w.told(listed_as("Two", r"\NonExistent \HasNoChildren \Subscribed"),
           "without SubscriptionChange none")
    w.b.ok("UNSUBSCRIBE Two")
    w.b.ok("DELETE other")
    w.close()


def itself():
    """Nobody is told of what he did himself."""
    w = Watch("SET (personal (MessageNew MessageExpunge FlagChange "
              "MailboxName SubscriptionChange)) (selected %s)" % FLAGS,
              ["ENABLE CONDSTORE", "SELECT INBOX"])
    append(w.a, "one")
    w.a.ok("NOOP")
    for x in ("CREATE Work", "CREATE Work/below", "SUBSCRIBE Work",
              "RENAME Work Job", "UNSUBSCRIBE Work", "COPY 1 Job",
              "SUBSCRIBE Gone", "UNSUBSCRIBE Gone", "DELETE Job/below"):
        same(w.a.ok(x), [], "no word of its own " + x)
    same(w.a.ok("APPEND Job (\\Seen)", MAIL % b"two"), [], "nor APPEND")
    got = w.a.ok("MOVE 1 Job")
    same([x for x in got if b"COPYUID" not in x], [b"* 1 EXPUNGE"],
         "nor MOVE, but its EXPUNGE")
    same(w.a.ok("RENAME INBOX Mine")[1:], [], "nor RENAME INBOX")
    w.b.ok("CREATE Mark")
    w.told(listed_as("Mark"), "nor behind it")
    for x in ("Mine", "Job", "Mark"):
        same(w.a.ok("DELETE " + x), [], "nor DELETE " + x)
    w.close()


# --- what goes wrong ---

def refused():
    w = Watch("SET (personal %s)" % NAMES)
    for x, why in (("(personal (MessageNew))", "BAD"),
                   ("(personal (X-Event))", "NO [BADEVENT (MessageNew "
                    "MessageExpunge FlagChange MailboxName "
                    "SubscriptionChange)]")):
        end = w.a.cmd("NOTIFY SET " + x)[1]
        ok(end.startswith(why), "refused: " + x, end)
    many = " ".join("(mailboxes (%s) NONE)" % " ".join(
        "n%d" % i for i in range(600)) for k in range(2))
    end = w.a.cmd("NOTIFY SET " + many)[1]
    ok(end.startswith("NO [NOTIFICATIONOVERFLOW]"), "1200 names", end)
    w.b.ok("CREATE x")
    w.told(listed_as("x"), "and what was set stays")
    w.b.ok("DELETE x")
    w.told(listed_as("x", r"\NonExistent \HasNoChildren"), "DELETE")
    w.close()


def overflow():
    w = Watch("SET (selected (MessageNew (UID) MessageExpunge)) (personal %s)"
              % NAMES, ["CREATE Many", "CREATE Some", "SELECT Some"])
    w.b.ok("SELECT Many")
    # of one message there are a thousand in a mailbox at most
    for i in range(16):
        append(w.b, "m", "Many")
    for i in range(6):
        w.b.ok("COPY 1:* Many")
    w.b.ok("COPY 1:1000 Some")
    w.told(rb"\* 1000 EXISTS\n\* 1 FETCH \(UID 1\)\n.*\n"
           rb"\* 1000 FETCH \(UID 1000\)", "a thousand new messages", 1001)
    w.b.ok("COPY 1:1001 Some")
    w.told(rb"\* 2001 EXISTS\n\* OK \[NOTIFICATIONOVERFLOW\] .*",
           "one more is too many", 2)
    w.b.ok("COPY 1 Some")
    w.b.ok("CREATE Big/x")
    same(w.a.ok("NOOP"), [], "then nothing is told")
    same(w.a.ok("NOTIFY SET (selected %s)" % MESSAGES), [b"* 2002 EXISTS"],
         "until it is asked for")
    w.b.ok("COPY 1:1001 Some")
    w.told(rb"\* 3003 EXISTS", "without items there is no limit")
    # all are renamed at once, and each is told of: Big is no folder
    for i in range(0, 1000, 50):
        for k in range(50):
            w.b.begin("CREATE Big/f%d" % (i + k))
        for k in range(50):
            w.b.line()
    w.a.ok("NOTIFY SET (personal %s)" % NAMES)
    w.b.ok("RENAME Big Large")
    w.told(rb"\* OK \[NOTIFICATIONOVERFLOW\] .*", "a thousand folders changed")
    w.a.ok("UNSELECT")
    w.close()


def killed_agent():
    w = Watch("SET (selected (MessageNew (UID) MessageExpunge)) (personal %s)"
              % NAMES, ["SELECT INBOX"])
    kill(helper("catalog"))
    uid = append(w.b, "after")
    w.told(rb"\* 1 EXISTS\n\* 1 FETCH \(UID %d\)" % uid,
           "the agent killed: another one tells", 2)
    w.close()


try:
    certificates()
    configure(rest='<mail certificate="%s/service/service.pem" '
              'key="%s/service/service.key"/>' % (base, base))
    run("cm-user", "import", stdin="%s:secret\n" % BOB)
    selected()
    delayed()
    vanished()
    snapshot()
    others()
    groups()
    names()
    itself()
    refused()
    killed_agent()
    overflow()
finally:
    finish()
