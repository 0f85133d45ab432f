#include "format/imap_set.h"

#include <stdlib.h>
#include <string.h>

void
imap_set_free(struct imap_set *s)
{
	if (s == NULL)
		return;
	free(s->r);
	*s = (struct imap_set){ 0 };
}

static int
push(struct imap_set *s, uint32_t from, uint32_t to)
{
	struct imap_range *r;
	size_t		 cap;

	if (s->n == s->cap) {
		cap = s->cap ? 2 * s->cap : 4;
		r = reallocarray(s->r, cap, sizeof(*r));
		if (r == NULL)
			return CM_ENOMEM;
		s->r = r;
		s->cap = cap;
	}
	s->r[s->n++] = (struct imap_range){ from, to };
	return 0;
}

/* seq-number: "*", or a number that does not start with 0. */
static int
read_number(struct span s, uint32_t *out)
{
	uint64_t	 v;

	*out = 0;
	if (s.len == 1 && *s.p == '*')
		return 0;
	if (s.len == 0 || *s.p == '0' ||
	    str_u64(s.p, s.len, UINT32_MAX, &v) != 0)
		return CM_EDATA;
	*out = (uint32_t)v;
	return 0;
}

static int
read_range(struct span s, struct imap_range *r)
{
	struct span	 from;
	int		 rc;

	if (!str_field(&s, ':', &from) || (rc = read_number(from,
	    &r->from)) != 0)
		return CM_EDATA;
	r->to = r->from;
	return s.p == NULL ? 0 : read_number(s, &r->to);
}

int
imap_set_parse(struct span in, struct imap_set *s)
{
	struct imap_range r;
	struct span	 one;
	int		 rc = in.len == 0 ? CM_EDATA : 0;

	*s = (struct imap_set){ 0 };
	if (in.len == 1 && *in.p == '$') {
		s->saved = true;
		return 0;
	}
	while (rc == 0 && str_field(&in, ',', &one)) {
		rc = read_range(one, &r);
		if (rc == 0 && s->n == IMAP_SET_MAX)
			rc = CM_ETOOBIG;
		if (rc == 0)
			rc = push(s, r.from, r.to);
	}
	if (rc != 0)
		imap_set_free(s);
	return rc;
}

static int
by_start(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Sorted ones that overlap, or follow one another, become one. */
static void
join(struct imap_set *s)
{
	size_t	 n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct imap_range r = s->r[i];

		if (n > 0 && (r.from <= s->r[n - 1].to ||
		    r.from - s->r[n - 1].to == 1)) {
			if (r.to > s->r[n - 1].to)
				s->r[n - 1].to = r.to;
		} else {
			s->r[n++] = r;
		}
	}
	s->n = n;
}

void
imap_set_resolve(struct imap_set *s, uint32_t max)
{
	size_t	 n = 0;
	bool	 sorted = true;

	for (size_t i = 0; i < s->n; i++) {
		struct imap_range r = s->r[i];

		if (max == 0 && (r.from == 0 || r.to == 0))
			continue;
		if (r.from == 0)
			r.from = max;
		if (r.to == 0)
			r.to = max;
		if (r.from > r.to)
			r = (struct imap_range){ r.to, r.from };
		if (n > 0 && r.from < s->r[n - 1].from)
			sorted = false;
		s->r[n++] = r;
	}
	s->n = n;
	if (!sorted)
		qsort(s->r, s->n, sizeof(*s->r), by_start);
	join(s);
}

int
imap_set_add(struct imap_set *s, uint32_t from, uint32_t to)
{
	struct imap_range *last = s->n > 0 ? &s->r[s->n - 1] : NULL;

	if (s->saved || from == 0 || from > to ||
	    (last != NULL && from < last->from))
		return CM_EUSAGE;
	if (last != NULL && (from <= last->to || from - last->to == 1)) {
		if (to > last->to)
			last->to = to;
		return 0;
	}
	return push(s, from, to);
}

int
imap_set_append(struct imap_set *s, uint32_t v)
{
	struct imap_range *last = s->n > 0 ? &s->r[s->n - 1] : NULL;

	if (s->saved || v == 0)
		return CM_EUSAGE;
	if (last != NULL && v > last->to && v - last->to == 1) {
		last->to = v;
		return 0;
	}
	return push(s, v, v);
}

bool
imap_set_has(const struct imap_set *s, uint32_t v)
{
	size_t	 lo = 0, hi = s->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (v < s->r[mid].from)
			hi = mid;
		else if (v > s->r[mid].to)
			lo = mid + 1;
		else
			return true;
	}
	return false;
}

uint64_t
imap_set_count(const struct imap_set *s)
{
	uint64_t	 n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += (uint64_t)s->r[i].to - s->r[i].from + 1;
	return n;
}

static void
put_number(struct buf *b, uint32_t v)
{
	if (v == 0)
		buf_addc(b, '*');
	else
		buf_addu(b, v, 0);
}

int
imap_set_write(struct buf *b, const struct imap_set *s)
{
	if (s->saved)
		return buf_addc(b, '$');
	for (size_t i = 0; i < s->n && b->err == 0; i++) {
		if (i > 0)
			buf_addc(b, ',');
		put_number(b, s->r[i].from);
		if (s->r[i].to == s->r[i].from)
			continue;
		buf_addc(b, ':');
		put_number(b, s->r[i].to);
	}
	return b->err;
}
