/*
 * Text of any charset as UTF-8 (iconv), encoded words (RFC 2047), and the form
 * in which text is compared.  Level 1.
 */
#ifndef CM_CHARSET_H
#define CM_CHARSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Is the charset known?  What SEARCH's BADCHARSET needs. */
bool	 charset_is_known(struct span name);
bool	 charset_is_utf8(struct span);
/*
 * Takes a character off UTF-8 text that is not empty; U+FFFD for bytes that
 * are none, at least one of them.
 */
uint32_t charset_take(struct span *);
/* Adds a character as UTF-8; CM_EDATA: there is no such character. */
int	 charset_put(struct buf *, uint32_t) CM_MUST;
/*
 * Adds text as UTF-8; what cannot be converted becomes U+FFFD, an unknown
 * charset is taken as UTF-8 where it is that, else as ISO-8859-1.
 */
int	 charset_decode(struct span name, struct span text, struct buf *)
	    CM_MUST;
/* Adds a header's value (unfolded) with its encoded words decoded. */
int	 charset_words(struct span value, struct buf *) CM_MUST;
/*
 * Adds UTF-8 text in the form for comparison (i;unicode-casemap, RFC 5051, or
 * better): case and compatibility forms are gone.  ASCII is fast.
 */
int	 charset_fold(struct span utf8, struct buf *) CM_MUST;

#endif
