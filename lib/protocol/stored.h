/*
 * The node-to-node service: what cm-stored answers over HTTPS.  The requests
 * are described in cm-stored(8).  Level 4.
 */
#ifndef CM_STORED_H
#define CM_STORED_H

#include <stdbool.h>

#include "base/log.h"

#define STORED_BODY_MAX	(32u << 20)	/* bytes appended to a copy at once */

/*
 * Serves what is on fd (see httpd_run) until it is idle for idle_s seconds or
 * *stop is set.  file and node: as for conf_load.
 */
int	 stored_run(const struct log *, const char *file, const char *node,
	    int fd, int idle_s, bool *stop) CM_MUST;

#endif
