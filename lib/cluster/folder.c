#include "cluster/folder.h"

#include <stdlib.h>
#include <string.h>

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

/* --- deleted --- */

int
folder_del(struct catdb *d, struct kv_txn *x, const char *mailbox,
    struct row_account *a, struct span name, struct row_folder *f)
{
	struct row_ref	 ref = { .account = a->id };
	char		 key[ROW_KEY_MAX], going[12];
	int		 rc;

	if ((rc = account_folder_get(d, x, a->id, name, f)) != 0)
		return rc;
	ref.folder = f->id;
	a->messages -= f->messages;
	a->bytes -= f->bytes;
	if ((rc = kv_del(d->folders, x, key_folder(key, a->id, name.p,
	    name.len))) != 0 || (rc = account_put(d, x, mailbox, a)) != 0)
		return rc;
	/* the first 8 bytes of its messages' keys */
	return kv_put(d->purge, x, (struct span){ key_message(going, &ref).p,
	    8 }, text(mailbox));
}

/* --- another name --- */

bool
folder_is_below(const char *name, const char *from)
{
	size_t	 n = strlen(from);

	return strncmp(name, from, n) == 0 &&
	    (name[n] == '\0' || name[n] == '/');
}

static int
add_row(struct folder_rows *l, struct span name, const struct row_folder *f)
{
	struct folder_row *r;
	size_t		 cap = l->cap > 0 ? 2 * l->cap : 16;

	if (l->n == l->cap) {
		if ((r = reallocarray(l->r, cap, sizeof(*r))) == NULL)
			return CM_ENOMEM;
		l->r = r;
		l->cap = cap;
	}
	r = &l->r[l->n++];
	r->row = *f;
	return str_ncopy(r->name, sizeof(r->name), name.p, name.len);
}

static int
take_row(void *arg, struct span k, struct span v)
{
	struct row_folder	 f;

	if (k.len < 4 || row_folder_get(v, &f) != 0)
		return CM_ECORRUPT;
	return add_row(arg, (struct span){ k.p + 4, k.len - 4 }, &f);
}

int
folder_below(struct catdb *d, struct kv_txn *x, uint32_t account,
    const char *name, struct folder_rows *l)
{
	struct row_folder f;
	struct span	 k;
	char		 key[ROW_KEY_MAX], below[FOLDER_MAX + 2];
	int		 rc;

	memset(l, 0, sizeof(*l));
	rc = account_folder_get(d, x, account, text(name), &f);
	if (rc == 0)
		rc = add_row(l, text(name), &f);
	else if (rc == CM_ENOINPUT)
		rc = 0;
	if (rc != 0 || strlen(name) >= FOLDER_MAX)
		return rc;
	if ((rc = str_fmt(below, sizeof(below), "%s/", name)) != 0)
		return rc;
	k = key_folder(key, account, below, strlen(below));
	return kv_walk(d->folders, x, k, k.len, take_row, l);
}

void
folder_rows_free(struct folder_rows *l)
{
	free(l->r);
	memset(l, 0, sizeof(*l));
}

/* Can all of them have their new names? */
static int
may_move(struct catdb *d, struct kv_txn *x, uint32_t account,
    const struct folder_rows *l, const char *from, const char *to)
{
	struct row_folder f;
	char		 name[FOLDER_MAX + 1];
	int		 rc;

	if (l->n == 0)
		return CM_ENOINPUT;
	if (folder_is_below(to, from))
		return strcmp(to, from) == 0 ? CM_EEXIST : CM_EUSAGE;
	rc = account_folder_get(d, x, account, text(to), &f);
	for (size_t i = 0; rc == CM_ENOINPUT && i < l->n; i++) {
		if (str_fmt(name, sizeof(name), "%s%s", to,
		    l->r[i].name + strlen(from)) != 0)
			return CM_ETOOBIG;
		if (!folder_is_below(name, from))
			rc = account_folder_get(d, x, account, text(name),
			    &f);
	}
	return rc == CM_ENOINPUT ? 0 : rc == 0 ? CM_EEXIST : rc;
}

static int
move(struct catdb *d, struct kv_txn *x, uint32_t account,
    const struct folder_rows *l, const char *from, const char *to)
{
	char		 key[ROW_KEY_MAX], name[FOLDER_MAX + 1];
	const char	*was;
	int		 rc;

	for (size_t i = 0; i < l->n; i++) {
		was = l->r[i].name;
		if ((rc = kv_del(d->folders, x, key_folder(key, account, was,
		    strlen(was)))) != 0)
			return rc;
	}
	for (size_t i = 0; i < l->n; i++)
		if ((rc = str_fmt(name, sizeof(name), "%s%s", to,
		    l->r[i].name + strlen(from))) != 0 ||
		    (rc = account_folder_put(d, x, account, text(name),
		    &l->r[i].row)) != 0)
			return rc;
	return 0;
}

static int
move_inbox(struct catdb *d, struct kv_txn *x, const char *mailbox,
    struct row_account *a, const char *to, int64_t now_ms,
    struct row_folder *inbox)
{
	struct row_folder f, there;
	char		 key[ROW_KEY_MAX];
	int		 rc;

	if ((rc = account_folder_get(d, x, a->id, text("INBOX"), &f)) != 0)
		return rc;
	rc = account_folder_get(d, x, a->id, text(to), &there);
	if (rc != CM_ENOINPUT)
		return rc == 0 ? CM_EEXIST : rc;
	if ((rc = account_folder_put(d, x, a->id, text(to), &f)) != 0 ||
	    (rc = kv_del(d->folders, x, key_folder(key, a->id, "INBOX",
	    5))) != 0 || (rc = account_folder_make(d, x, a, text("INBOX"),
	    now_ms, inbox)) != 0)
		return rc;
	return account_put(d, x, mailbox, a);
}

int
folder_rename(struct catdb *d, struct kv_txn *x, const char *mailbox,
    struct row_account *a, const char *from, const char *to, int64_t now_ms,
    struct row_folder *inbox)
{
	struct folder_rows l;
	int		 rc;

	if (strcmp(from, "INBOX") == 0)
		return move_inbox(d, x, mailbox, a, to, now_ms, inbox);
	if ((rc = folder_below(d, x, a->id, from, &l)) == 0 &&
	    (rc = may_move(d, x, a->id, &l, from, to)) == 0)
		rc = move(d, x, a->id, &l, from, to);
	folder_rows_free(&l);
	return rc;
}

/* --- by its id --- */

struct find {
	uint32_t	 id;
	char		*name;
};

static int
match_id(void *arg, struct span k, struct span v)
{
	struct find		*q = arg;
	struct row_folder	 f;

	if (k.len < 4 || row_folder_get(v, &f) != 0)
		return CM_ECORRUPT;
	if (f.id != q->id)
		return 0;
	return str_ncopy(q->name, FOLDER_MAX + 1, k.p + 4, k.len - 4) == 0 ?
	    1 : CM_ECORRUPT;
}

int
folder_find(struct catdb *d, struct kv_txn *x, uint32_t account, uint32_t id,
    char name[FOLDER_MAX + 1])
{
	struct find	 q = { id, name };
	char		 key[4];
	int		 rc;

	rc = kv_walk(d->folders, x, key_u32(key, account), 4, match_id, &q);
	return rc == 1 ? 0 : rc == 0 ? CM_ENOINPUT : rc;
}

/* --- subscribed names --- */

int
folder_subscribed(struct catdb *d, struct kv_txn *x, uint32_t account,
    struct span name, bool *on)
{
	char		 key[ROW_KEY_MAX];
	struct buf	 b;
	int		 rc;

	buf_init(&b, 1024);
	rc = kv_get(d->subscribed, x, key_folder(key, account, name.p,
	    name.len), &b);
	buf_free(&b);
	*on = rc == 0;
	return rc == CM_ENOINPUT ? 0 : rc;
}

int
folder_subscribe(struct catdb *d, struct kv_txn *x, uint32_t account,
    struct span name, bool on)
{
	char		 key[ROW_KEY_MAX];
	struct span	 k = key_folder(key, account, name.p, name.len);
	int		 rc;

	if (on)
		return kv_put(d->subscribed, x, k, text("1"));
	rc = kv_del(d->subscribed, x, k);
	return rc == CM_ENOINPUT ? 0 : rc;
}
