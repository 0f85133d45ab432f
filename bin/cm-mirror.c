/* cm-mirror: bring receipts' records to their copies. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cluster/mirror.h"
#include "cluster/tool.h"

static int
usage(void)
{
	fputs("usage: cm-mirror [-C file] [-n node] [-k copies] <receipts\n"
	    "       cm-mirror [-C file] [-n node] -a\n"
	    "       cm-mirror [-C file] [-n node] -s\n"
	    "       cm-mirror [-C file] [-n node] [-i seconds] -S volume\n",
	    stderr);
	return EX_USAGE;
}

static int
serve(struct tool *t, const char *name, int idle)
{
	const struct conf_volume *v;

	v = conf_volume(t->conf, name, strlen(name));
	if (v == NULL)
		return log_fail(&t->log, CM_EUSAGE, "volume %s", name);
	return mirror_serve(&t->log, t->conf, v, idle);
}

int
main(int argc, char **argv)
{
	struct mirror	 m = { 0 };
	struct tool	 t;
	const char	*volume = NULL;
	uint64_t	 copies = 0, idle = 0;
	bool		 all = false, status = false;
	int		 ch, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-mirror");
	while ((ch = getopt(argc, argv, TOOL_OPTIONS "ai:k:sS:")) != -1) {
		switch (ch) {
		case 'a':
			all = true;
			break;
		case 'i':
			if (str_u64(optarg, strlen(optarg), 1000000,
			    &idle) != 0)
				return usage();
			break;
		case 'k':
			if (str_u64(optarg, strlen(optarg), CONF_NODES_MAX,
			    &copies) != 0 || copies == 0)
				return usage();
			break;
		case 's':
			status = true;
			break;
		case 'S':
			volume = optarg;
			break;
		default:
			if (!tool_option(&t, ch, optarg))
				return usage();
		}
	}
	if (optind != argc || all + status + (volume != NULL) > 1)
		return usage();
	if ((rc = tool_open(&t)) != 0)
		goto out;
	m.log = &t.log;
	m.conf = t.conf;
	m.file = t.conf->file;
	m.node = t.node;
	m.copies = copies ? (unsigned)copies : t.conf->copies;
	if (volume != NULL)
		rc = serve(&t, volume, (int)idle);
	else if (status)
		rc = mirror_status(&m, STDOUT_FILENO);
	else if (all)
		rc = mirror_all(&m);
	else
		rc = mirror_filter(&m, STDIN_FILENO, STDOUT_FILENO);
out:
	tool_close(&t);
	return cm_exit(rc);
}
