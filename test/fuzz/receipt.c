/* A receipt that parses is written as the same bytes; entries decode. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/receipt.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*p = (const char *)data;
	struct receipt	 r;
	struct buf	 b, m, f, again;
	uint32_t	 uid;
	char		 name[FOLDER_MAX + 1], name2[FOLDER_MAX + 1];

	buf_init(&b, 1 << 20);
	buf_init(&m, 1 << 20);
	buf_init(&f, 1 << 20);
	buf_init(&again, 1 << 20);
	if (receipt_parse(p, size, &r) == 0) {
		receipt_write(&b, &r);
		if (b.err != 0 || b.p[b.len - 1] != '\n')
			abort();
		if (receipt_parse(b.p, b.len - 1, &r) != 0)
			abort();
	}
	if (entry_parse(p, size, &m, &f, &uid) == 0 && uid == 0)
		abort();
	if (entry_parse(p, size, &m, &f, NULL) == 0) {
		entry_write(&again, m.p, f.p);
		buf_reset(&b);
		buf_add(&b, again.p, again.len);
		if (entry_parse(b.p, b.len, &m, &f, NULL) != 0)
			abort();
	}
	if (folder_name(p, size, name) == 0 &&
	    (folder_name(name, strlen(name), name2) != 0 ||
	    strcmp(name, name2) != 0))
		abort();
	buf_free(&b);
	buf_free(&m);
	buf_free(&f);
	buf_free(&again);
	return 0;
}
