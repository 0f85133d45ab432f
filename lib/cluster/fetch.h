/* Writing out messages, from whichever copies answer.  Level 3. */
#ifndef CM_FETCH_H
#define CM_FETCH_H

#include <stdint.h>

#include "base/log.h"
#include "cluster/catalog.h"
#include "cluster/conf.h"

enum fetch_form {
	FETCH_MBOX,		/* mboxrd, LF line ends */
	FETCH_RAW,		/* messages as stored, behind each other */
	FETCH_MAILDIR
};

struct fetch {
	const struct log *log;
	const struct conf *conf;
	struct catalog	*catalog;
	enum fetch_form	 form;
	const char	*dir;		/* the Maildir */
	const char	*folder;	/* of mailboxes; NULL: all */
	uint32_t	 uid;		/* of one message there; 0: all */
	int		 in;		/* read when there are no operands */
	int		 out;		/* for FETCH_MBOX and FETCH_RAW */
};

/*
 * Writes out what the operands (mailbox, or mailbox/folder/uid) name, or
 * without operands what the lines of in name: a line of the catalog's list,
 * an entry alone, or a receipt.  A message, mailbox or line that is no good
 * is told of and passed over, nothing is written for it, and the first such
 * failure is returned at the end: CM_ENOUSER, CM_ENOINPUT (no such entry),
 * CM_ECORRUPT (no copy is good), CM_EDATA (the line).  When output fails, the
 * catalog is away or memory is short, the rest is not tried.
 */
int	 fetch_run(const struct fetch *, char *const operands[], int n)
	    CM_MUST;

#endif
