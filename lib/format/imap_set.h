/*
 * Sets of message numbers and UIDs: sequence-set of RFC 3501 section 9, "$" of
 * RFC 5182.  Level 1.
 */
#ifndef CM_IMAP_SET_H
#define CM_IMAP_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define IMAP_SET_MAX	100000	/* ranges of a set that is parsed */

struct imap_range {
	uint32_t	 from, to;	/* both included; 0: "*" */
};

/* All zeros is an empty one. */
struct imap_set {
	struct imap_range *r;
	size_t		 n, cap;
	bool		 saved;		/* "$": nothing else is in it then */
};

void	 imap_set_free(struct imap_set *);
/* Reads all of p as a set, as it was written; it is empty on failure.
 * CM_EDATA, CM_ETOOBIG (too many ranges), CM_ENOMEM. */
int	 imap_set_parse(struct span, struct imap_set *) CM_MUST;
/*
 * "*" becomes max (RFC 3501: the largest number in use), from <= to, sorted,
 * ranges that meet are one.  With max 0, of an empty folder, "*" goes: ranges
 * with it mean nothing.  Every function below wants a resolved one.
 */
void	 imap_set_resolve(struct imap_set *, uint32_t max);
/* Adds one number, or a range, that does not start below the last one's start;
 * CM_EUSAGE else. */
int	 imap_set_add(struct imap_set *, uint32_t from, uint32_t to) CM_MUST;
bool	 imap_set_has(const struct imap_set *, uint32_t);
/* How many numbers. */
uint64_t imap_set_count(const struct imap_set *);
/* "1:3,7"; nothing for an empty set, "$" for a saved one. */
int	 imap_set_write(struct buf *, const struct imap_set *);
/*
 * As with imap_set_add, but in any order, and what is there twice stays so:
 * for COPYUID (RFC 4315 section 3), where the order of two sets tells which
 * belongs to which.  A number that follows the last one goes into its range.
 */
int	 imap_set_append(struct imap_set *, uint32_t) CM_MUST;

#endif
