#include "cluster/userinput.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

void
secret_lines_init(struct secret_lines *l, int fd, size_t step)
{
	l->fd = fd;
	l->step = step;
	l->at = l->len = 0;
	l->eof = false;
}

void
secret_lines_end(struct secret_lines *l)
{
	explicit_bzero(l, sizeof(*l));
}

static int
fill(struct secret_lines *l)
{
	size_t	 want;
	ssize_t	 n;

	if (l->at > 0) {
		memmove(l->p, l->p + l->at, l->len - l->at);
		l->len -= l->at;
		l->at = 0;
	}
	want = sizeof(l->p) - l->len;
	if (want > l->step)
		want = l->step;
	do
		n = read(l->fd, l->p + l->len, want);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return cm_errno(errno);
	l->eof = n == 0;
	l->len += (size_t)n;
	return 0;
}

int
secret_lines_next(struct secret_lines *l, struct span *line)
{
	const char	*lf;
	size_t		 n;
	bool		 is_long = false;
	int		 rc;

	for (;;) {
		n = l->len - l->at;
		lf = n > 0 ? memchr(l->p + l->at, '\n', n) : NULL;
		if (lf != NULL)
			n = (size_t)(lf - l->p) - l->at;
		if (n > SECRET_LINE_MAX) {
			is_long = true;
			l->at += n;
			n = 0;
		}
		if (lf != NULL || l->eof)
			break;
		if ((rc = fill(l)) != 0)
			return rc;
	}
	if (lf == NULL && n == 0 && !is_long)
		return CM_EEND;
	*line = (struct span){ l->p + l->at, n };
	l->at += n + (lf != NULL);
	if (is_long)
		return CM_ETOOBIG;
	if (n > 0 && line->p[n - 1] == '\r')
		line->len--;
	return 0;
}

/* The terminal while a password is typed. */
struct term {
	const struct log *log;
	int		 fd;
	int		 sigfd;
	struct termios	 was;
	sigset_t	 mask;		/* as it was */
};

/*
 * Signals are only seen, not handled: they stay pending until the echo is
 * back, and then do what they would have done at once.
 */
static int
echo_off(struct term *t)
{
	struct termios	 off;
	sigset_t	 set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGTSTP);
	if ((errno = pthread_sigmask(SIG_BLOCK, &set, &t->mask)) != 0)
		return log_errno(t->log, "terminal");
	t->sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	if (t->sigfd == -1 || tcgetattr(t->fd, &t->was) == -1)
		goto fail;
	off = t->was;
	off.c_lflag &= ~(tcflag_t)ECHO;
	off.c_lflag |= ECHONL;
	if (tcsetattr(t->fd, TCSAFLUSH, &off) == -1)
		goto fail;
	return 0;
fail:
	log_errno(t->log, "terminal");
	if (t->sigfd != -1)
		close(t->sigfd);
	pthread_sigmask(SIG_SETMASK, &t->mask, NULL);
	return CM_EIO;
}

static void
echo_on(struct term *t)
{
	if (tcsetattr(t->fd, TCSAFLUSH, &t->was) == -1)
		log_errno(t->log, "terminal");
	close(t->sigfd);
	pthread_sigmask(SIG_SETMASK, &t->mask, NULL);
}

/* CM_ESTALE: a signal came, the prompt is to be shown again. */
static int
await_input(const struct term *t)
{
	struct pollfd	 p[2] = { { .fd = t->fd, .events = POLLIN },
	    { .fd = t->sigfd, .events = POLLIN } };

	while (poll(p, 2, -1) == -1)
		if (errno != EINTR)
			return log_errno(t->log, "terminal");
	return p[1].revents ? CM_ESTALE : 0;
}

static int
prompt(struct term *t, const char *text, char *out, size_t *len)
{
	struct secret_lines	 in;
	struct span		 line;
	int			 rc;

	do {
		if ((rc = echo_off(t)) != 0)
			return rc;
		secret_lines_init(&in, t->fd, 1);
		if ((rc = file_write(t->fd, text, strlen(text))) == 0 &&
		    (rc = await_input(t)) == 0)
			rc = secret_lines_next(&in, &line);
		if (rc == 0) {
			*len = line.len;
			rc = str_ncopy(out, SASL_PASSWORD_MAX + 1, line.p,
			    line.len);
		}
		secret_lines_end(&in);
		echo_on(t);
	} while (rc == CM_ESTALE);
	return rc;
}

int
secret_ask(const struct log *log, const char *mailbox, bool is_new,
    char out[SASL_PASSWORD_MAX + 1], size_t *len)
{
	struct term	 t = { .log = log };
	struct buf	 text;
	char		 again[SASL_PASSWORD_MAX + 1];
	size_t		 n = 0;
	int		 rc;

	again[0] = '\0';
	buf_init(&text, 1024);
	buf_addf(&text, "Password for %s: ", mailbox);
	t.fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (t.fd == -1)
		rc = log_errno(log, "/dev/tty");
	else if (text.err)
		rc = log_fail(log, text.err, "%s", mailbox);
	else if ((rc = prompt(&t, text.p, out, len)) != 0 ||
	    (is_new && (rc = prompt(&t, "The same again: ", again, &n)) != 0))
		rc = log_fail(log, rc == CM_EEND ? CM_EDATA : rc,
		    "the password of %s", mailbox);
	else if (is_new && (n != *len || memcmp(again, out, n) != 0))
		rc = log_fail(log, CM_EDATA, "the two are not the same");
	explicit_bzero(again, sizeof(again));
	buf_free(&text);
	if (t.fd != -1)
		close(t.fd);
	return rc;
}
