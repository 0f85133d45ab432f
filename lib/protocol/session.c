#include "protocol/session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "cluster/handler.h"
#include "protocol/session_int.h"

#define PROXY_MS	10000	/* for its header */
#define TLS_MS		30000	/* for a handshake that comes first */
#define TURN_AWAY_MS	5000
#define KEEP_IDLE_S	60	/* a silent client is asked whether it lives */
#define KEEP_EVERY_S	20
#define KEEP_COUNT	4
#define WHY_MAX		512

/* Lines of a session begin with its id. */
struct line {
	const struct log *base;
	const char	*id;
};

static void
put_line(void *arg, enum log_level level, const char *text)
{
	const struct line	*l = arg;
	char			 line[2200];

	if (snprintf(line, sizeof(line), "%s: %s", l->id, text) > 0)
		l->base->put(l->base->arg, level, line);
}

/* The time and the process, in base 32: 9 digits and 5. */
static void
make_id(struct session_engine *e, char id[SESSION_ID_MAX])
{
	static const char	 digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	int64_t			 now = time_now_ms();
	uint64_t		 v;
	int			 i;

	/* two sessions in a millisecond, or the clock was set back */
	if (now <= e->last_id)
		now = e->last_id + 1;
	e->last_id = now;
	for (i = 8, v = (uint64_t)now; i >= 0; i--, v >>= 5)
		id[i] = digits[v & 31];
	for (i = 13, v = (uint64_t)getpid(); i >= 9; i--, v >>= 5)
		id[i] = digits[v & 31];
	id[14] = '\0';
}

static void
address_text(const unsigned char ip[16], char out[SESSION_ADDRESS_MAX])
{
	static const unsigned char v4[12] = { [10] = 0xff, [11] = 0xff };
	bool			 is_v4 = memcmp(ip, v4, sizeof(v4)) == 0;

	if (inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? ip + 12 : ip, out,
	    SESSION_ADDRESS_MAX) == NULL)
		out[0] = '\0';
}

void
session_set_client(struct session *s, const unsigned char ip[16],
    unsigned port)
{
	memmove(s->client_ip, ip, 16);
	s->client_port = port;
	s->has_ip = true;
	address_text(ip, s->client);
}

void
session_set_local(struct session *s, const unsigned char ip[16],
    unsigned port)
{
	s->local_port = port;
	address_text(ip, s->local);
}

static bool
take_address(const struct sockaddr_storage *ss, unsigned char ip[16],
    unsigned *port)
{
	const struct sockaddr_in	*v4 = (const void *)ss;
	const struct sockaddr_in6	*v6 = (const void *)ss;

	if (ss->ss_family == AF_INET) {
		memset(ip, 0, 10);
		memset(ip + 10, 0xff, 2);
		memcpy(ip + 12, &v4->sin_addr, 4);
		*port = ntohs(v4->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		memcpy(ip, &v6->sin6_addr, 16);
		*port = ntohs(v6->sin6_port);
	}
	return ss->ss_family == AF_INET || ss->ss_family == AF_INET6;
}

static void
find_addresses(struct session *s, int fd)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len = sizeof(ss);
	unsigned char		 ip[16];
	unsigned		 port;

	memcpy(s->client, "pipe", sizeof("pipe"));
	if (getpeername(fd, (struct sockaddr *)&ss, &len) == -1)
		return;
	if (!take_address(&ss, ip, &port)) {
		memcpy(s->client, "local", sizeof("local"));
		return;
	}
	session_set_client(s, ip, port);
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	    take_address(&ss, ip, &port))
		session_set_local(s, ip, port);
}

/* Answers at once; a client's machine that is gone is noticed. */
void
session_tune(int fd)
{
	static const struct {
		int	 level, name, value;
	} opts[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT },
	};

	/* None of them is needed, and no socket but TCP's takes them. */
	for (size_t i = 0; i < sizeof(opts) / sizeof(opts[0]); i++)
		(void)setsockopt(fd, opts[i].level, opts[i].name,
		    &opts[i].value, sizeof(opts[i].value));
}

/* TLS from the first byte. */
static int
begin_tls(struct session *s)
{
	struct buf	 why;
	size_t		 dropped;
	int		 rc = CM_ECONF;

	buf_init(&why, WHY_MAX);
	session_deadline(s, time_mono_ms() + TLS_MS,
	    time_mono_ms() + SESSION_STRESS_MS);
	if (s->tls == NULL)
		buf_adds(&why, "there is no certificate");
	else
		rc = conn_starttls(s->conn, s->tls, &dropped, &why);
	if (rc != 0)
		log_info(s->log, "client=%s no TLS: %s", s->client,
		    why.len > 0 ? why.p : cm_strerror(rc));
	buf_free(&why);
	return rc;
}

static void
turn_away(struct session *s)
{
	static const char		*why = "too many connections";
	const struct session_service	*v = s->engine->service;

	log_warn(s->log, "client=%s turned away: %s", s->client, why);
	if (v->turn_away == NULL || s->implicit)
		return;
	conn_deadline(s->conn, time_mono_ms() + TURN_AWAY_MS);
	v->turn_away(s, why, v->arg);
	if (conn_flush(s->conn) != 0)
		log_debug(s->log, "client has gone");
}

bool
session_is_stressed(const struct session *s)
{
	return s->engine->board != NULL && s->engine->board->stressed;
}

void
session_deadline(struct session *s, int64_t mono_ms, int64_t stressed_ms)
{
	conn_deadline(s->conn, mono_ms);
	conn_hurried(s->conn, stressed_ms);
}

static void
serve(struct session *s)
{
	struct session_engine	*e = s->engine;

	conn_stop(s->conn, s->stop);
	if (e->board != NULL)
		conn_hurry(s->conn, &e->board->stressed);
	if (e->slot != NULL && s->has_ip && !board_admit(e->board, e->slot,
	    s->client_ip, s->conf->per_client))
		turn_away(s);
	else if (!s->implicit || begin_tls(s) == 0)
		e->service->serve(s, e->service->arg);
	/* who sees that it has ended may come again */
	session_account_leave(s);
	if (e->slot != NULL)
		board_leave(e->board, e->slot);
	conn_close(s->conn);
}

void
session_one(struct session_engine *e, int in, int out)
{
	struct session	 s = { .conf = e->conf, .tls = e->tls,
			    .implicit = e->options->implicit,
			    .worker = e->worker, .stop = session_stop(),
			    .engine = e };
	struct line	 l = { &e->log, s.id };
	struct log	 log = { e->log.max, put_line, &l };

	s.log = &log;
	make_id(e, s.id);
	find_addresses(&s, in);
	if (e->options->proxy &&
	    session_proxy(&s, in, time_mono_ms() + PROXY_MS) != 0) {
		close(in);
		if (out != in)
			close(out);
	} else if (conn_open(in, out, &s.conn) != 0) {
		log_fail(&log, CM_ENOMEM, "client=%s", s.client);
	} else {
		serve(&s);
	}
}

int
session_tls(const struct log *log, const struct conf *conf,
    const struct tls_server *old, struct tls_server **out)
{
	*out = NULL;
	return conf->certificate == NULL ? 0 :
	    tls_server_open(log, conf->certificate, conf->key, old, out);
}

/* One session, in this process. */
static int
run_one(struct session_engine *e, int in, int out)
{
	const struct session_service	*v = e->service;
	int				 rc;

	if ((rc = session_tls(&e->log, e->conf, NULL, &e->tls)) == 0)
		rc = v->open(&e->log, e->conf, e->options->file,
		    e->options->node, v->arg, &e->worker);
	if (rc != 0) {
		close(in);
		if (out != in)
			close(out);
	} else {
		session_tune(in);
		session_one(e, in, out);
		v->close(e->worker);
	}
	tls_server_close(e->tls);
	return rc;
}

static int
run(struct session_engine *e)
{
	const struct session_options *o = e->options;
	struct conf	*conf;
	int		 in, out, rc, is_listening = 0;
	socklen_t	 len = sizeof(is_listening);

	if ((rc = handler_streams(&e->log, o->file, o->node, e->service->name,
	    &in, &out, &conf)) != 0)
		return rc;
	e->accounts = accounts_open(&e->log, conf->node->state);
	if ((rc = logins_open(&e->log, conf->node->state, &e->logins)) != 0) {
		close(in);
		if (out != in)
			close(out);
	} else if (getsockopt(in, SOL_SOCKET, SO_ACCEPTCONN, &is_listening,
	    &len) == 0 && is_listening) {
		conf_free(conf);
		conf = NULL;
		e->listen = in;
		session_signals(true);
		rc = session_master(e);
		close(in);
	} else {
		e->conf = conf;
		session_signals(false);
		rc = run_one(e, in, out);
	}
	conf_free(conf);
	logins_close(e->logins);
	if (e->accounts != -1)
		close(e->accounts);
	return rc;
}

int
session_run(const struct session_service *v, const struct session_options *o)
{
	struct session_engine	 e = { .service = v, .options = o,
				    .listen = -1, .wake = -1,
				    .accounts = -1 };
	int			 rc;

	if ((rc = str_fmt(e.prog, sizeof(e.prog), "cm-%s", v->name)) != 0)
		return rc;
	session_log_open(&e.log, e.prog);
	rc = run(&e);
	session_log_close();
	return rc;
}
