/* Starting one of our own tools in the background.  Level 0. */
#ifndef CM_SPAWN_H
#define CM_SPAWN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

/*
 * The path of another tool: beside this program's file, or in $CM_BIN when
 * that is set.
 */
int	spawn_tool(const char *name, char *out, size_t n) CM_MUST;
/*
 * Starts argv (NULL-terminated) in a session of its own, not as a child of
 * this process: fd 0 is /dev/null, fds 1 and 2 append to the file log_path,
 * all others are closed.  0 says no more than that it was started.
 */
int	spawn_detached(const struct log *, const char *path,
	    char *const argv[], const char *log_path) CM_MUST;
/*
 * Calls fn in a child of its own and gives the code it returns: for what may
 * not survive its input.  A child that crashes is CM_ECORRUPT, one that
 * somebody killed CM_EAGAIN.  For processes without threads.
 */
int	spawn_call(const struct log *, int (*fn)(void *), void *arg) CM_MUST;

/*
 * Runs argv with len bytes at its fd 0 (it need not read them); what it writes
 * to fds 1 and 2 is added to out, up to out's ceiling, what is more is dropped.
 * It has a session of its own, fds 0 to 2 only, no signal held back, may not
 * write files of over file_max bytes, and is killed with all of its group at
 * that time (time_mono_ms): CM_ETIMEOUT.  *status is its exit code.  CM_EAGAIN:
 * it could not be started, or a signal ended it.  Logs nothing.  For processes
 * that do not reap children themselves.
 */
struct spawn_filter {
	char *const	*argv;		/* NULL-terminated; argv[0] a path */
	char *const	*env;		/* NULL-terminated; all that it gets */
	const void	*p;
	size_t		 len;
	int64_t		 deadline;
	uint64_t	 file_max;
};
int	spawn_filter(const struct spawn_filter *, struct buf *out,
	    int *status) CM_MUST;

#endif
