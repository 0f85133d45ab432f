/* What is wrong, and what is worth a look. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/status_int.h"

#define NOTE_FREE	5	/* percent of a disk that is left */
#define WRONG_FREE	1
#define FINDINGS	3	/* of a node's check that are shown */

/* Adds a problem; what it is about gets at least its level. */
__attribute__((format(printf, 4, 5)))
static int
add(struct status *st, enum level level, enum level *about, const char *fmt,
    ...)
{
	struct problem	*p;
	va_list		 ap;
	int		 n;

	if (*about < level)
		*about = level;
	p = reallocarray(st->problem, st->nproblems + 1, sizeof(*p));
	if (p == NULL)
		return CM_ENOMEM;
	st->problem = p;
	va_start(ap, fmt);
	n = vasprintf(&p[st->nproblems].text, fmt, ap);
	va_end(ap);
	if (n == -1)
		return CM_ENOMEM;
	p[st->nproblems].level = level;
	p[st->nproblems].nr = st->nproblems;
	st->nproblems++;
	st->nwrong += level == LEVEL_WRONG;
	return 0;
}

static int
look_at_disk(struct status *st, struct node_status *n,
    const struct load_disk *d)
{
	char	 left[STATUS_SIZE];

	if (d->total == 0 || d->free / NOTE_FREE >= d->total / 100)
		return 0;
	words_size(left, d->free);
	return add(st, d->free < d->total / 100 * WRONG_FREE ? LEVEL_WRONG :
	    LEVEL_NOTE, &n->level, "node %s: only %s free on the disk of %s",
	    n->cn->name, left, d->holds);
}

static int
look_at_spool(struct status *st, struct node_status *n,
    const struct load_spool *s)
{
	if (s->failed == 0)
		return 0;
	return add(st, LEVEL_NOTE, &n->level, "node %s: %llu %s in spool/%s/"
	    "failed: see why, then move or remove", n->cn->name,
	    (unsigned long long)s->failed, s->failed == 1 ? "file" : "files",
	    s->name);
}

static int
look_at_scrub(struct status *st, struct node_status *n)
{
	const struct load_scrub	*s = &n->load.scrub;
	size_t			 told = 0;
	int			 rc = 0;

	/* which of them were repaired is not known here */
	for (; rc == 0 && s->left == s->found && told < s->nfindings &&
	    told < FINDINGS; told++)
		rc = add(st, LEVEL_WRONG, &n->level, "node %s: the last check "
		    "found: %s", n->cn->name, s->finding[told]);
	if (rc != 0 || s->left <= told)
		return rc;
	return add(st, LEVEL_WRONG, &n->level, "node %s: the last check left "
	    "%llu %swrong: cm-rebuild check -r", n->cn->name,
	    (unsigned long long)(s->left - told), told > 0 ? "more " : "");
}

/* What an admin said of it, as far as it knows itself. */
static int
look_at_set(struct status *st, struct node_status *n)
{
	const struct load_set	*s;

	for (size_t i = 0; i < n->load.nsets; i++) {
		s = &n->load.set[i];
		if (s->said.set == NODES_UP ||
		    strcmp(s->node, n->cn->name) != 0)
			continue;
		return add(st, LEVEL_NOTE, &n->level, "node %s is set to %s: "
		    "it gets no new clients (cm-route set %s up)",
		    n->cn->name, nodes_set_word(s->said.set), n->cn->name);
	}
	return 0;
}

static int
look_at_node(struct status *st, struct node_status *n)
{
	int	 rc = 0;

	if (n->rc != 0)
		return add(st, LEVEL_WRONG, &n->level,
		    "node %s does not answer: %s", n->cn->name, n->why);
	for (size_t i = 0; rc == 0 && i < n->load.ndisks; i++)
		rc = look_at_disk(st, n, &n->load.disk[i]);
	for (size_t i = 0; rc == 0 && i < n->load.nspools; i++)
		rc = look_at_spool(st, n, &n->load.spool[i]);
	if (rc == 0)
		rc = look_at_set(st, n);
	return rc != 0 ? rc : look_at_scrub(st, n);
}

/* Is a copy there, and of a newer home? */
static bool
any_copy(const struct status *st, const struct place_status *home,
    uint32_t over_epoch)
{
	const struct place_status *end = st->place + st->nplaces;

	for (const struct place_status *p = home + 1;
	    p < end && p->cv == home->cv; p++)
		if (p->there != NULL && p->there->epoch > over_epoch)
			return true;
	return false;
}

static int
look_at_home(struct status *st, struct place_status *p)
{
	const char	*name = p->cv->name;

	if (p->there == NULL) {
		p->level = LEVEL_WRONG;	/* as its node */
		return 0;
	}
	if (p->there->epoch == 0 && any_copy(st, p, 0))
		return add(st, LEVEL_WRONG, &p->level, "volume %s: its home "
		    "on %s is gone: cm-rebuild volume %s there", name,
		    p->node, name);
	if (p->there->old || any_copy(st, p, p->there->epoch))
		return add(st, LEVEL_WRONG, &p->level, "volume %s: its home "
		    "on %s is an old one, a newer was made elsewhere: "
		    "cm-rebuild volume %s", name, p->node, name);
	return 0;
}

static int
look_at_lag(struct status *st, struct place_status *p)
{
	const struct mirror_lag	*g = p->lag;
	char			 bytes[STATUS_SIZE], span[STATUS_SIZE];

	words_size(bytes, g->bytes);
	words_span(span, (uint64_t)g->ms / 1000);
	if (g->bytes > 0 && g->ms > STATUS_LAG_S * 1000)
		return add(st, LEVEL_WRONG, &p->level, "volume %s: the copy "
		    "on %s is %s behind, for %s", p->cv->name, p->label,
		    bytes, span);
	/* its node's own line says it when that is down */
	if (!g->up && p->there != NULL)
		return add(st, LEVEL_NOTE, &p->level, "volume %s: %s cannot "
		    "send to the copy on %s", p->cv->name, p->cv->home,
		    p->label);
	return 0;
}

static int
look_at_copy(struct status *st, struct place_status *p,
    const struct place_status *home)
{
	if (p->there == NULL)
		p->level = LEVEL_WRONG;	/* as its node */
	if (p->lag != NULL)
		return look_at_lag(st, p);
	if (home->there == NULL || home->there->epoch == 0 ||
	    home->there->old)
		return 0;
	return add(st, LEVEL_WRONG, &p->level, "volume %s: nobody on %s "
	    "knows how far the copy on %s is: see run/mirror-%s.log there",
	    p->cv->name, home->node, p->label, p->cv->name);
}

static int
look_at_places(struct status *st)
{
	struct place_status	*home = st->place;
	int			 rc = 0;

	for (size_t i = 0; rc == 0 && i < st->nplaces; i++)
		if (st->place[i].index == -1) {
			home = &st->place[i];
			rc = look_at_home(st, home);
		} else {
			rc = look_at_copy(st, &st->place[i], home);
		}
	return rc;
}

static int
look_at_catalog(struct status *st)
{
	struct catalog_status	*c = &st->catalog;
	int			 rc;

	if (c->rc != 0)
		return add(st, LEVEL_WRONG, &c->level,
		    "the catalog does not answer: %s", c->why);
	if (strcmp(c->leader, "-") == 0 && c->newest[0] != '\0' &&
	    strcmp(c->newest, "-") != 0)
		return add(st, LEVEL_WRONG, &c->level, "no node leads the "
		    "catalog: node %s alone has the newest of it, and is "
		    "waited for (cm-catalog stat)", c->newest);
	if (strcmp(c->leader, "-") == 0)
		return add(st, LEVEL_WRONG, &c->level, "no node leads the "
		    "catalog: nothing is listed or changed (cm-catalog stat)");
	if (c->alone[0] != '\0' && (rc = add(st, LEVEL_NOTE, &c->level,
	    "the catalog is led by %.*s without the other node: what changes "
	    "is on one disk", (int)strcspn(c->alone, "\t"), c->alone)) != 0)
		return rc;
	if (c->witness[0] != '\0' && strcmp(c->vote, "here") != 0)
		return add(st, LEVEL_NOTE, &c->level, "the catalog's witness "
		    "%s %s: when a node fails too, nothing is changed",
		    c->witness, strcmp(c->vote, "new") == 0 ?
		    "waits for both nodes" : "is away");
	if (strcmp(c->state, "being built") == 0)
		return add(st, LEVEL_NOTE, &c->level,
		    "the catalog is being built");
	if (strcmp(c->state, "coming in") == 0)
		return add(st, LEVEL_NOTE, &c->level, "node %s is being "
		    "brought the catalog", c->node);
	if (strcmp(c->state, "ok") != 0)
		return add(st, LEVEL_WRONG, &c->level,
		    "the catalog is %s: cm-rebuild catalog", c->state);
	if (c->gaps > 0)
		return add(st, LEVEL_WRONG, &c->level, "the catalog has %llu "
		    "%s that cannot be read: cm-rebuild check -r",
		    (unsigned long long)c->gaps, c->gaps == 1 ?
		    "stretch of a volume" : "stretches of volumes");
	return 0;
}

/* The worst first, and then as they were found. */
static int
by_level(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	return x->nr < y->nr ? -1 : 1;
}

int
status_find(struct status *st)
{
	int	 rc;

	if ((rc = look_at_catalog(st)) != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < st->nnodes; i++)
		rc = look_at_node(st, &st->node[i]);
	if (rc == 0 && (rc = look_at_places(st)) == 0 && st->nproblems > 0)
		qsort(st->problem, st->nproblems, sizeof(*st->problem),
		    by_level);
	return rc;
}
