#!/usr/bin/env python3
"""cm-dnsd and what can happen to it: workers that die, a first process that
does, a cluster.xml that becomes wrong, sockets as others set them up."""
import os
import sys
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from dns_server import *

WRONG = '<record name="a" type="MX" data="\\# 2 000a"/>'
LOG = base + "/state/run/dnsd.log"


def log():
    return read(LOG).decode(errors="replace")


def cpu(pid):
    """Seconds of processor time."""
    f = read("/proc/%d/stat" % pid).rsplit(b")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def workers():
    cluster()
    s = Server("-w", "3")
    same(ask(s), 1, "it answers")
    ok(until(lambda: len(s.workers()) == 3), "three workers", s.workers())
    old = s.workers()
    kill(old[0])
    ok(until(lambda: len(s.workers()) == 3 and old[0] not in s.workers()),
       "a dead one is replaced", s.workers())
    ok(set(old[1:]) <= set(s.workers()), "the others stay")
    ok("worker %d: signal 9" % old[0] in log(), "with a line", log())
    for pid in s.workers():
        kill(pid)
    same(ask(s), 1, "all dead: it answers again")
    ok(until(lambda: len(s.workers()) == 3), "with three workers")
    old = s.workers()
    kill(s.p.pid)
    s.p.wait()
    ok(until(lambda: all(map(is_dead, old))), "workers end with the first "
       "process", [p for p in old if not is_dead(p)])
    s.start()
    same(ask(s), 1, "inetd starts it again")
    same(s.end(), 0, "SIGTERM ends it")


def early_end():
    """At any time in its begin."""
    bad = []
    for i in range(20):
        s = Server("-w", "2")
        time.sleep(0.003 * i)
        code = s.end()
        if code not in (0, -signal.SIGTERM):
            bad.append(code)
    same(bad, [], "SIGTERM while it begins")


def wrong_records():
    """The new cluster.xml is one for all but the DNS."""
    cluster()
    s = Server("-w", "2")
    same(ask(s), 1, "before")
    size = len(log())
    cluster(WRONG)
    ok(until(lambda: "something is missing" in log()[size:]),
       "a record that is wrong: a line", log()[size:])
    for i in range(300):
        ask(s)
    time.sleep(1.5)
    same(log()[size:].count("something is missing"), 1, "but one")
    same(ask(s), 1, "answers go on")
    old = s.workers()
    for pid in old:
        kill(pid)
    same(ask(s), 1, "also with new workers")
    same(s.p.poll(), None, "the first process stays")
    ok(until(lambda: len(s.workers()) == 2), "two of them")
    old = s.workers()
    cluster('<record name="a" type="MX" data="1 b"/>')
    bad, asked, end = 0, 0, time.monotonic() + 30
    while set(old) & set(s.workers()) and time.monotonic() < end:
        bad += ask(s) != 1
        asked += 1
    ok(asked > 2 and bad == 0, "a right one is taken, and no question is lost "
       "meanwhile", (asked, bad))
    same(ask(s, "a.example.org", 15), 1, "it is served")
    ok(until(lambda: len(s.workers()) == 2), "by two workers")
    write(base + "/cluster.xml", "<cluster")
    time.sleep(1.5)
    same(ask(s, "a.example.org", 15), 1, "no XML at all: answers go on")
    same(s.end(), 0, "it ends")


def cut_turns():
    """Who writes to pages of a file that has been cut dies of it."""
    cluster()
    s = Server("-w", "2")
    same(ask(s, kind=15, seconds=20) is not None, True, "before")
    os.truncate(base + "/state/run/turns.1", 0)
    good = until(lambda: ask(s, "smtp.example.org", 1) is not None and
                 os.stat(base + "/state/run/turns.1").st_size > 0)
    ok(good, "the file of turns is cut: workers come back", log()[-1000:])
    for i in range(20):
        ask(s, "imap.example.org", 1)
    old = s.workers()
    bad = sum(ask(s, "imap.example.org", 1, 2) is None for i in range(20))
    same((bad, s.workers()), (0, old), "and live")
    same(s.end(), 0, "it ends")


def wrong_from_begin():
    write(base + "/cluster.xml", "<cluster")
    s = Server("-w", "1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
        c.connect(("127.0.0.1", s.port))
        for i in range(20):
            c.send(question())
        begun = time.monotonic()
        same(s.p.wait(30), 78, "a wrong cluster.xml: it ends")
        ok(time.monotonic() - begun > 0.4, "not at once: inetd gives up on "
           "who does")
    s.s.setblocking(False)
    try:
        left = len(s.s.recv(1000))
    except BlockingIOError:
        left = 0
    same(left, 0, "and questions are not left for the next one")
    cluster()
    s.s.setblocking(True)
    s.start()
    same(ask(s), 1, "one that is right")
    s.end()


def does_not_wait():
    """Some superservers have sockets that do not wait."""
    s = Server("-w", "1", blocking=False)
    same(ask(s), 1, "a socket that does not wait")
    pid = s.workers()[0]
    before = cpu(pid)
    time.sleep(2)
    ok(cpu(pid) - before < 0.5, "is waited for nevertheless",
       cpu(pid) - before)
    same(s.end(), 0, "it ends")


def tcp_ask(address, name="example.org", kind=6):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            with socket.create_connection(address, 5) as s:
                q = question(name, kind)
                s.sendall(struct.pack(">H", len(q)) + q)
                a = s.recv(4096)
                return struct.unpack(">H", a[8:10])[0] if len(a) > 12 else None
        except OSError:
            time.sleep(0.1)
    return None


def tcp():
    """Wait mode: sessions.t has what the engine does."""
    cluster()
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    p = subprocess.Popen(["cm-dnsd", "-i", "600"], stdin=listener,
                         stdout=subprocess.DEVNULL)
    try:
        same(tcp_ask(address), 1, "TCP: an answer")
        size = len(log())
        cluster(WRONG)
        ok(until(lambda: "something is missing" in log()[size:]),
           "TCP: a wrong record has a line", log()[size:])
        for i in range(5):
            same(tcp_ask(address), 1, "TCP: answers go on")
            for pid in children(p.pid):
                kill(pid)
        same(log()[size:].count("something is missing"), 1, "TCP: one line")
        cluster('<record name="a" type="MX" data="1 b"/>')
        ok(until(lambda: tcp_ask(address, "a.example.org", 15) == 1),
           "TCP: a right one is taken")
    finally:
        p.send_signal(signal.SIGTERM)
        same(p.wait(60), 0, "TCP: it ends")
        listener.close()


try:
    workers()
    early_end()
    wrong_records()
    cut_turns()
    wrong_from_begin()
    does_not_wait()
    tcp()
finally:
    end_all()
    finish()
