/*
 * A folder in which several messages are changed: its rows are read once and
 * written once.  Level 3.
 */
#ifndef CM_ACCOUNT_VIEW_H
#define CM_ACCOUNT_VIEW_H

#include "cluster/account.h"

struct account_view {
	const char	*mailbox, *name;
	struct row_account account;
	struct row_folder folder;
	struct buf	 raw;		/* of the account */
	bool		 folder_changed, account_changed;
};
/* The names must stay.  To be freed, also behind a failure.  CM_ENOUSER,
 * CM_ENOINPUT. */
int	 account_view_open(struct catdb *, struct kv_txn *,
	    const char *mailbox, const char *folder, struct account_view *)
	    CM_MUST;
/* Writes what was changed: before anybody else reads these rows. */
int	 account_view_put(struct catdb *, struct kv_txn *,
	    struct account_view *) CM_MUST;
void	 account_view_free(struct account_view *);

/* A message's row; the spans point into raw.  CM_ENOINPUT. */
int	 account_view_message(struct catdb *, struct kv_txn *,
	    const struct account_view *, uint32_t uid, struct buf *raw,
	    struct row_message *) CM_MUST;

struct account_words {
	uint32_t	 flags;		/* enum row_flag */
	struct span	 keywords;
};
/* Words of a, and of b that are not in a, without those in less, in out. */
int	 account_words_join(struct buf *out, struct span a, struct span b,
	    struct span less) CM_MUST;
/* The message's flags and keywords become others; m is it before and then
 * behind, with keywords in words. */
int	 account_view_flag(struct catdb *, struct kv_txn *,
	    struct account_view *, uint32_t uid, struct row_message *m,
	    const struct account_words *add, const struct account_words *del,
	    struct buf *words) CM_MUST;
/* Takes it away; the folder's modseq is the one of that. */
int	 account_view_expunge(struct catdb *, struct kv_txn *,
	    struct account_view *, uint32_t uid, const struct row_message *)
	    CM_MUST;

#endif
