/*
 * Replication of a store by Berkeley DB's base API: log shipping, elections,
 * catching up.  The user carries the messages, counts acknowledgements, and
 * says who takes part.  See BDB.md's rules in cm-internals(7).  Level 2.
 *
 * Nodes are small positive numbers that only this process knows.
 */
#ifndef CM_KV_REP_H
#define CM_KV_REP_H

#include <stdbool.h>
#include <stdint.h>

#include "adapter/kv.h"

#define KV_ALL		(-1)		/* to all nodes */
#define KV_NOBODY	(-2)

/* A place in the store's log: all before it.  Places of two leaders' logs must
 * not be compared. */
struct kv_lsn {
	uint32_t	 file;
	uint32_t	 offset;
};

bool	 kv_lsn_before(struct kv_lsn a, struct kv_lsn b);

enum kv_rep_event {
	KV_ELECTED,		/* this node is to become the leader */
	KV_LEADER,		/* of another node: event's number */
	KV_LEVEL,		/* this follower has all its leader had */
	KV_PANIC		/* the store must be opened again */
};

struct kv_rep {
	void	*arg;
	/* Queues a message for a node, or all; never waits.  Called with locks
	 * of the store held: nothing of it may be called. */
	void	(*send)(void *arg, int node, struct span control,
		    struct span rec);
	/* As send. */
	void	(*event)(void *arg, enum kv_rep_event, int node);
	/* Behind each commit, with no lock held: waits until enough nodes have
	 * it.  What it returns is what kv_commit returns. */
	int	(*committed)(void *arg);
	uint32_t election_ms;	/* time for one */
};

/* As kv_open; the struct stays in use.  kv_table only notes the names:
 * kv_reopen opens them. */
int	 kv_open_rep(const struct log *, const char *dir, uint64_t cache,
	    const struct kv_rep *, struct kv_env **) CM_MUST;
/*
 * Opens all tables (again), with create those that are missing too.  No
 * transaction may be open.  CM_ENOINPUT when one is not there yet, CM_EAWAY
 * while the store is being synchronized.
 */
int	 kv_reopen(struct kv_env *, bool create) CM_MUST;
/* Have handles turned out to be of another history? */
bool	 kv_is_dead(struct kv_env *);

/* Becomes leader, or follower; again: tells the others once more that it is
 * there.  No transaction may be open. */
int	 kv_rep_lead(struct kv_env *) CM_MUST;
int	 kv_rep_follow(struct kv_env *) CM_MUST;
/* May it be elected?  0: no; otherwise the higher the better. */
int	 kv_rep_priority(struct kv_env *, unsigned) CM_MUST;
/* Takes part in an election; blocks until it is over.  CM_EAWAY: nobody won. */
int	 kv_rep_elect(struct kv_env *, unsigned nodes, unsigned votes) CM_MUST;

enum kv_rep_say {
	KV_NOTHING,
	KV_PERM,		/* *lsn is in the log here, not yet on disk */
	KV_ELECT,		/* an election is to be held */
	KV_TWO_LEADERS		/* follow, then elect */
};

/* Works a message of another node off.  What it says, or an error. */
int	 kv_rep_process(struct kv_env *, int node, struct span control,
	    struct span rec, struct kv_lsn *) CM_MUST;
/* The log is on disk. */
int	 kv_rep_sync(struct kv_env *) CM_MUST;
/* Asks again for what is missing; every 100 ms or so. */
void	 kv_rep_remind(struct kv_env *);
/* The last commit of this leader. */
struct kv_lsn kv_rep_last(struct kv_env *);

/*
 * The last commit in this node's log; 0:0 when there is none.  What is behind
 * it does not count: who was killed as a leader writes a checkpoint there when
 * it starts, and has no more than others for that.
 */
int	 kv_rep_end(struct kv_env *, struct kv_lsn *) CM_MUST;
/* Where it ends: behind all that is in it. */
struct kv_lsn kv_rep_log_end(struct kv_env *);

struct kv_rep_stat {
	uint32_t	 generation;	/* of the leader */
	bool		 syncing;	/* not level with it yet */
	int		 leader;	/* 0: none, or this node */
};
int	 kv_rep_stat(struct kv_env *, struct kv_rep_stat *) CM_MUST;

#endif
