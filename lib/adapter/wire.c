#include "adapter/wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

#define LOOK_MS	2000	/* so often a wait looks whether hurry was set */

static bool
is_socket(int fd)
{
	struct stat	 st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

void
wire_init(struct wire *w, int in, int out)
{
	*w = (struct wire){ .in = in, .out = out, .deadline = INT64_MAX,
	    .hurried = INT64_MAX };
	w->in_socket = is_socket(in);
	w->out_socket = in == out ? w->in_socket : is_socket(out);
	sigprocmask(SIG_SETMASK, NULL, &w->mask);
}

void
wire_stop(struct wire *w, const volatile bool *stop)
{
	w->stop = stop;
	if (stop != NULL) {
		sigdelset(&w->mask, SIGTERM);
		sigdelset(&w->mask, SIGINT);
	}
}

static int64_t
end_of(const struct wire *w)
{
	return w->hurry != NULL && *w->hurry && w->hurried < w->deadline ?
	    w->hurried : w->deadline;
}

/* How long to wait at most before it looks again; 0 or less: it is late. */
static int64_t
time_left(const struct wire *w)
{
	int64_t	 now = time_mono_ms(), left = end_of(w) - now;

	if (w->hurry != NULL && left > LOOK_MS && w->hurried < w->deadline)
		left = w->hurried - now > LOOK_MS ? w->hurried - now : LOOK_MS;
	return left < INT_MAX ? left : INT_MAX;
}

/* p[1] is another one that ends the wait; its fd may be -1. */
static int
wait_for(struct wire *w, bool to_write, struct pollfd p[2])
{
	struct timespec	 ts;
	int64_t		 left;
	int		 n;

	for (;;) {
		if (!to_write && w->stop != NULL && *w->stop)
			return CM_EAGAIN;
		if ((left = time_left(w)) <= 0)
			return CM_ETIMEOUT;
		ts = (struct timespec){ left / 1000, left % 1000 * 1000000 };
		n = ppoll(p, 2, &ts, w->stop != NULL ? &w->mask : NULL);
		if (n > 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return CM_EIO;
	}
}

int
wire_wait(struct wire *w, bool to_write)
{
	struct pollfd	 p[2] = {
		{ .fd = to_write ? w->out : w->in,
		    .events = to_write ? POLLOUT : POLLIN },
		{ .fd = -1 } };

	return wait_for(w, to_write, p);
}

int
wire_wait_both(struct wire *w, int fd, bool *input, bool *other)
{
	struct pollfd	 p[2] = { { .fd = w->in, .events = POLLIN },
			    { .fd = fd, .events = POLLIN } };
	int		 rc = wait_for(w, false, p);

	*input = rc == 0 && p[0].revents != 0;
	*other = rc == 0 && p[1].revents != 0;
	return rc;
}

bool
wire_late(const struct wire *w)
{
	return time_mono_ms() >= end_of(w);
}

bool
wire_ready(const struct wire *w)
{
	struct pollfd	 p = { .fd = w->in, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

ssize_t
wire_read(struct wire *w, void *p, size_t n)
{
	ssize_t	 r;

	do
		r = w->in_socket ? recv(w->in, p, n, MSG_DONTWAIT) :
		    read(w->in, p, n);
	while (r == -1 && errno == EINTR);
	return r;
}

/* A pipe that poll(2) calls writable takes PIPE_BUF bytes without waiting. */
ssize_t
wire_write(struct wire *w, const void *p, size_t n)
{
	ssize_t	 r;

	if (!w->out_socket && n > PIPE_BUF)
		n = PIPE_BUF;
	do
		r = w->out_socket ?
		    send(w->out, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) :
		    write(w->out, p, n);
	while (r == -1 && errno == EINTR);
	return r;
}
