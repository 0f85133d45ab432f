#include "cluster/tool.h"

#include <string.h>

void
tool_init(struct tool *t, const char *prog)
{
	memset(t, 0, sizeof(*t));
	log_stderr(&t->log, prog);
}

bool
tool_option(struct tool *t, int opt, const char *arg)
{
	if (opt == 'C')
		t->file = arg;
	else if (opt == 'n')
		t->node = arg;
	else
		return false;
	return true;
}

int
tool_open(struct tool *t)
{
	int	 rc;

	if ((rc = conf_load(&t->log, t->file, t->node, &t->conf)) != 0)
		return rc;
	/* the file that was found, so that a helper reads the same one */
	return catalog_open(&t->log, t->conf, t->conf->file, t->node,
	    &t->catalog);
}

void
tool_close(struct tool *t)
{
	catalog_close(t->catalog);
	conf_free(t->conf);
	t->catalog = NULL;
	t->conf = NULL;
}
