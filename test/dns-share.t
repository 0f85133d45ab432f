#!/usr/bin/env python3
"""Which node cm-dnsd puts first: shares over 100,000 questions through four
workers, for each policy, and who is left out."""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from naming import *                                            # noqa

OUT = os.environ["OUT"]
COUNT = 100000
ALL = ["n1", "n2", "n3"]
ADDRESSES = {"c00002%02x" % i: "n%d" % i for i in range(1, 10)}
ADDRESSES.update({"20010db8" + "0" * 20 + "%04x" % i: "n%d" % i
                  for i in range(1, 10)})


class Load:
    """What dnsload saw: shares of the nodes as first and as second."""

    def __init__(self, s, type_, count=COUNT):
        name = "example.org" if type_ == "mx" else "imap.example.org"
        r = run(OUT + "/tools/dnsload", s.host, str(s.port), name, type_,
                str(count), timeout=250)
        if r.returncode != 0:
            raise AssertionError(r)
        self.counts = {"first": {}, "second": {}}
        for line in r.stdout.decode().splitlines():
            f = line.split()
            if f[0] in self.counts:
                self.counts[f[0]][ADDRESSES.get(f[1]) or
                                  f[1].split(".")[0]] = int(f[2])
            elif f[0] == "records":
                self.records = [int(f[1]), int(f[2])]
            elif f[0] == "lost":
                self.lost = int(f[1])
            else:
                self.rate = int(f[1])
        self.n = count - self.lost

    def first(self):
        return dict(sorted(self.counts["first"].items()))

    def nodes(self):
        return sorted(self.counts["first"])

    def off(self, shares, which="first"):
        """How far it is from these shares, as a part of each."""
        got = self.counts[which]
        return max(abs(got.get(n, 0) / self.n - p) / p if p else
                   got.get(n, 0) for n, p in shares.items())


def even(nodes):
    return {n: 1 / len(nodes) for n in nodes}


def say(**nodes):
    """States, as polls and admins say them; answers follow within a second."""
    args = [x for n, v in nodes.items() for x in (n, v)]
    r = run(OUT + "/tools/nodestate", *args)
    if r.returncode != 0:
        raise AssertionError(r)


def nodes_of(s, type_="mx"):
    name = "example.org" if type_ == "mx" else "imap.example.org"
    m = ask(s, name, type_.upper())
    got = data(m.answer)
    if type_ == "mx":
        return sorted(x.split()[1].split(".")[0] for x in got)
    return sorted("n" + re.split(r"[.:]", x)[-1] for x in got)


def become(s, want, name):
    """The answers of all four workers have these nodes."""
    ok(until(lambda: all(nodes_of(s, t) == want for i in range(16)
                         for t in ("mx", "a", "aaaa"))), name,
       (nodes_of(s), nodes_of(s, "a")))


def begin(select, nodes=3, more=None, **states):
    state = base + "/state"
    for f in "/nodes", "/run/nodes":
        if os.path.exists(state + f):
            os.unlink(state + f)
    cluster(nodes, 'select="%s" rate="0"' % select, more=more)
    if states:
        say(**states)
    return Server("-w", "4").wait()


def round_robin():
    s = begin("round-robin")
    for t in "mx", "a", "aaaa":
        x = Load(s, t)
        print("# %s: %s, lost %d, %d/s" % (t, x.first(), x.lost, x.rate))
        ok(x.off(even(ALL)) < 0.01, "round-robin, %s: each node its share "
           "within 1 %%" % t, x.first())
        if x.lost == 0:
            ok(max(x.first().values()) - min(x.first().values()) <= 1,
               "and exactly, as none was lost", x.first())
        ok(x.off(even(ALL), "second") < 0.01, "second ones too",
           x.counts["second"])
        same(x.records, [3, 3], "all nodes are in each answer")
    got = []
    for i in range(30):
        m = ask(s, "example.org", "MX", tcp=i % 2)
        best = min(m.answer[0], key=lambda r: r.preference)
        got.append(int(best.exchange.to_text()[1]))
    ok(all((b - a) % 3 == 1 for a, b in zip(got, got[1:])),
       "strictly in turn, over UDP and TCP", got)
    got = [data(ask(s, "imap.example.org", "A", tcp=i % 2).answer)
           for i in range(6)]
    ok(all(a[1:] + a[:1] == b for a, b in zip(got, got[1:])),
       "addresses likewise", got)
    # a worker that dies takes its batch with it, and nothing else
    p = subprocess.Popen([OUT + "/tools/dnsload", s.host, str(s.port),
                          "example.org", "mx", str(COUNT)],
                         stdout=subprocess.PIPE)
    time.sleep(0.1)
    kill(children(s.p[0].pid)[0])
    out = p.communicate(timeout=200)[0].decode()
    n = {x[1]: int(x[2]) for x in map(str.split, out.splitlines())
         if x[0] == "first"}
    ok(len(n) == 3 and max(n.values()) - min(n.values()) < COUNT / 300,
       "a worker is killed meanwhile: within 1 %", out)
    s.end()


def weighted():
    s = begin("weighted", n1="up:10", n2="up:30", n3="up:60")
    want = {"n1": 90 / 200, "n2": 70 / 200, "n3": 40 / 200}
    for t in "mx", "a":
        x = Load(s, t)
        ok(x.off(want) < 0.03, "weighted, %s: loads 10/30/60 within 3 %%" % t,
           (x.first(), want))
        same(x.records, [3, 3], "all are in each answer")
    # of those left each has its part of the second places
    second = {a: sum(want[b] * want[a] / (1 - want[b]) for b in want if
                     b != a) for a in want}
    ok(x.off(second, "second") < 0.03, "second places likewise",
       (x.counts["second"], second))
    say(n1="up:95", n2="up:190", n3="up:380")
    want = {n: v for n, v in zip(ALL, (4 / 7, 2 / 7, 1 / 7))}
    time.sleep(1)
    x = Load(s, "mx")
    ok(x.off(want) < 0.03, "all too full: the fullest has least",
       (x.first(), want))
    s.end()
    s = begin("weighted", more={
        3: 'public="192.0.2.3 2001:db8::3" capacity="300"'})
    x = Load(s, "a")
    want = {"n1": 0.2, "n2": 0.2, "n3": 0.6}
    ok(x.off(want) < 0.03, "weighted by capacity", (x.first(), want))
    s.end()


def least_load():
    s = begin("least-load", n1="up:30", n2="up:10", n3="up:60")
    for t in "mx", "a":
        x = Load(s, t, 20000)
        same((x.counts["first"], x.counts["second"]),
             ({"n2": x.n}, {"n1": x.n}), "least-load, %s: by load" % t)
    say(n1="up:60", n2="up:61", n3="up:10.5")
    time.sleep(1)
    x = Load(s, "mx", 20000)
    same(x.counts["first"], {"n3": x.n}, "another load, another node")
    ok(x.off({"n1": 0.5, "n2": 0.5}, "second") < 0.01,
       "those with nearly the same take turns", x.counts)
    s.end()


def random_():
    s = begin("random")
    for t in "mx", "a":
        x = Load(s, t)
        ok(x.off(even(ALL)) < 0.03, "random, %s: about the same" % t,
           x.first())
        ok(x.off(even(ALL), "second") < 0.03, "second too", x.counts)
    s.end()


def static():
    s = begin("static")
    for t in "mx", "a":
        x = Load(s, t, 20000)
        same((x.counts["first"], x.counts["second"]),
             ({"n1": x.n}, {"n2": x.n}), "static, %s: as in cluster.xml" % t)
    say(n1="up:0:30", n2="up:0:10", n3="up:0:20")
    time.sleep(1)
    for t in "mx", "a":
        x = Load(s, t, 20000)
        same((x.counts["first"], x.counts["second"]),
             ({"n2": x.n}, {"n3": x.n}), "static, %s: by preference" % t)
    got = data(ask(s, "example.org", "MX").answer)
    same(sorted(got), ["10 n2.example.org.", "20 n3.example.org.",
                       "30 n1.example.org."], "which the records have")
    s.end()


def left_out():
    s = begin("round-robin", 4, more={
        4: 'public="192.0.2.4 2001:db8::4" drain="yes"'})
    become(s, ALL, "a node that cluster.xml drains is not there")
    say(n2="missed")
    become(s, ["n1", "n3"], "nor one that is down")
    x = Load(s, "mx", 30000)
    ok(x.off(even(["n1", "n3"])) < 0.01 and x.nodes() == ["n1", "n3"] and
       x.records == [2, 2], "the others share", x.first())
    say(n2="up", n3="drain")
    become(s, ["n1", "n2"], "nor one that is drained")
    say(n3="down")
    become(s, ["n1", "n2"], "nor one that an admin set down")
    say(n2="up:401")
    become(s, ["n1"], "nor one with too much to do")
    say(n1="missed", n2="missed")
    become(s, ["n1", "n2"], "all seem down: all but those taken out")
    x = Load(s, "a", 30000)
    ok(x.off(even(["n1", "n2"])) < 0.01, "who share", x.first())
    say(n1="down", n2="drain")
    become(s, ALL + ["n4"], "all taken out: all")
    say(n1="up", n2="up", n3="up")
    become(s, ALL, "up again")
    m = ask(s, "n4.example.org", "A")
    same(data(m.answer), ["192.0.2.4"], "a host has its address all the time")
    ns = data(ask(s, "example.org", "NS").answer)
    same(len(ns), 4, "and name servers are all")
    s.end()
    # preferences put nodes behind, whatever the policy
    s = begin("round-robin", n1="up", n2="up", n3="up:0:20")
    x = Load(s, "mx", 30000)
    ok(x.nodes() == ["n1", "n2"] and x.off(even(["n1", "n2"])) < 0.01 and
       x.records == [3, 3], "one with a higher preference is behind",
       x.counts)
    s.end()


go(round_robin, weighted, least_load, random_, static, left_out)
