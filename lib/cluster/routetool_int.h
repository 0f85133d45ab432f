/* What the routetool*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_ROUTETOOL_INT_H
#define CM_ROUTETOOL_INT_H

#include "base/buf.h"
#include "cluster/routetool.h"

#define OUT_MAX		(64u << 20)

/* Writes it to fd 1, and forgets it. */
int	 routetool_flush(struct tool *, struct buf *) CM_MUST;
/* For a person: one digit behind the point. */
void	 routetool_space(struct buf *, uint64_t);
/* What is known of the nodes, as lines of fields with tabs between them. */
int	 routetool_loads(struct tool *, struct buf *rows) CM_MUST;

#endif
