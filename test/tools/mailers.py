"""Mail clients that other people wrote, each as a function: it sends a file to
one recipient, in a way, and says what went wrong, or None.

A way is one of those in WAYS: how the connection begins, and how one logs in.
"""
import collections
import fcntl
import smtplib
import ssl
import struct
import termios
import threading

from front import *

USER, PASSWORD = "u9@example.test", "secret"
TIMEOUT = 60

# port; "": plain, "s": STARTTLS, "t": TLS from the first byte; mechanism; what
# our Received field says of it
Way = collections.namedtuple("Way", "port tls auth said")
WAYS = {
    "lmtp": Way(2424, "", None, "LMTP"),
    "plain": Way(2525, "", None, "ESMTP"),
    "utf8": Way(2525, "", None, "UTF8SMTP"),
    "starttls": Way(2525, "s", None, "ESMTPS"),
    "utf8-tls": Way(2525, "s", None, "UTF8SMTPS"),
    "scram-1": Way(2587, "", "SCRAM-SHA-1", "ESMTPA"),
    "scram-256": Way(2587, "", "SCRAM-SHA-256", "ESMTPA"),
    "tls-plain": Way(2587, "s", "PLAIN", "ESMTPSA"),
    "tls-login": Way(2587, "s", "LOGIN", "ESMTPSA"),
    "tls-scram-1": Way(2587, "s", "SCRAM-SHA-1", "ESMTPSA"),
    "tls-scram-256": Way(2587, "s", "SCRAM-SHA-256", "ESMTPSA"),
    "tls-scram-1-plus": Way(2587, "s", "SCRAM-SHA-1-PLUS", "ESMTPSA"),
    "tls-scram-256-plus": Way(2587, "s", "SCRAM-SHA-256-PLUS", "ESMTPSA"),
    "implicit-plain": Way(2465, "t", "PLAIN", "ESMTPSA"),
    "implicit-login": Way(2465, "t", "LOGIN", "ESMTPSA"),
    "implicit-scram-256": Way(2465, "t", "SCRAM-SHA-256", "ESMTPSA"),
}


class Mail:
    """The corpus has its files with CR LF, and some with LF; what is sent has
    CR LF, at its end too."""
    def __init__(self, path):
        self.name = os.path.basename(path)
        data = re.sub(rb"\r?\n", b"\r\n", read(path))
        self.data = data if data.endswith(b"\r\n") else data + b"\r\n"
        self.crlf, self.lf, self.stuffed = [
            base + "/msgs/" + self.name + s for s in ("", ".lf", ".dots")]
        write(self.crlf, self.data)
        write(self.lf, self.data.replace(b"\r\n", b"\n"))
        write(self.stuffed, re.sub(rb"(?m)^\.", b"..", self.data) + b".\r\n")


def said(r):
    if r.returncode != 0:
        return "exit %d: %s" % (r.returncode,
                                (r.stdout + r.stderr).decode("latin-1")[-600:])
    return None


def context():
    return ssl.create_default_context(cafile=CA)


def python_session(host, w):
    cls = smtplib.LMTP if w.port == 2424 else smtplib.SMTP
    if w.tls == "t":
        s = smtplib.SMTP_SSL(host, w.port, timeout=TIMEOUT, context=context())
    else:
        s = cls(host, w.port, timeout=TIMEOUT)
    s.ehlo_or_helo_if_needed()
    if w.tls == "s":
        s.starttls(context=context())
        s.ehlo()
    if w.auth:
        s.user, s.password = USER, PASSWORD
        s.auth(w.auth, {"PLAIN": s.auth_plain, "LOGIN": s.auth_login}[w.auth])
    return s


def python(host, w, sender, to, mail, session=None):
    s = session or python_session(host, w)
    try:
        utf8 = w.said.startswith("UTF8")
        s.sendmail(sender, [to], mail.data, ["BODY=8BITMIME"] +
                   (["SMTPUTF8"] if utf8 else []))
    except smtplib.SMTPException as e:
        return repr(e)
    finally:
        if not session:
            s.quit()
    return None


def bdat(host, w, sender, to, mail):
    """smtplib with BDAT: all commands at once, chunks of any size."""
    s = python_session(host, w)
    step = len(mail.data) // 3 + 1
    chunks = [mail.data[i:i + step] for i in range(0, len(mail.data), step)]
    utf8 = b" SMTPUTF8" if w.said.startswith("UTF8") else b""
    s.sock.sendall(b"MAIL FROM:<%s> BODY=8BITMIME%s\r\nRCPT TO:<%s>\r\n" %
                   (sender.encode(), utf8, to.encode()) +
                   b"".join(b"BDAT %d\r\n%s" % (len(c), c) for c in chunks) +
                   b"BDAT 0 LAST\r\n")
    got = [s.getreply() for i in range(len(chunks) + 3)]
    s.quit()
    return None if all(code == 250 for code, text in got) else repr(got)


def curl(host, w, sender, to, mail):
    cmd = [find("curl"), "-sS", "--max-time", str(TIMEOUT), "--cacert", CA,
           "--url", "smtp%s://%s:%d/here.from.test" % (
               "s" if w.tls == "t" else "", host, w.port),
           "--mail-from", sender, "--mail-rcpt", to, "-T", mail.crlf]
    if w.tls == "s":
        cmd.append("--ssl-reqd")
    if w.auth:
        cmd += ["--user", USER + ":" + PASSWORD, "--login-options",
                "AUTH=" + w.auth]
    return said(run(*cmd, env={"LC_ALL": "C.UTF-8"}))


def msmtp(host, w, sender, to, mail):
    cmd = [find("msmtp"), "-C", "/dev/null", "--host=" + host,
           "--port=%d" % w.port, "--from=" + sender,
           "--timeout=%d" % TIMEOUT, "--domain=here.from.test",
           "--set-from-header=off", "--set-date-header=off",
           "--set-msgid-header=off", "--remove-bcc-headers=off"]
    if w.port == 2424:
        cmd.append("--protocol=lmtp")
    if w.tls:
        cmd += ["--tls=on", "--tls-trust-file=" + CA,
                "--tls-starttls=" + ("on" if w.tls == "s" else "off")]
    if w.auth:
        cmd += ["--auth=" + w.auth.lower(), "--user=" + USER,
                "--passwordeval=echo " + PASSWORD]
    return said(run(*cmd, to, stdin=read(mail.lf)))


def swaks(host, w, sender, to, mail):
    cmd = [find("swaks"), "--server", host, "--port", str(w.port), "-f", sender,
           "-t", to, "--ehlo", "here.from.test", "--data", "@" + mail.stuffed,
           "--no-data-fixup", "--timeout", str(TIMEOUT), "--pipeline"]
    if w.port == 2424:
        cmd += ["--protocol", "LMTP"]
    if w.tls:
        cmd += ["--tls" if w.tls == "s" else "--tls-on-connect",
                "--tls-verify", "--tls-ca-path", CA]
    if w.auth:
        cmd += ["--auth", w.auth, "-au", USER, "-ap", PASSWORD]
    return said(run(*cmd))


def gsasl(host, w, sender, to, mail):
    """It logs in, and then sends on what it is told, line by line."""
    p = subprocess.Popen(
        [find("gsasl"), "--smtp", "--connect=%s:%d" % (host, w.port),
         "-m", w.auth, "-a", USER, "-z", "", "-p", PASSWORD] +
        (["--starttls", "--x509-ca-file=" + CA] if w.tls else
         ["--no-starttls"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, bufsize=0)
    stop = threading.Timer(TIMEOUT, p.kill)
    stop.start()
    got = []

    def answer(start):
        for line in p.stdout:
            got.append(line)
            if line.startswith(start):
                return True
        return False

    def put(line):
        """Its next line only when it has taken this one: it would not see
        that there are two."""
        p.stdin.write(line)
        while struct.unpack("i", fcntl.ioctl(p.stdin, termios.FIONREAD,
                                             b"\0" * 4))[0]:
            time.sleep(0.0005)

    try:
        good = answer(b"Enter application data")
        for command in "MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % to:
            good = good and (put(command.encode() + b"\r\n"), answer(b"250"))[1]
        good = good and (put(b"DATA\r\n"), answer(b"354"))[1]
        for line in read(mail.stuffed).splitlines(True) if good else ():
            put(line)
        good = good and answer(b"250")
    except OSError as e:
        good = False
        got.append(repr(e).encode())
    p.stdin.close()
    p.stdout.read()
    p.stdout.close()
    p.wait()
    stop.cancel()
    return None if good else b"".join(got[-5:]).decode("latin-1")


# --- Exim: of the big ones the one that sends BDAT

EXIM = """
exim_path = %(dir)s/exim4
primary_hostname = exim.from.test
spool_directory = %(dir)s/spool
log_file_path = %(dir)s/log/%%slog
received_header_text =
uucp_from_pattern = ^no such line
return_path_remove = false
envelope_to_remove = false
delivery_date_remove = false
never_users =
keep_environment =
timezone =
split_spool_directory = false
disable_ipv6
begin routers
all:
  driver = manualroute
  route_list = * %(host)s
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = %(port)d
  hosts_try_chunking = *
  tls_verify_certificates = %(ca)s
  tls_verify_hosts = *
  %(tls)s
begin retry
* * F,1h,1m
"""


def exim_setup():
    """Its user is compiled in: it is there in a name space of our own."""
    d = base + "/exim"
    for f in "", "/spool", "/log":
        os.mkdir(d + f)
        os.chown(d + f, 9991, 9991)
    shutil.copy(find("exim4", "exim4-daemon-light"), d)
    for f, line in (("passwd", b"Debian-exim:x:9991:9991::/:/bin/false\n"),
                    ("group", b"Debian-exim:x:9991:\n")):
        have = [x for x in read("/etc/" + f).splitlines(True)
                if not x.startswith(b"Debian-exim:")]
        write(d + "/" + f, b"".join(have) + line)
    os.symlink(CA, d + "/ca")


def exim_conf(host, w):
    d = base + "/exim"
    conf = "%s/%s-%d%s" % (d, host, w.port, w.tls)
    if not os.path.exists(conf):
        tls = "hosts_require_tls = *" if w.tls else "hosts_avoid_tls = *"
        text = EXIM % {"dir": d, "host": host, "port": w.port, "ca": CA, "tls": tls}
        write(conf + ".new", text)
        os.rename(conf + ".new", conf)
    return conf


def exim(host, w, sender, to, mail):
    d = base + "/exim"
    r = run("unshare", "-m", "sh", "-c",
            'mount --bind "$1/passwd" /etc/passwd &&'
            'mount --bind "$1/group" /etc/group && shift && exec "$@"',
            "sh", d, d + "/exim4", "-C", exim_conf(host, w), "-odf", "-oi",
            "-G", "-v", "-f", sender, to, stdin=read(mail.lf))
    said_ = (r.stdout + r.stderr).decode("latin-1")
    if " => " not in said_ or " BDAT " not in said_:
        return "exit %d: %s" % (r.returncode, said_[-800:])
    return None
