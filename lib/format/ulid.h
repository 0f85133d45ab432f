/* Message ids: ULIDs, 48 bits of milliseconds and 80 random bits.  Level 1. */
#ifndef CM_ULID_H
#define CM_ULID_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ULID_LEN	26	/* Crockford base 32 */
#define ULID_RANDOM	10

/* Big-endian, so that bytes sort as times do. */
struct ulid {
	unsigned char	 b[16];
};

/* When it was made, ms. */
int64_t	 ulid_ms(const struct ulid *);
void	 ulid_make(struct ulid *, int64_t ms,
	    const unsigned char random[ULID_RANDOM]);
/* Writes 26 characters and a NUL. */
void	 ulid_text(const struct ulid *, char out[ULID_LEN + 1]);
/* Exactly 26 upper-case characters; CM_EDATA otherwise. */
int	 ulid_parse(const char *p, size_t len, struct ulid *) CM_MUST;

#endif
