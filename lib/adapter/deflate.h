/* A compressed stream each way (RFC 1951), by zlib.  Level 2. */
#ifndef CM_DEFLATE_H
#define CM_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct deflate;

int	 deflate_open(struct deflate **) CM_MUST;
void	 deflate_close(struct deflate *);
/* Adds what p is compressed to, up to a point where the other side can read
 * all of it. */
int	 deflate_out(struct deflate *, const char *p, size_t, struct buf *out)
	    CM_MUST;
/* Bytes that came in. */
int	 deflate_feed(struct deflate *, const char *p, size_t) CM_MUST;
/* Is there something that deflate_in may give without more bytes? */
bool	 deflate_pending(const struct deflate *);
/* What was fed, as it was before: *n bytes of at most room; 0: feed more.
 * CM_EDATA: it is no such stream, or its end; all before it was given. */
int	 deflate_in(struct deflate *, char *p, size_t room, size_t *n) CM_MUST;

#endif
