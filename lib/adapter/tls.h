/*
 * TLS between nodes: GnuTLS, and the only module that knows it.  Level 2.
 *
 * A node's folder of TLS files (share/mkcerts makes them): ca.pem, the
 * cluster's own CA; node.pem and node.key, a certificate whose subject
 * alternative name (DNS) is the node's name, good for both ends.
 */
#ifndef CM_TLS_H
#define CM_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/log.h"

#define TLS_NAME_MAX	63
#define TLS_FILE_MAX	65536		/* bytes of a PEM file */

/* May a node of this name talk to us? */
typedef bool	(*tls_allow_fn)(void *arg, const char *name);

/* Who is at the other end of a session; longer-lived than the session. */
struct tls_peer;

/*
 * For the server's session of another library (a gnutls_session_t) before its
 * handshake: the client must show a certificate that the session's CA signed,
 * that is valid now and good for a client, and whose name allow() takes;
 * otherwise the handshake fails and no byte of a request is read.  A refusal
 * goes to the log with address, the client's; the client gets an alert, and
 * up to two seconds to read it, in which the handshake's thread waits.
 *
 * log and arg must live as long as the session; address is copied.  It takes
 * the session's pointer for resumption (gnutls_db_set_ptr), since the owner
 * may use the other one: such a session must have no database.  tls_peer_free
 * the result after the session's end.  CM_ENOMEM.
 */
int	 tls_demand_peer(const struct log *, void *session,
	    const char *address, tls_allow_fn, void *arg, struct tls_peer **)
	    CM_MUST;
/* The name that was allowed; "" before.  From any thread. */
const char *tls_peer_name(const struct tls_peer *);
/* Was it refused for what it showed (and logged)? */
bool	 tls_peer_refused(const struct tls_peer *);
void	 tls_peer_free(struct tls_peer *);

/*
 * Bytes through a session whose socket does not block.  0: not now; call
 * tls_send again with the same bytes then.  Negative: it has ended or broken.
 */
ssize_t	 tls_recv(void *session, char *, size_t);
ssize_t	 tls_send(void *session, const char *, size_t);

#endif
