#include "format/date.h"

#include <string.h>

#include "format/line.h"

#define TIME_MAX	64	/* bytes of a time and its zone */

/* Passes over blanks, commas and comments, which may be in each other. */
static void
skip_blanks(struct span *s)
{
	size_t	 depth = 0, i;

	for (i = 0; i < s->len; i++) {
		char c = s->p[i];

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0)
			i++;
		else if (depth == 0 && !line_blank(c) && c != ',')
			break;
	}
	if (i > s->len)
		i = s->len;
	s->p += i;
	s->len -= i;
}

/* What stands up to a blank, a comma, a comment, or sep. */
static struct span
word(struct span *s, char sep)
{
	struct span	 w;
	size_t		 n = 0;

	skip_blanks(s);
	while (n < s->len && !line_blank(s->p[n]) && s->p[n] != ',' &&
	    s->p[n] != '(' && (s->p[n] != sep || n == 0))
		n++;
	w = (struct span){ s->p, n };
	s->p += n;
	s->len -= n;
	if (s->len > 0 && *s->p == sep) {
		s->p++;
		s->len--;
	}
	return w;
}

static bool
number(struct span w, uint64_t max, int *out)
{
	uint64_t	 v;

	if (str_u64(w.p, w.len, max, &v) != 0)
		return false;
	*out = (int)v;
	return true;
}

static int
month(struct span w)
{
	static const char *const names[] = { "jan", "feb", "mar", "apr", "may",
	    "jun", "jul", "aug", "sep", "oct", "nov", "dec" };

	for (int i = 0; i < 12; i++)
		if (w.len >= 3 && str_ieq(w.p, 3, names[i]))
			return i + 1;
	return 0;
}

/* RFC 5322 section 4.3: years of two and three digits. */
static bool
year(struct span w, int *y)
{
	if (!number(w, 9999, y))
		return false;
	if (w.len == 2)
		*y += *y < 50 ? 2000 : 1900;
	else if (w.len == 3)
		*y += 1900;
	return *y >= 1;
}

static bool
is_leap(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days from 1970-01-01; false when there is no such day. */
static bool
days(int y, int m, int d, int32_t *out)
{
	static const int length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };
	int32_t		 n = 0;

	if (d < 1 || d > length[m - 1] + (m == 2 && is_leap(y)))
		return false;
	for (int i = 1; i < m; i++)
		n += length[i - 1] + (i == 2 && is_leap(y));
	y--;
	n += y * 365 + y / 4 - y / 100 + y / 400 + d - 1;
	*out = n - 719162;
	return true;
}

/* HH:MM or HH:MM:SS as seconds, 0 when it is none. */
static int
clock_time(struct span w)
{
	struct span	 f;
	int		 v[3] = { 0, 0, 0 }, n = 0;

	for (; n < 3 && str_field(&w, ':', &f); n++)
		if (!number(f, n == 0 ? 23 : n == 1 ? 59 : 60, &v[n]))
			return 0;
	if (n < 2 || w.p != NULL)
		return 0;
	return v[0] * 3600 + v[1] * 60 + v[2];
}

/* Seconds east of UTC. */
static int
zone(struct span w)
{
	static const char names[] = "ESTEDTCSTCDTMSTMDTPSTPDT";
	static const int hours[] = { -5, -4, -6, -5, -7, -6, -8, -7 };
	int		 v;

	if (w.len == 5 && (*w.p == '+' || *w.p == '-') &&
	    number((struct span){ w.p + 1, 4 }, 9959, &v) && v % 100 < 60) {
		v = v / 100 * 3600 + v % 100 * 60;
		return *w.p == '-' ? -v : v;
	}
	for (size_t i = 0; i < 8 && w.len == 3; i++) {
		char name[4] = { names[3 * i], names[3 * i + 1],
		    names[3 * i + 2], '\0' };

		if (str_ieq(w.p, 3, name))
			return hours[i] * 3600;
	}
	return 0;
}

/*
 * A time and a zone as they would be without comments and without blanks at
 * colons (RFC 5322 section 4.3), as far as they fit.
 */
static struct span
tidy(struct span s, char *out, size_t size)
{
	size_t	 n = 0, left;

	while (s.len > 0 && n < size) {
		left = s.len;
		skip_blanks(&s);
		if (s.len == 0)
			break;
		if (s.len < left && n > 0 && *s.p != ':' && out[n - 1] != ':')
			out[n++] = ' ';
		if (n == size)
			break;
		out[n++] = *s.p++;
		s.len--;
	}
	return (struct span){ out, n };
}

int
date_parse(struct span s, int32_t *day, int64_t *ms)
{
	char		 rest[TIME_MAX];
	struct span	 w;
	int		 d, m, y, t;

	w = word(&s, '-');
	if (w.len > 0 && (*w.p < '0' || *w.p > '9'))
		w = word(&s, '-');
	if (!number(w, 31, &d) || (m = month(word(&s, '-'))) == 0 ||
	    !year(word(&s, '-'), &y) || !days(y, m, d, day))
		return CM_EDATA;
	s = tidy(s, rest, sizeof(rest));
	t = clock_time(word(&s, '\0'));
	t -= zone(word(&s, '\0'));
	*ms = ((int64_t)*day * 86400 + t) * 1000;
	return 0;
}
