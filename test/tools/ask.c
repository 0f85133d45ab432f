/*
 * ask PROCESSES SECONDS change|list|rcpt UIDS MAILBOX...: asks this node's
 * agent from so many processes, each with a connection of its own, one request
 * after the other: flags are changed, single messages listed (of random
 * mailboxes, a UID from 1 to UIDS), addresses resolved.  Prints requests per
 * second, and the median and the 99th percentile of the milliseconds of one.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/catalog.h"

#define PROCESSES_MOST	256
#define SECONDS_MOST	3600
#define TIMES		200000		/* of each process, kept */

struct job {
	const struct log *log;
	const struct conf *conf;
	uint64_t	 processes, seconds, uids;
	const char	*what;
	char		**boxes;
	int		 nboxes;
	struct tally	*tally;		/* shared; of each process */
};

struct tally {
	uint64_t	 n;
	uint32_t	 us[TIMES];
};

static int
count(void *arg, struct span line)
{
	(void)line;
	++*(unsigned *)arg;
	return 0;
}

/* One request; it must find what it asks for. */
static int
ask(const struct job *j, struct catalog *c, uint64_t n, unsigned *seed)
{
	const char	*box = j->boxes[rand_r(seed) % j->nboxes];
	char		 uid[24];
	const char	*add = n % 2 ? "\\Seen" : "";
	const char	*del = n % 2 ? "" : "\\Seen";
	const char	*change[] = { "flag", box, "INBOX", uid, add, del,
			    NULL };
	const char	*list[] = { "list", box, "INBOX", uid, uid, NULL };
	const char	*rcpt[] = { "rcpt", box, NULL };
	unsigned	 lines = 0;
	int		 rc;

	snprintf(uid, sizeof(uid), "%u",
	    (unsigned)((unsigned)rand_r(seed) % j->uids + 1));
	if (j->what[0] == 'c')
		return catalog_call(c, change, -1, CATALOG_CALL_MS, NULL, NULL);
	rc = catalog_call(c, j->what[0] == 'l' ? list : rcpt, -1,
	    CATALOG_CALL_MS, count, &lines);
	return rc == 0 && lines != 1 ? CM_ENOINPUT : rc;
}

static int
work(const struct job *j, uint64_t me)
{
	struct tally	*t = &j->tally[me];
	struct catalog	*c;
	int64_t		 end = time_mono_us() + (int64_t)j->seconds * 1000000;
	int64_t		 start, now = 0;
	unsigned	 seed = (unsigned)me + 1;
	int		 rc;

	if ((rc = catalog_open(j->log, j->conf, j->conf->file, j->conf->self,
	    &c)) != 0)
		return rc;
	while (rc == 0 && now < end) {
		start = time_mono_us();
		rc = ask(j, c, t->n, &seed);
		now = time_mono_us();
		t->us[t->n++ % TIMES] = (uint32_t)(now - start);
	}
	catalog_close(c);
	return rc;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
report(const struct job *j)
{
	uint32_t	*all;
	uint64_t	 n = 0, total = 0;

	if ((all = calloc(j->processes * TIMES, sizeof(*all))) == NULL)
		err(EX_OSERR, NULL);
	for (uint64_t i = 0; i < j->processes; i++) {
		const struct tally *t = &j->tally[i];

		total += t->n;
		for (uint64_t k = 0; k < t->n && k < TIMES; k++)
			all[n++] = t->us[k];
	}
	qsort(all, n, sizeof(*all), compare);
	printf("%.0f %.2f %.2f\n", (double)total / (double)j->seconds,
	    all[n / 2] / 1e3, all[n * 99 / 100] / 1e3);
	free(all);
}

static bool
parse(struct job *j, int argc, char **argv)
{
	if (argc < 6)
		return false;
	j->what = argv[3];
	j->boxes = argv + 5;
	j->nboxes = argc - 5;
	return str_u64(argv[1], strlen(argv[1]), PROCESSES_MOST,
	    &j->processes) == 0 && j->processes > 0 &&
	    str_u64(argv[2], strlen(argv[2]), SECONDS_MOST,
	    &j->seconds) == 0 && j->seconds > 0 &&
	    (strcmp(j->what, "change") == 0 || strcmp(j->what, "list") == 0 ||
	    strcmp(j->what, "rcpt") == 0) &&
	    str_u64(argv[4], strlen(argv[4]), UINT32_MAX, &j->uids) == 0 &&
	    j->uids > 0;
}

int
main(int argc, char **argv)
{
	struct job	 j = { .what = "" };
	struct log	 log;
	struct conf	*conf;
	int		 rc, status, failed = 0;

	signal(SIGPIPE, SIG_IGN);
	log_stderr(&log, "ask");
	if (!parse(&j, argc, argv)) {
		fputs("usage: ask PROCESSES SECONDS change|list|rcpt UIDS "
		    "MAILBOX...\n", stderr);
		return EX_USAGE;
	}
	if ((rc = conf_load(&log, NULL, NULL, &conf)) != 0)
		return cm_exit(rc);
	j.log = &log;
	j.conf = conf;
	j.tally = mmap(NULL, j.processes * sizeof(*j.tally),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (j.tally == MAP_FAILED)
		err(EX_OSERR, "mmap");
	for (uint64_t i = 0; i < j.processes; i++)
		switch (fork()) {
		case -1:
			err(EX_OSERR, "fork");
		case 0:
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(cm_exit(work(&j, i)));
		}
	for (uint64_t i = 0; i < j.processes; i++)
		if (wait(&status) == -1 || status != 0)
			failed = 1;
	if (failed)
		errx(EX_SOFTWARE, "a process failed");
	report(&j);
	conf_free(conf);
	return 0;
}
