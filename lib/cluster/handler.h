/* What every program under inetd begins with.  Level 3. */
#ifndef CM_HANDLER_H
#define CM_HANDLER_H

#include "base/log.h"
#include "cluster/conf.h"

/*
 * Standard input is a socket that inetd gave: it moves to *fd, and fds 0 to 2
 * become /dev/null and STATE/run/NAME.log, so that no line to the log goes to
 * the client.  CM_EUSAGE when it is no socket.
 */
int	 handler_begin(const struct log *, const char *file, const char *node,
	    const char *name, int *fd) CM_MUST;
/*
 * The same for a client's session, which may also come over pipes: then *in is
 * what standard input was, and *out what standard output was; of a socket both
 * are the same descriptor.  *conf: what was read, the caller's.
 */
int	 handler_streams(const struct log *, const char *file,
	    const char *node, const char *name, int *in, int *out,
	    struct conf **conf) CM_MUST;

#endif
