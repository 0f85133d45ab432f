#include "cluster/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/str.h"
#include "cluster/control.h"
#include "cluster/peer.h"
#include "cluster/segment.h"

#define WAIT_MS	5000

static bool
is_local(const struct conf *conf, const struct conf_copy *c)
{
	return strcmp(c->node, conf->self) == 0;
}

static int
gone(const struct log *log, const struct conf_volume *cv,
    const struct conf_copy *c)
{
	return log_fail(log, CM_ENOINPUT, "volume %s: %s is gone, but its copy "
	    "in %s on node %s is there (cm-rebuild volume %s brings it back)",
	    cv->name, cv->path, c->path, c->node, cv->name);
}

/*
 * The same for copies on other nodes.  One that cannot be asked may have mail:
 * then no new volume of that name is begun.
 */
static int
no_node_has_it(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, size_t i, struct seg_meta *empty)
{
	struct peer_volume	 pv;
	struct peer		*p;
	bool			 some = false;
	int			 rc;

	if ((rc = peer_open(log, conf, cv->copies[i].node, &p)) != 0)
		return rc;
	if ((rc = peer_volume(p, cv->name, (int)i, &pv)) != 0) {
		log_fail(log, rc, "volume %s: its home is not made while node "
		    "%s, which may have a copy of it, cannot be asked: %s",
		    cv->name, cv->copies[i].node, peer_text(p));
		peer_close(p);
		return CM_EAWAY;
	}
	for (size_t k = 0; k < pv.nseg; k++)
		some |= pv.seg[k].end > 0;
	if (pv.meta.epoch > empty->epoch)
		*empty = pv.meta;
	peer_volume_free(&pv);
	peer_close(p);
	return some ? gone(log, cv, &cv->copies[i]) : 0;
}

/*
 * CM_ENOINPUT, with a line, when some copy has bytes of this volume.  *empty:
 * what a copy without any calls itself; its epoch is 0 when there is none.
 */
static int
no_copy_has_it(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, struct seg_meta *empty)
{
	struct seg_meta	 m;
	uint32_t	*list;
	size_t		 n;
	int		 rc;

	for (size_t i = 0; i < cv->ncopies; i++) {
		if (!is_local(conf, &cv->copies[i])) {
			if ((rc = no_node_has_it(log, conf, cv, i,
			    empty)) != 0)
				return rc;
			continue;
		}
		rc = seg_meta_read(log, cv->copies[i].path, &m);
		if (rc == CM_ENOINPUT)
			continue;
		if (rc != 0)
			return rc;
		if (m.epoch > empty->epoch)
			*empty = m;
		if ((rc = seg_list(log, cv->copies[i].path, &list, &n)) != 0)
			return rc;
		free(list);
		if (n > 0)
			return gone(log, cv, &cv->copies[i]);
	}
	return 0;
}

int
recover_is_ours(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct seg_meta *m)
{
	/* the embedded default has one node, whatever -n calls it */
	if (conf->file == NULL)
		return 0;
	if (m->role == SEG_HOME && strcmp(m->node, conf->self) == 0)
		return 0;
	/* without copies it can be nothing else */
	if (m->role == SEG_UNSAID &&
	    (cv->ncopies == 0 || seg_is_home(cv->path, m)))
		return 0;
	return log_fail(log, CM_EEPOCH, "volume %s: %s on node %s is %s%s, "
	    "and takes no mail (cm-rebuild volume %s makes it the home, unless"
	    " cluster.xml is an old one)", cv->name, cv->path, conf->self,
	    m->role == SEG_HOME ? "the home of node " : "a copy",
	    m->role == SEG_HOME ? m->node : "", cv->name);
}

/* A home older than a copy is one that was moved away and came back. */
static int
is_newer(const struct log *log, const struct conf_volume *cv, size_t i,
    const struct seg_meta *m, const struct seg_meta *copy)
{
	if (strcmp(copy->name, m->name) != 0 || copy->epoch <= m->epoch)
		return 0;
	return log_fail(log, CM_EEPOCH, "volume %s: %s has epoch %u, but its "
	    "copy in %s on node %s has %u: a newer home was made, and this one"
	    " takes nothing (cm-rebuild volume %s)", cv->name, cv->path,
	    m->epoch, cv->copies[i].path, cv->copies[i].node, copy->epoch,
	    cv->name);
}

static int
is_newest(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct seg_meta *m)
{
	struct seg_meta	 have;
	int		 rc = 0;

	for (size_t i = 0; i < cv->ncopies && rc == 0; i++)
		if (is_local(conf, &cv->copies[i]) &&
		    seg_meta_read(NULL, cv->copies[i].path, &have) == 0)
			rc = is_newer(log, cv, i, m, &have);
	return rc;
}

/*
 * The same for copies on other nodes.  One that cannot be asked does not keep
 * mail out: it refuses what an older home sends.
 */
static int
is_newest_anywhere(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct seg_meta *m)
{
	struct peer_volume	 pv;
	struct peer		*p;
	int			 rc = 0;

	for (size_t i = 0; i < cv->ncopies && rc == 0; i++) {
		if (is_local(conf, &cv->copies[i]) ||
		    peer_open(NULL, conf, cv->copies[i].node, &p) != 0)
			continue;
		if (peer_volume(p, cv->name, (int)i, &pv) == 0) {
			rc = is_newer(log, cv, i, m, &pv.meta);
			peer_volume_free(&pv);
		}
		peer_close(p);
	}
	return rc;
}

static int
make_meta(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct seg_meta *empty)
{
	struct seg_meta	 m = { .epoch = empty->epoch + 1, .role = SEG_HOME };
	uint32_t	*list;
	size_t		 n;
	int		 rc;

	if ((rc = seg_list(log, cv->path, &list, &n)) != 0)
		return rc;
	free(list);
	if (n > 0)
		return log_fail(log, CM_ECORRUPT, "volume %s: %s has segments "
		    "but no file \"volume\" (cm-rebuild volume %s)", cv->name,
		    cv->path, cv->name);
	/* a copy that was made for it takes bytes of no other salt */
	if (empty->epoch > 0)
		m.salt = empty->salt;
	else if (getrandom(&m.salt, sizeof(m.salt), 0) != sizeof(m.salt))
		return log_errno(log, "getrandom");
	if ((rc = str_copy(m.name, sizeof(m.name), cv->name)) != 0 ||
	    (rc = str_copy(m.node, sizeof(m.node), conf->self)) != 0)
		return rc;
	return seg_meta_write(log, cv->path, &m);
}

int
recover_make(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv)
{
	char		 path[FILE_PATH_MAX];
	struct seg_meta	 m, empty = { .epoch = 0 };
	int		 fd, rc;

	rc = seg_meta_read(log, cv->path, &m);
	if (rc == 0 && strcmp(m.name, cv->name) != 0)
		return log_fail(log, CM_ECONF, "volume %s: %s holds volume %s",
		    cv->name, cv->path, m.name);
	if (rc == 0 && (rc = recover_is_ours(log, conf, cv, &m)) == 0)
		return is_newest(log, conf, cv, &m);
	if (rc != CM_ENOINPUT)
		return rc;
	if ((rc = no_copy_has_it(log, conf, cv, &empty)) != 0 ||
	    (rc = file_mkdirs(log, cv->path, 0700)) != 0)
		return rc;
	if (str_fmt(path, sizeof(path), "%s/lock", cv->path) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", cv->path);
	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return log_errno(log, "%s", path);
	if ((rc = lock_file(fd, LOCK_EX, WAIT_MS)) != 0)
		log_fail(log, rc, "%s", path);
	else if ((rc = seg_meta_read(log, cv->path, &m)) == CM_ENOINPUT)
		rc = make_meta(log, conf, cv, &empty);
	close(fd);
	return rc;
}

static int
keep_end(void *arg, const struct seg_item *it)
{
	uint32_t	*end = arg;

	if (it->what == SEG_RECORD)
		*end = it->offset + it->length;
	return 0;
}

int
recover_end(const struct log *log, const char *dir, uint32_t segment,
    uint32_t salt, uint32_t size, uint32_t *end)
{
	struct seg_scan	 s = { .salt = salt, .segment = segment, .to = size,
			    .messages = true, .fn = keep_end, .arg = end };
	int		 rc;

	*end = 0;
	if ((rc = seg_open(log, dir, segment, O_RDONLY, &s.fd)) != 0)
		return rc;
	/* after a failed sync the page cache may be better than the disk */
	(void)posix_fadvise(s.fd, 0, 0, POSIX_FADV_DONTNEED);
	rc = seg_scan(log, &s);
	close(s.fd);
	return rc;
}

/* The bytes to be cut go into a file of their own first. */
static int
save_cut(const struct log *log, const char *dir, int fd, uint32_t segment,
    uint32_t size, uint32_t end)
{
	char	 path[FILE_PATH_MAX];
	char	*p;
	int	 rc;

	if (str_fmt(path, sizeof(path), "%s/cut-%08u-%u", dir, segment,
	    end) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	if ((p = malloc(size - end)) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", path);
	if ((rc = file_pread(fd, p, size - end, end)) != 0)
		log_fail(log, rc, "%s: segment %08u: read", dir, segment);
	else
		rc = file_commit(log, path, p, size - end, 0600);
	free(p);
	return rc;
}

int
recover_cut(const struct log *log, const char *dir, uint32_t segment,
    uint32_t size, uint32_t end)
{
	int	 fd, rc = 0;

	if ((rc = seg_open(log, dir, segment, O_RDWR, &fd)) != 0)
		return log_fail(log, rc, "%s: segment %08u", dir, segment);
	if (size > end) {
		log_warn(log, "%s: segment %08u: %u bytes behind the last "
		    "whole record are cut off and kept in cut-%08u-%u", dir,
		    segment, size - end, segment, end);
		rc = save_cut(log, dir, fd, segment, size, end);
	}
	if (rc == 0 && (ftruncate(fd, end) == -1 || fdatasync(fd) == -1))
		rc = log_errno(log, "%s: segment %08u: cut", dir, segment);
	close(fd);
	return rc;
}

/* The highest segment that a local copy has bytes of; 0 for none. */
static uint32_t
copies_last(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv)
{
	uint32_t	*list, last = 0, size;
	size_t		 n;

	for (size_t i = 0; i < cv->ncopies; i++) {
		if (!is_local(conf, &cv->copies[i]) ||
		    seg_list(log, cv->copies[i].path, &list, &n) != 0)
			continue;
		for (; n > 0 && list[n - 1] > last; n--)
			if (seg_size(log, cv->copies[i].path, list[n - 1],
			    &size) == 0 && size > 0)
				last = list[n - 1];
		free(list);
	}
	return last;
}

static int
begin_segment(const struct log *log, const char *dir, uint32_t segment)
{
	int	 fd, rc;

	rc = seg_open(log, dir, segment, O_RDWR | O_CREAT | O_TRUNC, &fd);
	if (rc != 0)
		return rc;
	close(fd);
	if ((rc = file_sync_dir(log, dir)) != 0)
		return rc;
	return control_make(log, dir, (uint64_t)segment << 32);
}

/* Behind the last one with bytes there may be one whose maker died. */
int
recover_seal(const struct log *log, const struct conf_volume *cv,
    const struct seg_meta *m)
{
	uint32_t	*list, size = 0, at = 0;
	size_t		 n;
	int		 rc;

	if ((rc = seg_list(log, cv->path, &list, &n)) != 0)
		return rc;
	for (; rc == 0 && n > 0 && size == 0; n--)
		if ((rc = seg_size(log, cv->path, list[n - 1], &size)) == 0 &&
		    (rc = recover_end(log, cv->path, list[n - 1], m->salt,
		    size, &at)) == 0)
			rc = recover_cut(log, cv->path, list[n - 1], size, at);
	free(list);
	return rc;
}

static int
recover(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv)
{
	struct seg_meta	 m;
	uint32_t	*list, last, next;
	size_t		 n;
	int		 rc;

	if ((rc = seg_meta_read(log, cv->path, &m)) != 0)
		return log_fail(log, rc, "volume %s: %s/volume", cv->name,
		    cv->path);
	if ((rc = seg_list(log, cv->path, &list, &n)) != 0)
		return rc;
	last = n > 0 ? list[n - 1] : 0;
	free(list);
	if ((rc = recover_seal(log, cv, &m)) != 0)
		return rc;
	/*
	 * Never a number that was begun before: the file may be empty because
	 * all of it was lost, and the catalog may know its places.
	 */
	next = copies_last(log, conf, cv);
	if (next < last)
		next = last;
	if (next++ >= PLACE_SEGMENT_MAX)
		return log_fail(log, CM_ESPACE, "volume %s: no segment number "
		    "is left", cv->name);
	log_info(log, "volume %s: scanned after a crash, goes on in segment "
	    "%08u", cv->name, next);
	return begin_segment(log, cv->path, next);
}

static bool
is_fresh(const struct log *log, const char *dir)
{
	uint32_t	*list = NULL;
	size_t		 n = 1;

	if (seg_list(log, dir, &list, &n) != 0)
		return false;
	free(list);
	return n == 0;
}

/* Nobody else has it now; a home without a role gets its own. */
static int
claim(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, struct seg_meta *m)
{
	int	 rc;

	if ((rc = recover_is_ours(log, conf, cv, m)) != 0 ||
	    m->role != SEG_UNSAID)
		return rc;
	m->role = SEG_HOME;
	if ((rc = str_copy(m->node, sizeof(m->node), conf->self)) != 0)
		return rc;
	return seg_meta_write(log, cv->path, m);
}

int
recover_home(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, int lock_fd)
{
	struct control	*c;
	struct seg_meta	 m;
	uint64_t	 end;
	uint32_t	 size;
	bool		 stale;
	int		 fd, rc;

	/* before the lock: it may take a while */
	if (seg_meta_read(NULL, cv->path, &m) == 0 &&
	    (rc = is_newest_anywhere(log, conf, cv, &m)) != 0)
		return rc;
	if ((rc = lock_file(lock_fd, LOCK_EX, WAIT_MS)) != 0)
		return log_fail(log, rc, "%s/lock", cv->path);
	rc = control_map(log, cv->path, &c, &fd);
	if (rc == 0) {
		/* somebody else was here first? */
		end = atomic_load(&c->committed);
		if (seg_size(log, cv->path, (uint32_t)(end >> 32),
		    &size) != 0 || size < (uint32_t)end)
			rc = CM_ESTALE;
		control_unmap(c, fd);
	}
	stale = rc == CM_ESTALE;
	/* a folder that was emptied under us is no volume any more */
	if (stale && (rc = seg_meta_read(log, cv->path, &m)) != 0)
		log_fail(log, rc, "volume %s: %s/volume", cv->name, cv->path);
	else if (stale)
		rc = claim(log, conf, cv, &m);
	if (rc == 0 && stale) {
		if (is_fresh(log, cv->path) && copies_last(log, conf, cv) == 0)
			rc = begin_segment(log, cv->path, 1);
		else
			rc = recover(log, conf, cv);
	}
	lock_unfile(lock_fd);
	return rc;
}
