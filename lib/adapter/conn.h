/*
 * A client's connection: buffered both ways, with one deadline, plain or
 * under TLS.  One thread uses it.  Level 2.
 */
#ifndef CM_CONN_H
#define CM_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapter/tls_server.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

#define CONN_CHUNK	65536		/* bytes read at once, at most */
#define CONN_OUT_MAX	(64u << 20)	/* bytes gathered, at most */

struct conn;

/* Takes over both descriptors (they may be the same one). */
int	 conn_open(int in, int out, struct conn **) CM_MUST;
/*
 * Ends TLS, closes; NULL is fine.  What was not flushed is dropped; what the
 * client has sent and nobody read is read away, or its last answer could be
 * lost to it in a reset.
 */
void	 conn_close(struct conn *);

/*
 * All reading and writing fails with CM_ETIMEOUT from that moment on
 * (time_mono_ms): a client cannot stretch it by sending single bytes.
 */
void	 conn_deadline(struct conn *, int64_t mono_ms);
/*
 * While *hurry is set, which others may do meanwhile, an earlier deadline
 * holds: that of conn_hurried, until the next conn_deadline.  NULL: never.
 */
void	 conn_hurry(struct conn *, const _Atomic bool *hurry);
void	 conn_hurried(struct conn *, int64_t mono_ms);
/*
 * A wait for input ends with CM_EAGAIN when *stop is set (by a signal), or is
 * set already; what has come can be read, and all be written; NULL: none.
 * SIGTERM and SIGINT may be blocked: waits let them in.
 */
void	 conn_stop(struct conn *, const volatile bool *stop);

/*
 * The next line up to its LF: the span has neither LF nor, with *crlf true, its
 * CR; a bare LF gives *crlf false.  Bare CRs stay in the span.  Valid until
 * the next call.  What is gathered for the client is flushed before it waits.
 * CM_ETOOBIG: longer than max, its end included; the line is read over up to
 * its LF, whatever its length (CM_ETIMEOUT first, when it never ends).
 * CM_EEND: the client has gone.
 */
int	 conn_line(struct conn *, size_t max, struct span *, bool *crlf)
	    CM_MUST;
/*
 * Whatever has come, at least a byte, without taking it: conn_take does.
 * Flushes before it waits.  CM_EEND, CM_ETIMEOUT.
 */
int	 conn_peek(struct conn *, struct span *) CM_MUST;
void	 conn_take(struct conn *, size_t);
/*
 * Has the client sent more than was taken (pipelining)?  Asks the kernel when
 * nothing is here; under TLS that may not be data.
 */
bool	 conn_pending(struct conn *);

/*
 * Flushes, then waits until the client has sent something (*input: it can be
 * read, or its end) or another descriptor can be read (*other; fd -1: none).
 * CM_ETIMEOUT, CM_EAGAIN (see conn_stop), and as conn_flush.
 */
int	 conn_wait(struct conn *, int fd, bool *input, bool *other) CM_MUST;

/*
 * What is to be sent: add to it, then conn_flush.  Over CONN_CHUNK bytes it is
 * sent by conn_send_some.  CM_ETIMEOUT; CM_EAWAY: the client has gone, also in
 * all that follows; CM_ETOOBIG, CM_ENOMEM: of the buffer.
 */
struct buf *conn_out(struct conn *);
int	 conn_flush(struct conn *) CM_MUST;
int	 conn_send_some(struct conn *) CM_MUST;

/*
 * The handshake, behind what was gathered (which is flushed).  Bytes that came
 * in plain behind the command are dropped (CVE-2011-0411) and counted in
 * *dropped.  why: see tls_session_begin.  After a failure nothing more can be
 * read or sent.
 */
int	 conn_starttls(struct conn *, struct tls_server *, size_t *dropped,
	    struct buf *why) CM_MUST;
/*
 * Both ways are compressed from here on (RFC 4978), behind what was gathered,
 * which is flushed.  What the client sent already is compressed.  CM_EUSAGE:
 * they are already.
 */
int	 conn_compress(struct conn *) CM_MUST;
/* NULL: not under TLS. */
const struct tls_session *conn_tls(const struct conn *);

/* Bytes in and out since it was opened, without TLS's own. */
uint64_t conn_bytes_in(const struct conn *);
uint64_t conn_bytes_out(const struct conn *);

#endif
