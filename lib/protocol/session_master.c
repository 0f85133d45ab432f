#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/confwatch.h"
#include "protocol/session_int.h"

#define SLOTS		100000	/* as many as cluster.xml can ask for */
#define TICK_MS		1000
#define BATCH_MAX	32	/* workers begun at once */
#define BATCH_MS	1000	/* growth that goes on that soon doubles it */
#define SHRINK_TICKS	5	/* so long nobody needed them */
#define FAIL_MS		100	/* no worker could begin: twice as long */
#define FAIL_MAX_MS	5000

struct mark {
	struct timespec	 mtime;
	ino_t		 ino;
};

struct master {
	struct session_engine *e;
	struct confwatch *watch;
	const struct conf *refused;	/* or NULL; to be put back */
	struct mark	 cert, key;
	unsigned	 reading;	/* of the configuration; workers of
					   earlier ones are to end */
	int64_t		 ticked;
	/* growth */
	unsigned	 batch;
	int64_t		 grew;
	unsigned	 failed;	/* workers that could not begin, in a
					   row */
	int64_t		 not_before;
	bool		 waited;	/* clients did, at the last tick */
	bool		 killed;	/* a worker was, since the last look */
	/* shrinking */
	unsigned	 least;		/* idle, over some ticks */
	unsigned	 ticks;
	/* the end */
	uint64_t	 sessions;	/* begun, at the last tick */
	int64_t		 active;
	bool		 ending;
};

struct tally {
	unsigned	 all;
	unsigned	 free;		/* idle, or about to be */
	unsigned	 idle;
	unsigned	 busy;
};

static void
count(const struct master *m, struct tally *t)
{
	const struct board	*b = m->e->board;
	const struct slot	*s;

	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < b->top; i++) {
		s = &b->slots[i];
		if (s->state == SLOT_FREE)
			continue;
		t->all++;
		t->busy += s->state == SLOT_BUSY;
		if (s->state == SLOT_BUSY || s->retire ||
		    s->reading != m->reading)
			continue;
		t->free++;
		t->idle += s->state == SLOT_IDLE;
	}
}

static unsigned
most(const struct master *m)
{
	unsigned n = m->e->options->workers;

	if (n == 0)
		n = m->e->conf->sessions;
	return n < SLOTS ? n : SLOTS;
}

static unsigned
spare(const struct master *m)
{
	unsigned n = m->e->options->spare;

	if (n == 0)
		n = SESSION_SPARE;
	return n < most(m) ? n : most(m);
}

/* --- certificate and configuration */

static bool
has_changed(const char *path, struct mark *k)
{
	struct stat	 st;
	struct mark	 now;

	if (path == NULL || stat(path, &st) == -1)
		return false;
	memset(&now, 0, sizeof(now));
	now.mtime = st.st_mtim;
	now.ino = st.st_ino;
	if (now.ino == k->ino && now.mtime.tv_sec == k->mtime.tv_sec &&
	    now.mtime.tv_nsec == k->mtime.tv_nsec)
		return false;
	*k = now;
	return true;
}

/* Looks at both: whichever changes, they are read again. */
static bool
certificate_changed(struct master *m)
{
	bool	 a = has_changed(m->e->conf->certificate, &m->cert);
	bool	 b = has_changed(m->e->conf->key, &m->key);

	return a || b;
}

/* A wrong one is complained about; the old one stays, as cluster.xml does. */
static bool
read_certificate(struct master *m)
{
	struct tls_server	*tls;

	if (session_tls(&m->e->log, m->e->conf, m->e->tls, &tls) != 0)
		return false;
	tls_server_close(m->e->tls);
	m->e->tls = tls;
	return true;
}

static void
retire(struct slot *s)
{
	if (s->retire)
		return;
	s->retire = true;
	if (s->pid > 0)
		(void)kill(s->pid, SIGUSR1);
}

/* Those of an earlier reading end when they are free. */
static void
new_reading(struct master *m)
{
	struct board	*b = m->e->board;

	m->reading++;
	for (unsigned i = 0; i < b->top; i++)
		if (b->slots[i].state != SLOT_FREE)
			retire(&b->slots[i]);
}

/* A new configuration, or NULL; one that the service cannot do with is asked
 * about once. */
static const struct conf *
newest(struct master *m)
{
	const struct session_service *v = m->e->service;
	const struct conf *conf = confwatch_get(m->watch);

	if (conf == m->e->conf || conf == m->refused) {
		confwatch_put(m->watch, conf);
		return NULL;
	}
	if (v->check == NULL || v->check(&m->e->log, conf) == 0)
		return conf;
	if (m->refused != NULL)
		confwatch_put(m->watch, m->refused);
	m->refused = conf;
	return NULL;
}

static void
look(struct master *m)
{
	const struct conf	*conf = newest(m);

	if (conf != NULL) {
		confwatch_put(m->watch, m->e->conf);
		m->e->conf = conf;
		(void)certificate_changed(m);
		(void)read_certificate(m);
		new_reading(m);
		return;
	}
	if (certificate_changed(m) && read_certificate(m)) {
		log_info(&m->e->log, "%s was read again",
		    m->e->conf->certificate);
		new_reading(m);
	}
}

/* --- workers that begin and end */

/* True in the worker. */
static bool
begin_worker(struct master *m)
{
	struct session_engine	*e = m->e;
	struct slot		*s;
	pid_t			 pid;

	if ((s = board_take(e->board)) == NULL)
		return false;
	s->reading = m->reading;
	if ((pid = fork()) == 0) {
		e->slot = s;
		return true;
	}
	if (pid == -1) {
		log_errno(&e->log, "fork");
		board_free(e->board, s);
		m->not_before = time_mono_ms() + TICK_MS;
		return false;
	}
	s->pid = pid;
	return false;
}

static void
has_ended(struct master *m, struct slot *s, int status)
{
	unsigned	 state = s->state;
	int64_t		 pause;

	m->killed |= WIFSIGNALED(status);
	if (WIFSIGNALED(status))
		log_warn(&m->e->log, "worker %d was ended by signal %d, %s",
		    (int)s->pid, WTERMSIG(status), state == SLOT_BUSY ?
		    "in a session" : state == SLOT_IDLE ? "idle" : "at start");
	board_free(m->e->board, s);
	if (state != SLOT_START || status == 0) {
		m->failed = 0;
		return;
	}
	pause = FAIL_MS << (m->failed < 6 ? m->failed : 6);
	m->failed++;
	m->not_before = time_mono_ms() +
	    (pause < FAIL_MAX_MS ? pause : FAIL_MAX_MS);
}

static void
reap(struct master *m)
{
	struct slot	*s;
	int		 status;
	pid_t		 pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((s = board_find(m->e->board, pid)) != NULL)
			has_ended(m, s, status);
}

static bool
client_waits(const struct master *m)
{
	struct pollfd	 p = { .fd = m->e->listen, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* How many workers to begin now. */
static unsigned
growth(struct master *m, const struct tally *t, bool tick)
{
	int64_t		 now = time_mono_ms();
	unsigned	 n = 0, want = spare(m), max = most(m);
	bool		 waits = client_waits(m), stuck;

	/* a worker may have died with the news of it */
	stuck = waits && (m->killed || (tick && m->waited && t->idle > 0));
	m->killed = false;
	if (tick)
		m->waited = waits;
	if (now < m->not_before || t->all >= max)
		return 0;
	if (t->free < want) {
		n = want - t->free;
		m->batch = now - m->grew < BATCH_MS ? m->batch * 2 : want;
		if (m->batch > BATCH_MAX)
			m->batch = BATCH_MAX;
		m->grew = now;
		/* woken ones that have not come to run yet are free */
		if (waits && t->free == 0 && n < m->batch)
			n = m->batch;
	} else if (stuck) {
		n = 1;
	}
	/* one at a time when the last ones could not begin */
	if (m->failed > 0 && n > 1)
		n = 1;
	return n < max - t->all ? n : max - t->all;
}

/*
 * Nine in ten are busy, until no more than seven are: those who have waited
 * longest go first, since their time is over first.
 */
static void
look_at_stress(struct master *m, const struct tally *t)
{
	struct board	*b = m->e->board;
	unsigned	 max = most(m);

	if (!b->stressed && t->busy >= max - max / 10) {
		log_warn(&m->e->log, "%u sessions of %u: who says nothing is "
		    "hung up on sooner", t->busy, max);
		b->stressed = true;
	} else if (b->stressed && t->busy < max - max / 10 * 3 &&
	    t->busy < max) {
		log_info(&m->e->log, "%u sessions of %u: all have their time "
		    "again", t->busy, max);
		b->stressed = false;
	}
}

/* True in a worker. */
static bool
grow(struct master *m, bool tick)
{
	struct board	*b = m->e->board;
	struct tally	 t;
	unsigned	 n;

	b->woken = false;
	count(m, &t);
	look_at_stress(m, &t);
	n = growth(m, &t, tick);
	b->idle = (int)t.idle;
	b->spare = (int)spare(m);
	b->full = t.all + n >= most(m);
	for (; n > 0; n--)
		if (begin_worker(m))
			return true;
	return false;
}

/* Of the idle ones that nobody has needed for a while, half may go. */
static void
shrink(struct master *m)
{
	struct board	*b = m->e->board;
	struct tally	 t;
	unsigned	 n;

	count(m, &t);
	if (m->ticks == 0 || t.idle < m->least)
		m->least = t.idle;
	if (++m->ticks < SHRINK_TICKS)
		return;
	m->ticks = 0;
	n = m->least > spare(m) ? (m->least - spare(m) + 1) / 2 : 0;
	for (unsigned i = b->top; i > 0 && n > 0; i--) {
		struct slot *s = &b->slots[i - 1];

		if (s->state == SLOT_IDLE && !s->retire) {
			retire(s);
			n--;
		}
	}
}

/* --- the end */

/*
 * Idle workers go; one that takes a client in that moment serves it, and
 * all goes on.  Who knocks when the last one is gone waits for inetd.
 */
static void
try_to_end(struct master *m)
{
	struct board	*b = m->e->board;
	struct tally	 t;
	int64_t		 now = time_mono_ms();

	count(m, &t);
	if (t.busy > 0 || b->sessions != m->sessions) {
		m->active = now;
		m->ending = false;
	}
	m->sessions = b->sessions;
	if (m->e->options->idle_s <= 0 || now - m->active <
	    (int64_t)m->e->options->idle_s * 1000)
		return;
	m->ending = true;
	for (unsigned i = 0; i < b->top; i++)
		if (b->slots[i].state != SLOT_FREE)
			retire(&b->slots[i]);
}

/* Is that called off? */
static bool
is_needed(const struct master *m)
{
	return m->e->board->sessions != m->sessions || client_waits(m);
}

/* Waits for a signal, a worker or the time. */
static void
wait_event(struct master *m, int ms)
{
	struct pollfd	 p = { .fd = m->e->wake, .events = POLLIN };
	struct timespec	 ts = { ms / 1000, (long)(ms % 1000) * 1000000 };
	sigset_t	 mask;
	uint64_t	 n;

	session_wait_mask(&mask);
	if (ppoll(&p, 1, &ts, &mask) > 0 &&
	    read(m->e->wake, &n, sizeof(n)) == -1)
		return;
}

static void
signal_all(struct master *m, int sig)
{
	struct board	*b = m->e->board;

	for (unsigned i = 0; i < b->top; i++)
		if (b->slots[i].state != SLOT_FREE && b->slots[i].pid > 0)
			(void)kill(b->slots[i].pid, sig);
}

/* Sessions get some time. */
static void
finish(struct master *m)
{
	int64_t	 until = time_mono_ms() + SESSION_STOP_S * 1000;
	bool	 late = false;

	signal_all(m, SIGTERM);
	while (m->e->board->top > 0) {
		if (!late && time_mono_ms() >= until) {
			late = true;
			log_warn(&m->e->log, "sessions that did not end are "
			    "cut");
			signal_all(m, SIGKILL);
		}
		wait_event(m, 100);
		reap(m);
	}
}

/* Once a second at most. */
static bool
tick(struct master *m)
{
	int64_t	 now = time_mono_ms();

	if (now - m->ticked < TICK_MS)
		return false;
	m->ticked = now;
	look(m);
	shrink(m);
	try_to_end(m);
	return true;
}

static void
keep_workers(struct master *m)
{
	int64_t	 left;
	bool	 ticks = true;

	m->active = m->ticked = time_mono_ms();
	for (;;) {
		reap(m);
		if (*session_stop()) {
			finish(m);
			return;
		}
		if (m->ending && is_needed(m))
			m->ending = false;
		if (m->ending && m->e->board->top == 0)
			return;
		if (!m->ending && grow(m, ticks))
			return;
		left = m->not_before - time_mono_ms();
		wait_event(m, left > 0 && left < TICK_MS ? (int)left :
		    TICK_MS);
		ticks = tick(m);
	}
}

/* The queue may be somebody's with whom we share its flags. */
static int
run(struct master *m)
{
	struct session_engine	*e = m->e;
	int			 flags;

	if ((flags = fcntl(e->listen, F_GETFL)) == -1 ||
	    fcntl(e->listen, F_SETFL, flags | O_NONBLOCK) == -1)
		return log_errno(&e->log, "standard input");
	session_tune(e->listen);
	keep_workers(m);
	if (e->slot != NULL)
		return session_worker(e);
	(void)fcntl(e->listen, F_SETFL, flags);
	return 0;
}

static int
open_all(struct master *m)
{
	struct session_engine	*e = m->e;
	int			 rc;

	if ((rc = confwatch_open(&e->log, e->options->file, e->options->node,
	    &m->watch)) != 0)
		return rc;
	e->conf = confwatch_get(m->watch);
	(void)certificate_changed(m);
	if ((rc = session_tls(&e->log, e->conf, NULL, &e->tls)) != 0)
		return rc;
	if (e->options->implicit && e->tls == NULL)
		return log_fail(&e->log, CM_ECONF, "TLS is to come first, but "
		    "cluster.xml names no certificate");
	if ((rc = board_open(SLOTS, &e->board)) != 0)
		return log_fail(&e->log, rc, "board");
	e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return e->wake == -1 ? log_errno(&e->log, "eventfd") : 0;
}

int
session_master(struct session_engine *e)
{
	struct master	 m = { .e = e };
	int		 rc;

	e->master = getpid();
	if ((rc = open_all(&m)) == 0)
		rc = run(&m);
	if (e->wake != -1)
		close(e->wake);
	board_close(e->board);
	tls_server_close(e->tls);
	if (e->conf != NULL)
		confwatch_put(m.watch, e->conf);
	if (m.refused != NULL)
		confwatch_put(m.watch, m.refused);
	confwatch_close(m.watch);
	return rc;
}
