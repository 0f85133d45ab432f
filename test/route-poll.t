#!/usr/bin/env python3
"""cm-route poll, set and show: what nodes know of each other, with a lab of
three nodes that are killed, stopped and drained."""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from front import *                                             # noqa
import front                                                    # noqa

NODES = "n1", "n2", "n3"
os.environ["LAB_CRON"] = "3600"     # nothing polls but this test


def poll(node, *args):
    """One that is not another one's; its lines."""
    for i in range(200):
        r = lab("run", LAB, node, "cm-route", "poll", "-v", *args)
        if b"another poll" not in r.stderr:
            return ok_or_why(r)
        time.sleep(0.1)
    raise AssertionError("always another poll")


def ok_or_why(r):
    if r.returncode != 0:
        raise AssertionError(r)
    return r.stderr.decode()


def file(node, name):
    return LAB + "/" + node + "/state/" + name


def lines(node, name="run/nodes"):
    """Fields by node."""
    try:
        text = read(file(node, name)).decode()
    except FileNotFoundError:
        return {}
    return {x.split()[0]: x.split()[1:] for x in text.splitlines()}


def states(node):
    return [lines(node)[n][0] for n in NODES]


def table(node):
    """The rows of show's loads, by node."""
    text = on(node, "cm-route", "show").decode()
    part = text.split("\nloads\n")[1].split("\n\n")[0].splitlines()
    return part, {re.split("  +", x.strip())[0]: re.split("  +", x.strip())
                  for x in part[1:]}


def shown(node, which):
    return table(node)[1][which][-1]


def set_(node, *args):
    return lab("run", LAB, node, "cm-route", "set", *args)


def begins():
    part, rows = table("n1")
    same(part[0].split(), ["node", "load", "sessions", "free", "pref",
                           "capacity", "share", "state"], "a table")
    same(sorted(rows), list(NODES), "of all nodes")
    for n in NODES:
        poll(n)
        same(states(n), ["up"] * 3, "%s: all answer" % n)
    row = table("n1")[1]["n2"]
    ok(re.match(r"\d+ %$", row[1]) and row[2] == "0" and
       re.match(r"[0-9.]+ [A-Z]iB$", row[3]) and row[4:7] == ["10", "100",
       "-"] and row[7].startswith("up since 20"), "what n2 says", row)
    ok(max(map(len, table("n1")[0])) <= 100, "a line has 100 columns at most")
    r = lab("run", LAB, "n1", "cm-route", "poll", "-c", "3", "-i", "0.3")
    ok(r.returncode == 0 and int(lines("n1")["n2"][2]) >= 3,
       "several polls", r)


def usage():
    for bad in (["-c", "0"], ["-c", "x"], ["-i", "0"], ["-i", "1.2345"],
                ["-t", "-1"], ["-t", ""], ["-x"], ["n1"]):
        r = lab("run", LAB, "n1", "cm-route", "poll", *bad)
        same(r.returncode, 64, "poll %s" % " ".join(bad))
    before = lines("n1", "nodes")
    for bad in (["n1", "away"], ["n1", "pref"], ["n1", "pref", "65536"],
                ["n1", "pref", "-1"], ["n1", "up", "5"], ["n1"], []):
        same(set_("n1", *bad).returncode, 64, "set %s" % " ".join(bad))
    r = set_("n1", "n9", "down")
    ok(r.returncode == 66 and b"no node n9" in r.stderr, "set n9 down", r)
    same(lines("n1", "nodes"), before, "and nothing is set")


def one_at_a_time():
    p = subprocess.Popen(["sh", ROOT + "/examples/lab", "run", LAB, "n1",
                          "cm-route", "poll", "-c", "1000", "-i", "0.2"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ok(until(lambda: is_locked(file("n1", "run/nodes-poll"))),
           "a poll that goes on")
        r = lab("run", LAB, "n1", "cm-route", "poll")
        ok(r.returncode == 0 and r.stderr == b"", "the second one ends", r)
        r = lab("run", LAB, "n1", "cm-route", "poll", "-v")
        ok(r.returncode == 0 and b"another poll runs" in r.stderr,
           "and says why if asked", r)
        r = set_("n1", "n3", "pref", "11")
        same(r.returncode, 0, "set works meanwhile")
    finally:
        kill(p.pid)
        p.wait()


def dies():
    lab("kill", LAB, "n2")
    said = poll("n1")
    ok(states("n1") == ["up"] * 3 and said == "", "one miss is nothing", said)
    said = poll("n1")
    same(states("n1"), ["up", "down", "up"], "killed: out within two polls")
    ok("node n2 is down: " in said, "with a line", said)
    ok(shown("n1", "n2").startswith("down since 20"), "show says so",
       shown("n1", "n2"))
    said = poll("n1")
    same(said, "", "which is said once")
    same(lines("n3")["n2"][0], "up", "n3 asks for itself")
    lab("start", LAB, "n2")
    said = poll("n1")
    same(states("n1"), ["up"] * 3, "back when it answers")
    ok("node n2 is up" in said, "with a line", said)


def hangs():
    lab("stop", LAB, "n3")
    begun = time.monotonic()
    poll("n1", "-t", "1")
    took = time.monotonic() - begun
    ok(0.9 < took < 20, "a node that hangs: to the deadline", took)
    poll("n1", "-t", "0.5")
    same(states("n1"), ["up", "up", "down"], "and down")
    lab("cont", LAB, "n3")
    ok(until(lambda: (poll("n1"), states("n1"))[1] == ["up"] * 3),
       "it goes on: up")


def gossip():
    same(set_("n2", "n3", "drain").returncode, 0, "set n3 drain, at n2")
    for n in "n1", "n3":
        said = poll(n)
        same(lines(n, "nodes")["n3"][0], "drain", "%s knows it after a poll"
             % n)
        ok(re.search("node n3 is set to drain, pref 11, as node n. says", said),
           "and says from whom", said)
        ok(shown(n, "n3").startswith("drained since 20"), "shown", shown(
            n, "n3"))
    same(lines("n1", "nodes"), lines("n2", "nodes"), "word for word")
    r = lab("run", LAB, "n1", "cm-status")
    ok(b"! node n3 is set to drain: " in r.stdout, "cm-status notes it", r)
    lab("kill", LAB, "n2")
    same(set_("n1", "n3", "up").returncode, 0, "taken back while n2 is away")
    same(set_("n1", "n2", "pref", "20").returncode, 0, "and a preference")
    poll("n3")
    same(lines("n3", "nodes"), lines("n1", "nodes"), "n3 has both")
    lab("start", LAB, "n2")
    poll("n2")
    same(lines("n2", "nodes"), lines("n1", "nodes"), "n2 learns it later")
    poll("n1")
    same(lines("n1", "nodes")["n3"][0], "up", "and its older word is gone")
    same(table("n3")[1]["n2"][4], "20", "the preference in the table")


def clocks():
    """A word of a clock that is ahead does not stay for ever."""
    set_("n1", "n3", "down")
    f = file("n1", "nodes")
    text = re.sub(rb"(?m)^n3 down \S+", rb"n3 down 2999-01-01T00:00:00.000Z",
                  read(f))
    write(f, text)
    poll("n2")
    same(lines("n2", "nodes")["n3"][0], "down", "a word of the future")
    set_("n2", "n3", "up")
    poll("n1")
    same(lines("n1", "nodes")["n3"][:2], ["up", "2999-01-01T00:00:00.001Z"],
         "a later one counts")


def up_forgets():
    lab("kill", LAB, "n3")
    poll("n1")
    poll("n1")
    poll("n2")
    poll("n2")
    same(states("n1") + states("n2"), ["up", "up", "down"] * 2, "n3 is down")
    lab("start", LAB, "n3")
    same(set_("n1", "n3", "up").returncode, 0, "set n3 up")
    same(lines("n1")["n3"][:2], ["up", "0"], "without a poll it is up")


def garbage():
    for name in "run/nodes", "nodes":
        with open(file("n1", name), "ab") as f:
            f.write(b"\x00\xff\n\nn1 up\nn1 \xe4 5 5\n" + b"x" * 9000 + b"\n")
    r = lab("run", LAB, "n1", "cm-route", "show")
    ok(r.returncode == 0 and r.stderr.count(b"left out") >= 6,
       "garbage in both files", r)
    before = lines("n2", "nodes")
    poll("n1")
    same(set_("n1", "n2", "pref", "30").returncode, 0, "poll and set go on")
    r = lab("run", LAB, "n1", "cm-route", "show")
    same((r.returncode, r.stderr), (0, b""), "and put the files right")
    poll("n2")
    same(set(lines("n2", "nodes")), set(before), "no other has any of it")
    write(file("n1", "run/nodes"), os.urandom(6 << 20))
    r = lab("run", LAB, "n1", "cm-route", "show")
    same(r.returncode, 0, "6 MiB of it")
    poll("n1")
    same(states("n1"), ["up"] * 3, "and a poll")


def load():
    """Sessions that are open, and an overload of 1 %."""
    s = [socket.create_connection((front.net + ".12", 2143)) for i in range(5)] + \
        [socket.create_connection((front.net + ".12", 2525))]
    try:
        ok(until(lambda: (poll("n1"), lines("n1")["n2"][5])[1] == "6"),
           "sessions are counted", lines("n1"))
    finally:
        for c in s:
            c.close()
    ok(until(lambda: (poll("n1"), lines("n1")["n2"][5])[1] == "0"),
       "and go", lines("n1"))
    edit_conf("</cluster>", '<dns overload="1"/></cluster>')
    ok(until(lambda: (poll("n1"), float(lines("n1")["n1"][3]) >= 1)[1], 60),
       "some load", lines("n1"))
    ok(shown("n1", "n1").startswith("overloaded, up since"), "overloaded",
       table("n1"))


def delays():
    """The acknowledgement's delay, and no message: it goes."""
    import smtplib

    def delay(n):
        r = run("curl", "-sS", "--noproxy", "*", "--cacert",
                LAB + "/n1/tls/ca.pem", "--cert", LAB + "/n1/tls/node.pem",
                "--key", LAB + "/n1/tls/node.key", "--resolve",
                "%s:2443:%s" % (n, front.net + ".1" + n[1:]),
                "https://%s:2443/v1/load?brief" % n)
        words = dict(x.split(" ", 1) for x in r.stdout.decode().splitlines())
        return int(words["delay"])
    if not find("curl"):
        return missing("the delay", "curl is not installed")
    s = smtplib.SMTP(front.net + ".12", 2525, timeout=60)
    lab("stop", LAB, "n3")      # which has the copy of n2's volume
    try:
        s.sendmail("a@from.test", ["u1@" + DOMAIN], "Subject: x\r\n\r\nx\r\n")
    except smtplib.SMTPException:
        pass
    ok(delay("n2") > 100, "n2 waits for its copy, and says so", delay("n2"))
    lab("cont", LAB, "n3")
    ok(until(lambda: delay("n2") == 0, 60), "and forgets it")
    r = run("curl", "-sS", "--noproxy", "*", "--cacert",
            LAB + "/n1/tls/ca.pem", "--cert", LAB + "/n1/tls/node.pem",
            "--key", LAB + "/n1/tls/node.key", "--resolve",
            "n2:2443:%s.12" % front.net, "https://n2:2443/metrics")
    for w in ("load_percent", "acknowledgement_delay_seconds", "space_bytes",
              "service_sessions"):
        ok(b"\nclustermail_" + w.encode() in r.stdout, "metrics: " + w)


def shares():
    """Who was first, as cm-route mx and cm-dnsd count it."""
    for i in range(30):
        on("n1", "cm-route", "mx", DOMAIN)
    rows = table("n1")[1]
    ok(99 < sum(float(rows[n][6].split(" ")[0]) for n in NODES) < 101,
       "the shares make 100 %", rows)


def alone():
    """One that reaches nobody has itself; one without certificates says so."""
    lab("kill", LAB, "n2")
    lab("kill", LAB, "n3")
    poll("n1")
    poll("n1")
    same(states("n1"), ["up", "down", "down"], "the last one")
    before = read(file("n1", "run/nodes"))
    os.rename(LAB + "/n1/tls", LAB + "/n1/tls.away")
    r = lab("run", LAB, "n1", "cm-route", "poll")
    ok(r.returncode == 66 and b"ca.pem" in r.stderr, "no certificates", r)
    os.rename(LAB + "/n1/tls.away", LAB + "/n1/tls")
    same(read(file("n1", "run/nodes")), before, "is no node's fault")


try:
    if not lab_up(3):
        missing("the lab", "xinetd is not installed")
    else:
        try:
            # this machine is busy: that is not what is tested
            edit_conf("</cluster>", '<dns overload="100000"/></cluster>')
            begins()
            usage()
            one_at_a_time()
            dies()
            hangs()
            gossip()
            clocks()
            up_forgets()
            garbage()
            edit_conf('<dns overload="100000"/>', "")
            load()
            delays()
            shares()
            alone()
        finally:
            lab_down()
finally:
    finish()
