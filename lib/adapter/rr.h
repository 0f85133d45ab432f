/*
 * Records of the DNS as text, RFC 1035 section 5 and RFC 3597: the one user of
 * ldns.  Level 2.
 */
#ifndef CM_RR_H
#define CM_RR_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define RR_TYPE_MAX	16	/* "TYPE65535" */

/* The number of "MX" or "TYPE15", case ignored; 0: no such type. */
unsigned rr_type(const char *name);
void	 rr_type_text(unsigned type, char out[RR_TYPE_MAX]);

/*
 * Adds a record's data, as on the wire without compression, to out.  origin:
 * the name that is put behind names without a dot at the end, as text.
 * CM_EDATA; *why then says what is wrong, a static text.
 */
int	 rr_from_text(unsigned type, const char *data, const char *origin,
	    struct buf *out, const char **why) CM_MUST;
/* The other way.  CM_EDATA, CM_ENOMEM. */
int	 rr_to_text(unsigned type, const void *data, size_t len,
	    struct buf *out) CM_MUST;

/* A server that is asked. */
struct rr_server {
	const char	*address;	/* an IP address */
	unsigned	 port;
	int		 timeout_ms;
};

/*
 * Asks for a name's records of a type, by UDP and, where that does not do, by
 * TCP.  Adds a line for each to out, "TTL data", in the server's order; none:
 * there are none.  Of a CNAME in the way there is none either.  CM_EUSAGE for
 * another address; CM_ETIMEOUT; CM_EPERM: the server refuses; CM_EPROTO: it
 * has failed, or does not know the domain; CM_ENOMEM.
 */
int	 rr_ask(const struct rr_server *, const char *name, unsigned type,
	    struct buf *out) CM_MUST;

#endif
