/*
 * Questions by UDP: workers that share the socket, and a first process that
 * looks after them.  It reads the configuration, and they are forked with what
 * was made of it: that is in memory once, whoever comes later needs nothing
 * that could be wrong by then, and when the file has changed it is made anew
 * while the old workers answer.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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
#define RESTART_MAX	5	/* 1, 2, 4 .. 32 seconds when they fail */
#define DRAIN_MS	1000
#define FD_LEAST	10	/* out of the way of 0 to 2 */

struct worker {
	pid_t		 pid;		/* 0: to be started */
	int64_t		 started_ms;
};

struct master {
	struct log	 log;
	const struct dnsd_options *o;
	int		 fd;
	pid_t		 pid;
	_Atomic int64_t	*last_ms;	/* when something came; shared */
	struct dnsd_limit *limit;
	struct confwatch *watch;
	const struct conf *conf;	/* what d is of */
	const struct conf *refused;	/* a newer one that is wrong, or NULL */
	struct dnsd	*d;		/* of workers to come */
	bool		 worn;		/* workers died of it, maybe */
	struct worker	 worker[WORKERS_MAX];
	unsigned	 n;
	unsigned	 failed;	/* workers that could not begin, in a
					   row */
};

/* A worker's signals come at any time, not just in waits of a conn. */
static void
let_signals_in(void)
{
	sigset_t	 set;

	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

static int
work(struct master *m)
{
	struct dnsd_batch *b;
	int		 rc;

	if ((rc = dnsd_batch_open(&m->log, m->fd, &b)) != 0)
		return rc;
	while (!*session_stop())
		if (dnsd_batch_serve(b, m->d) > 0)
			atomic_store_explicit(m->last_ms, time_mono_ms(),
			    memory_order_relaxed);
	dnsd_batch_close(b);
	return 0;
}

/* A worker ends as main() does. */
static int
begin_work(struct master *m)
{
	session_signals(false);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
		return log_errno(&m->log, "prctl");
	if (getppid() != m->pid)
		return 0;
	let_signals_in();
	return work(m);
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

/* The more have failed, the longer it is until the next one. */
static bool
start_all(struct master *m)
{
	int64_t	 now = time_mono_ms(), pause = (int64_t)RESTART_MS <<
		    (m->failed / m->n < RESTART_MAX ? m->failed / m->n :
		    RESTART_MAX);

	for (unsigned i = 0; i < m->n; i++)
		if (m->worker[i].pid == 0 &&
		    (m->worker[i].started_ms == 0 ||
		    now - m->worker[i].started_ms >= pause) &&
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
			m->worn |= st != 0;
			/* it has said why, and others go on */
			if (WIFEXITED(st) && WEXITSTATUS(st) != 0)
				m->failed++;
			else
				m->failed = 0;
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

/* --- what they answer by */

static void
put_back(struct master *m, const struct conf *conf)
{
	if (conf != NULL)
		confwatch_put(m->watch, conf);
}

static int
take(struct master *m, const struct conf *conf)
{
	struct dnsd	*new;
	int		 rc;

	if ((rc = dnsd_open(&m->log, conf, m->limit, &new)) != 0)
		return rc;
	dnsd_close(m->d);
	m->d = new;
	return 0;
}

/* All that there are now; the next ones begin as soon as they have ended. */
static void
replace_all(struct master *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		m->worker[i].started_ms = 0;
		if (m->worker[i].pid != 0)
			kill(m->worker[i].pid, SIGTERM);
	}
}

/*
 * With a file that is wrong, which is said once, answers go on as they were.
 * After a worker's death all is made anew: somebody may have cut the file of
 * turns, and its pages are nobody's then.
 */
static int
read_again(struct master *m)
{
	const struct conf *now = confwatch_get(m->watch);
	bool		 worn = m->worn;
	int		 rc;

	m->worn = false;
	if (now == m->conf || now == m->refused) {
		confwatch_put(m->watch, now);
		return worn ? take(m, m->conf) : 0;
	}
	if ((rc = take(m, now)) != 0) {
		put_back(m, m->refused);
		m->refused = now;
		return rc;
	}
	put_back(m, m->conf);
	m->conf = now;
	replace_all(m);
	return 0;
}

/* Until one of these signals, or nobody asks any more.  True in a worker. */
static bool
keep_workers(struct master *m, const sigset_t *set, int *sig)
{
	const struct timespec wait = { LOOK_S, 0 };

	do {
		(void)read_again(m);
		if (start_all(m))
			return true;
		*sig = sigtimedwait(set, NULL, &wait);
		reap(m);
	} while (*sig != SIGTERM && *sig != SIGINT && !is_idle(m));
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
	} while (sig != SIGTERM && sig != SIGINT && question_waits(m));
	return false;
}

static unsigned
processors(void)
{
	long	 n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_DEFAULT ? WORKERS_DEFAULT : (unsigned)n;
}

/*
 * With questions left in the queue inetd would start the next one at once,
 * which has no more luck, and after some give the service up for a while.
 */
static void
drain(int fd)
{
	int64_t		 until = time_mono_ms() + DRAIN_MS, left;
	struct pollfd	 p = { .fd = fd, .events = POLLIN };
	char		 c;

	while ((left = until - time_mono_ms()) > 0)
		if (poll(&p, 1, (int)left) > 0 &&
		    recv(fd, &c, 1, MSG_DONTWAIT) == -1)
			time_sleep_ms(DRAIN_MS / 10);
}

static int
open_all(struct master *m)
{
	void	*p = mmap(NULL, sizeof(*m->last_ms), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int	 rc;

	if (p == MAP_FAILED)
		return log_fail(&m->log, CM_ENOMEM, "DNS");
	m->last_ms = p;
	atomic_store(m->last_ms, time_mono_ms());
	if ((rc = dnsd_limit_open(&m->limit)) != 0)
		return log_fail(&m->log, rc, "DNS");
	if ((rc = confwatch_open(&m->log, m->o->file, m->o->node,
	    &m->watch)) != 0)
		return rc;
	return read_again(m);
}

static void
close_all(struct master *m)
{
	dnsd_close(m->d);
	put_back(m, m->conf);
	put_back(m, m->refused);
	confwatch_close(m->watch);
	dnsd_limit_close(m->limit);
	if (m->last_ms != NULL)
		munmap(m->last_ms, sizeof(*m->last_ms));
}

int
dnsd_udp(const struct dnsd_options *o)
{
	struct master	*m;
	int		 queue, rc;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return CM_ENOMEM;
	/* handler_begin leaves none open when it fails */
	queue = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FD_LEAST);
	m->o = o;
	m->pid = getpid();
	m->n = o->workers == 0 ? processors() :
	    o->workers < WORKERS_MAX ? o->workers : WORKERS_MAX;
	session_log_open(&m->log, "cm-dnsd");
	if ((rc = handler_begin(&m->log, o->file, o->node, "dnsd",
	    &m->fd)) == 0 && (rc = open_all(m)) == 0) {
		session_signals(true);
		rc = look_after(m) ? begin_work(m) : 0;
	} else if (queue != -1)
		drain(queue);
	if (queue != -1)
		close(queue);
	close_all(m);
	session_log_close();
	free(m);
	return rc;
}
