/* APPEND: RFC 3501 section 6.3.11, RFC 3502, RFC 4315 (APPENDUID), RFC 4469. */
#include <stdlib.h>
#include <string.h>

#include "cluster/intake.h"
#include "cluster/rows.h"
#include "protocol/imapd_int.h"

#define LISTED_MS	10000	/* for the UID that it gets */
#define URL_TOLD	500	/* bytes of a bad one that are told */

struct appended {
	struct delivery	 d;
	bool		 kept;
	uint32_t	 uid;		/* 0: not known */
};

struct appending {
	struct imapd	*m;
	const struct imap_command *c;
	char		 folder[FOLDER_MAX + 1];
	struct mailbox_folder f;
	struct appended	*done;		/* one for each message */
	struct appended	*looked;	/* whose UID is asked for */
	struct span	 bad_url;
};

/* --- before --- */

/* Is the folder there, and has the mailbox room?  Else that was answered. */
static bool
can_append(struct appending *a, uint64_t len)
{
	struct imapd	*m = a->m;
	struct buf	 names;
	uint64_t	 room;
	int		 rc;

	rc = mailbox_status(m->box, a->folder, &a->f);
	if (rc == CM_ENOINPUT && strcmp(a->folder, "INBOX") != 0) {
		imapd_no(m, "TRYCREATE", "no such folder");
		return false;
	}
	buf_init(&names, 65536);
	if (rc == 0 || rc == CM_ENOINPUT)
		rc = catalog_rcpt_room(m->w->catalog, m->user, &names, &room);
	buf_free(&names);
	if (rc == 0 && room < len)
		rc = CM_EQUOTA;
	if (rc != 0)
		imapd_no_for(m, rc);
	return rc == 0;
}

/* --- the message --- */

static int
keep(struct appending *a, const struct imap_append *p, struct span msg,
    struct delivery *d)
{
	struct imapd	*m = a->m;
	struct buf	 flags, names;
	struct store_msg s = { .p = msg.p, .len = msg.len, .sender = "",
			    .folder = a->folder,
			    .time_ms = p->has_date ? p->time_ms : -1 };
	int		 rc;

	buf_init(&flags, 65536);
	buf_init(&names, ADDRESS_MAX + 2);
	buf_adds(&flags, "");
	flags_write(&flags, p->flags.bits, p->flags.keywords.p != NULL ?
	    p->flags.keywords : (struct span){ "", 0 });
	buf_addf(&names, "%s\n", m->user);
	rc = flags.err != 0 ? flags.err : names.err;
	s.flags = flags.p;
	s.mailboxes = (struct span){ names.p, names.len };
	if (rc == 0)
		rc = deliver_message(m->w->deliver, &s, d);
	buf_free(&flags);
	buf_free(&names);
	return rc;
}

/* RFC 4469: pieces of what is there already, and of what comes. */
static int
catenate(struct appending *a, const struct imap_append *p, struct buf *b)
{
	int	 rc = 0;

	for (unsigned i = 0; rc == 0 && i < p->nparts; i++) {
		if (!p->part[i].url) {
			rc = buf_add(b, p->part[i].text.p,
			    p->part[i].text.len);
			continue;
		}
		rc = imapd_add_url(a->m, p->part[i].text, b);
		if (rc == CM_EDATA || rc == CM_ENOINPUT) {
			a->bad_url = p->part[i].text;
			rc = CM_EDATA;
		}
	}
	return rc;
}

/* Lines end with CR LF when it is kept, whatever the client sent. */
static int
take_in(struct appending *a, const struct imap_append *p, struct delivery *d)
{
	struct imapd	*m = a->m;
	struct intake	 in;
	struct buf	 b;
	struct span	 msg = p->msg;
	int		 rc = 0;

	buf_init(&b, (size_t)m->s->conf->max_size);
	intake_init(&in, m->s->log, m->w->spool, m->s->conf->max_size);
	if (p->catenate && (rc = catenate(a, p, &b)) == 0)
		msg = (struct span){ b.len > 0 ? b.p : "", b.len };
	if (rc == 0 && (rc = intake_add(&in, msg.p, msg.len)) == 0 &&
	    (rc = intake_get(&in, &msg.p, &msg.len)) == 0)
		rc = msg.len > 0 ? keep(a, p, msg, d) : CM_EUSAGE;
	intake_free(&in);
	buf_free(&b);
	return rc;
}

/* --- behind it --- */

/*
 * "mailbox/folder/uid,..." of the record: the one that is ours.  Others may
 * have made copies of it already, which have higher UIDs.
 */
static int
take_entries(void *arg, struct span line)
{
	struct appending *a = arg;
	struct span	 f;
	struct buf	 mailbox, folder;
	uint32_t	 uid;

	buf_init(&mailbox, ADDRESS_MAX + 1);
	buf_init(&folder, FOLDER_MAX + 1);
	while (str_field(&line, ',', &f))
		if (entry_parse(f.p, f.len, &mailbox, &folder, &uid) == 0 &&
		    span_is((struct span){ mailbox.p, mailbox.len },
		    a->m->user) &&
		    span_is((struct span){ folder.p, folder.len }, a->folder) &&
		    (a->looked->uid == 0 || uid < a->looked->uid))
			a->looked->uid = uid;
	buf_free(&mailbox);
	buf_free(&folder);
	return 0;
}

/* It is safe, and will be listed in any case. */
static int
find_uid(struct appending *a, struct appended *x)
{
	struct buf	 place;
	int		 rc;

	buf_init(&place, 256);
	a->looked = x;
	if ((rc = place_write(&place, &x->d.place)) == 0) {
		const char *words[] = { "wait", x->d.id, place.p, NULL };

		rc = catalog_call(a->m->w->catalog, words, -1, LISTED_MS,
		    take_entries, a);
	}
	buf_free(&place);
	return rc == 0 && x->uid == 0 ? CM_ENOINPUT : rc;
}

/* The UIDs of all; p NULL: they are not known. */
static int
find_uids(struct appending *a, struct imap_set *uids)
{
	int	 rc = 0;

	for (unsigned i = 0; rc == 0 && i < a->c->nappend; i++) {
		if (!a->done[i].kept)
			continue;
		if ((rc = find_uid(a, &a->done[i])) == 0)
			rc = imap_set_append(uids, a->done[i].uid);
	}
	return rc != 0 ? rc : mailbox_status(a->m->box, a->folder, &a->f);
}

static void
log_append(struct imapd *m, const struct delivery *d, const char *folder)
{
	struct buf	 b;

	buf_init(&b, 16384);
	buf_addf(&b, "appended id=%s", d->id);
	session_log_field(&b, "client", m->s->client);
	session_log_field(&b, "user", m->user);
	session_log_field(&b, "folder", folder);
	buf_addf(&b, " size=%u", d->place.length);
	session_log_field(&b, "volume", d->place.volume);
	if (d->copies.p != NULL)
		session_log_field(&b, "copies", d->copies.p);
	if (d->few)
		buf_adds(&b, " short=yes");
	log_info(m->s->log, "%s", b.err != 0 ? d->id : b.p);
	buf_free(&b);
}

static int
ignore_row(void *arg, const struct mailbox_message *row)
{
	(void)arg;
	(void)row;
	return 0;
}

/* RFC 3502: all or none; those that were kept go again. */
static void
take_back(struct appending *a)
{
	struct imapd	*m = a->m;
	struct mailbox_store s = { .how = MAILBOX_ADD, .flags = IMAP_DELETED,
			    .keywords = { "", 0 } };
	struct imap_set	 uids = { .n = 0 }, gone = { .n = 0 };
	int		 rc;

	rc = find_uids(a, &uids);
	imap_set_resolve(&uids, UINT32_MAX);
	if (uids.n == 0)
		return;
	if (rc == 0)
		rc = mailbox_store(m->box, a->folder, a->f.validity, &uids, &s,
		    ignore_row, NULL, NULL);
	if (rc == 0)
		rc = mailbox_expunge(m->box, a->folder, a->f.validity, &uids,
		    &gone);
	if (rc != 0)
		imapd_log(m, "not all appended, and not taken back",
		    cm_strerror(rc));
	imap_set_free(&gone);
	imap_set_free(&uids);
}

/* In a response code there is no literal, and no "]" but at its end. */
static bool
fits_code(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == ']')
			return false;
	return s.len <= URL_TOLD;
}

static void
say_failure(struct appending *a, int rc)
{
	struct imapd	*m = a->m;
	struct buf	 code;

	buf_init(&code, 65536);
	if (a->bad_url.len > 0) {
		buf_adds(&code, "BADURL ");
		imap_string(&code, a->bad_url, false);
		imapd_no(m, fits_code(a->bad_url) ? code.p : NULL,
		    "there is no such part");
	} else if (rc == CM_EUSAGE) {
		imapd_no(m, "CANNOT", "an empty message");
	} else if (rc == CM_ETOOBIG) {
		imapd_no(m, "TOOBIG", "over the size that is taken");
	} else if (rc == CM_ESPACE) {
		imapd_no(m, "UNAVAILABLE", "no space, try again");
	} else if (rc == CM_ECORRUPT) {
		imapd_no(m, "CORRUPTION", "a message has no good copy");
	} else {
		imapd_no_for(m, rc);
	}
	buf_free(&code);
}

static void
say_uids(struct appending *a)
{
	struct imap_set	 uids = { .n = 0 };
	struct buf	 code;
	int		 rc;

	buf_init(&code, 1u << 20);
	if ((rc = find_uids(a, &uids)) == 0) {
		buf_addf(&code, "APPENDUID %u ", a->f.validity);
		rc = imap_set_write(&code, &uids);
	}
	if (rc == 0) {
		imapd_notify_added(a->m, a->folder, &uids);
		imapd_ok(a->m, code.p, "appended");
	} else {
		imapd_ok(a->m, NULL, "appended, and listed soon");
	}
	buf_free(&code);
	imap_set_free(&uids);
}

static void
append_all(struct appending *a)
{
	int	 rc = 0;

	for (unsigned i = 0; rc == 0 && i < a->c->nappend; i++) {
		struct appended *x = &a->done[i];

		if ((rc = take_in(a, &a->c->append[i], &x->d)) != 0)
			break;
		x->kept = true;
		log_append(a->m, &x->d, a->folder);
	}
	if (rc == 0) {
		say_uids(a);
		return;
	}
	take_back(a);
	say_failure(a, rc);
}

/* Every byte of a message but NUL can be kept. */
static bool
has_nul(const struct imap_command *c)
{
	for (unsigned i = 0; i < c->nappend; i++) {
		const struct imap_append *p = &c->append[i];

		if (p->msg.len > 0 && memchr(p->msg.p, '\0', p->msg.len))
			return true;
		for (unsigned k = 0; k < p->nparts; k++)
			if (p->part[k].text.len > 0 &&
			    memchr(p->part[k].text.p, '\0',
			    p->part[k].text.len) != NULL)
				return true;
	}
	return false;
}

static uint64_t
total(const struct imap_command *c)
{
	uint64_t	 n = 0;

	for (unsigned i = 0; i < c->nappend; i++)
		n += c->append[i].msg.len;
	return n;
}

void
imapd_append(struct imapd *m, const struct imap_command *c)
{
	struct appending a = { .m = m, .c = c };

	if (has_nul(c)) {
		imapd_no(m, "UNKNOWN-CTE", "a NUL in the message");
		return;
	}
	if (!imapd_folder(m, c->name, a.folder) || !can_append(&a, total(c)))
		return;
	if ((a.done = calloc(c->nappend, sizeof(*a.done))) == NULL) {
		imapd_no_for(m, CM_ENOMEM);
		return;
	}
	append_all(&a);
	for (unsigned i = 0; i < c->nappend; i++)
		delivery_free(&a.done[i].d);
	free(a.done);
}
