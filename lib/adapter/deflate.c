#include "adapter/deflate.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#define WINDOW	(-15)		/* bits; negative: no header around it */
#define MEMORY	8
#define CHUNK	65536
#define FED_MAX	(1u << 20)	/* bytes that wait */

struct deflate {
	z_stream	 out, in;
	struct buf	 fed;
	size_t		 at;		/* of fed: taken so far */
	bool		 full;		/* the last output filled its room */
	bool		 over;		/* the stream's end, or no stream */
};

int
deflate_open(struct deflate **res)
{
	struct deflate	*d;

	*res = NULL;
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return CM_ENOMEM;
	buf_init(&d->fed, FED_MAX);
	if (deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW,
	    MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(d);
		return CM_ENOMEM;
	}
	if (inflateInit2(&d->in, WINDOW) != Z_OK) {
		deflateEnd(&d->out);
		free(d);
		return CM_ENOMEM;
	}
	*res = d;
	return 0;
}

void
deflate_close(struct deflate *d)
{
	if (d == NULL)
		return;
	deflateEnd(&d->out);
	inflateEnd(&d->in);
	buf_free(&d->fed);
	free(d);
}

/* zlib reads what it is given, and its type says that it may not. */
static Bytef *
bytes(const char *p)
{
	return (Bytef *)(uintptr_t)p;
}

int
deflate_out(struct deflate *d, const char *p, size_t len, struct buf *out)
{
	z_stream	*z = &d->out;
	size_t		 n = 0;
	int		 rc;

	do {
		if (z->avail_in == 0) {
			p += n;
			len -= n;
			n = len < INT_MAX ? len : INT_MAX;
			z->next_in = bytes(p);
			z->avail_in = (uInt)n;
		}
		if ((rc = buf_room(out, CHUNK)) != 0)
			return rc;
		z->next_out = (Bytef *)out->p + out->len;
		z->avail_out = CHUNK;
		rc = deflate(z, len == n ? Z_SYNC_FLUSH : Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_BUF_ERROR)
			return CM_ESOFT;
		out->len += CHUNK - z->avail_out;
	} while (z->avail_out == 0 || z->avail_in > 0 || n < len);
	return 0;
}

int
deflate_feed(struct deflate *d, const char *p, size_t len)
{
	buf_drop(&d->fed, d->at);
	d->at = 0;
	return buf_add(&d->fed, p, len);
}

bool
deflate_pending(const struct deflate *d)
{
	return d->full || d->over || d->at < d->fed.len;
}

/* What came before the end is given first. */
int
deflate_in(struct deflate *d, char *p, size_t room, size_t *n)
{
	z_stream	*z = &d->in;
	int		 rc;

	*n = 0;
	if (d->over)
		return CM_EDATA;
	if (!deflate_pending(d))
		return 0;
	z->next_in = bytes(d->fed.p) + d->at;
	z->avail_in = (uInt)(d->fed.len - d->at);
	z->next_out = (Bytef *)p;
	z->avail_out = (uInt)room;
	rc = inflate(z, Z_SYNC_FLUSH);
	d->at = d->fed.len - z->avail_in;
	*n = room - z->avail_out;
	d->full = z->avail_out == 0;
	d->over = rc != Z_OK && rc != Z_BUF_ERROR;
	return d->over && *n == 0 ? CM_EDATA : 0;
}
