/*
 * The DNS server: authoritative answers for the cluster's domains, in which
 * each time another node comes first.  RFC 1034, 1035, 2181, 2308, 4343, 6891,
 * 7766, 7873, 8482, 9018.  Level 4.
 */
#ifndef CM_DNSD_H
#define CM_DNSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "cluster/conf.h"
#include "format/dns.h"
#include "protocol/session.h"

struct dnsd;		/* for one thread */
struct dnsd_limit;	/* how much each network asks; see dnsd_limit_open */

/*
 * All that answers need.  limit: NULL for none, as with TCP.  CM_ECONF, with a
 * line, when no domain is named or a record is wrong; CM_ENOMEM.  conf and
 * limit must live longer.
 */
int	 dnsd_open(const struct log *, const struct conf *,
	    struct dnsd_limit *, struct dnsd **) CM_MUST;
void	 dnsd_close(struct dnsd *);

/*
 * What time does: the nodes' states, when somebody has written them anew, are
 * read at most DNSD_LOOK_MS later.  Call it before an answer, or before
 * several that came together.
 */
#define DNSD_LOOK_MS	200
void	 dnsd_tick(struct dnsd *);

struct dnsd_client {
	unsigned char	 ip[16];	/* IPv4 as ::ffff:a.b.c.d */
	bool		 tcp;
};

/*
 * The answer to a message; out has room for max bytes, DNS_UDP_MIN at least.
 * By UDP it has no more than the client can take.  Returns its length; 0: no
 * answer is to be sent.
 */
size_t	 dnsd_answer(struct dnsd *, const struct dnsd_client *,
	    const unsigned char *, size_t, unsigned char *out, size_t max);

/*
 * Answers a second for one network (IPv4 /24, IPv6 /56) by all processes that
 * are forked after this, conf->dns.rate of each kind at most; every second one
 * over that is a truncated one, which who has not lied about his address asks
 * again by TCP, the others are left out.  Who sends a right cookie has no
 * limit.  CM_ENOMEM, CM_EIO.
 */
int	 dnsd_limit_open(struct dnsd_limit **) CM_MUST;
void	 dnsd_limit_close(struct dnsd_limit *);

struct dnsd_options {
	const char	*file;		/* -C */
	const char	*node;		/* -n */
	int		 idle_s;
	unsigned	 workers;	/* 0: one for each processor, up to 8 */
};

/*
 * Serves the datagram socket on fd 0 (inetd's "dgram wait") with workers, until
 * nothing came for idle_s seconds, or SIGTERM.  Takes over signals.
 */
int	 dnsd_udp(const struct dnsd_options *) CM_MUST;
/* TCP under the session engine. */
struct session_service dnsd_service(void);

#endif
