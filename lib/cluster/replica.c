/*
 * A catalog that is one of several: opening it, who takes part, and what is
 * safe on enough nodes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/replica_int.h"

#define LOST_MS		700	/* a leader not heard of for that long */
#define ELECTION_MS	500
#define COMMIT_MS	3000	/* for the quorum */
#define PAIR_MS		5000	/* the same, where one may go on alone */
#define SETTLE_MS	2000

/* --- what others may ask --- */

enum replica_role
replica_role(struct replica *r)
{
	enum replica_role role;

	pthread_mutex_lock(&r->mu);
	role = r->self_state.role;
	pthread_mutex_unlock(&r->mu);
	return role;
}

/* The node that says it leads; 0 for none.  r->mu is held. */
int
replica_leader_node(const struct replica *r)
{
	int64_t	 now = time_mono_ms();
	int	 best = 0;

	for (size_t i = 0; i < r->npeers; i++) {
		const struct replica_peer *p = &r->peer[i];

		if (!p->member || p->said.role != REPLICA_LEADER ||
		    p->heard_ms == 0 || now - p->heard_ms > LOST_MS)
			continue;
		if (best == 0 || p->said.generation >
		    r->peer[best - 1].said.generation)
			best = (int)i + 1;
	}
	return best;
}

/* r->mu is held. */
const char *
replica_leader_name(const struct replica *r)
{
	static const char none[CONF_NAME_MAX + 1] = "";
	int	 n;

	if (r->self_state.role == REPLICA_LEADER)
		return r->self;
	return (n = replica_leader_node(r)) != 0 ? r->peer[n - 1].name : none;
}

void
replica_leader(struct replica *r, char name[CONF_NAME_MAX + 1])
{
	pthread_mutex_lock(&r->mu);
	memcpy(name, replica_leader_name(r), CONF_NAME_MAX + 1);
	pthread_mutex_unlock(&r->mu);
}

bool
replica_is_alone(struct replica *r)
{
	bool	 alone;

	pthread_mutex_lock(&r->mu);
	alone = r->self_state.alone != 0 || r->pair.lost != 0;
	pthread_mutex_unlock(&r->mu);
	return alone;
}

/* r->mu is held. */
bool
replica_news(struct replica *r, int64_t end_ms)
{
	struct timespec	 ts = { .tv_sec = end_ms / 1000,
			    .tv_nsec = (end_ms % 1000) * 1000000 };

	return pthread_cond_timedwait(&r->news, &r->mu, &ts) == 0 ||
	    time_mono_ms() < end_ms;
}

void
replica_await(struct replica *r, int ms)
{
	int64_t	 end = time_mono_ms() + ms;

	pthread_mutex_lock(&r->mu);
	while (r->self_state.role != REPLICA_LEADER &&
	    replica_leader_node(r) == 0 && !r->stop && replica_news(r, end))
		continue;
	pthread_mutex_unlock(&r->mu);
}

/* The disks of enough nodes have all before; of this leader's generation.
 * r->mu is held. */
bool
replica_count_safe(struct replica *r)
{
	struct kv_lsn	 best = { 0, 0 };
	uint32_t	 gen = r->self_state.generation;

	for (size_t i = 0; i <= r->npeers; i++) {
		struct kv_lsn	 l = i < r->npeers ? r->peer[i].said.lsn :
				    r->synced;
		unsigned	 n = 1 + r->alone.sure;

		if (kv_lsn_before(r->synced, l))
			l = r->synced;
		for (size_t k = 0; k < r->npeers; k++) {
			const struct replica_peer *p = &r->peer[k];

			n += p->member && p->said.generation == gen &&
			    p->said.role != REPLICA_LEADER &&
			    !kv_lsn_before(p->said.lsn, l);
		}
		if (n >= r->quorum && kv_lsn_before(best, l))
			best = l;
	}
	if (!kv_lsn_before(r->safe, best))
		return false;
	r->safe = best;
	r->safe_generation = gen;
	r->self_state.lsn = best;
	return true;
}

/* r->mu is held. */
void
replica_say(struct replica *r, int only)
{
	for (size_t i = 0; i < r->npeers; i++)
		if (r->peer[i].link != NULL &&
		    (only == 0 || only == (int)i + 1))
			replica_link_state(r->peer[i].link, &r->self_state);
}

/* All that is committed is on this disk, and it is said how far that is. */
static int
sync_own(struct replica *r, struct kv_lsn *lsn)
{
	int	 rc;

	*lsn = kv_rep_last(r->db->env);
	pthread_mutex_lock(&r->mu);
	if (!kv_lsn_before(r->synced, *lsn)) {
		pthread_mutex_unlock(&r->mu);
		return 0;
	}
	pthread_mutex_unlock(&r->mu);
	if ((rc = kv_rep_sync(r->db->env)) != 0)
		return rc;
	pthread_mutex_lock(&r->mu);
	if (kv_lsn_before(r->synced, *lsn))
		r->synced = *lsn;
	if (replica_count_safe(r)) {
		replica_say(r, 0);
		pthread_cond_broadcast(&r->news);
	}
	pthread_mutex_unlock(&r->mu);
	return 0;
}

/* Until enough nodes have it, while this node leads. */
static int
wait_safe(struct replica *r, struct kv_lsn lsn, int ms)
{
	int64_t	 end = time_mono_ms() + ms;
	int	 rc = 0;

	pthread_mutex_lock(&r->mu);
	while (rc == 0 && kv_lsn_before(r->safe, lsn)) {
		if (r->self_state.role != REPLICA_LEADER || r->stop)
			rc = CM_EAWAY;
		else if (!replica_news(r, end))
			rc = CM_ETIMEOUT;
	}
	pthread_mutex_unlock(&r->mu);
	return rc;
}

/* Behind each commit: on disk here and on enough nodes.  Otherwise it may be
 * undone, and this node does not lead any more. */
static int
on_commit(void *arg)
{
	struct replica	*r = arg;
	struct kv_lsn	 lsn;
	int		 rc;

	if ((rc = sync_own(r, &lsn)) == 0 && (rc = wait_safe(r, lsn,
	    r->pair.on ? PAIR_MS : COMMIT_MS)) == 0)
		return 0;
	pthread_mutex_lock(&r->mu);
	r->give_up = true;
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
	return rc == CM_ETIMEOUT ? CM_EAWAY : rc;
}

/* What a follower has is safe as far as its leader says so.  When the leader
 * is gone, what little may be left is not waited for without end. */
static int
settle_follower(struct replica *r)
{
	int64_t	 end = time_mono_ms() + SETTLE_MS;
	struct kv_lsn lsn;
	int	 rc = 0;

	pthread_mutex_lock(&r->mu);
	lsn = r->applied;
	while (!r->dirty && !r->stop &&
	    r->self_state.role != REPLICA_LEADER &&
	    r->safe_generation == r->self_state.generation &&
	    kv_lsn_before(r->safe, lsn) && replica_news(r, end))
		continue;
	if (r->dirty)
		rc = CM_EAGAIN;
	pthread_mutex_unlock(&r->mu);
	return rc;
}

int
replica_settle(struct replica *r)
{
	struct kv_lsn	 lsn;
	int		 rc;

	if (replica_role(r) != REPLICA_LEADER)
		return settle_follower(r);
	if ((rc = sync_own(r, &lsn)) == 0)
		rc = wait_safe(r, lsn, SETTLE_MS);
	return rc == 0 ? 0 : CM_EAGAIN;
}

int
replica_token(struct replica *r, struct replica_token *t)
{
	int	 rc = 0;

	t->lsn = kv_rep_last(r->db->env);
	pthread_mutex_lock(&r->mu);
	t->generation = r->self_state.generation;
	if (r->self_state.role != REPLICA_LEADER)
		rc = CM_EAWAY;
	pthread_mutex_unlock(&r->mu);
	return rc;
}

int
replica_wait(struct replica *r, const struct replica_token *t, int ms)
{
	int64_t	 end = time_mono_ms() + ms;
	int	 rc = 0;

	pthread_mutex_lock(&r->mu);
	while (rc == 0 && r->self_state.role != REPLICA_LEADER &&
	    (r->self_state.generation < t->generation ||
	    (r->self_state.generation == t->generation &&
	    kv_lsn_before(r->applied, t->lsn)))) {
		if (r->stop || !replica_news(r, end))
			rc = CM_ETIMEOUT;
	}
	pthread_mutex_unlock(&r->mu);
	return rc;
}

static const char *
role_text(enum replica_role role)
{
	return role == REPLICA_LEADER ? "leader" :
	    role == REPLICA_FOLLOWER ? "follower" : "no leader";
}

void
replica_stat(struct replica *r, struct buf *b)
{
	char	 name[CONF_NAME_MAX + 1];
	int64_t	 now = time_mono_ms();

	replica_leader(r, name);
	pthread_mutex_lock(&r->mu);
	buf_addf(b, "=leader\t%s\n", name[0] != '\0' ? name : "-");
	buf_addf(b, "=quorum\t%u of %u\n", r->quorum, r->members +
	    (r->alone.witness != 0));
	replica_pair_stat(r, b);
	buf_addf(b, "=replica\t%s\t%s\t%u\t%u:%u\n", r->self,
	    role_text(r->self_state.role), r->self_state.generation,
	    r->applied.file, r->applied.offset);
	for (size_t i = 0; i < r->npeers; i++) {
		const struct replica_peer *p = &r->peer[i];
		bool	 here = p->heard_ms != 0 &&
			    now - p->heard_ms <= REPLICA_HEARD_MS;

		if (p->member)
			buf_addf(b, "=replica\t%s\t%s\t%u\t%u:%u\n", p->name,
			    here ? role_text(p->said.role) : "away",
			    p->said.generation, p->said.lsn.file,
			    p->said.lsn.offset);
	}
	replica_witness_stat(r, b, now);
	buf_addf(b, "=elections\t%llu\n", (unsigned long long)r->elections);
	pthread_mutex_unlock(&r->mu);
}

/* --- cluster.xml --- */

/* Is a node of this name in the list of those that keep a catalog? */
static bool
keeps(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->ncatalogs; i++)
		if (strcmp(conf->catalogs[i], name) == 0)
			return true;
	return false;
}

static struct replica_peer *
find_peer(struct replica *r, const char *name)
{
	struct replica_peer	*p;

	for (size_t i = 0; i < r->npeers; i++)
		if (strcmp(r->peer[i].name, name) == 0)
			return &r->peer[i];
	if (r->npeers == REPLICA_NODES_MAX)
		return NULL;
	p = &r->peer[r->npeers];
	if (str_copy(p->name, sizeof(p->name), name) != 0)
		return NULL;
	r->npeers++;
	return p;
}

/* r->mu is held. */
static void
look_at_witness(struct replica *r, const struct conf *conf)
{
	const char	*name = conf->witness;
	struct replica_peer *p = name != NULL ? find_peer(r, name) : NULL;

	r->alone.witness = p != NULL ? (int)(p - r->peer) + 1 : 0;
	for (size_t i = 0; i < r->npeers; i++)
		r->peer[i].witness = (int)i + 1 == r->alone.witness;
	if (p != NULL && p->link == NULL &&
	    replica_link_open(r, p->name, &p->link) != 0)
		log_warn(r->log, "no link to node %s", p->name);
}

static bool
is_first(const struct conf *conf, const char *name)
{
	return conf->ncatalogs > 0 && strcmp(conf->catalogs[0], name) == 0;
}

/* cluster.xml says who takes part; nodes come and go. */
void
replica_look_at_conf(struct replica *r)
{
	const struct conf	*conf = confwatch_get(r->conf);

	pthread_mutex_lock(&r->mu);
	r->member = keeps(conf, r->self);
	r->members = (unsigned)conf->ncatalogs;
	r->pair.on = r->members == 2 && conf->pair == CONF_AVAILABLE &&
	    conf->witness == NULL;
	r->pair.first = is_first(conf, r->self);
	r->quorum = r->pair.on ? replica_pair_quorum(r) :
	    (r->members + (conf->witness != NULL)) / 2 + 1;
	for (size_t i = 0; i < conf->ncatalogs; i++) {
		struct replica_peer *p;

		if (strcmp(conf->catalogs[i], r->self) == 0 ||
		    (p = find_peer(r, conf->catalogs[i])) == NULL)
			continue;
		p->member = true;
		if (p->link == NULL && replica_link_open(r, p->name,
		    &p->link) != 0)
			log_warn(r->log, "no link to node %s", p->name);
	}
	look_at_witness(r, conf);
	/* the link of one that left stays, idle: somebody may be sending */
	for (size_t i = 0; i < r->npeers; i++) {
		r->peer[i].member = keeps(conf, r->peer[i].name);
		if (r->peer[i].link != NULL)
			r->peer[i].link->wanted = r->peer[i].member ||
			    r->peer[i].witness;
	}
	pthread_mutex_unlock(&r->mu);
	confwatch_put(r->conf, conf);
}

/* --- opening --- */

/* Has this node ever had a catalog?  One of before there was a marker counts
 * when it is whole. */
static bool
has_joined(const char *dir)
{
	char	 path[FILE_PATH_MAX];

	if (str_fmt(path, sizeof(path), "%s/meta.db", dir) != 0 ||
	    !file_exists(path))
		return false;
	return str_fmt(path, sizeof(path), "%s" REPLICA_JOINED, dir) == 0 &&
	    file_exists(path);
}

int
replica_forget(const struct log *log, const char *dir)
{
	char	 path[FILE_PATH_MAX], parent[FILE_PATH_MAX];
	char	*slash;

	if (str_fmt(path, sizeof(path), "%s" REPLICA_JOINED, dir) != 0 ||
	    str_copy(parent, sizeof(parent), dir) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", dir);
	if (unlink(path) == -1 && errno != ENOENT)
		return log_errno(log, "%s", path);
	if ((slash = strrchr(parent, '/')) == NULL || slash == parent)
		return 0;
	*slash = '\0';
	return file_sync_dir(log, parent);
}

/* A marker beside a catalog that is gone must not mean the next one, which is
 * half there for a while. */
static int
forget_lost(const struct log *log, const char *dir)
{
	char	 path[FILE_PATH_MAX];

	if (str_fmt(path, sizeof(path), "%s/meta.db", dir) != 0)
		return CM_ETOOBIG;
	return file_exists(path) ? 0 : replica_forget(log, dir);
}

static bool
is_older(const char *dir)
{
	char	 path[FILE_PATH_MAX];

	return str_fmt(path, sizeof(path), "%s/meta.db", dir) == 0 &&
	    file_exists(path) &&
	    str_fmt(path, sizeof(path), "%s/__db.rep.gen", dir) == 0 &&
	    !file_exists(path);
}

static int
start(struct replica *r)
{
	int	 rc;

	replica_look_at_conf(r);
	if ((rc = kv_rep_priority(r->db->env, r->self_state.joined ? 100 :
	    0)) != 0 || (rc = kv_rep_follow(r->db->env)) != 0)
		return rc;
	replica_answer(r, 0);
	if (pthread_create(&r->worker, NULL, replica_worker, r) != 0 ||
	    pthread_create(&r->elector, NULL, replica_elector, r) != 0 ||
	    pthread_create(&r->main, NULL, replica_main, r) != 0)
		return CM_EAGAIN;
	return 0;
}

int
replica_open(const struct log *log, const char *file, const char *node,
    const char *dir, const struct replica_hooks *hooks, struct catdb *db,
    struct replica **out)
{
	pthread_condattr_t	 ca;
	const struct conf	*conf;
	struct replica		*r;
	bool			 older = is_older(dir);
	int			 rc;

	*out = NULL;
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return log_fail(log, CM_ENOMEM, "catalog");
	r->log = log;
	r->hooks = hooks;
	r->take = replica_take;
	r->frames_max = FRAME_MAX + (1u << 20);
	r->db = db;
	r->rep = (struct kv_rep){ r, replica_on_send, replica_on_event,
	    on_commit, ELECTION_MS };
	pthread_mutex_init(&r->mu, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&r->news, &ca);
	pthread_condattr_destroy(&ca);
	if ((rc = confwatch_open(log, file, node, &r->conf)) != 0)
		return rc;
	conf = confwatch_get(r->conf);
	rc = str_copy(r->self, sizeof(r->self), conf->self);
	r->pair.first = is_first(conf, conf->self);
	confwatch_put(r->conf, conf);
	r->lost_ms = time_mono_ms();
	if (rc == 0)
		rc = forget_lost(log, dir);
	r->self_state.joined = older || has_joined(dir);
	if (str_copy(r->dir, sizeof(r->dir), dir) == 0)
		replica_load_ballot(r);
	/* what log there was is gone, or is not known to be whole */
	if (!r->self_state.joined)
		r->self_state.data = 0;
	if (rc != 0 || (rc = str_copy(r->dir, sizeof(r->dir), dir)) != 0 ||
	    (rc = replica_pair_open(r)) != 0 ||
	    (rc = catdb_open_rep(log, dir, &r->rep, db)) != 0)
		return rc;
	*out = r;
	if ((rc = start(r)) != 0)
		log_fail(log, rc, "catalog: replication");
	return rc;
}

void
replica_stop(struct replica *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->mu);
	r->stop = true;
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
	pthread_join(r->main, NULL);
	pthread_join(r->elector, NULL);
	pthread_join(r->worker, NULL);
	for (size_t i = 0; i < r->npeers; i++)
		replica_link_close(r->peer[i].link);
}
