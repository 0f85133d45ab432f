/* What a home and a copy have to settle before shipping goes on.  Level 3. */
#ifndef CM_RECONCILE_H
#define CM_RECONCILE_H

#include "base/pace.h"
#include "base/progress.h"
#include "cluster/copy.h"
#include "cluster/volume.h"

struct reconcile {
	const struct volume *v;	/* asked how far the home is; NULL: frozen */
	bool		 tails;	/* look at the copy's last bytes, too */
	uint64_t	 pulled;	/* result: bytes fetched */
	bool		 damaged;	/* result: not all of them are good */
	struct progress	*progress;	/* of bytes fetched, or NULL */
	struct pace	*pace;		/* to keep to, or NULL */
};

/*
 * Looks at every segment of both.  Where the copy has more than a sealed
 * segment of the home, the home has lost it in a crash: the whole records are
 * fetched, the rest of the copy is cut.  With tails: where a copy's last bytes
 * are not the home's, they are from a crash of the copy, and are cut to be
 * sent again, when the home's are sound and the copy's are no records that
 * the home lacks.  CM_ECORRUPT, with a line, when the two cannot be brought
 * together this way (cm-rebuild check -r).
 */
int	 reconcile(const struct log *, const char *home,
	    const struct seg_meta *, struct copy *, struct reconcile *) CM_MUST;

/*
 * The first segment that the copy lacks bytes of, and from where on; the
 * committed end when it lacks none.
 */
int	 reconcile_next(const struct log *, const char *home,
	    struct vol_end committed, struct copy *, uint32_t from,
	    struct vol_end *) CM_MUST;

/* Bytes of a segment at the home: the open one is as long as committed. */
int	 home_size(const struct log *, const char *home,
	    struct vol_end committed, uint32_t segment, uint32_t *) CM_MUST;

#endif
