#!/usr/bin/env python3
"""Mail as the world brings it: for each message the DNS is asked for the MX, and
the first choice gets it, in a connection of its own.

by_mx.py DNS-ADDRESS DNS-PORT SMTP-PORT DOMAIN RATE SECONDS

RATE messages a second, whatever the answers take, for SECONDS.  Prints the
milliseconds from the end of a message to its acknowledgement, p50 and p99, those
from the question on, how many messages, how many failed and when (time(1), to the
millisecond) the last of these was begun, and the share of each node:
"ack50 ack99 all50 all99 messages failed last n1=0.33 n2=..."
"""
import collections
import random
import socket
import struct
import sys
import threading
import time

WORKERS = 400
TIMEOUT = 10
BODY = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
BODY = BODY + (b"y" * 70 + b"\r\n") * 55


def question(domain):
    labels = b"".join(struct.pack("B", len(x)) + x.encode()
                      for x in domain.split("."))
    return struct.pack("!6H", random.randrange(65536), 0, 1, 0, 0, 0) + \
        labels + struct.pack("!BHH", 0, 15, 1)


def name_at(p, at):
    """A name and where it ends."""
    out, end = [], None
    while p[at]:
        if p[at] >= 0xc0:
            end = end or at + 2
            at = struct.unpack_from("!H", p, at)[0] & 0x3fff
            continue
        out.append(p[at + 1:at + 1 + p[at]].decode())
        at += 1 + p[at]
    return ".".join(out), end or at + 1


def records(p):
    counts = struct.unpack_from("!4H", p, 4)
    at = 12
    for _ in range(counts[0]):
        at = name_at(p, at)[1] + 4
    for _ in range(sum(counts[1:])):
        name, at = name_at(p, at)
        kind, _, _, n = struct.unpack_from("!HHIH", p, at)
        yield name, kind, at + 10, n
        at += 10 + n


def first_choice(p):
    """Name and address of the MX with the lowest preference."""
    best, addresses = None, {}
    for name, kind, at, n in records(p):
        if kind == 15:
            mx = struct.unpack_from("!H", p, at)[0], name_at(p, at + 2)[0]
            best = min(best or mx, mx)
        elif kind == 1:
            addresses[name] = socket.inet_ntoa(p[at:at + 4])
    return best[1], addresses[best[1]]


class Client:
    def __init__(self, dns, port, domain):
        self.dns, self.port, self.domain = dns, port, domain
        self.taken = []             # node, ms of the ack, ms of all
        self.failed = collections.Counter()
        self.last = 0               # time of the last one that failed
        self.next = 0
        self.lock = threading.Lock()

    def send(self, address):
        with socket.create_connection((address, self.port), TIMEOUT) as s:
            f = s.makefile("rwb", 0)

            def say(line, code):
                if line:
                    f.write(line)
                while True:
                    r = f.readline()
                    if r[3:4] != b"-":
                        break
                if r[:3] != code:
                    raise OSError(r)

            say(b"", b"220")
            say(b"EHLO client.example.net\r\n", b"250")
            f.write(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<u%d@%s>\r\nDATA\r\n"
                    % (random.randrange(100), self.domain.encode()))
            say(b"", b"250")
            say(b"", b"250")
            say(b"", b"354")
            start = time.monotonic()
            say(BODY + b".\r\n", b"250")
            took = time.monotonic() - start
            f.write(b"QUIT\r\n")
        return took

    def one(self):
        start, node, wall = time.monotonic(), "?", time.time()
        try:
            with socket.socket(type=socket.SOCK_DGRAM) as u:
                u.settimeout(TIMEOUT)
                u.sendto(question(self.domain), self.dns)
                node, address = first_choice(u.recv(4096))
            ack = self.send(address)
            self.taken.append((node, ack * 1000,
                               (time.monotonic() - start) * 1000))
        except (OSError, struct.error, KeyError, TypeError):
            self.failed[node] += 1
            self.last = max(self.last, wall)

    def work(self, rate, begin, end):
        while True:
            with self.lock:
                when = begin + self.next / rate
                self.next += 1
            if when >= end:
                return
            time.sleep(max(0, when - time.monotonic()))
            self.one()


def at(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def main():
    dns, dns_port, port, domain, rate, seconds = sys.argv[1:]
    c = Client((dns, int(dns_port)), int(port), domain)
    begin = time.monotonic()
    threads = [threading.Thread(target=c.work, args=(
        float(rate), begin, begin + float(seconds))) for _ in range(WORKERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if not c.taken:
        sys.exit("by_mx.py: no message was taken: %r" % dict(c.failed))
    nodes = collections.Counter(x[0].split(".")[0] for x in c.taken)
    print("%.0f %.0f %.0f %.0f %d %d %.3f %s" % (
        at([x[1] for x in c.taken], .5), at([x[1] for x in c.taken], .99),
        at([x[2] for x in c.taken], .5), at([x[2] for x in c.taken], .99),
        len(c.taken), sum(c.failed.values()), c.last,
        " ".join("%s=%.2f" % (n, nodes[n] / len(c.taken))
                 for n in sorted(nodes))))


if __name__ == "__main__":
    main()
