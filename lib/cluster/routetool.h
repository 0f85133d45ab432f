/* What cm-route's commands do; each writes fd 1.  Level 3. */
#ifndef CM_ROUTETOOL_H
#define CM_ROUTETOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/tool.h"
#include "format/priority.h"

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
int	 routetool_select(struct tool *, uint64_t size, enum priority)
	    CM_MUST;

/*
 * Asks all nodes count times (nodepoll.h), interval_ms from one begin to the
 * next, each time with ms for all answers.  Nothing, with a line at verbose,
 * while another poll runs.
 */
struct routetool_poll {
	unsigned	 count;
	int		 interval_ms;
	int		 ms;
	bool		 verbose;
};
int	 routetool_poll(struct tool *, const struct routetool_poll *) CM_MUST;
/* NODE up|down|drain, or NODE pref N.  CM_EUSAGE; CM_ENOINPUT: no such node. */
int	 routetool_set(struct tool *, int argc, char **argv) CM_MUST;
/* The routing table as text for a person, and what is known of the nodes. */
int	 routetool_show(struct tool *, int argc, char **argv) CM_MUST;

#endif
