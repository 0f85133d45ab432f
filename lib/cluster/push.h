/*
 * Sending the index entries of a log to the catalog's agent: its requests
 * "cursors" and "index", see cm-internals(7), as who asks.  Level 3.
 */
#ifndef CM_PUSH_H
#define CM_PUSH_H

#include <stdatomic.h>

#include "adapter/stream.h"
#include "cluster/volume.h"

/* A connection to that agent. */
typedef int	(*push_dial_fn)(void *arg, int *fd);

struct push {
	const struct log *log;
	const atomic_bool *stop;	/* give up between two batches */
	push_dial_fn	 dial;
	void		*arg;
	struct stream	 s;
	bool		 up;
};

/* What is sent: a home's folder, or a copy's. */
struct push_source {
	const char	*dir;
	const struct seg_meta *meta;
	struct vol_end	 from;		/* segments below were sent */
	struct vol_end	 to;		/* what lies behind has to wait */
	/*
	 * A copy: its home is away.  Its bytes are synced before they are
	 * sent, and only whole records are: where they end in a segment, the
	 * rest is left to the home, which may have it right.
	 */
	bool		 copy;
	bool		 gaps;		/* try what could not be read before */
};

/*
 * Sends what the agent does not have of it.  Dials when there is no
 * connection; it stays until push_hang_up, which every failure needs.
 * CM_EEPOCH: the catalog follows another home.  CM_EEXIST: somebody else sent
 * the same meanwhile.  CM_EAWAY, CM_EAGAIN, CM_ETIMEOUT: not now.
 */
int	 push_log(struct push *, const struct push_source *) CM_MUST;
void	 push_hang_up(struct push *);

#endif
