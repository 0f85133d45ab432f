/* A header's Date: RFC 5322 section 3.3 and 4.3.  Level 1. */
#ifndef CM_FORMAT_DATE_H
#define CM_FORMAT_DATE_H

#include <stdint.h>

#include "base/str.h"

/*
 * day: of the date as it is written, whatever its time and zone, in days since
 * 1970-01-01.  ms: the instant; a time that is missing or wrong is 00:00:00, a
 * zone is UTC (RFC 5256 section 2.2).  CM_EDATA: no date is in it.
 */
int	 date_parse(struct span unfolded, int32_t *day, int64_t *ms) CM_MUST;

#endif
