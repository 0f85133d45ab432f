#!/usr/bin/env python3
"""Random and changed packets at cm-dnsd: no worker dies, none grows, and no
answer is larger than asked for.  DNS_FLOOD=10000000 sends so many (300000)."""
import os
import sys
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from dns_server import *

PACKETS = int(os.environ.get("DNS_FLOOD", "300000"))
RECORDS = """
<record name="www" type="CNAME" data="smtp"/>
<record name="loop" type="CNAME" data="loop"/>
<record name="*.wild" type="TXT" data="any"/>
<record name="big" type="TXT" data="%s"/>""" % ("x" * 3000)
# what ASan keeps of freed memory is no growth of ours
QUIET = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
         ":quarantine_size_mb=4:malloc_context_size=2"}
MAY_GROW = 65536 if SAN else 4096


def flood(name, packets, rate, least):
    cluster(RECORDS, 'rate="%d"' % rate)
    s = Server("-w", "2", env=QUIET)
    ok(ask(s) is not None, name + ": it answers")
    ok(until(lambda: len(s.workers()) == 2), name + ": two workers")
    pids = s.workers() + [s.p.pid]
    r = run(os.environ["OUT"] + "/tools/dnsflood", "-n", str(packets), "-s",
            "%d" % rate, str(s.port), *map(str, pids), timeout=7200)
    out = r.stdout.decode()
    print("# " + out.strip().replace("\n", "\n# "), flush=True)
    ok(r.returncode == 0, name + ": each answer is right, and no larger than "
       "asked for", r.stderr.decode()[-2000:])
    w = out.split()
    answers = int(w[w.index("answers") + 1])
    ok(answers >= least * packets, name + ": answers to most", answers)
    grown = [int(x.split()[5]) - int(x.split()[3])
             for x in out.splitlines() if x.startswith("process")]
    ok(len(grown) == 3 and max(grown) <= MAY_GROW, name + ": no process has "
       "grown", grown)
    same(s.workers() + [s.p.pid], pids, name + ": the same workers")
    ok(ask(s) is not None, name + ": it still answers")
    same(s.end(), 0, name + ": it ends")
    log = read(base + "/state/run/dnsd.log").decode()
    ok("anitizer" not in log and "runtime error" not in log and
       "signal" not in log, name + ": nothing in the log", log[-3000:])


try:
    flood("without a limit", PACKETS, 0, 0.6)
    flood("with one", max(PACKETS // 10, 1000), 200, 0.01)
finally:
    end_all()
    finish()
