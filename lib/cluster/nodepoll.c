#include "cluster/nodepoll.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "adapter/http.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/time.h"
#include "cluster/load.h"
#include "cluster/turns.h"

#define PATH	"/v1/load?brief"
#define FADE	64		/* a poll takes that part of a count */

/* One node, as long as the poll is open, and its answer. */
struct asked {
	struct http	*http;
	struct buf	 text;
	struct load	 load;		/* of an answer */
	bool		 answered;
};

struct nodepoll {
	const struct log *log;
	const struct conf *conf;
	struct http_group *group;
	struct http_one	*one;		/* of each of the conf's nodes */
	struct asked	*asked;
};

static int
open_node(struct nodepoll *p, size_t i)
{
	const struct conf_node	*n = &p->conf->nodes[i];
	const char		*tls = p->conf->node->tls;
	struct http_peer	 hp = { .name = n->name, .port = n->port,
				    .tls = tls, .address = n->address != NULL ?
				    n->address : n->name };
	int			 rc;

	/* quiet: a node that is away is no news each time */
	if ((rc = http_open(NULL, &hp, &p->asked[i].http)) != 0)
		return log_fail(p->log, rc, "node %s, with ca.pem, node.pem "
		    "and node.key in %s", n->name, tls);
	buf_init(&p->asked[i].text, LOAD_TEXT_MAX);
	return 0;
}

int
nodepoll_open(const struct log *log, const struct conf *conf,
    struct nodepoll **out)
{
	struct nodepoll	*p;
	int		 rc = 0;

	*out = NULL;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return log_fail(log, CM_ENOMEM, "poll");
	p->log = log;
	p->conf = conf;
	p->one = calloc(conf->nnodes + 1, sizeof(*p->one));
	p->asked = calloc(conf->nnodes + 1, sizeof(*p->asked));
	if (p->one == NULL || p->asked == NULL)
		rc = log_fail(log, CM_ENOMEM, "poll");
	if (rc == 0)
		rc = http_group_open(log, &p->group);
	for (size_t i = 0; rc == 0 && i < conf->nnodes; i++)
		rc = open_node(p, i);
	if (rc != 0)
		nodepoll_close(p);
	else
		*out = p;
	return rc;
}

void
nodepoll_close(struct nodepoll *p)
{
	if (p == NULL)
		return;
	http_group_close(p->group);
	for (size_t i = 0; p->asked != NULL && i < p->conf->nnodes; i++) {
		http_close(p->asked[i].http);
		buf_free(&p->asked[i].text);
	}
	free(p->one);
	free(p->asked);
	free(p);
}

static int
into_buf(void *arg, const char *s, size_t len)
{
	return buf_add(arg, s, len);
}

/* An answer counts when it is the load of the node that was asked. */
static bool
take_answer(struct asked *a, const struct http_one *o, const char *name)
{
	if (o->rc != 0 || o->status != 200 || a->text.len == 0 ||
	    load_parse(&a->load, (struct span){ a->text.p, a->text.len }) != 0)
		return false;
	if (strcmp(a->load.node, name) == 0)
		return true;
	load_free(&a->load);
	return false;
}

static int
ask_all(struct nodepoll *p, int ms)
{
	size_t	 n = p->conf->nnodes;
	int	 rc;

	for (size_t i = 0; i < n; i++) {
		struct asked *a = &p->asked[i];

		buf_reset(&a->text);
		p->one[i] = (struct http_one){ .http = a->http, .req = {
		    .method = "GET", .path = PATH, .timeout_ms = ms,
		    .fn = into_buf, .arg = &a->text } };
	}
	if ((rc = http_group_call(p->group, p->one, n, ms)) != 0)
		return log_fail(p->log, rc, "poll");
	for (size_t i = 0; i < n; i++)
		p->asked[i].answered = take_answer(&p->asked[i], &p->one[i],
		    p->conf->nodes[i].name);
	return 0;
}

static const char *
why(const struct nodepoll *p, size_t i)
{
	const char	*text = http_text(p->asked[i].http);

	if (p->one[i].rc == 0)
		return p->one[i].status == 200 ? "its answer is no load" :
		    "it does not tell";
	return text[0] != '\0' ? text : cm_strerror(p->one[i].rc);
}

static void
note(struct nodepoll *p, struct nodes_node *n, size_t i, int64_t now)
{
	const struct asked *a = &p->asked[i];

	if (a->answered) {
		n->load = load_percent(&a->load);
		n->free = a->load.space;
		n->sessions = load_clients(&a->load);
	}
	if (!nodes_note(p->conf, n, a->answered, now))
		return;
	if (n->down)
		log_warn(p->log, "node %s is down: %s", n->conf->name,
		    why(p, i));
	else
		log_info(p->log, "node %s is up", n->conf->name);
}

/* What is newer on the node that answered; true when anything was. */
static bool
take_sets(struct nodepoll *p, struct nodes *ns, size_t from, int64_t now)
{
	const struct load	*l = &p->asked[from].load;
	struct nodes_node	*n;
	bool			 any = false;

	for (size_t i = 0; i < l->nsets; i++) {
		const struct load_set *s = &l->set[i];

		if ((n = nodes_find(ns, s->node, strlen(s->node))) == NULL ||
		    !nodes_take(n, &s->said, now))
			continue;
		any = true;
		log_info(p->log, "node %s is set to %s, pref %u, as node %s "
		    "says", s->node, nodes_set_word(n->set),
		    n->pref, l->node);
	}
	return any;
}

/* As they are now: an admin may have set something while we asked. */
static int
keep_all(struct nodepoll *p)
{
	struct nodes	 ns;
	int64_t		 now = time_now_ms();
	bool		 any = false;
	int		 lock, rc;

	if ((rc = nodes_lock(p->log, p->conf, &ns, &lock)) != 0)
		return rc;
	for (size_t i = 0; i < ns.n; i++)
		note(p, &ns.node[i], i, now);
	for (size_t i = 0; i < ns.n; i++)
		if (p->asked[i].answered)
			any |= take_sets(p, &ns, i, now);
	if (any)
		rc = nodes_write_sets(p->log, p->conf, &ns);
	if (rc == 0)
		rc = nodes_write_polls(p->log, p->conf, &ns);
	nodes_unlock(&ns, lock);
	return rc;
}

/*
 * Counts of answers lose a part with each poll, so that the shares that
 * cm-route show tells are those of the last minutes.
 */
static void
fade(const struct nodepoll *p)
{
	char		 key[CONF_NAME_MAX + 16];
	struct turns	*t;
	_Atomic uint64_t *count;

	if (turns_open(p->log, p->conf, &t) != 0)
		return;
	for (size_t i = 0; i < p->conf->nnodes; i++) {
		if (str_fmt(key, sizeof(key), "answers %s",
		    p->conf->nodes[i].name) != 0)
			continue;
		count = turns_counter(t, key, strlen(key));
		atomic_fetch_sub(count, atomic_load(count) / FADE);
	}
	turns_close(t);
}

int
nodepoll_run(struct nodepoll *p, int ms)
{
	int	 rc;

	if ((rc = ask_all(p, ms)) == 0)
		rc = keep_all(p);
	fade(p);
	for (size_t i = 0; i < p->conf->nnodes; i++) {
		if (p->asked[i].answered)
			load_free(&p->asked[i].load);
		p->asked[i].answered = false;
	}
	return rc;
}

int
nodepoll_lock(const struct log *log, const struct conf *conf, int *lock)
{
	char	 dir[FILE_PATH_MAX], path[FILE_PATH_MAX];
	int	 rc;

	*lock = -1;
	if ((rc = str_fmt(dir, sizeof(dir), "%s/run",
	    conf->node->state)) != 0 ||
	    (rc = str_fmt(path, sizeof(path), "%s/nodes-poll", dir)) != 0)
		return log_fail(log, rc, "%s", conf->node->state);
	if ((rc = file_mkdirs(log, dir, 0700)) != 0)
		return rc;
	if ((*lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -1)
		return log_errno(log, "%s", path);
	if ((rc = lock_file(*lock, LOCK_EX, 0)) != 0) {
		close(*lock);
		*lock = -1;
		return rc == CM_ELOCK ? rc : log_fail(log, rc, "%s", path);
	}
	return 0;
}
