#!/usr/bin/env python3
"""cm-dnsd under real inetds: what clients that others wrote get from it, and
what becomes of it when its configuration changes and its processes die."""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from naming import *                                            # noqa

HOSTS = {"n1": 1, "n2": 2, "n3": 3}
RECORDS = "".join(record(*r) for r in (
    ("@", "TXT", "v=spf1 mx -all"),
    ("@", "CAA", '0 issue "ca.example.net"'),
    ("odd", "TYPE65400", r"\# 4 0a000001"),
    ("www", "CNAME", "web"),
    ("web", "A", "192.0.2.80"),
    ("a", "CNAME", "b"),
    ("b", "CNAME", "c"),
    ("c", "CNAME", "imap"),
    ("out", "CNAME", "www.elsewhere.example."),
    ("*.wild", "TXT", "anything", 'ttl="77"'),
    ("there.wild", "A", "192.0.2.81"),
    ("low.mid", "A", "192.0.2.82"),
    ("_dmarc", "TXT", "v=DMARC1; p=reject"),
    ("long", "TXT", "x" * 600),
    ("two", "TXT", '"one" "and \\"two\\""'),
))
MX = ["10 n%d.example.org." % i for i in (1, 2, 3)]
A = ["192.0.2.%d" % i for i in (1, 2, 3)]
AAAA = ["2001:db8::%d" % i for i in (1, 2, 3)]
# what an answer section has; CNAMEs as ("CNAME", target) in front
RIGHT = {
    ("example.org", "MX"): MX,
    ("example.org", "NS"): ["n%d.example.org." % i for i in (1, 2, 3)],
    ("example.org", "TXT"): ['"v=spf1 mx -all"'],
    ("example.org", "CAA"): ['0 issue "ca.example.net"'],
    ("smtp.example.org", "A"): A,
    ("pop.example.org", "A"): A,
    ("imap.example.org", "AAAA"): AAAA,
    ("n2.example.org", "A"): ["192.0.2.2"],
    ("n2.example.org", "AAAA"): ["2001:db8::2"],
    ("_imaps._tcp.example.org", "SRV"): ["0 1 993 imap.example.org."],
    ("_pop3s._tcp.example.org", "SRV"): ["0 1 995 pop.example.org."],
    ("_submission._tcp.example.org", "SRV"): ["0 1 587 smtp.example.org."],
    ("odd.example.org", "TYPE65400"): [r"\# 4 0a000001"],
    ("_dmarc.example.org", "TXT"): ['"v=dmarc1; p=reject"'],
    ("long.example.org", "TXT"): ['"%s" "%s" "%s"' % ("x" * 255, "x" * 255,
                                                      "x" * 90)],
    ("two.example.org", "TXT"): [r'"one" "and \"two\""'],
    ("www.example.org", "A"): ["web.example.org.", "192.0.2.80"],
    ("www.example.org", "CNAME"): ["web.example.org."],
    ("a.example.org", "A"): ["b.example.org.", "c.example.org.",
                             "imap.example.org."] + A,
    ("out.example.org", "A"): ["www.elsewhere.example."],
    ("x.wild.example.org", "TXT"): ['"anything"'],
    ("x.y.wild.example.org", "TXT"): ['"anything"'],
    ("there.wild.example.org", "A"): ["192.0.2.81"],
}
NO_DATA = [("example.org", "A"), ("n1.example.org", "MX"),
           ("imap.example.org", "TXT"), ("mid.example.org", "A"),
           ("_tcp.example.org", "SRV"), ("x.wild.example.org", "A"),
           ("there.wild.example.org", "TXT"), ("odd.example.org", "DS"),
           ("web.example.org", "TYPE65500")]
NO_NAME = ["nobody.example.org", "x.n1.example.org", "y.x.mid.example.org",
           "x.there.wild.example.org", "org.example.org"]
NOT_OURS = ["elsewhere.example", "org", ".", "notexample.org",
            "example.org.elsewhere.example"]


def soa():
    return "n1.example.org. hostmaster.example.org. %d 3600 600 604800 300" % \
        int(os.stat(base + "/cluster.xml").st_mtime)


def right():
    out = dict(RIGHT)
    out["example.org", "SOA"] = [soa()]
    return out


# --- clients: (name, type, server, tcp) to the data of the answer section

def lines(text):
    """Of records as in zone files, the data."""
    out = []
    for line in text.splitlines():
        f = line.split(None, 4)
        if len(f) == 5 and f[0][0] != ";" and f[2] == "IN":
            out.append(" ".join(f[4].split()).lower())
    return out


def dig(name, type_, s, tcp):
    r = run("dig", "@" + s.host, "-p", str(s.port), "+noall", "+answer",
            "+norecurse", "+tries=4", "+tcp" if tcp else "+notcp", name, type_)
    return lines(r.stdout.decode())


def kdig(name, type_, s, tcp):
    r = run("kdig", "@" + s.host, "-p", str(s.port), "+noall", "+answer",
            "+norecurse", "+retry=4", *(["+tcp"] if tcp else []), name, type_)
    return lines(r.stdout.decode())


def drill(name, type_, s, tcp):
    r = run("drill", "-p", str(s.port), "-t" if tcp else "-u", "-o", "rd",
            name, type_, "@" + s.host)
    part = r.stdout.decode().split(";; ANSWER SECTION:")[1]
    return lines(part.split("\n;;")[0])


HOST_WORDS = [
    r"has (?:IPv6 )?address (\S+)$", r"mail is handled by (.*)$",
    r"name server (.*)$", r"has SRV record (.*)$", r"has CAA record (.*)$",
    r"descriptive text (.*)$", r"is an alias for (.*)$",
    r"has SOA record (.*)$", r"has TYPE65400 record (.*)$"]


def host(name, type_, s, tcp):
    r = run("host", "-p", str(s.port), "-r", "-t", type_,
            *(["-T"] if tcp else []), name, s.host)
    out = []
    for line in r.stdout.decode().splitlines():
        for w in HOST_WORDS:
            m = re.search(w, line)
            if m:
                out.append(m[1].lower())
    return out


def python(name, type_, s, tcp):
    m = ask(s, name, type_, tcp)
    if m.rcode() != 0 or not m.flags & dns.flags.AA:
        return m.to_text()
    return data(m.answer)


CLIENTS = {"dig": dig, "kdig": kdig, "drill": drill, "host": host,
           "dnspython": python}


def order(v):
    """A client may sort what it shows; chains stay in front."""
    return sorted(v)


def all_right(s, way):
    want = {k: order(v) for k, v in right().items()}
    for name, client in CLIENTS.items():
        if name != "dnspython" and not find(name):
            missing(name, "is not installed")
            continue
        for tcp in False, True:
            bad = []
            for q in want if name in ("dnspython", "dig") else \
                    list(want)[tcp::3]:
                got = client(*q, s, tcp)
                if order(got) != want[q]:
                    bad.append((q, got))
            same(bad, [], "%s: %s by %s" % (way, name,
                                            "TCP" if tcp else "UDP"))


def negative(s, way):
    bad = []
    for tcp in False, True:
        for n, t in NO_DATA:
            m = ask(s, n, t, tcp)
            if (m.rcode(), data(m.answer), data(m.authority)) != (
                    0, [], [soa()]) or not m.flags & dns.flags.AA:
                bad.append(m.to_text())
        for n in NO_NAME:
            m = ask(s, n, "A", tcp)
            if (m.rcode(), data(m.answer), data(m.authority)) != (
                    dns.rcode.NXDOMAIN, [], [soa()]):
                bad.append(m.to_text())
        for n in NOT_OURS:
            m = ask(s, n, "A", tcp)
            if (m.rcode(), m.answer, m.authority, m.flags & dns.flags.AA) != (
                    dns.rcode.REFUSED, [], [], 0):
                bad.append(m.to_text())
    same(bad, [], way + ": NODATA and NXDOMAIN with SOA, REFUSED without")
    ttl = {ask(s, "x%d.example.org" % i, "A").authority[0].ttl
           for i in range(3)}
    same(ttl, {300}, way + ": the SOA's TTL is that of what is not there")


def ways():
    cluster(records=RECORDS)
    for which in "xinetd", "inetd":
        if not find(which, "openbsd-inetd" if which == "inetd" else None):
            missing(which, "is not installed")
            continue
        for wait in True, False:
            s = Inetd(which, wait, "-w", "2")
            way = "%s, TCP %s" % (which, "wait" if wait else "nowait")
            all_right(s, way)
            negative(s, way)
            s.end()


# --- one message

def details():
    cluster(records=RECORDS)
    s = Server("-w", "2").wait()
    for tcp in False, True:
        by = " by TCP" if tcp else " by UDP"
        m = ask(s, "example.org", "ANY", tcp)
        same((m.rcode(), [(x.rdtype, r.to_text()) for x in m.answer
                          for r in x]),
             (0, [(dns.rdatatype.HINFO, '"RFC8482" ""')]), "ANY" + by)
        q = question("eXaMpLe.OrG", "MX")
        wire = q.to_wire()
        got = send(s, q, tcp)
        ok(b"\7eXaMpLe\3OrG\0" in wire and got.question[0].name.to_text() ==
           "eXaMpLe.OrG." and got.answer[0].name.to_text() == "eXaMpLe.OrG.",
           "the question's case is kept" + by, got.to_text())
        q = question("example.org", "MX")
        q.ednsflags |= 1 << 16
        m = send(s, q, tcp)
        same((m.rcode(), m.edns, m.answer), (dns.rcode.BADVERS, 0, []),
             "EDNS version 1: BADVERS, and ours is 0" + by)
        m = ask(s, "example.org", "MX", tcp, edns=False)
        same((m.rcode(), m.edns, len(m.answer[0])), (0, -1, 3),
             "without EDNS there is none in the answer" + by)
        for t in "AXFR", "IXFR":
            m = ask(s, "example.org", t, tcp)
            same((m.rcode(), m.answer), (dns.rcode.REFUSED, []),
                 t + " is refused" + by)
        m = ask(s, "version.bind", "TXT", tcp, rdclass="CH")
        same((m.rcode(), m.answer), (dns.rcode.REFUSED, []),
             "CHAOS is refused" + by)
        for op in dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.STATUS:
            m = question("example.org", "SOA")
            m.set_opcode(op)
            # dnspython makes another class of an UPDATE
            wire = bytearray(question("example.org", "SOA").to_wire())
            wire[2] |= op << 3
            got = raw(s, bytes(wire), tcp)
            same(got[3] & 15, dns.rcode.NOTIMP,
                 "opcode %d: NOTIMP%s" % (op, by))
    r = run("nsupdate", stdin="server %s %d\nzone example.org\n"
            "update add x.example.org 5 A 192.0.2.9\nsend\n" % (s.host,
                                                                s.port))
    ok(r.returncode != 0 and b"NOTIMP" in r.stderr, "nsupdate is told no", r)
    same(s.end(), [0, 0], "SIGTERM: exit 0")


def raw(s, wire, tcp=False):
    if tcp:
        with socket.create_connection((s.host, s.port), 20) as c:
            c.sendall(len(wire).to_bytes(2, "big") + wire)
            f = c.makefile("rb")
            return f.read(int.from_bytes(f.read(2), "big"))
    with socket.socket(type=socket.SOCK_DGRAM) as c:
        c.settimeout(5)
        c.connect((s.host, s.port))
        for attempt in range(4):
            c.send(wire)
            try:
                return c.recv(65536)
            except TimeoutError:
                pass
    raise AssertionError("no answer")


def cookie_of(m):
    return b"".join(o.data for o in m.options if o.otype == 10)


def ask_with(s, cookie, name="example.org", type_="MX"):
    m = dns.message.make_query(name, type_, use_edns=0, options=[
        dns.edns.GenericOption(10, cookie)])
    return send(s, m)


def cookies():
    cluster(records=RECORDS, attributes='select="static" rate="10"')
    s = Server("-w", "2").wait()
    client = bytes(range(8))
    full = cookie_of(ask_with(s, client))
    ok(len(full) == 24 and full[:8] == client and full[8] == 1,
       "a cookie in the form of RFC 9018", full)
    same(cookie_of(ask_with(s, full)), full, "a right one is given back")
    wrong = full[:20] + bytes(4)
    m = ask_with(s, wrong)
    ok(m.rcode() == 0 and cookie_of(m)[:8] == client and
       cookie_of(m) != wrong, "a wrong one gets another one", cookie_of(m))
    for n in 1, 7, 9, 15, 41:
        same(ask_with(s, bytes(n)).rcode(), dns.rcode.FORMERR,
             "a cookie of %d bytes: FORMERR" % n)
        time.sleep(0.3)
    r = run("dig", "@" + s.host, "-p", str(s.port), "+cookie", "example.org",
            "MX")
    ok(b"(good)" in r.stdout, "dig says that it is good", r.stdout)
    bad = 0
    for i in range(300):
        m = ask_with(s, full)
        bad += len(m.answer) != 1
    same(bad, 0, "who has a cookie has no limit")
    s.end()


def limit():
    """Those that come over the limit: cut short, or nothing."""
    cluster(attributes='select="static" rate="20"')
    s = Server("-w", "2").wait()
    time.sleep(1.2)
    q = question("example.org", "MX").to_wire()
    begun = time.monotonic()
    with socket.socket(type=socket.SOCK_DGRAM) as c:
        c.connect((s.host, s.port))
        for i in range(400):
            c.send(q)
            time.sleep(0.0005)
        c.settimeout(1)
        got = []
        try:
            while True:
                got.append(c.recv(4096))
        except TimeoutError:
            pass
    took = time.monotonic() - begun
    whole = [g for g in got if not g[2] & 2]
    short = [g for g in got if g[2] & 2]
    # how many whole seconds it took, the first and last in part
    most = 20 * (int(took) + 2)
    ok(20 <= len(whole) <= most, "rate=20: as many have a whole answer",
       (len(whole), most))
    rest = 400 - len(whole)
    ok(rest / 4 < len(short) < rest / 2 + took + 2,
       "of the others every second is told to use TCP", (rest, len(short)))
    ok(all(len(g) <= len(q) for g in short), "with no more than it sent")
    same(len(ask(s, "example.org", "MX", tcp=True).answer[0]), 3,
         "by TCP there is no limit")
    s.end()


def sizes():
    cluster(60)
    s = Server("-w", "2").wait()
    bad = []
    for name, type_ in ("example.org", "MX"), ("imap.example.org", "A"), \
            ("imap.example.org", "AAAA"), ("n1.example.org", "A"):
        for payload in 0, 100, 512, 600, 1000, 1100, 1232, 1500, 4096, 65535:
            m = question(name, type_, edns=bool(payload) and 0, payload=payload) \
                if payload else question(name, type_, edns=False)
            got = raw(s, m.to_wire())
            most = min(max(512, payload), 1232)
            parsed = dns.message.from_wire(got)
            whole = not parsed.flags & dns.flags.TC
            n = sum(len(x) for x in parsed.answer)
            if len(got) > most or whole != (n > 0) or (
                    whole and n != (1 if name[0] == "n" else 60)):
                bad.append((name, type_, payload, len(got), whole, n))
    same(bad, [], "60 nodes: no answer is larger than asked for, all or none")
    m = ask(s, "imap.example.org", "A", payload=1232)
    same(len(data(m.answer)), 60, "60 addresses are whole with EDNS")
    ok(ask(s, "imap.example.org", "A", edns=False).flags & dns.flags.TC,
       "and cut short without")
    for name, client in CLIENTS.items():
        if name == "dnspython":
            q = question("example.org", "MX", payload=1200)
            m, tcp = dns.query.udp_with_fallback(q, s.host, 20, s.port)
            got = data(m.answer)
            ok(tcp, "dnspython goes on by TCP")
        else:
            got = client("example.org", "MX", s, False) \
                if name != "drill" else client("example.org", "MX", s, True)
        same(sorted(got), sorted("10 n%d.example.org." % i
                                 for i in range(1, 61)),
             "60 nodes: %s has all MX" % name)
    s.end()


# --- its life

def wrong():
    """A record that is wrong: exit 78, and where."""
    for r, word in (record("x", "A", "1.2.3"), "1.2.3"), \
            (record("@", "SOA", "x"), "SOA"), \
            (record("x", "NOSUCH", "x"), "NOSUCH"), \
            (record("x.elsewhere.example.", "A", "192.0.2.1"), "elsewhere"), \
            (record("@", "CNAME", "x"), "CNAME"):
        text = cluster(records=record("y", "A", "192.0.2.1") + r)
        line = 1 + text[:text.index(r) + 1].count("\n")
        for tcp in False, True:
            if os.path.exists(LOG):
                os.unlink(LOG)
            s = sockets()
            p = subprocess.run([DNSD, "-w", "1"], stdin=s[tcp], timeout=60,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
            ok(p.returncode == 78 and "cluster.xml:%d: " % line in said(),
               "%s: exit 78 by %s, with the line" % (
                   word, "TCP" if tcp else "UDP"), (p, line, said()))
            for x in s:
                x.close()
    cluster(domains=())
    s = sockets()
    p = subprocess.run([DNSD], stdin=s[0], timeout=60,
                       stderr=subprocess.PIPE)
    ok(p.returncode == 78 and "domain" in said(), "no domain: exit 78",
       said())
    exits(64, "a wrong option", "cm-dnsd", "-x")
    exits(64, "an argument", "cm-dnsd", "x")
    for x in s:
        x.close()


def reload():
    cluster()
    s = Server("-w", "2").wait()
    for i in range(3):
        n = "new%d.example.org" % i
        same([ask(s, n, "A", tcp).rcode() for tcp in (False, True)],
             [dns.rcode.NXDOMAIN] * 2, "%s is not there" % n)
        cluster(records=record("new%d" % i, "A", "192.0.2.%d" % (50 + i)))
        begun = time.monotonic()
        done = until(lambda: all(
            data(ask(s, n, "A", tcp).answer) == ["192.0.2.%d" % (50 + i)]
            for tcp in (False, True) for k in range(6)))
        print("# %.2f s" % (time.monotonic() - begun))
        ok(done, "a record in cluster.xml is there without restart")
    before = len(read(LOG)) if os.path.exists(LOG) else 0
    cluster(records=record("bad", "A", "nothing"))
    time.sleep(2.5)
    for i in range(200):
        ask(s, "new2.example.org", "A")
    same(data(ask(s, "new2.example.org", "A").answer), ["192.0.2.52"],
         "with a wrong record answers stay as they were by UDP")
    new = read(LOG)[before:].decode()
    ok(1 <= new.count("cluster.xml:") <= 8, "which is said, but not again "
       "and again", "%d lines: %s" % (new.count("\n"), new[:600]))
    same(data(ask(s, "new2.example.org", "A", True).answer), ["192.0.2.52"],
         "and by TCP")
    cluster(records=record("good", "A", "192.0.2.70"))
    ok(until(lambda: data(ask(s, "good.example.org", "A").answer) ==
             ["192.0.2.70"]), "put right, it is taken")
    cluster(4)
    ok(until(lambda: len(data(ask(s, "example.org", "MX").answer)) == 4),
       "one more node is there")
    same(s.end(), [0, 0], "exit 0")


def deaths():
    """Under xinetd, so that somebody starts it again."""
    if not find("xinetd"):
        return missing("deaths", "xinetd is not installed")
    cluster()
    s = Inetd("xinetd", True, "-w", "3")

    def workers():
        return {w for m in s.servers() for w in children(m)
                if not is_dead(w)}

    def good(n=30):
        got = [len(data(ask(s, "example.org", "MX", i % 3 == 0).answer))
               for i in range(n)]
        return [x for x in got if x != 3]

    udp = [m for m in s.servers() if len(children(m)) == 3]
    ok(len(udp) >= 1, "three workers", s.servers())
    time.sleep(1.1)
    was = workers()
    for i in range(5):
        w = sorted(workers())[0]
        kill(w)
        same(good(), [], "a worker was killed: questions are answered")
    ok(until(lambda: len([m for m in s.servers()
                          if len(children(m)) == 3]) >= len(udp)),
       "as many workers as before", (was, workers()))
    for i in range(3):
        ms = s.servers()
        left = workers()
        for m in ms:
            kill(m)
        ok(until(lambda: answers(s), 60), "masters were killed: it is started "
           "again")
        same(good(), [], "and answers")
        ok(until(lambda: all(is_dead(w) for w in left), 60),
           "old workers have ended", left)
    s.end()


def idle():
    for which in "xinetd", "inetd":
        if not find(which, "openbsd-inetd" if which == "inetd" else None):
            missing(which, "is not installed")
            continue
        cluster()
        s = Inetd(which, True, "-w", "2", "-i", "1")
        ok(until(lambda: not s.servers(), 60), which +
           ": with nobody asking, it ends")
        masters, bad, n, begun = set(), 0, 0, time.monotonic()
        while time.monotonic() - begun < 10 or (
                len(masters) < 3 and time.monotonic() - begun < 60):
            # xinetd empties the queue when a program has ended
            tries = 1 if which == "inetd" else 4
            bad += len(send(s, question("example.org", "MX"), tries=tries,
                            timeout=20 * tries).answer[0]) != 3
            n += 1
            masters |= set(s.servers())
            time.sleep((0.9, 1.02, 1.1, 1.9, 2.02, 0.01)[n % 6] + n % 7 / 100)
        same(bad, 0, "%s: %d questions as it ends and starts, each answered" %
             (which, n))
        ok(len(masters) > 2, "it came back", masters)
        s.end()


def activated():
    """As systemd's units do."""
    program = find("systemd-socket-activate")
    if not program:
        return missing("a socket of systemd", "systemd is not installed")
    cluster()
    udp, tcp = sockets()
    port = udp.getsockname()[1]
    udp.close()
    tcp.close()

    class S:
        host = "127.0.0.1"
    S.port = port
    p = []
    keep = [x for v in ("CM_CLUSTER", "CM_NODE", "CM_SHARE", "PATH", "LC_ALL")
            for x in ("-E", v)]
    for kind in ["--datagram"], []:
        p.append(subprocess.Popen(
            [program, "--inetd", *kind, "-l", str(port), *keep, DNSD,
             "-w", "2"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL))
    try:
        ok(until(lambda: answers(S), 30), "under systemd-socket-activate")
        same([len(data(ask(S, "example.org", "MX", t).answer))
              for t in (False, True)], [3, 3], "both answer")
        S.host = "::1"
        same([len(data(ask(S, "example.org", "MX", t).answer))
              for t in (False, True)], [3, 3], "by IPv6 too")
        S.host = "127.0.0.77"
        same([len(data(ask(S, "example.org", "MX", t).answer))
              for t in (False, True)], [3, 3],
             "and from another address of the machine")
    finally:
        for x in p:
            x.terminate()
            x.wait(30)


go(ways, details, cookies, limit, sizes, wrong, reload, deaths, idle, activated)
