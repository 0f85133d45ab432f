/* Datagrams, many at once; for dnsd_udp.c.  Level 4. */
#ifndef CM_DNSD_UDP_H
#define CM_DNSD_UDP_H

#include "protocol/dnsd.h"

#define DNSD_BATCH	64		/* messages at once, at most */

struct dnsd_batch;

/* The socket stays the caller's.  CM_ENOMEM; CM_EUSAGE: it is none for it. */
int	 dnsd_batch_open(const struct log *, int fd, struct dnsd_batch **)
	    CM_MUST;
void	 dnsd_batch_close(struct dnsd_batch *);
/*
 * Waits up to a second for messages and answers what has come.  Returns how
 * many that were.
 */
int	 dnsd_batch_serve(struct dnsd_batch *, struct dnsd *);

#endif
