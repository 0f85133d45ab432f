/* FETCH: RFC 3501 section 6.4.5. */
#include <stdlib.h>
#include <string.h>

#include "protocol/imapd_int.h"

#define OUT_MAX		(8u << 20)	/* bytes gathered before some is sent */
#define ROWS_MAX	256		/* of a request with bytes */
#define ROWS_BYTES	(16u << 20)	/* of their other items */
#define AHEAD_MAX	16		/* messages read ahead */
#define AHEAD_BYTES	(32u << 20)

/* A message whose bytes come next. */
struct row {
	size_t		 at;		/* in the view */
	uint32_t	 uid;
	bool		 unseen;
	struct ulid	 id;
	struct place	 place;
	size_t		 text, text_len;	/* its other items */
	struct ahead_item *item;	/* NULL: read in its turn */
};

struct fetching {
	struct imapd	*m;
	const struct imap_command *c;
	unsigned	 what;
	bool		 bytes;
	uint32_t	 next;		/* the first UID not seen to yet */
	size_t		 found;		/* messages that are there */
	struct row	 row[ROWS_MAX];
	size_t		 n;
	struct buf	 text;
	struct imap_set	 seen;		/* UIDs that became \Seen by it */
	int		 failed;	/* why some could not be read */
};

enum { FULL = 1 };	/* this request ends here, and another one goes on */

/* --- rows --- */

static int
keep_row(struct fetching *f, size_t at, const struct mailbox_message *row)
{
	struct row	*r = &f->row[f->n++];

	*r = (struct row){ .at = at, .uid = row->uid, .id = row->id,
	    .unseen = !(row->flags & IMAP_SEEN), .place = row->place,
	    .text = f->text.len };
	imapd_items_of_row(f->m, f->c, row, &f->text);
	r->text_len = f->text.len - r->text;
	return f->text.err;
}

static int
say_row(struct fetching *f, size_t at, const struct mailbox_message *row)
{
	struct buf	*out = conn_out(f->m->s->conn);

	buf_adds(out, "* ");
	buf_addu(out, at + 1, 0);
	buf_adds(out, " FETCH (");
	imapd_items_of_row(f->m, f->c, row, out);
	buf_adds(out, ")\r\n");
	return out->err;
}

static int
take_row(void *arg, const struct mailbox_message *row)
{
	struct fetching	*f = arg;
	size_t		 at = imapd_view_find(f->m, row->uid);
	int		 rc;

	if (at == f->m->view.n)
		return 0;
	if (f->bytes ? f->n == ROWS_MAX || f->text.len > ROWS_BYTES :
	    conn_out(f->m->s->conn)->len > OUT_MAX)
		return FULL;
	f->found++;
	if (imapd_has_item(f->c, IMAP_GET_FLAGS))
		f->m->view.modseq[at] = row->modseq;
	rc = f->bytes ? keep_row(f, at, row) : say_row(f, at, row);
	f->next = row->uid + 1;
	return rc;
}

/* --- bytes --- */

/* Those on other nodes are asked for before their turn. */
static void
ask_ahead(struct fetching *f, size_t from, size_t *to)
{
	struct imapd_worker *w = f->m->w;
	uint64_t	 bytes = 0;
	struct row	*r;

	for (size_t i = from; i < *to; i++)
		bytes += f->row[i].place.length;
	for (; *to < f->n && *to - from < AHEAD_MAX; ++*to) {
		r = &f->row[*to];
		bytes += r->place.length;
		if (*to > from && bytes > AHEAD_BYTES)
			return;
		if (reader_node(w->reader, r->place.volume) != NULL &&
		    ahead_ask(w->ahead, &r->place, &r->id, &r->item) != 0)
			r->item = NULL;
	}
}

/* The client has a message as soon as its answer is complete, or not at all. */
static int
say_text(struct fetching *f, const struct row *r, struct span msg)
{
	struct imapd	*m = f->m;
	struct buf	*out = conn_out(m->s->conn);
	int		 rc;

	if ((rc = imapd_items_check(f->c, msg)) != 0)
		return rc;
	buf_addf(out, "* %zu FETCH (", r->at + 1);
	if (r->text_len > 0)
		buf_add(out, f->text.p + r->text, r->text_len);
	rc = imapd_items_of_text(m, f->c, msg, r->text_len > 0);
	if (rc != 0 && !m->done)
		imapd_bye(m, "an answer broke off");
	buf_adds(out, ")\r\n");
	return rc != 0 ? CM_EEND : 0;
}

static int
say_one(struct fetching *f, struct row *r)
{
	struct reader_record rec;
	int		 rc;

	rc = r->item != NULL ? ahead_take(r->item, &rec) :
	    reader_get(f->m->w->reader, &r->place, &r->id, &rec);
	if (rc == 0)
		rc = say_text(f, r, rec.msg);
	else
		imapd_log(f->m, "message not read", cm_strerror(rc));
	ahead_drop(r->item);
	r->item = NULL;
	if (rc == 0 && r->unseen)
		rc = imap_set_add(&f->seen, r->uid, r->uid);
	return rc;
}

/* One that cannot be read is left out, and the answer says so at its end. */
static int
say_texts(struct fetching *f)
{
	size_t	 ahead = 0;
	int	 rc = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (ahead < i)
			ahead = i;
		if (!f->m->done)
			ask_ahead(f, i, &ahead);
		if (rc == CM_EEND) {
			ahead_drop(f->row[i].item);
			continue;
		}
		if ((rc = say_one(f, &f->row[i])) == CM_EEND)
			continue;
		if (rc != 0 && f->failed == 0)
			f->failed = rc;
		if (!imapd_send_some(f->m))
			rc = CM_EEND;
	}
	f->n = 0;
	buf_reset(&f->text);
	return rc == CM_EEND ? CM_EEND : 0;
}

/* --- \Seen --- */

static bool
marks(const struct fetching *f)
{
	const struct imap_item *it;

	if (f->m->view.readonly)
		return false;
	for (unsigned i = 0; i < f->c->fetch.n; i++) {
		it = &f->c->fetch.item[i];
		if (((it->what == IMAP_GET_SECTION ||
		    it->what == IMAP_GET_BINARY) && !it->peek) ||
		    it->what == IMAP_GET_RFC822 ||
		    it->what == IMAP_GET_RFC822_TEXT)
			return true;
	}
	return false;
}

static int
take_seen(void *arg, const struct mailbox_message *row)
{
	struct fetching	*f = arg;
	size_t		 at = imapd_view_find(f->m, row->uid);

	if (at < f->m->view.n)
		imapd_say_flags(f->m, at, row, f->c->uid);
	return 0;
}

/* What could be read was read: a mark that cannot be made now is no failure
 * of the command. */
static void
mark_seen(struct fetching *f)
{
	struct mailbox_store s = { .how = MAILBOX_ADD, .flags = IMAP_SEEN,
			    .keywords = { "", 0 } };
	int		 rc;

	if (f->seen.n > 0 && marks(f)) {
		rc = mailbox_store(f->m->box, f->m->view.name,
		    f->m->view.validity, &f->seen, &s, take_seen, f, NULL);
		if (rc != 0)
			imapd_log(f->m, "not marked as seen",
			    cm_strerror(rc));
	}
	imap_set_free(&f->seen);
}

/* --- all of it --- */

/* What is left of the set: UIDs from f->next. */
static int
rest_of(const struct imap_set *all, uint32_t next, struct imap_set *out)
{
	uint32_t	 from;
	int		 rc = 0;

	*out = (struct imap_set){ .n = 0 };
	for (size_t i = 0; rc == 0 && i < all->n; i++) {
		from = all->r[i].from > next ? all->r[i].from : next;
		if (from <= all->r[i].to)
			rc = imap_set_add(out, from, all->r[i].to);
	}
	return rc;
}

static int
fetch_some(struct fetching *f, const struct imap_set *all, bool *more)
{
	struct imapd_view *v = &f->m->view;
	struct imap_set	 some;
	uint64_t	 since = 0;
	int		 rc;

	*more = false;
	if (f->c->fetch.has_since)
		since = f->c->fetch.changed_since;
	if ((rc = rest_of(all, f->next, &some)) == 0 && some.n > 0)
		rc = mailbox_list(f->m->box, v->name, v->validity, &some,
		    since, f->what, NULL, take_row, f);
	imap_set_free(&some);
	if (rc == FULL) {
		*more = true;
		rc = 0;
	}
	if (rc == 0 && f->bytes)
		rc = say_texts(f);
	if (rc == 0 && f->bytes)
		mark_seen(f);
	if (rc == 0 && !imapd_send_some(f->m))
		rc = CM_EEND;
	return rc;
}

static void
settle(struct fetching *f, const struct imap_set *all, int rc)
{
	struct imapd	*m = f->m;

	if (rc == 0)
		rc = f->failed;
	if (rc == CM_EEND)
		return;			/* the client has gone */
	if (rc == CM_EDATA)
		imapd_no(m, "UNKNOWN-CTE", "a part is in an encoding that is "
		    "not known");
	else if (rc == CM_ECORRUPT || (rc == CM_ENOINPUT && f->failed != 0))
		imapd_no(m, "CORRUPTION", "a message has no good copy");
	else if (rc != 0)
		imapd_no_for(m, rc);
	else if (!f->c->uid && !f->c->fetch.has_since &&
	    f->found < imapd_view_count(m, all))
		imapd_no(m, "EXPUNGEISSUED", "some of them have gone");
	else
		imapd_ok(m, NULL, "fetched");
}

void
imapd_fetch(struct imapd *m, const struct imap_command *c)
{
	struct fetching	*f;
	struct imap_set	 all;
	bool		 more = true;
	int		 rc;

	if (c->fetch.vanished && (!c->uid || !c->fetch.has_since ||
	    !imapd_is_qresync(m))) {
		imapd_bad(m, NULL, "VANISHED is of UID FETCH with CHANGEDSINCE "
		    "and QRESYNC");
		return;
	}
	if ((rc = imapd_view_set(m, &c->set, c->uid, &all)) != 0) {
		imapd_bad(m, NULL, "there is no such message");
		return;
	}
	if ((f = calloc(1, sizeof(*f))) == NULL) {
		imap_set_free(&all);
		imapd_no_for(m, CM_ENOMEM);
		return;
	}
	f->m = m;
	f->c = c;
	if (c->fetch.has_since || imapd_has_item(c, IMAP_GET_MODSEQ))
		imapd_condstore(m);
	f->what = imapd_items_need(c, &f->bytes);
	buf_init(&f->text, ROWS_BYTES + (16u << 20));
	if (c->fetch.vanished)
		rc = imapd_say_vanished(m, c->fetch.changed_since, &all);
	while (rc == 0 && more)
		rc = fetch_some(f, &all, &more);
	settle(f, &all, rc);
	imap_set_free(&f->seen);
	imap_set_free(&all);
	buf_free(&f->text);
	free(f);
}
