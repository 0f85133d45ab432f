/*
 * An HTTPS server under inetd: libmicrohttpd, and the only module that knows
 * it.  Level 2.  A thread serves each connection.
 */
#ifndef CM_HTTPD_H
#define CM_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapter/tls.h"
#include "base/buf.h"
#include "base/log.h"

#define HTTPD_TEXT_MAX	(1u << 20)	/* bytes of a text answer */

struct httpd_request;

/* What the server is made of; all of it lives as long as httpd_run. */
struct httpd {
	const struct log *log;
	const char	*tls;		/* folder: ca.pem node.pem node.key */
	tls_allow_fn	 allow;		/* which client nodes */
	unsigned	 connections;	/* at once, in all */
	unsigned	 per_address;	/* at once, from one address */
	uint64_t	 bodies;	/* bytes of all bodies at once; 503 */
	int		 timeout_s;	/* a connection without progress, and
					   one without a whole header */
	int		 idle_s;	/* wait mode: end without connections;
					   0: never */
	/*
	 * A connection's own memory: made at its first request, NULL is fine.
	 * peer is the node's name.  bye runs in another thread, which serves
	 * all connections: it must not block.
	 */
	void		*(*hello)(void *arg, const char *peer);
	void		 (*bye)(void *arg, void *conn);
	/*
	 * begin: the header is there.  Returns the number of bytes of a body it
	 * takes (0: none), or a negative CM_E... when it has answered already.
	 * A longer body, chunked or not, is refused with 413.  end: the whole
	 * body is there.  Both may block.  end must answer.
	 */
	int64_t		 (*begin)(void *arg, void *conn,
			    struct httpd_request *);
	void		 (*end)(void *arg, void *conn, struct httpd_request *,
			    const char *body, size_t len);
	void		*arg;
	bool		*stop;		/* may be set by a signal handler; seen
					   within half a second */
};

/*
 * fd: a listening socket (wait mode: serves until idle or *stop, and leaves
 * the socket listening for inetd) or a connected one (nowait: serves it until
 * it closes).  Does not close fd.  After *stop, requests under way are
 * answered, for timeout_s at most; tunnels are cut.  Who is refused is logged,
 * some lines every ten seconds at most.
 *
 * At the limit of connections the rest waits in the socket's queue; over
 * per_address (0: no limit) they are closed.  A header may have about 60 KiB.
 */
int	 httpd_run(const struct httpd *, int fd) CM_MUST;

/* Of a request; the strings are valid until end returns. */
const char *httpd_method(const struct httpd_request *);
const char *httpd_path(const struct httpd_request *);	/* decoded, no query */
/* A query parameter, decoded; NULL when it is not there. */
const char *httpd_query(const struct httpd_request *, const char *name);
const char *httpd_header(const struct httpd_request *, const char *name);
const char *httpd_peer(const struct httpd_request *);	/* the node's name */
const char *httpd_address(const struct httpd_request *);

/* Answers: each request gets one.  Text is copied. */
void	 httpd_text(struct httpd_request *, int status, const char *type,
	    const char *text, size_t len);
/* status and "text\n"; for errors. */
void	 httpd_say(struct httpd_request *, int status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* Bytes of a file; 206 when part is set.  Takes fd over. */
void	 httpd_file(struct httpd_request *, int fd, uint64_t offset,
	    uint64_t len, bool part);
/*
 * 101: from now on what the client sends comes out of fd, and what is written
 * to fd goes to it; each direction may end by itself (shutdown).  Takes fd (a
 * socket) over.  426 when the client did not ask for it.
 */
void	 httpd_upgrade(struct httpd_request *, int fd);

#endif
