/* What the merge*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_MERGE_INT_H
#define CM_MERGE_INT_H

#include "cluster/account.h"
#include "cluster/merge.h"

#define MERGE_BUCKETS	1024

/* A message, or folder, that lines are about, and what happened to it here
 * since. */
struct touch {
	struct touch	*next;
	char		*key;		/* MAILBOX/FOLDER/ TAB ID, or
					 * MAILBOX/FOLDER */
	size_t		 len;
	uint32_t	 flags;
	struct buf	 keywords;
	bool		 any;
	bool		 deleted;	/* the folder, at last */
	uint32_t	 arrived;	/* came into the folder as that UID;
					 * 0: did not */
	struct buf	 moved;		/* went there: MAILBOX/FOLDER/UID */
	struct touch	*as;		/* the same, by the name that the other
					 * side has given the folder since */
};

struct work {
	struct catdb	*db;
	struct kv_txn	*txn;
	struct merge	*m;
	bool		 known;		/* the journal here has all since */
	bool		 folders;	/* lines delete some */
	struct touch	*touched[MERGE_BUCKETS];
	struct buf	 renames;	/* there: FROM TAB TO, each an entry */
	size_t		 walked;	/* messages, in this transaction */
	const char	*why;		/* it was not done; NULL: it was */
	struct buf	 f[8];		/* fields of a line, decoded */
	struct buf	 mailbox, folder, raw, words, del;
	struct span	 entry;		/* the first field, as it is */
	uint32_t	 uid;
	/* of the line's message */
	struct ulid	 id;
	bool		 listed;
	struct row_record record;
	struct buf	 refs;		/* the record's bytes */
	struct buf	 to;		/* folder of a copy */
};

static inline struct span
merge_span(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

static inline bool
merge_leads_to(const struct touch *t, const struct touch *to)
{
	while (t != NULL && t != to)
		t = t->as;
	return t != NULL;
}

/* "MAILBOX/FOLDER/UID TAB ID", without the UID; false: no such fields. */
bool	 merge_key(struct span fields, struct buf *out);
struct touch *merge_find_touch(struct work *, const struct buf *);
/* Where the message is in that folder here; 1: wait, or why says why not. */
int	 merge_find_message(struct work *, struct span line,
	    struct row_message *) CM_MUST;
/* Which flags this node's side has touched, of a message as it is now. */
int	 merge_touched(struct work *, struct span line,
	    const struct row_message *, uint32_t *flags, struct buf *keywords)
	    CM_MUST;

/* What happened here to the folder of a folder-del; NULL: nothing. */
struct touch *merge_touch_folder(struct work *, struct span entry);
/* merge_seen.c, of w->mailbox/w->folder: a UIDVALIDITY that neither side has
 * given.  *a and its row are changed. */
int	 merge_new_validity(struct work *, struct row_account *a,
	    struct row_folder *, uint32_t theirs) CM_MUST;
/* A folder that is not here yet gets a higher one when it is made. */
int	 merge_raise_floor(struct work *, uint32_t theirs) CM_MUST;
/* The kinds of lines that say what readers there saw. */
int	 merge_uids(struct work *, struct span line) CM_MUST;
int	 merge_modseq(struct work *, struct span line) CM_MUST;

/* merge_copy.c: where a copy went, as the line has it, and the key of that. */
struct span merge_field_to(struct span fields);
bool	 merge_key_to(struct span fields, struct buf *out);
/* A line of this node's journal: a message came into a folder. */
void	 merge_see_arrival(struct work *, struct span fields);
/* It went from one to another. */
int	 merge_see_move(struct touch *, struct span fields) CM_MUST;
/* A message that this side moved: where it is, and why is NULL then. */
int	 merge_follow(struct work *, struct span line, struct row_message *)
	    CM_MUST;
/* A uids line: those are the other side's own. */
int	 merge_note_first(struct work *, struct span line, uint32_t first)
	    CM_MUST;
/*
 * The UID here of an entry there: of a copy that the other side made another
 * one, else the same.  *any: the other side gave it to a message that was
 * delivered, which has whatever UID it got here.
 */
int	 merge_made_as(struct work *, struct span entry, uint32_t *uid,
	    bool *any) CM_MUST;
/* Of w->mailbox: a folder got another name here, or NULL: went. */
int	 merge_renamed(struct work *, const char *from, const char *to)
	    CM_MUST;
int	 merge_forget_copies(struct catdb *, struct kv_txn *, uint64_t from)
	    CM_MUST;
/* The kinds of lines. */
int	 merge_copy(struct work *, struct span line) CM_MUST;
int	 merge_move(struct work *, struct span line) CM_MUST;

/*
 * merge_folder.c: the folder that UIDs of that UIDVALIDITY are of: it may have
 * another name here, which goes to w->folder; else the one of that name.
 * CM_ENOINPUT.
 */
int	 merge_find_given(struct work *, uint32_t account, uint32_t validity,
	    struct row_folder *) CM_MUST;
/* The kinds of lines about folders. */
int	 merge_folder_add(struct work *, struct span line) CM_MUST;
int	 merge_folder_del(struct work *, struct span line) CM_MUST;
int	 merge_folder_rename(struct work *, struct span line) CM_MUST;
int	 merge_subscribe(struct work *, struct span line) CM_MUST;
/* The fields of a folder-rename: lines behind it mean FROM when they say TO. */
void	 merge_note_rename(struct work *, struct span fields);
/*
 * A key of a touch becomes that under the name that the folder had before;
 * *left (w->renames.len at first): renames that are not looked at yet.  False:
 * it had none.
 */
bool	 merge_name_before(struct work *, size_t *left, struct buf *key);

#endif
