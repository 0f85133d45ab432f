/* Asking everybody. */
#include "cluster/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cluster/catalog.h"
#include "cluster/copy.h"
#include "cluster/peer.h"
#include "cluster/status_int.h"

#define THREADS_MAX	64	/* nodes asked at the same time */
#define STACK		(256u << 10)
#define PREFIX		"catalog: stat: "	/* of the log's line */

struct asking {
	struct status	*st;
	_Atomic size_t	 next;		/* the node that is asked next */
};

/* A log that keeps the last line, for one thread. */
static void
keep_line(void *arg, enum log_level level, const char *text)
{
	(void)level;
	snprintf(arg, STATUS_WHY_MAX, "%s", text);
}

static struct log
log_to(char why[STATUS_WHY_MAX])
{
	return (struct log){ .max = CM_LOG_WARN, .put = keep_line,
	    .arg = why };
}

static void
set_why(char why[STATUS_WHY_MAX], const char *text, int rc)
{
	if (text[0] == '\0')
		text = cm_strerror(rc);
	/* it may be a part of it */
	memmove(why, text, strnlen(text, STATUS_WHY_MAX - 1) + 1);
	why[STATUS_WHY_MAX - 1] = '\0';
	str_clean(why);
}

static int
get_load(struct peer *p, struct load *l)
{
	struct buf	 b;
	int		 rc;

	buf_init(&b, LOAD_TEXT_MAX);
	rc = peer_get(p, NULL, &b, "/v1/load");
	if (rc == 0)
		rc = load_parse(l, (struct span){ b.p ? b.p : "", b.len });
	buf_free(&b);
	return rc;
}

static void
ask_node(struct status *st, struct node_status *n)
{
	struct log	 log = log_to(n->why);
	struct peer	*p = NULL;
	int64_t		 began = time_mono_ms();

	n->rc = peer_open(&log, st->conf, n->cn->name, &p);
	if (n->rc == 0) {
		n->rc = get_load(p, &n->load);
		if (n->rc != 0 && peer_text(p)[0] != '\0')
			snprintf(n->why, sizeof(n->why), "%s", peer_text(p));
	}
	n->ms = time_mono_ms() - began;
	if (n->rc != 0)
		set_why(n->why, n->why, n->rc);
	peer_close(p);
}

static void *
ask_thread(void *arg)
{
	struct asking	*a = arg;
	size_t		 i;

	while ((i = atomic_fetch_add(&a->next, 1)) < a->st->nnodes)
		ask_node(a->st, &a->st->node[i]);
	return NULL;
}

static size_t
start_threads(struct asking *a, pthread_t t[THREADS_MAX])
{
	pthread_attr_t	 attr;
	size_t		 n = 0;

	if (pthread_attr_init(&attr) != 0)
		return 0;
	if (pthread_attr_setstacksize(&attr, STACK) == 0)
		while (n < THREADS_MAX && n < a->st->nnodes &&
		    pthread_create(&t[n], &attr, ask_thread, a) == 0)
			n++;
	pthread_attr_destroy(&attr);
	return n;
}

struct stat_line {
	const char	*key;
	uint64_t	*number;
	char		*text;
	size_t		 size;
};

/* "VOLUME:SEGMENT:END": indexed so far. */
static void
take_cursor(struct status *st, struct span v)
{
	const struct conf_volume *cv;
	struct indexed	*x;
	struct span	 f[2];
	uint64_t	 seg, end;

	if (!str_field(&v, ':', &f[0]) || !str_field(&v, ':', &f[1]) ||
	    v.p == NULL || str_u64(f[1].p, f[1].len, UINT32_MAX, &seg) != 0 ||
	    str_u64(v.p, v.len, UINT32_MAX, &end) != 0 ||
	    (cv = conf_volume(st->conf, f[0].p, f[0].len)) == NULL)
		return;
	x = &st->catalog.indexed[cv - st->conf->volumes];
	x->bytes += end;
	if (seg >= x->last) {
		x->last = (uint32_t)seg;
		x->end = (uint32_t)end;
	}
}

/* "NAME TAB STATE TAB BALLOT TAB NODE" */
static int
take_witness(struct catalog_status *c, struct span line)
{
	struct span	 f[4];

	for (int i = 0; i < 4; i++)
		if (!str_field(&line, '\t', &f[i]))
			return CM_EPROTO;
	return str_ncopy(c->witness, sizeof(c->witness), f[0].p, f[0].len) ||
	    str_ncopy(c->vote, sizeof(c->vote), f[1].p, f[1].len) ||
	    str_ncopy(c->newest, sizeof(c->newest), f[3].p, f[3].len) ?
	    CM_EPROTO : 0;
}

/* A line "KEY TAB VALUE" of the agent's answer to stat. */
static int
take_stat(void *arg, struct span line)
{
	struct status		*st = arg;
	struct catalog_status	*c = &st->catalog;
	const struct stat_line	 known[] = {
		{ "state", NULL, c->state, sizeof(c->state) },
		{ "node", NULL, c->node, sizeof(c->node) },
		{ "leader", NULL, c->leader, sizeof(c->leader) },
		{ "alone", NULL, c->alone, sizeof(c->alone) },
		{ "mailboxes", &c->mailboxes, NULL, 0 },
		{ "messages", &c->messages, NULL, 0 },
		{ "bytes", &c->bytes, NULL, 0 },
		{ "gaps", &c->gaps, NULL, 0 },
	};
	struct span		 key;

	if (!str_field(&line, '\t', &key) || line.p == NULL)
		return 0;
	if (span_is(key, "cursor"))
		take_cursor(st, line);
	if (span_is(key, "witness"))
		return take_witness(c, line);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct stat_line *k = &known[i];

		if (!span_is(key, k->key))
			continue;
		if (k->number != NULL)
			return str_u64(line.p, line.len, UINT64_MAX,
			    k->number);
		return str_ncopy(k->text, k->size, line.p, line.len);
	}
	return 0;
}

static void
ask_catalog(struct status *st, const char *file, const char *node)
{
	const char		*words[] = { "stat", NULL };
	struct catalog_status	*c = &st->catalog;
	struct log		 log = log_to(c->why);
	struct catalog		*cat = NULL;

	c->rc = catalog_open(&log, st->conf, file, node, &cat);
	if (c->rc == 0)
		c->rc = catalog_call(cat, words, -1, CATALOG_CALL_MS,
		    take_stat, st);
	/* a positive code is not an answer to this */
	if (c->rc == 0 && c->state[0] == '\0')
		c->rc = CM_EPROTO;
	if (c->rc != 0)
		set_why(c->why, strncmp(c->why, PREFIX, strlen(PREFIX)) == 0 ?
		    c->why + strlen(PREFIX) : c->why, c->rc);
	str_clean(c->state);
	str_clean(c->node);
	str_clean(c->leader);
	str_clean(c->witness);
	str_clean(c->vote);
	str_clean(c->alone);
	catalog_close(cat);
}

/* The only node is looked at where it is. */
static void
ask_here(struct status *st, const char *file, const char *node)
{
	struct node_status	*n = &st->node[0];
	struct log		 log = log_to(n->why);
	int64_t			 began = time_mono_ms();

	n->rc = load_gather(&log, st->conf, file, node, &n->load);
	n->ms = time_mono_ms() - began;
	if (n->rc != 0)
		set_why(n->why, n->why, n->rc);
	ask_catalog(st, file, node);
}

static void
ask_all(struct status *st, const char *file, const char *node)
{
	struct asking	 a = { .st = st };
	pthread_t	 t[THREADS_MAX];
	size_t		 n;

	if (st->nnodes == 1) {
		ask_here(st, file, node);
		return;
	}
	n = start_threads(&a, t);
	ask_catalog(st, file, node);
	if (n == 0)
		ask_thread(&a);
	while (n > 0)
		pthread_join(t[--n], NULL);
}

static const struct node_status *
find_node(const struct status *st, const char *name)
{
	for (size_t i = 0; i < st->nnodes; i++)
		if (strcmp(st->node[i].cn->name, name) == 0)
			return &st->node[i];
	return NULL;
}

static const struct load_place *
find_there(const struct load *l, const char *volume, int index)
{
	for (size_t i = 0; i < l->nplaces; i++)
		if (l->place[i].index == index &&
		    strcmp(l->place[i].volume, volume) == 0)
			return &l->place[i];
	return NULL;
}

static const struct mirror_lag *
find_lag(const struct load *l, const char *volume, const char *label)
{
	for (size_t i = 0; i < l->nlags; i++)
		if (strcmp(l->lag[i].label, label) == 0 &&
		    strcmp(l->lag[i].volume, volume) == 0)
			return &l->lag[i];
	return NULL;
}

static void
set_place(struct status *st, struct place_status *p,
    const struct conf_volume *cv, int index)
{
	const struct node_status *n, *home;

	p->cv = cv;
	p->index = index;
	p->node = index == -1 ? cv->home : cv->copies[index].node;
	copy_label(cv, index, p->label);
	n = find_node(st, p->node);
	home = find_node(st, cv->home);
	if (n != NULL && n->rc == 0)
		p->there = find_there(&n->load, cv->name, index);
	if (index != -1 && home != NULL && home->rc == 0)
		p->lag = find_lag(&home->load, cv->name, p->label);
}

static void
set_places(struct status *st)
{
	const struct conf	*conf = st->conf;

	for (size_t i = 0; i < conf->nvolumes; i++)
		for (int k = -1; k < (int)conf->volumes[i].ncopies; k++)
			set_place(st, &st->place[st->nplaces++],
			    &conf->volumes[i], k);
}

/* What the catalog has not indexed of a volume that has b bytes. */
static uint64_t
behind_of(const struct indexed *x, const struct load_place *p)
{
	uint64_t	 all = 0, tail = 0;

	/* a copy that it was read from may have been further */
	if (p->bytes > x->bytes)
		all = p->bytes - x->bytes;
	/* deleted segments may be in x->bytes yet */
	if (x->last == p->last && p->end > x->end)
		tail = p->end - x->end;
	else if (x->last < p->last)
		tail = p->end;
	return all > tail ? all : tail;
}

/* The home tells how far a volume goes; while it is away, the longest copy. */
static void
set_behind(struct status *st)
{
	const struct load_place	*p = NULL;
	const struct place_status *q;
	size_t			 v;

	for (size_t i = 0; i < st->nplaces; i++) {
		q = &st->place[i];
		if (q->index == -1)
			p = NULL;
		if (q->there != NULL && (p == NULL || (p->index != -1 &&
		    q->there->bytes > p->bytes)))
			p = q->there;
		if (p == NULL || q->index + 1 < (int)q->cv->ncopies)
			continue;
		v = (size_t)(q->cv - st->conf->volumes);
		st->catalog.behind += behind_of(&st->catalog.indexed[v], p);
	}
}

static int
allocate(struct status *st)
{
	size_t	 places = 0;

	for (size_t i = 0; i < st->conf->nvolumes; i++)
		places += 1 + st->conf->volumes[i].ncopies;
	st->nnodes = st->conf->nnodes;
	st->node = calloc(st->nnodes + 1, sizeof(*st->node));
	st->place = calloc(places + 1, sizeof(*st->place));
	st->catalog.indexed = calloc(st->conf->nvolumes + 1,
	    sizeof(*st->catalog.indexed));
	if (st->node == NULL || st->place == NULL ||
	    st->catalog.indexed == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < st->nnodes; i++)
		st->node[i].cn = &st->conf->nodes[i];
	return 0;
}

int
status_gather(const struct log *log, const struct conf *conf,
    const char *file, const char *node, struct status **out)
{
	struct status	*st;
	int		 rc = CM_ENOMEM;

	*out = NULL;
	if ((st = calloc(1, sizeof(*st))) == NULL)
		return log_fail(log, rc, "status");
	st->conf = conf;
	st->now_ms = time_now_ms();
	if ((rc = allocate(st)) != 0)
		goto out;
	ask_all(st, file, node);
	set_places(st);
	if (st->catalog.rc == 0)
		set_behind(st);
	rc = status_find(st);
out:
	if (rc != 0) {
		status_free(st);
		return log_fail(log, rc, "status");
	}
	*out = st;
	return 0;
}

void
status_free(struct status *st)
{
	if (st == NULL)
		return;
	for (size_t i = 0; i < st->nnodes && st->node != NULL; i++)
		load_free(&st->node[i].load);
	for (size_t i = 0; i < st->nproblems; i++)
		free(st->problem[i].text);
	free(st->problem);
	free(st->node);
	free(st->place);
	free(st->catalog.indexed);
	free(st);
}

bool
status_is_well(const struct status *st)
{
	return st->nwrong == 0;
}
