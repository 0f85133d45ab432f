#!/usr/bin/env python3
"""What the DNS says of the cluster, for other servers: cm-route zone is read by
named-checkzone and kzonecheck, cm-route nsupdate is applied to a real BIND and a
real Knot by nsupdate and knsupdate, and a real PowerDNS asks cm-route pdns.
"""
import collections
import os
import shutil
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *
import dns_servers as servers
from dns_servers import dig

NODES = ["n1", "n2", "n3"]
RECORDS = """
<record name="@" type="TXT" data="v=spf1 mx -all"/>
<record name="@" type="CAA" data='0 issue "ca.example.net"'/>
<record name="www" type="CNAME" data="imap"/>
<record name="*.w" type="TXT" data="anything" ttl="60"/>
<record name="odd" type="TYPE65400" data="\\# 3 0a0b0c"/>
"""


def cluster(nodes=NODES, records=RECORDS, more=""):
    text = '<cluster name="t"><domain name="example.org"/>'
    for i, n in enumerate(nodes, 1):
        text += '<node name="%s" address="192.0.2.%d" state="%s/%s"/>' % (
            n, i, base, n)
    text += '<volume name="v1" home="%s" path="%s/v1"/>' % (nodes[0], base)
    text += '<dns %s>%s</dns></cluster>\n' % (more, records)
    write(base + "/cluster.xml.new", text)
    os.rename(base + "/cluster.xml.new", base + "/cluster.xml")


def mx(lines):
    """Hosts, the first choice first."""
    return [h.split(".")[0] for p, h in sorted(
        (int(x.split()[0]), x.split()[1]) for x in lines)]


def turned(first, n=3):
    """The nodes, beginning with that one."""
    i = NODES.index(first)
    return (NODES[:n][i:] + NODES[:n][:i])


# --- mx ---

def check_mx():
    r = [mx(exits(0, "mx", "cm-route", "mx", "Example.org").stdout
            .decode().splitlines()) for i in range(6)]
    same(r, [turned(NODES[(NODES.index(r[0][0]) + i) % 3])
             for i in range(6)], "each is first in turn")
    exits(68, "mx of another domain", "cm-route", "mx", "example.com")
    exits(68, "no name", "cm-route", "mx", "a..b")
    exits(64, "no domain", "cm-route", "mx")


# --- zone ---

def check_zone():
    z = exits(0, "zone", "cm-route", "zone", "example.org").stdout
    write(base + "/zone", z)
    r = exits(0, "named-checkzone takes it", "named-checkzone", "example.org",
              base + "/zone")
    ok(b"OK" in r.stdout and b"warning" not in r.stdout,
       "without a warning", r.stdout)
    exits(0, "kzonecheck takes it", "kzonecheck", "-o", "example.org",
          base + "/zone")
    exits(68, "zone of another domain", "cm-route", "zone", "example.com")


# --- nsupdate ---

UPDATE = {"nsupdate": ["nsupdate"], "knsupdate": ["knsupdate"]}


def told(port, *more):
    return run("cm-route", "nsupdate", "-s", "127.0.0.1", "-p", str(port),
               *more, "example.org")


def apply(name, tool, port):
    """Tells the server; true: there was something to tell."""
    r = told(port)
    ok(r.returncode == 0, name + ": what to tell", r.stderr)
    if r.stdout:
        u = run(tool, stdin=r.stdout)
        ok(u.returncode == 0, name + ": " + tool, u.stdout + u.stderr +
           r.stdout)
    return r.stdout.decode()


def ours():
    """Sets of cm-route's zone: name and type, and the data of each."""
    out = collections.defaultdict(set)
    z = run("cm-route", "zone", "example.org").stdout.decode()
    for l in z.splitlines():
        name, ttl, _, kind, data = l.split("\t")
        if kind not in ("SOA", "NS"):
            out[name, kind].add(data)
    return out


def has_all(port, but=("MX",)):
    """The server has each set of ours (MX: its hosts)."""
    for (name, kind), data in ours().items():
        got = dig(port, name, kind)
        if kind in but:
            got = [x.split()[1] for x in got]
            data = {x.split()[1] for x in data}
        if kind == "TYPE65400":
            got = [x.replace("0A0B0C", "0a0b0c") for x in got]
        if set(got) != data:
            return "%s %s: %r, not %r" % (name, kind, got, data)
    return None


def check_server(server, tool):
    what = type(server).__name__
    cluster()
    apply(what, tool, server.port)
    same(has_all(server.port), None, what + " has all")
    first = mx(dig(server.port, "example.org", "MX"))
    r = apply(what + " again", tool, server.port)
    ok("MX" in r and " A " not in r, what + ": only the turn is told", r)
    now = mx(dig(server.port, "example.org", "MX"))
    same(now, turned(now[0]), what + ": a turn")
    ok(now != first, what + ": another turn", now)
    cluster(more='select="static"')
    apply(what + " static", tool, server.port)
    same(told(server.port).stdout, b"", what + ": nothing to tell")
    # a node goes, a name becomes a CNAME, and a CNAME a name
    cluster(NODES[:2], '<record name="smtp" type="CNAME" data="n1"/>'
            '<record name="www" type="A" data="192.0.2.80"/>',
            'select="static"')
    apply(what + " fewer", tool, server.port)
    same(has_all(server.port), None, what + " has all of the new ones")
    same(dig(server.port, "n3.example.org"), [], what + ": n3 is gone")
    same(dig(server.port, "example.org", "TXT"), [], what + ": and TXT")
    same(dig(server.port, "smtp.example.org", "CNAME"), ["n1.example.org."],
         what + ": a CNAME in place of addresses")
    same(dig(server.port, "old.example.org"), ["192.0.2.99"],
         what + ": what is not ours stays")
    same(told(server.port).stdout, b"", what + ": nothing more to tell")


def check_nsupdate():
    for cls, tool in (servers.Bind, "nsupdate"), (servers.Knot, "knsupdate"):
        server = cls()
        try:
            check_server(server, tool)
            # that one's names are another one's matter
            os.unlink(base + "/n1/run/nsupdate.example.org")
        finally:
            server.end()
    cluster()
    dead = servers.free_port()
    r = told(dead)
    same(r.returncode, 75, "no server")
    ok(b"127.0.0.1 port %d" % dead in r.stderr and r.stdout == b"",
       "says so, and tells nothing", r.stderr)
    exits(64, "no address", "cm-route", "nsupdate", "-s", "ns.example.org",
          "example.org")
    exits(64, "no port", "cm-route", "nsupdate", "-p", "0", "example.org")
    exits(68, "another domain", "cm-route", "nsupdate", "example.com")
    r = exits(0, "without a server", "cm-route", "nsupdate", "example.org")
    ok(b"server" not in r.stdout and b"\nsend\n" in r.stdout, "all is told",
       r.stdout)


# --- PowerDNS ---

def check_pdns(version):
    what = "PowerDNS, version %d" % version
    cluster()
    s = servers.Pdns("cm-route pdns", version)
    try:
        seen = [mx(dig(s.port, "example.org", "MX")) for i in range(9)]
        same(sorted(collections.Counter(x[0] for x in seen).values()),
             [3, 3, 3], what + ": each is first as often")
        same([x for x in seen if x != turned(x[0])], [], what + ": in turn")
        # its own turns and PowerDNS's are the same ones
        last = NODES.index(mx(dig(s.port, "example.org", "MX"))[0])
        same(mx(run("cm-route", "mx", "example.org").stdout.decode()
                .splitlines())[0], NODES[(last + 1) % 3],
             what + ": and cm-route goes on from there")
        same(has_all(s.port), None, what + " has all")
        same(dig(s.port, "x.w.example.org", "TXT"), ['"anything"'],
             what + ": a wildcard")
        same(dig(s.port, "www.example.org")[0], "imap.example.org.",
             what + ": a CNAME")
        same(dig(s.port, "none.example.org"), [], what + ": no such name")
        r = run("dig", "@127.0.0.1", "-p", str(s.port), "example.org", "AXFR")
        ok(r.stdout.count(b"\tSOA\t") == 2 and b"imap.example.org" in r.stdout,
           what + ": a transfer", r.stdout)
        cluster(NODES[:2])
        end = time.monotonic() + 30
        while len(dig(s.port, "example.org", "MX")) != 2 and \
                time.monotonic() < end:
            time.sleep(0.2)
        same(len(dig(s.port, "example.org", "MX")), 2,
             what + ": a new configuration counts")
        run("cm-route", "set", "n2", "down")
        same(mx(dig(s.port, "example.org", "MX")), ["n1"],
             what + ": a node that is down is left out")
        run("cm-route", "set", "n2", "up")
    finally:
        s.end()


def check_protocol():
    cluster()
    say = lambda *lines: run("cm-route", "pdns", stdin="".join(
        x + "\n" for x in lines)).stdout.decode().splitlines()
    same(say("HELO\t9"), ["FAIL"], "a version of later")
    same(say("Q\texample.org\tIN\tSOA\t-1\t127.0.0.1"), ["FAIL"],
         "no greeting")
    same(say("HELO\t1", "", "X", "Q", "Q\ta..b\tIN\tA\t-1\t1", "AXFR\t9",
             "AXFR\t0", "AXFR\tx", "PING")[1:],
         ["FAIL"] * 7 + ["END"], "what is no question")
    same(say("HELO\t1", "Q\texample.com\tIN\tANY\t-1\t127.0.0.1",
             "Q\tnone.example.org\tIN\tANY\t-1\t127.0.0.1",
             "Q\tx.w.example.org\tIN\tTXT\t-1\t127.0.0.1")[1:],
         ["END"] * 3, "what is not there, or only by a wildcard")
    same(say("HELO\t2", "Q\t_imaps._tcp.example.org\tIN\tSRV\t-1\t1\t2")[1:],
         ["DATA\t_imaps._tcp.example.org\tIN\tSRV\t300\t1\t0\t"
          "1 993 imap.example.org.", "END"], "a priority is a field")


try:
    cluster()
    check_mx()
    why = servers.missing(servers.Bind.PROGRAM, servers.Knot.PROGRAM,
                          servers.Pdns.PROGRAM)
    for p in "dig", "nsupdate", "knsupdate", "named-checkzone", "kzonecheck":
        if not shutil.which(p):
            why = "no " + p
    if why:
        missing("other servers", why)
    else:
        check_zone()
        check_nsupdate()
        for version in 1, 2, 3:
            check_pdns(version)
    check_protocol()
finally:
    finish()
