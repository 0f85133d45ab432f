/*
 * Compressed streams.  Any bytes are a stream or none, with the same text
 * whether they come at once or in pieces, and read with any room; and what was
 * compressed is read again as it was, all of it at each flush.  The first byte
 * says how things are cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/deflate.h"

#define INPUT_MAX	3072
#define TEXT_MAX	(1 << 16)	/* of what a stream becomes */
#define ROOM		2048

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* All that can be read now; CM_ETOOBIG: it is enough. */
static int
read_all(struct deflate *d, size_t room, struct buf *out)
{
	char	 part[ROOM];
	size_t	 n;
	int	 rc;

	for (;;) {
		rc = deflate_in(d, part, room, &n);
		must(n <= room);
		must(buf_add(out, part, n) == 0);
		if (rc != 0) {
			must(rc == CM_EDATA);
			return rc;
		}
		if (n == 0) {
			must(!deflate_pending(d));
			return 0;
		}
		if (out->len >= TEXT_MAX)
			return CM_ETOOBIG;
	}
}

/* --- any bytes --- */

static int
read_stream(const char *p, size_t len, size_t piece, size_t room,
    struct buf *out)
{
	struct deflate	*d;
	size_t		 n;
	int		 rc = 0;

	must(deflate_open(&d) == 0 && !deflate_pending(d));
	must(read_all(d, room, out) == 0 && out->len == 0);
	for (; rc == 0 && len > 0; p += n, len -= n) {
		n = piece < len ? piece : len;
		must(deflate_feed(d, p, n) == 0 && deflate_pending(d));
		rc = read_all(d, room, out);
	}
	deflate_close(d);
	return rc;
}

/* Of one that breaks off, what was read before it may be more or less. */
static void
try_stream(const char *p, size_t len, size_t piece, size_t room)
{
	struct buf	 whole, parts;
	size_t		 n;
	int		 rc, again;

	buf_init(&whole, TEXT_MAX + ROOM);
	buf_init(&parts, TEXT_MAX + ROOM);
	rc = read_stream(p, len, len, ROOM, &whole);
	again = read_stream(p, len, piece, room, &parts);
	n = whole.len < parts.len ? whole.len : parts.len;
	must(n == 0 || memcmp(whole.p, parts.p, n) == 0);
	if (rc != CM_ETOOBIG && again != CM_ETOOBIG)
		must(rc == again && (rc != 0 || whole.len == parts.len));
	buf_free(&whole);
	buf_free(&parts);
}

/* --- there and back --- */

static void
try_text(const char *p, size_t len, size_t piece, size_t room)
{
	struct deflate	*a, *b;
	struct buf	 wire, text;
	size_t		 n, at = 0;

	buf_init(&wire, TEXT_MAX);
	buf_init(&text, TEXT_MAX);
	must(deflate_open(&a) == 0 && deflate_open(&b) == 0);
	while (at < len) {
		n = piece < len - at ? piece : len - at;
		buf_reset(&wire);
		must(deflate_out(a, p + at, n, &wire) == 0);
		at += n;
		for (size_t i = 0; i < wire.len; i += n) {
			n = piece < wire.len - i ? piece : wire.len - i;
			must(deflate_feed(b, wire.p + i, n) == 0);
			must(read_all(b, room, &text) == 0);
		}
		must(text.len == at && memcmp(text.p, p, at) == 0);
	}
	deflate_close(a);
	deflate_close(b);
	buf_free(&wire);
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*p = (const char *)data + 1;
	size_t		 piece, room;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	piece = 7 + data[0] % 61;
	room = 16 + data[0] % 7 * 97;
	try_stream(p, size - 1, piece, room);
	try_text(p, size - 1, piece, room);
	return 0;
}
