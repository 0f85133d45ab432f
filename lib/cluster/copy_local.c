/* A copy that is a folder of this node. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cluster/copy_impl.h"
#include "cluster/recover.h"
#include "cluster/volume.h"

#define PIECE	(512U << 10)	/* bytes handed to the disk at a time */

struct local {
	struct copy	 copy;
	char		 dir[FILE_PATH_MAX];
	uint32_t	 epoch;		/* of the home that it is opened for */
	uint32_t	 salt;
	int		 fd;		/* of the segment used last, or -1 */
	uint32_t	 segment;
};

static struct local *
local(struct copy *c)
{
	return (struct local *)c;
}

static void
local_close(struct copy *copy)
{
	struct local	*c = local(copy);

	if (c->fd != -1)
		close(c->fd);
	free(c);
}

static int
local_list(struct copy *copy, uint32_t **list, size_t *n)
{
	struct local	*c = local(copy);

	return seg_list(c->copy.log, c->dir, list, n);
}

/* The folder may have been moved away, and another one have its place. */
static bool
is_in_place(const struct local *c)
{
	char		 name[SEG_NAME_SIZE], path[FILE_PATH_MAX];
	struct stat	 a, b;

	seg_name(name, c->segment);
	return str_fmt(path, sizeof(path), "%s/%s", c->dir, name) == 0 &&
	    fstat(c->fd, &a) == 0 && stat(path, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The descriptor of a segment, made when flags say so. */
static int
use(struct local *c, uint32_t segment, int flags)
{
	int	 rc;

	if (c->fd != -1 && c->segment == segment && is_in_place(c))
		return 0;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->segment = segment;
	rc = seg_open(c->copy.log, c->dir, segment, O_RDWR, &c->fd);
	if (rc != CM_ENOINPUT || !(flags & O_CREAT))
		return rc;
	if ((rc = seg_open(c->copy.log, c->dir, segment, O_RDWR | O_CREAT,
	    &c->fd)) != 0)
		return rc;
	return file_sync_dir(c->copy.log, c->dir);
}

/*
 * A shipper that was killed may have left bytes here that never came to the
 * disk; who asks for the end relies on them.
 */
static int
local_end(struct copy *copy, uint32_t segment, uint32_t *end)
{
	struct local	*c = local(copy);
	struct stat	 st;
	int		 rc;

	*end = 0;
	if ((rc = use(c, segment, 0)) != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	if (fdatasync(c->fd) == -1 || fstat(c->fd, &st) == -1)
		return log_errno(c->copy.log, "%s: segment %08u", c->dir,
		    segment);
	if (st.st_size > UINT32_MAX)
		return log_fail(c->copy.log, CM_ECORRUPT, "%s: segment %08u is "
		    "over 4 GiB", c->dir, segment);
	*end = (uint32_t)st.st_size;
	return 0;
}

/* Written with the disk at work from the first piece on, then synced. */
static int
write_synced(struct local *c, const char *p, size_t n, uint32_t offset)
{
	size_t	 len;
	int	 rc;

	for (; n > 0; p += len, n -= len, offset += (uint32_t)len) {
		len = n < PIECE ? n : PIECE;
		if ((rc = file_pwrite(c->fd, p, len, offset)) != 0)
			return rc;
		if (n > PIECE)
			(void)sync_file_range(c->fd, offset, (off_t)len,
			    SYNC_FILE_RANGE_WRITE);
	}
	return fdatasync(c->fd) == -1 ? CM_EIO : 0;
}

static int
local_append(struct copy *copy, uint32_t segment, uint32_t offset,
    const void *p, size_t n)
{
	struct local	*c = local(copy);
	struct stat	 st;
	int		 rc;

	if ((rc = use(c, segment, O_CREAT)) != 0)
		return rc;
	if (fstat(c->fd, &st) == -1)
		return log_errno(c->copy.log, "%s", c->dir);
	if (st.st_size != (off_t)offset)
		return CM_EOFFSET;
	/* who made the file may have died before its name was on disk */
	if (offset == 0 && (rc = file_sync_dir(c->copy.log, c->dir)) != 0)
		return rc;
	if (write_synced(c, p, n, offset) != 0) {
		rc = log_errno(c->copy.log, "%s: segment %08u: write", c->dir,
		    segment);
		/* a half-written batch would not fit the next try's offset */
		if (ftruncate(c->fd, offset) == -1)
			log_warn(c->copy.log, "%s: segment %08u: cannot be cut",
			    c->dir, segment);
		return rc;
	}
	return 0;
}

static int
local_read(struct copy *copy, uint32_t segment, uint32_t offset, void *p,
    size_t n)
{
	struct local	*c = local(copy);
	int	 rc;

	if ((rc = use(c, segment, 0)) != 0)
		return rc == CM_ENOINPUT ? CM_EEND : rc;
	return file_pread(c->fd, p, n, offset);
}

static int
local_patch(struct copy *copy, uint32_t segment, uint32_t offset, const void *p,
    size_t n)
{
	struct local	*c = local(copy);
	int	 rc;

	if ((rc = use(c, segment, 0)) != 0)
		return rc;
	if (file_pwrite(c->fd, p, n, offset) != 0 || fdatasync(c->fd) == -1)
		return log_errno(c->copy.log, "%s: segment %08u: write", c->dir,
		    segment);
	return 0;
}

static int
local_cut(struct copy *copy, uint32_t segment, uint32_t end)
{
	struct local	*c = local(copy);
	uint32_t	 size;
	int		 rc;

	if ((rc = seg_size(c->copy.log, c->dir, segment, &size)) != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	return size <= end ? 0 :
	    recover_cut(c->copy.log, c->dir, segment, size, end);
}

static int
is_home(const struct log *log, const char *dir, const struct seg_meta *m)
{
	return log_fail(log, CM_EEPOCH, "%s is the home of volume %s (epoch "
	    "%u), and no copy", dir, m->name, m->epoch);
}

/*
 * What changes a copy: alone, and only for a home that is no older than the
 * copy.  Two shippers, or one and a rebuild, may be at it.
 */
static int
begin_change(struct local *c, int *lock)
{
	struct seg_meta	 have;
	int		 rc;

	if ((rc = vol_freeze(c->copy.log, c->dir, lock)) != 0)
		return rc;
	if ((rc = seg_meta_read(c->copy.log, c->dir, &have)) == 0 &&
	    have.epoch > c->epoch)
		rc = log_fail(c->copy.log, CM_EEPOCH, "%s has epoch %u, the "
		    "home only %u", c->dir, have.epoch, c->epoch);
	/* made one since it was opened */
	else if (rc == 0 && seg_is_home(c->dir, &have))
		rc = is_home(c->copy.log, c->dir, &have);
	if (rc != 0)
		vol_unfreeze(c->dir, *lock, false);
	return rc;
}

static int
locked_append(struct copy *copy, uint32_t segment, uint32_t offset,
    const void *p, size_t n)
{
	struct local	*c = local(copy);
	int	 lock, rc;

	if ((rc = begin_change(c, &lock)) != 0)
		return rc;
	rc = local_append(copy, segment, offset, p, n);
	vol_unfreeze(c->dir, lock, false);
	return rc;
}

static int
locked_patch(struct copy *copy, uint32_t segment, uint32_t offset,
    const void *p, size_t n)
{
	struct local	*c = local(copy);
	int	 lock, rc;

	if ((rc = begin_change(c, &lock)) != 0)
		return rc;
	rc = local_patch(copy, segment, offset, p, n);
	vol_unfreeze(c->dir, lock, false);
	return rc;
}

static int
locked_cut(struct copy *copy, uint32_t segment, uint32_t end)
{
	struct local	*c = local(copy);
	int	 lock, rc;

	if ((rc = begin_change(c, &lock)) != 0)
		return rc;
	rc = local_cut(copy, segment, end);
	vol_unfreeze(c->dir, lock, false);
	return rc;
}

static int
local_sum(struct copy *copy, uint32_t segment, uint32_t to, uint32_t max,
    struct sum *s)
{
	struct local	*c = local(copy);

	return sum_read(c->copy.log, c->dir, c->salt, segment, to, max, 0, s);
}

static const struct copy_ops local_ops = {
	local_close, local_list, local_end, locked_append, local_read,
	locked_patch, locked_cut, local_sum,
};

static int
is_newer(const struct log *log, const char *dir, const struct seg_meta *have,
    const struct seg_meta *m)
{
	return log_fail(log, CM_EEPOCH, "%s has epoch %u, the home of volume "
	    "%s only %u", dir, have->epoch, m->name, m->epoch);
}

/*
 * The folder is a copy of this home from here on.  One that was the home loses
 * its control file first: those who have it open find out, and are refused;
 * as long as the file "volume" is the old one, it is recovered and goes on.
 */
static int
become_copy(const struct log *log, const char *dir, const struct seg_meta *m)
{
	struct seg_meta	 have;
	int		 lock, rc;

	if ((rc = vol_freeze(log, dir, &lock)) != 0)
		return rc;
	/* somebody else may have been here */
	if ((rc = seg_meta_read(log, dir, &have)) != 0)
		goto out;
	if (have.epoch > m->epoch) {
		rc = is_newer(log, dir, &have, m);
	} else if (!seg_is_home(dir, &have)) {
		rc = seg_meta_write(log, dir, m);
	} else if (have.epoch == m->epoch) {
		rc = is_home(log, dir, &have);
	} else {
		vol_forget_control(dir);
		if ((rc = seg_meta_write(log, dir, m)) == 0)
			vol_forget_superseded(dir);
	}
out:
	vol_unfreeze(dir, lock, false);
	return rc;
}

/* An empty folder takes the home's meta; another must fit it. */
static int
check_meta(const struct log *log, const char *dir, const struct seg_meta *home)
{
	struct seg_meta	 have, copy = *home, *m = &copy;
	uint32_t	*list;
	size_t		 n;
	int		 rc;

	m->role = SEG_COPY;
	rc = seg_meta_read(log, dir, &have);
	if (rc == CM_ENOINPUT) {
		if ((rc = file_mkdirs(log, dir, 0700)) != 0 ||
		    (rc = seg_list(log, dir, &list, &n)) != 0)
			return rc;
		free(list);
		if (n > 0)
			return log_fail(log, CM_ECORRUPT, "%s has segments "
			    "but no file \"volume\"", dir);
		return seg_meta_write(log, dir, m);
	}
	if (rc != 0)
		return rc;
	if (strcmp(have.name, m->name) != 0 || have.salt != m->salt)
		return log_fail(log, CM_ECONF, "%s is a copy of another volume"
		    " (%s) than %s", dir, have.name, m->name);
	if (have.epoch > m->epoch)
		return is_newer(log, dir, &have, m);
	return have.epoch < m->epoch || have.role != SEG_COPY ?
	    become_copy(log, dir, m) : 0;
}

int
copy_open_dir(const struct log *log, const char *dir,
    const struct seg_meta *meta, struct copy **out)
{
	struct local	*c;
	int		 rc;

	*out = NULL;
	if ((rc = check_meta(log, dir, meta)) != 0)
		return rc;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", dir);
	c->copy.ops = &local_ops;
	c->copy.log = log;
	c->epoch = meta->epoch;
	c->salt = meta->salt;
	c->fd = -1;
	if ((rc = str_copy(c->dir, sizeof(c->dir), dir)) != 0) {
		copy_close(&c->copy);
		return log_fail(log, rc, "%s", dir);
	}
	*out = &c->copy;
	return 0;
}
