/*
 * SMTP's words, and a message behind DATA: fed in pieces it gives what it gives
 * at once, and what a slow and plain reading of RFC 5321 section 4.5.2 gives.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/smtp.h"

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
	return s.p == NULL || (s.p >= all.p &&
	    s.p + s.len <= all.p + all.len);
}

static void
path(struct span line, const char *word)
{
	struct smtp_path p;
	char		 again[ADDRESS_MAX + 1];

	if (smtp_path(line, word, &p) != 0)
		return;
	must(is_inside(p.raw, line) && p.nparams <= SMTP_PARAMS_MAX);
	for (size_t i = 0; i < p.nparams; i++)
		must(is_inside(p.param[i].key, line) &&
		    is_inside(p.param[i].value, line) &&
		    p.param[i].key.len > 0);
	if (p.address[0] != '\0')
		must(address_parse(p.address, strlen(p.address), again) == 0 &&
		    strcmp(p.address, again) == 0);
	else
		must(p.raw.len == 0);
}

static void
words(struct span in)
{
	struct span	 args;
	struct buf	 b;

	(void)smtp_verb(in, &args);
	must(is_inside(args, in));
	(void)smtp_is_helo(in);
	path(in, "FROM");
	path(in, "TO");
	path(args, "FROM");
	path(args, "TO");
	buf_init(&b, MAX);
	if (smtp_xtext(in, &b) == 0)
		must(b.len <= in.len);
	buf_free(&b);
}

/* Each line of an answer has the code and an end, whatever the text says. */
static void
reply(struct span in)
{
	struct buf	 text, out;
	struct span	 rest, l;

	buf_init(&text, MAX);
	buf_init(&out, MAX);
	buf_adds(&text, "");
	for (size_t i = 0; i < in.len; i++)
		if (in.p[i] == '\n' || smtp_is_text((struct span){ in.p + i,
		    1 }))
			buf_addc(&text, in.p[i]);
	smtp_reply(&out, 250, "2.0.0", text.len > 0 ? text.p : "");
	must(out.len >= 2 && out.p[out.len - 1] == '\n');
	rest = (struct span){ out.p, out.len - 1 };
	while (str_field(&rest, '\n', &l))
		must(l.len >= 11 && memcmp(l.p, rest.p != NULL ? "250-2.0.0 " :
		    "250 2.0.0 ", 10) == 0 && l.p[l.len - 1] == '\r');
	buf_free(&text);
	buf_free(&out);
}

struct result {
	struct smtp_data d;
	struct buf	 out;
	size_t		 used;
	bool		 end;
};

static void
feed(struct span in, const uint8_t *sizes, size_t n, struct result *r)
{
	struct span	 piece, left;

	smtp_data_init(&r->d);
	buf_init(&r->out, MAX);
	r->used = 0;
	r->end = false;
	for (size_t i = 0; r->used < in.len && !r->end; i++) {
		piece = (struct span){ in.p + r->used, in.len - r->used };
		if (n > 0 && piece.len > (size_t)sizes[i % n] % 7 + 1)
			piece.len = (size_t)sizes[i % n] % 7 + 1;
		left = piece;
		r->end = smtp_data_feed(&r->d, &left, &r->out);
		must(is_inside(left, piece) && (r->end || left.len == 0));
		r->used += piece.len - left.len;
	}
}

/* The first CR LF . CR LF; the message begins behind a CR LF, too. */
static size_t
find_end(struct span in)
{
	for (size_t i = 0; i + 3 <= in.len; i++)
		if (memcmp(in.p + i, ".\r\n", 3) == 0 && (i == 0 || (i >= 2 &&
		    memcmp(in.p + i - 2, "\r\n", 2) == 0)))
			return i;
	return in.len;
}

static void
plain_reading(struct span in, const struct result *r)
{
	size_t		 end = find_end(in), line = 0;
	bool		 lf = false, cr = false, nul = false, is_long = false;
	struct buf	 b;

	buf_init(&b, MAX);
	must(r->end == (end < in.len));
	must(r->used == (r->end ? end + 3 : in.len));
	for (size_t i = 0; i < end; i++) {
		bool begins = i == 0 || (i >= 2 && in.p[i - 1] == '\n' &&
		    in.p[i - 2] == '\r');

		line = begins ? 0 : line;
		if (begins && in.p[i] == '.')
			continue;
		buf_addc(&b, in.p[i]);
		nul |= in.p[i] == '\0';
		lf |= in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r');
		cr |= in.p[i] == '\r' && (i + 1 == end || in.p[i + 1] != '\n');
		line += in.p[i] != '\r' && (in.p[i] != '\n' || i == 0 ||
		    in.p[i - 1] != '\r');
		is_long |= line > SMTP_LINE_MAX - 2;
	}
	/* without an end some of it is still being looked at */
	if (r->end)
		must(b.len == r->out.len && (b.len == 0 ||
		    memcmp(b.p, r->out.p, b.len) == 0) &&
		    lf == r->d.bare_lf && cr == r->d.bare_cr &&
		    nul == r->d.nul && is_long == r->d.long_line);
	else
		must(r->out.len <= b.len && (r->out.len == 0 ||
		    memcmp(b.p, r->out.p, r->out.len) == 0));
	buf_free(&b);
}

static void
same(const struct result *a, const struct result *b)
{
	must(a->used == b->used && a->end == b->end &&
	    a->out.len == b->out.len && (a->out.len == 0 ||
	    memcmp(a->out.p, b->out.p, a->out.len) == 0));
	must(a->d.state == b->d.state && a->d.line == b->d.line &&
	    a->d.bare_cr == b->d.bare_cr && a->d.bare_lf == b->d.bare_lf &&
	    a->d.nul == b->d.nul && a->d.long_line == b->d.long_line);
}

/* What BDAT looks for is what DATA finds in the same bytes. */
static void
chunks(const struct result *r, size_t cut)
{
	struct smtp_data d;

	smtp_data_init(&d);
	smtp_data_look(&d, (struct span){ r->out.p, cut });
	smtp_data_look(&d, (struct span){ r->out.p + cut, r->out.len - cut });
	smtp_data_end(&d);
	must(d.nul == r->d.nul && d.bare_lf == r->d.bare_lf &&
	    d.bare_cr == r->d.bare_cr && d.long_line == r->d.long_line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span	 in = { (const char *)data, size };
	struct result	 whole, pieces, bytes;
	uint8_t		 one = 0;

	words(in);
	reply(in);
	feed(in, NULL, 0, &whole);
	feed(in, data, size, &pieces);
	feed(in, &one, 1, &bytes);
	same(&whole, &pieces);
	same(&whole, &bytes);
	plain_reading(in, &whole);
	if (whole.end && whole.out.len > 0)
		chunks(&whole, data[0] % whole.out.len);
	buf_free(&whole.out);
	buf_free(&pieces.out);
	buf_free(&bytes.out);
	return 0;
}
