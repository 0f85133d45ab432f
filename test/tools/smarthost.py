"""An SMTP server for tests that keeps what it gets and answers as it is told.

h = Smarthost(cert, key); h.port; h.mail is a list of Mail.  What it answers:
h.rcpt["addr"] is a list of answers, used one after the other, the last one
for ever; h.on["MAIL"], h.on["DATA"] and h.on["."] likewise.  h.hold: an event
it waits for before it answers to the message's end.
"""
import base64
import socket
import ssl
import threading


class Mail:
    def __init__(self, line):
        self.mail, self.rcpt, self.data = line, [], None
        self.tls = self.user = None


class Smarthost:
    def __init__(self, cert=None, key=None, implicit=False, port=0,
                 words=("PIPELINING", "SIZE 1000000", "8BITMIME"),
                 login=None):
        self.ctx = None
        if cert:
            self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.ctx.load_cert_chain(cert, key)
        self.implicit, self.words, self.login = implicit, list(words), login
        self.mail, self.rcpt, self.on = [], {}, {}
        self.lines, self.connections, self.now, self.most = [], 0, 0, 0
        self.hold = None
        self.held = threading.Event()       # a message's end is here
        self.lock = threading.Lock()
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind(("127.0.0.1", port))
        self.s.listen(50)
        self.port = self.s.getsockname()[1]
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()

    def accept(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.now += 1
                self.most = max(self.most, self.now)
            threading.Thread(target=self.guard, args=(c,),
                             daemon=True).start()

    def guard(self, c):
        try:
            self.session(c)
        except (OSError, ValueError):
            pass
        with self.lock:
            self.now -= 1
        c.close()

    def answer(self, key, default):
        with self.lock:
            a = self.on.get(key)
            if not a:
                return default
            return a.pop(0) if len(a) > 1 else a[0]

    def answer_rcpt(self, address):
        with self.lock:
            a = self.rcpt.get(address)
            if not a:
                return "250 2.1.5 ok"
            return a.pop(0) if len(a) > 1 else a[0]

    def session(self, c):
        tls = False
        if self.implicit:
            c = self.ctx.wrap_socket(c, server_side=True)
            tls = True
        f = c.makefile("rb")
        user = mail = None

        def say(text):
            c.sendall((text + "\r\n").encode())

        say(self.answer("hello", "220 smart.test ESMTP"))
        while True:
            raw = f.readline()
            if not raw:
                return
            if not raw.endswith(b"\r\n"):
                raise ValueError(raw)
            line = raw[:-2].decode()
            with self.lock:
                self.lines.append(line)
            word = line.split(" ")[0].upper()
            if word == "EHLO":
                words = list(self.words)
                if self.ctx and not tls:
                    words.append("STARTTLS")
                if self.login and (tls or not self.ctx):
                    words.append("AUTH PLAIN LOGIN")
                lines = ["smart.test"] + words
                for i, w in enumerate(lines):
                    say("250%s%s" % ("-" if i < len(lines) - 1 else " ", w))
            elif word == "STARTTLS" and self.ctx and not tls:
                say("220 go")
                c = self.ctx.wrap_socket(c, server_side=True)
                f, tls = c.makefile("rb"), True
            elif word == "AUTH":
                parts = line.split(" ")
                if len(parts) < 3:
                    say("334 ")
                    parts.append(f.readline()[:-2].decode())
                got = base64.b64decode(parts[2]).decode().split("\0")
                if tuple(got[1:]) == self.login:
                    user = got[1]
                    say("235 2.7.0 welcome")
                else:
                    say("535 5.7.8 wrong password")
            elif word == "MAIL":
                if self.login and not user:
                    say("530 5.7.0 log in first")
                    continue
                a = self.answer("MAIL", "250 2.1.0 ok")
                if a == "hang up":
                    return
                if a[:1] == "2":
                    mail = Mail(line)
                    mail.tls, mail.user = tls, user
                say(a)
            elif word == "RCPT":
                address = line[line.index("<") + 1:line.index(">")]
                a = self.answer_rcpt(address)
                if a[:1] == "2":
                    mail.rcpt.append(line)
                say(a)
            elif word == "DATA":
                a = self.answer("DATA", "354 go on")
                if a[:1] != "3":
                    say(a)
                    continue
                say(a)
                data = []
                while True:
                    raw = f.readline()
                    if not raw:
                        return
                    if raw == b".\r\n":
                        break
                    data.append(raw[1:] if raw[:1] == b"." else raw)
                mail.data = b"".join(data)
                self.held.set()
                if self.hold:
                    self.hold.wait(60)
                a = self.answer(".", "250 2.0.0 queued")
                if a[:1] == "2":
                    with self.lock:
                        self.mail.append(mail)
                if a == "hang up":
                    return
                say(a)
                mail = None
            elif word in ("RSET", "NOOP"):
                mail = None
                say("250 ok")
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("502 5.5.1 what?")
