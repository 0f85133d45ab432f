/*
 * The lead goes to a node that was named, with nothing lost and nobody voting:
 * while no change is taken the leader waits until that node has all of its
 * log, and tells it to lead.  It stands as one that was elected does; the
 * leader, asked for its promise, steps down.
 */
#include <string.h>

#include "base/time.h"
#include "cluster/replica_int.h"

#define LEVEL_MS	10000	/* for a node that lags, changes go on */
#define LAST_MS		3000	/* for the last of them, none do */
#define TAKE_MS		3000	/* for the other to lead */
#define END_MS		1000	/* for the end of the log to come */

/* Has it all before that place, of this leader's log?  r->mu is held. */
static bool
is_level(const struct replica *r, const struct replica_peer *p,
    struct kv_lsn lsn)
{
	return p->said.role == REPLICA_FOLLOWER && p->said.joined &&
	    (lsn.file == 0 || (p->said.generation ==
	    r->self_state.generation && !kv_lsn_before(p->said.lsn, lsn)));
}

/* r->mu is held. */
static int
check(const struct replica *r, const struct replica_peer *p)
{
	if (r->stop || r->self_state.role != REPLICA_LEADER)
		return CM_ESTALE;
	if (p->heard_ms == 0 ||
	    time_mono_ms() - p->heard_ms > REPLICA_HEARD_MS)
		return CM_EAWAY;
	return 0;
}

/* Until it is level, and there. */
static int
await_level(struct replica *r, const struct replica_peer *p, int ms)
{
	int64_t		 end = time_mono_ms() + ms;
	struct kv_lsn	 lsn = kv_rep_last(r->db->env);
	int		 rc;

	pthread_mutex_lock(&r->mu);
	while ((rc = check(r, p)) == 0 && !is_level(r, p, lsn) && rc == 0)
		if (!replica_news(r, end)) {
			rc = CM_ETIMEOUT;
			break;
		}
	pthread_mutex_unlock(&r->mu);
	return rc;
}

static struct replica_peer *
find(struct replica *r, const char *node, int *number)
{
	struct replica_peer	*p;
	bool			 member;

	if ((*number = replica_node(r, node)) == 0)
		return NULL;
	p = &r->peer[*number - 1];
	pthread_mutex_lock(&r->mu);
	member = p->member;
	pthread_mutex_unlock(&r->mu);
	return member ? p : NULL;
}

int
replica_prepare(struct replica *r, const char *node)
{
	struct replica_peer	*p;
	int			 n;

	if ((p = find(r, node, &n)) == NULL)
		return CM_ECONF;
	return await_level(r, p, LEVEL_MS);
}

int
replica_give(struct replica *r, const char *node)
{
	struct replica_peer	*p;
	struct kv_lsn		 end;
	int64_t			 until;
	int			 n, rc;

	if ((p = find(r, node, &n)) == NULL)
		return CM_ECONF;
	if ((rc = await_level(r, p, LAST_MS)) != 0)
		return rc;
	end = kv_rep_log_end(r->db->env);
	until = time_mono_ms() + TAKE_MS;
	pthread_mutex_lock(&r->mu);
	r->gives = n;
	if (p->link != NULL)
		replica_link_lead(p->link, end);
	while (rc == 0 && r->self_state.role == REPLICA_LEADER && !r->stop)
		if (!replica_news(r, until))
			rc = CM_ETIMEOUT;
	r->gives = 0;
	pthread_mutex_unlock(&r->mu);
	return rc;
}

int
replica_given(struct replica *r, const char *node)
{
	char	 name[CONF_NAME_MAX + 1] = "";
	int64_t	 end = time_mono_ms() + TAKE_MS;

	while (time_mono_ms() < end) {
		replica_leader(r, name);
		if (name[0] != '\0')
			break;
		replica_await(r, (int)(end - time_mono_ms()));
	}
	return strcmp(name, node) == 0 ? 0 : CM_EAGAIN;
}

void
replica_told(struct replica *r, int node, struct kv_lsn end)
{
	pthread_mutex_lock(&r->mu);
	/* by its own leader alone, and when it is one that may lead */
	if (r->led_by == node && r->self_state.joined &&
	    r->self_state.role == REPLICA_FOLLOWER &&
	    r->peer[node - 1].said.role == REPLICA_LEADER) {
		r->told = true;
		r->told_end = end;
		pthread_cond_broadcast(&r->news);
	}
	pthread_mutex_unlock(&r->mu);
}

void
replica_await_end(struct replica *r)
{
	int64_t		 end = time_mono_ms() + END_MS;
	struct kv_lsn	 want;
	bool		 told;

	pthread_mutex_lock(&r->mu);
	told = r->told;
	want = r->told_end;
	pthread_mutex_unlock(&r->mu);
	while (told && !r->stop && time_mono_ms() < end &&
	    kv_lsn_before(kv_rep_log_end(r->db->env), want))
		time_sleep_ms(2);
}
