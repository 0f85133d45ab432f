/*
 * Messages that a filter has kept back: STATE/spool/quarantine/new/ID, as they
 * would have been kept, and ID.report beside it, lines "word value":
 *
 *	quarantine 1
 *	time MILLISECONDS
 *	filter NAME
 *	finding TEXT
 *	client ADDRESS			(may be missing)
 *	from ADDRESS			(empty: the null sender)
 *	to ADDRESS			(one or more: recipients)
 *	mailbox NAME			(one or more: where it would have gone)
 *
 * Level 3.
 */
#ifndef CM_QUARANTINE_H
#define CM_QUARANTINE_H

#include "base/log.h"
#include "cluster/conf.h"
#include "cluster/deliver.h"
#include "cluster/filter.h"
#include "cluster/tool.h"

#define QUARANTINE_MAILBOX_SIZE 128

/*
 * Keeps a message with what was found.  0: it is on this node's disk, and, as a
 * record of a mailbox of the node's own, in the other places that the policy
 * asks for, where a rebuild finds it.  mailboxes: one a line.  Otherwise it is
 * not kept, as deliver_message.
 */
int	 quarantine_add(const struct log *, const struct conf *,
	    struct deliver *, const struct filter_msg *,
	    const struct filter_verdict *, struct span mailboxes) CM_MUST;

/* --- the commands; each writes fd 1 --- */

/* A line for each: id, time, filter, finding, sender, first recipient, size. */
int	 quarantine_list(struct tool *) CM_MUST;
/* The report, an empty line and the message.  CM_ENOINPUT. */
int	 quarantine_show(struct tool *, const char *id) CM_MUST;
/*
 * Delivers it to its mailboxes as it was, under its id, so that it is listed
 * once however often this is done, and takes it away.  Prints the receipt.
 */
int	 quarantine_release(struct tool *, const char *id) CM_MUST;
int	 quarantine_delete(struct tool *, const char *id) CM_MUST;
/* Takes away those that are older. */
int	 quarantine_expire(struct tool *, int64_t age_ms) CM_MUST;

#endif
