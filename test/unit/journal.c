/* The journal of changes: what is on disk is read, a torn end is cut. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/journal.h"
#include "tap.h"

static char		 base[] = "/tmp/cm-journal.XXXXXX";
static char		 path[100], old[100];
static struct log	 silent;

static void
fresh(void)
{
	unlink(path);
	unlink(old);
}

static struct journal *
must_open(void)
{
	struct journal	*j = NULL;

	if (journal_open(&silent, base, &j) != 0)
		abort();
	return j;
}

static int
append(struct journal *j, const char *notes)
{
	struct buf	 b;
	int		 rc;

	buf_init(&b, 4096);
	buf_adds(&b, notes);
	rc = journal_append(j, &b);
	buf_free(&b);
	return rc;
}

/* Numbers and kinds, with blanks between. */
static int
collect(void *arg, const struct journal_line *l)
{
	struct buf	*b = arg;

	buf_addf(b, "%s%llu%.*s", b->len > 0 ? " " : "",
	    (unsigned long long)l->number, (int)l->kind.len, l->kind.p);
	return 0;
}

static void
is_all(struct journal *j, uint64_t fork, const char *want, const char *name)
{
	struct buf	 b;
	int		 rc;

	buf_init(&b, 4096);
	buf_adds(&b, "");
	rc = fork == 0 ? journal_walk(j, collect, &b) :
	    journal_walk_part(j, fork, collect, &b);
	is_int(rc, 0, "%s: walked", name);
	is_str(b.p, want, "%s", name);
	buf_free(&b);
}

static void
write_at_end(const char *file, const char *s)
{
	int	 fd = open(file, O_WRONLY | O_APPEND);

	if (fd == -1 || file_write(fd, s, strlen(s)) != 0)
		abort();
	close(fd);
}

static void
test_lines(void)
{
	struct journal	*j;
	struct stat	 st;

	fresh();
	j = must_open();
	is_int(append(j, "-\tflag\ta\tb\n-\texpunge\tc\n"), 0, "two lines");
	is_int(append(j, ""), 0, "none");
	journal_done(j);
	is_all(j, 0, "1flag 2expunge 3done", "what was written");
	journal_close(j);
	if (stat(path, &st) == -1)
		abort();
	is_int(st.st_mode & 0777, 0600, "nobody else reads it");
	write_at_end(path, "0badbad0\t4\t2026-11-25T08:00:00.000Z\t-\t-\tx");
	j = must_open();
	is_all(j, 0, "1flag 2expunge 3done", "a torn end");
	is_int(append(j, "-\tflag\n"), 0, "a line behind it");
	is_all(j, 0, "1flag 2expunge 3done 4flag", "goes on with its number");
	journal_close(j);
	if (truncate(path, 3) == -1)
		abort();
	is_int(journal_open(&silent, base, &j), CM_ECORRUPT, "no journal");
}

static void
test_alone(void)
{
	struct journal	*j;

	fresh();
	j = must_open();
	is_int(append(j, "-\tflag\n"), 0, "a change");
	journal_done(j);
	is_int(append(j, "-\tuids\n-\tflag\n"), 0, "one without an end");
	is_int(journal_changes(j), 0, "not alone");
	is_int(journal_alone(j, 0xabc), 0, "alone");
	is_int(append(j, "-\tuids\n-\tflag\n-\tuser-add\n"), 0, "changes");
	journal_done(j);
	is_int(journal_changes(j), 2, "are counted");
	journal_dumped(j);
	ok(!file_exists(old), "a dump throws nothing away then");
	is_all(j, 0xabc, "3uids 4flag 5alone 6uids 7flag 8user-add 9done "
	    "10dump", "the part, and what was under way");
	journal_close(j);
	j = must_open();
	is_int(journal_alone(j, 0xabc), 0, "again after a restart");
	is_int(journal_changes(j), 2, "are counted again");
	is_int(journal_alone(j, 0), 0, "not any more");
	is_int(append(j, "-\tflag\n"), 0, "a change of both");
	is_all(j, 0xabc, "3uids 4flag 5alone 6uids 7flag 8user-add 9done "
	    "10dump", "is not of the part");
	is_int(journal_alone(j, 0xdef), 0, "and alone again");
	is_all(j, 0xdef, "11flag 12alone", "begins where it must");
	journal_close(j);
}

static void
test_dumps(void)
{
	struct journal	*j;

	fresh();
	j = must_open();
	is_int(append(j, "-\tflag\n"), 0, "a change");
	journal_dumped(j);
	is_int(append(j, "-\texpunge\n"), 0, "behind a dump");
	is_all(j, 0, "1flag 2dump 3expunge", "all is there");
	journal_dumped(j);
	is_all(j, 0, "3expunge 4dump", "two dumps later it is not");
	journal_close(j);
	if (unlink(path) == -1)
		abort();
	j = must_open();
	is_int(append(j, "-\tflag\n"), 0, "killed between two files");
	is_all(j, 0, "3expunge 4dump 5flag", "goes on");
	journal_close(j);
}

static void
test_fields(void)
{
	struct buf	 b, f;
	struct span	 rest;

	buf_init(&b, 4096);
	buf_init(&f, 4096);
	journal_text(&b, "");
	journal_text(&b, "-");
	journal_text(&b, "a\tb\nc%");
	journal_number(&b, 12);
	is_str(b.p, "\t-\t%2D\ta%09b%0Ac%25\t12", "fields");
	rest = (struct span){ b.p + 1, b.len - 1 };
	is_int(journal_take(&rest, &f), 0, "the first");
	is_str(f.p, "", "is empty");
	is_int(journal_take(&rest, &f), 0, "the second");
	is_str(f.p, "-", "is a dash");
	is_int(journal_take(&rest, &f), 0, "the third");
	is_str(f.p, "a\tb\nc%", "comes back");
	is_int(journal_take(&rest, &f), 0, "the fourth");
	is_int(journal_take(&rest, &f), CM_EDATA, "no more");
	buf_free(&b);
	buf_free(&f);
}

int
main(void)
{
	log_silent(&silent);
	if (mkdtemp(base) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/catalog.journal", base);
	snprintf(old, sizeof(old), "%s/catalog.journal.1", base);
	test_lines();
	test_alone();
	test_dumps();
	test_fields();
	fresh();
	rmdir(base);
	return tap_done();
}
