/*
 * Mirroring: one shipper for a volume sends its log to all copies; whoever
 * needs records there waits at the shipper's socket.  Level 3.
 */
#ifndef CM_MIRROR_H
#define CM_MIRROR_H

#include "base/log.h"
#include "cluster/conf.h"

/*
 * The shipper, "cm-mirror -S VOLUME": until nobody asked for idle_s seconds
 * and all copies that can be reached have everything.  0 at once when there
 * is one already.
 */
int	 mirror_serve(const struct log *, const struct conf *,
	    const struct conf_volume *, int idle_s) CM_MUST;

struct mirror {
	const struct log *log;
	const struct conf *conf;
	const char	*file;		/* as conf_load was given */
	const char	*node;
	unsigned	 copies;	/* wanted, the home counted */
};

/*
 * Filter: receipts from fd in; those whose records are on enough copies go
 * to fd out, with the copies named.  Where there are too few in time, the
 * policy decides: CM_ESHORT at the end and no line, or a line with what there
 * is.  CM_EDATA names the input line that is no receipt; it is skipped.
 */
int	 mirror_filter(const struct mirror *, int in, int out) CM_MUST;
/* Waits until every copy of each volume at home here has everything. */
int	 mirror_all(const struct mirror *) CM_MUST;

#endif
