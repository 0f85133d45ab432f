/* Mailboxes, folders and aliases in the catalog.  Level 3. */
#ifndef CM_ACCOUNT_H
#define CM_ACCOUNT_H

#include "cluster/catdb.h"
#include "cluster/conf.h"

#define ACCOUNT_RESULTS_MAX 10000	/* mailboxes one alias may mean */
#define ACCOUNT_ALIAS_DEPTH 10
#define ACCOUNT_VALIDITY "last_validity"	/* in meta: new folders get a
						 * higher UIDVALIDITY */

/*
 * All take a mailbox's name as address_key gives it.  Changes need a
 * transaction, and fail before they change anything.
 */

/* CM_EEXIST when there is one, or an alias of that name. */
int	 account_add(struct catdb *, struct kv_txn *, const char *name,
	    struct span verifier, int64_t now_ms) CM_MUST;
/* CM_ENOUSER.  The row's spans point into raw. */
int	 account_get(struct catdb *, struct kv_txn *, const char *name,
	    struct buf *raw, struct row_account *) CM_MUST;
int	 account_put(struct catdb *, struct kv_txn *, const char *name,
	    const struct row_account *) CM_MUST;
/*
 * Takes the mailbox away at once; its messages go in steps by
 * account_purge_some.
 */
int	 account_del(struct catdb *, struct kv_txn *, const char *name) CM_MUST;
/* Removes some messages of deleted mailboxes and folders; *more when there are
 * others. */
int	 account_purge_some(struct catdb *, struct kv_txn *, bool *more)
	    CM_MUST;

/* targets: addresses, one a line.  Empty: remove; CM_ENOUSER when none. */
int	 account_alias(struct catdb *, struct kv_txn *, const char *name,
	    struct span targets) CM_MUST;

/*
 * The mailboxes an address means: itself, an alias of any depth, or without
 * its +detail.  Adds each name once, one a line, to out.  CM_ENOUSER, or
 * CM_ENOHOST when its domain is not ours.
 */
int	 account_resolve(struct catdb *, const struct conf *,
	    const char *address, struct buf *out) CM_MUST;

/*
 * A new folder, its row written and *a changed (the caller writes that).
 * CM_EEXIST.
 */
int	 account_folder_make(struct catdb *, struct kv_txn *,
	    struct row_account *a, struct span name, int64_t now_ms,
	    struct row_folder *) CM_MUST;
/* CM_ENOINPUT when there is no such folder. */
int	 account_folder_get(struct catdb *, struct kv_txn *, uint32_t account,
	    struct span name, struct row_folder *) CM_MUST;
int	 account_folder_put(struct catdb *, struct kv_txn *, uint32_t account,
	    struct span name, const struct row_folder *) CM_MUST;
/*
 * To be called before a UID of the folder is given.  Of two nodes that lead
 * alone at the same time, unknown to each other, each leaves out UIDs that the
 * other one may give: the second one ACCOUNT_LEAP, the first one half of them,
 * for what was given and not yet on both disks when the lead alone began.  So
 * none means two messages, not even when one of them loses all it knew before
 * they meet.  True: some were left out now, which the caller notes (see
 * change_note_leap) when it writes the row.
 */
#define ACCOUNT_LEAP	65536
bool	 account_leap(const struct catdb *, struct row_folder *);
/* What is to be in catdb.leaps; lead: its number, of which the low half is
 * kept, or 0. */
uint64_t account_leap_of(uint64_t lead, bool first);
/* Were the UIDs [first, next) left out in that lead? */
bool	 account_left_out(const struct row_folder *, uint32_t lead,
	    uint32_t first, uint32_t next);

/* A message's flags are these, with that modseq, whatever they were. */
int	 account_set_flags(struct catdb *, struct kv_txn *,
	    const char *mailbox, const char *folder, uint32_t uid,
	    uint32_t flags, struct span keywords, uint64_t modseq) CM_MUST;
/* Its row; the spans point into raw.  CM_ENOUSER, CM_ENOINPUT. */
int	 account_message(struct catdb *, struct kv_txn *, const char *mailbox,
	    const char *folder, uint32_t uid, struct buf *raw,
	    struct row_message *) CM_MUST;
/*
 * A message that the catalog has gets a row in a folder, and a reference of
 * its record; or loses both.  *a and *f are changed, the caller writes them.
 * What goes has the folder's modseq, which the caller has raised for it.
 * CM_ENOINPUT: there is no such record.
 */
int	 account_place(struct catdb *, struct kv_txn *, struct row_account *a,
	    struct row_folder *f, uint32_t uid, const struct row_message *)
	    CM_MUST;
int	 account_displace(struct catdb *, struct kv_txn *,
	    struct row_account *a, struct row_folder *f, uint32_t uid,
	    const struct row_message *) CM_MUST;

#endif
