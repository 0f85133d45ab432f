/* cm-scan as a filter in a pipe.  Level 3. */
#ifndef CM_SCANTOOL_H
#define CM_SCANTOOL_H

#include "cluster/tool.h"

/* Exit codes of what does not simply pass, as those of a filter program. */
#define SCANTOOL_JUNK		10
#define SCANTOOL_DISCARD	11
#define SCANTOOL_QUARANTINE	12
#define SCANTOOL_DEFER		75
#define SCANTOOL_REJECT		77

/*
 * Asks the filters about the message on fd 0 and writes it, with what they put
 * into it, to fd 1 when it passes or is junk.  *status: one of those above, or
 * 0.  Otherwise a code, with a line.
 */
int	 scantool_run(struct tool *, const char *sender, char **rcpts, int n,
	    int *status) CM_MUST;
/* What came of all messages on this node, as in GET /metrics. */
int	 scantool_counts(struct tool *) CM_MUST;

#endif
