/*
 * POP3's words, and a message as it goes to the client: in chunks it is what it
 * is at once, and what a slow and plain reading of RFC 1939 section 3 gives;
 * and the client gets the message's own bytes back from it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/pop3.h"

#define MAX	(1 << 24)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
is_inside(struct span s, struct span all)
{
	return s.p == NULL || (s.p >= all.p && s.p + s.len <= all.p + all.len);
}

static void
words(struct span in)
{
	struct span	 args;
	uint32_t	 v[2], w[2];
	unsigned	 n, m;
	struct buf	 b;

	(void)pop3_verb(in, &args);
	must(is_inside(args, in) && args.len <= in.len);
	for (int i = 0; i < 2; i++) {
		if (pop3_numbers(i == 0 ? in : args, 0, 2, v, &n) != 0)
			continue;
		must(n <= 2);
		/* written out they are the same ones */
		buf_init(&b, 100);
		buf_adds(&b, "");
		for (unsigned k = 0; k < n; k++)
			buf_addf(&b, " %u", v[k]);
		must(pop3_numbers((struct span){ b.p, b.len }, n, n, w,
		    &m) == 0 && m == n && memcmp(v, w, n * sizeof(v[0])) == 0);
		buf_free(&b);
	}
}

static void
write_text(struct span msg, uint64_t lines, size_t chunk, struct buf *b)
{
	struct pop3_text t = { .msg = msg, .lines = lines };
	size_t		 had;
	bool		 end = false;

	buf_init(b, MAX);
	while (!end) {
		had = b->len;
		end = pop3_text(&t, chunk, b);
		must(end || b->len > had);
		/* a dot for each line, and the end */
		must(b->len - had <= 2 * chunk + 8);
	}
	must(b->err == 0);
}

/* Line by line. */
static void
plain_reading(struct span msg, uint64_t lines, struct buf *b)
{
	size_t	 at = 0, n;
	bool	 body = false;
	char	 last = '\n';

	buf_init(b, MAX);
	while (at < msg.len && !(body && lines == 0)) {
		const char *lf = memchr(msg.p + at, '\n', msg.len - at);

		n = lf == NULL ? msg.len - at :
		    (size_t)(lf - msg.p) - at + 1;
		if (msg.p[at] == '.')
			buf_addc(b, '.');
		buf_add(b, msg.p + at, n);
		last = msg.p[at + n - 1];
		if (body && last == '\n')
			lines--;
		if ((n == 1 && last == '\n') ||
		    (n == 2 && memcmp(msg.p + at, "\r\n", 2) == 0))
			body = true;
		at += n;
	}
	buf_adds(b, last == '\n' ? ".\r\n" : "\r\n.\r\n");
}

/* As clients do: no line of it may be a dot but the last one. */
static void
read_back(const struct buf *b, struct span msg)
{
	struct buf	 got;
	size_t		 at = 0, n;
	bool		 end = false;

	buf_init(&got, MAX);
	buf_adds(&got, "");
	while (at < b->len) {
		const char *lf = memchr(b->p + at, '\n', b->len - at);

		must(lf != NULL && !end);
		n = (size_t)(lf - b->p) - at + 1;
		if (n == 3 && memcmp(b->p + at, ".\r\n", 3) == 0)
			end = true;
		else if (b->p[at] == '.')
			buf_add(&got, b->p + at + 1, n - 1);
		else
			buf_add(&got, b->p + at, n);
		at += n;
	}
	must(end && (msg.len == 0 || (got.len >= msg.len &&
	    memcmp(got.p, msg.p, msg.len) == 0)));
	must(got.len == msg.len || (got.len == msg.len + 2 &&
	    msg.p[msg.len - 1] != '\n'));
	buf_free(&got);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span	 in = { (const char *)data, size };
	struct buf	 whole, pieces, plain;
	uint64_t	 lines;
	size_t		 chunk;

	words(in);
	if (size < 2)
		return 0;
	chunk = 2 + data[0] % 40;
	lines = data[1] % 8 == 7 ? UINT64_MAX : data[1] % 8;
	in.p += 2;
	in.len -= 2;
	write_text(in, lines, MAX, &whole);
	write_text(in, lines, chunk, &pieces);
	plain_reading(in, lines, &plain);
	must(whole.len == pieces.len &&
	    memcmp(whole.p, pieces.p, whole.len) == 0);
	must(whole.len == plain.len &&
	    memcmp(whole.p, plain.p, whole.len) == 0);
	if (lines == UINT64_MAX)
		read_back(&whole, in);
	buf_free(&whole);
	buf_free(&pieces);
	buf_free(&plain);
	return 0;
}
