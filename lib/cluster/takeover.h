/*
 * The copies of what waits in "outgoing": records of a mailbox of this node's
 * (see sysbox.h), which are mirrored as all are.  Level 3.
 */
#ifndef CM_TAKEOVER_H
#define CM_TAKEOVER_H

#include "cluster/queued.h"
#include "cluster/tool.h"

/*
 * Takes the copies away of what is sent.  While the catalog is away that has
 * time.
 */
int	 takeover_tidy(struct tool *, const struct spooldir *) CM_MUST;
/*
 * Puts the copies of another node's messages into the spool here, and takes
 * them out of its mailbox.  What that node had done with them is not known:
 * a recipient it reached while others waited gets the message again.
 */
int	 takeover_run(struct tool *, const struct spooldir *,
	    const char *node) CM_MUST;

#endif
