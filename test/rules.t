#!/usr/bin/env python3
"""Rules by size and priority, with labels: each message goes to the volume
that they mean, on whatever node that is, and is there once whatever dies."""
import os
import smtplib
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from front import *                                             # noqa
import front                                                    # noqa

os.environ["LAB_CRON"] = "3600"
BIG = b"x" * 70 + b"\r\n"
TO = "u1@" + DOMAIN
sent = []


def message(size=0, field=b""):
    """A new one, and its subject."""
    sent.append(b"m%d" % len(sent))
    return b"Subject: " + sent[-1] + b"\r\n" + field + b"\r\n" + \
        BIG * (size // len(BIG)) + b"end\r\n"


def smtp(node):
    return smtplib.SMTP("%s.1%s" % (front.net, node[1:]), 2525, timeout=120)


def send(s, msg):
    """Where it went, as the node's log has it."""
    s.ehlo_or_helo_if_needed()
    s.mail("a@from.test")
    s.rcpt(TO)
    return data(s, msg)


def data(s, msg):
    code, text = s.data(msg)
    if code != 250:
        raise AssertionError((code, text))
    id_ = text.split()[-1].decode()
    for n in "n1", "n2", "n3":
        try:
            log = read("%s/%s/state/run/smtpd.log" % (LAB, n)).decode()
        except FileNotFoundError:
            continue
        m = re.search(r"accepted id=%s .* volume=(\S+) copies=(\S+)" % id_,
                      log)
        if m:
            return m[1], m[2]
    return None


def by_smtp(node, msg):
    s = smtp(node)
    try:
        return send(s, msg)
    finally:
        s.quit()


def by_store(node, msg):
    r = lab("run", LAB, node, "cm-store", TO, stdin=msg)
    if r.returncode != 0:
        raise AssertionError(r)
    return r.stdout.decode().split("\t")[1].split("/")[0].split(":")[0]


def listed_once(name, node="n1"):
    def subjects():
        r = lab("run", LAB, node, "cm-fetch", "-r", TO)
        return sorted(re.findall(rb"(?m)^Subject: (m\d+)\r?$", r.stdout))
    until(lambda: subjects() == sorted(sent), 60)
    time.sleep(1)
    same(subjects(), sorted(sent), name)


def poll(node):
    for i in range(200):
        r = lab("run", LAB, node, "cm-route", "poll", "-v")
        if b"another poll" not in r.stderr:
            return
        time.sleep(0.1)


def back(node):
    lab("start", LAB, node)
    on(node, "cm-mirror", "-a")


def chosen():
    for node in "n1", "n2", "n3":
        same(by_smtp(node, message(200000)), ("v3", "n3,n1"),
             "%s: a large one to the bulk volume" % node)
    same(by_smtp("n2", message())[0], "v2", "a small one stays")
    same(by_smtp("n2", message(0, b"X-Priority: 1 (Highest)\r\n"))[0], "v1",
         "an urgent one goes to the fast volume")
    same(by_smtp("n2", message(200000, b"priority: URGENT\r\n"))[0], "v1",
         "and a large urgent one: the first rule wins")
    same(by_smtp("n2", message(0, b"Priority: non-urgent\r\n"))[0], "v3",
         "one that can wait goes to the bulk volume")
    same(on("n2", "cm-route", "select", "-p", "low").split(), [b"v3", b"v2"],
         "cm-route says so, and where else")
    same(on("n3", "cm-route", "select", "-p", "low").split(), [b"v3"],
         "at home there is no other")
    same(by_store("n1", message(200000)), "v3", "cm-store does as cm-smtpd")
    r = lab("run", LAB, "n1", "sh", "-c", "cm-store %s | cm-mirror" % TO,
            stdin=message(200000))
    ok(r.returncode == 0 and b"\tn3,n1\t" in r.stdout,
       "cm-mirror knows its copies", r)
    listed_once("all are listed once")


def dies_between():
    """The node with the volume is killed between RCPT and DATA."""
    s = smtp("n1")
    same(send(s, message(200000))[0], "v3", "a connection is there")
    s.mail("a@from.test")
    s.rcpt(TO)
    lab("kill", LAB, "n3")
    same(data(s, message(200000)), ("v1", "n1,n2"),
         "n3 is killed: a volume of this node takes it")
    s.quit()
    same(by_smtp("n1", message(200000))[0], "v1", "and the next one")
    poll("n1")
    poll("n1")
    same(on("n1", "cm-route", "select", "-s", "1M").split(), [b"v1"],
         "the polls know: it is not tried any more")
    log = LAB + "/n1/state/run/smtpd.log"
    before = read(log).count(b"volume v3 on node n3")
    ok(before > 0, "who did not know has said so")
    same(by_smtp("n1", message(200000))[0], "v1", "one more")
    same(read(log).count(b"volume v3 on node n3"), before, "without a word")
    back("n3")
    poll("n1")
    ok(until(lambda: by_smtp("n1", message(200000))[0] == "v3", 60),
       "it is back, and takes them again")
    listed_once("all are listed once")


def lost_answer():
    """Stopped with the whole message on its way: it is stored there too."""
    s = smtp("n1")
    same(send(s, message(200000))[0], "v3", "a connection is there")
    size = sum(map(len, volume_segments("n3")))
    lab("stop", LAB, "n3")
    same(send(s, message(30000, b"Priority: non-urgent\r\n"))[0], "v1",
         "no answer: a volume of this node takes it")
    s.quit()
    lab("cont", LAB, "n3")
    ok(until(lambda: sum(map(len, volume_segments("n3"))) > size, 30),
       "the other one had it all, and stores it too")
    on("n3", "cm-mirror", "-a")
    listed_once("it is listed once all the same")
    listed_once("at the other node too", "n3")


def volume_segments(node):
    d = "%s/%s/disk/v3" % (LAB, node)
    return [read(d + "/" + f) for f in os.listdir(d) if f.endswith(".seg")]


def drained():
    """A node without volumes of its own obeys the rules, too."""
    edit_conf('<node name="n1"', '<node name="n1" drain="yes"')
    ok(until(lambda: by_smtp("n1", message(200000))[0] == "v3", 60),
       "drained: the bulk volume")
    ok(until(lambda: by_smtp("n1", message())[0] in ("v2", "v3"), 60),
       "and any other one without a rule")
    edit_conf('<node name="n1" drain="yes"', '<node name="n1"')
    listed_once("all are listed once")


try:
    if not lab_up(3):
        missing("the lab", "xinetd is not installed")
    else:
        try:
            edit_conf('<volume name="v1"', '<volume name="v1" labels="fast"')
            edit_conf('<volume name="v3"',
                      '<volume name="v3" labels="bulk archive"')
            edit_conf("</cluster>", '<rule priority="high" labels="fast"/>'
                      '<rule priority="low" labels="bulk"/>'
                      '<rule min-size="100K" labels="bulk"/></cluster>')
            time.sleep(3)       # services read it once a second
            chosen()
            dies_between()
            lost_answer()
            drained()
        finally:
            lab_down()
finally:
    finish()
