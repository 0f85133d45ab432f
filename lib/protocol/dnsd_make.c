/* Answers made ahead, from the zones. */
#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/rr.h"
#include "base/str.h"
#include "protocol/dnsd_int.h"

#define CHAIN_MAX	8		/* names that a CNAME leads through */

struct maker {
	struct dnsd	*d;
	struct dnsd_answer *a;
	struct dns_writer w;
	size_t		 base;		/* where the body begins */
	struct zone_set	 set;
	struct dns_name	 owner;		/* whose records come next */
	struct dns_name	 chain[CHAIN_MAX];	/* owners of CNAMEs up to now */
	size_t		 nchain;
};

void
dnsd_answer_free(struct dnsd_answer *a)
{
	if (a == NULL)
		return;
	free(a->body);
	free(a->at);
	free(a->from);
	free(a->value);
	free(a);
}

/* Addresses of each node, as they are put into the places. */
static int
take_values(struct maker *m)
{
	struct dnsd_answer *a = m->a;
	size_t	 i = 0;

	a->size = m->set.type == ns_t_a ? 4 : 16;
	a->value = malloc(a->n * a->size + 1);
	a->from = calloc(m->d->view.choose.n + 1, sizeof(*a->from));
	if (a->value == NULL || a->from == NULL)
		return CM_ENOMEM;
	for (size_t node = 0; node < m->d->view.choose.n; node++) {
		a->from[node] = (uint16_t)i;
		for (; i < a->n && m->set.rr[i].node == node; i++)
			memcpy(a->value + i * a->size, zone_data(&m->set, i),
			    a->size);
	}
	a->from[m->d->view.choose.n] = (uint16_t)i;
	return 0;
}

/* The set's records become the end of the answer section. */
static int
add_set(struct maker *m)
{
	struct dnsd_answer *a = m->a;
	size_t	 at;
	bool	 turns = m->set.turn != ZONE_FIXED;

	if (turns) {
		a->turn = m->set.turn;
		a->n = m->set.n;
		if ((a->at = calloc(a->n + 1, sizeof(*a->at))) == NULL)
			return CM_ENOMEM;
		a->counter = zoneview_counter(&m->d->view, &m->owner,
		    m->set.type);
	}
	for (size_t i = 0; i < m->set.n; i++) {
		at = dns_add_record(&m->w, m->owner.b, m->set.type,
		    m->set.ttl, zone_data(&m->set, i), m->set.rr[i].len);
		if (turns)
			a->at[i] = (uint16_t)(at - m->base);
	}
	a->count[0] += (unsigned)m->set.n;
	return a->turn == ZONE_ADDRESSES && turns ? take_values(m) : 0;
}

static int
find(struct maker *m, const struct dns_name *name, unsigned type)
{
	return zone_find(m->d->view.zone, &m->d->view.choose, name, type,
	    &m->set);
}

/* RFC 2308 section 3: what is not there says for how long. */
static int
add_soa(struct maker *m)
{
	struct dns_name	 apex;
	int		 rc;

	apex.len = m->owner.len - m->set.apex;
	memcpy(apex.b, m->owner.b + m->set.apex, apex.len);
	rc = find(m, &apex, ns_t_soa);
	if (rc != 0 || m->set.n == 0)
		return rc;
	dns_add_record(&m->w, apex.b, ns_t_soa, m->set.ttl,
	    zone_data(&m->set, 0), m->set.rr[0].len);
	m->a->count[1]++;
	return 0;
}

/* RFC 8482 section 4.2: one record for all. */
static void
add_hinfo(struct maker *m)
{
	dns_add_record(&m->w, m->owner.b, ns_t_hinfo, m->d->conf->dns.keep,
	    (const unsigned char *)"\7RFC8482", 9);
	m->a->count[0]++;
}

static void
lower(struct dns_name *n, const unsigned char *wire, size_t len)
{
	n->len = len;
	for (size_t i = 0; i < len; i++)
		n->b[i] = (unsigned char)str_lower((char)wire[i]);
}

/* The name that a CNAME leads to becomes the owner; false: it was one. */
static bool
follow(struct maker *m)
{
	m->chain[m->nchain++] = m->owner;
	lower(&m->owner, zone_data(&m->set, 0), m->set.rr[0].len);
	for (size_t i = 0; i < m->nchain; i++)
		if (m->chain[i].len == m->owner.len && memcmp(m->chain[i].b,
		    m->owner.b, m->owner.len) == 0)
			return false;
	return m->nchain < CHAIN_MAX;
}

/* What there is of a name; *more: it is another name, now the owner. */
static int
add_name(struct maker *m, bool first, bool *more)
{
	struct dnsd_answer *a = m->a;
	unsigned	 type = a->type;
	int		 rc;

	*more = false;
	if ((rc = find(m, &m->owner, type)) != 0)
		return rc;
	a->keep &= !m->set.wild;
	switch (m->set.what) {
	case ZONE_NOT_OURS:
		if (first) {
			a->code = ns_r_refused;
			a->authority = a->keep = false;
		}
		return 0;
	case ZONE_NO_NAME:
		a->code = ns_r_nxdomain;
		return add_soa(m);
	case ZONE_NO_DATA:
		if (type != ns_t_any)
			return add_soa(m);
		add_hinfo(m);
		return 0;
	case ZONE_DATA:
		break;
	}
	if ((rc = add_set(m)) != 0)
		return rc;
	/* a CNAME is an answer to ANY itself, RFC 1034 section 4.3.2 */
	if (m->set.type == ns_t_cname && type != ns_t_cname &&
	    type != ns_t_any)
		*more = follow(m);
	return 0;
}

/* Addresses of a host that an answer names, if they are always the same. */
static int
add_host(struct maker *m, const struct dns_name *host)
{
	static const unsigned types[] = { ns_t_a, ns_t_aaaa };
	int	 rc;

	for (size_t t = 0; t < 2; t++) {
		rc = find(m, host, types[t]);
		if (rc != 0)
			return rc;
		if (m->set.turn != ZONE_FIXED || m->set.type != types[t])
			continue;
		for (size_t i = 0; i < m->set.n; i++)
			dns_add_record(&m->w, host->b, types[t], m->set.ttl,
			    zone_data(&m->set, i), m->set.rr[i].len);
		m->a->count[2] += (unsigned)m->set.n;
	}
	return 0;
}

/* Does a record before that one name the same host? */
static bool
was_named(const struct zone_set *s, size_t before, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (s->rr[k].len == s->rr[i].len && memcmp(zone_data(s, k) +
		    before, zone_data(s, i) + before, s->rr[i].len -
		    before) == 0)
			return true;
	return false;
}

static int
add_additional(struct maker *m)
{
	struct zone_set	 from = m->set;
	struct dns_name	 host;
	size_t		 before = from.type == ns_t_mx ? 2 : 0;
	int		 rc = 0;

	if (from.what != ZONE_DATA ||
	    (from.type != ns_t_mx && from.type != ns_t_ns))
		return 0;
	zone_set_init(&m->set);
	for (size_t i = 0; rc == 0 && i < from.n; i++) {
		if (was_named(&from, before, i))
			continue;
		lower(&host, zone_data(&from, i) + before,
		    from.rr[i].len - before);
		rc = add_host(m, &host);
	}
	zone_set_free(&from);
	return rc;
}

static int
make(struct maker *m)
{
	struct dnsd_answer *a = m->a;
	bool	 more = true;
	int	 rc = 0;

	while (rc == 0 && more)
		rc = add_name(m, m->nchain == 0, &more);
	if (rc != 0 || m->w.full)
		return rc != 0 ? rc : CM_ETOOBIG;
	a->len = m->w.len - m->base;
	a->negative = a->code != ns_r_noerror || a->count[0] == 0;
	if ((rc = add_additional(m)) != 0)
		return rc;
	/* without room for it, it is left out */
	if (m->w.full)
		a->count[2] = 0;
	a->all = m->w.full ? a->len : m->w.len - m->base;
	if ((a->body = malloc(a->all + 1)) == NULL)
		return CM_ENOMEM;
	memcpy(a->body, m->w.p + m->base, a->all);
	a->memory = sizeof(*a) + a->all + a->n * (sizeof(*a->at) + a->size) +
	    m->d->view.choose.n * sizeof(*a->from);
	return 0;
}

static struct dnsd_answer *
begin(const struct dns_name *name, unsigned type)
{
	struct dnsd_answer *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->name = *name;
	a->type = type;
	a->authority = a->keep = true;
	a->memory = sizeof(*a);
	return a;
}

/* What cannot be said is not tried again with each question. */
static int
fail(struct maker *m, int why)
{
	struct dnsd_answer *a = begin(&m->a->name, m->a->type);
	char	 text[DNS_TEXT_MAX], t[RR_TYPE_MAX];

	if (a == NULL)
		return CM_ENOMEM;
	a->code = ns_r_servfail;
	a->authority = false;
	a->negative = true;
	a->keep = m->a->keep;
	dns_name_text(a->name.b, text);
	rr_type_text(a->type, t);
	if (a->keep)
		log_fail(m->d->log, why, "%s %s cannot be answered", text, t);
	dnsd_answer_free(m->a);
	m->a = a;
	return 0;
}

int
dnsd_make(struct dnsd *d, const struct dns_name *name, unsigned type,
    struct dnsd_answer **out)
{
	struct maker	 m = { .d = d, .owner = *name };
	unsigned char	*p;
	int		 rc = CM_ENOMEM;

	*out = NULL;
	m.base = DNS_HEADER + name->len + 4;
	zone_set_init(&m.set);
	p = malloc(DNS_TCP_MAX);
	m.a = begin(name, type);
	if (p != NULL && m.a != NULL) {
		memcpy(p + DNS_HEADER, name->b, name->len);
		/* with room for OPT */
		dns_writer(&m.w, p, m.base, DNS_TCP_MAX - DNS_OPT_MAX);
		rc = make(&m);
		if (rc != 0 && rc != CM_ENOMEM)
			rc = fail(&m, rc);
	}
	zone_set_free(&m.set);
	free(p);
	if (rc != 0)
		dnsd_answer_free(m.a);
	else
		*out = m.a;
	return rc;
}
