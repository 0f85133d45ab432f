/* A program that is given a message and says something of it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/time.h"

#define ROOM	65536
#define WAIT_MS	20		/* between two looks at a child that ends */

struct running {
	const struct spawn_filter *f;
	pid_t		 pid;
	int		 in;		/* to its fd 0; -1: closed */
	int		 out;		/* from its fds 1 and 2 */
	size_t		 sent;
	bool		 late;
};

static void
become(const struct spawn_filter *f, int in, int out)
{
	struct rlimit	 files = { f->file_max, f->file_max };
	struct rlimit	 none = { 0, 0 };
	sigset_t	 set;

	setsid();
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	setrlimit(RLIMIT_FSIZE, &files);
	setrlimit(RLIMIT_CORE, &none);
	if (dup2(in, 0) == -1 || dup2(out, 1) == -1 || dup2(out, 2) == -1)
		return;
	close_range(3, ~0U, 0);
	if (chdir("/") == -1)
		return;
	execve(f->argv[0], f->argv, f->env);
}

/* A socket: a write to it raises no signal when nobody reads. */
static int
start(struct running *r)
{
	int	 in[2], out[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) == -1)
		return cm_errno(errno);
	if (pipe2(out, O_CLOEXEC) == -1) {
		close(in[0]);
		close(in[1]);
		return cm_errno(errno);
	}
	if ((r->pid = fork()) == 0) {
		become(r->f, in[0], out[1]);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	r->in = in[1];
	r->out = out[0];
	if (r->pid == -1 || fcntl(r->in, F_SETFL, O_NONBLOCK) == -1)
		return CM_EAGAIN;
	return 0;
}

static void
close_in(struct running *r)
{
	if (r->in != -1)
		close(r->in);
	r->in = -1;
}

static void
feed(struct running *r)
{
	ssize_t	 n;

	n = send(r->in, (const char *)r->f->p + r->sent, r->f->len - r->sent,
	    MSG_NOSIGNAL);
	if (n > 0)
		r->sent += (size_t)n;
	/* one that reads no more has seen enough */
	if ((n == -1 && errno != EAGAIN && errno != EINTR) ||
	    r->sent == r->f->len)
		close_in(r);
}

/* False at the end of what it says. */
static bool
drain(struct running *r, struct buf *out)
{
	char	 room[ROOM];
	ssize_t	 n = read(r->out, room, sizeof(room));

	if (n > 0 && out->len + (size_t)n <= out->max)
		buf_add(out, room, (size_t)n);
	return n > 0 || (n == -1 && errno == EINTR);
}

static void
talk(struct running *r, struct buf *out)
{
	struct pollfd	 p[2];
	int64_t		 left;

	if (r->f->len == 0)
		close_in(r);
	for (;;) {
		left = r->f->deadline - time_mono_ms();
		if (left <= 0) {
			r->late = true;
			return;
		}
		p[0] = (struct pollfd){ .fd = r->out, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = r->in, .events = POLLOUT };
		if (poll(p, r->in == -1 ? 1 : 2, left > INT32_MAX ?
		    INT32_MAX : (int)left) <= 0)
			continue;
		if (r->in != -1 && p[1].revents != 0)
			feed(r);
		if (p[0].revents != 0 && !drain(r, out))
			return;
	}
}

/* Its group, with what it has left behind there. */
static void
end_all(const struct running *r)
{
	kill(-r->pid, SIGKILL);
	kill(r->pid, SIGKILL);
}

/* Has it ended?  It stays as it is: while it does its number is its own. */
static bool
has_ended(const struct running *r)
{
	siginfo_t	 si = { 0 };

	return waitid(P_PID, (id_t)r->pid, &si,
	    WEXITED | WNOHANG | WNOWAIT) == -1 || si.si_pid == r->pid;
}

/* It has closed its output; now it is to end, too. */
static int
reap(struct running *r, int *status)
{
	int	 st;

	while (!r->late && !has_ended(r)) {
		if (time_mono_ms() >= r->f->deadline)
			r->late = true;
		else
			time_sleep_ms(WAIT_MS);
	}
	end_all(r);
	while (waitpid(r->pid, &st, 0) == -1)
		if (errno != EINTR)
			return CM_EAGAIN;
	if (r->late)
		return CM_ETIMEOUT;
	if (!WIFEXITED(st) || WEXITSTATUS(st) == 127)
		return CM_EAGAIN;
	*status = WEXITSTATUS(st);
	return 0;
}

int
spawn_filter(const struct spawn_filter *f, struct buf *out, int *status)
{
	struct running	 r = { .f = f, .pid = -1, .in = -1, .out = -1 };
	int		 rc;

	*status = -1;
	if ((rc = start(&r)) == 0)
		talk(&r, out);
	close_in(&r);
	if (r.out != -1)
		close(r.out);
	if (r.pid > 0) {
		int	 end;

		r.late |= rc != 0;
		end = reap(&r, status);
		rc = rc != 0 ? rc : end;
	}
	return rc;
}
