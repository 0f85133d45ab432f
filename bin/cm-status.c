/* cm-status: show what a person looks at: how the cluster is. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/status.h"
#include "cluster/tool.h"

static int
usage(void)
{
	fputs("usage: cm-status [-C file] [-n node] [-H | -x]\n", stderr);
	return EX_USAGE;
}

/* Colour and one screen are for a terminal; see no-color.org. */
static struct status_view
look_at_terminal(void)
{
	struct status_view	 v = { false, 0 };
	struct winsize		 w;
	const char		*no = getenv("NO_COLOR");
	const char		*term = getenv("TERM");

	if (isatty(STDOUT_FILENO) != 1)
		return v;
	v.color = (no == NULL || *no == '\0') && term != NULL &&
	    *term != '\0' && strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0)
		v.rows = w.ws_row;
	return v;
}

static int
show(struct tool *t, int form, bool *well)
{
	struct status_view	 v = look_at_terminal();
	struct status		*st;
	struct buf		 b;
	int			 rc;

	if ((rc = status_gather(&t->log, t->conf, t->conf->file, t->node,
	    &st)) != 0)
		return rc;
	buf_init(&b, STATUS_TEXT_MAX);
	rc = form == 'x' ? status_xml(st, &b) :
	    form == 'H' ? status_html(st, &b) : status_text(st, &v, &b);
	if (rc != 0 || (rc = file_write(STDOUT_FILENO, b.p, b.len)) != 0)
		log_fail(&t->log, rc, "output");
	*well = status_is_well(st);
	buf_free(&b);
	status_free(st);
	return rc;
}

int
main(int argc, char **argv)
{
	struct tool	 t;
	bool		 well = true;
	int		 ch, rc, form = 0;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-status");
	while ((ch = getopt(argc, argv, TOOL_OPTIONS "Hx")) != -1) {
		if ((ch == 'H' || ch == 'x') && (form == 0 || form == ch))
			form = ch;
		else if (!tool_option(&t, ch, optarg))
			return usage();
	}
	if (optind != argc)
		return usage();
	if ((rc = tool_open(&t)) == 0)
		rc = show(&t, form, &well);
	tool_close(&t);
	return rc == 0 && !well ? 1 : cm_exit(rc);
}
