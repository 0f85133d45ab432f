#!/usr/bin/env python3
"""The engine of client sessions: TLS, PROXY headers, and a configuration and a
certificate that change while it runs."""
import os
import sys
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from echo import *


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
    exporter()
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
    warnings.simplefilter("ignore")
    try:
        x.minimum_version = ssl.TLSVersion.TLSv1_1
        x.maximum_version = ssl.TLSVersion.TLSv1_1
        x.set_ciphers("ALL:@SECLEVEL=0")
        x.wrap_socket(c.s)
        got = "taken"
    except (ssl.SSLError, OSError):
        got = "refused"
    ok(got == "refused" and log_has("unsupported version"), "TLS 1.1", got)
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
    same(quit_(Client(s)), "221 bye", "others are served")


def exporter():
    """openssl knows the same value for RFC 9266."""
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
    ok(until(lambda: {name() for i in range(30)} == {"second"}), "all of them")
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


go(proxies, tls, changes)
