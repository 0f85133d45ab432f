/* cm-stored: serve this node's volumes to the other nodes. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "cluster/handler.h"
#include "cluster/tool.h"
#include "protocol/stored.h"

#define IDLE_S	60

static bool	 stop;

static int
usage(void)
{
	fputs("usage: cm-stored [-C file] [-n node] [-i seconds]\n", stderr);
	return EX_USAGE;
}

static void
on_signal(int sig)
{
	(void)sig;
	stop = true;
}

int
main(int argc, char **argv)
{
	struct tool	 t;
	struct sigaction sa = { .sa_handler = on_signal };
	uint64_t	 idle = IDLE_S;
	int		 ch, fd, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-stored");
	while ((ch = getopt(argc, argv, TOOL_OPTIONS "i:")) != -1) {
		if (ch == 'i' && str_u64(optarg, strlen(optarg), 1000000,
		    &idle) == 0)
			continue;
		if (ch == 'i' || !tool_option(&t, ch, optarg))
			return usage();
	}
	if (optind != argc)
		return usage();
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if ((rc = handler_begin(&t.log, t.file, t.node, "stored", &fd)) == 0)
		rc = stored_run(&t.log, t.file, t.node, fd, (int)idle, &stop);
	return cm_exit(rc);
}
