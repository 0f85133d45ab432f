/*
 * What other nodes' frames bring, and what the store makes of it: the leader's
 * log is applied here, message by message, and acknowledged.
 */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cluster/replica_int.h"

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

static void
heard(struct replica *r, int node, const struct replica_state *s)
{
	struct replica_peer	*p = &r->peer[node - 1];

	if (s->stands && p->member)
		replica_promise(r, node, s->ballot);
	pthread_mutex_lock(&r->mu);
	p->heard_ms = time_mono_ms();
	p->said = *s;
	if (r->self_state.role == REPLICA_LEADER) {
		(void)replica_alone_turn(r, p->heard_ms);
		if (replica_count_safe(r))
			replica_say(r, 0);
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
	/* what is lost is asked for again */
	if (m == NULL || r->waiting + len > REPLICA_QUEUE ||
	    !replica_pair_takes(r, node)) {
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
	    replica_alone_turn(r, time_mono_ms()) && replica_count_safe(r))
		replica_say(r, 0);
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

void
replica_on_send(void *arg, int node, struct span control, struct span rec)
{
	struct replica	*r = arg;

	for (size_t i = 0; i < REPLICA_NODES_MAX; i++) {
		struct replica_link *l = r->peer[i].link;

		if (l != NULL && !r->peer[i].witness &&
		    (node == KV_ALL || node == (int)i + 1))
			replica_link_data(l, control, rec);
	}
}

void
replica_on_event(void *arg, enum kv_rep_event event, int node)
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
	return replica_keep_ballot(r) == 0;
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
		replica_say(r, r->led_by);
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

/* take: it may be worked off. */
static struct replica_msg *
next_message(struct replica *r, bool wait, bool *take)
{
	struct replica_msg	*m;

	pthread_mutex_lock(&r->mu);
	if (wait && r->first == NULL && !r->stop)
		(void)replica_news(r, time_mono_ms() + REPLICA_TICK_MS);
	if ((m = r->first) != NULL) {
		r->waiting -= sizeof(*m) + m->control + m->rec;
		if ((r->first = m->next) == NULL)
			r->last = NULL;
		*take = replica_pair_takes(r, m->node);
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

void *
replica_worker(void *arg)
{
	struct replica		*r = arg;
	struct replica_msg	*m;
	struct kv_lsn		 lsn, perm = { 0, 0 };
	unsigned		 led = 0;
	bool			 any = false, take = false;
	int			 say;

	while (!r->stop) {
		if ((m = next_message(r, !any, &take)) == NULL) {
			if (any || r->due)
				acknowledge(r, perm, led);
			any = false;
			continue;
		}
		if (!take) {
			free(m);
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
	while ((m = next_message(r, false, &take)) != NULL)
		free(m);
	return NULL;
}
