/*
 * The agent of a node that does not keep the catalog: what is asked on its
 * socket goes to the node that does, through that one's cm-stored.  Level 3.
 */
#ifndef CM_RELAY_H
#define CM_RELAY_H

#include "base/log.h"
#include "cluster/conf.h"

/*
 * As agent_serve.  While the catalog's node cannot be reached, recipients are
 * looked up among those known last, and all else is CM_EAWAY.
 */
int	 relay_serve(const struct log *, const char *file, const char *node,
	    int idle_s) CM_MUST;

#endif
