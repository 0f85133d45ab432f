/*
 * A mailbox as its readers see it: folders, and the messages in them.  Asked
 * of the catalog's agent on this node; what is changed is changed at the
 * leader, and there on this node when a call returns (a session reads what it
 * wrote).  cm-internals(7) has the requests.  Level 3.
 *
 * CM_EAWAY, CM_EAGAIN, CM_ETIMEOUT: there is no leader now, or the catalog is
 * away; nothing was done, or it cannot be told.  CM_ENOUSER: no such mailbox.
 */
#ifndef CM_MAILBOX_H
#define CM_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/catalog.h"
#include "format/imap_set.h"
#include "format/place.h"
#include "format/receipt.h"
#include "format/ulid.h"

struct mailbox;

/* The catalog stays the caller's, and is used by one call at a time.  Asks
 * nothing yet.  account: as catalog_verifier gives it. */
int	 mailbox_open(struct catalog *, const char *account, struct mailbox **)
	    CM_MUST;
void	 mailbox_close(struct mailbox *);

/* --- folders --- */

struct mailbox_folder {
	char		 name[FOLDER_MAX + 1];
	bool		 exists;	/* false: a name that is subscribed */
	bool		 subscribed;
	uint32_t	 use;		/* enum imap_use of format/imap.h */
	uint32_t	 validity;	/* UIDVALIDITY; MAILBOXID comes from it:
					 * it is another one for each folder of
					 * a mailbox, and a rename keeps it */
	uint32_t	 uidnext;
	uint32_t	 messages, unseen, deleted;
	uint64_t	 bytes, deleted_bytes;
	uint64_t	 modseq;	/* HIGHESTMODSEQ, 1 at least */
};
/* All, in the order of their names' bytes. */
typedef int	(*mailbox_folder_fn)(void *, const struct mailbox_folder *);
int	 mailbox_folders(struct mailbox *, mailbox_folder_fn, void *) CM_MUST;
/* CM_ENOINPUT: no such folder.  INBOX is always there. */
int	 mailbox_status(struct mailbox *, const char *folder,
	    struct mailbox_folder *) CM_MUST;

/* CM_EEXIST; CM_EDATA: not a name (folder_name).  use: enum imap_use, which
 * one folder of a mailbox has at most: CM_EPERM.  Parents are not made: LIST
 * shows them, as \NonExistent. */
int	 mailbox_create(struct mailbox *, const char *folder, uint32_t use)
	    CM_MUST;
/* With its messages; not those below it.  CM_ENOINPUT, CM_EPERM (INBOX). */
int	 mailbox_delete(struct mailbox *, const char *folder) CM_MUST;
/* And those below it.  INBOX (RFC 3501 section 6.3.5): its messages move to
 * the new folder, it stays.  CM_ENOINPUT, CM_EEXIST, CM_EDATA. */
int	 mailbox_rename(struct mailbox *, const char *from, const char *to)
	    CM_MUST;
/* Any name; the subscription stays when the folder goes. */
int	 mailbox_subscribe(struct mailbox *, const char *folder, bool) CM_MUST;
/* Of all of it, in bytes; limit 0: none. */
int	 mailbox_quota(struct mailbox *, uint64_t *used, uint64_t *limit,
	    uint32_t *messages) CM_MUST;

/* --- messages --- */

enum {
	MAILBOX_STORED = 1,	/* id, place, size, time_ms, saved_ms */
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
	int64_t		 time_ms;	/* INTERNALDATE; a copy keeps it */
	int64_t		 saved_ms;	/* when it came into the folder */
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
 * What happened since a modseq that was the folder's HIGHESTMODSEQ then:
 * messages that are new or have other flags go to fn, and *gone are the UIDs
 * that went.  When that is not remembered so far back, *all is true, and *gone
 * is all UIDs below uidnext that are not there.  *f as above.  With the modseq
 * of now it is cheap: one look at the folder.
 */
int	 mailbox_changes(struct mailbox *, const char *folder,
	    uint32_t validity, uint64_t since, struct mailbox_folder *f,
	    mailbox_fn, void *, struct imap_set *gone, bool *all) CM_MUST;

/*
 * Tells when there may be something: *fd can be read then, and stays so, until
 * mailbox_unwatch or the next mailbox_watch.  Within a second of a change on
 * any node.  folder NULL: any of the mailbox.  Has a connection of its own.
 * When the agent dies it can be read, too.
 */
int	 mailbox_watch(struct mailbox *, const char *folder,
	    uint32_t validity, uint64_t modseq, int *fd) CM_MUST;
void	 mailbox_unwatch(struct mailbox *);

/* --- changes of messages; all or none, CM_ENOINPUT and CM_ESTALE as above --- */

struct mailbox_store {
	enum { MAILBOX_REPLACE, MAILBOX_ADD, MAILBOX_REMOVE } how;
	uint32_t	 flags;
	struct span	 keywords;
	bool		 conditional;	/* only those with modseq <= since */
	uint64_t	 since;
};
/*
 * Messages with their new flags go to fn, those too that had them already (no
 * modseq is spent on them).  modified: UIDs that were left as they are by
 * since (RFC 7162 section 3.1.3); may be NULL.  UIDs that are not there are
 * passed over.
 */
int	 mailbox_store(struct mailbox *, const char *folder, uint32_t validity,
	    const struct imap_set *uids, const struct mailbox_store *,
	    mailbox_fn, void *, struct imap_set *modified) CM_MUST;
/* Those of uids (NULL: of all) that have \Deleted go; *gone: which.  modseq:
 * of the last one, or the folder's. */
int	 mailbox_expunge(struct mailbox *, const char *folder,
	    uint32_t validity, const struct imap_set *uids,
	    struct imap_set *gone, uint64_t *modseq) CM_MUST;
/*
 * To another folder (or the same), with flags, date and keywords, no bytes are
 * copied.  from and to: UIDs, one for one (imap_set_append); validity_to: of
 * that folder.  move (RFC 6851): they go from here in the same transaction.
 * CM_EEXIST: there is no folder of that name (TRYCREATE); CM_EQUOTA.
 */
struct mailbox_copied {
	uint32_t	 validity_to;
	struct imap_set	 from, to;
	uint64_t	 modseq;	/* of this folder behind a move */
};
int	 mailbox_copy(struct mailbox *, const char *folder, uint32_t validity,
	    const struct imap_set *uids, const char *to, bool move,
	    struct mailbox_copied *) CM_MUST;
void	 mailbox_copied_free(struct mailbox_copied *);
/* Waits until a record that was delivered is listed: its UID in that folder,
 * and its UIDVALIDITY.  CM_ETIMEOUT: it will be. */
int	 mailbox_listed(struct mailbox *, const char *id, const struct place *,
	    const char *folder, uint32_t *validity, uint32_t *uid) CM_MUST;

#endif
