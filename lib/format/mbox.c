#include "format/mbox.h"

#include <string.h>
#include <time.h>

#include "base/time.h"

#define EOL_MAX 2

/* The next word of *s, which moves behind it; blanks before it are skipped. */
static struct span
word(struct span *s)
{
	struct span	 w;

	while (s->len > 0 && (*s->p == ' ' || *s->p == '\t')) {
		s->p++;
		s->len--;
	}
	w.p = s->p;
	while (s->len > 0 && *s->p != ' ' && *s->p != '\t') {
		s->p++;
		s->len--;
	}
	w.len = (size_t)(s->p - w.p);
	return w;
}

/* The word's place in a table, -1 when it isn't there. */
static int
lookup(const char *const *names, int n, struct span w)
{
	for (int i = 0; i < n; i++)
		if (str_ieq(w.p, w.len, names[i]))
			return i;
	return -1;
}

static bool
is_weekday(struct span w)
{
	static const char *const names[] = { "Sun", "Mon", "Tue", "Wed",
	    "Thu", "Fri", "Sat" };

	return lookup(names, 7, w) != -1;
}

static int
month(struct span w)
{
	static const char *const names[] = { "Jan", "Feb", "Mar", "Apr",
	    "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

	return lookup(names, 12, w);
}

/* One or two digits up to max. */
static bool
two(struct span w, uint64_t max, int *out)
{
	uint64_t	 v;

	if (w.len > 2 || str_u64(w.p, w.len, max, &v) != 0)
		return false;
	*out = (int)v;
	return true;
}

/* 12:34 or 12:34:56 */
static bool
clock_time(struct span w, struct tm *tm)
{
	struct span	 f;

	tm->tm_sec = 0;
	return str_field(&w, ':', &f) && two(f, 23, &tm->tm_hour) &&
	    str_field(&w, ':', &f) && two(f, 59, &tm->tm_min) &&
	    (!str_field(&w, ':', &f) ||
	    (two(f, 60, &tm->tm_sec) && w.p == NULL));
}

/* Four digits, or two as in RFC 5322 section 4.3. */
static bool
year(struct span w, int *out)
{
	uint64_t	 v;

	if ((w.len != 2 && w.len != 4) ||
	    str_u64(w.p, w.len, 9999, &v) != 0)
		return false;
	if (w.len == 2)
		v += v < 50 ? 2000 : 1900;
	*out = (int)v - 1900;
	return true;
}

/* +0200, or a name: then those of RFC 5322 section 4.3 are known. */
static bool
zone(struct span w, int *minutes)
{
	static const char *const names[] = { "EDT", "EST", "CDT", "CST",
	    "MDT", "MST", "PDT", "PST" };
	static const int at[] = { -4, -5, -5, -6, -6, -7, -7, -8 };
	uint64_t	 v;
	int		 i;

	if (w.len == 5 && (*w.p == '+' || *w.p == '-')) {
		if (str_u64(w.p + 1, 4, 9959, &v) != 0)
			return false;
		*minutes = (int)(v / 100 * 60 + v % 100);
		if (*w.p == '-')
			*minutes = -*minutes;
		return true;
	}
	if (w.len == 0 || w.len > 5)
		return false;
	for (size_t k = 0; k < w.len; k++)
		if (str_lower(w.p[k]) < 'a' || str_lower(w.p[k]) > 'z')
			return false;
	if ((i = lookup(names, 8, w)) != -1)
		*minutes = at[i] * 60;
	return true;
}

static int64_t
to_ms(const struct tm *tm, int minutes)
{
	struct tm	 t = *tm;
	int64_t		 s;

	s = (int64_t)timegm(&t);
	/* The 31st of a shorter month is the 1st by now. */
	if (t.tm_mday != tm->tm_mday && tm->tm_sec < 60)
		return -1;
	s -= (int64_t)minutes * 60;
	return s < 0 ? -1 : s * 1000;
}

/* "Sat Jan  3 01:05:34 1996" and its relatives. */
static bool
date(struct span s, int64_t *ms)
{
	struct tm	 tm = { 0 };
	struct span	 w;
	int		 minutes = 0, n = 0;

	if (!is_weekday(word(&s)) || (tm.tm_mon = month(word(&s))) == -1 ||
	    !two(word(&s), 31, &tm.tm_mday) || tm.tm_mday == 0 ||
	    !clock_time(word(&s), &tm))
		return false;
	/* A zone can be two words: "MET DST". */
	while (!year(w = word(&s), &tm.tm_year))
		if (++n > 2 || !zone(w, &minutes))
			return false;
	if (n == 0)
		(void)zone(word(&s), &minutes);
	*ms = to_ms(&tm, minutes);
	return true;
}

/* The word that a local part in quotes may make of several. */
static struct span
sender_word(struct span *s)
{
	const char	*p = s->p;
	size_t		 n = 1;

	if (s->len > 0 && *s->p == '"') {
		while (n < s->len && s->p[n] != '"')
			n += s->p[n] == '\\' ? 2 : 1;
		if (n < s->len) {
			s->p += n;
			s->len -= n;
		}
	}
	(void)word(s);
	return (struct span){ p, (size_t)(s->p - p) };
}

bool
mbox_from(const char *line, size_t len, struct span *sender, int64_t *time_ms)
{
	struct span	 s = { line, len }, from;

	if (len > MBOX_FROM_MAX || len < 5 || memcmp(line, "From ", 5) != 0)
		return false;
	s.p += 5;
	s.len -= 5;
	if (date(s, time_ms)) {
		sender->p = s.p;
		sender->len = 0;
		return true;
	}
	while (s.len > 0 && *s.p == ' ') {
		s.p++;
		s.len--;
	}
	from = sender_word(&s);
	if (!date(s, time_ms)) {
		/* Mailing list archives write "ann at example.org". */
		if (!span_is(word(&s), "at") || word(&s).len == 0 ||
		    !date(s, time_ms))
			return false;
	}
	*sender = from;
	return true;
}

int
mbox_from_line(struct buf *b, const char *sender, int64_t time_ms)
{
	char	 when[40];

	buf_adds(b, "From ");
	for (size_t i = 0; i < MBOX_FROM_MAX - 64 && sender[i] != '\0'; i++)
		buf_addc(b, (unsigned char)sender[i] <= ' ' ||
		    sender[i] == 0x7f ? '_' : sender[i]);
	if (*sender == '\0')
		buf_adds(b, "MAILER-DAEMON");
	time_asctime(when, sizeof(when), time_ms);
	return buf_addf(b, " %s\n", when);
}

/* How many > stand before "From " at the start of a line; -1 for another. */
static int
quotes(const char *p, size_t len)
{
	size_t	 n = 0;

	while (n < len && p[n] == '>')
		n++;
	if (len - n < 5 || memcmp(p + n, "From ", 5) != 0)
		return -1;
	return n > 0 ? 1 : 0;
}

/* The length of the line end at the end of a line: 0, 1 or 2. */
static size_t
eol(const char *p, size_t len)
{
	if (len == 0 || p[len - 1] != '\n')
		return 0;
	return len > 1 && p[len - 2] == '\r' ? 2 : 1;
}

int
mbox_quote(struct buf *b, const char *msg, size_t len)
{
	const char	*nl;
	size_t		 n;

	while (len > 0) {
		nl = memchr(msg, '\n', len);
		n = nl != NULL ? (size_t)(nl - msg) + 1 : len;
		if (quotes(msg, n) != -1)
			buf_addc(b, '>');
		buf_add(b, msg, n - eol(msg, n));
		buf_addc(b, '\n');
		msg += n;
		len -= n;
	}
	return buf_addc(b, '\n');
}

void
mbox_reader_init(struct mbox_reader *r, uint64_t max)
{
	const size_t	 more = MBOX_FROM_MAX + 2 * EOL_MAX + 1;

	memset(r, 0, sizeof(*r));
	if (max > SIZE_MAX / 4)
		max = SIZE_MAX / 4;
	r->max = (size_t)max;
	/* Behind a full message: its last > gone, an empty line, a From_. */
	buf_init(&r->text, r->max + more);
	r->state = MBOX_OUTSIDE;
}

void
mbox_reader_free(struct mbox_reader *r)
{
	if (r != NULL)
		buf_free(&r->text);
}

static void
cut(struct buf *b, size_t len)
{
	b->len = len;
	if (b->p != NULL)
		b->p[len] = '\0';
}

/* Is the line of n bytes at l, its end not counted, the next From_ line? */
static bool
from_here(struct mbox_reader *r, const char *l, size_t n)
{
	struct span	 sender;

	if (r->state == MBOX_INSIDE && r->blank == 0)
		return false;
	if (!mbox_from(l, n, &sender, &r->next.time_ms) ||
	    str_ncopy(r->next.sender, sizeof(r->next.sender), sender.p,
	    sender.len) != 0)
		return false;
	r->next.line = r->line;
	return true;
}

/* The line at the end of text is whole.  CM_EEND: it's the next From_ line. */
static int
end_line(struct mbox_reader *r)
{
	char	*l = r->text.p + r->start;
	size_t	 n = r->text.len - r->start, e = eol(l, n);

	r->line++;
	if (from_here(r, l, n - e)) {
		cut(&r->text, r->start - r->blank);
		return CM_EEND;
	}
	if (r->state == MBOX_OUTSIDE)
		return CM_EDATA;
	if (quotes(l, n) == 1) {
		memmove(l, l + 1, n - 1);
		cut(&r->text, r->text.len - 1);
	}
	r->blank = n == e ? n : 0;
	r->start = r->text.len;
	return r->text.len - r->blank > r->max ? CM_ETOOBIG : 0;
}

/* After a From_ line: the next message starts empty. */
static void
begin(struct mbox_reader *r)
{
	buf_reset(&r->text);
	r->start = 0;
	r->blank = 0;
	r->cur = r->next;
	r->state = MBOX_INSIDE;
}

static void
give(struct mbox_reader *r, int state, struct span *msg)
{
	msg->p = r->text.len > 0 ? r->text.p : "";
	msg->len = r->text.len;
	r->state = state;
}

/* Moves bytes from *in up to a line's end; CM_EAGAIN when there is none. */
static int
take(struct mbox_reader *r, struct span *in)
{
	const char	*nl = memchr(in->p, '\n', in->len);
	size_t		 n = nl != NULL ? (size_t)(nl - in->p) + 1 : in->len;
	int		 rc;

	/* Not a mailbox: don't read all of it to find out. */
	if (r->state == MBOX_OUTSIDE &&
	    r->text.len + n > MBOX_FROM_MAX + EOL_MAX)
		return CM_EDATA;
	if ((rc = buf_add(&r->text, in->p, n)) != 0)
		return rc;
	in->p += n;
	in->len -= n;
	return nl != NULL ? 0 : CM_EAGAIN;
}

int
mbox_next(struct mbox_reader *r, struct span *in, bool last, struct span *msg)
{
	int	 rc;

	if (r->state == MBOX_GIVEN)
		begin(r);
	while (in->len > 0 || (last && r->text.len > r->start)) {
		if (in->len > 0 && (rc = take(r, in)) != 0 &&
		    (rc != CM_EAGAIN || !last))
			return rc;
		if ((rc = end_line(r)) == 0)
			continue;
		if (rc != CM_EEND)
			return rc;
		if (r->state == MBOX_INSIDE) {
			give(r, MBOX_GIVEN, msg);
			return 0;
		}
		begin(r);
	}
	if (!last)
		return CM_EAGAIN;
	if (r->state != MBOX_INSIDE)
		return CM_EEND;
	cut(&r->text, r->text.len - r->blank);
	give(r, MBOX_ENDED, msg);
	return 0;
}
