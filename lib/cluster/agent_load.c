/* Putting another catalog in the agent's catalog's place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/agent_int.h"
#include "cluster/catdump.h"

#define BEFORE	"catalog-before-rebuild.dump"
#define LOADING	"catalog-loading.dump"

int
agent_spool(struct agent *a, int *fd)
{
	*fd = open(a->state_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return *fd == -1 ? log_errno(a->log, "%s", a->state_dir) : 0;
}

static int
path_of(struct agent *a, const char *name, char path[FILE_PATH_MAX])
{
	return str_fmt(path, FILE_PATH_MAX, "%s/%s", a->state_dir, name);
}

/* Gives an unnamed file, or one of another name, a name that stays. */
static int
keep_as(struct agent *a, int fd, const char *name)
{
	char	 path[FILE_PATH_MAX], tmp[FILE_PATH_MAX], self[64];

	if (path_of(a, name, path) != 0 ||
	    str_fmt(tmp, sizeof(tmp), "%s.tmp", path) != 0)
		return CM_ETOOBIG;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	unlink(tmp);
	if (fsync(fd) == -1 || linkat(AT_FDCWD, self, AT_FDCWD, tmp,
	    AT_SYMLINK_FOLLOW) == -1 || rename(tmp, path) == -1)
		return log_errno(a->log, "%s", path);
	unlink(tmp);	/* two names of one file: rename does nothing */
	return file_sync_dir(a->log, a->state_dir);
}

/* The present catalog, in an unnamed file. */
static int
dump_self(struct agent *a, int *fd)
{
	int	 rc;

	if ((rc = agent_spool(a, fd)) != 0)
		return rc;
	if ((rc = catdump_write(&a->db, *fd)) != 0) {
		close(*fd);
		*fd = -1;
		return log_fail(a->log, rc, "dump of the catalog");
	}
	return 0;
}

static bool
same_bytes(int a, int b)
{
	char	 x[8192], y[8192];
	ssize_t	 n, m;
	off_t	 at = 0;

	for (;; at += n) {
		n = pread(a, x, sizeof(x), at);
		m = pread(b, y, sizeof(y), at);
		if (n < 0 || n != m || memcmp(x, y, (size_t)n) != 0)
			return false;
		if (n == 0)
			return true;
	}
}

/* Would the load change nothing? */
static int
is_same(struct agent *a, int fd, bool *same)
{
	int	 now, rc;

	*same = false;
	if ((rc = dump_self(a, &now)) == 0) {
		*same = same_bytes(fd, now);
		close(now);
	}
	return rc;
}

static int
is_empty_row(void *arg, struct span k, struct span v)
{
	(void)k;
	(void)v;
	*(bool *)arg = false;
	return 1;
}

/* No mailbox is in it. */
static bool
is_empty(struct agent *a)
{
	bool	 empty = true;

	return kv_walk(a->db.accounts, NULL, (struct span){ "", 0 }, 0,
	    is_empty_row, &empty) >= 0 && empty;
}

/* Their messages behind the dump cannot be counted here. */
static bool
has_volumes_elsewhere(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nvolumes; i++)
		if (!conf_is_home(conf, &conf->volumes[i]))
			return true;
	return false;
}

/* What is set when a load, or what a rebuild begins with, is there. */
struct final {
	struct agent	*a;
	enum catdb_state state;
	bool		 skip;		/* UIDs that may have been given */
	bool		 unread;	/* a volume may be away */
	struct catdb_point point;
};

static int
finish_load(struct catdb *db, struct kv_txn *x, void *arg)
{
	const struct final	*f = arg;
	struct agent		*a = f->a;
	bool			 others = has_volumes_elsewhere(a->conf);
	uint64_t		 by = 0;
	int			 rc;

	if ((rc = catdb_set_point(db, x, &f->point)) != 0 || !f->skip)
		return rc;
	rc = catindex_skip_uids(db, x, a->src, a->nvols, others, &by);
	if (rc != 0 && f->unread)
		rc = catindex_skip_uids(db, x, NULL, 0, true, &by);
	if (rc != 0 || by == 0)
		return rc;
	/* a next UID that somebody saw is not lowered, should it be lost */
	buf_adds(&a->notes, "-\tskip");
	journal_number(&a->notes, by);
	buf_addc(&a->notes, '\n');
	return agent_end_notes(a, x);
}

static int
set_state(struct agent *a, enum catdb_state state, catdump_fn fn, void *arg)
{
	struct kv_txn	*x;
	int		 rc;

	if ((rc = kv_begin(a->db.env, &x)) != 0)
		return rc;
	buf_reset(&a->notes);
	if ((rc = fn(&a->db, x, arg)) != 0 ||
	    (rc = catdb_set_state(&a->db, x, state)) != 0) {
		kv_abort(x);
		return rc;
	}
	if ((rc = kv_commit(x)) == 0 && a->notes.len > 0)
		journal_done(a->journal);
	return rc;
}

static int
clear(struct catdb *db, struct kv_txn *x, void *arg)
{
	(void)arg;
	return catdb_clear(db, x);
}

/* What is being loaded has a name until it is loaded, and what readers did
 * since (r, or NULL) is done again. */
static int
load_dump(struct agent *a, int fd, struct final *f, struct replay *r)
{
	char	 path[FILE_PATH_MAX];
	int	 rc;

	if ((rc = path_of(a, LOADING, path)) != 0 ||
	    (rc = keep_as(a, fd, LOADING)) != 0 ||
	    (rc = catdump_load(&a->db, fd, "dump", CATDB_LOADING, NULL,
	    NULL)) != 0 ||
	    (r != NULL && (rc = replay_apply(r)) != 0) ||
	    (rc = set_state(a, f->state, finish_load, f)) != 0)
		return rc;
	if (unlink(path) == -1)
		log_warn(a->log, "%s stays, and means nothing", path);
	return 0;
}

static void
begin(struct agent *a)
{
	pthread_mutex_lock(&a->writing);
	pthread_rwlock_wrlock(&a->gate);
}

/* Whatever was done, the agent goes on with what is there now. */
static void
end(struct agent *a)
{
	enum catdb_state	 now;

	agent_forget(a);
	if (catdb_state(&a->db, NULL, &now) != 0)
		now = CATDB_LOADING;
	a->state = now;
	pthread_rwlock_unlock(&a->gate);
	pthread_mutex_unlock(&a->writing);
}

/* What changes from here on is of another catalog than what changed before. */
static int
other_catalog(struct agent *a, struct catdb_point *p)
{
	int	 rc;

	if ((rc = catdb_draw(&p->next)) != 0)
		return rc;
	return journal_loaded(a->journal, p->next, p->catalog, p->batch);
}

int
agent_load(struct agent *a, int fd, bool force)
{
	struct final	 f = { .a = a, .state = CATDB_OK, .skip = true };
	bool		 same = false;
	int		 rc;

	if ((rc = catdump_check(a->log, fd, "dump")) != 0 ||
	    (rc = catdump_point(a->log, fd, &f.point)) != 0)
		return rc;
	begin(a);
	if (!force && a->state == CATDB_OK && !is_empty(a)) {
		rc = is_same(a, fd, &same);
		if (rc == 0 && !same)
			rc = CM_EEXIST;
	}
	if (rc == 0 && !same && (rc = agent_look(a)) == 0 &&
	    (rc = other_catalog(a, &f.point)) == 0)
		rc = load_dump(a, fd, &f, NULL);
	end(a);
	return rc;
}

/* What FROM_SELF means now; *fd is the dump then, if there is one. */
static int
choose(struct agent *a, enum agent_from *from, int present, int *fd)
{
	char	 path[FILE_PATH_MAX];
	int	 rc;

	if (*from != FROM_SELF)
		return 0;
	if (a->state == CATDB_OK) {
		*fd = present;
		return 0;
	}
	if (a->state == CATDB_BUILDING) {
		*from = FROM_BUILDING;
		return 0;
	}
	*from = FROM_VOLUMES;
	if (a->state != CATDB_LOADING)
		return 0;
	if ((rc = path_of(a, LOADING, path)) != 0)
		return rc;
	/* of several, another node may have led when the load began */
	if (!file_exists(path))
		return a->replica == NULL ? 0 : log_fail(a->log, CM_ENOINPUT,
		    "the dump whose loading was cut off is not here: it is to "
		    "be given again");
	if ((*fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return log_errno(a->log, "%s", path);
	*from = FROM_LOADING;
	return 0;
}

/* As it is now: each UID that was given is in it. */
static int
load_self(struct agent *a, int fd)
{
	struct final	 f = { .a = a, .state = CATDB_BUILDING };
	int		 rc;

	if ((rc = catdb_point(&a->db, NULL, &f.point)) != 0)
		return rc;
	return load_dump(a, fd, &f, NULL);
}

/* From a dump, or (-1) from the volumes; and what the journals tell. */
static int
load_and_replay(struct agent *a, int fd, struct replay *r)
{
	struct final	 f = { .a = a, .state = CATDB_BUILDING, .skip = true,
			    .unread = fd == -1 };
	char		 path[FILE_PATH_MAX];
	int		 rc;

	if (fd != -1 && ((rc = agent_look(a)) != 0 ||
	    (rc = catdump_point(a->log, fd, &r->start)) != 0))
		return rc;
	r->scratch = fd == -1;
	if ((rc = agent_replay_own(a, r)) != 0 || (rc = replay_choose(r)) != 0)
		return rc;
	if (r->other && (rc = other_catalog(a, &r->end)) != 0)
		return rc;
	f.point = r->end;
	if (fd != -1)
		return load_dump(a, fd, &f, r);
	if ((rc = agent_look(a)) != 0 && rc != CM_EAGAIN)
		return rc;
	/* should this be cut off, it is not that dump that is gone on with */
	if ((rc = path_of(a, LOADING, path)) != 0)
		return rc;
	if (unlink(path) == -1 && errno != ENOENT)
		return log_errno(a->log, "%s", path);
	if ((rc = set_state(a, CATDB_LOADING, clear, NULL)) != 0 ||
	    (rc = replay_apply(r)) != 0)
		return rc;
	return set_state(a, f.state, finish_load, &f);
}

static int
replace(struct agent *a, enum agent_from from, int fd, struct replay *r)
{
	switch (from) {
	case FROM_BUILDING:
		return 0;
	case FROM_SELF:
		return load_self(a, fd);
	default:
		return load_and_replay(a, from == FROM_VOLUMES ? -1 : fd, r);
	}
}

int
agent_rebuild(struct agent *a, enum agent_from *from, int fd,
    struct replay *r)
{
	int	 present = -1, opened = -1, rc = 0;

	if (fd != -1 && (rc = catdump_check(a->log, fd, "dump")) != 0)
		return rc;
	/* nobody waits meanwhile */
	if ((*from != FROM_SELF || a->state != CATDB_OK) &&
	    (rc = agent_replay_others(a, r)) != 0)
		return rc;
	begin(a);
	if (a->state == CATDB_OK && (rc = dump_self(a, &present)) == 0)
		rc = keep_as(a, present, BEFORE);
	if (rc == 0)
		rc = choose(a, from, present, &opened);
	if (rc == 0)
		rc = replace(a, *from, opened != -1 ? opened : fd, r);
	end(a);
	if (opened != -1 && opened != present)
		close(opened);
	if (present != -1)
		close(present);
	return rc;
}
