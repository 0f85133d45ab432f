/* What cm-catalog's commands do; each reads fd 0 and writes fd 1.  Level 3. */
#ifndef CM_CATTOOL_H
#define CM_CATTOOL_H

#include "cluster/tool.h"

/* argv: the operands behind the command's name. */
int	 cattool_add(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_dump(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_expunge(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_flag(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_folders(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_lead(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_list(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_load(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_stat(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_stop(struct tool *, int argc, char **argv) CM_MUST;
int	 cattool_sync(struct tool *, int argc, char **argv) CM_MUST;

#endif
