/* What every program under inetd begins with.  Level 3. */
#ifndef CM_HANDLER_H
#define CM_HANDLER_H

#include "base/log.h"

/*
 * Standard input is a socket that inetd gave: it moves to *fd, and fds 0 to 2
 * become /dev/null and STATE/run/NAME.log, so that no line to the log goes to
 * the client.  CM_EUSAGE when it is no socket.
 */
int	 handler_begin(const struct log *, const char *file, const char *node,
	    const char *name, int *fd) CM_MUST;

#endif
