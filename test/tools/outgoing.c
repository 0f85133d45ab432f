/*
 * outgoing [-dsu] [-e envid] [-f sender] [-i id] [-N notify] [-o orcpt]
 * [-R ret] recipient ... <message: gives it to the spool, as cm-smtpd does.
 * -d: with its copies; -s: starts cm-relay; notify and orcpt are every
 * recipient's.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/outgoing.h"
#include "cluster/tool.h"

static int
add(struct tool *t, struct outgoing_msg *m, bool copies)
{
	struct deliver	*d = NULL;
	struct buf	 b;
	int		 rc = 0;

	buf_init(&b, 256u << 20);
	if (copies)
		rc = deliver_open(&t->log, t->conf, t->conf->file, t->node,
		    &d);
	if (rc == 0 && (rc = file_read_fd(STDIN_FILENO, &b)) == 0)
		rc = outgoing_add(&t->log, t->conf, d, m,
		    b.p != NULL ? b.p : "", b.len);
	deliver_close(d);
	buf_free(&b);
	return rc;
}

int
main(int argc, char **argv)
{
	struct outgoing_msg	 m = { .sender = "" };
	struct outgoing_rcpt	*to = calloc((size_t)argc, sizeof(*to));
	const char		*notify = NULL, *orcpt = NULL;
	struct tool		 t;
	bool			 copies = false, start = false;
	int			 ch, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "outgoing");
	while ((ch = getopt(argc, argv, "de:f:i:N:o:R:su")) != -1) {
		switch (ch) {
		case 'd': copies = true; break;
		case 'e': m.envid = optarg; break;
		case 'f': m.sender = optarg; break;
		case 'i': m.id = optarg; break;
		case 'N': notify = optarg; break;
		case 'o': orcpt = optarg; break;
		case 'R': m.ret = optarg; break;
		case 's': start = true; break;
		case 'u': m.utf8 = true; break;
		default: return EX_USAGE;
		}
	}
	if (to == NULL)
		return EX_OSERR;
	for (int i = optind; i < argc; i++)
		to[m.n++] = (struct outgoing_rcpt){ argv[i], notify, orcpt };
	m.to = to;
	if ((rc = tool_open(&t)) == 0)
		rc = add(&t, &m, copies);
	if (rc == 0 && start)
		outgoing_start(&t.log, t.conf, t.conf->file, t.node);
	tool_close(&t);
	free(to);
	return rc == CM_EEXIST ? 1 : cm_exit(rc);
}
