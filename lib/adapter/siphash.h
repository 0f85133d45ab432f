/* SipHash-2-4, which RFC 9018 makes DNS cookies with: the one user of
 * libsodium.  Level 2. */
#ifndef CM_SIPHASH_H
#define CM_SIPHASH_H

#include <stddef.h>

#define SIPHASH_KEY	16

void	 siphash(const unsigned char key[SIPHASH_KEY], const void *, size_t,
	    unsigned char out[8]);

#endif
