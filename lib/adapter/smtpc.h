/*
 * Sending mail to another host (RFC 5321).  libcurl makes the connection, TLS
 * and the login; from there on the dialogue is ours, since each recipient's
 * answer counts and libcurl has no way to give DSN parameters.  Level 2.
 */
#ifndef CM_SMTPC_H
#define CM_SMTPC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

#define SMTPC_TEXT	512		/* of an answer that is kept */
#define SMTPC_RECIPIENTS 100		/* at once: RFC 5321, 4.5.3.1.8 */

/* What is less than this is refused; there is no falling back. */
enum smtpc_tls { SMTPC_STARTTLS, SMTPC_IMPLICIT, SMTPC_PLAIN };

struct smtpc_host {
	const char	*host;		/* its certificate has this name */
	unsigned	 port;
	enum smtpc_tls	 tls;
	const char	*ca;		/* file of CAs; NULL: the system's */
	const char	*user;		/* NULL: no login */
	const char	*password;
	const char	*helo;		/* our name */
};

struct smtpc;		/* one connection; for one thread at a time */

/*
 * Connects and logs in.  The strings have to stay.  CM_EAWAY, CM_ETIMEOUT:
 * cannot be reached, or is not ready; CM_EPERM: its certificate or our login
 * is refused, or it has neither; CM_EPROTO: this is not SMTP.  The reason is
 * in why, of SMTPC_TEXT bytes; no line is logged for it.
 */
int	 smtpc_open(const struct log *, const struct smtpc_host *,
	    char why[SMTPC_TEXT], struct smtpc **) CM_MUST;
/* Says QUIT. */
void	 smtpc_close(struct smtpc *);

struct smtpc_rcpt {
	const char	*address;
	const char	*notify;	/* RFC 3461 section 4.1, or NULL */
	const char	*orcpt;		/* section 4.2, or NULL */
	int		 code;		/* result: 0 not known, or 200 to 599 */
	char		 text[SMTPC_TEXT];	/* its answer, in one line */
};

struct smtpc_msg {
	const char	*sender;	/* "" is the null sender */
	const char	*ret;		/* FULL, HDRS (RFC 3461, 4.3) or NULL */
	const char	*envid;		/* as xtext (section 4.4) or NULL */
	bool		 utf8;		/* RFC 6531 is needed */
	const char	*p;		/* lines end with CRLF */
	size_t		 len;
	struct smtpc_rcpt *to;
	size_t		 n;		/* 1 to SMTPC_RECIPIENTS */
};

/*
 * Sends the message to all its recipients in one transaction.  Returns 0 when
 * there is an answer for each; one that was accepted after RCPT has the answer
 * to the message's end.  What the host could never take (SIZE, 8BITMIME,
 * SMTPUTF8) gets a 5xx of ours, without being sent.  CM_EAWAY and the like when
 * the line broke: who has no 5xx by then has code 0, and it is not known
 * whether the message was taken.  After that, only smtpc_close.  A kept
 * connection that the host gave up before it heard of this message is made
 * anew.
 */
int	 smtpc_send(struct smtpc *, const struct smtpc_msg *) CM_MUST;
/* Why the last call failed; never NULL. */
const char *smtpc_text(const struct smtpc *);
/* Does it send reports of its own (RFC 3461)? */
bool	 smtpc_has_dsn(const struct smtpc *);

#endif
