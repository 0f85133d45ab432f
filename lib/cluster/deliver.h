/*
 * A message from a protocol handler into the cluster: volume, copies, policy.
 * It is listed by itself then, within a fraction of a second.  Level 3.
 */
#ifndef CM_DELIVER_H
#define CM_DELIVER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/log.h"
#include "cluster/store.h"
#include "format/place.h"
#include "format/ulid.h"

struct deliver;			/* one thread uses it */

/* What became of a message; all zeros first. */
struct delivery {
	char		 id[ULID_LEN + 1];
	struct place	 place;
	struct buf	 copies;	/* labels with commas */
	bool		 few;		/* fewer than wanted, by policy */
};

/* file and node: what conf_load was given.  SIGPIPE is to be ignored. */
int	 deliver_open(const struct log *, const struct conf *,
	    const char *file, const char *node, struct deliver **) CM_MUST;
void	 deliver_close(struct deliver *);
/*
 * 0: the message is on stable storage in as many places as the policy asks
 * for.  Otherwise it is not kept, and its sender may try again: CM_ESHORT (too
 * few copies), CM_ESPACE, CM_EAWAY (no volume), CM_EAGAIN (the disk failed),
 * CM_ETOOBIG.  The log has a line.
 */
int	 deliver_message(struct deliver *, const struct store_msg *,
	    struct delivery *) CM_MUST;
void	 delivery_free(struct delivery *);

#endif
