#!/usr/bin/env python3
"""replica_wire.py LAB CERTS [NODE MEMBER STRANGER]: bring a node's /v1/replica
what it must refuse.

LAB is a lab of four nodes; NODE (n2) keeps a catalog or is the witness, MEMBER
(n3) keeps one, STRANGER (n4) has no part in it.  CERTS is a folder with client
certificates NAME.pem and NAME.key that must not be let in.  Each line on
stdout is a test of TAP without its number.
"""
import glob
import os
import random
import re
import select
import socket
import ssl
import struct
import sys
import time

lab, certs, *nodes = sys.argv[1:]
node, member, stranger = nodes or ("n2", "n3", "n4")
xml = open(lab + "/cluster.xml").read()
address = re.search(r'name="%s" address="([0-9.]+)"' % node, xml).group(1)
is_witness = 'witness="%s"' % node in xml
SILENT = 10             # seconds: SILENT_MS of replica_link.c
FRAME_MAX = 64 << 20
rnd = random.Random(4)


def report(name, good, why=""):
    print("%s - %s" % ("ok" if good else "not ok", name))
    if not good and why:
        print("# %s" % str(why)[:500])
    sys.stdout.flush()
    return good


def agent():
    return int(open("%s/%s/state/run/%s.lock" % (
        lab, node, "witness" if is_witness else "catalog")).read())


def high_water(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", open(
        "/proc/%d/status" % pid).read()).group(1))


def context(name, folder=certs):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations(lab + "/n1/tls/ca.pem")
    c.load_cert_chain("%s/%s.pem" % (folder, name),
                      "%s/%s.key" % (folder, name))
    return c


class Tunnel:
    """What an upgraded connection brings, piece by piece."""

    def __init__(self, name, path="/v1/replica"):
        ctx = context("node", "%s/%s/tls" % (lab, name))
        self.s = ctx.wrap_socket(socket.create_connection((address, 2443), 30))
        self.s.sendall(("GET %s HTTP/1.1\r\nHost: n\r\nConnection: Upgrade"
                        "\r\nUpgrade: clustermail\r\n\r\n" % path).encode())
        self.b = b""
        while b"\r\n\r\n" not in self.b:
            x = self.s.recv(4096)
            if not x:
                break
            self.b += x
        self.head, _, self.b = self.b.partition(b"\r\n\r\n")
        self.up = b" 101 " in self.head.split(b"\r\n")[0]

    def send(self, data):
        """False when the other side is gone."""
        try:
            for i in range(0, len(data), 8192):
                p = data[i:i + 8192]
                self.s.sendall(struct.pack(">H", len(p)) + p)
            return True
        except OSError:
            return False

    def read(self, seconds):
        """All that comes until the end; None: it does not end in time."""
        got, end = b"", time.time() + seconds
        while True:
            while len(self.b) >= 2:
                n = struct.unpack(">H", self.b[:2])[0]
                if n == 0:
                    return got
                if len(self.b) < n + 2:
                    break
                got += self.b[2:n + 2]
                self.b = self.b[n + 2:]
            left = end - time.time()
            if left <= 0:
                return None
            self.s.settimeout(left)
            try:
                x = self.s.recv(65536)
            except (socket.timeout, ssl.SSLWantReadError):
                return None
            except OSError:
                return got
            if not x:
                return got
            self.b += x

    def close(self):
        self.s.close()


def frame(kind, body):
    return struct.pack(">I", len(body) + 1) + kind + body


def refused(name):
    """Does TLS, or the first answer, end it?"""
    try:
        s = context(name).wrap_socket(
            socket.create_connection((address, 2443), 30))
        s.sendall(b"GET /v1/replica HTTP/1.1\r\nHost: n2\r\nConnection: "
                  b"Upgrade\r\nUpgrade: clustermail\r\n\r\n")
        got = s.recv(4096)
    except OSError:
        return True
    return got == b""


pid = agent()
before = high_water(pid)

for f in sorted(glob.glob(certs + "/*.pem")):
    name = os.path.basename(f)[:-4]
    report("refused: " + name, refused(name))
try:
    s = socket.create_connection((address, 2443), 10)
    s.sendall(b"GET /v1/replica HTTP/1.1\r\nHost: n2\r\n\r\n")
    got = s.recv(4096)
except OSError:
    got = b""
report("without TLS", b"101" not in got, got)

# --- a node of the cluster that keeps no catalog

t = Tunnel(stranger)
report(stranger + " gets nothing", t.up and t.read(5) == b"", t.head)
t = Tunnel(stranger)
t.send(frame(b"S", bytes([2, 1, 1]) + b"\xff" * 28))
report("whatever it says", t.read(5) == b"")
for i in range(200):
    Tunnel(stranger).close()
report("nor with 200 connections: the agent lives", agent() == pid)


def refuses(t):
    """A witness has no such requests; an agent says no, once."""
    if is_witness:
        return not t.up
    got = t.read(5)
    return got is not None and got.startswith(b".-15\t") and \
        got.count(b"\n") == 1


t = Tunnel(stranger, "/v1/catalog")
t.send(b"replicate\tn1\n" + frame(b"S", bytes([2, 1, 1]) + b"\xff" * 28))
report("nor as n1, by the way of requests", refuses(t), t.head)
t = Tunnel(stranger, "/v1/catalog")
t.send(b"remote\tn1\nreplicate\tn1\n")
report("nor after saying so", refuses(t), t.head)

# --- one that does, and sends what is no frame

for name, data in (
        ("a request", b"replicate\tn1\n"),
        ("zeros", b"\0" * 4096),
        ("an empty frame", struct.pack(">I", 0)),
        ("a frame that is too long", struct.pack(">I", FRAME_MAX + 1) + b"D"),
        ("the longest length", b"\xff\xff\xff\xff" + b"D" * 1000),
        ("an unknown kind", frame(b"Z", b"x" * 100)),
        ("a role that is none", frame(b"S", bytes([7, 1, 0]) + b"\0" * 28)),
        ("a state that is too short", frame(b"S", b"\0" * 8)),
        ("a control part that is too long",
         frame(b"D", struct.pack(">I", 1 << 30) + b"x")),
        ("a witness whose name is too long",
         frame(b"W", b"\0" * 14 + b"x" * 100)),
        *([("a frame of 1 MiB", frame(b"D", struct.pack(">I", 20) +
                                      b"x" * (1 << 20)))]
          if is_witness else []),
        ("noise", bytes(rnd.randrange(256) for _ in range(20000)))):
    t = Tunnel(member)
    t.send(data)
    report("%s sends %s: closed" % (member, name), t.read(5) == b"")
    t.close()

# --- whole frames with nonsense in them

t = Tunnel(member)
t.send(frame(b"S", b"\0" * 67))        # messages count behind a state
for i in range(200):
    n = rnd.choice((0, 1, 20, 48, 64, 300))
    t.send(frame(b"D", struct.pack(">I", n) +
                 bytes(rnd.randrange(256) for _ in range(n + i))))
t.send(frame(b"L", struct.pack(">II", 1 << 30, 0)))
time.sleep(1)
t.close()
report(member + " sends messages of noise: the agent lives", agent() == pid)

# --- half a frame, and nothing more

t = Tunnel(member)
t.send(struct.pack(">I", FRAME_MAX) + b"D" + b"x" * 100000)
began = time.time()
got = t.read(SILENT + 15)
report("half a frame that stalls: closed", got == b"",
       "%r after %.1f s" % (got, time.time() - began))

# --- many at once: of one node the last one counts

many = []
for i in range(150):
    try:
        t = Tunnel(member)
        if t.up:
            t.send(struct.pack(">I", FRAME_MAX) + b"D" + b"x" * 1000000)
            many.append(t)
    except OSError:
        pass
time.sleep(1)
live = sum(t.read(0.02) is None for t in many)
report("of %d connections one is left" % len(many), live <= 1, live)
for t in many:
    t.close()
now = high_water(pid) if agent() == pid else -1
# AddressSanitizer keeps 256 MiB of what is freed
room = ((8 if is_witness else 120) + 256 * (os.environ.get("SAN") == "1")) << 10
report("memory stays within bounds", 0 <= now < before + room,
       "%d -> %d KiB" % (before, now))
