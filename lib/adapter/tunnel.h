/*
 * The pump behind http_tunnel and httpd_upgrade: between a local socket and
 * what leads to the other node.  Level 2.
 *
 * On the way, each direction is a row of pieces: two bytes of length, high one
 * first, and that many bytes; length 0 is its end.  TLS libraries cannot be
 * told to close one direction only, and an end that is said differs from a
 * connection that broke.
 */
#ifndef CM_TUNNEL_H
#define CM_TUNNEL_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define TUNNEL_NAME	"clustermail"	/* in the Upgrade header */

/* What leads to the other node; none of it blocks. */
struct tunnel_far {
	int		 fd;		/* readable and writable as poll says */
	int		 line;		/* the TCP socket, to see it break */
	/* Bytes done; 0: not now; negative: broken or ended. */
	ssize_t		(*recv)(void *arg, char *, size_t);
	ssize_t		(*send)(void *arg, const char *, size_t);
	void		*arg;
	const char	*early;		/* bytes received before */
	size_t		 early_len;
};

/*
 * Pumps until both directions have ended, or one side is gone: then what the
 * other still had to get is sent first.  local is a socket; closes neither.
 * CM_EAWAY when the far side broke; CM_EPROTO; CM_ENOMEM.
 */
int	 tunnel_run(const struct tunnel_far *, int local) CM_MUST;

#endif
