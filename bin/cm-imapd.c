/* cm-imapd: read mail by IMAP, under inetd. */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "protocol/imapd.h"
#include "protocol/session_main.h"

static int
usage(void)
{
	fputs("usage: cm-imapd [-pt] [-C file] [-i seconds] [-n node] "
	    "[-w workers]\n", stderr);
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	struct session_main	 m;
	struct session_service	 service = imapd_service();
	int			 ch;

	session_main_init(&m, "cm-imapd");
	while ((ch = getopt(argc, argv, SESSION_OPTIONS)) != -1)
		if (!session_main_option(&m, ch, optarg))
			return usage();
	if (optind != argc)
		return usage();
	return session_main_run(&m, &service);
}
