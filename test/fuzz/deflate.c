/*
 * Compressed streams.  Any bytes, fed and taken in pieces, give the same text
 * as at once, and the same end; and a text comes through, whatever the pieces.
 * The first two bytes say how large they are.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/deflate.h"
#include "base/str.h"

#define MAX		(1 << 24)
#define ROOM		4096
#define TEXT_MAX	(1 << 22)	/* bytes that are looked at */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* Takes all there is: 0, or what came of it. */
static int
drain(struct deflate *d, size_t room, struct buf *out)
{
	char	 p[ROOM];
	size_t	 n;
	int	 rc;

	do {
		rc = deflate_in(d, p, room, &n);
		must(n <= room && (rc == 0 || (rc == CM_EDATA && n == 0)));
		must(buf_add(out, p, n) == 0);
	} while (rc == 0 && n > 0 && out->len < TEXT_MAX);
	must(rc != 0 || n > 0 || !deflate_pending(d));
	return rc;
}

static int
inflate_all(struct span s, size_t piece, size_t room, struct buf *out)
{
	struct deflate	*d;
	size_t		 n;
	int		 rc = 0;

	must(deflate_open(&d) == 0);
	for (; rc == 0 && s.len > 0 && out->len < TEXT_MAX; s.p += n,
	    s.len -= n) {
		n = s.len < piece ? s.len : piece;
		must(deflate_feed(d, s.p, n) == 0);
		rc = drain(d, room, out);
	}
	/* what is over stays so */
	if (rc != 0) {
		must(deflate_feed(d, "x", 1) == 0);
		must(drain(d, room, out) == rc && deflate_pending(d));
	}
	deflate_close(d);
	return rc;
}

static void
any_bytes(struct span s, size_t piece, size_t room)
{
	struct buf	 a, b;
	size_t		 n;
	int		 rc, again;

	buf_init(&a, MAX);
	buf_init(&b, MAX);
	rc = inflate_all(s, s.len + 1, ROOM, &a);
	again = inflate_all(s, piece, room, &b);
	n = a.len < b.len ? a.len : b.len;
	must(n == 0 || memcmp(a.p, b.p, n) == 0);
	must((a.len == b.len && rc == again) || (a.len >= TEXT_MAX &&
	    b.len >= TEXT_MAX));
	buf_free(&a);
	buf_free(&b);
}

static void
any_text(struct span s, size_t piece, size_t room)
{
	struct deflate	*d;
	struct buf	 z, b;
	struct span	 rest = s;
	size_t		 n;

	buf_init(&z, MAX);
	buf_init(&b, MAX);
	must(deflate_open(&d) == 0);
	for (; rest.len > 0; rest.p += n, rest.len -= n) {
		n = rest.len < piece * 7 ? rest.len : piece * 7;
		must(deflate_out(d, rest.p, n, &z) == 0);
	}
	must(inflate_all((struct span){ z.p, z.len }, room, piece, &b) == 0);
	must(b.len == s.len && (s.len == 0 || memcmp(b.p, s.p, s.len) == 0));
	deflate_close(d);
	buf_free(&z);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span	 s = { (const char *)data + 2, size - 2 };

	if (size < 2 || size > 1 << 16)
		return 0;
	any_bytes(s, 1 + data[0], 1 + data[1]);
	any_text(s, 1 + data[0], 1 + data[1]);
	return 0;
}
