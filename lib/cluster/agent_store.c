/*
 * What IMAP's sessions change of messages: flags of many, their copies, and
 * the end of those that are \Deleted.  A request is one transaction, and has
 * the folder's line, as of "folders", in its answer when the folder is there;
 * nothing is done when that has another UIDVALIDITY than was meant.
 */
#include <stdlib.h>
#include <string.h>

#include "cluster/account_view.h"
#include "cluster/agent_cmds.h"
#include "cluster/change.h"
#include "cluster/change_copy.h"
#include "format/address.h"

#define UIDS_MAX	1000000		/* changed by one request */
#define ANSWER_MAX	(256u << 20)
#define WORDS_MAX	8000	/* of keywords; dumps have 8192 with flags */
#define ALL_FLAGS	(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | \
			    FLAG_DELETED | FLAG_DRAFT)
#define COPIES_MAX	1000		/* of a message, in its mailbox */

struct many {
	const char	*folder;
	char		 mailbox[ADDRESS_MAX + 1];
	uint32_t	 validity;	/* 0: any */
	const struct imap_set *uids;	/* NULL: all */
	/* of flags */
	enum { ADD, DEL, SET } how;
	struct account_words words;
	struct buf	 keywords;	/* of words */
	bool		 conditional;
	uint64_t	 since;
	/* of copies; to NULL: these are none */
	const char	*to;
	bool		 move;
	/* of this run: a transaction may be tried again */
	struct row_folder f;
	uint32_t	*uid;
	size_t		 n, cap;
	uint64_t	 bytes;		/* of what is to be copied */
	int		 refused;	/* nothing was done, for that reason */
	struct account_view view;
	struct buf	 raw, now, clear;	/* of the message at hand */
	struct buf	 answer;
};

/* --- which messages --- */

static int
note_uid(void *arg, struct span k, struct span v)
{
	struct many	*q = arg;
	struct row_message m;
	struct row_ref	 ref;
	uint32_t	*u;
	size_t		 cap = q->cap > 0 ? 2 * q->cap : 64;

	if (key_message_parse(k, &ref) != 0 || row_message_get(v, &m) != 0)
		return CM_ECORRUPT;
	q->bytes += m.size;
	if (q->n == q->cap) {
		if (q->n >= UIDS_MAX)
			return CM_ETOOBIG;
		if ((u = realloc(q->uid, cap * sizeof(*u))) == NULL)
			return CM_ENOMEM;
		q->uid = u;
		q->cap = cap;
	}
	q->uid[q->n++] = ref.uid;
	return 0;
}

/* Those of the set that are there; CM_EEND: the folder is not the one. */
static int
find_all(struct catdb *d, struct kv_txn *x, struct many *q)
{
	struct row_account a;
	struct span	 name = { q->folder, strlen(q->folder) };
	struct buf	 raw;
	int		 rc;

	q->n = 0;
	q->bytes = 0;
	q->refused = 0;
	buf_reset(&q->answer);
	buf_init(&raw, ROW_MAX);
	rc = account_get(d, x, q->mailbox, &raw, &a);
	buf_free(&raw);
	if (rc == 0)
		rc = account_folder_get(d, x, a.id, name, &q->f);
	if (rc == CM_ENOINPUT)
		return CM_EEND;
	if (rc != 0)
		return rc;
	agent_add_folder(&q->answer, name, &q->f);
	if (q->validity != 0 && q->validity != q->f.validity)
		return CM_EEND;
	return agent_walk_uids(d, x, a.id, q->f.id, q->uids, note_uid, q);
}

/* Half a request is none: the transaction is taken back. */
static int
all_or_none(int rc)
{
	switch (rc) {
	case CM_EEND:
		return 0;
	case CM_ENOINPUT:
	case CM_EDATA:
	case CM_EEXIST:
		return CM_ESOFT;
	default:
		return rc;
	}
}

typedef int	(*one_fn)(struct catdb *, struct kv_txn *, struct many *,
		    uint32_t uid);

static int
do_all(struct catdb *d, struct kv_txn *x, struct many *q, one_fn one)
{
	int	 rc = find_all(d, x, q);

	if (rc != 0)
		return all_or_none(rc);
	rc = account_view_open(d, x, q->mailbox, q->folder, &q->view);
	for (size_t i = 0; rc == 0 && i < q->n; i++)
		rc = one(d, x, q, q->uid[i]);
	if (rc == 0)
		rc = account_view_put(d, x, &q->view);
	account_view_free(&q->view);
	return all_or_none(rc);
}

/* --- flags --- */

static bool
has_all(struct span keywords, struct span words, bool there)
{
	struct span	 w;

	while (words.len > 0 && str_field(&words, ' ', &w))
		if (flags_has(keywords, w) != there)
			return false;
	return true;
}

/* Is it so already that all of add and none of del are there? */
static bool
is_so(const struct row_message *m, const struct account_words *add,
    const struct account_words *del)
{
	return (m->flags & add->flags) == add->flags &&
	    (m->flags & del->flags) == 0 &&
	    has_all(m->keywords, add->keywords, true) &&
	    has_all(m->keywords, del->keywords, false);
}

static void
add_message(struct many *q, uint32_t uid, const struct row_message *m,
    uint64_t was)
{
	struct buf	*b = &q->answer;

	buf_addc(b, '=');
	buf_addu(b, uid, 0);
	buf_addc(b, '\t');
	buf_addu(b, m->modseq, 0);
	buf_addc(b, '\t');
	buf_addu(b, m->flags, 0);
	buf_addc(b, '\t');
	buf_add(b, m->keywords.p, m->keywords.len);
	buf_addc(b, '\t');
	buf_addu(b, was, 0);
	buf_addc(b, '\n');
}

/* The change, when it is one, and the message as it is then. */
static int
store_changed(struct catdb *d, struct kv_txn *x, struct many *q, uint32_t uid,
    struct row_message *m)
{
	static const struct account_words none = { 0, { "", 0 } };
	struct account_words rest = { ~q->words.flags & ALL_FLAGS,
			    { "", 0 } };
	const struct account_words *add = q->how == DEL ? &none : &q->words;
	const struct account_words *del = q->how == ADD ? &none :
			    q->how == DEL ? &q->words : &rest;
	int		 rc;

	if (q->how == SET) {
		if ((rc = account_words_join(&q->clear, m->keywords,
		    none.keywords, q->words.keywords)) != 0)
			return rc;
		rest.flags &= m->flags;
		rest.keywords = (struct span){ q->clear.len > 0 ? q->clear.p :
		    "", q->clear.len };
	}
	return is_so(m, add, del) ? 0 : change_flag_in(d, x, &q->view, uid, m,
	    add, del, &q->now);
}

static int
store_one(struct catdb *d, struct kv_txn *x, struct many *q, uint32_t uid)
{
	struct row_message m = { .modseq = 0 };
	uint64_t	 was;
	int		 rc;

	rc = account_view_message(d, x, &q->view, uid, &q->raw, &m);
	was = m.modseq;
	if (rc == 0 && q->conditional && m.modseq > q->since) {
		buf_addf(&q->answer, "=-%u\n", uid);
	} else if (rc == 0) {
		rc = store_changed(d, x, q, uid, &m);
		if (rc == 0)
			add_message(q, uid, &m, was);
	}
	return rc == 0 ? q->answer.err : rc;
}

static int
do_store(struct catdb *d, struct kv_txn *x, void *arg)
{
	return do_all(d, x, arg, store_one);
}

/* --- \Deleted --- */

static int
expunge_one(struct catdb *d, struct kv_txn *x, struct many *q, uint32_t uid)
{
	struct row_message m;
	int		 rc;

	rc = account_view_message(d, x, &q->view, uid, &q->raw, &m);
	if (rc != 0 || !(m.flags & FLAG_DELETED))
		return rc;
	if ((rc = change_expunge_in(d, x, &q->view, uid, &m)) == 0)
		rc = buf_addf(&q->answer, "=%u\n", uid);
	return rc;
}

static int
do_expunge(struct catdb *d, struct kv_txn *x, void *arg)
{
	return do_all(d, x, arg, expunge_one);
}

/* --- copies --- */

/* Is there a folder to put them into, and room? */
static int
look_at_target(struct catdb *d, struct kv_txn *x, struct many *q,
    uint32_t *validity)
{
	struct row_account a;
	struct row_folder f = { .validity = 0 };
	struct buf	 raw;
	int		 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = account_get(d, x, q->mailbox, &raw, &a)) == 0)
		rc = account_folder_get(d, x, a.id, (struct span){ q->to,
		    strlen(q->to) }, &f);
	buf_free(&raw);
	*validity = f.validity;
	if (rc == CM_ENOINPUT) {
		/* it is always there */
		q->refused = strcmp(q->to, "INBOX") == 0 ? 0 : CM_EEND;
		rc = 0;
	}
	if (rc == 0 && q->refused == 0 && !q->move && a.quota != 0 &&
	    (a.bytes > a.quota || q->bytes > a.quota - a.bytes))
		q->refused = CM_ESPACE;
	return rc;
}

static int
copy_one(struct catdb *d, struct kv_txn *x, struct many *q,
    struct change_copy *c, uint32_t uid)
{
	struct row_message m;
	struct row_ref	 ref = { c->account.id, q->f.id, uid };
	struct buf	 raw;
	char		 key[12];
	uint32_t	 now;
	int		 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = kv_get(d->messages, x, key_message(key, &ref), &raw)) == 0 &&
	    (rc = row_message_get((struct span){ raw.p, raw.len },
	    &m)) == 0) {
		m.saved_ms = 0;
		rc = change_copy_one(d, x, c, uid, &m, &m, &now);
	}
	if (rc == 0)
		rc = buf_addf(&q->answer, "=%u\t%u\n", uid, now);
	buf_free(&raw);
	return rc;
}

/* Each writes the record anew, with all of them: CM_ETOOBIG. */
static int
look_at_copies(struct catdb *d, struct kv_txn *x, const struct row_ref *one)
{
	struct row_message m;
	struct row_record r = { .nrefs = 0 };
	struct row_ref	 ref;
	struct buf	 raw;
	char		 key[12];
	unsigned	 n = 0;
	int		 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = kv_get(d->messages, x, key_message(key, one), &raw)) == 0 &&
	    (rc = row_message_get((struct span){ raw.p, raw.len },
	    &m)) == 0 && (rc = kv_get(d->records, x, (struct span){
	    (const char *)m.id.b, sizeof(m.id.b) }, &raw)) == 0)
		rc = row_record_get((struct span){ raw.p, raw.len }, &r);
	for (uint32_t i = 0; rc == 0 && i < r.nrefs; i++) {
		row_ref_get(r.refs, i, &ref);
		n += ref.account == one->account;
	}
	buf_free(&raw);
	return rc == 0 && n >= COPIES_MAX ? CM_ETOOBIG : rc;
}

static int
copy_all(struct catdb *d, struct kv_txn *x, struct many *q)
{
	struct change_copy c = { .mailbox = q->mailbox, .from = q->folder,
			    .to = q->to, .move = q->move };
	struct row_ref	 ref;
	int		 rc;

	if ((rc = change_copy_begin(d, x, &c, (uint32_t)q->n)) != 0)
		return rc;
	buf_addf(&q->answer, "=%u\n", c.target.validity);
	for (size_t i = 0; rc == 0 && i < q->n; i++) {
		ref = (struct row_ref){ c.account.id, q->f.id, q->uid[i] };
		if (q->move || (rc = look_at_copies(d, x, &ref)) == 0)
			rc = copy_one(d, x, q, &c, q->uid[i]);
	}
	if (rc == 0)
		rc = change_copy_end(d, x, &c);
	change_copy_free(&c);
	return rc;
}

static int
do_copy(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct many	*q = arg;
	uint32_t	 validity;
	int		 rc;

	if ((rc = find_all(d, x, q)) == 0 &&
	    (rc = look_at_target(d, x, q, &validity)) == 0 &&
	    q->refused == 0) {
		if (q->n == 0)
			rc = buf_addf(&q->answer, "=%u\n", validity);
		else
			rc = copy_all(d, x, q);
	}
	return all_or_none(rc);
}

/* --- requests --- */

static int
begin(struct session *c, struct many *q, struct imap_set *uids, char *set,
    char folder[FOLDER_MAX + 1])
{
	struct span	 s = { set, strlen(set) };
	uint64_t	 validity;
	int		 rc = 0;

	if (address_key(c->arg[1], strlen(c->arg[1]), q->mailbox) != 0)
		return CM_ENOUSER;
	if (folder_name(c->arg[2], strlen(c->arg[2]), folder) != 0)
		return CM_EEND;
	q->folder = folder;
	if (str_u64(c->arg[3], strlen(c->arg[3]), UINT32_MAX, &validity) != 0)
		return agent_say(c, CM_EDATA, "not a UIDVALIDITY");
	q->validity = (uint32_t)validity;
	if (s.len > 0 && (rc = imap_set_parse(s, uids)) != 0)
		return agent_say(c, rc, "not a set of UIDs");
	imap_set_resolve(uids, UINT32_MAX);
	q->uids = s.len > 0 ? uids : NULL;
	return 0;
}

static int
run(struct session *c, struct many *q, char *set, change_fn fn)
{
	struct imap_set	 uids = { .n = 0 };
	char		 folder[FOLDER_MAX + 1];
	int		 rc;

	buf_init(&q->answer, ANSWER_MAX);
	buf_init(&q->raw, ROW_MAX);
	buf_init(&q->now, WORDS_MAX);
	buf_init(&q->clear, WORDS_MAX);
	if ((rc = begin(c, q, &uids, set, folder)) == 0 &&
	    (rc = agent_change(c->a, fn, q)) == 0)
		rc = buf_add(&c->s.out, q->answer.p, q->answer.len);
	buf_free(&q->answer);
	buf_free(&q->raw);
	buf_free(&q->now);
	buf_free(&q->clear);
	free(q->uid);
	imap_set_free(&uids);
	if (rc == 0 && q->refused != 0)
		return agent_say(c, q->refused, q->refused == CM_EEND ?
		    "there is no such folder to copy to" :
		    "the mailbox has no room");
	return rc == CM_EEND ? 0 : rc;
}

static int
read_how(struct session *c, struct many *q)
{
	static const char *const names[] = { "add", "del", "set" };
	size_t		 i;
	int		 rc;

	for (i = 0; i < 3 && strcmp(c->arg[5], names[i]) != 0; i++)
		;
	q->conditional = c->arg[4][0] != '\0';
	if (i == 3 || (q->conditional && str_u64(c->arg[4],
	    strlen(c->arg[4]), UINT64_MAX, &q->since) != 0))
		return agent_say(c, CM_EDATA, "not a change of flags");
	q->how = i == 0 ? ADD : i == 1 ? DEL : SET;
	rc = flags_parse(c->arg[6], strlen(c->arg[6]), &q->words.flags,
	    &q->keywords);
	q->words.keywords = (struct span){ q->keywords.len > 0 ?
	    q->keywords.p : "", q->keywords.len };
	return rc == 0 ? 0 : agent_say(c, rc, "not flags");
}

/*
 * store MAILBOX FOLDER UIDVALIDITY SINCE add|del|set FLAGS UIDS: the messages
 * as they are then, "UID TAB modseq TAB flags TAB keywords TAB the modseq
 * before"; with a SINCE those with a higher modseq are left as they are, and
 * "-UID" says so.
 */
int
agent_cmd_store(struct session *c)
{
	struct many	 q = { .how = ADD };
	int		 rc;

	buf_init(&q.keywords, WORDS_MAX);
	if ((rc = read_how(c, &q)) == 0)
		rc = run(c, &q, c->arg[7], do_store);
	buf_free(&q.keywords);
	return rc;
}

/* expunge-set MAILBOX FOLDER UIDVALIDITY UIDS: those of them with \Deleted go;
 * which, a UID a line. */
int
agent_cmd_expunge_set(struct session *c)
{
	struct many	 q = { .how = ADD };

	return run(c, &q, c->arg[4], do_expunge);
}

/*
 * copy MAILBOX FOLDER UIDVALIDITY UIDS TO copy|move: the UIDVALIDITY of TO (0
 * when INBOX has none yet), and UIDs, the old one and the new one.  CM_EEND:
 * there is no such folder as TO; CM_ESPACE: the quota.
 */
int
agent_cmd_copy(struct session *c)
{
	struct many	 q = { .how = ADD };
	char		 to[FOLDER_MAX + 1];

	q.move = strcmp(c->arg[6], "move") == 0;
	if (!q.move && strcmp(c->arg[6], "copy") != 0)
		return agent_say(c, CM_EDATA, "neither copy nor move");
	/* no folder has such a name */
	if (folder_name(c->arg[5], strlen(c->arg[5]), to) != 0)
		to[0] = '\0';
	q.to = to;
	return run(c, &q, c->arg[4], do_copy);
}
