/*
 * A message with some of its parts replaced by a text.  Level 1.
 */
#ifndef CM_DISARM_H
#define CM_DISARM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "format/mime.h"

/*
 * Adds the message to out, each part i of the tree with bad[i] set (leaves
 * only) as text/plain with that text, lines of which end with CRLF.  All other
 * bytes are as they were.  The header of a message that is itself such a part
 * keeps its other fields.  CM_ENOMEM, CM_ETOOBIG of out.
 */
int	 disarm(const char *msg, size_t len, const struct mime_tree *,
	    const bool *bad, const char *text, struct buf *out) CM_MUST;

#endif
