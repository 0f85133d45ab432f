/*
 * Names of folders as IMAP's clients write them, and LIST's patterns.  A folder
 * here is UTF-8 with "/" between levels, see folder_name.  Level 1.
 */
#ifndef CM_IMAP_NAME_H
#define CM_IMAP_NAME_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * A client's name or pattern to UTF-8, added to out.  utf8: the client has
 * enabled UTF8=ACCEPT or IMAP4rev2, and writes UTF-8; otherwise it is modified
 * UTF-7 (RFC 3501 section 5.1.3) in its one right form, and 8-bit bytes that
 * are valid UTF-8 are taken too, as other servers do.  CM_EDATA: neither.
 */
int	 imap_name_decode(struct span, bool utf8, struct buf *out) CM_MUST;
/* The other way: modified UTF-7 in its one right form, or with utf8 as it is.
 * CM_EDATA: not UTF-8. */
int	 imap_name_encode(struct span, bool utf8, struct buf *out) CM_MUST;
/*
 * Does a name match (RFC 3501 section 6.3.8: "*" is anything, "%" anything
 * without "/")?  Both decoded.  A first level INBOX matches in any case.
 * Takes no more than the product of both lengths.
 */
bool	 imap_name_match(struct span pattern, struct span name);

#endif
