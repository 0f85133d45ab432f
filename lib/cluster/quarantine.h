/*
 * Messages that a filter has kept back: STATE/spool/quarantine/new/ID, as they
 * would have been kept, and new/ID.report beside it:
 *
 *	quarantine 1
 *	time MILLISECONDS
 *	filter NAME
 *	finding TEXT
 *	client ADDRESS			(may be missing)
 *	from ADDRESS			(empty: the null sender)
 *	to ADDRESS			(one or more: the recipients)
 *	mailbox NAME			(any number: where it would have gone)
 *	release ID			(it is being released under that id)
 *
 * A record of the mailbox quarantine@NODE.invalid is its copy.  Level 3.
 */
#ifndef CM_QUARANTINE_H
#define CM_QUARANTINE_H

#include "base/log.h"
#include "cluster/conf.h"
#include "cluster/deliver.h"
#include "cluster/filter.h"

#define QUARANTINE_MAGIC	"quarantine 1"
#define QUARANTINE_NAME_SIZE	(ULID_LEN + 8)	/* ID.report */

int	 quarantine_report(const char *id, char out[QUARANTINE_NAME_SIZE])
	    CM_MUST;

/*
 * Keeps a message with what was found; mailboxes: one a line.  0: it is on this
 * node's disk, and in the other places that the policy asks for.  Otherwise it
 * is not kept, as deliver_message.
 */
int	 quarantine_add(const struct log *, const struct conf *,
	    struct deliver *, const struct filter_msg *,
	    const struct filter_verdict *, struct span mailboxes) CM_MUST;

#endif
