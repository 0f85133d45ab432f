/* Header lines and envelope parts: what parses has sane lengths and spans. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/record.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
inside(struct span s, const char *p, size_t n)
{
	if (s.p != NULL && (s.p < p || s.p + s.len > p + n))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char		*p = (const char *)data;
	struct record_spot	 s = { 1, 2, 3 };
	struct record_head	 h;
	struct record_env	 e, e2;
	struct span		 to, entry, flags;
	struct buf		 b;
	char			 head[RECORD_HEAD];

	if (size >= RECORD_HEAD && record_head_parse(p, &s, &h) == 0) {
		record_head_write(head, &h, &s);
		if (memcmp(head, p, RECORD_HEAD) != 0)
			abort();
	}
	if (record_env_parse(p, size, &e) != 0)
		return 0;
	inside(e.sender, p, size);
	inside(e.envelope, p, size);
	inside(e.body, p, size);
	inside(e.to, p, size);
	to = e.to;
	while (record_to_next(&to, &entry, &flags)) {
		inside(entry, p, size);
		inside(flags, p, size);
	}
	buf_init(&b, 1 << 20);
	if (record_env_write(&b, &e) == 0 &&
	    (record_env_parse(b.p, b.len, &e2) != 0 ||
	    e2.size != e.size || e2.time_ms != e.time_ms))
		abort();
	buf_free(&b);
	return 0;
}
