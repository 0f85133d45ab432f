/*
 * What a segment holds, told without its bytes: a checksum over the headers
 * of its records (which have the checksums of the rest), and the stretches
 * that are no good records.  Level 3.
 */
#ifndef CM_SUM_H
#define CM_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

#define SUM_BAD_MAX	65536u	/* stretches told of one segment */

struct sum_bad {
	uint32_t	 offset, length;
};

/* All zero is the beginning of a segment. */
struct sum {
	uint32_t	 at;		/* read up to there */
	uint32_t	 sum;
	struct sum_bad	*bad;
	size_t		 n, cap;
};

/*
 * Reads on from s->at, where something begins, up to to; stops before, at the
 * end of a record, when max bytes (0: any) were read or ms passed (0: any).
 * CM_ENOINPUT without a line when there is no such segment; CM_ETOOBIG when
 * more is bad than can be told.
 */
int	 sum_read(const struct log *, const char *dir, uint32_t salt,
	    uint32_t segment, uint32_t to, uint32_t max, int ms, struct sum *)
	    CM_MUST;
int	 sum_add_bad(struct sum *, uint32_t offset, uint32_t length) CM_MUST;
void	 sum_free(struct sum *);

/* As lines "at N", "sum HEX", "bad OFFSET LENGTH", and back: adds to s. */
int	 sum_write(struct buf *, const struct sum *);
int	 sum_parse(struct span, struct sum *) CM_MUST;

#endif
