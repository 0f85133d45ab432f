/* cm-user: the mailbox database. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cluster/usertool.h"

static const struct command {
	const char	*name;
	int		(*fn)(struct tool *, int, char **);
	const char	*usage;
} commands[] = {
	{ "add", usertool_add, "add [-N] address ..." },
	{ "alias", usertool_alias, "alias address target ... | -d address" },
	{ "check", usertool_check, "check address" },
	{ "del", usertool_del, "del address ..." },
	{ "import", usertool_import, "import [file]" },
	{ "list", usertool_list, "list [pattern]" },
	{ "passwd", usertool_passwd, "passwd [-N] address" },
	{ "set", usertool_set, "set address quota size | sms number" },
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static int
usage(void)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(stderr, "%s cm-user [-C file] [-n node] %s\n",
		    i ? "      " : "usage:", commands[i].usage);
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	const struct command	*cmd = NULL;
	struct tool		 t;
	int			 ch, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-user");
	while ((ch = getopt(argc, argv, "+" TOOL_OPTIONS)) != -1)
		if (!tool_option(&t, ch, optarg))
			return usage();
	argc -= optind;
	argv += optind;
	for (size_t i = 0; argc > 0 && i < NCOMMANDS; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			cmd = &commands[i];
	if (cmd == NULL)
		return usage();
	if ((rc = tool_open(&t)) == 0)
		rc = cmd->fn(&t, argc - 1, argv + 1);
	tool_close(&t);
	return rc == CM_EUSAGE ? usage() : cm_exit(rc);
}
