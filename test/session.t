#!/usr/bin/env python3
"""The engine under cm-smtpd, cm-pop3d and cm-imapd, with a service that echoes
(test/tools/echod.c): nowait and wait, limits, dead workers, TLS, PROXY."""
import os
import sys
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
import re
import select
import ssl
import struct
import threading

ECHOD = os.environ["OUT"] + "/tools/echod"
SLOW = 4 if SAN else 1
logs = base + "/state/run/echod.log"
servers = []


def conf(name="t", mail="", networks=""):
    """The name of the cluster is what a session shows."""
    configure(rest='<mail %s>%s</mail>' % (mail, networks))
    x = read(base + "/cluster.xml").decode().replace('name="t"',
                                                     'name="%s"' % name, 1)
    write(base + "/cluster.xml.new", x)
    os.rename(base + "/cluster.xml.new", base + "/cluster.xml")


def certificate(name):
    """A new certificate for NAME in base/tls.pem and tls.key."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
        "/CN=" + name, "-keyout", base + "/key.new", "-out",
        base + "/pem.new")
    os.rename(base + "/key.new", base + "/tls.key")
    os.rename(base + "/pem.new", base + "/tls.pem")


TLS = 'certificate="%s/tls.pem" key="%s/tls.key" ' % (base, base)


class Server:
    """What inetd does for a wait service: it only listens."""

    def __init__(self, *args, backlog=4096, env=None, family=socket.AF_INET,
                 address="127.0.0.1"):
        self.listener = socket.socket(family)
        self.listener.bind((address, 0))
        self.listener.listen(backlog)
        self.address = self.listener.getsockname()[:2]
        self.args, self.env = args, env
        self.start()
        servers.append(self)

    def start(self):
        self.p = subprocess.Popen((ECHOD,) + self.args, stdin=self.listener,
                                  stdout=subprocess.DEVNULL,
                                  env=dict(os.environ, **(self.env or {})))

    def workers(self):
        try:
            with open("/proc/%d/task/%d/children" % (self.p.pid,
                                                     self.p.pid)) as f:
                return [int(x) for x in f.read().split()]
        except OSError:
            return []

    def end(self):
        """With SIGTERM; its exit code."""
        self.p.send_signal(signal.SIGTERM)
        try:
            code = self.p.wait(30)
        except subprocess.TimeoutExpired:
            code = "does not end"
            for pid in self.workers() + [self.p.pid]:
                kill(pid)
        self.listener.close()
        servers.remove(self)
        return code


class Client:
    def __init__(self, server=None, address=None, source=None, first=b"",
                 sock=None, greet=True, timeout=30):
        self.s = sock or socket.create_connection(
            address or server.address, timeout, source and (source, 0))
        self.s.settimeout(timeout)
        self.b = b""
        if first:
            self.s.sendall(first)
        if greet:
            self.greeting = self.line()
            w = self.greeting.split(" ")
            if w[0] == "220":
                _, self.id, self.client, self.local, self.name, pid = w
                self.pid = int(pid)

    def more(self):
        try:
            new = self.s.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            new = b""
        self.b += new
        return new

    def line(self):
        """"" when it was hung up on."""
        while b"\n" not in self.b:
            if not self.more():
                return ""
        line, self.b = self.b.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")

    def send(self, text):
        self.s.sendall(text if isinstance(text, bytes) else
                       (text + "\r\n").encode())

    def ask(self, text):
        self.send(text)
        return self.line()

    def rest(self):
        while self.more():
            pass
        self.s.close()
        return self.b

    def starttls(self, behind=b"", session=None, version=None):
        self.send(b"STARTTLS\r\n" + behind)
        answer = self.line()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        if version:
            self.context.maximum_version = version
        self.s = self.context.wrap_socket(self.s, session=session)
        return answer


def quit_(c):
    got = c.ask("QUIT")
    c.rest()
    return got


def log_has(words):
    return os.path.exists(logs) and words in read(logs).decode()


def nowait():
    r = run(ECHOD, stdin="ECHO a\r\nECHO b\nnonsense\r\n" + "x" * 5000 +
            "\r\nECHO c\r\nQUIT\r\n")
    lines = r.stdout.decode().split("\r\n")
    ok(r.returncode == 0 and lines[0].startswith("220 ") and
       " pipe:0 -:0 t " in lines[0], "a pipe is a session", r)
    same(lines[1:], ["250 a", "250 b", "500 what?", "500 too long", "250 c",
                     "221 bye", ""], "what is said in it")
    same(r.stderr, b"", "nothing else comes out")
    r = run(ECHOD, stdin="MANY 3000000\r\nECHO end\r\n")
    ok(len(r.stdout) > 3000000 and r.stdout.endswith(b"250 end\r\n"),
       "a long answer through a pipe", len(r.stdout))
    listener = socket.create_server(("127.0.0.1", 0))
    a = socket.create_connection(listener.getsockname())
    b = listener.accept()[0]
    p = subprocess.Popen([ECHOD], stdin=b, stdout=b, stderr=b)
    b.close()
    c = Client(sock=a)
    same((c.client, c.local), tuple("%s:%d" % x for x in (
        a.getsockname(), listener.getsockname())), "a socket is one")
    same(c.ask("ECHO a"), "250 a", "it answers")
    same(quit_(c), "221 bye", "and ends")
    same(p.wait(20), 0, "the process too")
    a, b = socket.socketpair()
    p = subprocess.Popen([ECHOD], stdin=b, stdout=b, stderr=b)
    b.close()
    c = Client(sock=a)
    p.send_signal(signal.SIGTERM)
    same(c.line(), "421 we stop", "SIGTERM ends a session that waits")
    same(p.wait(20), 0, "and the process")
    c = "<cluster"
    write(base + "/wrong.xml", c)
    a, b = socket.socketpair()
    p = subprocess.Popen([ECHOD, "-C", base + "/wrong.xml"], stdin=b,
                         stdout=b, stderr=b)
    b.close()
    a.settimeout(30)
    same((a.recv(100), p.wait(20)), (b"", 78),
         "a wrong cluster.xml: nothing of it goes to the client")


def log_lines(s):
    c = Client(s)
    c.ask('LOG a"b\x1b c')
    ok(log_has("%s: said words=\"a\\\"b\\x1b c\"" % c.id),
       "a line has the session's id and quoted words",
       read(logs)[-500:])
    quit_(c)


def serving():
    s = Server("-i", "0")
    c = Client(s)
    same((c.client, c.local, c.name),
         ("%s:%d" % c.s.getsockname(), "%s:%d" % s.address, "t"),
         "wait mode: a session")
    same(c.ask("ECHO x"), "250 x", "it answers")
    log_lines(s)
    seen = {c.id}
    for i in range(300):
        d = Client(s)
        seen.add(d.id)
        quit_(d)
    same(len(seen), 301, "ids are unique")
    ok(until(lambda: 4 <= len(s.workers()) <= 12),
       "one after the other needs few workers", len(s.workers()))
    same(c.ask("ECHO x"), "250 x", "the first one is still served")
    c.send(b"ECHO 1\r\nECHO 2\r\nECHO 3\r\nQUIT\r\nECHO 4\r\n" * 3)
    same(c.rest(), b"250 1\r\n250 2\r\n250 3\r\n221 bye\r\n",
         "pipelined; nothing is taken behind QUIT, nothing is lost")
    begun = time.monotonic()
    code = s.end()
    ok(code == 0 and time.monotonic() - begun < 5 * SLOW,
       "SIGTERM ends it", code)


def six():
    try:
        s = Server("-i", "0", family=socket.AF_INET6, address="::1")
    except OSError as e:
        return skip("IPv6", e)
    c = Client(s)
    same(c.client, "::1:%d" % c.s.getsockname()[1], "IPv6")
    quit_(c)
    s.end()


def many_at_once():
    """More than workers: the rest waits in the queue, and all are served."""
    conf(mail='sessions="30" per-client="1000"')
    s = Server("-i", "0")
    clients = [Client(s, greet=False, timeout=120) for i in range(500)]
    waiting = {c.s: c for c in clients}
    order, most, good = [], 0, 0
    while waiting:
        ready = select.select(list(waiting), [], [], 60)[0]
        if not ready:
            break
        most = max(most, len(s.workers()))
        for x in ready:
            c = waiting.pop(x)
            good += c.line().startswith("220")
            quit_(c)
    same((good, len(waiting)), (500, 0), "500 at once, 30 workers")
    ok(4 <= most <= 30, "never more than 30", most)
    # all busy: the next one waits, and gets its turn
    held = [Client(s) for i in range(30)]
    late = Client(s, greet=False)
    late.s.settimeout(0.5)
    try:
        got = late.s.recv(1)
    except TimeoutError:
        got = None
    same(got, None, "the 31st waits")
    late.s.settimeout(30)
    quit_(held.pop())
    ok(late.line().startswith("220"), "until one is gone")
    for c in held + [late]:
        quit_(c)
    ok(until(lambda: len(s.workers()) <= 8, 90),
       "idle workers end but for some", len(s.workers()))
    same(s.end(), 0, "it ends")


def per_client():
    conf(mail='sessions="50" per-client="3"')
    s = Server("-i", "0")
    held = [Client(s) for i in range(3)]
    c = Client(s)
    same(c.greeting, "421 too many connections", "a fourth of an address")
    same(c.rest(), b"", "is hung up on")
    ok(log_has("client=127.0.0.1 turned away: too many"), "with a line")
    other = Client(s, source="127.0.0.2")
    ok(other.greeting.startswith("220"), "another address is let in")
    quit_(held.pop())
    ok(until(lambda: Client(s).greeting.startswith("220")),
       "one goes, one may come")
    # 40 at once: three of them, never less because two were counted at once
    for c in held + [other]:
        quit_(c)
    ok(until(lambda: quit_(Client(s)) == "221 bye"), "none is left")
    time.sleep(0.2)
    clients = [Client(s, greet=False) for i in range(40)]
    got = [c.line()[:3] for c in clients]
    same(sorted(set(got)), ["220", "421"], "40 at once: some and some")
    same(got.count("220"), 3, "three are let in")
    for pid in {c.pid for c in held}:
        kill(pid)
    s.end()


def killed():
    """kill -9 of workers in whatever they do."""
    conf(mail='sessions="40" per-client="12"')
    s = Server("-i", "0")
    until(lambda: len(s.workers()) >= 4)
    stop, good, cut, refused = [], [0], [0], []

    def load():
        while not stop:
            try:
                c = Client(s, timeout=60)
                if c.greeting.startswith("220"):
                    got = c.ask("ECHO x")
                    if got == "250 x" and quit_(c) == "221 bye":
                        good[0] += 1
                        continue
                cut[0] += 1
            except (ConnectionRefusedError, TimeoutError) as e:
                refused.append(e)
            except OSError:
                cut[0] += 1

    threads = [threading.Thread(target=load) for i in range(8)]
    for t in threads:
        t.start()
    killed = 0
    for i in range(150):
        w = s.workers()
        if w:
            killed += kill(w[i * 7 % len(w)])
        time.sleep(0.01)
    stop.append(1)
    for t in threads:
        t.join(60)
    ok(killed > 100 and good[0] > 100, "%d workers killed: %d sessions "
       "whole, %d cut" % (killed, good[0], cut[0]))
    same(refused, [], "nobody was refused or left waiting")
    ok(cut[0] <= killed, "no more were cut than workers killed",
       (cut[0], killed))
    # slots of dead ones count no more for their client
    c = [Client(s) for i in range(12)]
    same([x.greeting[:3] for x in c], ["220"] * 12, "12 sessions of a client")
    for x in c:
        kill(x.pid)
    same([x.line() for x in c], [""] * 12, "their workers are killed")
    c = []
    ok(until(lambda: [c.append(Client(s)) for i in range(12 - len(c))] and
             all(x.greeting.startswith("220") for x in c)),
       "12 more come in", [x.greeting for x in c])
    c[0].send("CRASH")
    same(c[0].line(), "", "one crashes")
    same([x.ask("ECHO a") for x in c[1:]], ["250 a"] * 11,
         "the others notice nothing")
    ok(log_has("ended by signal 9, in a session"), "with a line")
    ok(s.p.poll() is None, "the master lives")
    workers = s.workers()
    kill(s.p.pid)
    s.p.wait()
    same([x.ask("ECHO a") for x in c[1:]], ["250 a"] * 11,
         "it is killed: sessions go on")
    s.start()
    ok(Client(s).greeting[:3] in ("220", "421"), "inetd starts another one")
    for x in c[1:]:
        quit_(x)
    ok(until(lambda: all(is_dead(w) for w in workers)),
       "the old workers end", [w for w in workers if not is_dead(w)])
    same(s.end(), 0, "it ends")


def cannot_begin():
    """Workers that fail at their start are not tried in a loop."""
    conf()
    write(base + "/fail", "")
    size = os.path.getsize(logs)
    s = Server("-i", "0", env={"ECHOD_FAIL": base + "/fail"})
    c = Client(s, greet=False)
    ok(until(lambda: os.path.getsize(logs) > size), "no worker can begin")
    time.sleep(1.5)
    n = read(logs)[size:].count(b"open: ")
    ok(n < 30, "it is not tried all the time", n)
    os.unlink(base + "/fail")
    ok(c.line().startswith("220"), "who waits is served when one can")
    quit_(c)
    s.end()


def slow_clients():
    conf(mail='sessions="100" per-client="100"')
    s = Server("-i", "0", env={"ECHOD_MS": "1500"})
    slow = [Client(s) for i in range(40)]
    stuck = Client(s)
    stuck.send(b"MANY 8000000\r\n")
    begun = time.monotonic()
    late = []

    def drip(c):
        try:
            while time.monotonic() - begun < 30:
                c.s.sendall(b"E")
                if select.select([c.s], [], [], 0.2)[0]:
                    break
            late.append((time.monotonic() - begun, c.line()))
        except OSError:
            late.append((time.monotonic() - begun, "cut"))

    threads = [threading.Thread(target=drip, args=(c,)) for c in slow]
    for t in threads:
        t.start()
    quick = 0
    while time.monotonic() - begun < 1:
        quick += quit_(Client(s)) == "221 bye"
    ok(quick > 20 / SLOW, "%d others are served beside 40 slow ones" % quick)
    for t in threads:
        t.join()
    ok(all(t >= 1.2 for t, _ in late) and max(late)[0] < 10 * SLOW,
       "a byte now and then: cut at the deadline", max(late))
    same({x for _, x in late} - {"cut"}, {"421 too late"}, "and told why")
    ok(until(lambda: log_has("%s: client=127.0.0.1 is gone" % stuck.id), 20),
       "who does not read is cut too")
    s.end()


def proxies():
    v4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.8") + \
        struct.pack(">HH", 1234, 25)
    sig = b"\r\n\r\n\0\r\nQUIT\n"
    one = b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 25\r\n"
    two = sig + b"\x21\x11\0\x0c" + v4
    conf(mail='sessions="50" per-client="3"',
         networks='<proxy network="127.0.0.0/30"/>')
    s = Server("-i", "0", "-p")
    for name, h in (("version 1", one), ("version 2", two)):
        c = Client(s, first=h)
        same((c.client, c.local), ("192.0.2.7:1234", "192.0.2.8:25"), name)
        quit_(c)
        c = Client(s, first=h + b"ECHO a\r\n")
        same(c.line(), "250 a", name + ": what follows is the client's")
        quit_(c)
        c = Client(s, greet=False)
        for i in range(len(h)):
            c.send(h[i:i + 1])
            time.sleep(0.002)
        ok(c.line().startswith("220"), name + ": byte by byte")
        quit_(c)
    c = Client(s, first=sig + b"\x20\0\0\0")
    same(c.client, "%s:%d" % c.s.getsockname(), "LOCAL: the proxy itself")
    quit_(c)
    c = Client(s, first=one, source="127.0.0.9", greet=False)
    same(c.rest(), b"", "from anyone else: hung up on")
    ok(log_has("client=127.0.0.9 refused"), "with a line")
    for bad in (b"ECHO a\r\n", b"PROXY TCP4 x\r\n", b"PROXY " + b"x" * 200,
                sig + b"\x21\x11\xff\xff" + b"x" * 5000, b"\r\n\r\n\0\r\nX"):
        c = Client(s, first=bad, greet=False)
        same(c.rest(), b"", "no header: %r" % bad[:20])
    c = Client(s, greet=False)
    c.send(one[:10])
    c.s.shutdown(socket.SHUT_WR)
    same(c.rest(), b"", "half a header")
    silent = Client(s, greet=False, timeout=60)
    begun = time.monotonic()
    held = [Client(s, first=one) for i in range(3)]
    c = Client(s, first=one)
    same(c.greeting, "421 too many connections",
         "the limit is of whom the proxy connects for")
    c = Client(s, first=one.replace(b".7 ", b".9 "))
    ok(c.greeting.startswith("220"), "not of the proxy")
    for c in held:
        quit_(c)
    same(silent.rest(), b"", "a proxy that says nothing is hung up on")
    ok(time.monotonic() - begun < 20 * SLOW, "after some seconds")
    s.end()


def tls():
    certificate("one.example")
    conf(mail=TLS + 'sessions="50" per-client="50"')
    s = Server("-i", "0", env={"ECHOD_MS": "4000"})
    c = Client(s)
    same(c.ask("TLS"), "250 plain new 0", "in plain")
    same(c.starttls(), "220 go", "STARTTLS")
    ok(re.fullmatch(r"250 TLS1.3:AES-\d+-GCM new 0", c.ask("TLS")),
       "under TLS 1.3")
    same(c.ask("ECHO " + "x" * 900), "250 " + "x" * 900, "it answers")
    c.send("MANY 3000000")
    n = 0
    while n < 3000000:
        n += len(c.s.recv(1 << 20))
    same(n, 3000000, "a long answer")
    first = c.s.session
    same(quit_(c), "221 bye", "and ends")
    c = Client(s)
    c.starttls(behind=b"ECHO injected\r\nECHO injected\r\n")
    got = c.ask("TLS")
    ok(got.startswith("250 TLS") and got.endswith(" 30"),
       "what came in plain behind STARTTLS is dropped", got)
    same(c.ask("ECHO next"), "250 next", "and not answered")
    same(c.ask("STARTTLS"), "220 go", "another STARTTLS")
    c.s.close()
    c = Client(s)
    c.starttls(version=ssl.TLSVersion.TLSv1_2)
    got = c.ask("TLS")
    ok(got.startswith("250 TLS1.2:AES-"), "TLS 1.2", got)
    same(c.ask("BIND tls-unique"), "250 " +
         c.s.get_channel_binding("tls-unique").hex(), "tls-unique")
    ok(re.fullmatch("250 [0-9a-f]{64}", c.ask("BIND tls-exporter")),
       "tls-exporter with TLS 1.2")
    session, context = c.s.session, c.context
    quit_(c)
    good = 0
    for i in range(6):
        c = Client(s)
        c.send("STARTTLS")
        c.line()
        c.s = context.wrap_socket(c.s, session=session)
        good += " resumed " in c.ask("TLS")
        session = c.s.session
        quit_(c)
    same(good, 6, "sessions are resumed, whichever worker it is")
    old_and_garbage(s)
    exporter(s)
    # a new certificate under the same names
    certificate("two.example")
    ok(until(lambda: b"two.example" in peer(s), 20), "a new certificate")
    write(base + "/tls.pem", "rubbish")
    ok(until(lambda: log_has("certificate %s/tls.pem" % base)),
       "a wrong one: with a line")
    ok(b"two.example" in peer(s), "the old one stays")
    s.end()


def peer(s):
    c = Client(s)
    c.starttls()
    der = c.s.getpeercert(True)
    quit_(c)
    return der


def old_and_garbage(s):
    c = Client(s)
    c.send("STARTTLS")
    c.line()
    x = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    x.check_hostname = False
    x.verify_mode = ssl.CERT_NONE
    try:
        x.minimum_version = ssl.TLSVersion.TLSv1_1
        x.maximum_version = ssl.TLSVersion.TLSv1_1
        x.set_ciphers("ALL:@SECLEVEL=0")
        x.wrap_socket(c.s)
        got = "taken"
    except (ssl.SSLError, OSError):
        got = "refused"
    same(got, "refused", "TLS 1.1")
    c = Client(s)
    for i, bad in enumerate((b"ECHO a\r\n" * 50, os.urandom(3000),
                             b"\x16\x03\x01\xff\xff" + b"x" * 9000,
                             b"\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff",
                             b"\x15\x03\x03\x00\x02\x02\x00")):
        g = Client(s)
        g.send("STARTTLS")
        g.line()
        g.send(bad)
        g.s.shutdown(socket.SHUT_WR)
        got = g.rest()
        ok(b"250" not in got and b"500" not in got,
           "garbage for a handshake, %d" % i, got)
    g = Client(s)
    g.send("STARTTLS")
    g.line()
    begun = time.monotonic()
    g.send(b"\x16\x03\x01\x02\x00")
    g.rest()
    ok(time.monotonic() - begun < 15 * SLOW, "half a handshake: cut in time")
    ok(log_has("no TLS: "), "with a line")
    same(quit_(c), "221 bye", "others are served")


def exporter(s):
    """openssl knows the same value for RFC 9266."""
    p = subprocess.Popen(
        ["openssl", "s_client", "-connect", "%s:%d" % s.address, "-quiet",
         "-no_ign_eof", "-starttls", "smtp", "-keymatexport",
         "EXPORTER-Channel-Binding", "-keymatexportlen", "32"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    p.kill()
    p.wait()
    c = Server("-i", "0", "-t")
    p = subprocess.Popen(
        ["openssl", "s_client", "-connect", "%s:%d" % c.address,
         "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen",
         "32"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    out = b""
    while b"\n220 " not in out:
        new = os.read(p.stdout.fileno(), 65536)
        if not new:
            break
        out += new
    p.stdin.write(b"BIND tls-exporter\r\nBIND tls-unique\r\n")
    p.stdin.flush()
    while out.count(b"\n250 ") + out.count(b"\n550 ") < 2:
        new = os.read(p.stdout.fileno(), 65536)
        if not new:
            break
        out += new
    p.stdin.close()
    p.kill()
    p.wait()
    ours = re.search(rb"^250 ([0-9a-f]+)", out, re.M)
    theirs = re.search(rb"Keying material: ([0-9A-F]+)", out)
    ok(ours and theirs and ours[1].upper() == theirs[1],
       "implicit TLS; tls-exporter is what openssl has", out[-600:])
    ok(b"\n550 " in out, "no tls-unique with TLS 1.3")
    plain = Client(c, greet=False)
    plain.send(b"ECHO a\r\n" * 10)
    ok(b"250" not in plain.rest(), "nothing in plain where TLS is first")
    c.end()


def changes():
    conf("first", mail='sessions="50" per-client="4"')
    s = Server("-i", "0")
    c = Client(s)
    same(c.name, "first", "the configuration at first")
    stop = []

    def load():
        while not stop:
            quit_(Client(s, source="127.0.0.3"))

    t = threading.Thread(target=load)
    t.start()
    conf("second", mail='sessions="50" per-client="2"')

    def name():
        d = Client(s, source="127.0.0.2")
        n = d.name
        quit_(d)
        return n

    ok(until(lambda: name() == "second"), "it is changed: new sessions get it")
    time.sleep(0.3)
    same({name() for i in range(30)}, {"second"}, "all of them")
    same(c.ask("ECHO a"), "250 a", "the old session goes on")
    d = Client(s)
    ok(d.greeting.startswith("220"), "a second one of that address")
    same(Client(s).greeting, "421 too many connections", "no third any more")
    old = c.pid
    quit_(c)
    ok(until(lambda: is_dead(old)), "the old worker ends with its session")
    write(base + "/cluster.xml", "<cluster")
    time.sleep(1.5)
    same(name(), "second", "a wrong one: the old one stays")
    stop.append(1)
    t.join()
    quit_(d)
    s.end()


def ends():
    """SIGTERM: sessions are told, and one that does not listen is cut."""
    conf()
    s = Server("-i", "0")
    c, d = Client(s), Client(s)
    d.send("SLEEP 60000")
    s.p.send_signal(signal.SIGTERM)
    same(c.line(), "421 we stop", "SIGTERM: who waits is told")
    begun = time.monotonic()
    same(d.line(), "", "who does not listen is cut")
    took = time.monotonic() - begun
    ok(took < 20 * SLOW, "after some seconds", took)
    same(s.p.wait(20), 0, "it ends")
    late = Client(s, greet=False)
    s.start()
    ok(late.line().startswith("220"), "who came meanwhile is served next")
    quit_(late)
    s.end()


def logins():
    conf()
    s = Server("-i", "0")
    c = Client(s)
    for i in range(3):
        got = c.ask("LOGIN bob@example.org bad")
    d = Client(s)
    ok(d.pid != c.pid, "another worker")
    ms = int(d.ask("LOGIN x delay").split()[1])
    ok(0 < ms <= 15000, "knows of failed logins: %d ms" % ms)
    same(got, "250 %d" % ms, "as the first")
    s.end()
    s = Server("-i", "0")
    same(Client(s).ask("LOGIN x delay"), "250 %d" % ms, "so does the next")
    s.end()


class Xinetd:
    def __init__(self, port, *args):
        self.d = tempfile.mkdtemp(dir=base)
        write(self.d + "/conf", """defaults
{
	instances	= UNLIMITED
	per_source	= UNLIMITED
}
service echo-test
{
	type		= UNLISTED
	socket_type	= stream
	protocol	= tcp
	bind		= 127.0.0.1
	port		= %d
	wait		= yes
	cps		= 1000 1
	user		= root
	flags		= NOLIBWRAP
	server		= %s
	server_args	= -C %s -n n1 %s
}
""".replace("root", run("id", "-un").stdout.decode().strip()) % (
            port, ECHOD, base + "/cluster.xml", " ".join(args)))
        self.address = ("127.0.0.1", port)
        self.p = subprocess.Popen(
            ["xinetd", "-f", self.d + "/conf", "-pidfile", self.d + "/pid",
             "-filelog", self.d + "/log", "-stayalive", "-dontfork"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin"))

    def children(self):
        with open("/proc/%d/task/%d/children" % (self.p.pid,
                                                 self.p.pid)) as f:
            return [int(x) for x in f.read().split()]

    def end(self):
        masters = self.children()
        kill(self.p.pid)
        self.p.wait()
        for m in masters:
            os.kill(m, signal.SIGTERM)
            until(lambda: is_dead(m))


def has_xinetd():
    return shutil.which("xinetd", path=os.environ["PATH"] + ":/usr/sbin")


def under_xinetd():
    if not has_xinetd():
        return skip("xinetd", "is not installed")
    conf()
    for attempt in range(5):
        with socket.create_server(("127.0.0.1", 0)) as p:
            port = p.getsockname()[1]
        x = Xinetd(port, "-i", "1", "-s", "2")

        def answers():
            try:
                return quit_(Client(x)) == "221 bye"
            except OSError:
                return False

        if until(answers, 10):
            break
        x.end()
    c = Client(x)
    ok(c.greeting.startswith("220"), "under xinetd", c.greeting)
    quit_(c)
    masters = set(x.children())
    ok(until(lambda: not x.children(), 60), "with nobody there, it ends")
    # again and again, and in the moment in which it ends
    bad, n, begun = [], 0, time.monotonic()
    while time.monotonic() - begun < 20:
        masters |= set(x.children())
        try:
            got = quit_(Client(x))
        except OSError as e:
            got = e
        n += 1
        if got != "221 bye":
            bad.append(got)
        time.sleep((0.9, 1.02, 1.1, 1.9, 2.02, 0.01)[n % 6] + n % 7 / 100)
    same(bad, [], "it comes back: of %d connections none was lost" % n)
    ok(len(masters) > 2, "it came back %d times" % len(masters))
    for i in range(3):
        quit_(Client(x))
        for m in x.children():
            kill(m)
        ok(until(answers), "the master is killed: xinetd starts another one")
    x.end()


parts = [nowait, serving, six, many_at_once, per_client, killed,
         cannot_begin, slow_clients, proxies, tls, changes, ends, logins,
         under_xinetd]
try:
    conf()
    for part in parts:
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            conf()
            part()
    bad = [x for x in ("Sanitizer", "runtime error") if log_has(x)]
    same(bad, [], "no complaints in the log")
finally:
    for s in list(servers):
        s.end()
    if os.environ.get("KEEP_LOG"):
        shutil.copy(logs, os.environ["KEEP_LOG"])
    finish()
