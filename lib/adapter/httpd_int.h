/* What httpd.c and httpd_request.c share.  Level 2. */
#ifndef CM_HTTPD_INT_H
#define CM_HTTPD_INT_H

#include <pthread.h>
#include <stdint.h>

#include <microhttpd.h>

#include "adapter/httpd.h"
#include "base/str.h"

#define HTTPD_ADDRESS	80	/* bytes of a client's address as text */
#define HTTPD_POOL	65536	/* bytes of a connection: header and buffers */
#define HTTPD_DRAIN	(16u << 20)	/* of a refused body are read, so that
					   the client gets to see the answer */

struct server;

struct httpd_request {
	struct conn		*conn;
	struct MHD_Connection	*mhd;
	const char		*method;
	const char		*path;
	uint64_t		 limit;		/* bytes of a body */
	uint64_t		 seen;
	uint64_t		 held;		/* of the server's bodies */
	bool			 too_long;
	struct buf		 body;
	struct MHD_Response	*response;	/* not yet queued */
	unsigned		 status;
	bool			 answered;
	int			 local;		/* of a tunnel not yet begun */
};

/* One client; begins and ends in the thread of the library's daemon. */
struct conn {
	struct server		*server;
	struct conn		*next, **prev;
	int			 fd;
	_Atomic int64_t		 since;		/* or the last request's end */
	bool			 cut;		/* was shut down by us */
	_Atomic bool		 busy;		/* with a request */
	_Atomic bool		 tunnel;	/* it is no HTTP any more */
	bool			 bad_path;	/* of the request */
	char			 address[HTTPD_ADDRESS];
	struct tls_peer		*peer;
	bool			 said_hello;
	void			*app;
	struct httpd_request	 request;
};

struct server {
	const struct httpd	*conf;
	struct MHD_Daemon	*daemon;
	bool			 started;
	int			 wake;		/* eventfd: a client is gone */

	pthread_mutex_t		 lock;		/* of what follows */
	struct conn		*conns;
	unsigned		 count;
	uint64_t		 held;		/* bytes of bodies */
	unsigned		 pending;	/* given to the daemon */
	int64_t			 given;		/* when last */

	struct log		 log;		/* with a bounded rate */
	pthread_mutex_t		 log_lock;
	int64_t			 log_since;
	unsigned		 log_lines, log_dropped;
};

/* The library's callbacks of requests. */
struct conn *httpd_conn(struct MHD_Connection *);
enum MHD_Result httpd_answer(void *, struct MHD_Connection *,
    const char *url, const char *method, const char *version,
    const char *data, size_t *size, void **ctx);
void	 httpd_over(void *, struct MHD_Connection *, void **ctx,
	    enum MHD_RequestTerminationCode);
size_t	 httpd_unescape(void *, struct MHD_Connection *, char *);

#endif
