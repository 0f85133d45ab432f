/*
 * A mailbox of memory for the target of whole IMAP sessions, in the place of
 * catalog, volumes and delivery: as cluster/mailbox.h has it.  What others do
 * meanwhile is made up too.
 */
#ifndef FUZZ_MAILBOX_H
#define FUZZ_MAILBOX_H

#include <strings.h>

#include "cluster/ahead.h"
#include "cluster/deliver.h"
#include "cluster/mailbox.h"
#include "cluster/rows.h"
#include "format/mime.h"
#include "session.h"

#define BOX_USER	"bob@example.org"
#define BOX_FOLDERS	12
#define BOX_MESSAGES	40		/* in a folder */
#define BOX_RECORDS	100
#define BOX_FIRST	8		/* of them, which are always there */
#define BOX_GONE	6		/* that are remembered */
#define BOX_KEYWORDS	200
#define BOX_TIME	1500000000000	/* of what has none of its own */

struct box_record {
	char		*text;
	size_t		 len;
	int		 rc;		/* of reading it */
	bool		 elsewhere;	/* on another node */
	int64_t		 time_ms;
	struct buf	 envelope, body;
};

struct box_message {
	uint32_t	 uid, flags;
	uint64_t	 modseq;
	char		 keywords[BOX_KEYWORDS];
	size_t		 record;
};

struct box_folder {
	struct mailbox_folder f;
	struct box_message m[BOX_MESSAGES];
	size_t		 n;
	struct { uint32_t uid; uint64_t modseq; } gone[BOX_GONE];
	size_t		 ngone;
	uint64_t	 forgot;	/* what went up to it */
};

static struct box {
	struct box_folder *folder[BOX_FOLDERS];	/* in order */
	size_t		 n;
	struct box_record record[BOX_RECORDS];
	size_t		 nrecords;
	uint32_t	 last_id, last_validity;
	unsigned	 pace, asked, step;	/* of others */
} box;

/* --- its parts --- */

static struct box_folder *
box_find(const char *name)
{
	for (size_t i = 0; i < box.n; i++)
		if (strcmp(box.folder[i]->f.name, name) == 0)
			return box.folder[i];
	return NULL;
}

static struct box_folder *
box_there(const char *name)
{
	struct box_folder *d = box_find(name);

	return d != NULL && d->f.exists ? d : NULL;
}

static void
box_sort(void)
{
	struct box_folder *d;

	for (size_t i = 1; i < box.n; i++)
		for (size_t k = i; k > 0 && strcmp(box.folder[k - 1]->f.name,
		    box.folder[k]->f.name) > 0; k--) {
			d = box.folder[k];
			box.folder[k] = box.folder[k - 1];
			box.folder[k - 1] = d;
		}
}

/* A name, which is no folder yet. */
static struct box_folder *
box_name(const char *name)
{
	struct box_folder *d = box_find(name);

	if (d != NULL || box.n == BOX_FOLDERS)
		return d;
	must((d = calloc(1, sizeof(*d))) != NULL);
	must(str_copy(d->f.name, sizeof(d->f.name), name) == 0);
	box.folder[box.n++] = d;
	box_sort();
	return d;
}

static void
box_begin(struct box_folder *d, uint32_t use)
{
	d->f.exists = true;
	d->f.use = use;
	d->f.id = ++box.last_id;
	d->f.validity = ++box.last_validity;
	d->f.uidnext = d->f.modseq = 1;
	d->n = d->ngone = 0;
	d->forgot = 0;
}

/* What is there is counted when it is asked for. */
static void
box_count(struct box_folder *d)
{
	d->f.messages = (uint32_t)d->n;
	d->f.unseen = 0;
	d->f.bytes = 0;
	for (size_t i = 0; i < d->n; i++) {
		d->f.unseen += (d->m[i].flags & FLAG_SEEN) == 0;
		d->f.bytes += box.record[d->m[i].record].len;
	}
}

static void
box_drop(struct box_folder *d)
{
	for (size_t i = 0; i < box.n; i++)
		if (box.folder[i] == d) {
			box.n--;
			memmove(&box.folder[i], &box.folder[i + 1],
			    (box.n - i) * sizeof(*box.folder));
			break;
		}
	free(d);
}

/* The folder goes, its name stays where it is subscribed to. */
static void
box_end(struct box_folder *d)
{
	d->f.exists = false;
	d->n = 0;
	if (!d->f.subscribed)
		box_drop(d);
}

/* BOX_RECORDS: there is no more room. */
static size_t
box_keep(const char *text, size_t len, int64_t time_ms)
{
	struct box_record *r = &box.record[box.nrecords];
	struct mime_tree t;

	if (box.nrecords == BOX_RECORDS)
		return BOX_RECORDS;
	*r = (struct box_record){ .len = len, .time_ms = time_ms };
	must((r->text = malloc(len > 0 ? len : 1)) != NULL);
	memcpy(r->text, text, len);
	buf_init(&r->envelope, MIME_SUMMARY_MAX);
	buf_init(&r->body, MIME_SUMMARY_MAX);
	must(mime_scan(r->text, len, &t) == 0);
	must(mime_envelope(r->text, &t.parts[0], &r->envelope) == 0);
	must(mime_bodystructure(r->text, &t, &r->body) == 0);
	mime_free(&t);
	return box.nrecords++;
}

static struct box_message *
box_add(struct box_folder *d, size_t record, uint32_t flags)
{
	struct box_message *g = &d->m[d->n];

	if (d->n == BOX_MESSAGES || record == BOX_RECORDS)
		return NULL;
	*g = (struct box_message){ .uid = d->f.uidnext++, .flags = flags,
	    .modseq = ++d->f.modseq, .record = record };
	d->n++;
	return g;
}

static void
box_remove(struct box_folder *d, size_t at)
{
	if (d->ngone == BOX_GONE) {
		d->forgot = d->gone[0].modseq;
		memmove(&d->gone[0], &d->gone[1],
		    --d->ngone * sizeof(*d->gone));
	}
	d->gone[d->ngone].uid = d->m[at].uid;
	d->gone[d->ngone++].modseq = ++d->f.modseq;
	d->n--;
	memmove(&d->m[at], &d->m[at + 1], (d->n - at) * sizeof(*d->m));
}

/* The first records stay for the next one: to parse them takes long. */
static void
box_free(void)
{
	for (size_t i = 0; i < box.n; i++)
		free(box.folder[i]);
	box.n = 0;
	for (size_t i = BOX_FIRST; i < box.nrecords; i++) {
		free(box.record[i].text);
		buf_free(&box.record[i].envelope);
		buf_free(&box.record[i].body);
	}
	box.nrecords = BOX_FIRST;
	box.last_id = box.asked = box.step = 0;
}

/* --- what others do, one thing with every so many questions --- */

static void
box_others(void)
{
	struct box_folder *in = box_there("INBOX"), *d;

	if (box.pace == 0 || ++box.asked % box.pace != 0 || in == NULL)
		return;
	switch (box.step++ % 7) {
	case 0:
	case 5:
		(void)box_add(in, 0, 0);
		break;
	case 1:
		if (in->n > 0) {
			in->m[0].flags ^= FLAG_FLAGGED;
			in->m[0].modseq = ++in->f.modseq;
		}
		break;
	case 2:
		if (in->n > 0)
			box_remove(in, 0);
		break;
	case 3:
		if (in->n > 1)
			box_remove(in, in->n / 2);
		(void)box_add(in, 1, FLAG_SEEN);
		if (in->n > 0)
			box_remove(in, in->n - 1);
		break;
	case 4:
		if (in->n > 2)
			in->m[in->n - 1].modseq = ++in->f.modseq;
		break;
	default:
		if ((d = box_there("Work")) != NULL)
			box_begin(d, 0);
		break;
	}
}

/* --- folders --- */

struct mailbox {
	char		 account[ADDRESS_MAX + 1];
};

int
mailbox_open(struct catalog *c, const char *account, struct mailbox **out)
{
	(void)c;
	must(strcmp(account, BOX_USER) == 0);
	must((*out = calloc(1, sizeof(**out))) != NULL);
	return str_copy((*out)->account, sizeof((*out)->account), account);
}

void
mailbox_close(struct mailbox *m)
{
	free(m);
}

int
mailbox_quota(struct mailbox *m, struct mailbox_quota *q)
{
	(void)m;
	*q = (struct mailbox_quota){ .limit = 1 << 20, .bytes = 4711,
	    .messages = 7 };
	return 0;
}

int
mailbox_folders(struct mailbox *m, mailbox_folder_fn fn, void *arg)
{
	int	 rc = 0;

	(void)m;
	for (size_t i = 0; rc == 0 && i < box.n; i++) {
		box_count(box.folder[i]);
		rc = fn(arg, &box.folder[i]->f);
	}
	return rc;
}

int
mailbox_status(struct mailbox *m, const char *folder, struct mailbox_folder *f)
{
	struct box_folder *d;

	(void)m;
	box_others();
	if ((d = box_there(folder)) == NULL)
		return CM_ENOINPUT;
	box_count(d);
	*f = d->f;
	return 0;
}

int
mailbox_create(struct mailbox *m, const char *folder, uint32_t use)
{
	struct box_folder *d;

	(void)m;
	if (box_there(folder) != NULL)
		return CM_EEXIST;
	if ((d = box_name(folder)) == NULL)
		return CM_ETOOBIG;
	box_begin(d, use);
	return 0;
}

int
mailbox_delete(struct mailbox *m, const char *folder)
{
	struct box_folder *d = box_there(folder);

	(void)m;
	if (strcmp(folder, "INBOX") == 0)
		return CM_EPERM;
	if (d == NULL)
		return CM_ENOINPUT;
	box_end(d);
	return 0;
}

/* All of it but name and subscription goes. */
static int
box_move(struct box_folder *from, const char *name)
{
	struct box_folder *to = box_name(name);
	bool		 subscribed;

	if (to == NULL)
		return CM_ETOOBIG;
	subscribed = to->f.subscribed;
	*to = *from;
	to->f.subscribed = subscribed;
	return str_copy(to->f.name, sizeof(to->f.name), name);
}

static int
box_rename_one(const char *old, const char *from, const char *to)
{
	char	 name[FOLDER_MAX + 1];
	int	 rc;

	if (str_fmt(name, sizeof(name), "%s%s", to, old + strlen(from)) != 0)
		return CM_ETOOBIG;
	if (box_there(name) != NULL)
		return CM_EEXIST;
	if ((rc = box_move(box_there(old), name)) == 0)
		box_end(box_there(old));
	return rc;
}

static bool
box_is_below(const char *name, const char *of)
{
	size_t	 n = strlen(of);

	return strncmp(name, of, n) == 0 && name[n] == '/';
}

/* Not all or none, as it ought to be. */
int
mailbox_rename(struct mailbox *m, const char *from, const char *to)
{
	char		 names[BOX_FOLDERS][FOLDER_MAX + 1];
	size_t		 n = 0;
	int		 rc = CM_ENOINPUT;

	(void)m;
	if (box_there(to) != NULL)
		return CM_EEXIST;
	if (strcmp(from, "INBOX") == 0) {
		if ((rc = box_move(box_there("INBOX"), to)) == 0)
			box_begin(box_there("INBOX"), 0);
		return rc;
	}
	if (box_is_below(to, from))
		return CM_EUSAGE;
	for (size_t i = 0; i < box.n; i++)
		if (box.folder[i]->f.exists &&
		    (strcmp(box.folder[i]->f.name, from) == 0 ||
		    box_is_below(box.folder[i]->f.name, from)))
			memcpy(names[n++], box.folder[i]->f.name,
			    FOLDER_MAX + 1);
	for (size_t i = 0; i < n; i++)
		if ((rc = box_rename_one(names[i], from, to)) != 0)
			return rc;
	return rc;
}

int
mailbox_subscribe(struct mailbox *m, const char *folder, bool on)
{
	struct box_folder *d = on ? box_name(folder) : box_find(folder);

	(void)m;
	if (d == NULL)
		return on ? CM_ETOOBIG : 0;
	d->f.subscribed = on;
	if (!on && !d->f.exists)
		box_drop(d);
	return 0;
}

/* --- messages --- */

static void
box_row(const struct box_message *g, unsigned what, struct mailbox_message *r)
{
	const struct box_record *c = &box.record[g->record];

	*r = (struct mailbox_message){ .uid = g->uid, .flags = g->flags,
	    .modseq = g->modseq,
	    .keywords = { g->keywords, strlen(g->keywords) } };
	if (what & MAILBOX_STORED) {
		must(str_copy(r->place.volume, sizeof(r->place.volume),
		    c->elsewhere ? "v2" : "v1") == 0);
		r->place.segment = 1;
		r->place.offset = (uint32_t)g->record;
		r->place.length = (uint32_t)c->len;
		r->size = (uint32_t)c->len;
		r->time_ms = c->time_ms;
	}
	if (what & MAILBOX_ENVELOPE)
		r->envelope = (struct span){ c->envelope.p, c->envelope.len };
	if (what & MAILBOX_BODY)
		r->body = (struct span){ c->body.p, c->body.len };
}

/* The folder, with that UIDVALIDITY or any. */
static int
box_open(const char *folder, uint32_t validity, struct box_folder **d)
{
	if ((*d = box_there(folder)) == NULL)
		return CM_ENOINPUT;
	box_count(*d);
	return validity == 0 || validity == (*d)->f.validity ? 0 : CM_ESTALE;
}

int
mailbox_list(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, uint64_t since, unsigned what,
    struct mailbox_folder *f, mailbox_fn fn, void *arg)
{
	struct box_folder *d;
	struct mailbox_message row;
	int		 rc = box_open(folder, validity, &d);

	(void)m;
	if (f != NULL && d != NULL)
		*f = d->f;
	for (size_t i = 0; rc == 0 && i < d->n; i++) {
		if ((uids != NULL && !imap_set_has(uids, d->m[i].uid)) ||
		    d->m[i].modseq <= since)
			continue;
		box_row(&d->m[i], what, &row);
		rc = fn(arg, &row);
	}
	return rc;
}

/* Words of b that are not in a. */
static int
box_words(struct buf *a, struct span b, struct span less)
{
	struct span	 f;

	while (b.p != NULL && str_field(&b, ' ', &f)) {
		if (f.len == 0 || flags_has(less, f) ||
		    flags_has((struct span){ a->p, a->len }, f))
			continue;
		if (a->len > 0)
			buf_addc(a, ' ');
		buf_add(a, f.p, f.len);
	}
	return a->err;
}

int
mailbox_uids(struct mailbox *m, const char *folder, uint32_t validity,
    struct mailbox_folder *f, struct mailbox_uids *u)
{
	struct span	 none = { "", 0 };
	struct box_folder *d;
	int		 rc = box_open(folder, validity, &d);

	(void)m;
	*u = (struct mailbox_uids){ .unseen = 0 };
	buf_init(&u->keywords, MAILBOX_KEYWORDS_MAX);
	buf_adds(&u->keywords, "");
	if (f != NULL && d != NULL)
		*f = d->f;
	for (size_t i = 0; rc == 0 && i < d->n; i++) {
		rc = imap_set_add(&u->uids, d->m[i].uid, d->m[i].uid);
		if (u->unseen == 0 && (d->m[i].flags & FLAG_SEEN) == 0)
			u->unseen = d->m[i].uid;
		if (rc == 0)
			rc = box_words(&u->keywords, (struct span){
			    d->m[i].keywords, strlen(d->m[i].keywords) },
			    none);
	}
	return rc;
}

void
mailbox_uids_free(struct mailbox_uids *u)
{
	imap_set_free(&u->uids);
	buf_free(&u->keywords);
}

/* --- changes --- */

static int
box_flag(struct box_folder *d, struct box_message *g,
    const struct mailbox_store *s)
{
	struct span	 none = { "", 0 }, had = { g->keywords,
			    strlen(g->keywords) };
	uint32_t	 flags = s->flags;
	struct buf	 b;
	int		 rc = 0;

	buf_init(&b, BOX_KEYWORDS - 1);
	buf_adds(&b, "");
	if (s->how == MAILBOX_ADD)
		flags |= g->flags;
	else if (s->how == MAILBOX_REMOVE)
		flags = g->flags & ~s->flags;
	if (s->how != MAILBOX_REPLACE)
		rc = box_words(&b, had, s->how == MAILBOX_REMOVE ?
		    s->keywords : none);
	if (rc == 0 && s->how != MAILBOX_REMOVE)
		rc = box_words(&b, s->keywords, none);
	if (rc == 0 && (flags != g->flags || b.len != had.len ||
	    memcmp(b.p, had.p, had.len) != 0)) {
		g->flags = flags;
		g->modseq = ++d->f.modseq;
		rc = str_ncopy(g->keywords, sizeof(g->keywords), b.p, b.len);
	}
	buf_free(&b);
	return rc;
}

int
mailbox_store(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, const struct mailbox_store *s, mailbox_fn fn,
    void *arg, struct imap_set *modified)
{
	struct mailbox_message row;
	struct box_folder *d;
	uint64_t	 was;
	int		 rc = box_open(folder, validity, &d);

	(void)m;
	if (modified != NULL)
		*modified = (struct imap_set){ .n = 0 };
	for (size_t i = 0; rc == 0 && i < d->n; i++) {
		if (!imap_set_has(uids, d->m[i].uid))
			continue;
		was = d->m[i].modseq;
		if (s->conditional && was > s->since) {
			if (modified != NULL)
				rc = imap_set_add(modified, d->m[i].uid,
				    d->m[i].uid);
			continue;
		}
		if ((rc = box_flag(d, &d->m[i], s)) != 0)
			break;
		box_row(&d->m[i], 0, &row);
		row.was = was;
		rc = fn(arg, &row);
	}
	return rc;
}

int
mailbox_expunge(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, struct imap_set *gone)
{
	struct box_folder *d;
	int		 rc = box_open(folder, validity, &d);

	(void)m;
	*gone = (struct imap_set){ .n = 0 };
	for (size_t i = 0; rc == 0 && i < d->n;) {
		if ((d->m[i].flags & FLAG_DELETED) == 0 || (uids != NULL &&
		    !imap_set_has(uids, d->m[i].uid))) {
			i++;
			continue;
		}
		rc = imap_set_add(gone, d->m[i].uid, d->m[i].uid);
		box_remove(d, i);
	}
	return rc;
}

static int
box_copy(struct box_folder *to, const struct box_message *was,
    struct mailbox_copied *c)
{
	struct box_message *g = box_add(to, was->record, was->flags);
	int		 rc;

	if (g == NULL)
		return CM_ESPACE;
	memcpy(g->keywords, was->keywords, sizeof(g->keywords));
	if ((rc = imap_set_append(&c->from, was->uid)) == 0)
		rc = imap_set_append(&c->to, g->uid);
	return rc;
}

int
mailbox_copy(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, const char *to, bool move,
    struct mailbox_copied *c)
{
	struct box_folder *d, *t = box_there(to);
	struct box_message was;
	size_t		 n;
	int		 rc = box_open(folder, validity, &d);

	(void)m;
	*c = (struct mailbox_copied){ .validity = 0 };
	if (rc == 0 && t == NULL)
		rc = CM_EEND;
	if (rc == 0)
		c->validity = t->f.validity;
	n = rc == 0 ? d->n : 0;
	for (size_t i = 0; rc == 0 && n > 0; n--) {
		was = d->m[i];
		if (!imap_set_has(uids, was.uid)) {
			i++;
			continue;
		}
		if ((rc = box_copy(t, &was, c)) == 0 && move)
			box_remove(d, i);
		else
			i++;
	}
	return rc;
}

void
mailbox_copied_free(struct mailbox_copied *c)
{
	imap_set_free(&c->from);
	imap_set_free(&c->to);
}

static int
box_by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int
mailbox_vanished(struct mailbox *m, const char *folder, uint32_t validity,
    uint64_t since, struct imap_set *gone)
{
	uint32_t	 uid[BOX_GONE];
	struct box_folder *d;
	size_t		 n = 0;
	int		 rc = box_open(folder, validity, &d);

	(void)m;
	*gone = (struct imap_set){ .n = 0 };
	if (rc == 0 && since < d->forgot)
		rc = CM_EEND;
	for (size_t i = 0; rc == 0 && i < d->ngone; i++)
		if (d->gone[i].modseq > since)
			uid[n++] = d->gone[i].uid;
	qsort(uid, n, sizeof(*uid), box_by_uid);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = imap_set_add(gone, uid[i], uid[i]);
	return rc;
}

/* --- records --- */

int
reader_open(const struct log *log, const struct conf *conf,
    struct reader **out)
{
	(void)log, (void)conf;
	*out = NULL;
	return 0;
}

void
reader_close(struct reader *r)
{
	(void)r;
}

int
reader_get(struct reader *r, const struct place *p, const struct ulid *id,
    struct reader_record *out)
{
	const struct box_record *c = &box.record[p->offset];

	(void)r;
	must(p->offset < box.nrecords && p->length == c->len && id != NULL);
	memset(out, 0, sizeof(*out));
	out->msg = (struct span){ c->text, c->len };
	return c->rc;
}

const char *
reader_node(struct reader *r, const char *volume)
{
	(void)r;
	return strcmp(volume, "v2") == 0 ? "n2" : NULL;
}

struct ahead_item {
	struct place	 place;
	struct ulid	 id;
};

int
ahead_open(const struct log *log, const struct conf *conf, struct ahead **out)
{
	(void)log, (void)conf;
	*out = NULL;
	return 0;
}

void
ahead_close(struct ahead *a)
{
	(void)a;
}

int
ahead_ask(struct ahead *a, const struct place *p, const struct ulid *id,
    struct ahead_item **out)
{
	(void)a;
	must((*out = malloc(sizeof(**out))) != NULL);
	**out = (struct ahead_item){ *p, *id };
	return 0;
}

int
ahead_take(struct ahead_item *i, struct reader_record *out)
{
	return reader_get(NULL, &i->place, &i->id, out);
}

void
ahead_drop(struct ahead_item *i)
{
	free(i);
}

#endif
