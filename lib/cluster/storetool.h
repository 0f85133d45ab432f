/* What cm-store does, by its options.  Level 3. */
#ifndef CM_STORETOOL_H
#define CM_STORETOOL_H

#include <stdbool.h>

#include "cluster/tool.h"

struct storetool {
	struct tool	*tool;
	const char	*sender;	/* -f; NULL: none given */
	const char	*folder;	/* -F */
	const char	*maildir;	/* -d */
	bool		 mbox;		/* -m */
	bool		 spool;		/* -q */
	char		**recipients;
	int		 nrecipients;
};

/* Reads messages from fd 0 or the Maildir, writes receipts to fd 1. */
int	 storetool_run(const struct storetool *) CM_MUST;

#endif
