/* What the rebuild*.c files of the catalog share.  Level 3. */
#ifndef CM_REBUILD_INT_H
#define CM_REBUILD_INT_H

#include "cluster/catalog.h"
#include "cluster/conf.h"

/* Can this process write as much as a recovery of the store may? */
int	 rebuild_can_write(const struct log *, const struct conf *) CM_MUST;

/* rebuild_replica.c: this node's catalog of several. */
int	 rebuild_replica(const struct log *, const struct conf *,
	    struct catalog *, const char *dump, bool scratch) CM_MUST;
/* The agent does it; the rest of rebuild_catalog.  lost: only if there is no
 * good one by then; else CM_EEXIST. */
int	 rebuild_call(const struct log *, struct catalog *, const char *dump,
	    bool scratch, bool lost) CM_MUST;

/* rebuild_said.c: a line of what the agent says of it; arg: struct log. */
int	 rebuild_said(void *log, struct span line);

#endif
