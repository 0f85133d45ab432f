/*
 * What the journal tells of messages that the catalog does not have yet: the
 * UIDs that they had in their folders, and what readers did to them.  Whoever
 * indexes them takes it from here.  Level 3.
 */
#ifndef CM_EXPECT_H
#define CM_EXPECT_H

#include "cluster/catdb.h"

/* Is there anything? */
int	 expect_any(struct catdb *, struct kv_txn *, bool *) CM_MUST;
/* Of a message in a folder; CM_ENOINPUT.  The row points into raw. */
int	 expect_get(struct catdb *, struct kv_txn *, const struct ulid *,
	    const char *mailbox, const char *folder, struct buf *raw,
	    struct row_expected *) CM_MUST;
/*
 * As which folder it was delivered to the one that has that id by now; a row
 * of expect_get.  CM_ENOINPUT.
 */
int	 expect_find(struct catdb *, struct kv_txn *, const struct ulid *,
	    uint32_t account, uint32_t folder, char name[FOLDER_MAX + 1])
	    CM_MUST;
int	 expect_put(struct catdb *, struct kv_txn *, const struct ulid *,
	    const char *mailbox, const char *folder,
	    const struct row_expected *) CM_MUST;
/* CM_ENOINPUT when there is none. */
int	 expect_del(struct catdb *, struct kv_txn *, const struct ulid *,
	    const char *mailbox, const char *folder) CM_MUST;
/* Is its UID told, in whatever folder? */
int	 expect_knows(struct catdb *, struct kv_txn *, const struct ulid *,
	    bool *) CM_MUST;

/* A row's key: the id's 16 bytes, and MAILBOX/FOLDER as in receipts. */
int	 expect_key(struct buf *, const struct ulid *, const char *mailbox,
	    const char *folder);

/* How many messages are waited for, and how many of them readers changed. */
struct expect_tally {
	uint64_t	 messages, changed;
};
int	 expect_count(struct catdb *, struct expect_tally *) CM_MUST;

#endif
