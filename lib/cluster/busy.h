/*
 * How many sessions the services of a node have: a line for each first process
 * (of the session engine, in wait mode) in the mapped file
 * STATE/run/sessions.NAME, which others read.  Level 3.
 */
#ifndef CM_BUSY_H
#define CM_BUSY_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define BUSY_MAX	64	/* processes of one name that are counted */

struct busy;

struct busy_count {
	uint32_t	 sessions, limit;
};

/*
 * A place in the file for this process, kept by a lock until it ends, however
 * it does; one of a name for each process.  NULL, with a line at debug, when
 * there is none: what is not counted is served all the same.
 */
struct busy *busy_open(const struct log *, const char *state,
	    const char *name);
void	 busy_close(struct busy *);
/* Costs two stores.  b may be NULL. */
void	 busy_set(struct busy *, uint32_t sessions, uint32_t limit);

/* Of the other processes that live, into out; how many. */
size_t	 busy_read(const char *state, const char *name,
	    struct busy_count out[BUSY_MAX]);

#endif
