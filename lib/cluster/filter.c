#include "cluster/filter_int.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/turns.h"

#define FIELDS_MAX	65536
#define GROWTH		(1u << 20)	/* of a message whose parts change */

void
filter_verdict_init(struct filter_verdict *v, const struct conf *c)
{
	memset(v, 0, sizeof(*v));
	buf_init(&v->fields, FIELDS_MAX);
	buf_init(&v->changed, (size_t)c->max_size + GROWTH);
}

void
filter_verdict_free(struct filter_verdict *v)
{
	buf_free(&v->fields);
	buf_free(&v->changed);
}

struct filters {
	const struct conf *conf;
	struct turns	*turns;		/* counters by name */
};

/* What can come of a question; first those of enum filter_action. */
static const char *const results[] = {
	[FILTER_PASS] = "pass", [FILTER_JUNK] = "junk",
	[FILTER_DISCARD] = "discard", [FILTER_QUARANTINE] = "quarantine",
	[FILTER_DEFER] = "defer", [FILTER_REJECT] = "reject",
	"marked", "away", "too-large"
};
#define NRESULTS	(sizeof(results) / sizeof(results[0]))
#define MARKED		(NRESULTS - 3)
#define AWAY		(NRESULTS - 2)
#define TOO_LARGE	(NRESULTS - 1)

int
filters_open(const struct log *log, const struct conf *c,
    struct filters **out)
{
	struct filters	*f;
	int		 rc;

	*out = NULL;
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return log_fail(log, CM_ENOMEM, "filters");
	f->conf = c;
	if ((rc = turns_open(log, c, &f->turns)) != 0) {
		free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void
filters_close(struct filters *f)
{
	if (f == NULL)
		return;
	turns_close(f->turns);
	free(f);
}

static _Atomic uint64_t *
counter(struct turns *t, const struct conf_filter *f, size_t result)
{
	char	 key[CONF_NAME_MAX + 32];

	if (str_fmt(key, sizeof(key), "filter %s %s", f->name,
	    results[result]) != 0)
		key[0] = '\0';
	return turns_counter(t, key, strlen(key));
}

void
filter_metrics(const struct log *log, const struct conf *c, struct buf *b)
{
	struct turns	*t;

	if (c->nfilters == 0 || turns_open(log, c, &t) != 0)
		return;
	buf_adds(b, "# TYPE clustermail_filter_total counter\n");
	for (size_t i = 0; i < c->nfilters; i++)
		for (size_t k = 0; k < NRESULTS; k++)
			buf_addf(b, "clustermail_filter_total{filter=\"%s\","
			    "result=\"%s\"} %llu\n", c->filters[i].name,
			    results[k], (unsigned long long)
			    atomic_load(counter(t, &c->filters[i], k)));
	turns_close(t);
}

/* One line for each finding. */
static void
note(const struct filter_ask *a, const char *what)
{
	const struct span *to = &a->msg->rcpts;
	size_t	 first = to->len > 0 ? strcspn(to->p, "\n") : 0;

	log_info(a->log, "filter id=%s filter=%s action=%s finding=\"%s\" "
	    "from=<%s> to=<%.*s>%s size=%zu client=%s", a->msg->id,
	    a->conf->name, what, a->v->text, a->msg->sender,
	    (int)first, to->len > 0 ? to->p : "", first + 1 < to->len ?
	    ",..." : "", a->msg->len, a->msg->client[0] ? a->msg->client : "-");
}

/* It could not be asked: the message waits, or passes and says so. */
static void
miss(struct filter_ask *a, int rc)
{
	struct filter_verdict *v = a->v;

	log_warn(a->log, "filter id=%s filter=%s: %s%s%s", a->msg->id,
	    a->conf->name, cm_strerror(rc), a->why[0] ? ": " : "", a->why);
	if (a->conf->accept_away) {
		buf_addf(&v->fields, FILTER_FIELD ": %s; unavailable\r\n",
		    a->conf->name);
		v->action = FILTER_PASS;
		return;
	}
	v->action = FILTER_DEFER;
}

/* What came of it: one of results. */
static int
ask_one(struct filter_ask *a, size_t *result)
{
	struct filter_verdict *v = a->v;
	size_t	 fields = v->fields.len;
	int	 rc;

	if (a->now.len > a->conf->max_size) {
		*result = TOO_LARGE;
		note(a, results[TOO_LARGE]);
		return buf_addf(&v->fields, FILTER_FIELD ": %s; too-large\r\n",
		    a->conf->name);
	}
	rc = a->conf->kind == CONF_CLAMD ? filter_clamd(a) : filter_program(a);
	if (rc == CM_ENOMEM)
		return log_fail(a->log, rc, "filter %s", a->conf->name);
	*result = v->action;
	if (rc != 0) {
		*result = AWAY;
		miss(a, rc);
	} else if (v->action == FILTER_PASS && v->fields.len > fields)
		*result = MARKED;
	if (rc == 0 && *result != FILTER_PASS)
		note(a, results[*result]);
	return v->fields.err;
}

int
filter_run(struct filters *f, const struct log *log,
    const struct filter_msg *m, struct filter_verdict *v)
{
	struct filter_ask a = { .log = log, .msg = m, .v = v };
	size_t	 result = FILTER_PASS;
	int	 rc = 0;

	for (size_t i = 0; rc == 0 && i < f->conf->nfilters; i++) {
		a.conf = &f->conf->filters[i];
		a.why[0] = v->text[0] = '\0';
		a.now = v->changed.len > 0 ?
		    (struct span){ v->changed.p, v->changed.len } :
		    (struct span){ m->p, m->len };
		if ((rc = ask_one(&a, &result)) != 0)
			break;
		atomic_fetch_add(counter(f->turns, a.conf, result), 1);
		if (v->action != FILTER_PASS) {
			rc = str_copy(v->by, sizeof(v->by), a.conf->name);
			break;
		}
	}
	return rc;
}
