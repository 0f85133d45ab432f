/*
 * Writing messages into a Maildir (https://cr.yp.to/proto/maildir.html), with
 * Maildir++ subfolders.  Level 3.
 */
#ifndef CM_MAILDIR_H
#define CM_MAILDIR_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/str.h"
#include "format/ulid.h"

struct maildir;

struct maildir_msg {
	const char	*folder;	/* name as folder_name gives it */
	struct ulid	 id;
	int64_t		 time_ms;	/* arrival */
	struct span	 flags;		/* IMAP names with spaces; or none */
	struct span	 msg;		/* line ends become LF */
};

/* Makes dir when it is missing.  node goes into the names of files. */
int	 maildir_open(const struct log *, const char *dir, const char *node,
	    struct maildir **) CM_MUST;
/* What was added since the last commit is not in the Maildir. */
void	 maildir_close(struct maildir *);

/*
 * Adds a message, or does nothing when its folder has one of this id already.
 * Its file appears in new/ or cur/ only when its bytes are on disk, at the
 * latest with maildir_commit: so a crash leaves nothing there that a second
 * run would take for the message.  CM_EDATA: the folder's name or the flags
 * are none; others can still be added.  What goes wrong was logged.
 */
int	 maildir_add(struct maildir *, const struct maildir_msg *) CM_MUST;
/* Brings all that was added to stable storage. */
int	 maildir_commit(struct maildir *) CM_MUST;

#endif
