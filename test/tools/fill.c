/*
 * fill [-l] [-m copies] [-r file] PROCESSES COUNT SIZE EACH MAILBOX...:
 * appends COUNT messages of about SIZE bytes, each to two of the mailboxes,
 * from so many processes at once; a process syncs after each EACH of its
 * messages.  Asks no catalog.  Prints messages per second.
 *   -l  behind that, the median and the 99th percentile of the milliseconds
 *       from the first append of EACH to their being safe
 *   -m  safe means: on so many copies, the home counted; it is an error when
 *       they are not in time
 *   -r  the receipt of each message for which make_safe returned, appended to
 *       a file as soon as it is safe
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/conf.h"
#include "cluster/mirror.h"
#include "cluster/store.h"
#include "format/receipt.h"

#define SIZE_MOST	(64UL << 20)
#define PROCESSES_MOST	1024
#define RECEIPTS_MAX	(64UL << 20)

struct job {
	const struct log *log;
	const struct conf *conf;
	uint64_t	 processes, count, size, each, copies;
	bool		 latencies;
	const char	*ledger;
	int		 ledger_fd;
	uint32_t	*us;		/* of each message; 0: not measured */
	char		**boxes;
	int		 nboxes;
};

/* What a process has open. */
struct worker {
	const struct job *j;
	struct mirror	 m;
	struct mirror_line *line;
	struct store	*s;
	struct buf	 msg, receipts, labels;
	size_t		 last;		/* receipt */
};

static void
make_message(struct buf *b, const struct job *j, uint64_t n)
{
	buf_reset(b);
	buf_addf(b, "From: Ann <ann@example.net>\r\nTo: bob@example.org\r\n"
	    "Subject: message %llu\r\nMessage-ID: <%llu@example.net>\r\n"
	    "Date: Tue, 24 Nov 2026 08:00:00 +0000\r\n\r\n",
	    (unsigned long long)n, (unsigned long long)n);
	while (b->len < j->size && b->err == 0)
		buf_adds(b, "a line of text as long as lines in letters are, "
		    "or nearly so, at the least\r\n");
}

static int
append(struct worker *w, uint64_t n)
{
	const struct job *j = w->j;
	char		 boxes[2048];
	struct store_msg m = { .sender = "ann@example.net", .folder = "INBOX",
			    .flags = "", .time_ms = -1 };
	const char	*one = j->boxes[n % (uint64_t)j->nboxes];
	const char	*two = j->boxes[(n * 7 + 1) % (uint64_t)j->nboxes];
	int		 rc;

	rc = strcmp(one, two) == 0 ?
	    str_fmt(boxes, sizeof(boxes), "%s\n", one) :
	    str_fmt(boxes, sizeof(boxes), "%s\n%s\n", one, two);
	if (rc != 0)
		return rc;
	make_message(&w->msg, j, n);
	m.p = w->msg.p;
	m.len = w->msg.len;
	m.mailboxes = (struct span){ boxes, strlen(boxes) };
	if (j->ledger == NULL)
		buf_reset(&w->receipts);
	w->last = w->receipts.len;
	return w->msg.err ? w->msg.err : store_append(w->s, &m, &w->receipts);
}

static int
note(struct worker *w)
{
	int	 rc = 0;

	if (w->j->ledger != NULL)
		rc = file_write(w->j->ledger_fd, w->receipts.p,
		    w->receipts.len);
	buf_reset(&w->receipts);
	return rc;
}

/* The last message and all before it. */
static int
make_safe(struct worker *w)
{
	struct receipt	 r;
	int		 rc;

	if (w->j->copies == 0)
		return (rc = store_commit(w->s)) == 0 ? note(w) : rc;
	if ((rc = receipt_parse(w->receipts.p + w->last,
	    w->receipts.len - w->last - 1, &r)) != 0)
		return rc;
	mirror_line_ask(w->line, &r.place);
	if ((rc = store_commit(w->s)) != 0)
		return rc;
	buf_reset(&w->labels);
	rc = mirror_line_wait(w->line, &r.place, &w->labels);
	return rc == 0 ? note(w) : rc;
}

static int
worker_open(struct worker *w, const struct job *j)
{
	int	 rc;

	memset(w, 0, sizeof(*w));
	w->j = j;
	w->m = (struct mirror){ .log = j->log, .conf = j->conf,
	    .file = j->conf->file, .copies = (unsigned)j->copies };
	buf_init(&w->msg, 2 * SIZE_MOST);
	buf_init(&w->receipts, RECEIPTS_MAX);
	buf_init(&w->labels, RECEIPTS_MAX);
	if ((rc = store_open(j->log, j->conf, &w->s)) != 0)
		return rc;
	return mirror_line_open(&w->m, &w->line);
}

/* One process's share. */
static int
work(const struct job *j, uint64_t from, uint64_t to)
{
	struct worker	 w;
	int64_t		 start = 0;
	int		 rc;

	rc = worker_open(&w, j);
	for (uint64_t n = from; rc == 0 && n < to; n++) {
		if ((n - from) % j->each == 0)
			start = time_mono_us();
		if ((rc = append(&w, n)) == 0 &&
		    ((n - from) % j->each == j->each - 1 || n + 1 == to) &&
		    (rc = make_safe(&w)) == 0)
			j->us[n] = (uint32_t)(time_mono_us() - start);
	}
	if (rc != 0)
		log_fail(j->log, rc, "a process");
	mirror_line_close(w.line);
	store_close(w.s);
	buf_free(&w.msg);
	buf_free(&w.receipts);
	buf_free(&w.labels);
	return rc;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
print_latencies(const struct job *j)
{
	uint64_t	 n = 0;

	for (uint64_t i = 0; i < j->count; i++)
		if (j->us[i] != 0)
			j->us[n++] = j->us[i];
	qsort(j->us, n, sizeof(*j->us), compare);
	printf(" %.2f %.2f", j->us[n / 2] / 1e3, j->us[n * 99 / 100] / 1e3);
}

static void
run(const struct job *j)
{
	int64_t	 start = time_mono_us();
	int	 status;

	for (uint64_t i = 0; i < j->processes; i++)
		switch (fork()) {
		case -1:
			err(EX_OSERR, "fork");
		case 0:
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(cm_exit(work(j, j->count * i / j->processes,
			    j->count * (i + 1) / j->processes)));
		}
	for (uint64_t i = 0; i < j->processes; i++)
		if (wait(&status) == -1 || status != 0)
			errx(EX_SOFTWARE, "a process failed");
	printf("%.0f", (double)j->count * 1e6 /
	    (double)(time_mono_us() - start));
	if (j->latencies)
		print_latencies(j);
	putchar('\n');
}

static bool
parse(struct job *j, int argc, char **argv)
{
	int	 ch;

	while ((ch = getopt(argc, argv, "lm:r:")) != -1)
		if (ch == 'l')
			j->latencies = true;
		else if (ch == 'r')
			j->ledger = optarg;
		else if (ch != 'm' || str_u64(optarg, strlen(optarg),
		    CONF_NODES_MAX, &j->copies) != 0 || j->copies == 0)
			return false;
	argc -= optind;
	argv += optind;
	j->boxes = argv + 4;
	j->nboxes = argc - 4;
	return argc > 4 && str_u64(argv[0], strlen(argv[0]), PROCESSES_MOST,
	    &j->processes) == 0 && j->processes > 0 &&
	    str_u64(argv[1], strlen(argv[1]), UINT32_MAX, &j->count) == 0 &&
	    j->count > 0 && str_size(argv[2], &j->size) == 0 &&
	    j->size <= SIZE_MOST &&
	    str_u64(argv[3], strlen(argv[3]), UINT32_MAX, &j->each) == 0 &&
	    j->each > 0;
}

int
main(int argc, char **argv)
{
	struct job	 j = { 0 };
	struct log	 log;
	struct conf	*conf;
	int		 rc;

	signal(SIGPIPE, SIG_IGN);
	log_stderr(&log, "fill");
	if (!parse(&j, argc, argv)) {
		fputs("usage: fill [-l] [-m copies] [-r file] PROCESSES COUNT "
		    "SIZE EACH MAILBOX...\n", stderr);
		return EX_USAGE;
	}
	log.max = CM_LOG_WARN;
	if ((rc = conf_load(&log, NULL, NULL, &conf)) != 0)
		return cm_exit(rc);
	j.log = &log;
	j.conf = conf;
	if (j.ledger != NULL && (j.ledger_fd = open(j.ledger,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) == -1)
		err(EX_CANTCREAT, "%s", j.ledger);
	/* shared with the processes */
	j.us = mmap(NULL, j.count * sizeof(*j.us), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (j.us == MAP_FAILED)
		err(EX_OSERR, "mmap");
	run(&j);
	conf_free(conf);
	return 0;
}
