/*
 * The third voter of two nodes that keep the catalog: it has no log, and keeps
 * on disk whom it promised the lead, and which node alone may have the newest.
 * Frames W go to it from a leader (alone, by which ballot, the number of the
 * order), and from it to both (joined, what it promised, the last order, the
 * name of that node).  See "Several catalogs" in cm-internals(7).  Level 3.
 */
#ifndef CM_WITNESS_H
#define CM_WITNESS_H

#include "base/log.h"
#include "cluster/conf.h"

/*
 * Serves until cluster.xml names another one, or its lock is gone.  file and
 * node: what conf_load was given.  0 when one is there already; CM_ECONF when
 * this node is not the witness; CM_EDATA when what it kept cannot be read.
 */
int	 witness_serve(const struct log *, const char *file, const char *node)
	    CM_MUST;
/* A connection to this node's, which is started when it is not there. */
int	 witness_dial(const struct log *, const struct conf *,
	    const char *node, int *fd) CM_MUST;

#endif
