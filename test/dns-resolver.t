#!/usr/bin/env python3
"""cm-dnsd behind Unbound as the recursive resolver, with 0x20; and Postfix, which
finds the nodes of a lab by MX through that, while one of them dies."""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from naming import *                                            # noqa
import front                                                    # noqa
import smtplib                                                  # noqa

UNBOUND = """server:
	interface: %(host)s@%(port)d
	access-control: 127.0.0.0/8 allow
	do-daemonize: no
	use-syslog: no
	logfile: ""
	log-time-ascii: no
	verbosity: 4
	username: ""
	chroot: ""
	pidfile: ""
	directory: "%(dir)s"
	do-not-query-localhost: no
	use-caps-for-id: yes
	module-config: "iterator"
	num-threads: 1
	do-ip6: no
	edns-buffer-size: %(size)d
	local-zone: "." static
	local-zone: "%(zone)s." transparent
%(more)s
stub-zone:
	name: "%(zone)s"
	stub-prime: no
"""
RECORDS = "".join(record(*r) for r in (
    ("@", "TXT", "v=spf1 mx -all"),
    ("@", "CAA", '0 issue "ca.example.net"'),
    ("odd", "TYPE65400", r"\# 4 0a000001"),
    ("www", "CNAME", "web"),
    ("web", "A", "192.0.2.80"),
    ("a", "CNAME", "b"),
    ("b", "CNAME", "imap"),
    ("*.wild", "TXT", "anything"),
))
A = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
RIGHT = {
    ("example.org", "MX"): ["%d0 n%d.example.org." % (i, i)
                            for i in (1, 2, 3)],
    ("example.org", "NS"): ["n%d.example.org." % i for i in (1, 2, 3)],
    ("example.org", "TXT"): ['"v=spf1 mx -all"'],
    ("example.org", "CAA"): ['0 issue "ca.example.net"'],
    ("smtp.example.org", "A"): A,
    ("imap.example.org", "AAAA"): ["2001:db8::%d" % i for i in (1, 2, 3)],
    ("_imaps._tcp.example.org", "SRV"): ["0 1 993 imap.example.org."],
    ("odd.example.org", "TYPE65400"): [r"\# 4 0a000001"],
    ("www.example.org", "A"): ["web.example.org.", "192.0.2.80"],
    ("a.example.org", "A"): ["b.example.org.", "imap.example.org."] + A,
    ("x.y.wild.example.org", "TXT"): ['"anything"'],
    ("n2.example.org", "A"): ["192.0.2.2"],
    ("example.org", "A"): [],
    ("nobody.example.org", "A"): [],
}


class Unbound:
    def __init__(self, servers, zone, host="127.0.0.1", port=0, size=1232,
                 more=""):
        self.d = tempfile.mkdtemp(dir=base)
        self.host, self.port = host, port
        if not port:
            udp, tcp = sockets()
            self.port = udp.getsockname()[1]
            udp.close()
            tcp.close()
        self.log = self.d + "/log"
        write(self.d + "/conf", UNBOUND % {
            "host": host, "port": self.port, "dir": self.d, "zone": zone,
            "size": size, "more": more} + "".join(
                "\tstub-addr: %s@%d\n" % s for s in servers))
        with open(self.log, "wb") as f:
            self.p = subprocess.Popen(
                [find("unbound", "unbound"), "-d", "-c", self.d + "/conf"],
                stdin=subprocess.DEVNULL, stdout=f, stderr=f)
        started.append(self)
        if not until(lambda: self.answers(zone), 60):
            raise AssertionError(read(self.log)[-3000:])

    def answers(self, zone):
        m = question(zone, "SOA")
        m.flags |= dns.flags.RD
        try:
            return dns.query.udp(m, self.host, 2, self.port).rcode() == 0
        except (OSError, dns.exception.DNSException):
            return False

    def said(self):
        return read(self.log).decode(errors="replace")

    def end(self):
        started.remove(self)
        self.p.terminate()
        self.p.wait(30)


def resolve(u, name, type_, tcp=False):
    m = question(name, type_)
    m.flags |= dns.flags.RD
    return send(u, m, tcp)


def all_right(u, way):
    bad = []
    for (name, type_), want in RIGHT.items():
        for tcp in False, True:
            m = resolve(u, name, type_, tcp)
            got = sorted(data(m.answer))
            if type_ == "MX":
                got = sorted(re.sub(r"^\d+", "", x) for x in got)
                want = [re.sub(r"^\d+", "", x) for x in want]
            if got != sorted(want) or m.rcode() != (
                    dns.rcode.NXDOMAIN if name[:6] == "nobody" else 0) or \
                    (not want and "SOA" not in
                     [dns.rdatatype.to_text(x.rdtype) for x in m.authority]):
                bad.append(m.to_text())
    same(bad, [], way)


def first(u):
    m = resolve(u, "example.org", "MX")
    best = min(m.answer[0], key=lambda r: r.preference)
    return best.exchange.to_text().split(".")[0], m.answer[0].ttl, len(
        m.answer[0])


def recursion():
    if not find("unbound", "unbound"):
        return missing("Unbound", "its package is not there")
    cluster(attributes='select="round-robin" rate="0" ttl="2" keep="3"',
            records=RECORDS)
    s = Server("-w", "2").wait()
    u = Unbound([(s.host, s.port)], "example.org")
    all_right(u, "through Unbound all answers are right")
    log = u.said()
    good = log.count("good 0x20-ID in reply qname")
    ok(good >= 10 and not re.search("(?i)caps.*(fallback|fail|mismatch)|bad "
                                    "0x20", log),
       "and letters have the case that it gave them", good)
    # what it keeps, and how long
    seen, begun = [], time.monotonic()
    while time.monotonic() - begun < 40 and len(
            {n for n, t in seen}) < 3 or len(seen) < 4:
        n, ttl, count = first(u)
        if count != 3 or not 0 <= ttl <= 2:
            seen.append(("%s, TTL %d, %d records" % (n, ttl, count), 0))
            break
        if not seen or seen[-1][0] != n:
            seen.append((n, time.monotonic()))
        time.sleep(0.1)
    same({n for n, t in seen}, {"n1", "n2", "n3"},
         "it keeps an answer for its TTL, and then has another node first")
    ok(all(b[1] - a[1] > 0.9 for a, b in zip(seen[1:], seen[2:])),
       "and not for less", seen)
    r = resolve(u, "later.example.org", "A")
    same(r.rcode(), dns.rcode.NXDOMAIN, "a name that is not there")
    ok(r.authority[0].ttl <= 3, "is not there for some seconds", r)
    cluster(attributes='select="round-robin" rate="0" ttl="2" keep="3"',
            records=RECORDS + record("later", "A", "192.0.2.90"))
    ok(until(lambda: data(resolve(u, "later.example.org", "A").answer) ==
             ["192.0.2.90"], 40), "and then it is")
    r = run(os.environ["OUT"] + "/tools/nodestate", "n2", "missed")
    ok(r.returncode == 0 and until(lambda: first(u)[2] == 2, 40),
       "a node that is down vanishes from what Unbound says", r)
    s.end()
    u.end()
    os.unlink(base + "/state/run/nodes")
    os.unlink(base + "/state/nodes")
    cluster(60, 'select="round-robin" rate="0"')
    s = Server("-w", "2").wait()
    for size in 1232, 512:
        u = Unbound([(s.host, s.port)], "example.org", size=size)
        for type_, name in ("MX", "example.org"), ("A", "imap.example.org"):
            same(len(resolve(u, name, type_, True).answer[0]), 60,
                 "60 nodes: all %s, when it takes %d bytes" % (type_, size))
        u.end()
    # one that is dead among them, and one that answers by UDP only
    nobody = sockets()
    nobody[1].close()
    u = Unbound([nobody[0].getsockname(), (s.host, s.port)], "example.org")
    same(len(resolve(u, "imap.example.org", "A", True).answer[0]), 60,
         "one server of two says nothing: all is right")
    u.end()
    for x in nobody:
        x.close()
    s.end()


# --- Postfix

MAIN = """
disable_dns_lookups = no
smtp_host_lookup = dns
smtp_connection_cache_on_demand = no
smtp_connect_timeout = 5s
smtp_mx_session_limit = 5
minimal_backoff_time = 2s
maximal_backoff_time = 5s
queue_run_delay = 3s
virtual_mailbox_domains =
relay_domains = example.test
smtpd_recipient_restrictions = permit_mynetworks, reject
default_process_limit = 20
"""


def postfix(resolver):
    """As a relay that looks up MX, on its own resolv.conf; its address."""
    d, tree = front.LAB + "/postfix", TREES + "postfix"
    for f in "", "/etc", "/spool", "/data":
        os.mkdir(d + f)
    shutil.chown(d + "/data", "mail")
    for f in "postfix-script", "post-install", "postfix-files":
        shutil.copy(tree + "/etc/postfix/" + f, d + "/etc")
    host = front.net + ".70"
    names = {"host": host, "dir": d, "tree": tree}
    write(d + "/etc/master.cf", front.MASTER % names)
    main = (front.MAIN % names).replace("disable_dns_lookups = yes\n", "")
    write(d + "/etc/main.cf", "compatibility_level = 3.6\nmydestination =\n" +
          main + MAIN)
    write(d + "/transport", "example.test smtp:example.test:2525\n")
    write(d + "/resolv.conf", "nameserver %s\n" % resolver)
    env = {"LD_LIBRARY_PATH": tree + "/usr/lib/postfix"}
    r = run(tree + "/usr/sbin/postfix", "-c", d + "/etc", "check", env=env)
    if r.returncode != 0:
        raise AssertionError(r)
    front.start("n1", "postfix", "unshare", "-m", "sh", "-c",
                'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"',
                "sh", d + "/resolv.conf",
                tree + "/usr/lib/postfix/sbin/master", "-c", d + "/etc", "-d",
                env=env)
    front.need(host, 2526)
    return host


def submit(host, n):
    with smtplib.SMTP(host, 2526, timeout=60) as s:
        s.sendmail("a@from.test", ["u%d@example.test" % (n % 5)],
                   "Subject: by mx %d\r\n\r\nbody\r\n" % n)


def arrived():
    """How often each message is there."""
    out = {}
    for i in range(5):
        got = front.on("n1", "cm-fetch", "-r", "u%d@example.test" % i)
        for n in re.findall(rb"(?m)^Subject: by mx (\d+)\r$", got):
            out[int(n)] = out.get(int(n), 0) + 1
    return out


def twice_for_a_reason(log):
    """Whose end was sent as the node died: nobody can say what became of it,
    and so it is sent again."""
    ids = re.findall(r"(?m)smtp\[\d+\]: (\w+): .*while sending (?:end of "
                     r"data|message body)", log)
    return len(set(ids))


def by_mx():
    if os.getuid() != 0:
        return missing("Postfix", "port 53 is for root")
    for p in ("postfix", "postfix"), ("unbound", "unbound"):
        if not find(*p):
            return missing("Postfix by MX", "the package %s is not there" %
                           p[1])
    if not front.lab_up(3):
        return missing("the lab", "xinetd is not installed")
    nodes = ["n1", "n2", "n3"]
    address = {n: "%s.1%s" % (front.net, n[1]) for n in nodes}
    front.edit_conf("</cluster>", '<dns ttl="0" rate="0"/></cluster>')
    for n in nodes:
        s = type("S", (), {"host": address[n], "port": 2053})
        ok(until(lambda: ask(s, "example.test", "MX").answer[0].ttl == 0, 60),
           n + " answers")
    # what it cannot reach it is to leave alone soon
    resolver = front.net + ".53"
    Unbound([(address[n], 2053) for n in nodes], "example.test", resolver, 53,
            more="\tinfra-host-ttl: 60")
    host = postfix(resolver)
    log = front.LAB + "/postfix/log"

    def delivered():
        return re.findall(r"relay=(n\d)\.example\.test\[.*status=sent",
                          read(log).decode(errors="replace"))

    for i in range(40):
        submit(host, i)
    ok(until(lambda: len(delivered()) >= 40, 90), "40 messages are delivered",
       read(log)[-2000:])
    counts = {n: delivered().count(n) for n in nodes}
    ok(min(counts.values()) >= 5, "each node got some", counts)
    for i in range(40, 80):
        submit(host, i)
        if i == 50:
            front.lab("kill", front.LAB, "n2")
    ok(until(lambda: len(delivered()) >= 80, 120),
       "n2 is killed as 40 more come: all are delivered",
       read(log)[-3000:])
    before = len(delivered())
    for i in range(80, 110):
        submit(host, i)
    ok(until(lambda: len(delivered()) >= before + 30, 120), "and 30 more",
       read(log)[-3000:])
    ok("n2" not in delivered()[before:], "by the two that are left",
       delivered()[before:])
    # with "refuse", what it took last is listed when it is back
    front.lab("start", front.LAB, "n2")
    until(lambda: len(arrived()) == 110, 90)
    got = arrived()
    same(sorted(got), list(range(110)), "it is back: all of them are in the "
         "mailboxes")
    again = {n: k for n, k in got.items() if k != 1}
    ok(len(again) <= twice_for_a_reason(read(log).decode(errors="replace")),
       "none is there twice", again)
    ok("status=bounced" not in read(log).decode(errors="replace"),
       "none came back")


try:
    if len(sys.argv) < 2 or "recursion" in sys.argv[1:]:
        recursion()
    if len(sys.argv) < 2 or "by_mx" in sys.argv[1:]:
        try:
            by_mx()
        finally:
            if os.path.exists(front.LAB):
                front.lab_down()
finally:
    for x in list(started):
        x.end()
    finish()
