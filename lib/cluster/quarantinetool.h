/* cm-scan's commands about the quarantine; each writes fd 1.  Level 3. */
#ifndef CM_QUARANTINETOOL_H
#define CM_QUARANTINETOOL_H

#include "cluster/tool.h"

/* Id, time, filter, finding, sender, first recipient, size; with tabs. */
int	 quarantinetool_list(struct tool *) CM_MUST;
/* The report, an empty line and the message.  CM_ENOINPUT. */
int	 quarantinetool_show(struct tool *, const char *id) CM_MUST;
/*
 * Delivers it to its mailboxes as it was, and takes it away.  However often it
 * is tried, it is listed once.  Prints the new id.
 */
int	 quarantinetool_release(struct tool *, const char *id) CM_MUST;
int	 quarantinetool_delete(struct tool *, const char *id) CM_MUST;
/* Takes away those that are older. */
int	 quarantinetool_expire(struct tool *, int64_t age_ms) CM_MUST;

#endif
