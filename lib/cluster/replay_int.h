/* What the replay*.c files share.  Level 3. */
#ifndef CM_REPLAY_INT_H
#define CM_REPLAY_INT_H

#include "cluster/account.h"
#include "cluster/replay.h"

#define REPLAY_KEY_MAX	8192
#define REPLAY_FIELDS_MAX 9

/* A line being done again. */
struct redo {
	struct replay	*r;
	struct catdb	*db;
	struct kv_txn	*txn;
	const struct replay_batch *batch;
	int64_t		 time_ms;	/* of the line */
	const char	*why;		/* it cannot be done; NULL: it was */
	struct buf	 f[REPLAY_FIELDS_MAX];	/* of the line, decoded */
	struct buf	 mailbox, folder, raw, words, refs;
	struct buf	 renames;	/* MAILBOX/FOLDER TAB MAILBOX/TO, each
					 * a line */
	uint32_t	 uid;
	struct ulid	 id;
	unsigned	 lines;		/* in the transaction */
};

static inline struct span
replay_span(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

static inline const char *
replay_text(const struct buf *b)
{
	return b->len ? b->p : "";
}

/* A field that is a number; CM_EDATA. */
int	 replay_number(const struct buf *, uint64_t max, uint64_t *) CM_MUST;

/*
 * replay_users.c: the mailbox of a line.  One that is not there is made, as of
 * then; not when that is -1, or when it was deleted: CM_ENOUSER.
 */
int	 replay_account(struct redo *, const char *name,
	    int64_t created, struct row_account *) CM_MUST;
/* As one that was there before the journal; -1: it must be there. */
int64_t	 replay_unknown_date(const struct redo *);

/* The kinds of lines.  CM_EDATA for one that makes no sense. */
int	 replay_user_add(struct redo *, struct span line) CM_MUST;
int	 replay_user_set(struct redo *, struct span line) CM_MUST;
int	 replay_user_del(struct redo *, struct span line) CM_MUST;
int	 replay_alias(struct redo *, struct span line) CM_MUST;
/* replay_message.c */
int	 replay_flag(struct redo *, struct span line) CM_MUST;
int	 replay_expunge(struct redo *, struct span line) CM_MUST;
int	 replay_copy(struct redo *, struct span line) CM_MUST;
int	 replay_move(struct redo *, struct span line) CM_MUST;
/* replay_folder.c */
int	 replay_folder_add(struct redo *, struct span line) CM_MUST;
int	 replay_folder_del(struct redo *, struct span line) CM_MUST;
int	 replay_folder_rename(struct redo *, struct span line) CM_MUST;
int	 replay_subscribe(struct redo *, struct span line) CM_MUST;
/* The name that w->mailbox/w->folder had when the journal began. */
int	 replay_name_before(struct redo *, char name[FOLDER_MAX + 1]) CM_MUST;

/* replay_apply.c: the folder whose name is in w->folder. */
int	 replay_get_folder(struct redo *, const struct row_account *,
	    struct row_folder *) CM_MUST;
/* It is made, with the UIDVALIDITY that it had; *a and its row are changed. */
int	 replay_make_folder(struct redo *, struct row_account *a,
	    uint32_t validity, struct row_folder *) CM_MUST;
int	 replay_put_folder(struct redo *, const struct row_account *,
	    const struct row_folder *) CM_MUST;

#endif
