/*
 * What others change in the selected folder, told to the client: RFC 3501
 * sections 5.2 and 7.4.1; and IDLE (RFC 2177).  What it does not want to hear
 * of (NOTIFY, RFC 5465) stays as it is in the view.
 */
#include "base/time.h"
#include "protocol/imapd_int.h"

#define IDLE_MS		1860000	/* a client begins again after 29 minutes */
#define POLL_MS		400	/* between two looks at the folder */

/* --- flags and new messages --- */

void
imapd_say_flags(struct imapd *m, size_t at, const struct mailbox_message *row,
    bool uid)
{
	struct buf	*out = conn_out(m->s->conn);

	buf_addf(out, "* %zu FETCH (", at + 1);
	if (uid)
		buf_addf(out, "UID %u ", row->uid);
	if (imapd_is_condstore(m))
		buf_addf(out, "MODSEQ (%llu) ",
		    (unsigned long long)row->modseq);
	buf_adds(out, "FLAGS ");
	imap_flags_write(out, row->flags, row->keywords);
	buf_adds(out, ")\r\n");
	m->view.modseq[at] = row->modseq;
}

static int
take_change(void *arg, const struct mailbox_message *row)
{
	struct imapd	*m = arg;
	struct imapd_view *v = &m->view;
	size_t		 at = imapd_view_find(m, row->uid);

	if (at == v->n)
		return imapd_view_add(m, row->uid, row->modseq);
	if (row->modseq > v->modseq[at] && !(m->unwanted & IMAP_EVENT_FLAGS))
		imapd_say_flags(m, at, row, true);
	return 0;
}

/* --- what has gone --- */

/* By a look at all that is there. */
static int
find_missing(struct imapd *m, struct imap_set *gone)
{
	struct imapd_view *v = &m->view;
	struct mailbox_uids u;
	int		 rc;

	*gone = (struct imap_set){ .n = 0 };
	rc = mailbox_uids(m->box, v->name, v->validity, NULL, &u);
	for (size_t i = 0; rc == 0 && i < v->n; i++)
		if (!imap_set_has(&u.uids, v->uid[i]))
			rc = imap_set_add(gone, v->uid[i], v->uid[i]);
	mailbox_uids_free(&u);
	return rc;
}

/*
 * Numbers go down as the client hears of it; of what is behind the known ones
 * it never heard.
 */
static int
take_away(struct imapd *m, const struct imap_set *gone, size_t known)
{
	struct imapd_view *v = &m->view;
	struct buf	*out = conn_out(m->s->conn);
	struct imap_set	 vanished = { .n = 0 };
	size_t		 to = 0;
	int		 rc = 0;

	for (size_t i = 0; i < v->n; i++) {
		if (!imap_set_has(gone, v->uid[i])) {
			v->uid[to] = v->uid[i];
			v->modseq[to++] = v->modseq[i];
			continue;
		}
		if (i < known && imapd_is_qresync(m) && rc == 0)
			rc = imap_set_add(&vanished, v->uid[i], v->uid[i]);
		else if (i < known)
			buf_addf(out, "* %zu EXPUNGE\r\n", to + 1);
	}
	v->n = to;
	if (rc == 0 && vanished.n > 0) {
		buf_adds(out, "* VANISHED ");
		rc = imap_set_write(out, &vanished);
		buf_adds(out, "\r\n");
	}
	imap_set_free(&vanished);
	return rc;
}

static int
sync_gone(struct imapd *m, uint64_t modseq, size_t known)
{
	struct imapd_view *v = &m->view;
	struct imap_set	 gone;
	int		 rc;

	rc = mailbox_vanished(m->box, v->name, v->validity, v->looked, &gone);
	if (rc == CM_EEND) {
		imap_set_free(&gone);
		rc = find_missing(m, &gone);
	}
	if (rc == 0)
		rc = take_away(m, &gone, known);
	if (rc == 0)
		v->looked = modseq;
	imap_set_free(&gone);
	return rc;
}

/* --- all of it --- */

/*
 * A listing shows what came or changed while it went on, but its folder is
 * that of its beginning: nothing that it missed is behind v->highest.
 */
static int
sync_all(struct imapd *m, struct mailbox_folder f, bool expunge)
{
	struct imapd_view *v = &m->view;
	size_t		 known = v->n;
	uint32_t	 last = known > 0 ? v->uid[known - 1] : 0;
	bool		 grown;
	int		 rc = 0;

	if (f.modseq != v->highest) {
		rc = mailbox_list(m->box, v->name, v->validity, NULL,
		    v->highest, 0, &f, take_change, m);
		if (rc == 0)
			v->highest = f.modseq;
	}
	grown = v->n > known;
	if (rc == 0 && expunge && v->n != f.messages)
		rc = sync_gone(m, f.modseq, known);
	else if (rc == 0 && v->n == f.messages)
		v->looked = f.modseq;
	if (grown) {
		buf_addf(conn_out(m->s->conn), "* %zu EXISTS\r\n", v->n);
		imapd_notify_fetch(m, imapd_view_from(m, last + 1));
	}
	return rc;
}

/* Who wants to hear of nothing hears of what he expunges himself. */
int
imapd_view_sync_to(struct imapd *m, const struct mailbox_folder *f,
    bool expunge)
{
	if (m->unwanted & IMAP_EVENT_NEW)
		return expunge ? sync_gone(m, f->modseq, m->view.n) : 0;
	return sync_all(m, *f, expunge);
}

int
imapd_view_sync(struct imapd *m, bool expunge)
{
	struct imapd_view *v = &m->view;
	struct mailbox_folder f;
	int		 rc;

	if ((rc = mailbox_status(m->box, v->name, &f)) != 0)
		return rc;
	if (f.validity != v->validity)
		return CM_ESTALE;
	return imapd_view_sync_to(m, &f, expunge);
}

int
imapd_look(struct imapd *m, bool expunge)
{
	if (m->notify != NULL)
		return imapd_notify_look(m, expunge);
	if (!m->view.open || m->unwanted != 0)
		return 0;
	return imapd_view_sync(m, expunge);
}

int
imapd_view_emptied(struct imapd *m)
{
	struct imapd_view *v = &m->view;
	struct imap_range all = { 1, UINT32_MAX };
	struct imap_set	 gone = { .r = &all, .n = 1 };
	struct mailbox_folder f;
	int		 rc;

	if ((rc = mailbox_status(m->box, v->name, &f)) != 0 ||
	    (rc = take_away(m, &gone, v->n)) != 0)
		return rc;
	imap_set_free(&v->saved);
	v->validity = f.validity;
	v->uidnext = 1;
	v->highest = v->looked = 0;
	buf_addf(conn_out(m->s->conn), "* OK [UIDVALIDITY %u] of what "
	    "comes\r\n", f.validity);
	return 0;
}

/* --- IDLE --- */

static int
period(const struct imapd *m)
{
	if (m->notify != NULL)
		return imapd_notify_period(m);
	return m->view.open && m->unwanted == 0 ? POLL_MS : 0;
}

/*
 * What is no byte for us yet (the end of a compressed block, a part of a record
 * of TLS) is no reason to stop looking.
 */
int
imapd_wait_some(struct imapd *m, int64_t end)
{
	int64_t		 now = time_mono_ms(), until = now + period(m);
	struct span	 said;
	bool		 input, other;
	int		 rc;

	if (now >= end)
		return CM_ETIMEOUT;
	if (until == now || until > end)
		until = end;
	/* an answer may take longer than that to go out */
	imapd_deadline(m, IMAPD_SEND_MS);
	if ((rc = conn_flush(m->s->conn)) != 0)
		return rc;
	conn_deadline(m->s->conn, until);
	rc = conn_wait(m->s->conn, -1, &input, &other);
	if (rc == 0)
		rc = conn_peek(m->s->conn, &said);
	return rc == CM_ETIMEOUT && until < end ? IMAPD_LOOK_AGAIN : rc;
}

static void
done(struct imapd *m)
{
	struct span	 line;
	bool		 crlf;
	int		 rc;

	imapd_deadline(m, IMAPD_SEND_MS);
	rc = conn_line(m->s->conn, IMAP_LINE_MAX, &line, &crlf);
	if (rc == CM_ETOOBIG || (rc == 0 && !str_ieq(line.p, line.len,
	    "DONE")))
		imapd_bad(m, NULL, "DONE ends it");
	else if (rc != 0)
		imapd_lost(m, rc);
	else
		imapd_ok(m, NULL, "idled");
}

/* A catalog that is away may come back: the client need not know. */
static bool
look(struct imapd *m)
{
	int	 rc;

	rc = imapd_look(m, true);
	if (rc != CM_ENOINPUT && rc != CM_ESTALE)
		return true;
	imapd_bye(m, "the folder is not there any more");
	return false;
}

void
imapd_idle(struct imapd *m, const struct imap_command *c)
{
	int64_t	 end = time_mono_ms() + IDLE_MS;
	int	 rc = IMAPD_LOOK_AGAIN;

	(void)c;
	buf_adds(conn_out(m->s->conn), "+ idling\r\n");
	while (rc == IMAPD_LOOK_AGAIN && look(m))
		rc = imapd_wait_some(m, end);
	if (rc == 0)
		done(m);
	else if (rc != IMAPD_LOOK_AGAIN)
		imapd_lost(m, rc);
}
