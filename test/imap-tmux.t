#!/usr/bin/env python3
"""neomutt and s-nail, as people use them: a mailbox whose messages lie on three
nodes is read, marked, sorted and left, and a node dies meanwhile."""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from imap_readers import *                                      # noqa
from three_nodes import *                                       # noqa
from screen import *                                            # noqa
import front                                                    # noqa

COUNT = 12


def mail(i):
    return (b"From: Ann <ann@from.test>\r\nSubject: letter %d\r\n"
            b"Date: Mon, 02 Nov 2026 10:%02d:00 +0000\r\n\r\n"
            b"the words of letter %d\r\n" % (i, i, i))


def deliver(k):
    for i in range(1, COUNT + 1):
        on(NODES[i % 3], "sh", "-c",
           'cm-store "$1" | cm-mirror | cm-catalog add', "sh", box(k),
           stdin=mail(i))
        on(NODES[i % 3], "cm-catalog", "sync")


def server(k):
    """Number of the letter in each folder: (flags, its bytes are its own)"""
    m = session(Job(front.net + ".12", IMAP["implicit"], box(k), base, True))
    out = {}
    for line in good(m.list()):
        name = line.decode().split(' "/" ', 1)[1].strip('"')
        n = int(good(m.select('"%s"' % name, readonly=True))[0])
        got = good(m.fetch("1:*", "(FLAGS BODY.PEEK[])")) if n else []
        out[name] = {}
        for x in got:
            if isinstance(x, tuple):
                i = int(re.search(rb"letter (\d+)", x[1])[1])
                flags = re.search(rb"FLAGS \(([^)]*)", x[0])[1].split()
                out[name][i] = sorted(flags), x[1] == mail(i)
    m.logout()
    return out


def neomutt(k):
    home = base + "/neomutt"
    os.mkdir(home)
    write(home + "/rc", """set folder = "imaps://%s@%s:2993/"
set imap_user = "%s"
set imap_pass = "%s"
set spool_file = "+INBOX"
set certificate_file = "%s"
set ssl_ca_certificates_file = "%s"
set ssl_starttls = yes
set confirm_create = no
set confirm_append = no
set delete = yes
set quit = yes
set mark_old = no
set wait_key = no
set timeout = 1
set sort = mailbox-order
""" % (box(k).replace("@", "%40"), front.net + ".11", box(k), PASSWORD,
       home + "/trusted", CA))
    write(home + "/trusted", "")
    s = Screen("neomutt", {"HOME": home, "LC_ALL": "C.UTF-8"},
               find("neomutt"), "-n", "-F", home + "/rc")
    try:
        s.shows(r"letter 1\b[^$]*letter 12\b", "the list")
        dies("n3")
        s.keys("3", "Enter", "Enter")
        s.shows("the words of letter 3", "one is read with a node dead")
        s.keys("q")
        s.shows(r"letter 1\b[^$]*letter 12\b", "the list again")
        s.keys("F")
        s.shows(r"3 .*!.*letter 3", "marked")
        s.keys("5", "Enter", "d")
        s.shows(r"5 .*D.*letter 5", "to be deleted")
        s.keys("7", "Enter", "C")
        s.shows("(?i)copy.* to", "where to copy it")
        s.keys("C-u", "=Kept", "Enter")
        s.shows(r"\A(?![\s\S]*Copy to mailbox)", "the name is taken")
        s.keys("8", "Enter", "Enter")
        s.shows("the words of letter 8", "a home that is dead: its copy")
        s.keys("q")
        s.shows(r"letter 1\b[^$]*letter 12\b", "the list")
        s.keys("q")
        s.ended("left")
    finally:
        s.close()
        back("n3")


def s_nail(k):
    home = base + "/s-nail"
    os.mkdir(home)
    # it knows no addresses in certificates
    write(home + "/rc", """set v15-compat tls-verify=ignore crt=0
set folder=imaps://%s:%s@%s:2993/
""" % (box(k).replace("@", "%40"), PASSWORD, front.net + ".11"))
    s = Screen("s-nail", {"HOME": home, "MAILRC": home + "/rc",
                          "LC_ALL": "C.UTF-8", "PAGER": "cat"},
               find("s-nail"), "-n", "-f", "imaps://%s:%s@%s:2993/INBOX" % (
                   box(k).replace("@", "%40"), PASSWORD, front.net + ".11"))
    try:
        s.shows(r"(?m)^\? *$", "the prompt")
        s.keys("from *", "Enter")
        s.shows(r"letter 1\b[^$]*letter 12\b", "the list")
        dies("n2")
        s.keys("print 4", "Enter")
        s.shows("the words of letter 4", "one is read with a node dead")
        s.keys("flag 4", "Enter", "delete 6", "Enter")
        s.keys("copy 9 @Kept", "Enter")
        s.shows(r"Kept.*(added|appended|INBOX)?[^?]*\n\? *\n", "copied")
        s.keys("quit", "Enter")
        s.ended("left")
    finally:
        s.close()
        back("n2")


def look(name, k, read_, marked, gone, kept):
    got = server(k)
    same(sorted(got.get("INBOX", {})),
         [i for i in range(1, COUNT + 1) if i != gone],
         name + ": one is gone, and no other")
    ok(all(x[1] for f in got.values() for x in f.values()),
       name + ": each has its bytes")
    inbox = got["INBOX"]
    same([i for i in inbox if rb"\Flagged" in inbox[i][0]], [marked],
         name + ": one is marked")
    ok(all(rb"\Seen" in inbox[i][0] for i in read_),
       name + ": what was read is", inbox)
    same(sorted(got.get("Kept", {})), [kept], name + ": the copy")


def go():
    for program, k, client, what in (
            ("neomutt", 30, neomutt, ([3, 8], 3, 5, 7)),
            ("s-nail", 31, s_nail, ([4], 4, 6, 9))):
        if sys.argv[1:] and program not in sys.argv[1:]:
            continue
        if not find(program) or not find("tmux"):
            missing(program, "its package, or tmux, is not there")
            continue
        deliver(k)
        client(k)
        look(program, k, *what)


try:
    if not lab_up(3):
        missing("the lab", "xinetd is not installed")
    else:
        try:
            go()
        finally:
            lab_down()
finally:
    finish()
