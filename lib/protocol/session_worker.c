#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "protocol/session_int.h"

#define NAP_MS	100	/* when there are no descriptors left */

/* Each client wakes one of the workers that wait, not all of them. */
static int
open_queue(struct session_engine *e, int *out)
{
	struct epoll_event	 ev = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int			 fd;

	*out = -1;
	if ((fd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return log_errno(&e->log, "epoll");
	if (epoll_ctl(fd, EPOLL_CTL_ADD, e->listen, &ev) == -1) {
		close(fd);
		return log_errno(&e->log, "epoll");
	}
	*out = fd;
	return 0;
}

/* Without a master nobody counts us: those begun end, others are to follow. */
static bool
is_retired(const struct session_engine *e)
{
	return e->slot->retire || session_is_retired();
}

/*
 * Takes whoever waits before it sleeps, and before it ends: a client that has
 * woken this worker wakes no other one.
 */
static void
serve(struct session_engine *e, int queue)
{
	struct epoll_event	 ev;
	sigset_t		 mask;
	bool			 is_idle = false;
	int			 fd;

	session_wait_mask(&mask);
	while (!*session_stop()) {
		fd = accept4(e->listen, NULL, NULL, SOCK_CLOEXEC);
		if (fd != -1) {
			board_busy(e, is_idle);
			is_idle = false;
			session_one(e, fd, fd);
			if (is_retired(e))
				break;
		} else if (errno == EAGAIN) {
			if (is_retired(e))
				break;
			if (!is_idle)
				board_idle(e);
			is_idle = true;
			(void)epoll_pwait(queue, &ev, 1, -1, &mask);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			log_errno(&e->log, "accept");
			time_sleep_ms(NAP_MS);
		}
	}
	if (is_idle)
		atomic_fetch_sub(&e->board->idle, 1);
}

int
session_worker(struct session_engine *e)
{
	const struct session_service	*v = e->service;
	int				 queue, rc;

	session_signals(false);
	if (prctl(PR_SET_PDEATHSIG, SIGUSR1) == -1)
		return log_errno(&e->log, "prctl");
	if (getppid() != e->master)
		return 0;
	if ((rc = open_queue(e, &queue)) != 0)
		return rc;
	if ((rc = v->open(&e->log, e->conf, e->options->file,
	    e->options->node, v->arg, &e->worker)) == 0) {
		serve(e, queue);
		v->close(e->worker);
	}
	close(queue);
	return rc;
}
