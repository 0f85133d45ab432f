/*
 * Asking all nodes, this one too, how they are: what cm-route poll does.
 * Level 3.
 */
#ifndef CM_NODEPOLL_H
#define CM_NODEPOLL_H

#include "base/log.h"
#include "cluster/conf.h"

#define NODEPOLL_MS	2000	/* for all answers */

struct nodepoll;

/*
 * CM_ENOINPUT and the like, with a line, when this node's TLS files cannot be
 * read: that says nothing of the others.
 */
int	 nodepoll_open(const struct log *, const struct conf *,
	    struct nodepoll **) CM_MUST;
void	 nodepoll_close(struct nodepoll *);
/*
 * Asks each once, all at the same time, ms for all of them, and writes what
 * came of it.  What admins have set elsewhere is taken over.  The log has a
 * line for each node that went down or came up, and for what was taken over.
 * The failure of a node is none of the poll.
 */
int	 nodepoll_run(struct nodepoll *, int ms) CM_MUST;

/*
 * Only one poll runs at a time on a node: *lock is a descriptor, to be closed.
 * CM_ELOCK at once, without a line, when there is one.
 */
int	 nodepoll_lock(const struct log *, const struct conf *, int *lock)
	    CM_MUST;

#endif
