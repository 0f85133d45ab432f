/* What the route*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_ROUTE_INT_H
#define CM_ROUTE_INT_H

#include "cluster/nodes.h"
#include "cluster/route.h"

struct candidate {
	const struct conf_volume *volume;
	uint64_t		  space;
	size_t			  turn;
};

/*
 * By conf->select.  slot: whose turns count, 0 without a rule, else the rule's
 * number.  nodes: the volumes are at home on these, as far as is known; NULL:
 * all are here.  CM_ENOMEM.
 */
int	 route_order(const struct log *, const struct conf *,
	    const struct nodes *, struct candidate *, size_t n, size_t slot)
	    CM_MUST;

#endif
