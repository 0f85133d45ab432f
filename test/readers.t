#!/usr/bin/env python3
"""Programs that other people wrote read mailboxes whose messages lie on three
nodes, through one of them, and get each message once with its own bytes, also
when another node dies in the middle of it.

The node that dies is the home of a third of what they read: the rest of that
comes from its copy.
"""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from readers import *                                           # noqa
from three_nodes import *                                       # noqa
import front                                                    # noqa

# (client, its mailbox, way, kept on the server, a node dies)
READINGS = [
    (python, 0, "implicit", True, True),
    (python, 0, "stls", False, False),
    (curl, 1, "stls", True, True),
    (curl, 1, "implicit", True, False),
    (curl, 1, "stls-plain", True, False),
    (curl, 8, "implicit", False, False),
    (mpop, 2, "scram", True, True),
    (mpop, 2, "scram", True, None),     # again: nothing is new
    (mpop, 3, "implicit", False, True),
    (mpop, 4, "stls", True, False),
    (mpop, 5, "implicit-scram-1", False, False),
    (fetchmail, 6, "implicit", True, True),
    (fetchmail, 6, "implicit", True, None),
    (fetchmail, 7, "stls", False, False),
]


def go():
    mails = fill(sorted({r[1] for r in READINGS}))
    relay = Relay(front.net + RELAY_AT, front.net + ".11", (2110, 2995))
    for i, r in enumerate(READINGS):
        if len(sys.argv) > 1 and r[0].__name__ not in sys.argv[1:]:
            continue
        client, tree = r[0], "fetchmail" if r[0] is fetchmail else None
        if client is not python and not find(client.__name__, tree):
            missing(client.__name__, "its package is not there")
            continue
        reading(i, relay, mails, client, r[1], POP3[r[2]], *r[2:])
    if len(sys.argv) > 1:
        return
    log = read(LAB + "/n1/state/run/pop3d.log").decode()
    seen = set(re.findall(r"login as=\S+ mechanism=(\S+)", log))
    same(sorted(seen), ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "password"],
         "the log has logins by all mechanisms")


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
