#!/usr/bin/env python3
"""The engine of client sessions under a real xinetd: it ends when nobody is there
and comes back, and no connection is lost."""
import os
import sys
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from echo import *


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


go(under_xinetd)
