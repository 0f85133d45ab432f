/*
 * Copies that the loser of a split pair made: copy and move
 * MAILBOX/FOLDER/UID ID PLACE MODSEQ FLAGS MAILBOX/TO/UID UIDVALIDITY ...
 */
#include <stdio.h>
#include <string.h>

#include "cluster/account.h"
#include "cluster/change.h"
#include "cluster/change_copy.h"
#include "cluster/merge_int.h"

#define WORDS_MAX	65536
#define NAME_MAX_LEN	2000	/* of a row in meta */

enum { FLAGS = 4, TO, VALIDITY, COPY_NEW, SAVED };

/* A field as it is in the line. */
static struct span
field(struct span fields, int n)
{
	struct span	 f = { "", 0 };

	for (int i = 0; i <= n; i++)
		if (!str_field(&fields, '\t', &f))
			return (struct span){ "", 0 };
	return f;
}

struct span
merge_field_to(struct span fields)
{
	return field(fields, TO);
}

bool
merge_key_to(struct span fields, struct buf *out)
{
	struct span	 to = field(fields, TO), id = field(fields, 1);
	size_t		 n;

	for (n = to.len; n > 0 && to.p[n - 1] != '/'; n--)
		continue;
	buf_reset(out);
	buf_add(out, to.p, n);
	return n > 0 && buf_add(out, id.p, id.len) == 0;
}

void
merge_see_arrival(struct work *w, struct span fields)
{
	struct span		 to = field(fields, TO);
	struct touch	*t;
	uint64_t		 uid;
	size_t			 n;

	if (!merge_key_to(fields, &w->raw) ||
	    (t = merge_find_touch(w, &w->raw)) == NULL)
		return;
	for (n = to.len; to.p[n - 1] != '/'; n--)
		continue;
	for (; t != NULL; t = t->as) {
		t->any = true;
		if (str_u64(to.p + n, to.len - n, UINT32_MAX, &uid) == 0)
			t->arrived = (uint32_t)uid;
	}
}

int
merge_see_move(struct touch *t, struct span fields)
{
	struct span	 to = field(fields, TO);

	buf_reset(&t->moved);
	return buf_add(&t->moved, to.p, to.len);
}

int
merge_follow(struct work *w, struct span line, struct row_message *m)
{
	struct touch	*t;
	uint32_t	 uid;
	int		 rc;

	if (!w->listed || !w->known || !merge_key(line, &w->words) ||
	    (t = merge_find_touch(w, &w->words)) == NULL ||
	    entry_parse(t->moved.p, t->moved.len, &w->mailbox, &w->to,
	    &uid) != 0)
		return 0;
	rc = account_message(w->db, w->txn, w->mailbox.p, w->to.p, uid,
	    &w->raw, m);
	if (rc == CM_ENOINPUT || rc == CM_ENOUSER)
		return 0;
	if (rc != 0 || memcmp(m->id.b, w->id.b, sizeof(m->id.b)) != 0)
		return rc;
	buf_reset(&w->folder);
	w->uid = uid;
	w->why = NULL;
	return buf_add(&w->folder, w->to.p, w->to.len);
}

/* --- which UID here one of there has --- */

/* In meta: copied/FROM/MAILBOX/FOLDER/UID, and given/FROM/MAILBOX/FOLDER. */
#define COPIED	"copied"
#define GIVEN	"given"

static int
meta_key(const char *what, uint64_t from, struct span entry, struct buf *b)
{
	buf_init(b, NAME_MAX_LEN);
	buf_addf(b, "%s/%016llx/", what, (unsigned long long)from);
	return buf_add(b, entry.p, entry.len);
}

static int
get_uid(struct work *w, const char *what, struct span entry, uint64_t *v)
{
	struct buf	 name;
	int		 rc;

	if ((rc = meta_key(what, w->m->from, entry, &name)) == 0)
		rc = catdb_number(w->db, w->txn, name.p, v);
	buf_free(&name);
	return rc;
}

static int
set_uid(struct work *w, const char *what, struct span entry, uint32_t uid)
{
	struct buf	 name;
	int		 rc;

	if ((rc = meta_key(what, w->m->from, entry, &name)) == 0)
		rc = catdb_set_number(w->db, w->txn, name.p, uid);
	buf_free(&name);
	return rc;
}

int
merge_made_as(struct work *w, struct span entry, uint32_t *uid, bool *any)
{
	uint64_t	 v;
	int		 rc;

	*any = false;
	if ((rc = get_uid(w, COPIED, entry, &v)) != 0)
		return rc;
	if (v != 0) {
		*uid = (uint32_t)v;
		return 0;
	}
	while (entry.len > 0 && entry.p[--entry.len] != '/')
		continue;
	if ((rc = get_uid(w, GIVEN, entry, &v)) == 0)
		*any = v != 0 && *uid >= v;
	return rc;
}

int
merge_note_first(struct work *w, struct span line, uint32_t first)
{
	struct span	 entry = field(line, 0);
	uint64_t	 v;
	int		 rc;

	if ((rc = get_uid(w, GIVEN, entry, &v)) != 0 || (v != 0 && v <= first))
		return rc;
	return set_uid(w, GIVEN, entry, first);
}

/* Messages of one folder, whose names begin as from has it. */
struct move {
	struct work	*w;
	struct buf	*from, *to;	/* to: empty for none */
};

static int
move_row(void *arg, struct span key, struct span value)
{
	struct move	*m = arg;
	struct span	 uid = { key.p + m->from->len,
			    key.len - m->from->len };
	size_t		 len = m->to->len;
	int		 rc = 0;

	if (memchr(uid.p, '/', uid.len) != NULL)
		return 0;		/* of a folder below it */
	if (len > 0 && (rc = buf_add(m->to, uid.p, uid.len)) == 0) {
		rc = kv_put(m->w->db->meta, m->w->txn, merge_span(m->to),
		    value);
		m->to->len = len;
	}
	return rc != 0 ? rc : kv_del(m->w->db->meta, m->w->txn, key);
}

static int
move_copied(struct work *w, struct span from, struct span to)
{
	struct buf	 a, b;
	struct move	 m = { w, &a, &b };
	int		 rc, rc_to;

	rc = meta_key(COPIED, w->m->from, from, &a);
	rc_to = meta_key(COPIED, w->m->from, to, &b);
	if (to.len == 0)
		buf_reset(&b);
	else
		buf_addc(&b, '/');
	if (rc == 0 && (rc = rc_to) == 0 && (rc = buf_addc(&a, '/')) == 0 &&
	    (rc = b.err) == 0)
		rc = kv_walk(w->db->meta, w->txn, merge_span(&a), a.len,
		    move_row, &m);
	buf_free(&a);
	buf_free(&b);
	return rc;
}

/* A later folder of the name is another one, whose UIDs all are the other
 * side's own. */
static int
move_given(struct work *w, struct span from, struct span to)
{
	uint64_t	 v, had = 0;
	int		 rc;

	if ((rc = get_uid(w, GIVEN, from, &v)) != 0 || v == 0)
		return rc;
	if (to.len > 0 && ((rc = get_uid(w, GIVEN, to, &had)) != 0 ||
	    ((had == 0 || had > v) &&
	    (rc = set_uid(w, GIVEN, to, (uint32_t)v)) != 0)))
		return rc;
	return set_uid(w, GIVEN, from, 1);
}

int
merge_renamed(struct work *w, const char *from, const char *to)
{
	struct buf	 a, b;
	int		 rc = 0;

	buf_init(&a, NAME_MAX_LEN);
	buf_init(&b, NAME_MAX_LEN);
	entry_write(&a, w->mailbox.p, from);
	if (to != NULL)
		entry_write(&b, w->mailbox.p, to);
	if ((rc = a.err) == 0 && (rc = b.err) == 0 &&
	    (rc = move_copied(w, merge_span(&a), merge_span(&b))) == 0)
		rc = move_given(w, merge_span(&a), merge_span(&b));
	buf_free(&a);
	buf_free(&b);
	return rc;
}

struct forget {
	struct catdb	*d;
	struct kv_txn	*x;
};

static int
forget_row(void *arg, struct span key, struct span value)
{
	struct forget	*f = arg;

	(void)value;
	return kv_del(f->d->meta, f->x, key);
}

int
merge_forget_copies(struct catdb *d, struct kv_txn *x, uint64_t from)
{
	static const char *const what[] = { COPIED, GIVEN };
	struct forget	 f = { d, x };
	struct buf	 name;
	int		 rc = 0;

	for (int i = 0; rc == 0 && i < 2; i++) {
		if ((rc = meta_key(what[i], from, (struct span){ "", 0 },
		    &name)) == 0)
			rc = kv_walk(d->meta, x, merge_span(&name), name.len,
			    forget_row, &f);
		buf_free(&name);
	}
	return rc;
}

/* --- lines --- */

static bool
has_word(struct span words, struct span word)
{
	struct span	 f;

	while (words.len > 0 && str_field(&words, ' ', &f))
		if (f.len == word.len && memcmp(f.p, word.p, f.len) == 0)
			return true;
	return false;
}

/* Adds those words of from that are in the list, or are not in it. */
static void
add_words(struct buf *out, struct span from, struct span list, bool in)
{
	struct span	 f;

	while (from.len > 0 && str_field(&from, ' ', &f)) {
		if (f.len == 0 || has_word(list, f) != in ||
		    has_word(merge_span(out), f))
			continue;
		buf_adds(out, out->len > 0 ? " " : "");
		buf_add(out, f.p, f.len);
	}
}

/*
 * The flags that the copy gets: those that it had there.  Of a message that is
 * moved, and is still there here: those that this side touched are as they are
 * here.
 */
static int
choose_flags(struct work *w, struct span line,
    const struct row_message *here, struct row_message *copy,
    struct buf *keywords)
{
	struct buf	 told, mine;
	uint32_t	 bits, flags = 0;
	int		 rc;

	buf_init(&told, WORDS_MAX);
	buf_init(&mine, WORDS_MAX);
	rc = flags_parse(w->f[FLAGS].p, w->f[FLAGS].len, &bits, &told);
	if (rc != 0)
		rc = CM_EPROTO;
	else if (here != NULL)
		rc = merge_touched(w, line, here, &flags, &mine);
	if (rc == 0) {
		copy->flags = bits & ~flags;
		add_words(keywords, merge_span(&told), merge_span(&mine),
		    false);
		if (here != NULL) {
			copy->flags |= here->flags & flags;
			add_words(keywords, here->keywords, merge_span(&mine),
			    true);
		}
		copy->keywords = merge_span(keywords);
		rc = keywords->err;
	}
	buf_free(&told);
	buf_free(&mine);
	return rc;
}

static int
put_copy(struct work *w, struct span line, const struct row_message *here,
    struct change_copy *c)
{
	struct row_message	 m = { .id = w->id,
				    .place = w->record.place,
				    .size = w->record.size,
				    .time_ms = w->record.time_ms,
				    .modseq = here != NULL ? here->modseq :
				    0 };
	struct span		 when = field(line, SAVED);
	struct buf		 keywords;
	uint64_t		 saved;
	uint32_t		 now;
	int			 rc;

	if (str_u64(when.p, when.len, INT64_MAX, &saved) != 0)
		return CM_EDATA;
	m.saved_ms = (int64_t)saved;
	buf_init(&keywords, WORDS_MAX);
	if ((rc = choose_flags(w, line, c->move ? here : NULL, &m,
	    &keywords)) == 0 &&
	    (rc = change_copy_begin(w->db, w->txn, c, 1)) == 0) {
		if ((rc = change_copy_one(w->db, w->txn, c, w->uid, &m,
		    c->move ? here : &m, &now)) == 0 &&
		    (rc = change_copy_end(w->db, w->txn, c)) == 0)
			rc = set_uid(w, COPIED, field(line, TO), now);
		change_copy_free(c);
	}
	buf_free(&keywords);
	return rc;
}

/* Both sides moved it to the same folder: the one that is there is that. */
static int
join(struct work *w, struct span line, const char *to, bool *joined)
{
	struct row_message	 m;
	struct touch	*t;
	int			 rc;

	*joined = false;
	if (!w->known || !merge_key_to(line, &w->words) ||
	    (t = merge_find_touch(w, &w->words)) == NULL || t->arrived == 0)
		return 0;
	rc = account_message(w->db, w->txn, w->mailbox.p, to, t->arrived,
	    &w->raw, &m);
	if (rc == CM_ENOINPUT)
		return 0;
	if (rc != 0 || memcmp(m.id.b, w->id.b, sizeof(m.id.b)) != 0)
		return rc;
	*joined = true;
	if (w->f[FLAGS].len > 0 && (rc = change_flag(w->db, w->txn,
	    w->mailbox.p, to, t->arrived, w->f[FLAGS].p, "")) != 0)
		return rc;
	return set_uid(w, COPIED, field(line, TO), t->arrived);
}

static int
copy_or_move(struct work *w, struct span line, bool move)
{
	struct change_copy	 c = { .move = move };
	struct row_account	 a;
	struct row_message	 here;
	struct span		 to = field(line, TO);
	uint32_t		 uid;
	bool			 there, joined = false;
	int			 rc;

	if ((rc = merge_find_message(w, line, &here)) != 0)
		return rc;
	there = w->why == NULL;
	if (!w->listed)
		return 0;
	if (entry_parse(to.p, to.len, &w->mailbox, &w->to, &uid) != 0)
		return CM_EPROTO;
	w->why = "there is no such mailbox";
	rc = account_get(w->db, w->txn, w->mailbox.p, &w->words, &a);
	if (rc != 0)
		return rc == CM_ENOUSER ? 0 : rc;
	w->why = NULL;
	if (move && !there && (rc = join(w, line, w->to.p, &joined)) != 0)
		return rc;
	if (joined)
		return 0;
	c.mailbox = w->mailbox.p;
	c.from = w->folder.p;
	c.to = w->to.p;
	c.move = move && there;
	return put_copy(w, line, there ? &here : NULL, &c);
}

int
merge_copy(struct work *w, struct span line)
{
	return copy_or_move(w, line, false);
}

int
merge_move(struct work *w, struct span line)
{
	return copy_or_move(w, line, true);
}
