/* What the agent answers; the protocol is in cm-internals(7). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/account.h"
#include "cluster/agent_int.h"
#include "cluster/catdump.h"
#include "cluster/expect.h"
#include "cluster/change.h"
#include "cluster/relay_int.h"
#include "format/address.h"

#define IDLE_MS		600000	/* a connection without a request */
#define FLUSH		65536
#define RETRY_MS	50	/* for a leader */
#define VOLUME_AWAY	"a volume cannot be read: cm-rebuild volume first"

struct session {
	struct agent	*a;
	struct stream	 s;
	char		*arg[AGENT_ARGS_MAX];
	size_t		 nargs;
	struct buf	 args;		/* decoded arguments, NUL-separated */
	char		 error[512];	/* text of the last line */
	struct agent_forward forward;
	bool		 remote;	/* another node asks, */
	char		 remote_name[CONF_NAME_MAX + 1];
	bool		 direct;	/* and it goes no further */
	bool		 quiet;		/* this request has no answer */
	bool		 settles;	/* what it reads has to stay */
	bool		 sent;		/* something of the answer */
	int64_t		 wait_until_ms;	/* of all requests sent together */
	bool		 over;
};

static int
say(struct session *c, int code, const char *text)
{
	if (str_copy(c->error, sizeof(c->error), text) != 0)
		c->error[0] = '\0';
	return code;
}

/*
 * Sends what has gathered, when it is that much.  What was read of several
 * catalogs must be safe on enough of them before anybody is told.
 */
static int
flush(struct session *c, size_t least)
{
	int	 rc;

	if (c->s.out.len < least)
		return 0;
	if (c->settles && c->a->replica != NULL &&
	    (rc = replica_settle(c->a->replica)) != 0)
		return rc;
	c->sent = true;
	return stream_flush(&c->s, least);
}

/* leader: the other side believes that this node leads. */
static int
cmd_leader(struct session *c)
{
	c->direct = true;
	return agent_leads(c->a) ? 0 : say(c, CM_EAWAY, "this node does not "
	    "lead");
}

/* lead NODE: how long changes waited. */
static int
cmd_lead(struct session *c)
{
	char	 text[256] = "";
	int64_t	 held;
	int	 rc;

	if ((rc = agent_lead(c->a, c->arg[1], &held, text)) != 0)
		return text[0] != '\0' ? say(c, rc, text) : rc;
	buf_addf(&c->s.out, "=held\t%lld\n", (long long)held);
	return 0;
}

/* token: how far a follower must be to have all that is done by now. */
static int
cmd_token(struct session *c)
{
	struct replica_token	 t = { .generation = 0 };
	int			 rc;

	if (c->a->replica != NULL &&
	    (rc = replica_token(c->a->replica, &t)) != 0)
		return rc;
	buf_addf(&c->s.out, "=%u\t%u\t%u\n", t.generation, t.lsn.file,
	    t.lsn.offset);
	return 0;
}

/* remote NODE: what follows comes from there; no answer. */
static int
cmd_remote(struct session *c)
{
	if (!c->remote && str_copy(c->remote_name, sizeof(c->remote_name),
	    c->arg[1]) != 0)
		c->over = true;
	c->remote = c->quiet = true;
	return 0;
}

/* replicate NODE: frames follow, see replica_link.c; no answer. */
static int
cmd_replicate(struct session *c)
{
	c->over = true;
	c->quiet = true;
	/* the certificate says which node: cm-stored, not the other side */
	if (c->remote) {
		log_warn(c->a->log, "node %s wants to be node %s",
		    c->remote_name, c->arg[1]);
		c->quiet = false;
		return CM_EPERM;
	}
	if (c->a->replica != NULL)
		replica_serve(c->a->replica, c->arg[1], &c->s);
	return 0;
}

static int
cmd_ping(struct session *c)
{
	buf_addf(&c->s.out, "=%ld\n", (long)getpid());
	return 0;
}

static int
cmd_stop(struct session *c)
{
	pthread_mutex_lock(&c->a->mu);
	c->a->stop = true;
	pthread_cond_broadcast(&c->a->work);
	pthread_cond_broadcast(&c->a->done);
	pthread_mutex_unlock(&c->a->mu);
	c->over = true;
	return 0;
}

static int
any_row(void *arg, struct span k, struct span v)
{
	(void)k;
	(void)v;
	*(bool *)arg = true;
	return 1;
}

/* Not one mailbox: the state folder may not be mounted. */
static bool
is_empty(struct session *c)
{
	struct span	 all = { "", 0 };
	bool		 any = false;

	return kv_walk(c->a->db.accounts, NULL, all, 0, any_row, &any) >= 0 &&
	    !any;
}

/* rcpt ADDRESS: the mailboxes it means. */
static int
cmd_rcpt(struct session *c)
{
	struct buf	 out;
	struct span	 rest, l;
	int		 rc;

	buf_init(&out, ADDRESS_MAX * ACCOUNT_RESULTS_MAX);
	rc = account_resolve(&c->a->db, c->a->conf, c->arg[1], &out);
	/* while mailboxes are still being found, "no" is not final */
	if ((rc == CM_ENOUSER || rc == CM_ENOHOST) &&
	    c->a->state != CATDB_OK)
		rc = CM_EAGAIN;
	else if ((rc == CM_ENOUSER || rc == CM_ENOHOST) && is_empty(c))
		rc = say(c, CM_EAGAIN, "there is no mailbox at all yet "
		    "(cm-user add)");
	rest = (struct span){ out.p, out.len };
	while (rc == 0 && str_field(&rest, '\n', &l))
		if (l.len > 0)
			buf_addf(&c->s.out, "=%.*s\n", (int)l.len, l.p);
	buf_free(&out);
	return rc;
}

static int
ref_entry(struct session *c, const struct row_ref *ref, struct buf *out);

/* "=" and the entries of a record; CM_ENOINPUT when its id is not known. */
static int
record_entries(struct session *c, const struct ulid *id, struct buf *out)
{
	struct row_record	 r;
	struct row_ref		 ref;
	struct buf		 raw;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	buf_reset(out);
	buf_addc(out, '=');
	pthread_rwlock_rdlock(&c->a->gate);
	rc = kv_get(c->a->db.records, NULL,
	    (struct span){ (const char *)id->b, 16 }, &raw);
	if (rc == 0)
		rc = row_record_get((struct span){ raw.p, raw.len }, &r);
	for (uint32_t i = 0; rc == 0 && i < r.nrefs; i++) {
		row_ref_get(r.refs, i, &ref);
		if (out->len > 1)
			buf_addc(out, ',');
		rc = ref_entry(c, &ref, out);
	}
	pthread_rwlock_unlock(&c->a->gate);
	buf_free(&raw);
	return rc == 0 ? out->err : rc;
}

/* Until the writer has done something, or a moment. */
static void
wait_for_writer(struct agent *a)
{
	struct timespec	 ts;

	pthread_mutex_lock(&a->mu);
	a->want = true;
	pthread_cond_signal(&a->work);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	if (!a->stop)
		pthread_cond_timedwait(&a->done, &a->mu, &ts);
	pthread_mutex_unlock(&a->mu);
}

static uint64_t
turns(struct agent *a)
{
	uint64_t	 n;

	pthread_mutex_lock(&a->mu);
	n = a->turns;
	pthread_mutex_unlock(&a->mu);
	return n;
}

/*
 * One look for a record.  CM_ENOINPUT: it may still come.  A cursor that is
 * behind its place counts only when the writer had looked, in a whole turn,
 * whether the volume is still the one that the cursor is of.
 */
static int
look_for(struct session *c, const struct ulid *id, const struct place *p,
    bool looked, struct buf *out)
{
	uint32_t	 cursor;
	int		 rc;

	if ((rc = record_entries(c, id, out)) != CM_ENOINPUT)
		return rc;
	if ((rc = catdb_cursor(&c->a->db, NULL, p->volume, p->segment,
	    &cursor)) != 0)
		return rc;
	if (cursor < p->offset + p->length || !looked)
		return CM_ENOINPUT;
	/* indexed between the two looks? */
	rc = record_entries(c, id, out);
	return rc != CM_ENOINPUT ? rc : say(c, CM_EAGAIN, "this place was "
	    "indexed before, with another record or damaged");
}

/* wait ID PLACE: until it is indexed; gives its entries. */
static int
cmd_wait(struct session *c)
{
	struct agent	*a = c->a;
	struct ulid	 id;
	struct place	 p;
	struct buf	 out;
	uint64_t	 begun = turns(a);
	int		 rc;

	if (ulid_parse(c->arg[1], strlen(c->arg[1]), &id) != 0 ||
	    place_parse(c->arg[2], strlen(c->arg[2]), &p) != 0)
		return say(c, CM_EDATA, "not a receipt");
	buf_init(&out, RECEIPT_MAX);
	/* the second turn to end has begun after this request */
	while ((rc = look_for(c, &id, &p, turns(a) >= begun + 2, &out)) ==
	    CM_ENOINPUT) {
		if (a->stop || time_mono_ms() > c->wait_until_ms) {
			rc = say(c, CM_ETIMEOUT, "not indexed yet");
			break;
		}
		/* the answers before this one need not wait */
		if ((rc = flush(c, 1)) != 0)
			break;
		wait_for_writer(a);
	}
	if (rc == 0) {
		buf_addc(&out, '\n');
		buf_add(&c->s.out, out.p, out.len);
	}
	buf_free(&out);
	return rc;
}

struct named {
	uint32_t	 want;
	struct buf	*out;
};

static int
match_folder(void *arg, struct span k, struct span v)
{
	struct named		*n = arg;
	struct row_folder	 f;

	if (row_folder_get(v, &f) != 0)
		return CM_ECORRUPT;
	if (f.id != n->want)
		return 0;
	buf_reset(n->out);
	buf_add(n->out, k.p + 4, k.len - 4);
	return 1;
}

static int
ref_entry(struct session *c, const struct row_ref *ref, struct buf *out)
{
	struct buf	 mailbox, folder;
	struct named	 n = { ref->folder, &folder };
	char		 key[4];
	int		 rc;

	buf_init(&mailbox, 4096);
	buf_init(&folder, 4096);
	rc = kv_get(c->a->db.names, NULL, key_u32(key, ref->account),
	    &mailbox);
	if (rc == 0)
		rc = kv_walk(c->a->db.folders, NULL,
		    key_u32(key, ref->account), 4, match_folder, &n);
	if (rc == 1) {
		rc = entry_write(out, mailbox.p, folder.p);
		buf_addf(out, "/%u", ref->uid);
	} else if (rc == 0 || rc == CM_ENOINPUT) {
		rc = 0;		/* the mailbox is going away */
	}
	buf_free(&mailbox);
	buf_free(&folder);
	return rc;
}

struct list {
	struct session	*c;
	const char	*mailbox;
	const char	*only;		/* folder, or NULL */
	struct buf	 entry;
	uint64_t	 from, to;	/* UIDs, both included */
};

static int
list_message(void *arg, struct span k, struct span v)
{
	struct list		*l = arg;
	struct buf		*o = &l->c->s.out;
	struct row_message	 m;
	struct row_ref		 ref;
	char			 id[ULID_LEN + 1], iso[TIME_ISO_SIZE];

	if (key_message_parse(k, &ref) != 0 || row_message_get(v, &m) != 0)
		return CM_ECORRUPT;
	if (ref.uid > l->to)
		return 1;
	ulid_text(&m.id, id);
	time_iso(iso, m.time_ms);
	buf_addc(o, '=');
	buf_add(o, l->entry.p, l->entry.len);
	buf_addf(o, "/%u\t%s\t", ref.uid, id);
	place_write(o, &m.place);
	buf_addf(o, "\t%u\t%s\t", m.size, iso);
	if (m.flags == 0 && m.keywords.len == 0)
		buf_addc(o, '-');
	else
		flags_write(o, m.flags, m.keywords);
	buf_addc(o, '\n');
	return flush(l->c, FLUSH);
}

static int
list_folder(void *arg, struct span k, struct span v)
{
	struct list		*l = arg;
	struct row_folder	 f;
	struct row_ref		 ref;
	char			 name[FOLDER_MAX + 1], key[12];
	int			 rc;

	if (row_folder_get(v, &f) != 0 ||
	    str_ncopy(name, sizeof(name), k.p + 4, k.len - 4) != 0)
		return CM_ECORRUPT;
	if (l->only != NULL && strcmp(name, l->only) != 0)
		return 0;
	buf_reset(&l->entry);
	entry_write(&l->entry, l->mailbox, name);
	ref = (struct row_ref){ get_u32(k.p), f.id, (uint32_t)l->from };
	rc = kv_walk(l->c->a->db.messages, NULL, key_message(key, &ref), 8,
	    list_message, l);
	return rc < 0 ? rc : 0;
}

/* list MAILBOX [FOLDER [UID [UID]]]: its messages, from that UID on, up to the
 * other. */
static int
cmd_list(struct session *c)
{
	struct list		 l = { .c = c, .to = UINT32_MAX };
	struct row_account	 acct;
	struct buf		 raw;
	char			 name[ADDRESS_MAX + 1], key[4];
	char			 folder[FOLDER_MAX + 1];
	int			 rc;

	if (address_key(c->arg[1], strlen(c->arg[1]), name) != 0)
		return CM_ENOUSER;
	l.mailbox = name;
	if (c->nargs > 2 && c->arg[2][0] != '\0') {
		if (folder_name(c->arg[2], strlen(c->arg[2]), folder) != 0)
			return CM_ENOINPUT;
		l.only = folder;
	}
	if ((c->nargs > 3 && str_u64(c->arg[3], strlen(c->arg[3]), UINT32_MAX,
	    &l.from) != 0) || (c->nargs > 4 && str_u64(c->arg[4],
	    strlen(c->arg[4]), UINT32_MAX, &l.to) != 0))
		return say(c, CM_EDATA, "not a UID");
	buf_init(&raw, ROW_MAX);
	buf_init(&l.entry, 8192);
	rc = account_get(&c->a->db, NULL, name, &raw, &acct);
	if (rc == 0)
		rc = kv_walk(c->a->db.folders, NULL, key_u32(key, acct.id), 4,
		    list_folder, &l);
	buf_free(&raw);
	buf_free(&l.entry);
	return rc;
}

/* Arguments of a change, for the writer. */
struct request {
	char		**arg;
	char		 name[ADDRESS_MAX + 1];
	uint32_t	 uid;
};

static int
change(struct session *c, change_fn fn, bool account)
{
	struct request	 r = { .arg = c->arg };

	if (account &&
	    address_key(c->arg[1], strlen(c->arg[1]), r.name) != 0)
		return say(c, CM_EDATA, "not an address");
	return agent_change(c->a, fn, &r);
}

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static int
do_add(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_user_add(d, x, r->name, text(r->arg[2]));
}

static bool
is_ours(struct session *c)
{
	char		 name[ADDRESS_MAX + 1];
	const char	*domain;

	const struct conf *conf = c->a->conf;

	if (conf_is_open(conf) ||
	    address_key(c->arg[1], strlen(c->arg[1]), name) != 0)
		return true;
	domain = address_domain(name);
	return domain != NULL &&
	    conf_has_domain(conf, domain, strlen(domain));
}

/* user-add MAILBOX VERIFIER */
static int
cmd_user_add(struct session *c)
{
	char	 name[ADDRESS_MAX + 1];

	if (address_key(c->arg[1], strlen(c->arg[1]), name) != 0 ||
	    address_domain(name) == NULL)
		return say(c, CM_EDATA, "not an address with a domain");
	if (!is_ours(c))
		return say(c, CM_ENOHOST,
		    "its domain is not in cluster.xml");
	return change(c, do_add, true);
}

/* user-set MAILBOX password|quota|sms VALUE */
static int
do_set(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_user_set(d, x, r->name, r->arg[2], r->arg[3]);
}

static int
cmd_user_set(struct session *c)
{
	return change(c, do_set, true);
}

static int
do_del(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_user_del(d, x, r->name);
}

static int
cmd_user_del(struct session *c)
{
	int	 rc = change(c, do_del, true);

	pthread_mutex_lock(&c->a->writing);
	c->a->purging = true;
	pthread_mutex_unlock(&c->a->writing);
	agent_ask(c->a);
	return rc;
}

static int
list_user(void *arg, struct span k, struct span v)
{
	struct session		*c = arg;
	struct row_account	 a;

	if (row_account_get(v, &a) != 0)
		return CM_ECORRUPT;
	buf_addc(&c->s.out, '=');
	buf_add(&c->s.out, k.p, k.len);
	buf_addf(&c->s.out, "\t%u\t%llu\t%llu\t%s\t", a.messages,
	    (unsigned long long)a.bytes, (unsigned long long)a.quota,
	    a.verifier.len ? "password" : "-");
	if (a.sms.len)
		str_pct(&c->s.out, a.sms.p, a.sms.len, "");
	else
		buf_addc(&c->s.out, '-');
	buf_addc(&c->s.out, '\n');
	return flush(c, FLUSH);
}

static int
list_alias(void *arg, struct span k, struct span v)
{
	struct session	*c = arg;
	struct buf	*o = &c->s.out;

	buf_addc(o, '=');
	buf_add(o, k.p, k.len);
	buf_adds(o, "\talias");
	while (v.p != NULL) {
		struct span t;

		if (str_field(&v, '\n', &t) && t.len > 0) {
			buf_addc(o, '\t');
			buf_add(o, t.p, t.len);
		}
	}
	buf_addc(o, '\n');
	return flush(c, FLUSH);
}

static int
cmd_user_list(struct session *c)
{
	struct span	 all = { "", 0 };
	int		 rc;

	rc = kv_walk(c->a->db.accounts, NULL, all, 0, list_user, c);
	if (rc == 0)
		rc = kv_walk(c->a->db.aliases, NULL, all, 0, list_alias, c);
	return rc;
}

static int
do_alias(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_alias(d, x, r->name, text(r->arg[2]));
}

/* alias ADDRESS TARGETS, one a line; none removes it. */
static int
cmd_alias(struct session *c)
{
	if (!is_ours(c))
		return say(c, CM_ENOHOST,
		    "its domain is not in cluster.xml");
	return change(c, do_alias, true);
}

static int
do_flag(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_flag(d, x, r->name, r->arg[2], r->uid, r->arg[4],
	    r->arg[5]);
}

static int
do_expunge(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_expunge(d, x, r->name, r->arg[2], r->uid);
}

static int
change_message(struct session *c, change_fn fn)
{
	struct request	 r = { .arg = c->arg };
	uint64_t	 uid;

	if (address_key(c->arg[1], strlen(c->arg[1]), r.name) != 0 ||
	    str_u64(c->arg[3], strlen(c->arg[3]), UINT32_MAX, &uid) != 0)
		return say(c, CM_EDATA, "not an entry");
	r.uid = (uint32_t)uid;
	return agent_change(c->a, fn, &r);
}

/* flag MAILBOX FOLDER UID ADD DEL */
static int
cmd_flag(struct session *c)
{
	return change_message(c, do_flag);
}

/* expunge MAILBOX FOLDER UID */
static int
cmd_expunge(struct session *c)
{
	return change_message(c, do_expunge);
}

/* Everything that waits is done, and nothing changes until quiet_end. */
static int
quiet_begin(struct session *c)
{
	int	 rc;

	for (;;) {
		if ((rc = agent_sync(c->a)) != 0)
			return rc;
		pthread_mutex_lock(&c->a->writing);
		if (!c->a->purging)
			return 0;
		pthread_mutex_unlock(&c->a->writing);
	}
}

static void
quiet_end(struct session *c)
{
	pthread_mutex_unlock(&c->a->writing);
}

/* Gives the file line by line. */
static int
send_file(struct session *c, int fd)
{
	struct stream	 in;
	struct span	 l;
	int		 rc;

	if (lseek(fd, 0, SEEK_SET) == -1)
		return CM_EIO;
	stream_init(&in, dup(fd), CATDUMP_LINE_MAX, -1);
	while ((rc = stream_line(&in, &l)) == 0) {
		buf_addc(&c->s.out, '=');
		buf_add(&c->s.out, l.p, l.len);
		buf_addc(&c->s.out, '\n');
		if ((rc = flush(c, FLUSH)) != 0)
			break;
	}
	stream_close(&in);
	return rc == CM_EEND ? 0 : rc;
}

static bool
is_dump_here(const struct session *c)
{
	return c->nargs > 1 && strcmp(c->arg[1], "here") == 0;
}

/* dump [now|here|look]: with now, what waits to be indexed is left out; with here,
 * it is this node's own copy, as it is; with look nobody keeps it. */
static int
cmd_dump(struct session *c)
{
	bool	 look = c->nargs > 1 && strcmp(c->arg[1], "look") == 0;
	int	 fd, rc;

	if ((rc = agent_spool(c->a, &fd)) != 0)
		return rc;
	if (c->nargs > 1 && !look) {
		pthread_mutex_lock(&c->a->writing);
		rc = 0;
	} else {
		rc = quiet_begin(c);
	}
	if (rc == 0) {
		rc = catdump_write(&c->a->db, fd);
		/* not one to look at only */
		if (rc == 0 && c->nargs == 1)
			journal_dumped(c->a->journal);
		quiet_end(c);
	}
	/* sent when changes go on again: a slow reader holds nobody up */
	if (rc == 0)
		rc = send_file(c, fd);
	close(fd);
	return rc;
}

/* journal: all lines of this node's. */
static int
cmd_journal(struct session *c)
{
	int	 fd, rc;

	if ((rc = agent_spool(c->a, &fd)) != 0)
		return rc;
	if ((rc = journal_copy(c->a->journal, fd)) == 0)
		rc = send_file(c, fd);
	close(fd);
	return rc;
}

/* The lines that follow a load request, up to a line ".". */
static int
receive_file(struct session *c, int fd)
{
	struct span	 l;
	struct buf	 b;
	int		 rc;

	buf_init(&b, CATDUMP_LINE_MAX + FLUSH);
	while ((rc = stream_line(&c->s, &l)) == 0) {
		if (span_is(l, "."))
			break;
		buf_add(&b, l.p, l.len);
		buf_addc(&b, '\n');
		if (b.len < FLUSH)
			continue;
		if ((rc = file_write(fd, b.p, b.len)) != 0)
			break;
		buf_reset(&b);
	}
	if (rc == 0)
		rc = file_write(fd, b.p, b.len);
	buf_free(&b);
	return rc;
}

/* The last word, when there is one more than n. */
static const char *
last_word(const struct session *c, size_t n)
{
	return c->nargs > n ? c->arg[n] : NULL;
}

/* cursors VOLUME SALT EPOCH [copy]: how far its segments are indexed. */
static int
cmd_cursors(struct session *c)
{
	return agent_cursors(c->a, c->arg + 1, last_word(c, 4), &c->s.out);
}

/* The body of a request that changes the catalog; *fd: -1, or to be closed. */
static int
receive_change(struct session *c, int *fd)
{
	int	 rc;

	*fd = -1;
	/* the body is read whatever comes of it: it is no request */
	if ((rc = agent_spool(c->a, fd)) != 0 ||
	    (rc = receive_file(c, *fd)) != 0)
		c->over = true;
	else if (c->a->state != CATDB_OK && c->a->state != CATDB_BUILDING)
		rc = CM_EAGAIN;
	return rc;
}

/* index VOLUME SALT EPOCH SEGMENT FROM TO [copy|gap], and a body of entries. */
static int
cmd_index(struct session *c)
{
	int	 fd, rc;

	if ((rc = receive_change(c, &fd)) == 0)
		rc = agent_push(c->a, c->arg + 1, last_word(c, 7), fd);
	if (fd != -1)
		close(fd);
	return rc;
}

/* merge FROM AGAINST, and a body: what the other side of a split did. */
static int
cmd_merge(struct session *c)
{
	int	 fd, rc;

	if ((rc = receive_change(c, &fd)) == 0)
		rc = agent_merge(c->a, c->arg + 1, fd, &c->s.out);
	if (fd != -1)
		close(fd);
	return rc;
}

static int
cmd_merge_end(struct session *c)
{
	return agent_merge_end(c->a, c->arg[1]);
}

/* load [force]: the dump's lines follow the request. */
static int
cmd_load(struct session *c)
{
	int	 fd, rc;

	if ((rc = agent_spool(c->a, &fd)) != 0)
		return rc;
	if ((rc = receive_file(c, fd)) == 0)
		rc = agent_load(c->a, fd, c->nargs > 1);
	close(fd);
	if (rc == CM_EDATA)
		say(c, rc, "this is no whole dump of a catalog; see the "
		    "agent's log for the line");
	else if (rc == CM_EEXIST)
		say(c, rc, "the catalog holds other things than this dump "
		    "(-f replaces them)");
	else if (rc == CM_EAGAIN)
		say(c, rc, VOLUME_AWAY);
	return rc;
}

/*
 * Of several catalogs the leader alone is rebuilt, from what one node gives: a
 * second dump would go over the first.  To go on with what is there is no harm.
 */
static bool
one_rebuilds(struct agent *a, enum agent_from from)
{
	bool	 one;

	pthread_mutex_lock(&a->mu);
	one = a->replica == NULL || from == FROM_SELF || a->rebuilding == 0;
	a->rebuilding += one;
	pthread_mutex_unlock(&a->mu);
	return one;
}

/* What became of the changes since the dump. */
static void
say_replayed(struct session *c, const struct replay *r)
{
	if (r->said.len > 0)
		buf_add(&c->s.out, r->said.p, r->said.len);
	buf_addf(&c->s.out, "=replayed\t%llu\t%llu\n",
	    (unsigned long long)r->done, (unsigned long long)r->refused);
}

/* What it tells of messages that no volume had. */
static int
say_expected(struct session *c)
{
	struct expect_tally	 t;
	int			 rc;

	if ((rc = expect_count(&c->a->db, &t)) == 0 && t.messages > 0)
		buf_addf(&c->s.out, "=waits\t%llu\t%llu\n",
		    (unsigned long long)t.messages,
		    (unsigned long long)t.changed);
	return rc;
}

static int
rebuild(struct session *c, enum agent_from *from, int fd)
{
	static const char *const names[] = { "self", "dump", "volumes",
	    "loading", "building" };
	struct replay	 r;
	int		 rc;

	if (!one_rebuilds(c->a, *from))
		return say(c, CM_ELOCK, "somebody else has begun to rebuild "
		    "the catalog");
	agent_replay_begin(c->a, &r);
	/* it was when they looked; by now somebody else may have done it */
	if (c->nargs > 2 && (c->a->state == CATDB_OK ||
	    c->a->state == CATDB_BUILDING))
		rc = say(c, CM_EEXIST, "the catalog is not lost, or was "
		    "rebuilt already (-f replaces it)");
	else
		rc = agent_rebuild(c->a, from, fd, &r);
	if (rc == CM_EDATA)
		rc = say(c, rc, "this is no whole dump of a catalog");
	if (rc == 0) {
		buf_addf(&c->s.out, "=from\t%s\n", names[*from]);
		if (*from != FROM_SELF && *from != FROM_BUILDING)
			say_replayed(c, &r);
		if ((rc = flush(c, 1)) == 0 &&
		    (rc = agent_sync(c->a)) == 0)
			rc = say_expected(c);
	}
	replay_free(&r);
	pthread_mutex_lock(&c->a->mu);
	c->a->rebuilding--;
	pthread_mutex_unlock(&c->a->mu);
	return rc;
}

/*
 * rebuild [dump|volumes [lost]]: from what is there; after a dump, whose lines
 * follow; from the volumes alone.  lost: only if there is no good catalog.
 * Says first where it takes it from.
 */
static int
cmd_rebuild(struct session *c)
{
	enum agent_from	 from = FROM_SELF;
	int		 fd = -1, rc = 0;

	if (c->nargs > 1)
		from = strcmp(c->arg[1], "dump") == 0 ? FROM_DUMP :
		    FROM_VOLUMES;
	if (from == FROM_DUMP && (rc = agent_spool(c->a, &fd)) == 0)
		rc = receive_file(c, fd);
	if (rc == 0)
		rc = rebuild(c, &from, fd);
	if (fd != -1)
		close(fd);
	return rc == CM_EAGAIN ? say(c, rc, VOLUME_AWAY) : rc;
}

static int
cmd_sync(struct session *c)
{
	int	 rc = agent_sync(c->a);

	return rc == 0 ? 0 : say(c, rc, "a volume cannot be opened now");
}

struct tally {
	uint64_t	 accounts, messages, bytes, live, garbage, gaps;
};

static int
tally_account(void *arg, struct span k, struct span v)
{
	struct tally		*t = arg;
	struct row_account	 a;

	(void)k;
	if (row_account_get(v, &a) != 0)
		return CM_ECORRUPT;
	t->accounts++;
	t->messages += a.messages;
	t->bytes += a.bytes;
	return 0;
}

static int
tally_gap(void *arg, struct span k, struct span v)
{
	struct tally	*t = arg;

	(void)k;
	(void)v;
	t->gaps++;
	return 0;
}

static int
stat_cursor(void *arg, struct span k, struct span v)
{
	struct session	*c = arg;
	char		 vol[PLACE_VOLUME_MAX + 1];
	uint32_t	 seg;

	if (v.len != 4 || key_cursor_parse(k, vol, &seg, NULL) != 0)
		return CM_ECORRUPT;
	buf_addf(&c->s.out, "=cursor\t%s:%08u:%u\n", vol, seg, get_u32(v.p));
	return flush(c, FLUSH);
}

static const char *
state_text(enum catdb_state s)
{
	switch (s) {
	case CATDB_OK:
		return "ok";
	case CATDB_BUILDING:
		return "being built";
	case CATDB_LOADING:
		return "half loaded";
	default:
		return "missing";
	}
}

static int
cmd_stat(struct session *c)
{
	struct agent	*a = c->a;
	struct span	 all = { "", 0 };
	struct tally	 t = { 0 };
	struct buf	*o = &c->s.out;
	int		 rc;

	bool		 away;

	if ((rc = kv_walk(a->db.accounts, NULL, all, 0, tally_account,
	    &t)) == 0)
		rc = kv_walk(a->db.gaps, NULL, all, 0, tally_gap, &t);
	/* they are coming: that can be told at once */
	if ((away = rc == CM_EAWAY && a->state == CATDB_NEW))
		rc = 0;
	if (rc != 0)
		return rc;
	buf_addf(o, "=state\t%s\n=node\t%s\n=pid\t%ld\n",
	    away || (a->state == CATDB_NEW && !agent_leads(a)) ? "coming in" :
	    state_text(a->state), atomic_load(&a->conf)->self, (long)getpid());
	buf_addf(o, "=store\t%llu\n", (unsigned long long)catdb_bytes(a->dir));
	buf_addf(o, "=up\t%lld s\n",
	    (long long)(time_mono_ms() - a->started_ms) / 1000);
	buf_addf(o, "=mailboxes\t%llu\n=messages\t%llu\n=bytes\t%llu\n",
	    (unsigned long long)t.accounts, (unsigned long long)t.messages,
	    (unsigned long long)t.bytes);
	if (a->replica != NULL)
		replica_stat(a->replica, o);
	agent_merge_stat(a, o);
	pthread_mutex_lock(&a->mu);
	buf_addf(o, "=indexed\t%llu since start\n=clients\t%u\n",
	    (unsigned long long)a->indexed, a->clients);
	pthread_mutex_unlock(&a->mu);
	buf_addf(o, "=gaps\t%llu\n", (unsigned long long)t.gaps);
	return away ? 0 : kv_walk(a->db.cursors, NULL, all, 0, stat_cursor, c);
}

enum {
	ANY_STATE = 1,		/* answers while the catalog is missing too */
	READS = 2,		/* walks over tables, and waits for nobody */
	HERE = 4,		/* each node answers; others: the leader */
	BODY = 8,		/* lines up to "." follow */
	SLOW = 16,
	AGAIN = 32		/* twice is as good as once */
};

static const struct command {
	const char	*name;
	size_t		 min, max;	/* words, the name counted */
	unsigned	 flags;
	int		(*fn)(struct session *);
} commands[] = {
	{ "alias", 3, 3, AGAIN, cmd_alias },
	{ "cursors", 4, 5, READS, cmd_cursors },
	{ "dump", 1, 2, SLOW, cmd_dump },
	{ "expunge", 4, 4, 0, cmd_expunge },
	{ "flag", 6, 6, AGAIN, cmd_flag },
	{ "index", 7, 8, ANY_STATE | BODY, cmd_index },
	{ "journal", 1, 1, ANY_STATE | HERE | SLOW, cmd_journal },
	{ "lead", 2, 2, ANY_STATE | SLOW | AGAIN, cmd_lead },
	{ "leader", 1, 1, ANY_STATE | HERE, cmd_leader },
	{ "list", 2, 5, READS | HERE, cmd_list },
	{ "load", 1, 2, ANY_STATE | BODY | SLOW, cmd_load },
	{ "merge", 3, 3, ANY_STATE | BODY, cmd_merge },
	{ "merge-end", 2, 2, AGAIN, cmd_merge_end },
	{ "ping", 1, 1, ANY_STATE | HERE, cmd_ping },
	{ "rcpt", 2, 2, READS | HERE, cmd_rcpt },
	{ "rebuild", 1, 3, ANY_STATE | SLOW, cmd_rebuild },
	{ "remote", 2, 2, ANY_STATE | HERE, cmd_remote },
	{ "replicate", 2, 2, ANY_STATE | HERE, cmd_replicate },
	{ "stat", 1, 1, ANY_STATE | READS | HERE, cmd_stat },
	{ "stop", 1, 1, ANY_STATE | HERE, cmd_stop },
	{ "sync", 1, 1, SLOW | AGAIN, cmd_sync },
	{ "token", 1, 1, ANY_STATE | HERE, cmd_token },
	{ "user-add", 3, 3, 0, cmd_user_add },
	{ "user-del", 2, 2, 0, cmd_user_del },
	{ "user-list", 1, 1, READS | HERE, cmd_user_list },
	{ "user-set", 4, 4, AGAIN, cmd_user_set },
	{ "wait", 3, 3, AGAIN, cmd_wait },
};

/* Words have tabs between, and are percent-encoded. */
static int
split(struct session *c, struct span line)
{
	struct span	 f;
	size_t		 at[AGENT_ARGS_MAX];

	c->nargs = 0;
	buf_reset(&c->args);
	while (str_field(&line, '\t', &f)) {
		if (c->nargs == AGENT_ARGS_MAX)
			return CM_EDATA;
		at[c->nargs++] = c->args.len;
		if (str_unpct(&c->args, f.p, f.len) != 0)
			return CM_EDATA;
		if (buf_addc(&c->args, '\0') != 0)
			return c->args.err;
	}
	for (size_t i = 0; i < c->nargs; i++)
		c->arg[i] = c->args.p + at[i];
	return 0;
}

/* A dump of this node's own catalog, to compare it with others, too. */
static bool
is_here(const struct session *c, const struct command *cmd)
{
	return (cmd->flags & HERE) || (cmd->fn == cmd_dump &&
	    is_dump_here(c));
}

/* A new leader has to look at its tables first, and a node that is new among
 * several waits for them. */
static void
wait_for_tables(struct session *c, const struct command *cmd)
{
	struct agent	*a = c->a;
	int64_t		 end = time_mono_ms() + AGENT_WAIT_MS;

	if (a->replica == NULL || (cmd->flags & HERE && cmd->flags &
	    ANY_STATE))
		return;
	while (!a->stop && time_mono_ms() < end &&
	    ((a->new_role && !(cmd->flags & HERE)) ||
	    (a->state == CATDB_NEW && !agent_leads(a))))
		time_sleep_ms(5);
}

static bool
has_body(const struct session *c, const struct command *cmd)
{
	return (cmd->flags & BODY) || (cmd->fn == cmd_rebuild &&
	    c->nargs > 1 && strcmp(c->arg[1], "dump") == 0);
}

/*
 * A request for the leader, at a follower.  While no leader can be asked, for
 * a moment; what was asked and may have been done is asked again when that
 * makes no difference.  CM_ESTALE: this node leads by now.
 */
static int
forward(struct session *c, const struct command *cmd, struct span line)
{
	struct agent_forward	*f = &c->forward;
	int64_t			 end = time_mono_ms() + AGENT_WAIT_MS;
	int			 rc;

	f->body = has_body(c, cmd);
	f->slow = cmd->flags & SLOW;
	if (c->direct) {
		c->over = f->body;	/* it is not read as requests */
		return say(c, CM_ESTALE, "this node does not lead any more");
	}
	/* who asks now wants to see what this node stored before */
	if (cmd->fn == cmd_wait || cmd->fn == cmd_sync ||
	    cmd->fn == cmd_dump)
		relay_push_wait(c->a->relay);
	for (;;) {
		replica_await(c->a->replica, (int)(end - time_mono_ms()));
		if (agent_leads(c->a))
			return CM_ESTALE;
		rc = agent_forward(c->a, f, &c->s, line);
		if (time_mono_ms() >= end || f->body || (rc != CM_ESTALE &&
		    !(rc == CM_EAWAY && (cmd->flags & AGAIN))))
			break;
		time_sleep_ms(RETRY_MS);
	}
	if (f->body && !f->up)
		c->over = true;
	return say(c, rc == CM_ESTALE ? CM_EAWAY : rc, f->text);
}

/* When the leader is another one, the tables are away for a moment. */
static int
read_tables(struct session *c, const struct command *cmd)
{
	int64_t	 end = time_mono_ms() + AGENT_WAIT_MS;
	size_t	 len = c->s.out.len;
	int	 rc;

	c->sent = false;
	for (;;) {
		pthread_rwlock_rdlock(&c->a->gate);
		rc = cmd->fn(c);
		pthread_rwlock_unlock(&c->a->gate);
		if (rc != CM_EAWAY || c->a->replica == NULL || c->sent ||
		    c->a->stop || time_mono_ms() > end)
			return rc;
		c->s.out.len = len;
		time_sleep_ms(RETRY_MS);
	}
}

static int
answer(struct session *c, const struct command *cmd)
{
	wait_for_tables(c, cmd);
	if (!(cmd->flags & ANY_STATE) && (c->a->state == CATDB_NEW ||
	    c->a->state == CATDB_LOADING))
		return say(c, CM_EAGAIN, agent_leads(c->a) ? "the catalog is "
		    "missing, but there is mail: cm-rebuild catalog" :
		    "this node has not got the catalog yet");
	return cmd->flags & READS ? read_tables(c, cmd) : cmd->fn(c);
}

/* Here, or at the leader; again when the lead went elsewhere and nothing was
 * done. */
static int
here_or_there(struct session *c, const struct command *cmd, struct span line)
{
	int64_t	 end = time_mono_ms() + AGENT_WAIT_MS;
	int	 rc;

	do {
		if (!is_here(c, cmd) && !agent_leads(c->a) &&
		    ((rc = forward(c, cmd, line)) != CM_ESTALE || c->direct))
			return rc;
		rc = answer(c, cmd);
	} while (rc == CM_ESTALE && !c->direct && !has_body(c, cmd) &&
	    !agent_leads(c->a) && time_mono_ms() < end);
	if (rc != CM_ESTALE || c->a->replica == NULL)
		return rc;
	return say(c, c->direct ? CM_ESTALE : CM_EAWAY, "this node does not "
	    "lead any more");
}

static int
dispatch(struct session *c, struct span line)
{
	const struct command	*cmd = NULL;

	if (split(c, line) != 0 || c->nargs == 0)
		return say(c, CM_EPROTO, "not a request");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(c->arg[0], commands[i].name) == 0)
			cmd = &commands[i];
	if (cmd == NULL || c->nargs < cmd->min || c->nargs > cmd->max)
		return say(c, CM_EPROTO, "not a request");
	c->settles = !(cmd->flags & ANY_STATE);
	return here_or_there(c, cmd, line);
}

/* From here on nobody else uses the descriptor: it can be closed. */
static int
take_fd(struct agent_guest *g)
{
	int	 fd;

	pthread_mutex_lock(&g->agent->mu);
	fd = g->fd;
	g->fd = -1;
	pthread_mutex_unlock(&g->agent->mu);
	return fd;
}

void
agent_session(struct agent_guest *g)
{
	struct agent	*a = g->agent;
	struct session	*c;
	struct span	 line;
	int		 rc;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(take_fd(g));
		return;
	}
	c->a = a;
	buf_init(&c->args, AGENT_LINE_MAX + AGENT_ARGS_MAX);
	stream_init(&c->s, g->fd, CATDUMP_LINE_MAX, IDLE_MS);
	while (!c->over) {
		bool more = stream_has_line(&c->s);

		if (!more)
			g->waits_since = time_mono_ms();
		if (stream_line(&c->s, &line) != 0)
			break;
		g->waits_since = 0;
		if (!more)
			c->wait_until_ms = time_mono_ms() + AGENT_WAIT_MS;
		c->error[0] = '\0';
		c->quiet = false;
		rc = dispatch(c, line);
		if (!c->quiet)
			buf_addf(&c->s.out, ".%d\t%s\n", rc,
			    c->error[0] ? c->error : cm_strerror(rc));
		/* answers to requests sent together go together */
		if (flush(c, stream_has_line(&c->s) ? FLUSH : 1) != 0)
			break;
	}
	if (flush(c, 1) != 0)
		log_debug(a->log, "a client went away");
	agent_forward_end(&c->forward);
	c->s.fd = take_fd(g);
	stream_close(&c->s);
	buf_free(&c->args);
	free(c);
}
