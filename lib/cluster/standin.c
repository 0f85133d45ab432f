#include "cluster/standin.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/peer.h"

#define LOOK_MS		1000	/* between two looks at the homes */
#define NAP_MS		100
#define ASK_MS		2000	/* for a node's answer, and to connect */
#define AGAIN_MS	30000	/* all is looked at again; after a failure */

/* A node with homes that have a copy here. */
struct home {
	const char	*node;
	struct peer	*peer;
	int64_t		 away_ms;	/* since then; 0: it answers */
};

/* A copy here of a volume whose home is elsewhere. */
struct mine {
	const struct conf_volume *cv;
	size_t		 index;		/* of the mirroring table */
	struct home	*home;
	struct vol_end	 done;		/* sent up to here */
	int64_t		 again_ms;	/* when done is forgotten */
	int64_t		 rest_ms;	/* not to be tried before */
	bool		 told;
};

struct standin {
	const struct log *log;
	struct confwatch *watch;
	struct push	 push;
	pthread_t	 thread;
	atomic_bool	 stop;
	const struct conf *conf;
	struct home	*homes;
	size_t		 nhomes;
	struct mine	*mine;
	size_t		 nmine;
};

static void
forget(struct standin *s)
{
	for (size_t i = 0; i < s->nhomes; i++)
		peer_close(s->homes[i].peer);
	free(s->homes);
	free(s->mine);
	s->homes = NULL;
	s->mine = NULL;
	s->nhomes = s->nmine = 0;
	if (s->conf != NULL)
		confwatch_put(s->watch, s->conf);
	s->conf = NULL;
}

static struct home *
home_of(struct standin *s, const char *node)
{
	for (size_t i = 0; i < s->nhomes; i++)
		if (strcmp(s->homes[i].node, node) == 0)
			return &s->homes[i];
	s->homes[s->nhomes].node = node;
	return &s->homes[s->nhomes++];
}

static void
list_copies(struct standin *s, const struct conf_volume *cv)
{
	for (size_t i = 0; i < cv->ncopies; i++)
		if (strcmp(cv->copies[i].node, s->conf->self) == 0)
			s->mine[s->nmine++] = (struct mine){ .cv = cv,
			    .index = i, .home = home_of(s, cv->home) };
}

/* The copies of the configuration as it is now. */
static int
list_all(struct standin *s)
{
	const struct conf	*conf = confwatch_get(s->watch);
	size_t			 n = 1;

	if (conf == s->conf) {
		confwatch_put(s->watch, conf);
		return 0;
	}
	forget(s);
	s->conf = conf;
	for (size_t i = 0; i < conf->nvolumes; i++)
		n += conf->volumes[i].ncopies;
	s->homes = calloc(conf->nnodes + 1, sizeof(*s->homes));
	s->mine = calloc(n, sizeof(*s->mine));
	if (s->homes == NULL || s->mine == NULL) {
		forget(s);
		return CM_ENOMEM;
	}
	for (size_t i = 0; i < conf->nvolumes; i++)
		if (!conf_is_home(conf, &conf->volumes[i]))
			list_copies(s, &conf->volumes[i]);
	return 0;
}

static void
look_at(struct standin *s, struct home *h)
{
	int	 rc;

	if (h->peer == NULL &&
	    peer_open(s->log, s->conf, h->node, &h->peer) != 0)
		return;
	rc = peer_ping(h->peer, ASK_MS);
	if (rc != CM_EAWAY && rc != CM_ETIMEOUT)
		h->away_ms = 0;
	else if (h->away_ms == 0)
		h->away_ms = time_mono_ms();
}

/*
 * Where the copy ends: in its last segment that has bytes.  All before is
 * synced, so nothing is passed over for what takes it back and is lost then.
 */
static int
copy_ends(struct standin *s, const char *dir, struct vol_end *end)
{
	struct stat	 st = { .st_size = 0 };
	uint32_t	*list;
	size_t		 n;
	int		 fd, rc;

	*end = (struct vol_end){ 0, 0 };
	if ((rc = seg_list(s->log, dir, &list, &n)) != 0)
		return rc;
	while (rc == 0 && n > 0 && st.st_size == 0) {
		if ((rc = seg_open(s->log, dir, list[--n], O_RDONLY,
		    &fd)) != 0)
			break;
		if (fstat(fd, &st) == -1 || fdatasync(fd) == -1)
			rc = log_errno(s->log, "%s: segment %08u", dir,
			    list[n]);
		else if (st.st_size > UINT32_MAX)
			rc = CM_ECORRUPT;
		*end = (struct vol_end){ list[n], (uint32_t)st.st_size };
		close(fd);
	}
	free(list);
	return rc;
}

/* Sends what the copy has beyond the cursors. */
static int
send_copy(struct standin *s, struct mine *m)
{
	const char		*dir = m->cv->copies[m->index].path;
	struct seg_meta		 meta;
	struct push_source	 src = { .dir = dir, .meta = &meta,
				    .copy = true, .from = m->done };
	int			 rc;

	if ((rc = seg_meta_read(s->log, dir, &meta)) != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	if (strcmp(meta.name, m->cv->name) != 0)
		return CM_ECONF;
	if ((rc = copy_ends(s, dir, &src.to)) != 0 ||
	    !vol_end_before(m->done, src.to))
		return rc;
	/* what the copy has got now may be from a home that is just back */
	look_at(s, m->home);
	if (m->home->away_ms == 0)
		return 0;
	if (!m->told)
		log_warn(s->log, "volume %s: node %s is away: what it has not "
		    "sent is listed from %s", m->cv->name, m->home->node, dir);
	m->told = true;
	if ((rc = push_log(&s->push, &src)) == 0)
		m->done = src.to;
	return rc;
}

/*
 * With "refuse" a copy may have what its home, cut off from here but alive, is
 * about to refuse and take back: who sends it again would have it twice.
 */
static bool
is_our_turn(const struct standin *s, const struct mine *m, int64_t now)
{
	return s->conf->on_short == CONF_DEGRADE && m->home->away_ms != 0 &&
	    now - m->home->away_ms >=
	    STANDIN_AWAY_MS * ((int64_t)m->index + 1);
}

static void
look_after(struct standin *s, struct mine *m)
{
	int64_t	 now = time_mono_ms();
	int	 rc;

	if (!is_our_turn(s, m, now)) {
		if (m->told)
			log_info(s->log, "volume %s: node %s is back",
			    m->cv->name, m->home->node);
		m->told = false;
		m->done = (struct vol_end){ 0, 0 };
		m->again_ms = m->rest_ms = 0;
		return;
	}
	if (now < m->rest_ms)
		return;
	/* the catalog may be an older one by now, a copy repaired */
	if (now >= m->again_ms) {
		m->done = (struct vol_end){ 0, 0 };
		m->again_ms = now + AGAIN_MS;
	}
	if ((rc = send_copy(s, m)) == 0)
		return;
	push_hang_up(&s->push);
	if (rc == CM_EAWAY || rc == CM_EAGAIN || rc == CM_ETIMEOUT ||
	    rc == CM_EEXIST)
		return;
	m->rest_ms = now + AGAIN_MS;
	log_fail(s->log, rc, "volume %s: listing it from %s", m->cv->name,
	    m->cv->copies[m->index].path);
}

static void *
standin_main(void *arg)
{
	struct standin	*s = arg;

	while (!s->stop) {
		if (list_all(s) == 0) {
			for (size_t i = 0; i < s->nhomes && !s->stop; i++)
				look_at(s, &s->homes[i]);
			for (size_t i = 0; i < s->nmine && !s->stop; i++)
				look_after(s, &s->mine[i]);
		}
		/* a connection would keep the agent from ending when idle */
		push_hang_up(&s->push);
		for (int i = 0; i < LOOK_MS / NAP_MS && !s->stop; i++)
			time_sleep_ms(NAP_MS);
	}
	forget(s);
	return NULL;
}

int
standin_start(const struct log *log, struct confwatch *watch,
    push_dial_fn dial, void *arg, struct standin **out)
{
	struct standin	*s;

	*out = NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return log_fail(log, CM_ENOMEM, "standing in");
	s->log = log;
	s->watch = watch;
	s->push = (struct push){ .log = log, .stop = &s->stop, .dial = dial,
	    .arg = arg };
	if (pthread_create(&s->thread, NULL, standin_main, s) != 0) {
		free(s);
		return log_fail(log, CM_EAGAIN, "standing in");
	}
	*out = s;
	return 0;
}

void
standin_stop(struct standin *s)
{
	if (s == NULL)
		return;
	s->stop = true;
	pthread_join(s->thread, NULL);
	free(s);
}
