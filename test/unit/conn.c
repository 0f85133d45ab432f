#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter/conn.h"
#include "base/file.h"
#include "base/time.h"
#include "tap.h"

static struct conn	*conn;
static int		 peer;

static void
begin(void)
{
	int	 fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1 ||
	    conn_open(fds[0], fds[0], &conn) != 0)
		abort();
	peer = fds[1];
	conn_deadline(conn, time_mono_ms() + 20000);
}

static void
end(void)
{
	conn_close(conn);
	if (peer != -1)
		close(peer);
}

static void
say(const char *s)
{
	if (file_write(peer, s, strlen(s)) != 0)
		abort();
}

static void
hang_up(void)
{
	close(peer);
	peer = -1;
}

static const char *
text(struct span s)
{
	static char	 b[256];

	snprintf(b, sizeof(b), "%.*s", (int)s.len, s.p);
	return b;
}

static void
is_line(size_t max, const char *want, bool want_crlf)
{
	struct span	 s;
	bool		 crlf;
	int		 rc = conn_line(conn, max, &s, &crlf);

	is_int(rc, 0, "a line comes");
	if (rc != 0)
		return;
	is_str(text(s), want, "it is %s", want);
	is_int(crlf, want_crlf, "CR before its LF");
}

static void
test_lines(void)
{
	struct span	 s;
	bool		 crlf;

	begin();
	say("EHLO a\r\nbare\nin\rside\r\r\n\r\n\nha");
	is_line(100, "EHLO a", true);
	is_line(100, "bare", false);
	is_line(100, "in\rside\r", true);
	is_line(100, "", true);
	is_line(100, "", false);
	say("lf\r");
	say("\nlast");
	hang_up();
	is_line(100, "half", true);
	is_int(conn_line(conn, 100, &s, &crlf), CM_EEND,
	    "what has no end is no line");
	is_int(conn_bytes_in(conn), 36, "bytes in");
	end();
}

static void
test_limits(void)
{
	char		 big[3000];
	struct span	 s;
	bool		 crlf;

	memset(big, 'x', sizeof(big));
	begin();
	say("1234567\r\n12345678\r\n12345678\n123456789\n");
	is_line(10, "1234567", true);
	is_line(10, "12345678", true);
	is_line(10, "12345678", false);
	is_line(10, "123456789", false);
	say("123456789\r\nnext\r\n1234567890\nnext\n");
	is_int(conn_line(conn, 10, &s, &crlf), CM_ETOOBIG, "11 bytes");
	is_line(10, "next", true);
	is_int(conn_line(conn, 10, &s, &crlf), CM_ETOOBIG, "11 with LF");
	is_line(10, "next", false);
	for (int i = 0; i < 20; i++)
		if (file_write(peer, big, sizeof(big)) != 0)
			abort();
	say("\r\nbehind\r\n");
	is_int(conn_line(conn, 1000, &s, &crlf), CM_ETOOBIG, "60000 bytes");
	is_line(1000, "behind", true);
	say("1234567890123");
	conn_deadline(conn, time_mono_ms() + 50);
	is_int(conn_line(conn, 10, &s, &crlf), CM_ETIMEOUT,
	    "a long line without an end");
	end();
}

static void
test_peek(void)
{
	struct span	 s;

	begin();
	say("a\r\nbody");
	is_line(100, "a", true);
	is_int(conn_peek(conn, &s), 0, "peek");
	is_str(text(s), "body", "all that is there");
	conn_take(conn, 2);
	is_int(conn_pending(conn), 1, "there is more");
	is_int(conn_peek(conn, &s), 0, "peek again");
	is_str(text(s), "dy", "from there on");
	conn_take(conn, 100);
	is_int(conn_pending(conn), 0, "no more than that is taken");
	say("x");
	is_int(conn_pending(conn), 1, "what the kernel has counts");
	is_int(conn_peek(conn, &s), 0, "and can be read");
	conn_take(conn, 1);
	conn_deadline(conn, time_mono_ms() + 30);
	is_int(conn_peek(conn, &s), CM_ETIMEOUT, "peek waits no longer");
	hang_up();
	conn_deadline(conn, time_mono_ms() + 20000);
	is_int(conn_peek(conn, &s), CM_EEND, "the end");
	end();
}

static void
test_send(void)
{
	struct span	 s;
	char		 b[64], *big;
	bool		 crlf;
	size_t		 size = 4 << 20;
	ssize_t		 n;

	begin();
	buf_adds(conn_out(conn), "220 hello\r\n");
	is_int(conn_send_some(conn), 0, "little is kept");
	is_int(recv(peer, b, sizeof(b), MSG_DONTWAIT), -1, "nothing yet");
	say("a\r\n");
	is_line(10, "a", true);
	is_int(recv(peer, b, sizeof(b), 0), 11, "sent before it waits");
	if ((big = calloc(1, size)) == NULL)
		abort();
	buf_add(conn_out(conn), big, size);
	conn_deadline(conn, time_mono_ms() + 50);
	is_int(conn_send_some(conn), CM_ETIMEOUT, "nobody reads");
	while ((n = recv(peer, big, size, MSG_DONTWAIT)) > 0)
		continue;
	ok(conn_bytes_out(conn) > 11 && conn_out(conn)->len < size,
	    "a part went out");
	hang_up();
	conn_deadline(conn, time_mono_ms() + 20000);
	is_int(conn_flush(conn), CM_EAWAY, "the client has gone");
	is_int(conn_flush(conn), CM_EAWAY, "it stays gone");
	is_int(conn_line(conn, 10, &s, &crlf), CM_EAWAY, "a line");
	free(big);
	end();
}

/* A client that sends a byte now and then does not stretch the deadline. */
static void
test_drip(void)
{
	struct span	 s;
	bool		 crlf;
	static char	 big[1 << 18];
	int64_t		 start = time_mono_ms();
	pid_t		 pid;

	begin();
	if ((pid = fork()) == 0)
		for (;;) {
			say("x");
			time_sleep_ms(10);
		}
	conn_deadline(conn, start + 300);
	is_int(conn_line(conn, 1000, &s, &crlf), CM_ETIMEOUT, "it drips");
	ok(time_mono_ms() - start >= 299, "not before its time");
	kill(pid, SIGKILL);
	end();
	begin();
	memset(big, 'x', sizeof(big));
	if ((pid = fork()) == 0)
		while (file_write(peer, big, sizeof(big)) == 0)
			continue;
	conn_deadline(conn, time_mono_ms() + 300);
	is_int(conn_line(conn, 1000, &s, &crlf), CM_ETIMEOUT,
	    "a line without an end, as fast as can be");
	kill(pid, SIGKILL);
	end();
}

static volatile bool	 stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = true;
}

/* SIGTERM is blocked but in waits: none is missed, whenever it comes. */
static void
test_stop(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t	 block;
	struct span	 s;
	bool		 crlf;
	char		 b[16];

	sigaction(SIGTERM, &sa, NULL);
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, NULL);
	begin();
	conn_stop(conn, &stop);
	kill(getpid(), SIGTERM);
	is_int(stop, false, "blocked");
	say("a\r\nb\r\n");
	is_line(10, "a", true);
	is_line(10, "b", true);
	is_int(conn_line(conn, 10, &s, &crlf), CM_EAGAIN, "stopped");
	say("c\r\n");
	is_int(conn_line(conn, 10, &s, &crlf), CM_EAGAIN, "it stays so");
	buf_adds(conn_out(conn), "421 bye");
	is_int(conn_flush(conn), 0, "it can still write");
	is_int(recv(peer, b, sizeof(b), 0), 7, "and that arrives");
	end();
}

static void
test_pipes(void)
{
	int		 to[2], from[2];
	struct span	 s;
	bool		 crlf;
	char		*big;
	size_t		 size = 1 << 20;

	if (pipe(to) == -1 || pipe(from) == -1 ||
	    conn_open(to[0], from[1], &conn) != 0 ||
	    (big = calloc(1, size)) == NULL)
		abort();
	peer = to[1];
	conn_deadline(conn, time_mono_ms() + 100);
	say("a\r\n");
	is_line(10, "a", true);
	is_int(conn_line(conn, 10, &s, &crlf), CM_ETIMEOUT, "a silent pipe");
	conn_deadline(conn, time_mono_ms() + 100);
	buf_add(conn_out(conn), big, size);
	is_int(conn_flush(conn), CM_ETIMEOUT, "a full pipe does not block");
	close(from[0]);
	signal(SIGPIPE, SIG_IGN);
	conn_deadline(conn, time_mono_ms() + 1000);
	is_int(conn_flush(conn), CM_EAWAY, "nobody reads it");
	free(big);
	end();
}

static _Atomic bool	 hurry;

static void *
set_hurry(void *arg)
{
	(void)arg;
	time_sleep_ms(50);
	hurry = true;
	return NULL;
}

/* Others wait: an earlier deadline holds, for a wait that has begun, too. */
static void
test_hurry(void)
{
	struct span	 s;
	pthread_t	 t;
	bool		 crlf;

	begin();
	hurry = false;
	conn_hurry(conn, &hurry);
	conn_hurried(conn, time_mono_ms() - 1);
	say("a\r\n");
	is_line(10, "a", true);
	if (pthread_create(&t, NULL, set_hurry, NULL) != 0)
		abort();
	is_int(conn_line(conn, 10, &s, &crlf), CM_ETIMEOUT,
	    "it is noticed in a wait");
	pthread_join(t, NULL);
	say("b\r\n");
	is_int(conn_line(conn, 10, &s, &crlf), CM_ETIMEOUT, "and later");
	conn_deadline(conn, time_mono_ms() + 20000);
	is_line(10, "b", true);
	conn_hurried(conn, time_mono_ms() + 50);
	is_int(conn_line(conn, 10, &s, &crlf), CM_ETIMEOUT, "in its time");
	conn_deadline(conn, time_mono_ms() + 50);
	conn_hurried(conn, time_mono_ms() + 20000);
	is_int(conn_line(conn, 10, &s, &crlf), CM_ETIMEOUT,
	    "a later one changes nothing");
	end();
}

/* No client of TLS: what the server's side does with it; see session.t. */
static void
test_starttls(void)
{
	struct tls_server *s;

	is_int(tls_server_open(NULL, "/nonexistent", "/nonexistent", NULL,
	    &s), CM_ECONF, "no certificate");
	ok(s == NULL, "no server");
	tls_server_close(NULL);
}

/* IDLE: the client's word, or news from elsewhere. */
static void
test_wait(void)
{
	struct span	 s;
	bool		 input, other;
	int		 fds[2];

	begin();
	if (pipe(fds) == -1)
		abort();
	buf_adds(conn_out(conn), "+ idling\r\n");
	conn_deadline(conn, time_mono_ms() + 50);
	is_int(conn_wait(conn, fds[0], &input, &other), CM_ETIMEOUT,
	    "nothing happens");
	ok(!input && !other, "nowhere");
	is_int(conn_out(conn)->len, 0, "what was gathered was sent before");
	conn_deadline(conn, time_mono_ms() + 20000);
	if (write(fds[1], "x", 1) != 1)
		abort();
	is_int(conn_wait(conn, fds[0], &input, &other), 0, "news");
	ok(!input && other, "from elsewhere");
	say("DONE\r\nNOOP\r\n");
	is_int(conn_wait(conn, fds[0], &input, &other), 0, "a line as well");
	ok(input && other, "both are told");
	is_line(100, "DONE", true);
	is_int(conn_wait(conn, -1, &input, &other), 0, "one that was read "
	    "with the line before");
	ok(input && !other, "is input, without another descriptor");
	is_line(100, "NOOP", true);
	hang_up();
	is_int(conn_wait(conn, -1, &input, &other), 0, "the client's end");
	ok(input, "is input");
	is_int(conn_peek(conn, &s), CM_EEND, "the end");
	is_int(conn_wait(conn, -1, &input, &other), 0, "and stays so");
	ok(input, "is input again");
	close(fds[0]);
	close(fds[1]);
	end();
}

int
main(void)
{
	test_lines();
	test_wait();
	test_limits();
	test_peek();
	test_send();
	test_drip();
	test_pipes();
	test_starttls();
	test_stop();
	test_hurry();
	return tap_done();
}
