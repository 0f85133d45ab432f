/* Reading messages out of mailboxes: mbox files and Maildirs.  Level 3. */
#ifndef CM_COLLECT_H
#define CM_COLLECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

/* One message as it was found; valid during the call only. */
struct collect_msg {
	const char	*p;		/* bytes, line ends as found */
	size_t		 len;
	const char	*sender;	/* as in the From_ line; or NULL */
	int64_t		 time_ms;	/* arrival; -1 unknown */
	const char	*flags;		/* of IMAP: "\\Seen \\Flagged" or "" */
	const char	*where;		/* "file:line" or path, for messages */
};

/* Anything but 0 ends the reading and is returned. */
typedef int	(*collect_fn)(void *arg, const struct collect_msg *);

/*
 * An mbox (mboxrd: ">From " lines lose one >).  fd is read to its end; it may
 * be a pipe.  Memory is bounded by the largest message; one of over max bytes
 * is CM_ETOOBIG, naming its line.  Something that does not start with a
 * From_ line is CM_EDATA.  An empty file has no messages.
 */
int	 collect_mbox(const struct log *, int fd, const char *name,
	    uint64_t max, collect_fn, void *) CM_MUST;
/*
 * A Maildir: the messages of cur/ and new/ together, in the order of their
 * names; tmp/ is left.  Arrival is the file's time.  Dot files and folders
 * are passed over, and so are links, with a warning: a user's Maildir must
 * not name files of others.  A file that is gone by the time it is read is no
 * error.  CM_ENOINPUT when there is neither cur/ nor new/.
 */
int	 collect_maildir(const struct log *, const char *dir, uint64_t max,
	    collect_fn, void *) CM_MUST;

#endif
