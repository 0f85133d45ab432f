/*
 * A mailbox as its readers see it: folders, and the messages in them.  Asked
 * of the catalog's agent on this node, which reads its own copy;
 * cm-internals(7) has the requests.  Level 3.
 *
 * CM_EAWAY, CM_EAGAIN, CM_ETIMEOUT: the catalog is away now.  CM_ENOUSER: no
 * such mailbox.
 */
#ifndef CM_MAILBOX_H
#define CM_MAILBOX_H

#include <stdint.h>

#include "cluster/catalog.h"
#include "format/imap_set.h"
#include "format/place.h"
#include "format/receipt.h"
#include "format/ulid.h"

struct mailbox;

/*
 * The catalog stays the caller's, and is used by one call at a time.  Asks
 * nothing yet.  account: as catalog_verifier gives it.
 */
int	 mailbox_open(struct catalog *, const char *account, struct mailbox **)
	    CM_MUST;
void	 mailbox_close(struct mailbox *);

/* --- folders --- */

struct mailbox_folder {
	char		 name[FOLDER_MAX + 1];
	uint32_t	 validity;	/* UIDVALIDITY */
	uint32_t	 uidnext;
	uint32_t	 messages, unseen;
	uint64_t	 bytes;
	uint64_t	 modseq;	/* HIGHESTMODSEQ, 1 at least */
};
/* All, in the order of their names' bytes.  Anything but 0 ends the call and
 * is returned. */
typedef int	(*mailbox_folder_fn)(void *, const struct mailbox_folder *);
int	 mailbox_folders(struct mailbox *, mailbox_folder_fn, void *) CM_MUST;
/* CM_ENOINPUT: no such folder. */
int	 mailbox_status(struct mailbox *, const char *folder,
	    struct mailbox_folder *) CM_MUST;

/* --- messages --- */

enum {
	MAILBOX_STORED = 1,	/* id, place, size, time_ms */
	MAILBOX_ENVELOPE = 2,
	MAILBOX_BODY = 4	/* BODYSTRUCTURE */
};
struct mailbox_message {	/* valid during the call */
	uint32_t	 uid;
	uint32_t	 flags;		/* enum row_flag, which imap_flag is */
	uint64_t	 modseq;
	struct span	 keywords;	/* blanks between; may be empty */
	struct ulid	 id;
	struct place	 place;
	uint32_t	 size;
	int64_t		 time_ms;	/* INTERNALDATE */
	struct span	 envelope, body;
};
/* Anything but 0 ends the call and is returned. */
typedef int	(*mailbox_fn)(void *, const struct mailbox_message *);

/*
 * Messages in the order of their UIDs.  uids: a resolved set, or NULL for all;
 * those that are not there are passed over.  since: only those whose modseq is
 * higher.  what: MAILBOX_ bits.  The folder as it was when the walk began goes
 * to *f when that is not NULL: what was changed later may be in it or not.
 * CM_ENOINPUT: no such folder; CM_ESTALE: it has another UIDVALIDITY than
 * validity (0: any).
 */
int	 mailbox_list(struct mailbox *, const char *folder, uint32_t validity,
	    const struct imap_set *uids, uint64_t since, unsigned what,
	    struct mailbox_folder *f, mailbox_fn, void *) CM_MUST;

/*
 * Changes of messages are the leader's, and there on this node when a call
 * returns (a session reads what it wrote).  All or none; CM_ENOINPUT and
 * CM_ESTALE as above.  After CM_EAWAY or CM_ETIMEOUT nobody knows.
 */
struct mailbox_store {
	enum { MAILBOX_ADD, MAILBOX_REMOVE, MAILBOX_REPLACE } how;
	uint32_t	 flags;
	struct span	 keywords;	/* blanks between */
	bool		 conditional;	/* only those with modseq <= since */
	uint64_t	 since;
};
/*
 * Messages with their new flags go to fn, those too that had them already (no
 * modseq is spent on them).  *modified: UIDs that were left as they are by
 * since (RFC 7162 section 3.1.3); to be freed, and may be NULL.  UIDs that are
 * not there are passed over.  uids has some IMAP_SET_MAX / 10 ranges at most:
 * CM_ETOOBIG.
 */
int	 mailbox_store(struct mailbox *, const char *folder, uint32_t validity,
	    const struct imap_set *uids, const struct mailbox_store *,
	    mailbox_fn, void *, struct imap_set *modified) CM_MUST;
/* Those of uids (NULL: of all) that have \Deleted go; *gone: which, to be
 * freed. */
int	 mailbox_expunge(struct mailbox *, const char *folder,
	    uint32_t validity, const struct imap_set *uids,
	    struct imap_set *gone) CM_MUST;

#endif
