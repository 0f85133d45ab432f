#include "cluster/vanished.h"

#include <string.h>

#define VERSION		1
#define FOLDER_LEN	8		/* account, folder */
#define KEY_LEN		16		/* and modseq */
#define HEAD_LEN	24
#define ROW_LEN		12
#define DROPPED		(VANISHED_MAX / 10)	/* at once */

/* Of a folder.  Key: account, folder. */
struct head {
	uint64_t	 floor;
	uint64_t	 last;		/* modseq of the last row; 0: none */
	uint32_t	 rows;
};

/* Key: account, folder, modseq. */
struct range {
	uint32_t	 from, to;
};

static struct span
key_of_folder(char out[KEY_LEN], uint32_t account, uint32_t folder)
{
	key_u32(out, account);
	key_u32(out + 4, folder);
	return (struct span){ out, FOLDER_LEN };
}

static void
put_u64(char out[8], uint64_t v)
{
	key_u32(out, (uint32_t)(v >> 32));
	key_u32(out + 4, (uint32_t)v);
}

static uint64_t
get_u64(const char *p)
{
	return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

/* key: that of the folder. */
static struct span
key_of_row(char key[KEY_LEN], uint64_t modseq)
{
	put_u64(key + FOLDER_LEN, modseq);
	return (struct span){ key, KEY_LEN };
}

static int
get_head(struct catdb *d, struct kv_txn *x, const char key[KEY_LEN],
    struct head *h)
{
	struct buf	 b;
	int		 rc;

	*h = (struct head){ .rows = 0 };
	buf_init(&b, ROW_MAX);
	rc = kv_get(d->vanished, x, (struct span){ key, FOLDER_LEN }, &b);
	if (rc == 0 && (b.len != HEAD_LEN || get_u32(b.p) != VERSION))
		rc = CM_ECORRUPT;
	if (rc == 0)
		*h = (struct head){ get_u64(b.p + 4), get_u64(b.p + 12),
		    get_u32(b.p + 20) };
	buf_free(&b);
	return rc;
}

static int
put_head(struct catdb *d, struct kv_txn *x, const char key[KEY_LEN],
    const struct head *h)
{
	char	 row[HEAD_LEN];

	key_u32(row, VERSION);
	put_u64(row + 4, h->floor);
	put_u64(row + 12, h->last);
	key_u32(row + 20, h->rows);
	return kv_put(d->vanished, x, (struct span){ key, FOLDER_LEN },
	    (struct span){ row, sizeof(row) });
}

static int
parse_range(struct span value, struct range *r)
{
	if (value.len != ROW_LEN || get_u32(value.p) != VERSION)
		return CM_ECORRUPT;
	*r = (struct range){ get_u32(value.p + 4), get_u32(value.p + 8) };
	return 0;
}

static int
put_range(struct catdb *d, struct kv_txn *x, char key[KEY_LEN],
    uint64_t modseq, const struct range *r)
{
	char	 row[ROW_LEN];

	key_u32(row, VERSION);
	key_u32(row + 4, r->from);
	key_u32(row + 8, r->to);
	return kv_put(d->vanished, x, key_of_row(key, modseq),
	    (struct span){ row, sizeof(row) });
}

/* The last row, when the UID follows it: that one goes, and is in *r. */
static int
take_last(struct catdb *d, struct kv_txn *x, char key[KEY_LEN],
    struct head *h, uint32_t uid, struct range *r)
{
	struct range	 was;
	struct buf	 b;
	int		 rc;

	*r = (struct range){ uid, uid };
	if (h->last == 0)
		return 0;
	buf_init(&b, ROW_MAX);
	if ((rc = kv_get(d->vanished, x, key_of_row(key, h->last), &b)) == 0)
		rc = parse_range((struct span){ b.p, b.len }, &was);
	buf_free(&b);
	if (rc != 0)
		return rc == CM_ENOINPUT ? CM_ECORRUPT : rc;
	if (was.to + 1 != uid)
		return 0;
	r->from = was.from;
	h->rows--;
	return kv_del(d->vanished, x, key_of_row(key, h->last));
}

struct drop {
	struct catdb	*d;
	struct kv_txn	*x;
	size_t		 most, n;
	uint64_t	 floor;		/* the modseq of the last */
};

static int
drop_row(void *arg, struct span key, struct span value)
{
	struct drop	*p = arg;

	(void)value;
	if (key.len == KEY_LEN)
		p->floor = get_u64(key.p + FOLDER_LEN);
	if (p->n++ == p->most)
		return 1;
	return kv_del(p->d->vanished, p->x, key);
}

static int
drop_oldest(struct catdb *d, struct kv_txn *x, char key[KEY_LEN],
    struct head *h)
{
	struct drop	 p = { .d = d, .x = x, .most = DROPPED };
	int		 rc;

	if (h->rows <= VANISHED_MAX)
		return 0;
	/* behind the folder's own row */
	rc = kv_walk(d->vanished, x, key_of_row(key, 0), FOLDER_LEN, drop_row,
	    &p);
	if (rc < 0)
		return rc;
	/* the one that it stopped at stays, and what lies between is none */
	h->floor = p.floor - 1;
	h->rows -= DROPPED;
	return 0;
}

int
vanished_note(struct catdb *d, struct kv_txn *x, uint32_t account,
    uint32_t folder, uint32_t uid, uint64_t modseq)
{
	char		 key[KEY_LEN];
	struct head	 h;
	struct range	 r;
	int		 rc;

	key_of_folder(key, account, folder);
	rc = get_head(d, x, key, &h);
	/* a folder from before there was such a table */
	if (rc == CM_ENOINPUT) {
		h.floor = modseq - 1;
		rc = 0;
	}
	if (rc != 0 || (rc = take_last(d, x, key, &h, uid, &r)) != 0 ||
	    (rc = put_range(d, x, key, modseq, &r)) != 0)
		return rc;
	h.last = modseq;
	h.rows++;
	if ((rc = drop_oldest(d, x, key, &h)) != 0)
		return rc;
	return put_head(d, x, key, &h);
}

int
vanished_forget(struct catdb *d, struct kv_txn *x, struct span prefix,
    size_t most, size_t *n)
{
	struct drop	 p = { .d = d, .x = x, .most = most };
	int		 rc;

	rc = kv_walk(d->vanished, x, prefix, prefix.len, drop_row, &p);
	*n = p.n < most ? p.n : most;
	return rc < 0 ? rc : 0;
}

int
vanished_begin(struct catdb *d, struct kv_txn *x, uint32_t account,
    uint32_t folder, uint64_t floor)
{
	struct head	 h = { .floor = floor };
	char		 key[KEY_LEN];
	size_t		 n;
	int		 rc;

	rc = vanished_forget(d, x, key_of_folder(key, account, folder),
	    SIZE_MAX, &n);
	return rc != 0 ? rc : put_head(d, x, key, &h);
}

struct begin {
	struct catdb	*d;
	struct kv_txn	*x;
};

static int
begin_folder(void *arg, struct span key, struct span value)
{
	struct begin		*b = arg;
	struct row_folder	 f;
	struct head		 h = { .rows = 0 };
	char			 k[KEY_LEN];
	int			 rc;

	if (key.len < 4)
		return CM_ECORRUPT;
	if ((rc = row_folder_get(value, &f)) != 0)
		return rc;
	h.floor = f.modseq;
	key_of_folder(k, get_u32(key.p), f.id);
	return put_head(b->d, b->x, k, &h);
}

int
vanished_begin_all(struct catdb *d, struct kv_txn *x)
{
	struct begin	 b = { d, x };
	int		 rc;

	if ((rc = kv_truncate(d->vanished, x)) != 0)
		return rc;
	return kv_walk(d->folders, x, (struct span){ "", 0 }, 0, begin_folder,
	    &b);
}

/* --- reading --- */

struct walk {
	vanished_fn	 fn;
	void		*arg;
};

static int
walk_row(void *arg, struct span key, struct span value)
{
	struct walk	*w = arg;
	struct range	 r;
	int		 rc;

	if (key.len != KEY_LEN)
		return CM_ECORRUPT;
	if ((rc = parse_range(value, &r)) != 0)
		return rc;
	return w->fn(w->arg, r.from, r.to);
}

static int
check_floor(struct catdb *d, struct kv_txn *x, const char key[KEY_LEN],
    uint64_t since)
{
	struct head	 h;
	int		 rc;

	if ((rc = get_head(d, x, key, &h)) != 0)
		return rc == CM_ENOINPUT ? CM_EEND : rc;
	return since < h.floor ? CM_EEND : 0;
}

int
vanished_walk(struct catdb *d, struct kv_txn *x, uint32_t account,
    uint32_t folder, uint64_t since, vanished_fn fn, void *arg)
{
	struct walk	 w = { fn, arg };
	char		 key[KEY_LEN];
	int		 rc;

	key_of_folder(key, account, folder);
	if ((rc = check_floor(d, x, key, since)) != 0 || since == UINT64_MAX)
		return rc;
	if ((rc = kv_walk(d->vanished, x, key_of_row(key, since + 1),
	    FOLDER_LEN, walk_row, &w)) != 0)
		return rc;
	/* may have been dropped just before the walk came to it */
	return check_floor(d, x, key, since);
}
