/*
 * A report about a message of ours to its sender: RFC 3464 in a
 * multipart/report (RFC 6522); RFC 6533 when it has other than ASCII.
 * Level 3.
 */
#ifndef CM_BOUNCE_H
#define CM_BOUNCE_H

#include "base/buf.h"
#include "cluster/queued.h"

struct bounce {
	const struct queued *q;		/* its recipients in FAILED, RELAYED */
	const char	*host;		/* this node's name */
	const char	*remote;	/* the smarthost's name */
	const char	*id;		/* of the report; an ULID */
	int64_t		 now;
};

/* Does the recipient want to be told of (RFC 3461 section 4.1)? */
bool	 bounce_wanted(const struct queued_rcpt *);
/* Adds the report, with CRLF line ends. */
int	 bounce_write(struct buf *, const struct bounce *) CM_MUST;

#endif
