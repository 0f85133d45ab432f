#include "adapter/siphash.h"

#include <sodium/crypto_shorthash.h>

void
siphash(const unsigned char key[SIPHASH_KEY], const void *p, size_t n,
    unsigned char out[8])
{
	crypto_shorthash(out, p, n, key);
}
