/* Reads an ENVELOPE as mime_envelope writes it.  Level 1. */
#ifndef CM_ENVELOPE_H
#define CM_ENVELOPE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Strings are what is between the quotes, see envelope_text; p is NULL for
 * NIL.  Lists are what is between the brackets, see envelope_address.
 */
struct envelope {
	struct span	 date, subject;
	struct span	 from, sender, reply_to, to, cc, bcc;
	struct span	 in_reply_to, message_id;
};
/* CM_EDATA: it is not one. */
int	 envelope_read(struct span, struct envelope *) CM_MUST;

struct envelope_address {		/* strings again */
	struct span	 name, route, mailbox, host;
};
/* The next one of a list; false at its end, and where it is broken. */
bool	 envelope_address(struct span *rest, struct envelope_address *);

/* Adds a string without the backslashes of its quoting. */
int	 envelope_text(struct span, struct buf *);

#endif
