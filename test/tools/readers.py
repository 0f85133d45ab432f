"""Clients that other people wrote, which read a mailbox: each as a function of
an account and a folder of its own, that fetches all there is and gives the
messages back in their order; and a relay before the server, in which one is in
the middle of it.

A way is how the connection begins, and how one logs in.
"""
import collections
import glob
import poplib
import ssl
import threading

from front import *

PASSWORD = "secret"
TIMEOUT = 120

# port; "": plain, "s": STLS or STARTTLS, "t": TLS from the first byte; mechanism
Way = collections.namedtuple("Way", "port tls auth")
POP3 = {
    "stls": Way(2110, "s", "USER"),
    "implicit": Way(2995, "t", "USER"),
    "stls-plain": Way(2110, "s", "PLAIN"),
    "scram": Way(2110, "", "SCRAM-SHA-256"),
    "implicit-scram-1": Way(2995, "t", "SCRAM-SHA-1"),
}

# Where to, as whom, where its files lie.  keep: messages stay on the server.
Job = collections.namedtuple("Job", "host way user dir keep")


class Failed(Exception):
    pass


def must(r):
    if r.returncode != 0:
        raise Failed("exit %d: %s" % (
            r.returncode, (r.stdout + r.stderr).decode("latin-1")[-900:]))
    return r.stdout


def crlf(data):
    return re.sub(rb"\r?\n", b"\r\n", data)


def mpop(job):
    """In the order of their coming: their names in a Maildir have that."""
    md = job.dir + "/maildir"
    for d in "", "/tmp", "/new", "/cur":
        os.makedirs(md + d, exist_ok=True)
    w = job.way
    cmd = [find("mpop"), "-C", "/dev/null", "--host=" + job.host,
           "--port=%d" % w.port, "--timeout=%d" % TIMEOUT,
           "--auth=" + w.auth.lower(), "--user=" + job.user,
           "--passwordeval=echo " + PASSWORD, "--received-header=off",
           "--uidls-file=" + job.dir + "/uidls", "--delivery=maildir," + md,
           "--keep=" + ("on" if job.keep else "off"), "--half-quiet"]
    if w.tls:
        cmd += ["--tls=on", "--tls-trust-file=" + CA,
                "--tls-starttls=" + ("on" if w.tls == "s" else "off")]
    must(run(*cmd, timeout=TIMEOUT))
    out = [crlf(read(f)) for f in sorted(
        glob.glob(md + "/new/*"), key=lambda f: [
            int(x) for x in re.findall(r"\d+", os.path.basename(f))[:3]])]
    shutil.rmtree(md)
    return out


def fetchmail(job, protocol="pop3"):
    """Its mda gets each message by itself.  It knows no addresses in
    certificates."""
    w, d = job.way, job.dir
    write(d + "/mda", '#!/bin/sh\nn=$(ls "%s" | wc -l)\n'
          'exec cat >"%s/$(printf %%06d "$n").msg"\n' % (d + "/in", d + "/in"))
    os.chmod(d + "/mda", 0o755)
    os.makedirs(d + "/in", exist_ok=True)
    tls = {"t": "ssl", "s": "sslproto TLS1.2+", "": "sslproto ''"}[w.tls]
    write(d + "/rc", "set no bouncemail\nset invisible\nset no syslog\n"
          "set idfile \"%s/ids\"\nset pidfile \"%s/pid\"\n"
          "poll %s proto %s service %d %s timeout %d no dns\n"
          "  auth password bad-header accept user \"%s\" password \"%s\" %s sslcertck\n"
          "  sslcommonname mail.example.test sslcertfile \"%s\" mda \"%s/mda\" no rewrite pass8bits\n"
          "  no mimedecode %s\n" % (
              d, d, job.host, protocol, w.port,
              "uidl" if protocol == "pop3" else "", TIMEOUT, job.user, PASSWORD, tls, CA, d,
              "keep" if job.keep else "nokeep fetchall"))
    os.chmod(d + "/rc", 0o600)
    r = run(find("fetchmail", "fetchmail"), "-f", d + "/rc", "--nodetach",
            env={"HOME": d}, timeout=TIMEOUT)
    if r.returncode != 1:       # nothing was there
        must(r)
    out = [crlf(read(f)) for f in sorted(glob.glob(d + "/in/*.msg"))]
    shutil.rmtree(d + "/in")
    return out


def curl(job):
    """Lists, and then gets one after the other in one session."""
    w = job.way
    url = "pop3%s://%s:%d/" % ("s" if w.tls == "t" else "", job.host, w.port)
    cmd = [find("curl"), "-sS", "--max-time", str(TIMEOUT), "--cacert", CA,
           "--user", job.user + ":" + PASSWORD]
    if w.tls == "s":
        cmd.append("--ssl-reqd")
    if w.auth not in ("USER",):
        cmd += ["--login-options", "AUTH=" + w.auth]
    n = len(must(run(*cmd, url)).splitlines())
    if n:
        must(run(*cmd, "--fail-early", "-o", job.dir + "/#1",
                 url + "[1-%d]" % n, timeout=TIMEOUT))
    if not job.keep:
        for i in range(n):      # a session each: what it deletes goes at once
            must(run(*cmd, "-I", "-X", "DELE 1", url))
    out = [read("%s/%d" % (job.dir, i + 1)) for i in range(n)]
    for i in range(n):
        os.unlink("%s/%d" % (job.dir, i + 1))
    return out


def python(job):
    """poplib: lines that it has cut."""
    w = job.way
    context = ssl.create_default_context(cafile=CA)
    if w.tls == "t":
        p = poplib.POP3_SSL(job.host, w.port, timeout=TIMEOUT,
                            context=context)
    else:
        p = poplib.POP3(job.host, w.port, timeout=TIMEOUT)
        if w.tls == "s":
            p.stls(context)
    p.user(job.user)
    p.pass_(PASSWORD)
    n = p.stat()[0]
    ids = [x.split()[1] for x in p.uidl()[1]]
    if len(ids) != n or len(set(ids)) != n:
        raise Failed("%d messages, %d ids" % (n, len(set(ids))))
    out = []
    for i in range(n):
        out.append(b"".join(x + b"\r\n" for x in p.retr(i + 1)[1]))
        if not job.keep:
            p.dele(i + 1)
    p.quit()
    return out


class Relay:
    """Takes connections at host and makes one to another host for each.  When
    so many bytes have come back in all, act() is called, and nothing goes on
    meanwhile; after is what came later."""
    BUFFER = 65536

    def __init__(self, host, to, ports):
        self.to = to
        self.lock = threading.Lock()
        self.arm(None, None)
        for port in ports:
            s = socket.create_server((host, port))
            threading.Thread(target=self.accept, args=(s, port),
                             daemon=True).start()

    def arm(self, at, act):
        with self.lock:
            self.at, self.act, self.n, self.after = at, act, 0, 0

    def accept(self, listener, port):
        while True:
            c = listener.accept()[0]
            s = socket.socket()
            # what waits in here is not asked for any more
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.BUFFER)
            try:
                s.connect((self.to, port))
            except OSError:
                c.close()
                continue
            threading.Thread(target=self.copy, args=(c, s, False),
                             daemon=True).start()
            threading.Thread(target=self.copy, args=(s, c, True),
                             daemon=True).start()

    def count(self, n):
        with self.lock:
            self.n += n
            if self.act is None:
                self.after += n
            elif self.n >= self.at:
                self.act()
                self.act = None

    def copy(self, a, b, back):
        try:
            while data := a.recv(self.BUFFER):
                b.sendall(data)
                if back:
                    self.count(len(data))
        except OSError:
            pass
        try:
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass
