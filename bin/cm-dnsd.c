/* cm-dnsd: say by DNS where the cluster is, under inetd. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "protocol/dnsd.h"
#include "protocol/session_main.h"

static int
usage(void)
{
	fputs("usage: cm-dnsd [-p] [-C file] [-i seconds] [-n node] "
	    "[-w workers]\n", stderr);
	return EX_USAGE;
}

static bool
is_datagram(int fd)
{
	int	  type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_DGRAM;
}

int
main(int argc, char **argv)
{
	struct session_main	 m;
	struct session_service	 service = dnsd_service();
	struct dnsd_options	 o;
	int			 ch;

	session_main_init(&m, "cm-dnsd");
	while ((ch = getopt(argc, argv, SESSION_OPTIONS)) != -1)
		if (ch == 't' || !session_main_option(&m, ch, optarg))
			return usage();
	if (optind != argc)
		return usage();
	if (!is_datagram(STDIN_FILENO))
		return session_main_run(&m, &service);
	o = (struct dnsd_options){ m.options.file, m.options.node,
	    m.options.idle_s, m.options.workers };
	if (m.tool.file != NULL)
		o.file = m.tool.file;
	if (m.tool.node != NULL)
		o.node = m.tool.node;
	return cm_exit(dnsd_udp(&o));
}
