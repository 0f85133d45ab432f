#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/header.h"

#define CHECK(x) do { if (!(x)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_field(const struct header_field *f)
{
	struct buf	 b, again;

	CHECK(f->name.len > 0);
	CHECK(f->name.p == f->whole.p);
	CHECK(f->value.p > f->name.p);
	CHECK(f->value.p + f->value.len <= f->whole.p + f->whole.len);
	buf_init(&b, f->value.len);
	buf_init(&again, f->value.len);
	CHECK(header_unfold(f->value, &b) == 0);
	for (size_t i = 0; i < b.len; i++)
		CHECK(strchr("\r\n", b.p[i]) == NULL);
	if (b.len > 0) {
		CHECK(b.p[0] != ' ' && b.p[b.len - 1] != ' ');
		CHECK(header_unfold((struct span){ b.p, b.len }, &again) == 0);
		CHECK(b.len == again.len && memcmp(b.p, again.p, b.len) == 0);
	}
	buf_free(&b);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char		*msg = (const char *)data, *last = msg;
	size_t			 end = header_end(msg, size);
	struct span		 rest = { msg, end };
	struct header_field	 f;
	bool			 subject = false;

	CHECK(end <= size);
	CHECK(end == size || end == 0 || msg[end - 1] == '\n');
	while (header_next(&rest, &f)) {
		CHECK(f.whole.p >= last);
		last = f.whole.p + f.whole.len;
		CHECK(last == rest.p);
		CHECK(last <= msg + end);
		subject |= str_ieq(f.name.p, f.name.len, "subject");
		check_field(&f);
	}
	CHECK(rest.len == 0 && rest.p == msg + end);
	rest = (struct span){ msg, end };
	CHECK(header_find(rest, "Subject", &f) == subject);
	return 0;
}
