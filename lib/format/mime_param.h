/* Content-Type and its like, RFC 2045 section 5.1.  Level 1, private. */
#ifndef CM_MIME_PARAM_H
#define CM_MIME_PARAM_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

struct mime_param {
	struct span	 name;
	struct span	 value;		/* raw: a token, or with its quotes */
};

/*
 * These take what they name off the raw (folded) value in *rest; blanks and
 * comments before it are passed over.
 */
/* A token; false when there is none, or when it is a parameter's name. */
bool	 mime_param_token(struct span *rest, struct span *token);
/* type "/" subtype; false when it has not that form. */
bool	 mime_param_type(struct span *rest, struct span *type,
	    struct span *subtype);
/* The next parameter; words that are none are passed over. */
bool	 mime_param_next(struct span *rest, struct mime_param *);
/*
 * A name that says it is a piece of a longer value, "name*1" or "name*1*"
 * (RFC 2231 section 3).
 */
struct mime_piece {
	struct span	 name;		/* without what follows it */
	unsigned	 number;
	bool		 encoded;	/* its value has %20 and the like */
};
bool	 mime_param_piece(struct span name, struct mime_piece *);
/* Adds text as an encoded piece has it (RFC 2231 section 7). */
int	 mime_param_encode(struct span text, struct buf *);
/* Adds a raw value without quotes, backslashes and line ends. */
int	 mime_param_text(struct span raw, struct buf *);

#endif
