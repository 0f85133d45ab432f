/* cm-relay: send mail for other domains to the smarthost. */
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "cluster/relaytool.h"

static int
usage(void)
{
	fputs("usage: cm-relay [-C file] [-n node] -q [id ...]\n"
	    "       cm-relay [-C file] [-n node] -l\n"
	    "       cm-relay [-C file] [-n node] -r id ...\n"
	    "       cm-relay [-C file] [-n node] -t node\n", stderr);
	return EX_USAGE;
}

static int
run(struct tool *t, int what, const char *node, char **ids, int n)
{
	switch (what) {
	case 'l':
		return relaytool_list(t);
	case 'q':
		return relaytool_queue(t, ids, n);
	case 'r':
		return relaytool_remove(t, ids, n);
	default:
		return relaytool_take(t, node);
	}
}

int
main(int argc, char **argv)
{
	const char	*node = NULL;
	struct tool	 t;
	int		 ch, what = 0, n, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-relay");
	while ((ch = getopt(argc, argv, TOOL_OPTIONS "lqrt:")) != -1) {
		if (ch == 'C' || ch == 'n') {
			if (!tool_option(&t, ch, optarg))
				return usage();
			continue;
		}
		if (ch == '?' || what != 0)
			return usage();
		what = ch;
		if (ch == 't')
			node = optarg;
	}
	n = argc - optind;
	if (what == 0 || (what == 'r' && n == 0) ||
	    ((what == 'l' || what == 't') && n > 0))
		return usage();
	if ((rc = tool_open(&t)) == 0)
		rc = run(&t, what, node, argv + optind, n);
	tool_close(&t);
	return cm_exit(rc);
}
