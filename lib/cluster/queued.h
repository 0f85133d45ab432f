/*
 * One message of the spool "outgoing".  new/ID is its envelope and the message,
 * and never changes:
 *
 *	outgoing 1
 *	time MILLISECONDS
 *	from ADDRESS			(empty: the null sender)
 *	ret WORD, envid WORD, utf8 yes	(each may be missing)
 *	to ADDRESS			(one or more times, each followed by
 *	notify WORD, orcpt WORD		 these, which may be missing)
 *	(an empty line, then the message)
 *
 * state/ID, when it is there, says what became of it; it is replaced whole:
 *
 *	tries N
 *	next MILLISECONDS
 *	last TEXT			(why it waits; may be missing)
 *	rcpt N STATE CODE TEXT		(the Nth "to" from 0)
 *
 * Level 3.
 */
#ifndef CM_QUEUED_H
#define CM_QUEUED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "cluster/spooldir.h"
#include "format/ulid.h"

#define QUEUED_MAGIC	"outgoing 1"
#define QUEUED_RECIPIENTS 10000
#define QUEUED_TEXT	512
#define QUEUED_FIRST_MS	300000LL		/* until the second try */
#define QUEUED_LONGEST_MS (4 * 3600000LL)	/* between two tries */
#define QUEUED_LIFE_MS	(5 * 24 * 3600000LL)	/* then it goes back */

enum queued_state {
	QUEUED_WAIT,
	QUEUED_SENT,
	QUEUED_RELAYED,		/* sent, and the sender is to know it */
	QUEUED_FAILED,		/* the sender is to know it */
	QUEUED_TOLD		/* the sender knows */
};

struct queued_rcpt {
	char		*address, *notify, *orcpt;	/* or NULL */
	enum queued_state state;
	int		 code;		/* of the last answer; 0: none */
	char		 text[QUEUED_TEXT];
};

struct queued {
	struct spooldir	*dir;
	char		 id[ULID_LEN + 1];
	int		 fd;		/* its lock */
	struct buf	 file;
	struct span	 msg;		/* in file */
	char		*sender, *ret, *envid;
	bool		 utf8;
	struct queued_rcpt *to;
	size_t		 n;
	int64_t		 time, next;
	unsigned	 tries;
	char		 last[QUEUED_TEXT];
};

/* The spool with its folder state/. */
int	 queued_spool(struct spooldir *, const struct log *,
	    const struct conf *) CM_MUST;
/*
 * Reads it, and locks it when asked to.  CM_ENOINPUT: it is gone; CM_ELOCK:
 * another process has it; both without a line.  CM_EDATA: it is none, and is
 * in failed/ now.
 */
int	 queued_open(struct spooldir *, const char *id, uint64_t max,
	    bool lock, struct queued **) CM_MUST;
void	 queued_close(struct queued *);
/* Writes the state; on disk after 0. */
int	 queued_save(struct queued *) CM_MUST;
/* Takes it away; its state stays until its copies go, see takeover.h. */
int	 queued_remove(struct queued *) CM_MUST;
/* How many are in that state? */
size_t	 queued_count(const struct queued *, enum queued_state);
/* It was tried now: when is it tried again? */
void	 queued_defer(struct queued *, int64_t now, const char *why);
/*
 * Those that are due at that time, oldest first; INT64_MAX: all.  Also those
 * whose sender is to be told something.  An array of n names to be freed, each
 * too.
 */
int	 queued_due(struct spooldir *, int64_t now, char ***, size_t *n)
	    CM_MUST;

#endif
