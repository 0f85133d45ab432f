/* cm-scan: ask the filters about a message; look after what they keep back. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "cluster/quarantinetool.h"
#include "cluster/scantool.h"

#define DAY_MS	86400000LL

static int
usage(void)
{
	fputs("usage: cm-scan [-C file] [-n node] [-f sender] "
	    "[recipient ...]\n"
	    "       cm-scan [-C file] [-n node] counts\n"
	    "       cm-scan [-C file] [-n node] quarantine list\n"
	    "       cm-scan [-C file] [-n node] quarantine show id\n"
	    "       cm-scan [-C file] [-n node] quarantine release id ...\n"
	    "       cm-scan [-C file] [-n node] quarantine delete id ...\n"
	    "       cm-scan [-C file] [-n node] quarantine expire days\n",
	    stderr);
	return EX_USAGE;
}

static int
each(struct tool *t, int (*fn)(struct tool *, const char *), char **ids, int n)
{
	int	 rc = 0, one;

	for (int i = 0; i < n; i++)
		if ((one = fn(t, ids[i])) != 0)
			rc = one;
	return rc;
}

static int
quarantine(struct tool *t, char **v, int n)
{
	uint64_t days;

	if (n == 1 && strcmp(v[0], "list") == 0)
		return quarantinetool_list(t);
	if (n == 2 && strcmp(v[0], "show") == 0)
		return quarantinetool_show(t, v[1]);
	if (n > 1 && strcmp(v[0], "release") == 0)
		return each(t, quarantinetool_release, v + 1, n - 1);
	if (n > 1 && strcmp(v[0], "delete") == 0)
		return each(t, quarantinetool_delete, v + 1, n - 1);
	if (n == 2 && strcmp(v[0], "expire") == 0 &&
	    str_u64(v[1], strlen(v[1]), 100000, &days) == 0)
		return quarantinetool_expire(t, (int64_t)days * DAY_MS);
	return CM_EUSAGE;
}

int
main(int argc, char **argv)
{
	const char	*sender = "";
	struct tool	 t;
	int		 ch, rc, status = 0;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-scan");
	while ((ch = getopt(argc, argv, "+" TOOL_OPTIONS "f:")) != -1) {
		if (ch == 'f')
			sender = optarg;
		else if (!tool_option(&t, ch, optarg))
			return usage();
	}
	argc -= optind;
	argv += optind;
	if ((rc = tool_open(&t)) == 0) {
		if (argc > 0 && strcmp(argv[0], "quarantine") == 0)
			rc = quarantine(&t, argv + 1, argc - 1);
		else if (argc == 1 && strcmp(argv[0], "counts") == 0)
			rc = scantool_counts(&t);
		else
			rc = scantool_run(&t, sender, argv, argc, &status);
	}
	tool_close(&t);
	if (rc == CM_EUSAGE)
		return usage();
	return rc != 0 ? cm_exit(rc) : status;
}
