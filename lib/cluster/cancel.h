/*
 * Records that were taken back: their senders were told to try again, since
 * too few copies had them in time.  A later record of the same volume says so,
 * and what is cancelled is never listed.  Level 3.
 */
#ifndef CM_CANCEL_H
#define CM_CANCEL_H

#include "cluster/volume.h"

/* The cancelled records of a stretch of a log, by what is said in it. */
struct cancels {
	struct vol_end	 from, to;	/* the stretch; to.segment 0: none */
	struct vol_end	*at;		/* where they begin */
	size_t		 n, cap;
};

void	 cancels_free(struct cancels *);	/* and may be used again */
/*
 * Makes the stretch reach from from, where a record begins, up to to at least.
 * dir: a home's or a copy's folder.
 */
int	 cancels_cover(const struct log *, const char *dir, uint32_t salt,
	    struct cancels *, struct vol_end from, struct vol_end to) CM_MUST;
bool	 cancels_has(const struct cancels *, uint32_t segment,
	    uint32_t offset);

/* Does the log of this home say that the record was taken back? */
int	 cancel_find(const struct log *, const struct conf_volume *,
	    const struct place *, bool *) CM_MUST;
/*
 * Takes it back, at its home here.  CM_EEXIST when enough copies have it by
 * now, CM_ESTALE when that is not known; see vol_cancel.
 */
int	 cancel_record(const struct log *, const struct conf *,
	    const struct conf_volume *, const struct place *) CM_MUST;

#endif
