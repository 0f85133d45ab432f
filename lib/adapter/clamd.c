#include "adapter/clamd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"

#define CHUNK	(128u << 10)
#define HELLO	"zINSTREAM"		/* with its NUL */

struct asking {
	int		 fd;
	int64_t		 deadline;
	char		*text;
	size_t		 got;		/* of the answer in text */
	bool		 answered;
};

static int
say(struct asking *a, int rc, const char *what)
{
	if (str_fmt(a->text, CLAMD_TEXT, "%s", what) != 0)
		a->text[0] = '\0';
	return rc;
}

static int
lost(struct asking *a)
{
	return say(a, CM_EAWAY, strerror(errno));
}

static int
wait_for(struct asking *a, short events, short *got)
{
	struct pollfd	 p = { .fd = a->fd, .events = events };
	int64_t		 left = a->deadline - time_mono_ms();
	int		 n;

	if (left <= 0)
		return say(a, CM_ETIMEOUT, "no answer in time");
	n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (n == -1 && errno != EINTR)
		return lost(a);
	*got = n > 0 ? p.revents : 0;
	return 0;
}

/* The end of a connect that did not block. */
static int
connected(struct asking *a)
{
	socklen_t	 len = sizeof(errno);
	short		 got = 0;
	int		 rc, e = 0;

	while (got == 0)
		if ((rc = wait_for(a, POLLOUT, &got)) != 0)
			return rc;
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &e, &len) == -1)
		return lost(a);
	errno = e;
	return e != 0 ? lost(a) : 0;
}

static int
connect_tcp(struct asking *a, const struct clamd *c)
{
	struct sockaddr_in	 in = { .sin_family = AF_INET };
	struct sockaddr_in6	 in6 = { .sin6_family = AF_INET6 };
	bool	 v4 = inet_pton(AF_INET, c->host, &in.sin_addr) == 1;

	in.sin_port = in6.sin6_port = htons((uint16_t)c->port);
	if (!v4 && inet_pton(AF_INET6, c->host, &in6.sin6_addr) != 1)
		return say(a, CM_EAWAY, "not an IP address");
	a->fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (a->fd == -1)
		return lost(a);
	if (connect(a->fd, v4 ? (const struct sockaddr *)&in :
	    (const struct sockaddr *)&in6, v4 ? sizeof(in) : sizeof(in6)) == 0)
		return 0;
	return errno == EINPROGRESS ? connected(a) : lost(a);
}

static int
connect_to(struct asking *a, const struct clamd *c)
{
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };

	if (c->socket == NULL)
		return connect_tcp(a, c);
	if (str_copy(un.sun_path, sizeof(un.sun_path), c->socket) != 0)
		return say(a, CM_EAWAY, "the socket's path is too long");
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* EAGAIN: it takes no more connections now */
	if (a->fd == -1 || connect(a->fd, (const struct sockaddr *)&un,
	    sizeof(un)) == -1)
		return lost(a);
	return 0;
}

/* What has come of the answer, which ends with a NUL or with the stream. */
static int
take(struct asking *a)
{
	ssize_t	 n;

	n = recv(a->fd, a->text + a->got, CLAMD_TEXT - 1 - a->got, 0);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : lost(a);
	for (size_t i = a->got; i < a->got + (size_t)n; i++)
		a->answered |= a->text[i] == '\0';
	a->got += (size_t)n;
	a->text[a->got] = '\0';
	if (n == 0 && a->got == 0)
		return say(a, CM_EAWAY, "it hung up");
	a->answered |= n == 0 || a->got == CLAMD_TEXT - 1;
	return 0;
}

/* Sends it, unless the answer comes before: it may say that it is too much. */
static int
send_all(struct asking *a, const char *p, size_t len)
{
	short	 got;
	ssize_t	 n;
	int	 rc;

	while (len > 0 && !a->answered) {
		if ((rc = wait_for(a, POLLOUT | POLLIN, &got)) != 0)
			return rc;
		if (got & POLLIN && (rc = take(a)) != 0)
			return rc;
		if (a->answered || !(got & (POLLOUT | POLLERR | POLLHUP)))
			continue;
		n = send(a->fd, p, len, MSG_NOSIGNAL);
		if (n == -1 && (errno == EPIPE || errno == ECONNRESET)) {
			/* it may have said why */
			if ((rc = take(a)) != 0)
				return rc;
			a->answered = true;
		} else if (n == -1 && errno != EAGAIN && errno != EINTR)
			return lost(a);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int
send_chunk(struct asking *a, const char *p, size_t len)
{
	uint32_t size = htonl((uint32_t)len);
	int	 rc;

	if ((rc = send_all(a, (const char *)&size, sizeof(size))) != 0)
		return rc;
	return send_all(a, p, len);
}

static int
send_message(struct asking *a, const char *before, const char *p, size_t len)
{
	size_t	 n;
	int	 rc;

	if ((rc = send_all(a, HELLO, sizeof(HELLO))) != 0 ||
	    (before != NULL &&
	    (rc = send_chunk(a, before, strlen(before))) != 0))
		return rc;
	while (len > 0 && !a->answered) {
		n = len < CHUNK ? len : CHUNK;
		if ((rc = send_chunk(a, p, n)) != 0)
			return rc;
		p += n;
		len -= n;
	}
	return send_chunk(a, "", 0);
}

static bool
ends_with(const char *s, size_t len, const char *end)
{
	size_t	 n = strlen(end);

	return len >= n && memcmp(s + len - n, end, n) == 0;
}

/* "stream: OK", "stream: NAME FOUND", "TEXT ERROR" */
static int
understand(struct asking *a, bool *infected)
{
	static const char prefix[] = "stream: ", found[] = " FOUND";
	char	*t = a->text;
	size_t	 len = strlen(t), skip = sizeof(prefix) - 1;

	while (len > 0 && (t[len - 1] == '\n' || t[len - 1] == '\r'))
		t[--len] = '\0';
	str_clean(t);
	if (strcmp(t, "stream: OK") == 0) {
		t[0] = '\0';
		return 0;
	}
	if (strncmp(t, prefix, skip) == 0 && ends_with(t, len, found) &&
	    len > skip + sizeof(found) - 1) {
		*infected = true;
		len -= skip + sizeof(found) - 1;
		memmove(t, t + skip, len);
		t[len] = '\0';
		return 0;
	}
	return strstr(t, "size limit exceeded") != NULL ? CM_ETOOBIG :
	    CM_EPROTO;
}

int
clamd_ask(const struct clamd *c, const char *before, const void *p,
    size_t len, int64_t deadline, bool *infected, char text[CLAMD_TEXT])
{
	struct asking	 a = { .fd = -1, .deadline = deadline, .text = text };
	short		 got;
	int		 rc;

	*infected = false;
	text[0] = '\0';
	if ((rc = connect_to(&a, c)) == 0 &&
	    (rc = send_message(&a, before, p, len)) == 0)
		while (rc == 0 && !a.answered)
			if ((rc = wait_for(&a, POLLIN, &got)) == 0 && got != 0)
				rc = take(&a);
	if (rc == 0)
		rc = understand(&a, infected);
	if (a.fd != -1)
		close(a.fd);
	return rc;
}
