/*
 * Emptying a node that is to leave the cluster, in steps that an administrator
 * brings to all nodes: a cluster.xml in which it drains, one in which its
 * volumes are at home elsewhere, one without it.  Level 3.
 */
#ifndef CM_DRAIN_H
#define CM_DRAIN_H

#include "base/buf.h"
#include "base/log.h"
#include "cluster/conf.h"

/*
 * This node's part of emptying another one, then a look at all nodes.  A line
 * on out for each thing that stands in the way, and on which node which
 * command is to be run.  CM_EAGAIN when there is any.
 */
int	 drain_work(const struct log *, const struct conf *,
	    const char *node, uint64_t rate, int out) CM_MUST;

/*
 * The next cluster.xml on out: volumes at home on the node change places with
 * a copy, and get copies on other nodes; when the disks have all of that, the
 * file without the node.  CM_EAGAIN when they have not; CM_ECONF when there is
 * nowhere to go, or the node keeps the catalog.  Nothing is on out then.
 */
int	 drain_plan(const struct log *, const struct conf *,
	    const char *node, int out) CM_MUST;

/*
 * What stands in the way, a line each.  Until nothing is lacking it asks again
 * for a few seconds, since mail flows.
 */
int	 drain_look(const struct log *, const struct conf *,
	    const char *node, struct buf *lines) CM_MUST;

/* Nodes that stay. */
size_t	 drain_stay(const struct conf *);
/*
 * On how many places of those nodes a volume is to be: as many as it had when
 * this began (places= in cluster.xml), or as there are nodes.
 */
size_t	 drain_need(const struct conf *, const struct conf_volume *);

#endif
