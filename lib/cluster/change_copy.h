/*
 * Messages of a mailbox are put into another folder of it, or into the same
 * one once more, and noted for the journal.  Level 3.
 */
#ifndef CM_CHANGE_COPY_H
#define CM_CHANGE_COPY_H

#include "cluster/catdb.h"

struct change_copy {
	const char	*mailbox, *from, *to;
	bool		 move;		/* away from the old one */
	/* what follows is its own */
	struct buf	 raw;
	struct row_account account;
	struct row_folder source, target;
	bool		 has_source;	/* there is such a folder as from */
	bool		 same;		/* from is to: target is both */
};

/*
 * So many messages will come, at least one.  The target is made when it is not
 * there.  To be freed when it was 0.  CM_ENOUSER; CM_ETOOBIG: there are not as
 * many UIDs left.
 */
int	 change_copy_begin(struct catdb *, struct kv_txn *,
	    struct change_copy *, uint32_t n) CM_MUST;
/*
 * m: as the copy is to be, with the modseq of the old one, and saved_ms 0 for
 * now; that one's UID, and its row, which is of no interest unless it is
 * moved.  *now: of the copy.
 * CM_ENOINPUT when the message is in no record.
 */
int	 change_copy_one(struct catdb *, struct kv_txn *,
	    struct change_copy *, uint32_t uid, const struct row_message *m,
	    const struct row_message *old, uint32_t *now) CM_MUST;
/* Writes what was counted. */
int	 change_copy_end(struct catdb *, struct kv_txn *, struct change_copy *)
	    CM_MUST;
void	 change_copy_free(struct change_copy *);

#endif
