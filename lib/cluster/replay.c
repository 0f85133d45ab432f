/* Which lines of the journals are behind a dump. */
#include "cluster/replay.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PARTS_MAX	64	/* loads, one behind the other */

/* "load NOW WAS BATCH" */
struct load {
	uint64_t	 now, was, batch;
	int64_t		 time_ms;
};

/* What a node did while it led alone. */
struct fork {
	uint64_t	 id;
	uint64_t	 low, high;	/* batches */
	uint64_t	 changes;
	int64_t		 last_ms;
	bool		 out;		/* it lost */
};

/* Of a catalog, what is behind low, up to high. */
struct part {
	uint64_t	 catalog, low, high;
};

struct choice {
	struct replay	*r;
	size_t		 cap;
	struct load	*load;
	size_t		 nloads, loads_cap;
	struct fork	*fork;
	size_t		 nforks, forks_cap;
	struct part	 part[PARTS_MAX];	/* the last one first */
	unsigned	 nparts;
	uint64_t	 last;		/* catalog of what is newest */
	int64_t		 last_ms;
};

static int
grow(void **p, size_t n, size_t *cap, size_t size)
{
	size_t	 want = *cap != 0 ? *cap * 2 : 64;
	void	*q;

	if (n < *cap)
		return 0;
	if ((q = reallocarray(*p, want, size)) == NULL)
		return CM_ENOMEM;
	*p = q;
	*cap = want;
	return 0;
}

/* --- what there is --- */

static int
fork_of(struct choice *c, uint64_t id, struct fork **out)
{
	int	 rc;

	for (size_t i = 0; i < c->nforks; i++)
		if (c->fork[i].id == id) {
			*out = &c->fork[i];
			return 0;
		}
	if ((rc = grow((void **)&c->fork, c->nforks, &c->forks_cap,
	    sizeof(*c->fork))) != 0)
		return rc;
	*out = &c->fork[c->nforks++];
	**out = (struct fork){ .id = id, .low = UINT64_MAX };
	return 0;
}

static void
see(struct choice *c, uint64_t catalog, int64_t time_ms)
{
	if (time_ms >= c->last_ms) {
		c->last = catalog;
		c->last_ms = time_ms;
	}
}

static int
see_load(struct choice *c, const struct journal_line *l)
{
	struct load	*load;
	struct span	 rest = l->fields;
	int		 rc;

	if ((rc = grow((void **)&c->load, c->nloads, &c->loads_cap,
	    sizeof(*c->load))) != 0)
		return rc;
	load = &c->load[c->nloads];
	load->time_ms = l->time_ms;
	if (journal_take_id(&rest, &load->now) != 0 ||
	    journal_take_id(&rest, &load->was) != 0 ||
	    journal_take_number(&rest, &load->batch) != 0)
		return 0;
	c->nloads++;
	see(c, load->now, l->time_ms);
	return 0;
}

static int
see_batch(struct choice *c, struct replay_batch *b,
    const struct journal_line *l)
{
	struct replay	*r = c->r;
	struct span	 rest = l->fields;
	struct fork	*f;
	uint64_t	 lines;
	int		 rc;

	if (journal_take_id(&rest, &b->catalog) != 0 ||
	    journal_take_number(&rest, &b->number) != 0 ||
	    journal_take_number(&rest, &lines) != 0 || lines >= l->number)
		return 0;
	b->time_ms = l->time_ms;
	b->fork = l->fork;
	b->first = l->number - lines;
	b->last = l->number - 1;
	if (b->fork != 0) {
		if ((rc = fork_of(c, b->fork, &f)) != 0)
			return rc;
		f->low = b->number < f->low ? b->number : f->low;
		f->high = b->number > f->high ? b->number : f->high;
		f->changes += b->changes;
		f->last_ms = b->time_ms;
	}
	see(c, b->catalog, b->time_ms);
	if ((rc = grow((void **)&r->batch, r->nbatches, &c->cap,
	    sizeof(*r->batch))) != 0)
		return rc;
	r->batch[r->nbatches++] = *b;
	return 0;
}

static int
see_line(struct choice *c, struct replay_batch *b,
    const struct journal_line *l, size_t at, size_t behind)
{
	struct fork	*f;
	int		 rc = 0;

	if (span_is(l->kind, "batch")) {
		b->to = at;
		rc = see_batch(c, b, l);
	} else if (span_is(l->kind, "load")) {
		rc = see_load(c, l);
	} else if (span_is(l->kind, "merge")) {
		if ((rc = fork_of(c, l->origin, &f)) == 0)
			f->out = true;
		return rc;
	} else if (!span_is(l->kind, "done")) {
		b->changes += journal_is_change(l->kind);
		return 0;
	}
	b->from = behind;
	b->changes = 0;
	return rc;
}

static int
see_source(struct choice *c, size_t source)
{
	const struct replay_source *s = &c->r->source[source];
	struct replay_batch	 b = { .source = source };
	struct span		 rest = { s->text, s->len }, l;
	struct journal_line	 jl;
	size_t			 at;
	int			 rc = 0;

	while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &l)) {
		at = (size_t)(l.p - s->text);
		/* the first line of a file, too */
		if (journal_parse(l, &jl) == 0)
			rc = see_line(c, &b, &jl, at, at + l.len + 1);
	}
	return rc;
}

/* --- the way from the dump to what was last --- */

static const struct load *
load_of(const struct choice *c, uint64_t catalog)
{
	for (size_t i = c->nloads; i-- > 0;)
		if (c->load[i].now == catalog)
			return &c->load[i];
	return NULL;
}

/* False: none leads there. */
static bool
find_way(struct choice *c)
{
	const struct catdb_point *start = &c->r->start;
	const struct load	 *l;
	struct part		 *p;
	uint64_t		  at = c->last, high = UINT64_MAX;

	while (c->nparts < PARTS_MAX) {
		p = &c->part[c->nparts++];
		*p = (struct part){ at, 0, high };
		if (at == start->catalog && start->catalog != 0) {
			p->low = start->batch;
			return high >= start->batch;
		}
		if ((l = load_of(c, at)) == NULL || l->was == 0)
			return start->catalog == 0;
		p->low = l->batch;
		at = l->was;
		high = l->batch;
	}
	return false;
}

/* Two led alone, and did not meet again: as when they meet. */
static void
choose_forks(struct choice *c)
{
	struct fork	*a, *b, *out;

	for (size_t i = 0; i < c->nforks; i++)
		for (size_t k = i + 1; k < c->nforks; k++) {
			a = &c->fork[i];
			b = &c->fork[k];
			if (a->out || b->out || a->low > b->high ||
			    b->low > a->high)
				continue;
			if (a->changes != b->changes)
				out = a->changes < b->changes ? a : b;
			else
				out = a->last_ms < b->last_ms ? a : b;
			out->out = true;
			buf_addf(&c->r->said, "=split\t%llu\n",
			    (unsigned long long)out->changes);
			c->r->refused += out->changes;
		}
}

static bool
is_due(struct choice *c, struct replay_batch *b)
{
	const struct part	*p;

	for (size_t i = 0; b->fork != 0 && i < c->nforks; i++)
		if (c->fork[i].id == b->fork && c->fork[i].out)
			return false;
	for (unsigned i = 0; i < c->nparts; i++) {
		p = &c->part[i];
		if (p->catalog == b->catalog && b->number > p->low &&
		    b->number <= p->high) {
			b->part = c->nparts - i;
			return true;
		}
	}
	return false;
}

#define LESS(a, b) ((a) < (b) ? -1 : (a) > (b))

static int
compare(const void *x, const void *y)
{
	const struct replay_batch	*a = x, *b = y;
	int				 d;

	if ((d = LESS(a->part, b->part)) != 0 ||
	    (d = LESS(a->number, b->number)) != 0 ||
	    (d = LESS(a->time_ms, b->time_ms)) != 0 ||
	    (d = LESS(a->source, b->source)) != 0)
		return d;
	return LESS(a->from, b->from);
}

static void
say_hole(struct replay *r, uint64_t from, uint64_t to)
{
	buf_addf(&r->said, "=hole\t%llu\t%llu\n", (unsigned long long)from,
	    (unsigned long long)to);
}

/* Of those with the same number the last one counts: what was before was
 * tried, and undone. */
static void
keep_last(struct choice *c)
{
	struct replay	*r = c->r;
	size_t		 n = 0;

	for (size_t i = 0; i < r->nbatches; i++)
		if (is_due(c, &r->batch[i]))
			r->batch[n++] = r->batch[i];
	r->nbatches = n;
	if (n > 0)
		qsort(r->batch, n, sizeof(*r->batch), compare);
	n = 0;
	for (size_t i = 0; i < r->nbatches; i++) {
		if (n > 0 && r->batch[n - 1].part == r->batch[i].part &&
		    r->batch[n - 1].number == r->batch[i].number)
			n--;
		r->batch[n++] = r->batch[i];
	}
	r->nbatches = n;
}

static void
find_holes(struct choice *c)
{
	struct replay	*r = c->r;
	size_t		 at = 0;
	uint64_t	 next;
	struct part	*p;

	for (unsigned i = c->nparts; i-- > 0;) {
		p = &c->part[i];
		next = p->low + 1;
		for (; at < r->nbatches &&
		    r->batch[at].part == c->nparts - i; at++) {
			if (r->batch[at].number > next)
				say_hole(r, next, r->batch[at].number - 1);
			next = r->batch[at].number + 1;
		}
		if (p->high != UINT64_MAX && next <= p->high)
			say_hole(r, next, p->high);
	}
}

static void
find_end(struct choice *c)
{
	struct replay		*r = c->r;
	const struct replay_batch *b;
	const struct part	*p = &c->part[0];

	r->end = r->start;
	if (r->nbatches > 0) {
		b = &r->batch[r->nbatches - 1];
		r->end = (struct catdb_point){ b->catalog, b->number, 0 };
	}
	/* it was loaded, and nothing was changed since */
	if (r->end.catalog != p->catalog)
		r->end.next = p->catalog;
}

int
replay_choose(struct replay *r)
{
	struct choice	 c = { .r = r };
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < r->nsources; i++)
		rc = see_source(&c, i);
	if (rc != 0)
		goto out;
	r->end = r->start;
	if (c.last == 0) {
		buf_adds(&r->said, "=empty\n");
	} else if (!find_way(&c)) {
		r->other = true;
		r->nbatches = 0;
		buf_adds(&r->said, "=other\n");
	} else {
		choose_forks(&c);
		keep_last(&c);
		find_holes(&c);
		find_end(&c);
	}
	rc = r->said.err;
out:
	free(c.load);
	free(c.fork);
	return rc;
}

void
replay_refuse(struct replay *r, const struct replay_batch *b,
    const struct journal_line *l, const char *why)
{
	struct span	 rest = l->fields, what;

	if (!str_field(&rest, '\t', &what))
		what = (struct span){ "-", 1 };
	r->refused++;
	buf_addf(&r->said, "=no\t%s\t%llu\t%.*s\t%.*s\t%s\n",
	    r->source[b->source].node, (unsigned long long)l->number,
	    (int)l->kind.len, l->kind.p, (int)what.len, what.p, why);
}

void
replay_free(struct replay *r)
{
	for (size_t i = 0; i < r->nsources; i++) {
		if (r->source[i].len > 0)
			munmap((void *)(uintptr_t)r->source[i].text,
			    r->source[i].len);
		if (r->source[i].fd != -1)
			close(r->source[i].fd);
	}
	free(r->source);
	free(r->batch);
	buf_free(&r->said);
	memset(r, 0, sizeof(*r));
}
