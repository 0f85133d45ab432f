/* cm-rebuild copy: a home's bytes into a copy, from either of the two nodes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/pace.h"
#include "base/progress.h"
#include "base/str.h"
#include "cluster/copy.h"
#include "cluster/peer.h"
#include "cluster/prefetch.h"
#include "cluster/rebuild.h"
#include "cluster/reconcile.h"
#include "cluster/volume.h"

#define CHUNK	(1u << 20)
#define BATCH	(16u << 20)	/* between syncs: within reconcile's TAIL */

struct job {
	const struct log *log;
	const struct conf_volume *cv;
	struct volume	*v;		/* the home, when it is here */
	struct vol_end	 committed;
	int		 fd;		/* a segment of it, or -1 */
	uint32_t	 fd_segment;
	struct copy	*home;		/* the home on another node */
	uint32_t	 segment;	/* being appended to the copy */
	struct peer_volume ends;	/* how far its segments went */
	struct copy	*c;
	bool		 remote;	/* one of the two is on another node */
	char		*a, *b;		/* two buffers of BATCH */
	struct progress	 progress;
	struct pace	 pace;
};

static void
job_free(struct job *j)
{
	copy_close(j->c);
	copy_close(j->home);
	peer_volume_free(&j->ends);
	vol_close(j->v);
	if (j->fd != -1)
		close(j->fd);
	free(j->a);
	free(j->b);
}

static int
job_begin(struct job *j, const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, uint64_t rate)
{
	int	 rc;

	memset(j, 0, sizeof(*j));
	j->log = log;
	j->cv = cv;
	j->fd = -1;
	pace_init(&j->pace, rate);
	if ((j->a = malloc(BATCH)) == NULL || (j->b = malloc(BATCH)) == NULL)
		return log_fail(log, CM_ENOMEM, "rebuild");
	if (!conf_is_home(conf, cv)) {
		j->remote = true;
		return copy_open_home(log, conf, cv, &j->ends, &j->home);
	}
	if ((rc = vol_open(log, conf, cv, &j->v)) == 0)
		j->committed = vol_committed(j->v);
	return rc;
}

static const struct seg_meta *
home_meta(const struct job *j)
{
	return j->v != NULL ? vol_meta(j->v) : &j->ends.meta;
}

static int
home_read(struct job *j, uint32_t segment, uint32_t at, void *p, uint32_t n)
{
	int	 rc;

	if (j->v == NULL)
		return copy_read(j->home, segment, at, p, n);
	if (j->fd == -1 || j->fd_segment != segment) {
		if (j->fd != -1)
			close(j->fd);
		j->fd = -1;
		if ((rc = seg_open(j->log, vol_dir(j->v), segment, O_RDONLY,
		    &j->fd)) != 0)
			return log_fail(j->log, rc, "segment %08u", segment);
		j->fd_segment = segment;
	}
	return file_pread(j->fd, p, n, at);
}

static int
home_sum(struct job *j, uint32_t segment, uint32_t to, struct sum *s)
{
	return j->v == NULL ? copy_sum(j->home, segment, to, 0, s) :
	    sum_read(j->log, vol_dir(j->v), home_meta(j)->salt, segment, to,
	    0, 0, s);
}

/*
 * Are the first n bytes the same, by the checksums of all records?  *from: the
 * bytes from there on are of no whole record, and have to be looked at.
 */
static int
same_by_sum(struct job *j, uint32_t segment, uint32_t n, uint32_t *from)
{
	struct sum	 h = { .at = 0 }, c = { .at = 0 };
	bool		 same;
	int		 rc;

	*from = 0;
	if ((rc = home_sum(j, segment, n, &h)) != 0 ||
	    (rc = copy_sum(j->c, segment, n, 0, &c)) != 0)
		goto out;
	same = h.sum == c.sum && h.n == c.n && h.n <= 1;
	if (same && h.n == 1)
		same = h.bad[0].offset == c.bad[0].offset &&
		    h.bad[0].offset + h.bad[0].length == n &&
		    c.bad[0].offset + c.bad[0].length == n;
	if (same)
		*from = h.n == 1 ? h.bad[0].offset : n;
out:
	sum_free(&h);
	sum_free(&c);
	return rc;
}

/* Only sound bytes may replace others. */
static int
trust_home(struct job *j, uint32_t segment, uint32_t size)
{
	struct sum	 s = { .at = 0 };
	int		 rc = home_sum(j, segment, size, &s);

	if (rc == 0 && s.n > 0)
		rc = CM_ECORRUPT;
	sum_free(&s);
	return rc == 0 ? 0 : log_fail(j->log, rc, "segment %08u differs, and "
	    "the home's is damaged (cm-rebuild check -r)", segment);
}

/* The copy's first n bytes of a segment against the home's. */
static int
compare(struct job *j, uint32_t segment, uint32_t size, uint32_t n)
{
	bool		 trusted = false;
	uint32_t	 len, at = 0;
	int		 rc;

	if (n > 0 && j->remote &&
	    (rc = same_by_sum(j, segment, n, &at)) != 0)
		return rc;
	progress_add(&j->progress, at);
	for (; at < n; at += len) {
		len = pace_chunk(&j->pace, n - at < CHUNK ? n - at : CHUNK);
		if ((rc = home_read(j, segment, at, j->a, len)) != 0 ||
		    (rc = copy_read(j->c, segment, at, j->b, len)) != 0)
			return log_fail(j->log, rc, "segment %08u: read",
			    segment);
		progress_add(&j->progress, len);
		pace_add(&j->pace, len);
		if (memcmp(j->a, j->b, len) == 0)
			continue;
		if (!trusted && (rc = trust_home(j, segment, size)) != 0)
			return rc;
		trusted = true;
		log_warn(j->log, "segment %08u: bytes from %u on differed; "
		    "put right", segment, at);
		if ((rc = copy_patch(j->c, segment, at, j->a, len)) != 0)
			return rc;
	}
	return 0;
}

static int
not_written(struct job *j, int rc, uint32_t segment, uint32_t at)
{
	return log_fail(j->log, rc ? rc : CM_EIO, "segment %08u: what was "
	    "written at %u does not come back", segment, at);
}

static int
append(struct job *j, uint32_t segment, uint32_t at, const char *p,
    uint32_t len, bool again)
{
	int	 rc;

	rc = copy_append(j->c, segment, at, p, len);
	if (rc == CM_EOFFSET)
		return CM_EAGAIN;	/* the shipper was faster */
	if (rc != 0)
		return rc;
	if (again && ((rc = copy_read(j->c, segment, at, j->b, len)) != 0 ||
	    memcmp(p, j->b, len) != 0))
		return not_written(j, rc, segment, at);
	progress_add(&j->progress, len);
	pace_add(&j->pace, len);
	return 0;
}

static int
read_home(void *arg, uint32_t at, void *p, uint32_t n)
{
	struct job	*j = arg;

	return home_read(j, j->segment, at, p, n);
}

static uint32_t
batch(const struct job *j, uint32_t at, uint32_t size)
{
	return pace_chunk(&j->pace, size - at < BATCH ? size - at : BATCH);
}

/* again: reads what was written. */
static int
append_all(struct job *j, uint32_t segment, uint32_t from, uint32_t size,
    bool again)
{
	struct prefetch	 f;
	char		*p;
	uint32_t	 len;
	int		 rc;

	j->segment = segment;
	if ((rc = prefetch_init(&f, read_home, j, BATCH)) != 0)
		log_fail(j->log, rc, "rebuild");
	for (uint32_t at = from; rc == 0 && at < size; at += len) {
		len = batch(j, at, size);
		if ((rc = prefetch_get(&f, at, len, batch(j, at + len, size),
		    &p)) != 0)
			log_fail(j->log, rc, "segment %08u: read", segment);
		else
			rc = append(j, segment, at, p, len, again);
	}
	prefetch_free(&f);
	return rc;
}

/* Appends what the copy lacks, and looks whether it is there. */
static int
extend(struct job *j, uint32_t segment, uint32_t from, uint32_t size)
{
	bool		 there = j->remote && j->v != NULL;	/* the copy */
	uint32_t	 ok;
	int		 rc;

	if ((rc = append_all(j, segment, from, size, !there)) != 0)
		return rc;
	/* the other node reads it again itself */
	if (there && from < size && ((rc = same_by_sum(j, segment, size,
	    &ok)) != 0 || ok == 0))
		return not_written(j, rc, segment, from);
	return 0;
}

static int
copy_segment(struct job *j, uint32_t segment, uint32_t size)
{
	uint32_t	 have;
	int		 rc;

	do {
		if ((rc = copy_end(j->c, segment, &have)) != 0)
			break;
		if (have > size)
			have = size;
		if ((rc = compare(j, segment, size, have)) == 0)
			rc = extend(j, segment, have, size);
	} while (rc == CM_EAGAIN);
	return rc;
}

/* The home's segments with their sizes, as of the job's beginning. */
static int
list_home(struct job *j)
{
	uint32_t	*list = NULL, size;
	size_t		 n = 0;
	int		 rc;

	if (j->v == NULL)
		return 0;	/* copy_open_home did it */
	if ((rc = seg_list(j->log, vol_dir(j->v), &list, &n)) != 0)
		return rc;
	j->ends.seg = calloc(n + 1, sizeof(*j->ends.seg));
	if (j->ends.seg == NULL)
		rc = log_fail(j->log, CM_ENOMEM, "rebuild");
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (list[i] > j->committed.segment)
			continue;
		rc = home_size(j->log, vol_dir(j->v), j->committed, list[i],
		    &size);
		j->ends.seg[j->ends.nseg++] = (struct peer_segment){
		    list[i], size };
	}
	free(list);
	return rc;
}

/* Both ends are open. */
static int
run(struct job *j)
{
	struct reconcile r = { .tails = false };
	uint64_t	 total = 0;
	int		 rc;

	r.v = j->v;
	r.pace = &j->pace;
	/* from here only the home itself can take what a copy has more */
	if (j->v != NULL && (rc = reconcile(j->log, vol_dir(j->v),
	    home_meta(j), j->c, &r)) != 0)
		return rc;
	if ((rc = list_home(j)) != 0)
		return rc;
	for (size_t i = 0; i < j->ends.nseg; i++)
		total += j->ends.seg[i].end;
	progress_start(&j->progress, "copying", total, true);
	for (size_t i = 0; i < j->ends.nseg && rc == 0; i++)
		rc = copy_segment(j, j->ends.seg[i].segment,
		    j->ends.seg[i].end);
	progress_end(&j->progress);
	return rc;
}

static int
copy_dir(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const char *dir, uint64_t rate)
{
	struct job	 j;
	int		 rc;

	if ((rc = job_begin(&j, log, conf, cv, rate)) == 0 &&
	    (rc = copy_open_dir(log, dir, home_meta(&j), &j.c)) == 0)
		rc = run(&j);
	job_free(&j);
	return rc;
}

/* The home is here, the copy is not. */
static int
copy_away(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, size_t index, uint64_t rate)
{
	struct job	 j;
	int		 rc;

	if ((rc = job_begin(&j, log, conf, cv, rate)) == 0 &&
	    (rc = copy_open(log, conf, cv, index, home_meta(&j),
	    &j.c)) == 0) {
		j.remote = true;
		rc = run(&j);
	}
	job_free(&j);
	return rc;
}

int
rebuild_place(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, size_t index, uint64_t rate)
{
	const struct conf_copy *cc = &cv->copies[index];

	if (strcmp(cc->node, conf->self) == 0)
		return copy_dir(log, conf, cv, cc->path, rate);
	if (conf_is_home(conf, cv))
		return copy_away(log, conf, cv, index, rate);
	return log_fail(log, CM_EAWAY, "volume %s: neither its home nor its "
	    "copy on node %s is here", cv->name, cc->node);
}

int
rebuild_copy(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const char *where, uint64_t rate)
{
	bool	 any = false;
	int	 rc = 0, one;

	if (strchr(where, '/') != NULL ||
	    conf_node(conf, where, strlen(where)) == NULL)
		return copy_dir(log, conf, cv, where, rate);
	for (size_t i = 0; i < cv->ncopies; i++) {
		if (strcmp(cv->copies[i].node, where) != 0)
			continue;
		any = true;
		if ((one = rebuild_place(log, conf, cv, i, rate)) != 0)
			rc = one;
	}
	return any ? rc : log_fail(log, CM_ENOINPUT, "volume %s has no copy "
	    "on node %s", cv->name, where);
}
