/*
 * connrate PORT CLIENTS SECONDS: so many clients at once connect to 127.0.0.1,
 * take the greeting, say QUIT and read to the end, again and again.  Prints
 * connections per second.
 *
 * connrate serve PROCESSES: the least that could be at the other side, on
 * standard input, a listening socket: each process accepts, greets, reads once,
 * says 221.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/time.h"

#define CLIENTS_MOST	2000

static void
accept_all(void)
{
	static const char	 hello[] = "220 hello\r\n";
	static const char	 bye[] = "221 bye\r\n";
	char			 b[512];
	int			 fd;

	while ((fd = accept(0, NULL, NULL)) != -1) {
		if (file_write(fd, hello, sizeof(hello) - 1) == 0 &&
		    read(fd, b, sizeof(b)) > 0 &&
		    file_write(fd, bye, sizeof(bye) - 1) != 0)
			warnx("a client is gone");
		close(fd);
	}
}

static bool
visit(unsigned port)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port) };
	char			 b[512];
	ssize_t			 n;
	int			 fd;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((fd = socket(AF_INET, SOCK_STREAM, 0)) == -1)
		err(EX_OSERR, "socket");
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    (n = read(fd, b, sizeof(b))) <= 0 || memcmp(b, "220", 3) != 0 ||
	    write(fd, "QUIT\r\n", 6) != 6) {
		close(fd);
		return false;
	}
	while (read(fd, b, sizeof(b)) > 0)
		continue;
	close(fd);
	return true;
}

static void
start(unsigned n, void (*fn)(void *, unsigned), void *arg)
{
	for (unsigned i = 0; i < n; i++)
		switch (fork()) {
		case -1:
			err(EX_OSERR, "fork");
		case 0:
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			fn(arg, i);
			_exit(0);
		}
	while (wait(NULL) != -1)
		continue;
}

struct job {
	uint64_t	 port, seconds;
	uint64_t	*done, *failed;		/* of each client; shared */
};

static void
client(void *arg, unsigned i)
{
	struct job	*j = arg;
	int64_t		 end = time_mono_ms() + (int64_t)j->seconds * 1000;

	while (time_mono_ms() < end)
		if (visit((unsigned)j->port))
			j->done[i]++;
		else
			j->failed[i]++;
}

static void
server(void *arg, unsigned i)
{
	(void)arg;
	(void)i;
	accept_all();
}

int
main(int argc, char **argv)
{
	struct job	 j;
	uint64_t	 n, done = 0, failed = 0;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "serve") == 0 &&
	    str_u64(argv[2], strlen(argv[2]), CLIENTS_MOST, &n) == 0) {
		start((unsigned)n, server, NULL);
		return 0;
	}
	if (argc != 4 || str_u64(argv[1], strlen(argv[1]), 65535,
	    &j.port) != 0 || str_u64(argv[2], strlen(argv[2]), CLIENTS_MOST,
	    &n) != 0 || str_u64(argv[3], strlen(argv[3]), 3600,
	    &j.seconds) != 0)
		return EX_USAGE;
	j.done = mmap(NULL, 2 * CLIENTS_MOST * sizeof(uint64_t), PROT_READ |
	    PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (j.done == MAP_FAILED)
		err(EX_OSERR, "mmap");
	j.failed = j.done + CLIENTS_MOST;
	start((unsigned)n, client, &j);
	for (unsigned i = 0; i < n; i++) {
		done += j.done[i];
		failed += j.failed[i];
	}
	printf("%.0f\n", (double)done / (double)j.seconds);
	if (failed > 0)
		fprintf(stderr, "connrate: %llu failed\n",
		    (unsigned long long)failed);
	return failed > 0;
}
