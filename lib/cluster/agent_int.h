/* What the agent's files share; nobody else includes it.  Level 3. */
#ifndef CM_AGENT_INT_H
#define CM_AGENT_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "adapter/stream.h"
#include "cluster/catdb.h"
#include "cluster/catindex.h"
#include "cluster/conf.h"
#include "cluster/journal.h"
#include "cluster/mirror.h"
#include "cluster/replay.h"
#include "cluster/replica.h"
#include "cluster/volume.h"

#define AGENT_LINE_MAX	(1u << 20)	/* bytes of a request */
#define AGENT_ARGS_MAX	8
#define AGENT_CLIENTS_MAX 400		/* connections served at once */
#define AGENT_CONFS_MAX	1000		/* changes of cluster.xml it takes */
#define AGENT_WAIT_MS	4000		/* for a record to be indexed */

/* A change to the tables, made by the writer in a transaction. */
typedef int	(*change_fn)(struct catdb *, struct kv_txn *, void *);

struct change {
	struct change	*next;
	change_fn	 fn;
	void		*arg;
	int		 rc;
	bool		 failed;	/* by itself; left out of the batch */
	bool		 done;		/* its session may go on */
};

struct agent_volume {
	struct volume	*v;
	struct vol_end	 done;		/* indexed up to here */
	int64_t		 retry_ms;	/* not to be tried before */
	struct mirror_wake wake;
};

/* A connection. */
struct agent_guest {
	struct agent	*agent;
	int		 fd;		/* -1: it is ending */
	_Atomic int64_t	 waits_since;	/* for a request; 0: it has one */
};

struct agent {
	const struct log *log;
	const char	*file;
	const char	*node;
	struct conf	*_Atomic conf;	/* the writer replaces it */
	struct conf	*old[AGENT_CONFS_MAX];	/* sessions may use them yet */
	size_t		 nold;
	char		 state_dir[4096];
	char		 dir[4096];	/* of the catalog */
	char		 run[4096];
	struct catdb	 db;
	struct journal	*journal;
	struct buf	 notes;		/* of the batch, for the journal */
	struct replica_hooks hooks;
	struct replica	*replica;	/* NULL: this is the only catalog */
	struct relay	*relay;		/* sends what is at home here to the
					 * leader */
	atomic_bool	 new_role;
	int64_t		 started_ms;

	/* Held by the writer during a batch: holding it keeps changes out. */
	pthread_mutex_t	 writing;
	/*
	 * Who walks over tables holds it shared, who empties them alone, and
	 * takes writing first.  Nobody waits for the writer inside.
	 */
	pthread_rwlock_t gate;

	pthread_mutex_t	 mu;		/* what follows */
	pthread_cond_t	 work;		/* for the writer */
	pthread_cond_t	 done;		/* a batch was committed */
	struct change	*first, *last;
	bool		 want;		/* somebody waits for the index */
	atomic_bool	 stop;
	uint64_t	 turns;		/* of the writer */
	uint64_t	 sync_asked, sync_done;
	uint64_t	 sync_short;	/* the last that left something out, */
	int		 sync_rc;	/* and why */
	unsigned	 clients;
	unsigned	 rebuilding;	/* sessions */
	struct agent_guest guests[AGENT_CLIENTS_MAX];	/* agent NULL: free */
	int64_t		 idle_since;
	uint64_t	 indexed;	/* records since the start */
	_Atomic(enum catdb_state) state;
	bool		 all_open;	/* every volume could be opened */
	struct {			/* what it did alone, and lost */
		char		 from[17];
		uint64_t	 done, total, refused;
	}		 merge;

	_Atomic uint64_t leaps;		/* see account_leap */
	/* The writer's own. */
	struct agent_volume *vols;
	struct catindex_source *src;
	size_t		 nvols;
	int64_t		 conf_looked, conf_mtime;
	bool		 purging;
	bool		 gaps;		/* try them in the next batch */
	int64_t		 swept_ms;	/* all segments looked at */
	int64_t		 known_ms;	/* accounts.last was looked at */
	uint32_t	 known_sum;
	uint64_t	 swept_for;	/* the sync that asked for it */
};

/* agent_writer.c */
void	*agent_writer(void *agent);
int	 agent_change(struct agent *, change_fn, void *arg);
/* Everything that is on disk now is indexed when it returns. */
int	 agent_sync(struct agent *);
/* What the transaction noted goes to the journal, and ends with which batch it
 * is, and of how many lines; writing is held. */
int	 agent_end_notes(struct agent *, struct kv_txn *) CM_MUST;
void	 agent_ask(struct agent *);	/* index now */

/* The next two: writing is held.  Are all volumes open?  CM_EAGAIN. */
int	 agent_look(struct agent *);
/* The tables are others now: everything is looked at again. */
void	 agent_forget(struct agent *);

/* agent_load.c */
/* An unnamed file in the node's state folder. */
int	 agent_spool(struct agent *, int *fd);
/*
 * Puts a dump in the catalog's place.  CM_EEXIST when that would change a
 * catalog, without force; CM_EAGAIN when a volume is away; CM_EDATA.
 */
int	 agent_load(struct agent *, int fd, bool force);
/*
 * Makes the catalog anew and lets it be completed from the volumes, from
 * where: a dump (fd), the volumes alone, or what is there: a good catalog, a
 * load that was cut off, or a build that goes on.  *from then says which.  A
 * good one is kept in catalog-before-rebuild.dump.  Nothing changes between
 * its dump and its loading.  Behind a dump, and with the volumes alone, what
 * the journals tell is done again; what came of it is in the replay, which
 * agent_replay_begin has filled in.
 */
enum agent_from {
	FROM_SELF, FROM_DUMP, FROM_VOLUMES, FROM_LOADING, FROM_BUILDING
};
int	 agent_rebuild(struct agent *, enum agent_from *from, int fd,
	    struct replay *);

/*
 * agent_replay.c: the journals that a rebuild does again.  r is empty, or as
 * the other left it; what cannot be had is said in it.
 */
void	 agent_replay_begin(struct agent *, struct replay *r);
int	 agent_replay_others(struct agent *, struct replay *r) CM_MUST;
int	 agent_replay_own(struct agent *, struct replay *r) CM_MUST;

/*
 * agent_index.c: what another node's agent sends of a volume at home there.
 * arg: volume, salt, epoch; then segment, from, to; they are the words of the
 * request.  how: the last one, "copy" (the entries are of a copy) or "gap" (the
 * stretch was one); or NULL.  fd: its body; see catindex_push.  CM_EPERM for a
 * volume that is at home here, or not in cluster.xml; CM_EEPOCH, see
 * catindex_home.
 */
int	 agent_push(struct agent *, char *const arg[6], const char *how,
	    int fd);
int	 agent_cursors(struct agent *, char *const arg[3], const char *how,
	    struct buf *out);

/*
 * agent_lead.c: the lead goes to that node.  *held_ms: how long no change was
 * taken.  What went wrong is put into text.
 */
int	 agent_lead(struct agent *, const char *node, int64_t *held_ms,
	    char text[256]);

/* Does this node's catalog take changes? */
bool	 agent_leads(struct agent *);
/* A role that is new: the state is read, a new leader looks at everything.
 * writing is held. */
void	 agent_take_role(struct agent *);

/*
 * agent_forward.c: a request that the leader has to answer.  What it says goes
 * to the client; the code, and text, of its last line are returned.
 * CM_EAWAY when the leader could not be asked, or its answer was lost;
 * CM_ESTALE when it did nothing.
 */
struct agent_forward {
	struct stream	 s;
	bool		 up;
	bool		 body;	/* lines up to "." follow the request */
	bool		 slow;	/* the answer may take long */
	char		 text[512];	/* of the last line */
};
int	 agent_forward(struct agent *, struct agent_forward *,
	    struct stream *client, struct span line);
void	 agent_forward_end(struct agent_forward *);

/*
 * agent_merge.c.  Of the leader: merge FROM AGAINST, lines in fd; CM_EAGAIN
 * when the next one has to wait.  out: what was not done, and how far it is.
 */
int	 agent_merge(struct agent *, char *const arg[2], int fd,
	    struct buf *out);
int	 agent_merge_end(struct agent *, const char *from);
/* Of the loser: a file of all that it did alone, and a thread that sends all
 * such files; a->relay sends nothing before its UIDs are known. */
int	 agent_merge_keep(struct agent *, uint64_t lost, uint64_t against)
	    CM_MUST;
struct service;
int	 agent_merge_start(struct agent *, struct service *, pthread_t *)
	    CM_MUST;
void	 agent_merge_stat(struct agent *, struct buf *);

/*
 * agent_login.c: "=MAILBOX VERIFIERS" of a login name, a tab between, added to
 * out, as sasl_complete gives them.  CM_ENOUSER when there is no such mailbox,
 * or it has no password: MAILBOX is empty then, and all is made up.
 */
int	 agent_verifier(struct agent *, const char *name, struct buf *out)
	    CM_MUST;

/* agent_cmds.c: one connection, until its end. */
void	 agent_session(struct agent_guest *);

#endif
