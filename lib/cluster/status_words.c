/* Numbers and states in words. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cluster/status_int.h"

void
words_size(char out[STATUS_SIZE], uint64_t bytes)
{
	static const char	 unit[] = "KMGTPE";
	double			 v = (double)bytes / 1024;
	int			 i = 0;

	if (bytes < 1024) {
		snprintf(out, STATUS_SIZE, "%u", (unsigned)bytes);
		return;
	}
	for (; v >= 999.5 && unit[i + 1] != '\0'; i++)
		v /= 1024;
	snprintf(out, STATUS_SIZE, v < 9.95 ? "%.1f%c" : "%.0f%c", v,
	    unit[i]);
}

void
words_span(char out[STATUS_SIZE], uint64_t s)
{
	if (s < 120)
		snprintf(out, STATUS_SIZE, "%u s", (unsigned)s);
	else if (s < 7200)
		snprintf(out, STATUS_SIZE, "%u min", (unsigned)(s / 60));
	else if (s < 172800)
		snprintf(out, STATUS_SIZE, "%u h", (unsigned)(s / 3600));
	else
		snprintf(out, STATUS_SIZE, "%llu d",
		    (unsigned long long)s / 86400);
}

void
words_time(char out[STATUS_SIZE], int64_t ms)
{
	char	 iso[TIME_ISO_SIZE];

	time_iso(iso, ms);
	snprintf(out, STATUS_SIZE, "%.10s %.8s UTC", iso, iso + 11);
}

void
words_scrub(char out[3 * STATUS_SIZE], const struct status *st,
    const struct load_scrub *s)
{
	char	 ago[STATUS_SIZE];
	int64_t	 ms = st->now_ms - s->end_ms;

	if (s->end_ms == 0) {
		snprintf(out, 3 * STATUS_SIZE, "never");
		return;
	}
	words_span(ago, ms > 0 ? (uint64_t)ms / 1000 : 0);
	if (s->left > 0)
		snprintf(out, 3 * STATUS_SIZE, "%s ago, %llu wrong", ago,
		    (unsigned long long)s->left);
	else
		snprintf(out, 3 * STATUS_SIZE, "%s ago, %s", ago,
		    s->found > 0 ? "repaired" : "clean");
}

void
words_sum(char out[3 * STATUS_SIZE], const struct status *st)
{
	if (st->nwrong > 0)
		snprintf(out, 3 * STATUS_SIZE, st->nwrong == 1 ?
		    "%zu thing is wrong" : "%zu things are wrong",
		    st->nwrong);
	else
		snprintf(out, 3 * STATUS_SIZE, "all is well");
}

const char *
words_level(enum level l)
{
	return l == LEVEL_WRONG ? "wrong" : l == LEVEL_NOTE ? "note" : "well";
}

const char *
words_cluster(const struct status *st)
{
	return st->conf->name != NULL ? st->conf->name : "clustermail";
}

const char *
words_place(const struct place_status *p)
{
	if (p->there == NULL)
		return "unknown";
	if (p->there->old)
		return "old";
	if (p->there->epoch == 0)
		return p->level == LEVEL_WRONG ? "gone" : "empty";
	return p->lag == NULL || p->lag->up ? "up" : "down";
}

/* Length of the UTF-8 character that XML 1.0 allows at p; 0: there is none. */
static size_t
xml_char(const char *p)
{
	const unsigned char	*u = (const unsigned char *)p;
	uint32_t		 c;
	size_t			 n;

	if (u[0] < 0x80)
		return u[0] >= ' ' && u[0] != 0x7f;
	n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	c = u[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	/* overlong, surrogates, beyond Unicode, not characters */
	if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) ||
	    (c >= 0xd800 && c < 0xe000) || c > 0x10ffff || c == 0xfffe ||
	    c == 0xffff || (c >= 0x80 && c < 0xa0))
		return 0;
	return n;
}

void
words_xml(struct buf *b, const char *s)
{
	size_t	 n;

	for (; *s != '\0'; s += n > 0 ? n : 1) {
		n = xml_char(s);
		if (n == 0)
			buf_addc(b, '?');
		else if (*s == '&')
			buf_adds(b, "&amp;");
		else if (*s == '<')
			buf_adds(b, "&lt;");
		else if (*s == '>')
			buf_adds(b, "&gt;");
		else if (*s == '"')
			buf_adds(b, "&quot;");
		else if (*s == '\'')
			buf_adds(b, "&#39;");
		else
			buf_add(b, s, n);
	}
}

void
words_spools(const struct load *l, uint64_t *waiting, uint64_t *failed)
{
	*waiting = 0;
	*failed = 0;
	for (size_t i = 0; i < l->nspools; i++) {
		*waiting += l->spool[i].waiting;
		*failed += l->spool[i].failed;
	}
}

unsigned
words_used(const struct load_disk *d)
{
	if (d->total == 0 || d->free >= d->total)
		return 0;
	return (unsigned)((double)(d->total - d->free) * 100 /
	    (double)d->total + 0.5);
}

const struct load_disk *
words_disk(const struct load *l)
{
	const struct load_disk	*least = NULL;

	for (size_t i = 0; i < l->ndisks; i++)
		if (least == NULL || l->disk[i].free < least->free)
			least = &l->disk[i];
	return least;
}
