/* A helper of ours on this node: found by its socket, started when it is not
 * there.  Level 3. */
#ifndef CM_SERVICE_H
#define CM_SERVICE_H

#include <stdbool.h>

#include "adapter/stream.h"
#include "base/file.h"
#include "base/log.h"
#include "cluster/conf.h"

#define SERVICE_START_MS 5000	/* for it to come up */

struct service {
	const struct log *log;
	const char	*state;		/* the node's folder */
	char		 name[80];	/* run/NAME.sock, .lock, .log */
	const char	*tool;		/* started with argv behind -C and -n */
	const char	*argv[5];	/* NULL-terminated */
	char		*file;		/* cluster.xml, absolute, or NULL */
	const char	*node;		/* or NULL */
};

/*
 * Fills it in.  file and node: what conf_load was given.  argv is not copied.
 */
int	 service_init(struct service *, const struct log *,
	    const struct conf *, const char *file, const char *node,
	    const char *name, const char *tool) CM_MUST;
void	 service_free(struct service *);
/* Connects; starts it when nobody answers.  CM_EAWAY. */
int	 service_dial(const struct service *, int *fd) CM_MUST;
/* Starts it, and does not wait for it. */
int	 service_start(const struct service *) CM_MUST;
/* Connects, but starts nothing; CM_EAWAY without a line. */
int	 service_find(const struct service *, int *fd) CM_MUST;
/*
 * The other side: makes run/, takes the lock (CM_EEXIST: it is served
 * already), writes the pid into it, listens.
 */
int	 service_listen(const struct service *, int *lock, int *fd) CM_MUST;
/*
 * Are the lock and the socket still to be found?  Without them nobody comes,
 * and a helper must go.
 */
bool	 service_is_current(const struct service *, int lock);
/* Takes the socket away, if it is this helper's own. */
void	 service_unlisten(const struct service *, int lock);
/* The path of run/NAME.SUFFIX. */
int	 service_path(const struct service *, const char *suffix,
	    char out[FILE_PATH_MAX]) CM_MUST;

/* The process that holds the lock, or 0. */
long	 service_pid(const struct service *);
/* Waits until that process has let go of the lock, ms at most. */
void	 service_wait_end(const struct service *, long pid, int ms);

#endif
