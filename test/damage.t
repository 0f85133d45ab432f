#!/usr/bin/env python3
"""Each damage to a volume, a copy or the catalog is seen and mended."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

base = tempfile.mkdtemp(prefix="cm-damage.")
os.environ["PATH"] = os.environ["BIN"] + ":" + os.environ["PATH"]
os.environ["CM_SHARE"] = os.environ["ROOT"] + "/share"
os.environ["CM_NODE"] = "n1"
os.environ["CM_CLUSTER"] = base + "/cluster.xml"
os.environ.pop("CM_HOME", None)
count = failed = 0


def ok(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", count, name))
    if not good and why:
        print("# " + str(why).replace("\n", "\n# "))


def run(*cmd, stdin=None, pre=None):
    return subprocess.run(cmd, input=stdin, capture_output=True,
                          preexec_fn=pre, timeout=60)


def exe_of(pid):
    """Of a process that lives; "" for a dead one that nobody waited for."""
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return ""


def stop_all():
    d = base + "/state/run"
    for f in os.listdir(d) if os.path.isdir(d) else []:
        if not f.endswith(".lock"):
            continue
        text = open(d + "/" + f).read().strip()
        pid = int(text) if text.isdigit() else 0
        if not exe_of(pid).startswith(os.environ["BIN"]):
            continue
        os.kill(pid, signal.SIGKILL)
        while exe_of(pid):
            time.sleep(0.002)


def seg(where, n=1):
    return "%s/%s/%08d.seg" % (base, where, n)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def restore(*what):
    """All as it was when the messages had been stored."""
    stop_all()
    for d in what or ("v1", "c1", "state"):
        shutil.rmtree(base + "/" + d, ignore_errors=True)
        shutil.copytree(base + "/pristine/" + d, base + "/" + d)


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        b = f.read(1)
        f.seek(at)
        f.write(bytes([b[0] ^ 0x20]))


def listed():
    r = run("cm-catalog", "list", "bob@example.org")
    return [line.split("\t") for line in r.stdout.decode().splitlines()]


def all_there(name):
    """The catalog and the volumes agree, and every message is listed."""
    r = run("cm-catalog", "check")
    ids = [e[1] for e in listed()]
    ok(r.returncode == 0 and ids == acked, name,
       "%s %s %s %s" % (r.returncode, r.stdout, r.stderr, ids))


def same_as_before(name):
    good = read(seg("v1")) == before and read(seg("c1")) == before
    ok(good, name)


with open(base + "/cluster.xml", "w") as f:
    f.write("""<cluster name="t"><domain name="example.org"/>
<node name="n1" state="%s/state"/>
<volume name="v1" home="n1" path="%s/v1"><copy node="n1" path="%s/c1"/>
</volume></cluster>""" % (base, base, base))

try:
    run("cm-user", "add", "-N", "bob@example.org")
    acked = []
    for i in range(5):
        a = run("cm-store", "-f", "ann@example.net", "bob@example.org",
                stdin=b"Subject: %d\n\nbody\n" % i)
        b = run("cm-mirror", stdin=a.stdout)
        c = run("cm-catalog", "add", stdin=b.stdout)
        if c.returncode == 0:
            acked.append(c.stdout.decode().split("\t")[0])
            last = c.stdout.decode().split("\t")[1].split(":")
    ok(len(acked) == 5, "five messages are acknowledged")
    run("cm-catalog", "flag", "+\\Seen", "+$Work", "bob@example.org/INBOX/2")
    dump = run("cm-catalog", "dump").stdout
    stop_all()
    before = read(seg("v1"))
    for d in ("v1", "c1", "state"):
        shutil.copytree(base + "/" + d, base + "/pristine/" + d,
                        ignore=shutil.ignore_patterns("*.sock"))

    # Tails.
    missed = unmended = 0
    for cut in range(1, int(last[3]) + 1):
        restore("v1", "c1")
        os.truncate(seg("v1"), len(before) - cut)
        r = run("cm-rebuild", "check", "-r")
        missed += b"fetched" not in r.stdout
        unmended += (r.returncode != 0 or read(seg("v1")) != before or
                     read(seg("c1")) != before)
    ok(missed == 0, "a home cut at any byte of the last record is seen",
       missed)
    ok(unmended == 0, "and mended from the copy", unmended)
    all_there("the catalog agrees with it")
    missed = unmended = 0
    for cut in range(1, int(last[3]) + 1, 7):
        restore("v1", "c1")
        os.truncate(seg("c1"), len(before) - cut)
        r = run("cm-mirror", "-a")
        unmended += r.returncode != 0 or read(seg("c1")) != before
    ok(unmended == 0, "a copy that was cut is filled by cm-mirror -a",
       unmended)

    # Flipped bytes.
    for where in ("v1", "c1"):
        missed = unmended = 0
        for at in range(0, len(before), 7):
            restore("v1", "c1")
            flip(seg(where), at)
            if at % 10 == 0:
                missed += run("cm-rebuild", "check").returncode != 1
            r = run("cm-rebuild", "check", "-r")
            missed += b"damaged" not in r.stdout
            unmended += (r.returncode != 0 or read(seg("v1")) != before or
                         read(seg("c1")) != before)
        ok(missed == 0, "a flipped byte in %s is seen" % where, missed)
        ok(unmended == 0, "and mended from the other", unmended)

    restore()
    flip(seg("v1"), 700)
    flip(seg("c1"), 700)
    ok(run("cm-rebuild", "check", "-r").returncode == 1,
       "what is bad everywhere is not called mended")
    r = run("cm-catalog", "check")
    ok(r.returncode == 1 and b"damaged" in r.stdout,
       "cm-catalog check says so too", r.stdout)

    # The control file.
    restore()
    os.unlink(base + "/v1/control")
    a = run("cm-store", "bob@example.org", stdin=b"Subject: more\n\n\n")
    ok(a.returncode == 0 and b"scanned" in a.stderr,
       "without its control file the home is scanned", a.stderr)
    b = run("cm-mirror", stdin=a.stdout)
    c = run("cm-catalog", "add", stdin=b.stdout)
    ok(c.returncode == 0 and b"00000002:0:" in c.stdout,
       "and goes on in a new segment", c.stderr)
    acked.append(c.stdout.decode().split("\t")[0])
    all_there("with everything in it")
    acked.pop()
    restore()
    with open(base + "/v1/control", "wb") as f:
        f.write(b"\x5a" * 168)
    a = run("cm-store", "bob@example.org", stdin=b"Subject: more\n\n\n")
    ok(a.returncode == 0, "garbage in the control file: the same", a.stderr)

    # A torn tail that was never acknowledged, after the machine went down.
    restore()
    with open(seg("v1"), "ab") as f:
        f.write(before[:300])
    os.unlink(base + "/v1/control")
    ok(run("cm-rebuild", "check").returncode == 0 and
       read(seg("v1")) == before, "a torn tail is cut")
    ok(read("%s/v1/cut-00000001-%d" % (base, len(before))) == before[:300],
       "and kept beside it")
    all_there("nothing else is gone")

    # The only record of the open segment: nothing may be written over it.
    shutil.rmtree(base + "/v1")
    shutil.rmtree(base + "/c1")
    shutil.rmtree(base + "/state")
    run("cm-user", "add", "-N", "bob@example.org")
    a = run("cm-store", "bob@example.org", stdin=b"Subject: alone\n\n\n")
    b = run("cm-mirror", stdin=a.stdout)
    c = run("cm-catalog", "add", stdin=b.stdout)
    stop_all()
    alone = read(seg("v1"))
    os.truncate(seg("v1"), 100)
    a = run("cm-store", "bob@example.org", stdin=b"Subject: two\n\n\n")
    ok(b"00000002:0:" in a.stdout, "a new segment after the first record's "
       "end is gone", a.stdout)
    b = run("cm-mirror", stdin=a.stdout)
    run("cm-catalog", "add", stdin=b.stdout)
    ok(read(seg("v1")) == alone, "which comes back from the copy", b.stderr)
    r = run("cm-catalog", "check")
    ok(r.returncode == 0 and len(listed()) == 2, "and both are listed",
       [r, listed()])

    # A copy.
    restore()
    shutil.rmtree(base + "/c1")
    r = run("cm-rebuild", "check")
    ok(r.returncode == 1 and b"missing" in r.stdout, "a lost copy is seen",
       [r, listed()])
    for i in range(2):
        r = run("cm-rebuild", "copy", "v1", base + "/c1")
        ok(r.returncode == 0, "cm-rebuild copy, time %d" % (i + 1), r.stderr)
    same_as_before("brings it back")
    ok(run("cm-rebuild", "check").returncode == 0, "and all is well")
    restore()
    shutil.rmtree(base + "/c1")
    run("cm-rebuild", "check", "-r")
    same_as_before("cm-rebuild check -r does it too")

    # The home.
    restore()
    shutil.rmtree(base + "/v1")
    a = run("cm-store", "bob@example.org", stdin=b"x\n")
    ok(a.returncode == 75 and b"cm-rebuild volume v1" in a.stderr,
       "without its home nothing is stored, and the way out is named",
       a.stderr)
    for i in range(2):
        r = run("cm-rebuild", "volume", "v1")
        ok(r.returncode == 0, "cm-rebuild volume, time %d" % (i + 1),
           r.stderr)
    same_as_before("brings it back")
    ok(b"epoch 2\n" in read(base + "/v1/volume"), "with the next epoch")
    all_there("and all messages")
    a = run("cm-store", "bob@example.org", stdin=b"x\n")
    b = run("cm-mirror", stdin=a.stdout)
    ok(b.returncode == 0 and b"n1#1" in b.stdout,
       "messages are stored and mirrored again", b.stderr)

    # The catalog.
    restore()
    shutil.rmtree(base + "/state/catalog")
    r = run("cm-catalog", "list", "bob@example.org")
    ok(r.returncode == 75 and b"cm-rebuild catalog" in r.stderr,
       "a lost catalog is seen, and the way out is named", r.stderr)
    ok(run("cm-store", "bob@example.org", stdin=b"x\n").returncode == 75,
       "no recipient is refused for good meanwhile")
    r = run("cm-rebuild", "catalog")
    ok(r.returncode == 0, "cm-rebuild catalog", r.stderr)
    all_there("has all messages again")
    restore()
    shutil.rmtree(base + "/state/catalog")
    with open(base + "/dump", "wb") as f:
        f.write(dump)
    for i in range(2):
        r = run("cm-rebuild", "catalog", base + "/dump")
        ok(r.returncode == 0, "with a dump, time %d" % (i + 1), r.stderr)
    ok(run("cm-catalog", "dump").stdout == dump,
       "folders, UIDs and flags are as they were")
    ok(listed()[1][5] == "\\Seen $Work", "the flags for instance", listed())
    r = run("cm-rebuild", "catalog")
    ok(r.returncode == 0 and run("cm-catalog", "dump").stdout == dump,
       "a catalog that is well stays as it is")
    all_there("and check agrees")
    restore()
    for f in os.listdir(base + "/state/catalog"):
        with open(base + "/state/catalog/" + f, "r+b") as g:
            g.write(os.urandom(20000))
    r = run("cm-rebuild", "catalog", base + "/dump")
    ok(r.returncode == 0, "a catalog full of garbage is set aside", r.stderr)
    ok(run("cm-catalog", "dump").stdout == dump, "and made again")
    restore()
    with open(base + "/short", "wb") as f:
        f.write(dump[:-30])
    r = run("cm-catalog", "load", "-f", stdin=dump[:-30])
    ok(r.returncode == 65, "half a dump is refused", r.stderr)
    ok(run("cm-catalog", "dump").stdout == dump, "and changes nothing")

    # A full disk.
    restore()
    run("cm-catalog", "sync")

    def full():
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        n = len(before) + 400
        resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))
    r = run("cm-store", "bob@example.org", stdin=b"x" * 3000, pre=full)
    ok(r.returncode == 75, "no space: try again", r)
    same_as_before("and nothing is half stored")
    r = run("cm-store", "bob@example.org", stdin=b"x" * 30)
    ok(r.returncode == 0, "with space it goes on", r.stderr)
    ok(run("cm-rebuild", "check").returncode == 0, "without damage")
    stop_all()
finally:
    stop_all()
    shutil.rmtree(base, ignore_errors=True)
print("1..%d" % count)
sys.exit(failed != 0)
