#!/usr/bin/env python3
"""cm-pop3d: transcripts of sessions, deletions, several sessions at once."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
from dialog import *

MODES = {"pop3": ["cm-pop3d"], "pop3s": ["cm-pop3d", "-t"],
         "pop3tls": ["cm-pop3d"]}


def session(name=BOB, password="secret"):
    """One that has logged in."""
    s = Server("cm-pop3d", "-t")
    s.line()
    s.say("USER " + name)
    got = s.say("PASS " + password)
    return s, got


def lines(s, command):
    """The lines of an answer of several."""
    first = s.say(command)
    out = []
    while first.startswith("+OK") and (line := s.line()) != ".":
        out.append(line)
    return out if first.startswith("+OK") else first


def quit(s):
    got = s.say("QUIT")
    s.close()
    return got


def keep(*subjects, to=BOB):
    for x in subjects:
        store("Subject: %s\n\nx\n" % x, to)
    run("cm-catalog", "sync")


def subjects(s):
    n = int(s.say("STAT").split()[1])
    return [lines(s, "TOP %d 0" % (i + 1))[0][9:] for i in range(n)]


def deletions():
    keep("one", "two", "three", "four")
    s, got = session()
    same(got, "+OK 4 messages", "a login")
    s.say("DELE 1")
    s.close()
    s, _ = session()
    same(subjects(s), ["one", "two", "three", "four"],
         "a session that breaks off deletes nothing")
    s.say("DELE 1")
    s.say("DELE 3")
    other, _ = session()
    keep("five")
    same(quit(s), "+OK 2 deleted, goodbye", "QUIT deletes")
    same([x.split()[0] for x in lines(other, "UIDL")], list("1234"),
         "another session has its own view")
    same(lines(other, "RETR 1")[:1], ["Subject: one"],
         "and reads what is deleted")
    other.say("DELE 1")
    other.say("DELE 2")
    same(quit(other), "+OK 1 deleted, goodbye",
         "what is gone is no obstacle")
    s, _ = session()
    same(subjects(s), ["four", "five"], "what is left")
    uidl = lines(s, "UIDL")
    same([x.split()[1] for x in uidl], [x[1] for x in listed()],
         "unique ids are the messages' ids")
    quit(s)


def all_or_none():
    s, _ = session()
    s.say("DELE 1")
    s.say("DELE 2")
    stop_all()
    os.rename(base + "/state/catalog", base + "/catalog.away")
    write(base + "/state/catalog", "not a folder")
    got = quit(s)
    ok(got.startswith("-ERR [SYS/TEMP] nothing was deleted"),
       "without the catalog nothing is deleted", got)
    os.unlink(base + "/state/catalog")
    os.rename(base + "/catalog.away", base + "/state/catalog")
    s, got = session()
    same(got, "+OK 2 messages", "and all is there")
    quit(s)


def unreadable():
    os.rename(base + "/v1", base + "/v1.away")
    s, _ = session()
    got = s.say("RETR 1")
    ok(got.startswith("-ERR [SYS/"), "a message without a copy is not given",
       got)
    ok(s.say("STAT").startswith("+OK 2 "), "the session goes on")
    shutil.rmtree(base + "/v1", ignore_errors=True)
    os.rename(base + "/v1.away", base + "/v1")
    same(lines(s, "RETR 1")[:1], ["Subject: four"],
         "it is, when the copies are back")
    quit(s)


def logins():
    s, got = session(password="wrong")
    same(got, "-ERR [AUTH] wrong name or password", "a wrong password")
    s.close()
    s, got = session("nobody@example.org")
    same(got, "-ERR [AUTH] wrong name or password", "a wrong name")
    s.close()
    s, got = session("team@example.org")
    same(got, "-ERR [AUTH] wrong name or password", "an alias")
    s.close()
    log = read(base + "/state/run/pop3d.log").decode()
    ok("refused login as=nobody@example.org mechanism=password client=local"
       in log, "the log has them", log[-600:])


def in_use():
    """A limit for all sessions of a mailbox; the default is 20."""
    held = [session() for i in range(20)]
    same({got.split(" ")[0] for s, got in held}, {"+OK"}, "20 of a mailbox")
    late, got = session()
    same(got, "-ERR [IN-USE] too many sessions have your mailbox open",
         "one more is told so")
    same(late.say("STAT"), "-ERR log in first", "and is not in")
    other, got = session(ANN)
    ok(got.startswith("+OK"), "another mailbox is not concerned", got)
    quit(other)
    quit(held.pop()[0])
    late.say("USER " + BOB)
    ok(late.say("PASS secret").startswith("+OK"), "one ends: now it is")
    other, got = session()
    ok("[IN-USE]" in got, "and counts", got)
    other.close()
    held.pop()[0].kill()
    other, got = session()
    ok(got.startswith("+OK"), "kill -9 of one leaves no count", got)
    log = read(base + "/state/run/pop3d.log").decode()
    ok('refused client=local tls=TLS' in log and
       'user=bob@example.org why="too many sessions of the mailbox"' in log,
       "the log has it", log[-600:])
    for s, _ in held + [(late, ""), (other, "")]:
        quit(s)


def long_lines():
    """RFC 2449 section 4 has 255 bytes; we take some more."""
    s = Server("cm-pop3d")
    s.line()
    same(s.say("X" + "y" * 12285), "-ERR no such command", "a long line")
    same(s.say("X" + "y" * 12287), "-ERR line too long", "one that is too long")
    same(s.say("X" * 1000000), "-ERR line too long", "a megabyte")
    s.send(b"UTF8\nNOOP\n")
    ok(s.line().startswith("+OK") and s.line() == "-ERR log in first",
       "a bare LF ends a line")
    s.close()


def killed_agent():
    keep("six")
    s, _ = session()
    kill(helper("catalog"))
    s.say("DELE 3")
    same(quit(s), "+OK 1 deleted, goodbye",
         "the agent killed before QUIT: another one does it")


def large():
    body = ("x" * 998 + "\n") * 2000 + "." + "y" * 100000 + "\n.\n"
    store("Subject: large\n\n" + body, ANN)
    store("Subject: none\n", "empty@example.org")
    run("cm-catalog", "sync")
    s, _ = session(ANN)
    got = lines(s, "RETR 4")
    want = ["Subject: large", ""] + body.split("\n")[:-1]
    ok([x[1:] if x.startswith(".") else x for x in got] == want,
       "two megabytes, and lines of any length", [len(got), got[:3]])
    quit(s)
    s, _ = session("empty@example.org")
    same(lines(s, "RETR 1"), ["Subject: none"], "a message without a body")
    same(lines(s, "TOP 1 5"), ["Subject: none"], "and its top")
    quit(s)


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
    store("Subject: dots\n\n.\n..\n.x\nlast\n", ANN)
    keep("second", "third", to=ANN)
    for title, mode, steps in transcripts(
            os.environ["ROOT"] + "/test/transcripts/pop3.txt"):
        if mode == "pop3":        # no certificate: no TLS
            write(base + "/plain.xml", re.sub(
                r'certificate="\S*" key="\S*"', "",
                read(base + "/cluster.xml").decode()))
            play(title, mode, steps,
                 ["cm-pop3d", "-C", base + "/plain.xml"])
        else:
            play(title, mode, steps, MODES[mode])
    deletions()
    all_or_none()
    unreadable()
    logins()
    in_use()
    long_lines()
    killed_agent()
    large()
finally:
    finish()
