#include "adapter/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

#define BACKLOG	512
#define CHUNK	65536

/* The address of path by way of its folder's descriptor, which is returned. */
static int
address(const struct log *log, const char *path, struct sockaddr_un *sa)
{
	char		 dir[FILE_PATH_MAX];
	const char	*name;
	int		 fd;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if ((name = strrchr(path, '/')) == NULL ||
	    str_ncopy(dir, sizeof(dir), path, (size_t)(name - path)) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", path);
	fd = open(dir[0] ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? CM_EAWAY : log_errno(log, "%s", dir);
	if (str_fmt(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d%s",
	    fd, name) != 0) {
		close(fd);
		return log_fail(log, CM_ETOOBIG, "%s", path);
	}
	return fd;
}

int
stream_listen(const struct log *log, const char *path, int *out)
{
	struct sockaddr_un	 sa;
	int			 dir, fd, rc = 0;

	if ((dir = address(log, path, &sa)) < 0)
		return dir;
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
	    chmod(path, 0600) == -1 || listen(fd, BACKLOG) == -1) {
		rc = log_errno(log, "%s", path);
		if (fd != -1)
			close(fd);
		fd = -1;
	}
	close(dir);
	*out = fd;
	return rc;
}

int
stream_connect(const struct log *log, const char *path, int *out)
{
	struct sockaddr_un	 sa;
	int			 dir, fd, rc = 0;

	*out = -1;
	if ((dir = address(log, path, &sa)) < 0)
		return dir;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			rc = CM_EAWAY;
		else
			rc = log_errno(log, "%s", path);
		if (fd != -1)
			close(fd);
		fd = -1;
	}
	close(dir);
	*out = fd;
	return rc;
}

void
stream_init(struct stream *s, int fd, size_t line_max, int timeout_ms)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->timeout_ms = timeout_ms;
	buf_init(&s->in, line_max + CHUNK);
	buf_init(&s->out, (size_t)1 << 30);
}

void
stream_close(struct stream *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
	buf_free(&s->in);
	buf_free(&s->out);
}

static int
wait_for(struct stream *s, short events)
{
	struct pollfd	 p = { .fd = s->fd, .events = events };
	int		 n;

	while ((n = poll(&p, 1, s->timeout_ms)) == -1)
		if (errno != EINTR)
			return cm_errno(errno);
	return n == 0 ? CM_ETIMEOUT : 0;
}

static int
fill(struct stream *s)
{
	ssize_t	 r;
	int	 rc;

	if (s->at > 0) {
		buf_drop(&s->in, s->at);
		s->at = 0;
	}
	if (s->in.len + CHUNK > s->in.max)
		return CM_ETOOBIG;
	if ((rc = buf_room(&s->in, CHUNK)) != 0)
		return rc;
	for (bool first = s->tries;; first = false) {
		if (s->timeout_ms >= 0 && !first &&
		    (rc = wait_for(s, POLLIN)) != 0)
			return rc;
		r = read(s->fd, s->in.p + s->in.len, CHUNK);
		if (r >= 0)
			break;
		if (errno != EINTR && errno != EAGAIN)
			return cm_errno(errno);
	}
	if (r == 0)
		s->eof = true;
	s->in.len += (size_t)r;
	return 0;
}

bool
stream_has_line(const struct stream *s)
{
	return s->in.len > s->at &&
	    memchr(s->in.p + s->at, '\n', s->in.len - s->at) != NULL;
}

int
stream_line(struct stream *s, struct span *line)
{
	const char	*e;
	size_t		 from = s->at;
	int		 rc;

	for (;;) {
		e = s->in.len > from ?
		    memchr(s->in.p + from, '\n', s->in.len - from) : NULL;
		if (e != NULL) {
			line->p = s->in.p + s->at;
			line->len = (size_t)(e - line->p);
			s->at += line->len + 1;
			return 0;
		}
		if (s->eof)
			return s->in.len > s->at ? CM_EDATA : CM_EEND;
		from = s->in.len - s->at;
		if ((rc = fill(s)) != 0)
			return rc;
	}
}

int
stream_flush(struct stream *s, size_t least)
{
	size_t	 done = 0;
	ssize_t	 w;
	bool	 first = s->tries;
	int	 rc = 0;

	if (s->out.err)
		return s->out.err;
	if (s->out.len < least || s->out.len == 0)
		return 0;
	for (; done < s->out.len; first = false) {
		if (s->timeout_ms >= 0 && !first &&
		    (rc = wait_for(s, POLLOUT)) != 0)
			break;
		w = write(s->fd, s->out.p + done, s->out.len - done);
		if (w == -1) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			rc = cm_errno(errno);
			break;
		}
		done += (size_t)w;
	}
	buf_reset(&s->out);
	return rc;
}
