/*
 * Pieces of a message as FETCH and SEARCH want them: RFC 3501 section 6.4.5,
 * BINARY of RFC 3516, PREVIEW of RFC 8970.  Level 1.
 */
#ifndef CM_SECTION_H
#define CM_SECTION_H

#include "base/buf.h"
#include "format/imap.h"
#include "format/mime.h"

/*
 * BODY[section]: *out is the piece, in the message, or in tmp (reset first)
 * for HEADER.FIELDS.  Lines are as they are; header subsets end with an empty
 * line.  Part 1 of what is not multipart is its body; parts of a message/rfc822
 * part are those of the message in it.  CM_ENOINPUT: there is no such piece
 * (answered as NIL).
 */
int	 section_get(struct span msg, const struct mime_tree *,
	    const struct imap_section *, struct buf *tmp, struct span *out)
	    CM_MUST;
/*
 * BINARY[section]: the same with its transfer encoding undone, in tmp or in the
 * message.  CM_ENOINPUT as above; CM_EDATA: an encoding that is not known
 * (answered as UNKNOWN-CTE).
 */
int	 section_binary(struct span msg, const struct mime_tree *,
	    const struct imap_section *, struct buf *tmp, struct span *out)
	    CM_MUST;
/* <offset.count> of a piece. */
struct span section_partial(struct span, uint32_t offset, uint32_t count);

/*
 * RFC 8970: up to 200 characters of text for people, UTF-8, blanks as one; of
 * the first text part, decoded, without HTML's tags, quoted lines and
 * signatures where there is other text.  Empty when there is none.
 */
int	 section_preview(struct span msg, const struct mime_tree *,
	    struct buf *out) CM_MUST;

#endif
