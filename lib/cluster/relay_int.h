/* What the relay*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_RELAY_INT_H
#define CM_RELAY_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "cluster/confwatch.h"
#include "cluster/replica.h"
#include "cluster/volume.h"

struct relay_volume;

struct relay {
	const struct log *log;
	struct confwatch *conf;
	struct replica	*replica;	/* NULL: another node's catalog */
	size_t		 answered;	/* which of the catalog's nodes did */
	atomic_bool	 stop;
	atomic_bool	 hold;		/* nothing is sent yet */
	atomic_bool	 away;		/* the other node, when last asked */
	_Atomic int64_t	 away_until;	/* it is not asked before */
	int64_t		 learned_ms;
	pthread_mutex_t	 mu;		/* what follows */
	pthread_cond_t	 pushed;	/* a pass over the volumes is over */
	pthread_cond_t	 poke;		/* somebody waits for one */
	bool		 want;
	unsigned	 guests;
	int64_t		 idle_since;
	uint64_t	 begun, ended;	/* passes over the volumes */
	bool		 behind;	/* something is not indexed yet */
};

/* One without threads; it lives as long as the process. */
int	 relay_new(const struct log *, const char *file, const char *node,
	    struct relay **) CM_MUST;
/* A connection to the catalog's agent, or to the leader's; CM_EAWAY at once
 * when it was away. */
int	 relay_dial(struct relay *, int *fd) CM_MUST;

/* To a node that leads, and says so; nothing it is asked goes further. */
int	 relay_leader(const struct log *, const struct conf *,
	    const char *name, int *fd) CM_MUST;

/* relay_push.c: this node's volumes are indexed by the other's agent. */
void	*relay_pusher(void *relay);
/* Until all that is on disk now is indexed, or some seconds are over. */
void	 relay_push_wait(struct relay *);
/* The same, however long it takes; CM_EAGAIN when it cannot be sent now. */
int	 relay_push_sync(struct relay *) CM_MUST;
/* mu is held. */
bool	 relay_push_is_done(struct relay *);

#endif
