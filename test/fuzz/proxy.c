/* A header's beginnings are never a header, nor is what follows part of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/proxy.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*p = (const char *)data;
	struct proxy	 x, y;
	size_t		 used, part;
	char		*exact;

	if (proxy_parse(p, size, &x, &used) != 0)
		return 0;
	if (used == 0 || used > size || used > PROXY_MAX)
		abort();
	for (size_t i = 0; i < used; i++)
		if (proxy_parse(p, i, &y, &part) != CM_EAGAIN)
			abort();
	if ((exact = malloc(used)) == NULL)
		abort();
	memcpy(exact, p, used);
	if (proxy_parse(exact, used, &y, &part) != 0 || part != used ||
	    memcmp(&x, &y, sizeof(x)) != 0)
		abort();
	free(exact);
	return 0;
}
