/*
 * nodestate NODE STATE[:LOAD[:PREF]] ...: writes down what polls and an admin
 * could have said of nodes of $CM_CLUSTER.  STATE: up, missed (polls had no
 * answer), or down or drain, as an admin says; LOAD in percent.  Of nodes that
 * are not named all stays.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/time.h"
#include "cluster/nodes.h"

static void
apply(struct nodes_node *n, const char *text, int64_t now)
{
	char	 state[16] = "";
	size_t	 len = strcspn(text, ":");
	char	*end;

	if (str_ncopy(state, sizeof(state), text, len) != 0)
		errx(EX_USAGE, "%s", text);
	n->asked_ms = n->answered_ms = n->since_ms = now;
	n->down = strcmp(state, "missed") == 0;
	n->set = strcmp(state, "down") == 0 ? NODES_DOWN :
	    strcmp(state, "drain") == 0 ? NODES_DRAIN : NODES_UP;
	n->set_ms = n->pref_ms = now;
	n->load = 0;
	n->pref = NODES_PREF;
	if (text[len] == ':') {
		n->load = strtod(text + len + 1, &end);
		if (*end == ':')
			n->pref = (unsigned)strtoul(end + 1, &end, 10);
		if (*end != '\0')
			errx(EX_USAGE, "%s", text);
	}
}

int
main(int argc, char **argv)
{
	struct log	 log;
	struct conf	*conf;
	struct nodes	 nodes;
	struct nodes_node *n;
	int		 lock;

	log_stderr(&log, "nodestate");
	if (conf_load(&log, NULL, NULL, &conf) != 0 ||
	    nodes_lock(&log, conf, &nodes, &lock) != 0)
		return EX_OSERR;
	for (int i = 1; i + 1 < argc; i += 2) {
		n = nodes_find(&nodes, argv[i], strlen(argv[i]));
		if (n == NULL)
			errx(EX_USAGE, "%s: no such node", argv[i]);
		apply(n, argv[i + 1], time_now_ms());
	}
	if (nodes_write_polls(&log, conf, &nodes) != 0 ||
	    nodes_write_sets(&log, conf, &nodes) != 0)
		return EX_IOERR;
	nodes_unlock(&nodes, lock);
	conf_free(conf);
	return 0;
}
