#include "cluster/mailbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cluster/rows.h"

#define RANGES		10000	/* of a set, in one request */
#define NUMBER_SIZE	24
#define CHANGE_MS	30000

struct mailbox {
	struct catalog	*catalog;
	char		 account[ADDRESS_MAX + 1];
};

int
mailbox_open(struct catalog *c, const char *account, struct mailbox **out)
{
	struct mailbox	*m;
	int		 rc;

	*out = NULL;
	if ((m = calloc(1, sizeof(*m))) == NULL)
		return CM_ENOMEM;
	m->catalog = c;
	if ((rc = str_copy(m->account, sizeof(m->account), account)) != 0) {
		free(m);
		return rc;
	}
	*out = m;
	return 0;
}

void
mailbox_close(struct mailbox *m)
{
	free(m);
}

/* --- lines of answers --- */

static int
next_number(struct span *line, uint64_t max, uint64_t *v)
{
	struct span	 f;

	if (!str_field(line, '\t', &f) || str_u64(f.p, f.len, max, v) != 0)
		return CM_EPROTO;
	return 0;
}

static int
next_u32(struct span *line, uint32_t *v)
{
	uint64_t	 n;
	int		 rc = next_number(line, UINT32_MAX, &n);

	*v = rc == 0 ? (uint32_t)n : 0;
	return rc;
}

/* What not all answers, and not those of older agents, have behind it. */
static int
folder_more(struct span *line, struct mailbox_folder *f)
{
	uint32_t	 subscribed = 0, exists = 1;

	f->id = f->use = 0;
	if (line->p != NULL && (next_u32(line, &f->id) != 0 ||
	    next_u32(line, &f->use) != 0))
		return CM_EPROTO;
	if (line->p != NULL && (next_u32(line, &subscribed) != 0 ||
	    next_u32(line, &exists) != 0))
		return CM_EPROTO;
	f->subscribed = subscribed != 0;
	f->exists = exists != 0;
	return 0;
}

static int
folder_of_line(struct span line, struct mailbox_folder *f)
{
	struct span	 name;
	struct buf	 b;
	int		 rc;

	if (!str_field(&line, '\t', &name))
		return CM_EPROTO;
	buf_init(&b, sizeof(f->name));
	rc = str_unpct(&b, name.p, name.len);
	if (rc == 0)
		rc = str_ncopy(f->name, sizeof(f->name), b.p, b.len);
	buf_free(&b);
	if (rc != 0 || next_u32(&line, &f->validity) != 0 ||
	    next_u32(&line, &f->uidnext) != 0 ||
	    next_u32(&line, &f->messages) != 0 ||
	    next_u32(&line, &f->unseen) != 0 ||
	    next_number(&line, UINT64_MAX, &f->bytes) != 0 ||
	    next_number(&line, UINT64_MAX, &f->modseq) != 0)
		return CM_EPROTO;
	return folder_more(&line, f);
}

/* Length, TAB, so many bytes, and a TAB when something follows. */
static int
next_text(struct span *line, struct span *text)
{
	uint64_t	 len;

	if (next_number(line, SIZE_MAX, &len) != 0 || line->p == NULL ||
	    len > line->len || (len < line->len && line->p[len] != '\t'))
		return CM_EPROTO;
	*text = (struct span){ line->p, (size_t)len };
	line->p += len;
	line->len -= (size_t)len;
	if (line->len > 0) {
		line->p++;
		line->len--;
	}
	return 0;
}

static int
next_stored(struct span *line, struct mailbox_message *m)
{
	struct span	 f;
	uint64_t	 ms, saved;

	if (!str_field(line, '\t', &f) || ulid_parse(f.p, f.len, &m->id) != 0 ||
	    !str_field(line, '\t', &f) ||
	    place_parse(f.p, f.len, &m->place) != 0 ||
	    next_u32(line, &m->size) != 0 ||
	    next_number(line, INT64_MAX, &ms) != 0 ||
	    next_number(line, INT64_MAX, &saved) != 0)
		return CM_EPROTO;
	m->time_ms = (int64_t)ms;
	m->saved_ms = (int64_t)saved;
	return 0;
}

static int
message_of_line(struct span *line, unsigned what, struct mailbox_message *m)
{
	int	 rc;

	if (next_u32(line, &m->uid) != 0 ||
	    next_number(line, UINT64_MAX, &m->modseq) != 0 ||
	    next_u32(line, &m->flags) != 0 ||
	    !str_field(line, '\t', &m->keywords))
		return CM_EPROTO;
	if (what & MAILBOX_STORED && (rc = next_stored(line, m)) != 0)
		return rc;
	if (what & MAILBOX_ENVELOPE &&
	    (rc = next_text(line, &m->envelope)) != 0)
		return rc;
	return what & MAILBOX_BODY ? next_text(line, &m->body) : 0;
}

static int
take_quota(void *arg, struct span line)
{
	struct mailbox_quota *q = arg;

	if (next_number(&line, UINT64_MAX, &q->limit) != 0 ||
	    next_number(&line, UINT64_MAX, &q->bytes) != 0)
		return CM_EPROTO;
	return next_u32(&line, &q->messages);
}

int
mailbox_quota(struct mailbox *m, struct mailbox_quota *q)
{
	const char	*words[] = { "quota", m->account, NULL };

	*q = (struct mailbox_quota){ .limit = 0 };
	return catalog_call(m->catalog, words, -1, CATALOG_CALL_MS,
	    take_quota, q);
}

/* --- folders --- */

struct folders {
	mailbox_folder_fn fn;
	void		*arg;
};

static int
take_folder(void *arg, struct span line)
{
	struct folders	*q = arg;
	struct mailbox_folder f;
	int		 rc;

	if ((rc = folder_of_line(line, &f)) != 0)
		return rc;
	return q->fn(q->arg, &f);
}

int
mailbox_folders(struct mailbox *m, mailbox_folder_fn fn, void *arg)
{
	const char	*words[] = { "folders", m->account, NULL };
	struct folders	 q = { fn, arg };

	return catalog_call(m->catalog, words, -1, CATALOG_CALL_MS,
	    take_folder, &q);
}

struct status {
	struct mailbox_folder *f;
	bool		 found;
};

static int
take_status(void *arg, struct span line)
{
	struct status	*q = arg;

	q->found = true;
	return folder_of_line(line, q->f);
}

int
mailbox_status(struct mailbox *m, const char *folder, struct mailbox_folder *f)
{
	const char	*words[] = { "folders", m->account, folder, NULL };
	struct status	 q = { .f = f };
	int		 rc;

	rc = catalog_call(m->catalog, words, -1, CATALOG_CALL_MS, take_status,
	    &q);
	return rc == 0 && !q.found ? CM_ENOINPUT : rc;
}

static int
no_line(void *arg, struct span line)
{
	(void)arg;
	(void)line;
	return 0;
}

static int
change(struct mailbox *m, const char *what, const char *folder,
    const char *more)
{
	const char	*words[] = { what, m->account, folder, more, NULL };

	return catalog_call(m->catalog, words, -1, CHANGE_MS, no_line, NULL);
}

/* It may have been done, or will not be. */
static bool
nobody_knows(int rc)
{
	return rc == CM_EAWAY || rc == CM_ETIMEOUT;
}

int
mailbox_create(struct mailbox *m, const char *folder, uint32_t use)
{
	struct mailbox_folder f;
	char	 number[NUMBER_SIZE];
	int	 rc;

	snprintf(number, sizeof(number), "%u", use);
	rc = change(m, "folder-add", folder, number);
	if (!nobody_knows(rc))
		return rc;
	rc = change(m, "folder-add", folder, number);
	return rc == CM_EEXIST && mailbox_status(m, folder, &f) == 0 &&
	    f.use == use ? 0 : rc;
}

int
mailbox_delete(struct mailbox *m, const char *folder)
{
	struct mailbox_folder f = { .validity = 0 };
	char	 number[NUMBER_SIZE];
	int	 known = mailbox_status(m, folder, &f);
	int	 rc = change(m, "folder-del", folder, NULL);

	if (!nobody_knows(rc) || known != 0)
		return rc;
	/* mail may have made one of that name since: it stays */
	snprintf(number, sizeof(number), "%u", f.validity);
	rc = change(m, "folder-del", folder, number);
	return rc == CM_ENOINPUT ? 0 : rc;
}

int
mailbox_rename(struct mailbox *m, const char *from, const char *to)
{
	struct mailbox_folder f = { .id = 0 }, now;
	int	 known = mailbox_status(m, from, &f);
	int	 rc = change(m, "folder-rename", from, to);

	if (!nobody_knows(rc) || known != 0)
		return rc;
	rc = change(m, "folder-rename", from, to);
	/* its id stays behind a rename */
	return (rc == CM_ENOINPUT || rc == CM_EEXIST) &&
	    mailbox_status(m, to, &now) == 0 && now.id == f.id ? 0 : rc;
}

int
mailbox_subscribe(struct mailbox *m, const char *folder, bool on)
{
	return change(m, "subscribe", folder, on ? "1" : "0");
}

/* --- messages --- */

struct listing {
	struct mailbox_folder f;	/* name "": not there */
	unsigned	 what;
	mailbox_fn	 fn;
	void		*arg;
	bool		 begun;		/* this request's folder was seen */
	bool		 stored;	/* of mailbox_store */
};

static int
take_message(void *arg, struct span line)
{
	struct listing	*q = arg;
	struct mailbox_message m = { .uid = 0 };
	struct mailbox_folder f;
	int		 rc;

	if (q->begun) {
		rc = message_of_line(&line, q->what, &m);
		if (rc == 0 && q->stored)
			rc = next_number(&line, UINT64_MAX, &m.was);
		return rc == 0 ? q->fn(q->arg, &m) : rc;
	}
	q->begun = true;
	if ((rc = folder_of_line(line, &f)) != 0)
		return rc;
	if (q->f.name[0] == '\0')
		q->f = f;
	/* another folder of that name, between two requests */
	return q->f.validity == f.validity ? 0 : CM_ESTALE;
}

/* What came of a request that begins with the folder's line. */
static int
after(const struct listing *l, uint32_t validity, int rc)
{
	if (rc != 0)
		return rc;
	if (!l->begun)
		return CM_ENOINPUT;
	return validity == 0 || validity == l->f.validity ? 0 : CM_ESTALE;
}

/* One request, of ranges that fit into it. */
static int
list_some(struct mailbox *m, const char *folder, uint32_t validity,
    const char *uids, uint64_t since, struct listing *q)
{
	char		 v[NUMBER_SIZE], s[NUMBER_SIZE], w[NUMBER_SIZE];
	const char	*words[] = { "messages", m->account, folder, v, s, w,
			    uids, NULL };
	int		 rc;

	snprintf(v, sizeof(v), "%u", validity);
	snprintf(s, sizeof(s), "%llu", (unsigned long long)since);
	snprintf(w, sizeof(w), "%u", q->what);
	q->begun = false;
	rc = catalog_call(m->catalog, words, -1, CATALOG_CALL_MS,
	    take_message, q);
	return after(q, validity, rc);
}

static int
list_set(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, uint64_t since, struct listing *q)
{
	struct imap_set	 some;
	struct buf	 text;
	size_t		 at = 0;
	int		 rc = 0;

	buf_init(&text, RANGES * NUMBER_SIZE);
	while (rc == 0 && at < uids->n) {
		some = (struct imap_set){ .r = uids->r + at,
		    .n = uids->n - at < RANGES ? uids->n - at : RANGES };
		at += some.n;
		buf_reset(&text);
		if ((rc = imap_set_write(&text, &some)) == 0)
			rc = list_some(m, folder, validity, text.p, since, q);
		/* what follows has to be of the same folder */
		if (rc == 0)
			validity = q->f.validity;
	}
	buf_free(&text);
	return rc;
}

int
mailbox_list(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, uint64_t since, unsigned what,
    struct mailbox_folder *f, mailbox_fn fn, void *arg)
{
	struct listing	 q = { .what = what, .fn = fn, .arg = arg };
	int		 rc;

	if (uids == NULL)
		rc = list_some(m, folder, validity, "", since, &q);
	else if (uids->n > 0)
		rc = list_set(m, folder, validity, uids, since, &q);
	else if ((rc = mailbox_status(m, folder, &q.f)) == 0 &&
	    validity != 0 && validity != q.f.validity)
		rc = CM_ESTALE;
	if (f != NULL)
		*f = q.f;
	return rc;
}

/* --- changes --- */

struct storing {
	struct listing	 l;
	struct imap_set	*modified;
};

/* Of a folder, of a message, or "-UID". */
static int
take_stored(void *arg, struct span line)
{
	struct storing	*q = arg;
	uint64_t	 uid;

	if (!q->l.begun || line.len == 0 || line.p[0] != '-')
		return take_message(&q->l, line);
	if (str_u64(line.p + 1, line.len - 1, UINT32_MAX, &uid) != 0)
		return CM_EPROTO;
	return q->modified == NULL ? 0 :
	    imap_set_add(q->modified, (uint32_t)uid, (uint32_t)uid);
}

/* "" stands for all, and so an empty set is none of these. */
static int
write_uids(struct buf *b, const struct imap_set *uids)
{
	buf_init(b, RANGES * NUMBER_SIZE);
	buf_adds(b, "");
	if (uids != NULL && uids->n > RANGES)
		return CM_ETOOBIG;
	return uids != NULL ? imap_set_write(b, uids) : 0;
}

static int
check_folder(struct mailbox *m, const char *folder, uint32_t validity)
{
	struct mailbox_folder f;
	int		 rc = mailbox_status(m, folder, &f);

	if (rc == 0 && validity != 0 && validity != f.validity)
		rc = CM_ESTALE;
	return rc;
}

int
mailbox_store(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, const struct mailbox_store *s, mailbox_fn fn,
    void *arg, struct imap_set *modified)
{
	static const char *const how[] = { "add", "del", "set" };
	char		 v[NUMBER_SIZE], since[NUMBER_SIZE] = "";
	struct storing	 q = { .l = { .fn = fn, .arg = arg, .stored = true },
			    .modified = modified };
	struct buf	 set, flags;
	int		 rc;

	if (modified != NULL)
		*modified = (struct imap_set){ .n = 0 };
	if (uids->n == 0)
		return check_folder(m, folder, validity);
	snprintf(v, sizeof(v), "%u", validity);
	if (s->conditional)
		snprintf(since, sizeof(since), "%llu",
		    (unsigned long long)s->since);
	buf_init(&flags, 65536);
	buf_adds(&flags, "");
	flags_write(&flags, s->flags, s->keywords);
	if ((rc = write_uids(&set, uids)) == 0 && (rc = flags.err) == 0) {
		const char *words[] = { "store", m->account, folder, v, since,
		    how[s->how], flags.p, set.p, NULL };

		rc = after(&q.l, validity, catalog_call(m->catalog, words, -1,
		    CHANGE_MS, take_stored, &q));
	}
	buf_free(&flags);
	buf_free(&set);
	return rc;
}

struct expunging {
	struct listing	 l;
	struct imap_set	*gone;
};

static int
take_gone(void *arg, struct span line)
{
	struct expunging *q = arg;
	uint32_t	 uid;

	if (!q->l.begun)
		return take_message(&q->l, line);
	if (next_u32(&line, &uid) != 0)
		return CM_EPROTO;
	return imap_set_add(q->gone, uid, uid);
}

int
mailbox_expunge(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, struct imap_set *gone)
{
	char		 v[NUMBER_SIZE];
	struct expunging q = { .gone = gone };
	struct buf	 set;
	int		 rc;

	*gone = (struct imap_set){ .n = 0 };
	if (uids != NULL && uids->n == 0)
		return check_folder(m, folder, validity);
	snprintf(v, sizeof(v), "%u", validity);
	if ((rc = write_uids(&set, uids)) == 0) {
		const char *words[] = { "expunge-set", m->account, folder, v,
		    set.p, NULL };

		rc = after(&q.l, validity, catalog_call(m->catalog, words, -1,
		    CHANGE_MS, take_gone, &q));
	}
	buf_free(&set);
	return rc;
}

struct copying {
	struct listing	 l;
	struct mailbox_copied *c;
};

/* The folder, the target's UIDVALIDITY, then two UIDs a line. */
static int
take_copied(void *arg, struct span line)
{
	struct copying	*q = arg;
	uint32_t	 from, to;
	int		 rc;

	if (!q->l.begun)
		return take_message(&q->l, line);
	if (next_u32(&line, &from) != 0)
		return CM_EPROTO;
	if (line.p == NULL) {
		q->c->validity = from;
		return 0;
	}
	if (next_u32(&line, &to) != 0)
		return CM_EPROTO;
	if ((rc = imap_set_append(&q->c->from, from)) == 0)
		rc = imap_set_append(&q->c->to, to);
	return rc;
}

static int
copy_none(struct mailbox *m, const char *folder, uint32_t validity,
    const char *to, struct mailbox_copied *c)
{
	struct mailbox_folder f;
	int		 rc;

	if ((rc = check_folder(m, folder, validity)) != 0)
		return rc;
	if ((rc = mailbox_status(m, to, &f)) == 0)
		c->validity = f.validity;
	return rc != CM_ENOINPUT ? rc : strcasecmp(to, "INBOX") == 0 ? 0 :
	    CM_EEND;
}

int
mailbox_copy(struct mailbox *m, const char *folder, uint32_t validity,
    const struct imap_set *uids, const char *to, bool move,
    struct mailbox_copied *c)
{
	char		 v[NUMBER_SIZE];
	struct copying	 q = { .c = c };
	struct buf	 set;
	int		 rc;

	*c = (struct mailbox_copied){ .validity = 0 };
	if (uids->n == 0)
		return copy_none(m, folder, validity, to, c);
	snprintf(v, sizeof(v), "%u", validity);
	if ((rc = write_uids(&set, uids)) == 0) {
		const char *words[] = { "copy", m->account, folder, v, set.p,
		    to, move ? "move" : "copy", NULL };

		rc = after(&q.l, validity, catalog_call(m->catalog, words, -1,
		    CHANGE_MS, take_copied, &q));
	}
	buf_free(&set);
	return rc;
}

void
mailbox_copied_free(struct mailbox_copied *c)
{
	imap_set_free(&c->from);
	imap_set_free(&c->to);
}

/* --- what is gone --- */

struct vanishing {
	struct listing	 l;
	struct buf	 ranges;
};

static int
take_vanished(void *arg, struct span line)
{
	struct vanishing *q = arg;

	if (!q->l.begun)
		return take_message(&q->l, line);
	if (q->ranges.len > 0)
		buf_addc(&q->ranges, ',');
	return buf_add(&q->ranges, line.p, line.len);
}

int
mailbox_vanished(struct mailbox *m, const char *folder, uint32_t validity,
    uint64_t since, struct imap_set *gone)
{
	char		 v[NUMBER_SIZE], s[NUMBER_SIZE];
	const char	*words[] = { "vanished", m->account, folder, v, s,
			    NULL };
	struct vanishing q = { .l = { .what = 0 } };
	int		 rc;

	*gone = (struct imap_set){ .n = 0 };
	snprintf(v, sizeof(v), "%u", validity);
	snprintf(s, sizeof(s), "%llu", (unsigned long long)since);
	buf_init(&q.ranges, IMAP_SET_MAX * NUMBER_SIZE);
	rc = after(&q.l, validity, catalog_call(m->catalog, words, -1,
	    CATALOG_CALL_MS, take_vanished, &q));
	if (rc == 0 && q.ranges.len > 0 && imap_set_parse((struct span){
	    q.ranges.p, q.ranges.len }, gone) != 0)
		rc = CM_EPROTO;
	imap_set_resolve(gone, UINT32_MAX);
	buf_free(&q.ranges);
	return rc;
}

/* --- which are there --- */

struct numbering {
	struct listing	 l;
	struct mailbox_uids *u;
};

/* A range, or "-UID" and keywords. */
static int
take_uids(void *arg, struct span line)
{
	struct numbering *q = arg;
	struct mailbox_uids *u = q->u;
	struct span	 from, to;
	uint64_t	 a, b;

	if (!q->l.begun)
		return take_message(&q->l, line);
	if (line.len > 0 && line.p[0] == '-') {
		line.p++;
		line.len--;
		if (next_u32(&line, &u->unseen) != 0)
			return CM_EPROTO;
		return buf_add(&u->keywords, line.p, line.len);
	}
	to = line;
	if (!str_field(&to, ':', &from) || to.p == NULL ||
	    str_u64(from.p, from.len, UINT32_MAX, &a) != 0 ||
	    str_u64(to.p, to.len, UINT32_MAX, &b) != 0 || a == 0 || a > b)
		return CM_EPROTO;
	return imap_set_add(&u->uids, (uint32_t)a, (uint32_t)b);
}

int
mailbox_uids(struct mailbox *m, const char *folder, uint32_t validity,
    struct mailbox_folder *f, struct mailbox_uids *u)
{
	char		 v[NUMBER_SIZE];
	const char	*words[] = { "uids", m->account, folder, v, NULL };
	struct numbering q = { .l = { .what = 0 }, .u = u };
	int		 rc;

	*u = (struct mailbox_uids){ .unseen = 0 };
	buf_init(&u->keywords, MAILBOX_KEYWORDS_MAX);
	snprintf(v, sizeof(v), "%u", validity);
	rc = after(&q.l, validity, catalog_call(m->catalog, words, -1,
	    CATALOG_CALL_MS, take_uids, &q));
	if (f != NULL)
		*f = q.l.f;
	return rc;
}

void
mailbox_uids_free(struct mailbox_uids *u)
{
	imap_set_free(&u->uids);
	buf_free(&u->keywords);
}
