/* cm-rebuild: put back a copy, a volume, a node or the catalog from what is
 * left. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "cluster/drain.h"
#include "cluster/rebuild.h"
#include "cluster/tool.h"

static int
usage(void)
{
	fputs("usage: cm-rebuild [-C file] [-n node] [-b rate] copy volume "
	    "node | folder\n"
	    "       cm-rebuild [-C file] [-n node] [-b rate] volume volume\n"
	    "       cm-rebuild [-C file] [-n node] [-b rate] node [node]\n"
	    "       cm-rebuild [-C file] [-n node] [-b rate] drain [-p] node\n"
	    "       cm-rebuild [-C file] [-n node] catalog [-f] [dump]\n"
	    "       cm-rebuild [-C file] [-n node] [-b rate] check [-r]\n",
	    stderr);
	return EX_USAGE;
}

static int
find_volume(struct tool *t, const char *name, const struct conf_volume **v)
{
	*v = conf_volume(t->conf, name, strlen(name));
	return *v != NULL ? 0 :
	    log_fail(&t->log, CM_ENOINPUT, "volume %s", name);
}

/* It works on the disks of the machine that it runs on. */
static int
run_node(struct tool *t, const char *node, uint64_t rate)
{
	if (node != NULL && conf_node(t->conf, node, strlen(node)) == NULL)
		return log_fail(&t->log, CM_ENOINPUT, "node %s", node);
	if (node != NULL && strcmp(node, t->conf->self) != 0)
		return log_fail(&t->log, CM_EAWAY, "this is node %s: run it "
		    "on %s", t->conf->self, node);
	return rebuild_node(&t->log, t->conf, NULL, rate);
}

static int
run_drain(struct tool *t, const char *node, bool plan, uint64_t rate)
{
	if (conf_node(t->conf, node, strlen(node)) == NULL)
		return log_fail(&t->log, CM_ENOINPUT, "node %s", node);
	return plan ? drain_plan(&t->log, t->conf, node, STDOUT_FILENO) :
	    drain_work(&t->log, t->conf, node, rate, STDOUT_FILENO);
}

static int
run(struct tool *t, int argc, char **argv, uint64_t rate)
{
	const struct conf_volume *v;
	bool			  flag;
	int			  rc;

	if (strcmp(argv[0], "copy") == 0 && argc == 3) {
		if ((rc = find_volume(t, argv[1], &v)) != 0)
			return rc;
		return rebuild_copy(&t->log, t->conf, v, argv[2], rate);
	}
	if (strcmp(argv[0], "volume") == 0 && argc == 2) {
		if ((rc = find_volume(t, argv[1], &v)) != 0)
			return rc;
		return rebuild_volume(&t->log, t->conf, v, rate);
	}
	if (strcmp(argv[0], "node") == 0 && argc <= 2)
		return run_node(t, argc == 2 ? argv[1] : NULL, rate);
	if (strcmp(argv[0], "drain") == 0) {
		flag = argc > 1 && strcmp(argv[1], "-p") == 0;
		return argc != 2 + flag || argv[1 + flag][0] == '-' ?
		    CM_EUSAGE : run_drain(t, argv[1 + flag], flag, rate);
	}
	if (strcmp(argv[0], "catalog") == 0) {
		flag = argc > 1 && strcmp(argv[1], "-f") == 0;
		if (argc > 2 + flag)
			return CM_EUSAGE;
		return rebuild_catalog(&t->log, t->conf, t->catalog,
		    argc > 1 + flag ? argv[1 + flag] : NULL, flag);
	}
	flag = argc == 2 && strcmp(argv[1], "-r") == 0;
	if (strcmp(argv[0], "check") == 0 && argc == 1 + flag)
		return rebuild_check(&t->log, t->conf, flag, rate,
		    STDOUT_FILENO);
	return CM_EUSAGE;
}

int
main(int argc, char **argv)
{
	struct tool	 t;
	uint64_t	 rate = 0;
	int		 ch, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-rebuild");
	while ((ch = getopt(argc, argv, "+" TOOL_OPTIONS "b:")) != -1) {
		if (ch == 'b' && str_size(optarg, &rate) == 0 && rate > 0)
			continue;
		if (ch == 'b' || !tool_option(&t, ch, optarg))
			return usage();
	}
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return usage();
	if ((rc = tool_open(&t)) == 0)
		rc = run(&t, argc, argv, rate);
	tool_close(&t);
	if (rc == CM_EUSAGE)
		return usage();
	/* what is wrong was printed: 1, as for grep and cmp */
	return rc == CM_ECORRUPT && strcmp(argv[0], "check") == 0 ? 1 :
	    cm_exit(rc);
}
