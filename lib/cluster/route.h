/* Which volume a message goes to.  Level 3. */
#ifndef CM_ROUTE_H
#define CM_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "cluster/conf.h"

#define ROUTE_MAX	64	/* volumes worth trying for one message */

/* The first choice, and behind it those to try when it fails. */
struct route_pick {
	const struct conf_volume *volume[ROUTE_MAX];	/* owned by the conf */
	size_t			  n;
};

/*
 * Chooses among the volumes that have their home on this node and take mail,
 * for a message of size bytes that is of high priority or not.  A node that is
 * drained has none.
 *
 * The first rule that fits the message, and has at least one such volume,
 * leaves only its volumes.  A rule whose volumes are all closed or at home
 * elsewhere is passed over: on this node the message is taken all the same.
 *
 * conf->select then gives the order, of which ROUTE_MAX are kept:
 *   round robin  each call starts with the next volume.  The calls of all
 *                processes are counted in the file run/select of the node's
 *                state folder, separately for each rule; when the count
 *                cannot be had within 50 ms (or not be written), the order
 *                is random.
 *   random       by getrandom(2).
 *   load         most free space first; volumes on one file system have the
 *                same space, and take turns as in round robin.
 *
 * CM_EAWAY, with an error line, when this node has no open volume;
 * CM_ENOMEM.  Then pick->n is 0.
 */
int	 route_select(const struct log *, const struct conf *, uint64_t size,
	    bool high, struct route_pick *) CM_MUST;

/*
 * Bytes free where this node puts mail: of the volume that has most of them; 0
 * when it takes none.
 */
uint64_t route_space(const struct conf *);

#endif
