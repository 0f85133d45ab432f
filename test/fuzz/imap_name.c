/*
 * Folders' names as clients write them.  What was decoded is UTF-8, is decoded
 * as the same from what it is encoded to, and that is printable ASCII; and a
 * pattern matches what a slow reading of it says.  The first byte: 1 when the
 * client writes UTF-8.  A pattern and a name have an LF between them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/charset.h"
#include "format/imap_name.h"

#define INPUT_MAX	1000
#define TEXT_MAX	(8 * INPUT_MAX)
#define SLOW_MAX	100		/* bytes that are looked at slowly */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len > 0 ? b->p : "", b->len };
}

static bool
same(const struct buf *a, struct span s)
{
	return a->len == s.len && (s.len == 0 || memcmp(a->p, s.p, s.len) == 0);
}

/* --- names --- */

static void
is_printable(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		must(b->p[i] >= 0x20 && b->p[i] <= 0x7e);
}

/* There and back again. */
static void
try_text(struct span text, bool utf8)
{
	struct buf	 wire, back;

	buf_init(&wire, TEXT_MAX);
	buf_init(&back, TEXT_MAX);
	must(imap_name_encode(text, utf8, &wire) == 0);
	if (utf8)
		must(same(&wire, text));
	else
		is_printable(&wire);
	must(imap_name_decode(span_of(&wire), utf8, &back) == 0);
	must(same(&back, text));
	buf_free(&wire);
	buf_free(&back);
}

static void
try_name(struct span in, bool utf8)
{
	struct buf	 text;

	buf_init(&text, TEXT_MAX);
	if (imap_name_decode(in, utf8, &text) == 0) {
		must(charset_is_utf8(span_of(&text)));
		must(!utf8 || same(&text, in));
		try_text(span_of(&text), utf8);
	} else {
		must(!utf8 || !charset_is_utf8(in));
	}
	buf_reset(&text);
	if (charset_is_utf8(in))
		try_text(in, utf8);
	else
		must(imap_name_encode(in, utf8, &text) == CM_EDATA &&
		    text.len == 0);
	buf_free(&text);
}

/* --- patterns --- */

static bool
is_inbox(struct span s)
{
	return s.len >= 5 && str_ieq(s.p, 5, "inbox") &&
	    (s.len == 5 || s.p[5] == '/');
}

static bool
takes(char c, struct span name, size_t at)
{
	return c == '*' || (c == '%' && name.p[at] != '/');
}

/* row[n]: does what was read of the pattern match the name's first n bytes? */
static bool
match_slowly(struct span pattern, struct span name)
{
	bool	 row[SLOW_MAX + 1] = { true }, was, next, many, fold;
	char	 c;

	fold = is_inbox(name);
	for (size_t p = 0; p < pattern.len; p++) {
		c = pattern.p[p];
		many = c == '*' || c == '%';
		was = row[0];
		row[0] = was && many;
		for (size_t n = 0; n < name.len; n++) {
			next = row[n + 1];
			if (many)
				row[n + 1] = next || (row[n] &&
				    takes(c, name, n));
			else
				row[n + 1] = was && (name.p[n] == c ||
				    (fold && n < 5 && str_lower(name.p[n]) ==
				    str_lower(c)));
			was = next;
		}
	}
	return row[name.len];
}

static void
try_match(struct span pattern, struct span name)
{
	bool	 is = imap_name_match(pattern, name);

	if (name.len <= SLOW_MAX)
		must(is == match_slowly(pattern, name));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span	 in, first, second;
	bool		 utf8;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	utf8 = data[0] == '1';
	in = (struct span){ (const char *)data + 1, size - 1 };
	try_name(in, utf8);
	second = in;
	if (str_field(&second, '\n', &first) && second.p != NULL) {
		try_name(first, utf8);
		try_name(second, utf8);
		try_match(first, second);
		try_match(second, first);
	}
	return 0;
}
