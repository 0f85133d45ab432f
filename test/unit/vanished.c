/* Which UIDs have gone from a folder, as far back as it is known. */
#include <stdlib.h>
#include <unistd.h>

#include "cluster/account.h"
#include "cluster/vanished.h"
#include "tap.h"

enum { ACCOUNT = 7, FOLDER = 3 };

static struct log	 silent;
static struct catdb	 db;
static struct kv_txn	*txn;

static void
begin(void)
{
	if (kv_begin(db.env, &txn) != 0)
		abort();
}

static void
commit(void)
{
	if (kv_commit(txn) != 0)
		abort();
}

static void
note(uint32_t folder, uint32_t uid, uint64_t modseq)
{
	if (vanished_note(&db, txn, ACCOUNT, folder, uid, modseq) != 0)
		abort();
}

static int
add(void *arg, uint32_t from, uint32_t to)
{
	buf_addf(arg, "%u:%u ", from, to);
	return 0;
}

static void
is_gone(uint32_t folder, uint64_t since, int rc, const char *want,
    const char *name)
{
	struct buf	 b;

	buf_init(&b, 1u << 20);
	buf_adds(&b, "");
	is_int(vanished_walk(&db, NULL, ACCOUNT, folder, since, add, &b), rc,
	    "%s: code", name);
	if (rc == 0)
		is_str(b.p, want, "%s", name);
	buf_free(&b);
}

static int
count(void *arg, uint32_t from, uint32_t to)
{
	(void)from;
	(void)to;
	++*(unsigned *)arg;
	return 0;
}

static void
test_ranges(void)
{
	begin();
	if (vanished_begin(&db, txn, ACCOUNT, FOLDER, 0) != 0)
		abort();
	note(FOLDER, 5, 10);
	note(FOLDER, 6, 11);
	note(FOLDER, 7, 12);
	note(FOLDER, 2, 13);
	note(FOLDER, 9, 20);
	note(FOLDER + 1, 77, 14);
	commit();
	is_gone(FOLDER, 0, 0, "5:7 2:2 9:9 ", "all");
	is_gone(FOLDER, 9, 0, "5:7 2:2 9:9 ", "since before the first");
	is_gone(FOLDER, 11, 0, "5:7 2:2 9:9 ", "within those in a row");
	is_gone(FOLDER, 12, 0, "2:2 9:9 ", "behind them");
	is_gone(FOLDER, 20, 0, "", "behind the last");
	is_gone(FOLDER, UINT64_MAX, 0, "", "behind all that may come");
}

static void
test_floor(void)
{
	/* of a folder from before the table there is no row yet */
	is_gone(FOLDER + 2, 5, CM_EEND, "", "a folder without a row");
	is_gone(FOLDER + 1, 12, CM_EEND, "", "before its first row");
	is_gone(FOLDER + 1, 13, 0, "77:77 ", "from there on");
	begin();
	if (vanished_begin(&db, txn, ACCOUNT, FOLDER, 30) != 0)
		abort();
	note(FOLDER, 10, 31);
	commit();
	is_gone(FOLDER, 29, CM_EEND, "", "below the floor");
	is_gone(FOLDER, 30, 0, "10:10 ", "at the floor");
	is_gone(FOLDER + 1, 13, 0, "77:77 ", "another folder has its own");
}

static void
test_bound(void)
{
	unsigned	 n = 0;
	uint64_t	 first;

	begin();
	for (uint32_t i = 0; i < VANISHED_MAX + 5; i++)
		note(FOLDER, 1000 + 2 * i, 100 + 3 * i);
	commit();
	is_gone(FOLDER, 30, CM_EEND, "", "the oldest rows are dropped");
	/* a tenth at once: with the row of the test before, 10,001 are one too
	 * many */
	first = 100 + 3 * (VANISHED_MAX / 10 - 1);
	is_gone(FOLDER, first - 2, CM_EEND, "", "up to one");
	is_int(vanished_walk(&db, NULL, ACCOUNT, FOLDER, first - 1, count, &n),
	    0, "from which on all are there");
	is_int(n, VANISHED_MAX + 5 - (VANISHED_MAX / 10 - 1), "and no other");
	begin();
	for (uint32_t i = 0; i < 3 * VANISHED_MAX; i++)
		note(FOLDER, 100000 + i, 40000 + i);
	commit();
	n = 0;
	is_int(vanished_walk(&db, NULL, ACCOUNT, FOLDER, 39999, count, &n), 0,
	    "many in a row");
	is_int(n, 1, "are one row");
}

static void
test_all(void)
{
	struct row_account	 a = { .id = ACCOUNT, .next_folder = FOLDER };
	struct row_folder	 f;
	size_t			 n;

	begin();
	is_int(account_folder_make(&db, txn, &a, (struct span){ "new", 3 },
	    1700000000000, &f), 0, "a folder is made");
	is_int(f.id, FOLDER, "with that id");
	f.modseq = 50;
	is_int(account_folder_put(&db, txn, ACCOUNT, (struct span){ "new", 3 },
	    &f), 0, "and a modseq");
	commit();
	is_gone(FOLDER, 0, 0, "", "of a new one nothing is gone");
	begin();
	is_int(vanished_begin_all(&db, txn), 0, "all begin anew");
	commit();
	is_gone(FOLDER, 49, CM_EEND, "", "with the folder's modseq");
	is_gone(FOLDER, 50, 0, "", "as the floor");
	is_gone(FOLDER + 1, 13, CM_EEND, "", "what has no folder is forgotten");
	begin();
	note(FOLDER, 1, 51);
	note(FOLDER, 3, 52);
	note(FOLDER + 1, 1, 5);
	is_int(vanished_forget(&db, txn, (struct span){ "\0\0\0\7", 4 }, 2,
	    &n), 0, "some rows of a mailbox go");
	is_int(n, 2, "as many as were asked for");
	is_int(vanished_forget(&db, txn, (struct span){ "\0\0\0\7", 4 }, 100,
	    &n), 0, "then the others");
	is_int(n, 3, "those that were left");
	commit();
}

int
main(void)
{
	char	 dir[] = "/tmp/cm-vanished.XXXXXX", cmd[100];

	if (mkdtemp(dir) == NULL || catdb_open(&silent, dir, &db) != 0)
		abort();
	test_ranges();
	test_floor();
	test_bound();
	test_all();
	catdb_close(&db);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) != 0 ? 1 : tap_done();
}
