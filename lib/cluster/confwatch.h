/* cluster.xml for who runs for long: the newest one that is right.  Level 3. */
#ifndef CM_CONFWATCH_H
#define CM_CONFWATCH_H

#include "base/log.h"
#include "cluster/conf.h"

struct confwatch;	/* for any number of threads */

/* file and node: as for conf_load; copied. */
int	 confwatch_open(const struct log *, const char *file,
	    const char *node, struct confwatch **) CM_MUST;
/* All that was got must have been put back. */
void	 confwatch_close(struct confwatch *);

/*
 * The configuration as it is now; it stays valid until confwatch_put.  A
 * changed file is read within a second; one that is wrong is complained about
 * once, and the old one stays.
 */
const struct conf *confwatch_get(struct confwatch *);
void	 confwatch_put(struct confwatch *, const struct conf *);

#endif
