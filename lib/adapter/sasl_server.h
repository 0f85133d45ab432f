/*
 * Logging in, the server's side of SASL (RFC 4422), by libgsasl.  Part of the
 * module that knows it (sasl.h).  Level 2.
 *
 * Mechanisms: SCRAM-SHA-256-PLUS, SCRAM-SHA-256 (RFC 7677), SCRAM-SHA-1-PLUS,
 * SCRAM-SHA-1 (RFC 5802), PLAIN (RFC 4616), LOGIN.  The -PLUS ones and PLAIN
 * and LOGIN only under TLS.
 */
#ifndef CM_SASL_SERVER_H
#define CM_SASL_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "adapter/tls_server.h"
#include "base/buf.h"
#include "base/log.h"

struct sasl_server;		/* for many sessions of one process */
struct sasl_session;

/*
 * The verifiers of a mailbox, as sasl_verifiers makes them, added to out.
 * user is as the client gave it.  CM_ENOUSER when there is no such mailbox or
 * it has no password: the exchange then goes on with a made-up verifier (the
 * same for the same name) and fails at its end, as with a wrong password.
 * Anything else ends the exchange with that code.
 */
typedef int	(*sasl_lookup_fn)(void *arg, const char *user,
		    struct buf *out);

int	 sasl_server_open(const struct log *, struct sasl_server **) CM_MUST;
void	 sasl_server_close(struct sasl_server *);

/* The names to offer, with blanks between, the best first. */
const char *sasl_server_mechanisms(bool tls);

/*
 * Begins.  name: as the client wrote it, case ignored.  tls may be NULL.
 * CM_ENOINPUT: no such mechanism (or not now).
 */
int	 sasl_session_begin(struct sasl_server *, const char *name,
	    const struct tls_session *tls, sasl_lookup_fn, void *arg,
	    struct sasl_session **) CM_MUST;
void	 sasl_session_end(struct sasl_session *);
/*
 * One step.  in: base64 as the client sent it ("=" is an empty answer, RFC
 * 4954 section 4); NULL before anything was sent.  out (reset) is base64 for
 * the client.  CM_EAGAIN: send out and go on; 0: done, and who it is can be
 * asked (out not empty: the mechanism's last words, RFC 4954 section 4);
 * CM_EPERM: wrong name or password; CM_EDATA: no base64 or not what the
 * mechanism says; CM_ENOUSER is never returned.
 */
int	 sasl_session_step(struct sasl_session *, const char *in,
	    struct buf *out) CM_MUST;
/* The name that logged in (authentication identity), as the client gave it. */
const char *sasl_session_user(const struct sasl_session *);
/* Another one in whose name it asks to act, or "": refused by the callers. */
const char *sasl_session_authzid(const struct sasl_session *);
/* Was the mechanism one with channel binding? */
bool	 sasl_session_is_bound(const struct sasl_session *);

#endif
