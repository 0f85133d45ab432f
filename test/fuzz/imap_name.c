/*
 * Folders' names: what was read is UTF-8, and is written as it was where all
 * of it was ASCII, for a name has one form; what was written can be read.
 * Patterns match what a plain reading of RFC 3501 section 6.3.8 says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/charset.h"
#include "format/imap_name.h"

#define MAX	(1 << 20)
#define SHORT	60		/* bytes of what is tried in every way */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static struct span
of(const struct buf *b)
{
	return (struct span){ b->len > 0 ? b->p : "", b->len };
}

static bool
same(struct span a, struct span b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 ||
		    (unsigned char)s.p[i] > 0x7e)
			return false;
	return true;
}

static void
decode(struct span s)
{
	struct buf	 b, again;

	buf_init(&b, MAX);
	buf_init(&again, MAX);
	if (imap_name_decode(s, false, &b) == 0) {
		must(charset_is_utf8(of(&b)));
		must(imap_name_encode(of(&b), false, &again) == 0);
		must(is_ascii(of(&again)));
		must(!is_ascii(s) || same(of(&again), s));
	}
	buf_free(&b);
	buf_free(&again);
}

static void
encode(struct span s)
{
	struct buf	 b, again;
	bool		 utf8 = charset_is_utf8(s);

	buf_init(&b, MAX);
	buf_init(&again, MAX);
	must((imap_name_encode(s, false, &b) == 0) == utf8);
	if (utf8) {
		must(is_ascii(of(&b)));
		must(imap_name_decode(of(&b), false, &again) == 0);
		must(same(of(&again), s));
		buf_reset(&again);
		must(imap_name_decode(s, true, &again) == 0);
		must(same(of(&again), s));
	}
	buf_free(&b);
	buf_free(&again);
}

/* --- patterns: row by row, which beginnings of the name match so far */

static bool
is_inbox(struct span name)
{
	return name.len >= 5 && str_ieq(name.p, 5, "inbox") &&
	    (name.len == 5 || name.p[5] == '/');
}

static bool
plain_match(struct span pattern, struct span name)
{
	bool	 row[SHORT + 1] = { true }, next[SHORT + 1];
	bool	 fold = is_inbox(name);

	for (size_t p = 0; p < pattern.len; p++) {
		char	 c = pattern.p[p];

		next[0] = row[0] && (c == '*' || c == '%');
		for (size_t n = 1; n <= name.len; n++) {
			char	 d = name.p[n - 1];

			if (c == '*' || c == '%')
				next[n] = row[n] || (next[n - 1] &&
				    (c == '*' || d != '/'));
			else
				next[n] = row[n - 1] && (c == d ||
				    (fold && n <= 5 &&
				    str_lower(c) == str_lower(d)));
		}
		memcpy(row, next, name.len + 1);
	}
	return row[name.len];
}

static void
match(struct span pattern, struct span name)
{
	bool	 is = imap_name_match(pattern, name);

	if (name.len <= SHORT)
		must(is == plain_match(pattern, name));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span	 s = { (const char *)data, size }, pattern;

	decode(s);
	encode(s);
	if (str_field(&s, '\n', &pattern) && s.p != NULL)
		match(pattern, s);
	return 0;
}
