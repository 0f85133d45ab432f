/* The lead for another node, before this one is switched off. */
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "cluster/agent_int.h"

#define BATCH_S		10	/* a load, or a dump, holds changes out */

/* No change begins from here on. */
static int
hold(struct agent *a)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += BATCH_S;
	return pthread_mutex_clocklock(&a->writing, CLOCK_MONOTONIC, &ts) ==
	    0 ? 0 : CM_ELOCK;
}

static int
say(char text[256], int rc, const char *node, const char *what)
{
	if (str_fmt(text, 256, "node %s %s", node, what) != 0)
		text[0] = '\0';
	return rc;
}

static int
explain(char text[256], int rc, const char *node)
{
	switch (rc) {
	case CM_ECONF:
		return say(text, rc, node, "keeps no catalog (catalog= in "
		    "cluster.xml)");
	case CM_EAWAY:
		return say(text, rc, node, "is away; the lead stays where it "
		    "is");
	case CM_ETIMEOUT:
		return say(text, rc, node, "is not level, or does not take "
		    "the lead; it stays where it is");
	case CM_ELOCK:
		return say(text, rc, node, "cannot lead while the catalog is "
		    "being dumped or loaded");
	case CM_EAGAIN:
		return say(text, rc, node, "did not come to lead: see "
		    "cm-catalog stat");
	default:
		return rc;
	}
}

static int
give(struct agent *a, const char *node, int64_t *held_ms)
{
	int64_t	 began;
	int	 rc;

	if ((rc = replica_prepare(a->replica, node)) != 0 ||
	    (rc = hold(a)) != 0)
		return rc;
	began = time_mono_ms();
	rc = replica_give(a->replica, node);
	pthread_mutex_unlock(&a->writing);
	if (rc == 0)
		rc = replica_given(a->replica, node);
	*held_ms = time_mono_ms() - began;
	/* who leads now, or will, is asked again */
	return rc == CM_EAGAIN && !agent_leads(a) ? CM_ESTALE : rc;
}

int
agent_lead(struct agent *a, const char *node, int64_t *held_ms,
    char text[256])
{
	const struct conf	*conf = a->conf;
	int			 rc;

	*held_ms = 0;
	if (conf_node(conf, node, strlen(node)) == NULL)
		return say(text, CM_ENOINPUT, node, "is not in cluster.xml");
	if (strcmp(node, conf->self) == 0 && agent_leads(a))
		return 0;
	if (a->replica == NULL)
		return explain(text, CM_ECONF, node);
	rc = give(a, node, held_ms);
	if (rc == 0)
		log_info(a->log, "catalog: node %s leads; changes waited for "
		    "%lld ms", node, (long long)*held_ms);
	return rc == 0 ? 0 : explain(text, rc, node);
}
