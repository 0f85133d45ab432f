/*
 * What the agent answers to who reads a mailbox: its folders, and messages with
 * what IMAP's FETCH wants to know of them.
 */
#include <string.h>

#include "cluster/account.h"
#include "cluster/agent_cmds.h"
#include "cluster/folder.h"
#include "cluster/mailbox.h"
#include "cluster/vanished.h"
#include "format/address.h"

#define NAMES_MAX	(64u << 20)	/* bytes of subscribed names */

/* A request's mailbox and folder. */
struct mailbox_walk {
	struct session	*c;
	const char	*only;		/* folder, or NULL */
	char		 folder[FOLDER_MAX + 1];
	struct row_account account;
	/* of messages */
	struct row_folder f;
	const struct imap_set *uids;	/* NULL: all */
	uint64_t	 since;
	unsigned	 what;
	struct kv_near	*records;	/* NULL: nothing of them is asked */
};

void
agent_add_folder(struct buf *o, struct span name, const struct row_folder *f)
{
	buf_addc(o, '=');
	str_pct(o, name.p, name.len, "");
	buf_addf(o, "\t%u\t%u\t%u\t%u\t%llu\t%llu\t%u\t%u\n", f->validity,
	    f->uidnext, f->messages, f->unseen, (unsigned long long)f->bytes,
	    (unsigned long long)f->modseq, f->id, f->use);
}

/* With "TAB subscribed TAB exists"; f NULL: the name alone is there. */
static int
say_folder(struct session *c, struct span name, const struct row_folder *f,
    bool subscribed)
{
	static const struct row_folder	 none;
	struct buf			*o = &c->s.out;

	agent_add_folder(o, name, f != NULL ? f : &none);
	if (o->err == 0)
		o->len--;
	buf_addf(o, "\t%d\t%d\n", subscribed, f != NULL);
	return agent_flush(c, AGENT_FLUSH);
}

static int
find_account(struct mailbox_walk *w)
{
	struct session	*c = w->c;
	struct buf	 raw;
	char		 name[ADDRESS_MAX + 1];
	int		 rc;

	if (address_key(c->arg[1], strlen(c->arg[1]), name) != 0)
		return CM_ENOUSER;
	if (c->nargs > 2 && folder_name(c->arg[2], strlen(c->arg[2]),
	    w->folder) == 0)
		w->only = w->folder;
	buf_init(&raw, ROW_MAX);
	rc = account_get(&c->a->db, NULL, name, &raw, &w->account);
	buf_free(&raw);
	return rc;
}

/* Folders and subscribed names, both in the order of their bytes. */
struct folder_list {
	struct session	*c;
	struct buf	 names;		/* subscribed, with LF behind each */
	struct span	 rest;		/* of them */
};

static int
add_subscribed(void *arg, struct span k, struct span v)
{
	struct folder_list	*l = arg;

	(void)v;
	if (k.len < 4)
		return CM_ECORRUPT;
	buf_add(&l->names, k.p + 4, k.len - 4);
	return buf_addc(&l->names, '\n');
}

static int
compare(struct span a, struct span b)
{
	int	 n = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return n != 0 ? n : a.len < b.len ? -1 : a.len > b.len;
}

/* Those that come before a folder (NULL: all); *same: it is one itself. */
static int
say_subscribed(struct folder_list *l, const struct span *before, bool *same)
{
	struct span	 rest, name;
	int		 n, rc;

	*same = false;
	while (l->rest.len > 0) {
		rest = l->rest;
		if (!str_field(&rest, '\n', &name))
			break;
		n = before != NULL ? compare(name, *before) : -1;
		if (n > 0)
			break;
		l->rest = rest;
		*same = n == 0;
		if (*same)
			break;
		if ((rc = say_folder(l->c, name, NULL, true)) != 0)
			return rc;
	}
	return 0;
}

static int
list_folder(void *arg, struct span k, struct span v)
{
	struct folder_list	*l = arg;
	struct row_folder	 f;
	struct span		 name;
	bool			 subscribed;
	int			 rc;

	if (k.len < 4 || row_folder_get(v, &f) != 0)
		return CM_ECORRUPT;
	name = (struct span){ k.p + 4, k.len - 4 };
	rc = say_subscribed(l, &name, &subscribed);
	return rc != 0 ? rc : say_folder(l->c, name, &f, subscribed);
}

static int
list_folders(struct session *c, uint32_t account)
{
	struct folder_list l = { .c = c };
	char		 key[4];
	bool		 none;
	int		 rc;

	buf_init(&l.names, NAMES_MAX);
	if ((rc = kv_walk(c->a->db.subscribed, NULL, key_u32(key, account), 4,
	    add_subscribed, &l)) == 0) {
		l.rest = (struct span){ l.names.p, l.names.len };
		rc = kv_walk(c->a->db.folders, NULL, key_u32(key, account), 4,
		    list_folder, &l);
	}
	if (rc == 0)
		rc = say_subscribed(&l, NULL, &none);
	buf_free(&l.names);
	return rc;
}

/* One, when it is there. */
static int
find_folder(struct mailbox_walk *w)
{
	struct catdb	*d = &w->c->a->db;
	struct span	 name = { w->only, 0 };
	bool		 subscribed;
	int		 rc;

	if (w->only == NULL)
		return CM_ENOINPUT;
	name.len = strlen(w->only);
	if ((rc = account_folder_get(d, NULL, w->account.id, name,
	    &w->f)) != 0 || (rc = folder_subscribed(d, NULL, w->account.id,
	    name, &subscribed)) != 0)
		return rc;
	return say_folder(w->c, name, &w->f, subscribed);
}

/* folders MAILBOX [FOLDER]: all of them, and names that are subscribed to, or
 * that one when it is there. */
int
agent_cmd_folders(struct session *c)
{
	struct mailbox_walk w = { .c = c };
	int		 rc;

	if ((rc = find_account(&w)) != 0)
		return rc;
	if (c->nargs == 2)
		return list_folders(c, w.account.id);
	rc = find_folder(&w);
	return rc == CM_ENOINPUT ? 0 : rc;
}

/* quota MAILBOX: its limit in bytes (0: none), bytes and messages. */
int
agent_cmd_quota(struct session *c)
{
	struct mailbox_walk w = { .c = c };
	int		 rc = find_account(&w);

	if (rc == 0)
		rc = buf_addf(&c->s.out, "=%llu\t%llu\t%u\n",
		    (unsigned long long)w.account.quota,
		    (unsigned long long)w.account.bytes, w.account.messages);
	return rc;
}

/* TAB length TAB bytes: any byte but LF may be in them. */
static void
say_text(struct buf *o, struct span s)
{
	buf_addc(o, '\t');
	buf_addu(o, s.len, 0);
	buf_addc(o, '\t');
	buf_add(o, s.p, s.len);
}

static void
say_stored(struct buf *o, const struct row_message *m)
{
	char	 id[ULID_LEN + 1];

	ulid_text(&m->id, id);
	buf_addc(o, '\t');
	buf_add(o, id, ULID_LEN);
	buf_addc(o, '\t');
	place_write(o, &m->place);
	buf_addc(o, '\t');
	buf_addu(o, m->size, 0);
	buf_addf(o, "\t%lld\t", (long long)m->time_ms);
	buf_addu(o, (uint64_t)(m->saved_ms != 0 ? m->saved_ms :
	    ulid_ms(&m->id)), 0);
}

/* The record of a message; CM_ENOINPUT: it went just now. */
static int
find_record(struct mailbox_walk *w, const struct row_message *m,
    struct row_record *r)
{
	struct span	 key = { (const char *)m->id.b, sizeof(m->id.b) };
	struct span	 v;
	int		 rc;

	if (w->records == NULL)
		return 0;
	rc = kv_near_get(w->records, key, &v);
	return rc != 0 ? rc : row_record_get(v, r);
}

static int
say_message(void *arg, struct span k, struct span v)
{
	struct mailbox_walk	*w = arg;
	struct buf		*o = &w->c->s.out;
	struct row_message	 m;
	struct row_record	 r;
	struct row_ref		 ref;
	int			 rc;

	if (key_message_parse(k, &ref) != 0 || row_message_get(v, &m) != 0)
		return CM_ECORRUPT;
	if (m.modseq <= w->since)
		return 0;
	if ((rc = find_record(w, &m, &r)) != 0)
		return rc == CM_ENOINPUT ? 0 : rc;
	buf_addc(o, '=');
	buf_addu(o, ref.uid, 0);
	buf_addc(o, '\t');
	buf_addu(o, m.modseq, 0);
	buf_addc(o, '\t');
	buf_addu(o, m.flags, 0);
	buf_addc(o, '\t');
	buf_add(o, m.keywords.p, m.keywords.len);
	if (w->what & MAILBOX_STORED)
		say_stored(o, &m);
	if (w->what & MAILBOX_ENVELOPE)
		say_text(o, r.envelope);
	if (w->what & MAILBOX_BODY)
		say_text(o, r.body);
	buf_addc(o, '\n');
	return agent_flush(w->c, AGENT_FLUSH);
}

/* --- sets of UIDs --- */

#define NEAR	200		/* UIDs that are walked over, not sought */

struct uid_walk {
	const struct imap_set *uids;
	size_t		 at;		/* the range that comes next */
	kv_fn		 fn;
	void		*arg;
};

/* 1: the next range is far away, or there is none. */
static int
walk_step(void *arg, struct span k, struct span v)
{
	struct uid_walk	*w = arg;
	struct row_ref	 ref;

	if (key_message_parse(k, &ref) != 0)
		return CM_ECORRUPT;
	while (w->at < w->uids->n && w->uids->r[w->at].to < ref.uid)
		w->at++;
	if (w->at == w->uids->n)
		return 1;
	if (w->uids->r[w->at].from > ref.uid)
		return w->uids->r[w->at].from - ref.uid > NEAR;
	return w->fn(w->arg, k, v);
}

int
agent_walk_uids(struct catdb *d, struct kv_txn *x, uint32_t account,
    uint32_t folder, const struct imap_set *uids, kv_fn fn, void *arg)
{
	struct imap_range all[] = { { 1, UINT32_MAX } };
	const struct imap_set whole = { .r = all, .n = 1 };
	struct uid_walk	 w = { uids != NULL ? uids : &whole, 0, fn, arg };
	struct row_ref	 ref = { account, folder, 0 };
	char		 key[12];
	int		 rc = 1;

	while (rc == 1 && w.at < w.uids->n) {
		ref.uid = w.uids->r[w.at].from;
		rc = kv_walk(d->messages, x, key_message(key, &ref), 8,
		    walk_step, &w);
	}
	return rc < 0 ? rc : 0;
}

static int
say_messages(struct mailbox_walk *w, uint32_t validity)
{
	int	 rc;

	if ((rc = find_folder(w)) != 0 ||
	    (validity != 0 && validity != w->f.validity))
		return rc == CM_ENOINPUT ? 0 : rc;
	return agent_walk_uids(&w->c->a->db, NULL, w->account.id, w->f.id,
	    w->uids, say_message, w);
}

/*
 * messages MAILBOX FOLDER UIDVALIDITY SINCE WHAT UIDS: the folder's line, when
 * it is there, and when its UIDVALIDITY is that one (0: any) its messages with
 * a higher modseq than SINCE.  WHAT: bits of mailbox.h; UIDS: a set, "" is all.
 */
int
agent_cmd_messages(struct session *c)
{
	struct mailbox_walk w = { .c = c };
	struct imap_set	 uids = { .n = 0 };
	struct span	 set = { c->arg[6], strlen(c->arg[6]) };
	uint64_t	 validity, what;
	int		 rc = 0;

	if (str_u64(c->arg[3], strlen(c->arg[3]), UINT32_MAX, &validity) != 0 ||
	    str_u64(c->arg[4], strlen(c->arg[4]), UINT64_MAX, &w.since) != 0 ||
	    str_u64(c->arg[5], strlen(c->arg[5]), UINT32_MAX, &what) != 0)
		return agent_say(c, CM_EDATA, "not a number");
	if (set.len > 0 && (rc = imap_set_parse(set, &uids)) != 0)
		return agent_say(c, rc, "not a set of UIDs");
	imap_set_resolve(&uids, UINT32_MAX);
	w.uids = set.len > 0 ? &uids : NULL;
	w.what = (unsigned)what;
	if (w.what & (MAILBOX_ENVELOPE | MAILBOX_BODY) && (w.records =
	    kv_near_new(c->a->db.records)) == NULL)
		rc = CM_ENOMEM;
	if (rc == 0 && (rc = find_account(&w)) == 0)
		rc = say_messages(&w, (uint32_t)validity);
	kv_near_free(w.records);
	imap_set_free(&uids);
	return rc;
}

static int
say_vanished(void *arg, uint32_t from, uint32_t to)
{
	struct mailbox_walk	*w = arg;

	buf_addf(&w->c->s.out, "=%u:%u\n", from, to);
	return agent_flush(w->c, AGENT_FLUSH);
}

/*
 * vanished MAILBOX FOLDER UIDVALIDITY SINCE: the folder's line, as with
 * messages, and ranges of UIDs that are gone with a higher modseq than SINCE.
 * CM_EEND: that is not known so far back.
 */
int
agent_cmd_vanished(struct session *c)
{
	struct mailbox_walk w = { .c = c };
	uint64_t	 validity;
	int		 rc;

	if (str_u64(c->arg[3], strlen(c->arg[3]), UINT32_MAX, &validity) != 0 ||
	    str_u64(c->arg[4], strlen(c->arg[4]), UINT64_MAX, &w.since) != 0)
		return agent_say(c, CM_EDATA, "not a number");
	if ((rc = find_account(&w)) != 0 || (rc = find_folder(&w)) != 0 ||
	    (validity != 0 && validity != w.f.validity))
		return rc == CM_ENOINPUT ? 0 : rc;
	rc = vanished_walk(&c->a->db, NULL, w.account.id, w.f.id, w.since,
	    say_vanished, &w);
	/* nothing at all has changed since */
	return rc == CM_EEND && w.since >= w.f.modseq ? 0 : rc;
}

/* --- UIDs alone --- */

struct uid_ranges {
	struct session	*c;
	struct imap_range now;		/* from 0: none yet */
	uint32_t	 unseen;	/* the first one, or 0 */
	struct buf	 keywords;
};

static int
say_range(struct uid_ranges *u)
{
	if (u->now.from == 0)
		return 0;
	buf_addc(&u->c->s.out, '=');
	buf_addu(&u->c->s.out, u->now.from, 0);
	buf_addc(&u->c->s.out, ':');
	buf_addu(&u->c->s.out, u->now.to, 0);
	buf_addc(&u->c->s.out, '\n');
	return agent_flush(u->c, AGENT_FLUSH);
}

static void
add_keywords(struct buf *all, struct span words)
{
	struct span	 w;

	while (words.len > 0 && str_field(&words, ' ', &w)) {
		if (w.len == 0 || all->len + w.len >= MAILBOX_KEYWORDS_MAX ||
		    flags_has((struct span){ all->p, all->len }, w))
			continue;
		if (all->len > 0)
			buf_addc(all, ' ');
		buf_add(all, w.p, w.len);
	}
}

static int
add_uid(void *arg, struct span k, struct span v)
{
	struct uid_ranges	*u = arg;
	struct row_message	 m;
	struct row_ref		 ref;
	int			 rc;

	if (key_message_parse(k, &ref) != 0 || row_message_get(v, &m) != 0)
		return CM_ECORRUPT;
	if (u->unseen == 0 && !(m.flags & FLAG_SEEN))
		u->unseen = ref.uid;
	if (m.keywords.len > 0)
		add_keywords(&u->keywords, m.keywords);
	if (u->now.from != 0 && ref.uid == u->now.to + 1) {
		u->now.to = ref.uid;
		return 0;
	}
	rc = say_range(u);
	u->now = (struct imap_range){ ref.uid, ref.uid };
	return rc;
}

static int
say_uids(struct mailbox_walk *w)
{
	struct uid_ranges u = { .c = w->c };
	int		 rc;

	buf_init(&u.keywords, MAILBOX_KEYWORDS_MAX);
	rc = agent_walk_uids(&w->c->a->db, NULL, w->account.id, w->f.id, NULL,
	    add_uid, &u);
	if (rc == 0 && (rc = say_range(&u)) == 0) {
		buf_addf(&w->c->s.out, "=-%u\t", u.unseen);
		buf_add(&w->c->s.out, u.keywords.p, u.keywords.len);
		buf_addc(&w->c->s.out, '\n');
	}
	buf_free(&u.keywords);
	return rc;
}

/*
 * uids MAILBOX FOLDER UIDVALIDITY: the folder's line, as with messages; ranges
 * of UIDs that are there; "-", the first UID without \Seen or 0, and keywords.
 */
int
agent_cmd_uids(struct session *c)
{
	struct mailbox_walk w = { .c = c };
	uint64_t	 validity;
	int		 rc;

	if (str_u64(c->arg[3], strlen(c->arg[3]), UINT32_MAX, &validity) != 0)
		return agent_say(c, CM_EDATA, "not a number");
	if ((rc = find_account(&w)) != 0)
		return rc;
	if ((rc = find_folder(&w)) != 0 ||
	    (validity != 0 && validity != w.f.validity))
		return rc == CM_ENOINPUT ? 0 : rc;
	return say_uids(&w);
}
