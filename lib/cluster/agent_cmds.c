/*
 * A connection to the agent: requests and answers, see cm-internals(7).  What
 * reads the tables is in agent_reads.c, what changes them in agent_changes.c.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/agent_cmds.h"
#include "cluster/catdump.h"
#include "cluster/relay_int.h"

#define IDLE_MS		600000	/* a connection without a request */
#define RETRY_MS	50	/* for a leader */

int
agent_say(struct session *c, int code, const char *text)
{
	if (str_copy(c->error, sizeof(c->error), text) != 0)
		c->error[0] = '\0';
	return code;
}

int
agent_flush(struct session *c, size_t least)
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
	return agent_leads(c->a) ? 0 : agent_say(c, CM_EAWAY, "this node does "
	    "not lead");
}

/* lead NODE: how long changes waited. */
static int
cmd_lead(struct session *c)
{
	char	 text[256] = "";
	int64_t	 held;
	int	 rc;

	if ((rc = agent_lead(c->a, c->arg[1], &held, text)) != 0)
		return text[0] != '\0' ? agent_say(c, rc, text) : rc;
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

const char *
agent_last_word(const struct session *c, size_t n)
{
	return c->nargs > n ? c->arg[n] : NULL;
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
	{ "alias", 3, 3, AGAIN, agent_cmd_alias },
	{ "copy", 7, 7, 0, agent_cmd_copy },
	{ "cursors", 4, 5, READS, agent_cmd_cursors },
	{ "dump", 1, 2, SLOW, agent_cmd_dump },
	{ "expunge", 4, 4, 0, agent_cmd_expunge },
	{ "expunge-all", 3, 3, BODY | AGAIN, agent_cmd_expunge_all },
	{ "expunge-set", 5, 5, AGAIN, agent_cmd_expunge_set },
	{ "flag", 6, 6, AGAIN, agent_cmd_flag },
	{ "folder-add", 4, 4, 0, agent_cmd_folder_add },
	{ "folder-del", 3, 4, 0, agent_cmd_folder_del },
	{ "folder-rename", 4, 4, 0, agent_cmd_folder_rename },
	{ "folders", 2, 3, READS | HERE, agent_cmd_folders },
	{ "index", 7, 8, ANY_STATE | BODY, agent_cmd_index },
	{ "journal", 1, 1, ANY_STATE | HERE | SLOW, agent_cmd_journal },
	{ "lead", 2, 2, ANY_STATE | SLOW | AGAIN, cmd_lead },
	{ "leader", 1, 1, ANY_STATE | HERE, cmd_leader },
	{ "list", 2, 5, READS | HERE, agent_cmd_list },
	{ "load", 1, 2, ANY_STATE | BODY | SLOW, agent_cmd_load },
	{ "merge", 3, 3, ANY_STATE | BODY, agent_cmd_merge },
	{ "merge-end", 2, 2, AGAIN, agent_cmd_merge_end },
	{ "messages", 7, 7, READS | HERE, agent_cmd_messages },
	{ "ping", 1, 1, ANY_STATE | HERE, cmd_ping },
	{ "quota", 2, 2, READS | HERE, agent_cmd_quota },
	{ "rcpt", 2, 2, READS | HERE, agent_cmd_rcpt },
	{ "rebuild", 1, 3, ANY_STATE | SLOW, agent_cmd_rebuild },
	{ "remote", 2, 2, ANY_STATE | HERE, cmd_remote },
	{ "replicate", 2, 2, ANY_STATE | HERE, cmd_replicate },
	{ "stat", 1, 1, ANY_STATE | READS | HERE, agent_cmd_stat },
	{ "stop", 1, 1, ANY_STATE | HERE, cmd_stop },
	{ "store", 8, 8, AGAIN, agent_cmd_store },
	{ "subscribe", 4, 4, AGAIN, agent_cmd_subscribe },
	{ "sync", 1, 1, SLOW | AGAIN, agent_cmd_sync },
	{ "token", 1, 1, ANY_STATE | HERE, cmd_token },
	{ "user-add", 3, 3, 0, agent_cmd_user_add },
	{ "user-del", 2, 2, 0, agent_cmd_user_del },
	{ "user-list", 1, 1, READS | HERE, agent_cmd_user_list },
	{ "user-set", 4, 4, AGAIN, agent_cmd_user_set },
	{ "uids", 4, 4, READS | HERE, agent_cmd_uids },
	{ "vanished", 5, 5, READS | HERE, agent_cmd_vanished },
	{ "verifier", 2, 2, READS | HERE, agent_cmd_verifier },
	{ "wait", 3, 3, AGAIN, agent_cmd_wait },
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
	return (cmd->flags & HERE) || (cmd->fn == agent_cmd_dump &&
	    agent_is_dump_here(c));
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
	return (cmd->flags & BODY) || (cmd->fn == agent_cmd_rebuild &&
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
		return agent_say(c, CM_ESTALE, "this node does not lead any "
		    "more");
	}
	/* who asks now wants to see what this node stored before */
	if (cmd->fn == agent_cmd_wait || cmd->fn == agent_cmd_dump)
		relay_push_wait(c->a->relay);
	else if (cmd->fn == agent_cmd_sync &&
	    (rc = relay_push_sync(c->a->relay)) != 0)
		return agent_say(c, rc, "not all of this node's volumes "
		    "could be indexed now");
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
	return agent_say(c, rc == CM_ESTALE ? CM_EAWAY : rc, f->text);
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
		return agent_say(c, CM_EAGAIN, agent_leads(c->a) ?
		    "the catalog is missing, but there is mail: "
		    "cm-rebuild catalog" :
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
	return agent_say(c, c->direct ? CM_ESTALE : CM_EAWAY, "this node does "
	    "not lead any more");
}

static int
dispatch(struct session *c, struct span line)
{
	const struct command	*cmd = NULL;

	if (split(c, line) != 0 || c->nargs == 0)
		return agent_say(c, CM_EPROTO, "not a request");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(c->arg[0], commands[i].name) == 0)
			cmd = &commands[i];
	if (cmd == NULL || c->nargs < cmd->min || c->nargs > cmd->max)
		return agent_say(c, CM_EPROTO, "not a request");
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
		if (agent_flush(c, stream_has_line(&c->s) ? AGENT_FLUSH :
		    1) != 0)
			break;
	}
	if (agent_flush(c, 1) != 0)
		log_debug(a->log, "a client went away");
	agent_forward_end(&c->forward);
	c->s.fd = take_fd(g);
	stream_close(&c->s);
	buf_free(&c->args);
	free(c);
}
