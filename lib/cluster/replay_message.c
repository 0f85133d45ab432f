/* Journal lines about messages: flag and expunge MAILBOX/FOLDER/UID ID PLACE
 * MODSEQ FLAGS ... */
#include <string.h>

#include "cluster/expect.h"
#include "cluster/replay_int.h"

#define WORDS_MAX	65536

enum { ID = 1, PLACE, MODSEQ, FLAGS, ADD, DEL, FLAG_NEW,
    EXPUNGE_NEW = ADD };

struct target {
	struct row_account	 a;
	struct row_folder	 f;
	bool			 has_folder;
	bool			 listed;	/* its record is known */
	bool			 there;		/* in that folder, as uid */
	char			 as[FOLDER_MAX + 1];	/* it was delivered to
						 * that name */
};

/* Which of a record's references is to that folder. */
static int
find_ref(struct redo *w, struct target *t)
{
	struct row_record	 r;
	struct row_ref		 ref;
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
		if (ref.account != t->a.id || ref.folder != t->f.id)
			continue;
		w->uid = ref.uid;
		t->there = true;
		return 0;
	}
	return 0;
}

/* Mailbox, folder and UID of a line; its fields are decoded already. */
static int
take_entry(struct redo *w, struct span line)
{
	struct span	 entry;

	return str_field(&line, '\t', &entry) ? entry_parse(entry.p, entry.len,
	    &w->mailbox, &w->folder, &w->uid) : CM_EDATA;
}

/* why is set when there is no such mailbox. */
static int
find_target(struct redo *w, struct span line, struct target *t)
{
	struct place	 place;
	int		 rc;

	memset(t, 0, sizeof(*t));
	if (take_entry(w, line) != 0 ||
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

	if (t->has_folder)
		rc = expect_find(w->db, w->txn, &w->id, t->a.id, t->f.id,
		    t->as);
	if (rc == CM_ENOINPUT)
		rc = str_copy(t->as, sizeof(t->as), w->folder.p);
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
	e.what = EXPECT_FLAGS;
	e.flags = flags;
	e.keywords = keywords;
	e.modseq = modseq;
	return expect_put(w->db, w->txn, &w->id, w->mailbox.p, t->as, &e);
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

int
replay_expunge(struct redo *w, struct span line)
{
	struct row_expected	 e;
	struct target		 t;
	uint64_t		 modseq, own;
	int			 rc;

	if (replay_number(&w->f[EXPUNGE_NEW], UINT64_MAX, &modseq) != 0)
		return CM_EDATA;
	if ((rc = find_target(w, line, &t)) != 0 || w->why != NULL)
		return rc;
	if (t.there) {
		rc = account_expunge(w->db, w->txn, w->mailbox.p, w->folder.p,
		    w->uid, &own);
		if (rc != 0)
			return rc;
		/* the change is the one that it was */
		if ((rc = replay_get_folder(w, &t.a, &t.f)) != 0)
			return rc;
		t.f.modseq = own - 1;
		if ((rc = replay_put_folder(w, &t.a, &t.f)) != 0)
			return rc;
	} else if (!t.listed) {
		if ((rc = get_expected(w, &t, &e)) != 0 || w->why != NULL)
			return rc;
		e.what = EXPECT_GONE;
		e.flags = 0;
		e.keywords = (struct span){ "", 0 };
		if ((rc = expect_put(w->db, w->txn, &w->id, w->mailbox.p,
		    t.as, &e)) != 0)
			return rc;
	}
	return raise_modseq(w, &t, modseq);
}
