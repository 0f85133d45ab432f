/* What the replica*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_REPLICA_INT_H
#define CM_REPLICA_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "adapter/kv_rep.h"
#include "cluster/confwatch.h"
#include "cluster/replica.h"
#include "format/frame.h"

#define REPLICA_NODES_MAX 64		/* that keep a catalog */
#define REPLICA_QUEUE	(64u << 20)	/* bytes that wait, each way */
#define REPLICA_HEARD_MS 500		/* silent for longer: away */
#define REPLICA_TICK_MS	50
#define REPLICA_JOINED	".joined"	/* behind the folder's name */

/* What a node says of itself, ten times a second and when it changes. */
struct replica_state {
	enum replica_role role;
	bool		 joined;	/* it has had a catalog */
	bool		 stands;	/* elected: asks for promises */
	uint32_t	 ballot;	/* that it leads or stands with; others:
					 * what they promised */
	uint32_t	 data;		/* of the leader its log is from */
	struct kv_lsn	 end;		/* of its log, when it promised */
	uint32_t	 generation;
	struct kv_lsn	 lsn;		/* follower: on its disk; leader: on
					 * the disks of enough nodes */
	/* Of two nodes; see replica_pair.c. */
	uint64_t	 alone;		/* it led alone since then; 0: no */
	uint64_t	 seen;		/* the other's, and has stopped */
	uint64_t	 offer;		/* leader: its follower has all that
					 * was done under that number */
	uint64_t	 level;		/* the last offer that it took */
	uint32_t	 changes;	/* by readers, since alone */
};

/* One of two nodes that keep a catalog. */
struct replica_pair {
	bool		 on;		/* cluster.xml: go on alone */
	bool		 first;		/* cluster.xml names it first */
	bool		 blocked;	/* no election: who led alone leads */
	bool		 leveling;	/* led alone, waits for both again */
	int64_t		 since_ms;	/* wall clock: since it led alone */
	int64_t		 awake_ms;	/* silence counts from here */
	int64_t		 turned_ms;
	uint64_t	 lost, against;	/* the other one goes on */
	struct kv_lsn	 level_at;	/* done before both were needed */
};

enum replica_pair_step {
	PAIR_NORMAL,		/* as among any number of nodes */
	PAIR_STAY,
	PAIR_WAIT,		/* nobody leads yet, and nobody is elected */
	PAIR_ALONE,		/* go on, or begin to lead, alone */
	PAIR_YIELD,		/* stop: the other one led alone */
	PAIR_SPLIT,		/* stop: both did */
	PAIR_BALLOT,		/* lead on with a higher number */
	PAIR_LOST		/* the process has to start afresh */
};

/* The way to another node: a queue, and a thread that empties it. */
struct replica_link {
	struct replica	*r;
	char		 name[CONF_NAME_MAX + 1];
	atomic_bool	 wanted;
	pthread_t	 thread;
	pthread_mutex_t	 mu;		/* what follows */
	pthread_cond_t	 more;
	struct buf	 queue;
	bool		 up, stop;
	uint64_t	 dropped;	/* frames */
};

struct replica_peer {
	char		 name[CONF_NAME_MAX + 1];
	bool		 member;	/* cluster.xml has it keep a catalog */
	bool		 witness;	/* or be the witness */
	struct replica_link *link;
	int64_t		 heard_ms;	/* 0: never */
	struct replica_state said;
	/* its last connection, and the last that is over */
	uint64_t	 seat, left;
	int		 fd;
	int64_t		 complained_ms;
};

/*
 * What the leader wants the witness to keep, see replica_witness.c: that this
 * node alone may have the newest (alone), or that the other one has all too.
 */
enum alone { TOGETHER, ALONE, COMING_TOGETHER };

struct replica_alone {
	int		 witness;	/* its number; 0: there is none */
	struct frame_witness said;	/* by it */
	enum alone	 state;
	uint32_t	 number;	/* of the order, in this lead */
	bool		 sure;		/* it is kept: commits need nobody */
	bool		 may_release;	/* the other has all */
	struct kv_lsn	 lead_end;	/* of the log when the lead began */
	struct kv_lsn	 mark;		/* of a moment ago */
	int64_t		 mark_ms, since_ms, waits_ms, sent_ms;
};

/* A message to be worked off. */
struct replica_msg {
	struct replica_msg *next;
	int		 node;
	size_t		 control, rec;	/* bytes of each, behind this */
};

struct replica {
	const struct log *log;
	struct confwatch *conf;
	const struct replica_hooks *hooks;
	struct catdb	*db;
	struct kv_rep	 rep;
	void		(*take)(struct replica *, int node,
			    const struct frame *);
	size_t		 frames_max;	/* bytes that one connection holds */
	char		 self[CONF_NAME_MAX + 1];
	char		 dir[4096];
	pthread_t	 main, worker, elector;
	atomic_bool	 stop;

	pthread_mutex_t	 mu;		/* what follows */
	pthread_cond_t	 news;		/* for all who wait for anything */
	struct replica_peer peer[REPLICA_NODES_MAX];	/* node - 1 */
	size_t		 npeers;
	int64_t		 complained_ms;	/* about who is no peer */
	bool		 member;	/* this node keeps a catalog */
	unsigned	 members, quorum;	/* this node counted */
	struct replica_state self_state;
	struct replica_pair pair;
	int		 led_by;	/* as the store has it; 0: nobody */
	unsigned	 led_times;	/* that it learned of a leader */
	bool		 elected, two, elect, open, dirty, give_up;
	int		 gives;		/* the lead, to that node; 0: no */
	bool		 told;		/* to lead, */
	struct kv_lsn	 told_end;	/* with the log up to there */
	int64_t		 promised_ms;	/* when; 0: never */
	bool		 due;		/* an acknowledgement of applied */
	uint32_t	 promised;	/* nothing older is acknowledged */
	int64_t		 lost_ms;	/* since when there is no leader */
	struct kv_lsn	 synced;	/* leader: on this disk */
	struct kv_lsn	 safe;		/* on enough nodes' disks */
	uint32_t	 safe_generation;
	struct kv_lsn	 applied;	/* follower: processed */
	struct replica_msg *first, *last;
	size_t		 waiting;	/* bytes of those */
	uint64_t	 dropped;
	uint64_t	 elections, led;
	struct replica_alone alone;
};

/* replica_link.c */
int	 replica_link_open(struct replica *, const char *name,
	    struct replica_link **) CM_MUST;
void	 replica_link_close(struct replica_link *);
/* Never wait; what there is no room for is dropped. */
void	 replica_link_data(struct replica_link *, struct span control,
	    struct span rec);
void	 replica_link_state(struct replica_link *,
	    const struct replica_state *);
void	 replica_link_lead(struct replica_link *, struct kv_lsn end);
void	 replica_link_witness(struct replica_link *,
	    const struct frame_witness *);

/* replica_pair.c.  Behind load_ballot, before the store is opened. */
int	 replica_pair_open(struct replica *) CM_MUST;
/* r->mu is held in these.  by: who leads, 0 for nobody or this one. */
enum replica_pair_step
	 replica_pair_step(struct replica *, int by, int64_t now);
/* From here this node needs nobody else; on disk when it returns 0. */
int	 replica_pair_go(struct replica *) CM_MUST;
unsigned replica_pair_quorum(const struct replica *);
/* May the store see a message of that node? */
bool	 replica_pair_takes(const struct replica *, int node);
void	 replica_pair_stat(const struct replica *, struct buf *);

/* replica.c; r->mu is held in all but the last. */
/* Until there is news, or that time; false: it is over. */
bool	 replica_news(struct replica *, int64_t end_ms);
/* The other node that says it leads; 0 for none. */
int	 replica_leader_node(const struct replica *);
/* The leader's name, this node's too; "" for none. */
const char *replica_leader_name(const struct replica *);
/* What is on the disks of enough nodes; true: it is more. */
bool	 replica_count_safe(struct replica *);
/* What this node is, to that one or, with 0, to all. */
void	 replica_say(struct replica *, int only);
/* cluster.xml says who takes part. */
void	 replica_look_at_conf(struct replica *);

/* replica_apply.c: what a frame of another node brought. */
void	 replica_take(struct replica *, int node, const struct frame *);
/* The number of a node that keeps a catalog or is the witness; 0: others. */
int	 replica_node(struct replica *, const char *name);
/* For the store, see kv_rep.h. */
void	 replica_on_send(void *replica, int node, struct span control,
	    struct span rec);
void	 replica_on_event(void *replica, enum kv_rep_event, int node);
/* A thread: what came is applied and acknowledged. */
void	*replica_worker(void *replica);

/* replica_elect.c.  On disk when it returns 0; r->mu is held. */
int	 replica_keep_ballot(struct replica *) CM_MUST;
void	 replica_load_ballot(struct replica *);
/* A node stands with that ballot. */
void	 replica_promise(struct replica *, int node, uint32_t ballot);
/* Says what was promised, to that node or, with 0, to all. */
void	 replica_answer(struct replica *, int node);
/* Threads: elections; and time that goes by, the lead taken and left. */
void	*replica_elector(void *replica);
void	*replica_main(void *replica);

/* replica_witness.c; r->mu is held.  Does the witness count for this node,
 * which leads, or wants to? */
bool	 replica_witness_counts(const struct replica *, int64_t now);
/* Has it promised that ballot? */
bool	 replica_witness_promised(const struct replica *, uint32_t ballot);
/* A lead begins; the log ends there. */
void	 replica_alone_begin(struct replica *, struct kv_lsn end);
/* Now and then, at a leader; true: more may be safe. */
bool	 replica_alone_turn(struct replica *, int64_t now);
void	 replica_witness_heard(struct replica *, int node,
	    const struct frame_witness *);
void	 replica_witness_stat(const struct replica *, struct buf *,
	    int64_t now);

/* replica_lead.c: the leader tells this node to lead; before it does, it waits
 * for what is on its way. */
void	 replica_told(struct replica *, int node, struct kv_lsn end);
void	 replica_await_end(struct replica *);

#endif
