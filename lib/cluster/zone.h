/*
 * What the DNS says of the cluster's domains: the records of cluster.xml, and
 * those that are made from it.  What changes from one answer to the next, the
 * order of nodes, is not decided here: see choose.h.  Level 3.
 *
 * Each domain has SOA, NS and MX; each access name (smtp, pop, imap) in each
 * domain the addresses of nodes, and SRV records that name it (RFC 6186, RFC
 * 8314); each node's host name, if it lies in one of the domains, its
 * addresses.  Records of cluster.xml take the place of those of the same name
 * and type, a CNAME that of all.
 */
#ifndef CM_ZONE_H
#define CM_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "cluster/choose.h"
#include "cluster/conf.h"
#include "format/dns.h"

struct zone;

/*
 * CM_ECONF, with a line, for a record that is wrong, and when no domain is
 * named; CM_ENOMEM.  The conf must live longer.
 */
int	 zone_open(const struct log *, const struct conf *, struct zone **)
	    CM_MUST;
void	 zone_close(struct zone *);

enum zone_what {
	ZONE_NOT_OURS,		/* in no domain of ours */
	ZONE_NO_NAME,		/* there is no such name, and nothing below */
	ZONE_NO_DATA,		/* the name has no record of that type */
	ZONE_DATA
};

/* What of a set changes with the turn. */
enum zone_turn {
	ZONE_FIXED,		/* nothing */
	ZONE_PREFS,		/* MX: the preferences */
	ZONE_ADDRESSES		/* A, AAAA: the order */
};

struct zone_rr {
	size_t		 at, len;	/* in the set's bytes */
	uint16_t	 node;		/* in choose->node, unless fixed */
};

/* Records of one name and type. */
struct zone_set {
	enum zone_what	 what;
	unsigned	 type;		/* as asked for, or ns_t_cname */
	uint32_t	 ttl;
	enum zone_turn	 turn;
	bool		 wild;		/* a wildcard's */
	size_t		 apex;		/* where its domain begins */
	struct buf	 bytes;
	struct zone_rr	*rr;
	size_t		 n, room;
};

void	 zone_set_init(struct zone_set *);
void	 zone_set_free(struct zone_set *);
const unsigned char *zone_data(const struct zone_set *, size_t i);

/*
 * Records of a name, which is in lower case; the set is filled anew.  A name
 * that only a wildcard has (RFC 4592) has its records.  CM_ENOMEM; CM_EDATA,
 * with a line, for a record that does not fit in this domain.
 */
int	 zone_find(const struct zone *, const struct choose *,
	    const struct dns_name *, unsigned type, struct zone_set *) CM_MUST;
/* Preferences of MX, or the order of addresses, by what choose_order gave. */
void	 zone_set_turn(struct zone_set *, const struct choose *,
	    const uint16_t *order);
/* The preference of the k-th node of that order, in MX records. */
unsigned zone_pref(const struct choose *, const uint16_t *order, size_t k);

/*
 * Calls fn for each name of a domain (with its own first) and each type that
 * it may have, in no other order; ends with its first value that is not 0.
 * CM_ENOHOST for no domain of ours.
 */
int	 zone_walk(const struct zone *, const struct dns_name *domain,
	    int (*fn)(void *arg, const struct dns_name *, unsigned type),
	    void *arg) CM_MUST;
/* The same for one name; CM_ENOHOST: it is in no domain of ours. */
int	 zone_name(const struct zone *, const struct dns_name *,
	    int (*fn)(void *arg, const struct dns_name *, unsigned type),
	    void *arg) CM_MUST;

#endif
