/*
 * Who leads.  The store's own elections decide; here it is said who takes part
 * in them and when, and a leader without its quorum stops.
 */
#include <string.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/replica_int.h"

#define SAY_MS		100	/* how often a node says that it is there */
#define FOLLOW_MS	1000	/* how often a leader is asked for its log */
#define PROMISE_MS	600	/* for the others' promises */
#define BALLOT		".ballot"	/* behind the folder's name */

/* --- ballots --- */

/*
 * What was promised, and whose log this is, outlives the process: a promise
 * that is forgotten is none.  r->mu is held.
 */
int
replica_keep_ballot(struct replica *r)
{
	char	 path[FILE_PATH_MAX], text[32];

	if (str_fmt(path, sizeof(path), "%s" BALLOT, r->dir) != 0 ||
	    str_fmt(text, sizeof(text), "%u %u\n", r->promised,
	    r->self_state.data) != 0)
		return CM_ETOOBIG;
	return file_commit(r->log, path, text, strlen(text), 0600);
}

void
replica_load_ballot(struct replica *r)
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
void
replica_answer(struct replica *r, int node)
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
		replica_say(r, node);
	}
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->mu);
}

/*
 * A node was elected and asks, before it leads: from here nothing of an older
 * leader is acknowledged, so what is in the log now is all it can have lost.
 */
void
replica_promise(struct replica *r, int node, uint32_t ballot)
{
	bool	 due;

	pthread_mutex_lock(&r->mu);
	if (ballot > r->promised) {
		r->promised = ballot;
		if (replica_keep_ballot(r) != 0)
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
		replica_answer(r, node);
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

void *
replica_elector(void *arg)
{
	struct replica	*r = arg;
	unsigned	 nodes, votes;
	int		 rc;

	while (!r->stop) {
		pthread_mutex_lock(&r->mu);
		while (!r->elect && !r->stop)
			(void)replica_news(r, time_mono_ms() + 1000);
		r->elect = false;
		nodes = present(r, time_mono_ms());
		votes = votes_wanted(r, time_mono_ms());
		bool may = r->self_state.joined &&
		    voters(r, time_mono_ms()) >= r->quorum &&
		    r->self_state.role != REPLICA_LEADER && !r->elected &&
		    replica_leader_node(r) == 0 && !r->pair.blocked && !r->stop;
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
	    "no leader", role == REPLICA_FOLLOWER ? replica_leader_name(r) :
	    "");
	replica_say(r, 0);
	pthread_cond_broadcast(&r->news);
}

static void
join_marker(struct replica *r)
{
	char	 path[FILE_PATH_MAX];

	if (str_fmt(path, sizeof(path), "%s" REPLICA_JOINED, r->dir) != 0 ||
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
	replica_answer(r, 0);
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
	if (replica_keep_ballot(r) == 0) {
		r->self_state.ballot = ballot;
		r->self_state.end = end;
		r->self_state.stands = true;
		replica_say(r, 0);
		while (!r->stop && r->self_state.stands &&
		    (got = count_promises(r)) == TOO_FEW &&
		    replica_news(r, until))
			continue;
	}
	/* another one may stand by now, with a higher number */
	if (!r->self_state.stands || r->promised != ballot)
		got = TOO_FEW;
	r->self_state.stands = false;
	if (got == ENOUGH) {
		r->self_state.data = ballot;
		if (replica_keep_ballot(r) != 0)
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
	return replica_keep_ballot(r);
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
		if (replica_count_safe(r))
			replica_say(r, 0);
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

enum step { STAY, LEAD, LEAD_ALONE, GO_ALONE, STEP_DOWN_TWO, STEP_DOWN_GIVEN,
	STEP_DOWN_QUORUM, STEP_DOWN_COMMIT, STEP_DOWN_OTHER, STEP_DOWN_SPLIT,
	FOLLOW, REOPEN, WITHDRAW, START_AFRESH };

/* What is different where two nodes keep a catalog; NORMAL: nothing. */
#define NORMAL	((enum step)-1)

static enum step
pair_step(struct replica *r, int64_t now)
{
	switch (replica_pair_step(r, replica_leader_node(r), now)) {
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
	if ((by = replica_leader_node(r)) == 0) {
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

/* Who stood and withdrew may have learned meanwhile whom the store follows; it
 * does not say so twice. */
static void
learn_leader(struct replica *r)
{
	struct kv_rep_stat	 st;

	if (kv_rep_stat(r->db->env, &st) != 0 || st.leader == 0)
		return;
	pthread_mutex_lock(&r->mu);
	if (r->led_by == 0 && r->self_state.role != REPLICA_LEADER &&
	    st.leader == replica_leader_node(r)) {
		r->led_by = st.leader;
		r->led_times++;
		r->applied = (struct kv_lsn){ 0, 0 };
		pthread_cond_broadcast(&r->news);
	}
	pthread_mutex_unlock(&r->mu);
}

/* Follows a leader whose tables are here. */
static void
settle_role(struct replica *r)
{
	bool	 changed = false, joined;

	pthread_mutex_lock(&r->mu);
	joined = r->self_state.joined;
	if (r->self_state.role != REPLICA_LEADER) {
		int by = replica_leader_node(r);
		enum replica_role role = by != 0 && r->open &&
		    r->led_by == by ? REPLICA_FOLLOWER : REPLICA_NONE;

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

	replica_look_at_conf(r);
	pthread_mutex_lock(&r->mu);
	if (say) {
		*said = now;
		replica_say(r, 0);
	}
	if (r->self_state.role == REPLICA_LEADER &&
	    replica_alone_turn(r, now) && replica_count_safe(r)) {
		replica_say(r, 0);
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
		learn_leader(r);
	}
	settle_role(r);
	/* not more often: all who are reminded answer */
	if (say)
		kv_rep_remind(r->db->env);
}

void *
replica_main(void *arg)
{
	struct replica	*r = arg;
	int64_t		 said = 0, followed = 0, end;

	while (!r->stop) {
		turn(r, &said, &followed);
		end = time_mono_ms() + REPLICA_TICK_MS;
		pthread_mutex_lock(&r->mu);
		while (!r->elected && !r->told && !r->two && !r->give_up &&
		    !r->stop && replica_news(r, end))
			continue;
		pthread_mutex_unlock(&r->mu);
	}
	return NULL;
}
