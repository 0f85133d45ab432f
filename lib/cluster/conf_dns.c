/* What the DNS says of the cluster: the element dns, and nodes' addresses. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cluster/conf_impl.h"

#define TTL_MAX		604800		/* a week */
#define DATA_MAX	16384

static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool
conf_is_v4(const struct conf_address *a)
{
	return memcmp(a->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

static bool
parse_address(const char *s, struct conf_address *a)
{
	memcpy(a->b, v4_prefix, sizeof(v4_prefix));
	if (inet_pton(AF_INET, s, a->b + sizeof(v4_prefix)) == 1)
		return true;
	return inet_pton(AF_INET6, s, a->b) == 1;
}

static int
parse_addresses(const struct conf_reader *r, const struct xml_elem *e,
    char **v, size_t n, struct conf_node *node)
{
	if (n > CONF_ADDRESSES_MAX)
		return conf_bad(r, xml_line(e), "public: more than %d "
		    "addresses", CONF_ADDRESSES_MAX);
	if ((node->public = calloc(n, sizeof(*node->public))) == NULL)
		return conf_no_memory(r);
	for (size_t i = 0; i < n; i++)
		if (!parse_address(v[i], &node->public[node->npublic++]))
			return conf_bad(r, xml_line(e), "public: \"%s\" is not "
			    "an IP address", v[i]);
	return 0;
}

/* Without public=, an address= that is one. */
static int
default_public(const struct conf_reader *r, const char *address,
    struct conf_node *n)
{
	struct conf_address a;

	if (address == NULL || !parse_address(address, &a))
		return 0;
	if ((n->public = calloc(1, sizeof(*n->public))) == NULL)
		return conf_no_memory(r);
	n->public[n->npublic++] = a;
	return 0;
}

int
conf_read_public(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_node *node)
{
	char	**v = NULL;
	size_t	  n = 0;
	int	  rc;

	node->capacity = CONF_CAPACITY;
	if ((rc = conf_number(r, e, "capacity", 1, CONF_CAPACITY_MAX,
	    &node->capacity)) != 0)
		return rc;
	if (xml_attr(e, "public") == NULL)
		return default_public(r, xml_attr(e, "address"), node);
	if ((rc = conf_names(r, e, "public", &v, &n)) == 0)
		rc = parse_addresses(r, e, v, n, node);
	conf_free_names(v, n);
	return rc;
}

void
conf_dns_defaults(struct conf_dns *d)
{
	d->ttl = 5;
	d->keep = 300;
	d->misses = 2;
	d->answers = 1;
	d->overload = 400;
	d->rate = 200;
}

/* Host names, in lower case. */
static int
read_hosts(const struct conf_reader *r, const struct xml_elem *e,
    const char *attr, char ***v, size_t *n)
{
	int	 rc;

	if (xml_attr(e, attr) == NULL)
		return 0;
	if ((rc = conf_names(r, e, attr, v, n)) != 0)
		return rc;
	for (size_t i = 0; i < *n; i++) {
		if (!conf_domain_ok((*v)[i]))
			return conf_bad(r, xml_line(e), "%s: \"%s\" is not a "
			    "host name", attr, (*v)[i]);
		for (char *p = (*v)[i]; *p != '\0'; p++)
			*p = str_lower(*p);
	}
	return 0;
}

static int
read_access(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_dns *d)
{
	int	 rc;

	if ((rc = read_hosts(r, e, "access", &d->access, &d->naccess)) != 0)
		return rc;
	for (size_t i = 0; i < d->naccess; i++)
		if (strchr(d->access[i], '.') != NULL)
			return conf_bad(r, xml_line(e), "access: \"%s\" has a "
			    "dot; the domain comes behind it", d->access[i]);
	return 0;
}

static int
read_record(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_record *u, unsigned ttl)
{
	const char	*name, *type, *data;
	int		 rc;

	u->line = xml_line(e);
	u->ttl = ttl;
	if ((rc = conf_need(r, e, "name", &name)) != 0 ||
	    (rc = conf_need(r, e, "type", &type)) != 0 ||
	    (rc = conf_need(r, e, "data", &data)) != 0 ||
	    (rc = conf_number(r, e, "ttl", 0, TTL_MAX, &u->ttl)) != 0)
		return rc;
	if (strlen(data) > DATA_MAX)
		return conf_bad(r, u->line, "data has more than %d bytes",
		    DATA_MAX);
	if ((rc = conf_keep(r, name, &u->name)) != 0 ||
	    (rc = conf_keep(r, type, &u->type)) != 0)
		return rc;
	return conf_keep(r, data, &u->data);
}

static int
read_records(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_dns *d)
{
	size_t	 max = 0;
	int	 rc;

	for (const struct xml_elem *c = xml_child(e); c != NULL;
	    c = xml_next(c))
		max++;
	if (max > CONF_RECORDS_MAX)
		return conf_bad(r, xml_line(e), "more than %d records",
		    CONF_RECORDS_MAX);
	if ((d->records = calloc(max + 1, sizeof(*d->records))) == NULL)
		return conf_no_memory(r);
	for (const struct xml_elem *c = xml_child(e); c != NULL;
	    c = xml_next(c))
		if (strcmp(xml_name(c), "record") == 0 &&
		    (rc = read_record(r, c, &d->records[d->nrecords++],
		    d->keep)) != 0)
			return rc;
	return 0;
}

/* A mailbox with plain words, as most are. */
static int
read_contact(const struct conf_reader *r, const struct xml_elem *e,
    struct conf_dns *d)
{
	const char	*s = xml_attr(e, "contact"), *at;

	if (s == NULL)
		return 0;
	if ((at = strchr(s, '@')) == NULL || at == s || at - s > 63 ||
	    strpbrk(s, "\\\" \t\r\n") != NULL || !conf_domain_ok(at + 1))
		return conf_bad(r, xml_line(e), "contact=\"%s\" is not an "
		    "address", s);
	return conf_keep(r, s, &d->contact);
}

int
conf_read_dns(struct conf_reader *r, const struct xml_elem *e)
{
	struct conf_dns	*d = &r->conf->dns;
	int		 rc;

	if (r->dns_line != 0)
		return conf_bad(r, xml_line(e), "a second dns; the first is "
		    "in line %d", r->dns_line);
	r->dns_line = xml_line(e);
	if ((rc = conf_select(r, e, &d->select)) != 0 ||
	    (rc = conf_number(r, e, "ttl", 0, TTL_MAX, &d->ttl)) != 0 ||
	    (rc = conf_number(r, e, "keep", 0, TTL_MAX, &d->keep)) != 0 ||
	    (rc = conf_number(r, e, "misses", 1, 1000, &d->misses)) != 0 ||
	    (rc = conf_number(r, e, "answers", 1, 1000, &d->answers)) != 0 ||
	    (rc = conf_number(r, e, "overload", 1, CONF_PERCENT_MAX,
	    &d->overload)) != 0 ||
	    (rc = conf_number(r, e, "rate", 0, 1000000, &d->rate)) != 0 ||
	    (rc = read_contact(r, e, d)) != 0 ||
	    (rc = read_hosts(r, e, "ns", &d->ns, &d->nns)) != 0 ||
	    (rc = read_access(r, e, d)) != 0)
		return rc;
	return read_records(r, e, d);
}

/* Names that are given by default, and need a second pass. */
int
conf_check_dns(const struct conf_reader *r)
{
	static const char *const access[] = { "smtp", "pop", "imap" };
	struct conf_dns	*d = &r->conf->dns;
	size_t		 n = sizeof(access) / sizeof(access[0]);
	int		 rc = 0;

	if (d->naccess > 0)
		return 0;
	if ((d->access = calloc(n, sizeof(*d->access))) == NULL)
		return conf_no_memory(r);
	for (; rc == 0 && d->naccess < n; d->naccess++)
		rc = conf_keep(r, access[d->naccess], &d->access[d->naccess]);
	return rc;
}

void
conf_dns_free(struct conf *c)
{
	struct conf_dns	*d = &c->dns;

	for (size_t i = 0; i < d->nrecords; i++) {
		free(d->records[i].name);
		free(d->records[i].type);
		free(d->records[i].data);
	}
	free(d->records);
	free(d->contact);
	conf_free_names(d->ns, d->nns);
	conf_free_names(d->access, d->naccess);
}

int
conf_node_hostname(const struct conf *c, const struct conf_node *node,
    char *out, size_t n)
{
	if (node->hostname != NULL)
		return str_copy(out, n, node->hostname);
	if (c->ndomains == 0)
		return str_copy(out, n, node->name);
	return str_fmt(out, n, "%s.%s", node->name, c->domains[0]);
}
