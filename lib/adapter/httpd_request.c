#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapter/httpd_int.h"
#include "adapter/tunnel.h"
#include "base/time.h"

#define SAY_MAX	2048

struct conn *
httpd_conn(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo	*info;

	info = MHD_get_connection_info(mhd,
	    MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info != NULL ? info->socket_context : NULL;
}

const char *
httpd_method(const struct httpd_request *r)
{
	return r->method;
}

const char *
httpd_path(const struct httpd_request *r)
{
	return r->path;
}

const char *
httpd_query(const struct httpd_request *r, const char *name)
{
	const char	*value = NULL;

	if (MHD_lookup_connection_value_n(r->mhd, MHD_GET_ARGUMENT_KIND, name,
	    strlen(name), &value, NULL) != MHD_YES)
		return NULL;
	return value != NULL ? value : "";
}

const char *
httpd_header(const struct httpd_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

const char *
httpd_peer(const struct httpd_request *r)
{
	return tls_peer_name(r->conn->peer);
}

const char *
httpd_address(const struct httpd_request *r)
{
	return r->conn->address;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = str_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Of the path and of queries, in place.  A bad %XX and a %00, behind which
 * the handlers would not see the rest, make the request a bad one.
 */
size_t
httpd_unescape(void *arg, struct MHD_Connection *mhd, char *s)
{
	struct conn	*c = httpd_conn(mhd);
	char		*from, *to = s;
	int		 h, l;

	(void)arg;
	for (from = s; *from != '\0'; from++) {
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		h = hex(from[1]);
		l = h < 0 ? -1 : hex(from[2]);
		if (l < 0 || (h | l) == 0) {
			if (c != NULL)
				c->bad_path = true;
			break;
		}
		*to++ = (char)(h << 4 | l);
		from += 2;
	}
	*to = '\0';
	return (size_t)(to - s);
}

/* Keeps the answer until the request is there as a whole. */
static bool
keep(struct httpd_request *r, int status, struct MHD_Response *response)
{
	if (r->answered || response == NULL) {
		log_fail(&r->conn->server->log, response == NULL ? CM_ENOMEM :
		    CM_ESOFT, "%s %s: answer", r->method, r->path);
		if (response != NULL)
			MHD_destroy_response(response);
		return false;
	}
	r->answered = true;
	r->response = response;
	r->status = (unsigned)status;
	return true;
}

static void
header(struct httpd_request *r, const char *name, const char *value)
{
	if (r->response != NULL &&
	    MHD_add_response_header(r->response, name, value) != MHD_YES)
		log_fail(&r->conn->server->log, CM_ENOMEM, "%s %s: header %s",
		    r->method, r->path, name);
}

void
httpd_text(struct httpd_request *r, int status, const char *type,
    const char *text, size_t len)
{
	struct MHD_Response	*response;

	if (len > HTTPD_TEXT_MAX) {
		httpd_say(r, 500, "the answer is too long");
		return;
	}
	/* The library's type is not const, but it only copies. */
	response = MHD_create_response_from_buffer(len,
	    (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	if (keep(r, status, response))
		header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
}

void
httpd_say(struct httpd_request *r, int status, const char *fmt, ...)
{
	struct buf	 b;
	va_list		 ap;

	buf_init(&b, SAY_MAX);
	va_start(ap, fmt);
	if (buf_vaddf(&b, fmt, ap) == CM_ETOOBIG) {
		buf_reset(&b);
		buf_adds(&b, "error");
	}
	va_end(ap);
	if (buf_addc(&b, '\n') == CM_ENOMEM)
		keep(r, status, NULL);
	else
		httpd_text(r, status, "text/plain; charset=utf-8", b.p, b.len);
	buf_free(&b);
}

void
httpd_file(struct httpd_request *r, int fd, uint64_t offset, uint64_t len,
    bool part)
{
	struct MHD_Response	*response;
	char			 range[80];

	response = MHD_create_response_from_fd_at_offset64(len, fd, offset);
	if (response == NULL)
		close(fd);
	if (!keep(r, part ? 206 : 200, response))
		return;
	header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
	/* How long the whole is, is not known here (RFC 9110, 14.4). */
	if (part && len > 0 && str_fmt(range, sizeof(range),
	    "bytes %llu-%llu/*", (unsigned long long)offset,
	    (unsigned long long)(offset + len - 1)) == 0)
		header(r, MHD_HTTP_HEADER_CONTENT_RANGE, range);
}

static ssize_t
session_recv(void *arg, char *p, size_t len)
{
	return tls_recv(arg, p, len);
}

static ssize_t
session_send(void *arg, const char *p, size_t len)
{
	return tls_send(arg, p, len);
}

/*
 * The 101 is sent.  The library would now have its own pump between the
 * session and a socket pair (sock), but with buffers of four bytes (0.9.75:
 * the header has taken all the connection's memory) and without telling
 * anyone that the client is gone.  So the tunnel is run right here, in the
 * connection's thread, and when that returns there is nothing left to pump.
 */
static void
upgraded(void *arg, struct MHD_Connection *mhd, void *ctx, const char *early,
    size_t early_len, MHD_socket sock, struct MHD_UpgradeResponseHandle *urh)
{
	struct conn			*c = arg;
	struct httpd_request		*r = ctx;
	const union MHD_ConnectionInfo	*info;
	int				 one = 1, local = r->local;
	struct tunnel_far		 far = {
		.fd = c->fd, .line = c->fd,
		.recv = session_recv, .send = session_send,
		.early = early, .early_len = early_len,
	};

	(void)sock;
	r->local = -1;
	/* The library has just switched it off. */
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	info = MHD_get_connection_info(mhd,
	    MHD_CONNECTION_INFO_GNUTLS_SESSION);
	far.arg = info != NULL ? info->tls_session : NULL;
	c->tunnel = true;
	c->busy = false;	/* a stop need not wait for it */
	if (far.arg == NULL || tunnel_run(&far, local) == CM_ENOMEM)
		log_fail(&c->server->log, CM_ENOMEM, "tunnel");
	close(local);
	MHD_upgrade_action(urh, MHD_UPGRADE_ACTION_CLOSE);
}

void
httpd_upgrade(struct httpd_request *r, int fd)
{
	const char	*wants = httpd_header(r, MHD_HTTP_HEADER_UPGRADE);

	if (wants == NULL || strcmp(wants, TUNNEL_NAME) != 0) {
		close(fd);
		httpd_say(r, 426, "this needs Upgrade: " TUNNEL_NAME);
		header(r, MHD_HTTP_HEADER_UPGRADE, TUNNEL_NAME);
		return;
	}
	if (!keep(r, 101, MHD_create_response_for_upgrade(upgraded,
	    r->conn))) {
		close(fd);
		return;
	}
	header(r, MHD_HTTP_HEADER_UPGRADE, TUNNEL_NAME);
	r->local = fd;
}

/* Gives the kept answer to the library; there is always one at last. */
static enum MHD_Result
send_answer(struct httpd_request *r)
{
	enum MHD_Result	 rc;

	if (r->response == NULL && !r->answered) {
		log_fail(&r->conn->server->log, CM_ESOFT, "%s %s: no answer",
		    r->method, r->path);
		httpd_say(r, 500, "internal error");
	}
	if (r->response == NULL)
		return MHD_NO;
	rc = MHD_queue_response(r->mhd, r->status, r->response);
	MHD_destroy_response(r->response);
	r->response = NULL;
	return rc;
}

/* The Content-Length; 0 when it is not known. */
static uint64_t
announced(const struct httpd_request *r)
{
	const char	*s;
	uint64_t	 n;

	s = httpd_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	if (s == NULL || str_u64(s, strlen(s), UINT64_MAX, &n) != 0)
		return 0;
	return n;
}

/* Bytes of bodies that the server may have in memory: take some more. */
static bool
hold(struct httpd_request *r, uint64_t n)
{
	struct server	*s = r->conn->server;
	bool		 good;

	pthread_mutex_lock(&s->lock);
	if ((good = n <= s->conf->bodies - s->held)) {
		s->held += n;
		r->held += n;
	}
	pthread_mutex_unlock(&s->lock);
	return good;
}

static void
drop_body(struct httpd_request *r)
{
	struct server	*s = r->conn->server;

	buf_free(&r->body);
	pthread_mutex_lock(&s->lock);
	s->held -= r->held;
	pthread_mutex_unlock(&s->lock);
	r->held = 0;
}

struct framing {
	unsigned	 lengths, encodings;
	bool		 chunked;
};

static enum MHD_Result
look_at_header(void *arg, enum MHD_ValueKind kind, const char *name,
    const char *value)
{
	struct framing	*f = arg;

	(void)kind;
	if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
		f->lengths++;
	if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		f->encodings++;
		f->chunked = value != NULL &&
		    strcasecmp(value, "chunked") == 0;
	}
	return MHD_YES;
}

/*
 * Where the body ends must be said once, and in a way that the library
 * understands: it would take the first of two lengths (RFC 9112 section 6.3).
 */
static bool
is_framed(const struct httpd_request *r)
{
	struct framing	 f = { 0, 0, false };

	MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, look_at_header, &f);
	return f.lengths + f.encodings <= 1 &&
	    (f.encodings == 0 || f.chunked);
}

static void
too_long(struct httpd_request *r)
{
	r->too_long = true;
	drop_body(r);
	if (!r->answered)
		httpd_say(r, 413, "more than %llu bytes",
		    (unsigned long long)r->limit);
}

/* The header is there. */
static enum MHD_Result
begin(struct conn *c, struct httpd_request *r)
{
	const struct httpd	*h = c->server->conf;
	int64_t			 limit = 0;
	uint64_t		 len;

	if (!c->said_hello) {
		c->said_hello = true;
		c->app = h->hello != NULL ?
		    h->hello(h->arg, tls_peer_name(c->peer)) : NULL;
	}
	if (!is_framed(r)) {
		/* where the next request would begin is not known */
		httpd_say(r, 400, "the length of the body is not clear");
		header(r, MHD_HTTP_HEADER_CONNECTION, "close");
		return send_answer(r);
	}
	if (c->bad_path)
		httpd_say(r, 400, "bad %%XX in the path");
	else if ((limit = h->begin(h->arg, c->app, r)) < 0 && !r->answered)
		httpd_say(r, 500, "%s", cm_strerror((int)limit));
	r->limit = limit > 0 ? (uint64_t)limit : 0;
	len = announced(r);
	if (len > r->limit)
		too_long(r);
	buf_init(&r->body, (size_t)r->limit);
	if (r->answered)
		/* Without a body that is worth reading, say it now. */
		return len > HTTPD_DRAIN ? send_answer(r) : MHD_YES;
	if (len > 0 && buf_room(&r->body, (size_t)len) != 0)
		httpd_say(r, 503, "out of memory");
	return MHD_YES;
}

/* Some of the body is there. */
static enum MHD_Result
more(struct httpd_request *r, const char *data, size_t len)
{
	r->seen += len;
	if (r->answered)
		return r->seen > HTTPD_DRAIN ? MHD_NO : MHD_YES;
	if (r->seen > r->limit)
		too_long(r);
	else if (!hold(r, len) || buf_add(&r->body, data, len) != 0) {
		drop_body(r);
		httpd_say(r, 503, "out of memory");
	}
	return MHD_YES;
}

enum MHD_Result
httpd_answer(void *arg, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **ctx)
{
	struct conn		*c = httpd_conn(mhd);
	struct httpd_request	*r;
	const struct httpd	*h;
	enum MHD_Result		 rc;

	(void)arg;
	(void)version;
	/* The handshake saw to it; no request is taken without a name. */
	if (c == NULL || tls_peer_name(c->peer)[0] == '\0')
		return MHD_NO;
	r = &c->request;
	h = c->server->conf;
	if (*ctx == NULL) {
		memset(r, 0, sizeof(*r));
		r->conn = c;
		r->local = -1;
		r->mhd = mhd;
		r->method = method;
		r->path = url;
		*ctx = r;
		c->busy = true;
		return begin(c, r);
	}
	if (*size > 0) {
		rc = more(r, data, *size);
		*size = 0;
		return rc;
	}
	if (!r->answered)
		h->end(h->arg, c->app, r, r->body.len > 0 ? r->body.p : "",
		    r->body.len);
	return send_answer(r);
}

/* The answer is sent, or never will be. */
void
httpd_over(void *arg, struct MHD_Connection *mhd, void **ctx,
    enum MHD_RequestTerminationCode code)
{
	struct httpd_request	*r = *ctx;

	(void)arg;
	(void)mhd;
	(void)code;
	if (r == NULL)
		return;
	drop_body(r);
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	if (r->local != -1)
		close(r->local);
	r->response = NULL;
	r->local = -1;
	r->conn->bad_path = false;
	r->conn->since = time_mono_ms();
	r->conn->busy = false;
	*ctx = NULL;
}
