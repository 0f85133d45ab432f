#!/usr/bin/env python3
"""What Thunderbird and Apple Mail say to a server, from the first login to the
last LOGOUT, and what cm-imapd answers: test/transcripts/imap-*.txt.

Each file is the life of one mailbox: its sessions are played in their order.
"""
import os
import sys

sys.path.insert(0, os.environ["ROOT"] + "/test/tools")
from cluster import *                                           # noqa
from dialog import *                                            # noqa

MODES = {"imaps": ["cm-imapd", "-t"], "imaptls": ["cm-imapd"]}
PLAIN = """\
From: Ann Example <ann@example.org>
To: %s
Subject: a plain one
Date: Mon, 1 Jan 2024 12:00:00 +0100
Message-ID: <plain@example.org>

Hello,
this is marker-plain.
"""
# No part ends with an end of line of its own: that is the boundary's.
PARTS = """\
From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
To: %s
Cc: Ann Example <ann@example.org>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= with a file
Date: Tue, 2 Jan 2024 08:30:00 +0000
Message-ID: <parts@example.org>
In-Reply-To: <plain@example.org>
References: <plain@example.org>
X-Priority: 2
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

marker-parts: k=C3=A4se
--inner
Content-Type: text/html; charset=utf-8

<p>marker-parts</p>
--inner--
--outer
Content-Type: application/octet-stream; name="bytes.bin"
Content-Disposition: attachment; filename="bytes.bin"
Content-Transfer-Encoding: base64

AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v
MDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5f
--outer--
"""


def fill(user):
    run("cm-user", "import", stdin="%s:secret\n" % user)
    for text in (PLAIN, PARTS):
        r = store(text % user, user)
        if r.returncode != 0:
            raise AssertionError(r)


try:
    certificates()
    configure(rest='<mail certificate="%s/service/service.pem" '
              'key="%s/service/service.key"/>' % (base, base))
    text = read(base + "/cluster.xml").decode()
    write(base + "/cluster.xml", text.replace(
        '<node name="n1"', '<node name="n1" hostname="mx.example.org"'))
    for name in ("thunderbird", "apple"):
        fill(name + "@example.org")
    run("cm-catalog", "sync")
    for name in ("thunderbird", "apple"):
        play_all("imap-" + name, MODES)
finally:
    finish()
