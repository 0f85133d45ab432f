/* cm-smtpd: take mail by SMTP, LMTP or submission, under inetd. */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "protocol/session_main.h"
#include "protocol/smtp.h"

static int
usage(void)
{
	fputs("usage: cm-smtpd [-lpst] [-C file] [-i seconds] [-n node] "
	    "[-w workers]\n", stderr);
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	struct session_main	 m;
	struct session_service	 service;
	enum smtp_mode		 mode = SMTP_MX;
	int			 ch;

	session_main_init(&m, "cm-smtpd");
	while ((ch = getopt(argc, argv, SESSION_OPTIONS "ls")) != -1) {
		if ((ch == 'l' || ch == 's') && mode == SMTP_MX)
			mode = ch == 'l' ? SMTP_LMTP : SMTP_SUBMISSION;
		else if (!session_main_option(&m, ch, optarg))
			return usage();
	}
	if (optind != argc)
		return usage();
	service = smtp_service(&mode);
	return session_main_run(&m, &service);
}
