#!/usr/bin/env python3
"""What examples/services promises beside clients.t: HAProxy in front of two
nodes, systemd's units, and an inetd under which cm-smtpd ends and comes back."""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from mailers import *                                           # noqa
import front                                                    # noqa

MESSAGE = b"Subject: service %d\r\n\r\nbody\r\n"
TO = "u3@" + DOMAIN


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(x) for x in f.read().split()]


def send(host, n, source="127.0.0.1", port=2525):
    """None when it was taken."""
    try:
        s = smtplib.SMTP(host, port, timeout=TIMEOUT,
                         source_address=(source, 0))
        s.sendmail("a@from.test", [TO], MESSAGE % n)
        s.quit()
    except (OSError, smtplib.SMTPException) as e:
        return repr(e)
    return None


def kept():
    for n in "n1", "n2":
        on(n, "cm-catalog", "sync")
    return sorted(int(x) for x in re.findall(
        rb"(?m)^Subject: service (\d+)\r$", on("n1", "cm-fetch", "-r", TO)))


def behind_haproxy():
    if not find("haproxy", "haproxy"):
        return missing("HAProxy", "its package is not there")
    nodes = [front.net + ".31", front.net + ".32"]
    edit_conf('per-client="500"/>', 'per-client="500">'
              '<proxy network="127.0.0.1"/></mail>')
    for name, host in zip(("n1", "n2"), nodes):
        xinetd("proxied-" + name, host, True, name, "-p")
        need(host, 2525)
    host = front.net + ".40"
    haproxy(host, nodes)
    bad = []
    for i in range(20):
        why = send(host, i, front.net + ".%d" % (100 + i))
        if why:
            bad.append(why)
    same(bad, [], "20 messages through HAProxy")
    seen = {}
    for n in "n1", "n2":
        log = read("%s/%s/state/run/smtpd.log" % (LAB, n)).decode()
        seen[n] = set(re.findall(r"accepted .*client=([0-9.]+) ", log))
    same(seen["n1"] | seen["n2"], {front.net + ".%d" % (100 + i)
                                   for i in range(20)},
         "the logs have the clients' own addresses")
    ok(seen["n1"] and seen["n2"], "and both nodes took some", seen)
    same(kept(), list(range(20)), "cm-fetch gives all of them")
    got = on("n1", "cm-fetch", "-r", TO)
    same(len(set(re.findall(rb"(?m)^Received: from \S+ \(\[(%s\.1\d\d)\]\)" %
                            re.escape(front.net.encode()), got))), 20,
         "so has Received")
    why = send(nodes[0], 1000, front.net + ".99")
    ok(why and "Disconnected" in why,
       "who is no proxy is hung up on", why)


def command(pid):
    try:
        return read("/proc/%d/cmdline" % pid)
    except OSError:
        return b""


def comes_back(name, fn, end):
    """Connections again and again, and in the moment in which it ends."""
    if fn is inetd and not find("inetd", "openbsd-inetd"):
        return missing(name, "the package openbsd-inetd is not there")
    host = "%s.%d" % (front.net, end)
    p = fn(name, host, True, extra=" -i 1")
    need(host, 2525)
    before, masters, bad, n = kept(), set(), [], 2000 + 1000 * end
    first = n
    begun = time.monotonic()
    while len(masters) < 6 and time.monotonic() - begun < 60:
        masters |= {k for k in children(p.pid) if command(k) ==
                    b"cm-smtpd\0-i\0001\0"}
        why = send(host, n)
        if why:
            bad.append(why)
        n += 1
        time.sleep((0.9, 1.02, 1.1, 1.9, 2.02, 0.01)[n % 6] + n % 7 / 100)
    same(bad, [], "%s: %d connections as it ends and starts, none refused" % (
        name, n - first))
    ok(len(masters) == 6, "%s: it came back again and again" % name, masters)
    same(kept(), sorted(before + list(range(first, n))),
         "%s: what was taken is there" % name)


# --- systemd

def units():
    if not find("systemd-analyze"):
        return missing("systemd's units", "systemd is not installed")
    d = LAB + "/units"
    os.mkdir(d)
    files = [f for f in sorted(os.listdir(ROOT + "/examples/services"))
             if f.endswith((".service", ".socket"))]
    for f in files:
        write(d + "/" + f, example(f).replace("/usr/local/bin", BIN))
    r = run("systemd-analyze", "verify", *(d + "/" + f for f in files))
    said_ = r.stdout + r.stderr
    ok(r.returncode == 0 and b"/cm-" not in said_ and len(files) == 6,
       "systemd-analyze verify finds nothing", said_)


def activated():
    """As the unit: the listening socket is standard input."""
    program = find("systemd-socket-activate")
    if not program:
        return missing("a socket of systemd", "systemd is not installed")
    host = front.net + ".60"
    start("n1", "activate", program, "--inetd", "-l", host + ":2525",
          "-E", "CM_CLUSTER", "-E", "CM_NODE", "-E", "CM_LAB", "-E", "CM_SHARE",
          "-E", "PATH", BIN + "/cm-smtpd", "-i", "3600")
    need(host, 2525)
    before = kept()
    same([send(host, n) for n in range(500, 505)], [None] * 5,
         "under systemd-socket-activate mail is taken")
    same(kept(), sorted(before + list(range(500, 505))), "and kept")


try:
    if not lab_up():
        missing("the lab", "xinetd is not installed")
    else:
        try:
            units()
            behind_haproxy()
            activated()
            comes_back("xinetd-ends", xinetd, 21)
            comes_back("inetd-ends", inetd, 23)
        finally:
            lab_down()
finally:
    finish()
