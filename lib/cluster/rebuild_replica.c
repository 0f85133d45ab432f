/*
 * cm-rebuild catalog where several nodes keep it.  One that is lost on this
 * node comes from the leader, whole, by the store's own means: it only has to
 * be taken away, with what makes this node a voter.  When it is lost on all of
 * them the leader, whoever that is, makes it anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/progress.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/catdb.h"
#include "cluster/peer.h"
#include "cluster/rebuild_int.h"
#include "cluster/replica.h"

#define ASK_MS		3000	/* a node */
#define LEADER_MS	8000	/* for a leader to come */
#define LEAD_MS		60000	/* for another one to lead */
#define STOP_TRIES	20	/* of an agent that others start again */
#define STOP_MS		500
#define STUCK_MS	120000	/* nothing came for that long */
#define TICK_MS		200

/* What an agent says of the catalog. */
struct said {
	char		 leader[CONF_NAME_MAX + 1];	/* "", "-": none */
	char		 state[64];
	char		 role[32];			/* of this node */
	uint64_t	 bytes;
	const char	*self;
};

struct job {
	const struct log *log;
	const struct conf *conf;
	struct catalog	*cat;
	struct catalog	*quiet;		/* the same, to look with */
	bool		 taken;		/* it was set aside already */
};

static int
take_replica(struct said *s, struct span line)
{
	struct span	 name, role;

	if (!str_field(&line, '\t', &name) || line.p == NULL ||
	    !str_field(&line, '\t', &role) || !span_is(name, s->self))
		return 0;
	return str_ncopy(s->role, sizeof(s->role), role.p, role.len);
}

static int
take_line(void *arg, struct span line)
{
	struct said	*s = arg;
	struct span	 key;

	if (!str_field(&line, '\t', &key) || line.p == NULL)
		return 0;
	if (span_is(key, "leader"))
		return str_ncopy(s->leader, sizeof(s->leader), line.p,
		    line.len);
	if (span_is(key, "state"))
		return str_ncopy(s->state, sizeof(s->state), line.p,
		    line.len);
	if (span_is(key, "store"))
		return str_u64(line.p, line.len, UINT64_MAX, &s->bytes);
	return span_is(key, "replica") ? take_replica(s, line) : 0;
}

static int
read_answer(struct stream *in, struct said *s)
{
	struct span	 l;
	int		 rc;

	while ((rc = stream_line(in, &l)) == 0) {
		if (l.len > 0 && l.p[0] == '.')
			return l.len > 2 && memcmp(l.p, ".0\t", 3) == 0 ? 0 :
			    CM_EAWAY;
		if (l.len == 0 || l.p[0] != '=')
			return CM_EPROTO;
		l.p++;
		l.len--;
		if ((rc = take_line(s, l)) != 0)
			return rc;
	}
	return rc;
}

/* Another node's agent, and nobody behind it. */
static int
ask_node(const struct job *j, const char *node, struct said *s)
{
	struct stream	 in;
	int		 fd, rc;

	memset(s, 0, sizeof(*s));
	s->self = j->conf->self;
	if ((rc = peer_tunnel(NULL, j->conf, node, "/v1/catalog",
	    &fd)) != 0)
		return rc;
	stream_init(&in, fd, 1u << 20, ASK_MS);
	buf_adds(&in.out, "stat\n");
	if ((rc = stream_flush(&in, 1)) == 0)
		rc = read_answer(&in, s);
	stream_close(&in);
	return rc;
}

/* This node's own, which is started if need be. */
static int
ask_self(const struct job *j, struct said *s)
{
	const char	*words[] = { "stat", NULL };

	memset(s, 0, sizeof(*s));
	s->self = j->conf->self;
	return catalog_call(j->quiet, words, -1, CATALOG_CALL_MS, take_line,
	    s);
}

static bool
is_named(const struct said *s, const char *node)
{
	return strcmp(s->leader, node) == 0;
}

/* Another node that says of itself that it leads. */
static bool
find_other(const struct job *j, struct said *s)
{
	const struct conf	*c = j->conf;

	for (size_t i = 0; i < c->ncatalogs; i++)
		if (strcmp(c->catalogs[i], c->self) != 0 &&
		    ask_node(j, c->catalogs[i], s) == 0 &&
		    is_named(s, c->catalogs[i]))
			return true;
	memset(s, 0, sizeof(*s));
	return false;
}

/* Until another node leads. */
static bool
await_other(const struct job *j, int ms, struct said *s)
{
	int64_t	 end = time_mono_ms() + ms;

	while (!find_other(j, s)) {
		if (time_mono_ms() > end)
			return false;
		time_sleep_ms(TICK_MS);
	}
	return true;
}

static bool
is_whole(const struct said *s)
{
	return strcmp(s->state, "ok") == 0 ||
	    strcmp(s->state, "being built") == 0;
}

/* --- taking the catalog away --- */

static int
paths(const struct job *j, char dir[FILE_PATH_MAX], char lock[FILE_PATH_MAX],
    char aside[FILE_PATH_MAX])
{
	const char	*state = j->conf->node->state;

	if (str_fmt(dir, FILE_PATH_MAX, "%s/catalog", state) != 0 ||
	    str_fmt(lock, FILE_PATH_MAX, "%s/catalog.lock", state) != 0 ||
	    str_fmt(aside, FILE_PATH_MAX, "%s/catalog.bad.%lld", state,
	    (long long)time_now_ms()) != 0)
		return log_fail(j->log, CM_ETOOBIG, "%s", state);
	return 0;
}

/*
 * Nobody has the store open, and nobody opens it while *fd is: an agent that
 * somebody starts meanwhile waits for this lock before it looks.
 */
static int
hold_store(const struct job *j, const char *path, int *fd)
{
	int	 rc = CM_ELOCK;

	if ((*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return log_errno(j->log, "%s", path);
	for (int i = 0; i < STOP_TRIES && rc == CM_ELOCK; i++) {
		/* one that is broken may end by itself, too */
		if ((rc = catalog_stop(j->cat)) != 0)
			log_debug(j->log, "stop: %s", cm_strerror(rc));
		rc = lock_file(*fd, LOCK_EX, STOP_MS);
	}
	if (rc != 0) {
		close(*fd);
		*fd = -1;
		return log_fail(j->log, rc, "%s: the agent does not end",
		    path);
	}
	return 0;
}

/* First this node is no voter any more, then its catalog goes. */
static int
move_aside(const struct job *j, const char *dir, const char *aside)
{
	int	 rc;

	if ((rc = replica_forget(j->log, dir)) != 0)
		return rc;
	if (rename(dir, aside) == -1 && errno != ENOENT)
		return log_errno(j->log, "%s", dir);
	if (file_exists(aside))
		log_info(j->log, "the catalog that was here is in %s", aside);
	return file_mkdirs(j->log, dir, 0700);
}

static int
set_aside(struct job *j)
{
	char	 dir[FILE_PATH_MAX], lock[FILE_PATH_MAX];
	char	 aside[FILE_PATH_MAX];
	int	 fd, rc;

	if (j->taken)
		return 0;
	if ((rc = paths(j, dir, lock, aside)) != 0 ||
	    (rc = hold_store(j, lock, &fd)) != 0)
		return rc;
	rc = move_aside(j, dir, aside);
	j->taken = rc == 0;
	close(fd);
	return rc;
}

/* --- and in again --- */

static int
come_in(struct job *j, const struct said *leader)
{
	char		 dir[FILE_PATH_MAX], lock[FILE_PATH_MAX];
	char		 aside[FILE_PATH_MAX];
	struct progress	 p;
	struct said	 s;
	uint64_t	 had = 0, now;
	int64_t		 moved = time_mono_ms();
	int		 rc;

	if ((rc = set_aside(j)) != 0 ||
	    (rc = paths(j, dir, lock, aside)) != 0)
		return rc;
	progress_start(&p, "coming in", leader->bytes, true);
	for (;;) {
		rc = ask_self(j, &s);
		if (rc == 0 && is_whole(&s) && (strcmp(s.role, "follower") ==
		    0 || strcmp(s.role, "leader") == 0))
			break;
		now = catdb_bytes(dir);
		if (now > had) {
			progress_add(&p, now - had);
			moved = time_mono_ms();
			had = now;
		}
		if (time_mono_ms() - moved > STUCK_MS) {
			rc = log_fail(j->log, CM_ETIMEOUT, "the catalog does "
			    "not come in; see %s/run/catalog.log",
			    j->conf->node->state);
			break;
		}
		rc = 0;
		time_sleep_ms(TICK_MS);
	}
	progress_end(&p);
	if (rc == 0)
		log_info(j->log, "the catalog came in from node %s: %llu "
		    "bytes", leader->leader,
		    (unsigned long long)catdb_bytes(dir));
	return rc;
}

/* This node leads, and another one is to. */
static int
give_lead(const struct job *j, struct said *s)
{
	const char	*words[] = { "lead", NULL, NULL };
	const struct conf *c = j->conf;
	int		 rc = CM_EAWAY;

	for (size_t i = 0; rc != 0 && i < c->ncatalogs; i++) {
		if (strcmp(c->catalogs[i], c->self) == 0)
			continue;
		words[1] = c->catalogs[i];
		rc = catalog_call(j->cat, words, -1, LEAD_MS, NULL, NULL);
	}
	if (rc != 0)
		return log_fail(j->log, rc, "this node leads the catalog, "
		    "and no other one can: nothing was changed");
	return await_other(j, LEADER_MS, s) ? 0 :
	    log_fail(j->log, CM_EAWAY, "no other node leads");
}

/* --- nobody leads --- */

static void
no_send(void *arg, int node, struct span control, struct span rec)
{
	(void)arg;
	(void)node;
	(void)control;
	(void)rec;
}

static void
no_event(void *arg, enum kv_rep_event event, int node)
{
	(void)arg;
	(void)event;
	(void)node;
}

static int
no_commit(void *arg)
{
	(void)arg;
	return CM_EAWAY;
}

/* Can the store be opened?  In a child: it may crash. */
static int
try_store(void *arg)
{
	const struct kv_rep	 rep = { NULL, no_send, no_event, no_commit,
				    1000 };
	const struct job	*j = arg;
	char			 dir[FILE_PATH_MAX], lock[FILE_PATH_MAX];
	char			 aside[FILE_PATH_MAX];
	struct catdb		 db;
	int			 fd, rc;

	if ((rc = paths(j, dir, lock, aside)) != 0 ||
	    (rc = hold_store(j, lock, &fd)) != 0)
		return rc;
	/* it recovers the store, as the next agent would */
	if (file_exists(dir) && (rc = catdb_open_rep(j->log, dir, &rep,
	    &db)) == 0)
		catdb_close(&db);
	close(fd);
	return rc;
}

/* Only a store that is corrupt makes way while nobody is there to give
 * another one: it may have what no other has. */
static int
look_alone(struct job *j)
{
	const char	*words[] = { "ping", NULL };
	int		 rc;

	/* it has the store open; without a leader it may tell no more */
	if (catalog_call(j->quiet, words, -1, CATALOG_CALL_MS, NULL,
	    NULL) == 0)
		return 0;
	if ((rc = rebuild_can_write(j->log, j->conf)) != 0)
		return rc;
	rc = spawn_call(j->log, try_store, j);
	if (rc == CM_ECORRUPT)
		return set_aside(j);
	return log_fail(j->log, rc != 0 ? rc : CM_EAWAY, "the catalog can be "
	    "used, but its agent does not answer; see %s/run/catalog.log",
	    j->conf->node->state);
}

/* Until anybody leads, this node too. */
static int
await_any(const struct job *j, struct said *s)
{
	int64_t	 end = time_mono_ms() + LEADER_MS;

	for (;;) {
		if (find_other(j, s))
			return 0;
		if (ask_self(j, s) == 0 && is_named(s, j->conf->self))
			return 0;
		if (time_mono_ms() > end)
			return log_fail(j->log, CM_EAWAY, "no node leads the "
			    "catalog; when it is lost on all nodes, all of "
			    "them (catalog= in cluster.xml) must be there, "
			    "and a damaged one is taken away by cm-rebuild "
			    "catalog on its node");
		time_sleep_ms(TICK_MS);
	}
}

/* The leader makes it anew, and all nodes have it. */
static int
make_anew(struct job *j, const struct said *s, const char *dump, bool scratch)
{
	/* what nobody asked for must not come of a second command */
	if (dump == NULL && !scratch && strcmp(s->state, "missing") == 0)
		return log_fail(j->log, CM_ENOINPUT, "the catalog is lost on "
		    "all nodes: a dump is needed (or -f, for the volumes "
		    "alone)");
	return rebuild_call(j->log, j->cat, dump, scratch,
	    dump != NULL && !scratch);
}

/* From another node that leads, when there is one; CM_EAWAY: there is none. */
static int
from_other(struct job *j)
{
	struct said	 s, self;

	if (!find_other(j, &s)) {
		if (ask_self(j, &self) == 0 &&
		    is_named(&self, j->conf->self))
			return CM_EAWAY;
		/* who led may have been this one, before it broke */
		if (!await_other(j, LEADER_MS, &s))
			return CM_EAWAY;
	}
	return is_whole(&s) ? come_in(j, &s) : CM_EAWAY;
}

static int
from_any(struct job *j, const char *dump, bool scratch)
{
	struct said	 s;
	bool		 own = dump == NULL && !scratch;
	int		 rc;

	if (own && (rc = from_other(j)) != CM_EAWAY)
		return rc;
	if ((rc = look_alone(j)) != 0 || (rc = await_any(j, &s)) != 0)
		return rc;
	if (!own || !is_whole(&s))
		return make_anew(j, &s, dump, scratch);
	if (is_named(&s, j->conf->self) && (rc = give_lead(j, &s)) != 0)
		return rc;
	return come_in(j, &s);
}

int
rebuild_replica(const struct log *log, const struct conf *conf,
    struct catalog *cat, const char *dump, bool scratch)
{
	struct job	 j = { .log = log, .conf = conf, .cat = cat };
	int		 rc;

	if (dump != NULL && access(dump, R_OK) == -1)
		return log_errno(log, "%s", dump);
	if (!conf_has_catalog(conf))
		return dump == NULL && !scratch ? log_fail(log, CM_ECONF,
		    "node %s keeps no catalog (catalog= in cluster.xml)",
		    conf->self) : rebuild_call(log, cat, dump, scratch,
		    !scratch);
	if ((rc = catalog_open(NULL, conf, conf->file, conf->self,
	    &j.quiet)) != 0)
		return log_fail(log, rc, "catalog");
	rc = from_any(&j, dump, scratch);
	catalog_close(j.quiet);
	return rc;
}
