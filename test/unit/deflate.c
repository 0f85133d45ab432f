/* A compressed stream each way. */
#include <stdlib.h>

#include "adapter/deflate.h"
#include "tap.h"

/* What other side gets, fed in pieces of step bytes; -1: it failed. */
static long
through(struct deflate *d, const struct buf *wire, size_t step, char *out,
    size_t room)
{
	size_t	 have = 0, n, piece;

	for (size_t at = 0; at < wire->len; at += piece) {
		piece = wire->len - at < step ? wire->len - at : step;
		if (deflate_feed(d, wire->p + at, piece) != 0)
			return -1;
		do {
			size_t some = room - have < 7 ? room - have : 7;

			if (deflate_in(d, out + have, some, &n) != 0)
				return -1;
			have += n;
		} while (n > 0 && have < room);
	}
	return (long)have;
}

static void
test_stream(void)
{
	static const char *const said[] = { "a1 NOOP\r\n", "", "* OK done\r\n",
	    "a2 LOGOUT\r\n" };
	char		 got[200], all[200] = "";
	struct deflate	*a, *b;
	struct buf	 wire;
	size_t		 was;

	for (size_t step = 1; step < 40; step += 6) {
		size_t have = 0;

		buf_init(&wire, 1 << 20);
		if (deflate_open(&a) != 0 || deflate_open(&b) != 0)
			abort();
		all[0] = '\0';
		for (size_t i = 0; i < 4; i++) {
			was = wire.len;
			if (deflate_out(a, said[i], strlen(said[i]),
			    &wire) != 0)
				abort();
			struct buf now = { .p = wire.p + was,
			    .len = wire.len - was };
			long n = through(b, &now, step, got + have,
			    sizeof(got) - have);

			have += n > 0 ? (size_t)n : 0;
			strcat(all, said[i]);
			if (n < 0 || have != strlen(all))
				break;
		}
		ok(have == strlen(all) && memcmp(got, all, have) == 0,
		    "each answer is readable at once, in pieces of %zu", step);
		ok(!deflate_pending(b), "and nothing is left");
		deflate_close(a);
		deflate_close(b);
		buf_free(&wire);
	}
}

/* No more is made at once than there is room for. */
static void
test_bomb(void)
{
	static char	 zeros[1 << 20], room[4096];
	struct deflate	*a, *b;
	struct buf	 wire;
	size_t		 n, all = 0;
	int		 rc;

	buf_init(&wire, 1 << 20);
	if (deflate_open(&a) != 0 || deflate_open(&b) != 0 ||
	    deflate_out(a, zeros, sizeof(zeros), &wire) != 0)
		abort();
	ok(wire.len < sizeof(zeros) / 100, "a megabyte of nothing is small");
	rc = deflate_feed(b, wire.p, wire.len);
	while (rc == 0 && (rc = deflate_in(b, room, sizeof(room), &n)) == 0 &&
	    n > 0)
		all += n;
	is_int(rc, 0, "it is read");
	is_int(all, sizeof(zeros), "in pieces, all of it");
	deflate_close(a);
	deflate_close(b);
	buf_free(&wire);
}

static void
test_garbage(void)
{
	static const char bad[] = "\xff\xff\xff garbage that is no stream";
	static const char end[] = "\x03\x00 behind the end";
	char		 room[100];
	struct deflate	*d;
	size_t		 n = 0;
	int		 rc;

	if (deflate_open(&d) != 0)
		abort();
	if ((rc = deflate_feed(d, bad, sizeof(bad))) == 0)
		rc = deflate_in(d, room, sizeof(room), &n);
	is_int(rc, CM_EDATA, "garbage");
	deflate_close(d);
	if (deflate_open(&d) != 0)
		abort();
	if ((rc = deflate_feed(d, end, sizeof(end))) == 0)
		rc = deflate_in(d, room, sizeof(room), &n);
	is_int(rc, CM_EDATA, "the stream's end is no answer");
	deflate_close(d);
	deflate_close(NULL);
}

int
main(void)
{
	test_stream();
	test_bomb();
	test_garbage();
	return tap_done();
}
