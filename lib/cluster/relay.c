#include "cluster/relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "base/time.h"
#include "cluster/confwatch.h"
#include "cluster/known.h"
#include "cluster/peer.h"
#include "cluster/relay_int.h"
#include "cluster/service.h"
#include "cluster/standin.h"

#define POLL_MS		200
#define STACK		(256u << 10)
#define GUESTS_MAX	400
#define LINE_MAX_LEN	(1u << 20)
#define IDLE_MS		600000
#define AWAY_MS		1000	/* not asked again so soon when it was away */
#define LEARN_MS	30000	/* how often the accounts are asked for */

struct guest {
	struct relay	*r;
	int		 fd;
};

/* The first of its nodes that answers, beginning with the last that did. */
static int
dial_any(struct relay *r, const struct conf *conf, int *fd)
{
	size_t	 n = conf->ncatalogs, k;
	int	 rc = CM_EAWAY;

	for (size_t i = 0; i < n && rc != 0; i++) {
		k = (r->answered + i) % n;
		rc = peer_tunnel(r->away ? NULL : r->log, conf,
		    conf->catalogs[k], "/v1/catalog", fd);
		if (rc == 0)
			r->answered = k;
	}
	return rc;
}

static int
dial_leader(struct relay *r, const struct conf *conf, int *fd)
{
	char	 name[CONF_NAME_MAX + 1];

	replica_leader(r->replica, name);
	if (name[0] == '\0' || strcmp(name, conf->self) == 0)
		return CM_EAWAY;
	return relay_leader(r->log, conf, name, fd);
}

/* An answer of one line, a byte at a time: what follows is another's. */
static int
short_answer(int fd)
{
	char	 c = 0, first[3] = "";

	for (size_t n = 0; c != '\n'; n++) {
		if (read(fd, &c, 1) != 1)
			return CM_EAWAY;
		if (n < sizeof(first))
			first[n] = c;
	}
	return memcmp(first, ".0\t", 3) == 0 ? 0 : CM_EAWAY;
}

int
relay_leader(const struct log *log, const struct conf *conf,
    const char *name, int *fd)
{
	struct timeval	 tv = { PEER_MS / 1000, 0 };
	int		 rc;

	if ((rc = peer_tunnel(log, conf, name, "/v1/catalog", fd)) != 0)
		return rc;
	if (setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == -1 ||
	    file_write(*fd, "leader\n", 7) != 0 ||
	    (rc = short_answer(*fd)) != 0) {
		close(*fd);
		*fd = -1;
		return CM_EAWAY;
	}
	return 0;
}

int
relay_dial(struct relay *r, int *fd)
{
	const struct conf	*conf;
	int64_t			 now = time_mono_ms();
	int			 rc;

	*fd = -1;
	if (now < atomic_load(&r->away_until))
		return CM_EAWAY;
	conf = confwatch_get(r->conf);
	rc = r->replica != NULL ? dial_leader(r, conf, fd) :
	    dial_any(r, conf, fd);
	confwatch_put(r->conf, conf);
	if (rc != 0) {
		if (!atomic_exchange(&r->away, true) && r->replica == NULL)
			log_fail(r->log, rc, "the catalog's nodes");
		atomic_store(&r->away_until, time_mono_ms() +
		    (r->replica == NULL ? AWAY_MS : AWAY_MS / 5));
	} else if (atomic_exchange(&r->away, false) && r->replica == NULL) {
		log_info(r->log, "the catalog is back");
	}
	return rc;
}

/* One direction's bytes; false at its end. */
static bool
move(int from, int to)
{
	char	 buf[65536];
	ssize_t	 n;

	while ((n = read(from, buf, sizeof(buf))) == -1 && errno == EINTR)
		continue;
	if (n > 0)
		return file_write(to, buf, (size_t)n) == 0;
	shutdown(to, SHUT_WR);
	return false;
}

static void
pump(int a, int b)
{
	struct pollfd	 p[2] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };

	/* the far side's end is the end: no more answers will come */
	while (p[1].fd != -1 && poll(p, 2, IDLE_MS) > 0) {
		if (p[1].revents && !move(b, a))
			p[1].fd = -1;
		if (p[0].fd != -1 && p[0].revents && !move(a, b))
			p[0].fd = -1;
	}
}

/* A request while the catalog is away; false when the rest must not be read,
 * since a body may follow. */
static bool
answer_alone(struct relay *r, struct stream *s, struct span line)
{
	const struct conf	*conf = confwatch_get(r->conf);
	struct buf		 arg, out;
	struct span		 word, rest = line, l;
	bool			 known;
	int			 rc = CM_EAWAY;

	buf_init(&arg, 4096);
	buf_init(&out, 1 << 20);
	known = str_field(&rest, '\t', &word) && span_is(word, "rcpt") &&
	    rest.p != NULL && str_unpct(&arg, rest.p, rest.len) == 0 &&
	    arg.len > 0;
	if (known)
		rc = known_resolve(r->log, conf, arg.p, &out);
	rest = (struct span){ out.p, out.len };
	while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &l))
		if (l.len > 0)
			buf_addf(&s->out, "=%.*s\n", (int)l.len, l.p);
	buf_addf(&s->out, ".%d\t%s\n", rc, rc == 0 ? "" :
	    "the catalog's node cannot be reached");
	confwatch_put(r->conf, conf);
	buf_free(&arg);
	buf_free(&out);
	return known && stream_flush(s, 1) == 0;
}

static void
serve_alone(struct relay *r, int fd)
{
	struct stream	 s;
	struct span	 line;

	stream_init(&s, fd, LINE_MAX_LEN, POLL_MS * 50);
	while (stream_line(&s, &line) == 0)
		if (!answer_alone(r, &s, line))
			break;
	if (stream_flush(&s, 1) != 0)
		log_debug(r->log, "a client went away");
	stream_close(&s);
}

static void *
guest_main(void *arg)
{
	struct guest	 g = *(struct guest *)arg;
	struct relay	*r = g.r;
	int		 fd;

	free(arg);
	/* who asks now wants to see what this node stored before */
	relay_push_wait(r);
	if (relay_dial(r, &fd) == 0) {
		pump(g.fd, fd);
		close(fd);
		close(g.fd);
	} else {
		serve_alone(r, g.fd);
	}
	pthread_mutex_lock(&r->mu);
	r->guests--;
	r->idle_since = time_mono_ms();
	pthread_mutex_unlock(&r->mu);
	return NULL;
}

static void
admit(struct relay *r, int fd, const pthread_attr_t *attr)
{
	struct guest	*g = NULL;
	pthread_t	 t;
	bool		 room;

	pthread_mutex_lock(&r->mu);
	room = r->guests < GUESTS_MAX;
	r->guests += room;
	pthread_mutex_unlock(&r->mu);
	if (room && (g = malloc(sizeof(*g))) != NULL) {
		*g = (struct guest){ r, fd };
		if (pthread_create(&t, attr, guest_main, g) == 0)
			return;
		free(g);
	}
	close(fd);
	pthread_mutex_lock(&r->mu);
	r->guests -= room;
	pthread_mutex_unlock(&r->mu);
}

static int
keep_line(struct buf *b, struct span l)
{
	buf_add(b, l.p + 1, l.len - 1);
	return buf_addc(b, '\n');
}

/* Asks for the accounts, and keeps them for worse times. */
static void
learn(struct relay *r)
{
	const struct conf	*conf;
	struct stream		 s;
	struct span		 l;
	struct buf		 all;
	int			 fd, rc;

	if (relay_dial(r, &fd) != 0)
		return;
	buf_init(&all, KNOWN_MAX);
	stream_init(&s, fd, LINE_MAX_LEN, PEER_MS);
	buf_adds(&s.out, "user-list\n");
	rc = stream_flush(&s, 1);
	while (rc == 0 && (rc = stream_line(&s, &l)) == 0) {
		if (l.len > 0 && l.p[0] == '=')
			rc = keep_line(&all, l);
		else
			break;
	}
	if (rc == 0 && l.len >= 3 && memcmp(l.p, ".0\t", 3) == 0) {
		conf = confwatch_get(r->conf);
		if (known_save(r->log, conf, &all) == 0)
			r->learned_ms = time_mono_ms();
		confwatch_put(r->conf, conf);
	}
	stream_close(&s);
	buf_free(&all);
}

static void *
learner(void *arg)
{
	struct relay	*r = arg;

	while (!r->stop) {
		if (r->learned_ms == 0 ||
		    time_mono_ms() - r->learned_ms > LEARN_MS)
			learn(r);
		for (int i = 0; i < 10 && !r->stop; i++)
			time_sleep_ms(POLL_MS);
	}
	return NULL;
}

static bool
is_idle(struct relay *r, int idle_s)
{
	bool	 idle;

	pthread_mutex_lock(&r->mu);
	idle = idle_s > 0 && r->guests == 0 && relay_push_is_done(r) &&
	    time_mono_ms() - r->idle_since > (int64_t)idle_s * 1000;
	pthread_mutex_unlock(&r->mu);
	return idle;
}

static bool
still_ours(struct relay *r)
{
	const struct conf	*conf = confwatch_get(r->conf);
	bool			 ours = !conf_has_catalog(conf);

	confwatch_put(r->conf, conf);
	return ours;
}

static void
accept_loop(struct relay *r, const struct service *s, int lock, int lfd,
    int idle_s)
{
	struct pollfd	 p = { .fd = lfd, .events = POLLIN };
	pthread_attr_t	 attr;
	int		 fd;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	while (service_is_current(s, lock) && still_ours(r) &&
	    !is_idle(r, idle_s))
		if (poll(&p, 1, POLL_MS) == 1 &&
		    (fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC)) != -1)
			admit(r, fd, &attr);
	pthread_attr_destroy(&attr);
}

static int
dial(void *relay, int *fd)
{
	return relay_dial(relay, fd);
}

static int
run(struct relay *r, const struct service *s, int lock, int lfd, int idle_s)
{
	pthread_t	 know, push;
	struct standin	*in;
	int		 rc;

	if ((rc = standin_start(r->log, r->conf, dial, r, &in)) != 0)
		return rc;
	rc = CM_EAGAIN;
	if (pthread_create(&know, NULL, learner, r) != 0)
		goto out;
	if (pthread_create(&push, NULL, relay_pusher, r) == 0) {
		rc = 0;
		accept_loop(r, s, lock, lfd, idle_s);
		r->stop = true;
		pthread_join(push, NULL);
	}
	r->stop = true;
	pthread_join(know, NULL);
out:
	standin_stop(in);
	return rc;
}

int
relay_new(const struct log *log, const char *file, const char *node,
    struct relay **out)
{
	struct relay	*r;

	if ((*out = r = calloc(1, sizeof(*r))) == NULL)
		return log_fail(log, CM_ENOMEM, "relay");
	r->log = log;
	r->idle_since = time_mono_ms();
	pthread_mutex_init(&r->mu, NULL);
	pthread_cond_init(&r->pushed, NULL);
	pthread_cond_init(&r->poke, NULL);
	return confwatch_open(log, file, node, &r->conf);
}

int
relay_serve(const struct log *log, const char *file, const char *node,
    int idle_s)
{
	const struct conf	*conf;
	struct service		 s;
	struct relay		*r;
	int			 lock, lfd, rc;

	if ((rc = relay_new(log, file, node, &r)) != 0)
		return rc;	/* the process ends */
	conf = confwatch_get(r->conf);
	if ((rc = service_init(&s, log, conf, NULL, NULL, "catalog",
	    "cm-catalog")) == 0 &&
	    (rc = service_listen(&s, &lock, &lfd)) == 0) {
		rc = run(r, &s, lock, lfd, idle_s);
		service_unlisten(&s, lock);
		close(lfd);
		close(lock);
	} else if (rc == CM_EEXIST) {
		rc = 0;
	}
	confwatch_put(r->conf, conf);
	return rc;	/* a guest may still hold r */
}
