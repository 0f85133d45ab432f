/* Clocks.  Times are milliseconds since 1970-01-01 UTC.  Level 0. */
#ifndef CM_TIME_H
#define CM_TIME_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TIME_ISO_SIZE 25	/* 2026-11-24T08:00:00.000Z and a NUL */

int64_t	 time_now_ms(void);	/* wall clock */
int64_t	 time_mono_ms(void);	/* for measuring spans */
int64_t	 time_mono_us(void);
void	 time_sleep_ms(int);

/* RFC 3339, UTC; a year over 9999 is written as the end of 9999. */
void	 time_iso(char out[TIME_ISO_SIZE], int64_t ms);
int	 time_parse_iso(const char *p, size_t len, int64_t *ms) CM_MUST;
/* asctime's form as in mbox From_ lines, UTC; returns the length. */
int	 time_asctime(char *out, size_t n, int64_t ms);

#endif
