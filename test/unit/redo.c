/* Lines of a journal done again in a catalog that has nothing. */
#include <stdlib.h>
#include <unistd.h>

#include "cluster/account.h"
#include "cluster/expect.h"
#include "cluster/replay.h"
#include "tap.h"

#define WHO	"bob@example.org"
#define ID	"0000000000000000000000000"	/* and a digit */
#define PLACE	"v:00000001:0:9"

static struct log	 silent;
static struct catdb	 db;
static struct buf	 lines;
static uint64_t		 number;

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
line(const char *text)
{
	char			 s[500];
	struct journal_line	 l = { .number = ++number };

	snprintf(s, sizeof(s), "-\t%s", text);
	l.note = sp(s);
	if (journal_write(&lines, &l) != 0)
		abort();
}

/* How many cannot be. */
static void
is_done(uint64_t refused, const char *name)
{
	struct conf_volume	 v = { .name = (char []){ "v" } };
	struct conf		 conf = { .volumes = &v, .nvolumes = 1 };
	struct replay_source	 source = { .node = "n1", .fd = -1,
				    .text = lines.p, .len = lines.len };
	struct replay_batch	 batch = { .catalog = 7, .number = 1,
				    .to = lines.len, .first = 1,
				    .last = number };
	struct replay		 r = { .log = &silent, .conf = &conf,
				    .db = &db, .source = &source,
				    .nsources = 1, .scratch = true,
				    .batch = &batch, .nbatches = 1 };

	buf_init(&r.said, 1 << 20);
	is_int(replay_apply(&r), 0, "%s", name);
	is_int(r.refused, refused, "%s: so many cannot be done", name);
	if (r.said.len > 0)
		printf("# %.*s", (int)r.said.len, r.said.p);
	buf_free(&r.said);
	buf_reset(&lines);
	number = 0;
}

static struct row_folder
get(const char *name)
{
	struct row_account	 a;
	struct row_folder	 f = { 0 };
	struct buf		 raw;

	buf_init(&raw, ROW_MAX);
	if (account_get(&db, NULL, WHO, &raw, &a) != 0 ||
	    account_folder_get(&db, NULL, a.id, sp(name), &f) != 0)
		f = (struct row_folder){ 0 };
	buf_free(&raw);
	return f;
}

/* Is the message waited for as one that comes to that folder? */
static void
is_expected(unsigned n, const char *folder, uint32_t now, const char *name)
{
	char			 s[ULID_LEN + 1];
	struct row_expected	 e;
	struct ulid		 id;
	struct buf		 raw;

	buf_init(&raw, ROW_MAX);
	snprintf(s, sizeof(s), ID "%u", n);
	if (ulid_parse(s, ULID_LEN, &id) != 0)
		abort();
	is_int(expect_get(&db, NULL, &id, WHO, folder, &raw, &e), 0, "%s",
	    name);
	ok(e.what == EXPECT_FLAGS && e.flags == FLAG_SEEN, "with its flags");
	is_int(e.folder, now, "and goes where it was");
	buf_free(&raw);
}

/* Its mail came before the journal began, as that of the folder's old name. */
static void
test_renamed(void)
{
	line("user-add\t" WHO "\t-\t1\t1000000");
	line("folder-rename\t" WHO "/A\tB\t0\t0");
	line("flag\t" WHO "/B/5\t" ID "1\t" PLACE "\t7\t-\t\\Seen\t-\t8");
	line("folder-rename\t" WHO "/B\tC/d\t0\t0");
	line("flag\t" WHO "/C/d/e/6\t" ID "2\t" PLACE "\t7\t-\t\\Seen\t-\t8");
	line("folder-rename\t" WHO "/INBOX\tOld\t2\t1000");
	line("flag\t" WHO "/Old/1\t" ID "3\t" PLACE "\t7\t-\t\\Seen\t-\t8");
	line("flag\t" WHO "/Old/x/1\t" ID "4\t" PLACE "\t7\t-\t\\Seen\t-\t8");
	line("flag\t" WHO "/INBOX/1\t" ID "5\t" PLACE "\t7\t-\t\\Seen\t-\t8");
	is_done(2, "renames of folders that are not there");
	is_expected(1, "A", 0, "the one that was renamed");
	is_expected(2, "A/e", 0, "one below it, and renamed twice");
	is_expected(3, "INBOX", get("Old").id, "what was in INBOX");
	is_expected(4, "Old/x", 0, "nothing was below that");
	is_expected(5, "INBOX", get("INBOX").id, "the new one");
}

static void
test_uids(void)
{
	line("uids\t" WHO "/N\t4000000100\t1\t1");
	line("uids\t" WHO "/N\t4000000100\t1\t1\t77");
	is_done(0, "a modseq without messages");
	is_int(get("N").modseq, 77, "is the folder's");
	is_int(get("N").uidnext, 1, "no UID is given");
	line("uids\t" WHO "/N\t4000000100\t1\t3\t78\t" ID "6," ID "7");
	line("uids\t" WHO "/N\t4000000100\t3\t3\t50");
	is_done(0, "with messages, and one that is lower");
	is_int(get("N").modseq, 79, "that of the last one");
	line("uids\t" WHO "/N\t4000000100\t3\t65539");
	is_done(0, "UIDs that were left out");
	is_int(get("N").uidnext, 65539, "are left out");
	is_int(get("N").validity, 4000000100, "with that UIDVALIDITY");
	line("uids\t" WHO "/N\t4000000200\t9\t65545");
	is_done(0, "those of a folder that no line made");
	ok(get("N").validity > 4000000200, "are not this one's");
}

int
main(void)
{
	char	 dir[] = "/tmp/cm-redo.XXXXXX", cmd[100];

	if (mkdtemp(dir) == NULL || catdb_open(&silent, dir, &db) != 0)
		abort();
	buf_init(&lines, 1 << 20);
	test_renamed();
	test_uids();
	buf_free(&lines);
	catdb_close(&db);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) != 0 ? 1 : tap_done();
}
