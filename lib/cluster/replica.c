/*
 * Who leads.  The store's own elections decide; here it is said who takes part
 * in them and when, and a leader without its quorum stops.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/replica_int.h"

#define TICK_MS		50
#define SAY_MS		100	/* how often a node says that it is there */
#define LOST_MS		700	/* a leader not heard of for that long */
#define ELECTION_MS	500
#define FOLLOW_MS	1000	/* how often a leader is asked for its log */
#define COMMIT_MS	3000	/* for the quorum */
#define PAIR_MS		5000	/* the same, where one may go on alone */
#define SETTLE_MS	2000
#define PROMISE_MS	600	/* for the others' promises */
#define JOINED		".joined"	/* behind the folder's name */
#define BALLOT		".ballot"

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
static int
leader(const struct replica *r)
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
static const char *
leader_name(const struct replica *r)
{
	static const char none[CONF_NAME_MAX + 1] = "";
	int	 n;

	if (r->self_state.role == REPLICA_LEADER)
		return r->self;
	return (n = leader(r)) != 0 ? r->peer[n - 1].name : none;
}

void
replica_leader(struct replica *r, char name[CONF_NAME_MAX + 1])
{
	pthread_mutex_lock(&r->mu);
	memcpy(name, leader_name(r), CONF_NAME_MAX + 1);
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
static bool
wait_until(struct replica *r, int64_t end_ms)
{
	struct timespec	 ts = { .tv_sec = end_ms / 1000,
			    .tv_nsec = (end_ms % 1000) * 1000000 };

	return pthread_cond_timedwait(&r->news, &r->mu, &ts) == 0 ||
	    time_mono_ms() < end_ms;
}

bool
replica_news(struct replica *r, int64_t end_ms)
{
	return wait_until(r, end_ms);
}

void
replica_await(struct replica *r, int ms)
{
	int64_t	 end = time_mono_ms() + ms;

	pthread_mutex_lock(&r->mu);
	while (r->self_state.role != REPLICA_LEADER && leader(r) == 0 &&
	    !r->stop && wait_until(r, end))
		continue;
	pthread_mutex_unlock(&r->mu);
}

/* The disks of enough nodes have all before; of this leader's generation.
 * r->mu is held. */
static bool
count_safe(struct replica *r)
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
static void
say_to(struct replica *r, int only)
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
	if (count_safe(r)) {
		say_to(r, 0);
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
		else if (!wait_until(r, end))
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
	    kv_lsn_before(r->safe, lsn) && wait_until(r, end))
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
		if (r->stop || !wait_until(r, end))
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

/* --- what comes from other nodes --- */

int
replica_node(struct replica *r, const char *name)
{
	int	 n = 0;

	pthread_mutex_lock(&r->mu);
	for (size_t i = 0; i < r->npeers; i++)
		if ((r->peer[i].member || r->peer[i].witness) &&
		    strcmp(r->peer[i].name, name) == 0)
			n = (int)i + 1;
	pthread_mutex_unlock(&r->mu);
	return n;
}

/*
 * What was promised, and whose log this is, outlives the process: a promise
 * that is forgotten is none.  r->mu is held.
 */
static int
keep_ballot(struct replica *r)
{
	char	 path[FILE_PATH_MAX], text[32];

	if (str_fmt(path, sizeof(path), "%s" BALLOT, r->dir) != 0 ||
	    str_fmt(text, sizeof(text), "%u %u\n", r->promised,
	    r->self_state.data) != 0)
		return CM_ETOOBIG;
	return file_commit(r->log, path, text, strlen(text), 0600);
}

static void
load_ballot(struct replica *r)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	struct span	 l, f;
	uint64_t	 v[2];

	buf_init(&b, 64);
	if (str_fmt(path, sizeof(path), "%s" BALLOT, r->dir) == 0 &&
	    file_exists(path) && file_read(r->log, path, &b) == 0 &&
	    b.len > 1) {
		l = (struct span){ b.p, b.len - 1 };
		if (str_field(&l, ' ', &f) &&
		    str_u64(f.p, f.len, UINT32_MAX, &v[0]) == 0 &&
		    l.p != NULL &&
		    str_u64(l.p, l.len, UINT32_MAX, &v[1]) == 0) {
			r->promised = (uint32_t)v[0];
			r->self_state.data = (uint32_t)v[1];
		}
	}
	buf_free(&b);
}

/*
 * Says what was promised, together with how far the log goes by then; to one
 * node, or 0 for all.  What a leader still commits would be missed: it stops
 * first.
 */
static void
answer(struct replica *r, int node)
{
	struct kv_lsn	 end;
	uint32_t	 promised;

	pthread_mutex_lock(&r->mu);
	promised = r->promised;
	pthread_mutex_unlock(&r->mu);
	if (kv_rep_end(r->db->env, &end) != 0)
		return;		/* it is asked again */
	pthread_mutex_lock(&r->mu);
	if (r->self_state.role != REPLICA_LEADER &&
	    r->self_state.ballot < promised) {
		r->self_state.end = end;
		r->self_state.ballot = promised;
		say_to(r, node);
	}
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
}

/*
 * A node was elected and asks, before it leads: from here nothing of an older
 * leader is acknowledged, so what is in the log now is all it can have lost.
 */
static void
promise(struct replica *r, int node, uint32_t ballot)
{
	bool	 due;

	pthread_mutex_lock(&r->mu);
	if (ballot > r->promised) {
		r->promised = ballot;
		if (keep_ballot(r) != 0)
			r->promised = UINT32_MAX;	/* to nobody */
		if (r->self_state.role == REPLICA_LEADER)
			r->two = true;	/* it answers when it has stopped */
		r->self_state.stands = false;
		/* from here on nothing counts that is not in the log */
		r->alone.sure = false;
		r->promised_ms = time_mono_ms();
	}
	due = ballot == r->promised && r->self_state.ballot < ballot &&
	    r->self_state.role != REPLICA_LEADER;
	pthread_mutex_unlock(&r->mu);
	if (due)
		answer(r, node);
}

static void
heard(struct replica *r, int node, const struct replica_state *s)
{
	struct replica_peer	*p = &r->peer[node - 1];

	if (s->stands && p->member)
		promise(r, node, s->ballot);
	pthread_mutex_lock(&r->mu);
	p->heard_ms = time_mono_ms();
	p->said = *s;
	if (r->self_state.role == REPLICA_LEADER) {
		(void)replica_alone_turn(r, p->heard_ms);
		if (count_safe(r))
			say_to(r, 0);
	} else if (p->member && s->role == REPLICA_LEADER &&
	    (s->generation > r->safe_generation ||
	    (s->generation == r->safe_generation &&
	    kv_lsn_before(r->safe, s->lsn)))) {
		r->safe = s->lsn;
		r->safe_generation = s->generation;
	}
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
}

static void
got(struct replica *r, int node, struct span control, struct span rec)
{
	struct replica_msg	*m;
	size_t			 len = sizeof(*m) + control.len + rec.len;

	m = malloc(len);
	pthread_mutex_lock(&r->mu);
	/* what is lost is asked for again; of a log that went on without this
	 * node, as this one did without that, nothing is taken */
	if (m == NULL || r->waiting + len > REPLICA_QUEUE ||
	    (r->self_state.alone != 0 && r->peer[node - 1].said.alone != 0)) {
		r->dropped++;
		pthread_mutex_unlock(&r->mu);
		free(m);
		return;
	}
	m->next = NULL;
	m->node = node;
	m->control = control.len;
	m->rec = rec.len;
	memcpy(m + 1, control.p, control.len);
	if (rec.len > 0)
		memcpy((char *)(m + 1) + control.len, rec.p, rec.len);
	if (r->last != NULL)
		r->last->next = m;
	else
		r->first = m;
	r->last = m;
	r->waiting += len;
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
}

/* It may have made more safe. */
static void
witness_said(struct replica *r, int node, const struct frame_witness *w)
{
	pthread_mutex_lock(&r->mu);
	replica_witness_heard(r, node, w);
	if (r->self_state.role == REPLICA_LEADER &&
	    replica_alone_turn(r, time_mono_ms()) && count_safe(r))
		say_to(r, 0);
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
}

void
replica_take(struct replica *r, int node, const struct frame *f)
{
	const struct frame_state *s = &f->state;
	struct replica_state	  said;

	if (f->kind == 'S') {
		said = (struct replica_state){
			.role = (enum replica_role)s->role,
			.joined = s->joined, .stands = s->stands,
			.ballot = s->ballot, .data = s->data,
			.end = { s->end.file, s->end.offset },
			.generation = s->generation,
			.lsn = { s->at.file, s->at.offset },
			.alone = s->alone, .seen = s->seen, .offer = s->offer,
			.level = s->level, .changes = s->changes };
		heard(r, node, &said);
	} else if (f->kind == 'W') {
		witness_said(r, node, &f->witness);
	} else if (f->kind == 'D' && r->peer[node - 1].member) {
		got(r, node, f->control, f->rec);
	} else if (f->kind == 'L') {
		replica_told(r, node, (struct kv_lsn){ f->end.file,
		    f->end.offset });
	}
}

/* --- the store's callbacks; nothing of the store may be called --- */

static void
on_send(void *arg, int node, struct span control, struct span rec)
{
	struct replica	*r = arg;

	for (size_t i = 0; i < REPLICA_NODES_MAX; i++) {
		struct replica_link *l = r->peer[i].link;

		if (l != NULL && !r->peer[i].witness &&
		    (node == KV_ALL || node == (int)i + 1))
			replica_link_data(l, control, rec);
	}
}

static void
on_event(void *arg, enum kv_rep_event event, int node)
{
	struct replica	*r = arg;

	pthread_mutex_lock(&r->mu);
	switch (event) {
	case KV_ELECTED:
		r->elected = true;
		break;
	case KV_LEADER:
		/* places in the log of the one before mean nothing now */
		r->led_by = node;
		r->led_times++;
		r->applied = (struct kv_lsn){ 0, 0 };
		break;
	case KV_LEVEL:
		r->self_state.joined = true;
		r->dirty = false;
		break;
	case KV_PANIC:
		r->stop = true;
		break;
	}
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
	if (event == KV_PANIC)
		r->hooks->broken(r->hooks->arg);
}

/* --- the worker: messages, one after the other --- */

/* May what came from this leader be acknowledged?  r->mu is held. */
static bool
may_acknowledge(struct replica *r)
{
	const struct replica_state *by;

	if (r->led_by == 0 || r->self_state.role == REPLICA_LEADER)
		return false;
	by = &r->peer[r->led_by - 1].said;
	/* as long as it has not said with which ballot it leads: later */
	if (by->role != REPLICA_LEADER || by->ballot < r->promised)
		return false;
	if (r->self_state.data == by->ballot)
		return true;
	r->self_state.data = by->ballot;
	return keep_ballot(r) == 0;
}

/* All that came has been worked off: one sync, one acknowledgement. */
static void
acknowledge(struct replica *r, struct kv_lsn lsn, unsigned led)
{
	struct kv_rep_stat	 st;

	if (kv_rep_stat(r->db->env, &st) != 0 ||
	    kv_rep_sync(r->db->env) != 0)
		return;
	pthread_mutex_lock(&r->mu);
	if (led == r->led_times && may_acknowledge(r)) {
		r->self_state.generation = st.generation;
		r->self_state.lsn = lsn;
		r->due = false;
		say_to(r, r->led_by);
	} else if (led == r->led_times) {
		r->due = true;
	}
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
}

static void
note(struct replica *r, int say, struct kv_lsn lsn)
{
	pthread_mutex_lock(&r->mu);
	if (say == KV_PERM)
		r->applied = lsn;
	else if (say == KV_ELECT)
		r->elect = true;
	else if (say == KV_TWO_LEADERS)
		r->two = true;
	if (say != KV_NOTHING)
		pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
}

static struct replica_msg *
next_message(struct replica *r, bool wait)
{
	struct replica_msg	*m;

	pthread_mutex_lock(&r->mu);
	if (wait && r->first == NULL && !r->stop)
		(void)wait_until(r, time_mono_ms() + TICK_MS);
	if ((m = r->first) != NULL) {
		r->waiting -= sizeof(*m) + m->control + m->rec;
		if ((r->first = m->next) == NULL)
			r->last = NULL;
	}
	pthread_mutex_unlock(&r->mu);
	return m;
}

static unsigned
times_led(struct replica *r)
{
	unsigned n;

	pthread_mutex_lock(&r->mu);
	n = r->led_times;
	pthread_mutex_unlock(&r->mu);
	return n;
}

static void *
worker_main(void *arg)
{
	struct replica		*r = arg;
	struct replica_msg	*m;
	struct kv_lsn		 lsn, perm = { 0, 0 };
	unsigned		 led = 0;
	bool			 any = false;
	int			 say;

	while (!r->stop) {
		if ((m = next_message(r, !any)) == NULL) {
			if (any || r->due)
				acknowledge(r, perm, led);
			any = false;
			continue;
		}
		char *p = (char *)(m + 1);
		say = kv_rep_process(r->db->env, m->node,
		    (struct span){ p, m->control },
		    (struct span){ p + m->control, m->rec }, &lsn);
		/* what was of another leader's log is not acknowledged */
		if (led != times_led(r)) {
			led = times_led(r);
			any = r->due = false;
		}
		if (say == KV_PERM) {
			perm = lsn;
			any = true;
		}
		if (say > 0)
			note(r, say, lsn);
		free(m);
	}
	while ((m = next_message(r, false)) != NULL)
		free(m);
	return NULL;
}

/* --- elections --- */

static unsigned
random_ms(unsigned below)
{
	uint32_t	 v = 0;

	if (getrandom(&v, sizeof(v), 0) != sizeof(v))
		v = (uint32_t)time_mono_ms();
	return v % below;
}

/* Nodes that keep a catalog and are heard of, this one counted; r->mu is
 * held. */
static unsigned
present(const struct replica *r, int64_t now)
{
	unsigned n = 1;

	for (size_t i = 0; i < r->npeers; i++)
		n += r->peer[i].member && r->peer[i].heard_ms != 0 &&
		    now - r->peer[i].heard_ms <= REPLICA_HEARD_MS;
	return n;
}

/* Nodes that can vote; r->mu is held. */
static unsigned
voters(const struct replica *r, int64_t now)
{
	return present(r, now) + replica_witness_counts(r, now);
}

/* Nodes that have had a catalog, this one counted; r->mu is held. */
static unsigned
joined(const struct replica *r)
{
	unsigned n = r->self_state.joined;

	for (size_t i = 0; i < r->npeers; i++)
		n += r->peer[i].member && r->peer[i].said.joined;
	return n;
}

/*
 * All nodes are there, and none has anything: the first by name begins.  Or
 * this is the only one that has something: nobody can know more.
 */
static bool
is_first_of_all(const struct replica *r, int64_t now)
{
	if (present(r, now) < r->members)
		return false;
	if (r->self_state.joined)
		return joined(r) == 1;
	for (size_t i = 0; i < r->npeers; i++)
		if (r->peer[i].member && strcmp(r->peer[i].name, r->self) < 0)
			return false;
	return joined(r) == 0;
}

/* Those that have nothing do not vote: when all are there, the others' votes
 * are enough. */
static unsigned
votes_wanted(const struct replica *r, int64_t now)
{
	unsigned n = joined(r);

	if (present(r, now) == r->members && n < r->quorum && n > 0)
		return n;
	/* the witness has its say when somebody stands */
	return r->quorum - replica_witness_counts(r, now);
}

/* Who stands is given the time to lead.  r->mu is held. */
static bool
has_promised(const struct replica *r, int64_t now)
{
	return r->promised_ms != 0 && now - r->promised_ms < PROMISE_MS;
}

static void *
elector_main(void *arg)
{
	struct replica	*r = arg;
	unsigned	 nodes, votes;
	int		 rc;

	while (!r->stop) {
		pthread_mutex_lock(&r->mu);
		while (!r->elect && !r->stop)
			(void)wait_until(r, time_mono_ms() + 1000);
		r->elect = false;
		nodes = present(r, time_mono_ms());
		votes = votes_wanted(r, time_mono_ms());
		bool may = r->self_state.joined &&
		    voters(r, time_mono_ms()) >= r->quorum &&
		    r->self_state.role != REPLICA_LEADER && !r->elected &&
		    leader(r) == 0 && !r->pair.blocked && !r->stop;
		if (may)
			r->elections++;
		pthread_mutex_unlock(&r->mu);
		if (!may)
			continue;
		if ((rc = kv_rep_elect(r->db->env, nodes, votes)) != 0)
			log_debug(r->log, "election: %s", cm_strerror(rc));
		time_sleep_ms((int)(50 + random_ms(150)));
	}
	return NULL;
}

/* --- the main thread: time goes by --- */

/* r->mu is held. */
static void
set_role(struct replica *r, enum replica_role role)
{
	if (r->self_state.role == role)
		return;
	r->self_state.role = role;
	if (role != REPLICA_NONE)
		r->lost_ms = 0;
	else
		r->lost_ms = time_mono_ms();
	log_info(r->log, "catalog: %s%s", role == REPLICA_LEADER ?
	    "this node leads" : role == REPLICA_FOLLOWER ? "led by node " :
	    "no leader", role == REPLICA_FOLLOWER ? leader_name(r) : "");
	say_to(r, 0);
	pthread_cond_broadcast(&r->news);
}

static void
join_marker(struct replica *r)
{
	char	 path[FILE_PATH_MAX];

	if (str_fmt(path, sizeof(path), "%s" JOINED, r->dir) != 0 ||
	    file_exists(path))
		return;
	if (file_commit(r->log, path, "\n", 1, 0600) != 0)
		log_warn(r->log, "%s: this node stays out of elections", path);
	else if (kv_rep_priority(r->db->env, 100) != 0)
		log_warn(r->log, "catalog: no priority");
}

static void
step_down(struct replica *r, const char *why)
{
	struct kv_lsn	 last = kv_rep_last(r->db->env);
	int		 rc;

	log_warn(r->log, "catalog: this node stops leading: %s", why);
	pthread_mutex_lock(&r->mu);
	/* what was committed without the others may be undone */
	r->dirty = kv_lsn_before(r->safe, last);
	r->applied = last;
	set_role(r, REPLICA_NONE);
	r->give_up = r->two = r->alone.sure = false;
	r->led_by = 0;
	pthread_mutex_unlock(&r->mu);
	r->hooks->freeze(r->hooks->arg);
	rc = kv_rep_follow(r->db->env);
	r->hooks->thaw(r->hooks->arg);
	if (rc != 0)
		r->hooks->broken(r->hooks->arg);
	answer(r, 0);
	r->hooks->changed(r->hooks->arg);
}

/* Numbers of different nodes differ.  r->mu is held. */
static uint32_t
new_ballot(const struct replica *r)
{
	uint32_t	 most = r->promised;
	unsigned	 mine = 0;

	for (size_t i = 0; i < r->npeers; i++) {
		if (r->peer[i].said.ballot > most)
			most = r->peer[i].said.ballot;
		mine += strcmp(r->peer[i].name, r->self) < 0;
	}
	return (most / REPLICA_NODES_MAX + 1) * REPLICA_NODES_MAX + mine;
}

enum promises { TOO_FEW, ENOUGH, OTHER_HAS_MORE };

/* What the others have answered; r->mu is held. */
static enum promises
count_promises(const struct replica *r)
{
	const struct replica_state *me = &r->self_state;
	unsigned n = 1;

	for (size_t i = 0; i < r->npeers; i++) {
		const struct replica_state *s = &r->peer[i].said;

		if (!r->peer[i].member || s->ballot != me->ballot ||
		    s->stands || s->role == REPLICA_LEADER)
			continue;
		if (s->data > me->data || (s->data == me->data &&
		    kv_lsn_before(me->end, s->end)))
			return OTHER_HAS_MORE;
		n++;
	}
	n += replica_witness_promised(r, me->ballot);
	return n >= r->quorum ? ENOUGH : TOO_FEW;
}

/*
 * This node was elected.  Before it leads it asks the others to acknowledge
 * nothing of an older leader any more: one that was elected just before may
 * still be committing with their help what is not in the log here.
 */
static bool
stand(struct replica *r)
{
	struct kv_lsn	 end;
	int64_t		 until = time_mono_ms() + PROMISE_MS;
	enum promises	 got = TOO_FEW;
	uint32_t	 ballot;

	if (kv_rep_end(r->db->env, &end) != 0)
		return false;
	pthread_mutex_lock(&r->mu);
	ballot = r->promised = new_ballot(r);
	if (keep_ballot(r) == 0) {
		r->self_state.ballot = ballot;
		r->self_state.end = end;
		r->self_state.stands = true;
		say_to(r, 0);
		while (!r->stop && r->self_state.stands &&
		    (got = count_promises(r)) == TOO_FEW &&
		    wait_until(r, until))
			continue;
	}
	/* another one may stand by now, with a higher number */
	if (!r->self_state.stands || r->promised != ballot)
		got = TOO_FEW;
	r->self_state.stands = false;
	if (got == ENOUGH) {
		r->self_state.data = ballot;
		if (keep_ballot(r) != 0)
			got = TOO_FEW;
	}
	pthread_mutex_unlock(&r->mu);
	if (got != ENOUGH)
		log_info(r->log, "catalog: this node does not lead: %s", got ==
		    OTHER_HAS_MORE ? "another one has more" : "too few others "
		    "promised");
	return got == ENOUGH;
}

static void
withdraw(struct replica *r)
{
	pthread_mutex_lock(&r->mu);
	r->elected = r->elect = r->told = false;
	r->led_by = 0;
	r->lost_ms = time_mono_ms();
	pthread_mutex_unlock(&r->mu);
	if (kv_rep_follow(r->db->env) != 0)
		r->hooks->broken(r->hooks->arg);
}

/* A higher number, with nobody's promise.  r->mu is held. */
static int
raise_ballot(struct replica *r)
{
	struct replica_state *me = &r->self_state;

	r->promised = me->ballot = me->data = new_ballot(r);
	return keep_ballot(r);
}

/* The same alone: the other one is away, or asks for nothing else. */
static bool
stand_alone(struct replica *r)
{
	bool	 may;

	pthread_mutex_lock(&r->mu);
	may = replica_pair_go(r) == 0 && raise_ballot(r) == 0;
	pthread_mutex_unlock(&r->mu);
	return may;
}

/* This node leads already, and goes on without the other one. */
static void
go_alone(struct replica *r)
{
	pthread_mutex_lock(&r->mu);
	if (replica_pair_go(r) == 0) {
		r->quorum = replica_pair_quorum(r);
		if (count_safe(r))
			say_to(r, 0);
		pthread_cond_broadcast(&r->news);
	} else {
		r->give_up = true;
	}
	pthread_mutex_unlock(&r->mu);
}

static void
take_lead(struct replica *r, bool alone)
{
	struct kv_rep_stat	 st = { .generation = 0 };
	struct kv_lsn		 end;
	int			 rc;

	replica_await_end(r);
	if (alone ? !stand_alone(r) : !stand(r)) {
		withdraw(r);
		return;
	}
	r->hooks->freeze(r->hooks->arg);
	if ((rc = kv_rep_lead(r->db->env)) == 0 &&
	    (rc = kv_reopen(r->db->env, true)) == 0)
		rc = kv_rep_stat(r->db->env, &st);
	end = kv_rep_log_end(r->db->env);
	pthread_mutex_lock(&r->mu);
	r->elected = r->elect = r->told = r->two = r->give_up = false;
	if (rc == 0) {
		r->open = true;
		r->led++;
		r->self_state.joined = true;
		r->self_state.generation = st.generation;
		r->synced = r->safe = (struct kv_lsn){ 0, 0 };
		r->safe_generation = st.generation;
		replica_alone_begin(r, end);
		r->dirty = false;
		set_role(r, REPLICA_LEADER);
		r->quorum = replica_pair_quorum(r);
	}
	pthread_mutex_unlock(&r->mu);
	r->hooks->thaw(r->hooks->arg);
	if (rc != 0) {
		log_fail(r->log, rc, "catalog: taking the lead");
		step_down(r, "it could not begin");
		return;
	}
	join_marker(r);
	r->hooks->changed(r->hooks->arg);
}

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

/* cluster.xml says who takes part; nodes come and go. */
static void
look_at_conf(struct replica *r)
{
	const struct conf	*conf = confwatch_get(r->conf);

	pthread_mutex_lock(&r->mu);
	r->member = keeps(conf, r->self);
	r->members = (unsigned)conf->ncatalogs;
	r->pair.on = r->members == 2 && conf->pair == CONF_AVAILABLE &&
	    conf->witness == NULL;
	r->pair.first = conf->ncatalogs > 0 &&
	    strcmp(conf->catalogs[0], r->self) == 0;
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

enum step { STAY, LEAD, LEAD_ALONE, GO_ALONE, STEP_DOWN_TWO, STEP_DOWN_GIVEN,
	STEP_DOWN_QUORUM, STEP_DOWN_COMMIT, STEP_DOWN_OTHER, STEP_DOWN_SPLIT,
	FOLLOW, REOPEN, WITHDRAW, START_AFRESH };

/* What is different where two nodes keep a catalog; NORMAL: nothing. */
#define NORMAL	((enum step)-1)

static enum step
pair_step(struct replica *r, int64_t now)
{
	switch (replica_pair_step(r, leader(r), now)) {
	case PAIR_STAY:
		return STAY;
	case PAIR_WAIT:
		set_role(r, REPLICA_NONE);
		return STAY;
	case PAIR_ALONE:
		return r->self_state.role == REPLICA_LEADER ? GO_ALONE :
		    LEAD_ALONE;
	case PAIR_YIELD:
		return STEP_DOWN_OTHER;
	case PAIR_SPLIT:
		return STEP_DOWN_SPLIT;
	case PAIR_BALLOT:
		if (raise_ballot(r) != 0)
			r->give_up = true;
		return STAY;
	case PAIR_LOST:
		return START_AFRESH;
	default:
		return NORMAL;
	}
}

/* What is to be done now; r->mu is held. */
static enum step
next_step(struct replica *r, int64_t now)
{
	enum step	 step;
	int		 by;

	if (r->self_state.role == REPLICA_LEADER && r->two)
		return r->gives != 0 ? STEP_DOWN_GIVEN : STEP_DOWN_TWO;
	if (r->self_state.role == REPLICA_LEADER && r->give_up)
		return STEP_DOWN_COMMIT;
	/* these are for a leader; a commit may fail behind its lead */
	r->two = r->give_up = false;
	if ((step = pair_step(r, now)) != NORMAL)
		return r->elected && step == STAY ? WITHDRAW : step;
	if (r->elected)
		return LEAD;
	if (r->told && r->self_state.role != REPLICA_LEADER)
		return LEAD;
	r->told = false;
	if (r->self_state.role == REPLICA_LEADER) {
		return voters(r, now) < r->quorum ? STEP_DOWN_QUORUM : STAY;
	}
	if ((by = leader(r)) == 0) {
		set_role(r, REPLICA_NONE);
		if (is_first_of_all(r, now))
			return LEAD;
		if (r->self_state.joined && voters(r, now) >= r->quorum &&
		    now - r->lost_ms > 100 && !has_promised(r, now))
			r->elect = true;
		return STAY;
	}
	if (r->led_by != by)
		return FOLLOW;
	return r->open && !kv_is_dead(r->db->env) ? STAY : REOPEN;
}

static void
reopen(struct replica *r)
{
	struct kv_rep_stat	 st;
	int			 rc;

	if (kv_rep_stat(r->db->env, &st) != 0 || st.syncing)
		return;
	r->hooks->freeze(r->hooks->arg);
	rc = kv_reopen(r->db->env, false);
	r->hooks->thaw(r->hooks->arg);
	pthread_mutex_lock(&r->mu);
	r->open = rc == 0;
	pthread_mutex_unlock(&r->mu);
	if (rc == 0)
		r->hooks->changed(r->hooks->arg);
}

/* Follows a leader whose tables are here. */
static void
settle_role(struct replica *r)
{
	bool	 changed = false, joined;

	pthread_mutex_lock(&r->mu);
	joined = r->self_state.joined;
	if (r->self_state.role != REPLICA_LEADER) {
		enum replica_role role = leader(r) != 0 && r->open &&
		    r->led_by == leader(r) ? REPLICA_FOLLOWER : REPLICA_NONE;

		changed = role != r->self_state.role;
		set_role(r, role);
	}
	pthread_mutex_unlock(&r->mu);
	if (joined)
		join_marker(r);
	if (changed)
		r->hooks->changed(r->hooks->arg);
}

static void
turn(struct replica *r, int64_t *said, int64_t *followed)
{
	int64_t		 now = time_mono_ms();
	bool		 say = now - *said >= SAY_MS;
	enum step	 step;

	look_at_conf(r);
	pthread_mutex_lock(&r->mu);
	if (say) {
		*said = now;
		say_to(r, 0);
	}
	if (r->self_state.role == REPLICA_LEADER &&
	    replica_alone_turn(r, now) && count_safe(r)) {
		say_to(r, 0);
		pthread_cond_broadcast(&r->news);
	}
	step = next_step(r, now);
	pthread_mutex_unlock(&r->mu);
	if (step == LEAD || step == LEAD_ALONE)
		take_lead(r, step == LEAD_ALONE);
	else if (step == GO_ALONE)
		go_alone(r);
	else if (step == STEP_DOWN_TWO)
		step_down(r, "another one leads too");
	else if (step == STEP_DOWN_GIVEN)
		step_down(r, "it was asked to");
	else if (step == STEP_DOWN_QUORUM)
		step_down(r, "too few nodes answer");
	else if (step == STEP_DOWN_COMMIT)
		step_down(r, "a change did not reach enough nodes");
	else if (step == STEP_DOWN_OTHER)
		step_down(r, "the other node went on without this one");
	else if (step == STEP_DOWN_SPLIT)
		step_down(r, "the other node led alone too");
	else if (step == WITHDRAW)
		withdraw(r);
	else if (step == START_AFRESH)
		r->hooks->broken(r->hooks->arg);
	else if (step == REOPEN)
		reopen(r);
	if (step == FOLLOW && now - *followed > FOLLOW_MS) {
		*followed = now;
		if (kv_rep_follow(r->db->env) != 0)
			log_warn(r->log, "catalog: cannot follow");
	}
	settle_role(r);
	/* not more often: all who are reminded answer */
	if (say)
		kv_rep_remind(r->db->env);
}

static void *
main_main(void *arg)
{
	struct replica	*r = arg;
	int64_t		 said = 0, followed = 0, end;

	while (!r->stop) {
		turn(r, &said, &followed);
		end = time_mono_ms() + TICK_MS;
		pthread_mutex_lock(&r->mu);
		while (!r->elected && !r->told && !r->two && !r->give_up &&
		    !r->stop && wait_until(r, end))
			continue;
		pthread_mutex_unlock(&r->mu);
	}
	return NULL;
}

/* Has this node ever had a catalog?  One of before there was a marker counts
 * when it is whole. */
static bool
has_joined(const char *dir)
{
	char	 path[FILE_PATH_MAX];

	if (str_fmt(path, sizeof(path), "%s/meta.db", dir) != 0 ||
	    !file_exists(path))
		return false;
	return str_fmt(path, sizeof(path), "%s" JOINED, dir) == 0 &&
	    file_exists(path);
}

int
replica_forget(const struct log *log, const char *dir)
{
	char	 path[FILE_PATH_MAX], parent[FILE_PATH_MAX];
	char	*slash;

	if (str_fmt(path, sizeof(path), "%s" JOINED, dir) != 0 ||
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

	look_at_conf(r);
	if ((rc = kv_rep_priority(r->db->env, r->self_state.joined ? 100 :
	    0)) != 0 || (rc = kv_rep_follow(r->db->env)) != 0)
		return rc;
	answer(r, 0);
	if (pthread_create(&r->worker, NULL, worker_main, r) != 0 ||
	    pthread_create(&r->elector, NULL, elector_main, r) != 0 ||
	    pthread_create(&r->main, NULL, main_main, r) != 0)
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
	r->rep = (struct kv_rep){ r, on_send, on_event, on_commit,
	    ELECTION_MS };
	pthread_mutex_init(&r->mu, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&r->news, &ca);
	pthread_condattr_destroy(&ca);
	if ((rc = confwatch_open(log, file, node, &r->conf)) != 0)
		return rc;
	conf = confwatch_get(r->conf);
	rc = str_copy(r->self, sizeof(r->self), conf->self);
	confwatch_put(r->conf, conf);
	r->lost_ms = time_mono_ms();
	if (rc == 0)
		rc = forget_lost(log, dir);
	r->self_state.joined = older || has_joined(dir);
	if (str_copy(r->dir, sizeof(r->dir), dir) == 0)
		load_ballot(r);
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
