"""What the tests in Python share: TAP, a cluster in a folder, its helpers.

A test begins with  from cluster import *  (with test/tools in sys.path), and
ends with finish(), in a finally.
"""
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BOB, ANN = "bob@example.org", "ann@example.org"
SAN = os.environ.get("SAN") == "1"
base = tempfile.mkdtemp(prefix="cm-test.")
sock = base + "/state/run/catalog.sock"
os.environ["PATH"] = os.environ["BIN"] + ":" + os.environ["PATH"]
os.environ["CM_SHARE"] = os.environ["ROOT"] + "/share"
os.environ["CM_NODE"] = "n1"
os.environ["CM_CLUSTER"] = base + "/cluster.xml"
os.environ["LC_ALL"] = "C"
os.environ.pop("CM_HOME", None)
os.environ.pop("CM_BIN", None)
count = failed = 0


def ok(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    if not good and why != "":
        print("# " + str(why)[:4000].replace("\n", "\n# "), flush=True)
    return good


def same(got, want, name):
    return ok(got == want, name, "got:  %r\nwant: %r" % (got, want))


def skip(name, why):
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, name, why), flush=True)


def missing(name, why):
    """A part that this machine cannot run; CM_NO_SKIP sees to it."""
    if os.environ.get("CM_NO_SKIP"):
        ok(False, name, why)
    else:
        skip(name, why)


def run(*cmd, stdin=None, pre=None, env=None, timeout=60):
    e = dict(os.environ, **env) if env else None
    if isinstance(stdin, str):
        stdin = stdin.encode()
    return subprocess.run(cmd, input=b"" if stdin is None else stdin,
                          capture_output=True, preexec_fn=pre, env=e,
                          timeout=timeout)


def exits(code, name, *cmd, **kw):
    """Runs it; its exit code is what counts.  Returns what run gives."""
    r = run(*cmd, **kw)
    ok(r.returncode == code, name, "exit %d, not %d: %s\n%s%s" % (
        r.returncode, code, " ".join(cmd)[:300],
        r.stdout.decode(errors="replace")[:800],
        r.stderr.decode(errors="replace")[:1500]))
    return r


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def configure(volumes=None, policy="", state=base + "/state", rest=""):
    """cluster.xml: one node, n1; volumes by default v1 with its copy c1."""
    if volumes is None:
        volumes = '<volume name="v1" home="n1" path="%s/v1">' \
            '<copy node="n1" path="%s/c1"/></volume>' % (base, base)
    write(base + "/cluster.xml.new", '<cluster name="t" catalog="n1">'
          '<domain name="example.org"/><node name="n1" state="%s"/>%s%s%s'
          '</cluster>\n' % (state, rest, volumes, policy))
    os.rename(base + "/cluster.xml.new", base + "/cluster.xml")


def seg(where, n=1):
    return "%s/%s/%08d.seg" % (base, where, n)


def segments(where):
    """The bytes of all segments of a folder, by name."""
    d = base + "/" + where
    return {f: read(d + "/" + f) for f in sorted(os.listdir(d))
            if f.endswith(".seg")}


def exe_of(pid):
    """Of a process that lives; "" for a dead one that nobody waited for."""
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return ""


def helper(name, state=base + "/state"):
    """The pid of a helper that runs, or 0."""
    try:
        with open("%s/run/%s.lock" % (state, name)) as f:
            pid = int(f.read())
    except (OSError, ValueError):
        return 0
    return pid if exe_of(pid).startswith(os.environ["BIN"]) else 0


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


def is_dead(pid):
    """Its files are closed too: that comes after its exe is gone."""
    try:
        return read("/proc/%d/stat" % pid).rsplit(b")", 1)[1].split()[0] \
            in (b"Z", b"X")
    except OSError:
        return True


def kill(pid):
    """With SIGKILL; comes back when it is gone."""
    if not pid:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    while not is_dead(pid):
        time.sleep(0.002)
    return True


def stop_all(state=base + "/state"):
    d = state + "/run"
    for f in os.listdir(d) if os.path.isdir(d) else []:
        if f.endswith(".lock"):
            kill(helper(f[:-5], state))


def is_locked(path):
    with open(path) as f:
        try:
            fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def until(fn, seconds=20):
    """Waits for what has to become true."""
    end = time.monotonic() + seconds
    while not fn():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def users(*names):
    r = run("cm-user", "add", "-N", *(names or (ANN, BOB)))
    if r.returncode != 0:
        print("Bail out! cm-user: %s" % r.stderr)
        sys.exit(1)


def store(message, *to, args=()):
    return run("cm-store", *args, *(to or (BOB,)), stdin=message)


def receipts(n, size=10, tag="m"):
    """Stores n messages at once; the receipts' lines."""
    box = "".join("From a@b.c Fri Nov 24 08:00:00 2023\nSubject: %s%d\n\n%s"
                  "\n\n" % (tag, i, "x" * size) for i in range(n))
    r = run("cm-store", "-m", BOB, stdin=box)
    if r.returncode != 0:
        raise AssertionError(r)
    return r.stdout.decode().splitlines()


def listed(mailbox=BOB, *args):
    r = run("cm-catalog", "list", *args, mailbox)
    return [line.split("\t") for line in r.stdout.decode().splitlines()]


def ids(lines):
    return [line.split("\t")[0] for line in lines]


def request(*words):
    """One request to the agent: the lines of its answer."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(sock)
    s.sendall(("\t".join(words) + "\n").encode())
    out = []
    for line in s.makefile(errors="replace"):
        out.append(line.rstrip("\n"))
        if line[0] == ".":
            break
    s.close()
    return out


def can_unshare():
    """May we have mounts of our own?"""
    try:
        return run("unshare", "-rm", "mount", "-t", "tmpfs", "none",
                   "/mnt").returncode == 0
    except OSError:
        return False


def finish():
    global failed
    here = sys.exc_info()[1]
    if here is not None:
        failed += 1
    stop_all()
    shutil.rmtree(base, ignore_errors=True)
    if here is None:
        print("1..%d" % count)
        sys.exit(failed != 0)


for s in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(s, lambda n, f: sys.exit(1))
