/* Indexing: from the volumes' records to the catalog's rows.  Level 3. */
#ifndef CM_CATINDEX_H
#define CM_CATINDEX_H

#include "cluster/cancel.h"
#include "cluster/catdb.h"

/* One volume to follow. */
struct catindex_source {
	const char	*volume;	/* name */
	const char	*dir;
	uint32_t	 salt, epoch;	/* of the home */
	struct vol_end	 counted;	/* what lies behind has to wait */
	struct cancels	 cancels;	/* to be freed by the caller */
	uint32_t	 low;		/* segments below are done */
	bool		 known;		/* the cursors are of this home */
	bool		 again;		/* what is indexed may be again */
};

struct catindex_result {
	uint32_t	 records;	/* indexed in this batch */
	uint32_t	 orphans;	/* mailboxes that no longer exist */
	bool		 more;		/* there is more to index at once */
	size_t		 bad;		/* on failure: the source; n: none */
};

/*
 * Indexes at most limit records (and 32 MiB of envelopes) in the transaction,
 * cursors included.  Bytes that cannot be read as records become gaps: what is
 * behind them is indexed, and they are tried again with retry_gaps.  A
 * segment's end that is no record is left for later, since the rest of it may
 * come.  What a later record takes back is passed over.  A mailbox that is
 * missing is made, since mail was taken for it, unless it was deleted: then
 * that mail is left out.  building: records may have been indexed before.
 *
 * Cursors that were taken from another home of that name (its salt or epoch
 * differs) are dropped, with a line: all of the volume is indexed again, and
 * what is known by its id stays as it is.
 */
int	 catindex_batch(struct catdb *, struct kv_txn *,
	    struct catindex_source *, size_t n, uint32_t limit, bool building,
	    bool retry_gaps, struct catindex_result *) CM_MUST;

/*
 * May entries be taken that are of this home, or of a copy of it?  0, and same
 * tells whether the cursors are of that home (otherwise its entries begin
 * anew, at 0).  CM_EEPOCH: they are of a newer one, whose cursors an old home
 * that comes back, or an old copy, must not take away; or it is a copy of
 * another volume of that name than the one that was followed: that may be made
 * again by its home alone.
 */
int	 catindex_home(struct catdb *, struct kv_txn *, const char *volume,
	    uint32_t salt, uint32_t epoch, bool copy, bool *same) CM_MUST;

/*
 * Entries that another node's agent sends of a volume at home there: the
 * stretch [from, to) of a segment as lines
 *	R <tab> OFFSET <tab> LENGTH <tab> ENVELOPE PART (percent-encoded)
 *	G <tab> OFFSET <tab> LENGTH		a gap
 *	C <tab> OFFSET <tab> LENGTH		a record that was taken back
 */
struct catindex_entries {
	const char	*volume;
	uint32_t	 salt, epoch;	/* of the home */
	bool		 copy;		/* read from a copy of it */
	bool		 gap;		/* the stretch was one, and is whole */
	uint32_t	 segment, from, to;
	const char	*text;
	size_t		 len;
};

/*
 * Indexes them in the transaction, with the cursor.  CM_EEXIST, and nothing
 * is done, unless the cursor stands at from, or the stretch is a gap that the
 * catalog knows; CM_EEPOCH, and nothing is done,
 * for a home that is not followed.  CM_EPROTO when the text is not
 * of that form: abort.
 */
int	 catindex_push(struct catdb *, struct kv_txn *,
	    const struct catindex_entries *, struct catindex_result *) CM_MUST;

/*
 * Before records are indexed again behind a loaded dump.  In which order they
 * got UIDs then is not known: there may be several volumes, damage that was
 * repaired, bytes that a copy gave back.  So that no UID comes to mean another
 * message, every folder's next UID is raised by the number of records that
 * wait, or more; those whose UIDs the journal told do not count.  Every source
 * must be open.  others: there are volumes whose records cannot be counted
 * here.  *by: how many it was.
 */
int	 catindex_skip_uids(struct catdb *, struct kv_txn *,
	    struct catindex_source *, size_t n, bool others, uint64_t *by)
	    CM_MUST;
/* Every folder's next UID is raised by that. */
int	 catindex_raise_uids(struct catdb *, struct kv_txn *, uint64_t by)
	    CM_MUST;

#endif
