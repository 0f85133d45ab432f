/* What is told of messages that are not listed yet: copies, too. */
#include <stdlib.h>
#include <unistd.h>

#include "cluster/expect.h"
#include "tap.h"

static struct log	 silent;
static struct catdb	 db;
static struct kv_txn	*txn;

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static int
add(void *arg, struct span entry, const struct row_expected *r)
{
	buf_addf(arg, "%.*s:%u:%.*s ", (int)entry.len, entry.p, r->uid,
	    (int)r->keywords.len, r->keywords.p);
	return 0;
}

static void
put_copy(const struct ulid *id, const char *folder, uint32_t number,
    uint32_t told, uint32_t uid, const char *keywords)
{
	struct expect_copy	 c = { 100 + number, told };
	struct row_expected	 r = { .account = 1, .uid = uid,
				    .what = EXPECT_COPY, .folder = number,
				    .keywords = sp(keywords) };

	if (expect_put_copy(&db, txn, id, "a@b", folder, &c, &r) != 0)
		abort();
}

static void
is_found(const struct ulid *id, const char *folder, uint32_t number,
    uint32_t uid, int rc, const char *keywords)
{
	struct expect_copy	 c = { 0, uid };
	struct row_expected	 r;
	struct buf		 raw;
	char			 name[FOLDER_MAX + 1];

	buf_init(&raw, ROW_MAX);
	is_int(expect_find_copy(&db, txn, id, 1, number, name, &c, &raw, &r),
	    rc, "%u/%u is looked for", number, uid);
	if (rc == 0) {
		ok(c.validity == 100 + number && span_is(r.keywords, keywords),
		    "and is %s", keywords);
		is_str(name, folder, "in the folder that was called so");
	}
	buf_free(&raw);
}

static void
test_copies(void)
{
	struct ulid		 one = { .b = { 1 } }, two = { .b = { 2 } };
	struct row_expected	 r = { .account = 1, .uid = 5,
				    .what = EXPECT_FLAGS, .folder = 9,
				    .keywords = sp("delivered") };
	struct expect_tally	 t;
	struct buf		 b;
	char			 name[FOLDER_MAX + 1];
	bool			 any;

	buf_init(&b, 4096);
	put_copy(&two, "INBOX", 9, 7, 7, "other");
	put_copy(&one, "INBOX", 9, 7, 7, "seven");
	is_int(expect_knows(&db, txn, &one, &any), 0, "asked");
	ok(!any, "a copy does not tell the UID of what was delivered");
	if (expect_put(&db, txn, &one, "a@b", "INBOX", &r) != 0)
		abort();
	is_int(expect_knows(&db, txn, &one, &any), 0, "asked");
	ok(any, "its own line does");
	put_copy(&one, "INBOX", 9, 8, 8, "eight");
	put_copy(&one, "INBOX", 10, 8, 0, "newer");
	put_copy(&one, "INBOX/7", 11, 1, 1, "below");
	put_copy(&one, "a b%", 12, 1, 1, "odd");
	is_found(&one, "INBOX", 9, 7, 0, "seven");
	is_found(&one, "INBOX", 9, 8, 0, "eight");
	is_found(&one, "INBOX", 10, 8, 0, "newer");
	is_found(&one, "INBOX", 9, 5, CM_ENOINPUT, "");
	is_found(&one, "INBOX/7", 11, 1, 0, "below");
	is_found(&one, "a b%", 12, 1, 0, "odd");
	is_int(expect_find(&db, txn, &one, 1, 9, name), 0, "what was "
	    "delivered to a folder");
	is_str(name, "INBOX", "is there");
	is_int(expect_find(&db, txn, &one, 1, 11, name), CM_ENOINPUT,
	    "a copy is not that");
	is_int(expect_get(&db, txn, &one, "a@b", "INBOX", &b, &r), 0,
	    "it is known by its name");
	ok(span_is(r.keywords, "delivered"), "and is no copy");
	is_int(expect_del_copy(&db, txn, &one, "a@b", "INBOX",
	    &(struct expect_copy){ 110, 8 }), 0, "one goes");
	is_found(&one, "INBOX", 10, 8, CM_ENOINPUT, "");
	buf_reset(&b);
	is_int(expect_take_copies(&db, txn, &one, add, &b), 0, "all are taken");
	is_str(b.p, "a@b/INBOX:7:seven a@b/INBOX:8:eight a@b/INBOX/7:1:below "
	    "a@b/a%20b%25:1:odd ", "each once");
	is_int(expect_take_copies(&db, txn, &one, add, &b), 0, "and again");
	is_found(&one, "INBOX", 9, 7, CM_ENOINPUT, "");
	is_found(&two, "INBOX", 9, 7, 0, "other");
	if (kv_commit(txn) != 0)
		abort();
	is_int(expect_count(&db, &t), 0, "counted");
	ok(t.messages == 2 && t.changed == 2, "two messages are waited for");
	buf_free(&b);
}

int
main(void)
{
	char	 dir[] = "/tmp/cm-expect.XXXXXX", cmd[100];

	if (mkdtemp(dir) == NULL || catdb_open(&silent, dir, &db) != 0 ||
	    kv_begin(db.env, &txn) != 0)
		abort();
	test_copies();
	catdb_close(&db);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) != 0 ? 1 : tap_done();
}
