#include "protocol/pop3.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "protocol/pop3_int.h"

#define COMMAND_MS	600000		/* RFC 1939 section 3: 10 minutes */
#define SESSION_MS	(4 * 3600000)
#define LOGIN_STRESS_MS	60000	/* while others wait for a worker */
#define ERRORS_MAX	20

/* --- a worker --- */

static void
worker_close(void *arg)
{
	struct pop3_worker *w = arg;

	if (w == NULL)
		return;
	sasl_server_close(w->sasl);
	reader_close(w->reader);
	catalog_close(w->catalog);
	free(w);
}

static int
worker_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, void *arg, void **out)
{
	struct pop3_worker *w;
	int		    rc;

	(void)arg;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return log_fail(log, CM_ENOMEM, "pop3d");
	w->log = log;
	w->conf = conf;
	if ((rc = conf_hostname(conf, w->host, sizeof(w->host))) != 0)
		log_fail(log, rc, "the host's name");
	if (rc == 0)
		rc = catalog_open(log, conf, file, node, &w->catalog);
	if (rc == 0)
		rc = reader_open(log, conf, &w->reader);
	if (rc == 0)
		rc = sasl_server_open(log, &w->sasl);
	if (rc != 0) {
		worker_close(w);
		return rc;
	}
	*out = w;
	return 0;
}

/* --- what all commands use --- */

__attribute__((format(printf, 4, 0)))
static void
say(struct pop3 *m, const char *sign, const char *code, const char *fmt,
    va_list ap)
{
	struct buf	*out = conn_out(m->s->conn);

	buf_adds(out, sign);
	if (code != NULL)
		buf_addf(out, "[%s] ", code);
	buf_vaddf(out, fmt, ap);
	buf_adds(out, "\r\n");
}

void
pop3_good(struct pop3 *m, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	say(m, "+OK ", NULL, fmt, ap);
	va_end(ap);
}

void
pop3_bad(struct pop3 *m, const char *code, const char *fmt, ...)
{
	va_list	 ap;

	m->errors++;
	va_start(ap, fmt);
	say(m, "-ERR ", code, fmt, ap);
	va_end(ap);
}

void
pop3_log(struct pop3 *m, const char *what, const char *why)
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
	if (why != NULL)
		session_log_field(&b, "why", why);
	log_info(m->s->log, "%s", b.p);
	buf_free(&b);
}

void
pop3_deadline(struct pop3 *m, int ms)
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

/* RFC 1939 section 3: nothing is deleted then. */
void
pop3_lost(struct pop3 *m, int rc)
{
	m->done = true;
	pop3_log(m, "lost", cm_strerror(rc));
	if (rc != CM_ETIMEOUT && rc != CM_EAGAIN)
		return;
	pop3_bad(m, "SYS/TEMP", rc == CM_EAGAIN ? "%s is closing" :
	    "%s: nothing was said for too long", m->w->host);
	conn_deadline(m->s->conn, time_mono_ms() + 1000);
	if (conn_flush(m->s->conn) != 0)
		log_debug(m->s->log, "client did not hear the goodbye");
}

/* --- commands --- */

static void
capa(struct pop3 *m)
{
	const struct tls_session *tls = conn_tls(m->s->conn);
	struct buf	*out = conn_out(m->s->conn);

	pop3_good(m, "what is there");
	buf_adds(out, "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\n"
	    "AUTH-RESP-CODE\r\nEXPIRE NEVER\r\nLOGIN-DELAY 0\r\nUTF8\r\n"
	    "IMPLEMENTATION clustermail\r\n");
	if (m->user[0] == '\0') {
		buf_addf(out, "SASL %s\r\n", sasl_server_mechanisms(tls));
		if (pop3_is_private(m))
			buf_adds(out, "USER\r\n");
		if (m->s->tls != NULL && tls == NULL)
			buf_adds(out, "STLS\r\n");
	}
	buf_adds(out, ".\r\n");
}

static void
stls(struct pop3 *m)
{
	struct buf	 why;
	size_t		 dropped = 0;
	int		 rc;

	if (conn_tls(m->s->conn) != NULL || m->s->tls == NULL) {
		pop3_bad(m, NULL, m->s->tls == NULL ? "there is no TLS here" :
		    "TLS is there already");
		return;
	}
	pop3_good(m, "go ahead");
	buf_init(&why, 1024);
	pop3_deadline(m, 60000);
	rc = conn_starttls(m->s->conn, m->s->tls, &dropped, &why);
	if (dropped > 0)
		log_warn(m->s->log, "client=%s: %zu bytes behind STLS "
		    "dropped", m->s->client, dropped);
	if (rc != 0) {
		pop3_log(m, "refused", why.len > 0 ? why.p : cm_strerror(rc));
		m->done = true;
	}
	buf_free(&why);
	m->name[0] = '\0';
}

static void
quit(struct pop3 *m)
{
	size_t	 n = 0;
	int	 rc;

	m->done = true;
	if (m->user[0] == '\0') {
		pop3_good(m, "goodbye");
		return;
	}
	if ((rc = pop3_update(m, &n)) != 0) {
		pop3_bad(m, "SYS/TEMP", "nothing was deleted: not now");
		pop3_log(m, "refused", cm_strerror(rc));
		return;
	}
	pop3_good(m, "%zu deleted, goodbye", n);
	pop3_log(m, n > 0 ? "left, messages deleted" : "left", NULL);
}

/* Before a login. */
static bool
authorize(struct pop3 *m, enum pop3_verb v, struct span args)
{
	switch (v) {
	case POP3_USER:
		pop3_user(m, args);
		return true;
	case POP3_PASS:
		pop3_pass(m, args);
		return true;
	case POP3_AUTH:
		pop3_auth(m, args);
		return true;
	case POP3_STLS:
		stls(m);
		return true;
	case POP3_UTF8:
		pop3_good(m, "names may be in UTF-8, messages are as they are");
		return true;
	default:
		return false;
	}
}

static bool
transact(struct pop3 *m, enum pop3_verb v, struct span args)
{
	switch (v) {
	case POP3_STAT:
		pop3_stat(m);
		return true;
	case POP3_LIST:
		pop3_list(m, args);
		return true;
	case POP3_UIDL:
		pop3_uidl(m, args);
		return true;
	case POP3_RETR:
		pop3_retr(m, args);
		return true;
	case POP3_TOP:
		pop3_top(m, args);
		return true;
	case POP3_DELE:
		pop3_dele(m, args);
		return true;
	case POP3_RSET:
		pop3_rset(m);
		return true;
	case POP3_NOOP:
		pop3_good(m, "nothing done");
		return true;
	default:
		return false;
	}
}

static void
command(struct pop3 *m, struct span line)
{
	struct span	 args;
	enum pop3_verb	 v = pop3_verb(line, &args);
	bool		 in = m->user[0] != '\0';

	if (v == POP3_CAPA)
		capa(m);
	else if (v == POP3_QUIT)
		quit(m);
	else if (v == POP3_UNKNOWN)
		pop3_bad(m, NULL, "no such command");
	else if (!(in ? transact(m, v, args) : authorize(m, v, args)))
		pop3_bad(m, NULL, in ? "not when you have logged in" :
		    "log in first");
}

static bool
is_text(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f)
			return false;
	return true;
}

/* A bare LF is taken: nothing can be smuggled here. */
static void
next_command(struct pop3 *m)
{
	struct span	 line;
	bool		 crlf;
	int		 rc;

	pop3_deadline(m, COMMAND_MS);
	rc = conn_line(m->s->conn, POP3_LINE_MAX, &line, &crlf);
	if (rc == CM_ETOOBIG)
		pop3_bad(m, NULL, "line too long");
	else if (rc != 0)
		pop3_lost(m, rc);
	else if (!is_text(line))
		pop3_bad(m, NULL, "a command is text");
	else
		command(m, line);
	if (!m->done && m->errors >= ERRORS_MAX) {
		pop3_bad(m, "SYS/PERM", "too many errors");
		m->done = true;
	}
}

static void
serve(struct session *s, void *arg)
{
	struct pop3	*m;

	(void)arg;
	if ((m = calloc(1, sizeof(*m))) == NULL) {
		log_fail(s->log, CM_ENOMEM, "session");
		return;
	}
	m->s = s;
	m->w = s->worker;
	m->begun_ms = time_mono_ms();
	pop3_good(m, "%s clustermail", m->w->host);
	while (!m->done)
		next_command(m);
	pop3_deadline(m, 10000);
	if (conn_flush(s->conn) != 0)
		log_debug(s->log, "client has gone");
	free(m->msg);
	free(m);
}

static void
turn_away(struct session *s, const char *why, void *arg)
{
	(void)arg;
	buf_addf(conn_out(s->conn), "-ERR [SYS/TEMP] %s, try again later\r\n",
	    why);
}

struct session_service
pop3_service(void)
{
	return (struct session_service){ .name = "pop3d", .open = worker_open,
	    .close = worker_close, .serve = serve, .turn_away = turn_away };
}
