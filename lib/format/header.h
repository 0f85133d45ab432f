/* Header fields of a message, RFC 5322 section 2.2.  Level 1. */
#ifndef CM_HEADER_H
#define CM_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

struct header_field {
	struct span	 name;		/* without the colon and blanks */
	struct span	 value;		/* raw: folded, without its line end */
	struct span	 whole;		/* name to line end, both included */
};

/*
 * Where the header ends and the body starts: behind the empty line.  A
 * message may have no header (offset 0: its first line is not one of a
 * header, see header_starts) or no body (offset len).  Lines end with CRLF or
 * LF.
 */
size_t	 header_end(const char *msg, size_t len);
/*
 * Whether a header can start with this line (given without its end): a field,
 * or a From_ line that was left over from an mbox.
 */
bool	 header_starts(const char *line, size_t len);
/*
 * The next field of *rest (give it the header's bytes first); *rest moves
 * behind it.  Lines that are no field are passed over; the first empty line
 * is the end, and *rest is empty then.
 */
bool	 header_next(struct span *rest, struct header_field *);
/* The first field of that name (ASCII case ignored), in header bytes. */
bool	 header_find(struct span header, const char *name,
	    struct header_field *);
/*
 * Adds the value unfolded: line ends and outer blanks gone; NUL and a CR that
 * is not part of a line end become a space.
 */
int	 header_unfold(struct span value, struct buf *);

#endif
