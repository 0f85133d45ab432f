#include "format/header.h"

#include <string.h>

#include "format/line.h"

/*
 * The length of the field name that the line starts with, 0 for none; *colon
 * is where the value's colon is.  Blanks before the colon are obsolete, not
 * wrong (RFC 5322 section 4.5).
 */
static size_t
field_name(const char *p, size_t len, size_t *colon)
{
	size_t	 n = 0, i;

	while (n < len && p[n] > ' ' && p[n] < 0x7f && p[n] != ':')
		n++;
	for (i = n; i < len && (p[i] == ' ' || p[i] == '\t'); i++)
		;
	if (i == len || p[i] != ':')
		return 0;
	*colon = i;
	return n;
}

bool
header_starts(const char *line, size_t len)
{
	size_t	 colon;

	if (len > 5 && (memcmp(line, "From ", 5) == 0 ||
	    (len > 6 && memcmp(line, ">From ", 6) == 0)))
		return true;
	return field_name(line, len, &colon) > 0;
}

size_t
header_end(const char *msg, size_t len)
{
	size_t	 at = 0, n, text;

	for (; at < len; at += n) {
		n = line_span(msg + at, len - at, &text);
		if (text == 0)
			return at + n;
		if (at == 0 && !header_starts(msg, text))
			return 0;
	}
	return len;
}

/* The length of the continuation lines at p. */
static size_t
folded(const char *p, size_t len)
{
	size_t	 at = 0, text;

	while (at < len && (p[at] == ' ' || p[at] == '\t'))
		at += line_span(p + at, len - at, &text);
	return at;
}

static size_t
without_end(const char *p, size_t len)
{
	if (len > 0 && p[len - 1] == '\n') {
		len--;
		if (len > 0 && p[len - 1] == '\r')
			len--;
	}
	return len;
}

bool
header_next(struct span *rest, struct header_field *f)
{
	size_t	 n, text, name, colon;

	while (rest->len > 0) {
		const char *p = rest->p;

		n = line_span(p, rest->len, &text);
		if (text == 0)
			break;
		if ((name = field_name(p, text, &colon)) > 0)
			n += folded(p + n, rest->len - n);
		rest->p += n;
		rest->len -= n;
		if (name == 0)
			continue;
		f->name = (struct span){ p, name };
		f->whole = (struct span){ p, n };
		f->value.p = p + colon + 1;
		f->value.len = without_end(f->value.p, n - colon - 1);
		return true;
	}
	rest->p += rest->len;
	rest->len = 0;
	return false;
}

bool
header_find(struct span header, const char *name, struct header_field *f)
{
	while (header_next(&header, f))
		if (str_ieq(f->name.p, f->name.len, name))
			return true;
	return false;
}

int
header_unfold(struct span v, struct buf *b)
{
	size_t	 i, run = 0;

	while (v.len > 0 && line_blank(v.p[0])) {
		v.p++;
		v.len--;
	}
	while (v.len > 0 && line_blank(v.p[v.len - 1]))
		v.len--;
	for (i = 0; i < v.len; i++) {
		char c = v.p[i];

		if (c != '\r' && c != '\n' && c != '\0')
			continue;
		buf_add(b, v.p + run, i - run);
		run = i + 1;
		/* v ends with no blank, so there is a byte behind c. */
		if (c == '\0' || (c == '\r' && v.p[i + 1] != '\n'))
			buf_addc(b, ' ');
	}
	if (v.len > run)
		buf_add(b, v.p + run, v.len - run);
	return b->err;
}
