/*
 * The catalog's agent, "cm-catalog serve": the one process of a node that
 * opens the store.  It follows the volumes, and answers on a Unix socket; the
 * protocol is in cm-internals(7).  Level 3.
 */
#ifndef CM_AGENT_H
#define CM_AGENT_H

#include "base/log.h"
#include "cluster/conf.h"

/*
 * Serves until a stop request, or until nobody was connected for idle_s
 * seconds (0: for ever).  file and node are what conf_load was given: the
 * configuration is read again when the file changes.  0 at once when another
 * agent serves already.
 */
int	 agent_serve(const struct log *, const char *file, const char *node,
	    int idle_s) CM_MUST;

#endif
