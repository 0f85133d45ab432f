/* Content-Transfer-Encoding undone; RFC 2045 section 6.  Level 1. */
#ifndef CM_TRANSFER_H
#define CM_TRANSFER_H

#include "base/buf.h"
#include "base/str.h"

enum transfer {
	TRANSFER_NONE, TRANSFER_BASE64, TRANSFER_QP, TRANSFER_UNKNOWN
};

/* Of a part's header bytes; TRANSFER_NONE: none, 7bit, 8bit, binary. */
enum transfer transfer_of(struct span header);
/* Adds what is decoded; broken input gives what can be made of it.  CM_ENOMEM
 * and CM_ETOOBIG of the buffer. */
int	 transfer_decode(enum transfer, struct span, struct buf *) CM_MUST;

#endif
