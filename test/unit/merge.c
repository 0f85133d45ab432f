/* Lines of the loser of a split pair, done again. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/account.h"
#include "cluster/change.h"
#include "cluster/change_copy.h"
#include "cluster/merge.h"
#include "cluster/vanished.h"
#include "tap.h"

#define WHO	"bob@example.org"
#define FROM	0x1111		/* the loser led alone */
#define HERE	0x2222		/* and this node did */
#define ID	"0000000000000000000000000"	/* and a digit */

static struct log	 silent;
static struct catdb	 db;
static struct kv_txn	*txn;
static struct journal	*journal;
static char		 dir[] = "/tmp/cm-merge.XXXXXX";
static struct buf	 notes, lines;
static uint64_t		 number;	/* of lines */

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static struct row_account
account(void)
{
	static struct buf	 raw;
	struct row_account	 a;

	buf_free(&raw);
	buf_init(&raw, ROW_MAX);
	if (account_get(&db, txn, WHO, &raw, &a) != 0)
		abort();
	return a;
}

static void
begin(void)
{
	char	 cmd[100];

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(cmd, sizeof(cmd), "%s/db", dir);
	if (mkdir(cmd, 0700) == -1 || catdb_open(&silent, cmd, &db) != 0 ||
	    kv_begin(db.env, &txn) != 0 ||
	    account_add(&db, txn, WHO, sp(""), 1000000) != 0 ||
	    journal_open(&silent, dir, &journal) != 0)
		abort();
	buf_init(&notes, 1 << 20);
	buf_init(&lines, 1 << 20);
	db.notes = &notes;
	number = 0;
}

static void
end(void)
{
	char	 cmd[100];

	kv_abort(txn);
	catdb_close(&db);
	journal_close(journal);
	buf_free(&notes);
	buf_free(&lines);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		abort();
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
}

static struct row_folder
get(const char *name)
{
	struct row_folder	 f = { 0 };

	return account_folder_get(&db, txn, account().id, sp(name), &f) == 0 ?
	    f : (struct row_folder){ 0 };
}

static void
make(const char *name)
{
	if (change_folder_add(&db, txn, WHO, name, 0) != 0)
		abort();
}

static struct ulid
id_of(unsigned n)
{
	char		 s[ULID_LEN + 1];
	struct ulid	 id;

	snprintf(s, sizeof(s), ID "%u", n);
	if (ulid_parse(s, ULID_LEN, &id) != 0)
		abort();
	return id;
}

/* A message is listed, with the next UID. */
static void
put(const char *name, unsigned n, uint32_t flags)
{
	struct row_account	 a = account();
	struct row_folder	 f = get(name);
	struct row_message	 m = { .id = id_of(n), .size = 100,
				    .flags = flags, .keywords = { "", 0 } };
	struct row_record	 r = { .envelope = { "", 0 },
				    .body = { "", 0 }, .refs = { "", 0 } };
	struct buf		 b;

	buf_init(&b, ROW_MAX);
	m.modseq = ++f.modseq;
	account_leap(&db, &f);
	if (row_record_put(&b, &r) != 0 || kv_put(db.records, txn,
	    (struct span){ (const char *)m.id.b, 16 },
	    (struct span){ b.p, b.len }) != 0 ||
	    account_place(&db, txn, &a, &f, f.uidnext++, &m) != 0 ||
	    account_put(&db, txn, WHO, &a) != 0 ||
	    account_folder_put(&db, txn, a.id, sp(name), &f) != 0)
		abort();
	buf_free(&b);
}

static void
note(void)
{
	if (journal_append(journal, &notes) != 0)
		abort();
	journal_done(journal);
	buf_reset(&notes);
}

/* What is there so far both have; from here on each is alone. */
static void
part(void)
{
	note();
	if (journal_alone(journal, HERE) != 0)
		abort();
}

static void
line(const char *text)
{
	char			 s[500];
	struct journal_line	 l = { .number = ++number, .fork = FROM };

	snprintf(s, sizeof(s), "-\t%s", text);
	l.note = sp(s);
	if (journal_write(&lines, &l) != 0)
		abort();
}

/* Of a message, as it was before: "FOLDER/UID", flags, what follows. */
static void
message(const char *kind, const char *entry, unsigned n, const char *more)
{
	char	 s[500];

	snprintf(s, sizeof(s), "%s\t" WHO "/%s\t" ID "%u\tv:00000001:0:9\t2\t"
	    "%s", kind, entry, n, more);
	line(s);
}

/* How many are refused. */
static void
is_merged(uint64_t refused, const char *name)
{
	struct merge	 m = { .journal = journal, .from = FROM,
			    .against = HERE, .text = lines.p,
			    .len = lines.len };

	buf_init(&m.refusals, 1 << 20);
	is_int(merge_lines(&db, txn, &m), 0, "%s", name);
	ok(!m.waits && m.done == number && m.refused == refused,
	    "%s: %llu are refused", name, (unsigned long long)m.refused);
	if (m.refusals.len > 0)
		printf("# %.*s", (int)m.refusals.len, m.refusals.p);
	buf_free(&m.refusals);
}

/* Flags of a message; -1: it is not there. */
static int
flags(const char *folder, uint32_t uid, unsigned n)
{
	struct row_message	 m;
	struct ulid		 id = id_of(n);
	struct buf		 raw;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	rc = account_message(&db, txn, WHO, folder, uid, &raw, &m);
	buf_free(&raw);
	return rc != 0 || memcmp(&id, &m.id, sizeof(id)) != 0 ? -1 :
	    (int)m.flags;
}

/* Mail made it again there, and here its messages have other UIDs. */
static void
test_made_again(const char *change, uint64_t refused, const char *name)
{
	begin();
	make("Go");
	put("Go", 1, 0);
	part();
	line("uids\t" WHO "/Go\t4000000000\t1\t3");
	line(change);
	is_merged(refused, name);
	if (get("Go").id == 0)
		make("Go");
	put("Go", 6, 0);
	put("Go", 5, 0);
	message("flag", "Go/1", 5, "-\t\\Flagged\t-\t3");
	message("expunge", "Go/2", 6, "-\t4");
	is_merged(refused, "mail that came then");
	is_int(flags("Go", get("Go").uidnext - 1, 5), FLAG_FLAGGED,
	    "%s: is flagged", name);
	is_int(flags("Go", get("Go").uidnext - 2, 6), -1, "%s: is gone", name);
	end();
}

/* What this side changed counts, whatever name the other one gave it. */
static void
test_renamed(void)
{
	begin();
	make("A");
	make("A/b");
	put("A", 1, FLAG_DELETED);
	put("A", 2, FLAG_DELETED);
	put("A/b", 3, 0);
	part();
	if (change_flag(&db, txn, WHO, "A", 1, "", "\\Deleted") != 0 ||
	    change_flag(&db, txn, WHO, "A/b", 1, "\\Flagged", "") != 0)
		abort();
	note();
	line("folder-rename\t" WHO "/A\tX\t0\t0");
	line("folder-rename\t" WHO "/X\tY/z\t0\t0");
	message("expunge", "Y/z/1", 1, "\\Deleted\t3");
	message("expunge", "Y/z/2", 2, "\\Deleted\t4");
	message("flag", "Y/z/b/1", 3, "\\Flagged\t-\t\\Flagged\t5");
	line("folder-del\t" WHO "/Y/z/b\t1\t1\t100\t5");
	is_merged(3, "folders that were renamed there");
	is_int(flags("Y/z", 1, 1), 0, "one that is not \\Deleted here stays");
	is_int(flags("Y/z", 2, 2), -1, "another one goes");
	is_int(flags("Y/z/b", 1, 3), FLAG_FLAGGED, "a flag that was set stays,"
	    " and its folder");
	end();
}

static void
test_to_and_fro(void)
{
	begin();
	make("A");
	put("A", 1, 0);
	put("INBOX", 2, 0);
	part();
	if (change_flag(&db, txn, WHO, "A", 1, "\\Seen", "") != 0 ||
	    change_flag(&db, txn, WHO, "INBOX", 1, "\\Seen", "") != 0)
		abort();
	note();
	line("folder-rename\t" WHO "/A\tB\t0\t0");
	line("folder-rename\t" WHO "/B\tA\t0\t0");
	message("expunge", "A/1", 1, "-\t3");
	line("folder-rename\t" WHO "/INBOX\tOld\t7\t4000000001");
	message("expunge", "Old/1", 2, "-\t3");
	is_merged(2, "to and fro, and INBOX");
	is_int(flags("A", 1, 1), FLAG_SEEN, "it stays");
	is_int(flags("Old", 1, 2), FLAG_SEEN, "and what was in INBOX");
	end();
}

/* UIDs that the other side gave in a folder that has another name here. */
static void
test_given(bool again)
{
	struct row_folder	 f;
	char			 s[200];

	begin();
	make("A");
	put("A", 1, 0);
	part();
	f = get("A");
	if (change_folder_rename(&db, txn, WHO, "A", "C") != 0)
		abort();
	if (again)
		make("A");
	note();
	snprintf(s, sizeof(s), "uids\t" WHO "/A\t%u\t2\t5", f.validity);
	line(s);
	is_merged(0, "a folder that was renamed here");
	is_int(get("C").validity, f.validity, "is the same");
	is_int(get("C").uidnext, 5, "and gives none of the UIDs again");
	ok(!again || (get("A").uidnext == 1 && get("A").validity >
	    f.validity), "another one of that name is not meant");
	end();
}

/* This side gave them as well. */
static void
test_given_twice(void)
{
	struct row_folder	 f;
	char			 s[200];

	begin();
	make("A");
	put("A", 1, 0);
	part();
	f = get("A");
	if (change_folder_rename(&db, txn, WHO, "A", "C") != 0)
		abort();
	put("C", 2, 0);
	note();
	snprintf(s, sizeof(s), "uids\t" WHO "/A\t%u\t2\t5", f.validity);
	line(s);
	is_merged(0, "both gave a UID, under two names");
	ok(get("C").validity > f.validity, "it has another UIDVALIDITY");
	end();
}

/* A folder that the other side deleted has another name here: from says as
 * what it, or one above it, was renamed; NULL: this side deleted it, too. */
static void
is_deleted(const char *from, bool known, bool stays, const char *name)
{
	char	 s[200];

	begin();
	make("A");
	make("A/b");
	put("A/b", 1, 0);
	if (known)
		part();
	snprintf(s, sizeof(s), "folder-del\t" WHO "/A/b\t%u\t1\t100\t2",
	    get("A/b").validity);
	line(s);
	if (from == NULL ? change_folder_del(&db, txn, WHO, "A/b") != 0 :
	    change_folder_rename(&db, txn, WHO, from, "C") != 0)
		abort();
	note();
	is_merged(stays, name);
	ok(!stays || flags(strcmp(from, "A") == 0 ? "C/b" : "C", 1, 1) != -1,
	    "%s: %s", name, stays ? "its message stays" : "it is gone");
	end();
}

static void
test_deleted(void)
{
	is_deleted("A/b", true, true, "one that was renamed here");
	is_deleted("A", true, true, "with the one above it");
	is_deleted(NULL, true, false, "deleted here, too");
	is_deleted("A/b", false, true, "renamed, and no line tells it");
	is_deleted(NULL, false, false, "deleted, and no line tells it");
}

/* --- what readers there saw --- */

enum here { NONE, FIRST, SECOND, LATER };

/* Here the folder got mail while this side was alone, as the first or second
 * node, or behind that, or none; there it gave [first, next). */
static void
is_given(enum here here, unsigned first, unsigned next, bool anew,
    const char *name)
{
	_Atomic uint64_t	 leaps;
	struct row_folder	 f;
	char			 s[200];

	begin();
	make("A");
	put("A", 1, 0);
	part();
	f = get("A");
	leaps = account_leap_of(HERE, here == FIRST);
	db.leaps = here == LATER ? NULL : &leaps;
	if (here != NONE)
		put("A", 2, 0);
	note();
	snprintf(s, sizeof(s), "uids\t" WHO "/A\t%u\t%u\t%u", f.validity,
	    first, next);
	line(s);
	is_merged(0, name);
	ok((get("A").validity > f.validity) == anew, "%s: %s UIDVALIDITY",
	    name, anew ? "another" : "the same");
	ok(get("A").uidnext >= next || anew, "and none is given twice");
	db.leaps = NULL;
	end();
}

static void
test_both_gave(void)
{
	/* there 65,536 were left out, or half of them */
	is_given(NONE, 2, 65540, false, "UIDs of the second node alone");
	is_given(NONE, 2, 32772, false, "of the first one alone");
	is_given(FIRST, 2, 65540, true, "the second one's are beyond");
	is_given(SECOND, 2, 32772, false, "the first one's are not");
	is_given(LATER, 2, 65540, true, "mail that came when they had met");
	is_given(LATER, 2, 32772, true, "the same, and the first one's");
	is_given(FIRST, 65538, 65540, true, "what is left out was not told");
	is_given(SECOND, 32770, 32772, false, "nor of the first one");
}

/* What is left out is told with what is behind it. */
static void
test_leap_noted(void)
{
	_Atomic uint64_t	 leaps = account_leap_of(HERE, false);
	struct change_copy	 c = { .mailbox = WHO, .from = "A",
				    .to = "A" };
	char			 s[200];

	begin();
	make("A");
	put("A", 1, 0);
	note();
	db.leaps = &leaps;
	for (int i = 0; i < 2; i++) {
		if (change_copy_begin(&db, txn, &c, 1) != 0 ||
		    change_copy_end(&db, txn, &c) != 0)
			abort();
		change_copy_free(&c);
	}
	snprintf(s, sizeof(s), "-\tuids\t" WHO "/A\t%u\t2\t65538\n",
	    get("A").validity);
	ok(strncmp(notes.p, s, strlen(s)) == 0, "UIDs are left out");
	ok(strstr(notes.p + strlen(s), "\t65538\n") == NULL, "once");
	db.leaps = NULL;
	end();
}

static long long
modseq(const char *folder, uint32_t uid)
{
	struct row_message	 m;
	struct buf		 raw;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	rc = account_message(&db, txn, WHO, folder, uid, &raw, &m);
	buf_free(&raw);
	return rc != 0 ? -1 : (long long)m.modseq;
}

static int
count_gone(void *arg, uint32_t from, uint32_t to)
{
	*(unsigned *)arg += to - from + 1;
	return 0;
}

/* What went since; CM_EEND: it is not known. */
static int
vanished(const char *folder, uint64_t since, unsigned *n)
{
	*n = 0;
	return vanished_walk(&db, txn, account().id, get(folder).id, since,
	    count_gone, n);
}

/* Here it is 8 at last; there it came that far. */
static void
is_raised(unsigned there, const char *name)
{
	uint64_t	 last = there > 8 ? there : 8;
	unsigned	 n;
	char		 s[200];

	begin();
	make("A");
	for (unsigned i = 1; i < 6; i++)
		put("A", i, 0);
	part();
	if (change_flag(&db, txn, WHO, "A", 1, "\\Seen k", "") != 0 ||
	    change_expunge(&db, txn, WHO, "A", 2) != 0)
		abort();
	note();
	snprintf(s, sizeof(s), "modseq\t" WHO "/A\t0\t6\t%u", there);
	line(s);
	is_merged(0, name);
	ok(modseq("A", 1) > there && modseq("A", 1) > 7, "%s: what was "
	    "changed here is beyond", name);
	is_int(flags("A", 1, 1), FLAG_SEEN, "as it was");
	is_int(modseq("A", 3), 4, "what was not stays");
	ok(get("A").modseq > last, "so is the folder");
	is_int(vanished("A", last, &n), CM_EEND, "what went is not known "
	    "since then");
	if (change_expunge(&db, txn, WHO, "A", 3) != 0)
		abort();
	ok(vanished("A", get("A").modseq - 1, &n) == 0 && n == 1,
	    "later it is");
	message("flag", "A/4", 4, "-\t\\Flagged\t-\t9");
	is_merged(0, "a change of the other side");
	ok(modseq("A", 4) > there, "is beyond, too");
	ok(strstr(notes.p, "\tflag\t" WHO "/A/1\t") != NULL, "the journal has "
	    "it");
	end();
}

/* Nothing happened here: it is raised all the same. */
static void
test_quiet(void)
{
	struct row_folder	 f;
	unsigned		 n;
	char			 s[300];

	begin();
	make("A");
	put("A", 1, 0);
	part();
	f = get("A");
	snprintf(s, sizeof(s), "uids\t" WHO "/A\t%u\t2\t65539", f.validity);
	line(s);
	snprintf(s, sizeof(s), "modseq\t" WHO "/A\t%u\t2\t40", f.validity);
	line(s);
	is_merged(0, "nothing here");
	is_int(get("A").validity, f.validity, "it has the same UIDVALIDITY");
	is_int(modseq("A", 1), 2, "no message is changed");
	is_int(get("A").modseq, 41, "the folder is beyond");
	is_int(vanished("A", 40, &n), CM_EEND, "UIDs that it gave there went");
	snprintf(s, sizeof(s), "uids\t" WHO "/A\t%u\t65539\t65539\t41\n",
	    f.validity);
	ok(strstr(notes.p, s) != NULL, "the journal has it");
	end();
}

/* With another UIDVALIDITY nobody asks. */
static void
test_anew(void)
{
	char	 s[300];

	begin();
	make("A");
	put("A", 1, 0);
	part();
	put("A", 2, 0);
	snprintf(s, sizeof(s), "modseq\t" WHO "/A\t%u\t2\t40",
	    get("A").validity - 1);
	line(s);
	line("modseq\t" WHO "/B\t0\t2\t40");
	line("modseq\tnobody@example.org/INBOX\t0\t2\t40");
	is_merged(0, "another one, or none");
	is_int(get("A").modseq, 3, "stays as it is");
	end();
}

int
main(void)
{
	test_both_gave();
	test_leap_noted();
	is_raised(20, "it is higher there");
	is_raised(8, "as high");
	is_raised(7, "it is higher here");
	test_quiet();
	test_anew();
	test_given(false);
	test_given(true);
	test_given_twice();
	test_made_again("folder-del\t" WHO "/Go\t1\t1\t100\t2", 0,
	    "a folder that was deleted");
	test_made_again("folder-rename\t" WHO "/Go\tWent\t0\t0", 0,
	    "a folder that was renamed");
	test_renamed();
	test_to_and_fro();
	test_deleted();
	return tap_done();
}
