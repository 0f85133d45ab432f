#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapter/http.h"
#include "adapter/httpd.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "tap.h"

#define MIB		(1u << 20)
#define BODY_MAX	(4 * MIB)
#define WAIT_MS		20000	/* for what is to happen "soon" */

static char	 dir[64] = "/tmp/cm-http.XXXXXX";
static bool	 stop;

/* ---- the server ---- */

struct app {
	unsigned long	 id;
	unsigned	 requests;
	char		 peer[64];
};

static bool
allow(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "n1") == 0 || strcmp(name, "n2") == 0;
}

static void *
hello(void *arg, const char *peer)
{
	static unsigned long	 id;
	struct app		*a = calloc(1, sizeof(*a));

	(void)arg;
	a->id = __atomic_add_fetch(&id, 1, __ATOMIC_RELAXED);
	snprintf(a->peer, sizeof(a->peer), "%s", peer);
	return a;
}

static void
bye(void *arg, void *conn)
{
	(void)arg;
	free(conn);
}

static bool
is(struct httpd_request *r, const char *method, const char *path)
{
	return strcmp(httpd_method(r), method) == 0 &&
	    strcmp(httpd_path(r), path) == 0;
}

static int64_t
begin(void *arg, void *conn, struct httpd_request *r)
{
	(void)arg;
	((struct app *)conn)->requests++;
	if (is(r, "POST", "/forbidden")) {
		httpd_say(r, 403, "not for %s", httpd_peer(r));
		return CM_EPERM;
	}
	if (is(r, "POST", "/bare"))
		return CM_EPERM;
	return strcmp(httpd_method(r), "POST") == 0 ? BODY_MAX : 0;
}

static void *
echo_main(void *arg)
{
	int	 fd = (int)(intptr_t)arg;
	char	 b[30000];
	ssize_t	 n;

	while ((n = read(fd, b, sizeof(b))) > 0)
		if (file_write(fd, b, (size_t)n) != 0)
			break;
	close(fd);
	return NULL;
}

/* Says three words and hangs up. */
static void *
brief_main(void *arg)
{
	int	 fd = (int)(intptr_t)arg;

	if (file_write(fd, "one two three", 13) != 0)
		printf("# brief: write\n");
	close(fd);
	return NULL;
}

static void
tunnel(struct httpd_request *r, void *(*fn)(void *))
{
	pthread_t	 t;
	int		 pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1 ||
	    pthread_create(&t, NULL, fn, (void *)(intptr_t)pair[1]) != 0)
		abort();
	pthread_detach(t);
	httpd_upgrade(r, pair[0]);
}

static void
send_file(struct httpd_request *r)
{
	const char	*from = httpd_query(r, "from");
	const char	*len = httpd_query(r, "len");
	char		 path[128];
	uint64_t	 f, n;
	int		 fd;

	snprintf(path, sizeof(path), "%s/file", dir);
	if (str_u64(from, strlen(from), MIB, &f) != 0 ||
	    str_u64(len, strlen(len), MIB, &n) != 0 ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		httpd_say(r, 500, "file");
	else
		httpd_file(r, fd, f, n, httpd_header(r, "Range") != NULL);
}

/* Leaves a mark that counts its runs, and is gone. */
static void
die(void)
{
	char	 path[128];
	int	 fd;

	snprintf(path, sizeof(path), "%s/died", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (write(fd, "x", 1) == 1)
		_exit(7);
}

static void
end(void *arg, void *conn, struct httpd_request *r, const char *body,
    size_t len)
{
	struct app	*a = conn;
	const char	*q;

	(void)arg;
	if (is(r, "GET", "/hello"))
		httpd_say(r, 200, "hello %s at %s", httpd_peer(r),
		    httpd_address(r));
	else if (is(r, "GET", "/conn"))
		httpd_say(r, 200, "%lu %s", a->id, a->peer);
	else if (is(r, "GET", "/count"))
		httpd_say(r, 200, "%u", a->requests);
	else if (is(r, "GET", "/a b/\xc3\xbc"))
		httpd_say(r, 200, "x=%s y=%s z=%s", httpd_query(r, "x"),
		    httpd_query(r, "y"), httpd_query(r, "z") ? "there" : "no");
	else if (is(r, "GET", "/file"))
		send_file(r);
	else if (is(r, "GET", "/empty"))
		httpd_text(r, 200, "text/plain", "", 0);
	else if (is(r, "GET", "/silent"))
		return;
	else if (is(r, "GET", "/twice")) {
		httpd_say(r, 200, "first");
		httpd_say(r, 404, "second");
	} else if (is(r, "GET", "/sleep")) {
		if ((q = httpd_query(r, "ms")) != NULL)
			time_sleep_ms((int)strtol(q, NULL, 10));
		httpd_say(r, 200, "awake");
	} else if (is(r, "GET", "/echo"))
		tunnel(r, echo_main);
	else if (is(r, "GET", "/brief"))
		tunnel(r, brief_main);
	else if (is(r, "POST", "/sum"))
		httpd_say(r, 200, "%zu %08x", len, crc32c(0, body, len));
	else if (is(r, "POST", "/die"))
		die();
	else
		httpd_say(r, 404, "no such thing\nas %s", httpd_path(r));
}

static void
on_term(int sig)
{
	(void)sig;
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
}

struct server {
	pid_t		 pid;
	int		 fd;		/* listens; ours */
	unsigned	 port;
	int		 timeout_s, idle_s;
	unsigned	 connections, per_address;
	uint64_t	 bodies;
	bool		 nowait;
	const char	*tls;
};

static void
put_file(void *arg, enum log_level level, const char *line)
{
	if (level == CM_LOG_DEBUG)
		return;
	dprintf(*(int *)arg, "%s\n", line);
}

/* The child: a server until it is told to stop. */
static void
server_main(const struct server *s)
{
	char		 tls[128], path[128];
	int		 log_fd, fd = s->fd;
	struct log	 lg = { CM_LOG_DEBUG, put_file, &log_fd };
	struct httpd	 h = {
		.log = &lg, .tls = tls, .allow = allow,
		.connections = s->connections ? s->connections : 50,
		.per_address = s->per_address ? s->per_address : 50,
		.bodies = s->bodies ? s->bodies : 64u << 20,
		.timeout_s = s->timeout_s ? s->timeout_s : 30,
		.idle_s = s->idle_s,
		.hello = hello, .bye = bye, .begin = begin, .end = end,
		.stop = &stop,
	};
	struct sigaction sa = { .sa_handler = on_term };

	sigaction(SIGTERM, &sa, NULL);
	snprintf(tls, sizeof(tls), "%s/%s", dir, s->tls ? s->tls : "n1");
	snprintf(path, sizeof(path), "%s/log", dir);
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (s->nowait)
		fd = accept(s->fd, NULL, NULL);
	exit(httpd_run(&h, fd) == 0 ? 0 : 1);
}

static void
server_run(struct server *s)
{
	fflush(stdout);
	if ((s->pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		server_main(s);
	}
}

static int
listen_any(unsigned *port)
{
	struct sockaddr_in	 sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t		 len = sizeof(sin);
	int			 fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, len) == -1 ||
	    listen(fd, 64) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		abort();
	*port = ntohs(sin.sin_port);
	return fd;
}

static void
server_start(struct server *s)
{
	s->fd = listen_any(&s->port);
	server_run(s);
}

/* Its exit status, or -1 when it does not end. */
static int
server_wait(struct server *s)
{
	int	 status;

	for (int ms = 0; ms < WAIT_MS; ms += 20) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			return status;
		time_sleep_ms(20);
	}
	kill(s->pid, SIGKILL);
	waitpid(s->pid, &status, 0);
	return -1;
}

static int
server_stop(struct server *s)
{
	kill(s->pid, SIGTERM);
	return server_wait(s);
}

static void
server_end(struct server *s, const char *what)
{
	is_int(server_stop(s), 0, "%s: the server ends well", what);
	close(s->fd);
}

/* ---- the client ---- */

static char		 said[2048];

static void
remember(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	snprintf(said, sizeof(said), "%s", line);
}

static const struct log lg = { CM_LOG_DEBUG, remember, NULL };

static struct http *
client_as(const struct server *s, const char *tls, const char *name)
{
	char			 folder[128];
	struct http		*h = NULL;
	struct http_peer	 peer = { name, "127.0.0.1", s->port, folder };

	snprintf(folder, sizeof(folder), "%s/%s", dir, tls);
	if (http_open(&lg, &peer, &h) != 0)
		printf("# http_open: %s\n", said);
	return h;
}

static struct http *
client(const struct server *s)
{
	return client_as(s, "n2", "n1");
}

struct answer {
	int		 rc, status;
	struct buf	 body, error;
};

static int
gather(void *arg, const char *p, size_t len)
{
	return buf_add(arg, p, len);
}

static struct answer
call(struct http *h, struct http_request r)
{
	struct answer	 a = { .rc = -99 };

	buf_init(&a.body, 2 * MIB);
	buf_init(&a.error, 4096);
	r.fn = r.fn != NULL ? r.fn : gather;
	r.arg = r.arg != NULL ? r.arg : &a.body;
	if (r.timeout_ms == 0)
		r.timeout_ms = WAIT_MS;
	a.rc = http_call(h, &r, &a.status, &a.error);
	return a;
}

static void
answer_free(struct answer *a)
{
	buf_free(&a->body);
	buf_free(&a->error);
}

/* Expects a status, and a text: the body, or the error's. */
static void
expect(struct http *h, struct http_request r, int status, const char *text,
    const char *what)
{
	struct answer	 a = call(h, r);

	is_int(a.rc, 0, "%s", what);
	if (a.rc != 0)
		printf("# %s\n", http_text(h));
	is_int(a.status, status, "%s: status", what);
	if (text != NULL)
		is_str(status < 300 ? (a.body.p ? a.body.p : "") : (a.error.p ?
		    a.error.p : ""), text, "%s: text", what);
	answer_free(&a);
}

static void
get(struct http *h, const char *path, int status, const char *text)
{
	expect(h, (struct http_request){ .method = "GET", .path = path },
	    status, text, path);
}

static void
post(struct http *h, const char *path, const char *body, size_t len,
    int status, const char *text)
{
	expect(h, (struct http_request){ .method = "POST", .path = path,
	    .body = body, .body_len = len }, status, text, path);
}

/* Expects that the call fails so. */
static void
fails(struct http *h, struct http_request r, int rc, const char *what)
{
	struct answer	 a = call(h, r);

	is_int(a.rc, rc, "%s", what);
	printf("# %s\n", http_text(h));
	is_int(a.status, 0, "%s: no status", what);
	answer_free(&a);
}

static struct http_request
a_get(const char *path)
{
	return (struct http_request){ .method = "GET", .path = path };
}

static char	*big;		/* BODY_MAX + MIB bytes */

static const char	 old[] = "GET / HTTP/1.0\r\n\r\n";
static const char	 ask[] = "GET /hello HTTP/1.1\r\nHost: n1\r\n\r\n";

static void
test_requests(void)
{
	struct server	 s = { 0 };
	struct http	*h;
	char		 text[64];

	server_start(&s);
	h = client(&s);
	get(h, "/hello", 200, "hello n2 at 127.0.0.1\n");
	get(h, "/missing", 404, "no such thing as /missing");
	get(h, "/a%20b/%c3%BC?x=1%2b2&y=&z", 200, "x=1+2 y= z=there\n");
	get(h, "/a%20b/%c3%BC?x=%26%3d&y=a+b", 200, "x=&= y=a b z=no\n");
	get(h, "/hello%00x", 400, NULL);
	get(h, "/hello", 200, NULL);
	get(h, "/hello%zz", 400, NULL);
	get(h, "/hello%4", 400, NULL);
	get(h, "/empty", 200, "");
	get(h, "/silent", 500, "internal error");
	get(h, "/twice", 200, "first\n");
	get(h, "/echo", 426, NULL);
	post(h, "/forbidden", "body", 4, 403, "not for n2");
	post(h, "/bare", "body", 4, 500, "permission denied");
	post(h, "/sum", "", 0, 200, "0 00000000\n");
	snprintf(text, sizeof(text), "%u %08x\n", BODY_MAX,
	    crc32c(0, big, BODY_MAX));
	post(h, "/sum", big, BODY_MAX, 200, text);
	post(h, "/sum", big, BODY_MAX + 1, 413, "more than 4194304 bytes");
	post(h, "/sum", big, BODY_MAX, 200, text);
	/* All that went through one connection. */
	get(h, "/count", 200, "16\n");
	get(h, "/conn", 200, "1 n2\n");
	http_close(h);
	h = client(&s);
	get(h, "/conn", 200, "2 n2\n");
	is_int(call(h, (struct http_request){ .method = "GET",
	    .path = "/a b" }).rc, CM_EUSAGE, "a blank in a path");
	is_int(call(h, (struct http_request){ .method = "GET",
	    .path = "hello" }).rc, CM_EUSAGE, "a path without /");
	is_int(call(h, (struct http_request){ .method = "FETCH",
	    .path = "/hello" }).rc, CM_EUSAGE, "another method");
	http_close(h);
	server_end(&s, "requests");
}

static int
stop_at_once(void *arg, const char *p, size_t len)
{
	(void)arg;
	(void)p;
	(void)len;
	return CM_EQUOTA;
}

static void
test_files(void)
{
	struct server	 s = { 0 };
	struct http	*h;
	struct answer	 a;
	char		 path[128];

	snprintf(path, sizeof(path), "%s/file", dir);
	is_int(file_commit(NULL, path, big, 300000, 0600), 0, "a file");
	server_start(&s);
	h = client(&s);
	a = call(h, a_get("/file?from=0&len=300000"));
	is_int(a.rc, 0, "whole");
	is_int(a.status, 200, "whole: status");
	ok(a.body.len == 300000 && memcmp(a.body.p, big, 300000) == 0,
	    "whole: bytes");
	answer_free(&a);
	a = call(h, (struct http_request){ .method = "GET",
	    .path = "/file?from=1000&len=50", .range = "1000-1049" });
	is_int(a.status, 206, "part: status");
	ok(a.body.len == 50 && memcmp(a.body.p, big + 1000, 50) == 0,
	    "part: bytes");
	answer_free(&a);
	get(h, "/file?from=7&len=0", 200, "");
	fails(h, (struct http_request){ .method = "GET",
	    .path = "/file?from=0&len=300000", .fn = stop_at_once },
	    CM_EQUOTA, "the caller has enough");
	/* The file is shorter than was said: not a whole answer. */
	fails(h, a_get("/file?from=0&len=300001"), CM_EAWAY, "cut short");
	get(h, "/hello", 200, NULL);
	http_close(h);
	server_end(&s, "files");
}

static void
test_rate(void)
{
	struct server		 s = { 0 };
	struct http		*h;
	struct http_request	 r = { .method = "POST", .path = "/sum",
	    .body = big, .body_len = MIB, .rate = MIB };
	int64_t			 t;

	server_start(&s);
	h = client(&s);
	t = time_mono_ms();
	expect(h, r, 200, NULL, "slowly");
	ok(time_mono_ms() - t > 400, "1 MiB at 1 MiB/s takes its time");
	http_close(h);
	server_end(&s, "rate");
}

static void *
many_main(void *arg)
{
	struct http	*h = client(arg);
	long		 good = 0;
	struct answer	 a;

	for (int i = 0; i < 100; i++) {
		a = call(h, (struct http_request){ .method = "POST",
		    .path = "/sum", .body = big, .body_len = 5000 });
		good += a.rc == 0 && a.status == 200;
		answer_free(&a);
	}
	http_close(h);
	return (void *)good;
}

static void
test_many(void)
{
	struct server	 s = { 0 };
	pthread_t	 t[4];
	void		*good;

	server_start(&s);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, many_main, &s);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &good);
		is_int((long)good, 100, "client %d of 4 at once", i);
	}
	server_end(&s, "many");
}

/* ---- tunnels ---- */

static int
tunnel_within(const struct server *s, const char *path, int ms, int *fd)
{
	char			 folder[128];
	struct http_peer	 peer = { "n1", "127.0.0.1", s->port, folder };

	snprintf(folder, sizeof(folder), "%s/n2", dir);
	return http_tunnel(&lg, &peer, path, ms, fd);
}

static int
tunnel_to(const struct server *s, const char *path, int *fd)
{
	return tunnel_within(s, path, WAIT_MS, fd);
}

static void *
write_main(void *arg)
{
	int	 fd = (int)(intptr_t)arg;
	long	 rc;

	rc = file_write(fd, big, BODY_MAX);
	if (rc == 0)
		rc = file_write(fd, big, BODY_MAX + 1);
	shutdown(fd, SHUT_WR);
	return (void *)rc;
}

static void
test_echo(const struct server *s)
{
	pthread_t	 t;
	void		*rc;
	char		 b[65536];
	int		 fd;
	size_t		 n = 0;
	ssize_t		 r;
	uint32_t	 crc = 0;

	is_int(tunnel_to(s, "/echo", &fd), 0, "a tunnel");
	pthread_create(&t, NULL, write_main, (void *)(intptr_t)fd);
	while ((r = read(fd, b, sizeof(b))) > 0) {
		crc = crc32c(crc, b, (size_t)r);
		n += (size_t)r;
	}
	pthread_join(t, &rc);
	is_int((long)rc, 0, "all is written");
	is_int(r, 0, "its end comes back");
	is_int(n, BODY_MAX * 2 + 1, "and all before it");
	is_int(crc, crc32c(crc32c(0, big, BODY_MAX), big, BODY_MAX + 1),
	    "as it was");
	close(fd);
}

static void
test_tunnels(void)
{
	struct server	 s = { .idle_s = 1 };
	int		 fd[2];
	char		 b[100];
	ssize_t		 n = 0, r;

	server_start(&s);
	test_echo(&s);
	is_int(tunnel_to(&s, "/brief", &fd[0]), 0, "a brief one");
	while ((r = read(fd[0], b + n, sizeof(b) - (size_t)n)) > 0)
		n += r;
	ok(n == 13 && memcmp(b, "one two three", 13) == 0,
	    "what was said before hanging up");
	close(fd[0]);

	is_int(tunnel_to(&s, "/echo", &fd[0]), 0, "one of two");
	is_int(tunnel_to(&s, "/echo", &fd[1]), 0, "two of two");
	ok(write(fd[0], "A", 1) == 1 && write(fd[1], "B", 1) == 1, "say");
	ok(read(fd[1], b, 1) == 1 && b[0] == 'B', "hear on two");
	ok(read(fd[0], b, 1) == 1 && b[0] == 'A', "hear on one");
	close(fd[0]);
	close(fd[1]);

	is_int(tunnel_to(&s, "/hello", &fd[0]), CM_EPROTO, "no tunnel there");
	ok(strstr(said, "200") != NULL, "and it says what came");
	/* No connection is left behind, or it would not go away. */
	is_int(server_wait(&s), 0, "idle after tunnels");

	server_run(&s);
	is_int(tunnel_to(&s, "/echo", &fd[0]), 0, "a tunnel");
	kill(s.pid, SIGKILL);
	server_wait(&s);
	is_int(read(fd[0], b, 1), 0, "its end when the server is gone");
	close(fd[0]);

	s.idle_s = 0;
	server_run(&s);
	is_int(tunnel_to(&s, "/echo", &fd[0]), 0, "a tunnel");
	is_int(server_stop(&s), 0, "the server stops all the same");
	is_int(read(fd[0], b, 1), 0, "and it ends");
	close(fd[0]);
	close(s.fd);
}

/* ---- who is refused ---- */

static int
plain_connect(const struct server *s)
{
	struct sockaddr_in	 sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)s->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int			 fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		abort();
	return fd;
}

/* Reads all there is until the end; false when that does not come. */
static bool
read_end(int fd, struct buf *b)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };
	ssize_t		 n;

	for (;;) {
		if (poll(&p, 1, WAIT_MS) != 1 || buf_room(b, 4096) != 0)
			return false;
		n = read(fd, b->p + b->len, 4096);
		if (n <= 0)
			return true;
		b->len += (size_t)n;
		b->p[b->len] = '\0';
	}
}

static void
plain(const struct server *s, const char *p, size_t len, const char *what)
{
	struct buf	 b;
	int		 fd = plain_connect(s);

	buf_init(&b, MIB);
	if (len > 0 && send(fd, p, len, MSG_NOSIGNAL) != (ssize_t)len)
		printf("# short send\n");
	ok(read_end(fd, &b), "%s: the end comes", what);
	ok(b.p == NULL || memmem(b.p, b.len, "HTTP", 4) == NULL,
	    "%s: no answer", what);
	close(fd);
	buf_free(&b);
}

/* What gnutls-cli gets for these bytes, and how long the server takes it. */
static bool
by_cli(const struct server *s, const char *tls, const char *p, size_t len,
    struct buf *b)
{
	char	 cmd[1024], cert[512] = "";
	int	 in[2], out[2];
	pid_t	 pid;
	bool	 ended;

	if (tls != NULL)
		snprintf(cert, sizeof(cert), "--x509certfile %s/%s/node.pem "
		    "--x509keyfile %s/%s/node.key", dir, tls, dir, tls);
	snprintf(cmd, sizeof(cmd), "exec gnutls-cli --insecure --logfile "
	    "/dev/null %s -p %u 127.0.0.1 2>&1", cert, s->port);
	if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1)
		abort();
	fflush(stdout);
	if ((pid = fork()) == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	(void)!write(in[1], p, len);
	/* Its input stays open: only the server can end this. */
	ended = read_end(out[0], b);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(in[1]);
	close(out[0]);
	return ended;
}

static void
cli(const struct server *s, const char *tls, const char *p, size_t len,
    const char *want, const char *what)
{
	struct buf	 b;

	buf_init(&b, 2 * MIB);
	ok(by_cli(s, tls, p, len, &b), "%s: the end comes", what);
	if (want != NULL)
		ok(b.p != NULL && memmem(b.p, b.len, want, strlen(want)) !=
		    NULL, "%s: %s", what, want);
	else
		ok(b.p == NULL || memmem(b.p, b.len, "HTTP/1", 6) == NULL,
		    "%s: no answer", what);
	if (getenv("VERBOSE") != NULL)
		printf("# %.*s\n", (int)b.len, b.p);
	buf_free(&b);
}

static bool
logged(const char *what)
{
	struct buf	 b;
	char		 path[128];
	bool		 found;

	buf_init(&b, MIB);
	snprintf(path, sizeof(path), "%s/log", dir);
	found = file_read(NULL, path, &b) == 0 && b.len > 0 &&
	    strstr(b.p, what) != NULL;
	buf_free(&b);
	return found;
}

static void
refused(const struct server *s, const char *tls, const char *log_line)
{
	struct http	*h = client_as(s, tls, "n1");

	fails(h, a_get("/hello"), CM_EPERM, tls);
	/* Nor is that taken for a broken line when there is much to send. */
	fails(h, (struct http_request){ .method = "POST", .path = "/sum",
	    .body = big, .body_len = BODY_MAX }, CM_EPERM, tls);
	ok(logged(log_line), "%s: logged: %s", tls, log_line);
	http_close(h);
}

static void
test_certificates(void)
{
	struct server	 s = { 0 };
	struct http	*h;

	server_start(&s);
	refused(&s, "expired", "expired");
	refused(&s, "future", "not yet valid");
	refused(&s, "alien", "its certificate");
	refused(&s, "n3", "no node that may connect: n3");
	refused(&s, "nameless", "no node that may connect");
	refused(&s, "serveronly", "its certificate");
	h = client_as(&s, "n2", "n2");
	fails(h, a_get("/hello"), CM_EPERM, "the server has another name");
	http_close(h);
	h = client_as(&s, "alien2", "n1");
	fails(h, a_get("/hello"), CM_EPERM, "the server has another CA");
	http_close(h);
	cli(&s, NULL, ask, strlen(ask), NULL, "no certificate");
	h = client(&s);
	get(h, "/hello", 200, NULL);
	http_close(h);
	server_end(&s, "certificates");
	ok(logged("127.0.0.1: no TLS handshake"), "no certificate: logged");
}

static void
test_malformed(void)
{
	struct server	 s = { .timeout_s = 2 };
	struct http	*h;
	char		*req = calloc(1, 8 * MIB);
	int		 n;

	server_start(&s);
	plain(&s, old, strlen(old), "plain HTTP");
	plain(&s, big, 5000, "garbage");
	plain(&s, "\x16\x03\x01\x02", 4, "part of a handshake");
	plain(&s, "", 0, "nothing at all");
#define CLI(text, want, what)						\
	cli(&s, "n2", text, strlen(text), want, what)
	CLI("GET /hello HTTP/1.1\r\nHost: n1\r\n\r\n", "hello n2",
	    "a request by hand, then silence");
	CLI("GET /hello HTTP/1.1\r\nHos", NULL, "half a header");
	CLI("POST /sum HTTP/1.1\r\nHost: n1\r\nContent-Length: 9\r\n\r\nabc",
	    NULL, "half a body");
	CLI("nonsense\r\n\r\n", NULL, "nonsense");
	CLI("GET /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 400", "no Host");
	CLI("GET /hello%00 HTTP/1.1\r\nHost: n1\r\n\r\n", "HTTP/1.1 400",
	    "a NUL in the path");
	CLI("POST /sum HTTP/1.1\r\nHost: n1\r\nContent-Length: -1\r\n\r\n",
	    "HTTP/1.1 400", "a negative length");
	CLI("POST /sum HTTP/1.1\r\nHost: n1\r\nContent-Length: "
	    "99999999999999\r\n\r\n", "HTTP/1.1 413", "a huge length");
	CLI("POST /sum HTTP/1.1\r\nHost: n1\r\nTransfer-Encoding: chunked"
	    "\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "3 364b3fb7", "chunks");
	CLI("POST /sum HTTP/1.1\r\nHost: n1\r\nTransfer-Encoding: chunked"
	    "\r\n\r\nxyz\r\n", "HTTP/1.1 400", "no chunks");
	n = snprintf(req, MIB, "GET /hello HTTP/1.1\r\nHost: n1\r\nX: %0*d"
	    "\r\n\r\n", 100000, 0);
	cli(&s, "n2", req, (size_t)n, "HTTP/1.1 4", "a header too large");
	n = snprintf(req, MIB, "POST /sum HTTP/1.1\r\nHost: n1\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n%x\r\n", BODY_MAX + 1);
	memset(req + n, 'x', BODY_MAX + 1);
	n += BODY_MAX + 1;
	n += snprintf(req + n, 100, "\r\n0\r\n\r\n");
	cli(&s, "n2", req, (size_t)n, "HTTP/1.1 413", "chunks over the limit");
	h = client(&s);
	get(h, "/hello", 200, NULL);
	http_close(h);
	free(req);
	server_end(&s, "malformed");
}

static void
test_limits(void)
{
	struct server	 s = { .per_address = 2 };
	struct http	*h[3];

	server_start(&s);
	for (int i = 0; i < 3; i++)
		h[i] = client(&s);
	get(h[0], "/hello", 200, NULL);
	get(h[1], "/hello", 200, NULL);
	fails(h[2], a_get("/hello"), CM_EAWAY, "one over the limit");
	get(h[0], "/hello", 200, NULL);
	for (int i = 0; i < 3; i++)
		http_close(h[i]);
	server_end(&s, "limit of an address");
	ok(logged("over a limit"), "logged");

	/* Over all, the rest has to wait for the others. */
	s = (struct server){ .connections = 2, .timeout_s = 1 };
	server_start(&s);
	for (int i = 0; i < 3; i++)
		h[i] = client(&s);
	for (int i = 0; i < 3; i++)
		get(h[i], "/hello", 200, NULL);
	for (int i = 0; i < 3; i++)
		http_close(h[i]);
	server_end(&s, "limit of all");
}

/* ---- going away ---- */

static void
test_kept(void)
{
	struct server	 s = { .timeout_s = 1 };
	struct http	*h;
	struct stat	 st;
	char		 path[128];

	server_start(&s);
	h = client(&s);
	post(h, "/sum", "abc", 3, 200, NULL);
	time_sleep_ms(2500);	/* its connection is closed meanwhile */
	post(h, "/sum", "abc", 3, 200, NULL);
	is_int(server_stop(&s), 0, "the server stops");
	server_run(&s);
	post(h, "/sum", "abc", 3, 200, NULL);
	kill(s.pid, SIGKILL);
	server_wait(&s);
	server_run(&s);
	post(h, "/sum", "abc", 3, 200, NULL);
	/* A POST that may have been done is not done again. */
	fails(h, (struct http_request){ .method = "POST", .path = "/die" },
	    CM_EAWAY, "the server dies");
	server_wait(&s);
	snprintf(path, sizeof(path), "%s/died", dir);
	is_int(stat(path, &st) == 0 ? st.st_size : -1, 1, "it died once");
	server_run(&s);
	get(h, "/hello", 200, NULL);
	http_close(h);
	server_end(&s, "kept");
}

static void
test_stop(void)
{
	struct server	 s = { 0 };
	struct http	*h[2];
	struct answer	 a;

	server_start(&s);
	h[0] = client(&s);
	h[1] = client(&s);
	get(h[1], "/hello", 200, NULL);
	/* Stopped in the middle of a request, with an idle client about. */
	if (fork() == 0) {
		time_sleep_ms(300);
		kill(s.pid, SIGTERM);
		_exit(0);
	}
	a = call(h[0], a_get("/sleep?ms=1500"));
	is_int(a.rc, 0, "a request under way is answered");
	answer_free(&a);
	is_int(server_wait(&s), 0, "then the server ends");
	http_close(h[0]);
	http_close(h[1]);
	close(s.fd);
	wait(NULL);
}

static void
test_inetd(void)
{
	struct server	 s = { .idle_s = 1 };
	struct http	*h;
	int		 flags;

	/* Before there is a server, for it sets a flag at once. */
	s.fd = listen_any(&s.port);
	flags = fcntl(s.fd, F_GETFL);
	server_run(&s);
	h = client(&s);
	get(h, "/hello", 200, NULL);
	http_close(h);
	is_int(server_wait(&s), 0, "wait: it goes away when idle");
	is_int(fcntl(s.fd, F_GETFL), flags, "wait: the flags are as before");
	server_run(&s);
	h = client(&s);
	get(h, "/hello", 200, NULL);
	http_close(h);
	is_int(server_wait(&s), 0, "wait: and again");
	close(s.fd);

	s = (struct server){ .nowait = true };
	server_start(&s);
	h = client(&s);
	get(h, "/conn", 200, "1 n2\n");
	post(h, "/sum", "abc", 3, 200, NULL);
	http_close(h);
	is_int(server_wait(&s), 0, "nowait: it ends with its client");
	close(s.fd);

	s = (struct server){ .nowait = true };
	server_start(&s);
	plain(&s, old, strlen(old), "nowait, plain HTTP");
	is_int(server_wait(&s), 0, "nowait: ends");
	close(s.fd);

	s = (struct server){ .tls = "nowhere" };
	server_start(&s);
	is_int(server_wait(&s), 1 << 8, "without its files it does not start");
	ok(logged("nowhere/ca.pem"), "and says which");
	s.tls = "broken";
	server_run(&s);
	is_int(server_wait(&s), 1 << 8, "nor with a broken one");
	ok(logged("broken: "), "and says where");
	close(s.fd);
}

static void
test_away(void)
{
	struct server		 s = { 0 };
	struct http_peer	 peer = { "n1", "127.0.0.1", 1, dir };
	struct http		*h = NULL;
	struct http_request	 r = { .method = "GET", .path = "/hello",
	    .timeout_ms = 500 };
	int64_t			 t;
	int			 fd;

	s.fd = listen_any(&s.port);
	h = client(&s);
	fails(h, r, CM_ETIMEOUT, "nobody answers");
	ok(tunnel_within(&s, "/x", 500, &fd) != 0, "no tunnel either");
	http_close(h);
	close(s.fd);
	h = client(&s);
	t = time_mono_ms();
	fails(h, r, CM_EAWAY, "nobody listens");
	ok(time_mono_ms() - t < 5000, "which is known at once");
	http_close(h);

	server_start(&s);
	h = client(&s);
	r.path = "/sleep?ms=2000";
	fails(h, r, CM_ETIMEOUT, "no answer in time");
	get(h, "/conn", 200, "2 n2\n");
	http_close(h);
	server_end(&s, "away");

	is_int(http_open(&lg, &peer, &h), CM_ENOINPUT, "no files");
	ok(strstr(said, "node.pem") != NULL, "it says which");
	peer.name = "n1/x";
	is_int(http_open(&lg, &peer, &h), CM_EUSAGE, "not a name");
	peer.name = "n1";
	peer.address = "127.0.0.1]:2";
	is_int(http_open(&lg, &peer, &h), CM_EUSAGE, "not an address");
}

/* A figure counts only when each of its calls did what it should. */
static void
show_speed(void)
{
	struct server	 s = { 0 };
	struct http	*h;
	struct answer	 a;
	char		 text[64];
	int64_t		 t;
	int		 i, good = 0;

	server_start(&s);
	h = client(&s);
	get(h, "/hello", 200, NULL);
	t = time_mono_us();
	for (i = 0; i < 5000; i++) {
		a = call(h, a_get("/hello"));
		good += a.rc == 0 && a.status == 200 && a.body.len > 0;
		answer_free(&a);
	}
	t = time_mono_us() - t;
	is_int(good, 5000, "all of 5000 requests");
	printf("# %.0f requests/s on a kept connection\n", 5000e6 / (double)t);
	snprintf(text, sizeof(text), "%u %08x\n", BODY_MAX,
	    crc32c(0, big, BODY_MAX));
	good = 0;
	t = time_mono_us();
	for (i = 0; i < 20; i++) {
		a = call(h, (struct http_request){ .method = "POST",
		    .path = "/sum", .body = big, .body_len = BODY_MAX });
		good += a.rc == 0 && a.status == 200 && a.body.p != NULL &&
		    strcmp(a.body.p, text) == 0;
		answer_free(&a);
	}
	t = time_mono_us() - t;
	is_int(good, 20, "all of 20 POSTs");
	printf("# %.0f MB/s in POSTs of 4 MiB\n", 20.0 * BODY_MAX / (double)t);
	get(h, "/conn", 200, "1 n2\n");
	http_close(h);
	server_end(&s, "speed");
}

/* ---- certificates ---- */

__attribute__((format(printf, 1, 2)))
static void
sh(const char *fmt, ...)
{
	char	 cmd[2048];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0) {
		printf("# failed: %s\n", cmd);
		exit(1);
	}
}

/* A certificate of our CA that mkcerts would not make. */
static void
odd(const char *name, const char *template)
{
	sh("cd %s && mkdir %s && cp n2/ca.pem n2/node.key %s && "
	    "printf '%s' >%s/t && certtool --generate-certificate --template "
	    "%s/t --load-privkey n2/node.key --load-ca-certificate ca.pem "
	    "--load-ca-privkey ca.key --outfile %s/node.pem 2>/dev/null",
	    dir, name, name, template, name, name, name);
}

static void
make_certificates(void)
{
	const char	*root = getenv("ROOT");

	if (mkdtemp(dir) == NULL)
		abort();
	sh("mk='%s/share/mkcerts'; cd %s && $mk . ca && $mk . node n1 && "
	    "$mk . node n2 && $mk . node n3 && $mk other ca && "
	    "$mk other node n2 && $mk other node n2 alien2", root ? root : ".",
	    dir);
	sh("cd %s && mv other/n2 alien && cp ca.pem alien/ca.pem && "
	    "cp -R n1 broken && echo hello >broken/node.pem", dir);
	sh("cd %s && cp n1/node.key k && ! '%s/share/mkcerts' -d x . node n9 "
	    "2>/dev/null && '%s/share/mkcerts' . node n1 2>/dev/null && "
	    "'%s/share/mkcerts' . ca 2>/dev/null && cmp k n1/node.key", dir,
	    root ? root : ".", root ? root : ".", root ? root : ".");
	odd("expired", "cn = n2\\ndns_name = n2\\ntls_www_client\\n"
	    "activation_date = \"2020-01-01 00:00:00\"\\n"
	    "expiration_date = \"2021-01-01 00:00:00\"\\n");
	odd("future", "cn = n2\\ndns_name = n2\\ntls_www_client\\n"
	    "activation_date = \"2200-01-01 00:00:00\"\\n"
	    "expiration_date = \"2201-01-01 00:00:00\"\\n");
	odd("nameless", "cn = n2\\ntls_www_client\\nexpiration_days = 9\\n");
	odd("serveronly", "cn = n2\\ndns_name = n2\\ntls_www_server\\n"
	    "expiration_days = 9\\n");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	make_certificates();
	setvbuf(stdout, NULL, _IOLBF, 0);
	big = malloc(BODY_MAX + MIB);
	for (size_t i = 0; i < BODY_MAX + MIB; i++)
		big[i] = (char)(i * 2654435761u >> 13);
	test_requests();
	test_files();
	test_rate();
	test_many();
	test_tunnels();
	test_certificates();
	test_malformed();
	test_limits();
	test_kept();
	test_stop();
	test_inetd();
	test_away();
	show_speed();
	free(big);
	if (getenv("KEEP") == NULL)
		sh("rm -rf %s", dir);
	return tap_done();
}
