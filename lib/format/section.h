/*
 * Parts of a message as FETCH names them: RFC 3501 section 6.4.5, RFC 3516.
 * Level 1.
 */
#ifndef CM_SECTION_H
#define CM_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "format/imap.h"

/*
 * The bytes of BODY[...]: a piece of msg, or of b (reset first) where they are
 * gathered.  HEADER and HEADER.FIELDS have their empty line, where the header
 * has one.  CM_ENOINPUT: there is no such part (NIL), CM_ETOOBIG, CM_ENOMEM.
 * Part 1 of what is no multipart is its body, as BODYSTRUCTURE numbers it.
 */
int	 section_get(struct span msg, const struct imap_section *,
	    struct buf *b, struct span *out) CM_MUST;
/*
 * BINARY[...]: the same part, its transfer encoding undone, into b (reset
 * first).  nothing named: the message as it is.  *nul: there is a NUL in it
 * (a literal8 is needed).  CM_EDATA: an encoding that is not known or cannot be
 * undone: NO [UNKNOWN-CTE].
 */
int	 section_binary(struct span msg, const struct imap_section *,
	    struct buf *b, bool *nul) CM_MUST;
/* <offset.count> of it. */
struct span section_partial(struct span, uint32_t offset, uint32_t count);
/*
 * PREVIEW (RFC 8970): up to 200 characters of UTF-8 of the first text part,
 * white space squeezed, HTML's tags left out; may be empty.
 */
int	 section_preview(struct span msg, struct buf *out) CM_MUST;
/*
 * BODY made from a BODYSTRUCTURE (of mime_bodystructure): its extension data
 * left out.  Added to out; CM_EDATA: it is no BODYSTRUCTURE.
 */
int	 section_body(struct span bodystructure, struct buf *out) CM_MUST;

#endif
