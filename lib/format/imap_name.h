/* Folders' names and LIST's patterns as clients write them.  Level 1. */
#ifndef CM_IMAP_NAME_H
#define CM_IMAP_NAME_H

#include "base/buf.h"
#include "base/str.h"

/*
 * A client's name to a folder's (UTF-8, "/" between levels), added to out.
 * utf8: as it is, but checked (RFC 6855, RFC 9051); else modified UTF-7 (RFC
 * 3501 section 5.1.3), and bytes over 127 are taken as UTF-8, since some
 * clients send them.  INBOX in any case is INBOX, also in front of "/".  One
 * "/" at the end is taken off (CREATE a/).  CM_EDATA.
 */
int	 imap_name_in(struct span, bool utf8, struct buf *out) CM_MUST;
/* The other way, as an astring, quoted always; utf8: as it is. */
int	 imap_name_out(struct buf *, const char *name, bool utf8);

/*
 * Does a folder's name match "reference" and "pattern" together (RFC 3501
 * section 6.3.8), both decoded by imap_pattern_in?  "*" matches anything, "%"
 * all but "/".  INBOX's case does not matter.  No time beyond the product of
 * the two lengths.
 */
int	 imap_pattern_in(struct span reference, struct span pattern, bool utf8,
	    struct buf *out) CM_MUST;
bool	 imap_pattern_match(struct span pattern, struct span name);

#endif
