#include "cluster/tool.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/*
 * When 0, 1 or 2 is closed, the next file that is opened would get its place,
 * and receipts would be written into it.  What takes the place fails, so that
 * nothing is read from there, and nobody believes that it was written.
 */
static void
fill_std_fds(void)
{
	int	 fd;

	for (int want = 0; want <= 2; want++) {
		if (fcntl(want, F_GETFD) != -1)
			continue;
		/* the lowest that is free, so it is this one */
		fd = open("/dev/null", want == 0 ? O_WRONLY : O_RDONLY);
		if (fd != want && fd != -1)
			close(fd);
	}
}

void
tool_init(struct tool *t, const char *prog)
{
	fill_std_fds();
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
