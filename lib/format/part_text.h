/* What people read of a MIME part, as UTF-8.  Level 1. */
#ifndef CM_PART_TEXT_H
#define CM_PART_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Adds the text of a part that is no multipart, its transfer encoding and its
 * charset undone.  raw is scratch.  *html: it has tags in it.  CM_ENOINPUT: it
 * is no text, or in an unknown encoding.  messages: message/delivery-status and
 * the like are text too.
 */
int	 part_text(struct span header, struct span body, bool messages,
	    struct buf *raw, struct buf *out, bool *html) CM_MUST;

#endif
