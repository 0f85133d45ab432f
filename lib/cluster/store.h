/* Storing messages: from bytes to records and receipts.  Level 3. */
#ifndef CM_STORE_H
#define CM_STORE_H

#include "base/buf.h"
#include "base/log.h"
#include "cluster/catalog.h"
#include "cluster/conf.h"
#include "format/ulid.h"

struct store;

/* One message for store_append. */
struct store_msg {
	const char	*p;		/* with CRLF line ends: see intake.h */
	size_t		 len;
	const char	*sender;	/* canonical address; "" null sender */
	struct span	 mailboxes;	/* names, one a line, each once */
	const char	*folder;	/* name as folder_name gives it */
	const char	*flags;		/* IMAP names, or "" */
	int64_t		 time_ms;	/* arrival; -1: now */
	const struct ulid *id;		/* NULL: a new one */
};

/* A new id of that time, in ms. */
int	 store_new_id(int64_t now, struct ulid *) CM_MUST;

int	 store_open(const struct log *, const struct conf *, struct store **)
	    CM_MUST;
void	 store_close(struct store *);

/*
 * Appends the message to the volume that the rules and the selection give, or
 * to the next one when that takes none, and adds its receipt to receipts.  It
 * is safe, and the receipt may be shown, only when store_commit came back
 * with 0.  After a failure nothing of this message is in any volume of this
 * node.  When the rules say so another node stores it, with its copies; on a
 * node that is drained always one.
 */
int	 store_append(struct store *, const struct store_msg *,
	    struct buf *receipts) CM_MUST;
/* Brings all that was appended to stable storage. */
int	 store_commit(struct store *) CM_MUST;

/*
 * The mailboxes of some addresses, each once, one a line.  Names the address
 * that is not known and returns CM_ENOUSER.
 */
int	 store_recipients(const struct log *, struct catalog *,
	    char *const addresses[], int n, struct buf *mailboxes) CM_MUST;

#endif
