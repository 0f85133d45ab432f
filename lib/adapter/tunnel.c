#include "adapter/tunnel.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/time.h"

#define HEAD		2
#define BUFFER		16384	/* one TLS record */
#define LINGER_MS	10000	/* for the other's end after ours is gone */
#define BROKEN_MS	1000	/* for bytes on the way when the line broke */

struct pump {
	const struct tunnel_far *far;
	int	 local;
	bool	 local_end;	/* nothing more comes from local */
	bool	 local_deaf;	/* nothing can be written to it */
	bool	 local_hup;	/* and reading it does not block */
	bool	 end_queued;	/* our end stands, or stood, in out */
	bool	 far_end;	/* its end came */
	bool	 far_deaf;
	bool	 far_hup;
	bool	 line_broken;
	int64_t	 deadline;	/* 0: none */
	char	 out[BUFFER];
	size_t	 out_at, out_len;
	char	 in[BUFFER];
	size_t	 in_at, in_len;
	size_t	 piece;		/* bytes left of the piece that comes */
	unsigned head, head_len;
};

static bool
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Makes a piece of what local has, or the end.  True when something moved. */
static bool
take_local(struct pump *p)
{
	ssize_t	 n;

	if (p->out_len > 0 || p->end_queued)
		return false;
	if (!p->local_end) {
		n = recv(p->local, p->out + HEAD, BUFFER - HEAD, MSG_DONTWAIT);
		if (n == -1 && would_block())
			return false;
		if (n > 0) {
			p->out[0] = (char)(n >> 8);
			p->out[1] = (char)(n & 0xff);
			p->out_len = (size_t)n + HEAD;
			return true;
		}
		p->local_end = true;
	}
	p->out[0] = p->out[1] = 0;
	p->out_len = HEAD;
	return p->end_queued = true;
}

/* Where sending fails, there may still be something to receive. */
static bool
send_far(struct pump *p)
{
	ssize_t	 n;

	if (p->out_at == p->out_len)
		return false;
	n = p->far_deaf ? -1 : p->far->send(p->far->arg, p->out + p->out_at,
	    p->out_len - p->out_at);
	if (n < 0) {
		p->far_deaf = true;
		n = (ssize_t)(p->out_len - p->out_at);
	}
	p->out_at += (size_t)n;
	if (p->out_at == p->out_len)
		p->out_at = p->out_len = 0;
	return n > 0;
}

static int
take_far(struct pump *p, bool *moved)
{
	ssize_t	 n;

	if (p->in_at < p->in_len || p->far_end)
		return 0;
	n = p->far->recv(p->far->arg, p->in, BUFFER);
	if (n < 0)
		return CM_EAWAY;
	p->in_at = 0;
	p->in_len = (size_t)n;
	*moved |= n > 0;
	return 0;
}

/* The bytes of a piece; those nobody can take any more are dropped. */
static void
put_piece(struct pump *p, bool *moved)
{
	size_t	 want = p->in_len - p->in_at;
	ssize_t	 n;

	if (want > p->piece)
		want = p->piece;
	n = (ssize_t)want;
	if (!p->local_deaf) {
		n = send(p->local, p->in + p->in_at, want,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && would_block())
			return;
		if (n == -1) {
			p->local_deaf = true;
			n = (ssize_t)want;
		}
	}
	p->in_at += (size_t)n;
	p->piece -= (size_t)n;
	*moved = true;
}

static int
put_local(struct pump *p, bool *moved)
{
	while (p->in_at < p->in_len) {
		if (p->piece > 0) {
			put_piece(p, moved);
			return 0;
		}
		if (p->far_end)
			return CM_EPROTO;
		p->head = p->head << 8 | (unsigned char)p->in[p->in_at++];
		if (++p->head_len < HEAD)
			continue;
		p->piece = p->head;
		p->head = p->head_len = 0;
		if (p->piece == 0) {
			p->far_end = *moved = true;
			shutdown(p->local, SHUT_WR);
		}
	}
	return 0;
}

/* How long to wait for it; -1: for ever. */
static int
patience(struct pump *p)
{
	int64_t	 left;

	/* Nobody is left to read: the other's end is a matter of manners. */
	if (p->deadline == 0 && p->local_deaf && p->end_queued &&
	    p->out_len == 0)
		p->deadline = time_mono_ms() + LINGER_MS;
	/* What comes behind a broken line is there at once, or never. */
	if (p->line_broken && p->in_at == p->in_len)
		return BROKEN_MS;
	if (p->deadline == 0)
		return -1;
	left = p->deadline - time_mono_ms();
	return left > 0 ? (int)left : 0;
}

/*
 * A descriptor that hung up is ready for ever: it is not asked about any
 * more, and what is left in it is read without waiting.
 */
static void
note_hangups(struct pump *p, const struct pollfd fd[3])
{
	if (fd[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		p->local_hup = p->local_deaf = true;
	if (fd[1].revents & (POLLHUP | POLLERR | POLLNVAL))
		p->far_hup = true;
	if (fd[2].revents != 0)
		p->line_broken = true;
}

/* Waits until something can move; CM_EAWAY when that is in vain. */
static int
wait_any(struct pump *p)
{
	struct pollfd	 fd[3] = {
		{ .fd = p->local_hup ? -1 : p->local },
		{ .fd = p->far_hup ? -1 : p->far->fd },
		{ .fd = p->line_broken ? -1 : p->far->line,
		    .events = POLLRDHUP },
	};
	int		 n;

	if (!p->local_end && p->out_len == 0)
		fd[0].events |= POLLIN;
	if (p->in_at < p->in_len)
		fd[0].events |= POLLOUT;
	else if (!p->far_end)
		fd[1].events |= POLLIN;
	if (p->out_at < p->out_len)
		fd[1].events |= POLLOUT;
	n = poll(fd, 3, patience(p));
	if (n == -1)
		return errno == EINTR ? 0 : CM_EIO;
	if (n == 0)
		return CM_EAWAY;
	note_hangups(p, fd);
	return 0;
}

static int
pump(struct pump *p)
{
	bool	 moved;
	int	 rc;

	for (;;) {
		moved = take_local(p);
		moved |= send_far(p);
		if ((rc = take_far(p, &moved)) != 0 ||
		    (rc = put_local(p, &moved)) != 0)
			return rc;
		if (p->far_end && p->in_at == p->in_len && p->end_queued &&
		    p->out_len == 0)
			return p->far_deaf ? CM_EAWAY : 0;
		if (!moved && (rc = wait_any(p)) != 0)
			return rc;
	}
}

int
tunnel_run(const struct tunnel_far *far, int local)
{
	struct pump	*p;
	int		 rc;

	if (far->early_len > BUFFER)
		return CM_EPROTO;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return CM_ENOMEM;
	p->far = far;
	p->local = local;
	if (far->early_len > 0)
		memcpy(p->in, far->early, far->early_len);
	p->in_len = far->early_len;
	rc = pump(p);
	free(p);
	return rc;
}
