/*
 * The mailboxes and aliases that the catalog had when it was asked last, for
 * the time when its node cannot be reached.  Level 3.
 */
#ifndef CM_KNOWN_H
#define CM_KNOWN_H

#include "base/buf.h"
#include "base/log.h"
#include "cluster/catdb.h"
#include "cluster/conf.h"

#define KNOWN_MAX	(1u << 30)	/* bytes of the file */

/*
 * Puts text, the lines that "cm-user list" prints, into the node's state
 * folder (accounts.last).
 */
int	 known_save(const struct log *, const struct conf *,
	    const struct buf *text) CM_MUST;
/* The same from this node's own catalog, when it is another text than that
 * with the checksum *sum, which is changed. */
int	 known_remember(const struct log *, const struct conf *,
	    struct catdb *, uint32_t *sum) CM_MUST;
/* The line of a mailbox, of an alias: of the table's key and value. */
int	 known_account(struct buf *, struct span key, struct span value)
	    CM_MUST;
int	 known_alias(struct buf *, struct span key, struct span value);
/*
 * As account_resolve, from there.  An address that is not known is CM_EAGAIN,
 * never a refusal for good: it may be a new one.  CM_EAWAY when there is no
 * file.
 */
int	 known_resolve(const struct log *, const struct conf *,
	    const char *address, struct buf *out) CM_MUST;

#endif
