/* Keeping work to a rate.  Level 0. */
#ifndef CM_PACE_H
#define CM_PACE_H

#include <stddef.h>
#include <stdint.h>

struct pace {
	uint64_t	 rate;		/* bytes per second; 0: any */
	uint64_t	 done;
	int64_t		 start_ms;
};

void	 pace_init(struct pace *, uint64_t rate);
/* n bytes were moved: sleeps until that is no more than the rate. */
void	 pace_add(struct pace *, uint64_t n);
/* How many to move at once: max, or less so that no sleep is long. */
uint32_t pace_chunk(const struct pace *, uint32_t max);

#endif
