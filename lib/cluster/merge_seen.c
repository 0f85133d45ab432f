/* UIDs and modseqs that readers may have seen at the loser of a split pair. */
#include <string.h>

#include "base/time.h"
#include "cluster/change.h"
#include "cluster/merge_int.h"
#include "cluster/vanished.h"

#define WORDS_MAX	65536
#define NOTES_MOST	(40u << 20)	/* the journal takes 64 MiB at once */

/* --- UIDs --- */

int
merge_new_validity(struct work *w, struct row_account *a, struct row_folder *f,
    uint32_t theirs)
{
	uint32_t	 v = (uint32_t)(time_now_ms() / 1000);
	int		 rc;

	if (v <= a->last_validity)
		v = a->last_validity + 1;
	if (v <= theirs)
		v = theirs + 1;
	a->last_validity = f->validity = v;
	change_note_uids(w->db, w->mailbox.p, w->folder.p,
	    &(struct change_uids){ v, 1, f->uidnext, 0, { NULL, 0 } });
	log_info(w->db->log, "%s/%s: both sides changed it: UIDVALIDITY %u",
	    w->mailbox.p, w->folder.p, v);
	if ((rc = account_put(w->db, w->txn, w->mailbox.p, a)) != 0)
		return rc;
	return account_folder_put(w->db, w->txn, a->id, merge_span(&w->folder),
	    f);
}

int
merge_raise_floor(struct work *w, uint32_t theirs)
{
	uint64_t	 floor;
	int		 rc;

	rc = catdb_number(w->db, w->txn, ACCOUNT_VALIDITY, &floor);
	if (rc != 0 || floor >= theirs)
		return rc;
	change_note_floor(w->db, theirs);
	return catdb_set_number(w->db, w->txn, ACCOUNT_VALIDITY, theirs);
}

/*
 * Did this side give UIDs, too, which a reader there would not find?  It has
 * seen those up to next, and asks for what is behind.  UIDs that this side left
 * out first are all below its own.  *first is the first one that the other side
 * did not know as given: a line from before the UIDs that it left out were
 * noted begins behind them, so what this side left out counts too.
 */
static bool
both_gave(const struct work *w, const struct row_folder *f, uint64_t first,
    uint64_t next)
{
	uint32_t	 lead = (uint32_t)w->m->against;

	if (next <= first || (f->uidnext <= first &&
	    (lead == 0 || f->leapt != lead)))
		return false;
	return !account_left_out(f, lead, (uint32_t)first, (uint32_t)next);
}

/* uids MAILBOX/FOLDER UIDVALIDITY FIRST NEXT */
int
merge_uids(struct work *w, struct span line)
{
	struct row_account	 a;
	struct row_folder	 f;
	uint64_t		 v[3];
	int			 rc;

	for (int i = 0; i < 3; i++)
		if (str_u64(w->f[i + 1].p, w->f[i + 1].len, UINT32_MAX,
		    &v[i]) != 0)
			return CM_EPROTO;
	if (entry_parse(w->entry.p, w->entry.len, &w->mailbox, &w->folder,
	    NULL) != 0)
		return CM_EPROTO;
	if (v[2] > v[1] && (rc = merge_note_first(w, line,
	    (uint32_t)v[1])) != 0)
		return rc;
	rc = account_get(w->db, w->txn, w->mailbox.p, &w->raw, &a);
	if (rc == 0)
		rc = merge_find_given(w, a.id, (uint32_t)v[0], &f);
	if (rc == CM_ENOUSER || rc == CM_ENOINPUT)
		return merge_raise_floor(w, (uint32_t)v[0]);
	if (rc != 0 || f.validity > v[0])
		return rc;
	if (f.validity < v[0] || both_gave(w, &f, v[1], v[2]))
		return merge_new_validity(w, &a, &f, (uint32_t)v[0]);
	if (f.uidnext >= v[2])
		return 0;
	change_note_uids(w->db, w->mailbox.p, w->folder.p,
	    &(struct change_uids){ f.validity, f.uidnext, (uint32_t)v[2], 0,
	    { NULL, 0 } });
	f.uidnext = (uint32_t)v[2];
	return account_folder_put(w->db, w->txn, a.id, merge_span(&w->folder),
	    &f);
}

/* --- modseqs --- */

/* Messages of a folder with a modseq behind since, up to last. */
struct stamp {
	struct work	*w;
	uint64_t	 since, last;
	struct buf	 uids;		/* 4 bytes each */
};

static int
stamp_row(void *arg, struct span key, struct span value)
{
	struct stamp		*s = arg;
	struct row_message	 m;
	struct row_ref		 ref;
	int			 rc;

	if ((rc = key_message_parse(key, &ref)) != 0 ||
	    (rc = row_message_get(value, &m)) != 0)
		return rc;
	s->w->walked++;
	if (m.modseq <= s->since || m.modseq > s->last)
		return 0;
	return buf_add(&s->uids, (const char *)&ref.uid, sizeof(ref.uid));
}

static bool
is_full(const struct work *w)
{
	return w->db->notes != NULL && w->db->notes->len > NOTES_MOST;
}

/* They get new modseqs, and flags as they have.  1: those are too many for one
 * transaction. */
static int
stamp_all(struct work *w, struct account_view *v, const struct stamp *s)
{
	struct account_words	 none = { 0, { "", 0 } };
	struct row_message	 m;
	struct buf		 raw, words;
	uint32_t		 uid;
	int			 rc = 0;

	buf_init(&raw, ROW_MAX);
	buf_init(&words, WORDS_MAX);
	for (size_t at = 0; rc == 0 && at < s->uids.len; at += sizeof(uid)) {
		memcpy(&uid, s->uids.p + at, sizeof(uid));
		if (is_full(w))
			rc = 1;
		else if ((rc = account_view_message(w->db, w->txn, v, uid,
		    &raw, &m)) == 0)
			rc = change_flag_in(w->db, w->txn, v, uid, &m, &none,
			    &none, &words);
	}
	buf_free(&raw);
	buf_free(&words);
	return rc;
}

/*
 * All that this side changed is behind what a reader there was told.  What went
 * is not known so far back from here on: a reader of either side is told of all
 * UIDs that are not there.
 */
static int
raise_modseq(struct work *w, struct account_view *v, const struct stamp *s)
{
	struct row_folder	*f = &v->folder;
	int			 rc;

	if (f->modseq <= s->last) {
		f->modseq = s->last + 1;
		v->folder_changed = true;
		change_note_uids(w->db, v->mailbox, v->name,
		    &(struct change_uids){ f->validity, f->uidnext,
		    f->uidnext, f->modseq, { NULL, 0 } });
	}
	/* so many a reader gets anew as soon */
	if ((rc = stamp_all(w, v, s)) == 1)
		return merge_new_validity(w, &v->account, f, f->validity);
	if (rc != 0 ||
	    (rc = vanished_begin(w->db, w->txn, v->account.id, f->id,
	    f->modseq)) != 0)
		return rc;
	return account_view_put(w->db, w->txn, v);
}

static int
raise_folder(struct work *w, struct account_view *v, struct stamp *s)
{
	struct row_ref	 ref = { v->account.id, v->folder.id, 0 };
	char		 key[12];
	int		 rc = 0;

	if (v->folder.modseq > s->since)
		rc = kv_walk(w->db->messages, w->txn, (struct span){
		    key_message(key, &ref).p, 8 }, 8, stamp_row, s);
	return rc != 0 ? rc : raise_modseq(w, v, s);
}

/* The folder of that UIDVALIDITY, which may have another name here. */
static int
open_given(struct work *w, uint32_t validity, struct account_view *v)
{
	struct row_account	 a;
	struct row_folder	 f;
	int			 rc = 0;

	memset(v, 0, sizeof(*v));
	if (validity != 0 && (rc = account_get(w->db, w->txn, w->mailbox.p,
	    &w->raw, &a)) == 0)
		rc = merge_find_given(w, a.id, validity, &f);
	return rc != 0 ? rc : account_view_open(w->db, w->txn, w->mailbox.p,
	    w->folder.p, v);
}

/*
 * modseq MAILBOX/FOLDER UIDVALIDITY SINCE LAST: it was SINCE when the sides
 * parted, and is LAST there; UIDVALIDITY is 0 when it is not known.
 */
int
merge_modseq(struct work *w, struct span line)
{
	struct account_view	 v;
	struct stamp		 s = { .w = w };
	uint64_t		 validity;
	int			 rc;

	(void)line;
	if (str_u64(w->f[1].p, w->f[1].len, UINT32_MAX, &validity) != 0 ||
	    str_u64(w->f[2].p, w->f[2].len, INT64_MAX, &s.since) != 0 ||
	    str_u64(w->f[3].p, w->f[3].len, INT64_MAX, &s.last) != 0 ||
	    entry_parse(w->entry.p, w->entry.len, &w->mailbox, &w->folder,
	    NULL) != 0)
		return CM_EPROTO;
	buf_init(&s.uids, ROW_MAX);
	rc = open_given(w, (uint32_t)validity, &v);
	/* with another UIDVALIDITY a reader begins anew */
	if (rc == 0 && (validity == 0 || v.folder.validity == validity))
		rc = raise_folder(w, &v, &s);
	account_view_free(&v);
	buf_free(&s.uids);
	return rc == CM_ENOUSER || rc == CM_ENOINPUT ? 0 : rc;
}
