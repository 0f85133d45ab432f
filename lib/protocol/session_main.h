/* What the programs of the session engine begin with.  Level 4. */
#ifndef CM_SESSION_MAIN_H
#define CM_SESSION_MAIN_H

#include "cluster/tool.h"
#include "protocol/session.h"

#define SESSION_OPTIONS	TOOL_OPTIONS "i:ptw:"	/* for getopt */

struct session_main {
	struct tool	 tool;
	struct session_options options;
};

void	 session_main_init(struct session_main *, const char *prog);
/* Takes an option of SESSION_OPTIONS; false: it is none, or its value wrong. */
bool	 session_main_option(struct session_main *, int opt, const char *arg);
/* Serves; the exit code. */
int	 session_main_run(struct session_main *,
	    const struct session_service *);

#endif
