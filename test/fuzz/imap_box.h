/*
 * A mailbox in memory with all that an IMAP session asks of the cluster:
 * catalog, volumes, logins.  Others change it and calls fail as the input says.
 * Of imap_session.c.
 */
#ifndef FUZZ_IMAP_BOX_H
#define FUZZ_IMAP_BOX_H

#include <stdio.h>
#include <strings.h>

#include "cluster/rows.h"
#include "format/mime.h"
#include "protocol/imapd_int.h"
#include "protocol/login.h"

#define FOLDERS		12
#define MESSAGES	40		/* of a folder */
#define GONE		200		/* of a folder, remembered */
#define TEXTS		64
#define GIVEN		6		/* texts that are there from the begin */
#define WORDS_MAX	100		/* bytes of a message's keywords */

struct message {
	uint32_t	 uid, flags;
	uint64_t	 modseq;
	char		 words[WORDS_MAX];
	unsigned	 text;		/* of the_text */
	int64_t		 time_ms;
};

struct folder {
	struct mailbox_folder f;	/* name "": a free one */
	struct message	 m[MESSAGES];
	struct { uint32_t uid; uint64_t modseq; } gone[GONE];
	size_t		 ngone;
};

static struct box {
	struct folder	 folder[FOLDERS];
	uint32_t	 last_id, last_validity;
	unsigned	 calls;		/* so far */
	unsigned	 others;	/* each so many calls; 0: never */
	unsigned	 faults;	/* the same */
	bool		 forgets;	/* what has gone, and when */
	/* for who looks at it later */
	const struct folder *listed;	/* by the last listing */
	unsigned	 changed;	/* the last call before which others
					 * did */
} box;

static struct buf the_text[TEXTS];
static unsigned	 ntexts;

static const char *const given[GIVEN] = {
	"From: Bob <bob@example.org>\r\nSubject: dots {5}\r\n"
	"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
	"Message-ID: <1@x>\r\n\r\n.\r\n..\r\nlast\r\n",
	"Subject: =?utf-8?Q?=C3=A9?=\r\nReferences: <1@x>\r\n"
	"Content-Type: multipart/mixed; boundary=o\r\n\r\n"
	"--o\r\nContent-Transfer-Encoding: base64\r\n\r\nAGhp\r\n"
	"--o\r\nContent-Type: message/rfc822\r\n\r\n"
	"Subject: inner\r\nMessage-ID: <2@x>\r\n\r\ntext) \"{3}\r\n"
	"--o\r\nContent-Type: text/html\r\n"
	"Content-Transfer-Encoding: x-none\r\n\r\n<b>x</b>\r\n--o--\r\n",
	"Subject: \xe9 \"quoted\\\r\nIn-Reply-To: <2@x>\r\n\r\n\r\n",
	"away",				/* cannot be read */
	"To: (a) b\r\nSubject: Re: dots {5}\r\n\r\nelsewhere\r\n",
	"bad"				/* has no good copy */
};

/* --- who else is there */

static struct folder *
find_folder(const char *name)
{
	for (size_t i = 0; i < FOLDERS; i++)
		if (name[0] != '\0' &&
		    strcmp(box.folder[i].f.name, name) == 0)
			return &box.folder[i];
	return NULL;
}

static struct folder *
find_real(const char *name)
{
	struct folder	*d = find_folder(name);

	return d != NULL && d->f.exists ? d : NULL;
}

static struct folder *
make_folder(const char *name)
{
	struct folder	*d = find_folder(name);

	for (size_t i = 0; d == NULL && i < FOLDERS; i++)
		if (box.folder[i].f.name[0] == '\0') {
			d = &box.folder[i];
			must(str_copy(d->f.name, sizeof(d->f.name),
			    name) == 0);
		}
	return d;
}

static void
fresh(struct folder *d, uint32_t use)
{
	bool	 subscribed = d->f.subscribed;
	char	 name[FOLDER_MAX + 1];

	memcpy(name, d->f.name, sizeof(name));
	memset(d, 0, sizeof(*d));
	memcpy(d->f.name, name, sizeof(name));
	d->f.exists = true;
	d->f.subscribed = subscribed;
	d->f.use = use;
	d->f.id = ++box.last_id;
	d->f.validity = ++box.last_validity;
	d->f.uidnext = 1;
	d->f.modseq = 1;
}

static void
count(struct folder *d)
{
	d->f.bytes = d->f.unseen = 0;
	for (size_t i = 0; i < d->f.messages; i++) {
		d->f.bytes += the_text[d->m[i].text].len;
		d->f.unseen += !(d->m[i].flags & FLAG_SEEN);
	}
}

static struct message *
put_message(struct folder *d, unsigned text)
{
	struct message	*m = &d->m[d->f.messages];

	if (d->f.messages == MESSAGES)
		return NULL;
	*m = (struct message){ .uid = d->f.uidnext++,
	    .modseq = ++d->f.modseq, .text = text,
	    .time_ms = 1000000000000 + text * 86400000LL };
	d->f.messages++;
	count(d);
	return m;
}

static void
drop_message(struct folder *d, size_t at)
{
	d->f.modseq++;
	if (d->ngone < GONE) {
		d->gone[d->ngone].uid = d->m[at].uid;
		d->gone[d->ngone++].modseq = d->f.modseq;
	}
	d->f.messages--;
	memmove(&d->m[at], &d->m[at + 1], (d->f.messages - at) *
	    sizeof(d->m[0]));
	count(d);
}

static void
change_by_others(struct folder *d)
{
	unsigned	 what = box.calls / box.others;

	if (d == NULL || !d->f.exists)
		return;
	box.changed = box.calls;
	if (what % 4 == 0) {
		put_message(d, what % GIVEN);
	} else if (what % 4 == 1 && d->f.messages > 0) {
		d->m[what % d->f.messages].flags ^= FLAG_FLAGGED;
		d->m[what % d->f.messages].modseq = ++d->f.modseq;
	} else if (what % 4 == 2 && d->f.messages > 0) {
		drop_message(d, what % d->f.messages);
	} else if (what % 64 == 63) {
		fresh(d, 0);
	}
}

/* Each call: CM_EAWAY, or 0. */
static int
asked(const char *name)
{
	box.calls++;
	if (box.others > 0 && box.calls % box.others == 0)
		change_by_others(find_folder(name));
	return box.faults > 0 && box.calls % box.faults == 0 ? CM_EAWAY : 0;
}

static unsigned
add_text(const char *p, size_t n)
{
	if (ntexts == TEXTS)
		return TEXTS;
	buf_init(&the_text[ntexts], 1 << 20);
	buf_adds(&the_text[ntexts], "");
	must(buf_add(&the_text[ntexts], p, n) == 0);
	return ntexts++;
}

static void
box_begin(unsigned how)
{
	static const char *const names[] = { "INBOX", "Work", "a/b",
	    "Entw\xc3\xbcrfe" };
	struct folder	*d;

	memset(&box, 0, sizeof(box));
	box.last_validity = 6;
	box.others = how & 7;
	box.faults = how & 0x40 ? 5 + (how >> 3 & 7) : 0;
	box.forgets = (how & 0x80) != 0;
	box.listed = box.folder;
	for (size_t i = 0; i < GIVEN; i++)
		must(add_text(given[i], strlen(given[i])) == i);
	for (size_t i = 0; i < 4; i++)
		if ((d = make_folder(names[i])) != NULL)
			fresh(d, i == 3 ? IMAP_USE_DRAFTS : 0);
	for (unsigned i = 0; i < GIVEN; i++)
		put_message(&box.folder[0], i);
	put_message(&box.folder[1], 1);
	drop_message(&box.folder[0], 1);
	put_message(&box.folder[0], 1)->flags = FLAG_SEEN | FLAG_DELETED;
	must(str_copy(box.folder[0].m[0].words, WORDS_MAX,
	    "$Forwarded x") == 0);
	box.folder[3].f.subscribed = true;
}

static void
box_end(void)
{
	while (ntexts > 0)
		buf_free(&the_text[--ntexts]);
}

/* --- mailbox.h */

int
mailbox_open(struct catalog *c, const char *account, struct mailbox **out)
{
	(void)c;
	must(strcmp(account, "bob@example.org") == 0);
	*out = NULL;
	return 0;
}

void
mailbox_close(struct mailbox *m)
{
	(void)m;
}

int
mailbox_quota(struct mailbox *m, struct mailbox_quota *q)
{
	(void)m;
	*q = (struct mailbox_quota){ 100000, 5000, 7 };
	return asked("");
}

static int
by_name(const void *a, const void *b)
{
	const struct folder *const *x = a, *const *y = b;

	return strcmp((*x)->f.name, (*y)->f.name);
}

int
mailbox_folders(struct mailbox *m, mailbox_folder_fn fn, void *arg)
{
	const struct folder *all[FOLDERS];
	size_t		 n = 0;
	int		 rc = asked("");

	(void)m;
	for (size_t i = 0; i < FOLDERS; i++)
		if (box.folder[i].f.exists || box.folder[i].f.subscribed)
			all[n++] = &box.folder[i];
	qsort(all, n, sizeof(all[0]), by_name);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = fn(arg, &all[i]->f);
	return rc;
}

int
mailbox_status(struct mailbox *m, const char *name, struct mailbox_folder *f)
{
	const struct folder *d;
	int		 rc = asked(name);

	(void)m;
	if ((d = find_real(name)) == NULL || rc != 0)
		return rc != 0 ? rc : CM_ENOINPUT;
	*f = d->f;
	return 0;
}

int
mailbox_create(struct mailbox *m, const char *name, uint32_t use)
{
	struct folder	*d;
	int		 rc = asked("");

	(void)m;
	if (rc != 0 || find_real(name) != NULL)
		return rc != 0 ? rc : CM_EEXIST;
	if ((d = make_folder(name)) == NULL)
		return CM_ETOOBIG;
	fresh(d, use);
	return 0;
}

static void
forget_folder(struct folder *d)
{
	bool	 subscribed = d->f.subscribed;
	char	 name[FOLDER_MAX + 1];

	memcpy(name, d->f.name, sizeof(name));
	memset(d, 0, sizeof(*d));
	if (subscribed)
		memcpy(d->f.name, name, sizeof(name));
	d->f.subscribed = subscribed;
}

int
mailbox_delete(struct mailbox *m, const char *name)
{
	struct folder	*d = find_real(name);
	int		 rc = asked("");

	(void)m;
	if (rc != 0 || d == NULL)
		return rc != 0 ? rc : CM_ENOINPUT;
	if (strcmp(name, "INBOX") == 0)
		return CM_EPERM;
	forget_folder(d);
	return 0;
}

int
mailbox_subscribe(struct mailbox *m, const char *name, bool on)
{
	struct folder	*d = find_folder(name);
	int		 rc = asked("");

	(void)m;
	if (rc != 0 || (d == NULL && !on))
		return rc;
	if (d == NULL && (d = make_folder(name)) == NULL)
		return CM_ETOOBIG;
	d->f.subscribed = on;
	if (!on && !d->f.exists)
		memset(d, 0, sizeof(*d));
	return 0;
}

/* All but name and subscription goes there. */
static int
move_folder(struct folder *d, const char *to)
{
	struct folder	*t;
	bool		 subscribed;

	if (find_real(to) != NULL)
		return CM_EEXIST;
	if ((t = make_folder(to)) == NULL)
		return CM_ETOOBIG;
	subscribed = t->f.subscribed;
	*t = *d;
	must(str_copy(t->f.name, sizeof(t->f.name), to) == 0);
	t->f.subscribed = subscribed;
	if (strcmp(d->f.name, "INBOX") == 0)
		fresh(d, 0);
	else
		forget_folder(d);
	return 0;
}

static bool
is_below(const char *name, const char *above)
{
	size_t	 n = strlen(above);

	return strncmp(name, above, n) == 0 && name[n] == '/';
}

/* The mailbox is left as it is by who fails: the first folder decides. */
int
mailbox_rename(struct mailbox *m, const char *from, const char *to)
{
	char		 name[2 * FOLDER_MAX + 2];
	bool		 inbox = strcmp(from, "INBOX") == 0, some = false;
	int		 rc = asked("");

	(void)m;
	if (rc != 0 || (!inbox && is_below(to, from)))
		return rc != 0 ? rc : CM_EUSAGE;
	if (find_real(to) != NULL)
		return CM_EEXIST;
	for (size_t i = 0; rc == 0 && i < FOLDERS; i++) {
		struct folder	*d = &box.folder[i];

		if (!d->f.exists || (strcmp(d->f.name, from) != 0 &&
		    (inbox || !is_below(d->f.name, from))) ||
		    is_below(d->f.name, to) || strcmp(d->f.name, to) == 0)
			continue;
		some = true;
		snprintf(name, sizeof(name), "%s%s", to,
		    d->f.name + strlen(from));
		rc = strlen(name) > FOLDER_MAX ? CM_ETOOBIG :
		    move_folder(d, name);
		if (inbox)
			break;
	}
	return rc == 0 && !some ? CM_ENOINPUT : rc;
}

/* --- its messages */

static void
text_id(unsigned text, struct ulid *id)
{
	memset(id, 0, sizeof(*id));
	id->b[15] = (unsigned char)text;
}

struct summaries {
	struct buf	 envelope, body;
};

static void
summarize(struct message *m, unsigned what, struct summaries *s)
{
	const struct buf *t = &the_text[m->text];
	struct mime_tree tree;

	if ((what & (MAILBOX_ENVELOPE | MAILBOX_BODY)) == 0)
		return;
	must(mime_scan(t->p, t->len, &tree) == 0);
	if (what & MAILBOX_ENVELOPE)
		must(mime_envelope(t->p, &tree.parts[0], &s->envelope) == 0);
	if (what & MAILBOX_BODY)
		must(mime_bodystructure(t->p, &tree, &s->body) == 0);
	mime_free(&tree);
}

static int
give_row(struct message *m, uint64_t was, unsigned what, mailbox_fn fn,
    void *arg)
{
	struct mailbox_message row = { .uid = m->uid, .flags = m->flags,
			    .modseq = m->modseq, .was = was,
			    .keywords = { m->words, strlen(m->words) } };
	struct summaries s;
	int		 rc;

	buf_init(&s.envelope, MIME_SUMMARY_MAX);
	buf_init(&s.body, MIME_SUMMARY_MAX);
	if (what & MAILBOX_STORED) {
		text_id(m->text, &row.id);
		row.place = (struct place){ .volume = "v1", .segment = 1,
		    .offset = m->text,
		    .length = (uint32_t)the_text[m->text].len };
		if (m->text == 4)
			row.place.volume[1] = '2';
		row.size = row.place.length;
		row.time_ms = m->time_ms;
	}
	summarize(m, what, &s);
	row.envelope = (struct span){ s.envelope.p, s.envelope.len };
	row.body = (struct span){ s.body.p, s.body.len };
	rc = fn(arg, &row);
	buf_free(&s.envelope);
	buf_free(&s.body);
	return rc;
}

static int
right_folder(const char *name, uint32_t validity, struct folder **d)
{
	int	 rc = asked(name);

	if ((*d = find_real(name)) == NULL || rc != 0)
		return rc != 0 ? rc : CM_ENOINPUT;
	return validity != 0 && validity != (*d)->f.validity ? CM_ESTALE : 0;
}

int
mailbox_list(struct mailbox *m, const char *name, uint32_t validity,
    const struct imap_set *uids, uint64_t since, unsigned what,
    struct mailbox_folder *f, mailbox_fn fn, void *arg)
{
	struct folder	*d;
	int		 rc;

	(void)m;
	rc = right_folder(name, validity, &d);
	if (f != NULL)
		*f = d != NULL ? d->f : (struct mailbox_folder){ .id = 0 };
	if (rc == 0)
		box.listed = d;
	for (size_t i = 0; rc == 0 && i < d->f.messages; i++)
		if ((uids == NULL || imap_set_has(uids, d->m[i].uid)) &&
		    d->m[i].modseq > since)
			rc = give_row(&d->m[i], 0, what, fn, arg);
	/* it breaks off */
	if (rc == 0 && box.faults > 0 && box.calls % box.faults == 1)
		rc = CM_EAWAY;
	return rc;
}

static void
change_words(struct message *m, struct span words, bool add)
{
	struct span	 w, old = { m->words, strlen(m->words) };
	struct buf	 b;

	buf_init(&b, 65536);
	buf_adds(&b, "");
	while (old.len > 0 && str_field(&old, ' ', &w))
		if (add || !flags_has(words, w))
			buf_addf(&b, "%s%.*s", b.len > 0 ? " " : "",
			    (int)w.len, w.p);
	while (add && words.len > 0 && str_field(&words, ' ', &w))
		if (!flags_has((struct span){ b.p, b.len }, w))
			buf_addf(&b, "%s%.*s", b.len > 0 ? " " : "",
			    (int)w.len, w.p);
	if (b.len < WORDS_MAX)
		memcpy(m->words, b.p, b.len + 1);
	buf_free(&b);
}

static void
store_one(struct folder *d, struct message *m, const struct mailbox_store *s)
{
	struct message	 was = *m;

	if (s->how == MAILBOX_REPLACE)
		m->words[0] = '\0';
	change_words(m, s->keywords, s->how != MAILBOX_REMOVE);
	m->flags = s->how == MAILBOX_ADD ? m->flags | s->flags :
	    s->how == MAILBOX_REMOVE ? m->flags & ~s->flags : s->flags;
	if (m->flags != was.flags || strcmp(m->words, was.words) != 0)
		m->modseq = ++d->f.modseq;
}

int
mailbox_store(struct mailbox *m, const char *name, uint32_t validity,
    const struct imap_set *uids, const struct mailbox_store *s, mailbox_fn fn,
    void *arg, struct imap_set *modified)
{
	struct folder	*d;
	uint64_t	 was;
	int		 rc;

	(void)m;
	if (modified != NULL)
		*modified = (struct imap_set){ .n = 0 };
	rc = right_folder(name, validity, &d);
	for (size_t i = 0; rc == 0 && i < d->f.messages; i++) {
		if (!imap_set_has(uids, d->m[i].uid))
			continue;
		was = d->m[i].modseq;
		if (s->conditional && was > s->since) {
			if (modified != NULL)
				rc = imap_set_add(modified, d->m[i].uid,
				    d->m[i].uid);
			continue;
		}
		store_one(d, &d->m[i], s);
		rc = give_row(&d->m[i], was, 0, fn, arg);
	}
	if (d != NULL)
		count(d);
	return rc;
}

int
mailbox_expunge(struct mailbox *m, const char *name, uint32_t validity,
    const struct imap_set *uids, struct imap_set *gone)
{
	struct folder	*d;
	int		 rc;

	(void)m;
	*gone = (struct imap_set){ .n = 0 };
	rc = right_folder(name, validity, &d);
	for (size_t i = 0; rc == 0 && i < d->f.messages;) {
		if (!(d->m[i].flags & FLAG_DELETED) || (uids != NULL &&
		    !imap_set_has(uids, d->m[i].uid))) {
			i++;
			continue;
		}
		rc = imap_set_add(gone, d->m[i].uid, d->m[i].uid);
		drop_message(d, i);
	}
	return rc;
}

static int
copy_one(struct folder *t, const struct message *from,
    struct mailbox_copied *c)
{
	struct message	 was = *from, *to = put_message(t, from->text);
	int		 rc;

	if (to == NULL)
		return CM_ESPACE;
	to->flags = was.flags;
	memcpy(to->words, was.words, sizeof(to->words));
	to->time_ms = was.time_ms;
	count(t);
	if ((rc = imap_set_append(&c->from, was.uid)) == 0)
		rc = imap_set_append(&c->to, to->uid);
	return rc;
}

int
mailbox_copy(struct mailbox *m, const char *name, uint32_t validity,
    const struct imap_set *uids, const char *to, bool move,
    struct mailbox_copied *c)
{
	struct folder	*d, *t;
	size_t		 n;
	int		 rc;

	(void)m;
	*c = (struct mailbox_copied){ .validity = 0 };
	if ((rc = right_folder(name, validity, &d)) != 0)
		return rc;
	if ((t = find_real(to)) == NULL)
		return CM_EEND;
	c->validity = t->f.validity;
	n = d->f.messages;
	if (t->f.messages + n > MESSAGES)
		return CM_ESPACE;
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (imap_set_has(uids, d->m[i].uid))
			rc = copy_one(t, &d->m[i], c);
	for (size_t i = n; move && i-- > 0;)
		if (imap_set_has(uids, d->m[i].uid))
			drop_message(d, i);
	return rc;
}

void
mailbox_copied_free(struct mailbox_copied *c)
{
	imap_set_free(&c->from);
	imap_set_free(&c->to);
}

static int
by_uid(const void *a, const void *b)
{
	const uint32_t	*x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
mailbox_vanished(struct mailbox *m, const char *name, uint32_t validity,
    uint64_t since, struct imap_set *gone)
{
	uint32_t	 uid[GONE];
	struct folder	*d;
	size_t		 n = 0;
	int		 rc;

	(void)m;
	*gone = (struct imap_set){ .n = 0 };
	if ((rc = right_folder(name, validity, &d)) != 0)
		return rc;
	if (box.forgets || d->ngone == GONE)
		return CM_EEND;
	for (size_t i = 0; i < d->ngone; i++)
		if (d->gone[i].modseq > since)
			uid[n++] = d->gone[i].uid;
	qsort(uid, n, sizeof(uid[0]), by_uid);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = imap_set_add(gone, uid[i], uid[i]);
	return rc;
}

#endif
