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

/*
 * Copies, which no record names: any number in one folder.  They are known by
 * the UID that the journal told, which may not be the one that they get (the
 * row's uid).
 */
struct expect_copy {
	uint32_t	 validity, uid;
};
int	 expect_put_copy(struct catdb *, struct kv_txn *, const struct ulid *,
	    const char *mailbox, const char *folder,
	    const struct expect_copy *, const struct row_expected *) CM_MUST;
int	 expect_del_copy(struct catdb *, struct kv_txn *, const struct ulid *,
	    const char *mailbox, const char *folder,
	    const struct expect_copy *) CM_MUST;
/* The one with c->uid in the folder that has that id by now, with the rest of
 * its key.  CM_ENOINPUT.  The row points into raw. */
int	 expect_find_copy(struct catdb *, struct kv_txn *, const struct ulid *,
	    uint32_t account, uint32_t folder, char name[FOLDER_MAX + 1],
	    struct expect_copy *c, struct buf *raw, struct row_expected *)
	    CM_MUST;
/* All copies of a message, which are not waited for any more when it is 0.
 * entry: MAILBOX/FOLDER. */
typedef int	(*expect_fn)(void *, struct span entry,
		    const struct row_expected *);
int	 expect_take_copies(struct catdb *, struct kv_txn *,
	    const struct ulid *, expect_fn, void *) CM_MUST;
/* What is behind a key's id; c->uid is 0 when it is of no copy. */
int	 expect_key_parse(struct span key, struct span *entry,
	    struct expect_copy *c) CM_MUST;

/* How many messages are waited for, and how many of them readers changed. */
struct expect_tally {
	uint64_t	 messages, changed;
};
int	 expect_count(struct catdb *, struct expect_tally *) CM_MUST;

#endif
