#include "cluster/filter_int.h"

#include <string.h>

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

const char *
filter_action_word(enum filter_action a)
{
	static const char *const words[] = {
		[FILTER_PASS] = "pass", [FILTER_JUNK] = "junk",
		[FILTER_DISCARD] = "discard",
		[FILTER_QUARANTINE] = "quarantine",
		[FILTER_DEFER] = "defer", [FILTER_REJECT] = "reject"
	};

	return words[a];
}

/* One line for each finding. */
static void
note(const struct filter_ask *a, const char *what)
{
	log_info(a->log, "filter id=%s filter=%s action=%s finding=\"%s\" "
	    "from=<%s> to=<%.*s>%s size=%zu client=%s", a->msg->id,
	    a->conf->name, what, a->v->text, a->msg->sender,
	    (int)strcspn(a->msg->rcpts.p, "\n"), a->msg->rcpts.p,
	    memchr(a->msg->rcpts.p, '\n', a->msg->rcpts.len) != NULL ? ",..." :
	    "", a->msg->len, a->msg->client[0] ? a->msg->client : "-");
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
	if (str_fmt(v->text, sizeof(v->text), "%s cannot be asked now",
	    a->conf->name) != 0)
		v->text[0] = '\0';
}

/* A larger one than it takes. */
static bool
is_too_large(struct filter_ask *a)
{
	if (a->now.len <= a->conf->max_size)
		return false;
	buf_addf(&a->v->fields, FILTER_FIELD ": %s; too-large\r\n",
	    a->conf->name);
	note(a, "too-large");
	return true;
}

static int
ask_one(struct filter_ask *a)
{
	struct filter_verdict *v = a->v;
	size_t	 fields = v->fields.len;
	int	 rc;

	if (is_too_large(a))
		return 0;
	rc = a->conf->kind == CONF_CLAMD ? filter_clamd(a) : filter_program(a);
	if (rc == CM_ENOMEM)
		return log_fail(a->log, rc, "filter %s", a->conf->name);
	if (rc != 0)
		miss(a, rc);
	else if (v->action != FILTER_PASS || v->fields.len > fields)
		note(a, filter_action_word(v->action));
	return v->fields.err;
}

int
filter_run(const struct log *log, const struct conf *c,
    const struct filter_msg *m, struct filter_verdict *v)
{
	struct filter_ask a = { .log = log, .msg = m, .v = v };
	int	 rc = 0;

	for (size_t i = 0; rc == 0 && i < c->nfilters; i++) {
		a.conf = &c->filters[i];
		a.why[0] = v->text[0] = '\0';
		a.now = v->changed.len > 0 ?
		    (struct span){ v->changed.p, v->changed.len } :
		    (struct span){ m->p, m->len };
		rc = ask_one(&a);
		if (v->action != FILTER_PASS) {
			if (str_copy(v->by, sizeof(v->by), a.conf->name) != 0)
				v->by[0] = '\0';
			break;
		}
	}
	return rc;
}
