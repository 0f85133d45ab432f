#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "cluster/account.h"
#include "cluster/change.h"
#include "cluster/merge_int.h"

#define KEY_MAX		8192
#define WORDS_MAX	65536
#define RENAMES_MAX	(64u << 20)
#define NOTES_ENOUGH	(16u << 20)	/* of one transaction */
#define WALKED_ENOUGH	200000		/* the same; their pages are locked */

/* --- what was done here --- */

/* "MAILBOX/FOLDER/UID TAB ID", without the UID; false: no such fields. */
bool
merge_key(struct span fields, struct buf *out)
{
	struct span	 entry, id;
	size_t		 n;

	if (!str_field(&fields, '\t', &entry) ||
	    !str_field(&fields, '\t', &id))
		return false;
	for (n = entry.len; n > 0 && entry.p[n - 1] != '/'; n--)
		continue;
	buf_reset(out);
	buf_add(out, entry.p, n);
	return n > 0 && buf_add(out, id.p, id.len) == 0;
}

static struct touch **
bucket(struct work *w, const struct buf *key)
{
	return &w->touched[crc32c(0, key->p, key->len) % MERGE_BUCKETS];
}

struct touch *
merge_find_touch(struct work *w, const struct buf *key)
{
	struct touch	*t = *bucket(w, key);

	while (t != NULL && (t->len != key->len ||
	    memcmp(t->key, key->p, key->len) != 0))
		t = t->next;
	return t;
}

struct touch *
merge_touch_folder(struct work *w, struct span entry)
{
	buf_reset(&w->raw);
	return buf_add(&w->raw, entry.p, entry.len) == 0 && entry.len > 0 ?
	    merge_find_touch(w, &w->raw) : NULL;
}

static int
want_touch(struct work *w, const struct buf *key, struct touch **out)
{
	struct touch	**b = bucket(w, key), *t;

	if ((*out = merge_find_touch(w, key)) != NULL)
		return 0;
	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (t->key = malloc(key->len)) == NULL) {
		free(t);
		return CM_ENOMEM;
	}
	memcpy(t->key, key->p, key->len);
	t->len = key->len;
	buf_init(&t->keywords, WORDS_MAX);
	buf_init(&t->moved, KEY_MAX);
	t->next = *b;
	*b = *out = t;
	return 0;
}

/* The key in w->raw, and those by which this side knows the same. */
static int
want_names(struct work *w)
{
	struct touch	*t, *was;
	size_t		 left = w->renames.len;
	int		 rc = want_touch(w, &w->raw, &t);

	while (rc == 0 && merge_name_before(w, &left, &w->raw)) {
		rc = want_touch(w, &w->raw, &was);
		if (rc == 0 && was->as == NULL && !merge_leads_to(t, was))
			was->as = t;
		t = was;
	}
	return rc;
}

/* Adds the flags of a field to what was touched. */
static int
add_flags(struct work *w, struct touch *t, const struct buf *field)
{
	uint32_t	 flags;

	if (flags_parse(field->p, field->len, &flags, &w->words) != 0)
		return 0;
	t->flags |= flags;
	if (w->words.len == 0)
		return 0;
	buf_addc(&t->keywords, ' ');
	return buf_add(&t->keywords, w->words.p, w->words.len);
}

/* The folder of a line that is about one, or a message in one. */
static void
see_folder(struct work *w, struct span fields, struct span kind, bool message)
{
	bool		 del = span_is(kind, "folder-del");
	bool		 put = del || span_is(kind, "folder-add") ||
			    span_is(kind, "folder-rename");
	struct span	 entry;
	struct touch	*t;

	if (!w->folders || !str_field(&fields, '\t', &entry))
		return;
	while (message && entry.len > 0 && entry.p[--entry.len] != '/')
		continue;
	for (t = merge_touch_folder(w, entry); t != NULL; t = t->as) {
		t->any = true;
		if (put)
			t->deleted = del;
	}
}

/* A message came into a folder. */
static void
see_arrival(struct work *w, const struct journal_line *l)
{
	struct span	 to = merge_field_to(l->fields);

	merge_see_arrival(w, l->fields);
	see_folder(w, to, l->kind, true);
}

/* A flag, an expunge or a move. */
static int
see_message(struct work *w, struct touch *t, const struct journal_line *l)
{
	struct span	 rest = l->fields;
	bool		 flag = span_is(l->kind, "flag");
	int		 rc = 0;

	t->any = true;
	if (span_is(l->kind, "move"))
		return merge_see_move(t, rest);
	for (int i = 0; flag && rc == 0 && i < 7; i++)
		if (journal_take(&rest, &w->f[0]) != 0)
			break;
		else if (i >= 5)
			rc = add_flags(w, t, &w->f[0]);
	return rc;
}

/* A line of this node's journal. */
static int
see_line(void *arg, const struct journal_line *l)
{
	struct work	*w = arg;
	struct touch		*t;
	bool			 move = span_is(l->kind, "move");
	bool			 copy = span_is(l->kind, "copy");
	bool			 message = move || span_is(l->kind, "flag") ||
				    span_is(l->kind, "expunge");
	int			 rc = 0;

	if (l->origin == w->m->from)
		return 0;
	/* a copy changes nothing of what it is of */
	if (!copy)
		see_folder(w, l->fields, l->kind, message);
	if (move || copy)
		see_arrival(w, l);
	if (!message || !merge_key(l->fields, &w->raw) ||
	    (t = merge_find_touch(w, &w->raw)) == NULL)
		return 0;
	for (; rc == 0 && t != NULL; t = t->as)
		rc = see_message(w, t, l);
	return rc;
}

static int
want_folder(struct work *w, struct span fields)
{
	struct span	 entry;

	if (!str_field(&fields, '\t', &entry))
		return 0;
	w->folders = true;
	buf_reset(&w->raw);
	buf_add(&w->raw, entry.p, entry.len);
	return w->raw.err != 0 ? w->raw.err : want_names(w);
}

static int
want_line(struct work *w, const struct journal_line *l)
{
	bool	 copy = span_is(l->kind, "copy") || span_is(l->kind, "move");
	int	 rc = 0;

	if (span_is(l->kind, "folder-rename"))
		merge_note_rename(w, l->fields);
	if (span_is(l->kind, "folder-del"))
		return want_folder(w, l->fields);
	if ((copy || span_is(l->kind, "flag") || span_is(l->kind,
	    "expunge")) && merge_key(l->fields, &w->raw))
		rc = want_names(w);
	if (rc == 0 && copy && merge_key_to(l->fields, &w->raw))
		rc = want_names(w);
	return rc;
}

/* Only messages and folders that the lines are about are looked for. */
static int
find_touched(struct work *w)
{
	struct span		 rest = { w->m->text, w->m->len }, l;
	struct journal_line	 jl;
	int			 rc = 0;

	while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &l))
		if (l.len > 0 && journal_parse(l, &jl) == 0)
			rc = want_line(w, &jl);
	if (rc != 0)
		return rc;
	rc = w->m->against == 0 ? CM_ENOINPUT :
	    journal_walk_since(w->m->journal, w->m->against, see_line, w);
	w->known = rc == 0;
	return rc == CM_ENOINPUT ? 0 : rc;
}

/* --- messages --- */

enum { ID = 1, PLACE, MODSEQ, FLAGS, ADD, DEL };

/* The record of a line's message; 1: wait, or why says why not. */
static int
find_record(struct work *w)
{
	struct row_record	*r = &w->record;
	struct place		 place;
	uint32_t		 cursor;
	int			 rc;

	if (ulid_parse(w->f[ID].p, w->f[ID].len, &w->id) != 0 ||
	    place_parse(w->f[PLACE].p, w->f[PLACE].len, &place) != 0)
		return CM_EPROTO;
	rc = kv_get(w->db->records, w->txn,
	    (struct span){ (const char *)w->id.b, 16 }, &w->refs);
	w->listed = rc == 0;
	if (rc == 0)
		return row_record_get(merge_span(&w->refs), r);
	if (rc != CM_ENOINPUT)
		return rc;
	w->why = "its volume is not in cluster.xml";
	if (conf_volume(w->m->conf, place.volume, strlen(place.volume)) == NULL)
		return 0;
	if ((rc = catdb_cursor(w->db, w->txn, place.volume, place.segment,
	    &cursor)) != 0)
		return rc;
	w->why = "its message is not listed";
	return cursor < place.offset + place.length;
}

int
merge_find_message(struct work *w, struct span line,
    struct row_message *m)
{
	struct row_account	 a;
	struct row_folder	 f;
	struct row_ref		 ref;
	struct span		 entry;
	uint32_t		 uid, there = 0;
	bool			 any;
	int			 rc;

	if (!str_field(&line, '\t', &entry) || entry_parse(entry.p, entry.len,
	    &w->mailbox, &w->folder, &uid) != 0)
		return CM_EPROTO;
	if ((rc = find_record(w)) != 0 || w->why != NULL)
		return rc;
	w->uid = uid;
	if ((rc = merge_made_as(w, entry, &uid, &any)) != 0)
		return rc;
	w->why = "the message is not in that folder any more";
	rc = account_get(w->db, w->txn, w->mailbox.p, &w->raw, &a);
	if (rc == 0)
		rc = account_folder_get(w->db, w->txn, a.id, (struct span){
		    w->folder.p, w->folder.len }, &f);
	if (rc != 0)
		return rc == CM_ENOUSER || rc == CM_ENOINPUT ? 0 : rc;
	for (uint32_t i = 0; i < w->record.nrefs; i++) {
		row_ref_get(w->record.refs, i, &ref);
		if (ref.account == a.id && ref.folder == f.id &&
		    (ref.uid == uid || (any && there == 0)))
			there = ref.uid;
	}
	if (there == 0)
		return 0;
	w->uid = there;
	w->why = NULL;
	return account_message(w->db, w->txn, w->mailbox.p, w->folder.p, there,
	    &w->raw, m);
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

/*
 * Which flags this node's side has touched, of a message as it is now.  Where
 * its journal does not say: those that it has, and had not when the other side
 * changed them.
 */
int
merge_touched(struct work *w, struct span line, const struct row_message *m,
    uint32_t *flags, struct buf *keywords)
{
	struct touch	*t = NULL;
	struct buf	 was;
	struct span	 now = m->keywords, f;
	uint32_t	 had;
	int		 rc = 0;

	*flags = 0;
	buf_reset(keywords);
	if (w->known) {
		buf_init(&was, KEY_MAX);
		if (merge_key(line, &was))
			t = merge_find_touch(w, &was);
		buf_free(&was);
		if (t == NULL)
			return 0;
		*flags = t->flags;
		return buf_add(keywords, t->keywords.p, t->keywords.len);
	}
	buf_init(&was, WORDS_MAX);
	rc = flags_parse(w->f[FLAGS].p, w->f[FLAGS].len, &had, &was);
	*flags = rc == 0 ? m->flags & ~had : 0;
	while (rc == 0 && now.len > 0 && str_field(&now, ' ', &f))
		if (!has_word(merge_span(&was), f)) {
			buf_addc(keywords, ' ');
			rc = buf_add(keywords, f.p, f.len);
		}
	buf_free(&was);
	return rc != 0 ? CM_EPROTO : 0;
}

/* What of del may be cleared. */
static int
may_clear(struct work *w, struct span line, const struct row_message *m)
{
	struct buf	 mine, words, left;
	struct span	 rest, f;
	uint32_t	 del, flags;
	int		 rc;

	buf_init(&mine, WORDS_MAX);
	buf_init(&words, WORDS_MAX);
	buf_init(&left, WORDS_MAX);
	if ((rc = flags_parse(w->f[DEL].p, w->f[DEL].len, &del,
	    &words)) != 0 ||
	    (rc = merge_touched(w, line, m, &flags, &mine)) != 0)
		goto out;
	rest = merge_span(&words);
	while (rest.len > 0 && str_field(&rest, ' ', &f)) {
		if (has_word(merge_span(&mine), f)) {
			w->why = "a flag that it cleared was changed here";
			continue;
		}
		buf_adds(&left, left.len > 0 ? " " : "");
		buf_add(&left, f.p, f.len);
	}
	if ((del & flags) != 0)
		w->why = "a flag that it cleared was changed here";
	buf_reset(&w->del);
	flags_write(&w->del, del & ~flags, merge_span(&left));
	rc = left.err != 0 ? left.err : w->del.err;
out:
	buf_free(&mine);
	buf_free(&words);
	buf_free(&left);
	return rc;
}

static int
merge_flag(struct work *w, struct span line)
{
	struct row_message	 m;
	int			 rc;

	if ((rc = merge_find_message(w, line, &m)) != 0 || (w->why != NULL &&
	    ((rc = merge_follow(w, line, &m)) != 0 || w->why != NULL)) ||
	    (rc = may_clear(w, line, &m)) != 0)
		return rc;
	if (w->f[ADD].len == 0 && w->del.len == 0)
		return 0;
	return change_flag(w->db, w->txn, w->mailbox.p, w->folder.p, w->uid,
	    w->f[ADD].p, w->del.len > 0 ? w->del.p : "");
}

static int
merge_expunge(struct work *w, struct span line)
{
	struct row_message	 m;
	struct touch		*t;
	int			 rc;

	if ((rc = merge_find_message(w, line, &m)) != 0 || w->why != NULL)
		return rc;
	buf_reset(&w->words);
	if (w->known) {
		t = merge_key(line, &w->words) ?
		    merge_find_touch(w, &w->words) : NULL;
		if (t != NULL && t->any)
			w->why = "the message was changed here";
	} else {
		flags_write(&w->words, m.flags, m.keywords);
		if (w->words.len != w->f[FLAGS].len || memcmp(w->words.p,
		    w->f[FLAGS].p, w->words.len) != 0)
			w->why = "the message was changed here";
	}
	return w->why != NULL ? 0 : change_expunge(w->db, w->txn,
	    w->mailbox.p, w->folder.p, w->uid);
}

/* --- mailboxes and aliases: where they are still as they were --- */

static bool
same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 ||
	    memcmp(a->p, b->p, a->len) == 0);
}

static int
merge_user_add(struct work *w, struct span line)
{
	struct row_account	 a;
	const char		*name = w->f[0].p;
	int			 rc;

	(void)line;
	rc = change_user_add(w->db, w->txn, name, merge_span(&w->f[1]));
	if (rc != CM_EEXIST)
		return rc;
	w->why = "an alias has that name here";
	if ((rc = account_get(w->db, w->txn, name, &w->raw, &a)) != 0)
		return rc == CM_ENOUSER ? 0 : rc;
	/* mail may have made it */
	w->why = a.verifier.len != 0 && (a.verifier.len != w->f[1].len ||
	    memcmp(a.verifier.p, w->f[1].p, a.verifier.len) != 0) ?
	    "it was added here too, with another password" : NULL;
	if (w->why != NULL || a.verifier.len != 0 || w->f[1].len == 0)
		return 0;
	return change_user_set(w->db, w->txn, name, "password", w->f[1].p);
}

static int
merge_user_set(struct work *w, struct span line)
{
	struct row_account	 a;
	int			 rc;

	(void)line;
	w->why = "there is no such mailbox";
	if ((rc = account_get(w->db, w->txn, w->f[0].p, &w->raw, &a)) != 0)
		return rc == CM_ENOUSER ? 0 : rc;
	if ((rc = change_value(&a, w->f[1].p, &w->words)) != 0)
		return CM_EPROTO;
	w->why = NULL;
	if (same(&w->words, &w->f[3]))
		return 0;
	if (!same(&w->words, &w->f[2])) {
		w->why = "it was set here too";
		return 0;
	}
	return change_user_set(w->db, w->txn, w->f[0].p, w->f[1].p,
	    w->f[3].p);
}

static int
merge_user_del(struct work *w, struct span line)
{
	struct row_account	 a;
	uint64_t		 messages, bytes;
	int			 rc;

	(void)line;
	if ((rc = account_get(w->db, w->txn, w->f[0].p, &w->raw, &a)) != 0)
		return rc == CM_ENOUSER ? 0 : rc;
	if (str_u64(w->f[1].p, w->f[1].len, UINT32_MAX, &messages) != 0 ||
	    str_u64(w->f[2].p, w->f[2].len, UINT64_MAX, &bytes) != 0)
		return CM_EPROTO;
	if (a.messages == messages && a.bytes == bytes)
		return change_user_del(w->db, w->txn, w->f[0].p);
	w->why = "it has other messages here";
	return 0;
}

static int
merge_alias(struct work *w, struct span line)
{
	struct span	 name = merge_span(&w->f[0]);
	int		 rc;

	(void)line;
	rc = kv_get(w->db->aliases, w->txn, name, &w->words);
	if (rc == CM_ENOINPUT)
		buf_reset(&w->words);
	else if (rc != 0)
		return rc;
	if (same(&w->words, &w->f[2]))
		return 0;
	w->why = "it is another one here";
	if (!same(&w->words, &w->f[1]))
		return 0;
	rc = change_alias(w->db, w->txn, name.p, merge_span(&w->f[2]));
	if (rc == CM_EEXIST)
		w->why = "a mailbox has that name here";
	else if (rc == 0)
		w->why = NULL;
	return rc == CM_EEXIST ? 0 : rc;
}

/* --- lines --- */

static const struct {
	const char	*kind;
	int		 fields;
	int		(*fn)(struct work *, struct span fields);
} kinds[] = {
	{ "uids", 4, merge_uids },
	{ "modseq", 4, merge_modseq },
	{ "flag", 7, merge_flag },
	{ "expunge", 5, merge_expunge },
	{ "copy", 7, merge_copy },
	{ "move", 7, merge_move },
	{ "user-add", 2, merge_user_add },
	{ "user-set", 4, merge_user_set },
	{ "user-del", 3, merge_user_del },
	{ "alias", 3, merge_alias },
	{ "folder-add", 4, merge_folder_add },
	{ "folder-del", 5, merge_folder_del },
	{ "folder-rename", 4, merge_folder_rename },
	{ "subscribe", 2, merge_subscribe },
};

/* Returns 1 when its message is not listed yet. */
static int
merge_line(struct work *w, const struct journal_line *l)
{
	struct span	 rest = l->fields, first = l->fields;
	size_t		 n = sizeof(kinds) / sizeof(kinds[0]), i;

	for (i = 0; i < n; i++)
		if (span_is(l->kind, kinds[i].kind))
			break;
	if (i == n)
		return 0;		/* a mark */
	for (int k = 0; k < kinds[i].fields; k++)
		if (journal_take(&rest, &w->f[k]) != 0)
			return CM_EPROTO;
	if (!str_field(&first, '\t', &w->entry))
		return CM_EPROTO;
	w->why = NULL;
	return kinds[i].fn(w, l->fields);
}

static void
refuse(struct work *w, const struct journal_line *l)
{
	struct span	 rest = l->fields, what;

	if (!str_field(&rest, '\t', &what))
		what = (struct span){ "", 0 };
	buf_addf(&w->m->refusals, "%llu\t%.*s\t%.*s\t%s\n",
	    (unsigned long long)l->number, (int)l->kind.len, l->kind.p,
	    (int)what.len, what.p, w->why);
	w->m->refused++;
}

static int
merge_all(struct work *w)
{
	struct merge		*m = w->m;
	struct span		 rest = { m->text, m->len }, l;
	struct journal_line	 jl;
	int			 rc;

	while (rest.len > 0 && str_field(&rest, '\n', &l)) {
		if (l.len == 0)
			continue;
		if (journal_parse(l, &jl) != 0 || jl.number > m->done + 1)
			return CM_EPROTO;
		if (jl.number <= m->done)
			continue;
		if ((rc = merge_line(w, &jl)) == 1) {
			m->waits = true;
			return 0;
		}
		if (rc != 0)
			return rc;
		if (w->why != NULL)
			refuse(w, &jl);
		m->done = jl.number;
		/* the loser sends the rest again */
		if (w->walked > WALKED_ENOUGH || (w->db->notes != NULL &&
		    w->db->notes->len > NOTES_ENOUGH))
			break;
	}
	return m->refusals.err;
}

static int
key(char out[64], const char *what, uint64_t from)
{
	return str_fmt(out, 64, "%s/%016llx", what, (unsigned long long)from);
}

static void
work_free(struct work *w)
{
	struct touch	*t;

	for (int i = 0; i < MERGE_BUCKETS; i++)
		while ((t = w->touched[i]) != NULL) {
			w->touched[i] = t->next;
			buf_free(&t->keywords);
			buf_free(&t->moved);
			free(t->key);
			free(t);
		}
	for (int i = 0; i < 8; i++)
		buf_free(&w->f[i]);
	buf_free(&w->mailbox);
	buf_free(&w->folder);
	buf_free(&w->raw);
	buf_free(&w->words);
	buf_free(&w->del);
	buf_free(&w->refs);
	buf_free(&w->to);
	buf_free(&w->renames);
	free(w);
}

static struct work *
work_new(struct catdb *d, struct kv_txn *x, struct merge *m)
{
	struct work	*w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->db = d;
	w->txn = x;
	w->m = m;
	for (int i = 0; i < 8; i++)
		buf_init(&w->f[i], ROW_MAX);
	buf_init(&w->mailbox, KEY_MAX);
	buf_init(&w->folder, KEY_MAX);
	buf_init(&w->raw, ROW_MAX);
	buf_init(&w->words, ROW_MAX);
	buf_init(&w->del, WORDS_MAX);
	buf_init(&w->refs, ROW_MAX);
	buf_init(&w->to, KEY_MAX);
	buf_init(&w->renames, RENAMES_MAX);
	return w;
}

int
merge_lines(struct catdb *d, struct kv_txn *x, struct merge *m)
{
	struct work	*w;
	char		 done[64], refused[64];
	uint64_t	 was;
	int		 rc;

	m->waits = false;
	buf_reset(&m->refusals);
	if ((rc = key(done, "merged", m->from)) != 0 ||
	    (rc = key(refused, "refused", m->from)) != 0 ||
	    (rc = catdb_number(d, x, done, &m->done)) != 0 ||
	    (rc = catdb_number(d, x, refused, &m->refused)) != 0)
		return rc;
	was = m->done;
	if ((w = work_new(d, x, m)) == NULL)
		return CM_ENOMEM;
	d->origin = m->from;
	if ((rc = find_touched(w)) == 0)
		rc = merge_all(w);
	d->origin = 0;
	work_free(w);
	if (rc != 0 || m->done == was)
		return rc;
	if ((rc = catdb_set_number(d, x, done, m->done)) != 0)
		return rc;
	return m->refused == 0 ? 0 : catdb_set_number(d, x, refused,
	    m->refused);
}

int
merge_forget(struct catdb *d, struct kv_txn *x, uint64_t from)
{
	static const char *const what[] = { "merged", "refused" };
	char	 name[64];
	int	 rc = 0;

	for (int i = 0; i < 2 && (rc == 0 || rc == CM_ENOINPUT); i++)
		if ((rc = key(name, what[i], from)) == 0)
			rc = kv_del(d->meta, x, (struct span){ name,
			    strlen(name) });
	return rc != 0 && rc != CM_ENOINPUT ? rc : merge_forget_copies(d, x,
	    from);
}
