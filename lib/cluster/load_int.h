/* What the load*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_LOAD_INT_H
#define CM_LOAD_INT_H

#include "base/file.h"
#include "cluster/load.h"

/* Room for a row behind n; it is zeroed.  CM_ETOOBIG, CM_ENOMEM. */
int	 load_grow(void **rows, size_t n, size_t size) CM_MUST;
/* Takes lines as load_parse, but the node's line may be missing. */
int	 load_lines(struct load *, struct span text) CM_MUST;
int	 load_scrub_path(const struct conf *, char out[FILE_PATH_MAX])
	    CM_MUST;

#endif
