/* A node's load as lines, and back. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cluster/load_int.h"

typedef unsigned long long ull;

static void
write_scrub(const struct load_scrub *s, struct buf *b)
{
	char	 when[TIME_ISO_SIZE];

	if (s->end_ms == 0)
		return;
	time_iso(when, s->end_ms);
	buf_addf(b, "scrub %s %llu %llu %llu\n", when, (ull)s->seconds,
	    (ull)s->found, (ull)s->left);
	for (size_t i = 0; i < s->nfindings; i++)
		buf_addf(b, "finding %s\n", s->finding[i]);
}

/* What others choose by. */
static void
write_choice(const struct load *l, struct buf *b)
{
	for (size_t i = 0; i < l->nservices; i++)
		buf_addf(b, "service %s %llu %llu\n", l->service[i].name,
		    (ull)l->service[i].sessions, (ull)l->service[i].limit);
	buf_addf(b, "delay %llu\nspace %llu\n", (ull)l->delay_ms,
	    (ull)l->space);
	for (size_t i = 0; i < l->nsets; i++) {
		buf_adds(b, "set ");
		nodes_said_write(b, l->set[i].node, &l->set[i].said);
		buf_addc(b, '\n');
	}
}

void
load_write(const struct load *l, struct buf *b)
{
	buf_addf(b, "node %s\nload %.2f\nprocessors %llu\nsessions %llu\n",
	    l->node, l->load, (ull)l->processors, (ull)l->sessions);
	write_choice(l, b);
	for (size_t i = 0; i < l->ndisks; i++)
		buf_addf(b, "disk %llu %llu %s\n", (ull)l->disk[i].free,
		    (ull)l->disk[i].total, l->disk[i].holds);
	for (size_t i = 0; i < l->nplaces; i++) {
		const struct load_place *p = &l->place[i];

		buf_addf(b, "free %s %llu\n", p->volume, (ull)p->free);
		buf_addf(b, "place %s %d %u %u %llu %u %u %s\n", p->volume,
		    p->index, p->epoch, p->segments, (ull)p->bytes, p->last,
		    p->end, p->old ? "old" : "ok");
	}
	for (size_t i = 0; i < l->nlags; i++)
		buf_addf(b, "lag %s %s %llu %lld %s\n", l->lag[i].volume,
		    l->lag[i].label, (ull)l->lag[i].bytes,
		    (long long)l->lag[i].ms / 1000,
		    l->lag[i].up ? "up" : "down");
	for (size_t i = 0; i < l->nspools; i++)
		buf_addf(b, "spool %s %llu %llu\n", l->spool[i].name,
		    (ull)l->spool[i].waiting, (ull)l->spool[i].failed);
	write_scrub(&l->scrub, b);
}

/* Words of a line, taken one after the other; any that is bad sticks. */
struct words {
	struct span	 rest;
	int		 err;
};

static struct span
word(struct words *w)
{
	struct span	 f = { "", 0 };

	if (!str_field(&w->rest, ' ', &f) || f.len == 0)
		w->err = CM_EPROTO;
	return f;
}

static uint64_t
number(struct words *w, uint64_t max)
{
	struct span	 f = word(w);
	uint64_t	 v = 0;

	if (str_u64(f.p, f.len, max, &v) != 0)
		w->err = CM_EPROTO;
	return v;
}

static void
text(struct words *w, char *to, size_t size)
{
	struct span	 f = word(w);

	if (str_ncopy(to, size, f.p, f.len) != 0)
		w->err = CM_EPROTO;
	str_clean(to);
}

static void
take_node(struct load *l, struct words *w)
{
	text(w, l->node, sizeof(l->node));
}

/* "2.83" */
static void
take_load(struct load *l, struct words *w)
{
	struct words	 n = { .rest = word(w) };
	struct span	 whole = { "", 0 };
	uint64_t	 a = 0, b = 0;

	if (!str_field(&n.rest, '.', &whole) ||
	    str_u64(whole.p, whole.len, UINT32_MAX, &a) != 0 ||
	    n.rest.p == NULL || n.rest.len != 2 ||
	    str_u64(n.rest.p, n.rest.len, 99, &b) != 0)
		w->err = CM_EPROTO;
	l->load = (double)a + (double)b / 100;
}

static void
take_processors(struct load *l, struct words *w)
{
	l->processors = number(w, UINT32_MAX);
}

static void
take_sessions(struct load *l, struct words *w)
{
	l->sessions = number(w, UINT32_MAX);
}

static void
take_service(struct load *l, struct words *w)
{
	struct load_service	*s;

	w->err = load_grow((void **)&l->service, l->nservices, sizeof(*s));
	if (w->err != 0)
		return;
	s = &l->service[l->nservices++];
	text(w, s->name, sizeof(s->name));
	s->sessions = number(w, UINT32_MAX);
	s->limit = number(w, UINT32_MAX);
}

static void
take_delay(struct load *l, struct words *w)
{
	l->delay_ms = number(w, UINT32_MAX);
}

static void
take_space(struct load *l, struct words *w)
{
	l->space = number(w, UINT64_MAX);
}

static void
take_set(struct load *l, struct words *w)
{
	struct load_set	*s;
	struct span	 node;

	w->err = load_grow((void **)&l->set, l->nsets, sizeof(*s));
	if (w->err != 0)
		return;
	s = &l->set[l->nsets];
	if (w->rest.p == NULL || nodes_said_parse(w->rest, &node,
	    &s->said) != 0 ||
	    str_ncopy(s->node, sizeof(s->node), node.p, node.len) != 0) {
		w->err = CM_EPROTO;
		return;
	}
	str_clean(s->node);
	l->nsets++;
}

static void
take_disk(struct load *l, struct words *w)
{
	struct load_disk	*d;

	w->err = load_grow((void **)&l->disk, l->ndisks, sizeof(*d));
	if (w->err != 0)
		return;
	d = &l->disk[l->ndisks++];
	d->free = number(w, UINT64_MAX);
	d->total = number(w, UINT64_MAX);
	if (w->rest.p == NULL || str_ncopy(d->holds, sizeof(d->holds),
	    w->rest.p, w->rest.len) != 0)
		w->err = CM_EPROTO;
	str_clean(d->holds);
}

static void
take_place(struct load *l, struct words *w)
{
	struct load_place	*p;
	struct words		 index;

	w->err = load_grow((void **)&l->place, l->nplaces, sizeof(*p));
	if (w->err != 0)
		return;
	p = &l->place[l->nplaces++];
	text(w, p->volume, sizeof(p->volume));
	index = *w;
	p->index = -1;
	if (span_is(word(&index), "-1"))
		*w = index;
	else
		p->index = (int)number(w, CONF_COPIES_MAX);
	p->epoch = (uint32_t)number(w, UINT32_MAX);
	p->segments = (uint32_t)number(w, UINT32_MAX);
	p->bytes = number(w, UINT64_MAX);
	p->last = (uint32_t)number(w, UINT32_MAX);
	p->end = (uint32_t)number(w, UINT32_MAX);
	p->old = span_is(word(w), "old");
}

static void
take_lag(struct load *l, struct words *w)
{
	struct mirror_lag	*g;

	w->err = load_grow((void **)&l->lag, l->nlags, sizeof(*g));
	if (w->err != 0)
		return;
	g = &l->lag[l->nlags++];
	text(w, g->volume, sizeof(g->volume));
	text(w, g->label, sizeof(g->label));
	g->bytes = number(w, UINT64_MAX);
	g->ms = (int64_t)number(w, INT64_MAX / 1000) * 1000;
	g->up = span_is(word(w), "up");
}

static void
take_spool(struct load *l, struct words *w)
{
	struct load_spool	*s;

	w->err = load_grow((void **)&l->spool, l->nspools, sizeof(*s));
	if (w->err != 0)
		return;
	s = &l->spool[l->nspools++];
	text(w, s->name, sizeof(s->name));
	s->waiting = number(w, UINT64_MAX);
	s->failed = number(w, UINT64_MAX);
}

static void
take_scrub(struct load *l, struct words *w)
{
	struct span	 when = word(w);

	if (time_parse_iso(when.p, when.len, &l->scrub.end_ms) != 0)
		w->err = CM_EPROTO;
	l->scrub.seconds = number(w, UINT64_MAX);
	l->scrub.found = number(w, UINT64_MAX);
	l->scrub.left = number(w, UINT64_MAX);
}

/* Their number is in the scrub's line. */
static void
keep_finding(struct load_scrub *s, struct span line)
{
	char	*to;

	if (s->nfindings == LOAD_FINDINGS_MAX)
		return;
	to = s->finding[s->nfindings++];
	snprintf(to, LOAD_WORD_MAX + 1, "%.*s",
	    (int)(line.len < LOAD_WORD_MAX ? line.len : LOAD_WORD_MAX),
	    line.p);
	str_clean(to);
}

static void
take_finding(struct load *l, struct words *w)
{
	if (w->rest.p != NULL)
		keep_finding(&l->scrub, w->rest);
}

void
load_scrub_add(struct load_scrub *s, struct span line)
{
	s->found++;
	keep_finding(s, line);
}

static const struct {
	const char	*word;
	void		(*take)(struct load *, struct words *);
} words[] = {
	{ "delay", take_delay },
	{ "disk", take_disk },
	{ "finding", take_finding },
	{ "lag", take_lag },
	{ "load", take_load },
	{ "node", take_node },
	{ "place", take_place },
	{ "processors", take_processors },
	{ "scrub", take_scrub },
	{ "service", take_service },
	{ "sessions", take_sessions },
	{ "set", take_set },
	{ "space", take_space },
	{ "spool", take_spool },
};

static int
take_line(struct load *l, struct span line)
{
	struct words	 w = { .rest = line };
	struct span	 key;

	if (!str_field(&w.rest, ' ', &key))
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (span_is(key, words[i].word))
			words[i].take(l, &w);
	return w.err;
}

int
load_lines(struct load *l, struct span all)
{
	struct span	 line;
	int		 rc = 0;

	while (rc == 0 && all.len > 0 && str_field(&all, '\n', &line))
		rc = take_line(l, line);
	return rc;
}

int
load_parse(struct load *l, struct span all)
{
	int	 rc;

	memset(l, 0, sizeof(*l));
	rc = load_lines(l, all);
	if (rc == 0 && l->node[0] == '\0')
		rc = CM_EDATA;
	if (rc != 0)
		load_free(l);
	return rc;
}

int
load_scrub_path(const struct conf *conf, char out[FILE_PATH_MAX])
{
	return str_fmt(out, FILE_PATH_MAX, "%s/last-scrub",
	    conf->node->state);
}

int
load_scrub_note(const struct log *log, const struct conf *conf,
    const struct load_scrub *s)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	int		 rc;

	if ((rc = load_scrub_path(conf, path)) != 0)
		return log_fail(log, rc, "%s", conf->node->state);
	if ((rc = file_mkdirs(log, conf->node->state, 0700)) != 0)
		return rc;
	buf_init(&b, LOAD_TEXT_MAX);
	write_scrub(s, &b);
	rc = b.err != 0 ? log_fail(log, b.err, "%s", path) :
	    file_commit(log, path, b.p, b.len, 0600);
	buf_free(&b);
	return rc;
}
