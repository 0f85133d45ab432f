/*
 * fill PROCESSES COUNT SIZE EACH MAILBOX...: appends COUNT messages of about
 * SIZE bytes, each to two of the mailboxes, from so many processes at once; a
 * process syncs after each EACH of its messages.  Asks no catalog.  Prints
 * messages per second.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/conf.h"
#include "cluster/store.h"

#define SIZE_MOST	(64UL << 20)
#define PROCESSES_MOST	1024
#define RECEIPTS_MAX	(64UL << 20)

struct job {
	const struct log *log;
	const struct conf *conf;
	uint64_t	 count, size, each;
	char		**boxes;
	int		 nboxes;
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
append(const struct job *j, struct store *s, uint64_t n, struct buf *msg,
    struct buf *receipts)
{
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
	make_message(msg, j, n);
	m.p = msg->p;
	m.len = msg->len;
	m.mailboxes = (struct span){ boxes, strlen(boxes) };
	buf_reset(receipts);
	return msg->err ? msg->err : store_append(s, &m, receipts);
}

/* One process's share. */
static int
work(const struct job *j, uint64_t from, uint64_t to)
{
	struct store	*s;
	struct buf	 msg, receipts;
	int		 rc;

	buf_init(&msg, 2 * SIZE_MOST);
	buf_init(&receipts, RECEIPTS_MAX);
	if ((rc = store_open(j->log, j->conf, &s)) != 0)
		return rc;
	for (uint64_t n = from; rc == 0 && n < to; n++) {
		rc = append(j, s, n, &msg, &receipts);
		if (rc == 0 && ((n - from) % j->each == j->each - 1 ||
		    n + 1 == to))
			rc = store_commit(s);
	}
	store_close(s);
	buf_free(&msg);
	buf_free(&receipts);
	return rc;
}

static void
run(const struct job *j, uint64_t processes)
{
	int64_t	 start = time_mono_us();
	int	 status;

	for (uint64_t i = 0; i < processes; i++)
		switch (fork()) {
		case -1:
			err(EX_OSERR, "fork");
		case 0:
			_exit(cm_exit(work(j, j->count * i / processes,
			    j->count * (i + 1) / processes)));
		}
	for (uint64_t i = 0; i < processes; i++)
		if (wait(&status) == -1 || status != 0)
			errx(EX_SOFTWARE, "a process failed");
	printf("%.0f\n", (double)j->count * 1e6 /
	    (double)(time_mono_us() - start));
}

int
main(int argc, char **argv)
{
	struct job	 j;
	struct log	 log;
	struct conf	*conf;
	uint64_t	 processes;
	int		 rc;

	log_stderr(&log, "fill");
	if (argc < 6 ||
	    str_u64(argv[1], strlen(argv[1]), PROCESSES_MOST,
	    &processes) != 0 || processes == 0 ||
	    str_u64(argv[2], strlen(argv[2]), UINT32_MAX, &j.count) != 0 ||
	    str_size(argv[3], &j.size) != 0 || j.size > SIZE_MOST ||
	    str_u64(argv[4], strlen(argv[4]), UINT32_MAX, &j.each) != 0 ||
	    j.each == 0) {
		fputs("usage: fill PROCESSES COUNT SIZE EACH MAILBOX...\n",
		    stderr);
		return EX_USAGE;
	}
	log.max = CM_LOG_WARN;
	j.boxes = argv + 5;
	j.nboxes = argc - 5;
	if ((rc = conf_load(&log, NULL, NULL, &conf)) != 0)
		return cm_exit(rc);
	j.log = &log;
	j.conf = conf;
	run(&j, processes);
	conf_free(conf);
	return 0;
}
