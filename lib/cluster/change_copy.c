#include "cluster/change_copy.h"

#include <string.h>

#include "base/time.h"
#include "cluster/account.h"
#include "cluster/change.h"

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static int
get_folders(struct catdb *d, struct kv_txn *x, struct change_copy *c)
{
	int	 rc;

	rc = account_folder_get(d, x, c->account.id, text(c->from),
	    &c->source);
	if (rc != 0 && rc != CM_ENOINPUT)
		return rc;
	c->has_source = rc == 0;
	c->same = strcmp(c->from, c->to) == 0;
	rc = account_folder_get(d, x, c->account.id, text(c->to), &c->target);
	if (rc == CM_ENOINPUT)
		rc = account_folder_make(d, x, &c->account, text(c->to),
		    time_now_ms(), &c->target);
	return rc;
}

int
change_copy_begin(struct catdb *d, struct kv_txn *x, struct change_copy *c,
    uint32_t n)
{
	struct row_folder	*t = &c->target;
	bool			 leapt = false;
	int			 rc;

	buf_init(&c->raw, ROW_MAX);
	if ((rc = account_get(d, x, c->mailbox, &c->raw, &c->account)) == 0 &&
	    (rc = get_folders(d, x, c)) == 0) {
		leapt = account_leap(d, t);
		if (t->uidnext >= UINT32_MAX - n)
			rc = CM_ETOOBIG;
	}
	if (rc != 0) {
		buf_free(&c->raw);
		return rc;
	}
	if (leapt)
		change_note_leap(d, c->mailbox, c->to, t);
	/* who does it again has the folder, and knows these as given */
	change_note_uids(d, c->mailbox, c->to, &(struct change_uids){
	    t->validity, t->uidnext, t->uidnext + n, 0, { NULL, 0 } });
	return 0;
}

int
change_copy_one(struct catdb *d, struct kv_txn *x, struct change_copy *c,
    uint32_t uid, const struct row_message *m, const struct row_message *old,
    uint32_t *now)
{
	struct row_folder	*t = &c->target;
	struct row_folder	*s = c->same ? t : &c->source;
	struct row_message	 copy = *m;
	struct change_copied	 note = { .folder = c->to,
				    .validity = t->validity };
	int			 rc;

	if (copy.saved_ms == 0)
		copy.saved_ms = time_now_ms();
	copy.modseq = note.modseq = ++t->modseq;
	note.saved_ms = copy.saved_ms;
	*now = note.uid = t->uidnext++;
	if ((rc = account_place(d, x, &c->account, t, *now, &copy)) != 0)
		return rc;
	if (c->move) {
		note.gone = ++s->modseq;
		if ((rc = account_displace(d, x, &c->account, s, uid,
		    old)) != 0)
			return rc;
	}
	return change_note_copy(d, c->mailbox, c->from, uid, m, &note);
}

int
change_copy_end(struct catdb *d, struct kv_txn *x, struct change_copy *c)
{
	int	 rc;

	if (c->has_source && !c->same && (rc = account_folder_put(d, x,
	    c->account.id, text(c->from), &c->source)) != 0)
		return rc;
	if ((rc = account_folder_put(d, x, c->account.id, text(c->to),
	    &c->target)) != 0)
		return rc;
	return account_put(d, x, c->mailbox, &c->account);
}

void
change_copy_free(struct change_copy *c)
{
	buf_free(&c->raw);
}
