/* A virus scanner; what is infected can be taken out of a message. */
#include <stdlib.h>
#include <string.h>

#include "adapter/clamd.h"
#include "base/time.h"
#include "cluster/filter_int.h"
#include "format/disarm.h"
#include "format/transfer.h"

#define PARTS_MAX	200		/* looked at one by one */

struct scan {
	struct filter_ask *a;
	struct clamd	 where;
	int64_t		 deadline;	/* of all questions */
	char		 said[CLAMD_TEXT];
};

/* Mail is what begins like mail: clamd looks at its first bytes. */
#define IS_MAIL	"Received: by cm-scan\r\n"

static int
ask(struct scan *s, const char *before, const void *p, size_t len,
    bool *infected)
{
	int	 rc = clamd_ask(&s->where, before, p, len, s->deadline,
		    infected, s->said);

	if (rc != 0 && str_copy(s->a->why, sizeof(s->a->why), s->said) != 0)
		s->a->why[0] = '\0';
	return rc;
}

/* A part as whoever opens it has it. */
static int
ask_part(struct scan *s, const struct mime_part *p, bool *infected)
{
	const char	*m = s->a->now.p;
	struct span	 header = { m + p->header, p->body - p->header };
	struct span	 body = { m + p->body, p->end - p->body };
	struct buf	 b;
	int		 rc;

	buf_init(&b, body.len + 1);
	if ((rc = transfer_decode(transfer_of(header), body, &b)) == 0)
		rc = ask(s, NULL, b.p, b.len, infected);
	buf_free(&b);
	return rc;
}

/* Which leaves are infected; *n: how many. */
static int
find(struct scan *s, const struct mime_tree *t, bool *bad, size_t *n)
{
	size_t	 looked = 0;
	int	 rc = 0;

	*n = 0;
	for (size_t i = 0; rc == 0 && i < t->n; i++) {
		if (t->parts[i].kind != MIME_LEAF)
			continue;
		if (++looked > PARTS_MAX)
			return CM_ETOOBIG;
		rc = ask_part(s, &t->parts[i], &bad[i]);
		*n += bad[i];
	}
	return rc;
}

static int
replace(struct scan *s, const struct mime_tree *t, const bool *bad,
    struct buf *out)
{
	char	 text[CLAMD_TEXT + 200];
	int	 rc;

	if ((rc = str_fmt(text, sizeof(text), "A part of this message was "
	    "removed, since it was infected:\r\n%s\r\n",
	    s->a->v->text)) != 0)
		return rc;
	return disarm(s->a->now.p, s->a->now.len, t, bad, text, out);
}

/*
 * Takes out what is infected.  CM_EDATA: that cannot be done, or something is
 * left.
 */
static int
clean(struct scan *s, const struct mime_tree *t, struct buf *out)
{
	bool	*bad = calloc(t->n + 1, sizeof(*bad)), infected = false;
	size_t	 n = 0;
	int	 rc;

	if (bad == NULL)
		return CM_ENOMEM;
	if ((rc = find(s, t, bad, &n)) == 0)
		rc = n == 0 ? CM_EDATA : replace(s, t, bad, out);
	free(bad);
	if (rc == 0)
		rc = ask(s, IS_MAIL, out->p, out->len, &infected);
	return rc == 0 && infected ? CM_EDATA : rc;
}

static int
try_to_clean(struct scan *s)
{
	struct filter_verdict *v = s->a->v;
	struct mime_tree t;
	struct buf	 out;
	int		 rc;

	buf_init(&out, v->changed.max);
	if ((rc = mime_scan(s->a->now.p, s->a->now.len, &t)) != 0)
		return rc;
	rc = clean(s, &t, &out);
	mime_free(&t);
	if (rc == 0) {
		/* the old one is what was scanned until now */
		buf_free(&v->changed);
		v->changed = out;
		v->action = FILTER_PASS;
		return buf_addf(&v->fields, FILTER_FIELD ": %s; removed=%s"
		    "\r\n", s->a->conf->name, v->text);
	}
	buf_free(&out);
	return rc == CM_ENOMEM ? rc : 0;
}

int
filter_clamd(struct filter_ask *a)
{
	struct scan	 s = { .a = a, .where = { a->conf->socket,
			    a->conf->host, a->conf->port } };
	bool		 infected = false;
	int		 rc;

	s.deadline = time_mono_ms() + a->conf->timeout_ms;
	rc = ask(&s, IS_MAIL, a->now.p, a->now.len, &infected);
	if (rc != 0 || !infected)
		return rc;
	a->v->action = FILTER_QUARANTINE;
	if (str_copy(a->v->text, sizeof(a->v->text), s.said) != 0)
		a->v->text[0] = '\0';
	return a->conf->disarm ? try_to_clean(&s) : 0;
}
