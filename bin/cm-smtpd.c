/* cm-smtpd: take mail by SMTP, LMTP or submission, under inetd. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "cluster/tool.h"
#include "protocol/smtp.h"

#define IDLE_S	60

static int
usage(void)
{
	fputs("usage: cm-smtpd [-lps] [-C file] [-i seconds] [-n node] "
	    "[-t] [-w workers]\n", stderr);
	return EX_USAGE;
}

static bool
take_number(const char *s, uint64_t max, uint64_t *out)
{
	return str_u64(s, strlen(s), max, out) == 0 && *out > 0;
}

int
main(int argc, char **argv)
{
	struct tool		 t;
	struct session_options	 o = { 0 };
	struct session_service	 service;
	enum smtp_mode		 mode = SMTP_MX;
	uint64_t		 idle = IDLE_S, workers = 0;
	bool			 good = true;
	int			 ch;

	tool_init(&t, "cm-smtpd");
	while ((ch = getopt(argc, argv, TOOL_OPTIONS "i:lpstw:")) != -1) {
		switch (ch) {
		case 'i':
			good &= take_number(optarg, 1000000, &idle);
			break;
		case 'l':
		case 's':
			good &= mode == SMTP_MX;
			mode = ch == 'l' ? SMTP_LMTP : SMTP_SUBMISSION;
			break;
		case 'p':
			o.proxy = true;
			break;
		case 't':
			o.implicit = true;
			break;
		case 'w':
			good &= take_number(optarg, 100000, &workers);
			break;
		default:
			good &= tool_option(&t, ch, optarg);
		}
	}
	if (!good || optind != argc)
		return usage();
	o.file = t.file;
	o.node = t.node;
	o.idle_s = (int)idle;
	o.workers = (unsigned)workers;
	service = smtp_service(&mode);
	return cm_exit(session_run(&service, &o));
}
