/* The names of the cluster's domains, made from the configuration. */
#include "cluster/zone.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "adapter/rr.h"
#include "base/time.h"
#include "cluster/zone_int.h"

#define TEXT_MAX	255	/* bytes of one string of TXT */

const struct zone_service zone_services[] = {
	{ "_submission._tcp", { "submission", "smtp" }, 587 },
	{ "_submissions._tcp", { "submission", "smtp" }, 465 },
	{ "_imap._tcp", { "imap", NULL }, 143 },
	{ "_imaps._tcp", { "imap", NULL }, 993 },
	{ "_pop3._tcp", { "pop", "pop3" }, 110 },
	{ "_pop3s._tcp", { "pop", "pop3" }, 995 },
};
const size_t zone_nservices = sizeof(zone_services) / sizeof(zone_services[0]);

int
zone_key_cmp(const unsigned char *a, size_t alen, const unsigned char *b,
    size_t blen)
{
	if (alen != blen)
		return alen < blen ? -1 : 1;
	return memcmp(a, b, alen);
}

const char *
zone_service_access(const struct conf *c, size_t service)
{
	const char	*want;

	for (size_t k = 0; k < 2; k++) {
		if ((want = zone_services[service].access[k]) == NULL)
			break;
		for (size_t i = 0; i < c->dns.naccess; i++)
			if (strcmp(c->dns.access[i], want) == 0)
				return want;
	}
	return NULL;
}

static int
by_domain(const void *a, const void *b)
{
	const struct dns_name *x = a, *y = b;

	return zone_key_cmp(x->b, x->len, y->b, y->len);
}

static int
by_entry(const void *a, const void *b)
{
	const struct zone_entry *x = a, *y = b;
	int	 d = zone_key_cmp(x->key, x->len, y->key, y->len);

	if (d != 0)
		return d;
	if (x->why != y->why)
		return x->why < y->why ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

const struct dns_name *
zone_domain(const struct zone *z, const struct dns_name *name)
{
	struct dns_name	 key = *name;
	const struct dns_name *found;
	size_t		 cut;

	for (;;) {
		found = bsearch(&key, z->domain, z->ndomains, sizeof(key),
		    by_domain);
		if (found != NULL || key.len <= 1)
			return found;
		cut = (size_t)key.b[0] + 1;
		key.len -= cut;
		memmove(key.b, key.b + cut, key.len);
	}
}

const struct zone_entry *
zone_entries(const struct zone_table *t, const unsigned char *key, size_t len,
    size_t *n)
{
	size_t	 lo = 0, hi = t->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (zone_key_cmp(t->v[mid].key, t->v[mid].len, key, len) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*n = 0;
	while (lo + *n < t->n && zone_key_cmp(t->v[lo + *n].key,
	    t->v[lo + *n].len, key, len) == 0)
		++*n;
	return &t->v[lo];
}

/* TXT without quotes is one text, cut into strings. */
static int
plain_text(const char *s, struct buf *out)
{
	size_t	 n, left = strlen(s);

	do {
		n = left < TEXT_MAX ? left : TEXT_MAX;
		buf_addc(out, (char)n);
		buf_add(out, s, n);
		s += n;
		left -= n;
	} while (left > 0);
	return out->err;
}

int
zone_given(const struct conf_record *u, unsigned type,
    const struct dns_name *domain, struct buf *out, const char **why)
{
	char	 origin[DNS_TEXT_MAX];

	*why = "no memory";
	if (type == ns_t_txt && strchr(u->data, '"') == NULL)
		return plain_text(u->data, out);
	dns_name_text(domain->b, origin);
	return rr_from_text(type, u->data, origin, out, why);
}

static int
add_entry(struct zone_table *t, const unsigned char *key, size_t len,
    enum zone_why why, unsigned type, size_t index)
{
	struct zone_entry *e;
	size_t		 room = t->room ? 2 * t->room : 64;

	if (t->n == t->room) {
		e = reallocarray(t->v, room, sizeof(*e));
		if (e == NULL)
			return CM_ENOMEM;
		t->v = e;
		t->room = room;
	}
	e = &t->v[t->n];
	if ((e->key = malloc(len + 1)) == NULL)
		return CM_ENOMEM;
	memcpy(e->key, key, len);
	e->len = (uint16_t)len;
	e->why = (uint16_t)why;
	e->type = type;
	e->index = (uint32_t)index;
	t->n++;
	return 0;
}

/* The name, and those between it and its domain (of which end is the end). */
static int
add_name(struct zone_table *t, const unsigned char *key, size_t len,
    size_t end, enum zone_why why, unsigned type, size_t index)
{
	size_t	 cut;
	int	 rc = add_entry(t, key, len, why, type, index);

	while (rc == 0 && len > end && (cut = (size_t)*key + 1) < len - end) {
		key += cut;
		len -= cut;
		rc = add_entry(t, key, len, ZONE_BETWEEN, 0, 0);
	}
	return rc;
}

/* A name in each domain, without a dot at its end. */
static int
add_relative(struct zone *z, const char *text, enum zone_why why,
    unsigned type, size_t index)
{
	struct dns_name	 n;

	if (dns_name(&n, text, strlen(text)) != 0)
		return CM_EDATA;
	return add_name(&z->relative, n.b, n.len - 1, 0, why, type, index);
}

/* A whole name.  CM_ENOHOST: it is in no domain of ours. */
static int
add_whole(struct zone *z, const struct dns_name *n, enum zone_why why,
    unsigned type, size_t index)
{
	const struct dns_name *domain = zone_domain(z, n);

	if (domain == NULL)
		return CM_ENOHOST;
	/* a domain's own name is there without an entry */
	return add_name(&z->whole, n->b, n->len, domain->len, why, type,
	    index);
}

static int
bad(const struct zone *z, const struct conf_record *u, const char *why)
{
	return log_fail(z->log, CM_ECONF, "%s:%d: record \"%s\" %s: %s",
	    z->conf->file, u->line, u->name, u->type, why);
}

/* What is not, or not only, a record of its name. */
static const char *
refused_type(unsigned type, bool apex)
{
	switch (type) {
	case ns_t_invalid:
		return "no such type";
	case ns_t_soa:
		return "the SOA record is made";
	case ns_t_ns:
		return apex ? NULL : "no domain is given to others here";
	case ns_t_cname:
		return apex ? "a domain's own name cannot be another one" :
		    NULL;
	case ns_t_dname: case ns_t_opt: case ns_t_sig: case ns_t_key:
	case ns_t_nxt: case 43: case 46: case 47: case 48: case 50: case 51:
	case 59: case 60:
		return "this type is not served";
	default:
		/* question types and such, RFC 6895 section 3.1 */
		return type >= 128 && type <= 255 ? "not a type of records" :
		    NULL;
	}
}

static int
add_record(struct zone *z, size_t index)
{
	const struct conf_record *u = &z->conf->dns.records[index];
	unsigned	 type = rr_type(u->type);
	const char	*why;
	struct dns_name	 n;
	struct buf	 data;
	size_t		 len = strlen(u->name);
	bool		 whole = len > 0 && u->name[len - 1] == '.', apex;
	int		 rc;

	if (strcmp(u->name, "@") == 0)
		len = 0;
	else if (len == 0)
		return bad(z, u, "an empty name");
	if (dns_name(&n, u->name, len) != 0)
		return bad(z, u, "that is no name");
	apex = len == 0 || (whole && zone_domain(z, &n) != NULL &&
	    zone_domain(z, &n)->len == n.len);
	if ((why = refused_type(type, apex)) != NULL)
		return bad(z, u, why);
	buf_init(&data, DNS_TCP_MAX / 2);
	rc = zone_given(u, type, &z->domain[z->ndomains - 1], &data, &why);
	buf_free(&data);
	if (rc != 0)
		return rc == CM_ENOMEM ? rc : bad(z, u, why);
	rc = whole ? add_whole(z, &n, ZONE_GIVEN, type, index) :
	    add_name(&z->relative, n.b, n.len - 1, 0, ZONE_GIVEN, type, index);
	return rc == CM_ENOHOST ? bad(z, u, "it is in no domain of ours") : rc;
}

/* Names between a domain and the one that it lies in are there, too. */
static int
add_between(struct zone *z)
{
	const struct dns_name *up;
	struct dns_name	 n;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < z->ndomains; i++) {
		const unsigned char *p = dns_parent(z->domain[i].b);

		n.len = dns_name_len(p);
		memcpy(n.b, p, n.len);
		up = zone_domain(z, &n);
		if (up != NULL && up->len < n.len)
			rc = add_name(&z->whole, n.b, n.len, up->len,
			    ZONE_BETWEEN, 0, 0);
	}
	return rc;
}

static int
add_domains(struct zone *z)
{
	const struct conf *c = z->conf;

	if (c->ndomains == 0)
		return log_fail(z->log, CM_ECONF, "%s: no domain is named, and "
		    "the DNS needs one", c->file != NULL ? c->file :
		    "cluster.xml");
	if ((z->domain = calloc(c->ndomains, sizeof(*z->domain))) == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < c->ndomains; i++)
		if (dns_name(&z->domain[i], c->domains[i],
		    strlen(c->domains[i])) != 0)
			return log_fail(z->log, CM_ECONF, "%s: domain \"%s\" "
			    "is no name", c->file, c->domains[i]);
	z->ndomains = c->ndomains;
	qsort(z->domain, z->ndomains, sizeof(*z->domain), by_domain);
	return add_between(z);
}

static int
add_hosts(struct zone *z)
{
	const struct conf *c = z->conf;
	char		 text[DNS_TEXT_MAX];
	int		 rc;

	if ((z->host = calloc(c->nnodes, sizeof(*z->host))) == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < c->nnodes; i++) {
		if (conf_node_hostname(c, &c->nodes[i], text,
		    sizeof(text)) != 0 ||
		    dns_name(&z->host[i], text, strlen(text)) != 0)
			return log_fail(z->log, CM_ECONF, "%s: node %s: its "
			    "host name is too long; see hostname", c->file,
			    c->nodes[i].name);
		/* of one elsewhere others tell the addresses */
		rc = add_whole(z, &z->host[i], ZONE_HOST, 0, i);
		if (rc != 0 && rc != CM_ENOHOST)
			return rc;
	}
	return 0;
}

static int
add_all(struct zone *z)
{
	const struct conf_dns *d = &z->conf->dns;
	int	 rc = 0;

	if ((rc = add_domains(z)) != 0 || (rc = add_hosts(z)) != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < d->naccess; i++)
		rc = add_relative(z, d->access[i], ZONE_ACCESS, 0, i);
	for (size_t i = 0; rc == 0 && i < zone_nservices; i++)
		if (zone_service_access(z->conf, i) != NULL)
			rc = add_relative(z, zone_services[i].name,
			    ZONE_SERVICE, 0, i);
	for (size_t i = 0; rc == 0 && i < d->nrecords; i++)
		rc = add_record(z, i);
	return rc;
}

/* Sorts; a CNAME has its name for itself. */
static int
sort_table(const struct zone *z, struct zone_table *t)
{
	const struct zone_entry *a, *b;

	if (t->n > 0)
		qsort(t->v, t->n, sizeof(*t->v), by_entry);
	for (size_t i = 1; i < t->n; i++) {
		a = &t->v[i - 1];
		b = &t->v[i];
		if (a->why == ZONE_GIVEN && b->why == ZONE_GIVEN &&
		    (a->type == ns_t_cname || b->type == ns_t_cname) &&
		    zone_key_cmp(a->key, a->len, b->key, b->len) == 0)
			return bad(z, &z->conf->dns.records[b->index],
			    "a CNAME is the only record of its name");
	}
	return 0;
}

static void
free_table(struct zone_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].key);
	free(t->v);
}

int
zone_open(const struct log *log, const struct conf *c, struct zone **out)
{
	struct zone	*z;
	struct stat	 st;
	int		 rc;

	*out = NULL;
	if ((z = calloc(1, sizeof(*z))) == NULL)
		return log_fail(log, CM_ENOMEM, "zones");
	z->log = log;
	z->conf = c;
	/* the file is the same on all nodes, and with it the serial, if its
	 * time was kept; it grows with each change */
	z->serial = (uint32_t)(c->file != NULL && stat(c->file, &st) == 0 ?
	    st.st_mtime : time_now_ms() / 1000);
	if ((rc = add_all(z)) != 0 ||
	    (rc = sort_table(z, &z->relative)) != 0 ||
	    (rc = sort_table(z, &z->whole)) != 0) {
		if (rc == CM_ENOMEM)
			log_fail(log, rc, "zones");
		zone_close(z);
		return rc;
	}
	*out = z;
	return 0;
}

void
zone_close(struct zone *z)
{
	if (z == NULL)
		return;
	free_table(&z->relative);
	free_table(&z->whole);
	free(z->domain);
	free(z->host);
	free(z);
}
