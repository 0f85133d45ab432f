/*
 * The catalog's copies on several nodes: who leads, what is safe, and the
 * frames between their agents.  Messages go through the nodes' cm-stored, so
 * nobody without the cluster's certificate reaches them.  Level 3.
 */
#ifndef CM_REPLICA_H
#define CM_REPLICA_H

#include "adapter/kv_rep.h"
#include "adapter/stream.h"
#include "cluster/catdb.h"
#include "cluster/conf.h"

enum replica_role {
	REPLICA_NONE,		/* no leader is known */
	REPLICA_FOLLOWER,
	REPLICA_LEADER
};

struct replica_hooks {
	void	*arg;
	/* From freeze to thaw no transaction is open. */
	void	(*freeze)(void *arg);
	void	(*thaw)(void *arg);
	void	(*changed)(void *arg);	/* the role is another one */
	void	(*broken)(void *arg);	/* the process has to start afresh */
	/*
	 * Of two nodes: from here this one leads alone; 0: not any more.
	 * first: cluster.xml names it before the other.
	 */
	int	(*alone)(void *arg, uint64_t number, bool first);
	/* That one goes on; what this one did alone is kept. */
	int	(*lost)(void *arg, uint64_t number, uint64_t against);
	/* By readers, since then. */
	uint32_t (*changes)(void *arg);
};

/* What a session that wrote waits for at its own node. */
struct replica_token {
	uint32_t	 generation;
	struct kv_lsn	 lsn;
};

struct replica;

/*
 * Opens the catalog in dir as one of several, and begins to take part.  file
 * and node: what conf_load was given.  catdb's tables may still be missing.
 */
int	 replica_open(const struct log *, const char *file, const char *node,
	    const char *dir, const struct replica_hooks *, struct catdb *,
	    struct replica **) CM_MUST;
/*
 * The catalog in dir is lost, or about to be taken away: from here on this node
 * neither votes nor is elected until it is whole again.  What it promised
 * stays.  Nobody has it open.
 */
int	 replica_forget(const struct log *, const char *dir) CM_MUST;
/* Ends all threads but those in replica_serve, which end by themselves. */
void	 replica_stop(struct replica *);

enum replica_role replica_role(struct replica *);
/* The leader's name, this node's too; "" when there is none. */
void	 replica_leader(struct replica *, char name[CONF_NAME_MAX + 1]);
/* Of two nodes: has this one led alone, and is not level with the other? */
bool	 replica_is_alone(struct replica *);
/* Does a new leader have to commit something, so that the other node can be
 * seen to have all?  See replica_witness.c. */
bool	 replica_wants_change(struct replica *);
/* Until somebody leads. */
void	 replica_await(struct replica *, int ms);

/*
 * For who read, before it is told: what was read will stay.  CM_EAGAIN when
 * that cannot be said here now.
 */
int	 replica_settle(struct replica *) CM_MUST;
/* At the leader: of all that is committed.  CM_EAWAY elsewhere. */
int	 replica_token(struct replica *, struct replica_token *) CM_MUST;
/* Until this node has it too; CM_ETIMEOUT. */
int	 replica_wait(struct replica *, const struct replica_token *, int ms)
	    CM_MUST;

/* The frames of another node's agent, until it goes. */
void	 replica_serve(struct replica *, const char *node, struct stream *);

/*
 * The lead for another node, in three steps, at the leader: wait until that
 * node has nearly all, while changes go on; with no transaction open, let it
 * have the last and lead; wait until it does.  CM_ECONF: it keeps no catalog;
 * CM_EAWAY; CM_ETIMEOUT; CM_ESTALE: this node does not lead; CM_EAGAIN:
 * another one leads now, or none.
 */
int	 replica_prepare(struct replica *, const char *node) CM_MUST;
int	 replica_give(struct replica *, const char *node) CM_MUST;
int	 replica_given(struct replica *, const char *node) CM_MUST;

/* Lines "=KEY TAB VALUE" for cm-catalog stat. */
void	 replica_stat(struct replica *, struct buf *);

#endif
