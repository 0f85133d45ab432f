/* What a client missed while it was away: RFC 7162 section 3.2. */
#include "protocol/imapd_int.h"

/* --- what has gone --- */

/* UIDs up to the last that may have been given, which the view does not have:
 * all that can be said when nobody remembers when they went. */
static int
all_missing(const struct imapd *m, struct imap_set *gone)
{
	const struct imapd_view *v = &m->view;
	uint32_t	 next = 1;
	int		 rc = 0;

	*gone = (struct imap_set){ .n = 0 };
	for (size_t i = 0; rc == 0 && i < v->n; i++) {
		if (v->uid[i] > next)
			rc = imap_set_add(gone, next, v->uid[i] - 1);
		next = v->uid[i] + 1;
	}
	if (rc == 0 && next < v->uidnext)
		rc = imap_set_add(gone, next, v->uidnext - 1);
	return rc;
}

/* What both have; NULL: all. */
static int
common(const struct imap_set *a, const struct imap_set *b,
    struct imap_set *out)
{
	size_t		 i = 0, j = 0;
	uint32_t	 from, to;
	int		 rc = 0;

	*out = (struct imap_set){ .n = 0 };
	while (rc == 0 && i < a->n && j < b->n) {
		from = a->r[i].from > b->r[j].from ? a->r[i].from :
		    b->r[j].from;
		to = a->r[i].to < b->r[j].to ? a->r[i].to : b->r[j].to;
		if (from <= to)
			rc = imap_set_add(out, from, to);
		if (a->r[i].to < b->r[j].to)
			i++;
		else
			j++;
	}
	return rc;
}

int
imapd_say_vanished(struct imapd *m, uint64_t since,
    const struct imap_set *known)
{
	struct imapd_view *v = &m->view;
	struct buf	*out = conn_out(m->s->conn);
	struct imap_set	 gone, some = { .n = 0 };
	const struct imap_set *told = &gone;
	int		 rc;

	rc = mailbox_vanished(m->box, v->name, v->validity, since, &gone);
	if (rc == CM_EEND) {
		imap_set_free(&gone);
		rc = all_missing(m, &gone);
	}
	if (rc == 0 && known != NULL) {
		rc = common(&gone, known, &some);
		told = &some;
	}
	if (rc == 0 && told->n > 0) {
		buf_adds(out, "* VANISHED (EARLIER) ");
		rc = imap_set_write(out, told);
		buf_adds(out, "\r\n");
	}
	imap_set_free(&some);
	imap_set_free(&gone);
	return rc;
}

/* --- what has changed --- */

struct changed {
	struct imapd	*m;
	const struct imap_set *known;
};

static int
take_changed(void *arg, const struct mailbox_message *row)
{
	struct changed	*q = arg;
	size_t		 at = imapd_view_find(q->m, row->uid);

	if (at < q->m->view.n &&
	    (q->known == NULL || imap_set_has(q->known, row->uid)))
		imapd_say_flags(q->m, at, row, true);
	return 0;
}

int
imapd_resync(struct imapd *m, const struct imap_command *c,
    const struct mailbox_folder *f)
{
	struct changed	 q = { .m = m };
	int		 rc;

	if (!c->select.qresync || c->select.validity != f->validity)
		return 0;
	if (c->select.known.n > 0)
		q.known = &c->select.known;
	rc = imapd_say_vanished(m, c->select.modseq, q.known);
	if (rc != 0)
		return rc;
	return mailbox_list(m->box, m->view.name, f->validity, q.known,
	    c->select.modseq, 0, NULL, take_changed, &q);
}
