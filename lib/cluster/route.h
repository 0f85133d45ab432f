/* Which volume a message goes to.  Level 3. */
#ifndef CM_ROUTE_H
#define CM_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "cluster/conf.h"
#include "format/priority.h"

#define ROUTE_MAX	64	/* volumes worth trying for one message */

/*
 * The first choice, and behind it those to try when it fails.  Volumes at home
 * on other nodes (see conf_is_home) come first, if there are any.
 */
struct route_pick {
	const struct conf_volume *volume[2 * ROUTE_MAX];	/* the conf's */
	size_t			  n;
};

/*
 * Chooses among the volumes that have their home on this node and take mail,
 * for a message of size bytes and of that priority.
 *
 * The first rule that fits the message, and has at least one such volume,
 * leaves only its volumes.  Before these come, when the first rule that fits
 * and has any volume that takes mail has none here, its volumes on other nodes
 * that are up, as far as the polls know: what cannot be stored there is stored
 * here all the same.
 *
 * conf->select then gives the order, of which ROUTE_MAX are kept:
 *   round-robin  each call starts with the next volume.  The calls of all
 *                processes are counted in the file run/select of the node's
 *                state folder, separately for each rule; when the count
 *                cannot be had within 50 ms (or not be written), the order
 *                is random.
 *   random       by getrandom(2).
 *   least-load   most free space first; volumes on one file system have the
 *                same space, and take turns as in round robin.
 *   weighted     at random, each as often as it has free space; volumes on one
 *                file system share it.
 *   static       as the rule names them, or in the order of cluster.xml.
 * The space of another node's volume is what its node said when it was polled.
 *
 * CM_EAWAY, with an error line, when there is none, but not on a node that is
 * drained: that has no volume of its own.  CM_ENOMEM.  Then pick->n is 0.
 */
int	 route_select(const struct log *, const struct conf *, uint64_t size,
	    enum priority, struct route_pick *) CM_MUST;

/*
 * Bytes free where this node puts mail: of the volume that has most of them; 0
 * when it takes none.
 */
uint64_t route_space(const struct conf *);

#endif
