/*
 * TLS for clients who read and send mail: the server's side, one certificate.
 * Part of the module that knows GnuTLS (tls.h).  TLS 1.2 and up (RFC 8996,
 * RFC 9325).  Level 2.
 */
#ifndef CM_TLS_SERVER_H
#define CM_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/log.h"

#define TLS_LABEL_MAX	64		/* "TLS1.3:AES-256-GCM" */

struct tls_server;		/* certificate and key; outlives sessions */
struct tls_session;

/*
 * Reads a certificate chain and its key (PEM).  CM_ECONF with a line that
 * names the file, when they are missing, wrong, or not each other's.
 */
int	 tls_server_open(const struct log *, const char *certificate,
	    const char *key, struct tls_server **) CM_MUST;
void	 tls_server_close(struct tls_server *);

/*
 * Handshake on a connected socket (or two pipes), until the deadline
 * (time_mono_ms).  The descriptors stay the caller's.  CM_ETIMEOUT; CM_EPROTO
 * when the client does not speak TLS or not a version of ours, why in why
 * (reset; for the log).
 */
int	 tls_session_begin(struct tls_server *, int in, int out,
	    int64_t deadline_ms, struct buf *why, struct tls_session **)
	    CM_MUST;
/* Says goodbye (does not wait for an answer) and frees. */
void	 tls_session_end(struct tls_session *);
/*
 * Bytes read or written; 0 at the end of the stream; CM_ETIMEOUT, CM_EPROTO,
 * CM_EAWAY (the connection broke).
 */
ssize_t	 tls_session_read(struct tls_session *, char *, size_t,
	    int64_t deadline_ms);
/* All of it. */
int	 tls_session_write(struct tls_session *, const char *, size_t,
	    int64_t deadline_ms) CM_MUST;
/* Bytes that can be read without waiting? */
bool	 tls_session_pending(const struct tls_session *);
/* Version and cipher, as "TLS1.3:AES-256-GCM". */
const char *tls_session_label(const struct tls_session *);
/*
 * Channel bindings for SCRAM-*-PLUS: "tls-exporter" (RFC 9266, any TLS 1.3)
 * or "tls-unique" (RFC 5929, TLS 1.2 only with extended master secret).  Raw
 * bytes are added to out.  CM_EUSAGE when this session has none of that type.
 */
int	 tls_session_binding(const struct tls_session *, const char *type,
	    struct buf *out) CM_MUST;

#endif
