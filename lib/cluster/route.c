#include "cluster/route_int.h"

#include <stdlib.h>
#include <string.h>

static bool
is_open_here(const struct conf *c, const struct conf_volume *v)
{
	return conf_is_home(c, v) && conf_takes_mail(c, v);
}

static bool
rule_fits(const struct conf_rule *u, uint64_t size, enum priority priority)
{
	return size >= u->min_size && size <= u->max_size &&
	    (u->any_priority || u->priority == priority);
}

/* The rule's volumes, each once, that are open, here or on other nodes. */
static size_t
from_rule(const struct conf *c, const struct conf_rule *u, bool here,
    struct candidate *out)
{
	const struct conf_volume *v;
	size_t			  n = 0, k;

	for (size_t i = 0; i < u->nvolumes && n < c->nvolumes; i++) {
		v = conf_volume(c, u->volumes[i], strlen(u->volumes[i]));
		if (v == NULL || !conf_takes_mail(c, v) ||
		    conf_is_home(c, v) != here)
			continue;
		for (k = 0; k < n && out[k].volume != v; k++)
			continue;
		if (k == n)
			out[n++].volume = v;
	}
	return n;
}

/* *slot: whose turns count. */
static size_t
collect(const struct conf *c, uint64_t size, enum priority priority,
    struct candidate *out, size_t *slot)
{
	size_t	 n;

	for (size_t i = 0; i < c->nrules; i++) {
		if (!rule_fits(&c->rules[i], size, priority))
			continue;
		if ((n = from_rule(c, &c->rules[i], true, out)) > 0) {
			*slot = i + 1;
			return n;
		}
	}
	n = 0;
	for (size_t i = 0; i < c->nvolumes; i++)
		if (is_open_here(c, &c->volumes[i]))
			out[n++].volume = &c->volumes[i];
	*slot = 0;
	return n;
}

/*
 * Volumes of other nodes: of the first rule that fits and names any that is
 * open, if none of these is here.
 */
static size_t
collect_away(const struct conf *c, uint64_t size, enum priority priority,
    struct candidate *out, size_t *slot)
{
	size_t	 n;

	for (size_t i = 0; i < c->nrules; i++) {
		if (!rule_fits(&c->rules[i], size, priority))
			continue;
		*slot = i + 1;
		if (from_rule(c, &c->rules[i], true, out) > 0)
			return 0;
		if ((n = from_rule(c, &c->rules[i], false, out)) > 0)
			return n;
	}
	return 0;
}

/* Is its home up, as far as is known?  A message is not to wait for it. */
static bool
is_up(const struct nodes *ns, const struct conf_volume *v)
{
	const struct nodes_node *n = nodes_find(ns, v->home, strlen(v->home));

	return n != NULL && !n->down && n->set != NODES_DOWN &&
	    !nodes_is_drained(n);
}

static void
add(struct route_pick *pick, const struct candidate *v, size_t n)
{
	for (size_t i = 0; i < n && i < ROUTE_MAX; i++)
		pick->volume[pick->n++] = v[i].volume;
}

static int
pick_away(const struct log *log, const struct conf *c, uint64_t size,
    enum priority priority, struct candidate *v, struct route_pick *pick)
{
	struct nodes	 ns;
	size_t		 all, n = 0, slot;
	int		 rc;

	if ((all = collect_away(c, size, priority, v, &slot)) == 0)
		return 0;
	/* quiet: for each message would be too often */
	if ((rc = nodes_load(NULL, c, &ns)) != 0)
		return rc == CM_ENOMEM ? log_fail(log, rc, "choosing a "
		    "volume") : 0;
	for (size_t i = 0; i < all; i++)
		if (is_up(&ns, v[i].volume))
			v[n++] = v[i];
	if ((rc = route_order(log, c, &ns, v, n, slot)) == 0)
		add(pick, v, n);
	nodes_free(&ns);
	return rc;
}

static int
pick_here(const struct log *log, const struct conf *c, uint64_t size,
    enum priority priority, struct candidate *v, struct route_pick *pick)
{
	size_t	 n, slot;
	int	 rc;

	if ((n = collect(c, size, priority, v, &slot)) == 0)
		return 0;
	if ((rc = route_order(log, c, NULL, v, n, slot)) == 0)
		add(pick, v, n);
	return rc;
}

int
route_select(const struct log *log, const struct conf *c, uint64_t size,
    enum priority priority, struct route_pick *pick)
{
	struct candidate *v;
	int		  rc;

	pick->n = 0;
	if ((v = calloc(c->nvolumes + 1, sizeof(*v))) == NULL)
		return log_fail(log, CM_ENOMEM, "choosing a volume");
	if ((rc = pick_away(log, c, size, priority, v, pick)) == 0)
		rc = pick_here(log, c, size, priority, v, pick);
	free(v);
	if (rc != 0)
		pick->n = 0;
	else if (pick->n == 0 && !c->node->drain)
		rc = log_fail(log, CM_EAWAY, "an open volume whose home is "
		    "node %s", c->self);
	return rc;
}
