/* cm-rebuild: put back a copy, a volume or the catalog from what is left. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cluster/rebuild.h"
#include "cluster/tool.h"

static int
usage(void)
{
	fputs("usage: cm-rebuild [-C file] [-n node] copy volume folder\n"
	    "       cm-rebuild [-C file] [-n node] volume volume\n"
	    "       cm-rebuild [-C file] [-n node] catalog [-f] [dump]\n"
	    "       cm-rebuild [-C file] [-n node] check [-r]\n", stderr);
	return EX_USAGE;
}

static int
find_volume(struct tool *t, const char *name, const struct conf_volume **v)
{
	*v = conf_volume(t->conf, name, strlen(name));
	return *v != NULL ? 0 :
	    log_fail(&t->log, CM_ENOINPUT, "volume %s", name);
}

static int
run(struct tool *t, int argc, char **argv)
{
	const struct conf_volume *v;
	bool			  flag;
	int			  rc;

	if (strcmp(argv[0], "copy") == 0 && argc == 3) {
		if ((rc = find_volume(t, argv[1], &v)) != 0)
			return rc;
		return rebuild_copy(&t->log, t->conf, v, argv[2]);
	}
	if (strcmp(argv[0], "volume") == 0 && argc == 2) {
		if ((rc = find_volume(t, argv[1], &v)) != 0)
			return rc;
		return rebuild_volume(&t->log, t->conf, v);
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
		return rebuild_check(&t->log, t->conf, flag, STDOUT_FILENO);
	return CM_EUSAGE;
}

int
main(int argc, char **argv)
{
	struct tool	 t;
	int		 ch, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-rebuild");
	while ((ch = getopt(argc, argv, "+" TOOL_OPTIONS)) != -1)
		if (!tool_option(&t, ch, optarg))
			return usage();
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return usage();
	if ((rc = tool_open(&t)) == 0)
		rc = run(&t, argc, argv);
	tool_close(&t);
	if (rc == CM_EUSAGE)
		return usage();
	/* what is wrong was printed: 1, as for grep and cmp */
	return rc == CM_ECORRUPT && strcmp(argv[0], "check") == 0 ? 1 :
	    cm_exit(rc);
}
