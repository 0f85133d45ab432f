/*
 * A node that has copies of volumes stands in for a home that cannot be
 * reached: what the copy has on disk, and the catalog does not list yet, is
 * sent to the catalog's agent from here.  Level 3.
 */
#ifndef CM_STANDIN_H
#define CM_STANDIN_H

#include "cluster/confwatch.h"
#include "cluster/push.h"

/*
 * A home has not answered for so long: its first copy is sent; the second one
 * after twice as long, and so on.  Then the one before has nothing left, so
 * usually just one does it; both are harmless, since the cursors decide.
 */
#define STANDIN_AWAY_MS	3000

struct standin;

/* A thread that looks after all of them; dial is for the catalog's agent. */
int	 standin_start(const struct log *, struct confwatch *, push_dial_fn,
	    void *arg, struct standin **) CM_MUST;
/* When it is in the midst of a request, after that one.  NULL is none. */
void	 standin_stop(struct standin *);

#endif
