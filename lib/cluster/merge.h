/*
 * What the loser of a split pair did alone, done again in the catalog that
 * goes on.  cm-internals(7) has the rules.  Level 3.
 */
#ifndef CM_MERGE_H
#define CM_MERGE_H

#include "cluster/catdb.h"
#include "cluster/conf.h"
#include "cluster/journal.h"

struct merge {
	const struct conf *conf;
	struct journal	*journal;	/* of this node */
	uint64_t	 from;		/* the number of the loser */
	uint64_t	 against;	/* of who went on */
	const char	*text;		/* lines of a journal */
	size_t		 len;
	/* What came of it. */
	uint64_t	 done;		/* the number of the last line */
	uint64_t	 refused;	/* so far, since the first line */
	bool		 waits;		/* the next one's message is not
					 * listed yet */
	struct buf	 refusals;	/* NUMBER TAB KIND TAB OBJECT TAB why */
};

/*
 * In a transaction: each line once, in order, as far as it can be said today.
 * CM_EPROTO: they are not those that are due.
 */
int	 merge_lines(struct catdb *, struct kv_txn *, struct merge *) CM_MUST;
/* Forgets how far they were done. */
int	 merge_forget(struct catdb *, struct kv_txn *, uint64_t from) CM_MUST;

#endif
