/* Who the client is and what both can do: RFC 3501 sections 6.1 and 6.2. */
#include <string.h>

#include "base/time.h"
#include "protocol/imapd_int.h"
#include "protocol/login.h"

#define LOGIN_MS	60000
#define PASSWORD_MAX	1024

static bool
is_private(const struct imapd *m)
{
	return conn_tls(m->s->conn) != NULL;
}

/* "SCRAM-SHA-256 PLAIN" as "AUTH=SCRAM-SHA-256 AUTH=PLAIN". */
static void
add_mechanisms(const struct imapd *m, struct buf *b)
{
	const char	*names = sasl_server_mechanisms(conn_tls(m->s->conn));
	struct span	 rest = { names, strlen(names) }, name;

	while (rest.len > 0 && str_field(&rest, ' ', &name)) {
		buf_adds(b, " AUTH=");
		buf_add(b, name.p, name.len);
	}
}

/*
 * LITERAL- is in LITERAL+ (RFC 7888 section 5: one of them is announced), and
 * CHILDREN is what LIST answers anyway.
 */
void
imapd_capability(const struct imapd *m, struct buf *b)
{
	buf_adds(b, "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE");
	if (m->user[0] != '\0') {
		buf_adds(b, " IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN "
		    "LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE "
		    "STATUS=SIZE ESEARCH SEARCHRES WITHIN SORT "
		    "THREAD=REFERENCES THREAD=ORDEREDSUBJECT CONDSTORE "
		    "QRESYNC NOTIFY MULTIAPPEND CATENATE QUOTA "
		    "QUOTA=RES-STORAGE BINARY OBJECTID PREVIEW SAVEDATE "
		    "UTF8=ACCEPT");
		if (!m->compressed)
			buf_adds(b, " COMPRESS=DEFLATE");
		buf_addf(b, " APPENDLIMIT=%llu",
		    (unsigned long long)m->s->conf->max_size);
		return;
	}
	add_mechanisms(m, b);
	if (m->s->tls != NULL && !is_private(m))
		buf_adds(b, " STARTTLS");
	if (!is_private(m))
		buf_adds(b, " LOGINDISABLED");
}

/* --- logging in --- */

/* RFC 5530: LIMIT where the login was right and others have the mailbox. */
static void
welcome(struct imapd *m, const struct login *l)
{
	struct buf	 code;
	int		 rc;

	memcpy(m->user, l->mailbox, sizeof(m->user));
	if (session_account_enter(m->s, m->user) != 0) {
		imapd_log(m, "refused", "too many sessions of the mailbox");
		m->user[0] = '\0';
		imapd_no(m, "LIMIT", "too many sessions have your mailbox "
		    "open");
		return;
	}
	if ((rc = mailbox_open(m->w->catalog, m->user, &m->box)) != 0) {
		session_account_leave(m->s);
		m->user[0] = '\0';
		imapd_no_for(m, rc);
		return;
	}
	buf_init(&code, 4096);
	buf_adds(&code, "CAPABILITY ");
	imapd_capability(m, &code);
	imapd_ok(m, code.p, "logged in");
	buf_free(&code);
}

static void
answer(struct imapd *m, const struct login *l, enum login_end e)
{
	switch (e) {
	case LOGIN_GOOD:
		welcome(m, l);
		break;
	case LOGIN_WRONG:
		m->errors++;
		imapd_no(m, "AUTHENTICATIONFAILED", "wrong name or password");
		break;
	case LOGIN_UNKNOWN:
		m->errors++;
		imapd_no(m, "CANNOT", "not a mechanism that is offered");
		break;
	case LOGIN_GIVEN_UP:
		imapd_bad(m, NULL, "given up");
		break;
	case LOGIN_GARBAGE:
		imapd_bad(m, NULL, "that is not what the mechanism says");
		break;
	case LOGIN_LATER:
		imapd_no(m, "UNAVAILABLE", "nobody can log in now");
		break;
	case LOGIN_LOST:
		imapd_lost(m, l->code);
		break;
	}
}

static struct login
begin(struct imapd *m)
{
	return (struct login){ .s = m->s, .catalog = m->w->catalog,
	    .sasl = m->w->sasl, .prompt = "+ ",
	    .deadline_ms = time_mono_ms() + LOGIN_MS };
}

/* A string with a NUL is nobody's name or password. */
static bool
as_text(struct span s, char *out, size_t n)
{
	return memchr(s.p, '\0', s.len) == NULL &&
	    str_ncopy(out, n, s.p, s.len) == 0;
}

void
imapd_login(struct imapd *m, const struct imap_command *c)
{
	struct login	 l = begin(m);
	char		 name[PASSWORD_MAX], password[PASSWORD_MAX];

	if (!is_private(m)) {
		m->errors++;
		imapd_no(m, "PRIVACYREQUIRED", "not without TLS: STARTTLS, or "
		    "AUTHENTICATE with SCRAM");
		return;
	}
	if (!as_text(c->name, name, sizeof(name)) ||
	    !as_text(c->name2, password, sizeof(password)))
		answer(m, &l, LOGIN_WRONG);
	else
		answer(m, &l, login_password(&l, name, password));
	explicit_bzero(password, sizeof(password));
}

void
imapd_authenticate(struct imapd *m, const struct imap_command *c)
{
	struct login	 l = begin(m);
	char		 mechanism[64], first[LOGIN_LINE_MAX];

	if (!as_text(c->name, mechanism, sizeof(mechanism)) ||
	    (c->name2.p != NULL &&
	    !as_text(c->name2, first, sizeof(first)))) {
		imapd_bad(m, NULL, "too long");
		return;
	}
	answer(m, &l, login_sasl(&l, mechanism, c->name2.p != NULL ? first :
	    NULL));
	explicit_bzero(first, sizeof(first));
}

/* --- what both can do --- */

void
imapd_starttls(struct imapd *m, const struct imap_command *c)
{
	struct buf	*out = conn_out(m->s->conn), why;
	size_t		 dropped = 0;
	int		 rc;

	if (is_private(m) || m->s->tls == NULL) {
		imapd_bad(m, NULL, m->s->tls == NULL ? "there is no TLS here" :
		    "TLS is there already");
		return;
	}
	buf_add(out, c->tag.p, c->tag.len);
	buf_adds(out, " OK go ahead\r\n");
	buf_init(&why, 1024);
	imapd_deadline(m, LOGIN_MS);
	rc = conn_starttls(m->s->conn, m->s->tls, &dropped, &why);
	if (dropped > 0)
		log_warn(m->s->log, "client=%s: %zu bytes behind STARTTLS "
		    "dropped", m->s->client, dropped);
	if (rc != 0) {
		imapd_log(m, "refused", why.len > 0 ? why.p : cm_strerror(rc));
		m->done = true;
	}
	buf_free(&why);
}

/* RFC 4978. */
void
imapd_compress(struct imapd *m, const struct imap_command *c)
{
	struct buf	*out = conn_out(m->s->conn);
	int		 rc;

	if (!str_ieq(c->name.p, c->name.len, "DEFLATE")) {
		imapd_no(m, "CANNOT", "DEFLATE is all there is");
		return;
	}
	if (m->compressed) {
		imapd_no(m, "COMPRESSIONACTIVE", "it is compressed already");
		return;
	}
	buf_add(out, c->tag.p, c->tag.len);
	buf_adds(out, " OK from here on\r\n");
	imapd_deadline(m, IMAPD_SEND_MS);
	m->compressed = true;
	if ((rc = conn_compress(m->s->conn)) != 0)
		imapd_lost(m, rc);
}

/* RFC 2971: it is logged, and changes nothing. */
void
imapd_id(struct imapd *m, const struct imap_command *c)
{
	struct buf	 b;

	buf_init(&b, 16384);
	for (unsigned i = 0; i < c->npairs && i < 10; i++) {
		const struct span *pair = &c->pair[2 * i];

		if (i > 0)
			buf_addc(&b, ' ');
		buf_add(&b, pair[0].p, pair[0].len);
		buf_addc(&b, '=');
		if (pair[1].p != NULL)
			buf_add(&b, pair[1].p, pair[1].len);
	}
	if (b.len > 0 && b.err == 0)
		imapd_log(m, "client says it is", b.p);
	buf_free(&b);
	buf_adds(conn_out(m->s->conn),
	    "* ID (\"name\" \"clustermail\")\r\n");
	imapd_ok(m, NULL, "nice to meet you");
}

void
imapd_condstore(struct imapd *m)
{
	if (imapd_is_condstore(m))
		return;
	m->enabled |= IMAP_ENABLE_CONDSTORE;
	if (m->view.open)
		buf_addf(conn_out(m->s->conn), "* OK [HIGHESTMODSEQ %llu] "
		    "from now on\r\n", (unsigned long long)m->view.highest);
}

/* RFC 5161: what is not known is passed over. */
void
imapd_enable(struct imapd *m, const struct imap_command *c)
{
	static const struct {
		unsigned	 bit;
		const char	*name;
	} known[] = { { IMAP_ENABLE_CONDSTORE, "CONDSTORE" },
	    { IMAP_ENABLE_QRESYNC, "QRESYNC" },
	    { IMAP_ENABLE_UTF8, "UTF8=ACCEPT" },
	    { IMAP_ENABLE_REV2, "IMAP4rev2" } };
	struct buf	*out = conn_out(m->s->conn);
	unsigned	 bits = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		bits |= known[i].bit & c->enable;
	buf_adds(out, "* ENABLED");
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (bits & ~m->enabled & known[i].bit)
			buf_addf(out, " %s", known[i].name);
	buf_adds(out, "\r\n");
	if (bits & (IMAP_ENABLE_CONDSTORE | IMAP_ENABLE_QRESYNC))
		imapd_condstore(m);
	m->enabled |= bits;
	imapd_ok(m, NULL, "enabled");
}
