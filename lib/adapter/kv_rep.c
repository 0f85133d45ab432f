#include "adapter/kv_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"

#define NAP_US		5000
#define COMPLAIN_MS	1000

bool
kv_lsn_before(struct kv_lsn a, struct kv_lsn b)
{
	return a.file < b.file || (a.file == b.file && a.offset < b.offset);
}

static struct span
span_of(const DBT *d)
{
	return (struct span){ d != NULL ? d->data : NULL,
	    d != NULL ? d->size : 0 };
}

/*
 * The control part is of a fixed length, and begins with the versions of the
 * protocol and of the log; its fifth number is the kind.  The store believes
 * what it is sent, and crashes on noise.
 */
#define KIND_AT		16
#define KIND_MAX	63

static void
note_form(struct kv_env *e, const DBT *control)
{
	pthread_mutex_lock(&e->mu);
	if (control->size >= KIND_AT + 4) {
		memcpy(e->form, control->data, KV_FORM);
		e->form_len = control->size;
	}
	pthread_mutex_unlock(&e->mu);
}

static bool
has_form(struct kv_env *e, struct span control)
{
	const unsigned char *kind;
	int64_t		 now = time_mono_ms();
	bool		 has, say = false;

	pthread_mutex_lock(&e->mu);
	has = control.len == e->form_len && e->form_len > 0 &&
	    memcmp(control.p, e->form, KV_FORM) == 0;
	if (has) {
		kind = (const unsigned char *)control.p + KIND_AT;
		has = kind[0] == 0 && kind[1] == 0 && kind[2] == 0 &&
		    kind[3] > 0 && kind[3] <= KIND_MAX;
	}
	if (!has && now - e->complained_ms > COMPLAIN_MS) {
		e->complained_ms = now;
		say = true;
	}
	pthread_mutex_unlock(&e->mu);
	if (say)
		log_warn(e->log, "replication: messages that are none of this "
		    "version of the store are dropped");
	return has;
}

/* Whoever commits waits for the others later, with no lock held: what it has
 * to wait for is noted here. */
static int
on_send(DB_ENV *d, const DBT *control, const DBT *rec, const DB_LSN *lsn,
    int node, u_int32_t flags)
{
	struct kv_env	*e = d->app_private;
	struct kv_lsn	 l;

	if ((flags & DB_REP_PERMANENT) && lsn != NULL) {
		l = (struct kv_lsn){ lsn->file, lsn->offset };
		pthread_mutex_lock(&e->mu);
		if (kv_lsn_before(e->perm, l))
			e->perm = l;
		pthread_mutex_unlock(&e->mu);
	}
	note_form(e, control);
	e->rep->send(e->rep->arg, node == DB_EID_BROADCAST ? KV_ALL : node,
	    span_of(control), span_of(rec));
	return 0;
}

static void
on_event(DB_ENV *d, u_int32_t event, void *info)
{
	struct kv_env		*e = d->app_private;
	const struct kv_rep	*r = e->rep;

	switch (event) {
	case DB_EVENT_REP_ELECTED:
		r->event(r->arg, KV_ELECTED, 0);
		break;
	case DB_EVENT_REP_NEWMASTER:
		r->event(r->arg, KV_LEADER, *(int *)info);
		break;
	case DB_EVENT_REP_STARTUPDONE:
		r->event(r->arg, KV_LEVEL, 0);
		break;
	case DB_EVENT_PANIC:
		r->event(r->arg, KV_PANIC, 0);
		break;
	default:
		break;
	}
}

/*
 * Where the store waits without being woken, it does so for up to five seconds:
 * a table that is asked while the leader changes, a checkpoint.  Nobody could
 * lead meanwhile, so it looks again sooner.
 */
static int
nap(u_long s, u_long us)
{
	const struct timespec	 ts = { 0, (s > 0 || us > NAP_US ? NAP_US :
				    us > 0 ? (long)us : 1) * 1000 };

	return nanosleep(&ts, NULL) == 0 ? 0 : errno;
}

int
kv_rep_prepare(struct kv_env *e)
{
	DB_ENV	*d = e->env;
	int	 ret;

	if ((ret = db_env_set_func_yield(nap)) != 0 ||
	    (ret = d->rep_set_transport(d, 0, on_send)) != 0 ||
	    (ret = d->set_event_notify(d, on_event)) != 0 ||
	    (ret = d->rep_set_config(d, DB_REP_CONF_NOWAIT, 1)) != 0 ||
	    (ret = d->rep_set_timeout(d, DB_REP_ELECTION_TIMEOUT,
	    e->rep->election_ms * 1000)) != 0 ||
	    /* a leader would sleep for 30 seconds in each checkpoint, and
	     * could not stop leading meanwhile */
	    (ret = d->rep_set_timeout(d, DB_REP_CHECKPOINT_DELAY, 0)) != 0)
		return ret;
	/* a follower syncs its log once for all that has come */
	return d->set_flags(d, DB_TXN_NOSYNC, 1);
}

bool
kv_is_dead(struct kv_env *e)
{
	bool	 dead;

	pthread_mutex_lock(&e->mu);
	dead = e->dead;
	pthread_mutex_unlock(&e->mu);
	return dead;
}

int
kv_rep_lead(struct kv_env *e)
{
	pthread_mutex_lock(&e->mu);
	memset(&e->perm, 0, sizeof(e->perm));
	pthread_mutex_unlock(&e->mu);
	return kv_code(e, e->env->rep_start(e->env, NULL, DB_REP_MASTER),
	    "lead");
}

int
kv_rep_follow(struct kv_env *e)
{
	return kv_code(e, e->env->rep_start(e->env, NULL, DB_REP_CLIENT),
	    "follow");
}

int
kv_rep_priority(struct kv_env *e, unsigned p)
{
	return kv_code(e, e->env->rep_set_priority(e->env, p), "priority");
}

int
kv_rep_elect(struct kv_env *e, unsigned nodes, unsigned votes)
{
	return kv_code(e, e->env->rep_elect(e->env, nodes, votes, 0),
	    "election");
}

static DBT
dbt_of(struct span s)
{
	DBT	 d;

	memset(&d, 0, sizeof(d));
	d.data = (void *)(uintptr_t)s.p;
	d.size = (u_int32_t)s.len;
	return d;
}

int
kv_rep_process(struct kv_env *e, int node, struct span control,
    struct span rec, struct kv_lsn *lsn)
{
	DBT	 c = dbt_of(control), r = dbt_of(rec);
	DB_LSN	 l;
	int	 ret;

	*lsn = (struct kv_lsn){ 0, 0 };
	if (!has_form(e, control))
		return KV_NOTHING;
	memset(&l, 0, sizeof(l));
	ret = e->env->rep_process_message(e->env, &c, &r, node, &l);
	*lsn = (struct kv_lsn){ l.file, l.offset };
	switch (ret) {
	case DB_REP_ISPERM:
		return KV_PERM;
	case DB_REP_HOLDELECTION:
		return KV_ELECT;
	case DB_REP_DUPMASTER:
		return KV_TWO_LEADERS;
	case 0:
	case DB_REP_NEWSITE:
	case DB_REP_NOTPERM:
	case DB_REP_IGNORE:
	case DB_REP_LOCKOUT:
		return KV_NOTHING;
	default:
		return kv_code(e, ret, "replication");
	}
}

int
kv_rep_sync(struct kv_env *e)
{
	return kv_code(e, e->env->log_flush(e->env, NULL), "log");
}

void
kv_rep_remind(struct kv_env *e)
{
	int	 ret = e->env->rep_flush(e->env);

	if (ret != 0 && kv_code(e, ret, "reminder") != 0)
		return;		/* it has said so */
}

struct kv_lsn
kv_rep_last(struct kv_env *e)
{
	struct kv_lsn	 l;

	pthread_mutex_lock(&e->mu);
	l = e->perm;
	pthread_mutex_unlock(&e->mu);
	return l;
}

int
kv_rep_stat(struct kv_env *e, struct kv_rep_stat *s)
{
	DB_REP_STAT	*st;
	int		 ret;

	memset(s, 0, sizeof(*s));
	if ((ret = e->env->rep_stat(e->env, &st, 0)) != 0)
		return kv_code(e, ret, "status");
	s->generation = st->st_gen;
	s->leader = st->st_master > 0 ? st->st_master : 0;
	s->syncing = st->st_status == DB_REP_CLIENT && !st->st_startup_complete;
	free(st);
	return 0;
}

struct kv_lsn
kv_rep_log_end(struct kv_env *e)
{
	DB_LOG_STAT	*st;
	struct kv_lsn	 l = { 0, 0 };
	int		 ret;

	if ((ret = e->env->log_stat(e->env, &st, 0)) != 0) {
		log_warn(e->log, "store: log: %s", db_strerror(ret));
		return l;
	}
	l = (struct kv_lsn){ st->st_cur_file, st->st_cur_offset };
	free(st);
	return l;
}

#define TXN_REGOP	10	/* the type of a commit, DB___txn_regop */

/* Every record begins with its type. */
static bool
is_commit(const DBT *d)
{
	u_int32_t	 type = 0;

	if (d->size >= sizeof(type))
		memcpy(&type, d->data, sizeof(type));
	return type == TXN_REGOP;
}

int
kv_rep_end(struct kv_env *e, struct kv_lsn *end)
{
	DB_LOGC	*c;
	DB_LSN	 l;
	DBT	 d;
	int	 ret;

	*end = (struct kv_lsn){ 0, 0 };
	if ((ret = e->env->log_cursor(e->env, &c, 0)) != 0)
		return kv_code(e, ret, "log");
	memset(&d, 0, sizeof(d));
	d.flags = DB_DBT_REALLOC;
	ret = c->get(c, &l, &d, DB_LAST);
	while (ret == 0 && !is_commit(&d))
		ret = c->get(c, &l, &d, DB_PREV);
	if (ret == 0)
		*end = (struct kv_lsn){ l.file, l.offset };
	free(d.data);
	c->close(c, 0);
	return ret == DB_NOTFOUND ? 0 : kv_code(e, ret, "log");
}
