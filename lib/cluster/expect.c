#include "cluster/expect.h"

#include <string.h>

#include "format/receipt.h"

#define KEY_MAX		8192

int
expect_key(struct buf *b, const struct ulid *id, const char *mailbox,
    const char *folder)
{
	buf_reset(b);
	buf_add(b, id->b, sizeof(id->b));
	return entry_write(b, mailbox, folder);
}

static int
any_row(void *arg, struct span key, struct span value)
{
	(void)key;
	(void)value;
	*(bool *)arg = true;
	return 1;
}

int
expect_any(struct catdb *d, struct kv_txn *x, bool *any)
{
	int	 rc;

	*any = false;
	rc = kv_walk(d->expected, x, (struct span){ "", 0 }, 0, any_row, any);
	return rc < 0 ? rc : 0;
}

int
expect_get(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    const char *mailbox, const char *folder, struct buf *raw,
    struct row_expected *r)
{
	struct buf	 key;
	int		 rc;

	buf_init(&key, KEY_MAX);
	if ((rc = expect_key(&key, id, mailbox, folder)) == 0 &&
	    (rc = kv_get(d->expected, x, (struct span){ key.p, key.len },
	    raw)) == 0)
		rc = row_expected_get((struct span){ raw->p, raw->len }, r);
	buf_free(&key);
	return rc;
}

struct find {
	uint32_t	 account, folder;
	char		*name;
};

static int
match_row(void *arg, struct span key, struct span value)
{
	struct find		*q = arg;
	struct row_expected	 r;
	struct buf		 mailbox, folder;
	int			 rc;

	if ((rc = row_expected_get(value, &r)) != 0)
		return rc;
	if (r.account != q->account || r.folder != q->folder)
		return 0;
	buf_init(&mailbox, KEY_MAX);
	buf_init(&folder, KEY_MAX);
	rc = entry_parse(key.p + 16, key.len - 16, &mailbox, &folder, NULL);
	if (rc == 0)
		rc = str_ncopy(q->name, FOLDER_MAX + 1, folder.p, folder.len);
	buf_free(&mailbox);
	buf_free(&folder);
	return rc == 0 ? 1 : CM_ECORRUPT;
}

int
expect_find(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    uint32_t account, uint32_t folder, char name[FOLDER_MAX + 1])
{
	struct span	 from = { (const char *)id->b, sizeof(id->b) };
	struct find	 q = { account, folder, name };
	int		 rc;

	rc = kv_walk(d->expected, x, from, from.len, match_row, &q);
	return rc == 1 ? 0 : rc == 0 ? CM_ENOINPUT : rc;
}

int
expect_put(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    const char *mailbox, const char *folder, const struct row_expected *r)
{
	struct buf	 key, row;
	int		 rc;

	buf_init(&key, KEY_MAX);
	buf_init(&row, ROW_MAX);
	if ((rc = expect_key(&key, id, mailbox, folder)) == 0 &&
	    (rc = row_expected_put(&row, r)) == 0)
		rc = kv_put(d->expected, x, (struct span){ key.p, key.len },
		    (struct span){ row.p, row.len });
	buf_free(&key);
	buf_free(&row);
	return rc;
}

int
expect_del(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    const char *mailbox, const char *folder)
{
	struct buf	 key;
	int		 rc;

	buf_init(&key, KEY_MAX);
	if ((rc = expect_key(&key, id, mailbox, folder)) == 0)
		rc = kv_del(d->expected, x, (struct span){ key.p, key.len });
	buf_free(&key);
	return rc;
}

static int
known_row(void *arg, struct span key, struct span value)
{
	struct row_expected	 r;
	int			 rc;

	(void)key;
	if ((rc = row_expected_get(value, &r)) != 0)
		return rc;
	*(bool *)arg = r.uid != 0 || r.what == EXPECT_GONE;
	return *(bool *)arg;
}

int
expect_knows(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    bool *knows)
{
	struct span	 from = { (const char *)id->b, sizeof(id->b) };
	int		 rc;

	*knows = false;
	rc = kv_walk(d->expected, x, from, from.len, known_row, knows);
	return rc < 0 ? rc : 0;
}

static int
count_row(void *arg, struct span key, struct span value)
{
	struct expect_tally	*t = arg;
	struct row_expected	 r;
	int			 rc;

	(void)key;
	if ((rc = row_expected_get(value, &r)) != 0)
		return rc;
	if (r.what != EXPECT_GONE)
		t->messages++;
	t->changed += r.what == EXPECT_FLAGS;
	return 0;
}

int
expect_count(struct catdb *d, struct expect_tally *t)
{
	memset(t, 0, sizeof(*t));
	return kv_walk(d->expected, NULL, (struct span){ "", 0 }, 0,
	    count_row, t);
}
