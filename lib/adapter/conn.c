#include "adapter/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/deflate.h"
#include "adapter/wire.h"

#define READ_LEAST	4096	/* room for the first read of a session */
#define IN_MAX		(16u << 20)
#define OUT_KEPT	(4 * CONN_CHUNK)	/* memory kept for more */
#define DRAIN_READS	16	/* of 4 KiB */

struct conn {
	struct wire	 wire;
	struct tls_session *tls;
	struct buf	 in;
	size_t		 at;		/* of in: taken so far */
	size_t		 seen;		/* of in: no LF between at and it */
	size_t		 room;		/* for the next read */
	bool		 more;		/* the last read filled its room */
	bool		 eof;
	int		 broken;	/* why nothing can be sent any more */
	struct buf	 out;
	struct deflate	*z;		/* NULL: not compressed */
	struct buf	 zout;		/* out, compressed */
	uint64_t	 bytes_in, bytes_out;
};

int
conn_open(int in, int out, struct conn **res)
{
	struct conn	*c;

	*res = NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(in);
		if (out != in)
			close(out);
		return CM_ENOMEM;
	}
	wire_init(&c->wire, in, out);
	buf_init(&c->in, IN_MAX);
	buf_init(&c->out, CONN_OUT_MAX);
	buf_init(&c->zout, 2 * (size_t)CONN_OUT_MAX);
	c->room = READ_LEAST;
	*res = c;
	return 0;
}

static void
read_rest(struct conn *c)
{
	char	 b[4096];

	if (c->wire.in_socket)
		for (int i = 0; i < DRAIN_READS; i++)
			if (wire_read(&c->wire, b, sizeof(b)) <= 0)
				return;
}

void
conn_close(struct conn *c)
{
	if (c == NULL)
		return;
	tls_session_end(c->tls);
	read_rest(c);
	close(c->wire.in);
	if (c->wire.out != c->wire.in)
		close(c->wire.out);
	buf_free(&c->in);
	buf_free(&c->out);
	buf_free(&c->zout);
	deflate_close(c->z);
	free(c);
}

void
conn_deadline(struct conn *c, int64_t mono_ms)
{
	c->wire.deadline = mono_ms;
	c->wire.hurried = INT64_MAX;
}

void
conn_hurry(struct conn *c, const _Atomic bool *hurry)
{
	c->wire.hurry = hurry;
}

void
conn_hurried(struct conn *c, int64_t mono_ms)
{
	c->wire.hurried = mono_ms;
}

void
conn_stop(struct conn *c, const volatile bool *stop)
{
	wire_stop(&c->wire, stop);
}

/* Bytes into p: their number, 0 at the end, or a code. */
static ssize_t
read_plain(struct conn *c, char *p, size_t n)
{
	ssize_t	 r;
	int	 rc;

	/* most often the client has to hear our answer before it goes on */
	if (!c->more && (rc = wire_wait(&c->wire, false)) != 0)
		return rc;
	c->more = false;
	while ((r = wire_read(&c->wire, p, n)) == -1) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return cm_errno(errno) == CM_EAWAY ? 0 : CM_EAWAY;
		if ((rc = wire_wait(&c->wire, false)) != 0)
			return rc;
	}
	c->more = c->wire.in_socket && (size_t)r == n;
	return r;
}

static void
squeeze(struct conn *c)
{
	if (c->at == 0)
		return;
	buf_drop(&c->in, c->at);
	c->seen = c->seen > c->at ? c->seen - c->at : 0;
	c->at = 0;
}

/* Bytes off the wire into p: their number, or a code. */
static ssize_t
read_some(struct conn *c, char *p, size_t n)
{
	ssize_t	 r;

	r = c->tls != NULL ? tls_session_read(c->tls, p, n) :
	    read_plain(c, p, n);
	if (r > 0)
		c->bytes_in += (uint64_t)r;
	if (r == CM_EAWAY)
		r = 0;
	return r == 0 ? CM_EEND : r;
}

static ssize_t
read_compressed(struct conn *c, char *p, size_t n)
{
	char	 chunk[READ_LEAST];
	size_t	 got;
	ssize_t	 r;

	for (;;) {
		if (deflate_in(c->z, p, n, &got) != 0)
			return CM_EEND;
		if (got > 0)
			return (ssize_t)got;
		if ((r = read_some(c, chunk, sizeof(chunk))) < 0)
			return r;
		if (deflate_feed(c->z, chunk, (size_t)r) != 0)
			return CM_EEND;
	}
}

/* More input behind what is there. */
static int
fill(struct conn *c)
{
	ssize_t	 r;
	int	 rc;

	if (c->eof)
		return CM_EEND;
	if ((rc = conn_flush(c)) != 0)
		return rc;
	if (wire_late(&c->wire))
		return CM_ETIMEOUT;
	squeeze(c);
	if ((rc = buf_room(&c->in, c->room)) != 0)
		return rc;
	r = c->z != NULL ?
	    read_compressed(c, c->in.p + c->in.len, c->room) :
	    read_some(c, c->in.p + c->in.len, c->room);
	if (r < 0) {
		c->eof = r == CM_EEND;
		return (int)r;
	}
	c->in.len += (size_t)r;
	if ((size_t)r == c->room && c->room < CONN_CHUNK)
		c->room *= 2;
	return 0;
}

/* Takes all that is there of a line over its limit. */
static int
skip_line(struct conn *c)
{
	const char	*lf;
	int		 rc;

	for (;;) {
		lf = memchr(c->in.p + c->at, '\n', c->in.len - c->at);
		if (lf != NULL) {
			c->at = (size_t)(lf + 1 - c->in.p);
			c->seen = c->at;
			return CM_ETOOBIG;
		}
		c->at = c->in.len;
		if ((rc = fill(c)) != 0)
			return rc;
	}
}

int
conn_line(struct conn *c, size_t max, struct span *line, bool *crlf)
{
	const char	*lf;
	size_t		 len;
	int		 rc;

	if (c->seen < c->at)
		c->seen = c->at;
	for (;;) {
		lf = c->in.len > c->seen ? memchr(c->in.p + c->seen, '\n',
		    c->in.len - c->seen) : NULL;
		if (lf != NULL)
			break;
		c->seen = c->in.len;
		if (c->in.len - c->at > max)
			return skip_line(c);
		if ((rc = fill(c)) != 0)
			return rc;
	}
	len = (size_t)(lf - (c->in.p + c->at));
	*line = (struct span){ c->in.p + c->at, len };
	c->at += len + 1;
	c->seen = c->at;
	if (len + 1 > max)
		return CM_ETOOBIG;
	*crlf = len > 0 && line->p[len - 1] == '\r';
	line->len -= *crlf;
	return 0;
}

int
conn_peek(struct conn *c, struct span *s)
{
	int	 rc;

	if (c->at == c->in.len && (rc = fill(c)) != 0)
		return rc;
	*s = (struct span){ c->in.p + c->at, c->in.len - c->at };
	return 0;
}

void
conn_take(struct conn *c, size_t n)
{
	c->at += n < c->in.len - c->at ? n : c->in.len - c->at;
}

/* Is there text in what was fed already?  Its end is told by the next read. */
static bool
has_compressed(struct conn *c)
{
	size_t	 got;

	if (c->z == NULL || !deflate_pending(c->z))
		return false;
	squeeze(c);
	if (buf_room(&c->in, c->room) != 0 ||
	    deflate_in(c->z, c->in.p + c->in.len, c->room, &got) != 0)
		return true;
	c->in.len += got;
	return got > 0;
}

/* Bytes that are in no descriptor any more. */
static bool
has_input(struct conn *c)
{
	return c->at < c->in.len || has_compressed(c) ||
	    (c->tls != NULL && tls_session_pending(c->tls));
}

bool
conn_pending(struct conn *c)
{
	return has_input(c) || (!c->eof && wire_ready(&c->wire));
}

int
conn_wait(struct conn *c, int fd, bool *input, bool *other)
{
	int	 rc;

	*input = *other = false;
	if ((rc = conn_flush(c)) != 0)
		return rc;
	/* what was read already is in no descriptor any more */
	if (c->eof || has_input(c)) {
		*input = true;
		return 0;
	}
	return wire_wait_both(&c->wire, fd, input, other);
}

struct buf *
conn_out(struct conn *c)
{
	return &c->out;
}

static int
send_plain(struct conn *c, const struct buf *b, size_t *done)
{
	ssize_t	 w;
	int	 rc;

	while (*done < b->len) {
		if (!c->wire.out_socket &&
		    (rc = wire_wait(&c->wire, true)) != 0)
			return rc;
		w = wire_write(&c->wire, b->p + *done, b->len - *done);
		if (w >= 0)
			*done += (size_t)w;
		else if (errno != EAGAIN && errno != EWOULDBLOCK)
			return c->broken = CM_EAWAY;
		else if ((rc = wire_wait(&c->wire, true)) != 0)
			return rc;
	}
	return 0;
}

static int
send_all(struct conn *c, struct buf *b)
{
	size_t	 done = 0;
	int	 rc;

	if (b->len == 0)
		return 0;
	if (c->tls == NULL) {
		rc = send_plain(c, b, &done);
	} else {
		rc = tls_session_write(c->tls, b->p, b->len);
		if (rc == 0)
			done = b->len;
		else
			c->broken = CM_EAWAY;
	}
	c->bytes_out += done;
	if (done == b->len && b->cap > OUT_KEPT)
		buf_free(b);
	else
		buf_drop(b, done);
	return rc;
}

/* Half of it would be the end: nothing that follows could be read. */
static int
compress_all(struct conn *c)
{
	if (c->out.len > 0 &&
	    deflate_out(c->z, c->out.p, c->out.len, &c->zout) != 0)
		return c->broken = CM_EAWAY;
	if (c->out.cap > OUT_KEPT)
		buf_free(&c->out);
	else
		buf_reset(&c->out);
	return 0;
}

int
conn_flush(struct conn *c)
{
	int	 rc;

	if (c->broken != 0)
		return c->broken;
	if (c->out.err != 0)
		return c->out.err;
	if (c->z == NULL)
		return send_all(c, &c->out);
	if ((rc = compress_all(c)) != 0)
		return rc;
	return send_all(c, &c->zout);
}

int
conn_send_some(struct conn *c)
{
	return c->out.len > CONN_CHUNK || c->out.err != 0 ? conn_flush(c) : 0;
}

int
conn_starttls(struct conn *c, struct tls_server *s, size_t *dropped,
    struct buf *why)
{
	int	 rc;

	buf_reset(why);
	*dropped = 0;
	if (c->tls != NULL)
		return CM_EUSAGE;
	if ((rc = conn_flush(c)) == 0) {
		*dropped = c->in.len - c->at;
		buf_reset(&c->in);
		c->at = c->seen = 0;
		c->more = false;
		rc = tls_session_begin(s, &c->wire, why, &c->tls);
	}
	if (rc != 0) {
		c->broken = CM_EAWAY;
		c->eof = true;
	}
	return rc;
}

int
conn_compress(struct conn *c)
{
	int	 rc;

	if (c->z != NULL)
		return CM_EUSAGE;
	if ((rc = conn_flush(c)) != 0 || (rc = deflate_open(&c->z)) != 0)
		return rc;
	if (c->at < c->in.len)
		rc = deflate_feed(c->z, c->in.p + c->at, c->in.len - c->at);
	buf_reset(&c->in);
	c->at = c->seen = 0;
	return rc;
}

const struct tls_session *
conn_tls(const struct conn *c)
{
	return c->tls;
}

uint64_t
conn_bytes_in(const struct conn *c)
{
	return c->bytes_in;
}

uint64_t
conn_bytes_out(const struct conn *c)
{
	return c->bytes_out;
}
