/* All names of a domain. */
#include <arpa/nameser.h>
#include <string.h>

#include "cluster/zone_int.h"

#define TYPES_MAX	64	/* of one name */

struct walk {
	const struct zone *z;
	const struct dns_name *domain;
	int		(*fn)(void *, const struct dns_name *, unsigned);
	void		*arg;
	unsigned	 type[TYPES_MAX];	/* of the name at hand */
	size_t		 n;
};

static void
add_type(struct walk *w, unsigned type)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->type[i] == type)
			return;
	if (w->n < TYPES_MAX)
		w->type[w->n++] = type;
}

static void
add_types(struct walk *w, const struct zone_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		switch (e[i].why) {
		case ZONE_GIVEN:
			add_type(w, e[i].type);
			break;
		case ZONE_HOST:
		case ZONE_ACCESS:
			add_type(w, ns_t_a);
			add_type(w, ns_t_aaaa);
			break;
		case ZONE_SERVICE:
			add_type(w, ns_t_srv);
			break;
		default:
			break;
		}
}

static int
one_name(struct walk *w, const struct dns_name *name)
{
	const struct zone_entry *e;
	size_t	 n, own = name->len - w->domain->len;
	int	 rc = 0;

	w->n = 0;
	if (own == 0) {
		add_type(w, ns_t_soa);
		add_type(w, ns_t_ns);
		add_type(w, ns_t_mx);
	}
	e = zone_entries(&w->z->relative, name->b, own, &n);
	add_types(w, e, n);
	e = zone_entries(&w->z->whole, name->b, name->len, &n);
	add_types(w, e, n);
	for (size_t i = 0; rc == 0 && i < w->n; i++)
		rc = w->fn(w->arg, name, w->type[i]);
	return rc;
}

static bool
is_same_key(const struct zone_entry *a, const struct zone_entry *b)
{
	return zone_key_cmp(a->key, a->len, b->key, b->len) == 0;
}

/* Each name once, but the domain's own. */
static int
relative_names(struct walk *w)
{
	const struct zone_table *t = &w->z->relative;
	struct dns_name	 name;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < t->n; i++) {
		if (t->v[i].len == 0 ||
		    (i > 0 && is_same_key(&t->v[i - 1], &t->v[i])))
			continue;
		/* too long here, or in a domain below this one */
		if (dns_join(&name, t->v[i].key, (size_t)t->v[i].len + 1,
		    w->domain->b, w->domain->len) != 0 ||
		    zone_domain(w->z, &name) != w->domain)
			continue;
		rc = one_name(w, &name);
	}
	return rc;
}

static int
whole_names(struct walk *w)
{
	const struct zone_table *t = &w->z->whole;
	struct dns_name	 name;
	size_t		 n;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < t->n; i++) {
		if (i > 0 && is_same_key(&t->v[i - 1], &t->v[i]))
			continue;
		name.len = t->v[i].len;
		memcpy(name.b, t->v[i].key, name.len);
		if (zone_domain(w->z, &name) != w->domain ||
		    name.len == w->domain->len)
			continue;
		(void)zone_entries(&w->z->relative, name.b,
		    name.len - w->domain->len, &n);
		if (n == 0)
			rc = one_name(w, &name);
	}
	return rc;
}

int
zone_walk(const struct zone *z, const struct dns_name *domain,
    int (*fn)(void *, const struct dns_name *, unsigned), void *arg)
{
	struct walk	 w = { .z = z, .fn = fn, .arg = arg };
	int		 rc;

	w.domain = zone_domain(z, domain);
	if (w.domain == NULL || w.domain->len != domain->len)
		return CM_ENOHOST;
	if ((rc = one_name(&w, w.domain)) != 0 ||
	    (rc = relative_names(&w)) != 0)
		return rc;
	return whole_names(&w);
}

int
zone_name(const struct zone *z, const struct dns_name *name,
    int (*fn)(void *, const struct dns_name *, unsigned), void *arg)
{
	struct walk	 w = { .z = z, .fn = fn, .arg = arg };

	w.domain = zone_domain(z, name);
	return w.domain == NULL ? CM_ENOHOST : one_name(&w, name);
}
