#include "protocol/imapd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "protocol/imapd_int.h"

#define COMMAND_MS	1860000	/* RFC 3501 section 5.4: over 30 minutes */
#define LOGIN_MS	60000	/* of a client that has not logged in */
#define SESSION_MS	(7 * 24 * 3600000LL)
#define LOGIN_STRESS_MS	60000	/* while others wait for a worker */
#define ERRORS_MAX	20
#define LINE_KEPT	65536	/* memory kept for the next command */
#define LINE_MAX_BYTES	((size_t)CONF_SIZE_MAX + 8 * IMAP_LINE_MAX)

/* --- a worker --- */

static void
worker_close(void *arg)
{
	struct imapd_worker *w = arg;

	if (w == NULL)
		return;
	sasl_server_close(w->sasl);
	deliver_close(w->deliver);
	ahead_close(w->ahead);
	reader_close(w->reader);
	catalog_close(w->catalog);
	free(w->spool);
	free(w);
}

static int
open_parts(struct imapd_worker *w, const char *file, const char *node)
{
	int	 rc;

	if (asprintf(&w->spool, "%s/spool/tmp", w->conf->node->state) == -1) {
		w->spool = NULL;
		return log_fail(w->log, CM_ENOMEM, "imapd");
	}
	if ((rc = conf_hostname(w->conf, w->host, sizeof(w->host))) != 0)
		return log_fail(w->log, rc, "the host's name");
	if ((rc = catalog_open(w->log, w->conf, file, node,
	    &w->catalog)) != 0 ||
	    (rc = reader_open(w->log, w->conf, &w->reader)) != 0 ||
	    (rc = ahead_open(w->log, w->conf, &w->ahead)) != 0 ||
	    (rc = deliver_open(w->log, w->conf, file, node,
	    &w->deliver)) != 0)
		return rc;
	return sasl_server_open(w->log, &w->sasl);
}

static int
worker_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, void *arg, void **out)
{
	struct imapd_worker *w;
	int		    rc;

	(void)arg;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return log_fail(log, CM_ENOMEM, "imapd");
	w->log = log;
	w->conf = conf;
	if ((rc = open_parts(w, file, node)) != 0) {
		worker_close(w);
		return rc;
	}
	*out = w;
	return 0;
}

/* --- answers --- */

__attribute__((format(printf, 4, 0)))
static void
reply(struct imapd *m, const char *how, const char *code, const char *fmt,
    va_list ap)
{
	buf_reset(&m->reply);
	buf_adds(&m->reply, how);
	if (code != NULL)
		buf_addf(&m->reply, "[%s] ", code);
	buf_vaddf(&m->reply, fmt, ap);
}

void
imapd_ok(struct imapd *m, const char *code, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	reply(m, "OK ", code, fmt, ap);
	va_end(ap);
}

void
imapd_no(struct imapd *m, const char *code, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	reply(m, "NO ", code, fmt, ap);
	va_end(ap);
}

void
imapd_bad(struct imapd *m, const char *code, const char *fmt, ...)
{
	va_list	 ap;

	m->errors++;
	va_start(ap, fmt);
	reply(m, "BAD ", code, fmt, ap);
	va_end(ap);
}

void
imapd_no_for(struct imapd *m, int rc)
{
	switch (rc) {
	case CM_ENOINPUT:
		imapd_no(m, "NONEXISTENT", "no such folder");
		break;
	case CM_EEXIST:
		imapd_no(m, "ALREADYEXISTS", "that folder is there");
		break;
	case CM_EPERM:
		imapd_no(m, "CANNOT", "that cannot be done with it");
		break;
	case CM_ETOOBIG:
		imapd_no(m, "LIMIT", "too much at once");
		break;
	case CM_ESPACE:
	case CM_EQUOTA:
		imapd_no(m, "OVERQUOTA", "the mailbox is full");
		break;
	case CM_ENOMEM:
		imapd_no(m, "LIMIT", "no memory");
		break;
	default:
		imapd_no(m, "UNAVAILABLE", "not now, try again");
		break;
	}
	imapd_log(m, "refused", cm_strerror(rc));
}

void
imapd_bye(struct imapd *m, const char *fmt, ...)
{
	struct buf	*out = conn_out(m->s->conn);
	va_list		 ap;

	m->done = true;
	buf_adds(out, "* BYE ");
	va_start(ap, fmt);
	buf_vaddf(out, fmt, ap);
	va_end(ap);
	buf_adds(out, "\r\n");
}

/* --- what all commands use --- */

void
imapd_log(struct imapd *m, const char *what, const char *why)
{
	const struct tls_session *tls = conn_tls(m->s->conn);
	struct buf	 b;

	buf_init(&b, 16384);
	buf_adds(&b, what);
	session_log_field(&b, "client", m->s->client);
	session_log_field(&b, "tls", tls != NULL ?
	    tls_session_label(tls) : "no");
	if (m->user[0] != '\0')
		session_log_field(&b, "user", m->user);
	if (m->view.open)
		session_log_field(&b, "folder", m->view.name);
	if (why != NULL)
		session_log_field(&b, "why", why);
	log_info(m->s->log, "%s", b.p);
	buf_free(&b);
}

void
imapd_deadline(struct imapd *m, int ms)
{
	int64_t	 now = time_mono_ms(), t = now + ms, soon = INT64_MAX;
	int64_t	 end = m->begun_ms + SESSION_MS;

	/* who has logged in keeps his time when others wait */
	if (m->user[0] == '\0') {
		soon = now + SESSION_STRESS_MS;
		if (soon > m->begun_ms + LOGIN_STRESS_MS)
			soon = m->begun_ms + LOGIN_STRESS_MS;
	}
	session_deadline(m->s, t < end ? t : end, soon);
}

void
imapd_lost(struct imapd *m, int rc)
{
	if (m->done)
		return;
	m->done = true;
	imapd_log(m, "lost", cm_strerror(rc));
	if (rc != CM_ETIMEOUT && rc != CM_EAGAIN)
		return;
	if (rc == CM_EAGAIN)
		imapd_bye(m, "%s is closing", m->w->host);
	else
		imapd_bye(m, "%s: nothing was said for too long", m->w->host);
	conn_deadline(m->s->conn, time_mono_ms() + 1000);
	if (conn_flush(m->s->conn) != 0)
		log_debug(m->s->log, "client did not hear the goodbye");
}

bool
imapd_send_some(struct imapd *m)
{
	int	 rc;

	imapd_deadline(m, IMAPD_SEND_MS);
	if ((rc = conn_send_some(m->s->conn)) != 0)
		imapd_lost(m, rc);
	return rc == 0;
}

bool
imapd_is_utf8(const struct imapd *m)
{
	return (m->enabled & (IMAP_ENABLE_UTF8 | IMAP_ENABLE_REV2)) != 0;
}

bool
imapd_is_rev2(const struct imapd *m)
{
	return (m->enabled & IMAP_ENABLE_REV2) != 0;
}

bool
imapd_is_condstore(const struct imapd *m)
{
	return (m->enabled & (IMAP_ENABLE_CONDSTORE | IMAP_ENABLE_QRESYNC)) !=
	    0;
}

bool
imapd_is_qresync(const struct imapd *m)
{
	return (m->enabled & IMAP_ENABLE_QRESYNC) != 0;
}

/* --- commands --- */

static void
do_capability(struct imapd *m, const struct imap_command *c)
{
	struct buf	*out = conn_out(m->s->conn);

	(void)c;
	buf_adds(out, "* CAPABILITY ");
	imapd_capability(m, out);
	buf_adds(out, "\r\n");
	imapd_ok(m, NULL, "that is what is there");
}

static void
do_noop(struct imapd *m, const struct imap_command *c)
{
	imapd_ok(m, NULL, "%s done", imap_verb_name(c->verb));
}

static void
do_logout(struct imapd *m, const struct imap_command *c)
{
	(void)c;
	imapd_bye(m, "goodbye");
	imapd_ok(m, NULL, "logged out");
	if (m->user[0] != '\0')
		imapd_log(m, "left", NULL);
}

enum { ANY, BEFORE_LOGIN, LOGGED_IN, SELECTED };
enum tell { NOTHING, ALL, NO_EXPUNGE };	/* of what others have changed */

struct command {
	int		 state;
	/* RFC 3501 section 7.4.1: no EXPUNGE where numbers are in use */
	enum tell	 tell;
	void		(*fn)(struct imapd *, const struct imap_command *);
};

static const struct command commands[IMAP_UNKNOWN + 1] = {
	[IMAP_CAPABILITY] = { ANY, ALL, do_capability },
	[IMAP_NOOP] = { ANY, ALL, do_noop },
	[IMAP_LOGOUT] = { ANY, NOTHING, do_logout },
	[IMAP_ID] = { ANY, ALL, imapd_id },
	[IMAP_STARTTLS] = { BEFORE_LOGIN, NOTHING, imapd_starttls },
	[IMAP_AUTHENTICATE] = { BEFORE_LOGIN, NOTHING, imapd_authenticate },
	[IMAP_LOGIN] = { BEFORE_LOGIN, NOTHING, imapd_login },
	[IMAP_ENABLE] = { LOGGED_IN, NOTHING, imapd_enable },
	[IMAP_COMPRESS] = { LOGGED_IN, NOTHING, imapd_compress },
	[IMAP_SELECT] = { LOGGED_IN, NOTHING, imapd_select },
	[IMAP_EXAMINE] = { LOGGED_IN, NOTHING, imapd_select },
	[IMAP_CREATE] = { LOGGED_IN, ALL, imapd_create },
	[IMAP_DELETE] = { LOGGED_IN, ALL, imapd_delete },
	[IMAP_RENAME] = { LOGGED_IN, ALL, imapd_rename },
	[IMAP_SUBSCRIBE] = { LOGGED_IN, ALL, imapd_subscribe },
	[IMAP_UNSUBSCRIBE] = { LOGGED_IN, ALL, imapd_subscribe },
	[IMAP_LIST] = { LOGGED_IN, ALL, imapd_list },
	[IMAP_LSUB] = { LOGGED_IN, ALL, imapd_list },
	[IMAP_STATUS] = { LOGGED_IN, ALL, imapd_status },
	[IMAP_NAMESPACE] = { LOGGED_IN, ALL, imapd_namespace },
	[IMAP_GETQUOTA] = { LOGGED_IN, ALL, imapd_getquota },
	[IMAP_GETQUOTAROOT] = { LOGGED_IN, ALL, imapd_getquotaroot },
	[IMAP_SETQUOTA] = { LOGGED_IN, ALL, imapd_setquota },
	[IMAP_APPEND] = { LOGGED_IN, ALL, imapd_append },
	[IMAP_IDLE] = { LOGGED_IN, ALL, imapd_idle },
	[IMAP_CHECK] = { SELECTED, ALL, do_noop },
	[IMAP_CLOSE] = { SELECTED, NOTHING, imapd_close },
	[IMAP_UNSELECT] = { SELECTED, NOTHING, imapd_unselect },
	[IMAP_EXPUNGE] = { SELECTED, ALL, imapd_expunge },
	[IMAP_SEARCH] = { SELECTED, NO_EXPUNGE, imapd_search },
	[IMAP_SORT] = { SELECTED, NO_EXPUNGE, imapd_search },
	[IMAP_THREAD] = { SELECTED, NO_EXPUNGE, imapd_search },
	[IMAP_FETCH] = { SELECTED, NO_EXPUNGE, imapd_fetch },
	[IMAP_STORE] = { SELECTED, NO_EXPUNGE, imapd_store },
	[IMAP_COPY] = { SELECTED, ALL, imapd_copy },
	[IMAP_MOVE] = { SELECTED, ALL, imapd_copy },
	[IMAP_NOTIFY] = { LOGGED_IN, NOTHING, imapd_notify }
};

/* Is it one for now?  Else that was answered. */
static bool
is_its_time(struct imapd *m, const struct command *k)
{
	if (k->fn == NULL)
		imapd_bad(m, NULL, "no such command");
	else if (k->state == BEFORE_LOGIN && m->user[0] != '\0')
		imapd_bad(m, NULL, "you have logged in");
	else if (k->state >= LOGGED_IN && m->user[0] == '\0')
		imapd_bad(m, NULL, "log in first");
	else if (k->state == SELECTED && !m->view.open)
		imapd_bad(m, NULL, "select a folder first");
	else
		return true;
	return false;
}

/*
 * What others have changed, before the command's own answer.  A catalog that
 * is away is asked with the next command.
 */
static void
tell(struct imapd *m, const struct command *k, bool uid)
{
	bool	 expunge = k->tell == ALL || uid;
	int	 rc;

	if (k->tell == NOTHING || m->done)
		return;
	rc = imapd_look(m, expunge);
	if (rc == CM_ENOINPUT || rc == CM_ESTALE)
		imapd_bye(m, "the folder is not there any more");
	else if (rc != 0)
		imapd_log(m, "changes not told", cm_strerror(rc));
}

/* What "*" means; who asks for what has gone does not mean what is left. */
static uint32_t
last_uid(const struct imapd *m, const struct imap_command *c)
{
	if (c->fetch.vanished)
		return UINT32_MAX;
	return m->view.n > 0 ? m->view.uid[m->view.n - 1] : 0;
}

static void
run(struct imapd *m, struct imap_command *c)
{
	const struct command *k = &commands[c->verb];

	if (!is_its_time(m, k))
		return;
	if (m->view.open)
		imap_command_resolve(c, (uint32_t)m->view.n, last_uid(m, c));
	k->fn(m, c);
	imapd_notify_did(m, c);
	tell(m, k, c->uid);
}

static void
command(struct imapd *m)
{
	struct span	 line = { m->line.p, m->line.len };
	struct imap_command c = { 0 };
	struct buf	*out = conn_out(m->s->conn);
	int		 rc;

	buf_reset(&m->reply);
	rc = imap_parse(line, &c);
	if (rc == 0)
		run(m, &c);
	else if (rc == CM_ENOMEM)
		imapd_no(m, "LIMIT", "no memory");
	else
		imapd_bad(m, NULL, "%s: %s", imap_verb_name(c.verb),
		    c.why != NULL ? c.why : cm_strerror(rc));
	if (m->reply.len > 0) {
		if (c.tag.len > 0)
			buf_add(out, c.tag.p, c.tag.len);
		else
			buf_addc(out, '*');
		buf_addc(out, ' ');
		buf_add(out, m->reply.p, m->reply.len);
		buf_adds(out, "\r\n");
	}
	imap_command_free(&c);
}

static void
next_command(struct imapd *m)
{
	int	 rc = 0;

	if (m->notify != NULL)
		rc = imapd_notify_wait(m, COMMAND_MS);
	if (rc == 0) {
		imapd_deadline(m, m->user[0] != '\0' ? COMMAND_MS : LOGIN_MS);
		rc = imapd_read(m);
	}
	if (rc == 0)
		command(m);
	else if (rc != CM_EDATA)
		imapd_lost(m, rc);
	if (m->line.cap > LINE_KEPT)
		buf_free(&m->line);
	if (!m->done && m->errors >= ERRORS_MAX)
		imapd_bye(m, "too many errors");
}

static void
free_session(struct imapd *m)
{
	imapd_notify_end(m);
	imapd_view_end(m);
	mailbox_close(m->box);
	buf_free(&m->line);
	buf_free(&m->reply);
	free(m);
}

static void
serve(struct session *s, void *arg)
{
	struct imapd	*m;
	struct buf	*out = conn_out(s->conn);

	(void)arg;
	if ((m = calloc(1, sizeof(*m))) == NULL) {
		log_fail(s->log, CM_ENOMEM, "session");
		return;
	}
	m->s = s;
	m->w = s->worker;
	m->begun_ms = time_mono_ms();
	buf_init(&m->line, LINE_MAX_BYTES);
	buf_init(&m->reply, 4u << 20);
	buf_adds(out, "* OK [CAPABILITY ");
	imapd_capability(m, out);
	buf_addf(out, "] %s clustermail\r\n", m->w->host);
	while (!m->done)
		next_command(m);
	imapd_deadline(m, 10000);
	if (conn_flush(s->conn) != 0)
		log_debug(s->log, "client has gone");
	free_session(m);
}

static void
turn_away(struct session *s, const char *why, void *arg)
{
	(void)arg;
	buf_addf(conn_out(s->conn), "* BYE [UNAVAILABLE] %s, try again "
	    "later\r\n", why);
}

struct session_service
imapd_service(void)
{
	return (struct session_service){ .name = "imapd", .open = worker_open,
	    .close = worker_close, .serve = serve, .turn_away = turn_away };
}
