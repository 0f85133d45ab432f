#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/address.h"

#define CHECK(x) do { if (!(x)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A canonical address is its own canonical form. */
static void
check_canonical(const char *addr)
{
	char	 out[ADDRESS_MAX + 1];

	CHECK(strlen(addr) <= ADDRESS_MAX);
	CHECK(strpbrk(addr, "\r\n") == NULL);
	CHECK(address_parse(addr, strlen(addr), out) == 0);
	CHECK(strcmp(addr, out) == 0);
}

static void
check_parse(const char *p, size_t len)
{
	char	 addr[ADDRESS_MAX + 1], out[ADDRESS_MAX + 1];
	char	 key[ADDRESS_MAX + 1];

	if (address_parse(p, len, addr) != 0) {
		CHECK(addr[0] == '\0');
		CHECK(address_key(p, len, key) != 0);
		return;
	}
	check_canonical(addr);
	CHECK(address_key(p, len, key) == 0);
	check_canonical(key);
	CHECK(address_key(addr, strlen(addr), out) == 0);
	CHECK(strcmp(key, out) == 0);
	if (address_domain(addr) != NULL)
		CHECK(address_domain(addr)[-1] == '@');
	if (address_base(addr, out)) {
		check_canonical(out);
		CHECK(strlen(out) < strlen(addr));
	}
}

static void
check_span(struct span s, struct span all, bool blanks)
{
	struct buf	 b;

	if (s.p == NULL)
		return;
	CHECK(s.p >= all.p && s.p + s.len <= all.p + all.len);
	buf_init(&b, s.len);
	CHECK(address_text(s, blanks, &b) == 0);
	buf_free(&b);
}

static void
check_list(struct span all)
{
	struct span	 rest = all;
	struct address	 a;
	const char	*before = rest.p;

	while (address_next(&rest, &a)) {
		CHECK(rest.p > before);
		CHECK(rest.p + rest.len == all.p + all.len);
		before = rest.p;
		check_span(a.name, all, true);
		check_span(a.route, all, false);
		check_span(a.local, all, false);
		check_span(a.domain, all, false);
	}
	CHECK(rest.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*p = (const char *)data;

	check_parse(p, size);
	check_list((struct span){ p, size });
	return 0;
}
