/*
 * TLS for clients who read and send mail: the server's side, one certificate.
 * Part of the module that knows GnuTLS (tls.h).  TLS 1.2 and up (RFC 8996,
 * RFC 9325).  Level 2.
 *
 * Deadline, stop flag and descriptors are those of a wire (wire.h), since all
 * that is read or written in plain and under TLS has to have the same ones.
 */
#ifndef CM_TLS_SERVER_H
#define CM_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "adapter/wire.h"
#include "base/buf.h"
#include "base/log.h"

#define TLS_LABEL_MAX	64		/* "TLS1.3:AES-256-GCM" */

struct tls_server;		/* certificate and key; outlives sessions */
struct tls_session;

/*
 * Reads a certificate chain and its key (PEM).  CM_ECONF with a line that
 * names the file, when they are missing, wrong, or not each other's.  It takes
 * milliseconds: before a fork, so that all processes have it, and the key of
 * the tickets with which clients resume sessions (RFC 8446 section 2.2, RFC
 * 5077; GnuTLS lets keys made of it take turns by the clock).
 *
 * old: one whose tickets are to be good with the new one, or NULL.
 */
int	 tls_server_open(const struct log *, const char *certificate,
	    const char *key, const struct tls_server *old,
	    struct tls_server **) CM_MUST;
/* NULL is fine. */
void	 tls_server_close(struct tls_server *);

/*
 * Handshake over a wire, which has to live as long as the session.
 * CM_ETIMEOUT; CM_EAGAIN: stopped; CM_EPROTO when the client does not speak TLS
 * or not a version of ours; CM_EAWAY when it went; why in why (reset; for the
 * log).
 */
int	 tls_session_begin(struct tls_server *, struct wire *, struct buf *why,
	    struct tls_session **) CM_MUST;
/* Says goodbye (does not wait for an answer, nor to be able to say it) and
 * frees.  NULL is fine. */
void	 tls_session_end(struct tls_session *);
/*
 * Bytes read; 0 at the end of the stream; CM_ETIMEOUT, CM_EAGAIN (stopped),
 * CM_EPROTO, CM_EAWAY (the connection broke).
 */
ssize_t	 tls_session_read(struct tls_session *, char *, size_t);
/* All of it.  After a failure nothing more can be written. */
int	 tls_session_write(struct tls_session *, const char *, size_t) CM_MUST;
/* Bytes that can be read without waiting? */
bool	 tls_session_pending(const struct tls_session *);
/* Version and cipher, as "TLS1.3:AES-256-GCM". */
const char *tls_session_label(const struct tls_session *);
/* Was an earlier session resumed? */
bool	 tls_session_resumed(const struct tls_session *);
/*
 * Channel bindings for SCRAM-*-PLUS: "tls-exporter" (RFC 9266) or "tls-unique"
 * (RFC 5929, up to TLS 1.2); with TLS 1.2 both only with the extended master
 * secret (RFC 7627).  Raw bytes are added to out.  CM_EUSAGE when this session
 * has none of that type.
 */
int	 tls_session_binding(const struct tls_session *, const char *type,
	    struct buf *out) CM_MUST;

#endif
