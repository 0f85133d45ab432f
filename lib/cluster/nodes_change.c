/* What changes of the nodes, and putting it in place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "cluster/nodes_int.h"

#define LOCK_MS		10000

int
nodes_lock(const struct log *log, const struct conf *c, struct nodes *ns,
    int *lock)
{
	char	 dir[FILE_PATH_MAX], path[FILE_PATH_MAX];
	int	 rc;

	*lock = -1;
	if ((rc = str_fmt(dir, sizeof(dir), "%s/run", c->node->state)) != 0 ||
	    (rc = str_fmt(path, sizeof(path), "%s/nodes-change", dir)) != 0)
		return log_fail(log, rc, "%s", c->node->state);
	if ((rc = file_mkdirs(log, dir, 0700)) != 0)
		return rc;
	if ((*lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return log_errno(log, "%s", path);
	if ((rc = lock_file(*lock, LOCK_EX, LOCK_MS)) != 0)
		log_fail(log, rc, "%s", path);
	else
		rc = nodes_load(log, c, ns);
	if (rc != 0) {
		close(*lock);
		*lock = -1;
	}
	return rc;
}

void
nodes_unlock(struct nodes *ns, int lock)
{
	nodes_free(ns);
	if (lock != -1)
		close(lock);
}

/* By rename, so that nobody reads half of it; who holds the lock is alone. */
static int
replace(const struct log *log, const char *path, const struct buf *b)
{
	char	 tmp[FILE_PATH_MAX];
	int	 fd, rc;

	if ((rc = str_fmt(tmp, sizeof(tmp), "%s.new", path)) != 0)
		return log_fail(log, rc, "%s", path);
	if ((fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0644)) == -1)
		return log_errno(log, "%s", tmp);
	if ((rc = file_write(fd, b->p, b->len)) != 0)
		log_errno(log, "%s", tmp);
	if (close(fd) == -1 && rc == 0)
		rc = log_errno(log, "%s", tmp);
	if (rc == 0 && rename(tmp, path) == -1)
		rc = log_errno(log, "%s", path);
	return rc;
}

int
nodes_write_polls(const struct log *log, const struct conf *c,
    const struct nodes *ns)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	int		 rc;

	if ((rc = nodes_polls_path(c, path)) != 0)
		return log_fail(log, rc, "%s", c->node->state);
	buf_init(&b, NODES_TEXT_MAX);
	buf_adds(&b, "");
	for (size_t i = 0; i < ns->n; i++)
		if (ns->node[i].asked_ms > 0)
			nodes_poll_write(&b, &ns->node[i]);
	rc = b.err != 0 ? log_fail(log, b.err, "%s", path) :
	    replace(log, path, &b);
	buf_free(&b);
	return rc;
}

int
nodes_write_sets(const struct log *log, const struct conf *c,
    const struct nodes *ns)
{
	char			 path[FILE_PATH_MAX];
	struct nodes_said	 s;
	struct buf		 b;
	int			 rc;

	if ((rc = nodes_sets_path(c, path)) != 0)
		return log_fail(log, rc, "%s", c->node->state);
	buf_init(&b, NODES_TEXT_MAX);
	buf_adds(&b, "");
	for (size_t i = 0; i < ns->n; i++) {
		s = nodes_said(&ns->node[i]);
		if (!nodes_said_any(&s))
			continue;
		nodes_said_write(&b, ns->node[i].conf->name, &s);
		buf_addc(&b, '\n');
	}
	rc = b.err != 0 ? log_fail(log, b.err, "%s", path) :
	    file_commit(log, path, b.p, b.len, 0644);
	buf_free(&b);
	return rc;
}

/* Counts up, and stays at the end. */
static void
more(unsigned *n)
{
	if (*n < UINT32_MAX)
		(*n)++;
}

bool
nodes_note(const struct conf *c, struct nodes_node *n, bool answered,
    int64_t now_ms)
{
	bool	 was = n->down;

	if (n->asked_ms == 0)
		n->since_ms = now_ms;
	n->asked_ms = now_ms;
	if (answered) {
		n->answered_ms = now_ms;
		n->misses = 0;
		more(&n->answers);
		if (n->answers >= c->dns.answers)
			n->down = false;
	} else {
		n->answers = 0;
		more(&n->misses);
		if (n->misses >= c->dns.misses)
			n->down = true;
	}
	if (n->down == was)
		return false;
	n->since_ms = now_ms;
	return true;
}

struct nodes_said
nodes_said(const struct nodes_node *n)
{
	return (struct nodes_said){ n->set, n->set_ms, n->pref, n->pref_ms };
}

bool
nodes_said_any(const struct nodes_said *s)
{
	return s->set_ms > 0 || s->pref_ms > 0;
}

bool
nodes_take(struct nodes_node *n, const struct nodes_said *s, int64_t now_ms)
{
	bool	 set, pref;

	set = s->set_ms > n->set_ms ||
	    (s->set_ms > 0 && s->set_ms == n->set_ms && s->set > n->set);
	pref = s->pref_ms > n->pref_ms ||
	    (s->pref_ms > 0 && s->pref_ms == n->pref_ms && s->pref > n->pref);
	if (pref) {
		n->pref = s->pref;
		n->pref_ms = s->pref_ms;
	}
	if (set) {
		n->set = s->set;
		n->set_ms = s->set_ms;
	}
	if (set && s->set == NODES_UP) {
		n->misses = 0;
		if (n->down)
			n->since_ms = now_ms;
		n->down = false;
	}
	return set || pref;
}
