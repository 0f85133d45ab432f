/* What every tool begins with.  Level 3. */
#ifndef CM_TOOL_H
#define CM_TOOL_H

#include "base/log.h"
#include "cluster/catalog.h"
#include "cluster/conf.h"

#define TOOL_OPTIONS "C:n:"	/* for getopt: both go to tool_option */

struct tool {
	struct log	 log;
	const char	*file;		/* -C */
	const char	*node;		/* -n */
	struct conf	*conf;
	struct catalog	*catalog;
};

/* Messages go to fd 2 as "prog: text". */
void	 tool_init(struct tool *, const char *prog);
/* Takes an option of TOOL_OPTIONS; false when it is none. */
bool	 tool_option(struct tool *, int opt, const char *arg);
/* Loads the configuration and opens the catalog's client. */
int	 tool_open(struct tool *) CM_MUST;
void	 tool_close(struct tool *);

#endif
