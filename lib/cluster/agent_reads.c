/* What the agent answers to who reads the catalog. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/account.h"
#include "cluster/agent_cmds.h"
#include "cluster/catdump.h"
#include "cluster/known.h"
#include "format/address.h"

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

/* "=MAILBOX", and behind a tab what its quota leaves, in bytes. */
static int
say_mailbox(struct session *c, struct span name, struct buf *raw)
{
	char			 key[ADDRESS_MAX + 1];
	struct row_account	 a;
	int			 rc;

	if ((rc = str_ncopy(key, sizeof(key), name.p, name.len)) != 0 ||
	    (rc = account_get(&c->a->db, NULL, key, raw, &a)) != 0)
		return rc == CM_ENOUSER ? 0 : rc;	/* deleted just now */
	buf_addf(&c->s.out, "=%s", key);
	if (a.quota > 0)
		buf_addf(&c->s.out, "\t%llu", a.bytes < a.quota ?
		    (unsigned long long)(a.quota - a.bytes) : 0);
	return buf_addc(&c->s.out, '\n');
}

/* rcpt ADDRESS: the mailboxes it means. */
int
agent_cmd_rcpt(struct session *c)
{
	struct buf	 out, raw;
	struct span	 rest, l;
	int		 rc;

	buf_init(&raw, ROW_MAX);
	buf_init(&out, ADDRESS_MAX * ACCOUNT_RESULTS_MAX);
	rc = account_resolve(&c->a->db, c->a->conf, c->arg[1], &out);
	/* while mailboxes are still being found, "no" is not final */
	if ((rc == CM_ENOUSER || rc == CM_ENOHOST) &&
	    c->a->state != CATDB_OK)
		rc = CM_EAGAIN;
	else if ((rc == CM_ENOUSER || rc == CM_ENOHOST) && is_empty(c))
		rc = agent_say(c, CM_EAGAIN, "there is no mailbox at all yet "
		    "(cm-user add)");
	rest = (struct span){ out.p, out.len };
	while (rc == 0 && str_field(&rest, '\n', &l))
		if (l.len > 0)
			rc = say_mailbox(c, l, &raw);
	buf_free(&out);
	buf_free(&raw);
	return rc;
}

/* verifier NAME: whose it is, and what passwords are checked with. */
int
agent_cmd_verifier(struct session *c)
{
	int	 rc;

	/* while mailboxes are still being found, "no" is not final */
	rc = agent_verifier(c->a, c->arg[1], &c->s.out);
	if (rc == CM_ENOUSER && (c->a->state != CATDB_OK || is_empty(c)))
		rc = CM_EAGAIN;
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
	return rc != CM_ENOINPUT ? rc : agent_say(c, CM_EAGAIN, "this place "
	    "was indexed before, with another record or damaged");
}

/* wait ID PLACE: until it is indexed; gives its entries. */
int
agent_cmd_wait(struct session *c)
{
	struct agent	*a = c->a;
	struct ulid	 id;
	struct place	 p;
	struct buf	 out;
	uint64_t	 begun = turns(a);
	int		 rc;

	if (ulid_parse(c->arg[1], strlen(c->arg[1]), &id) != 0 ||
	    place_parse(c->arg[2], strlen(c->arg[2]), &p) != 0)
		return agent_say(c, CM_EDATA, "not a receipt");
	buf_init(&out, RECEIPT_MAX);
	/* the second turn to end has begun after this request */
	while ((rc = look_for(c, &id, &p, turns(a) >= begun + 2, &out)) ==
	    CM_ENOINPUT) {
		if (a->stop || time_mono_ms() > c->wait_until_ms) {
			rc = agent_say(c, CM_ETIMEOUT, "not indexed yet");
			break;
		}
		/* the answers before this one need not wait */
		if ((rc = agent_flush(c, 1)) != 0)
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
	return agent_flush(l->c, AGENT_FLUSH);
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
int
agent_cmd_list(struct session *c)
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
		return agent_say(c, CM_EDATA, "not a UID");
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

static int
list_user(void *arg, struct span k, struct span v)
{
	struct session	*c = arg;
	int		 rc;

	buf_addc(&c->s.out, '=');
	if ((rc = known_account(&c->s.out, k, v)) != 0)
		return rc;
	return agent_flush(c, AGENT_FLUSH);
}

static int
list_alias(void *arg, struct span k, struct span v)
{
	struct session	*c = arg;

	buf_addc(&c->s.out, '=');
	known_alias(&c->s.out, k, v);
	return agent_flush(c, AGENT_FLUSH);
}

int
agent_cmd_user_list(struct session *c)
{
	struct span	 all = { "", 0 };
	int		 rc;

	rc = kv_walk(c->a->db.accounts, NULL, all, 0, list_user, c);
	if (rc == 0)
		rc = kv_walk(c->a->db.aliases, NULL, all, 0, list_alias, c);
	return rc;
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
		if ((rc = agent_flush(c, AGENT_FLUSH)) != 0)
			break;
	}
	stream_close(&in);
	return rc == CM_EEND ? 0 : rc;
}

bool
agent_is_dump_here(const struct session *c)
{
	return c->nargs > 1 && strcmp(c->arg[1], "here") == 0;
}

/* dump [now|here|look]: with now, what waits to be indexed is left out; with
 * here, it is this node's own copy, as it is; with look nobody keeps it. */
int
agent_cmd_dump(struct session *c)
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
int
agent_cmd_journal(struct session *c)
{
	int	 fd, rc;

	if ((rc = agent_spool(c->a, &fd)) != 0)
		return rc;
	if ((rc = journal_copy(c->a->journal, fd)) == 0)
		rc = send_file(c, fd);
	close(fd);
	return rc;
}

/* cursors VOLUME SALT EPOCH [copy]: how far its segments are indexed. */
int
agent_cmd_cursors(struct session *c)
{
	return agent_cursors(c->a, c->arg + 1, agent_last_word(c, 4),
	    &c->s.out);
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
	return agent_flush(c, AGENT_FLUSH);
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

int
agent_cmd_stat(struct session *c)
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
