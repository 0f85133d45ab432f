#include "cluster/account.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/vanished.h"
#include "format/address.h"

#define LEAP_MAX	(1u << 31)	/* UIDs are not to run out */

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

int
account_get(struct catdb *d, struct kv_txn *x, const char *name,
    struct buf *raw, struct row_account *r)
{
	int	 rc;

	if ((rc = kv_get(d->accounts, x, text(name), raw)) != 0)
		return rc == CM_ENOINPUT ? CM_ENOUSER : rc;
	return row_account_get((struct span){ raw->p, raw->len }, r);
}

int
account_put(struct catdb *d, struct kv_txn *x, const char *name,
    const struct row_account *r)
{
	struct buf	 b;
	int		 rc;

	buf_init(&b, ROW_MAX);
	if ((rc = row_account_put(&b, r)) == 0)
		rc = kv_put(d->accounts, x, text(name),
		    (struct span){ b.p, b.len });
	buf_free(&b);
	return rc;
}

int
account_folder_get(struct catdb *d, struct kv_txn *x, uint32_t account,
    struct span name, struct row_folder *r)
{
	char		 key[ROW_KEY_MAX];
	struct buf	 b;
	int		 rc;

	buf_init(&b, ROW_MAX);
	rc = kv_get(d->folders, x, key_folder(key, account, name.p, name.len),
	    &b);
	if (rc == 0)
		rc = row_folder_get((struct span){ b.p, b.len }, r);
	buf_free(&b);
	return rc;
}

int
account_folder_put(struct catdb *d, struct kv_txn *x, uint32_t account,
    struct span name, const struct row_folder *r)
{
	char		 key[ROW_KEY_MAX];
	struct buf	 b;
	int		 rc;

	buf_init(&b, ROW_MAX);
	if ((rc = row_folder_put(&b, r)) == 0)
		rc = kv_put(d->folders, x,
		    key_folder(key, account, name.p, name.len),
		    (struct span){ b.p, b.len });
	buf_free(&b);
	return rc;
}

bool
account_leap(const struct catdb *d, struct row_folder *f)
{
	uint64_t	 leap = d->leaps == NULL ? 0 : atomic_load(d->leaps);
	uint32_t	 lead = (uint32_t)(leap >> 32);

	if (lead == 0 || lead == f->leapt || f->uidnext > LEAP_MAX)
		return false;
	f->leapt = lead;
	f->left_from = f->uidnext;
	f->uidnext += (uint32_t)leap;
	f->left_to = f->uidnext;
	return true;
}

uint64_t
account_leap_of(uint64_t lead, bool first)
{
	return lead == 0 ? 0 : lead << 32 |
	    (first ? ACCOUNT_LEAP / 2 : ACCOUNT_LEAP);
}

bool
account_left_out(const struct row_folder *f, uint32_t lead, uint32_t first,
    uint32_t next)
{
	return lead != 0 && f->leapt == lead && first >= f->left_from &&
	    next <= f->left_to;
}

int
account_folder_make(struct catdb *d, struct kv_txn *x, struct row_account *a,
    struct span name, int64_t now_ms, struct row_folder *r)
{
	struct row_folder	 old;
	uint64_t		 floor;
	uint32_t		 validity = (uint32_t)(now_ms / 1000);
	int			 rc;

	rc = account_folder_get(d, x, a->id, name, &old);
	if (rc == 0)
		return CM_EEXIST;
	if (rc != CM_ENOINPUT)
		return rc;
	/* must never repeat, not even when the clock went back */
	if ((rc = catdb_number(d, x, ACCOUNT_VALIDITY, &floor)) != 0)
		return rc;
	if (validity <= a->last_validity)
		validity = a->last_validity + 1;
	if (validity <= floor)
		validity = (uint32_t)floor + 1;
	memset(r, 0, sizeof(*r));
	r->id = a->next_folder;
	r->validity = validity;
	r->uidnext = 1;
	r->modseq = 1;
	if ((rc = account_folder_put(d, x, a->id, name, r)) != 0 ||
	    (rc = vanished_begin(d, x, a->id, r->id, 0)) != 0)
		return rc;
	a->next_folder++;
	a->last_validity = validity;
	return 0;
}

int
account_add(struct catdb *d, struct kv_txn *x, const char *name,
    struct span verifier, int64_t now_ms)
{
	struct row_account	 a = { .next_folder = 1 };
	struct row_folder	 f;
	struct buf		 b;
	uint64_t		 next;
	char			 key[4];
	int			 rc;

	buf_init(&b, ROW_MAX);
	if ((rc = kv_get(d->accounts, x, text(name), &b)) == CM_ENOINPUT)
		rc = kv_get(d->aliases, x, text(name), &b);
	buf_free(&b);
	if (rc != CM_ENOINPUT)
		return rc == 0 ? CM_EEXIST : rc;
	if ((rc = catdb_number(d, x, "next_account", &next)) != 0)
		return rc;
	if (next == 0)
		next = 1;
	a.id = (uint32_t)next;
	a.created = now_ms;
	a.verifier = verifier;
	if ((rc = kv_del(d->deleted, x, text(name))) != 0 &&
	    rc != CM_ENOINPUT)
		return rc;
	if ((rc = account_folder_make(d, x, &a, text("INBOX"), now_ms,
	    &f)) != 0 ||
	    (rc = account_put(d, x, name, &a)) != 0 ||
	    (rc = kv_put(d->names, x, key_u32(key, a.id), text(name))) != 0)
		return rc;
	return catdb_set_number(d, x, "next_account", next + 1);
}

int
account_del(struct catdb *d, struct kv_txn *x, const char *name)
{
	struct row_account	 a;
	struct buf		 raw;
	char			 key[4];
	int			 rc;

	buf_init(&raw, ROW_MAX);
	rc = account_get(d, x, name, &raw, &a);
	if (rc == 0)
		rc = kv_put(d->purge, x, key_u32(key, a.id), text(name));
	if (rc == 0)
		rc = kv_del(d->names, x, key_u32(key, a.id));
	if (rc == 0)
		rc = kv_del(d->accounts, x, text(name));
	if (rc == 0)
		rc = kv_put(d->deleted, x, text(name), text("1"));
	buf_free(&raw);
	return rc;
}

static bool
same_ref(const struct row_ref *a, const struct row_ref *b)
{
	return a != NULL && a->account == b->account &&
	    a->folder == b->folder && a->uid == b->uid;
}

/* Takes one reference off a record, and adds one; either may be NULL. */
static int
change_refs(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    const struct row_ref *gone, const struct row_ref *come)
{
	struct row_record	 r;
	struct row_ref		 ref;
	struct buf		 raw, refs, b;
	struct span		 key = { (const char *)id->b, 16 };
	uint32_t		 n = 0;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	buf_init(&refs, ROW_MAX);
	buf_init(&b, ROW_MAX);
	if ((rc = kv_get(d->records, x, key, &raw)) != 0 ||
	    (rc = row_record_get((struct span){ raw.p, raw.len }, &r)) != 0)
		goto out;
	for (uint32_t i = 0; i < r.nrefs; i++) {
		row_ref_get(r.refs, i, &ref);
		if (same_ref(gone, &ref) || same_ref(come, &ref))
			continue;
		row_ref_add(&refs, &ref);
		n++;
	}
	if (come != NULL) {
		row_ref_add(&refs, come);
		n++;
	}
	r.nrefs = n;
	r.refs = (struct span){ refs.p, refs.len };
	if ((rc = refs.err) == 0 && (rc = row_record_put(&b, &r)) == 0)
		rc = kv_put(d->records, x, key, (struct span){ b.p, b.len });
out:
	buf_free(&raw);
	buf_free(&refs);
	buf_free(&b);
	return rc;
}

static int
unref(struct catdb *d, struct kv_txn *x, const struct ulid *id,
    const struct row_ref *gone)
{
	int	 rc = change_refs(d, x, id, gone, NULL);

	return rc == CM_ENOINPUT ? 0 : rc;	/* nothing left to count */
}

#define PURGE_STEP 500

struct purge {
	struct row_ref	 ref[PURGE_STEP];
	struct ulid	 id[PURGE_STEP];
	char		 names[PURGE_STEP][ROW_KEY_MAX];
	size_t		 len[PURGE_STEP];
	size_t		 n;
	char		 key[8];	/* account, or account and folder */
	size_t		 key_len;	/* 0: nothing is to go */
};

static int
purge_first(void *arg, struct span key, struct span value)
{
	struct purge	*p = arg;

	(void)value;
	if (key.len != 4 && key.len != 8)
		return CM_ECORRUPT;
	memcpy(p->key, key.p, key.len);
	p->key_len = key.len;
	return 1;
}

static int
purge_message(void *arg, struct span key, struct span value)
{
	struct purge		*p = arg;
	struct row_message	 m;
	int			 rc;

	if ((rc = key_message_parse(key, &p->ref[p->n])) != 0 ||
	    (rc = row_message_get(value, &m)) != 0)
		return rc;
	p->id[p->n] = m.id;
	return ++p->n == PURGE_STEP ? 1 : 0;
}

static int
purge_name(void *arg, struct span key, struct span value)
{
	struct purge	*p = arg;

	(void)value;
	memcpy(p->names[p->n], key.p, key.len);
	p->len[p->n] = key.len;
	return ++p->n == PURGE_STEP ? 1 : 0;
}

/* Rows of names in a table. */
static int
purge_names(struct kv *kv, struct kv_txn *x, struct purge *p)
{
	int	 rc;

	rc = kv_walk(kv, x, (struct span){ p->key, 4 }, 4, purge_name, p);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < p->n; i++)
		if ((rc = kv_del(kv, x, (struct span){ p->names[i],
		    p->len[i] })) != 0)
			return rc;
	return 0;
}

static int
purge_step(struct catdb *d, struct kv_txn *x, struct purge *p)
{
	struct kv	*names[] = { d->folders, d->subscribed };
	struct span	 k = { p->key, p->key_len };
	char		 key[12];
	int		 rc;

	rc = kv_walk(d->messages, x, k, k.len, purge_message, p);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < p->n; i++)
		if ((rc = unref(d, x, &p->id[i], &p->ref[i])) != 0 ||
		    (rc = kv_del(d->messages, x,
		    key_message(key, &p->ref[i]))) != 0)
			return rc;
	/* a folder's own row went first of all */
	for (size_t i = 0; k.len == 4 && p->n == 0 && i < 2; i++)
		if ((rc = purge_names(names[i], x, p)) != 0)
			return rc;
	if (p->n == 0 && (rc = vanished_forget(d, x, k, PURGE_STEP,
	    &p->n)) != 0)
		return rc;
	return p->n > 0 ? 0 : kv_del(d->purge, x, k);
}

int
account_purge_some(struct catdb *d, struct kv_txn *x, bool *more)
{
	struct purge	*p;
	int		 rc;

	*more = false;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return CM_ENOMEM;
	rc = kv_walk(d->purge, x, text(""), 0, purge_first, p);
	if (rc >= 0) {
		*more = p->key_len > 0;
		rc = *more ? purge_step(d, x, p) : 0;
	}
	free(p);
	return rc;
}

int
account_alias(struct catdb *d, struct kv_txn *x, const char *name,
    struct span targets)
{
	struct buf	 b;
	int		 rc;

	if (targets.len == 0) {
		rc = kv_del(d->aliases, x, text(name));
		return rc == CM_ENOINPUT ? CM_ENOUSER : rc;
	}
	buf_init(&b, ROW_MAX);
	rc = kv_get(d->accounts, x, text(name), &b);
	buf_free(&b);
	if (rc != CM_ENOINPUT)
		return rc == 0 ? CM_EEXIST : rc;
	return kv_put(d->aliases, x, text(name), targets);
}

static bool
has_line(const struct buf *b, const char *s)
{
	struct span	 rest = { b->p, b->len }, l;

	if (b->len == 0)
		return false;
	while (str_field(&rest, '\n', &l))
		if (span_is(l, s))
			return true;
	return false;
}

static int	resolve(struct catdb *, const char *, int, struct buf *);

static int
resolve_alias(struct catdb *d, struct span targets, int depth,
    struct buf *out)
{
	char		 target[ADDRESS_MAX + 1];
	struct span	 l;
	int		 rc = CM_ENOUSER, one;

	while (str_field(&targets, '\n', &l)) {
		if (l.len == 0 || address_key(l.p, l.len, target) != 0)
			continue;
		one = resolve(d, target, depth + 1, out);
		if (one != 0 && one != CM_ENOUSER)
			return one;
		if (one == 0)
			rc = 0;
	}
	return rc;
}

static int
resolve(struct catdb *d, const char *addr, int depth, struct buf *out)
{
	char		 base[ADDRESS_MAX + 1];
	struct buf	 b;
	int		 rc;

	if (depth > ACCOUNT_ALIAS_DEPTH)
		return CM_ENOUSER;
	buf_init(&b, ROW_MAX);
	rc = kv_get(d->accounts, NULL, text(addr), &b);
	if (rc == 0) {
		if (!has_line(out, addr))
			buf_addf(out, "%s\n", addr);
		rc = out->err;
	} else if (rc == CM_ENOINPUT) {
		rc = kv_get(d->aliases, NULL, text(addr), &b);
		if (rc == 0)
			rc = resolve_alias(d, (struct span){ b.p, b.len },
			    depth, out);
	}
	buf_free(&b);
	if (rc == CM_ENOINPUT) {
		rc = CM_ENOUSER;
		if (address_base(addr, base))
			rc = resolve(d, base, depth + 1, out);
	}
	return rc;
}

int
account_resolve(struct catdb *d, const struct conf *conf, const char *address,
    struct buf *out)
{
	char		 key[ADDRESS_MAX + 1];
	const char	*domain;
	int		 rc;

	if (address_key(address, strlen(address), key) != 0)
		return CM_ENOUSER;
	rc = resolve(d, key, 0, out);
	domain = address_domain(key);
	if (rc == CM_ENOUSER && domain != NULL && !conf_is_open(conf) &&
	    !conf_has_domain(conf, domain, strlen(domain)))
		rc = CM_ENOHOST;
	return rc;
}

/* What flag and expunge begin with. */
struct target {
	struct buf		 raw, raw_message;
	struct row_account	 account;
	struct row_folder	 folder;
	struct row_message	 message;
	struct row_ref		 ref;
	char			 key[12];
};

static int
target_get(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t uid, struct target *t)
{
	int	 rc;

	memset(t, 0, sizeof(*t));
	buf_init(&t->raw, ROW_MAX);
	buf_init(&t->raw_message, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &t->raw, &t->account)) != 0 ||
	    (rc = account_folder_get(d, x, t->account.id, text(folder),
	    &t->folder)) != 0)
		return rc;
	t->ref = (struct row_ref){ t->account.id, t->folder.id, uid };
	if ((rc = kv_get(d->messages, x, key_message(t->key, &t->ref),
	    &t->raw_message)) != 0)
		return rc;
	return row_message_get((struct span){ t->raw_message.p,
	    t->raw_message.len }, &t->message);
}

static void
target_free(struct target *t)
{
	buf_free(&t->raw);
	buf_free(&t->raw_message);
}

int
account_message(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t uid, struct buf *raw, struct row_message *m)
{
	struct target	 t;
	int		 rc;

	if ((rc = target_get(d, x, mailbox, folder, uid, &t)) == 0) {
		struct buf was = *raw;

		*raw = t.raw_message;
		t.raw_message = was;
		*m = t.message;
	}
	target_free(&t);
	return rc;
}

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

/* Writes a message with other flags than it had, and its folder. */
static int
put_flags(struct catdb *d, struct kv_txn *x, const char *folder,
    struct target *t, uint32_t was)
{
	struct buf	 row;
	int		 rc;

	if ((was ^ t->message.flags) & FLAG_SEEN)
		t->folder.unseen += was & FLAG_SEEN ? 1 : UINT32_MAX;
	buf_init(&row, ROW_MAX);
	if ((rc = row_message_put(&row, &t->message)) == 0 &&
	    (rc = kv_put(d->messages, x, key_message(t->key, &t->ref),
	    span_of(&row))) == 0)
		rc = account_folder_put(d, x, t->account.id, text(folder),
		    &t->folder);
	buf_free(&row);
	return rc;
}

int
account_set_flags(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t uid, uint32_t flags, struct span keywords,
    uint64_t modseq)
{
	struct target	 t;
	uint32_t	 was;
	int		 rc;

	if ((rc = target_get(d, x, mailbox, folder, uid, &t)) == 0) {
		was = t.message.flags;
		t.message.flags = flags;
		t.message.keywords = keywords;
		t.message.modseq = modseq;
		if (t.folder.modseq < modseq)
			t.folder.modseq = modseq;
		rc = put_flags(d, x, folder, &t, was);
	}
	target_free(&t);
	return rc;
}

int
account_place(struct catdb *d, struct kv_txn *x, struct row_account *a,
    struct row_folder *f, uint32_t uid, const struct row_message *m)
{
	struct row_ref	 ref = { a->id, f->id, uid };
	struct buf	 row;
	char		 key[12];
	int		 rc;

	buf_init(&row, ROW_MAX);
	if ((rc = change_refs(d, x, &m->id, NULL, &ref)) == 0 &&
	    (rc = row_message_put(&row, m)) == 0)
		rc = kv_put(d->messages, x, key_message(key, &ref),
		    span_of(&row));
	buf_free(&row);
	f->messages++;
	f->bytes += m->size;
	f->unseen += !(m->flags & FLAG_SEEN);
	a->messages++;
	a->bytes += m->size;
	return rc;
}

int
account_displace(struct catdb *d, struct kv_txn *x, struct row_account *a,
    struct row_folder *f, uint32_t uid, const struct row_message *m)
{
	struct row_ref	 ref = { a->id, f->id, uid };
	char		 key[12];
	int		 rc;

	f->messages--;
	f->bytes -= m->size;
	f->unseen -= !(m->flags & FLAG_SEEN);
	a->messages--;
	a->bytes -= m->size;
	if ((rc = unref(d, x, &m->id, &ref)) != 0 ||
	    (rc = kv_del(d->messages, x, key_message(key, &ref))) != 0)
		return rc;
	return vanished_note(d, x, a->id, f->id, uid, f->modseq);
}
