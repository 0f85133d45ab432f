/* The selected folder: RFC 3501 section 6.3.1, and its end. */
#include <stdlib.h>
#include <string.h>

#include "cluster/rows.h"
#include "protocol/imapd_int.h"

#define MESSAGES_MAX	50000000

void
imapd_view_end(struct imapd *m)
{
	struct imapd_view *v = &m->view;

	imapd_notify_left(m, 0);
	free(v->uid);
	free(v->modseq);
	imap_set_free(&v->saved);
	memset(v, 0, sizeof(*v));
}

size_t
imapd_view_from(const struct imapd *m, uint32_t uid)
{
	const struct imapd_view *v = &m->view;
	size_t		 from = 0, to = v->n, at;

	while (from < to) {
		at = from + (to - from) / 2;
		if (v->uid[at] < uid)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

size_t
imapd_view_find(const struct imapd *m, uint32_t uid)
{
	const struct imapd_view *v = &m->view;
	size_t		 at = imapd_view_from(m, uid);

	return at < v->n && v->uid[at] == uid ? at : v->n;
}

uint64_t
imapd_view_count(const struct imapd *m, const struct imap_set *s)
{
	uint64_t	 n = 0;
	size_t		 end;

	for (size_t i = 0; i < s->n; i++) {
		end = s->r[i].to == UINT32_MAX ? m->view.n :
		    imapd_view_from(m, s->r[i].to + 1);
		n += end - imapd_view_from(m, s->r[i].from);
	}
	return n;
}

int
imapd_view_add(struct imapd *m, uint32_t uid, uint64_t modseq)
{
	struct imapd_view *v = &m->view;
	size_t		 room = v->room > 0 ? v->room + v->room / 2 : 64;
	uint32_t	*u;
	uint64_t	*q;

	/* numbers would change without an EXPUNGE */
	if (v->n > 0 && uid <= v->uid[v->n - 1])
		return CM_ESTALE;
	if (v->n == v->room) {
		if (v->n >= MESSAGES_MAX)
			return CM_ETOOBIG;
		if ((u = realloc(v->uid, room * sizeof(*u))) == NULL)
			return CM_ENOMEM;
		v->uid = u;
		if ((q = realloc(v->modseq, room * sizeof(*q))) == NULL)
			return CM_ENOMEM;
		v->modseq = q;
		v->room = room;
	}
	if (uid >= v->uidnext)
		v->uidnext = uid + 1;
	v->uid[v->n] = uid;
	v->modseq[v->n++] = modseq;
	return 0;
}

/* --- sets --- */

/* Ranges of numbers, as ranges of the UIDs that they have. */
static int
of_numbers(const struct imapd_view *v, const struct imap_set *s,
    struct imap_set *out)
{
	int	 rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		if (s->r[i].from == 0 || s->r[i].to > v->n)
			return CM_EDATA;
		rc = imap_set_add(out, v->uid[s->r[i].from - 1],
		    v->uid[s->r[i].to - 1]);
	}
	return rc;
}

static int
of_uids(const struct imap_set *s, struct imap_set *out)
{
	int	 rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n; i++)
		rc = imap_set_add(out, s->r[i].from, s->r[i].to);
	return rc;
}

int
imapd_view_set(struct imapd *m, const struct imap_set *s, bool uid,
    struct imap_set *out)
{
	const struct imapd_view *v = &m->view;
	int		 rc;

	*out = (struct imap_set){ .n = 0 };
	if (s->saved)
		rc = of_uids(&v->saved, out);
	else if (uid)
		rc = of_uids(s, out);
	else
		rc = of_numbers(v, s, out);
	if (rc != 0)
		imap_set_free(out);
	return rc;
}

/* --- SELECT --- */

struct opening {
	struct imapd	*m;
	struct mailbox_uids u;
};

/* A mailbox that never had mail has no folder yet: it gets it now. */
static int
ask(struct opening *o, const char *name, struct mailbox_folder *f)
{
	struct imapd	*m = o->m;
	int		 rc;

	rc = mailbox_uids(m->box, name, 0, f, &o->u);
	if (rc != CM_ENOINPUT || strcmp(name, "INBOX") != 0)
		return rc;
	rc = mailbox_create(m->box, name, 0);
	if (rc != 0 && rc != CM_EEXIST)
		return rc;
	mailbox_uids_free(&o->u);
	return mailbox_uids(m->box, name, 0, f, &o->u);
}

/*
 * What changes from now on has a higher mod-sequence than the folder had; what
 * changed while it was listed is told once more.
 */
static int
list_all(struct opening *o, const char *name, struct mailbox_folder *f)
{
	struct imap_set	*s = &o->u.uids;
	int		 rc = ask(o, name, f);

	for (size_t i = 0; rc == 0 && i < s->n; i++)
		for (uint64_t uid = s->r[i].from; rc == 0 && uid <= s->r[i].to;
		    uid++)
			rc = imapd_view_add(o->m, (uint32_t)uid, f->modseq);
	return rc;
}

static void
say_folder(struct imapd *m, const struct opening *o,
    const struct mailbox_folder *f)
{
	struct buf	*out = conn_out(m->s->conn);
	const char	*system = "\\Answered \\Flagged \\Deleted \\Seen "
			    "\\Draft";
	const char	*blank = o->u.keywords.len > 0 ? " " : "";
	const char	*words = o->u.keywords.len > 0 ? o->u.keywords.p : "";

	buf_addf(out, "* FLAGS (%s%s%s)\r\n", system, blank, words);
	if (m->view.readonly)
		buf_adds(out, "* OK [PERMANENTFLAGS ()] nothing can be "
		    "changed\r\n");
	else
		buf_addf(out, "* OK [PERMANENTFLAGS (%s%s%s \\*)] "
		    "and others\r\n", system, blank, words);
	buf_addf(out, "* %zu EXISTS\r\n", m->view.n);
	if (imapd_is_rev2(m))
		imapd_say_list(m, f);
	else
		buf_adds(out, "* 0 RECENT\r\n");
	if (o->u.unseen > 0 && !imapd_is_rev2(m))
		buf_addf(out, "* OK [UNSEEN %zu] the first one\r\n",
		    imapd_view_find(m, o->u.unseen) + 1);
	buf_addf(out, "* OK [UIDVALIDITY %u] of these UIDs\r\n"
	    "* OK [UIDNEXT %u] or higher\r\n"
	    "* OK [HIGHESTMODSEQ %llu] of what was changed last\r\n"
	    "* OK [MAILBOXID (F%u)] whatever its name\r\n", f->validity,
	    f->uidnext, (unsigned long long)f->modseq, f->id);
}

static void
begin_view(struct imapd *m, const char name[FOLDER_MAX + 1], bool readonly,
    const struct mailbox_folder *f)
{
	struct imapd_view *v = &m->view;

	v->open = true;
	v->readonly = readonly;
	memcpy(v->name, name, sizeof(v->name));
	v->validity = f->validity;
	if (v->uidnext < f->uidnext)
		v->uidnext = f->uidnext;
	v->highest = v->looked = f->modseq;
}

void
imapd_select(struct imapd *m, const struct imap_command *c)
{
	struct opening	 o = { .m = m };
	struct mailbox_folder f;
	char		 name[FOLDER_MAX + 1];
	int		 rc;

	if (c->select.qresync && !imapd_is_qresync(m)) {
		imapd_bad(m, NULL, "ENABLE QRESYNC comes first");
		return;
	}
	/* RFC 7162 section 3.2.11: what follows is of the other one */
	if (m->view.open && (imapd_is_qresync(m) || imapd_is_rev2(m)))
		buf_adds(conn_out(m->s->conn), "* OK [CLOSED] the other "
		    "one\r\n");
	imapd_view_end(m);
	if (c->select.condstore)
		imapd_condstore(m);
	if (!imapd_folder(m, c->name, name))
		return;
	if ((rc = list_all(&o, name, &f)) == 0) {
		begin_view(m, name, c->verb == IMAP_EXAMINE, &f);
		say_folder(m, &o, &f);
		rc = imapd_resync(m, c, &f);
	}
	if (rc == 0) {
		imapd_ok(m, m->view.readonly ? "READ-ONLY" : "READ-WRITE",
		    "selected");
	} else {
		imapd_view_end(m);
		imapd_no_for(m, rc);
	}
	mailbox_uids_free(&o.u);
}

/* --- CLOSE --- */

void
imapd_close(struct imapd *m, const struct imap_command *c)
{
	struct imap_set	 gone = { .n = 0 };
	uint64_t	 expunged;
	int		 rc = 0;

	(void)c;
	if (!m->view.readonly)
		rc = mailbox_expunge(m->box, m->view.name, m->view.validity,
		    NULL, &gone);
	expunged = imap_set_count(&gone);
	imap_set_free(&gone);
	/* what is not there cannot be closed better */
	if (rc != 0 && rc != CM_ENOINPUT && rc != CM_ESTALE) {
		imapd_no_for(m, rc);
		return;
	}
	imapd_notify_left(m, expunged);
	m->view.open = false;
	imapd_view_end(m);
	imapd_ok(m, NULL, "closed");
}

void
imapd_unselect(struct imapd *m, const struct imap_command *c)
{
	(void)c;
	imapd_view_end(m);
	imapd_ok(m, NULL, "nothing is selected, and nothing deleted");
}
