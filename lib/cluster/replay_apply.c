/* Doing the lines of journals again. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cluster/account.h"
#include "cluster/catindex.h"
#include "cluster/change.h"
#include "cluster/expect.h"
#include "cluster/replay.h"

#define KEY_MAX		8192
#define WORDS_MAX	65536
#define FIELDS_MAX	8
#define STEP		1000		/* lines of one transaction */

struct work {
	struct replay	*r;
	struct catdb	*db;
	struct kv_txn	*txn;
	const struct replay_batch *batch;
	int64_t		 time_ms;	/* of the line */
	const char	*why;		/* it cannot be done; NULL: it was */
	struct buf	 f[FIELDS_MAX];	/* fields of the line, decoded */
	struct buf	 mailbox, folder, raw, words, refs;
	uint32_t	 uid;
	struct ulid	 id;
	unsigned	 lines;		/* in the transaction */
};

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

static const char *
text_of(const struct buf *b)
{
	return b->len ? b->p : "";
}

static int
number_of(const struct buf *b, uint64_t max, uint64_t *v)
{
	return str_u64(text_of(b), b->len, max, v);
}

/* --- mailboxes and folders --- */

static int
is_deleted(struct work *w, const char *mailbox, bool *deleted)
{
	int	 rc;

	rc = kv_get(w->db->deleted, w->txn, (struct span){ mailbox,
	    strlen(mailbox) }, &w->words);
	*deleted = rc == 0;
	return rc == CM_ENOINPUT ? 0 : rc;
}

/*
 * The mailbox of a line.  One that is not there was made by mail; or it was
 * there before the journal begins, and when is not known: 0, until the end.
 * CM_ENOUSER.
 */
static int
get_account(struct work *w, const char *name, int64_t created,
    struct row_account *a)
{
	bool	 deleted;
	int	 rc;

	rc = account_get(w->db, w->txn, name, &w->raw, a);
	if (rc != CM_ENOUSER || created < 0)
		return rc;
	if ((rc = is_deleted(w, name, &deleted)) != 0 || deleted)
		return rc != 0 ? rc : CM_ENOUSER;
	rc = account_add(w->db, w->txn, name, (struct span){ "", 0 },
	    created);
	if (rc != 0)
		return rc == CM_EEXIST ? CM_ENOUSER : rc;
	return account_get(w->db, w->txn, name, &w->raw, a);
}

/* As one that was there before the journal; -1: it must be there. */
static int64_t
unknown_date(const struct work *w)
{
	return w->r->scratch ? 0 : -1;
}

static int
get_folder(struct work *w, const struct row_account *a, struct row_folder *f)
{
	return account_folder_get(w->db, w->txn, a->id, span_of(&w->folder),
	    f);
}

static int
put_folder(struct work *w, const struct row_account *a,
    const struct row_folder *f)
{
	return account_folder_put(w->db, w->txn, a->id, span_of(&w->folder),
	    f);
}

/* The account gives no lower UIDVALIDITY than v from here on. */
static int
set_validity(struct work *w, struct row_account *a, struct row_folder *f,
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
new_validity(struct work *w, struct row_account *a, struct row_folder *f,
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

/* --- uids MAILBOX/FOLDER UIDVALIDITY FIRST NEXT [MODSEQ IDS] --- */

struct uids {
	uint32_t	 validity, first, next;
	uint64_t	 modseq;
	struct span	 ids;
	bool		 keep;		/* these are the UIDs */
};

/* The folder of a line, made when it is not there. */
static int
uids_folder(struct work *w, struct uids *u, struct row_account *a,
    struct row_folder *f)
{
	int	 rc;

	rc = get_folder(w, a, f);
	if (rc == CM_ENOINPUT) {
		rc = account_folder_make(w->db, w->txn, a, span_of(
		    &w->folder), (int64_t)u->validity * 1000, f);
		if (rc == 0)
			rc = account_put(w->db, w->txn, w->mailbox.p, a);
	}
	if (rc != 0)
		return rc;
	/* with no UIDs given yet, or the same ones */
	if (f->validity < u->validity && (u->ids.len == 0 ||
	    (f->messages == 0 && f->uidnext == 1)))
		rc = set_validity(w, a, f, u->validity);
	else if (f->validity < u->validity)
		rc = new_validity(w, a, f, u->validity);
	u->keep = f->validity == u->validity;
	return rc;
}

/* One of a line's messages, which had a UID, or any when that is 0. */
static int
expect_uid(struct work *w, const struct row_account *a, uint32_t uid,
    uint64_t modseq)
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
	    e.account != a->id)
		e = (struct row_expected){ .what = EXPECT_NEW,
		    .keywords = { "", 0 } };
	e.account = a->id;
	if (uid != 0) {
		e.uid = uid;
		e.modseq = modseq > e.modseq ? modseq : e.modseq;
	}
	return expect_put(w->db, w->txn, &w->id, w->mailbox.p, w->folder.p,
	    &e);
}

static int
expect_uids(struct work *w, const struct uids *u, const struct row_account *a)
{
	struct span	 rest = u->ids, f;
	uint32_t	 k = 0;
	int		 rc;

	for (; rest.len > 0 && str_field(&rest, ',', &f); k++) {
		if (ulid_parse(f.p, f.len, &w->id) != 0)
			return CM_EDATA;
		rc = expect_uid(w, a, u->keep ? u->first + k : 0,
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
do_uids(struct work *w, struct span line)
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
	rc = get_account(w, w->mailbox.p, w->time_ms, &a);
	if (rc == CM_ENOUSER)
		return 0;		/* it goes, and its messages too */
	if (rc != 0 || (rc = uids_folder(w, &u, &a, &f)) != 0)
		return rc;
	modseq = u.modseq + u.next - u.first;
	if (u.keep && f.uidnext < u.next)
		f.uidnext = u.next;
	if (u.ids.len > 0 && f.modseq < modseq - 1)
		f.modseq = modseq - 1;
	if ((rc = put_folder(w, &a, &f)) != 0)
		return rc;
	/* the account's row may have moved */
	return expect_uids(w, &u, &a);
}

/* skip N: so many UIDs may have been given, and were not known. */
static int
do_skip(struct work *w, struct span line)
{
	uint64_t	 by;

	(void)line;
	return number_of(&w->f[0], UINT32_MAX, &by) != 0 ? CM_EDATA :
	    catindex_raise_uids(w->db, w->txn, by);
}

/* floor UIDVALIDITY: that new folders must be above. */
static int
do_floor(struct work *w, struct span line)
{
	uint64_t	 floor, now;
	int		 rc;

	(void)line;
	if (number_of(&w->f[0], UINT32_MAX, &floor) != 0)
		return CM_EDATA;
	rc = catdb_number(w->db, w->txn, ACCOUNT_VALIDITY, &now);
	return rc != 0 || now >= floor ? rc : catdb_set_number(w->db, w->txn,
	    ACCOUNT_VALIDITY, floor);
}

/* --- flag and expunge MAILBOX/FOLDER/UID ID PLACE MODSEQ FLAGS ... --- */

enum { ENTRY, ID, PLACE, MODSEQ, FLAGS, ADD, DEL, FLAG_NEW,
    EXPUNGE_NEW = ADD };

struct target {
	struct row_account	 a;
	struct row_folder	 f;
	bool			 has_folder;
	bool			 listed;	/* its record is known */
	bool			 there;		/* in that folder, as uid */
};

/* Which of a record's references is to that folder. */
static int
find_ref(struct work *w, struct target *t)
{
	struct row_record	 r;
	struct row_ref		 ref;
	int			 rc;

	rc = kv_get(w->db->records, w->txn,
	    (struct span){ (const char *)w->id.b, 16 }, &w->refs);
	if (rc == CM_ENOINPUT)
		return 0;
	if (rc != 0 || (rc = row_record_get(span_of(&w->refs), &r)) != 0)
		return rc;
	t->listed = true;
	for (uint32_t i = 0; i < r.nrefs && t->has_folder; i++) {
		row_ref_get(r.refs, i, &ref);
		if (ref.account != t->a.id || ref.folder != t->f.id)
			continue;
		w->uid = ref.uid;
		t->there = true;
		return 0;
	}
	return 0;
}

/* why is set when there is no such mailbox. */
static int
find_target(struct work *w, struct target *t)
{
	struct place	 place;
	int		 rc;

	memset(t, 0, sizeof(*t));
	if (entry_parse(text_of(&w->f[ENTRY]), w->f[ENTRY].len, &w->mailbox,
	    &w->folder, &w->uid) != 0 ||
	    ulid_parse(text_of(&w->f[ID]), w->f[ID].len, &w->id) != 0 ||
	    place_parse(text_of(&w->f[PLACE]), w->f[PLACE].len, &place) != 0)
		return CM_EDATA;
	rc = get_account(w, w->mailbox.p, unknown_date(w), &t->a);
	if (rc == CM_ENOUSER) {
		w->why = "there is no such mailbox";
		return 0;
	}
	if (rc != 0)
		return rc;
	if ((rc = get_folder(w, &t->a, &t->f)) != 0 && rc != CM_ENOINPUT)
		return rc;
	t->has_folder = rc == 0;
	if ((rc = find_ref(w, t)) != 0 || t->listed)
		return rc;
	if (conf_volume(w->r->conf, place.volume, strlen(place.volume)) ==
	    NULL)
		w->why = "its volume is not in cluster.xml";
	return 0;
}

/* What is kept for the message until it is indexed. */
static int
get_expected(struct work *w, struct target *t, struct row_expected *e)
{
	uint32_t	 uid = w->uid;
	int		 rc;

	rc = expect_get(w->db, w->txn, &w->id, w->mailbox.p, w->folder.p,
	    &w->raw, e);
	if (rc != CM_ENOINPUT && (rc != 0 || e->account == t->a.id))
		return rc;
	*e = (struct row_expected){ .account = t->a.id,
	    .keywords = { "", 0 } };
	/* of the journal's beginning; a folder that is not there gets
	 * another UIDVALIDITY */
	if (!t->has_folder || w->r->scratch)
		return 0;
	e->uid = uid;
	if (t->f.uidnext > uid)
		return 0;
	t->f.uidnext = uid + 1;
	return put_folder(w, &t->a, &t->f);
}

static int
raise_modseq(struct work *w, struct target *t, uint64_t modseq)
{
	int	 rc;

	if (!t->has_folder)
		return 0;
	/* its counts may be others by now */
	if ((rc = get_folder(w, &t->a, &t->f)) != 0 || t->f.modseq >= modseq)
		return rc;
	t->f.modseq = modseq;
	return put_folder(w, &t->a, &t->f);
}

static bool
has_word(struct span words, struct span word)
{
	struct span	 f;

	while (words.len > 0 && str_field(&words, ' ', &f))
		if (f.len == word.len && memcmp(f.p, word.p, f.len) == 0)
			return true;
	return false;
}

/* Adds the words of from that are neither in less nor in out. */
static void
add_words(struct buf *out, struct span from, struct span less)
{
	struct span	 f;

	while (from.len > 0 && str_field(&from, ' ', &f)) {
		if (f.len == 0 || has_word(less, f) ||
		    has_word(span_of(out), f))
			continue;
		buf_adds(out, out->len > 0 ? " " : "");
		buf_add(out, f.p, f.len);
	}
}

/* FLAGS, and ADD, without DEL: as they were behind the change. */
static int
flags_after(struct work *w, uint32_t *flags, struct buf *keywords)
{
	struct buf	 k[3];
	uint32_t	 v[3];
	int		 rc = 0;

	for (int i = 0; i < 3; i++) {
		buf_init(&k[i], WORDS_MAX);
		if (rc == 0)
			rc = flags_parse(text_of(&w->f[FLAGS + i]),
			    w->f[FLAGS + i].len, &v[i], &k[i]);
	}
	if (rc == 0) {
		*flags = (v[0] | v[1]) & ~v[2];
		add_words(keywords, span_of(&k[0]), span_of(&k[2]));
		add_words(keywords, span_of(&k[1]), span_of(&k[2]));
		rc = keywords->err;
	}
	for (int i = 0; i < 3; i++)
		buf_free(&k[i]);
	return rc;
}

static int
flag_listed(struct work *w, uint32_t flags, struct span keywords,
    uint64_t modseq)
{
	struct row_message	 m;
	int			 rc;

	rc = account_message(w->db, w->txn, w->mailbox.p, w->folder.p, w->uid,
	    &w->raw, &m);
	/* the dump has it, and what came behind it */
	if (rc != 0 || m.modseq > modseq)
		return rc;
	return account_set_flags(w->db, w->txn, w->mailbox.p, w->folder.p,
	    w->uid, flags, keywords, modseq);
}

static int
flag_expected(struct work *w, struct target *t, uint32_t flags,
    struct span keywords, uint64_t modseq)
{
	struct row_expected	 e;
	int			 rc;

	if ((rc = get_expected(w, t, &e)) != 0)
		return rc;
	if (e.what == EXPECT_GONE) {
		w->why = "the message is not in that folder any more";
		return 0;
	}
	e.what = EXPECT_FLAGS;
	e.flags = flags;
	e.keywords = keywords;
	e.modseq = modseq;
	return expect_put(w->db, w->txn, &w->id, w->mailbox.p, w->folder.p,
	    &e);
}

static int
do_flag(struct work *w, struct span line)
{
	struct target	 t;
	struct buf	 keywords;
	uint64_t	 modseq;
	uint32_t	 flags;
	int		 rc;

	(void)line;
	if (number_of(&w->f[FLAG_NEW], UINT64_MAX, &modseq) != 0)
		return CM_EDATA;
	if ((rc = find_target(w, &t)) != 0 || w->why != NULL)
		return rc;
	if (t.listed && !t.there) {
		w->why = "the message is not in that folder any more";
		return 0;
	}
	buf_init(&keywords, WORDS_MAX);
	if ((rc = flags_after(w, &flags, &keywords)) == 0)
		rc = t.there ? flag_listed(w, flags, span_of(&keywords),
		    modseq) : flag_expected(w, &t, flags, span_of(&keywords),
		    modseq);
	buf_free(&keywords);
	return rc != 0 ? rc : raise_modseq(w, &t, modseq);
}

static int
do_expunge(struct work *w, struct span line)
{
	struct row_expected	 e;
	struct target		 t;
	uint64_t		 modseq, own;
	int			 rc;

	(void)line;
	if (number_of(&w->f[EXPUNGE_NEW], UINT64_MAX, &modseq) != 0)
		return CM_EDATA;
	if ((rc = find_target(w, &t)) != 0 || w->why != NULL)
		return rc;
	if (t.there) {
		rc = account_expunge(w->db, w->txn, w->mailbox.p, w->folder.p,
		    w->uid, &own);
		if (rc != 0)
			return rc;
		/* the change is the one that it was */
		if ((rc = get_folder(w, &t.a, &t.f)) != 0)
			return rc;
		t.f.modseq = own - 1;
		if ((rc = put_folder(w, &t.a, &t.f)) != 0)
			return rc;
	} else if (!t.listed) {
		if ((rc = get_expected(w, &t, &e)) != 0)
			return rc;
		e.what = EXPECT_GONE;
		e.flags = 0;
		e.keywords = (struct span){ "", 0 };
		if ((rc = expect_put(w->db, w->txn, &w->id, w->mailbox.p,
		    w->folder.p, &e)) != 0)
			return rc;
	}
	return raise_modseq(w, &t, modseq);
}

/* --- mailboxes and aliases --- */

/* It gets the id that it had, if that is not given yet. */
static int
want_id(struct work *w, uint64_t id)
{
	uint64_t	 next;
	int		 rc;

	rc = catdb_number(w->db, w->txn, "next_account", &next);
	if (rc != 0 || id <= next)
		return rc;
	return catdb_set_number(w->db, w->txn, "next_account", id);
}

/* user-add MAILBOX VERIFIER ID CREATED */
static int
do_user_add(struct work *w, struct span line)
{
	struct row_account	 a;
	uint64_t		 id, created;
	int			 rc;

	(void)line;
	if (number_of(&w->f[2], UINT32_MAX, &id) != 0 ||
	    number_of(&w->f[3], INT64_MAX, &created) != 0)
		return CM_EDATA;
	if ((rc = want_id(w, id)) != 0)
		return rc;
	rc = account_add(w->db, w->txn, text_of(&w->f[0]), span_of(&w->f[1]),
	    (int64_t)created);
	if (rc != CM_EEXIST)
		return rc;
	rc = account_get(w->db, w->txn, text_of(&w->f[0]), &w->raw, &a);
	if (rc == CM_ENOUSER) {
		w->why = "an alias has that name";
		return 0;
	}
	if (rc != 0 || w->f[1].len == 0)
		return rc;
	return change_user_set(w->db, w->txn, text_of(&w->f[0]), "password",
	    text_of(&w->f[1]));
}

/* user-set MAILBOX WHAT BEFORE VALUE */
static int
do_user_set(struct work *w, struct span line)
{
	struct row_account	 a;
	int			 rc;

	(void)line;
	rc = get_account(w, text_of(&w->f[0]), unknown_date(w), &a);
	if (rc == CM_ENOUSER) {
		w->why = "there is no such mailbox";
		return 0;
	}
	return rc != 0 ? rc : change_user_set(w->db, w->txn,
	    text_of(&w->f[0]), text_of(&w->f[1]), text_of(&w->f[3]));
}

/* user-del MAILBOX MESSAGES BYTES ID */
static int
do_user_del(struct work *w, struct span line)
{
	struct span	 name = span_of(&w->f[0]);
	int		 rc;

	(void)line;
	rc = change_user_del(w->db, w->txn, name.p);
	if (rc != CM_ENOUSER)
		return rc;
	/* mail for it must not make it again */
	return w->r->scratch ? kv_put(w->db->deleted, w->txn, name,
	    (struct span){ "1", 1 }) : 0;
}

/* alias NAME BEFORE TARGETS */
static int
do_alias(struct work *w, struct span line)
{
	int	 rc;

	(void)line;
	rc = change_alias(w->db, w->txn, text_of(&w->f[0]),
	    span_of(&w->f[2]));
	if (rc == CM_EEXIST)
		w->why = "a mailbox has that name";
	return rc == CM_EEXIST || rc == CM_ENOUSER ? 0 : rc;
}

/* --- lines --- */

static const struct {
	const char	*kind;
	int		 fields;	/* 0: it takes them itself */
	int		(*fn)(struct work *, struct span fields);
} kinds[] = {
	{ "uids", 0, do_uids },
	{ "skip", 1, do_skip },
	{ "floor", 1, do_floor },
	{ "flag", 8, do_flag },
	{ "expunge", 6, do_expunge },
	{ "user-add", 4, do_user_add },
	{ "user-set", 4, do_user_set },
	{ "user-del", 3, do_user_del },
	{ "alias", 3, do_alias },
};

static int
do_line(struct work *w, const struct journal_line *l)
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
next_step(struct work *w)
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
say_damaged(struct work *w, uint64_t from, uint64_t to)
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
do_one(struct work *w, const struct journal_line *l)
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
do_batch(struct work *w)
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
	struct work		*w = arg;
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
	if ((rc = get_folder(w, &a, &f)) != 0)
		return rc;
	if (f.uidnext == 1 && f.validity < (uint32_t)(now / 1000) &&
	    ((rc = set_validity(w, &a, &f, (uint32_t)(now / 1000))) != 0 ||
	    (rc = put_folder(w, &a, &f)) != 0))
		return rc;
	return account_put(w->db, w->txn, w->mailbox.p, &a);
}

static int
date_accounts(struct work *w)
{
	return !w->r->scratch ? 0 : kv_walk(w->db->accounts, w->txn,
	    (struct span){ "", 0 }, 0, date_account, w);
}

static struct work *
work_new(struct replay *r)
{
	struct work	*w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->r = r;
	w->db = r->db;
	for (int i = 0; i < FIELDS_MAX; i++)
		buf_init(&w->f[i], ROW_MAX);
	buf_init(&w->mailbox, KEY_MAX);
	buf_init(&w->folder, KEY_MAX);
	buf_init(&w->raw, ROW_MAX);
	buf_init(&w->words, ROW_MAX);
	buf_init(&w->refs, ROW_MAX);
	return w;
}

static void
work_free(struct work *w)
{
	for (int i = 0; i < FIELDS_MAX; i++)
		buf_free(&w->f[i]);
	buf_free(&w->mailbox);
	buf_free(&w->folder);
	buf_free(&w->raw);
	buf_free(&w->words);
	buf_free(&w->refs);
	free(w);
}

int
replay_apply(struct replay *r)
{
	struct buf	*notes = r->db->notes;
	struct work	*w;
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
		if (rc == 0)
			rc = kv_commit(w->txn);
		else if (w->txn != NULL)
			kv_abort(w->txn);
	}
	r->db->notes = notes;
	work_free(w);
	return rc != 0 ? rc : r->said.err;
}
