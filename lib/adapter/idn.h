/* International domain names (RFC 5890, UTS 46): the one user of libidn2.
 * Level 2. */
#ifndef CM_IDN_H
#define CM_IDN_H

#include <stddef.h>

#include "base/err.h"

/*
 * A canonical address (format/address.h) whose domain may be in UTF-8; its
 * domain in xn-- form.  out needs ADDRESS_MAX + 1 bytes.  CM_EDATA when the
 * domain has none.
 */
int	 idn_address(const char *address, char *out) CM_MUST;

#endif
