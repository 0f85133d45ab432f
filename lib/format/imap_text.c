#include "format/imap_text.h"

#include <stdio.h>
#include <string.h>

#include "format/charset.h"

#define QUOTED_MAX	1000	/* longer strings are literals */
#define DAY_MS		86400000

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* --- strings --- */

/* RFC 3501 section 9, RFC 6855 section 3: what is over 127 is UTF-8. */
static bool
can_be_quoted(struct span s, bool utf8)
{
	bool	 high = false;

	if (s.len > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\r' || c == '\n' || c == '\0')
			return false;
		high = high || c > 127;
	}
	return !high || (utf8 && charset_is_utf8(s));
}

int
imap_literal_head(struct buf *b, uint64_t len, bool binary)
{
	return buf_addf(b, "%s{%llu}\r\n", binary ? "~" : "",
	    (unsigned long long)len);
}

int
imap_string(struct buf *b, struct span s, bool utf8)
{
	if (!can_be_quoted(s, utf8)) {
		imap_literal_head(b, s.len, false);
		return buf_add(b, s.p, s.len);
	}
	buf_addc(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, s.p[i]);
	}
	return buf_addc(b, '"');
}

int
imap_nstring(struct buf *b, struct span s, bool utf8)
{
	return s.p == NULL ? buf_adds(b, "NIL") : imap_string(b, s, utf8);
}

/* The length of the quoted string at p, its quotes included; 0: no end. */
static size_t
quoted(const char *p, size_t len, bool *plain)
{
	size_t	 n = 1;

	*plain = true;
	for (; n < len && p[n] != '"'; n++) {
		if (p[n] == '\\' && ++n == len)
			return 0;
		if ((unsigned char)p[n] > 127)
			*plain = false;
	}
	return n < len ? n + 1 : 0;
}

/* A quoted string with bytes over 127, s with its quotes. */
static void
requote(struct buf *b, struct span s, bool utf8, struct buf *scratch)
{
	buf_reset(scratch);
	for (size_t i = 1; i + 1 < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		buf_addc(scratch, s.p[i]);
	}
	if (scratch->err != 0)
		b->err = scratch->err;
	else if (utf8 && charset_is_utf8((struct span){ scratch->p,
	    scratch->len }))
		buf_add(b, s.p, s.len);
	else {
		imap_literal_head(b, scratch->len, false);
		buf_add(b, scratch->p, scratch->len);
	}
}

int
imap_strings(struct buf *b, struct span list, bool utf8)
{
	struct buf	 scratch;
	size_t		 run = 0, n;
	bool		 plain;

	buf_init(&scratch, list.len);
	for (size_t i = 0; i < list.len; i += n) {
		n = 1;
		if (list.p[i] != '"')
			continue;
		if ((n = quoted(list.p + i, list.len - i, &plain)) == 0)
			break;
		if (plain)
			continue;
		buf_add(b, list.p + run, i - run);
		requote(b, (struct span){ list.p + i, n }, utf8, &scratch);
		run = i + n;
	}
	if (run < list.len)
		buf_add(b, list.p + run, list.len - run);
	buf_free(&scratch);
	return b->err;
}

/* --- dates; days are of the proleptic Gregorian calendar --- */

static bool
is_leap(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int
days_in(int y, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };

	return month == 1 && is_leap(y) ? 29 : days[month];
}

/* Days from 1970-01-01 to the first of a year, which may be before it. */
static int32_t
days_to_year(int y)
{
	int	 z = y - 1;

	return 365 * (y - 1970) + (z / 4 - 492) - (z / 100 - 19) +
	    (z / 400 - 4);
}

static int32_t
to_days(int y, int month, int day)
{
	int32_t	 n = days_to_year(y) + day - 1;

	for (int m = 0; m < month; m++)
		n += days_in(y, m);
	return n;
}

static void
from_days(int32_t n, int *y, int *month, int *day)
{
	*y = 1970 + n / 366;
	if (*y < 1)
		*y = 1;
	while (days_to_year(*y + 1) <= n)
		++*y;
	while (*y > 1 && days_to_year(*y) > n)
		--*y;
	n -= days_to_year(*y);
	for (*month = 0; n >= days_in(*y, *month); ++*month)
		n -= days_in(*y, *month);
	*day = n + 1;
}

/* Takes exactly n digits. */
static int
digits(struct span *s, size_t n, int *v)
{
	uint64_t	 x;

	if (s->len < n || str_u64(s->p, n, 9999, &x) != 0)
		return CM_EDATA;
	*v = (int)x;
	s->p += n;
	s->len -= n;
	return 0;
}

static int
take(struct span *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return CM_EDATA;
	s->p++;
	s->len--;
	return 0;
}

/* "-Feb-1994" behind a day. */
static int
rest_of_date(struct span *s, int day, int32_t *out)
{
	int	 month = 0, year;

	if (take(s, '-') != 0 || s->len < 3)
		return CM_EDATA;
	while (month < 12 && !str_ieq(s->p, 3, months[month]))
		month++;
	s->p += 3;
	s->len -= 3;
	if (month == 12 || take(s, '-') != 0 || digits(s, 4, &year) != 0 ||
	    year < 1 || day < 1 || day > days_in(year, month))
		return CM_EDATA;
	*out = to_days(year, month, day);
	return 0;
}

int
imap_date_parse(struct span s, int32_t *day)
{
	int	 n;

	if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"') {
		s.p++;
		s.len -= 2;
	}
	if (digits(&s, s.len > 1 && s.p[1] != '-' ? 2 : 1, &n) != 0 ||
	    rest_of_date(&s, n, day) != 0 || s.len != 0)
		return CM_EDATA;
	return 0;
}

/* "02:44:25 +0130": seconds of the day, and those that the zone is ahead. */
static int
time_and_zone(struct span *s, int *seconds, int *ahead)
{
	int	 h, m, sec, z;
	char	 sign;

	if (digits(s, 2, &h) != 0 || take(s, ':') != 0 ||
	    digits(s, 2, &m) != 0 || take(s, ':') != 0 ||
	    digits(s, 2, &sec) != 0 || take(s, ' ') != 0 || s->len == 0)
		return CM_EDATA;
	sign = s->p[0];
	if ((take(s, '+') != 0 && take(s, '-') != 0) ||
	    digits(s, 4, &z) != 0 || s->len != 0 || h > 23 || m > 59 ||
	    sec > 60 || z % 100 > 59)
		return CM_EDATA;
	*seconds = h * 3600 + m * 60 + sec;
	*ahead = (z / 100 * 60 + z % 100) * 60 * (sign == '-' ? -1 : 1);
	return 0;
}

int
imap_date_time_parse(struct span s, int64_t *time_ms)
{
	int32_t	 days;
	int	 day, seconds, ahead;
	size_t	 width = s.len > 0 && s.p[0] == ' ' ? 1 : 2;

	if ((width == 1 && take(&s, ' ') != 0) ||
	    digits(&s, width, &day) != 0 || rest_of_date(&s, day, &days) != 0 ||
	    take(&s, ' ') != 0 || time_and_zone(&s, &seconds, &ahead) != 0)
		return CM_EDATA;
	*time_ms = (int64_t)days * DAY_MS + (int64_t)(seconds - ahead) * 1000;
	return 0;
}

int
imap_date_time(struct buf *b, int64_t time_ms)
{
	int64_t	 days = time_ms / DAY_MS, ms = time_ms % DAY_MS;
	int	 y, month, day, s;

	if (ms < 0) {
		ms += DAY_MS;
		days--;
	}
	s = (int)(ms / 1000);
	from_days((int32_t)days, &y, &month, &day);
	return buf_addf(b, "\"%2d-%s-%04d %02d:%02d:%02d +0000\"", day,
	    months[month], y, s / 3600, s / 60 % 60, s % 60);
}

/* --- names of items --- */

/* What all header fields in use are made of; and each is in an atom. */
static bool
is_field_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/*
 * There are clients that look for the item with its names as they wrote them,
 * which is without quotes, and take no other one for an answer.
 */
static void
write_field(struct buf *b, struct span s)
{
	size_t	 i = 0;

	while (i < s.len && is_field_char(s.p[i]))
		i++;
	if (i > 0 && i == s.len)
		buf_add(b, s.p, s.len);
	else
		imap_string(b, s, false);
}

static void
write_section(struct buf *b, const struct imap_section *s)
{
	static const char *const what[] = { "", "HEADER", "HEADER.FIELDS",
	    "HEADER.FIELDS.NOT", "TEXT", "MIME" };

	buf_addc(b, '[');
	for (unsigned i = 0; i < s->nparts; i++)
		buf_addf(b, "%s%u", i > 0 ? "." : "", s->part[i]);
	if (s->nparts > 0 && s->what != IMAP_WHOLE)
		buf_addc(b, '.');
	buf_adds(b, what[s->what]);
	if (s->what == IMAP_HEADER_FIELDS ||
	    s->what == IMAP_HEADER_FIELDS_NOT) {
		buf_adds(b, " (");
		for (unsigned i = 0; i < s->nfields; i++) {
			if (i > 0)
				buf_addc(b, ' ');
			write_field(b, s->field[i]);
		}
		buf_addc(b, ')');
	}
	buf_addc(b, ']');
}

int
imap_item_name(struct buf *b, const struct imap_item *it)
{
	static const char *const names[] = {
		[IMAP_GET_FLAGS] = "FLAGS", [IMAP_GET_UID] = "UID",
		[IMAP_GET_INTERNALDATE] = "INTERNALDATE",
		[IMAP_GET_SIZE] = "RFC822.SIZE",
		[IMAP_GET_ENVELOPE] = "ENVELOPE", [IMAP_GET_BODY] = "BODY",
		[IMAP_GET_BODYSTRUCTURE] = "BODYSTRUCTURE",
		[IMAP_GET_SECTION] = "BODY", [IMAP_GET_RFC822] = "RFC822",
		[IMAP_GET_RFC822_HEADER] = "RFC822.HEADER",
		[IMAP_GET_RFC822_TEXT] = "RFC822.TEXT",
		[IMAP_GET_BINARY] = "BINARY",
		[IMAP_GET_BINARY_SIZE] = "BINARY.SIZE",
		[IMAP_GET_MODSEQ] = "MODSEQ", [IMAP_GET_EMAILID] = "EMAILID",
		[IMAP_GET_THREADID] = "THREADID",
		[IMAP_GET_PREVIEW] = "PREVIEW",
		[IMAP_GET_SAVEDATE] = "SAVEDATE"
	};

	buf_adds(b, names[it->what]);
	if (it->what == IMAP_GET_SECTION || it->what == IMAP_GET_BINARY ||
	    it->what == IMAP_GET_BINARY_SIZE)
		write_section(b, &it->section);
	if (it->partial)
		buf_addf(b, "<%u>", it->offset);
	return b->err;
}

/* --- lists of words --- */

struct name {
	uint32_t	 bit;
	const char	*name;
};

/* Adds those of bits, blanks between, also before the first one if *some. */
static void
write_names(struct buf *b, const struct name *names, size_t n, uint32_t bits,
    bool *some)
{
	for (size_t i = 0; i < n; i++) {
		if ((bits & names[i].bit) == 0)
			continue;
		if (*some)
			buf_addc(b, ' ');
		buf_adds(b, names[i].name);
		*some = true;
	}
}

int
imap_flags_write(struct buf *b, uint32_t bits, struct span keywords)
{
	static const struct name names[] = { { IMAP_SEEN, "\\Seen" },
	    { IMAP_ANSWERED, "\\Answered" }, { IMAP_FLAGGED, "\\Flagged" },
	    { IMAP_DELETED, "\\Deleted" }, { IMAP_DRAFT, "\\Draft" } };
	bool	 some = false;

	buf_addc(b, '(');
	write_names(b, names, sizeof(names) / sizeof(names[0]), bits, &some);
	if (keywords.len > 0) {
		if (some)
			buf_addc(b, ' ');
		buf_add(b, keywords.p, keywords.len);
	}
	return buf_addc(b, ')');
}

int
imap_use_write(struct buf *b, uint32_t use)
{
	static const struct name names[] = { { IMAP_USE_ALL, "\\All" },
	    { IMAP_USE_ARCHIVE, "\\Archive" }, { IMAP_USE_DRAFTS, "\\Drafts" },
	    { IMAP_USE_FLAGGED, "\\Flagged" }, { IMAP_USE_JUNK, "\\Junk" },
	    { IMAP_USE_SENT, "\\Sent" }, { IMAP_USE_TRASH, "\\Trash" },
	    { IMAP_USE_IMPORTANT, "\\Important" } };
	bool	 some = false;

	write_names(b, names, sizeof(names) / sizeof(names[0]), use, &some);
	return b->err;
}
