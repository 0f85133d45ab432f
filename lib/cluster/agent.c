#include "cluster/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/time.h"
#include "cluster/account.h"
#include "cluster/agent_int.h"
#include "cluster/relay.h"
#include "cluster/relay_int.h"
#include "cluster/service.h"
#include "cluster/standin.h"

#define POLL_MS		200
#define OWN_MS		4000	/* an agent that lost run/ sees it by then */
#define CHECKPOINT_MS	2000
#define STACK		(256u << 10)
#define NOTES_MAX	(64u << 20)	/* bytes of a batch */

static void *
guest_main(void *arg)
{
	struct agent_guest	*g = arg;
	struct agent		*a = g->agent;

	agent_session(g);
	pthread_mutex_lock(&a->mu);
	g->agent = NULL;
	a->clients--;
	a->idle_since = time_mono_ms();
	pthread_cond_broadcast(&a->done);
	pthread_mutex_unlock(&a->mu);
	return NULL;
}

/* Who has been silent for the longest makes room.  a->mu is held. */
static void
show_out(struct agent *a)
{
	struct agent_guest	*g, *first = NULL;
	struct timespec		 ts;

	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
		g = &a->guests[i];
		if (g->agent != NULL && g->fd != -1 && g->waits_since != 0 &&
		    (first == NULL || g->waits_since < first->waits_since))
			first = g;
	}
	if (first != NULL)
		shutdown(first->fd, SHUT_RDWR);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += POLL_MS * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&a->done, &a->mu, &ts);
}

static void
admit(struct agent *a, int fd, const pthread_attr_t *attr)
{
	struct agent_guest	*g = NULL;
	pthread_t		 t;

	pthread_mutex_lock(&a->mu);
	while (a->clients >= AGENT_CLIENTS_MAX && !a->stop)
		show_out(a);
	for (size_t i = 0; i < AGENT_CLIENTS_MAX && g == NULL; i++)
		if (a->guests[i].agent == NULL)
			g = &a->guests[i];
	if (g != NULL && !a->stop) {
		g->agent = a;
		g->fd = fd;
		g->waits_since = time_mono_ms();
		a->clients++;
		if (pthread_create(&t, attr, guest_main, g) == 0)
			fd = -1;
		else {
			g->agent = NULL;
			a->clients--;
		}
	}
	pthread_mutex_unlock(&a->mu);
	if (fd != -1)
		close(fd);
}

static bool
is_idle(struct agent *a, int idle_s)
{
	bool	 idle;

	pthread_mutex_lock(&a->mu);
	/* others count on this one */
	idle = idle_s > 0 && a->replica == NULL && a->clients == 0 &&
	    a->first == NULL &&
	    time_mono_ms() - a->idle_since > (int64_t)idle_s * 1000;
	pthread_mutex_unlock(&a->mu);
	return idle;
}

/* Is cluster.xml still such that this agent is the one that is needed? */
static bool
is_needed(struct agent *a)
{
	const struct conf	*conf = a->conf;

	return conf_has_catalog(conf) &&
	    (conf->ncatalogs > 1) == (a->replica != NULL);
}

static void
accept_loop(struct agent *a, const struct service *s, int lock, int lfd,
    int idle_s)
{
	struct pollfd	 p = { .fd = lfd, .events = POLLIN };
	pthread_attr_t	 attr;
	bool		 leaving = false;
	int		 fd;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	while (!a->stop && (leaving || (service_is_current(s, lock) &&
	    is_needed(a)))) {
		if (poll(&p, 1, leaving ? 0 : POLL_MS) == 1 &&
		    (fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC)) != -1) {
			admit(a, fd, &attr);
			continue;
		}
		/* nobody finds the way here any more: look once again */
		if (leaving)
			break;
		if (is_idle(a, idle_s)) {
			service_unlisten(s, lock);
			leaving = true;
		}
	}
	pthread_attr_destroy(&attr);
}

static void *
checkpointer(void *arg)
{
	struct agent	*a = arg;
	int		 rc;

	while (!a->stop) {
		time_sleep_ms(POLL_MS);
		if (time_mono_ms() / POLL_MS % (CHECKPOINT_MS / POLL_MS) != 0)
			continue;
		/* a follower that is being synchronized has nothing to write */
		rc = kv_checkpoint(a->db.env, false);
		if (rc != 0 && rc != CM_EAWAY)
			log_fail(a->log, rc, "checkpoint");
	}
	return NULL;
}

static bool
has_bytes(const struct log *log, const char *dir)
{
	uint32_t	*list = NULL, size;
	size_t		 n = 0;
	bool		 some = false;

	if (seg_list(log, dir, &list, &n) != 0)
		return false;
	for (size_t i = 0; i < n && !some; i++)
		some = seg_size(log, dir, list[i], &size) == 0 && size > 0;
	free(list);
	return some;
}

/* Does this node hold mail, in a volume or a copy? */
static bool
has_mail(const struct log *log, const struct conf *conf)
{
	for (size_t i = 0; i < conf->nvolumes; i++) {
		const struct conf_volume *v = &conf->volumes[i];

		if (conf_is_home(conf, v) && has_bytes(log, v->path))
			return true;
		for (size_t j = 0; j < v->ncopies; j++)
			if (strcmp(v->copies[j].node, conf->self) == 0 &&
			    has_bytes(log, v->copies[j].path))
				return true;
	}
	return false;
}

/* A catalog with nothing in it, but mail on the disks, was lost: say so, and
 * serve nothing but what brings it back. */
static int
first_state(struct agent *a)
{
	enum catdb_state state;
	struct kv_txn	*x;
	int		 rc;

	if ((rc = catdb_state(&a->db, NULL, &state)) != 0)
		return rc;
	a->state = state;
	if (state != CATDB_NEW)
		return 0;
	if (has_mail(a->log, a->conf)) {
		log_warn(a->log, "the catalog in %s is empty, but there is "
		    "mail: cm-rebuild catalog", a->dir);
		return 0;
	}
	if ((rc = kv_begin(a->db.env, &x)) != 0)
		return rc;
	if ((rc = catdb_set_state(&a->db, x, CATDB_OK)) != 0) {
		kv_abort(x);
		return rc;
	}
	a->state = CATDB_OK;
	return kv_commit(x);
}

bool
agent_leads(struct agent *a)
{
	return a->replica == NULL ||
	    replica_role(a->replica) == REPLICA_LEADER;
}

/* A change that changes nothing. */
static int
no_change(struct agent *a)
{
	struct kv_txn	*x;
	int		 rc;

	if ((rc = kv_begin(a->db.env, &x)) != 0)
		return rc;
	if ((rc = catdb_set_state(&a->db, x, a->state)) == 0)
		return kv_commit(x);
	kv_abort(x);
	return rc;
}

void
agent_take_role(struct agent *a)
{
	enum catdb_state	 state;
	int			 rc;

	if (!agent_leads(a)) {
		if (catdb_state(&a->db, NULL, &state) == 0)
			a->state = state;
		/* what it had not finished is done by now, or undone */
		if (replica_role(a->replica) == REPLICA_FOLLOWER)
			journal_done(a->journal);
		return;
	}
	if ((rc = first_state(a)) == 0 && a->replica != NULL &&
	    replica_wants_change(a->replica))
		rc = no_change(a);
	if (rc != 0)
		log_fail(a->log, rc, "catalog: its state");
	agent_forget(a);
}

static void
freeze(void *arg)
{
	struct agent	*a = arg;

	pthread_mutex_lock(&a->writing);
	a->new_role = true;
}

static void
thaw(void *arg)
{
	struct agent	*a = arg;

	pthread_mutex_unlock(&a->writing);
	agent_ask(a);
}

static void
on_role(void *arg)
{
	struct agent	*a = arg;

	a->new_role = true;
	agent_ask(a);
}

static void
on_broken(void *arg)
{
	struct agent	*a = arg;

	a->stop = true;
}

static int
on_alone(void *arg, uint64_t fork, bool first)
{
	struct agent	*a = arg;
	int		 rc;

	if ((rc = journal_alone(a->journal, fork)) == 0)
		atomic_store(&a->leaps, account_leap_of(fork, first));
	return rc;
}

static int
on_lost(void *arg, uint64_t lost, uint64_t against)
{
	return agent_merge_keep(arg, lost, against);
}

static uint32_t
changes(void *arg)
{
	struct agent	*a = arg;

	return journal_changes(a->journal);
}

/* The catalog of this node alone, or one of several. */
static int
open_store(struct agent *a)
{
	const struct conf	*conf = a->conf;
	struct relay		*r;
	int			 rc;

	if ((rc = journal_open(a->log, a->state_dir, &a->journal)) != 0)
		return rc;
	if (conf->ncatalogs == 1)
		return catdb_open(a->log, a->dir, &a->db);
	a->hooks = (struct replica_hooks){ a, freeze, thaw, on_role,
	    on_broken, on_alone, on_lost, changes };
	if ((rc = relay_new(a->log, a->file, a->node, &r)) != 0 ||
	    (rc = replica_open(a->log, a->file, a->node, a->dir, &a->hooks,
	    &a->db, &a->replica)) != 0)
		return rc;
	r->replica = a->replica;
	a->relay = r;
	return 0;
}

static int
agent_init(struct agent *a)
{
	pthread_condattr_t	 ca;
	const char		*state;

	pthread_rwlock_init(&a->gate, NULL);
	pthread_mutex_init(&a->writing, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&a->work, &ca);
	pthread_cond_init(&a->done, &ca);
	pthread_condattr_destroy(&ca);
	a->started_ms = a->idle_since = time_mono_ms();
	state = atomic_load(&a->conf)->node->state;
	if (str_copy(a->state_dir, sizeof(a->state_dir), state) != 0 ||
	    str_fmt(a->dir, sizeof(a->dir), "%s/catalog", state) != 0 ||
	    str_fmt(a->run, sizeof(a->run), "%s/run", state) != 0)
		return CM_ETOOBIG;
	return 0;
}

/*
 * The lock in run/ goes when somebody clears that folder; two agents in one
 * environment would destroy it.  Held until the process ends.
 */
static int
own_store(struct agent *a)
{
	char	 path[FILE_PATH_MAX];
	int	 fd, rc;

	/* not in it: the store's own files alone are there */
	if (str_fmt(path, sizeof(path), "%s.lock", a->dir) != 0)
		return log_fail(a->log, CM_ETOOBIG, "%s", a->dir);
	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return log_errno(a->log, "%s", path);
	if ((rc = lock_file(fd, LOCK_EX, OWN_MS)) != 0) {
		close(fd);
		return log_fail(a->log, rc, "%s: another agent has it", path);
	}
	return 0;
}

static int
run(struct agent *a, struct service *s, int lock, int lfd, int idle_s)
{
	pthread_t	 writer, cp, pusher, merger;
	int		 rc;

	if ((rc = file_mkdirs(a->log, a->dir, 0700)) != 0 ||
	    (rc = own_store(a)) != 0 || (rc = open_store(a)) != 0)
		return rc;
	buf_init(&a->notes, NOTES_MAX);
	a->db.notes = &a->notes;
	a->db.leaps = &a->leaps;
	if (a->replica == NULL && (rc = first_state(a)) != 0)
		goto out;
	rc = CM_EAGAIN;
	if (a->relay != NULL && agent_merge_start(a, s, &merger) != 0)
		goto out;
	if (a->relay != NULL &&
	    pthread_create(&pusher, NULL, relay_pusher, a->relay) != 0)
		goto out;
	if (pthread_create(&writer, NULL, agent_writer, a) != 0)
		goto out;
	if (pthread_create(&cp, NULL, checkpointer, a) == 0) {
		rc = 0;
		accept_loop(a, s, lock, lfd, idle_s);
	}
	pthread_mutex_lock(&a->mu);
	a->stop = true;
	pthread_cond_broadcast(&a->work);
	pthread_cond_broadcast(&a->done);
	pthread_mutex_unlock(&a->mu);
	replica_stop(a->replica);
	if (a->relay != NULL) {
		a->relay->stop = true;
		pthread_join(pusher, NULL);
		pthread_join(merger, NULL);
	}
	pthread_join(writer, NULL);
	if (rc == 0)
		pthread_join(cp, NULL);
	/* its threads for other nodes' frames end with the process */
	if (a->replica != NULL)
		return rc;
	/* sessions end at their next request; a stuck one is not waited for */
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&a->mu);
		bool none = a->clients == 0;
		pthread_mutex_unlock(&a->mu);
		if (none)
			goto out;
		time_sleep_ms(50);
	}
	return rc;	/* the next agent recovers the store */
out:
	catdb_close(&a->db);
	journal_close(a->journal);
	buf_free(&a->notes);
	return rc;
}

/* A session that is stuck may hold it still: the process ends with it. */
static void
agent_free(struct agent *a)
{
	bool	 none;

	pthread_mutex_lock(&a->mu);
	none = a->clients == 0;
	pthread_mutex_unlock(&a->mu);
	if (!none)
		return;
	for (size_t i = 0; i < a->nold; i++)
		conf_free(a->old[i]);
	conf_free(a->conf);
	free(a);
}

static int
dial_self(void *service, int *fd)
{
	return service_find(service, fd);
}

/* For the copies that lie here, as a client of our own. */
static int
stand_in(struct agent *a, struct service *s, struct confwatch **watch,
    struct standin **in)
{
	int	 rc;

	if ((rc = confwatch_open(a->log, a->file, a->node, watch)) != 0)
		return rc;
	return standin_start(a->log, *watch, dial_self, s, in);
}

int
agent_serve(const struct log *log, const char *file, const char *node,
    int idle_s)
{
	struct service	 s;
	struct confwatch *watch = NULL;
	struct standin	*in = NULL;
	struct agent	*a;
	struct conf	*conf;
	int		 lock = -1, lfd = -1, rc;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return log_fail(log, CM_ENOMEM, "agent");
	a->log = log;
	a->file = file;
	a->node = node;
	pthread_mutex_init(&a->mu, NULL);
	if ((rc = conf_load(log, file, node, &conf)) != 0)
		goto out;
	a->conf = conf;
	if (!conf_has_catalog(conf)) {
		rc = relay_serve(log, file, node, idle_s);
		goto out;
	}
	if ((rc = agent_init(a)) != 0 ||
	    (rc = service_init(&s, log, conf, NULL, NULL, "catalog",
	    "cm-catalog")) != 0)
		goto out;
	if ((rc = service_listen(&s, &lock, &lfd)) != 0) {
		if (rc == CM_EEXIST)
			rc = 0;		/* it is being served */
		goto out;
	}
	if ((rc = stand_in(a, &s, &watch, &in)) == 0)
		rc = run(a, &s, lock, lfd, idle_s);
	/* whoever waits to be let in, and be it ourselves, is let down */
	close(lfd);
	service_unlisten(&s, lock);
	standin_stop(in);
	confwatch_close(watch);
out:
	if (lock != -1)
		close(lock);
	agent_free(a);
	return rc;
}
