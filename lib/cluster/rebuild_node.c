/* cm-rebuild node: all that a machine should have. */
#include <string.h>

#include "cluster/mirror.h"
#include "cluster/peer.h"
#include "cluster/rebuild.h"
#include "cluster/volume.h"

struct node {
	const struct log *log;
	const struct conf *conf;
	uint64_t	 rate;
	int		 last;		/* failure */
};

static void
note(struct node *n, int rc)
{
	if (rc != 0)
		n->last = rc;
}

/* Its shipper sends what the copies lack, those of this node as well. */
static int
ship(struct node *n, const struct conf_volume *cv)
{
	struct mirror	 m = { .log = n->log, .conf = n->conf,
			    .file = n->conf->file, .node = n->conf->self };
	struct peer	*p;
	int		 rc;

	if (conf_is_home(n->conf, cv))
		return mirror_start(&m, cv);
	if ((rc = peer_open(n->log, n->conf, cv->home, &p)) != 0)
		return rc;
	if ((rc = peer_post(p, "", 0, NULL, "/v1/ship/%s", cv->name)) != 0)
		log_fail(n->log, rc, "volume %s: its shipper on node %s: %s",
		    cv->name, cv->home, peer_text(p));
	peer_close(p);
	return rc;
}

/* A volume that nobody has anything of is a new one, and is made. */
static int
home(struct node *n, const struct conf_volume *cv)
{
	struct volume	*v;
	int		 rc;

	if (cv->ncopies > 0) {
		rc = rebuild_volume(n->log, n->conf, cv, n->rate);
		if (rc != CM_ENOINPUT)
			return rc;
	}
	if ((rc = vol_open(n->log, n->conf, cv, &v)) == 0)
		vol_close(v);
	return rc;
}

/* The copies of one volume that are to be here. */
static void
copies(struct node *n, const struct conf_volume *cv)
{
	bool	 any = false;
	int	 rc;

	for (size_t i = 0; i < cv->ncopies; i++) {
		if (strcmp(cv->copies[i].node, n->conf->self) != 0)
			continue;
		rc = rebuild_place(n->log, n->conf, cv, i, n->rate);
		if (rc == 0)
			log_info(n->log, "volume %s: the copy in %s has what "
			    "its home has", cv->name, cv->copies[i].path);
		note(n, rc);
		any |= rc == 0;
	}
	/* who sends has to know where to go on */
	if (any || (conf_is_home(n->conf, cv) && cv->ncopies > 0))
		note(n, ship(n, cv));
}

int
rebuild_node(const struct log *log, const struct conf *conf, const char *with,
    uint64_t rate)
{
	struct node	 n = { .log = log, .conf = conf, .rate = rate };
	const struct conf_volume *v = conf->volumes;

	/* first what mail can be stored in again */
	for (size_t i = 0; i < conf->nvolumes; i++)
		if (conf_is_home(conf, &v[i]) && conf_is_on(&v[i], with))
			note(&n, home(&n, &v[i]));
	for (size_t i = 0; i < conf->nvolumes; i++)
		if (conf_is_on(&v[i], with))
			copies(&n, &v[i]);
	return n.last;
}
