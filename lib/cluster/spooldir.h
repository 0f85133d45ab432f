/*
 * A folder of the spool: STATE/spool/NAME with tmp/, new/ and failed/.  A file
 * is written in tmp/ and moved to new/, so that it is there whole or not at
 * all.  Level 3.
 */
#ifndef CM_SPOOLDIR_H
#define CM_SPOOLDIR_H

#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "cluster/conf.h"

#define SPOOL_HEAD_MAX	(1u << 20)	/* bytes before a file's message */

struct spooldir {
	const struct log *log;
	char		 path[FILE_PATH_MAX];
};

/* Makes the folders that are missing.  All that fails has a line. */
int	 spooldir_open(struct spooldir *, const struct log *,
	    const struct conf *, const char *name) CM_MUST;
/* PATH/SUB/NAME */
int	 spooldir_path(const struct spooldir *, const char *sub,
	    const char *name, char out[FILE_PATH_MAX]) CM_MUST;
/*
 * A file of new/: its bytes are added to the buffer, and *fd is open for
 * reading.  CM_ENOINPUT, without a line, when it is gone; CM_EDATA when it is
 * no file.
 */
int	 spooldir_read(const struct spooldir *, const char *name, struct buf *,
	    struct stat *, int *fd) CM_MUST;
/* A new file of new/, on disk after 0.  CM_EEXIST, without a line. */
int	 spooldir_write(const struct spooldir *, const char *name, const void *,
	    size_t) CM_MUST;
/* Moves what can never be done from new/ to failed/, and says so. */
int	 spooldir_fail(const struct spooldir *, const char *name) CM_MUST;

#endif
