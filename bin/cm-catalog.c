/* cm-catalog: record and look up where messages are. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cluster/agent.h"
#include "cluster/catcheck.h"
#include "cluster/cattool.h"
#include "cluster/tool.h"
#include "cluster/witness.h"

struct call {
	struct tool	*t;
	int		 argc;
	char		**argv;
};

static int	 cmd_serve(struct call *);
static int	 cmd_check(struct call *);

static const struct command {
	const char	*name;
	int		 min, max;	/* operands; -1: any number */
	int		(*fn)(struct call *);
	int		(*tool)(struct tool *, int, char **);
	const char	*usage;
} commands[] = {
	{ "add", 0, 0, NULL, cattool_add, "add" },
	{ "check", 0, 0, cmd_check, NULL, "check" },
	{ "dump", 0, 1, NULL, cattool_dump, "dump [-l]" },
	{ "expunge", 0, -1, NULL, cattool_expunge, "expunge [entry ...]" },
	{ "flag", 1, -1, NULL, cattool_flag, "flag +flag|-flag ... "
	    "[entry ...]" },
	{ "folders", 1, 1, NULL, cattool_folders, "folders mailbox" },
	{ "lead", 1, 2, NULL, cattool_lead, "lead [-v] node" },
	{ "list", 1, 3, NULL, cattool_list,
	    "list [-F folder] mailbox" },
	{ "load", 0, 1, NULL, cattool_load, "load [-f]" },
	{ "serve", 0, 2, cmd_serve, NULL, "serve [-i seconds | -w]" },
	{ "stat", 0, 0, NULL, cattool_stat, "stat" },
	{ "stop", 0, 0, NULL, cattool_stop, "stop" },
	{ "sync", 0, 0, NULL, cattool_sync, "sync" },
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static int
usage(void)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(stderr, "%s cm-catalog [-C file] [-n node] %s\n",
		    i ? "      " : "usage:", commands[i].usage);
	return EX_USAGE;
}

static int
cmd_serve(struct call *c)
{
	uint64_t	 idle = 0;

	if (c->argc == 1 && strcmp(c->argv[0], "-w") == 0)
		return witness_serve(&c->t->log, c->t->file, c->t->node);
	if (c->argc == 2 && (strcmp(c->argv[0], "-i") != 0 ||
	    str_u64(c->argv[1], strlen(c->argv[1]), 1000000, &idle) != 0))
		return CM_EUSAGE;
	if (c->argc == 1)
		return CM_EUSAGE;
	return agent_serve(&c->t->log, c->t->file, c->t->node, (int)idle);
}

static int
cmd_check(struct call *c)
{
	int	 rc;

	if ((rc = tool_open(c->t)) != 0)
		return rc;
	return catcheck(&c->t->log, c->t->conf, c->t->catalog, STDOUT_FILENO);
}

int
main(int argc, char **argv)
{
	const struct command	*cmd = NULL;
	struct tool		 t;
	struct call		 c = { .t = &t };
	int			 ch, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-catalog");
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
	c.argc = argc - 1;
	c.argv = argv + 1;
	if (cmd->fn != NULL)
		rc = cmd->fn(&c);
	else if ((rc = tool_open(&t)) == 0)
		rc = cmd->tool(&t, c.argc, c.argv);
	tool_close(&t);
	if (rc == CM_EUSAGE)
		return usage();
	/* what is wrong was printed: 1, as for grep and cmp */
	return rc == CM_ECORRUPT && cmd->fn == cmd_check ? 1 : cm_exit(rc);
}
