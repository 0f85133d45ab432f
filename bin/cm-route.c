/* cm-route: choose where messages and clients go, and say so. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cluster/routetool.h"
#include "cluster/zonetool.h"

static int	 cmd_nsupdate(struct tool *, int, char **);
static int	 cmd_poll(struct tool *, int, char **);
static int	 cmd_select(struct tool *, int, char **);

static const struct command {
	const char	*name;
	int		 min, max;	/* operands; -1: any number */
	int		(*fn)(struct tool *, int, char **);
	const char	*usage;
} commands[] = {
	{ "mx", 1, 1, zonetool_mx, "mx domain" },
	{ "nsupdate", 1, 5, cmd_nsupdate, "nsupdate [-p port] [-s server] "
	    "domain" },
	{ "pdns", 0, 0, zonetool_pdns, "pdns" },
	{ "poll", 0, 7, cmd_poll, "poll [-v] [-c count] [-i seconds] "
	    "[-t seconds]" },
	{ "rcpt", 1, -1, routetool_rcpt, "rcpt address ..." },
	{ "select", 0, 4, cmd_select, "select [-p high|normal|low] "
	    "[-s size]" },
	{ "set", 2, 3, routetool_set, "set node up|down|drain|pref number" },
	{ "show", 0, 0, routetool_show, "show" },
	{ "zone", 1, 1, zonetool_zone, "zone domain" },
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

/* Seconds with at most three decimals, from 0.001 on; CM_EUSAGE. */
static int
seconds(const char *s, int max, int *ms)
{
	const char	*dot = strchrnul(s, '.');
	uint64_t	 whole, part = 0;
	size_t		 n;

	if (str_u64(s, (size_t)(dot - s), (uint64_t)max, &whole) != 0)
		return CM_EUSAGE;
	if (*dot == '.') {
		n = strlen(dot + 1);
		if (n > 3 || str_u64(dot + 1, n, 999, &part) != 0)
			return CM_EUSAGE;
		for (; n < 3; n++)
			part *= 10;
	}
	*ms = (int)(whole * 1000 + part);
	return *ms > 0 ? 0 : CM_EUSAGE;
}

static int
cmd_poll(struct tool *t, int argc, char **argv)
{
	struct routetool_poll	 p = { .count = 1, .interval_ms = 5000,
				    .ms = 2000 };
	uint64_t		 n;
	int			 ch, rc = 0;

	optind = 0;		/* a second list of options: glibc's way */
	while (rc == 0 && (ch = getopt(argc + 1, argv - 1,
	    "c:i:t:v")) != -1) {
		if (ch == 'c' && str_u64(optarg, strlen(optarg), 1000000,
		    &n) == 0 && n > 0)
			p.count = (unsigned)n;
		else if (ch == 'i')
			rc = seconds(optarg, 86400, &p.interval_ms);
		else if (ch == 't')
			rc = seconds(optarg, 3600, &p.ms);
		else if (ch == 'v')
			p.verbose = true;
		else
			rc = CM_EUSAGE;
	}
	if (rc != 0 || optind != argc + 1)
		return CM_EUSAGE;
	return routetool_poll(t, &p);
}

static int
cmd_select(struct tool *t, int argc, char **argv)
{
	uint64_t	 size = 0;
	enum priority	 priority = PRIORITY_NORMAL;
	int		 ch;

	optind = 0;		/* a second list of options: glibc's way */
	while ((ch = getopt(argc + 1, argv - 1, "p:s:")) != -1) {
		if (ch == 's' && str_size(optarg, &size) == 0)
			continue;
		if (ch != 'p' || priority_parse(optarg, &priority) != 0)
			return CM_EUSAGE;
	}
	if (optind != argc + 1)
		return CM_EUSAGE;
	return routetool_select(t, size, priority);
}

static int
cmd_nsupdate(struct tool *t, int argc, char **argv)
{
	const char	*server = NULL;
	uint64_t	 port = 0;
	int		 ch;

	optind = 0;		/* a second list of options: glibc's way */
	while ((ch = getopt(argc + 1, argv - 1, "p:s:")) != -1) {
		if (ch == 's')
			server = optarg;
		else if (ch != 'p' || str_u64(optarg, strlen(optarg), 65535,
		    &port) != 0 || port == 0)
			return CM_EUSAGE;
	}
	if (optind != argc)
		return CM_EUSAGE;
	return zonetool_nsupdate(t, argv[argc - 1], server, (unsigned)port);
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
