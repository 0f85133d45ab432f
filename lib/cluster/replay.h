/*
 * What readers changed since a dump, done again behind it from the journals of
 * all nodes that led.  cm-internals(7) has the rules.  Level 3.
 */
#ifndef CM_REPLAY_H
#define CM_REPLAY_H

#include "cluster/catdb.h"
#include "cluster/conf.h"
#include "cluster/journal.h"

/* The journal of a node, whole, or as much as there is. */
struct replay_source {
	char		 node[CONF_NAME_MAX + 1];
	int		 fd;
	const char	*text;		/* mapped */
	size_t		 len;
};

/* A batch of changes that is due. */
struct replay_batch {
	uint64_t	 catalog, number;
	uint64_t	 fork;		/* a node led alone; 0: no */
	int64_t		 time_ms;
	size_t		 source;
	size_t		 from, to;	/* in its text; other lines may be
					 * there */
	uint64_t	 first, last;	/* numbers of its lines */
	uint32_t	 changes;
	unsigned	 part;		/* of the way, see replay_choose */
};

struct replay {
	const struct log *log;
	const struct conf *conf;
	struct catdb	*db;
	struct replay_source *source;
	size_t		 nsources;
	struct catdb_point start;	/* of the dump */
	bool		 scratch;	/* there is no dump */
	/* What came of it. */
	struct replay_batch *batch;	/* in their order */
	size_t		 nbatches;
	struct catdb_point end;
	bool		 other;		/* the dump is of another catalog than
					 * the journals' last */
	uint64_t	 done, refused;
	struct buf	 said;		/* lines of an answer */
};

/*
 * Which batches are due: those of the dump's catalog behind it, then those of
 * catalogs that it became by a load.  What several nodes have, or a node that
 * led alone and lost, is there once.  Says what is missing.
 */
int	 replay_choose(struct replay *) CM_MUST;
/*
 * Does them, in transactions of its own; the state is CATDB_LOADING.  What is
 * about messages that are not indexed yet is kept for them, see expect.h.
 */
int	 replay_apply(struct replay *) CM_MUST;
void	 replay_free(struct replay *);
/* "=no" NODE NUMBER KIND OBJECT WHY */
void	 replay_refuse(struct replay *, const struct replay_batch *,
	    const struct journal_line *, const char *why);

#endif
