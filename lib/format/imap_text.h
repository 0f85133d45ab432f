/* Writing IMAP: strings, dates, sections.  RFC 3501 section 9.  Level 1. */
#ifndef CM_IMAP_TEXT_H
#define CM_IMAP_TEXT_H

#include <stdint.h>

#include "base/buf.h"
#include "format/imap.h"

/* A quoted string where it can be one, else a literal; utf8: UTF-8 may be
 * quoted (RFC 6855), and bytes over 127 are a literal otherwise. */
int	 imap_string(struct buf *, struct span, bool utf8);
/* The same, and NIL for p NULL. */
int	 imap_nstring(struct buf *, struct span, bool utf8);
/*
 * An ENVELOPE or BODYSTRUCTURE with quoted strings alone, as they are kept:
 * those that may not be quoted for this client become literals.
 */
int	 imap_strings(struct buf *, struct span list, bool utf8);
/* "{12}" CRLF, or "~{12}" CRLF; the bytes follow. */
int	 imap_literal_head(struct buf *, uint64_t len, bool binary);
/* "17-Jul-1996 02:44:25 +0000" (date-time, in UTC), in double quotes. */
int	 imap_date_time(struct buf *, int64_t time_ms);
/* The other way, without the quotes; CM_EDATA. */
int	 imap_date_time_parse(struct span, int64_t *time_ms) CM_MUST;
/* "1-Feb-1994", quoted or not, to days since 1970-01-01; CM_EDATA. */
int	 imap_date_parse(struct span, int32_t *day) CM_MUST;
/*
 * The name of a FETCH item as answers have it: "BODY[1.2.HEADER.FIELDS
 * (From To)]<0>", "BINARY.SIZE[1]", "RFC822.TEXT".
 */
int	 imap_item_name(struct buf *, const struct imap_item *);
/* "(\Seen \Flagged Work)". */
int	 imap_flags_write(struct buf *, uint32_t bits, struct span keywords);
/* "\Drafts \Sent", without parentheses. */
int	 imap_use_write(struct buf *, uint32_t use);
#endif
