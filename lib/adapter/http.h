/*
 * HTTPS requests to other nodes, by libcurl, which is loaded when the first
 * client is opened.  Level 2.
 */
#ifndef CM_HTTP_H
#define CM_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"

/* The other node, and how we show who we are. */
struct http_peer {
	const char	*name;		/* the name its certificate must have */
	const char	*address;	/* IP address or host name */
	unsigned	 port;
	const char	*tls;		/* folder: ca.pem node.pem node.key */
};

struct http;		/* one kept connection; for one thread at a time */

/*
 * Connects at the first request.  The strings are copied.  CM_ENOINPUT and the
 * like, with a line, when a file of the TLS folder cannot be read; CM_EUSAGE.
 */
int	 http_open(const struct log *, const struct http_peer *,
	    struct http **) CM_MUST;
void	 http_close(struct http *);

/* Bytes of an answer's body; anything but 0 ends the request. */
typedef int	(*http_fn)(void *arg, const char *p, size_t len);

struct http_request {
	const char	*method;	/* GET, POST */
	const char	*path;		/* from / on, with its query */
	const char	*body;		/* NULL: none */
	size_t		 body_len;
	const char	*range;		/* "0-99" or NULL */
	int		 timeout_ms;	/* without progress, and to connect;
					   0: 30 seconds */
	uint64_t	 rate;		/* bytes per second at most; 0: any */
	http_fn		 fn;		/* of answers 2xx; NULL: dropped */
	void		*arg;
};

/*
 * Sends the request and takes the answer.  Returns 0 when an answer came,
 * whatever its status; *status is its HTTP status.  Of an answer other than
 * 2xx the first 1024 bytes of the body are in error, a text without LF.
 * CM_EAWAY: the node cannot be reached, or went away before the answer's end
 * (what the request did is not known then); CM_ETIMEOUT; CM_EPERM: one of the
 * two certificates is refused; CM_EUSAGE for another method or a path that
 * must be encoded; fn's value.  A kept connection that broke meanwhile is made
 * anew; a request that broke with it is sent again only when it is a GET, or
 * when nothing of it had been sent.  No line is logged for CM_EAWAY and
 * CM_ETIMEOUT.
 */
int	 http_call(struct http *, const struct http_request *, int *status,
	    struct buf *error) CM_MUST;
/* What libcurl said of the last failure; never NULL. */
const char *http_text(const struct http *);

/*
 * One request to each of several nodes, at the same time.  The connections
 * are kept in the group, which is closed before its clients are.
 */
struct http_group;

struct http_one {
	struct http	*http;
	struct http_request req;	/* its timeout does not count */
	int		 status;
	int		 rc;		/* as http_call gives it */
};

/* CM_ESOFT, with a line, when libcurl cannot be had; CM_ENOMEM. */
int	 http_group_open(const struct log *, struct http_group **) CM_MUST;
void	 http_group_close(struct http_group *);
/*
 * All that has not come to its end after ms is CM_ETIMEOUT then.  Only the
 * clients' results fail, except for CM_ENOMEM and CM_ESOFT.
 */
int	 http_group_call(struct http_group *, struct http_one *, size_t n,
	    int ms) CM_MUST;

/*
 * A connection that becomes a plain two-way stream (HTTP Upgrade): sends
 * "GET path" with Upgrade: clustermail.  After 0 the descriptor is one end of
 * a socket pair whose other end a thread of the module pumps through TLS.
 * shutdown(SHUT_WR) reaches the other side as an end; close it when both sides
 * are done, or to give up.  What is still on its way when the process exits is
 * lost: read the other's end first.  An end is not told from a broken line.
 *  CM_EAWAY, CM_ETIMEOUT, CM_EPERM; CM_EPROTO when
 * the node does not upgrade.
 */
int	 http_tunnel(const struct log *, const struct http_peer *,
	    const char *path, int timeout_ms, int *fd) CM_MUST;

#endif
