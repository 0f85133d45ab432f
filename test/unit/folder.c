/* Folders that go, that get other names, and names that are subscribed to. */
#include <stdlib.h>
#include <unistd.h>

#include "cluster/expect.h"
#include "cluster/folder.h"
#include "tap.h"

#define WHO	"bob@example.org"

static struct log	 silent;
static struct catdb	 db;
static struct kv_txn	*txn;

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static struct row_account
account(void)
{
	struct row_account	 a;
	static struct buf	 raw;

	buf_free(&raw);
	buf_init(&raw, ROW_MAX);
	if (account_get(&db, txn, WHO, &raw, &a) != 0)
		abort();
	return a;
}

static void
make(const char *name)
{
	struct row_account	 a = account();
	struct row_folder	 f;

	if (account_folder_make(&db, txn, &a, sp(name), 1000, &f) != 0 ||
	    account_put(&db, txn, WHO, &a) != 0)
		abort();
}

static struct row_folder
get(const char *name)
{
	struct row_folder	 f = { 0 };

	return account_folder_get(&db, txn, account().id, sp(name), &f) == 0 ?
	    f : (struct row_folder){ 0 };
}

/* A message with a record of its own. */
static void
put(const char *name, unsigned char id, uint32_t size)
{
	struct row_account	 a = account();
	struct row_folder	 f = get(name);
	struct row_message	 m = { .id = { { id } }, .size = size,
				    .keywords = { "", 0 } };
	struct row_record	 r = { .nrefs = 1, .envelope = { "", 0 },
				    .body = { "", 0 } };
	struct row_ref		 ref = { a.id, f.id, f.uidnext++ };
	struct buf		 b;
	char			 key[12];

	f.messages++;
	f.unseen++;
	f.bytes += size;
	a.messages++;
	a.bytes += size;
	buf_init(&b, ROW_MAX);
	r.refs = key_message(key, &ref);
	if (account_put(&db, txn, WHO, &a) != 0 ||
	    account_folder_put(&db, txn, a.id, sp(name), &f) != 0 ||
	    row_message_put(&b, &m) != 0 || kv_put(db.messages, txn,
	    key_message(key, &ref), (struct span){ b.p, b.len }) != 0 ||
	    row_record_put(&b, &r) != 0 || kv_put(db.records, txn,
	    (struct span){ (const char *)m.id.b, 16 },
	    (struct span){ b.p, b.len }) != 0)
		abort();
	buf_free(&b);
}

static uint32_t
refs(unsigned char id)
{
	struct row_record	 r = { 0 };
	const struct ulid	 u = { { id } };
	struct buf		 b;

	buf_init(&b, ROW_MAX);
	if (kv_get(db.records, txn, (struct span){ (const char *)u.b, 16 },
	    &b) != 0 || row_record_get((struct span){ b.p, b.len }, &r) != 0)
		abort();
	buf_free(&b);
	return r.nrefs;
}

static int
add_name(void *arg, struct span k, struct span v)
{
	struct buf	*b = arg;

	(void)v;
	buf_addf(b, "%s%.*s", b->len > 0 ? " " : "", (int)k.len - 4, k.p + 4);
	return b->err;
}

static void
is_names(struct kv *kv, const char *want, const char *name)
{
	struct buf	 b;
	char		 key[4];

	buf_init(&b, 65536);
	buf_adds(&b, "");
	if (kv_walk(kv, txn, key_u32(key, account().id), 4, add_name, &b) != 0)
		abort();
	is_str(b.p, want, "%s", name);
	buf_free(&b);
}

static int
rename_it(const char *from, const char *to)
{
	struct row_account	 a = account();
	struct row_folder	 inbox;

	return folder_rename(&db, txn, WHO, &a, from, to, 2000000, &inbox);
}

static int
delete_it(const char *name)
{
	struct row_account	 a = account();
	struct row_folder	 f;

	return folder_del(&db, txn, WHO, &a, sp(name), &f);
}

static void
purge(void)
{
	bool	 more = true;

	while (more)
		if (account_purge_some(&db, txn, &more) != 0)
			abort();
}

static void
test_rename(void)
{
	struct row_folder	 a, inbox;
	char			 name[FOLDER_MAX + 1], big[FOLDER_MAX + 1];

	make("A");
	make("A/b");
	make("A/b/c");
	make("A.x");
	make("Ax");
	put("A", 1, 10);
	a = get("A");
	is_int(rename_it("A", "Z"), 0, "a folder");
	is_names(db.folders, "A.x Ax INBOX Z Z/b Z/b/c", "and all below it");
	ok(get("Z").id == a.id && get("Z").validity == a.validity &&
	    get("Z").messages == 1, "is what it was");
	is_int(folder_find(&db, txn, account().id, a.id, name), 0, "by its id");
	is_str(name, "Z", "it is found");
	is_int(rename_it("A", "Q"), CM_ENOINPUT, "one that is not there");
	is_int(rename_it("Z", "Z"), CM_EEXIST, "to itself");
	is_int(rename_it("Z", "Z/b/d"), CM_EUSAGE, "below itself");
	is_int(rename_it("Z", "Ax"), CM_EEXIST, "to one that is there");
	is_int(rename_it("Z", "INBOX"), CM_EEXIST, "to INBOX");
	make("Q/b/c");
	is_int(rename_it("Z", "Q"), CM_EEXIST, "one below is there");
	is_names(db.folders, "A.x Ax INBOX Q/b/c Z Z/b Z/b/c",
	    "nothing is done then");
	is_int(rename_it("Q", "P"), 0, "a level that is no folder");
	is_names(db.folders, "A.x Ax INBOX P/b/c Z Z/b Z/b/c", "is one");
	is_int(rename_it("Z/b", "Z/b2"), 0, "to a longer name");
	memset(big, 'x', FOLDER_MAX);
	big[FOLDER_MAX] = '\0';
	is_int(rename_it("Z", big), CM_ETOOBIG, "one below would be too long");
	is_int(rename_it("Ax", big), 0, "it alone is not");
	is_int(rename_it(big, "Ax"), 0, "and back");
	make("N/b/b");
	make("N/b");
	a = get("N/b/b");
	is_int(rename_it("N/b", "N"), 0, "up, over its own name");
	ok(get("N/b").id == a.id && get("N").id != 0 && get("N/b/b").id == 0,
	    "each is where it should be");

	put("INBOX", 2, 20);
	make("INBOX/in");
	inbox = get("INBOX");
	is_int(rename_it("INBOX", "Ax"), CM_EEXIST, "INBOX, too");
	is_int(rename_it("INBOX", "Old"), 0, "INBOX");
	ok(get("Old").id == inbox.id && get("Old").validity == inbox.validity &&
	    get("Old").messages == 1, "its messages have a new folder");
	ok(get("INBOX").id != inbox.id && get("INBOX").messages == 0 &&
	    get("INBOX").uidnext == 1 &&
	    get("INBOX").validity > inbox.validity, "and INBOX is a new one");
	ok(get("INBOX/in").id != 0, "what is below stays");
	is_int(account().last_validity, (long long)get("INBOX").validity,
	    "its mailbox knows");
}

static void
test_delete(void)
{
	struct row_folder	 was;
	bool			 more;

	make("D");
	make("D/below");
	for (unsigned char i = 10; i < 15; i++)
		put("D", i, 100);
	put("D/below", 20, 7);
	was = get("D");
	is_int(account().messages, 8, "there are messages");
	is_int(delete_it("D"), 0, "a folder goes");
	ok(get("D").id == 0 && get("D/below").messages == 1,
	    "at once, and none below it");
	is_int(account().messages, 3, "they are not counted any more");
	is_int((long long)account().bytes, 37, "nor their bytes");
	is_int(delete_it("D"), CM_ENOINPUT, "once");
	make("D");
	put("D", 21, 5);
	ok(get("D").validity > was.validity && get("D").id > was.id,
	    "another one of that name has a higher UIDVALIDITY");
	is_int(refs(12), 1, "nobody has gone over the messages yet");
	purge();
	is_int(refs(10) + refs(12) + refs(14), 0, "they are garbage");
	is_int((long long)refs(20) + refs(21), 2, "the others are not");
	is_int(account_purge_some(&db, txn, &more), 0, "and then");
	ok(!more, "there is nothing to do");
	is_int((long long)account().messages, 4, "counts stay");
}

static void
test_subscribed(void)
{
	bool	 on;

	is_int(folder_subscribe(&db, txn, account().id, sp("no folder"), true),
	    0, "any name");
	is_int(folder_subscribe(&db, txn, account().id, sp("D"), true), 0,
	    "a folder");
	is_int(folder_subscribe(&db, txn, account().id, sp("D"), true), 0,
	    "twice");
	is_int(delete_it("D"), 0, "it goes");
	is_names(db.subscribed, "D no folder", "its name stays");
	is_int(folder_subscribe(&db, txn, account().id, sp("D"), false), 0,
	    "no more");
	is_int(folder_subscribe(&db, txn, account().id, sp("D"), false), 0,
	    "again");
	is_int(folder_subscribed(&db, txn, account().id, sp("D"), &on), 0,
	    "is it?");
	ok(!on, "no");
}

static void
test_expected(void)
{
	const struct ulid	 id = { { 99 } };
	struct row_expected	 e = { .account = account().id, .folder = 5,
				    .keywords = { "", 0 } };
	char			 name[FOLDER_MAX + 1];

	is_int(expect_put(&db, txn, &id, WHO, "a/b%", &e), 0, "expected");
	is_int(expect_find(&db, txn, &id, e.account, 5, name), 0,
	    "found by its folder");
	is_str(name, "a/b%", "as which it was delivered");
	is_int(expect_find(&db, txn, &id, e.account, 6, name), CM_ENOINPUT,
	    "not in another one");
}

static void
test_account(void)
{
	uint32_t	 id = account().id;
	unsigned	 n = 0;
	char		 key[4];
	struct buf	 b;

	buf_init(&b, 65536);
	is_int(delete_it("Z"), 0, "a folder is going");
	is_int(account_del(&db, txn, WHO), 0, "and its mailbox");
	purge();
	is_int(kv_walk(db.folders, txn, key_u32(key, id), 4, add_name, &b) +
	    kv_walk(db.subscribed, txn, key_u32(key, id), 4, add_name, &b) +
	    kv_walk(db.messages, txn, key_u32(key, id), 4, add_name, &b), 0,
	    "all is walked over");
	is_int((long long)b.len, 0, "and nothing is left");
	for (unsigned char i = 1; i < 22; i++)
		if (i <= 2 || (i >= 10 && i < 15) || i >= 20)
			n += refs(i);
	is_int(n, 0, "of any of them");
	buf_free(&b);
}

int
main(void)
{
	char		 dir[] = "/tmp/cm-folder.XXXXXX", cmd[64];

	if (mkdtemp(dir) == NULL || catdb_open(&silent, dir, &db) != 0 ||
	    kv_begin(db.env, &txn) != 0 ||
	    account_add(&db, txn, WHO, sp(""), 1000000) != 0)
		abort();
	test_rename();
	test_delete();
	test_subscribed();
	test_expected();
	test_account();
	kv_abort(txn);
	catdb_close(&db);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		abort();
	return tap_done();
}
