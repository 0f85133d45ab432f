/* What the nodes*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_NODES_INT_H
#define CM_NODES_INT_H

#include "base/file.h"
#include "cluster/nodes.h"

int	 nodes_polls_path(const struct conf *, char out[FILE_PATH_MAX])
	    CM_MUST;
int	 nodes_sets_path(const struct conf *, char out[FILE_PATH_MAX])
	    CM_MUST;
/* A line of STATE/run/nodes. */
void	 nodes_poll_write(struct buf *, const struct nodes_node *);

#endif
