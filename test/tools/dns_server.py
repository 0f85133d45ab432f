"""cm-dnsd on UDP as inetd has it, for dns-flood.t and dns-workers.t."""
from cluster import *
import struct

servers = []


def cluster(dns="", attrs='rate="0"'):
    rest = "".join('<node name="n%d" state="%s/%d" public="192.0.2.%d '
                   '2001:db8::%d"/>' % (i, base, i, i, i)
                   for i in range(2, 31))
    configure(rest='<domain name="sub.example.org"/>%s<dns %s>%s</dns>' % (
        rest, attrs, dns))


def until(what, seconds=20):
    end = time.monotonic() + seconds * (4 if SAN else 1)
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class Server:
    """What inetd does for "dgram wait": it only has the socket."""

    def __init__(self, *args, blocking=True, env=None):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("127.0.0.1", 0))
        self.s.setblocking(blocking)
        self.port = self.s.getsockname()[1]
        self.args, self.env = args, env
        self.start()
        servers.append(self)

    def start(self):
        self.p = subprocess.Popen(
            ("cm-dnsd", "-i", "600") + self.args, stdin=self.s,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, **(self.env or {})))

    def workers(self):
        return children(self.p.pid)

    def end(self):
        servers.remove(self)
        self.s.close()
        self.p.send_signal(signal.SIGTERM)
        try:
            return self.p.wait(30)
        except subprocess.TimeoutExpired:
            for pid in self.workers() + [self.p.pid]:
                kill(pid)
            return "does not end"


def end_all():
    for s in list(servers):
        s.end()


def question(name="example.org", kind=6):
    labels = b"".join(bytes([len(x)]) + x.encode()
                      for x in name.split(".") if x)
    return b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + labels + b"\0" + \
        struct.pack(">HH", kind, 1)


def ask(server, name="example.org", kind=6, seconds=10):
    """Records in the answer, or None."""
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", server.port))
        while time.monotonic() < end:
            try:
                s.settimeout(0.5)
                s.send(question(name, kind))
                a = s.recv(4096)
                return None if a[3] & 15 else struct.unpack(">H", a[6:8])[0]
            except (TimeoutError, ConnectionRefusedError):
                pass
    return None
