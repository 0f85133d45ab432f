#!/usr/bin/env python3
"""cm-smtpd and clients that mean harm: slow, endless, many, broken.  Memory
stays bounded, and others are served meanwhile."""
import os
import random
import re
import struct
import sys
import threading

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
from dialog import certificates, trusting

import socket
import ssl

SLOW = 5 if SAN else 1
MEMORY = (400 if SAN else 48) << 20     # of a worker: its own, not shared
logs = base + "/state/run/smtpd.log"


class Server:
    """cm-smtpd as inetd starts it in wait mode."""

    def __init__(self, *words):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4096)
        self.address = self.listener.getsockname()
        self.p = subprocess.Popen(("cm-smtpd", "-i", "1000") + words,
                                  stdin=self.listener,
                                  stdout=subprocess.DEVNULL)
        self.most = 0

    def workers(self):
        with open("/proc/%d/task/%d/children" % (self.p.pid,
                                                 self.p.pid)) as f:
            return [int(x) for x in f.read().split()]

    def memory(self):
        """Of the worker that has most, bytes of its own; the most so far."""
        for pid in self.workers():
            try:
                with open("/proc/%d/smaps_rollup" % pid) as f:
                    m = re.findall(r"^Private_\w+: +(\d+) kB", f.read(), re.M)
            except OSError:
                continue
            self.most = max(self.most, sum(map(int, m)) << 10)
        return self.most

    def end(self):
        self.p.send_signal(signal.SIGTERM)
        try:
            code = self.p.wait(60 * SLOW)
        except subprocess.TimeoutExpired:
            code = "does not end"
            for pid in self.workers() + [self.p.pid]:
                kill(pid)
        self.listener.close()
        return code


class Client:
    def __init__(self, server, source="127.0.0.1", timeout=60 * SLOW,
                 greet=True, tls=False):
        self.s = socket.create_connection(server.address, timeout,
                                          (source, 0))
        self.buf = b""
        if tls:
            self.tls()
        if greet:
            self.greeting = self.line()

    def tls(self):
        self.s = trusting().wrap_socket(self.s,
                                        server_hostname="mx.example.org")

    def more(self):
        try:
            got = self.s.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            got = b""
        self.buf += got
        return got

    def line(self):
        while b"\r\n" not in self.buf:
            if not self.more():
                return ""
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line.decode(errors="replace")

    def send(self, data):
        """False: it has hung up."""
        try:
            self.s.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def ask(self, text):
        """The answer's last line."""
        self.send(text.encode() + b"\r\n")
        line = self.line()
        while line[3:4] == "-":
            line = self.line()
        return line

    def rest(self):
        while self.more():
            pass
        return self.buf.decode(errors="replace").split("\r\n")

    def envelope(self):
        return [self.ask(x)[:3] for x in (
            "EHLO c.example", "MAIL FROM:<ann@example.net>",
            "RCPT TO:<bob@example.org>")]

    def reset(self):
        """Closed with an RST."""
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
        self.s.close()

    def close(self):
        self.s.close()


def other(n):
    """The n-th address of a crowd."""
    return "127.%d.%d.%d" % (n >> 14 & 127 | 64, n >> 7 & 127, n & 127 | 1)


def good_mail(server, source="127.0.0.1", timeout=120 * SLOW):
    """A message by one who means well; its id, or what went wrong."""
    try:
        c = Client(server, source, timeout)
        said = [c.greeting[:3]] + c.envelope() + [c.ask("DATA")[:3]]
        end = c.ask("Subject: good\r\n\r\nx\r\n.")
        c.ask("QUIT")
        c.close()
    except OSError as e:
        return repr(e)
    m = re.match(r"250 2\.0\.0 ok (\S{26})$", end)
    return m[1] if m else repr((said, end))


def is_id(s):
    return re.fullmatch(r"\w{26}", s) is not None


def is_served(server, name):
    got = good_mail(server)
    ok(is_id(got), name, got)


def is_small(server, name):
    most = server.memory()
    ok(most < MEMORY, name, "%d MiB" % (most >> 20))
    print("# %s: %.1f MiB" % (name, most / 2**20))


def lines_of(words):
    if not os.path.exists(logs):
        return 0
    return read(logs).decode(errors="replace").count(words)


# --- clients that hold workers

SOONER = "who says nothing is hung up on sooner"


def drip(clients, stop):
    """A byte a second each, of a command or of a message."""
    while not stop.wait(1):
        for c in clients:
            try:
                c.s.send(b"x", socket.MSG_DONTWAIT)
            except OSError:
                pass


def hold(server, how, n):
    """n connections from as many addresses, which then say next to nothing."""
    held = []
    for i in range(n):
        c = Client(server, other(i), greet=False)
        how(c, i)
        held.append(c)
    return held


def silent(c, i):
    pass


def in_data(c, i):
    """Pipelined, so that they need not wait for their turn."""
    c.send(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
           b"Subject: slow\r\n\r\n")


def in_hello(c, i):
    c.send(b"\x16\x03\x01" if i & 1 else b"STARTTLS\r\n")


def told(server, words):
    """Lines of the process that keeps the workers."""
    return len(re.findall(r"\[%d\]: .*%s" % (server.p.pid, words), read(
        logs).decode(errors="replace"))) if os.path.exists(logs) else 0


def crowd(server, name, how, drips, n=200):
    """They are more than there are workers; and have 5 minutes each, but for
    others who wait."""
    before = told(server, SOONER)
    held = hold(server, how, n)
    stop = threading.Event()
    t = threading.Thread(target=drip, args=(held, stop))
    if drips:
        t.start()
    ok(until(lambda: told(server, SOONER) > before, 30 * SLOW), name + ": it is noticed")
    is_served(server, name + ": others are served")
    stop.set()
    if drips:
        t.join()
    for c in held:
        c.close()
    ok(until(lambda: told(server, "all have their time again") ==
             told(server, SOONER), 60 * SLOW), name + ": it is over")


def useless(server, got):
    """Those who always have something to say, and nothing to do."""
    stop = threading.Event()
    held = hold(server, silent, 10)

    def chat():
        while not stop.wait(1):
            for c in held:
                try:
                    c.s.send(b"NOOP\r\n", socket.MSG_DONTWAIT)
                    c.s.recv(4096, socket.MSG_DONTWAIT)
                except OSError:
                    pass

    t = threading.Thread(target=chat)
    t.start()
    got.append(good_mail(server))
    stop.set()
    t.join()
    for c in held:
        c.close()


def slow():
    small, got = Server("-w", "8"), []
    meanwhile = threading.Thread(target=useless, args=(small, got))
    meanwhile.start()
    server = Server("-w", "100")
    crowd(server, "200 that are silent", silent, False)
    crowd(server, "200 with a byte a second", silent, True)
    crowd(server, "200 with a byte a second, in a message", in_data, True)
    crowd(server, "200 in a handshake", in_hello, False)
    is_small(server, "memory of a worker")
    same(server.end(), 0, "it ends")
    meanwhile.join()
    ok(is_id(got[0]), "10 that chatter, 8 workers: others are served", got)
    same(small.end(), 0, "it ends")
    server = Server("-w", "40", "-t")
    held = hold(server, lambda c, i: c.send(b"\x16\x03\x01\x02"), 60)
    c = Client(server, tls=True, timeout=120 * SLOW)
    same(c.greeting[:3], "220", "60 in a handshake that comes first: "
         "another one gets through")
    for x in held + [c]:
        x.close()
    same(server.end(), 0, "it ends")


def floods(server):
    """2,000 who come, and go at once, or with a word, or turned away."""
    stop = threading.Event()
    got = []

    def well_meaning():
        while not stop.is_set():
            got.append(good_mail(server, "127.0.0.9"))

    t = threading.Thread(target=well_meaning)
    t.start()
    for i in range(2000):
        c = Client(server, other(i), greet=False)
        if i % 4 == 1:
            c.send(b"QUIT\r\n")
        elif i % 4 == 2:
            c.send(random.Random(i).randbytes(200))
        if i % 4 == 3:
            c.reset()
        else:
            c.close()
    stop.set()
    t.join()
    ok(len(got) > 0 and all(map(is_id, got)),
       "2,000 connections from as many addresses; others are served",
       [x for x in got if not is_id(x)][:5])
    print("# %d messages meanwhile" % len(got))
    held = [Client(server) for i in range(20)]
    told = set()
    for i in range(300):
        c = Client(server)
        told.add(c.greeting)
        c.close()
    same(told, {"421 4.7.0 too many connections, try again later"},
         "who has 20 is told so")
    got = good_mail(server, "127.0.0.9")
    ok(is_id(got), "another one is not", got)
    for c in held:
        c.close()


# --- too much

def endless_header(server):
    """It hangs up at 64 MiB over the limit, long before 10 GB."""
    c = Client(server)
    same(c.envelope() + [c.ask("DATA")[:3]], ["250"] * 3 + ["354"],
         "a message that begins")
    field = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 60) for i in range(1000))
    sent = 0
    while sent < 10 << 30 and c.send(field):
        sent += len(field)
        if sent % 50 == 0:
            server.memory()
    answer = c.rest()[0]
    ok(sent < 90 << 20, "10 GB of headers: hung up on", sent)
    ok(answer == "" or answer.startswith("552 5.3.4 "), "with the reason",
       answer)
    ok(until(lambda: lines_of("code=552") > 0), "which is logged")
    is_small(server, "memory after endless headers")
    c.close()


def endless_line(server):
    """Commands, AUTH and its answers; none of them is kept."""
    c = Client(server)
    c.ask("EHLO c.example")
    same(c.ask("AUTH PLAIN " + "A" * (1 << 20)), "500 5.5.2 line too long",
         "AUTH with 1 MiB")
    c.ask("AUTH SCRAM-SHA-256")
    same(c.ask("A" * (1 << 20))[:3], "501", "an answer to it with 1 MiB")
    block = b"y" * (1 << 20)
    for i in range(300):
        if not c.send(block):
            break
    server.memory()
    same(c.ask("")[:3], "500", "a command with 300 MiB")
    same(c.ask("NOOP")[:3], "250", "and the next one")
    is_small(server, "memory after endless lines")
    c.close()


def million(server):
    """Recipients: those over the limit are put off, without a line each."""
    c = Client(server)
    c.ask("EHLO c.example")
    c.ask("MAIL FROM:<>")
    before = os.path.getsize(logs)
    counts = {}

    def count():
        while True:
            line = c.line()
            if line[:3] in ("221", ""):
                return
            counts[line[:9]] = counts.get(line[:9], 0) + 1

    t = threading.Thread(target=count)
    t.start()
    for i in range(1000):
        c.send(b"".join(b"RCPT TO:<bob+%d@example.org>\r\n" % (i * 1000 + k)
                        for k in range(1000)))
        if i % 100 == 0:
            server.memory()
    c.send(b"QUIT\r\n")
    t.join()
    same(counts, {"250 2.1.5": 100, "452 4.5.3": 999900},
         "a million recipients")
    ok(os.path.getsize(logs) - before < 10000, "the log stays short",
       os.path.getsize(logs) - before)
    is_small(server, "memory after a million recipients")
    c.close()


def long_lists(server):
    """A list that is named often is kept in memory once at most."""
    c = Client(server)
    c.ask("EHLO c.example")
    c.ask("MAIL FROM:<>")
    codes = [c.ask("RCPT TO:<all+%d@example.org>" % i)[:9] for i in range(90)]
    same(sorted(set(codes)), ["250 2.1.5", "452 4.5.3"],
         "a list of 2,000 with 90 names: not all in one message")
    ok(c.ask("DATA").startswith("354"), "but some")
    end = c.ask("Subject: list\r\n\r\nx\r\n.")
    ok(end.startswith("250 "), "which are served", end)
    is_small(server, "memory after long lists")
    c.close()


def in_circles(server):
    c = Client(server)
    c.envelope()
    c.ask("DATA")
    end = c.ask("Delivered-To: x@example.net\r\n" * 101 + "\r\nx\r\n.")
    same(end, "554 5.4.6 this message goes in circles",
         "101 times delivered is a loop")
    c.close()


# --- broken off, and out of place

def broken_off(server):
    run("cm-catalog", "sync")
    before = len(listed())
    c = Client(server)
    c.envelope()
    c.ask("DATA")
    c.send(b"Subject: half\r\n\r\n" + b"x" * 1000)
    c.reset()
    c = Client(server)
    c.envelope()
    c.ask("DATA")
    c.send(b"Subject: half\r\n\r\nx\r\n.\r")
    c.s.shutdown(socket.SHUT_WR)
    same(c.rest(), [""], "half closed before the last byte: no answer")
    c = Client(server)
    c.send(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
           b"Subject: whole\r\n\r\nx\r\n.\r\nQUIT\r\n")
    c.s.shutdown(socket.SHUT_WR)
    said = [x[:3] for x in c.rest()]
    same(said[-4:], ["354", "250", "221", ""],
         "half closed behind QUIT: all is answered")
    run("cm-catalog", "sync")
    same(len(listed()) - before, 1, "just the whole message is there")


def chunks(server):
    for word in "18446744073709551615", "18446744073709551616", "-1", \
            "9" * 100, "4611686018427387904", "1 LAST x", "":
        c = Client(server)
        c.envelope()
        same(c.ask("BDAT " + word), "501 5.5.4 the form is BDAT size [LAST]",
             "BDAT " + word[:30])
        same(c.rest(), [""], "and it hangs up")
    c = Client(server)
    c.envelope()
    c.send(b"BDAT 4611686018427387903\r\n")
    sent = 0
    while sent < 10 << 30 and c.send(b"z" * (1 << 20)):
        sent += 1 << 20
    ok(sent < 90 << 20, "a chunk of 4 EiB: hung up on", sent)
    is_small(server, "memory after chunks")


def behind_starttls(server):
    c = Client(server)
    c.ask("EHLO c.example")
    c.send(b"STARTTLS\r\nMAIL FROM:<evil@example.net>\r\n"
           b"RCPT TO:<bob@example.org>\r\n")
    same(c.line()[:3], "220", "STARTTLS with more behind it")
    c.tls()
    same(c.ask("RCPT TO:<bob@example.org>")[:3], "503",
         "what was behind it in plain is forgotten")
    same(c.ask("MAIL FROM:<>")[:3], "503", "and the name that was said")
    ok(lines_of("bytes behind STARTTLS dropped") == 1, "it is logged")
    c.close()
    c = Client(server)
    c.ask("STARTTLS")
    c.send(random.Random(1).randbytes(100000))
    c.rest()
    c.close()
    is_served(server, "garbage instead of a handshake; others are served")


def deaf(server):
    """It asks, and never takes an answer: it is not listened to, then."""
    c = Client(server)
    c.s.settimeout(2)
    sent = 0
    try:
        while sent < 1 << 30:
            c.s.sendall(b"NOOP\r\n" * 10000)
            sent += 60000
    except OSError:
        pass
    ok(sent < 200 << 20, "a client that hears nothing is not heard", sent)
    is_small(server, "memory with a deaf client")
    c.close()


def too_much():
    server = Server()
    for part in (endless_header, endless_line, million, long_lists,
                 in_circles, broken_off, chunks, behind_starttls, deaf,
                 floods):
        part(server)
        is_served(server, part.__name__ + ": another client is served")
    is_small(server, "memory of a worker")
    same(lines_of("was ended by signal"), 0, "no worker has died")
    same(server.end(), 0, "it ends")


try:
    certificates()
    configure(policy='<policy size="1M"/>',
              rest='<mail recipients="100" sessions="60" per-client="20" '
              'certificate="%s/service/service.pem" '
              'key="%s/service/service.key"/>' % (base, base))
    text = read(base + "/cluster.xml").decode()
    write(base + "/cluster.xml", text.replace(
        '<node name="n1"', '<node name="n1" hostname="mx.example.org"'))
    crew = ["member-%04d-%s@example.org" % (i, "n" * 30) for i in range(2000)]
    users(BOB, *crew)
    exits(0, "a long list", "cm-user", "alias", "all@example.org", *crew)
    slow()
    too_much()
finally:
    finish()
