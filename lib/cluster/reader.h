/*
 * Reading records by their places, from whichever copy is good.  Level 3.
 */
#ifndef CM_READER_H
#define CM_READER_H

#include <stddef.h>

#include "base/log.h"
#include "base/str.h"
#include "cluster/conf.h"
#include "format/place.h"
#include "format/record.h"
#include "format/ulid.h"

struct reader;			/* not for several threads at once */

/* A record whose checksums are right; valid until the reader's next call. */
struct reader_record {
	struct span	 bytes;		/* all of it, as stored */
	struct span	 env_text;	/* the envelope part */
	struct record_env env;		/* spans point into it */
	struct span	 msg;		/* the message */
};

/* conf is kept.  Opens no file yet. */
int	 reader_open(const struct log *, const struct conf *,
	    struct reader **) CM_MUST;
void	 reader_close(struct reader *);

/*
 * Reads the record at a place from the first of the volume's candidates that
 * is good: the home when it is this node, the copies that lie here, then home
 * and copies on other nodes, through their cm-stored.  id: the one it must
 * have, or NULL.  A candidate that lacks the record is passed over; one that
 * is damaged too, with a line to the log once for each place.  A node that
 * does not answer is left alone for some seconds, see host.h.
 * CM_EAWAY when one that may have it cannot be asked; CM_ECORRUPT when all
 * were asked and none is good, CM_ENOINPUT when nobody has it (no such volume
 * counted), CM_EPERM and the like when the files cannot be opened.
 */
int	 reader_get(struct reader *, const struct place *,
	    const struct ulid *id, struct reader_record *) CM_MUST;

/*
 * The node that a record of the volume will be asked for: NULL when a folder
 * of this node should have it, or there is no such volume.
 */
const char *reader_node(struct reader *, const char *volume);
/* How many candidates on this node a volume has; 0 for an unknown volume. */
size_t	 reader_candidates(struct reader *, const char *volume);
/* The folder of one; NULL when there are not that many. */
const char *reader_path(struct reader *, const char *volume, size_t i);
/*
 * Reads from that candidate alone, and logs nothing.  CM_ENOINPUT: it has no
 * such folder, segment, or so many bytes; CM_ECORRUPT: the bytes are wrong;
 * CM_EIO: the disk does not give them; CM_ECONF: the folder is not one of
 * this volume.
 */
int	 reader_get_from(struct reader *, size_t i, const struct place *,
	    const struct ulid *id, struct reader_record *) CM_MUST;

#endif
