#!/usr/bin/env python3
"""The engine under cm-smtpd, cm-pop3d and cm-imapd, with a service that echoes:
nowait and wait, limits, dead workers, slow clients, the end."""
import os
import sys
sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from echo import *


def nowait():
    r = run(ECHOD, stdin="ECHO a\r\nECHO b\nnonsense\r\n" + "x" * 5000 +
            "\r\nECHO c\r\nQUIT\r\n")
    lines = r.stdout.decode().split("\r\n")
    ok(r.returncode == 0 and lines[0].startswith("220 ") and
       " pipe:0 -:0 t " in lines[0], "a pipe is a session", r)
    same(lines[1:], ["250 a", "250 b", "500 what?", "500 too long", "250 c",
                     "221 bye", ""], "what is said in it")
    same(r.stderr, b"", "nothing else comes out")
    r = run(ECHOD, stdin="MANY 3000000\r\nECHO end\r\n")
    ok(len(r.stdout) > 3000000 and r.stdout.endswith(b"250 end\r\n"),
       "a long answer through a pipe", len(r.stdout))
    listener = socket.create_server(("127.0.0.1", 0))
    a = socket.create_connection(listener.getsockname())
    b = listener.accept()[0]
    p = subprocess.Popen([ECHOD], stdin=b, stdout=b, stderr=b)
    b.close()
    c = Client(sock=a)
    same((c.client, c.local), tuple("%s:%d" % x for x in (
        a.getsockname(), listener.getsockname())), "a socket is one")
    same(c.ask("ECHO a"), "250 a", "it answers")
    same(quit_(c), "221 bye", "and ends")
    same(p.wait(20), 0, "the process too")
    a, b = socket.socketpair()
    p = subprocess.Popen([ECHOD], stdin=b, stdout=b, stderr=b)
    b.close()
    c = Client(sock=a)
    p.send_signal(signal.SIGTERM)
    same(c.line(), "421 we stop", "SIGTERM ends a session that waits")
    same(p.wait(20), 0, "and the process")
    c = "<cluster"
    write(base + "/wrong.xml", c)
    a, b = socket.socketpair()
    p = subprocess.Popen([ECHOD, "-C", base + "/wrong.xml"], stdin=b,
                         stdout=b, stderr=b)
    b.close()
    a.settimeout(30)
    same((a.recv(100), p.wait(20)), (b"", 78),
         "a wrong cluster.xml: nothing of it goes to the client")


def log_lines(s):
    c = Client(s)
    c.ask('LOG a"b\x1b c')
    ok(log_has("%s: said words=\"a\\\"b\\x1b c\"" % c.id),
       "a line has the session's id and quoted words",
       read(logs)[-500:])
    quit_(c)


def serving():
    s = Server("-i", "0")
    c = Client(s)
    same((c.client, c.local, c.name),
         ("%s:%d" % c.s.getsockname(), "%s:%d" % s.address, "t"),
         "wait mode: a session")
    same(c.ask("ECHO x"), "250 x", "it answers")
    log_lines(s)
    seen = {c.id}
    for i in range(300):
        d = Client(s)
        seen.add(d.id)
        quit_(d)
    same(len(seen), 301, "ids are unique")
    ok(until(lambda: 4 <= len(s.workers()) <= 12),
       "one after the other needs few workers", len(s.workers()))
    same(c.ask("ECHO x"), "250 x", "the first one is still served")
    c.send(b"ECHO 1\r\nECHO 2\r\nECHO 3\r\nQUIT\r\nECHO 4\r\n" * 3)
    same(c.rest(), b"250 1\r\n250 2\r\n250 3\r\n221 bye\r\n",
         "pipelined; nothing is taken behind QUIT, nothing is lost")
    begun = time.monotonic()
    code = s.end()
    ok(code == 0 and time.monotonic() - begun < 5 * SLOW,
       "SIGTERM ends it", code)


def six():
    try:
        s = Server("-i", "0", family=socket.AF_INET6, address="::1")
    except OSError as e:
        return skip("IPv6", e)
    c = Client(s)
    same(c.client, "::1:%d" % c.s.getsockname()[1], "IPv6")
    quit_(c)
    s.end()


def many_at_once():
    """More than workers: the rest waits in the queue, and all are served."""
    conf(mail='sessions="30" per-client="1000"')
    s = Server("-i", "0")
    clients = [Client(s, greet=False, timeout=120) for i in range(500)]
    waiting = {c.s: c for c in clients}
    order, most, good = [], 0, 0
    while waiting:
        ready = select.select(list(waiting), [], [], 60)[0]
        if not ready:
            break
        most = max(most, len(s.workers()))
        for x in ready:
            c = waiting.pop(x)
            good += c.line().startswith("220")
            quit_(c)
    same((good, len(waiting)), (500, 0), "500 at once, 30 workers")
    ok(4 <= most <= 30, "never more than 30", most)
    # all busy: the next one waits, and gets its turn
    held = [Client(s) for i in range(30)]
    late = Client(s, greet=False)
    late.s.settimeout(0.5)
    try:
        got = late.s.recv(1)
    except TimeoutError:
        got = None
    same(got, None, "the 31st waits")
    late.s.settimeout(30)
    quit_(held.pop())
    ok(late.line().startswith("220"), "until one is gone")
    for c in held + [late]:
        quit_(c)
    ok(until(lambda: len(s.workers()) <= 8, 90),
       "idle workers end but for some", len(s.workers()))
    same(s.end(), 0, "it ends")


def per_client():
    conf(mail='sessions="50" per-client="3"')
    s = Server("-i", "0")
    held = [Client(s) for i in range(3)]
    c = Client(s)
    same(c.greeting, "421 too many connections", "a fourth of an address")
    same(c.rest(), b"", "is hung up on")
    ok(log_has("client=127.0.0.1 turned away: too many"), "with a line")
    other = Client(s, source="127.0.0.2")
    ok(other.greeting.startswith("220"), "another address is let in")
    quit_(held.pop())
    held.append(Client(s))
    ok(held[-1].greeting.startswith("220"), "one goes, one may come")
    # 40 at once: three of them, never less because two were counted at once
    for c in held + [other]:
        quit_(c)
    let_in, told = [], set()
    for i in range(6):
        clients = [Client(s, greet=False) for i in range(40)]
        got = [c.line()[:3] for c in clients]
        let_in.append(got.count("220"))
        told |= set(got)
        for c, said in zip(clients, got):
            if said == "220":
                quit_(c)
    same(told, {"220", "421"}, "40 at once: some and some")
    same(let_in, [3] * 6, "three are let in")
    s.end()


def killed():
    """kill -9 of workers in whatever they do."""
    conf(mail='sessions="40" per-client="12"')
    s = Server("-i", "0")
    until(lambda: len(s.workers()) >= 4)
    stop, good, cut, refused = [], [0], [0], []

    def load():
        while not stop:
            try:
                c = Client(s, timeout=60)
                if c.greeting.startswith("220"):
                    got = c.ask("ECHO x")
                    if got == "250 x" and quit_(c) == "221 bye":
                        good[0] += 1
                        continue
                # places of the dead are not taken back at once
                if not c.greeting.startswith("421"):
                    cut[0] += 1
            except (ConnectionRefusedError, TimeoutError) as e:
                refused.append(e)
            except OSError:
                cut[0] += 1

    threads = [threading.Thread(target=load) for i in range(8)]
    for t in threads:
        t.start()
    killed = 0
    for i in range(150):
        w = s.workers()
        if w:
            killed += kill(w[i * 7 % len(w)])
        time.sleep(0.01)
    stop.append(1)
    for t in threads:
        t.join(60)
    ok(killed > 100 and good[0] > 100, "%d workers killed: %d sessions "
       "whole, %d cut" % (killed, good[0], cut[0]))
    same(refused, [], "nobody was refused or left waiting")
    ok(cut[0] <= killed, "no more were cut than workers killed",
       (cut[0], killed))
    # slots of dead ones count no more for their client
    c = [Client(s) for i in range(12)]
    same([x.greeting[:3] for x in c], ["220"] * 12, "12 sessions of a client")
    for x in c:
        kill(x.pid)
    same([x.line() for x in c], [""] * 12, "their workers are killed")
    c = []
    ok(until(lambda: [c.append(Client(s)) for i in range(12 - len(c))] and
             all(x.greeting.startswith("220") for x in c)),
       "12 more come in", [x.greeting for x in c])
    c[0].send("CRASH")
    same(c[0].line(), "", "one crashes")
    same([x.ask("ECHO a") for x in c[1:]], ["250 a"] * 11,
         "the others notice nothing")
    ok(log_has("ended by signal 9, in a session"), "with a line")
    ok(s.p.poll() is None, "the master lives")
    workers = s.workers()
    kill(s.p.pid)
    s.p.wait()
    same([x.ask("ECHO a") for x in c[1:]], ["250 a"] * 11,
         "it is killed: sessions go on")
    s.start()
    ok(Client(s).greeting[:3] in ("220", "421"), "inetd starts another one")
    for x in c[1:]:
        quit_(x)
    ok(until(lambda: all(is_dead(w) for w in workers)),
       "the old workers end", [w for w in workers if not is_dead(w)])
    same(s.end(), 0, "it ends")


def cannot_begin():
    """Workers that fail at their start are not tried in a loop."""
    conf()
    write(base + "/fail", "")
    size = os.path.getsize(logs) if os.path.exists(logs) else 0
    s = Server("-i", "0", env={"ECHOD_FAIL": base + "/fail"})
    c = Client(s, greet=False)
    ok(until(lambda: log_has("open: ")), "no worker can begin")
    time.sleep(1.5)
    n = read(logs)[size:].count(b"open: ")
    ok(n < 30, "it is not tried all the time", n)
    os.unlink(base + "/fail")
    ok(c.line().startswith("220"), "who waits is served when one can")
    quit_(c)
    s.end()


def slow_clients():
    conf(mail='sessions="100" per-client="100"')
    s = Server("-i", "0", env={"ECHOD_MS": "1500"})
    slow, came = [], {}
    for i in range(40):
        slow.append(Client(s))
        came[slow[-1]] = time.monotonic()
    stuck = Client(s)
    stuck.send(b"MANY 8000000\r\n")
    begun = time.monotonic()
    late = []

    def drip(c):
        try:
            while time.monotonic() - begun < 30:
                c.s.sendall(b"E")
                if select.select([c.s], [], [], 0.2)[0]:
                    break
            late.append((time.monotonic() - came[c], c.line()))
        except OSError:
            late.append((time.monotonic() - came[c], "cut"))

    threads = [threading.Thread(target=drip, args=(c,)) for c in slow]
    for t in threads:
        t.start()
    quick = 0
    while time.monotonic() - begun < 1:
        quick += quit_(Client(s)) == "221 bye"
    ok(quick > 20 / SLOW, "%d others are served beside 40 slow ones" % quick)
    for t in threads:
        t.join()
    ok(all(t >= 1.2 for t, _ in late) and max(late)[0] < 10 * SLOW,
       "a byte now and then: cut at the deadline", max(late))
    same({x for _, x in late} - {"cut"}, {"421 too late"}, "and told why")
    ok(until(lambda: log_has("%s: client=127.0.0.1 is gone" % stuck.id), 20),
       "who does not read is cut too")
    s.end()


def ends():
    """SIGTERM: sessions are told, and one that does not listen is cut."""
    conf()
    s = Server("-i", "0")
    c, d = Client(s), Client(s)
    d.send("SLEEP 60000")
    s.p.send_signal(signal.SIGTERM)
    same(c.line(), "421 we stop", "SIGTERM: who waits is told")
    begun = time.monotonic()
    same(d.line(), "", "who does not listen is cut")
    took = time.monotonic() - begun
    ok(took < 20 * SLOW, "after some seconds", took)
    same(s.p.wait(20), 0, "it ends")
    late = Client(s, greet=False)
    s.start()
    ok(late.line().startswith("220"), "who came meanwhile is served next")
    quit_(late)
    s.end()


def logins():
    conf()
    s = Server("-i", "0")
    c = Client(s)
    for i in range(3):
        got = c.ask("LOGIN bob@example.org bad")
    d = Client(s)
    ok(d.pid != c.pid, "another worker")
    ms = int(d.ask("LOGIN x delay").split()[1])
    ok(0 < ms <= 15000, "knows of failed logins: %d ms" % ms)
    same(got, "250 %d" % ms, "as the first")
    s.end()
    s = Server("-i", "0")
    same(Client(s).ask("LOGIN x delay"), "250 %d" % ms, "so does the next")
    s.end()


def lone():
    """A process with one session; its client and it."""
    a, b = socket.socketpair()
    p = subprocess.Popen([ECHOD], stdin=b, stdout=b, stderr=b)
    b.close()
    return Client(sock=a), p


def accounts():
    """Those of an account, in all services and in lone processes together."""
    conf(mail='sessions="50" per-client="50" per-account="3"')
    s, t = Server("-i", "0"), Server("-i", "0")
    kept = []

    def enter(server, name):
        """Of a new client, which stays."""
        kept.append(Client(server))
        return kept[-1].ask("ENTER " + name)

    one, process = lone()
    c = [Client(s), Client(t), one]
    late, (single, other) = Client(s), lone()
    same([x.ask("ENTER bob") for x in c], ["250 0"] * 3,
         "three sessions: of two masters, and by itself")
    same([x.ask("ENTER bob") for x in (late, single)], ["250 -22"] * 2,
         "a fourth is one too many, in both kinds")
    same([x.ask("ENTER ann") for x in (late, single)], ["250 0"] * 2,
         "another account has its own")
    same(late.ask("ENTER bob"), "250 -22", "who changes, and is refused,")
    same([enter(t, "ann") for i in range(2)], ["250 0"] * 2,
         "has left the first one")
    same(c[0].ask("ENTER bob"), "250 0", "who enters again counts once")
    same((c[1].ask("LEAVE"), late.ask("ENTER bob"), single.ask("ENTER bob")),
         ("250 left", "250 0", "250 -22"), "one leaves, one may come")
    quit_(late)
    same(single.ask("ENTER bob"), "250 0", "one ends, one may come")
    same(c[1].ask("ENTER bob"), "250 -22", "and it counts")
    quit_(single)
    other.wait(30)
    same(c[1].ask("ENTER bob"), "250 0", "a lone one ends")
    # each in the way in which it can: a worker, a lone process
    kill(c[0].pid)
    same(c[0].line(), "", "kill -9 of a worker")
    same(enter(s, "bob"), "250 0", "leaves no count")
    kill(process.pid)
    process.wait()
    same((enter(t, "bob"), enter(s, "bob")), ("250 0", "250 -22"),
         "nor does that of a lone process")
    kept[-2].send("CRASH")
    same(kept[-2].line(), "", "a crash")
    same(enter(s, "bob"), "250 0", "leaves none either")
    # the worker's next session is not its last one's
    for x in range(30):
        e = Client(t)
        if e.ask("ENTER carl") != "250 0":
            break
        quit_(e)
    same(x, 29, "30 sessions, one after the other")
    kill(s.p.pid)
    s.p.wait()
    same(enter(t, "bob"), "250 -22",
         "sessions without their master count on")
    s.start()
    t.end()
    s.end()
    conf(mail='sessions="50" per-client="50" per-account="5"')
    s = Server("-i", "0")
    until(lambda: len(s.workers()) >= 4)
    rounds = []
    for i in range(8):
        clients = [Client(s) for j in range(12)]
        for x in clients:
            x.send("ENTER dora")
        rounds.append([x.line() for x in clients].count("250 0"))
        for x in clients:
            quit_(x)
    same(rounds, [5] * 8, "of 12 at once five are in, never more or less")
    os.unlink(base + "/state/run/accounts")
    os.mkdir(base + "/state/run/accounts")
    u = Server("-i", "0")
    same([enter(u, "bob") for i in range(7)], ["250 0"] * 7,
         "what cannot be counted is let in")
    ok(log_has("run/accounts: Is a directory: sessions of an account are not "
               "counted"), "with a line")
    os.rmdir(base + "/state/run/accounts")
    u.end()
    s.end()


go(nowait, serving, six, many_at_once, per_client, killed, cannot_begin,
   slow_clients, ends, logins, accounts)
