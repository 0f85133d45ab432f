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

#include <stdbool.h>
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

struct mailbox_quota {
	uint64_t	 limit;		/* bytes; 0: none */
	uint64_t	 bytes;		/* of its messages */
	uint32_t	 messages;
};
int	 mailbox_quota(struct mailbox *, struct mailbox_quota *) CM_MUST;

/* --- folders --- */

struct mailbox_folder {
	char		 name[FOLDER_MAX + 1];
	bool		 exists;	/* no: its name alone is subscribed to,
					 * and all else is 0 */
	bool		 subscribed;
	uint32_t	 use;		/* enum imap_use: SPECIAL-USE */
	uint32_t	 id;		/* of this mailbox, never given again,
					 * the same behind a rename */
	uint32_t	 validity;	/* UIDVALIDITY */
	uint32_t	 uidnext;
	uint32_t	 messages, unseen;
	uint64_t	 bytes;
	uint64_t	 modseq;	/* HIGHESTMODSEQ, 1 at least */
};
/* All, and names that are subscribed to, in the order of their bytes.  Anything
 * but 0 ends the call and is returned. */
typedef int	(*mailbox_folder_fn)(void *, const struct mailbox_folder *);
int	 mailbox_folders(struct mailbox *, mailbox_folder_fn, void *) CM_MUST;
/* CM_ENOINPUT: no such folder. */
int	 mailbox_status(struct mailbox *, const char *folder,
	    struct mailbox_folder *) CM_MUST;

/*
 * Folders are changed by the leader, as messages are (see below).  Names as
 * folder_name gives them; a folder's levels above it need not exist, and are
 * not made.  INBOX is always there: it is made with the mailbox.
 */
/* use: enum imap_use, or 0.  CM_EEXIST (INBOX too). */
int	 mailbox_create(struct mailbox *, const char *folder, uint32_t use)
	    CM_MUST;
/* With its messages; folders below stay, and it stays subscribed.
 * CM_ENOINPUT; CM_EPERM: INBOX. */
int	 mailbox_delete(struct mailbox *, const char *folder) CM_MUST;
/*
 * With all folders below it; UIDs, UIDVALIDITY and ids stay, and subscriptions
 * are of names.  INBOX: its messages go to the new folder, with UIDs,
 * UIDVALIDITY and id; INBOX is another one then, empty, with a higher
 * UIDVALIDITY; those below it stay (RFC 3501 section 6.3.5), and to may lie
 * below it.  from may be a level with folders below it and no folder itself.
 * CM_ENOINPUT; CM_EEXIST: to, or one of those below, is there; CM_EUSAGE: to
 * lies below from; CM_ETOOBIG: a name would be longer than FOLDER_MAX.
 */
int	 mailbox_rename(struct mailbox *, const char *from, const char *to)
	    CM_MUST;
/* Of any name; 0 also when it is so already. */
int	 mailbox_subscribe(struct mailbox *, const char *folder, bool on)
	    CM_MUST;

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
	uint64_t	 was;		/* of mailbox_store: modseq before it */
	struct span	 keywords;	/* blanks between; may be empty */
	struct ulid	 id;
	struct place	 place;
	uint32_t	 size;
	int64_t		 time_ms;	/* INTERNALDATE */
	int64_t		 saved_ms;	/* when it was put into the folder */
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
 * Which messages there are: cheap.  *f is the folder as it was when the walk
 * began, as above.
 */
#define MAILBOX_KEYWORDS_MAX	16384	/* bytes of all their names */
struct mailbox_uids {
	struct imap_set	 uids;
	uint32_t	 unseen;	/* the first one without \Seen, or 0 */
	struct buf	 keywords;	/* each once, as far as there is room */
};
/* *u is to be freed, also behind a failure. */
int	 mailbox_uids(struct mailbox *, const char *folder, uint32_t validity,
	    struct mailbox_folder *f, struct mailbox_uids *u) CM_MUST;
void	 mailbox_uids_free(struct mailbox_uids *);

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
/*
 * Into another folder or the same one, with flags and keywords and
 * INTERNALDATE; move: and away from here.  They get new UIDs in the order of
 * the old ones.  UIDs that are not there are passed over.
 */
struct mailbox_copied {
	uint32_t	 validity;	/* of the target */
	struct imap_set	 from, to;	/* in pairs (imap_set_append) */
};
/* *c is to be freed, also behind a failure.  CM_ENOINPUT: no such folder as
 * folder; CM_EEND: as to; CM_ESPACE: the quota does not have room. */
int	 mailbox_copy(struct mailbox *, const char *folder, uint32_t validity,
	    const struct imap_set *uids, const char *to, bool move,
	    struct mailbox_copied *c) CM_MUST;
void	 mailbox_copied_free(struct mailbox_copied *);

/*
 * UIDs that have gone since a modseq (RFC 7162 section 3.2.10): *gone, resolved
 * and to be freed.  CM_ENOINPUT and CM_ESTALE as above; CM_EEND: that is not
 * known as far back as that, and all that is not listed counts as gone.
 */
int	 mailbox_vanished(struct mailbox *, const char *folder,
	    uint32_t validity, uint64_t since, struct imap_set *gone) CM_MUST;

#endif
