/* What cm-route's commands do; each writes fd 1.  Level 3. */
#ifndef CM_ROUTETOOL_H
#define CM_ROUTETOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/tool.h"

/*
 * A line for each address: itself, a tab, its mailboxes with commas between.
 * CM_ENOUSER at the end when one was unknown; CM_EAGAIN at once when the
 * catalog cannot be asked.
 */
int	 routetool_rcpt(struct tool *, int argc, char **argv) CM_MUST;
/*
 * The names of the volumes that a message would be tried on, in order.
 * CM_ETOOBIG when none takes a message of that size, CM_EAWAY when none here
 * is open.
 */
int	 routetool_select(struct tool *, uint64_t size, bool high) CM_MUST;
/* The routing table as text for a person. */
int	 routetool_show(struct tool *, int argc, char **argv) CM_MUST;

#endif
