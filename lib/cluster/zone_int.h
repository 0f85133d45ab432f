/* What the zone*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_ZONE_INT_H
#define CM_ZONE_INT_H

#include "cluster/zone.h"

#define ZONE_NS_MAX	7	/* nodes that are name servers by default */

/* Why a name is there. */
enum zone_why {
	ZONE_BETWEEN,		/* another one lies below it */
	ZONE_GIVEN,		/* conf->dns.records[index] */
	ZONE_HOST,		/* conf->nodes[index] is called so */
	ZONE_ACCESS,		/* conf->dns.access[index] */
	ZONE_SERVICE		/* zone_services[index] */
};

/*
 * A name and one reason for it.  Its key is the name on the wire: of names in
 * each domain without the domain, of others whole.
 */
struct zone_entry {
	unsigned char	*key;
	uint16_t	 len;
	uint16_t	 why;
	unsigned	 type;		/* of ZONE_GIVEN */
	uint32_t	 index;
};

struct zone_table {
	struct zone_entry *v;		/* sorted by key, then as in the file */
	size_t		 n, room;
};

struct zone {
	const struct log *log;
	const struct conf *conf;
	uint32_t	 serial;	/* of SOA records */
	struct dns_name	*domain;	/* sorted by zone_key_cmp */
	size_t		 ndomains;
	struct zone_table relative;	/* names in each domain */
	struct zone_table whole;	/* names in one domain */
	struct dns_name	*host;		/* of each node */
};

struct zone_service {
	const char	*name;		/* "_imaps._tcp" */
	const char	*access[2];	/* the first of these that there is */
	unsigned	 port;
};
extern const struct zone_service zone_services[];
extern const size_t zone_nservices;
/* The access name of a service, or NULL. */
const char *zone_service_access(const struct conf *, size_t service);

int	 zone_key_cmp(const unsigned char *a, size_t alen,
	    const unsigned char *b, size_t blen);
/* The domain that a name lies in, the longest of several; NULL: in none. */
const struct dns_name *zone_domain(const struct zone *,
	    const struct dns_name *);
/* The first entry of that key; *n: how many there are. */
const struct zone_entry *zone_entries(const struct zone_table *,
	    const unsigned char *key, size_t len, size_t *n);
/* Data of a record that the file gives, in one domain.  *why as rr.h has it. */
int	 zone_given(const struct conf_record *, unsigned type,
	    const struct dns_name *domain, struct buf *out, const char **why)
	    CM_MUST;

#endif
