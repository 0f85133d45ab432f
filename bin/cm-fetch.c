/* cm-fetch: write out messages, from whichever copies answer. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "cluster/fetch.h"
#include "cluster/tool.h"

static int
usage(void)
{
	fputs("usage: cm-fetch [-C file] [-n node] [-m | -d maildir | -r]\n"
	    "           [-F folder] [-u uid] [mailbox | entry ...]\n", stderr);
	return EX_USAGE;
}

/* Takes an option; false when it is none, or one form too many. */
static bool
option(struct fetch *f, int *forms, int ch, const char *arg)
{
	uint64_t	 v;

	switch (ch) {
	case 'd':
		f->form = FETCH_MAILDIR;
		f->dir = arg;
		break;
	case 'm':
		f->form = FETCH_MBOX;
		break;
	case 'r':
		f->form = FETCH_RAW;
		break;
	case 'F':
		f->folder = arg;
		return true;
	case 'u':
		if (str_u64(arg, strlen(arg), UINT32_MAX, &v) != 0)
			return false;
		f->uid = (uint32_t)v;
		return v > 0;
	default:
		return false;
	}
	return ++*forms == 1;
}

int
main(int argc, char **argv)
{
	struct fetch	 f = { .in = STDIN_FILENO, .out = STDOUT_FILENO };
	struct tool	 t;
	int		 ch, rc, forms = 0;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-fetch");
	while ((ch = getopt(argc, argv, TOOL_OPTIONS "d:F:mru:")) != -1)
		if (!tool_option(&t, ch, optarg) &&
		    !option(&f, &forms, ch, optarg))
			return usage();
	/* -F and -u say which of a mailbox */
	if (optind == argc && (f.folder != NULL || f.uid != 0))
		return usage();
	if ((rc = tool_open(&t)) == 0) {
		f.log = &t.log;
		f.conf = t.conf;
		f.catalog = t.catalog;
		rc = fetch_run(&f, argv + optind, argc - optind);
	}
	tool_close(&t);
	return cm_exit(rc);
}
