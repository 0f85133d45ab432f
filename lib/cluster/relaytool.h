/* What cm-relay does, by its options.  Level 3. */
#ifndef CM_RELAYTOOL_H
#define CM_RELAYTOOL_H

#include "cluster/tool.h"

/* Sends what is due; with ids these, now. */
int	 relaytool_queue(struct tool *, char *const ids[], int n) CM_MUST;
/* Lines to fd 1, one for each message that waits. */
int	 relaytool_list(struct tool *) CM_MUST;
/* Takes these away, and tells nobody.  CM_ENOINPUT names one that is gone. */
int	 relaytool_remove(struct tool *, char *const ids[], int n) CM_MUST;
/* Takes over what waits on another node, which must be gone for good. */
int	 relaytool_take(struct tool *, const char *node) CM_MUST;

#endif
