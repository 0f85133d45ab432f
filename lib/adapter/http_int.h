/* What the http*.c files share; nobody else includes it.  Level 2. */
#ifndef CM_HTTP_INT_H
#define CM_HTTP_INT_H

#include <stdbool.h>

#include "adapter/curl.h"
#include "adapter/http.h"

struct http {
	const struct log	*log;
	char			*name, *address, *tls;
	unsigned		 port;
	CURL			*easy;
	CURLM			*multi;
	struct curl_slist	*headers, *connect_to;
	char			 text[CURL_ERROR_SIZE];
	int			 sock;		/* the connection; -1: none */

	/* of the request being made */
	const struct http_request *req;
	struct buf		*error;
	int			 fn_rc;
	bool			 again;		/* it would be sent twice */
	curl_off_t		 moved;
	int64_t			 last;		/* when something moved */
};

/*
 * A request is set up, and has come to its end with that result: what
 * http_call does before and behind the transfer.
 */
int	 http_begin(struct http *, const struct http_request *,
	    struct buf *error) CM_MUST;
int	 http_end(struct http *, CURLcode, int *status) CM_MUST;

#endif
