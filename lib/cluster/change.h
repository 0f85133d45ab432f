/*
 * What readers and administrators change: as in account.h, and noted for the
 * journal, with what was there before.  Level 3.
 */
#ifndef CM_CHANGE_H
#define CM_CHANGE_H

#include "cluster/account_view.h"
#include "cluster/catdb.h"

/* mailbox: as address_key gives it.  All fail before they change anything. */
int	 change_flag(struct catdb *, struct kv_txn *, const char *mailbox,
	    const char *folder, uint32_t uid, const char *add,
	    const char *del) CM_MUST;
int	 change_expunge(struct catdb *, struct kv_txn *, const char *mailbox,
	    const char *folder, uint32_t uid) CM_MUST;
/* Of a folder of which several are changed; see account_view.h. */
int	 change_flag_in(struct catdb *, struct kv_txn *, struct account_view *,
	    uint32_t uid, struct row_message *, const struct account_words *add,
	    const struct account_words *del, struct buf *words) CM_MUST;
int	 change_expunge_in(struct catdb *, struct kv_txn *,
	    struct account_view *, uint32_t uid, const struct row_message *)
	    CM_MUST;
int	 change_user_add(struct catdb *, struct kv_txn *, const char *mailbox,
	    struct span verifier) CM_MUST;
/* what: password, quota or sms.  CM_EDATA for another, or a bad number. */
int	 change_user_set(struct catdb *, struct kv_txn *, const char *mailbox,
	    const char *what, const char *value) CM_MUST;
int	 change_user_del(struct catdb *, struct kv_txn *, const char *mailbox)
	    CM_MUST;
/* targets: one a line; empty: remove. */
int	 change_alias(struct catdb *, struct kv_txn *, const char *name,
	    struct span targets) CM_MUST;

/*
 * change_folder.c: folders, see mailbox.h.  Names as folder_name gives them.
 * agent.purging is to be set behind a deletion: its messages go in steps.
 */
int	 change_folder_add(struct catdb *, struct kv_txn *,
	    const char *mailbox, const char *folder, uint32_t use) CM_MUST;
/* It is there, and its use is another one now. */
int	 change_folder_use(struct catdb *, struct kv_txn *,
	    const char *mailbox, const char *folder, uint32_t use) CM_MUST;
int	 change_folder_del(struct catdb *, struct kv_txn *,
	    const char *mailbox, const char *folder) CM_MUST;
int	 change_folder_rename(struct catdb *, struct kv_txn *,
	    const char *mailbox, const char *from, const char *to) CM_MUST;
int	 change_subscribe(struct catdb *, struct kv_txn *,
	    const char *mailbox, const char *folder, bool on) CM_MUST;

/* A note of that kind, or NULL when nothing is to be noted; and its end. */
struct buf *change_begin(struct catdb *, const char *kind);
int	 change_end(struct buf *);

/* What a setting is now, as text; CM_EDATA for an unknown one. */
int	 change_value(const struct row_account *, const char *what,
	    struct buf *) CM_MUST;
/* The UIDs [first, next) of a folder were given. */
struct change_uids {
	uint32_t	 validity, first, next;
	uint64_t	 modseq;	/* of the first; they rise by one */
	/* of the messages, commas between; none: the folder was made, or has
	 * another UIDVALIDITY, and UIDs as before, or a higher next UID, or
	 * that modseq */
	struct span	 ids;
};
void	 change_note_uids(struct catdb *, const char *mailbox,
	    const char *folder, const struct change_uids *);
/* UIDs of it were left out, see account_leap: who merges what is behind them
 * sees from there what the other side knew of it. */
void	 change_note_leap(struct catdb *, const char *mailbox,
	    const char *folder, const struct row_folder *);
/* Of a mailbox that mail has made. */
void	 change_note_inbox(struct catdb *, const char *mailbox,
	    uint32_t validity);
/* A message of a folder has a copy; see change_copy.h. */
struct change_copied {
	const char	*folder;
	uint32_t	 validity, uid;
	uint64_t	 modseq;
	int64_t		 saved_ms;
	uint64_t	 gone;		/* the old one went with that modseq;
					 * 0: it stays */
};
int	 change_note_copy(struct catdb *, const char *mailbox,
	    const char *folder, uint32_t uid, const struct row_message *,
	    const struct change_copied *) CM_MUST;
/* New folders have a higher UIDVALIDITY than that. */
void	 change_note_floor(struct catdb *, uint32_t validity);

#endif
