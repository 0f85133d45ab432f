/* Logging in, for all protocols: the exchange, the delay, the log.  Level 4. */
#ifndef CM_LOGIN_H
#define CM_LOGIN_H

#include "adapter/sasl_server.h"
#include "cluster/catalog.h"
#include "format/address.h"
#include "protocol/session.h"

#define LOGIN_LINE_MAX	12288	/* RFC 4954 section 4; its end included */

struct login {
	struct session	*s;
	struct catalog	*catalog;
	struct sasl_server *sasl;
	const char	*prompt;	/* before a challenge: "334 ", "+ " */
	int64_t		 deadline_ms;	/* for all of it; time_mono_ms */
	/* what came of it */
	char		 mailbox[ADDRESS_MAX + 1];
	int		 code;		/* of LOGIN_LOST and LOGIN_LATER */
};

enum login_end {
	LOGIN_GOOD,		/* mailbox says who it is */
	LOGIN_WRONG,		/* name or password */
	LOGIN_UNKNOWN,		/* no such mechanism, or not now */
	LOGIN_GIVEN_UP,		/* the client said "*" */
	LOGIN_GARBAGE,		/* not what the mechanism says, or too long */
	LOGIN_LATER,		/* nobody can be looked up now */
	LOGIN_LOST		/* the connection, see code */
};

/*
 * An exchange of that mechanism.  first: what came with its name, or NULL.
 * The answers to failures are the caller's.
 */
enum login_end login_sasl(struct login *, const char *mechanism,
	    const char *first);
/* A name and a password in the protocol's own words. */
enum login_end login_password(struct login *, const char *name,
	    const char *password);

#endif
