/*
 * The two descriptors of a client's connection, which may be one.  Nothing here
 * blocks but wire_wait, and no flag of a descriptor is changed: others may have
 * it too (a terminal, a pipe of the shell).  Level 2.
 */
#ifndef CM_WIRE_H
#define CM_WIRE_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct wire {
	int		 in, out;
	bool		 in_socket, out_socket;
	int64_t		 deadline;	/* of time_mono_ms, for all waits */
	const _Atomic bool *hurry;	/* or NULL: while it is set the */
	int64_t		 hurried;	/* deadline is this, if earlier */
	const volatile bool *stop;	/* or NULL: ends waits for input */
	sigset_t	 mask;		/* of signals, while it waits */
};

/* The descriptors stay the caller's.  Both deadlines are the end of time. */
void	 wire_init(struct wire *, int in, int out);
/*
 * Waits for input end with CM_EAGAIN when *stop is set.  SIGTERM and SIGINT get
 * through while it waits, so that who blocks them otherwise misses none.
 */
void	 wire_stop(struct wire *, const volatile bool *stop);
/* Until there is something to read, or room to write: CM_ETIMEOUT, CM_EAGAIN
 * (only when it is to read), CM_EIO. */
int	 wire_wait(struct wire *, bool to_write) CM_MUST;
/* Until there is something to read here or on another descriptor (-1: none),
 * *input and *other: where.  CM_ETIMEOUT, CM_EAGAIN, CM_EIO. */
int	 wire_wait_both(struct wire *, int fd, bool *input, bool *other)
	    CM_MUST;
/* Is the deadline over?  For who does not wait, since there is always more. */
bool	 wire_late(const struct wire *);
/* Something there to read? */
bool	 wire_ready(const struct wire *);
/*
 * read(2) and write(2) that do not block: -1 with errno EAGAIN instead.  On
 * what is no socket only behind wire_wait.  No SIGPIPE from a socket.
 */
ssize_t	 wire_read(struct wire *, void *, size_t);
ssize_t	 wire_write(struct wire *, const void *, size_t);

#endif
