/* cm-store: append messages to a volume, and print their receipts. */
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "cluster/storetool.h"

static int
usage(void)
{
	fputs("usage: cm-store [-C file] [-n node] [-f sender] [-F folder] "
	    "recipient ... <message\n"
	    "       cm-store -m [-f sender] [-F folder] recipient ... <mbox\n"
	    "       cm-store -d maildir [-f sender] [-F folder] recipient ...\n"
	    "       cm-store -q\n", stderr);
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	struct storetool	 s = { .folder = "INBOX" };
	struct tool		 t;
	int			 ch, rc;

	signal(SIGPIPE, SIG_IGN);
	tool_init(&t, "cm-store");
	s.tool = &t;
	while ((ch = getopt(argc, argv, TOOL_OPTIONS "d:F:f:mq")) != -1) {
		switch (ch) {
		case 'd':
			s.maildir = optarg;
			break;
		case 'F':
			s.folder = optarg;
			break;
		case 'f':
			s.sender = optarg;
			break;
		case 'm':
			s.mbox = true;
			break;
		case 'q':
			s.spool = true;
			break;
		default:
			if (!tool_option(&t, ch, optarg))
				return usage();
		}
	}
	s.recipients = argv + optind;
	s.nrecipients = argc - optind;
	if (s.spool ? s.nrecipients > 0 || s.mbox || s.maildir != NULL :
	    s.nrecipients == 0 || (s.mbox && s.maildir != NULL))
		return usage();
	if ((rc = tool_open(&t)) == 0)
		rc = storetool_run(&s);
	tool_close(&t);
	return cm_exit(rc);
}
