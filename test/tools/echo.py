"""The service that echoes (echod.c) on the engine of client sessions, and its
clients, for session.t and its likes.  Ends with  go(part, ...)."""
from cluster import *
import re
import select
import ssl
import struct
import threading
import warnings

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


def go(*parts):
    """Those named on the command line, or all."""
    try:
        for part in parts:
            if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
                conf()
                part()
        bad = [x for x in ("Sanitizer", "runtime error") if log_has(x)]
        same(bad, [], "no complaints in the log")
    finally:
        for s in list(servers):
            s.end()
        if os.environ.get("KEEP_LOG") and os.path.exists(logs):
            shutil.copy(logs, os.environ["KEEP_LOG"])
        finish()
