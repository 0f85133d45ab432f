/* Records of one name. */
#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cluster/zone_int.h"

#define SET_MAX		DNS_TCP_MAX
#define WEIGHT		1		/* of SRV records: there is one */
#define SOA_REFRESH	3600		/* nobody transfers these zones */
#define SOA_RETRY	600
#define SOA_EXPIRE	604800
#define PREF_STEP	10
#define HOSTMASTER	"hostmaster"

/* Why a name is there, in both tables. */
struct reasons {
	const struct zone_entry *v[2];
	size_t		 n[2];
	bool		 apex;		/* it is a domain's own */
};

struct finder {
	const struct zone *z;
	const struct choose *choose;
	const struct dns_name *name;	/* asked for */
	const struct dns_name *domain;
	struct zone_set	*set;
	unsigned	 type;
	int		 rc;
};

void
zone_set_init(struct zone_set *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->bytes, SET_MAX);
}

void
zone_set_free(struct zone_set *s)
{
	buf_free(&s->bytes);
	free(s->rr);
	zone_set_init(s);
}

const unsigned char *
zone_data(const struct zone_set *s, size_t i)
{
	return (const unsigned char *)s->bytes.p + s->rr[i].at;
}

/* A record whose data were added to the bytes from at on. */
static void
add_rr(struct finder *f, size_t at, size_t node)
{
	struct zone_set	*s = f->set;
	struct zone_rr	*rr;
	size_t		 room = s->room ? 2 * s->room : 8;

	if (f->rc == 0)
		f->rc = s->bytes.err;
	if (f->rc != 0)
		return;
	if (s->n == s->room) {
		rr = reallocarray(s->rr, room, sizeof(*rr));
		if (rr == NULL) {
			f->rc = CM_ENOMEM;
			return;
		}
		s->rr = rr;
		s->room = room;
	}
	s->rr[s->n++] = (struct zone_rr){ at, s->bytes.len - at,
	    (uint16_t)node };
	s->what = ZONE_DATA;
}

static void
add_u16(struct finder *f, unsigned v)
{
	unsigned char	 b[2];

	dns_put_u16(b, v);
	buf_add(&f->set->bytes, b, sizeof(b));
}

static void
add_u32(struct finder *f, uint32_t v)
{
	add_u16(f, v >> 16);
	add_u16(f, v & 0xffff);
}

/* A name below the domain. */
static void
add_below(struct finder *f, const char *text)
{
	struct dns_name	 n, whole;

	if (dns_name(&n, text, strlen(text)) != 0 || dns_join(&whole, n.b,
	    n.len, f->domain->b, f->domain->len) != 0)
		f->rc = CM_EDATA;
	else
		buf_add(&f->set->bytes, whole.b, whole.len);
}

/* Is the last record one that was there already?  RFC 2181 section 5. */
static bool
is_twice(const struct zone_set *s)
{
	size_t	 last = s->n - 1;

	for (size_t i = 0; i < last; i++)
		if (s->rr[i].len == s->rr[last].len && memcmp(zone_data(s, i),
		    zone_data(s, last), s->rr[i].len) == 0)
			return true;
	return false;
}

static void
add_given(struct finder *f, size_t index)
{
	const struct conf_record *u = &f->z->conf->dns.records[index];
	const char	*why;
	char		 text[DNS_TEXT_MAX];
	size_t		 at = f->set->bytes.len;
	int		 rc;

	if (f->rc != 0)
		return;
	rc = zone_given(u, f->set->type, f->domain, &f->set->bytes, &why);
	if (rc != 0 && rc != CM_ENOMEM) {
		dns_name_text(f->domain->b, text);
		log_fail(f->z->log, rc, "%s:%d: record \"%s\" in %s: %s",
		    f->z->conf->file, u->line, u->name, text, why);
	}
	f->rc = rc;
	/* of records with different TTLs the least, RFC 2181 section 5.2 */
	if (f->set->n == 0 || u->ttl < f->set->ttl)
		f->set->ttl = u->ttl;
	add_rr(f, at, 0);
	if (f->rc == 0 && is_twice(f->set))
		f->set->n--;
}

static void
add_addresses(struct finder *f, const struct conf_node *node, size_t index)
{
	size_t	 at;

	for (size_t i = 0; i < node->npublic; i++) {
		const struct conf_address *a = &node->public[i];
		bool	 v4 = conf_is_v4(a);

		if (v4 != (f->type == ns_t_a))
			continue;
		at = f->set->bytes.len;
		buf_add(&f->set->bytes, v4 ? a->b + 12 : a->b, v4 ? 4 : 16);
		add_rr(f, at, index);
	}
}

static bool
is_address(unsigned type)
{
	return type == ns_t_a || type == ns_t_aaaa;
}

static void
add_host(struct finder *f, size_t node)
{
	if (is_address(f->type))
		add_addresses(f, &f->z->conf->nodes[node], 0);
}

static void
add_access(struct finder *f)
{
	const struct choose *c = f->choose;

	if (!is_address(f->type))
		return;
	f->set->turn = ZONE_ADDRESSES;
	f->set->ttl = f->z->conf->dns.ttl;
	for (size_t i = 0; i < c->n; i++)
		add_addresses(f, c->node[i], i);
}

static void
add_service(struct finder *f, size_t index)
{
	size_t	 at = f->set->bytes.len;

	if (f->type != ns_t_srv)
		return;
	add_u16(f, 0);
	add_u16(f, WEIGHT);
	add_u16(f, zone_services[index].port);
	add_below(f, zone_service_access(f->z->conf, index));
	add_rr(f, at, 0);
}

static void
add_mx(struct finder *f)
{
	const struct choose *c = f->choose;
	const struct dns_name *host;
	size_t		 at;

	f->set->turn = ZONE_PREFS;
	f->set->ttl = f->z->conf->dns.ttl;
	for (size_t i = 0; i < c->n; i++) {
		host = &f->z->host[c->node[i] - f->z->conf->nodes];
		at = f->set->bytes.len;
		add_u16(f, PREF_STEP);
		buf_add(&f->set->bytes, host->b, host->len);
		add_rr(f, at, i);
	}
}

/* The i-th name server, or NULL behind the last one. */
static const struct dns_name *
name_server(const struct zone *z, size_t i, struct dns_name *room)
{
	const struct conf *c = z->conf;
	size_t	 k = 0;

	if (c->dns.nns > 0) {
		if (i >= c->dns.nns || dns_name(room, c->dns.ns[i],
		    strlen(c->dns.ns[i])) != 0)
			return NULL;
		return room;
	}
	for (size_t n = 0; n < c->nnodes && k < ZONE_NS_MAX; n++) {
		if (c->witness != NULL &&
		    strcmp(c->nodes[n].name, c->witness) == 0)
			continue;
		if (k++ == i)
			return &z->host[n];
	}
	return NULL;
}

static void
add_ns(struct finder *f)
{
	struct dns_name	 room;
	const struct dns_name *n;
	size_t		 at;

	for (size_t i = 0; (n = name_server(f->z, i, &room)) != NULL; i++) {
		at = f->set->bytes.len;
		buf_add(&f->set->bytes, n->b, n->len);
		add_rr(f, at, 0);
	}
}

/*
 * RFC 1035 section 8: dots in front of the @ are part of the label.  With a
 * domain that hostmaster does not go in front of, the root: nobody is named.
 */
static void
add_contact(struct finder *f)
{
	const char	*contact = f->z->conf->dns.contact, *at;
	struct dns_name	 n;
	size_t		 len;

	if (contact == NULL) {
		if (f->domain->len + sizeof(HOSTMASTER) > DNS_NAME_MAX)
			buf_addc(&f->set->bytes, '\0');
		else
			add_below(f, HOSTMASTER);
		return;
	}
	at = strchr(contact, '@');
	len = (size_t)(at - contact);
	buf_addc(&f->set->bytes, (char)len);
	buf_add(&f->set->bytes, contact, len);
	if (dns_name(&n, at + 1, strlen(at + 1)) != 0)
		f->rc = CM_EDATA;
	else
		buf_add(&f->set->bytes, n.b, n.len);
}

static void
add_soa(struct finder *f)
{
	struct dns_name	 room;
	const struct dns_name *n = name_server(f->z, 0, &room);
	size_t		 at = f->set->bytes.len;

	if (n == NULL)
		n = f->domain;
	buf_add(&f->set->bytes, n->b, n->len);
	add_contact(f);
	add_u32(f, f->z->serial);
	add_u32(f, SOA_REFRESH);
	add_u32(f, SOA_RETRY);
	add_u32(f, SOA_EXPIRE);
	add_u32(f, f->z->conf->dns.keep);	/* RFC 2308 section 4 */
	add_rr(f, at, 0);
}

/* What is made for a name, when the file gives nothing of that type. */
static void
add_made(struct finder *f, const struct reasons *w)
{
	bool	 is_host = false;

	if (w->apex && f->type == ns_t_mx)
		add_mx(f);
	if (w->apex && f->type == ns_t_ns)
		add_ns(f);
	if (w->apex && f->type == ns_t_soa)
		add_soa(f);
	/* a host has its addresses, and no others, also when it is called
	 * "smtp" */
	for (size_t i = 0; i < w->n[1]; i++)
		if (w->v[1][i].why == ZONE_HOST) {
			add_host(f, w->v[1][i].index);
			is_host = true;
		}
	if (is_host && is_address(f->type))
		return;
	for (size_t i = 0; i < w->n[0]; i++) {
		if (w->v[0][i].why == ZONE_ACCESS)
			add_access(f);
		if (w->v[0][i].why == ZONE_SERVICE)
			add_service(f, w->v[0][i].index);
	}
}

static size_t
add_type(struct finder *f, const struct reasons *w, unsigned type)
{
	f->set->type = type;
	for (size_t t = 0; t < 2; t++)
		for (size_t i = 0; i < w->n[t]; i++)
			if (w->v[t][i].why == ZONE_GIVEN &&
			    w->v[t][i].type == type)
				add_given(f, w->v[t][i].index);
	return f->set->n;
}

/* Why that name is there; false: it is not. */
static bool
look_up(const struct finder *f, const unsigned char *name, size_t len,
    struct reasons *w)
{
	size_t	 own = len - f->domain->len;

	w->v[0] = zone_entries(&f->z->relative, name, own, &w->n[0]);
	w->v[1] = zone_entries(&f->z->whole, name, len, &w->n[1]);
	w->apex = own == 0;
	return w->apex || w->n[0] > 0 || w->n[1] > 0;
}

/* RFC 4592: "*" below the nearest name above that is there. */
static bool
look_up_wild(const struct finder *f, struct reasons *w)
{
	const unsigned char *p = f->name->b;
	size_t		 len = f->name->len;
	struct dns_name	 wild;

	do {
		len -= (size_t)*p + 1;
		p += *p + 1;
	} while (!look_up(f, p, len, w));
	if (len + 2 > DNS_NAME_MAX)
		return false;
	wild.b[0] = 1;
	wild.b[1] = '*';
	memcpy(wild.b + 2, p, len);
	wild.len = len + 2;
	return look_up(f, wild.b, wild.len, w);
}

int
zone_find(const struct zone *z, const struct choose *choose,
    const struct dns_name *name, unsigned type, struct zone_set *set)
{
	struct finder	 f = { z, choose, name, zone_domain(z, name), set,
			    type, 0 };
	struct reasons	 w;

	set->what = ZONE_NOT_OURS;
	set->type = type;
	set->turn = ZONE_FIXED;
	set->ttl = z->conf->dns.keep;
	set->n = 0;
	set->wild = false;
	buf_reset(&set->bytes);
	if (f.domain == NULL)
		return 0;
	set->apex = name->len - f.domain->len;
	set->what = ZONE_NO_NAME;
	set->wild = !look_up(&f, name->b, name->len, &w);
	if (set->wild && !look_up_wild(&f, &w))
		return 0;
	set->what = ZONE_NO_DATA;
	if (add_type(&f, &w, type) > 0 || f.rc != 0 ||
	    add_type(&f, &w, ns_t_cname) > 0 || f.rc != 0)
		return f.rc;
	set->type = type;
	add_made(&f, &w);
	return f.rc;
}

unsigned
zone_pref(const struct choose *c, const uint16_t *order, size_t k)
{
	if (c->select == CONF_STATIC)
		return c->pref[order[k]];
	return (unsigned)(k + 1) * PREF_STEP;
}

/* Addresses in that order, those of a node side by side. */
static void
order_addresses(struct zone_set *s, const struct choose *c,
    const uint16_t *order)
{
	struct zone_rr	*old;
	size_t		 n = 0;

	if ((old = calloc(s->n + 1, sizeof(*old))) == NULL)
		return;		/* the order is a service, the answer counts */
	memcpy(old, s->rr, s->n * sizeof(*old));
	for (size_t k = 0; k < c->n; k++)
		for (size_t i = 0; i < s->n; i++)
			if (old[i].node == order[k])
				s->rr[n++] = old[i];
	free(old);
}

void
zone_set_turn(struct zone_set *s, const struct choose *c,
    const uint16_t *order)
{
	if (s->turn == ZONE_ADDRESSES)
		order_addresses(s, c, order);
	if (s->turn != ZONE_PREFS)
		return;
	for (size_t k = 0; k < c->n; k++)
		for (size_t i = 0; i < s->n; i++)
			if (s->rr[i].node == order[k])
				dns_put_u16((unsigned char *)s->bytes.p +
				    s->rr[i].at, zone_pref(c, order, k));
}
