#include "cluster/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cluster/recover.h"
#include "cluster/volume.h"

struct copy_ops {
	void	(*close)(struct copy *);
	int	(*list)(struct copy *, uint32_t **, size_t *);
	int	(*end)(struct copy *, uint32_t, uint32_t *);
	int	(*append)(struct copy *, uint32_t, uint32_t, const void *,
		    size_t);
	int	(*read)(struct copy *, uint32_t, uint32_t, void *, size_t);
	int	(*patch)(struct copy *, uint32_t, uint32_t, const void *,
		    size_t);
	int	(*cut)(struct copy *, uint32_t, uint32_t);
};

/* A folder of this node. */
struct copy {
	const struct copy_ops *ops;
	const struct log *log;
	char		 dir[FILE_PATH_MAX];
	uint32_t	 epoch;		/* of the home that it is opened for */
	int		 fd;		/* of the segment used last, or -1 */
	uint32_t	 segment;
};

void
copy_label(const struct conf_volume *v, int index, char out[COPY_LABEL_MAX])
{
	const char	*node = index < 0 ? v->home : v->copies[index].node;
	size_t		 same = 0;

	for (size_t i = 0; i < v->ncopies; i++)
		same += strcmp(v->copies[i].node, node) == 0;
	same += strcmp(v->home, node) == 0;
	if (same > 1 && index >= 0)
		snprintf(out, COPY_LABEL_MAX, "%.63s#%d", node,
		    (index + 1) % 10000);
	else
		snprintf(out, COPY_LABEL_MAX, "%.63s", node);
}

static void
local_close(struct copy *c)
{
	if (c->fd != -1)
		close(c->fd);
	free(c);
}

static int
local_list(struct copy *c, uint32_t **list, size_t *n)
{
	return seg_list(c->log, c->dir, list, n);
}

/* The folder may have been moved away, and another one have its place. */
static bool
is_in_place(const struct copy *c)
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
use(struct copy *c, uint32_t segment, int flags)
{
	int	 rc;

	if (c->fd != -1 && c->segment == segment && is_in_place(c))
		return 0;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->segment = segment;
	rc = seg_open(c->log, c->dir, segment, O_RDWR, &c->fd);
	if (rc != CM_ENOINPUT || !(flags & O_CREAT))
		return rc;
	if ((rc = seg_open(c->log, c->dir, segment, O_RDWR | O_CREAT,
	    &c->fd)) != 0)
		return rc;
	return file_sync_dir(c->log, c->dir);
}

/*
 * A shipper that was killed may have left bytes here that never came to the
 * disk; who asks for the end relies on them.
 */
static int
local_end(struct copy *c, uint32_t segment, uint32_t *end)
{
	struct stat	 st;
	int		 rc;

	*end = 0;
	if ((rc = use(c, segment, 0)) != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	if (fdatasync(c->fd) == -1 || fstat(c->fd, &st) == -1)
		return log_errno(c->log, "%s: segment %08u", c->dir, segment);
	if (st.st_size > UINT32_MAX)
		return log_fail(c->log, CM_ECORRUPT, "%s: segment %08u is "
		    "over 4 GiB", c->dir, segment);
	*end = (uint32_t)st.st_size;
	return 0;
}

static int
local_append(struct copy *c, uint32_t segment, uint32_t offset, const void *p,
    size_t n)
{
	struct stat	 st;
	int		 rc;

	if ((rc = use(c, segment, O_CREAT)) != 0)
		return rc;
	if (fstat(c->fd, &st) == -1)
		return log_errno(c->log, "%s", c->dir);
	if (st.st_size != (off_t)offset)
		return CM_EOFFSET;
	/* who made the file may have died before its name was on disk */
	if (offset == 0 && (rc = file_sync_dir(c->log, c->dir)) != 0)
		return rc;
	if ((rc = file_pwrite(c->fd, p, n, offset)) != 0 ||
	    fdatasync(c->fd) == -1) {
		rc = log_errno(c->log, "%s: segment %08u: write", c->dir,
		    segment);
		/* a half-written batch would not fit the next try's offset */
		if (ftruncate(c->fd, offset) == -1)
			log_warn(c->log, "%s: segment %08u: cannot be cut",
			    c->dir, segment);
		return rc;
	}
	return 0;
}

static int
local_read(struct copy *c, uint32_t segment, uint32_t offset, void *p,
    size_t n)
{
	int	 rc;

	if ((rc = use(c, segment, 0)) != 0)
		return rc == CM_ENOINPUT ? CM_EEND : rc;
	return file_pread(c->fd, p, n, offset);
}

static int
local_patch(struct copy *c, uint32_t segment, uint32_t offset, const void *p,
    size_t n)
{
	int	 rc;

	if ((rc = use(c, segment, 0)) != 0)
		return rc;
	if (file_pwrite(c->fd, p, n, offset) != 0 || fdatasync(c->fd) == -1)
		return log_errno(c->log, "%s: segment %08u: write", c->dir,
		    segment);
	return 0;
}

static int
local_cut(struct copy *c, uint32_t segment, uint32_t end)
{
	uint32_t	 size;
	int		 rc;

	if ((rc = seg_size(c->log, c->dir, segment, &size)) != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	return size <= end ? 0 :
	    recover_cut(c->log, c->dir, segment, size, end);
}

/*
 * What changes a copy: alone, and only for a home that is no older than the
 * copy.  Two shippers, or one and a rebuild, may be at it.
 */
static int
begin_change(struct copy *c, int *lock)
{
	struct seg_meta	 have;
	int		 rc;

	if ((rc = vol_freeze(c->log, c->dir, lock)) != 0)
		return rc;
	if ((rc = seg_meta_read(c->log, c->dir, &have)) == 0 &&
	    have.epoch > c->epoch)
		rc = log_fail(c->log, CM_EEPOCH, "%s has epoch %u, the home "
		    "only %u", c->dir, have.epoch, c->epoch);
	if (rc != 0)
		vol_unfreeze(c->dir, *lock, false);
	return rc;
}

static int
locked_append(struct copy *c, uint32_t segment, uint32_t offset,
    const void *p, size_t n)
{
	int	 lock, rc;

	if ((rc = begin_change(c, &lock)) != 0)
		return rc;
	rc = local_append(c, segment, offset, p, n);
	vol_unfreeze(c->dir, lock, false);
	return rc;
}

static int
locked_patch(struct copy *c, uint32_t segment, uint32_t offset,
    const void *p, size_t n)
{
	int	 lock, rc;

	if ((rc = begin_change(c, &lock)) != 0)
		return rc;
	rc = local_patch(c, segment, offset, p, n);
	vol_unfreeze(c->dir, lock, false);
	return rc;
}

static int
locked_cut(struct copy *c, uint32_t segment, uint32_t end)
{
	int	 lock, rc;

	if ((rc = begin_change(c, &lock)) != 0)
		return rc;
	rc = local_cut(c, segment, end);
	vol_unfreeze(c->dir, lock, false);
	return rc;
}

static const struct copy_ops local_ops = {
	local_close, local_list, local_end, locked_append, local_read,
	locked_patch, locked_cut,
};

/* An empty folder takes the home's meta; another must fit it. */
static int
check_meta(const struct log *log, const char *dir, const struct seg_meta *m)
{
	struct seg_meta	 have;
	uint32_t	*list;
	size_t		 n;
	int		 rc;

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
		return log_fail(log, CM_EEPOCH, "%s has epoch %u, the home of "
		    "volume %s only %u", dir, have.epoch, m->name, m->epoch);
	return have.epoch < m->epoch ? seg_meta_write(log, dir, m) : 0;
}

int
copy_open_dir(const struct log *log, const char *dir,
    const struct seg_meta *meta, struct copy **out)
{
	struct copy	*c;
	int		 rc;

	*out = NULL;
	if ((rc = check_meta(log, dir, meta)) != 0)
		return rc;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", dir);
	c->ops = &local_ops;
	c->log = log;
	c->epoch = meta->epoch;
	c->fd = -1;
	if ((rc = str_copy(c->dir, sizeof(c->dir), dir)) != 0) {
		copy_close(c);
		return log_fail(log, rc, "%s", dir);
	}
	*out = c;
	return 0;
}

int
copy_open(const struct log *log, const struct conf *conf,
    const struct conf_volume *v, size_t index, const struct seg_meta *meta,
    struct copy **out)
{
	const struct conf_copy *cc = &v->copies[index];

	*out = NULL;
	if (strcmp(cc->node, conf->self) != 0)
		return log_fail(log, CM_EAWAY, "volume %s: its copy on node "
		    "%s: copies on other nodes are not supported yet",
		    v->name, cc->node);
	return copy_open_dir(log, cc->path, meta, out);
}

void
copy_close(struct copy *c)
{
	if (c != NULL)
		c->ops->close(c);
}

int
copy_list(struct copy *c, uint32_t **list, size_t *n)
{
	return c->ops->list(c, list, n);
}

int
copy_end(struct copy *c, uint32_t segment, uint32_t *end)
{
	return c->ops->end(c, segment, end);
}

int
copy_append(struct copy *c, uint32_t segment, uint32_t offset, const void *p,
    size_t n)
{
	return c->ops->append(c, segment, offset, p, n);
}

int
copy_read(struct copy *c, uint32_t segment, uint32_t offset, void *p,
    size_t n)
{
	return c->ops->read(c, segment, offset, p, n);
}

int
copy_patch(struct copy *c, uint32_t segment, uint32_t offset, const void *p,
    size_t n)
{
	return c->ops->patch(c, segment, offset, p, n);
}

int
copy_cut(struct copy *c, uint32_t segment, uint32_t end)
{
	return c->ops->cut(c, segment, end);
}
