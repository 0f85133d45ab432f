/*
 * Mailboxes of the nodes' own, "NAME@NODE.invalid": their records are copies of
 * what a spool of that node has, so that it outlives the node's disk.  Level 3.
 */
#ifndef CM_SYSBOX_H
#define CM_SYSBOX_H

#include "cluster/tool.h"
#include "format/place.h"
#include "format/ulid.h"

#define SYSBOX_SIZE	128

/* One of its messages. */
struct sysbox_entry {
	char		 uid[12];
	char		 id[ULID_LEN + 1];
	struct place	 place;
	int64_t		 time_ms;
};

/* "outgoing" of node n1: outgoing@n1.invalid. */
int	 sysbox_name(const char *what, const char *node, char out[SYSBOX_SIZE])
	    CM_MUST;
/* Adds its lines, for sysbox_next, to a buffer that this begins.  No such
 * mailbox: there are none. */
int	 sysbox_list(struct tool *, const char *box, struct buf *) CM_MUST;
/* The next one of *rest; CM_EEND, CM_EDATA. */
int	 sysbox_next(struct span *rest, struct sysbox_entry *) CM_MUST;
int	 sysbox_expunge(struct tool *, const char *box,
	    const struct sysbox_entry *) CM_MUST;

#endif
