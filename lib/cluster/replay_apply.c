/* Doing the lines of journals again. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cluster/catindex.h"
#include "cluster/expect.h"
#include "cluster/replay_int.h"
#include "cluster/vanished.h"

#define STEP		1000		/* lines of one transaction */
#define RENAMES_MAX	(64u << 20)

int
replay_number(const struct buf *b, uint64_t max, uint64_t *v)
{
	return str_u64(replay_text(b), b->len, max, v);
}

/* --- folders --- */

int
replay_get_folder(struct redo *w, const struct row_account *a,
    struct row_folder *f)
{
	return account_folder_get(w->db, w->txn, a->id, replay_span(&w->folder),
	    f);
}

int
replay_put_folder(struct redo *w, const struct row_account *a,
    const struct row_folder *f)
{
	return account_folder_put(w->db, w->txn, a->id, replay_span(&w->folder),
	    f);
}

int
replay_make_folder(struct redo *w, struct row_account *a, uint32_t validity,
    struct row_folder *f)
{
	uint32_t	 last = a->last_validity;
	int		 rc;

	rc = account_folder_make(w->db, w->txn, a, replay_span(&w->folder),
	    (int64_t)validity * 1000, f);
	if (rc != 0)
		return rc;
	f->validity = validity;
	a->last_validity = last > validity ? last : validity;
	if ((rc = replay_put_folder(w, a, f)) != 0)
		return rc;
	return account_put(w->db, w->txn, w->mailbox.p, a);
}

/* The account gives no lower UIDVALIDITY than v from here on. */
static int
set_validity(struct redo *w, struct row_account *a, struct row_folder *f,
    uint32_t v)
{
	f->validity = v;
	if (v <= a->last_validity)
		return 0;
	a->last_validity = v;
	return account_put(w->db, w->txn, w->mailbox.p, a);
}

/* Higher than what both have. */
static int
new_validity(struct redo *w, struct row_account *a, struct row_folder *f,
    uint32_t theirs)
{
	uint32_t	 v = (uint32_t)(time_now_ms() / 1000);

	if (v <= theirs)
		v = theirs + 1;
	if (v <= a->last_validity)
		v = a->last_validity + 1;
	log_warn(w->r->log, "%s/%s: its UIDs cannot be kept: UIDVALIDITY %u",
	    w->mailbox.p, w->folder.p, v);
	return set_validity(w, a, f, v);
}

/* --- uids MAILBOX/FOLDER UIDVALIDITY FIRST NEXT [MODSEQ [IDS]] --- */

struct uids {
	uint32_t	 validity, first, next;
	uint64_t	 modseq;
	struct span	 ids;
	bool		 keep;		/* these are the UIDs */
};

/* The folder of a line, made when it is not there. */
static int
uids_folder(struct redo *w, struct uids *u, struct row_account *a,
    struct row_folder *f)
{
	int	 rc;

	rc = replay_get_folder(w, a, f);
	if (rc == CM_ENOINPUT)
		rc = replay_make_folder(w, a, u->validity, f);
	if (rc != 0)
		return rc;
	/* with no UIDs given yet, or the same ones */
	if (f->validity < u->validity && ((u->ids.len == 0 &&
	    u->first == 1) || (f->messages == 0 && f->uidnext == 1)))
		rc = set_validity(w, a, f, u->validity);
	else if (f->validity < u->validity)
		rc = new_validity(w, a, f, u->validity);
	u->keep = f->validity == u->validity;
	return rc;
}

/* One of a line's messages, which had a UID, or any when that is 0. */
static int
expect_uid(struct redo *w, const struct row_account *a, uint32_t folder,
    uint32_t uid, uint64_t modseq)
{
	struct row_expected	 e = { 0 };
	int			 rc;

	rc = kv_get(w->db->records, w->txn,
	    (struct span){ (const char *)w->id.b, 16 }, &w->words);
	if (rc != CM_ENOINPUT)
		return rc;		/* the catalog has it */
	rc = expect_get(w->db, w->txn, &w->id, w->mailbox.p, w->folder.p,
	    &w->words, &e);
	if (rc != 0 && rc != CM_ENOINPUT)
		return rc;
	if (rc == CM_ENOINPUT || e.what == EXPECT_GONE ||
	    e.account != a->id || e.folder != folder)
		e = (struct row_expected){ .what = EXPECT_NEW,
		    .keywords = { "", 0 } };
	e.account = a->id;
	e.folder = folder;
	if (uid != 0) {
		e.uid = uid;
		e.modseq = modseq > e.modseq ? modseq : e.modseq;
	}
	return expect_put(w->db, w->txn, &w->id, w->mailbox.p, w->folder.p,
	    &e);
}

static int
expect_uids(struct redo *w, const struct uids *u, const struct row_account *a,
    uint32_t folder)
{
	struct span	 rest = u->ids, f;
	uint32_t	 k = 0;
	int		 rc;

	for (; rest.len > 0 && str_field(&rest, ',', &f); k++) {
		if (ulid_parse(f.p, f.len, &w->id) != 0)
			return CM_EDATA;
		rc = expect_uid(w, a, folder, u->keep ? u->first + k : 0,
		    u->modseq + k);
		if (rc != 0)
			return rc;
	}
	return u->ids.len > 0 && u->first + k != u->next ? CM_EDATA : 0;
}

static int
take_uids(struct span rest, struct uids *u)
{
	uint64_t	 v[4] = { 0 };

	for (int i = 0; i < 4; i++)
		if ((i < 3 || rest.p != NULL) &&
		    journal_take_number(&rest, &v[i]) != 0)
			return CM_EDATA;
	*u = (struct uids){ (uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2],
	    v[3], { "", 0 }, false };
	if (rest.p != NULL)
		u->ids = rest;
	return 0;
}

static int
do_uids(struct redo *w, struct span line)
{
	struct row_account	 a;
	struct row_folder	 f;
	struct uids		 u;
	struct span		 entry;
	uint64_t		 modseq;
	int			 rc;

	if (!str_field(&line, '\t', &entry) || entry_parse(entry.p, entry.len,
	    &w->mailbox, &w->folder, NULL) != 0 ||
	    take_uids(line, &u) != 0)
		return CM_EDATA;
	rc = replay_account(w, w->mailbox.p, w->time_ms, &a);
	if (rc == CM_ENOUSER)
		return 0;		/* it goes, and its messages too */
	if (rc != 0 || (rc = uids_folder(w, &u, &a, &f)) != 0)
		return rc;
	/* of the last one, or else the folder's */
	modseq = u.ids.len == 0 ? u.modseq : u.modseq + u.next - u.first - 1;
	if (u.keep && f.uidnext < u.next)
		f.uidnext = u.next;
	if (f.modseq < modseq)
		f.modseq = modseq;
	if ((rc = replay_put_folder(w, &a, &f)) != 0)
		return rc;
	/* the account's row may have moved */
	return expect_uids(w, &u, &a, f.id);
}

/* skip N: so many UIDs may have been given, and were not known. */
static int
do_skip(struct redo *w, struct span line)
{
	uint64_t	 by;

	(void)line;
	return replay_number(&w->f[0], UINT32_MAX, &by) != 0 ? CM_EDATA :
	    catindex_raise_uids(w->db, w->txn, by);
}

/* floor UIDVALIDITY: that new folders must be above. */
static int
do_floor(struct redo *w, struct span line)
{
	uint64_t	 floor, now;
	int		 rc;

	(void)line;
	if (replay_number(&w->f[0], UINT32_MAX, &floor) != 0)
		return CM_EDATA;
	rc = catdb_number(w->db, w->txn, ACCOUNT_VALIDITY, &now);
	return rc != 0 || now >= floor ? rc : catdb_set_number(w->db, w->txn,
	    ACCOUNT_VALIDITY, floor);
}

/* --- lines --- */

static const struct {
	const char	*kind;
	int		 fields;	/* 0: it takes them itself */
	int		(*fn)(struct redo *, struct span fields);
} kinds[] = {
	{ "uids", 0, do_uids },
	{ "skip", 1, do_skip },
	{ "floor", 1, do_floor },
	{ "flag", 8, replay_flag },
	{ "expunge", 6, replay_expunge },
	{ "copy", 9, replay_copy },
	{ "move", 10, replay_move },
	{ "user-add", 4, replay_user_add },
	{ "user-set", 4, replay_user_set },
	{ "user-del", 3, replay_user_del },
	{ "alias", 3, replay_alias },
	{ "folder-add", 0, replay_folder_add },
	{ "folder-del", 0, replay_folder_del },
	{ "folder-rename", 0, replay_folder_rename },
	{ "subscribe", 0, replay_subscribe },
};

static int
do_line(struct redo *w, const struct journal_line *l)
{
	struct span	 rest = l->fields;
	size_t		 n = sizeof(kinds) / sizeof(kinds[0]), i;

	for (i = 0; i < n; i++)
		if (span_is(l->kind, kinds[i].kind))
			break;
	if (i == n)
		return 0;		/* a mark */
	for (int k = 0; k < kinds[i].fields; k++)
		if (journal_take(&rest, &w->f[k]) != 0)
			return CM_EDATA;
	w->why = NULL;
	w->time_ms = l->time_ms;
	return kinds[i].fn(w, l->fields);
}

static int
next_step(struct redo *w)
{
	int	 rc;

	if (++w->lines < STEP)
		return 0;
	w->lines = 0;
	rc = kv_commit(w->txn);
	w->txn = NULL;
	return rc != 0 ? rc : kv_begin(w->db->env, &w->txn);
}

/* Lines that are not there, or are no lines any more. */
static void
say_damaged(struct redo *w, uint64_t from, uint64_t to)
{
	struct replay	*r = w->r;

	for (; from < to; from++) {
		r->refused++;
		buf_addf(&r->said, "=no\t%s\t%llu\t-\t-\tthe line is damaged"
		    "\n", r->source[w->batch->source].node,
		    (unsigned long long)from);
	}
}

static int
do_one(struct redo *w, const struct journal_line *l)
{
	int	 rc;

	switch (rc = do_line(w, l)) {
	case CM_EDATA:
		w->why = "the line makes no sense";
		rc = 0;
		break;
	case CM_EEXIST:
	case CM_ENOINPUT:
	case CM_ENOUSER:
		w->why = "the catalog is not as the line found it";
		rc = 0;
		break;
	default:
		break;
	}
	if (rc != 0)
		return log_fail(w->r->log, rc, "journal of %s, line %llu",
		    w->r->source[w->batch->source].node,
		    (unsigned long long)l->number);
	if (w->why != NULL)
		replay_refuse(w->r, w->batch, l, w->why);
	else
		w->r->done += journal_is_change(l->kind);
	w->why = NULL;
	return next_step(w);
}

static int
do_batch(struct redo *w)
{
	const struct replay_source *s = &w->r->source[w->batch->source];
	struct span		 rest = { s->text + w->batch->from,
				    w->batch->to - w->batch->from }, l;
	struct journal_line	 jl;
	uint64_t		 due = w->batch->first;
	int			 rc = 0;

	while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &l)) {
		if (journal_parse(l, &jl) != 0 || jl.number < due)
			continue;
		say_damaged(w, due, jl.number);
		due = jl.number + 1;
		rc = do_one(w, &jl);
	}
	say_damaged(w, due, w->batch->last + 1);
	return rc;
}

/* --- mailboxes that were there before the journal --- */

static int
date_account(void *arg, struct span key, struct span value)
{
	struct redo		*w = arg;
	struct row_account	 a;
	struct row_folder	 f;
	int64_t			 now = time_now_ms();
	int			 rc;

	if ((rc = row_account_get(value, &a)) != 0 || a.created != 0)
		return rc;
	buf_reset(&w->mailbox);
	buf_reset(&w->folder);
	buf_add(&w->mailbox, key.p, key.len);
	buf_adds(&w->folder, "INBOX");
	a.created = now;
	/* nothing tells what it was */
	if ((rc = replay_get_folder(w, &a, &f)) != 0)
		return rc;
	if (f.uidnext == 1 && f.validity < (uint32_t)(now / 1000) &&
	    ((rc = set_validity(w, &a, &f, (uint32_t)(now / 1000))) != 0 ||
	    (rc = replay_put_folder(w, &a, &f)) != 0))
		return rc;
	return account_put(w->db, w->txn, w->mailbox.p, &a);
}

static int
date_accounts(struct redo *w)
{
	return !w->r->scratch ? 0 : kv_walk(w->db->accounts, w->txn,
	    (struct span){ "", 0 }, 0, date_account, w);
}

static struct redo *
work_new(struct replay *r)
{
	struct redo	*w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->r = r;
	w->db = r->db;
	for (int i = 0; i < REPLAY_FIELDS_MAX; i++)
		buf_init(&w->f[i], ROW_MAX);
	buf_init(&w->mailbox, REPLAY_KEY_MAX);
	buf_init(&w->folder, REPLAY_KEY_MAX);
	buf_init(&w->raw, ROW_MAX);
	buf_init(&w->words, ROW_MAX);
	buf_init(&w->refs, ROW_MAX);
	buf_init(&w->renames, RENAMES_MAX);
	return w;
}

static void
work_free(struct redo *w)
{
	for (int i = 0; i < REPLAY_FIELDS_MAX; i++)
		buf_free(&w->f[i]);
	buf_free(&w->mailbox);
	buf_free(&w->folder);
	buf_free(&w->raw);
	buf_free(&w->words);
	buf_free(&w->refs);
	buf_free(&w->renames);
	free(w);
}

int
replay_apply(struct replay *r)
{
	struct buf	*notes = r->db->notes;
	struct redo	*w;
	int		 rc;

	if ((w = work_new(r)) == NULL)
		return CM_ENOMEM;
	r->db->notes = NULL;	/* they are in the journals already */
	if ((rc = kv_begin(r->db->env, &w->txn)) == 0) {
		for (size_t i = 0; rc == 0 && i < r->nbatches; i++) {
			w->batch = &r->batch[i];
			rc = do_batch(w);
		}
		if (rc == 0)
			rc = date_accounts(w);
		/* modseqs that lines tell are not always those noted */
		if (rc == 0)
			rc = vanished_begin_all(w->db, w->txn);
		if (rc == 0)
			rc = kv_commit(w->txn);
		else if (w->txn != NULL)
			kv_abort(w->txn);
	}
	r->db->notes = notes;
	work_free(w);
	return rc != 0 ? rc : r->said.err;
}
