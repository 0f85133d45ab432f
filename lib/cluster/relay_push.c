/* Sending the index entries of this node's volumes to the catalog's node. */
#include <stdlib.h>
#include <time.h>

#include "base/time.h"
#include "cluster/mirror.h"
#include "cluster/push.h"
#include "cluster/relay_int.h"

#define TICK_MS		100	/* how often the volumes are looked at */
#define AWAY_MS		1000
#define WAIT_MS		3000	/* of a client, for what is on disk already */
#define SWEEP_MS	10000	/* sealed segments may have grown: repairs */
#define OLD_MS		30000	/* a home that is not followed any more */

/* One volume at home here. */
struct relay_volume {
	const struct conf_volume *cv;
	struct volume	*v;
	struct vol_end	 done;		/* indexed up to here */
	struct mirror_wake wake;
	int64_t		 rest_ms;	/* not looked at before */
};

struct pusher {
	struct relay	*r;
	const struct conf *conf;
	struct relay_volume *vols;
	size_t		 n;
	struct push	 push;
	int64_t		 swept_ms;
};

static int
dial(void *relay, int *fd)
{
	return relay_dial(relay, fd);
}

/* All segments that have more than was pushed. */
static int
push_volume(struct pusher *p, struct relay_volume *rv)
{
	struct push_source	 src = { .dir = vol_dir(rv->v),
				    .meta = vol_meta(rv->v), .from = rv->done,
				    .to = vol_counted(rv->v),
				    .gaps = rv->done.segment == 0 };
	int			 rc;

	mirror_wake(&rv->wake, p->r->log, p->conf, rv->v);
	if (!vol_end_before(rv->done, src.to))
		return 0;
	if ((rc = push_log(&p->push, &src)) == 0)
		rv->done = src.to;
	/* CM_EEXIST: another node took it for dead, and did the same;
	 * CM_ESTALE: the lead went elsewhere */
	else if (rc != CM_EAWAY && rc != CM_EEXIST && rc != CM_ESTALE)
		log_fail(p->r->log, rc, "volume %s: sending its index",
		    rv->cv->name);
	return rc;
}

static void
forget_volumes(struct pusher *p)
{
	for (size_t i = 0; i < p->n; i++)
		vol_close(p->vols[i].v);
	free(p->vols);
	p->vols = NULL;
	p->n = 0;
	if (p->conf != NULL)
		confwatch_put(p->r->conf, p->conf);
	p->conf = NULL;
}

/* The volumes of the configuration as it is now. */
static int
list_volumes(struct pusher *p)
{
	const struct conf	*conf = confwatch_get(p->r->conf);

	if (conf == p->conf) {
		confwatch_put(p->r->conf, conf);
		return 0;
	}
	forget_volumes(p);
	p->conf = conf;
	p->vols = calloc(conf->nvolumes + 1, sizeof(*p->vols));
	if (p->vols == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < conf->nvolumes; i++)
		if (conf_is_home(conf, &conf->volumes[i]))
			p->vols[p->n++].cv = &conf->volumes[i];
	return 0;
}

/* One look at all volumes; is something left? */
static bool
pass(struct pusher *p)
{
	bool	 left = false;
	int	 rc;

	/* the other one must know of the UIDs that were given here first */
	if (p->r->hold || (p->r->replica != NULL &&
	    replica_is_alone(p->r->replica)) || list_volumes(p) != 0)
		return true;
	for (size_t i = 0; i < p->n; i++) {
		struct relay_volume *rv = &p->vols[i];
		unsigned	     was = rv->v ? vol_generation(rv->v) : 0;

		if (time_mono_ms() < rv->rest_ms ||
		    (rv->v == NULL && !vol_is_made(p->conf, rv->cv)))
			continue;
		rc = rv->v != NULL ? vol_refresh(rv->v) :
		    vol_open(p->r->log, p->conf, rv->cv, &rv->v);
		if (rc == 0 && vol_generation(rv->v) != was)
			rv->done = (struct vol_end){ 0, 0 };
		if (rc == 0 && (rc = push_volume(p, rv)) != 0)
			push_hang_up(&p->push);
		/* an old home: nothing of it will ever be listed */
		if (rc == CM_EEPOCH)
			rv->rest_ms = time_mono_ms() + OLD_MS;
		else if (rc != 0)
			left = true;
		if (rc != 0 && rv->v != NULL && rc != CM_EAWAY &&
		    rc != CM_ESTALE) {
			vol_close(rv->v);
			rv->v = NULL;
		}
	}
	return left;
}

static void
sweep(struct pusher *p)
{
	if (time_mono_ms() - p->swept_ms < SWEEP_MS)
		return;
	p->swept_ms = time_mono_ms();
	for (size_t i = 0; i < p->n; i++)
		p->vols[i].done = (struct vol_end){ 0, 0 };
}

/* Waits on cond, with mu held. */
static void
wait_ms(struct relay *r, pthread_cond_t *cond, int ms)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += (long)ms * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(cond, &r->mu, &ts);
}

void *
relay_pusher(void *arg)
{
	struct relay	*r = arg;
	struct pusher	 p = { .r = r, .push = { .log = r->log,
			    .stop = &r->stop, .dial = dial, .arg = r } };
	bool		 left;

	while (!r->stop) {
		pthread_mutex_lock(&r->mu);
		r->begun++;
		pthread_mutex_unlock(&r->mu);
		sweep(&p);
		left = pass(&p);
		pthread_mutex_lock(&r->mu);
		r->behind = left;
		if (!left)
			r->ended = r->begun;
		pthread_cond_broadcast(&r->pushed);
		/* a client that comes pokes it */
		if (!r->want || left)
			wait_ms(r, &r->poke, left ? AWAY_MS / 4 : TICK_MS);
		r->want = false;
		pthread_mutex_unlock(&r->mu);
	}
	push_hang_up(&p.push);
	forget_volumes(&p);
	return NULL;
}

/*
 * patient: a pass that goes on is waited for however long it takes, and one
 * that failed for as long as the others wait.  Is all indexed?
 */
static bool
wait_for_pass(struct relay *r, bool patient)
{
	uint64_t	 want;
	int64_t		 end = time_mono_ms() + WAIT_MS;
	bool		 late, all;

	pthread_mutex_lock(&r->mu);
	want = r->begun + 1;	/* a pass that begins after now */
	r->want = true;
	pthread_cond_signal(&r->poke);
	while (r->ended < want && !r->stop) {
		late = time_mono_ms() >= end;
		if (patient ? late && r->behind : late ||
		    atomic_load(&r->away))
			break;
		wait_ms(r, &r->pushed, TICK_MS);
	}
	all = r->ended >= want;
	pthread_mutex_unlock(&r->mu);
	return all;
}

void
relay_push_wait(struct relay *r)
{
	(void)wait_for_pass(r, false);
}

int
relay_push_sync(struct relay *r)
{
	return wait_for_pass(r, true) ? 0 : CM_EAGAIN;
}

bool
relay_push_is_done(struct relay *r)
{
	return !r->behind;
}
