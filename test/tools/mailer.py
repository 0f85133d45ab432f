"""The load of chaos.py by SMTP and LMTP: a client that says what became of a
message, and the lines that cm-smtpd wrote of those it took."""
import ctypes
import os
import re
import smtplib
import threading

SMTP, LMTP = 2525, 2424
CLONE_NEWNET = 0x40000000
ANSWER = re.compile(rb"2\.0\.0 ok (\S{26})$")
ACCEPTED = re.compile(r"accepted id=(\S+) .* copies=(\S+)")
libc = ctypes.CDLL(None, use_errno=True)


class Outcome:
    """state: "kept"; "refused", what was said no to, with code; "unsure": the
    connection was lost behind the data; "away": before."""
    def __init__(self, state, code=0, text="", id=None):
        self.state, self.code, self.text, self.id = state, code, text, id


def enter(netns):
    """This thread makes its sockets in there from now on."""
    if netns:
        fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns " + netns)
        finally:
            os.close(fd)


def connect(kind, address, timeout):
    """Greeted; OSError or SMTPException."""
    if kind == "lmtp":
        c = smtplib.LMTP(address, LMTP, "client.example", timeout=timeout)
    else:
        c = smtplib.SMTP(address, SMTP, "client.example", timeout=timeout)
    try:
        code, text = c.ehlo()
        if code != 250:
            raise smtplib.SMTPResponseException(code, text)
    except (OSError, smtplib.SMTPException):
        c.close()
        raise
    return c


def envelope(c, sender, to):
    """None, or what was said no to."""
    for code, text in [c.mail(sender)] + [c.rcpt(x) for x in to]:
        if code != 250:
            return Outcome("refused", code, text.decode(errors="replace"))
    return None


def answers(c, to, text):
    """Behind the data: one, or with LMTP one for each recipient."""
    first = c.data(text)
    rest = [c.getreply() for _ in to[1:]] \
        if isinstance(c, smtplib.LMTP) else []
    return [first] + rest


def put(c, sender, to, text):
    """One message; the connection goes on after "kept" and "refused"."""
    begun = False
    try:
        no = envelope(c, sender, to)
        if no:
            c.rset()
            return no
        begun = True
        said = answers(c, to, text)
    except smtplib.SMTPDataError as e:
        return Outcome("refused", e.smtp_code, e.smtp_error.decode())
    except TimeoutError:
        return Outcome("unsure" if begun else "away", text="timeout")
    except (OSError, smtplib.SMTPServerDisconnected) as e:
        return Outcome("unsure" if begun else "away", text=str(e))
    return judge(said)


def judge(said):
    """All answers to a message are the same, but for the recipient's name."""
    codes = {code for code, _ in said}
    texts = {text for _, text in said}
    if len(codes) > 1 or (codes == {250} and len(texts) > 1):
        return Outcome("unequal", 0, repr(said))
    code, text = said[0]
    if code != 250:
        return Outcome("refused", code, text.decode(errors="replace"))
    m = ANSWER.match(text)
    if not m:
        return Outcome("unequal", code, repr(text))
    return Outcome("kept", code, id=m[1].decode())


class Accepted:
    """What the logs of a node say of messages: where they are."""
    def __init__(self, run):
        self.paths = [run + "/smtpd.log", run + "/lmtpd.log"]
        self.at = {p: (0, 0) for p in self.paths}   # inode, bytes
        self.copies = {}
        self.lock = threading.Lock()

    def read_on(self, path):
        try:
            with open(path, "rb") as f:
                inode = os.fstat(f.fileno()).st_ino
                was, at = self.at[path]
                f.seek(at if was == inode else 0)
                at = f.tell()
                new = f.read()
        except OSError:
            return
        whole = new[:new.rfind(b"\n") + 1]
        self.at[path] = inode, at + len(whole)
        for line in whole.decode(errors="replace").splitlines():
            m = ACCEPTED.search(line)
            if m:
                self.copies[m[1]] = {c.split("#")[0]
                                     for c in m[2].split(",")}

    def nodes_of(self, i):
        """A line is there before the client has its answer; None: it is gone
        with the disk."""
        with self.lock:
            if i not in self.copies:
                for p in self.paths:
                    self.read_on(p)
            return self.copies.pop(i, None)
