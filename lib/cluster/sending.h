/*
 * Working off the spool "outgoing": what is due goes to the smarthost, and
 * senders hear of what failed.  Level 3.
 */
#ifndef CM_SENDING_H
#define CM_SENDING_H

#include <stdbool.h>

#include "base/log.h"
#include "cluster/catalog.h"
#include "cluster/conf.h"
#include "cluster/queued.h"

#define SENDING_CONNECTIONS 4	/* of all processes on this node */

struct sending {
	const struct log *log;
	const struct conf *conf;
	const char	*file;		/* as conf_load was given */
	const char	*node;
	struct catalog	*catalog;
	struct spooldir	*dir;
	size_t		 tried;		/* result of sending_run */
};

/*
 * The messages named, by up to four threads in that order; due or not when
 * now is set.  CM_EAGAIN: some of it waits; CM_EDATA: something is in failed/.
 * When another process has all connections, they wait for it, and for cron.
 */
int	 sending_run(struct sending *, char *const ids[], size_t n, bool now)
	    CM_MUST;
/* Have other processes all connections now? */
bool	 sending_is_busy(const struct spooldir *);
/*
 * Tells the senders about these, and takes away what is done.  For one thread;
 * SIGPIPE is to be ignored.
 */
int	 sending_tell(struct sending *, char *const ids[], size_t n) CM_MUST;

#endif
