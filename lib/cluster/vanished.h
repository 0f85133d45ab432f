/*
 * UIDs that went from a folder, and the modseq of their going.  Level 3.
 *
 * Those that follow each other are one row, with the modseq of the last: who
 * asks may be told of some that it knows to be gone.  The oldest rows are
 * dropped, so a folder knows this as far back as its floor.
 */
#ifndef CM_VANISHED_H
#define CM_VANISHED_H

#include "cluster/catdb.h"

#define VANISHED_MAX	10000	/* rows of a folder */

/* From here on all is known that has a higher modseq than the floor; what was
 * known so far is forgotten.  For a folder that is new, or came from a dump. */
int	 vanished_begin(struct catdb *, struct kv_txn *, uint32_t account,
	    uint32_t folder, uint64_t floor) CM_MUST;
/* The same of all folders, each with the modseq that it has. */
int	 vanished_begin_all(struct catdb *, struct kv_txn *) CM_MUST;
/* A UID goes; modseq is higher than that of the one before. */
int	 vanished_note(struct catdb *, struct kv_txn *, uint32_t account,
	    uint32_t folder, uint32_t uid, uint64_t modseq) CM_MUST;
/* Removes at most that many rows of a mailbox, or of one of its folders: keys
 * begin with prefix.  *n: how many. */
int	 vanished_forget(struct catdb *, struct kv_txn *, struct span prefix,
	    size_t most, size_t *n) CM_MUST;

/*
 * Those with a higher modseq than since, in the order of their going.  Anything
 * but 0 ends the walk and is returned.  CM_EEND: not known so far back.  Also
 * behind some of them, when rows are dropped meanwhile.
 */
typedef int	(*vanished_fn)(void *, uint32_t from, uint32_t to);
int	 vanished_walk(struct catdb *, struct kv_txn *, uint32_t account,
	    uint32_t folder, uint64_t since, vanished_fn, void *) CM_MUST;

#endif
