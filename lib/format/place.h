/* Where a record lies: volume:segment:offset:length.  Level 1. */
#ifndef CM_PLACE_H
#define CM_PLACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PLACE_VOLUME_MAX 63
#define PLACE_SEGMENT_MAX 99999999u

struct place {
	char		 volume[PLACE_VOLUME_MAX + 1];
	uint32_t	 segment;	/* from 1 */
	uint32_t	 offset;	/* bytes from the segment's start */
	uint32_t	 length;	/* bytes of the whole record */
};

/* Adds "v1:00000001:0:4711". */
int	 place_write(struct buf *, const struct place *);
/* The same form only; CM_EDATA otherwise. */
int	 place_parse(const char *p, size_t len, struct place *) CM_MUST;
/* Letters, digits, - and _, not empty, not too long. */
int	 place_volume_ok(const char *p, size_t len) CM_MUST;

#endif
