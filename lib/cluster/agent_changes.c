/* What the agent answers to who changes the catalog, or replaces it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/sasl.h"
#include "base/file.h"
#include "cluster/account.h"
#include "cluster/agent_cmds.h"
#include "cluster/catdump.h"
#include "cluster/change.h"
#include "cluster/expect.h"
#include "format/address.h"

#define EXPUNGE_ALL_MAX	(16u << 20)
#define VOLUME_AWAY	"a volume cannot be read: cm-rebuild volume first"

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
		return agent_say(c, CM_EDATA, "not an address");
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

/* Of a password, or of none. */
static bool
is_verifier(const char *s)
{
	return s[0] == '\0' || sasl_verifier_check((struct span){ s,
	    strlen(s) }) == 0;
}

/* user-add MAILBOX VERIFIER */
int
agent_cmd_user_add(struct session *c)
{
	char	 name[ADDRESS_MAX + 1];

	if (address_key(c->arg[1], strlen(c->arg[1]), name) != 0 ||
	    address_domain(name) == NULL)
		return agent_say(c, CM_EDATA, "not an address with a domain");
	if (!is_ours(c))
		return agent_say(c, CM_ENOHOST,
		    "its domain is not in cluster.xml");
	if (!is_verifier(c->arg[2]))
		return agent_say(c, CM_EDATA, "not a verifier");
	return change(c, do_add, true);
}

/* user-set MAILBOX password|quota|sms VALUE */
static int
do_set(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_user_set(d, x, r->name, r->arg[2], r->arg[3]);
}

int
agent_cmd_user_set(struct session *c)
{
	if (strcmp(c->arg[2], "password") == 0 && !is_verifier(c->arg[3]))
		return agent_say(c, CM_EDATA, "not a verifier");
	return change(c, do_set, true);
}

static int
do_del(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_user_del(d, x, r->name);
}

int
agent_cmd_user_del(struct session *c)
{
	int	 rc = change(c, do_del, true);

	pthread_mutex_lock(&c->a->writing);
	c->a->purging = true;
	pthread_mutex_unlock(&c->a->writing);
	agent_ask(c->a);
	return rc;
}

static int
do_alias(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*r = arg;

	return change_alias(d, x, r->name, text(r->arg[2]));
}

/* alias ADDRESS TARGETS, one a line; none removes it. */
int
agent_cmd_alias(struct session *c)
{
	if (!is_ours(c))
		return agent_say(c, CM_ENOHOST,
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
		return agent_say(c, CM_EDATA, "not an entry");
	r.uid = (uint32_t)uid;
	return agent_change(c->a, fn, &r);
}

/* flag MAILBOX FOLDER UID ADD DEL */
int
agent_cmd_flag(struct session *c)
{
	return change_message(c, do_flag);
}

/* expunge MAILBOX FOLDER UID */
int
agent_cmd_expunge(struct session *c)
{
	return change_message(c, do_expunge);
}

/* The lines that follow a load request, up to a line ".". */
static int
receive_file(struct session *c, int fd)
{
	struct span	 l;
	struct buf	 b;
	int		 rc;

	buf_init(&b, CATDUMP_LINE_MAX + AGENT_FLUSH);
	while ((rc = stream_line(&c->s, &l)) == 0) {
		if (span_is(l, "."))
			break;
		buf_add(&b, l.p, l.len);
		buf_addc(&b, '\n');
		if (b.len < AGENT_FLUSH)
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
int
agent_cmd_index(struct session *c)
{
	int	 fd, rc;

	if ((rc = receive_change(c, &fd)) == 0)
		rc = agent_push(c->a, c->arg + 1, agent_last_word(c, 7), fd);
	if (fd != -1)
		close(fd);
	return rc;
}

struct expunge_all {
	const char	*folder;
	char		 mailbox[ADDRESS_MAX + 1];
	struct buf	 lines;
	uint64_t	 done;
};

/* One that is still there, and the message that was meant. */
static int
expunge_line(struct catdb *d, struct kv_txn *x, struct expunge_all *q,
    struct span l)
{
	struct row_message m;
	struct buf	 raw;
	struct span	 uid_text, id_text = { NULL, 0 };
	struct ulid	 id;
	uint64_t	 uid;
	int		 rc;

	if (!str_field(&l, ' ', &uid_text) || !str_field(&l, ' ', &id_text) ||
	    str_u64(uid_text.p, uid_text.len, UINT32_MAX, &uid) != 0 ||
	    ulid_parse(id_text.p, id_text.len, &id) != 0)
		return CM_EPROTO;
	buf_init(&raw, ROW_MAX);
	rc = account_message(d, x, q->mailbox, q->folder, (uint32_t)uid, &raw,
	    &m);
	if (rc == 0 && memcmp(m.id.b, id.b, sizeof(id.b)) == 0 &&
	    (rc = change_expunge(d, x, q->mailbox, q->folder,
	    (uint32_t)uid)) == 0)
		q->done++;
	buf_free(&raw);
	return rc == CM_ENOINPUT ? 0 : rc;
}

static int
do_expunge_all(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct expunge_all *q = arg;
	struct span	 rest = { q->lines.p, q->lines.len }, l;
	int		 rc = 0;

	q->done = 0;
	while (rc == 0 && q->lines.len > 0 && str_field(&rest, '\n', &l))
		if (l.len > 0)
			rc = expunge_line(d, x, q, l);
	/* all of it or nothing: none of the codes after which it is kept */
	return rc == 0 || (rc == CM_ENOUSER && q->done == 0) ? rc : CM_ESOFT;
}

/*
 * expunge-all MAILBOX FOLDER, lines "UID ID": those that are there, in one
 * transaction; gives their number.
 */
int
agent_cmd_expunge_all(struct session *c)
{
	struct expunge_all q = { .folder = c->arg[2] };
	int		 fd, rc;

	buf_init(&q.lines, EXPUNGE_ALL_MAX);
	if ((rc = receive_change(c, &fd)) == 0 &&
	    address_key(c->arg[1], strlen(c->arg[1]), q.mailbox) != 0)
		rc = agent_say(c, CM_EDATA, "not an address");
	if (rc == 0 && lseek(fd, 0, SEEK_SET) == -1)
		rc = log_errno(c->a->log, "expunge-all");
	if (rc == 0 && (rc = file_read_fd(fd, &q.lines)) == 0 &&
	    (rc = agent_change(c->a, do_expunge_all, &q)) == 0)
		buf_addf(&c->s.out, "=%llu\n", (unsigned long long)q.done);
	if (fd != -1)
		close(fd);
	buf_free(&q.lines);
	return rc;
}

/* merge FROM AGAINST, and a body: what the other side of a split did. */
int
agent_cmd_merge(struct session *c)
{
	int	 fd, rc;

	if ((rc = receive_change(c, &fd)) == 0)
		rc = agent_merge(c->a, c->arg + 1, fd, &c->s.out);
	if (fd != -1)
		close(fd);
	return rc;
}

int
agent_cmd_merge_end(struct session *c)
{
	return agent_merge_end(c->a, c->arg[1]);
}

/* load [force]: the dump's lines follow the request. */
int
agent_cmd_load(struct session *c)
{
	int	 fd, rc;

	if ((rc = agent_spool(c->a, &fd)) != 0)
		return rc;
	if ((rc = receive_file(c, fd)) == 0)
		rc = agent_load(c->a, fd, c->nargs > 1);
	close(fd);
	if (rc == CM_EDATA)
		agent_say(c, rc, "this is no whole dump of a catalog; see the "
		    "agent's log for the line");
	else if (rc == CM_EEXIST)
		agent_say(c, rc, "the catalog holds other things than this "
		    "dump (-f replaces them)");
	else if (rc == CM_EAGAIN)
		agent_say(c, rc, VOLUME_AWAY);
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
		return agent_say(c, CM_ELOCK, "somebody else has begun to "
		    "rebuild the catalog");
	agent_replay_begin(c->a, &r);
	/* it was when they looked; by now somebody else may have done it */
	if (c->nargs > 2 && (c->a->state == CATDB_OK ||
	    c->a->state == CATDB_BUILDING))
		rc = agent_say(c, CM_EEXIST, "the catalog is not lost, or was "
		    "rebuilt already (-f replaces it)");
	else
		rc = agent_rebuild(c->a, from, fd, &r);
	if (rc == CM_EDATA)
		rc = agent_say(c, rc, "this is no whole dump of a catalog");
	if (rc == 0) {
		buf_addf(&c->s.out, "=from\t%s\n", names[*from]);
		if (*from != FROM_SELF && *from != FROM_BUILDING)
			say_replayed(c, &r);
		/* what is told already is not begun again elsewhere */
		if ((rc = agent_flush(c, 1)) == 0 &&
		    (rc = agent_sync(c->a)) == CM_ESTALE)
			rc = CM_EAWAY;
		if (rc == 0)
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
int
agent_cmd_rebuild(struct session *c)
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
	return rc == CM_EAGAIN ? agent_say(c, rc, VOLUME_AWAY) : rc;
}

int
agent_cmd_sync(struct session *c)
{
	int	 rc = agent_sync(c->a);

	return rc != CM_EAGAIN ? rc : agent_say(c, rc, "a volume cannot be "
	    "opened now");
}
