"""A lab (examples/lab) and what stands in front of cm-smtpd there:
inetds, HAProxy, Postfix and Exim, with the files of examples/services.

All of it is started by "lab run" and counts as part of a node: "lab down" ends
what a test has left.
"""
import pwd
import random
import re

from cluster import *

ROOT, BIN = os.environ["ROOT"], os.environ["BIN"]
LAB = base + "/lab"
TREES = ROOT + "/build/trees/"
CA = LAB + "/ca/ca.pem"
SELF = pwd.getpwuid(os.getuid()).pw_name
PORTS = {25: 2525, 24: 2424, 587: 2587, 465: 2465, 110: 2110, 995: 2995,
         143: 2143, 993: 2993, 53: 2053}
NAMES = {"smtp": 25, "submission": 587, "submissions": 465,
         "pop3": 110, "pop3s": 995, "imap": 143, "imaps": 993, "domain": 53,
         "127.0.0.1:24": 24, "2443": 2443}
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
DOMAIN = "example.test"
net = ""
started = []


def find(program, tree=None):
    """Its path, or None."""
    if tree:
        for d in ("usr/sbin/", "usr/bin/"):
            if os.access(TREES + tree + "/" + d + program, os.X_OK):
                return TREES + tree + "/" + d + program
    return shutil.which(program, path=PATH)


def lab(*args, **kw):
    return run("sh", ROOT + "/examples/lab", *args, timeout=120, **kw)


def on(node, *cmd, **kw):
    """A command that has to work, as that node: its output."""
    r = lab("run", LAB, node, *cmd, **kw)
    if r.returncode != 0:
        raise AssertionError(r)
    return r.stdout


def lab_up(nodes=2):
    """False when there is no xinetd."""
    global net
    if not find("xinetd"):
        return False
    os.chmod(base, 0o711)       # Postfix and Exim have users of their own
    for attempt in range(3):
        net = "127.%d.%d" % (random.randint(1, 254), random.randint(0, 255))
        r = lab("up", LAB, str(nodes), env={"LAB_NET": net})
        if r.returncode != 69:
            break
    if r.returncode != 0:
        raise AssertionError(r)
    return True


def lab_down():
    for p in started:
        p.terminate()
    lab("down", LAB)
    for p in started:
        p.wait()


def edit_conf(old, new):
    text = read(LAB + "/cluster.xml").decode()
    if old not in text:
        raise AssertionError(old)
    write(LAB + "/cluster.xml.new", text.replace(old, new, 1))
    os.rename(LAB + "/cluster.xml.new", LAB + "/cluster.xml")


def start(node, log, *cmd, env=None):
    """A daemon in the foreground, as part of a node."""
    with open(LAB + "/%s/log/%s" % (node, log), "ab") as f:
        p = subprocess.Popen(
            ["sh", ROOT + "/examples/lab", "run", LAB, node, *cmd],
            stdin=subprocess.DEVNULL, stdout=f, stderr=f,
            env=dict(os.environ, PATH=PATH, **(env or {})))
    started.append(p)
    return p


def listens(host, port):
    try:
        socket.create_connection((host, port), 5).close()
        return True
    except OSError:
        return False


def need(host, *ports):
    """Waits for servers; each must come up."""
    for port in ports:
        if not until(lambda: listens(host, port), 30):
            raise AssertionError("%s:%d: nobody listens" % (host, port))


def example(name):
    return read(ROOT + "/examples/services/" + name).decode()


def xinetd_conf(host, wait, extra=""):
    """examples/services/xinetd.conf with that address and ports above 1024;
    more words for each server_args in extra."""
    text = example("xinetd.conf").replace("/usr/local/bin", BIN)
    text = re.sub(r"(user\t+= )mail", r"\g<1>" + SELF, text)
    text = re.sub(r"\n\tbind.*", "", text)
    text = re.sub(r"(port\t+= )(\d+)", lambda m: "%s%d\n\tbind = %s" % (
        m[1], PORTS.get(int(m[2]), int(m[2])), host), text)
    if not wait:
        text = re.sub(r"(= stream\n(?:.*\n){3}\twait\t+= )yes\n\tcps.*",
                      r"\1no\n\tcps = 10000 1", text)
    if extra:
        text = re.sub(r"(server\t+= .*smtpd)\n(\tserver_args\t+= )?",
                      lambda m: "%s\n\tserver_args = %s %s" % (
                          m[1], extra, "" if m[2] else "\n"), text)
    return text


def inetd_conf(host, wait, extra=""):
    out = []
    for line in example("inetd.conf").splitlines():
        if not line or line[0] == "#":
            continue
        f = line.split(None, 6)
        port = NAMES[f[0]]
        f[0] = "%s:%d" % (host, PORTS.get(port, port))
        f[3] = "wait" if wait or f[1] == "dgram" else "nowait.100000"
        f[4] = SELF
        f[5] = f[5].replace("/usr/local/bin", BIN)
        out.append("\t".join(f) + (extra if "smtpd" in f[5] else ""))
    return "\n".join(out) + "\n"


def xinetd(name, host, wait, node="n1", extra=""):
    conf = LAB + "/%s.conf" % name
    write(conf, xinetd_conf(host, wait, extra))
    p = start(node, name, find("xinetd"), "-f", conf, "-pidfile",
              LAB + "/%s.pid" % name, "-filelog", LAB + "/%s.log" % name,
              "-stayalive", "-dontfork")
    return p


def inetd(name, host, wait, node="n1", extra=""):
    """openbsd-inetd.  Started by root it writes /run/inetd.pid whatever its
    configuration is; that may be the machine's own."""
    conf = LAB + "/%s.conf" % name
    write(conf, inetd_conf(host, wait, extra))
    pid = "/run/inetd.pid"
    before = read(pid) if os.path.exists(pid) else None
    p = start(node, name, find("inetd", "openbsd-inetd"), "-i", conf)
    need(host, *PORTS.values())
    if os.getuid() == 0:
        if before is not None:
            write(pid, before)
        elif os.path.exists(pid):
            os.unlink(pid)
    return p


def haproxy(host, backends):
    """examples/services/haproxy.cfg: three nodes there, as many as we have."""
    text = example("haproxy.cfg")
    text = text.replace("bind :25", "bind %s:2525" % host)
    for i, b in enumerate(backends, 1):
        text = text.replace("192.0.2.%d:25" % i, b + ":2525")
    text = re.sub(r"\n\tserver .* 192\.0\.2\..*", "", text)
    conf = LAB + "/haproxy.cfg"
    write(conf, text)
    p = start("n1", "haproxy", find("haproxy", "haproxy"), "-db", "-f", conf)
    need(host, 2525)
    return p


# --- Postfix

# Ways of delivery: our port, options; "lmtp" is what the example does.
def postfix_ways():
    tls = ["smtp_tls_security_level=secure", "smtp_tls_CAfile=" + CA,
           "smtp_tls_secure_cert_match=nexthop"]
    auth = ["smtp_sasl_auth_enable=yes",
            "smtp_sasl_password_maps=texthash:%s/postfix/passwords" % LAB]
    return {
        "lmtp": (2424, []),
        "plain": (2525, []),
        "starttls": (2525, tls),
        "tls-scram-256": (2587, tls + auth + [
            "smtp_sasl_mechanism_filter=scram-sha-256"]),
        "implicit-plain": (2465, tls + auth + [
            "smtp_sasl_mechanism_filter=plain",
            "smtp_sasl_tls_security_options=noanonymous",
            "smtp_sasl_security_options=noanonymous",
            "smtp_tls_wrappermode=yes"]),
    }


MASTER = """
%(host)s:2525 inet n - n - - smtpd
%(host)s:2526 inet n - n - - smtpd
    -o smtpd_recipient_restrictions=permit_mynetworks
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# What a Postfix in a folder of its own needs, and what makes it change nothing
# of a message.
MAIN = """
maillog_file = %(dir)s/log
maillog_file_prefixes = %(dir)s
queue_directory = %(dir)s/spool
data_directory = %(dir)s/data
command_directory = %(tree)s/usr/sbin
daemon_directory = %(tree)s/usr/lib/postfix/sbin
shlib_directory = %(tree)s/usr/lib/postfix
meta_directory = %(dir)s/etc
mail_owner = mail
setgid_group = games
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE
    POSTLOG_HOSTNAME CM_LAB LD_LIBRARY_PATH=%(tree)s/usr/lib/postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.from.test
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
address_verify_poll_delay = 1s
message_drop_headers =
local_header_rewrite_clients =
disable_dns_lookups = yes
transport_maps = texthash:%(dir)s/transport
"""


def postfix_transports(d, users):
    """Services for master.cf, from the ways to the mailboxes: box, way, host."""
    master, transport, passwords = "", "", ""
    ways = postfix_ways()
    for way, (port, options) in ways.items():
        if way != "lmtp":
            master += "to-%s unix - - n - - smtp\n" % way
            master += "".join("    -o %s\n" % o for o in options)
    for box, way, host in users:
        where = "inet:%s:%d" if way == "lmtp" else "[%s]:%d"
        where %= host, ways[way][0]
        transport += "%s %s:%s\n" % (box, way if way == "lmtp" else
                                     "to-" + way, where)
        if ways[way][0] in (2587, 2465):
            passwords += where + " u9@example.test:secret\n"
    write(d + "/transport", transport)
    write(d + "/passwords", passwords)
    return master


def postfix(host, to, users=()):
    """Postfix at that address: port 2525 asks cm-smtpd for each recipient,
    2526 does not.  It delivers to LMTP at that host, and what is for one of
    users, which are (address, way, host), as they say."""
    d = LAB + "/postfix"
    tree = TREES + "postfix"
    for f in "", "/etc", "/spool", "/data":
        os.mkdir(d + f)
    shutil.chown(d + "/data", "mail")
    for f in "postfix-script", "post-install", "postfix-files":
        shutil.copy(tree + "/etc/postfix/" + f, d + "/etc")
    names = {"host": host, "dir": d, "tree": tree}
    write(d + "/etc/master.cf", MASTER % names + postfix_transports(d, users))
    text = example("postfix-main.cf").replace("example.org", DOMAIN)
    text = text.replace("127.0.0.1:24", to + ":2424")
    write(d + "/etc/main.cf", text + MAIN % names)
    env = {"LD_LIBRARY_PATH": tree + "/usr/lib/postfix"}
    r = run(tree + "/usr/sbin/postfix", "-c", d + "/etc", "check", env=env)
    if r.returncode != 0:
        raise AssertionError(r)
    p = start("n1", "postfix", tree + "/usr/lib/postfix/sbin/master", "-c",
              d + "/etc", "-d", env=env)
    need(host, 2525, 2526)
    return p
