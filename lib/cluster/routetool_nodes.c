/* The nodes: asking them, setting them, and what is known of them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/nodepoll.h"
#include "cluster/nodes.h"
#include "cluster/routetool_int.h"
#include "cluster/turns.h"

#define TIME_SHOWN	19	/* of time_iso: up to the seconds */

static int
poll_again(struct nodepoll *np, const struct routetool_poll *p)
{
	int64_t	 begun = time_mono_ms(), next;
	int	 rc;

	for (unsigned i = 1;; i++) {
		rc = nodepoll_run(np, p->ms);
		if (rc != 0 || i >= p->count)
			return rc;
		next = begun + (int64_t)i * p->interval_ms;
		/* one that took longer is not made up for */
		if (next < time_mono_ms())
			begun += time_mono_ms() - next;
		else
			time_sleep_ms((int)(next - time_mono_ms()));
	}
}

int
routetool_poll(struct tool *t, const struct routetool_poll *p)
{
	struct nodepoll	*np = NULL;
	int		 lock, rc;

	rc = nodepoll_lock(&t->log, t->conf, &lock);
	if (rc == CM_ELOCK) {
		if (p->verbose)
			log_info(&t->log, "another poll runs");
		return 0;
	}
	if (rc != 0)
		return rc;
	if ((rc = nodepoll_open(&t->log, t->conf, &np)) == 0)
		rc = poll_again(np, p);
	nodepoll_close(np);
	close(lock);
	return rc;
}

/* Later than what is known, whatever the clocks are: so it counts. */
static int64_t
later(int64_t known_ms, int64_t now_ms)
{
	return now_ms > known_ms ? now_ms : known_ms + 1;
}

/* What the operands behind the node's name say. */
static int
apply(const struct nodes_node *n, int argc, char **argv, int64_t now,
    struct nodes_said *s)
{
	uint64_t	 v;

	*s = nodes_said(n);
	if (strcmp(argv[0], "pref") == 0) {
		if (argc != 2 || str_u64(argv[1], strlen(argv[1]),
		    NODES_PREF_MAX, &v) != 0)
			return CM_EUSAGE;
		s->pref = (unsigned)v;
		s->pref_ms = later(n->pref_ms, now);
		return 0;
	}
	s->set_ms = later(n->set_ms, now);
	return argc == 1 ? nodes_set_parse((struct span){ argv[0],
	    strlen(argv[0]) }, &s->set) : CM_EUSAGE;
}

static int
set(struct tool *t, struct nodes *ns, int argc, char **argv)
{
	struct nodes_node	*n;
	struct nodes_said	 s;
	int64_t			 now = time_now_ms();
	unsigned		 was;
	int			 rc;

	if ((n = nodes_find(ns, argv[0], strlen(argv[0]))) == NULL)
		return log_fail(&t->log, CM_ENOINPUT, "there is no node %s",
		    argv[0]);
	if (apply(n, argc - 1, argv + 1, now, &s) != 0)
		return CM_EUSAGE;
	was = n->misses;
	(void)nodes_take(n, &s, now);
	if ((rc = nodes_write_sets(&t->log, t->conf, ns)) == 0 &&
	    n->misses != was)
		rc = nodes_write_polls(&t->log, t->conf, ns);
	return rc;
}

int
routetool_set(struct tool *t, int argc, char **argv)
{
	struct nodes	 ns;
	int		 lock, rc;

	if ((rc = nodes_lock(&t->log, t->conf, &ns, &lock)) != 0)
		return rc;
	rc = set(t, &ns, argc, argv);
	nodes_unlock(&ns, lock);
	return rc;
}

/* --- the table */

/* Of answers in the DNS; NULL when there were none. */
static uint64_t *
count_answers(struct tool *t, uint64_t *all)
{
	const struct conf	*c = t->conf;
	char			 path[FILE_PATH_MAX], name[CONF_NAME_MAX + 16];
	struct turns		*turns;
	uint64_t		*n = NULL;

	*all = 0;
	/* looking makes no file */
	if (str_fmt(path, sizeof(path), "%s/run/" TURNS_FILE,
	    c->node->state) != 0 || !file_exists(path) ||
	    turns_open(&t->log, c, &turns) != 0)
		return NULL;
	if ((n = calloc(c->nnodes + 1, sizeof(*n))) != NULL)
		for (size_t i = 0; i < c->nnodes; i++) {
			if (str_fmt(name, sizeof(name), "answers %s",
			    c->nodes[i].name) == 0)
				n[i] = atomic_load(turns_counter(turns, name,
				    strlen(name)));
			*all += n[i];
		}
	turns_close(turns);
	return n;
}

static void
add_time(struct buf *b, int64_t ms)
{
	char	 text[TIME_ISO_SIZE];

	time_iso(text, ms);
	text[10] = ' ';
	buf_addf(b, " since %.*sZ", TIME_SHOWN, text);
}

static void
add_state(const struct conf *c, const struct nodes_node *n, struct buf *b)
{
	if (c->witness != NULL && strcmp(c->witness, n->conf->name) == 0)
		buf_adds(b, "witness, ");
	if (n->set == NODES_DOWN) {
		buf_adds(b, "set down");
		add_time(b, n->set_ms);
	} else if (n->set == NODES_DRAIN) {
		buf_adds(b, "drained");
		add_time(b, n->set_ms);
	} else if (n->conf->drain) {
		buf_adds(b, "drained");
	}
	if (nodes_is_drained(n) || n->set == NODES_DOWN) {
		buf_adds(b, n->down ? ", down" : "");
		return;
	}
	if (n->asked_ms == 0) {
		buf_adds(b, "never asked");
	} else if (n->down) {
		buf_adds(b, "down");
		add_time(b, n->since_ms);
	} else {
		buf_adds(b, n->load >= c->dns.overload ? "overloaded, up" :
		    "up");
		add_time(b, n->since_ms);
	}
}

static void
add_row(const struct nodes_node *n, struct buf *b)
{
	buf_addf(b, "%s\t", n->conf->name);
	if (n->answered_ms == 0) {
		buf_adds(b, "-\t-\t-\t");
	} else {
		buf_addf(b, "%.0f %%\t%llu\t", n->load,
		    (unsigned long long)n->sessions);
		routetool_space(b, n->free);
		buf_addc(b, '\t');
	}
	buf_addf(b, "%u\t%u\t", n->pref, n->conf->capacity);
}

int
routetool_loads(struct tool *t, struct buf *rows)
{
	struct nodes	 ns;
	uint64_t	*answers, all;
	int		 rc;

	if ((rc = nodes_load(&t->log, t->conf, &ns)) != 0)
		return rc;
	answers = count_answers(t, &all);
	buf_adds(rows, "node\tload\tsessions\tfree\tpref\tcapacity\tshare\t"
	    "state\n");
	for (size_t i = 0; i < ns.n; i++) {
		add_row(&ns.node[i], rows);
		if (answers != NULL && all > 0)
			buf_addf(rows, "%.1f %%\t", 100 * (double)answers[i] /
			    (double)all);
		else
			buf_adds(rows, "-\t");
		add_state(t->conf, &ns.node[i], rows);
		buf_addc(rows, '\n');
	}
	free(answers);
	nodes_free(&ns);
	return rows->err;
}
