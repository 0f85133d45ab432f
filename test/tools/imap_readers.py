"""Clients of IMAP that other people wrote, as those of readers.py; and two of
them that keep a Maildir and the server the same, both ways."""
import hashlib
import imaplib

from readers import *

IMAP = {
    "starttls": Way(2143, "s", "LOGIN"),
    "implicit": Way(2993, "t", "LOGIN"),
    "starttls-plain": Way(2143, "s", "PLAIN"),
}


def session(job, user=None):
    w = job.way
    context = ssl.create_default_context(cafile=CA)
    if w.tls == "t":
        m = imaplib.IMAP4_SSL(job.host, w.port, ssl_context=context,
                              timeout=TIMEOUT)
    else:
        m = imaplib.IMAP4(job.host, w.port, timeout=TIMEOUT)
        m.starttls(context)
    user = user or job.user
    if w.auth == "PLAIN":
        m.authenticate("PLAIN", lambda _: ("\0%s\0%s" % (
            user, PASSWORD)).encode())
    else:
        m.login(user, PASSWORD)
    return m


def good(r):
    if r[0] != "OK":
        raise Failed(repr(r)[:500])
    return r[1]


def imap_python(job):
    """imaplib: one after the other, and by UID."""
    m = session(job)
    n = int(good(m.select())[0])
    uids = good(m.uid("SEARCH", "ALL"))[0].split()
    if len(uids) != n or len(set(uids)) != n:
        raise Failed("%d messages, %d UIDs" % (n, len(set(uids))))
    out = [good(m.uid("FETCH", u, "(BODY.PEEK[])"))[0][1] for u in uids]
    if not job.keep:
        good(m.store("1:*", "+FLAGS.SILENT", r"\Deleted"))
        good(m.expunge())
    m.logout()
    return out


def imap_at_once(job):
    """imaplib: all in one command."""
    m = session(job)
    good(m.select(readonly=job.keep))
    got = good(m.fetch("1:*", "(UID FLAGS BODY.PEEK[])"))
    out = [x[1] for x in got if isinstance(x, tuple)]
    if not job.keep:
        good(m.store("1:*", "+FLAGS.SILENT", r"\Deleted"))
        good(m.close())
    m.logout()
    return out


def imap_curl(job):
    """A search, and then one after the other in one session."""
    w = job.way
    url = "imap%s://%s:%d/INBOX" % ("s" if w.tls == "t" else "", job.host,
                                    w.port)
    cmd = [find("curl"), "-sS", "--max-time", str(TIMEOUT), "--cacert", CA,
           "--user", job.user + ":" + PASSWORD]
    if w.tls == "s":
        cmd.append("--ssl-reqd")
    if w.auth != "LOGIN":
        cmd += ["--login-options", "AUTH=" + w.auth]
    n = len(must(run(*cmd, url + "?ALL")).split()) - 2
    must(run(*cmd, "--fail-early", "-o", job.dir + "/#1",
             url + ";MAILINDEX=[1-%d]" % n, timeout=TIMEOUT))
    if not job.keep:
        must(run(*cmd, "-X", r"STORE 1:* +FLAGS.SILENT (\Deleted)", url))
        must(run(*cmd, "-X", "EXPUNGE", url))
    return [read("%s/%d" % (job.dir, i + 1)) for i in range(n)]


def fetchmail_imap(job):
    return fetchmail(job, "imap")


# --- both ways ---


def maildir_messages(folder):
    """name: (UID that the client has written into its name, or 0; flags;
    bytes)"""
    out = {}
    for f in sorted(glob.glob(glob.escape(folder) + "/new/*") +
                    glob.glob(glob.escape(folder) + "/cur/*")):
        uid = re.search(r",U=(\d+)", os.path.basename(f))
        flags = re.search(r":2,(\w*)$", f)
        out[f] = (int(uid[1]) if uid else 0,
                  "".join(sorted(flags[1])) if flags else "",
                  crlf(read(f)))
    return out


def certificate(job):
    return ssl.get_server_certificate((job.host, IMAP["implicit"].port))


def mbsync_run(job):
    """It knows no addresses in certificates, but the certificate itself."""
    w = job.way
    write(job.dir + "/cert.pem", certificate(job))
    write(job.dir + "/mbsyncrc", """IMAPAccount a
Host %s
Port %d
User %s
Pass %s
SSLType %s
CertificateFile %s
Timeout %d

IMAPStore far
Account a

MaildirStore near
Path %s/mail/
Inbox %s/mail/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
""" % (job.host, w.port, job.user, PASSWORD,
       "IMAPS" if w.tls == "t" else "STARTTLS", job.dir + "/cert.pem",
       TIMEOUT, job.dir, job.dir))
    os.makedirs(job.dir + "/mail", exist_ok=True)
    return must(run(find("mbsync"), "-q", "-c", job.dir + "/mbsyncrc", "-a",
                    env={"HOME": job.dir}, timeout=TIMEOUT))


def offlineimap_run(job):
    w = job.way
    cert = ssl.PEM_cert_to_DER_cert(certificate(job))
    write(job.dir + "/offlineimaprc", """[general]
accounts = a
metadata = %s/meta
ui = quiet
socktimeout = %d
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = %s/mail
sep = /
[Repository far]
type = IMAP
remotehost = %s
remoteport = %d
remoteuser = %s
remotepass = %s
ssl = %s
starttls = %s
cert_fingerprint = %s
""" % (job.dir, TIMEOUT, job.dir, job.host, w.port, job.user, PASSWORD,
       "yes" if w.tls == "t" else "no", "yes" if w.tls == "s" else "no",
       hashlib.sha1(cert).hexdigest()))
    return must(run(find("offlineimap3") or find("offlineimap"), "-o", "-c",
                    job.dir + "/offlineimaprc", env={"HOME": job.dir},
                    timeout=TIMEOUT))


def own(message):
    """Without what these clients add to find their own again."""
    return re.sub(rb"(?m)^X-(TUID|OfflineIMAP): .*\r\n", b"", message)


def pulled(job, sync):
    sync(job)
    got = maildir_messages(job.dir + "/mail/INBOX")
    out = [own(m[2]) for m in sorted(got.values())]
    if len({m[0] for m in got.values()}) != len(got):
        raise Failed("two messages with one UID")
    return out


def mbsync(job):
    return pulled(job, mbsync_run)


def offlineimap(job):
    return pulled(job, offlineimap_run)


# It reads and writes each message by python's email, which mends bad ones.
offlineimap.keeps = lambda m: b"\r\nSubject: large " in m[:100]
