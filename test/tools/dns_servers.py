"""Other DNS servers, each from its unpacked package, in a folder and on a port
of its own: BIND, Knot, PowerDNS.
"""
import os
import shutil
import socket
import subprocess
import time

from cluster import base, run, write

TREES = os.environ["ROOT"] + "/build/trees/"
WAIT = 30
ZONE = """$ORIGIN example.org.
$TTL 300
@ SOA ns hostmaster 1 3600 600 604800 300
@ NS ns
ns A 127.0.0.1
old A 192.0.2.99
"""


def libraries():
    """Those of all trees."""
    found = []
    for p in sorted(os.listdir(TREES)) if os.path.isdir(TREES) else []:
        for d in "usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib/pdns":
            if os.path.isdir(TREES + p + "/" + d):
                found.append(TREES + p + "/" + d)
    return ":".join(found)


def missing(*programs):
    """Why they cannot be run; None: they can."""
    for p in programs:
        if not os.access(TREES + p, os.X_OK):
            return "no %s" % (TREES + p)
        got = run("ldd", TREES + p,
                  env={"LD_LIBRARY_PATH": libraries()}).stdout
        lost = [x.split()[0].decode() for x in got.splitlines()
                if b"not found" in x]
        if lost:
            return "%s: no %s" % (p, ", ".join(lost))
    return None


def free_port():
    """One that is free by UDP and TCP."""
    while True:
        with socket.socket() as t, \
                socket.socket(type=socket.SOCK_DGRAM) as u:
            t.bind(("127.0.0.1", 0))
            try:
                u.bind(t.getsockname())
            except OSError:
                continue
            return t.getsockname()[1]


def dig(port, name, kind="A", *more):
    """Lines of dig +short, in the server's order; None: no answer."""
    r = run("dig", "@127.0.0.1", "-p", str(port), "+norecurse", "+short",
            "+tries=2", "+time=5", *more, name, kind)
    return r.stdout.decode().splitlines() if r.returncode == 0 else None


class Server:
    """Runs in the foreground, so that its pid is known."""

    def __init__(self, *cmd):
        self.port = free_port()
        self.dir = "%s/%s" % (base, type(self).__name__.lower())
        os.mkdir(self.dir)
        os.chmod(base, 0o755)
        self.setup()
        self.log = open(self.dir + "/log", "wb")
        self.p = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, cwd=self.dir,
            env=dict(os.environ, LD_LIBRARY_PATH=libraries()))
        self.wait()

    def wait(self):
        end = time.monotonic() + WAIT
        while self.p.poll() is None and time.monotonic() < end:
            if dig(self.port, "example.org", "SOA"):
                return
            time.sleep(0.1)
        raise RuntimeError("%s does not answer: %s" % (
            self.dir, open(self.dir + "/log").read()[-2000:]))

    def end(self):
        self.p.terminate()
        try:
            self.p.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.log.close()


class Bind(Server):
    PROGRAM = "bind9/usr/sbin/named"

    def setup(self):
        write(self.dir + "/example.org.zone", ZONE)
        write(self.dir + "/named.conf", """
options { directory "%s"; pid-file none; session-keyfile none;
    listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; };
    recursion no; dnssec-validation no; };
controls { };
zone "example.org" { type primary; file "example.org.zone";
    allow-update { 127.0.0.1; }; };
""" % (self.dir, self.port))

    def command(self):
        return [TREES + self.PROGRAM, "-f", "-c", self.dir + "/named.conf"]


class Knot(Server):
    PROGRAM = "knot/usr/sbin/knotd"

    def setup(self):
        write(self.dir + "/example.org.zone", ZONE)
        os.mkdir(self.dir + "/run")
        os.mkdir(self.dir + "/db")
        write(self.dir + "/knot.conf", """
server:
    rundir: "%(dir)s/run"
    listen: 127.0.0.1@%(port)d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "%(dir)s/db"
acl:
  - id: here
    address: 127.0.0.1
    action: update
zone:
  - domain: example.org
    storage: "%(dir)s"
    file: "example.org.zone"
    zonefile-sync: -1
    journal-content: changes
    acl: here
""" % {"dir": self.dir, "port": self.port})

    def command(self):
        return [TREES + self.PROGRAM, "-c", self.dir + "/knot.conf"]


class Pdns(Server):
    """With the pipe backend; version: of its protocol."""
    PROGRAM = "pdns-server/usr/sbin/pdns_server"

    def __init__(self, command, version):
        self.pipe, self.version = command, version
        super().__init__()

    def setup(self):
        write(self.dir + "/pipe", "#!/bin/sh\nexec %s\n" % self.pipe)
        os.chmod(self.dir + "/pipe", 0o755)
        write(self.dir + "/pdns.conf", """
module-dir=%s
launch=pipe
pipe-command=%s/pipe
pipe-abi-version=%d
pipe-timeout=10000
local-address=127.0.0.1
local-port=%d
socket-dir=%s
daemon=no
guardian=no
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
receiver-threads=1
distributor-threads=1
disable-axfr=no
allow-axfr-ips=127.0.0.1
security-poll-suffix=
""" % (TREES + "pdns-backend-pipe/usr/lib/x86_64-linux-gnu/pdns", self.dir,
            self.version, self.port, self.dir))

    def command(self):
        return [TREES + self.PROGRAM, "--config-dir=" + self.dir]

    def end(self):
        super().end()
        shutil.rmtree(self.dir)
