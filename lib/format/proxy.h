/*
 * The PROXY protocol's header, versions 1 and 2 (HAProxy's proxy-protocol.txt):
 * whom a proxy connects for.  Level 1.
 */
#ifndef CM_PROXY_H
#define CM_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define PROXY_MAX	4096	/* bytes of a header taken, its TLVs included */

struct proxy {
	bool		 local;		/* the proxy for itself, or unknown: the
					   connection's own addresses count */
	unsigned char	 src[16];	/* IPv4 as ::ffff:a.b.c.d */
	unsigned char	 dst[16];
	unsigned	 src_port, dst_port;
};

/*
 * Reads the header that p begins with; *used: its length.  CM_EAGAIN: all len
 * bytes belong to a header that goes on.  CM_EPROTO: this is none, not one for
 * a TCP connection, longer than PROXY_MAX, or its CRC32C is wrong.
 */
int	 proxy_parse(const char *p, size_t len, struct proxy *, size_t *used)
	    CM_MUST;

#endif
