/*
 * A record that has too few copies here is stored on another node, whose
 * volume's copies are alive.  It keeps its id, so that it is listed once
 * however many volumes have it.  Level 3.
 */
#ifndef CM_FORWARD_H
#define CM_FORWARD_H

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "cluster/conf.h"
#include "format/place.h"

/*
 * Reads the record at a place of this node and asks the other nodes in turn,
 * beginning with a random one, until one has it on that many nodes.  place is
 * then the new one, and labels (reset) names those that have it, with commas.
 * CM_ESHORT when none has.
 */
int	 forward_record(const struct log *, const struct conf *,
	    unsigned copies, struct place *place, struct buf *labels) CM_MUST;
/*
 * Stores a record that was taken back (cancel.h) once more, in the same
 * volume at home here, under its id; synced.  place is then the new one.
 */
int	 forward_again(const struct log *, const struct conf *,
	    const struct conf_volume *, struct place *place) CM_MUST;

/*
 * Stores a record that is in no volume of this node in that one of another
 * node, with as many copies as the policy wants (with degrade no more than
 * there are).  *peer is the connection, kept for the next one; NULL first.
 * On any failure (CM_ESHORT, CM_EAWAY, CM_ETIMEOUT, ...), with a line, the
 * record may be there all the same when the answer was lost: stored elsewhere
 * under the same id it is still listed once.
 */
struct peer;
int	 forward_to(const struct log *, const struct conf *,
	    const struct conf_volume *, struct peer **peer, struct span env,
	    struct span msg, struct place *place, struct buf *labels) CM_MUST;

/*
 * The same for a record that is in no volume yet, at a node that is drained:
 * with fewer copies than the policy wants when it says degrade.  CM_EAGAIN,
 * with a line, when no node took it; one may have it all the same, under its
 * id.
 */
int	 forward_new(const struct log *, const struct conf *, struct span env,
	    struct span msg, struct place *place, struct buf *labels) CM_MUST;

#endif
