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
};

struct work {
	struct catdb	*db;
	struct kv_txn	*txn;
	struct merge	*m;
	bool		 known;		/* the journal here has all since */
	bool		 folders;	/* lines delete some */
	struct touch	*touched[MERGE_BUCKETS];
	const char	*why;		/* it was not done; NULL: it was */
	struct buf	 f[8];		/* fields of a line, decoded */
	struct buf	 mailbox, folder, raw, words, del;
	struct span	 entry;		/* the first field, as it is */
	uint32_t	 uid;
};

static inline struct span
merge_span(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

/* What happened here to the folder of a folder-del; NULL: nothing. */
struct touch *merge_touch_folder(struct work *, struct span entry);
/* Of w->mailbox/w->folder: a UIDVALIDITY that neither side has given.  *a and
 * its row are changed. */
int	 merge_new_validity(struct work *, struct row_account *a,
	    struct row_folder *, uint32_t theirs) CM_MUST;
/* A folder that is not here yet gets a higher one when it is made. */
int	 merge_raise_floor(struct work *, uint32_t theirs) CM_MUST;

/* merge_folder.c: the kinds of lines about folders. */
int	 merge_folder_add(struct work *, struct span line) CM_MUST;
int	 merge_folder_del(struct work *, struct span line) CM_MUST;
int	 merge_folder_rename(struct work *, struct span line) CM_MUST;
int	 merge_subscribe(struct work *, struct span line) CM_MUST;

#endif
