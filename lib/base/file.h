/* Files: whole reads and writes, and the one way to commit one.  Level 0. */
#ifndef CM_FILE_H
#define CM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/log.h"

#define FILE_PATH_MAX 4096

/* Writes all of it, over EINTR and short writes.  Sets errno. */
int	 file_write(int fd, const void *, size_t) CM_MUST;
int	 file_pwrite(int fd, const void *, size_t, off_t) CM_MUST;
/* Reads exactly n bytes; CM_EEND when the file ends before. */
int	 file_pread(int fd, void *, size_t n, off_t) CM_MUST;
/* Appends a whole file to the buffer; CM_ETOOBIG over its ceiling. */
int	 file_read(const struct log *, const char *path, struct buf *) CM_MUST;
int	 file_read_fd(int fd, struct buf *) CM_MUST;

/*
 * Puts a file in place, whole or not at all: write to path.tmp.PID, fsync,
 * rename, fsync of the folder.  What was there stays until then.
 */
int	 file_commit(const struct log *, const char *path, const void *,
	    size_t, mode_t) CM_MUST;
/* fsync of a folder, so that the names in it are on disk. */
int	 file_sync_dir(const struct log *, const char *dir) CM_MUST;
/* fsync of all folders above, as far as this user may: an old one, whose
 * maker is not known to have done it. */
void	 file_sync_parents(const char *dir);
/* Makes the folder and those above it, each on disk before the next. */
int	 file_mkdirs(const struct log *, const char *dir, mode_t) CM_MUST;
/* Bytes free for this user on the file system of path; 0 when unknown. */
uint64_t file_space(const char *path);
/* Bytes of that file system that this user has or could have; 0: unknown. */
uint64_t file_disk(const char *path);
bool	 file_exists(const char *path);

#endif
