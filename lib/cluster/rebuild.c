#include "cluster/rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/copy.h"
#include "cluster/reconcile.h"
#include "cluster/volume.h"

#define CHUNK	(1u << 20)
#define BATCH	(16u << 20)	/* between syncs: within reconcile's TAIL */

struct job {
	const struct log *log;
	struct volume	*v;
	struct copy	*c;
	char		*a, *b;		/* two buffers of BATCH */
	struct progress	 progress;
};

static void
job_free(struct job *j)
{
	copy_close(j->c);
	vol_close(j->v);
	free(j->a);
	free(j->b);
}

static int
home_is_sound(void *arg, const struct seg_item *it)
{
	(void)arg;
	return it->what == SEG_RECORD ? 0 : CM_ECORRUPT;
}

/* The copy's first n bytes of a segment against the home's. */
static int
compare(struct job *j, int fd, uint32_t segment, uint32_t size, uint32_t n)
{
	struct seg_scan	 s = { .fd = fd, .salt = vol_meta(j->v)->salt,
			    .segment = segment, .to = size, .messages = true,
			    .fn = home_is_sound };
	bool		 trusted = false;
	uint32_t	 len;
	int		 rc;

	for (uint32_t at = 0; at < n; at += len) {
		len = n - at < CHUNK ? n - at : CHUNK;
		if ((rc = file_pread(fd, j->a, len, at)) != 0 ||
		    (rc = copy_read(j->c, segment, at, j->b, len)) != 0)
			return log_fail(j->log, rc, "segment %08u: read",
			    segment);
		progress_add(&j->progress, len);
		if (memcmp(j->a, j->b, len) == 0)
			continue;
		/* only sound bytes may replace others */
		if (!trusted && (rc = seg_scan(NULL, &s)) != 0)
			return log_fail(j->log, rc, "segment %08u differs, "
			    "and the home's is damaged (cm-rebuild check -r)",
			    segment);
		trusted = true;
		log_warn(j->log, "segment %08u: bytes from %u on differed; "
		    "put right", segment, at);
		if ((rc = copy_patch(j->c, segment, at, j->a, len)) != 0)
			return rc;
	}
	return 0;
}

/* Appends what the copy lacks, and reads it again. */
static int
extend(struct job *j, int fd, uint32_t segment, uint32_t from, uint32_t size)
{
	uint32_t	 len;
	int		 rc;

	for (uint32_t at = from; at < size; at += len) {
		len = size - at < BATCH ? size - at : BATCH;
		if ((rc = file_pread(fd, j->a, len, at)) != 0)
			return log_fail(j->log, rc, "segment %08u: read",
			    segment);
		rc = copy_append(j->c, segment, at, j->a, len);
		if (rc == CM_EOFFSET)
			return CM_EAGAIN;	/* the shipper was faster */
		if (rc != 0)
			return rc;
		if ((rc = copy_read(j->c, segment, at, j->b, len)) != 0 ||
		    memcmp(j->a, j->b, len) != 0)
			return log_fail(j->log, rc ? rc : CM_EIO, "segment "
			    "%08u: what was written at %u does not come back",
			    segment, at);
		progress_add(&j->progress, len);
	}
	return 0;
}

static int
copy_segment(struct job *j, struct vol_end committed, uint32_t segment)
{
	uint32_t	 size, have;
	int		 fd, rc;

	if ((rc = home_size(j->log, vol_dir(j->v), committed, segment,
	    &size)) != 0)
		return rc;
	if ((rc = seg_open(j->log, vol_dir(j->v), segment, O_RDONLY,
	    &fd)) != 0)
		return log_fail(j->log, rc, "segment %08u", segment);
	do {
		if ((rc = copy_end(j->c, segment, &have)) != 0)
			break;
		if (have > size)
			have = size;
		if ((rc = compare(j, fd, segment, size, have)) == 0)
			rc = extend(j, fd, segment, have, size);
	} while (rc == CM_EAGAIN);
	close(fd);
	return rc;
}

static int
job_begin(struct job *j, const struct log *log, const struct conf *conf,
    const struct conf_volume *cv)
{
	memset(j, 0, sizeof(*j));
	j->log = log;
	if ((j->a = malloc(BATCH)) == NULL || (j->b = malloc(BATCH)) == NULL)
		return log_fail(log, CM_ENOMEM, "rebuild");
	return vol_open(log, conf, cv, &j->v);
}

static uint64_t
total_size(struct job *j, struct vol_end committed, const uint32_t *list,
    size_t n)
{
	uint64_t	 total = 0;
	uint32_t	 size;

	for (size_t i = 0; i < n; i++)
		if (home_size(j->log, vol_dir(j->v), committed, list[i],
		    &size) == 0)
			total += size;
	return total;
}

int
rebuild_copy(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const char *dir)
{
	struct job	 j;
	struct reconcile r = { .tails = false };
	struct vol_end	 committed;
	uint32_t	*list = NULL;
	size_t		 n = 0;
	int		 rc;

	if ((rc = job_begin(&j, log, conf, cv)) != 0 ||
	    (rc = copy_open_dir(log, dir, vol_meta(j.v), &j.c)) != 0)
		goto out;
	committed = vol_committed(j.v);
	r.v = j.v;
	if ((rc = reconcile(log, vol_dir(j.v), vol_meta(j.v), j.c,
	    &r)) != 0 ||
	    (rc = seg_list(log, vol_dir(j.v), &list, &n)) != 0)
		goto out;
	progress_start(&j.progress, "copying", total_size(&j, committed, list,
	    n), true);
	for (size_t i = 0; i < n && rc == 0; i++)
		if (list[i] <= committed.segment)
			rc = copy_segment(&j, committed, list[i]);
	progress_end(&j.progress);
out:
	free(list);
	job_free(&j);
	return rc;
}

static bool
is_local(const struct conf *conf, const struct conf_volume *cv, size_t i)
{
	return strcmp(cv->copies[i].node, conf->self) == 0;
}

/* What the copies say the volume is; CM_ENOINPUT when there is none. */
static int
meta_of_copies(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, struct seg_meta *m)
{
	struct seg_meta	 one;
	bool		 any = false;
	int		 rc;

	for (size_t i = 0; i < cv->ncopies; i++) {
		if (!is_local(conf, cv, i))
			continue;
		rc = seg_meta_read(log, cv->copies[i].path, &one);
		if (rc == CM_ENOINPUT)
			continue;
		if (rc != 0)
			return rc;
		if (strcmp(one.name, cv->name) != 0)
			return log_fail(log, CM_ECONF, "%s holds volume %s",
			    cv->copies[i].path, one.name);
		if (!any || one.epoch > m->epoch)
			*m = one;
		any = true;
	}
	return any ? 0 : log_fail(log, CM_ENOINPUT, "volume %s: no copy of it "
	    "on this node", cv->name);
}

/* All copies give what the home lacks; the folder is frozen. */
static int
fill_home(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct seg_meta *m,
    struct reconcile *r)
{
	struct copy	*c;
	int		 rc = 0, last = 0;
	bool		 any = false;

	/* one that cannot be read whole does not keep the others out */
	for (size_t i = 0; i < cv->ncopies; i++) {
		if (!is_local(conf, cv, i) ||
		    !file_exists(cv->copies[i].path))
			continue;
		if ((rc = copy_open(log, conf, cv, i, m, &c)) == 0) {
			rc = reconcile(log, cv->path, m, c, r);
			copy_close(c);
		}
		any |= rc == 0;
		if (rc != 0)
			last = log_fail(log, rc, "volume %s: the copy in %s",
			    cv->name, cv->copies[i].path);
	}
	return any ? 0 : last;
}

int
rebuild_volume(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv)
{
	struct seg_meta	 m;
	struct reconcile r = { .v = NULL };
	bool		 made = false;
	int		 lock, rc;

	if (!conf_is_home(conf, cv))
		return log_fail(log, CM_EAWAY, "volume %s: its home is %s",
		    cv->name, cv->home);
	if ((rc = file_mkdirs(log, cv->path, 0700)) != 0 ||
	    (rc = vol_freeze(log, cv->path, &lock)) != 0)
		return rc;
	/* killed from here on, the next opener scans what is there */
	vol_forget_control(cv->path);
	rc = seg_meta_read(log, cv->path, &m);
	if (rc == CM_ENOINPUT && (rc = meta_of_copies(log, conf, cv,
	    &m)) == 0) {
		m.epoch++;
		made = true;
	}
	if (rc == 0)
		rc = fill_home(log, conf, cv, &m, &r);
	/* last: only a whole home has the file that makes it one */
	if (rc == 0 && made)
		rc = seg_meta_write(log, cv->path, &m);
	vol_unfreeze(cv->path, lock, made || r.pulled > 0);
	if (rc == 0)
		log_info(log, "volume %s: %llu bytes fetched%s", cv->name,
		    (unsigned long long)r.pulled,
		    made ? ", home made anew" : "");
	/* what one copy had damaged may be good in another */
	if (rc == 0 && r.damaged)
		rc = rebuild_repair(log, conf, cv);
	return rc;
}

static int
keep_line(void *arg, struct span line)
{
	struct buf	*b = arg;

	buf_add(b, line.p, line.len);
	buf_addc(b, '\n');
	return b->err;
}

struct to_file {
	struct buf	 b;
	int		 fd;
};

static int
line_to_file(void *arg, struct span line)
{
	struct to_file	*f = arg;
	int		 rc;

	if ((rc = keep_line(&f->b, line)) != 0 || f->b.len < CHUNK)
		return rc;
	rc = file_write(f->fd, f->b.p, f->b.len);
	buf_reset(&f->b);
	return rc;
}

/* The present catalog goes to a file that stays, for whoever regrets it. */
static int
dump_present(const struct log *log, const struct conf *conf,
    struct catalog *cat, char path[FILE_PATH_MAX])
{
	const char	*words[] = { "dump", "now", NULL };
	struct to_file	 f = { .fd = -1 };
	char		 tmp[FILE_PATH_MAX];
	int		 rc;

	if (str_fmt(path, FILE_PATH_MAX, "%s/catalog-before-rebuild.dump",
	    conf->node->state) != 0 ||
	    str_fmt(tmp, sizeof(tmp), "%s.tmp", path) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", conf->node->state);
	buf_init(&f.b, 64u << 20);
	f.fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f.fd == -1)
		return log_errno(log, "%s", tmp);
	rc = catalog_call(cat, words, -1, -1, line_to_file, &f);
	if (rc == 0 && (rc = file_write(f.fd, f.b.p, f.b.len)) != 0)
		log_fail(log, rc, "%s", tmp);
	if (rc == 0 && (fsync(f.fd) == -1 || rename(tmp, path) == -1))
		rc = log_errno(log, "%s", tmp);
	if (rc != 0)
		unlink(tmp);
	close(f.fd);
	buf_free(&f.b);
	return rc;
}

/* A store that cannot be opened makes way; it is kept. */
static int
set_aside(const struct log *log, const struct conf *conf)
{
	char	 dir[FILE_PATH_MAX], aside[FILE_PATH_MAX];

	if (str_fmt(dir, sizeof(dir), "%s/catalog", conf->node->state) != 0 ||
	    str_fmt(aside, sizeof(aside), "%s/catalog.bad.%lld",
	    conf->node->state, (long long)time_now_ms()) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", conf->node->state);
	if (rename(dir, aside) == -1)
		return log_errno(log, "%s", dir);
	log_warn(log, "the old catalog cannot be opened; it is in %s", aside);
	return 0;
}

static int
state_line(void *arg, struct span line)
{
	struct span	 f;

	if (str_field(&line, '\t', &f) && span_is(f, "state"))
		*(bool *)arg = span_is(line, "ok");
	return 0;
}

/* Is there an agent with a good catalog?  Sets a broken one aside. */
static int
look(const struct log *log, const struct conf *conf, struct catalog *cat,
    bool *good)
{
	const char	*words[] = { "stat", NULL };
	int		 rc;

	*good = false;
	rc = catalog_call(cat, words, -1, CATALOG_CALL_MS, state_line, good);
	if (rc == 0)
		return 0;
	if (rc != CM_EAWAY && rc != CM_ECORRUPT && rc != CM_EIO)
		return rc;
	if (catalog_stop(cat) != 0)
		return rc;
	return set_aside(log, conf);
}

int
rebuild_catalog(const struct log *log, const struct conf *conf,
    struct catalog *cat, const char *dump, bool scratch)
{
	const char	*words[] = { "rebuild", NULL, NULL };
	char		 path[FILE_PATH_MAX];
	bool		 good;
	int		 fd = -1, rc;

	if ((rc = look(log, conf, cat, &good)) != 0)
		return rc;
	if (good) {
		if ((rc = dump_present(log, conf, cat, path)) != 0)
			return rc;
		if (dump == NULL && !scratch)
			dump = path;
	}
	if (dump != NULL) {
		if ((fd = open(dump, O_RDONLY | O_CLOEXEC)) == -1)
			return log_errno(log, "%s", dump);
		words[1] = "dump";
	} else {
		log_warn(log, "without a dump: passwords, aliases and flags "
		    "are not known, deleted messages come back, and folders "
		    "get a new UIDVALIDITY");
	}
	rc = catalog_call(cat, words, fd, -1, NULL, NULL);
	if (fd != -1)
		close(fd);
	return rc;
}
