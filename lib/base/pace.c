#include "base/pace.h"

#include "base/time.h"

#define CHUNK_MIN	65536u
#define FORGET_MS	2000	/* of idle time nothing is caught up */

void
pace_init(struct pace *p, uint64_t rate)
{
	p->rate = rate;
	p->done = 0;
	p->start_ms = time_mono_ms();
}

void
pace_add(struct pace *p, uint64_t n)
{
	int64_t	 due, now;

	if (p->rate == 0)
		return;
	p->done += n;
	now = time_mono_ms();
	due = p->start_ms + (int64_t)((double)p->done * 1000 /
	    (double)p->rate);
	if (now - due > FORGET_MS) {
		p->start_ms = now;
		p->done = 0;
	}
	for (; now < due; now = time_mono_ms())
		time_sleep_ms(due - now > 1000 ? 1000 : (int)(due - now));
}

uint32_t
pace_chunk(const struct pace *p, uint32_t max)
{
	uint64_t	 n = p->rate / 4;

	if (p->rate == 0 || n >= max)
		return max;
	return n < CHUNK_MIN ? (CHUNK_MIN < max ? CHUNK_MIN : max) :
	    (uint32_t)n;
}
