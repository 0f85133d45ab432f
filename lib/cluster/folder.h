/*
 * Folders that are deleted or get another name, and names that are subscribed
 * to; as in account.h.  Level 3.
 */
#ifndef CM_FOLDER_H
#define CM_FOLDER_H

#include "cluster/account.h"

/*
 * *a and its row are changed; the messages go in steps by account_purge_some,
 * and nobody finds them any more.  *f: what it was.  CM_ENOINPUT.
 */
int	 folder_del(struct catdb *, struct kv_txn *, const char *mailbox,
	    struct row_account *a, struct span name, struct row_folder *f)
	    CM_MUST;

/*
 * With all below it; CM_ENOINPUT, CM_EEXIST, CM_EUSAGE and CM_ETOOBIG as in
 * mailbox.h, of names that differ.  INBOX gives its row away, with all that is
 * in it, and gets a new one, *inbox; *a and its row are changed then.
 */
int	 folder_rename(struct catdb *, struct kv_txn *, const char *mailbox,
	    struct row_account *a, const char *from, const char *to,
	    int64_t now_ms, struct row_folder *inbox) CM_MUST;
/* Is that name from, or below it? */
bool	 folder_is_below(const char *name, const char *from);

/* Folders whose name that is, or is below it, in the order of their bytes. */
struct folder_row {
	char		 name[FOLDER_MAX + 1];
	struct row_folder row;
};
struct folder_rows {
	struct folder_row *r;
	size_t		 n, cap;
};
int	 folder_below(struct catdb *, struct kv_txn *, uint32_t account,
	    const char *name, struct folder_rows *) CM_MUST;
void	 folder_rows_free(struct folder_rows *);

/* The name that a folder has by now; CM_ENOINPUT: it is gone. */
int	 folder_find(struct catdb *, struct kv_txn *, uint32_t account,
	    uint32_t id, char name[FOLDER_MAX + 1]) CM_MUST;

int	 folder_subscribed(struct catdb *, struct kv_txn *, uint32_t account,
	    struct span name, bool *) CM_MUST;
int	 folder_subscribe(struct catdb *, struct kv_txn *, uint32_t account,
	    struct span name, bool on) CM_MUST;

#endif
