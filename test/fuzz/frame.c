/* Frames that parse are written as the same bytes, and hold no more than was
 * given. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/frame.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
is_inside(struct span s, const char *p, size_t len)
{
	return s.p >= p && s.len <= len && s.p <= p + len - s.len;
}

static void
check(const char *p, size_t used, const struct frame *f)
{
	struct buf	 b;

	buf_init(&b, 1 << 20);
	switch (f->kind) {
	case 'S':
		frame_add_state(&b, &f->state);
		break;
	case 'D':
		if (!is_inside(f->control, p, used) ||
		    !is_inside(f->rec, p, used))
			abort();
		frame_add_data(&b, f->control, f->rec);
		break;
	case 'L':
		frame_add_lead(&b, f->end);
		break;
	case 'W':
		frame_add_witness(&b, &f->witness);
		break;
	default:
		abort();
	}
	if (b.err != 0 || b.len != used || memcmp(b.p, p, used) != 0)
		abort();
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*p = (const char *)data;
	struct frame	 f;
	size_t		 at = 0, used;

	if (size > 1 << 19)
		return 0;
	while (frame_parse(p + at, size - at, &f, &used) == 0 && used > 0) {
		if (used > size - at)
			abort();
		check(p + at, used, &f);
		at += used;
	}
	return 0;
}
