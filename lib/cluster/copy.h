/*
 * A copy of a volume, wherever it lies.  The shipper and repair know copies by
 * these functions only.  Level 3.
 */
#ifndef CM_COPY_H
#define CM_COPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "cluster/conf.h"
#include "cluster/segment.h"
#include "cluster/sum.h"

#define COPY_LABEL_MAX	(CONF_NAME_MAX + 8)

struct copy;

/*
 * The label of a volume's home (index -1) or of copy number index in receipts:
 * the node's name, with #NUMBER when that node has more than one of it.
 */
void	 copy_label(const struct conf_volume *, int index,
	    char out[COPY_LABEL_MAX]);

/*
 * Opens copy number index of the volume whose home's meta is given; an empty
 * or missing folder becomes a copy.  CM_ECONF when it is a copy of something
 * else, CM_EEPOCH when it belongs to a newer home, CM_EAWAY when it lies on a
 * node that cannot be reached.
 */
int	 copy_open(const struct log *, const struct conf *,
	    const struct conf_volume *, size_t index,
	    const struct seg_meta *, struct copy **) CM_MUST;
/* The same for a folder that may not be in cluster.xml (cm-rebuild copy). */
int	 copy_open_dir(const struct log *, const char *dir,
	    const struct seg_meta *, struct copy **) CM_MUST;
/*
 * The home on another node, seen from the node of one of its copies: to read
 * only.  *m and *at get what it is and how far its segments go; the latter is
 * what peer_volume gives, and is for the caller to free.
 */
struct peer_volume;
int	 copy_open_home(const struct log *, const struct conf *,
	    const struct conf_volume *, struct peer_volume *, struct copy **)
	    CM_MUST;
void	 copy_close(struct copy *);

/* The segments it has, as seg_list. */
int	 copy_list(struct copy *, uint32_t **, size_t *n) CM_MUST;
/* Bytes it has of a segment on stable storage; 0 when it has none. */
int	 copy_end(struct copy *, uint32_t segment, uint32_t *end) CM_MUST;
/*
 * Appends; on stable storage when it returns 0.  CM_EOFFSET when the segment
 * does not end at offset.
 */
int	 copy_append(struct copy *, uint32_t segment, uint32_t offset,
	    const void *, size_t) CM_MUST;
/* Reads exactly n bytes; CM_EEND when it has less. */
int	 copy_read(struct copy *, uint32_t segment, uint32_t offset, void *,
	    size_t n) CM_MUST;
/* Puts bytes right in the middle of a segment; on stable storage after. */
int	 copy_patch(struct copy *, uint32_t segment, uint32_t offset,
	    const void *, size_t) CM_MUST;
/* Cuts a segment; what goes is kept beside it. */
int	 copy_cut(struct copy *, uint32_t segment, uint32_t end) CM_MUST;
/*
 * Reads on in a segment from s->at up to to, at the copy's own node; max: stop
 * after about so many bytes (0: go on to to).
 */
int	 copy_sum(struct copy *, uint32_t segment, uint32_t to, uint32_t max,
	    struct sum *) CM_MUST;
/*
 * From here on the copy has the epoch of the meta it was opened with: an older
 * home is refused.
 */
int	 copy_claim(struct copy *) CM_MUST;

#endif
