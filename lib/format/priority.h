/* How urgent a message's sender says that it is.  Level 1. */
#ifndef CM_PRIORITY_H
#define CM_PRIORITY_H

#include "base/str.h"

enum priority { PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH };

/*
 * By the first field of each of these names, given the header's bytes:
 *   Priority	urgent; non-urgent		(RFC 2156 section 5.3.6)
 *   Importance	high; low			(RFC 2156 section 5.3.4)
 *   X-Priority	1 and 2; 4 and 5		("1 (Highest)" too)
 * Case does not matter.  When they differ, high wins over low.
 */
enum priority priority_of(struct span header);

/* "high", "normal", "low"; CM_EDATA for another word. */
int	 priority_parse(const char *word, enum priority *) CM_MUST;
const char *priority_word(enum priority);

#endif
