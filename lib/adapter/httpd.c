#include "adapter/httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter/httpd_int.h"
#include "base/file.h"
#include "base/time.h"

#define TICK_MS		500	/* between looks at stop and at late clients */
#define STOP_TICK_MS	50
#define LOST_MS		5000	/* the daemon starts a client within that */
#define BURST		32	/* clients taken between two looks */
#define LOG_SPAN_MS	10000
#define LOG_LINES	20	/* in such a span */
#define SPARE		16	/* over our own limit of connections */
#define LATE_MS		1000	/* behind the library's own timeout */
#define DRAIN_READS	64	/* of 4 KiB */
#define KEEP_IDLE_S	30	/* a silent client is asked whether it lives */
#define KEEP_EVERY_S	10
#define KEEP_COUNT	3

/* Authenticated encryption and forward secrecy only; AES-128 is the fastest. */
#define PRIORITIES	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:" \
	"-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:" \
	"-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:%SERVER_PRECEDENCE"

/* The PEM files; the library does not copy them. */
struct pem {
	struct buf	 ca, cert, key;
};

static bool
is_stopped(const struct server *s)
{
	return s->conf->stop != NULL &&
	    __atomic_load_n(s->conf->stop, __ATOMIC_RELAXED);
}

/* Whoever knocks all the time shall not fill the log. */
static void
put_bounded(void *arg, enum log_level level, const char *line)
{
	struct server	*s = arg;
	int64_t		 now = time_mono_ms();
	unsigned	 dropped = 0;
	bool		 put;

	pthread_mutex_lock(&s->log_lock);
	if (now - s->log_since > LOG_SPAN_MS) {
		dropped = s->log_dropped;
		s->log_since = now;
		s->log_lines = s->log_dropped = 0;
	}
	put = s->log_lines++ < LOG_LINES;
	if (!put)
		s->log_dropped++;
	pthread_mutex_unlock(&s->log_lock);
	if (dropped > 0)
		log_warn(s->conf->log, "%u more lines were dropped", dropped);
	if (put)
		s->conf->log->put(s->conf->log->arg, level, line);
}

/* The library's own words: about our files at the start, else about clients. */
__attribute__((format(printf, 2, 0)))
static void
put_daemon(void *arg, const char *fmt, va_list ap)
{
	struct server	*s = arg;
	char		 line[512];

	if (vsnprintf(line, sizeof(line), fmt, ap) < 0)
		return;
	line[strcspn(line, "\n")] = '\0';
	if (s->started)
		log_debug(s->conf->log, "%s", line);
	else
		log_warn(s->conf->log, "%s: %s", s->conf->tls, line);
}

static void
address_text(const struct sockaddr *sa, socklen_t len, char out[HTTPD_ADDRESS])
{
	const char	*v4 = "::ffff:";
	char		 host[HTTPD_ADDRESS];

	if (getnameinfo(sa, len, host, sizeof(host), NULL, 0,
	    NI_NUMERICHOST) != 0 || host[0] == '\0')
		memcpy(host, "local", sizeof("local"));
	if (strncmp(host, v4, strlen(v4)) == 0)
		memmove(host, host + strlen(v4), strlen(host + strlen(v4)) + 1);
	memcpy(out, host, sizeof(host));
}

/* Answers at once; a client's machine that is gone is noticed. */
static void
tune(const struct server *s, int fd)
{
	const struct {
		int	 level, name, value;
	} opts[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT,
		    (s->conf->timeout_s + KEEP_IDLE_S) * 1000 },
	};

	/* None of them is needed, and no socket but TCP's takes them. */
	for (size_t i = 0; i < sizeof(opts) / sizeof(opts[0]); i++)
		(void)setsockopt(fd, opts[i].level, opts[i].name,
		    &opts[i].value, sizeof(opts[i].value));
}

static void
wake(struct server *s)
{
	uint64_t	 one = 1;

	if (write(s->wake, &one, sizeof(one)) == -1)
		return;		/* full: it wakes anyway */
}

static void
conn_list(struct server *s, struct conn *c)
{
	pthread_mutex_lock(&s->lock);
	if (s->pending > 0)
		s->pending--;
	if (c != NULL) {
		s->count++;
		if ((c->next = s->conns) != NULL)
			c->next->prev = &c->next;
		c->prev = &s->conns;
		s->conns = c;
	}
	pthread_mutex_unlock(&s->lock);
}

/*
 * Before the handshake.  A connection that could not be told whom to demand
 * is cut here, and httpd_answer takes no request from it either.
 */
static struct conn *
conn_start(struct server *s, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo	*info;
	struct sockaddr_storage		 ss;
	socklen_t			 len = sizeof(ss);
	struct conn			*c = calloc(1, sizeof(*c));
	int				 fd, rc = CM_ENOMEM;

	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	fd = info->connect_fd;
	info = MHD_get_connection_info(mhd,
	    MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (c != NULL) {
		c->server = s;
		c->fd = fd;
		c->since = time_mono_ms();
		if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0)
			address_text((struct sockaddr *)&ss, len, c->address);
		rc = tls_demand_peer(&s->log,
		    info != NULL ? info->tls_session : NULL, c->address,
		    s->conf->allow, s->conf->arg, &c->peer);
	}
	if (rc != 0) {
		log_fail(&s->log, rc, "client");
		shutdown(fd, SHUT_RDWR);
	}
	conn_list(s, c);
	return c;
}

/*
 * A socket closed with bytes unread resets the connection, and the client may
 * lose what was said last: an alert that tells it why it is refused.
 */
static void
read_rest(int fd)
{
	char	 b[4096];

	for (int i = 0; i < DRAIN_READS; i++)
		if (recv(fd, b, sizeof(b), MSG_DONTWAIT) <= 0)
			return;
}

/* The session is no more, and its threads are over. */
static void
conn_end(struct server *s, struct conn *c)
{
	read_rest(c->fd);
	pthread_mutex_lock(&s->lock);
	if ((*c->prev = c->next) != NULL)
		c->next->prev = c->prev;
	s->count--;
	pthread_mutex_unlock(&s->lock);
	if (c->said_hello && s->conf->bye != NULL)
		s->conf->bye(s->conf->arg, c->app);
	if (tls_peer_name(c->peer)[0] == '\0' && !tls_peer_refused(c->peer))
		log_warn(&s->log, "%s: no TLS handshake with a certificate",
		    c->address);
	tls_peer_free(c->peer);
	free(c);
	wake(s);
}

static void
notify(void *arg, struct MHD_Connection *mhd, void **ctx,
    enum MHD_ConnectionNotificationCode code)
{
	struct conn	*c = *ctx;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*ctx = conn_start(arg, mhd);
	} else if (c != NULL) {
		*ctx = NULL;
		conn_end(arg, c);
	}
}

static int
read_pem(const struct server *s, const char *name, struct buf *b)
{
	char	 path[FILE_PATH_MAX];
	int	 rc;

	buf_init(b, TLS_FILE_MAX);
	if ((rc = str_fmt(path, sizeof(path), "%s/%s", s->conf->tls,
	    name)) != 0)
		return log_fail(s->conf->log, rc, "%s", s->conf->tls);
	if ((rc = file_read(s->conf->log, path, b)) != 0)
		return rc;
	/* The library wants a NUL behind it. */
	return b->len > 0 ? buf_addc(b, '\0') :
	    log_fail(s->conf->log, CM_EDATA, "%s", path);
}

static int
read_pems(const struct server *s, struct pem *p)
{
	int	 rc;

	if ((rc = read_pem(s, "ca.pem", &p->ca)) != 0 ||
	    (rc = read_pem(s, "node.pem", &p->cert)) != 0)
		return rc;
	return read_pem(s, "node.key", &p->key);
}

static void
free_pems(struct pem *p)
{
	if (p->key.p != NULL)
		explicit_bzero(p->key.p, p->key.cap);
	buf_free(&p->key);
	buf_free(&p->cert);
	buf_free(&p->ca);
}

/*
 * The library accepts nothing by itself: it is given each socket, so that it
 * never has inetd's listening one, and what was accepted is always served.
 * It waits by select(2), because its poll(2) runs in circles during the last
 * second of a timeout (0.9.75).
 */
static int
start(struct server *s, const struct pem *p)
{
	const struct httpd	*h = s->conf;

	s->daemon = MHD_start_daemon(MHD_USE_TLS | MHD_USE_ITC |
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
	    MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, httpd_answer, s,
	    MHD_OPTION_EXTERNAL_LOGGER, put_daemon, s,
	    MHD_OPTION_NOTIFY_CONNECTION, notify, s,
	    MHD_OPTION_NOTIFY_COMPLETED, httpd_over, s,
	    MHD_OPTION_UNESCAPE_CALLBACK, httpd_unescape, s,
	    MHD_OPTION_HTTPS_PRIORITIES, PRIORITIES,
	    MHD_OPTION_HTTPS_MEM_KEY, p->key.p,
	    MHD_OPTION_HTTPS_MEM_CERT, p->cert.p,
	    MHD_OPTION_HTTPS_MEM_TRUST, p->ca.p,
	    MHD_OPTION_CONNECTION_LIMIT, h->connections + SPARE,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, h->per_address,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)h->timeout_s,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTPD_POOL,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_END);
	if (s->daemon == NULL)
		return log_fail(h->log, CM_EDATA, "%s: ca.pem, node.pem or "
		    "node.key cannot be used", h->tls);
	s->started = true;
	return 0;
}

/* Hands a client over; the descriptor is the library's from here on. */
static void
give(struct server *s, int fd)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len = sizeof(ss);
	bool			 good;

	tune(s, fd);
	memset(&ss, 0, sizeof(ss));
	pthread_mutex_lock(&s->lock);
	s->pending++;
	s->given = time_mono_ms();
	pthread_mutex_unlock(&s->lock);
	if (getpeername(fd, (struct sockaddr *)&ss, &len) == -1) {
		close(fd);	/* gone already */
		good = false;
	} else {
		good = MHD_add_connection(s->daemon, fd,
		    (struct sockaddr *)&ss, len) == MHD_YES;
		if (!good)
			log_warn(&s->log, "a client over a limit was refused");
	}
	if (good)
		return;
	pthread_mutex_lock(&s->lock);
	s->pending--;
	pthread_mutex_unlock(&s->lock);
}

static unsigned
clients(struct server *s)
{
	unsigned	 n;

	pthread_mutex_lock(&s->lock);
	/* It had no memory for it, and says so to nobody. */
	if (s->pending > 0 && time_mono_ms() - s->given > LOST_MS)
		s->pending = 0;
	n = s->count + s->pending;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void
take(struct server *s, int fd)
{
	int	 client;

	for (int i = 0; i < BURST && clients(s) < s->conf->connections; i++) {
		client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (client != -1) {
			give(s, client);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN) {
			log_errno(&s->log, "accept");
			time_sleep_ms(100);
		}
		return;
	}
}

/*
 * A client that has not shown in time who it is, or has not sent the whole
 * header of its next request, is cut.  The library does the same with one that
 * is silent, but each byte that drips starts its clock again.
 */
static void
cut_late(struct server *s)
{
	int64_t	 limit = (int64_t)s->conf->timeout_s * 1000 + LATE_MS;
	int64_t	 now = time_mono_ms();

	pthread_mutex_lock(&s->lock);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		if (c->cut || c->busy || c->tunnel || now - c->since <= limit)
			continue;
		c->cut = true;
		shutdown(c->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&s->lock);
}

static void
cut_all(struct server *s, bool busy_too)
{
	pthread_mutex_lock(&s->lock);
	for (struct conn *c = s->conns; c != NULL; c = c->next)
		if (!c->cut && (busy_too || !c->busy)) {
			c->cut = true;
			shutdown(c->fd, SHUT_RDWR);
		}
	pthread_mutex_unlock(&s->lock);
}

/* Sleeps until a client knocks (fd, if not -1), one is gone, or ms. */
static bool
wait_event(struct server *s, int fd, int ms)
{
	struct pollfd	 p[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = s->wake, .events = POLLIN },
	};
	uint64_t	 n;

	if (poll(p, 2, ms) <= 0)
		return false;
	if (p[1].revents != 0 && read(s->wake, &n, sizeof(n)) == -1)
		return false;
	return p[0].revents != 0;
}

static void
serve_many(struct server *s, int fd)
{
	int64_t		 idle = time_mono_ms();
	unsigned	 n;

	while (!is_stopped(s)) {
		n = clients(s);
		if (n > 0)
			idle = time_mono_ms();
		else if (s->conf->idle_s > 0 && time_mono_ms() - idle >=
		    (int64_t)s->conf->idle_s * 1000)
			return;
		/* At the limit the rest waits in the socket's queue. */
		if (wait_event(s, n < s->conf->connections ? fd : -1, TICK_MS))
			take(s, fd);
		cut_late(s);
	}
}

static void
serve_one(struct server *s)
{
	while (!is_stopped(s) && clients(s) > 0) {
		wait_event(s, -1, TICK_MS);
		cut_late(s);
	}
}

/* Requests that are being served get their answers, for a while. */
static void
finish(struct server *s)
{
	int64_t	 until = time_mono_ms() + (int64_t)s->conf->timeout_s * 1000;

	while (clients(s) > 0) {
		cut_all(s, time_mono_ms() >= until);
		wait_event(s, -1, STOP_TICK_MS);
	}
}

/* The listening socket may be somebody's with whom we share its flags. */
static int
serve(struct server *s, int fd)
{
	int		 copy, flags, is_listening = 0;
	socklen_t	 len = sizeof(is_listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening,
	    &len) == -1)
		return log_errno(s->conf->log, "fd %d", fd);
	if (is_listening) {
		if ((flags = fcntl(fd, F_GETFL)) == -1 ||
		    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
			return log_errno(s->conf->log, "fd %d", fd);
		serve_many(s, fd);
		(void)fcntl(fd, F_SETFL, flags);
	} else {
		if ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1)
			return log_errno(s->conf->log, "fd %d", fd);
		give(s, copy);
		serve_one(s);
	}
	finish(s);
	return 0;
}

int
httpd_run(const struct httpd *h, int fd)
{
	struct server	 s = { .conf = h, .wake = -1 };
	struct pem	 pem = { .key = { 0 } };
	int		 rc;

	if (h->allow == NULL || h->begin == NULL || h->end == NULL ||
	    h->connections == 0 || h->bodies == 0 || h->timeout_s <= 0)
		return log_fail(h->log, CM_EUSAGE, "httpd");
	pthread_mutex_init(&s.lock, NULL);
	pthread_mutex_init(&s.log_lock, NULL);
	if (h->log != NULL && h->log->put != NULL)
		s.log = (struct log){ h->log->max, put_bounded, &s };
	if ((s.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		rc = log_errno(h->log, "eventfd");
	else if ((rc = read_pems(&s, &pem)) == 0 &&
	    (rc = start(&s, &pem)) == 0) {
		rc = serve(&s, fd);
		MHD_stop_daemon(s.daemon);
	}
	free_pems(&pem);
	if (s.wake != -1)
		close(s.wake);
	pthread_mutex_destroy(&s.log_lock);
	pthread_mutex_destroy(&s.lock);
	return rc;
}
