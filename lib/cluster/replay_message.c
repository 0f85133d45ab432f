/* Journal lines about messages: flag, expunge, copy and move
 * MAILBOX/FOLDER/UID ID PLACE MODSEQ FLAGS ... */
#include <string.h>

#include "cluster/account_view.h"
#include "cluster/expect.h"
#include "cluster/replay_int.h"

#define WORDS_MAX	65536

enum { ID = 1, PLACE, MODSEQ, FLAGS, ADD, DEL, FLAG_NEW,
    EXPUNGE_NEW = ADD, TO = ADD, VALIDITY, COPY_NEW, SAVED, MOVE_GONE };

struct target {
	struct row_account	 a;
	struct row_folder	 f;
	bool			 has_folder;
	bool			 listed;	/* its record is known */
	bool			 there;		/* in that folder, as uid */
	char			 as[FOLDER_MAX + 1];	/* it was put into the
						 * folder of that name, */
	struct expect_copy	 copy;		/* as this copy; uid 0: it was
						 * delivered */
};

/* Which of a record's references is to that folder: the one with that UID, or
 * the first, for UIDs may have become others. */
static int
find_ref(struct redo *w, struct target *t)
{
	struct row_record	 r;
	struct row_ref		 ref;
	uint32_t		 uid = w->uid;
	int			 rc;

	rc = kv_get(w->db->records, w->txn,
	    (struct span){ (const char *)w->id.b, 16 }, &w->refs);
	if (rc == CM_ENOINPUT)
		return 0;
	if (rc != 0 || (rc = row_record_get(replay_span(&w->refs), &r)) != 0)
		return rc;
	t->listed = true;
	for (uint32_t i = 0; i < r.nrefs && t->has_folder; i++) {
		row_ref_get(r.refs, i, &ref);
		if (ref.account != t->a.id || ref.folder != t->f.id ||
		    (t->there && ref.uid != uid))
			continue;
		w->uid = ref.uid;
		t->there = true;
	}
	return 0;
}

/* An entry: that field of a line as it is. */
static int
take_entry(struct span line, int n, struct buf *mailbox, struct buf *folder,
    uint32_t *uid)
{
	struct span	 f = { NULL, 0 };

	for (int i = 0; i <= n; i++)
		if (!str_field(&line, '\t', &f))
			return CM_EDATA;
	return entry_parse(f.p, f.len, mailbox, folder, uid);
}

/* why is set when there is no such mailbox. */
static int
find_target(struct redo *w, struct span line, struct target *t)
{
	struct place	 place;
	int		 rc;

	memset(t, 0, sizeof(*t));
	if (take_entry(line, 0, &w->mailbox, &w->folder, &w->uid) != 0 ||
	    ulid_parse(replay_text(&w->f[ID]), w->f[ID].len, &w->id) != 0 ||
	    place_parse(replay_text(&w->f[PLACE]), w->f[PLACE].len,
	    &place) != 0)
		return CM_EDATA;
	rc = replay_account(w, w->mailbox.p, replay_unknown_date(w), &t->a);
	if (rc == CM_ENOUSER) {
		w->why = "there is no such mailbox";
		return 0;
	}
	if (rc != 0)
		return rc;
	if ((rc = replay_get_folder(w, &t->a, &t->f)) != 0 && rc != CM_ENOINPUT)
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
get_expected(struct redo *w, struct target *t, struct row_expected *e)
{
	uint32_t	 uid = w->uid;
	int		 rc = CM_ENOINPUT;

	t->copy.uid = 0;
	if (t->has_folder) {
		t->copy.uid = uid;
		rc = expect_find_copy(w->db, w->txn, &w->id, t->a.id, t->f.id,
		    t->as, &t->copy, &w->raw, e);
		if (rc != CM_ENOINPUT)
			return rc;
		t->copy.uid = 0;
		rc = expect_find(w->db, w->txn, &w->id, t->a.id, t->f.id,
		    t->as);
	}
	/* told by no line before: it came before the journal began */
	if (rc == CM_ENOINPUT)
		rc = replay_name_before(w, t->as);
	if (rc == 0)
		rc = expect_get(w->db, w->txn, &w->id, w->mailbox.p, t->as,
		    &w->raw, e);
	if (rc == 0 && e->account == t->a.id && t->has_folder &&
	    e->folder != 0 && e->folder != t->f.id)
		w->why = "the message was in another folder of that name";
	if (rc != CM_ENOINPUT && (rc != 0 || e->account == t->a.id))
		return rc;
	*e = (struct row_expected){ .account = t->a.id,
	    .keywords = { "", 0 }, .folder = t->has_folder ? t->f.id : 0 };
	/* of the journal's beginning; a folder that is not there gets
	 * another UIDVALIDITY */
	if (!t->has_folder || w->r->scratch)
		return 0;
	e->uid = uid;
	if (t->f.uidnext > uid)
		return 0;
	t->f.uidnext = uid + 1;
	return replay_put_folder(w, &t->a, &t->f);
}

static int
put_expected(struct redo *w, const struct target *t,
    const struct row_expected *e)
{
	if (t->copy.uid != 0)
		return expect_put_copy(w->db, w->txn, &w->id, w->mailbox.p,
		    t->as, &t->copy, e);
	return expect_put(w->db, w->txn, &w->id, w->mailbox.p, t->as, e);
}

static int
raise_modseq(struct redo *w, struct target *t, uint64_t modseq)
{
	int	 rc;

	if (!t->has_folder)
		return 0;
	/* its counts may be others by now */
	if ((rc = replay_get_folder(w, &t->a, &t->f)) != 0 ||
	    t->f.modseq >= modseq)
		return rc;
	t->f.modseq = modseq;
	return replay_put_folder(w, &t->a, &t->f);
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
		    has_word(replay_span(out), f))
			continue;
		buf_adds(out, out->len > 0 ? " " : "");
		buf_add(out, f.p, f.len);
	}
}

/* FLAGS, and ADD, without DEL: as they were behind the change. */
static int
flags_after(struct redo *w, uint32_t *flags, struct buf *keywords)
{
	struct buf	 k[3];
	uint32_t	 v[3];
	int		 rc = 0;

	for (int i = 0; i < 3; i++) {
		buf_init(&k[i], WORDS_MAX);
		if (rc == 0)
			rc = flags_parse(replay_text(&w->f[FLAGS + i]),
			    w->f[FLAGS + i].len, &v[i], &k[i]);
	}
	if (rc == 0) {
		*flags = (v[0] | v[1]) & ~v[2];
		add_words(keywords, replay_span(&k[0]), replay_span(&k[2]));
		add_words(keywords, replay_span(&k[1]), replay_span(&k[2]));
		rc = keywords->err;
	}
	for (int i = 0; i < 3; i++)
		buf_free(&k[i]);
	return rc;
}

static int
flag_listed(struct redo *w, uint32_t flags, struct span keywords,
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
flag_expected(struct redo *w, struct target *t, uint32_t flags,
    struct span keywords, uint64_t modseq)
{
	struct row_expected	 e;
	int			 rc;

	if ((rc = get_expected(w, t, &e)) != 0 || w->why != NULL)
		return rc;
	if (e.what == EXPECT_GONE) {
		w->why = "the message is not in that folder any more";
		return 0;
	}
	e.what = t->copy.uid != 0 ? EXPECT_COPY : EXPECT_FLAGS;
	e.flags = flags;
	e.keywords = keywords;
	e.modseq = modseq;
	return put_expected(w, t, &e);
}

int
replay_flag(struct redo *w, struct span line)
{
	struct target	 t;
	struct buf	 keywords;
	uint64_t	 modseq;
	uint32_t	 flags;
	int		 rc;

	if (replay_number(&w->f[FLAG_NEW], UINT64_MAX, &modseq) != 0)
		return CM_EDATA;
	if ((rc = find_target(w, line, &t)) != 0 || w->why != NULL)
		return rc;
	if (t.listed && !t.there) {
		w->why = "the message is not in that folder any more";
		return 0;
	}
	buf_init(&keywords, WORDS_MAX);
	if ((rc = flags_after(w, &flags, &keywords)) == 0)
		rc = t.there ? flag_listed(w, flags, replay_span(&keywords),
		    modseq) : flag_expected(w, &t, flags,
		    replay_span(&keywords), modseq);
	buf_free(&keywords);
	return rc != 0 ? rc : raise_modseq(w, &t, modseq);
}

/* A message that is not listed yet is not to be put there. */
static int
expect_gone(struct redo *w, struct target *t)
{
	struct row_expected	 e;
	int			 rc;

	if ((rc = get_expected(w, t, &e)) != 0 || w->why != NULL)
		return rc;
	if (t->copy.uid != 0)
		return expect_del_copy(w->db, w->txn, &w->id, w->mailbox.p,
		    t->as, &t->copy);
	e.what = EXPECT_GONE;
	e.flags = 0;
	e.keywords = (struct span){ "", 0 };
	return put_expected(w, t, &e);
}

/* The folder's modseq stays: the change is the one that it was. */
static int
displace(struct redo *w)
{
	struct account_view	 v;
	struct row_message	 m;
	struct buf		 raw;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = account_view_open(w->db, w->txn, w->mailbox.p, w->folder.p,
	    &v)) == 0 && (rc = account_view_message(w->db, w->txn, &v, w->uid,
	    &raw, &m)) == 0 && (rc = account_view_expunge(w->db, w->txn, &v,
	    w->uid, &m)) == 0) {
		v.folder.modseq--;
		rc = account_view_put(w->db, w->txn, &v);
	}
	account_view_free(&v);
	buf_free(&raw);
	return rc;
}

static int
remove_it(struct redo *w, struct target *t, uint64_t modseq)
{
	int		 rc = 0;

	/* a copy may have gone to the same one */
	if (t->has_folder && (rc = replay_get_folder(w, &t->a, &t->f)) != 0)
		return rc;
	if (t->there) {
		rc = displace(w);
		if (rc == 0)
			rc = replay_get_folder(w, &t->a, &t->f);
	} else if (!t->listed) {
		rc = expect_gone(w, t);
	}
	return rc != 0 || w->why != NULL ? rc : raise_modseq(w, t, modseq);
}

int
replay_expunge(struct redo *w, struct span line)
{
	struct target	 t;
	uint64_t	 modseq;
	int		 rc;

	if (replay_number(&w->f[EXPUNGE_NEW], UINT64_MAX, &modseq) != 0)
		return CM_EDATA;
	if ((rc = find_target(w, line, &t)) != 0 || w->why != NULL)
		return rc;
	return remove_it(w, &t, modseq);
}

/* --- copies --- */

/* Where a copy was put. */
struct arrival {
	struct expect_copy	 told;		/* the UID that it had */
	uint32_t		 uid;		/* that, or 0 for any */
	uint64_t		 modseq;
	int64_t			 saved_ms;
	uint32_t		 flags;
	struct span		 keywords;
	struct span		 name;		/* of the folder */
	struct row_account	 a;
	struct row_folder	 f;
};

/* The folder, which the uids line before has made. */
static int
arrive(struct redo *w, struct arrival *n)
{
	int	 rc;

	if ((rc = account_get(w->db, w->txn, w->mailbox.p, &w->raw,
	    &n->a)) != 0)
		return rc;
	rc = account_folder_get(w->db, w->txn, n->a.id, n->name, &n->f);
	if (rc == CM_ENOINPUT &&
	    (rc = account_folder_make(w->db, w->txn, &n->a, n->name,
	    (int64_t)n->told.validity * 1000, &n->f)) == 0)
		rc = account_put(w->db, w->txn, w->mailbox.p, &n->a);
	if (rc == 0 && n->f.validity == n->told.validity)
		n->uid = n->told.uid;
	if (rc == 0 && n->uid != 0 && n->f.modseq < n->modseq)
		n->f.modseq = n->modseq;
	if (rc == 0 && n->f.uidnext <= n->uid)
		n->f.uidnext = n->uid + 1;
	return rc;
}

static int
put_folder(struct redo *w, const struct arrival *n)
{
	return account_folder_put(w->db, w->txn, n->a.id, n->name, &n->f);
}

/* Is there a message with that UID?  *mine: and it is this one. */
static int
look_at_uid(struct redo *w, const struct arrival *n, bool *taken, bool *mine)
{
	struct row_ref		 ref = { n->a.id, n->f.id, n->uid };
	struct row_message	 m;
	char			 key[12];
	int			 rc;

	*taken = *mine = false;
	rc = kv_get(w->db->messages, w->txn, key_message(key, &ref),
	    &w->words);
	if (rc != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	*taken = true;
	if ((rc = row_message_get(replay_span(&w->words), &m)) == 0)
		*mine = memcmp(m.id.b, w->id.b, sizeof(m.id.b)) == 0;
	return rc;
}

/* Its record is in w->refs. */
static int
copy_listed(struct redo *w, struct arrival *n)
{
	struct row_record	 r;
	struct row_message	 m = { .id = w->id, .modseq = n->modseq,
				    .flags = n->flags,
				    .keywords = n->keywords,
				    .saved_ms = n->saved_ms };
	bool			 taken, mine;
	int			 rc;

	if ((rc = row_record_get(replay_span(&w->refs), &r)) != 0 ||
	    (rc = look_at_uid(w, n, &taken, &mine)) != 0 || mine)
		return rc;
	if (taken || n->uid == 0) {
		n->uid = n->f.uidnext++;
		m.modseq = ++n->f.modseq;
	}
	m.place = r.place;
	m.size = r.size;
	m.time_ms = r.time_ms;
	if ((rc = account_place(w->db, w->txn, &n->a, &n->f, n->uid,
	    &m)) != 0 || (rc = put_folder(w, n)) != 0)
		return rc;
	return account_put(w->db, w->txn, w->mailbox.p, &n->a);
}

static int
copy_expected(struct redo *w, struct arrival *n)
{
	struct row_expected	 e = { .account = n->a.id, .uid = n->uid,
				    .modseq = n->uid != 0 ? n->modseq : 0,
				    .what = EXPECT_COPY, .flags = n->flags,
				    .keywords = n->keywords,
				    .folder = n->f.id,
				    .saved_ms = n->saved_ms };
	int			 rc;

	if ((rc = put_folder(w, n)) != 0)
		return rc;
	return expect_put_copy(w->db, w->txn, &w->id, w->mailbox.p, n->name.p,
	    &n->told, &e);
}

static int
copy(struct redo *w, struct span line, struct target *t)
{
	struct arrival	 n = { .uid = 0 };
	struct buf	 keywords;
	uint64_t	 validity, saved;
	int		 rc;

	if (take_entry(line, TO, &w->words, &w->f[TO], &n.told.uid) != 0 ||
	    replay_number(&w->f[VALIDITY], UINT32_MAX, &validity) != 0 ||
	    replay_number(&w->f[COPY_NEW], UINT64_MAX, &n.modseq) != 0 ||
	    replay_number(&w->f[SAVED], INT64_MAX, &saved) != 0)
		return CM_EDATA;
	n.saved_ms = (int64_t)saved;
	n.told.validity = (uint32_t)validity;
	n.name = replay_span(&w->f[TO]);
	if ((rc = find_target(w, line, t)) != 0 || w->why != NULL)
		return rc;
	buf_init(&keywords, WORDS_MAX);
	if (flags_parse(replay_text(&w->f[FLAGS]), w->f[FLAGS].len, &n.flags,
	    &keywords) != 0) {
		buf_free(&keywords);
		return CM_EDATA;
	}
	n.keywords = replay_span(&keywords);
	if ((rc = arrive(w, &n)) == 0)
		rc = t->listed ? copy_listed(w, &n) : copy_expected(w, &n);
	buf_free(&keywords);
	return rc;
}

int
replay_copy(struct redo *w, struct span line)
{
	struct target	 t;

	return copy(w, line, &t);
}

int
replay_move(struct redo *w, struct span line)
{
	struct target	 t;
	uint64_t	 gone;
	int		 rc;

	if (replay_number(&w->f[MOVE_GONE], UINT64_MAX, &gone) != 0)
		return CM_EDATA;
	if ((rc = copy(w, line, &t)) != 0 || w->why != NULL)
		return rc;
	return remove_it(w, &t, gone);
}
