/* The agent's one writer: indexing and changes, a batch at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/time.h"
#include "cluster/account.h"
#include "cluster/agent_int.h"
#include "cluster/known.h"

#define KNOWN_MS	60000
#define TICK_MS		200	/* how often the volumes are looked at */
#define BATCH_RECORDS	4000
#define RETRY_MS	5000	/* for a volume that cannot be read */
#define SWEEP_MS	30000	/* sealed segments may have grown: repairs */
#define CONF_MS		1000
#define TRIES		200	/* of a batch, after deadlocks */

void
agent_ask(struct agent *a)
{
	pthread_mutex_lock(&a->mu);
	a->want = true;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->mu);
}

int
agent_change(struct agent *a, change_fn fn, void *arg)
{
	struct change	 c = { .fn = fn, .arg = arg };

	pthread_mutex_lock(&a->mu);
	if (a->stop) {
		pthread_mutex_unlock(&a->mu);
		return CM_EAGAIN;
	}
	/* it is off the list again before this function returns */
	if (a->last != NULL)
		a->last->next = &c;
	else
		a->first = &c;	/* cppcheck-suppress autoVariables */
	a->last = &c;		/* cppcheck-suppress autoVariables */
	pthread_cond_signal(&a->work);
	while (!c.done)
		pthread_cond_wait(&a->done, &a->mu);
	pthread_mutex_unlock(&a->mu);
	return c.rc;
}

int
agent_sync(struct agent *a)
{
	uint64_t	 mine;
	int		 rc = 0;

	pthread_mutex_lock(&a->mu);
	mine = ++a->sync_asked;
	pthread_cond_signal(&a->work);
	while (a->sync_done < mine && !a->stop)
		pthread_cond_wait(&a->done, &a->mu);
	if (a->sync_done < mine)
		rc = CM_EAGAIN;
	else if (a->sync_short >= mine)
		rc = a->sync_rc;
	pthread_mutex_unlock(&a->mu);
	return rc;
}

static void
close_volumes(struct agent *a)
{
	for (size_t i = 0; i < a->nvols; i++) {
		vol_close(a->vols[i].v);
		cancels_free(&a->src[i].cancels);
	}
	free(a->vols);
	free(a->src);
	a->vols = NULL;
	a->src = NULL;
	a->nvols = 0;
}

static int64_t
conf_mtime(const struct agent *a)
{
	const struct conf *conf = a->conf;
	struct stat	 st;

	if (conf->file == NULL || stat(conf->file, &st) == -1)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* Room for the volumes that are at home here. */
static int
list_volumes(struct agent *a)
{
	const struct conf *conf = a->conf;
	size_t	 n = conf->nvolumes;

	close_volumes(a);
	a->vols = calloc(n + 1, sizeof(*a->vols));
	a->src = calloc(n + 1, sizeof(*a->src));
	if (a->vols == NULL || a->src == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct conf_volume *cv = &conf->volumes[i];

		if (!conf_is_home(conf, cv))
			continue;
		a->src[a->nvols].volume = cv->name;
		a->src[a->nvols++].dir = cv->path;
	}
	a->conf_mtime = conf_mtime(a);
	return 0;
}

/* A changed cluster.xml takes effect; a wrong one is complained about once. */
static void
look_at_conf(struct agent *a)
{
	struct conf	*new, *old = a->conf;
	int64_t		 now = time_mono_ms(), mtime;

	if (now - a->conf_looked < CONF_MS)
		return;
	a->conf_looked = now;
	mtime = conf_mtime(a);
	if (mtime == 0 || mtime == a->conf_mtime)
		return;
	a->conf_mtime = mtime;
	if (a->nold == AGENT_CONFS_MAX) {
		a->stop = true;		/* the next agent starts afresh */
		return;
	}
	if (conf_load(a->log, a->file, a->node, &new) != 0)
		return;
	close_volumes(a);
	a->old[a->nold++] = old;
	a->conf = new;
	if (list_volumes(a) != 0)
		log_warn(a->log, "%s: out of memory", new->file);
	log_info(a->log, "%s was read again", new->file);
}

static void
note_home(struct agent_volume *av, struct catindex_source *s,
    const struct seg_meta *m)
{
	if (s->salt == m->salt && s->epoch == m->epoch)
		return;
	s->salt = m->salt;
	s->epoch = m->epoch;
	s->known = false;
	cancels_free(&s->cancels);
	av->done = (struct vol_end){ 0, 0 };
}

static void
set_all_open(struct agent *a, bool all)
{
	pthread_mutex_lock(&a->mu);
	a->all_open = all;
	pthread_mutex_unlock(&a->mu);
}

/* A volume that was never made: nothing is in it.  One that the catalog knows
 * was lost. */
static bool
is_unmade(struct agent *a, const struct catindex_source *s)
{
	const struct conf	 *conf = a->conf;
	const struct conf_volume *cv = conf_volume(conf, s->volume,
				    strlen(s->volume));
	char			  was[CATDB_HOME_SIZE];

	return cv != NULL && !vol_is_made(conf, cv) &&
	    catdb_home(&a->db, NULL, s->volume, was) == 0 && was[0] == '\0';
}

/* Opens what is not open, and notes how far each log is on disk. */
static bool
look_at_volumes(struct agent *a)
{
	int64_t	 now = time_mono_ms();
	bool	 all = true, news = false;

	for (size_t i = 0; i < a->nvols; i++) {
		struct agent_volume *av = &a->vols[i];
		struct catindex_source *s = &a->src[i];

		if (now < av->retry_ms) {
			all = false;
			continue;
		}
		if (av->v == NULL && is_unmade(a, s)) {
			s->counted = (struct vol_end){ 0, 0 };
			continue;
		}
		if (av->v != NULL ? vol_refresh(av->v) != 0 :
		    vol_open(a->log, a->conf, conf_volume(a->conf, s->volume,
		    strlen(s->volume)), &av->v) != 0) {
			vol_close(av->v);
			av->v = NULL;
			av->retry_ms = now + RETRY_MS;
			s->counted = (struct vol_end){ 0, 0 };
			all = false;
			continue;
		}
		av->retry_ms = 0;
		note_home(av, s, vol_meta(av->v));
		s->counted = vol_counted(av->v);
		if (vol_end_before(av->done, s->counted))
			news = true;
		mirror_wake(&av->wake, a->log, a->conf, av->v);
	}
	set_all_open(a, all);
	return news;
}

int
agent_look(struct agent *a)
{
	int	 rc;

	if (a->vols == NULL && (rc = list_volumes(a)) != 0)
		return rc;
	look_at_conf(a);
	for (size_t i = 0; i < a->nvols; i++)
		a->vols[i].retry_ms = 0;
	look_at_volumes(a);
	return a->all_open ? 0 : CM_EAGAIN;
}

void
agent_forget(struct agent *a)
{
	for (size_t i = 0; i < a->nvols; i++) {
		a->src[i].low = 0;
		a->src[i].known = false;
		a->vols[i].done = (struct vol_end){ 0, 0 };
	}
	a->purging = a->gaps = true;
}

/* The changes of a batch, in their order.  A failure that may have left
 * half a change behind is the batch's. */
static int
apply(struct agent *a, struct kv_txn *x, struct change *list,
    struct change **culprit)
{
	for (struct change *c = list; c != NULL; c = c->next) {
		if (c->failed)
			continue;
		if (a->state != CATDB_OK && a->state != CATDB_BUILDING) {
			c->rc = CM_EAGAIN;	/* it would be loaded over */
			continue;
		}
		c->rc = c->fn(&a->db, x, c->arg);
		switch (c->rc) {
		case CM_OK:
		case CM_ENOUSER:
		case CM_EEXIST:
		case CM_ENOINPUT:
		case CM_EDATA:
		case CM_EEPOCH:
			break;
		default:
			*culprit = c;
			return c->rc;
		}
	}
	return 0;
}

/* All that the source had was indexed. */
static void
pass_over(struct agent_volume *v, struct catindex_source *s)
{
	v->done = s->counted;
	s->again = false;
	cancels_free(&s->cancels);
}

static void
begin_notes(struct agent *a)
{
	buf_reset(&a->notes);
	a->db.origin = 0;
}

int
agent_end_notes(struct agent *a, struct kv_txn *x)
{
	struct catdb_point	 p;
	uint64_t		 lines = 0;
	int			 rc;

	if (a->notes.len == 0)
		return a->notes.err;
	if ((rc = catdb_next_point(&a->db, x, &p)) != 0)
		return rc;
	for (size_t i = 0; i < a->notes.len; i++)
		lines += a->notes.p[i] == '\n';
	buf_adds(&a->notes, "-\tbatch");
	journal_id(&a->notes, p.catalog);
	journal_number(&a->notes, p.batch);
	journal_number(&a->notes, lines);
	buf_addc(&a->notes, '\n');
	return journal_append(a->journal, &a->notes);
}

static int
do_batch(struct agent *a, struct change *list, bool *more)
{
	struct catindex_result	 res = { 0 };
	struct change		*culprit = NULL;
	struct kv_txn		*x;
	bool			 purging = false, gaps = a->gaps;
	int			 rc;

	*more = false;
	begin_notes(a);
	if ((rc = kv_begin(a->db.env, &x)) != 0)
		return rc;
	rc = apply(a, x, list, &culprit);
	if (rc == 0 && a->purging)
		rc = account_purge_some(&a->db, x, &purging);
	if (rc == 0 && (a->state == CATDB_OK || a->state == CATDB_BUILDING) &&
	    (rc = catdb_make_secret(&a->db, x)) == 0) {
		rc = catindex_batch(&a->db, x, a->src, a->nvols,
		    BATCH_RECORDS, a->state == CATDB_BUILDING, gaps, &res);
		if (rc != 0 && rc != CM_EAGAIN && res.bad < a->nvols) {
			/* go on with the others */
			a->vols[res.bad].retry_ms = time_mono_ms() + RETRY_MS;
			a->src[res.bad].counted = (struct vol_end){ 0, 0 };
			set_all_open(a, false);
			log_fail(a->log, rc, "volume %s: indexing",
			    a->src[res.bad].volume);
			rc = CM_EAGAIN;
		}
	}
	if (rc == 0)
		rc = agent_end_notes(a, x);
	if (rc == 0) {
		if ((rc = kv_commit(x)) == 0 && a->notes.len > 0)
			journal_done(a->journal);
	} else {
		kv_abort(x);
	}
	if (rc != 0) {
		for (size_t i = 0; i < a->nvols; i++) {
			a->src[i].low = 0;
			a->src[i].known = false;
		}
		if (culprit != NULL && rc != CM_EAGAIN)
			culprit->failed = true;
		return culprit != NULL ? CM_EAGAIN : rc;
	}
	a->purging = purging;
	a->gaps = false;
	*more = res.more || purging;
	if (!res.more)
		for (size_t i = 0; i < a->nvols; i++)
			pass_over(&a->vols[i], &a->src[i]);
	if (res.orphans > 0)
		log_warn(a->log, "%u recipients had no mailbox any more",
		    res.orphans);
	pthread_mutex_lock(&a->mu);
	a->indexed += res.records;
	pthread_mutex_unlock(&a->mu);
	return 0;
}

/* When everything is indexed, building is over. */
static void
finish_building(struct agent *a)
{
	struct kv_txn	*x;

	if (a->state != CATDB_BUILDING || !a->all_open)
		return;
	if (kv_begin(a->db.env, &x) != 0)
		return;
	if (catdb_set_state(&a->db, x, CATDB_OK) != 0) {
		kv_abort(x);
		return;
	}
	if (kv_commit(x) == 0)
		a->state = CATDB_OK;
}

static void
settle(struct agent *a, struct change *list, uint64_t synced, int rc)
{
	struct change	*next;

	pthread_mutex_lock(&a->mu);
	for (struct change *c = list; c != NULL; c = next) {
		next = c->next;
		if (rc != 0 && !c->failed)
			c->rc = rc;
		c->done = true;
	}
	a->turns++;
	if (synced > a->sync_done) {
		a->sync_done = synced;
		if (rc != 0 || !a->all_open) {
			a->sync_short = synced;
			a->sync_rc = rc != 0 ? rc : CM_EAGAIN;
		}
	}
	pthread_cond_broadcast(&a->done);
	pthread_mutex_unlock(&a->mu);
}

/* Sleeps until there is work or a tick is over. */
static struct change *
next_work(struct agent *a, bool busy, uint64_t *sync)
{
	struct change	*list;
	struct timespec	 ts;

	pthread_mutex_lock(&a->mu);
	if (!busy && a->first == NULL && !a->want && !a->stop &&
	    a->sync_asked == a->sync_done) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_nsec += TICK_MS * 1000000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_sec++;
			ts.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&a->work, &a->mu, &ts);
	}
	list = a->first;
	a->first = a->last = NULL;
	a->want = false;
	*sync = a->sync_asked;
	pthread_mutex_unlock(&a->mu);
	return list;
}

static void
sweep(struct agent *a)
{
	for (size_t i = 0; i < a->nvols; i++) {
		a->src[i].low = 0;
		a->vols[i].done = (struct vol_end){ 0, 0 };
	}
	a->gaps = true;
	a->swept_ms = time_mono_ms();
}

/* A follower's tables are changed by its leader alone. */
static void
follow(struct agent *a, struct change *list, uint64_t sync)
{
	enum catdb_state	 state;

	if (catdb_state(&a->db, NULL, &state) == 0)
		a->state = state;
	pthread_mutex_unlock(&a->writing);
	/* of these nothing was done: the leader can be asked */
	settle(a, list, sync, CM_ESTALE);
}

/* One turn; more is kept over turns. */
static void
turn(struct agent *a, struct change *list, uint64_t sync, bool *more)
{
	bool	 news;
	int	 rc = 0;

	pthread_mutex_lock(&a->writing);
	look_at_conf(a);
	if (a->new_role) {
		agent_take_role(a);
		a->new_role = false;
	}
	if (!agent_leads(a)) {
		*more = false;
		follow(a, list, sync);
		return;
	}
	if (!*more && sync > a->swept_for) {
		sweep(a);
		a->swept_for = sync;
	} else if (time_mono_ms() - a->swept_ms > SWEEP_MS) {
		sweep(a);
	}
	news = look_at_volumes(a);
	if (list != NULL || news || *more || a->purging || a->gaps) {
		for (int i = 0; i < TRIES; i++) {
			if ((rc = do_batch(a, list, more)) != CM_EAGAIN)
				break;
			if (!agent_leads(a))
				break;
			if (i > 2)
				time_sleep_ms(1);
		}
		if (rc != 0 && rc != CM_EAWAY)
			log_fail(a->log, rc, "a batch was not written");
	}
	if (rc == 0 && !*more)
		finish_building(a);
	pthread_mutex_unlock(&a->writing);
	/* a sync is done when a pass that began after it came to its end; when
	 * the lead is lost, the next turn says so */
	settle(a, list, *more || rc == CM_EAWAY ? 0 : a->swept_for, rc);
	if (rc == CM_EAWAY)
		time_sleep_ms(TICK_MS);
	if (rc == CM_ECORRUPT || rc == CM_EIO) {
		/* the store is not usable: the next agent recovers it */
		pthread_mutex_lock(&a->mu);
		a->stop = true;
		pthread_cond_broadcast(&a->done);
		pthread_mutex_unlock(&a->mu);
	}
}

/* Now and then, for a time when this catalog cannot be asked. */
static void
remember(struct agent *a)
{
	int64_t	 now = time_mono_ms();
	int	 rc;

	if (a->state != CATDB_OK || (a->known_ms != 0 &&
	    now - a->known_ms < KNOWN_MS))
		return;
	a->known_ms = now;
	pthread_rwlock_rdlock(&a->gate);
	rc = known_remember(a->log, a->conf, &a->db, &a->known_sum);
	pthread_rwlock_unlock(&a->gate);
	if (rc != 0)
		log_fail(a->log, rc, "accounts.last");
}

void *
agent_writer(void *arg)
{
	struct agent	*a = arg;
	struct change	*list;
	uint64_t	 sync;
	bool		 more = false;

	pthread_mutex_lock(&a->writing);
	a->purging = a->gaps = true;
	if (a->vols == NULL && list_volumes(a) != 0)
		a->stop = true;
	pthread_mutex_unlock(&a->writing);
	for (;;) {
		list = next_work(a, more, &sync);
		if (a->stop && list == NULL)
			break;
		turn(a, list, sync, &more);
		if (!more && list == NULL)
			remember(a);
	}
	close_volumes(a);
	return NULL;
}
