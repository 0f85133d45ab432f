/*
 * How long the messages of the last seconds took from their end to the
 * acknowledgement: what all processes of a node measured, in the mapped file
 * STATE/run/delay.  Level 3.
 */
#ifndef CM_DELAY_H
#define CM_DELAY_H

#include <stdint.h>

#include "base/log.h"

#define DELAY_SECONDS	10	/* older ones are forgotten, bit by bit */
#define DELAY_MAX_MS	60000	/* a longer one counts as this */

struct delay;

/* NULL, with a line at debug, when the file cannot be had. */
struct delay *delay_open(const struct log *, const char *state);
void	 delay_close(struct delay *);
/* A message took that long.  d may be NULL. */
void	 delay_add(struct delay *, int64_t ms);
/* The mean, ms; 0 when nothing was taken lately, or is known. */
uint64_t delay_read(const char *state);

/* The same with the clock (seconds, of time_mono_ms). */
void	 delay_add_at(struct delay *, int64_t ms, int64_t now_s);
uint64_t delay_mean_at(const struct delay *, int64_t now_s);

#endif
