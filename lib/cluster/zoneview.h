/*
 * The zones with the nodes as they are now, and whose turn it is: what the DNS
 * says, for who is not a DNS server.  Level 3.
 */
#ifndef CM_ZONEVIEW_H
#define CM_ZONEVIEW_H

#include "base/log.h"
#include "cluster/choose.h"
#include "cluster/nodes.h"
#include "cluster/turns.h"
#include "cluster/zone.h"

struct zoneview {
	const struct log *log;
	const struct conf *conf;
	struct zone	*zone;
	struct turns	*turns;
	struct nodes	 nodes;
	struct choose	 choose;
	_Atomic uint64_t **shares;	/* answers with choose.node[i] first */
	uint64_t	 stamp;		/* of what the nodes were read from */
};

/* As zone_open and turns_open.  The conf must live longer. */
int	 zoneview_open(const struct log *, const struct conf *,
	    struct zoneview *) CM_MUST;
void	 zoneview_close(struct zoneview *);
/*
 * Reads the nodes' states anew when they have changed: *changed, if not NULL.
 * On failure all stays as it was.  CM_ENOMEM, CM_EIO.
 */
int	 zoneview_look(struct zoneview *, bool *changed) CM_MUST;

/* The counter of a name's and type's turns. */
_Atomic uint64_t *zoneview_counter(const struct zoneview *,
	    const struct dns_name *, unsigned type);
/*
 * As zone_find; and when the set changes with the turn, a turn is taken: the
 * records are as the next answer has them, and it counts for who is first.
 */
int	 zoneview_find(const struct zoneview *, const struct dns_name *,
	    unsigned type, struct zone_set *) CM_MUST;

#endif
