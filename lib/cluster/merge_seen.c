/* UIDs that readers may have seen at the loser of a split pair. */
#include "base/time.h"
#include "cluster/change.h"
#include "cluster/merge_int.h"

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
