#include "protocol/smtp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/time.h"
#include "protocol/smtp_int.h"

#define COMMAND_MS	300000		/* RFC 5321 section 4.5.3.2.7 */
#define SESSION_MS	3600000
#define HELLO_STRESS_MS	5000		/* for the first word */
#define USELESS_MS	60000		/* the same: without a message */
#define ERRORS_MAX	20
#define TRACE_MAX	4096		/* what is put in front of a message */

/* --- a worker --- */

static void
worker_close(void *arg)
{
	struct smtp_worker *w = arg;

	if (w == NULL)
		return;
	filters_close(w->filters);
	sasl_server_close(w->sasl);
	deliver_close(w->deliver);
	delay_close(w->delay);
	catalog_close(w->catalog);
	free(w->spool);
	free(w);
}

static int
worker_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, void *arg, void **out)
{
	struct smtp_worker *w;
	int		    rc;

	(void)arg;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return log_fail(log, CM_ENOMEM, "smtpd");
	w->log = log;
	w->conf = conf;
	w->file = file;
	w->node = node;
	if (asprintf(&w->spool, "%s/spool/tmp", conf->node->state) == -1) {
		w->spool = NULL;
		rc = log_fail(log, CM_ENOMEM, "smtpd");
	} else if ((rc = conf_hostname(conf, w->host, sizeof(w->host))) != 0)
		log_fail(log, rc, "the host's name");
	if (rc == 0)
		rc = catalog_open(log, conf, file, node, &w->catalog);
	if (rc == 0)
		rc = deliver_open(log, conf, file, node, &w->deliver);
	w->delay = delay_open(log, conf->node->state);
	if (rc == 0)
		rc = sasl_server_open(log, &w->sasl);
	if (rc == 0 && conf->nfilters > 0)
		rc = filters_open(log, conf, &w->filters);
	if (rc != 0) {
		worker_close(w);
		return rc;
	}
	*out = w;
	return 0;
}

/* --- what all commands use --- */

bool
smtp_is_tls(const struct smtp *m)
{
	return conn_tls(m->s->conn) != NULL;
}

void
smtp_log_client(struct smtp *m, struct buf *b)
{
	session_log_field(b, "client", m->s->client);
	session_log_field(b, "helo", m->helo);
	session_log_field(b, "tls", smtp_is_tls(m) ?
	    tls_session_label(conn_tls(m->s->conn)) : "no");
	if (m->user[0] != '\0')
		session_log_field(b, "user", m->user);
}

static void
log_refusal(struct smtp *m, int code, const char *enhanced, const char *text)
{
	struct buf	 b;

	buf_init(&b, 16384);
	buf_addf(&b, "refused code=%d status=%s", code,
	    enhanced[0] ? enhanced : "-");
	smtp_log_client(m, &b);
	if (m->mail.begun)
		session_log_field(&b, "from", m->mail.sender);
	session_log_field(&b, "why", text);
	log_info(m->s->log, "%s", b.p);
	buf_free(&b);
}

void
smtp_say(struct smtp *m, int code, const char *enhanced, const char *fmt, ...)
{
	struct buf	 text;
	va_list		 ap;

	buf_init(&text, 8192);
	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	smtp_reply(conn_out(m->s->conn), code, enhanced,
	    text.err ? "" : text.p);
	if (code >= 400) {
		m->errors++;
		log_refusal(m, code, enhanced, text.err ? "" : text.p);
	}
	buf_free(&text);
}

uint64_t
smtp_limit(const struct smtp *m)
{
	uint64_t	 max = m->w->conf->max_size;

	return max > 2 * TRACE_MAX ? max - TRACE_MAX : max / 2;
}

void
smtp_too_big(struct smtp *m)
{
	smtp_say(m, 552, "5.3.4", "too large: the limit is %llu bytes",
	    (unsigned long long)smtp_limit(m));
}

void
smtp_deadline(struct smtp *m, int ms)
{
	int64_t	 now = time_mono_ms(), t = now + ms, soon;
	int64_t	 end = m->begun_ms + SESSION_MS;

	/* commands that lead to nothing do not make it longer */
	soon = now + (m->helo[0] == '\0' ? HELLO_STRESS_MS :
	    SESSION_STRESS_MS);
	if (soon > m->useful_ms + USELESS_MS)
		soon = m->useful_ms + USELESS_MS;
	session_deadline(m->s, t < end ? t : end, soon);
}

void
smtp_lost(struct smtp *m, int rc, const char *when)
{
	m->done = true;
	if (rc == CM_ETIMEOUT)
		smtp_say(m, 421, "4.4.2", "%s timeout, closing", m->w->host);
	else if (rc == CM_EAGAIN)
		smtp_say(m, 421, "4.3.2", "%s is closing", m->w->host);
	else {
		log_info(m->s->log, "lost connection %s client=%s: %s", when,
		    m->s->client, cm_strerror(rc));
		return;
	}
	/* there may be nobody to read it: no more than a moment */
	conn_deadline(m->s->conn, time_mono_ms() + 1000);
	if (conn_flush(m->s->conn) != 0)
		log_debug(m->s->log, "client did not hear the goodbye");
}

void
smtp_reset(struct smtp *m)
{
	struct smtp_mail *y = &m->mail;

	for (size_t i = 0; i < y->nrcpt; i++) {
		free(y->rcpt[i].address);
		free(y->rcpt[i].mailboxes);
	}
	free(y->rcpt);
	memset(y, 0, sizeof(*y));
	intake_reset(&m->in);
}

/* --- commands --- */

static void
hello(struct smtp *m, enum smtp_verb v, struct span name)
{
	struct buf	*out = conn_out(m->s->conn);
	struct buf	 text;

	if ((v == SMTP_LHLO) != (m->mode == SMTP_LMTP)) {
		smtp_say(m, 500, "5.5.1", "this is %s: say %s",
		    m->mode == SMTP_LMTP ? "LMTP" : "SMTP",
		    m->mode == SMTP_LMTP ? "LHLO" : "EHLO");
		return;
	}
	if (!smtp_is_helo(name)) {
		smtp_say(m, 501, "5.5.4", "%s needs your host's name",
		    smtp_verb_name(v));
		return;
	}
	smtp_reset(m);
	memcpy(m->helo, name.p, name.len);
	m->helo[name.len] = '\0';
	m->esmtp = v != SMTP_HELO;
	if (v == SMTP_HELO) {
		smtp_say(m, 250, "", "%s", m->w->host);
		return;
	}
	buf_init(&text, 4096);
	buf_addf(&text, "%s\nPIPELINING\nSIZE %llu\n8BITMIME\nSMTPUTF8\n"
	    "CHUNKING\nENHANCEDSTATUSCODES", m->w->host,
	    (unsigned long long)smtp_limit(m));
	if (m->s->tls != NULL && !smtp_is_tls(m))
		buf_adds(&text, "\nSTARTTLS");
	if (smtp_has_auth(m))
		buf_addf(&text, "\nAUTH %s",
		    sasl_server_mechanisms(conn_tls(m->s->conn)));
	smtp_reply(out, 250, "", text.p);
	buf_free(&text);
}

static void
starttls(struct smtp *m, struct span args)
{
	struct buf	 why;
	size_t		 dropped = 0;
	int		 rc;

	if (args.len > 0)
		smtp_say(m, 501, "5.5.4", "STARTTLS takes nothing");
	else if (smtp_is_tls(m))
		smtp_say(m, 503, "5.5.1", "TLS is there already");
	else if (m->s->tls == NULL)
		smtp_say(m, 502, "5.5.1", "there is no TLS here");
	if (args.len > 0 || smtp_is_tls(m) || m->s->tls == NULL)
		return;
	smtp_say(m, 220, "2.0.0", "go ahead");
	buf_init(&why, 1024);
	smtp_deadline(m, COMMAND_MS);
	rc = conn_starttls(m->s->conn, m->s->tls, &dropped, &why);
	if (dropped > 0)
		log_warn(m->s->log, "client=%s: %zu bytes behind STARTTLS "
		    "dropped", m->s->client, dropped);
	if (rc != 0) {
		log_info(m->s->log, "refused client=%s: no TLS: %s",
		    m->s->client, why.len > 0 ? why.p : cm_strerror(rc));
		m->done = true;
	}
	buf_free(&why);
	/* RFC 3207 section 4.2: what was said before is forgotten */
	smtp_reset(m);
	m->helo[0] = '\0';
	m->esmtp = false;
}

static void
vrfy(struct smtp *m, struct span args)
{
	if (args.len == 0)
		smtp_say(m, 501, "5.5.4", "VRFY needs an address");
	else
		smtp_say(m, 252, "2.1.5", "send some mail, and see");
}

static void
help(struct smtp *m)
{
	smtp_say(m, 214, "2.0.0", "see RFC 5321; problems: postmaster");
}

static void
quit(struct smtp *m, struct span args)
{
	if (args.len > 0) {
		smtp_say(m, 501, "5.5.4", "QUIT takes nothing");
		return;
	}
	smtp_say(m, 221, "2.0.0", "%s closing", m->w->host);
	m->done = true;
}

static void
rset(struct smtp *m, struct span args)
{
	if (args.len > 0) {
		smtp_say(m, 501, "5.5.4", "RSET takes nothing");
		return;
	}
	smtp_reset(m);
	smtp_say(m, 250, "2.0.0", "ok");
}

/* A browser that was made to talk to us (or another program: no mail). */
static bool
is_http(struct span line)
{
	static const char *const verbs[] = { "GET ", "POST ", "PUT ", "HEAD ",
		"OPTIONS ", "CONNECT " };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (line.len > strlen(verbs[i]) &&
		    memcmp(line.p, verbs[i], strlen(verbs[i])) == 0)
			return true;
	return false;
}

static void
unknown(struct smtp *m, struct span line)
{
	if (is_http(line)) {
		smtp_say(m, 421, "4.7.0", "%s: this is no web server",
		    m->w->host);
		m->done = true;
		return;
	}
	smtp_say(m, 500, "5.5.1", "no such command");
}

static void
command(struct smtp *m, struct span line)
{
	struct span	 args;
	enum smtp_verb	 v = smtp_verb(line, &args);

	switch (v) {
	case SMTP_HELO:
	case SMTP_EHLO:
	case SMTP_LHLO:
		hello(m, v, args);
		break;
	case SMTP_MAIL:
		smtp_mail(m, args);
		break;
	case SMTP_RCPT:
		smtp_rcpt(m, args);
		break;
	case SMTP_DATA:
		smtp_data(m, args);
		break;
	case SMTP_BDAT:
		smtp_bdat(m, args);
		break;
	case SMTP_RSET:
		rset(m, args);
		break;
	case SMTP_NOOP:
		smtp_say(m, 250, "2.0.0", "ok");
		break;
	case SMTP_QUIT:
		quit(m, args);
		break;
	case SMTP_VRFY:
		vrfy(m, args);
		break;
	case SMTP_EXPN:
		smtp_say(m, 502, "5.5.1", "EXPN is not done here");
		break;
	case SMTP_HELP:
		help(m);
		break;
	case SMTP_AUTH:
		smtp_auth(m, args);
		break;
	case SMTP_STARTTLS:
		starttls(m, args);
		break;
	case SMTP_UNKNOWN:
		unknown(m, line);
		break;
	}
}

static void
next_command(struct smtp *m)
{
	struct span	 line;
	bool		 crlf;
	int		 rc;

	smtp_deadline(m, COMMAND_MS);
	rc = conn_line(m->s->conn, SMTP_COMMAND_MAX, &line, &crlf);
	if (rc == CM_ETOOBIG)
		smtp_say(m, 500, "5.5.2", "line too long");
	else if (rc != 0)
		smtp_lost(m, rc, "while waiting for a command");
	else if (!crlf || !smtp_is_text(line))
		smtp_say(m, 500, "5.5.2", "a command is text, with CR LF at "
		    "its end");
	else
		command(m, line);
	if (!m->done && m->errors >= ERRORS_MAX) {
		smtp_say(m, 421, "4.7.0", "%s too many errors", m->w->host);
		m->done = true;
	}
}

static void
serve(struct session *s, void *arg)
{
	struct smtp	*m;

	if ((m = calloc(1, sizeof(*m))) == NULL) {
		log_fail(s->log, CM_ENOMEM, "session");
		return;
	}
	m->s = s;
	m->w = s->worker;
	m->mode = *(enum smtp_mode *)arg;
	m->begun_ms = m->useful_ms = time_mono_ms();
	intake_init(&m->in, s->log, m->w->spool, UINT64_MAX);
	smtp_say(m, 220, "", "%s %s clustermail", m->w->host,
	    m->mode == SMTP_LMTP ? "LMTP" : "ESMTP");
	while (!m->done)
		next_command(m);
	smtp_deadline(m, 10000);
	if (conn_flush(s->conn) != 0)
		log_debug(s->log, "client has gone");
	smtp_reset(m);
	intake_free(&m->in);
	free(m);
}

static void
turn_away(struct session *s, const char *why, void *arg)
{
	(void)arg;
	buf_addf(conn_out(s->conn), "421 4.7.0 %s, try again later\r\n", why);
}

struct session_service
smtp_service(enum smtp_mode *mode)
{
	return (struct session_service){
		.name = *mode == SMTP_LMTP ? "lmtpd" :
		    *mode == SMTP_SUBMISSION ? "submission" : "smtpd",
		.open = worker_open, .close = worker_close, .serve = serve,
		.turn_away = turn_away, .arg = mode
	};
}
