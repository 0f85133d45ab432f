"""cm-dnsd for tests: a cluster.xml with nodes that need not be there, the
program as inetd starts it or under a real one, and questions."""
import re

from cluster import *

# Debian's dnspython, for a python3 that is not Debian's
sys.path.append("/usr/lib/python3/dist-packages")
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

DNSD = os.environ["BIN"] + "/cm-dnsd"
LOG = base + "/state/run/dnsd.log"
TREES = os.environ["ROOT"] + "/build/trees/"
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
started = []


def find(program, tree=None):
    """Its path, or None."""
    if tree:
        for d in "usr/sbin/", "usr/bin/":
            if os.access(TREES + tree + "/" + d + program, os.X_OK):
                return TREES + tree + "/" + d + program
    return shutil.which(program, path=PATH)


def node(i, more=""):
    return '<node name="n%d" state="%s/state%s" %s/>' % (
        i, base, "" if i == 1 else "-n%d" % i,
        more or 'public="192.0.2.%d 2001:db8::%d"' % (i, i))


def cluster(nodes=3, attributes='select="static" rate="0"', records="",
            more=None, domains=("example.org",)):
    """more: attributes of nodes, by number."""
    text = '<cluster name="t" catalog="n1">\n%s%s' \
        '<volume name="v1" home="n1" path="%s/v1"/>\n<dns %s>%s</dns>\n' \
        '</cluster>\n' % (
            "".join('<domain name="%s"/>\n' % d for d in domains),
            "".join(node(i, (more or {}).get(i, "")) + "\n"
                    for i in range(1, nodes + 1)), base, attributes, records)
    write(base + "/cluster.xml.new", text)
    os.rename(base + "/cluster.xml.new", base + "/cluster.xml")
    return text


def record(name, type_, data, more=""):
    return "\n<record name='%s' type='%s' data='%s' %s/>" % (
        name, type_, data, more)


def sockets(host="127.0.0.1"):
    """UDP and TCP at one port that nobody has."""
    while True:
        udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        udp.bind((host, 0))
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
            continue
        tcp.listen(128)
        return udp, tcp


class Server:
    """Both sockets with a process each, as inetd starts it."""

    def __init__(self, *args, tcp=True):
        self.sockets = sockets()
        self.host, self.port = self.sockets[0].getsockname()
        self.p = []
        for s in self.sockets[:1 + tcp]:
            self.p.append(subprocess.Popen(
                (DNSD,) + args, stdin=s, stdout=subprocess.DEVNULL))
        started.append(self)

    def wait(self):
        ok(until(lambda: answers(self)), "cm-dnsd answers", said())
        return self

    def end(self):
        started.remove(self)
        for p in self.p:
            p.send_signal(signal.SIGTERM)
        got = [p.wait(30) for p in self.p]
        for s in self.sockets:
            s.close()
        return got


XINETD = """service %s
{
	type		= UNLISTED
	socket_type	= %s
	protocol	= %s
	bind		= 127.0.0.1
	port		= %d
	wait		= %s
	cps		= 1000 1
	user		= %s
	flags		= NOLIBWRAP
	server		= %s
	server_args	= %s
}
"""


class Inetd:
    """Under xinetd, or openbsd-inetd; TCP as said, UDP always waits."""

    def __init__(self, which, wait, *args):
        self.args, self.which = args, which
        self.d = tempfile.mkdtemp(dir=base)
        udp, tcp = sockets()
        self.host, self.port = udp.getsockname()
        udp.close()
        tcp.close()
        cmd = self.xinetd(wait) if which == "xinetd" else self.inetd(wait)
        self.log = open(self.d + "/err", "wb")
        self.p = subprocess.Popen(
            cmd, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=dict(os.environ, PATH=PATH))
        started.append(self)
        if not until(lambda: answers(self), 60):
            raise AssertionError("%s: no answer: %s" % (which, said()))
        ask(self, "example.org", "SOA", tcp=True)
        if which == "inetd":
            self.keep_pid_file()

    def user(self):
        return run("id", "-un").stdout.decode().strip()

    def xinetd(self, wait):
        conf = "defaults\n{\n\tinstances = UNLIMITED\n" \
            "\tper_source = UNLIMITED\n}\n"
        for name, kind, protocol, w in (
                ("dns", "stream", "tcp", wait), ("dns-udp", "dgram", "udp",
                                                 True)):
            conf += XINETD % (name, kind, protocol, self.port,
                              "yes" if w else "no", self.user(), DNSD,
                              " ".join(self.args))
        write(self.d + "/conf", conf)
        return [find("xinetd"), "-f", self.d + "/conf", "-pidfile",
                self.d + "/pid", "-filelog", self.d + "/log", "-stayalive",
                "-dontfork"]

    def inetd(self, wait):
        """Started by root it writes /run/inetd.pid whatever its configuration
        is; that may be the machine's own."""
        pid = "/run/inetd.pid"
        self.before = read(pid) if os.path.exists(pid) else None
        conf = ""
        for kind, protocol, w in ("stream", "tcp", wait), \
                ("dgram", "udp", True):
            conf += "127.0.0.1:%d\t%s\t%s\t%s\t%s\t%s\tcm-dnsd %s\n" % (
                self.port, kind, protocol, "wait" if w else "nowait.100000",
                self.user(), DNSD, " ".join(self.args))
        write(self.d + "/conf", conf)
        return [find("inetd", "openbsd-inetd"), "-i", self.d + "/conf"]

    def keep_pid_file(self):
        pid = "/run/inetd.pid"
        if os.getuid() != 0:
            return
        if self.before is not None:
            write(pid, self.before)
        elif os.path.exists(pid):
            os.unlink(pid)

    def servers(self):
        """What it started, and its workers are the children of these."""
        return [p for p in children(self.p.pid) if not is_dead(p)]

    def end(self):
        started.remove(self)
        masters = self.servers()
        kill(self.p.pid)
        self.p.wait()
        self.log.close()
        for m in masters:
            try:
                os.kill(m, signal.SIGTERM)
            except ProcessLookupError:
                pass
            until(lambda: is_dead(m))


def question(name, type_, edns=True, payload=1232, **kw):
    m = dns.message.make_query(name, type_, use_edns=0 if edns is True else
                               edns, payload=payload, **kw)
    m.flags &= ~dns.flags.RD
    return m


def send(server, m, tcp=False, timeout=20, tries=4):
    """Asked again when UDP loses it; the answer."""
    if tcp:
        return dns.query.tcp(m, server.host, timeout, server.port)
    for attempt in range(tries):
        try:
            return dns.query.udp(m, server.host, timeout / tries, server.port)
        except dns.exception.Timeout:
            continue
    raise AssertionError("no answer to " + str(m))


def ask(server, name, type_, tcp=False, **kw):
    return send(server, question(name, type_, **kw), tcp)


def answers(server):
    try:
        dns.query.udp(question("example.org", "SOA"), server.host, 1,
                      server.port)
        return True
    except (OSError, dns.exception.DNSException):
        return False


def data(section):
    """Of all records in a section, the data as text, in lower case."""
    return [r.to_text().lower() for s in section for r in s]


def said():
    return read(LOG).decode(errors="replace")[-2000:] \
        if os.path.exists(LOG) else "no log"


def go(*parts):
    """Those named on the command line, or all."""
    try:
        for part in parts:
            if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
                part()
        bad = [x for x in ("Sanitizer", "runtime error") if
               os.path.exists(LOG) and x in read(LOG).decode()]
        same(bad, [], "no complaints in the log")
    finally:
        for s in list(started):
            s.end()
        finish()
