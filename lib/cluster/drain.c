/* cm-rebuild drain: is a node needed any more? */
#include "cluster/drain.h"

#include <string.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/peer.h"
#include "cluster/rebuild.h"

#define LINES_MAX	(4u << 20)
#define LOOK_MS		5000		/* for a shipper to bring the end */
#define NAP_MS		100

struct look {
	const struct log *log;
	const struct conf *conf;
	const char	*node;		/* that is to leave */
	struct buf	*lines;
};

size_t
drain_stay(const struct conf *conf)
{
	size_t	 n = 0;

	for (size_t i = 0; i < conf->nnodes; i++)
		n += !conf->nodes[i].drain;
	return n;
}

size_t
drain_need(const struct conf *conf, const struct conf_volume *cv)
{
	size_t	 n = cv->places > 0 ? cv->places : cv->ncopies + 1;
	size_t	 stay = drain_stay(conf);

	return n < stay ? n : stay;
}

/* Through its cm-stored, this node's too: so that all are asked alike. */
static int
ask(const struct look *k, const char *node, const struct conf_volume *cv,
    int index, struct peer_volume *pv)
{
	struct peer	*p;
	int		 rc;

	memset(pv, 0, sizeof(*pv));
	if ((rc = peer_open(k->log, k->conf, node, &p)) != 0) {
		buf_addf(k->lines, "volume %s: node %s cannot be asked\n",
		    cv->name, node);
		return rc;
	}
	rc = peer_volume(p, cv->name, index, pv);
	if (rc != 0 && (index >= 0 || rc != CM_EEPOCH))
		buf_addf(k->lines, "volume %s: node %s cannot be asked: %s\n",
		    cv->name, node, peer_text(p));
	peer_close(p);
	return rc;
}

static uint32_t
end_of(const struct peer_volume *pv, uint32_t segment)
{
	for (size_t i = 0; i < pv->nseg; i++)
		if (pv->seg[i].segment == segment)
			return pv->seg[i].end;
	return 0;
}

/* Bytes of one that the other has not. */
static uint64_t
lacks(const struct peer_volume *all, const struct peer_volume *some)
{
	uint64_t	 n = 0;
	uint32_t	 end;

	for (size_t i = 0; i < all->nseg; i++) {
		end = end_of(some, all->seg[i].segment);
		if (all->seg[i].end > end)
			n += all->seg[i].end - end;
	}
	return n;
}

/* What the leaving node has must be at the home: it is asked first. */
static int
look_at_home(const struct look *k, const struct conf_volume *cv,
    struct peer_volume *home)
{
	struct peer_volume	 old;
	uint64_t		 n, most = 0;
	int			 rc = 0, one;

	for (size_t i = 0; i < cv->ncopies; i++) {
		if (strcmp(cv->copies[i].node, k->node) != 0)
			continue;
		if ((rc = ask(k, k->node, cv, (int)i, &old)) != 0)
			return rc;
		peer_volume_free(home);
		one = ask(k, cv->home, cv, -1, home);
		n = one == 0 ? lacks(&old, home) : 0;
		peer_volume_free(&old);
		if (one != 0)
			return one;
		if (n > most)
			most = n;
	}
	if (most > 0)
		buf_addf(k->lines, "volume %s: its home lacks %llu bytes that "
		    "%s has: on %s: cm-rebuild volume %s\n", cv->name,
		    (unsigned long long)most, k->node, cv->home, cv->name);
	return rc;
}

static int
look_at_copy(const struct look *k, const struct conf_volume *cv, size_t i,
    const struct peer_volume *home)
{
	struct peer_volume	 pv;
	int64_t			 until = time_mono_ms() + LOOK_MS;
	uint64_t		 n;
	int			 rc;

	for (;;) {
		if ((rc = ask(k, cv->copies[i].node, cv, (int)i, &pv)) != 0)
			return rc;
		n = lacks(home, &pv);
		peer_volume_free(&pv);
		if (n == 0 || time_mono_ms() > until)
			break;
		time_sleep_ms(NAP_MS);
	}
	if (n > 0)
		buf_addf(k->lines, "volume %s: the copy on %s lacks %llu bytes"
		    ": on %s: cm-rebuild copy %s %s\n", cv->name,
		    cv->copies[i].node, (unsigned long long)n,
		    cv->copies[i].node, cv->name, cv->copies[i].node);
	return 0;
}

static void
look_at(const struct look *k, const struct conf_volume *cv)
{
	struct peer_volume	 home = { .nseg = 0 };
	size_t			 have = !conf_drains(k->conf, cv->home);
	int			 rc;

	for (size_t i = 0; i < cv->ncopies; i++)
		have += !conf_drains(k->conf, cv->copies[i].node);
	if (strcmp(cv->home, k->node) == 0 ||
	    have < drain_need(k->conf, cv)) {
		buf_addf(k->lines, "volume %s: is to have another home or more"
		    " copies: cm-rebuild drain -p %s, and bring that file to "
		    "all nodes\n", cv->name, k->node);
		return;
	}
	rc = look_at_home(k, cv, &home);
	if (rc == CM_EEPOCH)
		buf_addf(k->lines, "volume %s: its home is not made yet: on "
		    "%s: cm-rebuild volume %s\n", cv->name, cv->home,
		    cv->name);
	for (size_t i = 0; rc == 0 && i < cv->ncopies; i++)
		if (!conf_drains(k->conf, cv->copies[i].node))
			rc = look_at_copy(k, cv, i, &home);
	peer_volume_free(&home);
}

int
drain_look(const struct log *log, const struct conf *conf, const char *node,
    struct buf *lines)
{
	struct look	 k = { log, conf, node, lines };

	for (size_t i = 0; i < conf->nvolumes; i++)
		if (conf_is_on(&conf->volumes[i], node))
			look_at(&k, &conf->volumes[i]);
	return lines->err;
}

static int
is_drained(const struct log *log, const struct conf *conf, const char *node)
{
	return conf_drains(conf, node) ? 0 : log_fail(log, CM_ECONF,
	    "node %s has no drain=\"yes\" in %s", node,
	    conf->file != NULL ? conf->file : "the embedded default");
}

int
drain_work(const struct log *log, const struct conf *conf, const char *node,
    uint64_t rate, int out)
{
	struct buf	 lines;
	int		 rc;

	if ((rc = is_drained(log, conf, node)) != 0)
		return rc;
	/* what fails is told of, and shows in the look */
	if (strcmp(node, conf->self) != 0 &&
	    rebuild_node(log, conf, node, rate) != 0)
		log_warn(log, "not all of node %s's own part could be done",
		    conf->self);
	buf_init(&lines, LINES_MAX);
	rc = drain_look(log, conf, node, &lines);
	if (rc == 0 && conf_names_catalog(conf, node))
		buf_addf(&lines, "the catalog needs %s: catalog= or witness= "
		    "in %s\n", node, conf->file);
	if (rc == 0 && lines.len == 0)
		buf_addf(&lines, "node %s can be taken out of cluster.xml\n",
		    node);
	else if (rc == 0)
		rc = CM_EAGAIN;
	if (lines.err == 0 && file_write(out, lines.p, lines.len) != 0)
		rc = log_errno(log, "output");
	buf_free(&lines);
	return rc;
}
