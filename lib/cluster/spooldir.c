#include "cluster/spooldir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/str.h"

int
spooldir_path(const struct spooldir *s, const char *sub, const char *name,
    char out[FILE_PATH_MAX])
{
	int	 rc = str_fmt(out, FILE_PATH_MAX, "%s/%s/%s", s->path, sub,
		    name);

	return rc == 0 ? 0 : log_fail(s->log, rc, "%s/%s", s->path, sub);
}

int
spooldir_open(struct spooldir *s, const struct log *log,
    const struct conf *conf, const char *name)
{
	static const char *const subs[] = { "tmp", "new", "failed" };
	char	 path[FILE_PATH_MAX];
	int	 rc;

	s->log = log;
	if (str_fmt(s->path, sizeof(s->path), "%s/spool/%s",
	    conf->node->state, name) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", conf->node->state);
	for (size_t i = 0; i < 3; i++)
		if (str_fmt(path, sizeof(path), "%s/%s", s->path,
		    subs[i]) != 0 ||
		    (rc = file_mkdirs(log, path, 0700)) != 0)
			return CM_EIO;
	return 0;
}

int
spooldir_read(const struct spooldir *s, const char *name, struct buf *out,
    struct stat *st, int *fd)
{
	char	 path[FILE_PATH_MAX];
	int	 rc;

	*fd = -1;
	if ((rc = spooldir_path(s, "new", name, path)) != 0)
		return rc;
	/* nonblocking, or a FIFO would hold up all behind it */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd == -1)
		return errno == ENOENT ? CM_ENOINPUT :
		    log_errno(s->log, "%s", path);
	if (fstat(*fd, st) == -1)
		rc = log_errno(s->log, "%s", path);
	else if (!S_ISREG(st->st_mode))
		rc = log_fail(s->log, CM_EDATA, "%s: not a file", path);
	else if ((rc = file_read_fd(*fd, out)) != 0)
		log_fail(s->log, rc, "%s", path);
	if (rc != 0) {
		close(*fd);
		*fd = -1;
	}
	return rc;
}

static int
write_tmp(const struct spooldir *s, const char *tmp, const void *p, size_t len)
{
	int	 fd, rc = 0;

	if ((fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600)) == -1)
		return log_errno(s->log, "%s", tmp);
	if (file_write(fd, p, len) != 0 || fsync(fd) == -1)
		rc = log_errno(s->log, "%s", tmp);
	if (close(fd) == -1 && rc == 0)
		rc = log_errno(s->log, "%s", tmp);
	return rc;
}

int
spooldir_write(const struct spooldir *s, const char *name, const void *p,
    size_t len)
{
	char	 tmp[FILE_PATH_MAX], path[FILE_PATH_MAX], dir[FILE_PATH_MAX];
	int	 rc;

	if (str_fmt(tmp, sizeof(tmp), "%s/tmp/%s.%ld", s->path, name,
	    (long)getpid()) != 0 ||
	    str_fmt(dir, sizeof(dir), "%s/new", s->path) != 0)
		return log_fail(s->log, CM_ETOOBIG, "%s", s->path);
	if ((rc = spooldir_path(s, "new", name, path)) != 0)
		return rc;
	if ((rc = write_tmp(s, tmp, p, len)) == 0 && link(tmp, path) == -1)
		rc = errno == EEXIST ? CM_EEXIST :
		    log_errno(s->log, "%s", path);
	/* a name that was there before may not be on disk yet */
	if (rc == 0 || rc == CM_EEXIST) {
		int	 sync = file_sync_dir(s->log, dir);

		if (rc == 0 && sync != 0)
			unlink(path);
		rc = sync != 0 ? sync : rc;
	}
	unlink(tmp);
	return rc;
}

int
spooldir_fail(const struct spooldir *s, const char *name)
{
	char	 path[FILE_PATH_MAX], failed[FILE_PATH_MAX];
	int	 rc;

	if ((rc = spooldir_path(s, "new", name, path)) != 0 ||
	    (rc = spooldir_path(s, "failed", name, failed)) != 0)
		return rc;
	log_warn(s->log, "%s is moved to failed/", path);
	return rename(path, failed) == -1 ? log_errno(s->log, "%s", failed) :
	    0;
}
