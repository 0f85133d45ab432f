/*
 * Logging in, the server's side of SASL (RFC 4422), by libgsasl.  Part of the
 * module that knows it (sasl.h).  Level 2.
 *
 * Mechanisms: SCRAM-SHA-256-PLUS, SCRAM-SHA-256 (RFC 7677), SCRAM-SHA-1-PLUS,
 * SCRAM-SHA-1 (RFC 5802), PLAIN (RFC 4616), LOGIN
 * (draft-murchison-sasl-login).  The -PLUS ones, PLAIN and LOGIN only under
 * TLS.
 */
#ifndef CM_SASL_SERVER_H
#define CM_SASL_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "adapter/tls_server.h"
#include "base/buf.h"
#include "base/log.h"

#define SASL_MESSAGE_MAX 8192	/* bytes of one, in base64; each way */

struct sasl_server;		/* for many sessions of one process */
struct sasl_session;

/*
 * The verifiers of a mailbox, as sasl_verifier makes them, added to out (of
 * SASL_VERIFIER_SIZE).  user is prepared by SASLprep.  CM_ENOUSER when there
 * is no such mailbox or it has no password: the exchange then goes on, and
 * fails at its end as with a wrong password; out has what sasl_complete makes
 * up.  What out lacks is made up from a secret of the process: nobody can log
 * in with it, but it is another one in each process, which can be seen.
 * Anything else ends the exchange with that code, CM_EAGAIN with CM_EAWAY.
 */
typedef int	(*sasl_lookup_fn)(void *arg, const char *user,
		    struct buf *out);

/* CM_ENOMEM; CM_ESOFT when the library lacks a mechanism. */
int	 sasl_server_open(const struct log *, struct sasl_server **) CM_MUST;
void	 sasl_server_close(struct sasl_server *);

/*
 * The names to offer, with blanks between, the best first.  tls: NULL without
 * TLS; the -PLUS ones are offered when it has something to bind to.
 */
const char *sasl_server_mechanisms(const struct tls_session *tls);

/*
 * Begins.  name: as the client wrote it, case ignored.  tls may be NULL; it
 * must be there until the end.
 * CM_ENOINPUT: no such mechanism (or not now).
 */
int	 sasl_session_begin(struct sasl_server *, const char *name,
	    const struct tls_session *tls, sasl_lookup_fn, void *arg,
	    struct sasl_session **) CM_MUST;
void	 sasl_session_end(struct sasl_session *);
/*
 * One step.  in: base64 as the client sent it; NULL when nothing came with
 * the mechanism's name, and "=" there is an empty answer (RFC 4954 section
 * 4).  out (reset; of SASL_MESSAGE_MAX) is base64 for the client.  CM_EAGAIN:
 * send out and go on; 0: done, and who it is can be asked (out not empty: the
 * mechanism's last words, RFC 4954 section 4); CM_EPERM: wrong name or
 * password, or it would act for somebody else; CM_EDATA: no base64 or not
 * what the mechanism says; CM_ENOMEM, CM_ESOFT; or what the lookup gave.
 * CM_ENOUSER is never returned.  When it is not CM_EAGAIN the exchange is
 * over; another step is CM_EDATA.
 */
int	 sasl_session_step(struct sasl_session *, const char *in,
	    struct buf *out) CM_MUST;
/*
 * For protocols that ask for a name and a password in their own words: all of
 * an exchange, on a session of PLAIN that has just begun.  As the step above
 * (never CM_EAGAIN); CM_EUSAGE on another session.
 */
int	 sasl_session_password(struct sasl_session *, const char *user,
	    const char *password) CM_MUST;
/*
 * The name that logged in, or tried to (authentication identity), prepared by
 * SASLprep; "" as long as none was given.  It is not said by whom it is.
 */
const char *sasl_session_user(const struct sasl_session *);
/* Whom it wanted to act for, when that is why CM_EPERM came, or "". */
const char *sasl_session_authzid(const struct sasl_session *);
/* Is the mechanism one with channel binding? */
bool	 sasl_session_is_bound(const struct sasl_session *);

#endif
