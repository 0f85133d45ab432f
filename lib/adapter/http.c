#include "adapter/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter/http_int.h"
#include "adapter/tunnel.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"

#define ERROR_MAX	1024		/* bytes of an error's text */
#define URL_MAX		8192
#define HEADER_MAX	8192		/* of an answer to Upgrade */
#define TIMEOUT_MS	30000
#define KEEP_IDLE_S	30L
#define KEEP_EVERY_S	10L
#define BUFFER		65536L		/* of libcurl, each way */

static void
set_text(struct http *h, const char *text)
{
	snprintf(h->text, sizeof(h->text), "%s", text);
}

static int
code_of(struct http *h, CURLcode c)
{
	switch (c) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return CM_ETIMEOUT;
	case CURLE_OUT_OF_MEMORY:
		return CM_ENOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return CM_EPERM;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return CM_EPROTO;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		/*
		 * The other side says why it hangs up; since TLS 1.3 that
		 * comes when we take the handshake to be over.
		 */
		return strstr(h->text, "fatal alert") != NULL ? CM_EPERM :
		    CM_EAWAY;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return CM_EAWAY;
	default:
		return CM_ESOFT;
	}
}

/* The result of a call, with a line where the header says so. */
static int
failed(struct http *h, CURLcode c)
{
	int	 rc = code_of(h, c);

	if (rc == 0)
		return 0;
	if (h->text[0] == '\0')
		set_text(h, curl.easy_strerror(c));
	if (rc == CM_EAWAY || rc == CM_ETIMEOUT)
		return rc;
	return log_fail(h->log, rc, "%s (%s): %s", h->name, h->address,
	    h->text);
}

/* Bytes of an answer: to the caller, or the beginning of an error's text. */
static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http	*h = arg;
	size_t		 len = size * n, room;
	long		 status = 0;

	h->last = time_mono_ms();
	curl.easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300) {
		if (h->req->fn != NULL &&
		    (h->fn_rc = h->req->fn(h->req->arg, p, len)) != 0)
			return CURL_WRITEFUNC_ERROR;
		return len;
	}
	if (h->error == NULL)
		return len;
	room = ERROR_MAX - h->error->len;
	buf_add(h->error, p, len < room ? len : room);
	return len;
}

static int
on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow,
    curl_off_t ultotal, curl_off_t ulnow)
{
	struct http	*h = arg;

	(void)dltotal;
	(void)ultotal;
	if (dlnow + ulnow != h->moved) {
		h->moved = dlnow + ulnow;
		h->last = time_mono_ms();
	}
	return 0;
}

/* The connection stands: the time to connect does not count. */
static int
on_connected(void *arg, char *a, char *b, int c, int d)
{
	struct http	*h = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	h->last = time_mono_ms();
	return CURL_PREREQFUNC_OK;
}

/*
 * libcurl sends a request again on a new connection when a kept one breaks
 * before an answer.  A POST of which anything was sent may have been done;
 * that must be known to the caller, so there is no new connection for it.
 */
static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *sa)
{
	struct http	*h = arg;
	long		 sent = 0;

	(void)purpose;
	if (h->req != NULL && strcmp(h->req->method, "GET") != 0 &&
	    curl.easy_getinfo(h->easy, CURLINFO_REQUEST_SIZE, &sent) ==
	    CURLE_OK && sent > 0) {
		h->again = true;
		return CURL_SOCKET_BAD;
	}
	h->sock = socket(sa->family, sa->socktype | SOCK_CLOEXEC,
	    sa->protocol);
	return h->sock == -1 ? CURL_SOCKET_BAD : h->sock;
}

static int
on_close(void *arg, curl_socket_t fd)
{
	struct http	*h = arg;

	if (h->sock == fd)
		h->sock = -1;
	return close(fd);
}

/* Options of every connection to the node. */
static bool
set_connection(struct http *h)
{
	char	 ca[FILE_PATH_MAX], cert[FILE_PATH_MAX], key[FILE_PATH_MAX];
	CURL	*e = h->easy;
	CURLcode c = CURLE_OK;

	if (str_fmt(ca, sizeof(ca), "%s/ca.pem", h->tls) != 0 ||
	    str_fmt(cert, sizeof(cert), "%s/node.pem", h->tls) != 0 ||
	    str_fmt(key, sizeof(key), "%s/node.key", h->tls) != 0)
		return false;
#define SET(option, value)						\
	(c = c != CURLE_OK ? c : curl.easy_setopt(e, option, value))
	SET(CURLOPT_ERRORBUFFER, h->text);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_CONNECT_TO, h->connect_to);
	SET(CURLOPT_CAINFO, ca);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSLCERT, cert);
	SET(CURLOPT_SSLKEY, key);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	/* A resumed session would not ask for the certificates again. */
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, KEEP_IDLE_S);
	SET(CURLOPT_TCP_KEEPINTVL, KEEP_EVERY_S);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
	SET(CURLOPT_OPENSOCKETDATA, h);
	SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
	SET(CURLOPT_CLOSESOCKETDATA, h);
	return c == CURLE_OK;
}

/*
 * Options of every request.  Its buffers are allocated for each: at 128 KiB
 * the allocator would get them from the kernel and give them back every time,
 * which costs a third of the requests.
 */
static bool
set_requests(struct http *h)
{
	CURL	*e = h->easy;
	CURLcode c = CURLE_OK;

	SET(CURLOPT_HTTPHEADER, h->headers);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_BUFFERSIZE, BUFFER);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, BUFFER);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, h);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, h);
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, h);
	return c == CURLE_OK;
}

/* The host of the URL is the node's name; it leads to its address. */
static int
make_lists(struct http *h)
{
	/* No waiting for "100 Continue"; and what we send is bytes. */
	static const char *const headers[] = {
		"Expect:", "Accept:", "Content-Type: application/octet-stream",
	};
	char			 to[1024];
	struct curl_slist	*l;
	bool			 v6 = strchr(h->address, ':') != NULL;

	if (str_fmt(to, sizeof(to), "%s:%u:%s%s%s:%u", h->name, h->port,
	    v6 ? "[" : "", h->address, v6 ? "]" : "", h->port) != 0)
		return CM_EUSAGE;
	if ((h->connect_to = curl.slist_append(NULL, to)) == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if ((l = curl.slist_append(h->headers, headers[i])) == NULL)
			return CM_ENOMEM;
		h->headers = l;
	}
	return 0;
}

/* A name that means nothing else in a URL. */
static bool
is_name(const char *s)
{
	return s != NULL && s[0] != '\0' && strlen(s) < 256 &&
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789._-") == strlen(s);
}

static bool
is_address(const char *s)
{
	return s != NULL && s[0] != '\0' && strlen(s) < 256 &&
	    strpbrk(s, "[]/@?# \t\r\n") == NULL;
}

/* libcurl says no more than that a file cannot be used. */
static int
check_files(const struct http *h)
{
	static const char *const names[] = { "ca.pem", "node.pem", "node.key" };
	char	 path[FILE_PATH_MAX];
	int	 rc;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((rc = str_fmt(path, sizeof(path), "%s/%s", h->tls,
		    names[i])) != 0)
			return log_fail(h->log, rc, "%s", h->tls);
		if (access(path, R_OK) == -1)
			return log_errno(h->log, "%s", path);
	}
	return 0;
}

static int
make(struct http *h, const struct http_peer *peer)
{
	int	 rc;

	h->port = peer->port;
	h->name = strdup(peer->name);
	h->address = strdup(peer->address);
	h->tls = strdup(peer->tls);
	if (h->name == NULL || h->address == NULL || h->tls == NULL)
		return CM_ENOMEM;
	if ((rc = check_files(h)) != 0)
		return rc;
	if ((rc = curl_load(h->log)) != 0)
		return rc;
	if ((rc = make_lists(h)) != 0)
		return rc;
	if ((h->easy = curl.easy_init()) == NULL)
		return CM_ENOMEM;
	return set_connection(h) ? 0 : log_fail(h->log, CM_ESOFT, CURL_LIBRARY);
}

int
http_open(const struct log *log, const struct http_peer *peer,
    struct http **out)
{
	struct http	*h;
	int		 rc;

	*out = NULL;
	if (!is_name(peer->name) || !is_address(peer->address) ||
	    peer->port == 0 || peer->port > 65535 || peer->tls == NULL)
		return log_fail(log, CM_EUSAGE, "node %s", peer->name != NULL ?
		    peer->name : "");
	if ((h = calloc(1, sizeof(*h))) == NULL)
		return CM_ENOMEM;
	h->log = log;
	h->sock = -1;
	if ((rc = make(h, peer)) != 0)
		goto fail;
	rc = CM_ENOMEM;
	if ((h->multi = curl.multi_init()) == NULL)
		goto fail;
	rc = CM_ESOFT;
	if (!set_requests(h) || curl.multi_setopt(h->multi,
	    CURLMOPT_MAXCONNECTS, 1L) != CURLM_OK)
		goto fail;
	*out = h;
	return 0;
fail:
	http_close(h);
	return rc;
}

void
http_close(struct http *h)
{
	if (h == NULL)
		return;
	/* Its socket is closed with h at hand. */
	if (h->easy != NULL)
		curl.easy_cleanup(h->easy);
	if (h->multi != NULL)
		curl.multi_cleanup(h->multi);
	if (h->headers != NULL)
		curl.slist_free_all(h->headers);
	if (h->connect_to != NULL)
		curl.slist_free_all(h->connect_to);
	free(h->name);
	free(h->address);
	free(h->tls);
	free(h);
}

/*
 * Did the server hang up the kept connection, or say so, while we had no use
 * for it?  libcurl takes one that holds a farewell of TLS to be alive.
 */
static bool
is_stale(const struct http *h)
{
	struct pollfd	 p = { .fd = h->sock, .events = POLLIN | POLLRDHUP };

	return h->sock != -1 && poll(&p, 1, 0) != 0;
}

static int
make_url(const struct http *h, const char *path, char url[URL_MAX])
{
	if (path == NULL || path[0] != '/')
		return CM_EUSAGE;
	for (const char *p = path; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == '#')
			return CM_EUSAGE;
	return str_fmt(url, URL_MAX, "https://%s:%u%s", h->name, h->port,
	    path);
}

static int
timeout_of(int ms)
{
	return ms > 0 ? ms : TIMEOUT_MS;
}

static int
set_request(struct http *h, const struct http_request *r)
{
	char	 url[URL_MAX];
	CURL	*e = h->easy;
	CURLcode c = CURLE_OK;
	bool	 post = strcmp(r->method, "POST") == 0;
	int	 rc;

	if (!post && strcmp(r->method, "GET") != 0)
		return CM_EUSAGE;
	if ((rc = make_url(h, r->path, url)) != 0)
		return rc;
	SET(CURLOPT_URL, url);
	SET(CURLOPT_FRESH_CONNECT, is_stale(h) ? 1L : 0L);
	if (post) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDS, r->body != NULL ? r->body : "");
		SET(CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)(r->body != NULL ? r->body_len : 0));
	} else {
		SET(CURLOPT_HTTPGET, 1L);
	}
	SET(CURLOPT_RANGE, r->range);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_of(r->timeout_ms));
	SET(CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)r->rate);
	SET(CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)r->rate);
	return c == CURLE_OK ? 0 : c == CURLE_OUT_OF_MEMORY ? CM_ENOMEM :
	    CM_ESOFT;
}

/* A slow rate makes pauses of its own, of a buffer's length. */
static int64_t
patience(const struct http_request *r)
{
	int64_t	 ms = timeout_of(r->timeout_ms);

	return r->rate == 0 ? ms :
	    ms + (int64_t)(2000 * (uint64_t)BUFFER / r->rate);
}

static CURLcode
perform(struct http *h)
{
	CURLMsg		*msg;
	CURLMcode	 m;
	int		 n;
	int64_t		 left;

	for (;;) {
		if ((m = curl.multi_perform(h->multi, &n)) != CURLM_OK)
			break;
		while ((msg = curl.multi_info_read(h->multi, &n)) != NULL)
			if (msg->msg == CURLMSG_DONE)
				return msg->data.result;
		left = h->last + patience(h->req) - time_mono_ms();
		if (left <= 0) {
			set_text(h, "no progress");
			return CURLE_OPERATION_TIMEDOUT;
		}
		if ((m = curl.multi_poll(h->multi, NULL, 0,
		    left > 1000 ? 1000 : (int)left, NULL)) != CURLM_OK)
			break;
	}
	set_text(h, curl.multi_strerror(m));
	return m == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY :
	    CURLE_FAILED_INIT;
}

/* One line of printable text, without its end. */
static void
clean_text(struct buf *b)
{
	while (b->len > 0 && (b->p[b->len - 1] == '\n' ||
	    b->p[b->len - 1] == '\r'))
		b->p[--b->len] = '\0';
	for (size_t i = 0; i < b->len; i++)
		if ((unsigned char)b->p[i] < ' ' || b->p[i] == 0x7f)
			b->p[i] = ' ';
}

int
http_begin(struct http *h, const struct http_request *r, struct buf *error)
{
	int	 rc;

	if (error != NULL)
		buf_reset(error);
	h->text[0] = '\0';
	if ((rc = set_request(h, r)) != 0)
		return log_fail(h->log, rc, "%s: %s %s", h->name, r->method,
		    r->path != NULL ? r->path : "");
	h->req = r;
	h->error = error;
	h->fn_rc = 0;
	h->again = false;
	h->moved = 0;
	h->last = time_mono_ms();
	return 0;
}

int
http_end(struct http *h, CURLcode c, int *status)
{
	long	 code = 0;

	curl.easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &code);
	h->req = NULL;
	if (h->fn_rc != 0)
		return h->fn_rc;
	if (h->again) {
		set_text(h, "the connection broke before the answer");
		return CM_EAWAY;
	}
	if (c != CURLE_OK)
		return failed(h, c);
	*status = (int)code;
	if (h->error != NULL)
		clean_text(h->error);
	return 0;
}

int
http_call(struct http *h, const struct http_request *r, int *status,
    struct buf *error)
{
	CURLcode c;
	int	 rc;

	*status = 0;
	if ((rc = http_begin(h, r, error)) != 0)
		return rc;
	if (curl.multi_add_handle(h->multi, h->easy) != CURLM_OK)
		return log_fail(h->log, CM_ESOFT, CURL_LIBRARY);
	c = perform(h);
	rc = http_end(h, c, status);
	curl.multi_remove_handle(h->multi, h->easy);
	return rc;
}

const char *
http_text(const struct http *h)
{
	return h->text;
}

/* A tunnel being made, and then its thread's. */
struct tunnel {
	struct http	*http;
	int		 local;
	int64_t		 until;
	struct buf	 in;		/* the answer, and what follows it */
	size_t		 head;		/* the answer's length */
};

static ssize_t
tunnel_result(CURLcode c, size_t n)
{
	if (c == CURLE_AGAIN)
		return 0;
	return c == CURLE_OK && n > 0 ? (ssize_t)n : -1;
}

static ssize_t
tunnel_recv(void *arg, char *p, size_t len)
{
	struct http	*h = arg;
	size_t		 n = 0;
	CURLcode	 c = curl.easy_recv(h->easy, p, len, &n);

	return tunnel_result(c, n);
}

static ssize_t
tunnel_send(void *arg, const char *p, size_t len)
{
	struct http	*h = arg;
	size_t		 n = 0;
	CURLcode	 c = curl.easy_send(h->easy, p, len, &n);

	return tunnel_result(c, n);
}

static void
tunnel_free(struct tunnel *t)
{
	if (t == NULL)
		return;
	http_close(t->http);
	if (t->local != -1)
		close(t->local);
	buf_free(&t->in);
	free(t);
}

static void *
tunnel_main(void *arg)
{
	struct tunnel		*t = arg;
	struct tunnel_far	 far = {
		.fd = t->http->sock, .line = t->http->sock, .arg = t->http,
		.recv = tunnel_recv, .send = tunnel_send,
		.early = t->in.p + t->head, .early_len = t->in.len - t->head,
	};

	if (tunnel_run(&far, t->local) == CM_ENOMEM)
		log_fail(t->http->log, CM_ENOMEM, "tunnel");
	tunnel_free(t);
	return NULL;
}

static int
tunnel_wait(const struct tunnel *t, short events)
{
	struct pollfd	 p = { .fd = t->http->sock, .events = events };
	int64_t		 left;

	for (;;) {
		if ((left = t->until - time_mono_ms()) <= 0)
			return CM_ETIMEOUT;
		if (poll(&p, 1, (int)left) > 0)
			return 0;
	}
}

static int
tunnel_ask(struct tunnel *t, const char *path)
{
	struct http	*h = t->http;
	struct buf	 b;
	size_t		 at = 0, n;
	CURLcode	 c;
	int		 rc;

	buf_init(&b, URL_MAX + 1024);
	buf_addf(&b, "GET %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: Upgrade"
	    "\r\nUpgrade: " TUNNEL_NAME "\r\n\r\n", path, h->name, h->port);
	rc = b.err;
	while (rc == 0 && at < b.len) {
		c = curl.easy_send(h->easy, b.p + at, b.len - at, &n);
		if (c == CURLE_AGAIN)
			rc = tunnel_wait(t, POLLOUT);
		else if ((rc = failed(h, c)) == 0)
			at += n;
	}
	buf_free(&b);
	return rc;
}

/* Reads up to the answer's empty line at least. */
static int
tunnel_answer(struct tunnel *t)
{
	struct http	*h = t->http;
	const char	*end;
	size_t		 n;
	CURLcode	 c;
	int		 rc;

	for (;;) {
		if (t->in.len > 0 && (end = memmem(t->in.p, t->in.len,
		    "\r\n\r\n", 4)) != NULL)
			break;
		if (t->in.len >= HEADER_MAX)
			return log_fail(h->log, CM_EPROTO, "%s", h->name);
		if ((rc = buf_room(&t->in, HEADER_MAX)) != 0)
			return rc;
		c = curl.easy_recv(h->easy, t->in.p + t->in.len,
		    HEADER_MAX, &n);
		if (c == CURLE_AGAIN)
			rc = tunnel_wait(t, POLLIN);
		else if (c == CURLE_OK && n == 0)
			rc = CM_EAWAY;
		else if ((rc = failed(h, c)) == 0)
			t->in.len += n;
		if (rc != 0)
			return rc;
	}
	t->head = (size_t)(end + 4 - t->in.p);
	if (strncmp(t->in.p, "HTTP/1.1 101 ", 13) == 0)
		return 0;
	n = strcspn(t->in.p, "\r");
	return log_fail(h->log, CM_EPROTO, "%s: no tunnel: %.*s", h->name,
	    (int)n, t->in.p);
}

static int
tunnel_open(struct tunnel *t, const char *path, int timeout_ms)
{
	struct http	*h = t->http;
	CURL		*e = h->easy;
	CURLcode	 c = CURLE_OK;
	char		 url[URL_MAX];
	int		 rc;

	if ((rc = make_url(h, path, url)) != 0)
		return log_fail(h->log, rc, "%s: path", h->name);
	SET(CURLOPT_URL, url);
	SET(CURLOPT_CONNECT_ONLY, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_of(timeout_ms));
	if (c == CURLE_OK)
		c = curl.easy_perform(e);
	if ((rc = failed(h, c)) != 0)
		return rc;
	if (h->sock == -1)
		return CM_EAWAY;
	if ((rc = tunnel_ask(t, path)) != 0)
		return rc;
	return tunnel_answer(t);
}

/* A thread that no signal for the program reaches. */
static int
tunnel_start(struct tunnel *t)
{
	pthread_t	 thread;
	sigset_t	 all, old;
	int		 rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if ((rc = pthread_create(&thread, NULL, tunnel_main, t)) == 0)
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? 0 : CM_EAGAIN;
}

int
http_tunnel(const struct log *log, const struct http_peer *peer,
    const char *path, int timeout_ms, int *fd)
{
	struct tunnel	*t;
	int		 pair[2] = { -1, -1 }, rc;

	*fd = -1;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return CM_ENOMEM;
	t->local = -1;
	t->until = time_mono_ms() + timeout_of(timeout_ms);
	/* After the header's end there may be a whole read's bytes. */
	buf_init(&t->in, (size_t)HEADER_MAX * 2);
	if ((rc = http_open(log, peer, &t->http)) != 0 ||
	    (rc = tunnel_open(t, path, timeout_ms)) != 0)
		goto out;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		rc = log_errno(log, "socketpair");
		goto out;
	}
	t->local = pair[0];
	if ((rc = tunnel_start(t)) != 0) {
		close(pair[1]);
		goto out;
	}
	*fd = pair[1];
	return 0;
out:
	tunnel_free(t);
	return rc;
}
