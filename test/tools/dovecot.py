"""Dovecot's imap program on a Maildir, as it runs behind its login process:
one session on a socket, already authenticated.  No daemon, no configuration, no
port, no root; it ends with its session.
"""
import os
import pwd
import subprocess
import socket

from cluster import base, run, write
from dialog import WAIT, Server

TREES = os.environ["ROOT"] + "/build/trees/"
PROGRAM = TREES + "dovecot-imapd/usr/lib/dovecot/imap"
LIBRARIES = TREES + "dovecot-core/usr/lib/dovecot"
HOME = base + "/dovecot"
# it wants not to be root; whose files it reads is all the same
USER = pwd.getpwnam("mail") if os.getuid() == 0 else None


def words(*settings):
    out = [PROGRAM, "-O"]           # no dovecot.conf
    for s in ("mail_location=maildir:~/Maildir",) + settings:
        out += ["-o", s]
    return out


def environment():
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": HOME,
            "USER": "bob", "LD_LIBRARY_PATH": LIBRARIES}


def own(path):
    if USER:
        os.chown(path, USER.pw_uid, USER.pw_gid)


def missing():
    """Why it cannot be run; None: it can."""
    if not os.access(PROGRAM, os.X_OK):
        return "no %s" % PROGRAM
    got = run("ldd", PROGRAM, env={"LD_LIBRARY_PATH": LIBRARIES}).stdout
    lost = [x.split()[0].decode() for x in got.splitlines()
            if b"not found" in x]
    return "no " + ", ".join(lost) if lost else None


def fill(messages):
    """(bytes, seconds of its time) of each, which have the numbers from 1."""
    if USER:
        os.chmod(base, 0o711)
    for d in "", "/Maildir", "/Maildir/cur", "/Maildir/new", "/Maildir/tmp":
        os.mkdir(HOME + d)
        own(HOME + d)
    for n, (raw, when) in enumerate(messages, 1):
        f = "%s/Maildir/cur/%d.M%dP1.x,S=%d:2," % (HOME, 1600000000 + n, n,
                                                   len(raw))
        write(f, raw)
        os.utime(f, (when, when))
        own(f)


class Dovecot(Server):
    def __init__(self):
        self.s, theirs = socket.socketpair()
        more = {"user": USER.pw_uid, "group": USER.pw_gid,
                "extra_groups": []} if USER else {}
        with open(base + "/dovecot.log", "ab") as log:
            self.p = subprocess.Popen(words(), stdin=theirs, stdout=theirs,
                                      stderr=log, env=environment(), cwd="/",
                                      **more)
        theirs.close()
        self.s.settimeout(WAIT)
        self.buf = b""
