/*
 * Two nodes that keep a catalog: one of them goes on alone while the other is
 * away (pair="available"), and what follows from that.  Members being two is
 * what decides whether any of this applies; cm-internals(7) says why it is
 * right.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/replica_int.h"

#define MAGIC		"clustermail-pair 1\n"
#define PAIR		".pair"		/* behind the folder's name */
#define BALLOT		".ballot"
#define JOINED		".joined"
#define LOST		".lost-"
#define ALONE_MS	3000	/* silent for so long: go on alone */
#define FRESH_MS	10000	/* at a start: it may know more */
#define STALL_MS	1000	/* this process did not run meanwhile */
#define NEAR		(1u << 20)	/* bytes of log: almost level */

/* --- catalog.pair --- */

/* r->mu is held, or nobody else is there yet. */
static int
keep(struct replica *r)
{
	const struct replica_pair *a = &r->pair;
	char		 path[FILE_PATH_MAX], iso[TIME_ISO_SIZE];
	struct buf	 b;
	int		 rc;

	if (str_fmt(path, sizeof(path), "%s" PAIR, r->dir) != 0)
		return CM_ETOOBIG;
	buf_init(&b, 1024);
	buf_adds(&b, MAGIC);
	time_iso(iso, a->since_ms);
	if (r->self_state.alone != 0)
		buf_addf(&b, "alone %016llx %s\n",
		    (unsigned long long)r->self_state.alone, iso);
	if (r->self_state.level != 0)
		buf_addf(&b, "level %016llx\n",
		    (unsigned long long)r->self_state.level);
	if (a->lost != 0)
		buf_addf(&b, "lost %016llx %016llx\n",
		    (unsigned long long)a->lost,
		    (unsigned long long)a->against);
	rc = b.err != 0 ? b.err :
	    file_commit(r->log, path, b.p, b.len, 0600);
	buf_free(&b);
	return rc;
}

static int
hex16(struct span *l, uint64_t *v)
{
	struct span	 f;

	return !str_field(l, ' ', &f) || f.len != 16 ? CM_ECORRUPT :
	    str_hex(f.p, f.len, v);
}

static int
load_line(struct replica *r, struct span l)
{
	struct replica_state *me = &r->self_state;
	struct span	 word;

	if (!str_field(&l, ' ', &word))
		return CM_ECORRUPT;
	if (span_is(word, "alone"))
		return hex16(&l, &me->alone) != 0 || l.p == NULL ?
		    CM_ECORRUPT : time_parse_iso(l.p, l.len,
		    &r->pair.since_ms);
	if (span_is(word, "level"))
		return hex16(&l, &me->level);
	if (span_is(word, "lost"))
		return hex16(&l, &r->pair.lost) != 0 ? CM_ECORRUPT :
		    hex16(&l, &r->pair.against);
	return CM_ECORRUPT;
}

static int
load(struct replica *r)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	struct span	 rest, l;
	int		 rc = 0;

	if (str_fmt(path, sizeof(path), "%s" PAIR, r->dir) != 0)
		return CM_ETOOBIG;
	if (!file_exists(path))
		return 0;
	buf_init(&b, 4096);
	if ((rc = file_read(r->log, path, &b)) == 0) {
		rest = (struct span){ b.p, b.len };
		if (b.len < sizeof(MAGIC) - 1 ||
		    memcmp(b.p, MAGIC, sizeof(MAGIC) - 1) != 0)
			rc = CM_ECORRUPT;
		rest.p += sizeof(MAGIC) - 1;
		rest.len -= sizeof(MAGIC) - 1;
		while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &l))
			if (l.len > 0)
				rc = load_line(r, l) != 0 ? CM_ECORRUPT : 0;
		if (rc != 0)
			log_fail(r->log, rc, "%s: not what this node writes",
			    path);
	}
	buf_free(&b);
	return rc;
}

static int
tell_alone(struct replica *r)
{
	return r->hooks->alone(r->hooks->arg, r->self_state.alone,
	    r->pair.first);
}

static uint64_t
new_id(void)
{
	uint64_t	 v = 0;

	while (v == 0)
		if (getrandom(&v, sizeof(v), 0) != sizeof(v))
			v = (uint64_t)time_now_ms();
	return v;
}

/* --- the loser of a split: its catalog is set aside --- */

static int
remove_folder(const struct log *log, const char *path)
{
	char		 sub[FILE_PATH_MAX];
	struct dirent	*e;
	DIR		*d;

	if ((d = opendir(path)) == NULL)
		return errno == ENOENT ? 0 : log_errno(log, "%s", path);
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 && str_fmt(sub, sizeof(sub),
		    "%s/%s", path, e->d_name) == 0)
			unlink(sub);
	closedir(d);
	return rmdir(path) == -1 ? log_errno(log, "%s", path) : 0;
}

/* The catalogs of earlier splits: only the last one is kept. */
static void
remove_older(struct replica *r)
{
	char		 parent[FILE_PATH_MAX], path[FILE_PATH_MAX];
	const char	*base = strrchr(r->dir, '/');
	struct dirent	*e;
	size_t		 n;
	DIR		*d;

	if (base == NULL || str_ncopy(parent, sizeof(parent), r->dir,
	    (size_t)(base - r->dir)) != 0 || (d = opendir(parent)) == NULL)
		return;
	n = strlen(++base);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, base, n) == 0 &&
		    strncmp(e->d_name + n, LOST, sizeof(LOST) - 1) == 0 &&
		    str_fmt(path, sizeof(path), "%s/%s", parent,
		    e->d_name) == 0 && remove_folder(r->log, path) != 0)
			log_warn(r->log, "%s stays", path);
	closedir(d);
}

/* Nothing of the leader's log is here any more; what was promised stays. */
static int
forget_log(struct replica *r)
{
	char	 path[FILE_PATH_MAX], text[32];

	r->self_state.data = 0;
	if (str_fmt(path, sizeof(path), "%s" JOINED, r->dir) != 0)
		return CM_ETOOBIG;
	if (unlink(path) == -1 && errno != ENOENT)
		return log_errno(r->log, "%s", path);
	if (str_fmt(path, sizeof(path), "%s" BALLOT, r->dir) != 0 ||
	    str_fmt(text, sizeof(text), "%u 0\n", r->promised) != 0)
		return CM_ETOOBIG;
	return file_commit(r->log, path, text, strlen(text), 0600);
}

/* Each step may be done again when this was cut off. */
static int
set_aside(struct replica *r)
{
	char	 to[FILE_PATH_MAX];
	int	 rc;

	if (str_fmt(to, sizeof(to), "%s" LOST "%016llx", r->dir,
	    (unsigned long long)r->pair.lost) != 0)
		return CM_ETOOBIG;
	if ((rc = r->hooks->lost(r->hooks->arg, r->pair.lost,
	    r->pair.against)) != 0)
		return rc;
	if (!file_exists(to)) {
		remove_older(r);
		if (rename(r->dir, to) == -1 && errno != ENOENT)
			return log_errno(r->log, "%s", to);
		log_warn(r->log, "the other node went on with more changes: "
		    "this catalog is set aside in %s, and comes from there "
		    "again", to);
	}
	if ((rc = file_mkdirs(r->log, r->dir, 0700)) != 0 ||
	    (rc = forget_log(r)) != 0)
		return rc;
	r->pair.lost = r->pair.against = 0;
	r->self_state.alone = r->self_state.level = 0;
	r->self_state.joined = false;
	return keep(r);
}

int
replica_pair_open(struct replica *r)
{
	int	 rc;

	r->pair.awake_ms = time_mono_ms();
	if ((rc = load(r)) != 0)
		return rc;
	if (r->pair.lost != 0 && (rc = set_aside(r)) != 0)
		return rc;
	/* the catalog is gone; the journal has what was done alone */
	if (!r->self_state.joined && r->self_state.alone != 0 &&
	    (rc = r->hooks->lost(r->hooks->arg, r->self_state.alone, 0)) != 0)
		return rc;
	if (!r->self_state.joined && (r->self_state.alone != 0 ||
	    r->self_state.level != 0)) {
		r->self_state.alone = r->self_state.level = 0;
		if ((rc = keep(r)) != 0)
			return rc;
	}
	return tell_alone(r);
}

/* --- what is to be done --- */

/* The other one, where two keep a catalog; NULL elsewhere. */
static const struct replica_peer *
other(const struct replica *r)
{
	if (r->members != 2 || !r->member)
		return NULL;
	for (size_t i = 0; i < r->npeers; i++)
		if (r->peer[i].member)
			return &r->peer[i];
	return NULL;
}

/* After a pause of this process what it has not heard means nothing. */
static void
look_at_clock(struct replica *r, int64_t now)
{
	struct replica_pair *a = &r->pair;

	if (a->turned_ms != 0 && now - a->turned_ms > STALL_MS)
		a->awake_ms = now;
	a->turned_ms = now;
}

static bool
is_silent(const struct replica *r, const struct replica_peer *p, int64_t now)
{
	int64_t	 since = p->heard_ms > r->pair.awake_ms ? p->heard_ms :
		    r->pair.awake_ms;

	return now - since >= (p->heard_ms == 0 && r->self_state.alone == 0 ?
	    FRESH_MS : ALONE_MS);
}

/* Half of a catalog, that is being brought in, leads nobody. */
static bool
is_half(const struct replica *r)
{
	char	 path[FILE_PATH_MAX];

	return str_fmt(path, sizeof(path), "%s/__db.rep.init", r->dir) != 0 ||
	    file_exists(path);
}

/* It is as if this node had never led alone. */
static void
end_alone(struct replica *r)
{
	struct replica_state *me = &r->self_state;

	me->alone = me->offer = me->seen = 0;
	me->changes = 0;
	r->pair.leveling = false;
	if (keep(r) != 0 || tell_alone(r) != 0)
		log_warn(r->log, "catalog: both nodes are level, but that is "
		    "not on disk");
	log_info(r->log, "catalog: both nodes are level");
}

int
replica_pair_go(struct replica *r)
{
	struct replica_state *me = &r->self_state;
	uint64_t	 was = me->alone;
	int		 rc;

	r->pair.leveling = false;
	/* with the old number the other one may hold it has all */
	if (me->alone == 0 || me->offer != 0) {
		me->alone = new_id();
		r->pair.since_ms = time_now_ms();
		me->offer = me->seen = 0;
		me->changes = 0;
		if ((rc = keep(r)) != 0 || (rc = tell_alone(r)) != 0) {
			me->alone = was;
			return rc;
		}
	}
	log_warn(r->log, "catalog: the other node is away: this one goes on "
	    "alone");
	return 0;
}

unsigned
replica_pair_quorum(const struct replica *r)
{
	if (r->members == 2 && r->self_state.alone != 0 &&
	    !r->pair.leveling && r->self_state.role == REPLICA_LEADER)
		return 1;
	return r->members / 2 + 1;
}

/*
 * Of a log that went on without this node, as this one did without that,
 * nothing is taken.  Nor of any as long as this node, which led alone, does not
 * lead: the store would follow whoever else leads, and undo what was done.
 */
bool
replica_pair_takes(const struct replica *r, int node)
{
	return r->self_state.alone == 0 ||
	    (r->self_state.role == REPLICA_LEADER &&
	    r->peer[node - 1].said.alone == 0);
}

/* Leads alone: is the other one level by now? */
static enum replica_pair_step
level(struct replica *r, const struct replica_peer *p, bool here, int64_t now)
{
	struct replica_pair *a = &r->pair;
	struct replica_state *me = &r->self_state;
	struct kv_lsn	 near = r->synced;
	bool		 follows = here && p->said.joined &&
			    p->said.role == REPLICA_FOLLOWER &&
			    p->said.generation == me->generation;

	near.offset = near.offset > NEAR ? near.offset - NEAR : 0;
	if (!a->leveling && follows && !kv_lsn_before(p->said.lsn, near)) {
		a->leveling = true;
		a->level_at = r->synced;
		r->quorum = replica_pair_quorum(r);
	} else if (a->leveling && is_silent(r, p, now)) {
		return PAIR_ALONE;
	} else if (a->leveling && follows &&
	    !kv_lsn_before(p->said.lsn, a->level_at)) {
		me->offer = me->alone;
	}
	return PAIR_STAY;
}

static enum replica_pair_step
leads(struct replica *r, const struct replica_peer *p, bool here,
    uint64_t theirs, int64_t now)
{
	struct replica_state *me = &r->self_state;

	if (me->alone == 0 && theirs != 0)
		return PAIR_YIELD;
	if (me->alone == 0 && !r->pair.on)
		return PAIR_NORMAL;
	if (me->alone == 0 && is_silent(r, p, now))
		return PAIR_ALONE;
	if (me->alone == 0)
		return here ? PAIR_NORMAL : PAIR_STAY;
	me->changes = r->hooks->changes(r->hooks->arg);
	/* what it promised before must not keep it from following */
	if (here && p->said.ballot > me->ballot)
		return PAIR_BALLOT;
	return level(r, p, here, now);
}

static bool
wins(const struct replica *r, const struct replica_peer *p)
{
	if (r->self_state.changes != p->said.changes)
		return r->self_state.changes > p->said.changes;
	return r->pair.first;
}

/*
 * Both led alone.  Both stop first: what they have does not change any more,
 * and each has heard so of the other.  So both come to the same.
 */
static enum replica_pair_step
split(struct replica *r, const struct replica_peer *p, uint64_t theirs)
{
	struct replica_state *me = &r->self_state;
	bool	 ready = me->seen == theirs && p->said.seen == me->alone;

	if (me->role == REPLICA_LEADER) {
		if (ready && p->said.role != REPLICA_LEADER && wins(r, p))
			return PAIR_STAY;
		me->seen = 0;
		return PAIR_SPLIT;
	}
	me->seen = theirs;
	me->changes = r->hooks->changes(r->hooks->arg);
	if (!ready)
		return PAIR_WAIT;
	if (wins(r, p))
		return PAIR_ALONE;
	r->pair.lost = me->alone;
	r->pair.against = theirs;
	if (keep(r) != 0) {
		r->pair.lost = 0;
		return PAIR_WAIT;
	}
	return PAIR_LOST;
}

/* The leader says that all it did alone is here: it may forget that it did. */
static void
take_offer(struct replica *r, const struct replica_peer *p)
{
	struct replica_state *me = &r->self_state;
	uint64_t	 was = me->level;

	if (p->said.offer == 0 || p->said.offer == me->level ||
	    me->role != REPLICA_FOLLOWER || !me->joined ||
	    p->said.role != REPLICA_LEADER ||
	    p->said.generation != me->generation)
		return;
	me->level = p->said.offer;
	if (keep(r) != 0)
		me->level = was;
}

enum replica_pair_step
replica_pair_step(struct replica *r, int by, int64_t now)
{
	struct replica_state *me = &r->self_state;
	const struct replica_peer *p = other(r);
	uint64_t	 theirs = 0;
	bool		 here;

	look_at_clock(r, now);
	r->pair.blocked = false;
	if (r->pair.lost != 0)
		return PAIR_WAIT;
	if (p == NULL)
		return PAIR_NORMAL;
	here = p->heard_ms != 0 && now - p->heard_ms <= REPLICA_HEARD_MS;
	if (here) {
		take_offer(r, p);
		if (me->alone != 0 && p->said.level == me->alone)
			end_alone(r);
		theirs = p->said.alone != me->level ? p->said.alone : 0;
	}
	/* who led alone leads: no election */
	r->pair.blocked = me->alone != 0 || theirs != 0;
	if (me->alone != 0 && theirs != 0)
		return split(r, p, theirs);
	me->seen = 0;
	if (me->role == REPLICA_LEADER)
		return leads(r, p, here, theirs, now);
	if (me->alone != 0)
		return here || is_silent(r, p, now) ? PAIR_ALONE : PAIR_WAIT;
	if (by == 0 && theirs != 0)
		return PAIR_WAIT;
	if (by == 0 && r->pair.on && me->joined && is_silent(r, p, now) &&
	    !is_half(r))
		return PAIR_ALONE;
	return PAIR_NORMAL;
}

void
replica_pair_stat(const struct replica *r, struct buf *b)
{
	const struct replica_peer *p;
	char	 iso[TIME_ISO_SIZE];

	if (r->members != 2)
		return;
	buf_addf(b, "=pair\t%s\n", r->pair.on ? "available" : "safe");
	if (r->self_state.alone != 0) {
		time_iso(iso, r->pair.since_ms);
		buf_addf(b, "=alone\t%s\tsince %s\t%u changes\n", r->self,
		    iso, r->self_state.changes);
	}
	if ((p = other(r)) != NULL && p->said.alone != 0 &&
	    p->said.alone != r->self_state.level)
		buf_addf(b, "=alone\t%s\n", p->name);
}
