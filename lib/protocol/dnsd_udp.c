/*
 * Questions by UDP: workers that share the socket, and a first process that
 * looks after them.
 */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/confwatch.h"
#include "cluster/handler.h"
#include "protocol/dnsd_int.h"
#include "protocol/dnsd_udp.h"
#include "protocol/session_int.h"

#define WORKERS_DEFAULT	8	/* at most, unless said otherwise */
#define WORKERS_MAX	256
#define LOOK_S		1
#define RESTART_MS	1000	/* a worker that ends at once is not hurried */

struct worker {
	pid_t		 pid;		/* 0: to be started */
	int64_t		 started_ms;
};

struct master {
	struct log	 log;
	const struct dnsd_options *o;
	int		 fd;
	_Atomic int64_t	*last_ms;	/* when something came; shared */
	struct dnsd_limit *limit;
	struct worker	 worker[WORKERS_MAX];
	unsigned	 n;
	bool		 failed;
	pid_t		 pid;
};

/* A worker's signals come at any time, not just in waits of a conn. */
static void
let_signals_in(void)
{
	sigset_t	 set;

	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

/* What the file says, as long as it is in use. */
struct reading {
	struct confwatch *watch;
	const struct conf *conf;	/* answers are made of it */
	const struct conf *refused;	/* a newer one that is wrong */
	struct dnsd	*d;
};

static void
let_go(struct reading *r, const struct conf **c)
{
	if (*c != NULL)
		confwatch_put(r->watch, *c);
	*c = NULL;
}

/* With one that is wrong, which is said once, answers go on as they were. */
static int
look_at_conf(struct master *m, struct reading *r)
{
	const struct conf *now = confwatch_get(r->watch);
	struct dnsd	*new;
	int		 rc;

	if (now == r->conf || now == r->refused) {
		confwatch_put(r->watch, now);
		return 0;
	}
	let_go(r, &r->refused);
	if ((rc = dnsd_open(&m->log, now, m->limit, &new)) != 0) {
		r->refused = now;
		return r->d == NULL ? rc : 0;
	}
	dnsd_close(r->d);
	r->d = new;
	let_go(r, &r->conf);
	r->conf = now;
	return 0;
}

static int
work(struct master *m)
{
	struct reading	 r = { NULL, NULL, NULL, NULL };
	struct dnsd_batch *b;
	int		 rc;

	if ((rc = confwatch_open(&m->log, m->o->file, m->o->node,
	    &r.watch)) != 0)
		return rc;
	if ((rc = dnsd_batch_open(&m->log, m->fd, &b)) != 0)
		goto out;
	while (!*session_stop() && (rc = look_at_conf(m, &r)) == 0)
		if (dnsd_batch_serve(b, r.d) > 0)
			atomic_store_explicit(m->last_ms, time_mono_ms(),
			    memory_order_relaxed);
	dnsd_close(r.d);
	let_go(&r, &r.conf);
	let_go(&r, &r.refused);
	dnsd_batch_close(b);
out:
	confwatch_close(r.watch);
	return rc;
}

/* True in the new process. */
static bool
start(struct master *m, struct worker *w)
{
	pid_t	 pid = fork();

	if (pid == 0)
		return true;
	w->started_ms = time_mono_ms();
	if (pid == -1)
		log_errno(&m->log, "fork");
	else
		w->pid = pid;
	return false;
}

static bool
start_all(struct master *m)
{
	int64_t	 now = time_mono_ms();

	for (unsigned i = 0; i < m->n; i++)
		if (m->worker[i].pid == 0 &&
		    (m->worker[i].started_ms == 0 ||
		    now - m->worker[i].started_ms >= RESTART_MS) &&
		    start(m, &m->worker[i]))
			return true;
	return false;
}

static void
reap(struct master *m)
{
	pid_t	 pid;
	int	 st;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0)
		for (unsigned i = 0; i < m->n; i++) {
			if (m->worker[i].pid != pid)
				continue;
			m->worker[i].pid = 0;
			if (WIFSIGNALED(st))
				log_warn(&m->log, "worker %ld: signal %d",
				    (long)pid, WTERMSIG(st));
			m->failed |= WIFEXITED(st) && WEXITSTATUS(st) != 0;
		}
}

static void
stop_all(struct master *m)
{
	struct worker	*w;

	for (unsigned i = 0; i < m->n; i++)
		if (m->worker[i].pid != 0)
			kill(m->worker[i].pid, SIGTERM);
	for (unsigned i = 0; i < m->n; i++) {
		w = &m->worker[i];
		if (w->pid != 0)
			waitpid(w->pid, NULL, 0);
		w->pid = 0;
		w->started_ms = 0;
	}
}

static bool
is_idle(const struct master *m)
{
	return time_mono_ms() - atomic_load(m->last_ms) >=
	    (int64_t)m->o->idle_s * 1000;
}

/* Until one of these signals, or nobody asks any more.  True in a worker. */
static bool
keep_workers(struct master *m, const sigset_t *set, int *sig)
{
	const struct timespec wait = { LOOK_S, 0 };

	do {
		if (start_all(m))
			return true;
		*sig = sigtimedwait(set, NULL, &wait);
		reap(m);
	} while (*sig != SIGTERM && *sig != SIGINT && !m->failed &&
	    !is_idle(m));
	return false;
}

static bool
question_waits(const struct master *m)
{
	struct pollfd	 p = { .fd = m->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/*
 * Until it is told to end, or nobody asks any more.  True in a worker.  Who
 * asks while the last worker ends is not left to inetd: xinetd throws away what
 * it finds in the queue when a program has ended.
 */
static bool
look_after(struct master *m)
{
	sigset_t	 set;
	int		 sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	do {
		if (keep_workers(m, &set, &sig))
			return true;
		stop_all(m);
	} while (sig != SIGTERM && sig != SIGINT && !m->failed &&
	    question_waits(m));
	return false;
}

static unsigned
processors(void)
{
	long	 n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_DEFAULT ? WORKERS_DEFAULT : (unsigned)n;
}

/* One look at the configuration, so that what is wrong is said once. */
static int
try(struct master *m)
{
	struct conf	*conf;
	struct dnsd	*d;
	int		 rc;

	if ((rc = conf_load(&m->log, m->o->file, m->o->node, &conf)) != 0)
		return rc;
	if ((rc = dnsd_open(&m->log, conf, NULL, &d)) == 0)
		dnsd_close(d);
	conf_free(conf);
	return rc;
}

int
dnsd_udp(const struct dnsd_options *o)
{
	struct master	*m;
	int		 rc;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return CM_ENOMEM;
	m->o = o;
	m->pid = getpid();
	m->n = o->workers == 0 ? processors() :
	    o->workers < WORKERS_MAX ? o->workers : WORKERS_MAX;
	session_log_open(&m->log, "cm-dnsd");
	if ((rc = handler_begin(&m->log, o->file, o->node, "dnsd",
	    &m->fd)) != 0 || (rc = try(m)) != 0)
		goto out;
	m->last_ms = mmap(NULL, sizeof(*m->last_ms), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m->last_ms == MAP_FAILED || dnsd_limit_open(&m->limit) != 0) {
		rc = log_fail(&m->log, CM_ENOMEM, "DNS");
		goto out;
	}
	atomic_store(m->last_ms, time_mono_ms());
	session_signals(true);
	if (look_after(m)) {
		session_signals(false);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		let_signals_in();
		/* it may have died before that */
		rc = getppid() == m->pid ? work(m) : 0;
	} else
		rc = m->failed ? CM_EAGAIN : 0;
	dnsd_limit_close(m->limit);
	munmap(m->last_ms, sizeof(*m->last_ms));
out:
	session_log_close();
	free(m);
	return rc;
}
