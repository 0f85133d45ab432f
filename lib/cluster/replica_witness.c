/*
 * Two nodes and a witness, which votes but has no log (witness.c): the side of
 * the two.  A commit of a leader counts when the other node has it, or when
 * the witness keeps that this node alone may have the newest, and so lets no
 * other lead.  cm-internals(7) says why nothing is lost.
 *
 *	TOGETHER	commits need the other node
 *	ALONE		the witness was told, and when it is sure, they need
 *			nobody
 *	COMING_TOGETHER	the other is back, nearly level: they need it, but the
 *			witness is not told before it has all
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cluster/replica_int.h"

#define WAITS_MS	800	/* a commit, for a node that is there */
#define TELL_MS		100
#define MARK_MS		200
#define TOGETHER_MS	1000	/* for the other to have the last */

static const struct replica_peer *
witness(const struct replica *r)
{
	return r->alone.witness != 0 ? &r->peer[r->alone.witness - 1] : NULL;
}

static bool
is_heard(const struct replica_peer *p, int64_t now)
{
	return p->heard_ms != 0 && now - p->heard_ms <= REPLICA_HEARD_MS;
}

/* The one node beside this one that keeps a catalog. */
static const struct replica_peer *
other(const struct replica *r)
{
	for (size_t i = 0; i < r->npeers; i++)
		if (r->peer[i].member)
			return &r->peer[i];
	return NULL;
}

/* Does it wait for a node other than this one? */
static bool
waits_for_other(const struct replica *r)
{
	const char	*name = r->alone.said.name;
	const struct replica_peer *p = other(r);

	return name[0] != '\0' && strcmp(name, r->self) != 0 && p != NULL &&
	    strcmp(name, p->name) == 0;
}

bool
replica_witness_counts(const struct replica *r, int64_t now)
{
	const struct replica_peer *w = witness(r);

	return w != NULL && is_heard(w, now) && r->alone.said.joined &&
	    (r->self_state.role == REPLICA_LEADER || !waits_for_other(r));
}

bool
replica_witness_promised(const struct replica *r, uint32_t ballot)
{
	const struct replica_peer *w = witness(r);

	return w != NULL && w->said.joined && w->said.ballot == ballot;
}

bool
replica_wants_change(struct replica *r)
{
	bool	 wants;

	pthread_mutex_lock(&r->mu);
	wants = r->self_state.role == REPLICA_LEADER &&
	    r->alone.witness != 0;
	pthread_mutex_unlock(&r->mu);
	return wants;
}

void
replica_alone_begin(struct replica *r, struct kv_lsn end)
{
	struct replica_alone	*a = &r->alone;

	a->state = TOGETHER;
	a->number = 1;
	a->sure = a->may_release = false;
	a->lead_end = end;
	a->waits_ms = a->sent_ms = 0;
}

void
replica_witness_heard(struct replica *r, int node,
    const struct frame_witness *w)
{
	if (node != r->alone.witness)
		return;
	if (strcmp(w->name, r->alone.said.name) != 0 && w->name[0] != '\0' &&
	    strcmp(w->name, r->self) != 0)
		log_info(r->log, "catalog: node %s alone may have the newest",
		    w->name);
	r->alone.said = *w;
}

/* Has the other all before that place, of this lead? */
static bool
is_level(const struct replica *r, struct kv_lsn lsn, int64_t now)
{
	const struct replica_peer *p = other(r);

	return p != NULL && is_heard(p, now) &&
	    p->said.role == REPLICA_FOLLOWER &&
	    p->said.generation == r->self_state.generation &&
	    !kv_lsn_before(p->said.lsn, lsn);
}

static bool
has_all(const struct replica *r, int64_t now)
{
	return is_level(r, r->alone.lead_end, now) &&
	    is_level(r, r->safe, now);
}

/* Does it keep what it was told last? */
static bool
is_kept(const struct replica *r)
{
	const struct replica_alone *a = &r->alone;

	return a->said.joined && a->said.by == r->self_state.ballot &&
	    a->said.number == a->number &&
	    (a->state == TOGETHER ? a->said.name[0] == '\0' :
	    strcmp(a->said.name, r->self) == 0);
}

static void
tell(struct replica *r, int64_t now)
{
	struct replica_alone	*a = &r->alone;
	struct frame_witness	 w = { .alone = a->state != TOGETHER,
		.ballot = r->self_state.ballot, .by = r->self_state.ballot,
		.number = a->number };

	if (is_kept(r) || now - a->sent_ms < TELL_MS ||
	    (a->state == TOGETHER && !a->may_release) ||
	    r->peer[a->witness - 1].link == NULL)
		return;
	a->sent_ms = now;
	replica_link_witness(r->peer[a->witness - 1].link, &w);
}

static void
go_to(struct replica *r, enum alone state, int64_t now)
{
	struct replica_alone	*a = &r->alone;

	/* the witness is told where it begins, and where it ends */
	if (state == TOGETHER || a->state == TOGETHER) {
		a->number++;
		a->sent_ms = 0;
	}
	a->state = state;
	a->since_ms = a->mark_ms = now;
	a->mark = r->synced;
	a->waits_ms = 0;
	a->may_release = state == TOGETHER;
}

static void
together(struct replica *r, int64_t now)
{
	struct replica_alone	 *a = &r->alone;
	const struct replica_peer *p = other(r);

	if (!a->may_release)
		a->may_release = has_all(r, now);
	if (!kv_lsn_before(r->safe, r->synced))
		a->waits_ms = 0;
	else if (a->waits_ms == 0)
		a->waits_ms = now;
	if (p == NULL || !is_heard(p, now) ||
	    (a->waits_ms != 0 && now - a->waits_ms > WAITS_MS)) {
		go_to(r, ALONE, now);
		log_info(r->log, "catalog: this node goes on alone, when the "
		    "witness agrees");
	}
}

static void
alone(struct replica *r, int64_t now)
{
	struct replica_alone	*a = &r->alone;

	/* not when another one was promised the lead: it may have it already,
	 * with the log that was here then */
	a->sure = is_kept(r) && r->promised == r->self_state.ballot;
	if (a->sure && is_level(r, a->mark, now) &&
	    is_level(r, a->lead_end, now)) {
		a->sure = false;
		go_to(r, COMING_TOGETHER, now);
	} else if (now - a->mark_ms > MARK_MS) {
		a->mark = r->synced;
		a->mark_ms = now;
	}
}

bool
replica_alone_turn(struct replica *r, int64_t now)
{
	struct replica_alone	*a = &r->alone;
	bool			 was = a->sure;

	if (a->witness == 0) {
		a->sure = false;
		return false;
	}
	if (a->state == TOGETHER) {
		together(r, now);
	} else if (a->state == ALONE) {
		alone(r, now);
	} else if (has_all(r, now)) {
		go_to(r, TOGETHER, now);
		log_info(r->log, "catalog: the other node has all");
	} else if (now - a->since_ms > TOGETHER_MS) {
		go_to(r, ALONE, now);
	}
	tell(r, now);
	return a->sure && !was;
}

void
replica_witness_stat(const struct replica *r, struct buf *b, int64_t now)
{
	const struct replica_peer *w = witness(r);
	const struct replica_alone *a = &r->alone;

	if (w == NULL)
		return;
	buf_addf(b, "=witness\t%s\t%s\t%u\t%s\n", w->name,
	    !is_heard(w, now) ? "away" : a->said.joined ? "here" : "new",
	    a->said.ballot, a->said.name[0] != '\0' ? a->said.name : "-");
}
