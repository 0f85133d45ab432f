#!/usr/bin/env python3
"""stored.py LAB CERTS: ask n2's cm-stored what it must refuse.

LAB is a lab of three nodes, CERTS a folder with client certificates NAME.pem
and NAME.key that must not be let in.  Each line on stdout is a test of TAP
without its number: "ok - NAME" or "not ok - NAME".  n2 is the home of v2 and
keeps copy 0 of v1, whose home is n1.
"""
import glob
import hashlib
import os
import re
import socket
import ssl
import sys
import threading
import time

lab, certs = sys.argv[1:3]
xml = open(lab + "/cluster.xml").read()
address = re.search(r'name="n2" address="([0-9.]+)"', xml).group(1)
PORT = 2443
TIMEOUT = 30            # seconds: TIMEOUT_S of stored.c
LIMIT = 32 << 20        # STORED_BODY_MAX
SAN = bool(os.environ.get("SAN"))


def report(name, good, why=""):
    print("%s - %s" % ("ok" if good else "not ok", name))
    if not good and why:
        print("# %s" % str(why)[:500])
    sys.stdout.flush()
    return good


def sums():
    """Of all that the volumes and copies of all nodes consist of."""
    out = {}
    for f in glob.glob(lab + "/n*/disk/*/*"):
        name = os.path.basename(f)
        if name in ("control", "lock"):
            continue        # written by who looks whether it is sound
        out[f] = hashlib.md5(open(f, "rb").read()).hexdigest()
    return out


def pids():
    """n2's cm-stored: by the environment, as lab finds them."""
    out = []
    want = b"CM_LAB=" + lab.encode() + b"/n2"
    for p in glob.glob("/proc/[0-9]*"):
        try:
            if open(p + "/comm").read().strip() == "cm-stored" and \
                    want in open(p + "/environ", "rb").read().split(b"\0"):
                out.append(int(p[6:]))
        except OSError:
            pass
    return out


def high_water():
    """Its VmHWM in KiB."""
    return max([int(re.search(r"VmHWM:\s+(\d+)", open(
        "/proc/%d/status" % p).read()).group(1)) for p in pids()] or [0])


def context(name=None, folder=certs):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations(lab + "/n1/tls/ca.pem")
    if name:
        c.load_cert_chain("%s/%s.pem" % (folder, name),
                          "%s/%s.key" % (folder, name))
    return c


def node_context(node):
    return context("node", "%s/%s/tls" % (lab, node))


def plain(timeout=TIMEOUT):
    return socket.create_connection((address, PORT), timeout)


def connect(ctx, timeout=TIMEOUT + 15):
    return ctx.wrap_socket(plain(timeout))


def read_all(s, limit=1 << 20):
    got = b""
    try:
        while len(got) < limit:
            b = s.recv(65536)
            if not b:
                break
            got += b
    except (OSError, ssl.SSLError):
        pass
    return got


class Answers:
    """The answers on a connection, one by one."""

    def __init__(self, s, head=False):
        self.s, self.b, self.head = s, b"", head

    def more(self):
        try:
            b = self.s.recv(65536)
        except TimeoutError:
            return None
        except (OSError, ssl.SSLError):
            b = b""
        self.b += b
        return bool(b)

    def next(self):
        """(status, body); 0: closed without one, -1: silence."""
        while b"\r\n\r\n" not in self.b:
            m = self.more()
            if not m:
                return (-1 if m is None else 0), self.b
        head, rest = self.b.split(b"\r\n\r\n", 1)
        status = int(head.split(b" ")[1])
        if self.head:
            return status, b""
        m = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        n = int(m.group(1)) if m else 0
        while len(rest) < n and self.more():
            rest = self.b.split(b"\r\n\r\n", 1)[1]
        self.b = rest[n:]
        if status == 100:
            return self.next()
        return status, rest[:n]


def ask(data, node="n1", body=b"", timeout=TIMEOUT + 15):
    """(status, body) of a raw request."""
    with connect(node_context(node), timeout) as s:
        try:
            s.sendall(data)
            for i in range(0, len(body), 1 << 18):
                s.sendall(body[i:i + (1 << 18)])
        except (OSError, ssl.SSLError):
            pass        # it has answered and hung up
        return Answers(s, data.startswith(b"HEAD ")).next()


def request(method, target, headers=(), body=b"", length=True):
    if isinstance(target, str):
        target = target.encode("latin-1")
    h = [b"Host: n2"] + [x.encode() for x in headers]
    if length and (body or method == "POST"):
        h.append(b"Content-Length: %d" % len(body))
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + \
        b"\r\n".join(h) + b"\r\n\r\n"


def expect(name, want, method, target, headers=(), body=b"", node="n1"):
    """want: the statuses that are right; 0 is a closed connection."""
    began = time.time()
    got, text = ask(request(method, target, headers, body), node, body)
    took = time.time() - began
    return report(name, got in want and took < 10,
                  "%s %s: %d %r after %.1f s" % (method, target, got,
                                                 text[:80], took))


def still_well(name):
    """A good request is answered."""
    try:
        got, text = ask(request("GET", "/v1/volume/v2"))
    except (OSError, ssl.SSLError) as e:
        got, text = str(e), b""
    report("%s: a good request is answered" % name,
           got == 200 and text.startswith(b"name v2\n"), got)


def meta():
    """salt and epoch of v1, and the end of its last segment in the copy."""
    got, text = ask(request("GET", "/v1/volume/v1?copy=0"))
    w = dict(l.split(" ", 1) for l in text.decode().splitlines())
    seg, end = w["seg"].split()
    return w["salt"], int(w["epoch"]), int(seg), int(end)


# --- who may not come in

def stranger(name, ctx):
    got = b""
    try:
        with connect(ctx) as s:
            # since TLS 1.3 a client hears of it only after this
            s.sendall(request("GET", "/v1/volume/v2") +
                      request("GET", "/v1/volume/v2/00000001"))
            got = read_all(s)
    except (OSError, ssl.SSLError):
        pass
    report("%s: not a byte of an answer" % name, got == b"", got)


def strangers():
    stranger("no certificate", context())
    for f in sorted(glob.glob(certs + "/*.pem")):
        name = os.path.basename(f)[:-4]
        stranger(name, context(name))
    with plain() as s:
        s.sendall(request("GET", "/v1/volume/v2"))
        got = read_all(s)
    report("no TLS: no answer", b"HTTP" not in got and b"name" not in got,
           got)
    old = node_context("n1")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    stranger("TLS 1.1", old)
    weak = node_context("n1")
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-SHA:@SECLEVEL=0")
    stranger("a cipher without forward secrecy", weak)
    good, _ = ask(request("GET", "/v1/load"))
    report("the right one is let in", good == 200, good)


# --- what is not asked like this

def paths():
    for p in ("/v1/volume/../../etc/passwd", "/v1/volume/..",
              "/v1/volume/%2e%2e/%2e%2e/etc/passwd",
              "/v1/volume/..%2f..%2fetc%2fpasswd", "/v1/volume/%2e%2e",
              "/v1/volume/v2/..%2f..%2fx", "/v1/volume//v2",
              "//v1/volume/v2", "/v1//volume/v2", "/v1/volume/v2//00000001",
              "/v1/volume/v2/00000001/", "/v1/volume/v2/00000001/00000001",
              "/v1/volume/", "/v1/volume", "/", "/etc/passwd",
              "/v1/volume/v2 ", "/v1/volume/V2", "/v1/volume/v9",
              "/v1/volume/v2/../v2", "/v1/load/", "/v1/loads",
              "/v1/volume/v2%0d%0aX:y", "/v1/volume/v2%0a",
              "/v1/volume/v2/0000000a/", "/v1/volume/v2%20",
              "/v1/volume/\xff\xfe", "/v1/volume/v2/000000001",
              "/v1/volume/v2/1",
              "http://n2/v1/load", "*"):
        expect("path %s" % p.encode("latin-1"), (400, 404, 0), "GET", p)
    expect("a method of another path", (405,), "GET", "/v1/ship/v2")
    for p in ("/v1/volume/v2%00", "/v1/volume/v2%00/00000001",
              "/v1/volume/%", "/v1/volume/v2%2", "/v1/volume/%zz",
              "/v1/volume/v2?copy=%00", "/v1/volume/v2?copy=-1%00x",
              "/v1/volume/v2?co%00py=1", "/v1/volume/v2?copy=%g1"):
        expect("bad %%XX in %s" % p, (400,), "GET", p)
    # the library's strings end there: what is behind it counts for nothing
    expect("a NUL in the path", (400, 404, 0), "GET", b"/v1/volume/v9\0v2")
    expect("a NUL in the query", (400, 0), "GET", b"/v1/volume/v2?copy=\0")
    expect("segment 00000000", (400,), "GET", "/v1/volume/v2/00000000")
    expect("segment 99999999", (404,), "GET", "/v1/volume/v2/99999999")
    for s in ("0000000a", "-0000001", "+0000001", "0x000001", " 0000001",
              "00000001.seg", "1e000000", "%30000001x"):
        expect("segment %s" % s, (400, 404, 0), "GET",
               "/v1/volume/v2/" + s)
    for n in (1000, 8000, 60000, 1 << 20):
        expect("a path of %d bytes" % n, (400, 404, 414, 431, 0), "GET",
               "/v1/volume/" + "a" * n)
        expect("a query of %d bytes" % n, (400, 414, 431, 0), "GET",
               "/v1/volume/v2?copy=" + "1" * n)
        expect("a header of %d bytes" % n, (200, 400, 413, 431, 0), "GET",
               "/v1/load", ["X: " + "y" * n])
    expect("5000 parameters", (400, 414, 431, 500, 0), "GET",
           "/v1/volume/v2?copy=9" + "&a=b" * 5000)
    expect("5000 headers", (400, 413, 431, 500, 0), "GET", "/v1/load",
           ["X%d: y" % i for i in range(5000)])


def methods():
    for m in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "FROB", "get",
              "HEAD", "X" * 3000):
        expect("method %s" % m[:10], (400, 405, 501, 414, 431, 0), m,
               "/v1/volume/v2")
    expect("CONNECT", (400, 404, 405, 501, 0), "CONNECT", "n1:2443")
    for t, v in (("HTTP/9.9", 0), ("HTTP/1.1 x", 0), ("", 0)):
        got, text = ask(b"GET /v1/volume/v9 " + t.encode() +
                        b"\r\nHost: n2\r\n\r\n", timeout=TIMEOUT + 15)
        report("version %r" % t, got in (400, 404, 505, 0), (got, text[:80]))
    got, text = ask(b"\x16\x03\x01 garbage \xff\xfe\r\n\r\n")
    report("garbage", got in (400, 501, 505, 0), got)


def numbers():
    for c in ("-2", "99", "abc", "", "1e1", "18446744073709551616", "0x0",
              "+0", "4294967295", "-0", "%2d1x", "64", "65"):
        expect("copy=%s" % c, (400, 421), "GET", "/v1/volume/v1?copy=" + c)
    expect("a place of another node", (421,), "GET", "/v1/volume/v1")
    expect("a copy that is not there", (421,), "GET", "/v1/volume/v2?copy=0")
    for r in ("bytes=5-2", "bytes=a-b", "bytes=-5", "bytes=", "bytes",
              "lines=1-2", "bytes=0-1,3-4", "bytes=0--1",
              "bytes=18446744073709551616-", "bytes=0-18446744073709551616",
              "bytes=1-2-3", "bytes=+1-2", "bytes= 1-2"):
        expect("Range: %s" % r, (400, 416), "GET",
               "/v1/volume/v2/00000001", ["Range: " + r])
    for r in ("bytes=4294967295-", "bytes=999999999-"):
        expect("Range: %s" % r, (416,), "GET", "/v1/volume/v2/00000001",
               ["Range: " + r])
    for q in ("sum=", "sum=x", "sum=00000000", "sum=00000000&from=0&to=0",
              "sum=00000000&from=5&to=1&max=0", "sum=00000000&from=-1&to=9",
              "sum=00000000&from=0&to=4294967296&max=0",
              "sum=000000000&from=0&to=9&max=0"):
        expect("?%s" % q, (400,), "GET", "/v1/volume/v2/00000001?" + q)
    expect("a sum far beyond the end", (200, 416, 422), "GET",
           "/v1/volume/v2/00000001?sum=00000000&from=0&to=4294967295&max=0")


# --- changes of a copy

def change(name, want, query, body=b"xxxx", node="n1", seg="00000001",
           volume="v1"):
    return expect(name, want, "POST", "/v1/volume/%s/%s?%s" % (volume, seg,
                  query), body=body, node=node)


def changes():
    salt, epoch, seg, end = meta()
    seg = "%08d" % seg
    good = "copy=0&salt=%s&epoch=%d" % (salt, epoch)
    for what in ("offset=%d" % end, "offset=0&patch", "cut=0"):
        change("not the home: %s" % what, (403,), good + "&" + what,
               node="n3", seg=seg)
        change("nor the node itself: %s" % what, (403,), good + "&" + what,
               node="n2", seg=seg)
        change("a home is no copy: %s" % what, (403,),
               "salt=%s&epoch=%d&%s" % (salt, epoch, what), node="n1",
               volume="v2")
        change("another salt: %s" % what, (421,),
               "copy=0&salt=%08x&epoch=%d&%s" % (int(salt, 16) ^ 1, epoch,
                                                 what), seg=seg)
        for e in ("0", "-1", "4294967296", "x", ""):
            change("epoch=%s: %s" % (e, what), (400,),
                   "copy=0&salt=%s&epoch=%s&%s" % (salt, e, what), seg=seg)
        for s in ("", "0", "xyzxyzxy", "-0000001", salt + "0"):
            change("salt=%s: %s" % (s, what), (400,),
                   "copy=0&salt=%s&epoch=%d&%s" % (s, epoch, what), seg=seg)
        change("segment 00000000: %s" % what, (400,), good + "&" + what,
               seg="00000000")
        change("without salt and epoch: %s" % what, (400,), "copy=0&" + what,
               seg=seg)
    for o in ("-1", "4294967296", "18446744073709551616", "x", "", "0x1"):
        change("offset=%s" % o, (400,), good + "&offset=" + o, seg=seg)
        change("patch at offset=%s" % o, (400,), good + "&patch&offset=" + o,
               seg=seg)
        change("cut=%s" % o, (400,), good + "&cut=" + o, seg=seg)
    change("offset and body beyond 4 GiB", (400,),
           good + "&offset=4294967295", seg=seg)
    change("no offset", (400,), good, seg=seg)
    change("append far behind the end", (409,), good + "&offset=4294967000",
           seg=seg)
    change("append before the end", (409,), good + "&offset=0", seg=seg)
    change("patch over the end", (409,),
           good + "&patch&offset=%d" % (end - 2), seg=seg)
    change("patch beyond the end", (409,),
           good + "&patch&offset=%d" % (end + 100), seg=seg)
    change("patch of a segment that is not there", (404, 409),
           good + "&patch&offset=0", seg="99999999")
    change("cut beyond the end changes nothing", (200,),
           good + "&cut=%d" % (end + 1000), b"", seg=seg)
    change("cut of a segment that is not there", (200,), good + "&cut=0",
           b"", seg="99999998")
    for q in ("env=0&copies=2", "env=4&copies=0", "env=99&copies=2",
              "env=-1&copies=2", "env=4&copies=99", "copies=2", "env=4",
              "env=4&copies=2", "env=99999999999&copies=2", "", "copy=0"):
        expect("a record to store: %s" % q, (400, 421), "POST",
               "/v1/volume/v2?" + q, body=b"xxxx")


# --- bodies

def half(name, data, body=b"", want=(400, 413, 0)):
    began = time.time()
    got, text = ask(data, body=body)
    took = time.time() - began
    # silence is one way to send half a request: see stalls
    report(name, got in want and took < (TIMEOUT + 10 if got == 0 else 10),
           "%d %r after %.1f s" % (got, text[:80], took))


def bodies():
    salt, epoch, seg, end = meta()
    target = "/v1/volume/v1/%08d?copy=0&salt=%s&epoch=%d&offset=%d" % (
        seg, salt, epoch, end)
    for n in ("99999999999", "18446744073709551615", "18446744073709551616",
              "-1", "x", "1 2", "+5", "0x10", ""):
        half("Content-Length: %s" % n, request("POST", target,
             ["Content-Length: " + n], length=False),
             want=(400, 413, 0))
    half("one byte over the limit", request("POST", target,
         ["Content-Length: %d" % (LIMIT + 1)], length=False), b"x" *
         (LIMIT + 1), want=(413, 0))
    half("two lengths", request("POST", target, ["Content-Length: 4",
         "Content-Length: 5"], length=False), b"xxxxx", want=(400, 0))
    half("a body where none is", request("GET", "/v1/load",
         ["Content-Length: 5000000"], length=False), b"x" * 5000000,
         want=(413,))
    chunked = request("POST", target, ["Transfer-Encoding: chunked"],
                      length=False)
    half("chunks over the limit", chunked, (b"100000\r\n" + b"x" * 0x100000 +
         b"\r\n") * (LIMIT // 0x100000 + 20), want=(413, 0))
    for size in (b"xyz", b"-1", b"fffffffffffffffffffff", b"", b"0x4",
                 b"4 4", b"ffffffffffffffff"):
        half("chunk size %r" % size, chunked, size + b"\r\nxxxx\r\n0\r\n\r\n")
    half("a chunk longer than it says", chunked,
         b"2\r\nxxxx\r\n0\r\n\r\n")
    half("chunked and with a length", request("POST", target,
         ["Transfer-Encoding: chunked", "Content-Length: 4"], length=False),
         b"5\r\nxxxxx\r\n0\r\n\r\n")
    half("another encoding", request("POST", target,
         ["Transfer-Encoding: gzip", "Content-Length: 4"], length=False),
         b"xxxx", want=(400, 501, 0))


def pipelined():
    with connect(node_context("n1")) as s:
        s.sendall(request("GET", "/v1/volume/v2") + request("GET", "/nope") +
                  b"\xff\x16\x00garbage " * 100 + b"\r\n\r\n" +
                  request("GET", "/v1/volume/v2/00000001"))
        a = Answers(s)
        first, second, third = a.next(), a.next(), a.next()
        a.s.settimeout(5)
        fourth = a.next() if third[0] not in (0, -1) else (0, b"")
    report("garbage behind good requests: they are answered",
           first[0] == 200 and second[0] == 404, (first, second))
    report("and then it is refused", third[0] in (400, 501, 505, 0),
           third)
    report("and nothing behind it is taken", fourth[0] == 0, fourth)


# --- who says nothing

def stalls():
    """All at once: each has to be cut in time."""
    salt, epoch, seg, end = meta()
    target = "/v1/volume/v1/%08d?copy=0&salt=%s&epoch=%d&offset=%d" % (
        seg, salt, epoch, end)
    halves = {
        "no handshake": None,
        "half a handshake": b"",
        "nothing": b"",
        "half a line": b"GET /v1/vol",
        "half a header": b"GET /v1/load HTTP/1.1\r\nHost: n",
        "half a body": request("POST", target, ["Content-Length: 1000"],
                               length=False) + b"x" * 500,
        "half a chunk": request("POST", target, ["Transfer-Encoding: "
                                "chunked"], length=False) + b"100\r\nxx",
    }
    socks = []
    for name, data in halves.items():
        if name == "no handshake":
            s = plain(TIMEOUT + 20)
        elif name == "half a handshake":
            s = plain(TIMEOUT + 20)
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        else:
            s = connect(node_context("n1"), TIMEOUT + 20)
            if data:
                s.sendall(data)
        socks.append((name, s, time.time()))
    idle = []
    refused = 0
    for i in range(190):
        try:
            idle.append(connect(node_context("n1"), 10))
        except (OSError, ssl.SSLError):
            refused += 1
    report("190 idle connections are taken", refused == 0, refused)
    still_well("with 190 idle connections")
    more = []
    for i in range(60):
        try:
            more.append(plain(10))
        except OSError:
            pass
    for s in more:
        s.close()
    # bytes that drip do not keep a request going for ever: see below
    dripper = threading.Thread(target=drip)
    dripper.start()
    for name, s, began in socks:
        s.settimeout(max(1, began + TIMEOUT + 15 - time.time()))
        try:
            got = s.recv(65536)
            while got:
                got = s.recv(65536)
            silent = False
        except TimeoutError:
            silent = True
        except (OSError, ssl.SSLError):
            silent = False
        took = time.time() - began
        report("stalled, %s: cut after %d s" % (name, took), not silent)
        s.close()
    open_ones = 0
    end = time.time() + TIMEOUT + 15
    for s in idle:
        s.settimeout(max(0.01, end - time.time()))
        try:
            open_ones += s.recv(10) != b""
        except TimeoutError:
            open_ones += 1
        except (OSError, ssl.SSLError):
            pass
        s.close()
    report("the idle ones are cut", open_ones == 0, open_ones)
    dripper.join()


def drip():
    """A byte of a header now and then."""
    began = time.time()
    cut = False
    try:
        with connect(node_context("n1"), 5) as s:
            s.sendall(b"GET /v1/load HTTP/1.1\r\nX: ")
            s.settimeout(2)
            while time.time() - began < 4 * TIMEOUT:
                s.sendall(b"y")
                try:
                    cut = s.recv(1) == b"" or True
                    break
                except TimeoutError:
                    pass
    except (OSError, ssl.SSLError):
        cut = True
    report("a header that drips is cut after %d s" % (time.time() - began),
           cut)


def memory():
    """Many large bodies at once, none of them whole."""
    salt, epoch, seg, end = meta()
    target = "/v1/volume/v1/%08d?copy=0&salt=%s&epoch=%d&offset=%d" % (
        seg, salt, epoch, end)
    data = request("POST", target, ["Content-Length: %d" % LIMIT],
                   length=False)
    body = b"x" * (1 << 20)
    socks, got = [], []

    def send(s):
        try:
            for i in range(LIMIT // len(body) - 1):
                s.sendall(body)
        except (OSError, ssl.SSLError):
            got.append(1)

    for i in range(30):
        s = connect(node_context("n1"), 20)
        s.sendall(data)
        socks.append(s)
    threads = [threading.Thread(target=send, args=(s,)) for s in socks]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    still_well("with 30 large bodies on their way")
    for s in socks:
        s.close()


def main():
    before = sums()
    began = pids()
    strangers()
    report("no file of a volume is another one", sums() == before)
    for part in (paths, methods, numbers, changes, bodies, pipelined):
        part()
        still_well(part.__name__)
    report("no byte was written", sums() == before,
           [f for f in sums() if sums()[f] != before.get(f)])
    stalls()
    still_well("after that")
    quiet = high_water()
    report("it uses %d KiB at most" % quiet, 0 < quiet < 150 << 10 or SAN)
    memory()
    still_well("and after that")
    now = high_water()
    report("large bodies: %d KiB" % now, 0 < now < 450 << 10 or SAN)
    report("it is the same process", pids() == began and len(began) == 1,
           (began, pids()))
    report("no byte was written", sums() == before,
           [f for f in sums() if sums()[f] != before.get(f)])


main()
