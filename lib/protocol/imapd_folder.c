/* Folders: RFC 3501 sections 6.3.3 to 6.3.10, RFC 6154, RFC 2342. */
#include <string.h>

#include "format/imap_name.h"
#include "protocol/imapd_int.h"

#define NAME_ROOM	(8 * FOLDER_MAX)

bool
imapd_folder(struct imapd *m, struct span s, char name[FOLDER_MAX + 1])
{
	struct buf	 b;
	int		 rc;

	buf_init(&b, NAME_ROOM);
	rc = imap_name_decode(s, imapd_is_utf8(m), &b);
	if (rc == 0)
		rc = folder_name(b.len > 0 ? b.p : "", b.len, name);
	buf_free(&b);
	if (rc != 0)
		imapd_no(m, "CANNOT", "not a folder's name: 1 to %d bytes of "
		    "UTF-8, in modified UTF-7, with / between levels",
		    FOLDER_MAX);
	return rc == 0;
}

/* "Work/" asks for a folder that others will be below of: section 6.3.3. */
static struct span
without_end(struct span s)
{
	if (s.len > 1 && s.p[s.len - 1] == '/')
		s.len--;
	return s;
}

static void
settle(struct imapd *m, int rc, const char *what)
{
	if (rc != 0)
		imapd_no_for(m, rc);
	else
		imapd_ok(m, NULL, "%s", what);
}

void
imapd_create(struct imapd *m, const struct imap_command *c)
{
	struct mailbox_folder f;
	char	 name[FOLDER_MAX + 1], code[64];
	int	 rc;

	if (!imapd_folder(m, without_end(c->name), name))
		return;
	if (c->bad_use) {
		imapd_no(m, "USEATTR", "not a use that is known");
		return;
	}
	rc = mailbox_create(m->box, name, c->use);
	/* RFC 8474 section 4.1 */
	if (rc == 0 && mailbox_status(m->box, name, &f) == 0 &&
	    str_fmt(code, sizeof(code), "MAILBOXID (F%u)", f.id) == 0)
		imapd_ok(m, code, "created");
	else
		settle(m, rc, "created");
}

void
imapd_delete(struct imapd *m, const struct imap_command *c)
{
	char	 name[FOLDER_MAX + 1];

	if (!imapd_folder(m, c->name, name))
		return;
	/* who has it open himself, leaves it */
	if (m->view.open && strcmp(m->view.name, name) == 0)
		imapd_view_end(m);
	settle(m, mailbox_delete(m->box, name), "deleted");
}

/*
 * The selected one, or one below what got another name, goes on under its new
 * name; of INBOX the messages went, and those below it stayed.
 */
static int
follow(struct imapd *m, const char *from, const char *to)
{
	char	 name[FOLDER_MAX + 1];
	size_t	 n = strlen(from);
	bool	 same = strcmp(m->view.name, from) == 0;
	int	 rc;

	if (strcmp(from, "INBOX") == 0)
		return same ? imapd_view_emptied(m) : 0;
	if (!same && (strncmp(m->view.name, from, n) != 0 ||
	    m->view.name[n] != '/'))
		return 0;
	if ((rc = str_copy(name, sizeof(name), to)) == 0 &&
	    (rc = str_copy(name + strlen(to), sizeof(name) - strlen(to),
	    m->view.name + n)) == 0)
		memcpy(m->view.name, name, sizeof(name));
	return rc;
}

void
imapd_rename(struct imapd *m, const struct imap_command *c)
{
	char	 from[FOLDER_MAX + 1], to[FOLDER_MAX + 1];
	int	 rc;

	if (!imapd_folder(m, c->name, from) ||
	    !imapd_folder(m, without_end(c->name2), to))
		return;
	rc = mailbox_rename(m->box, from, to);
	if (rc == 0 && m->view.open)
		rc = follow(m, from, to);
	if (rc == CM_EUSAGE)
		imapd_no(m, "CANNOT", "not below itself");
	else
		settle(m, rc, "renamed");
}

void
imapd_subscribe(struct imapd *m, const struct imap_command *c)
{
	bool	 on = c->verb == IMAP_SUBSCRIBE;
	char	 name[FOLDER_MAX + 1];

	if (imapd_folder(m, c->name, name))
		settle(m, mailbox_subscribe(m->box, name, on), on ?
		    "subscribed" : "unsubscribed");
}

static int
count_deleted(void *arg, const struct mailbox_message *row)
{
	uint64_t	*n = arg;

	*n += (row->flags & IMAP_DELETED) != 0;
	return 0;
}

/* RFC 9051 section 6.3.11; nobody counts them before they are asked for. */
static uint64_t
deleted(struct imapd *m, const struct mailbox_folder *f, unsigned items)
{
	uint64_t	 n = 0;
	int		 rc = 0;

	if (items & IMAP_STATUS_DELETED)
		rc = mailbox_list(m->box, f->name, f->validity, NULL, 0, 0,
		    NULL, count_deleted, &n);
	if (rc != 0)
		imapd_log(m, "not counted", cm_strerror(rc));
	return n;
}

void
imapd_say_status(struct imapd *m, const struct mailbox_folder *f,
    unsigned items)
{
	struct item {
		unsigned	 bit;
		const char	*name;
		uint64_t	 value;
	} item[] = {
		{ IMAP_STATUS_MESSAGES, "MESSAGES", f->messages },
		{ IMAP_STATUS_RECENT, "RECENT", 0 },
		{ IMAP_STATUS_UIDNEXT, "UIDNEXT", f->uidnext },
		{ IMAP_STATUS_UIDVALIDITY, "UIDVALIDITY", f->validity },
		{ IMAP_STATUS_UNSEEN, "UNSEEN", f->unseen },
		{ IMAP_STATUS_SIZE, "SIZE", f->bytes },
		{ IMAP_STATUS_DELETED, "DELETED", deleted(m, f, items) },
		{ IMAP_STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ", f->modseq },
		{ IMAP_STATUS_APPENDLIMIT, "APPENDLIMIT",
		    m->s->conf->max_size }
	};
	struct buf	*out = conn_out(m->s->conn), name;
	const char	*blank = "";

	buf_init(&name, NAME_ROOM);
	if (imap_name_encode((struct span){ f->name, strlen(f->name) },
	    imapd_is_utf8(m), &name) == 0) {
		buf_adds(out, "* STATUS ");
		imap_string(out, (struct span){ name.p, name.len },
		    imapd_is_utf8(m));
		buf_adds(out, " (");
		for (size_t i = 0; i < sizeof(item) / sizeof(*item); i++) {
			if ((items & item[i].bit) == 0)
				continue;
			buf_addf(out, "%s%s %llu", blank, item[i].name,
			    (unsigned long long)item[i].value);
			blank = " ";
		}
		if (items & IMAP_STATUS_MAILBOXID)
			buf_addf(out, "%sMAILBOXID (F%u)", blank, f->id);
		buf_adds(out, ")\r\n");
	}
	buf_free(&name);
}

#define STATUS_KNOWN	(IMAP_STATUS_MESSAGES | IMAP_STATUS_RECENT | \
	IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_UNSEEN | \
	IMAP_STATUS_SIZE | IMAP_STATUS_APPENDLIMIT | \
	IMAP_STATUS_HIGHESTMODSEQ | IMAP_STATUS_MAILBOXID | \
	IMAP_STATUS_DELETED)

void
imapd_status(struct imapd *m, const struct imap_command *c)
{
	struct mailbox_folder f;
	char		 name[FOLDER_MAX + 1];
	int		 rc;

	if (c->status & ~(unsigned)STATUS_KNOWN) {
		imapd_bad(m, NULL, "STATUS: an item that is not offered");
		return;
	}
	if (!imapd_folder(m, c->name, name))
		return;
	if (c->status & IMAP_STATUS_HIGHESTMODSEQ)
		imapd_condstore(m);
	rc = mailbox_status(m->box, name, &f);
	if (rc == CM_ENOINPUT && strcmp(name, "INBOX") == 0) {
		/* no mail ever came: it gets its UIDVALIDITY now */
		rc = mailbox_create(m->box, name, 0);
		if (rc == 0 || rc == CM_EEXIST)
			rc = mailbox_status(m->box, name, &f);
	}
	if (rc == 0)
		imapd_say_status(m, &f, c->status);
	settle(m, rc, "that is how it is");
}

void
imapd_namespace(struct imapd *m, const struct imap_command *c)
{
	(void)c;
	buf_adds(conn_out(m->s->conn),
	    "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	imapd_ok(m, NULL, "all of it is yours");
}
