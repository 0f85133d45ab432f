/* Which other nodes answer, as a reader sees it.  Level 3. */
#ifndef CM_HOST_H
#define CM_HOST_H

#include <stdbool.h>

#include "cluster/peer.h"

#define HOST_REST_MS	5000	/* a node that did not answer is left alone */
#define HOST_REST_MAX_MS 30000	/* the longest, after several failures */
#define HOST_URGENT_MS	1000	/* when nobody else is left to ask */

struct hosts;		/* for one thread at a time */
struct host;

/* conf is kept.  Connects to nobody yet. */
int	 hosts_open(const struct log *, const struct conf *, struct hosts **)
	    CM_MUST;
void	 hosts_close(struct hosts *);
/* NULL when there is no such node.  Valid as long as hosts. */
struct host *hosts_find(struct hosts *, const char *node);
/*
 * The way to it.  CM_EAWAY, without a line, while it is left alone; urgent:
 * that is not as long.
 */
int	 host_peer(struct host *, bool urgent, struct peer **) CM_MUST;
/*
 * What came of asking it, and is returned.  After CM_EAWAY, CM_ETIMEOUT and
 * CM_EPERM it is left alone, with a line to the log.
 */
int	 host_note(struct host *, int rc);
/* Can these bytes be had later?  Nothing is wrong with the node's disk. */
bool	 host_is_away(int rc);

#endif
