/*
 * echod [-C file] [-n node] [-i seconds] [-w workers] [-s spare] [-tp]: a
 * service on the engine of client sessions, for tests.  -t: TLS comes first,
 * -p: a PROXY header does.  $ECHOD_MS: milliseconds for each line.
 * $ECHOD_FAIL: a file; while it is there, no worker can begin.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/tool.h"
#include "protocol/session.h"

#define LINE_MOST	1000
#define ANSWER_MOST	(8u << 20)

struct echo {
	struct session	*s;
	struct buf	*out;
	int		 line_ms;
	size_t		 dropped;
};

static int
on_open(const struct log *log, const struct conf *conf, const char *file,
    const char *node, void *arg, void **worker)
{
	const char	*fail = getenv("ECHOD_FAIL");

	(void)conf;
	(void)file;
	(void)node;
	(void)arg;
	if (fail != NULL && file_exists(fail))
		return log_fail(log, CM_EAWAY, "open");
	return (*worker = calloc(1, 1)) == NULL ? CM_ENOMEM : 0;
}

static void
on_close(void *worker)
{
	free(worker);
}

static const char *
argument(const char *line, const char *command)
{
	size_t	 n = strlen(command);

	if (strncmp(line, command, n) != 0)
		return NULL;
	return line[n] == ' ' ? line + n + 1 : line[n] == '\0' ? "" : NULL;
}

static void
starttls(struct echo *e)
{
	struct buf	 why;

	buf_init(&why, 500);
	if (e->s->tls == NULL) {
		buf_adds(e->out, "454 no certificate\r\n");
		return;
	}
	buf_adds(e->out, "220 go\r\n");
	if (conn_starttls(e->s->conn, e->s->tls, &e->dropped, &why) != 0)
		log_info(e->s->log, "no TLS: %s", why.p);
	buf_free(&why);
}

static void
binding(struct echo *e, const char *type)
{
	const struct tls_session *t = conn_tls(e->s->conn);
	struct buf	 b;
	int		 rc;

	buf_init(&b, 1000);
	rc = t == NULL ? CM_EUSAGE : tls_session_binding(t, type, &b);
	buf_addf(e->out, "%d ", rc == 0 ? 250 : 550);
	for (size_t i = 0; i < b.len; i++)
		buf_addf(e->out, "%02x", (unsigned char)b.p[i]);
	buf_adds(e->out, "\r\n");
	buf_free(&b);
}

/* LOGIN name good|bad|delay */
static void
login(struct echo *e, char *words)
{
	char	*what = strchr(words, ' ');

	if (what == NULL)
		return;
	*what++ = '\0';
	if (strcmp(what, "delay") != 0)
		session_login_result(e->s, words, strcmp(what, "good") == 0);
	buf_addf(e->out, "250 %d\r\n", session_login_delay(e->s, words));
}

static void
many(struct echo *e, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buf_addc(e->out, i % 64 == 63 ? '\n' : 'x');
}

static void
log_words(struct echo *e, const char *words)
{
	struct buf	 b;

	buf_init(&b, 4000);
	session_log_field(&b, "words", words);
	log_info(e->s->log, "said%s", b.p);
	buf_free(&b);
	buf_adds(e->out, "250 ok\r\n");
}

/* False: this was the last one. */
static bool
command(struct echo *e, char *line)
{
	const struct tls_session *t = conn_tls(e->s->conn);
	const char	*a;

	if ((a = argument(line, "ECHO")) != NULL)
		buf_addf(e->out, "250 %s\r\n", a);
	else if (argument(line, "STARTTLS") != NULL)
		starttls(e);
	else if (argument(line, "TLS") != NULL)
		buf_addf(e->out, "250 %s %s %zu\r\n",
		    t != NULL ? tls_session_label(t) : "plain",
		    t != NULL && tls_session_resumed(t) ? "resumed" : "new",
		    e->dropped);
	else if ((a = argument(line, "BIND")) != NULL)
		binding(e, a);
	else if (argument(line, "LOGIN") != NULL)
		login(e, line + 6);
	else if ((a = argument(line, "ENTER")) != NULL)
		buf_addf(e->out, "250 %d\r\n", session_account_enter(e->s, a));
	else if (argument(line, "LEAVE") != NULL) {
		session_account_leave(e->s);
		buf_adds(e->out, "250 left\r\n");
	} else if ((a = argument(line, "MANY")) != NULL)
		many(e, (unsigned)strtoul(a, NULL, 10));
	else if ((a = argument(line, "LOG")) != NULL)
		log_words(e, a);
	else if ((a = argument(line, "SLEEP")) != NULL)
		time_sleep_ms((int)strtoul(a, NULL, 10));
	else if (argument(line, "CRASH") != NULL)
		raise(SIGKILL);
	else if (argument(line, "QUIT") != NULL)
		buf_adds(e->out, "221 bye\r\n");
	else
		buf_adds(e->out, "500 what?\r\n");
	return argument(line, "QUIT") == NULL;
}

static void
goodbye(struct echo *e, int rc)
{
	if (rc == CM_ETIMEOUT)
		buf_adds(e->out, "421 too late\r\n");
	else if (rc == CM_EAGAIN)
		buf_adds(e->out, "421 we stop\r\n");
	conn_deadline(e->s->conn, time_mono_ms() + 1000);
	if (rc != CM_EEND && rc != CM_EAWAY && conn_flush(e->s->conn) != 0)
		log_info(e->s->log, "client=%s is gone", e->s->client);
}

static void
on_serve(struct session *s, void *arg)
{
	struct echo	 e = { .s = s, .out = conn_out(s->conn) };
	const char	*ms = getenv("ECHOD_MS");
	char		 line[LINE_MOST + 1];
	struct span	 l;
	bool		 crlf;
	int		 rc;

	(void)arg;
	e.line_ms = ms != NULL ? (int)strtoul(ms, NULL, 10) : 60000;
	buf_addf(e.out, "220 %s %s:%u %s:%u %s %ld\r\n", s->id, s->client,
	    s->client_port, s->local[0] ? s->local : "-", s->local_port,
	    s->conf->name != NULL ? s->conf->name : "-", (long)getpid());
	for (;;) {
		conn_deadline(s->conn, time_mono_ms() + e.line_ms);
		rc = conn_line(s->conn, LINE_MOST, &l, &crlf);
		if (rc == CM_ETOOBIG) {
			buf_adds(e.out, "500 too long\r\n");
			continue;
		}
		if (rc != 0 || str_ncopy(line, sizeof(line), l.p,
		    l.len) != 0 || !command(&e, line))
			break;
	}
	goodbye(&e, rc);
}

static void
on_turn_away(struct session *s, const char *why, void *arg)
{
	(void)arg;
	buf_addf(conn_out(s->conn), "421 %s\r\n", why);
	if (conn_flush(s->conn) != 0)
		log_info(s->log, "client=%s is gone", s->client);
}

static const struct session_service service = {
	.name = "echod", .open = on_open, .close = on_close,
	.serve = on_serve, .turn_away = on_turn_away,
};

int
main(int argc, char **argv)
{
	struct session_options o = { .idle_s = 60 };
	struct tool	 t;
	int		 ch;

	tool_init(&t, "echod");
	while ((ch = getopt(argc, argv, TOOL_OPTIONS "i:w:s:tp")) != -1)
		switch (ch) {
		case 'i':
			o.idle_s = (int)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			o.workers = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			o.spare = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 't':
			o.implicit = true;
			break;
		case 'p':
			o.proxy = true;
			break;
		default:
			if (!tool_option(&t, ch, optarg))
				return EX_USAGE;
		}
	o.file = t.file;
	o.node = t.node;
	return cm_exit(session_run(&service, &o));
}
