#include "cluster/rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/pace.h"
#include "base/progress.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/catdb.h"
#include "cluster/control.h"
#include "cluster/copy.h"
#include "cluster/peer.h"
#include "cluster/rebuild_int.h"
#include "cluster/reconcile.h"
#include "cluster/recover.h"
#include "cluster/volume.h"

#define MS_2020	1577836800000	/* 2020-01-01 UTC */
#define STORE_ROOM (40u << 20)	/* over a file of the store's log */

static bool
is_local(const struct conf *conf, const struct conf_volume *cv, size_t i)
{
	return strcmp(cv->copies[i].node, conf->self) == 0;
}

/* What the copies say the volume is. */
struct said {
	struct seg_meta	 meta;		/* of the highest epoch */
	bool		 any;
	bool		 away;		/* one could not be asked */
	uint64_t	 bytes;		/* in the fullest copy */
	uint32_t	 last;		/* segment of copies on other nodes */
};

static int
ask_copy(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, size_t i, struct peer_volume *pv)
{
	struct peer	*p;
	int		 rc;

	memset(pv, 0, sizeof(*pv));
	if (is_local(conf, cv, i)) {
		rc = seg_meta_read(log, cv->copies[i].path, &pv->meta);
		return rc == CM_ENOINPUT ? 0 : rc;
	}
	if ((rc = peer_open(log, conf, cv->copies[i].node, &p)) != 0)
		return rc;
	if ((rc = peer_volume(p, cv->name, (int)i, pv)) != 0)
		log_fail(log, rc, "volume %s: its copy on node %s: %s",
		    cv->name, cv->copies[i].node, peer_text(p));
	peer_close(p);
	return rc;
}

static int
ask_copies(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, struct said *s)
{
	struct peer_volume	 pv;
	uint64_t		 bytes;
	int			 rc;

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < cv->ncopies; i++) {
		if ((rc = ask_copy(log, conf, cv, i, &pv)) != 0) {
			if (is_local(conf, cv, i))
				return rc;
			s->away = true;
			continue;
		}
		bytes = 0;
		for (size_t k = 0; k < pv.nseg; k++) {
			bytes += pv.seg[k].end;
			if (pv.seg[k].end > 0 && pv.seg[k].segment > s->last)
				s->last = pv.seg[k].segment;
		}
		if (bytes > s->bytes)
			s->bytes = bytes;
		if (pv.meta.epoch > 0 && strcmp(pv.meta.name, cv->name) != 0)
			rc = log_fail(log, CM_ECONF, "%s on node %s holds "
			    "volume %s", cv->copies[i].path,
			    cv->copies[i].node, pv.meta.name);
		else if (pv.meta.epoch > s->meta.epoch)
			s->meta = pv.meta;
		s->any |= pv.meta.epoch > 0;
		peer_volume_free(&pv);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* A home is made of copies that were all asked: another may have more. */
static int
meta_of_copies(const struct log *log, const struct conf_volume *cv,
    const struct said *s, struct seg_meta *m)
{
	if (s->away)
		return log_fail(log, CM_EAWAY, "volume %s: its home is not "
		    "made anew while a copy that may have more cannot be asked"
		    " (take it out of cluster.xml if it is gone for good)",
		    cv->name);
	if (!s->any)
		return log_fail(log, CM_ENOINPUT, "volume %s: there is no "
		    "copy of it", cv->name);
	*m = s->meta;
	m->epoch++;
	return 0;
}

/* One copy gives what the home lacks. */
static int
fill_from(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, size_t i, const struct seg_meta *m,
    struct reconcile *r)
{
	struct copy	*c;
	int		 rc;

	if ((rc = copy_open(log, conf, cv, i, m, &c)) == 0) {
		/* from here an older home is refused */
		if (r->v == NULL)
			rc = copy_claim(c);
		if (rc == 0)
			rc = reconcile(log, cv->path, m, c, r);
		copy_close(c);
	}
	return rc == 0 ? 0 : log_fail(log, rc, "volume %s: the copy in %s on "
	    "node %s", cv->name, cv->copies[i].path, cv->copies[i].node);
}

/* All copies give what the home lacks. */
static int
fill_home(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct seg_meta *m,
    struct reconcile *r)
{
	int	 rc, last = 0;
	bool	 any = false;

	/* one that cannot be read whole does not keep the others out */
	for (size_t i = 0; i < cv->ncopies; i++) {
		if (is_local(conf, cv, i) &&
		    !file_exists(cv->copies[i].path))
			continue;
		rc = fill_from(log, conf, cv, i, m, r);
		any |= rc == 0;
		if (rc != 0)
			last = rc;
	}
	return any ? 0 : last;
}

/*
 * From here on no older home is taken anything from, wherever it is: all
 * copies, the folder of the old home among them, are of the new epoch.
 */
static int
claim_all(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct seg_meta *m)
{
	struct copy	*c;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < cv->ncopies; i++) {
		if (is_local(conf, cv, i) &&
		    !file_exists(cv->copies[i].path))
			continue;
		if ((rc = copy_open(log, conf, cv, i, m, &c)) == 0) {
			rc = copy_claim(c);
			copy_close(c);
		}
		if (rc != 0)
			log_fail(log, rc, "volume %s: the copy in %s on node "
			    "%s is not had for the new home", cv->name,
			    cv->copies[i].path, cv->copies[i].node);
	}
	return rc;
}

/*
 * A copy's folder becomes the home.  What an older home took until it was
 * claimed is in its folder, and each of the copies may be the only one that
 * has it: unlike a home that is lost, none of them can be done without.
 */
static int
fill_promoted(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct said *s,
    struct seg_meta *m, struct reconcile *r)
{
	int	 rc;

	if (s->away)
		return log_fail(log, CM_EAWAY, "volume %s: %s does not become "
		    "its home while a copy that may have more cannot be asked "
		    "(take it out of cluster.xml if it is gone for good)",
		    cv->name, cv->path);
	m->epoch = (m->epoch > s->meta.epoch ? m->epoch : s->meta.epoch) + 1;
	if ((rc = claim_all(log, conf, cv, m)) != 0 ||
	    (rc = recover_seal(log, cv, m)) != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < cv->ncopies; i++)
		if (!is_local(conf, cv, i) ||
		    file_exists(cv->copies[i].path))
			rc = fill_from(log, conf, cv, i, m, r);
	return rc;
}

/* The highest segment in the folder that has bytes; 0 for none. */
static int
last_used(const struct log *log, const char *dir, uint32_t *last)
{
	uint32_t	*list, size;
	size_t		 n;
	int		 rc;

	*last = 0;
	if ((rc = seg_list(log, dir, &list, &n)) != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	for (; n > 0 && *last == 0 && rc == 0; n--)
		if ((rc = seg_size(log, dir, list[n - 1], &size)) == 0 &&
		    size > 0)
			*last = list[n - 1];
	free(list);
	return rc;
}

/*
 * The lost home may have been ahead of what came back, and the catalog may
 * list its places: a home that is made anew begins far behind them.  A copy
 * that comes back later can then still give what it has.  Each epoch skips
 * more than the one before, since that one's segments may be lost without a
 * trace; and since the epochs may be too, it is as many as minutes went by
 * since 2020.  Recovery goes on behind the empty segment that is put there.
 * far: the highest segment of copies on other nodes.
 */
static int
skip_ahead(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, uint32_t epoch, uint32_t far)
{
	int64_t		 minutes = (time_now_ms() - MS_2020) / 60000;
	uint32_t	 last, one;
	uint64_t	 next;
	int		 fd, rc;

	if ((rc = last_used(log, cv->path, &last)) != 0)
		return rc;
	for (size_t i = 0; i < cv->ncopies && rc == 0; i++)
		if (is_local(conf, cv, i) && (rc = last_used(log,
		    cv->copies[i].path, &one)) == 0 && one > last)
			last = one;
	if (rc != 0)
		return rc;
	if (far > last)
		last = far;
	next = last + (uint64_t)REBUILD_SKIP * (epoch - 1);
	/* a clock that is far ahead would take the numbers of centuries */
	if (minutes < PLACE_SEGMENT_MAX / 2 && minutes > (int64_t)next)
		next = (uint64_t)minutes;
	if (next >= PLACE_SEGMENT_MAX)
		return log_fail(log, CM_ESPACE, "volume %s: no segment number "
		    "is left", cv->name);
	if ((rc = seg_open(log, cv->path, (uint32_t)next, O_RDWR | O_CREAT,
	    &fd)) != 0)
		return rc;
	close(fd);
	return file_sync_dir(log, cv->path);
}

/* PATH.superseded-EPOCH, with a number when that is there. */
static int
name_aside(const struct log *log, const struct conf_volume *cv,
    uint32_t epoch, char out[FILE_PATH_MAX])
{
	char	 more[16] = "";

	for (int i = 2; i < 1000; i++) {
		if (str_fmt(out, FILE_PATH_MAX, "%s.superseded-%u%s",
		    cv->path, epoch, more) != 0)
			return log_fail(log, CM_ETOOBIG, "%s", cv->path);
		if (!file_exists(out))
			return 0;
		snprintf(more, sizeof(more), ".%d", i);
	}
	return log_fail(log, CM_EEXIST, "%s", out);
}

static int
sync_parent(const struct log *log, const char *path)
{
	char	 dir[FILE_PATH_MAX];
	char	*slash;
	int	 rc;

	if ((rc = str_copy(dir, sizeof(dir), path)) != 0)
		return log_fail(log, rc, "%s", path);
	if ((slash = strrchr(dir, '/')) == NULL)
		return 0;
	slash[slash == dir] = '\0';
	return file_sync_dir(log, dir);
}

/*
 * The home of a time before: its folder makes way, and is kept.  Those who
 * have it open look again, since its control file and lock are gone.
 */
static int
move_aside(const struct log *log, const struct conf_volume *cv,
    uint32_t epoch, uint32_t newer)
{
	char	 aside[FILE_PATH_MAX], path[FILE_PATH_MAX];
	int	 lock, rc;

	if ((rc = name_aside(log, cv, epoch, aside)) != 0 ||
	    (rc = vol_freeze(log, cv->path, &lock)) != 0)
		return rc;
	vol_forget_control(cv->path);
	if (rename(cv->path, aside) == -1)
		rc = log_errno(log, "%s", cv->path);
	else if ((rc = str_fmt(path, sizeof(path), "%s/lock", aside)) == 0)
		unlink(path);
	vol_unfreeze(cv->path, lock, false);
	if (rc != 0 || (rc = sync_parent(log, cv->path)) != 0)
		return rc;
	log_warn(log, "volume %s: OLD HOME SET ASIDE: %s has epoch %u, but "
	    "its copies %u: a newer home was made since.  The folder is kept "
	    "as %s; mail that was stored in it alone is nowhere else, and is "
	    "to be looked through", cv->name, cv->path, epoch, newer, aside);
	return 0;
}

/* Can it be appended to as it is?  Then it need not stand still. */
static bool
is_up(const struct conf_volume *cv)
{
	struct control	*c;
	uint64_t	 end;
	uint32_t	 size;
	int		 fd;

	if (control_map(NULL, cv->path, &c, &fd) != 0)
		return false;
	end = atomic_load(&c->committed);
	control_unmap(c, fd);
	return seg_size(NULL, cv->path, (uint32_t)(end >> 32), &size) == 0 &&
	    size >= (uint32_t)end;
}

/* While mail is appended to it. */
static int
fill_running(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, struct reconcile *r)
{
	struct volume	*v;
	int		 rc;

	if ((rc = vol_open(log, conf, cv, &v)) != 0)
		return rc;
	r->v = v;
	rc = fill_home(log, conf, cv, vol_meta(v), r);
	vol_close(v);
	r->v = NULL;
	return rc;
}

/* Last: only a whole home has the file that makes it one. */
static int
make_home(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct said *s, struct seg_meta *m)
{
	int	 rc;

	if ((rc = skip_ahead(log, conf, cv, m->epoch, s->last)) != 0)
		return rc;
	m->role = SEG_HOME;
	if ((rc = str_copy(m->node, sizeof(m->node), conf->self)) != 0)
		return log_fail(log, rc, "node %s", conf->self);
	vol_forget_superseded(cv->path);
	return seg_meta_write(log, cv->path, m);
}

/* While nobody appends; all of its segments count as sealed. */
static int
fill_frozen(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, const struct said *s, struct reconcile *r,
    bool *made)
{
	struct seg_meta	 m;
	bool		 promoted;
	int		 lock, rc;

	if ((rc = file_mkdirs(log, cv->path, 0700)) != 0 ||
	    (rc = vol_freeze(log, cv->path, &lock)) != 0)
		return rc;
	rc = seg_meta_read(log, cv->path, &m);
	promoted = rc == 0 && recover_is_ours(NULL, conf, cv, &m) != 0;
	/* killed from here on, the next opener scans what is there */
	vol_forget_control(cv->path);
	if (rc == CM_ENOINPUT && (rc = meta_of_copies(log, cv, s, &m)) == 0)
		*made = true;
	if (rc == 0)
		rc = promoted ? fill_promoted(log, conf, cv, s, &m, r) :
		    fill_home(log, conf, cv, &m, r);
	*made |= promoted;
	if (rc == 0 && *made)
		rc = make_home(log, conf, cv, s, &m);
	if (rc == 0 && promoted)
		log_info(log, "volume %s: what was a copy in %s is its home, "
		    "with epoch %u", cv->name, cv->path, m.epoch);
	vol_unfreeze(cv->path, lock, *made || r->pulled > 0);
	return rc;
}

int
rebuild_volume(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, uint64_t rate)
{
	struct progress	 progress;
	struct pace	 pace;
	struct reconcile r = { .progress = &progress, .pace = &pace };
	struct said	 s;
	struct seg_meta	 m;
	bool		 made = false, ours;
	int		 rc, have;

	if (!conf_is_home(conf, cv))
		return log_fail(log, CM_EAWAY, "volume %s: its home is %s",
		    cv->name, cv->home);
	if ((rc = ask_copies(log, conf, cv, &s)) != 0)
		return rc;
	have = seg_meta_read(log, cv->path, &m);
	if (have != 0 && have != CM_ENOINPUT)
		return have;
	if (have == 0 && strcmp(m.name, cv->name) != 0)
		return log_fail(log, CM_ECONF, "volume %s: %s holds volume %s",
		    cv->name, cv->path, m.name);
	ours = have == 0 && recover_is_ours(NULL, conf, cv, &m) == 0;
	/* a copy that missed an epoch is a copy all the same */
	if (have == 0 && s.meta.epoch > m.epoch &&
	    (ours || m.role == SEG_HOME)) {
		/* nothing is moved before all can be had */
		if (s.away)
			return meta_of_copies(log, cv, &s, &m);
		rc = move_aside(log, cv, m.epoch, s.meta.epoch);
		if (rc != 0)
			return rc;
		have = CM_ENOINPUT;
	}
	pace_init(&pace, rate);
	progress_start(&progress, "fetching", have == 0 ? 0 : s.bytes, true);
	rc = have == 0 && ours && is_up(cv) ? fill_running(log, conf, cv, &r) :
	    CM_ESTALE;
	if (rc == CM_ESTALE || rc == CM_ECORRUPT)
		rc = fill_frozen(log, conf, cv, &s, &r, &made);
	progress_end(&progress);
	if (rc == 0)
		log_info(log, "volume %s: %llu bytes fetched%s", cv->name,
		    (unsigned long long)r.pulled,
		    made ? ", home made anew" : "");
	/* what one copy had damaged may be good in another */
	if (rc == 0 && r.damaged)
		rc = rebuild_repair(log, conf, cv);
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

/*
 * The store says "corrupt" also when its recovery cannot write: can this
 * process write as much as a recovery may?
 */
int
rebuild_can_write(const struct log *log, const struct conf *conf)
{
	const char	*dir = conf->node->state;
	char		*p;
	int		 fd, rc;

	if ((p = calloc(1, STORE_ROOM)) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", dir);
	rc = (fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) == -1 ?
	    log_errno(log, "%s", dir) : 0;
	if (rc == 0 && (rc = file_write(fd, p, STORE_ROOM)) != 0)
		log_fail(log, rc, "%s: %u bytes for the catalog", dir,
		    STORE_ROOM);
	if (fd != -1)
		close(fd);
	free(p);
	return rc;
}

struct store {
	const struct log *log;
	char		 dir[FILE_PATH_MAX];
};

static int
try_store(void *arg)
{
	const struct store	*s = arg;
	struct catdb		 db;
	int			 rc;

	if ((rc = catdb_open(s->log, s->dir, &db)) == 0)
		catdb_close(&db);
	return rc;
}

/* No agent starts.  Why?  Only a store that is corrupt makes way. */
static int
look_at_store(const struct log *log, const struct conf *conf)
{
	struct store	 s = { .log = log };
	char		 path[FILE_PATH_MAX];
	int		 lock, rc;

	if ((rc = rebuild_can_write(log, conf)) != 0)
		return rc;
	if (str_fmt(path, sizeof(path), "%s/run/catalog.lock",
	    conf->node->state) != 0 ||
	    str_fmt(s.dir, sizeof(s.dir), "%s/catalog",
	    conf->node->state) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", conf->node->state);
	if ((lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return log_errno(log, "%s", path);
	if ((rc = lock_file(lock, LOCK_EX, VOL_WAIT_MS)) != 0) {
		log_fail(log, rc, "%s", path);
		goto out;
	}
	rc = spawn_call(log, try_store, &s);
	if (rc == CM_ECORRUPT)
		rc = set_aside(log, conf);
	else
		rc = log_fail(log, rc != 0 ? rc : CM_EAWAY, "the catalog can "
		    "be used, but its agent does not start; see %s/run/"
		    "catalog.log", conf->node->state);
out:
	close(lock);
	return rc;
}

/* Is there an agent?  When its store is broken, it is set aside. */
static int
look(const struct log *log, const struct conf *conf, struct catalog *cat)
{
	const char	*words[] = { "stat", NULL };
	int		 rc, stop = 0;

	rc = catalog_call(cat, words, -1, CATALOG_CALL_MS, NULL, NULL);
	if (rc == CM_ECORRUPT) {
		/* a disk that was full for a while ends like this too */
		if ((rc = rebuild_can_write(log, conf)) != 0 ||
		    (rc = catalog_stop(cat)) != 0)
			return rc;
		rc = catalog_call(cat, words, -1, CATALOG_CALL_MS, NULL, NULL);
		if (rc == CM_ECORRUPT && (stop = catalog_stop(cat)) == 0)
			return set_aside(log, conf);
	}
	if (stop != 0)
		return stop;
	return rc == CM_EAWAY ? look_at_store(log, conf) : rc;
}

int
rebuild_call(const struct log *log, struct catalog *cat, const char *dump,
    bool scratch, bool lost)
{
	const char	*words[] = { "rebuild", NULL, NULL, NULL };
	struct log	 copy = *log;
	int		 fd = -1, rc;

	if (dump != NULL) {
		if ((fd = open(dump, O_RDONLY | O_CLOEXEC)) == -1)
			return log_errno(log, "%s", dump);
		words[1] = "dump";
	} else if (scratch) {
		words[1] = "volumes";
	}
	if (words[1] != NULL && lost)
		words[2] = "lost";
	rc = catalog_call(cat, words, fd, -1, rebuild_said, &copy);
	if (fd != -1)
		close(fd);
	return rc;
}

int
rebuild_catalog(const struct log *log, const struct conf *conf,
    struct catalog *cat, const char *dump, bool scratch)
{
	int	 rc;

	if (conf->ncatalogs > 1)
		return rebuild_replica(log, conf, cat, dump, scratch);
	if ((rc = look(log, conf, cat)) != 0)
		return rc;
	return rebuild_call(log, cat, dump, scratch, false);
}
