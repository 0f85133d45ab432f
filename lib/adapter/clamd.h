/* Asking ClamAV's daemon, clamd(8), about a message: INSTREAM.  Level 2. */
#ifndef CM_CLAMD_H
#define CM_CLAMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CLAMD_TEXT	256

struct clamd {
	const char	*socket;	/* a Unix socket's path, or NULL */
	const char	*host;		/* else an IP address */
	unsigned	 port;
};

/*
 * One question, in a connection of its own, all of which is over at that time
 * (time_mono_ms).  before: what is sent in front of it, or NULL.  0: *infected,
 * and then text is the signature's name.  Otherwise text says what was wrong:
 * CM_EAWAY (nobody listens, or it hung up), CM_ETIMEOUT, CM_EPROTO (it did not
 * answer as clamd does, or says that it failed), CM_ETOOBIG (over its own
 * limit).
 */
int	 clamd_ask(const struct clamd *, const char *before, const void *,
	    size_t, int64_t deadline, bool *infected, char text[CLAMD_TEXT])
	    CM_MUST;

#endif
