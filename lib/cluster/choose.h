/*
 * Which node comes first, and which next: by conf->dns.select, for a question
 * in the DNS or for a tool.  Level 3.
 *
 * Those that nodes_is_in says yes to take part.  When there is none: who is up,
 * though overloaded; then all but those that are drained or set down; when
 * there is none of these either, all but the witness.  (A node that seems down
 * may be up, and who finds none has no mail at all.)
 */
#ifndef CM_CHOOSE_H
#define CM_CHOOSE_H

#include <stddef.h>
#include <stdint.h>

#include "cluster/conf.h"
#include "cluster/nodes.h"

struct choose {
	const struct conf_node **node;	/* who takes part, in conf's order */
	unsigned	*pref;		/* of each */
	double		*load;		/* of each, percent */
	double		*weight;	/* of each: its share, not scaled */
	uint16_t	*fixed;		/* order by pref, then as in conf */
	size_t		 n;
	enum conf_select select;
};

/* CM_ENOMEM. */
int	 choose_open(const struct conf *, const struct nodes *,
	    struct choose *) CM_MUST;
void	 choose_close(struct choose *);

/*
 * The order for one turn, as indexes into node[]; order has room for n.  The
 * same turn gives the same order, whoever asks.  Those with the lowest pref
 * come first, in an order that the policy gives; then those with the next one,
 * and so on.
 *   round-robin  each turn starts with the next node.
 *   random       any order, from a hash of the turn.
 *   least-load   the lowest load first; equal ones take turns.
 *   weighted     the first one by its share, spread as evenly as can be over
 *                the turns, the next ones likewise of those that are left.
 *   static       the order of cluster.xml.
 */
void	 choose_order(const struct choose *, uint64_t turn, uint16_t *order);

/*
 * A node's weight: its capacity times what of it is free, (100 - load) %.
 * From 90 % on it falls with the inverse of the load instead, so that of nodes
 * that are all full the fullest still gets least.
 */
double	 choose_weight(unsigned capacity, double load);

#endif
