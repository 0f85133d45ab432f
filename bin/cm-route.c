/* cm-route: choose where messages go, and show the routing table. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cluster/routetool.h"

static int	 cmd_select(struct tool *, int, char **);

static const struct command {
	const char	*name;
	int		 min, max;	/* operands; -1: any number */
	int		(*fn)(struct tool *, int, char **);
	const char	*usage;
} commands[] = {
	{ "rcpt", 1, -1, routetool_rcpt, "rcpt address ..." },
	{ "select", 0, 4, cmd_select, "select [-p high|normal] [-s size]" },
	{ "show", 0, 0, routetool_show, "show" },
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static int
usage(void)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(stderr, "%s cm-route [-C file] [-n node] %s\n",
		    i ? "      " : "usage:", commands[i].usage);
	return EX_USAGE;
}

static int
cmd_select(struct tool *t, int argc, char **argv)
{
	uint64_t	 size = 0;
	bool		 high = false;
	int		 ch;

	optind = 0;		/* a second list of options: glibc's way */
	while ((ch = getopt(argc + 1, argv - 1, "p:s:")) != -1) {
		if (ch == 's' && str_size(optarg, &size) == 0)
			continue;
		if (ch != 'p' || (strcmp(optarg, "high") != 0 &&
		    strcmp(optarg, "normal") != 0))
			return CM_EUSAGE;
		high = strcmp(optarg, "high") == 0;
	}
	if (optind != argc + 1)
		return CM_EUSAGE;
	return routetool_select(t, size, high);
}

int
main(int argc, char **argv)
{
	const struct command	*cmd = NULL;
	struct tool		 t;
	int			 ch, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-route");
	while ((ch = getopt(argc, argv, "+" TOOL_OPTIONS)) != -1)
		if (!tool_option(&t, ch, optarg))
			return usage();
	argc -= optind;
	argv += optind;
	for (size_t i = 0; argc > 0 && i < NCOMMANDS; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			cmd = &commands[i];
	if (cmd == NULL || argc - 1 < cmd->min ||
	    (cmd->max >= 0 && argc - 1 > cmd->max))
		return usage();
	if ((rc = tool_open(&t)) == 0)
		rc = cmd->fn(&t, argc - 1, argv + 1);
	tool_close(&t);
	return rc == CM_EUSAGE ? usage() : cm_exit(rc);
}
