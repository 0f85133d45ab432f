/* APPEND: RFC 3501 section 6.3.11, RFC 4315 (APPENDUID). */
#include <string.h>

#include "base/time.h"
#include "cluster/intake.h"
#include "cluster/rows.h"
#include "protocol/imapd_int.h"

#define LISTED_MS	10000	/* for the UID that it gets */

struct appending {
	struct imapd	*m;
	char		 folder[FOLDER_MAX + 1];
	struct mailbox_folder f;
	uint32_t	 uid;		/* 0: not known */
};

/* --- before --- */

/* Is the folder there, and has the mailbox room?  Else that was answered. */
static bool
can_append(struct appending *a, size_t len)
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

/* Lines end with CR LF when it is kept, whatever the client sent. */
static int
take_in(struct appending *a, const struct imap_append *p, struct delivery *d)
{
	struct imapd	*m = a->m;
	struct intake	 in;
	struct span	 msg = { NULL, 0 };
	int		 rc;

	intake_init(&in, m->s->log, m->w->spool, m->s->conf->max_size);
	if ((rc = intake_add(&in, p->msg.p, p->msg.len)) == 0 &&
	    (rc = intake_get(&in, &msg.p, &msg.len)) == 0)
		rc = keep(a, p, msg, d);
	intake_free(&in);
	return rc;
}

/* --- behind it --- */

/* "mailbox/folder/uid,..." of the record: the one that is ours. */
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
		    span_is((struct span){ folder.p, folder.len }, a->folder))
			a->uid = uid;
	buf_free(&mailbox);
	buf_free(&folder);
	return 0;
}

/* It is safe, and will be listed in any case. */
static void
find_uid(struct appending *a, const struct delivery *d)
{
	struct imapd	*m = a->m;
	struct buf	 place;
	int		 rc;

	buf_init(&place, 256);
	place_write(&place, &d->place);
	if (place.err == 0) {
		const char *words[] = { "wait", d->id, place.p, NULL };

		rc = catalog_call(m->w->catalog, words, -1, LISTED_MS,
		    take_entries, a);
		if (rc == 0)
			rc = mailbox_status(m->box, a->folder, &a->f);
		if (rc != 0)
			a->uid = 0;
	}
	buf_free(&place);
}

static void
log_append(struct imapd *m, const struct delivery *d, const char *folder,
    size_t size)
{
	struct buf	 b;

	buf_init(&b, 16384);
	buf_addf(&b, "appended id=%s", d->id);
	session_log_field(&b, "client", m->s->client);
	session_log_field(&b, "user", m->user);
	session_log_field(&b, "folder", folder);
	buf_addf(&b, " size=%zu", size);
	session_log_field(&b, "volume", d->place.volume);
	if (d->copies.p != NULL)
		session_log_field(&b, "copies", d->copies.p);
	if (d->few)
		buf_adds(&b, " short=yes");
	log_info(m->s->log, "%s", b.err != 0 ? d->id : b.p);
	buf_free(&b);
}

static void
settle(struct appending *a, const struct imap_append *p)
{
	struct imapd	*m = a->m;
	struct delivery	 d = { .few = false };
	char		 code[64];
	int		 rc;

	if ((rc = take_in(a, p, &d)) == 0) {
		log_append(m, &d, a->folder, p->msg.len);
		find_uid(a, &d);
	}
	if (rc == CM_ETOOBIG)
		imapd_no(m, "TOOBIG", "over the size that is taken");
	else if (rc == CM_ESPACE)
		imapd_no(m, "UNAVAILABLE", "no space, try again");
	else if (rc != 0)
		imapd_no_for(m, rc);
	else if (a->uid == 0 || str_fmt(code, sizeof(code),
	    "APPENDUID %u %u", a->f.validity, a->uid) != 0)
		imapd_ok(m, NULL, "appended, and listed soon");
	else
		imapd_ok(m, code, "appended");
	delivery_free(&d);
}

void
imapd_append(struct imapd *m, const struct imap_command *c)
{
	struct appending a = { .m = m };
	const struct imap_append *p = c->append;

	if (c->nappend != 1 || p->catenate)
		imapd_bad(m, NULL, "one message at a time, in one literal");
	else if (!imapd_folder(m, c->name, a.folder))
		return;
	else if (p->msg.len == 0)
		imapd_no(m, "CANNOT", "an empty message");
	else if (memchr(p->msg.p, '\0', p->msg.len) != NULL)
		imapd_no(m, "UNKNOWN-CTE", "a NUL in the message");
	else if (can_append(&a, p->msg.len))
		settle(&a, p);
}
