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
	struct expect_copy copy;	/* uid 0: what was delivered */
	struct buf	*raw;		/* NULL: only the name */
};

static int
folder_of(struct span entry, char name[FOLDER_MAX + 1])
{
	struct buf	 mailbox, folder;
	int		 rc;

	buf_init(&mailbox, KEY_MAX);
	buf_init(&folder, KEY_MAX);
	rc = entry_parse(entry.p, entry.len, &mailbox, &folder, NULL);
	if (rc == 0)
		rc = str_ncopy(name, FOLDER_MAX + 1, folder.p, folder.len);
	buf_free(&mailbox);
	buf_free(&folder);
	return rc == 0 ? 0 : CM_ECORRUPT;
}

static int
match_row(void *arg, struct span key, struct span value)
{
	struct find		*q = arg;
	struct row_expected	 r;
	struct expect_copy	 c;
	struct span		 entry;
	int			 rc;

	if ((rc = row_expected_get(value, &r)) != 0 ||
	    (rc = expect_key_parse(key, &entry, &c)) != 0)
		return rc;
	if (r.account != q->account || r.folder != q->folder ||
	    c.uid != q->copy.uid)
		return 0;
	q->copy = c;
	if (q->raw != NULL) {
		buf_reset(q->raw);
		if ((rc = buf_add(q->raw, value.p, value.len)) != 0)
			return rc;
	}
	rc = folder_of(entry, q->name);
	return rc == 0 ? 1 : rc;
}

int
expect_find(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    uint32_t account, uint32_t folder, char name[FOLDER_MAX + 1])
{
	struct span	 from = { (const char *)id->b, sizeof(id->b) };
	struct find	 q = { .account = account, .folder = folder,
			    .name = name };
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
	*(bool *)arg = r.what != EXPECT_COPY &&
	    (r.uid != 0 || r.what == EXPECT_GONE);
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

struct count {
	struct expect_tally *t;
	struct ulid	 id;		/* of the row before */
	bool		 counted, changed;
};

/* Rows of a message follow each other. */
static int
count_row(void *arg, struct span key, struct span value)
{
	struct count		*c = arg;
	struct row_expected	 r;
	int			 rc;

	if (key.len <= sizeof(c->id.b))
		return CM_ECORRUPT;
	if ((rc = row_expected_get(value, &r)) != 0)
		return rc;
	if (memcmp(c->id.b, key.p, sizeof(c->id.b)) != 0)
		c->counted = c->changed = false;
	memcpy(c->id.b, key.p, sizeof(c->id.b));
	if (r.what != EXPECT_GONE && !c->counted) {
		c->counted = true;
		c->t->messages++;
	}
	if ((r.what == EXPECT_FLAGS || r.what == EXPECT_COPY) && !c->changed) {
		c->changed = true;
		c->t->changed++;
	}
	return 0;
}

int
expect_count(struct catdb *d, struct expect_tally *t)
{
	struct count	 c = { .t = t };

	memset(t, 0, sizeof(*t));
	return kv_walk(d->expected, NULL, (struct span){ "", 0 }, 0,
	    count_row, &c);
}

/* --- copies: behind the key are NUL, UIDVALIDITY and UID --- */

#define COPY_LEN	9

static int
copy_key(struct buf *b, const struct ulid *id, const char *mailbox,
    const char *folder, const struct expect_copy *c)
{
	char	 n[4];

	expect_key(b, id, mailbox, folder);
	buf_addc(b, '\0');
	if (c == NULL)
		return b->err;
	key_u32(n, c->validity);
	buf_add(b, n, sizeof(n));
	key_u32(n, c->uid);
	return buf_add(b, n, sizeof(n));
}

int
expect_key_parse(struct span key, struct span *entry, struct expect_copy *c)
{
	const size_t	 id = sizeof(struct ulid);
	const char	*nul;

	*c = (struct expect_copy){ 0, 0 };
	if (key.len <= id)
		return CM_ECORRUPT;
	*entry = (struct span){ key.p + id, key.len - id };
	if ((nul = memchr(entry->p, '\0', entry->len)) == NULL)
		return 0;
	if ((size_t)(key.p + key.len - nul) != COPY_LEN)
		return CM_ECORRUPT;
	entry->len -= COPY_LEN;
	c->validity = get_u32(nul + 1);
	c->uid = get_u32(nul + 5);
	return c->uid != 0 ? 0 : CM_ECORRUPT;
}

int
expect_put_copy(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    const char *mailbox, const char *folder, const struct expect_copy *c,
    const struct row_expected *r)
{
	struct buf	 key, row;
	int		 rc;

	buf_init(&key, KEY_MAX);
	buf_init(&row, ROW_MAX);
	if ((rc = copy_key(&key, id, mailbox, folder, c)) == 0 &&
	    (rc = row_expected_put(&row, r)) == 0)
		rc = kv_put(d->expected, x, (struct span){ key.p, key.len },
		    (struct span){ row.p, row.len });
	buf_free(&key);
	buf_free(&row);
	return rc;
}

int
expect_del_copy(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    const char *mailbox, const char *folder, const struct expect_copy *c)
{
	struct buf	 key;
	int		 rc;

	buf_init(&key, KEY_MAX);
	if ((rc = copy_key(&key, id, mailbox, folder, c)) == 0)
		rc = kv_del(d->expected, x, (struct span){ key.p, key.len });
	buf_free(&key);
	return rc;
}

int
expect_find_copy(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    uint32_t account, uint32_t folder, char name[FOLDER_MAX + 1],
    struct expect_copy *c, struct buf *raw, struct row_expected *r)
{
	struct span	 from = { (const char *)id->b, sizeof(id->b) };
	struct find	 q = { account, folder, name, { 0, c->uid }, raw };
	int		 rc;

	rc = kv_walk(d->expected, x, from, from.len, match_row, &q);
	if (rc != 1)
		return rc == 0 ? CM_ENOINPUT : rc;
	*c = q.copy;
	return row_expected_get((struct span){ raw->p, raw->len }, r);
}

struct take {
	struct catdb	*d;
	struct kv_txn	*x;
	expect_fn	 fn;
	void		*arg;
};

static int
take_row(void *arg, struct span key, struct span value)
{
	struct take		*t = arg;
	struct row_expected	 r;
	struct expect_copy	 c;
	struct span		 entry;
	int			 rc;

	if ((rc = expect_key_parse(key, &entry, &c)) != 0 || c.uid == 0)
		return rc;
	if ((rc = row_expected_get(value, &r)) != 0 ||
	    (rc = t->fn(t->arg, entry, &r)) != 0)
		return rc;
	return kv_del(t->d->expected, t->x, key);
}

int
expect_take_copies(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    expect_fn fn, void *arg)
{
	struct take	 t = { d, x, fn, arg };
	struct span	 from = { (const char *)id->b, sizeof(id->b) };

	return kv_walk(d->expected, x, from, from.len, take_row, &t);
}
