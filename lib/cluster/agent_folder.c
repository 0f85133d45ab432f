/* What the agent answers to who changes folders. */
#include <string.h>

#include "cluster/agent_cmds.h"
#include "cluster/change.h"
#include "cluster/folder.h"
#include "format/address.h"
#include "format/imap.h"

#define USE_ALL		(2 * IMAP_USE_IMPORTANT - 1)

struct request {
	char		 mailbox[ADDRESS_MAX + 1];
	char		 folder[FOLDER_MAX + 1];
	char		 to[FOLDER_MAX + 1];
	uint32_t	 use;
	uint32_t	 validity;	/* of a deletion; 0: any */
	bool		 on;
};

/* The mailbox and a folder of a request. */
static int
begin(struct session *c, struct request *q)
{
	if (address_key(c->arg[1], strlen(c->arg[1]), q->mailbox) != 0)
		return CM_ENOUSER;
	return folder_name(c->arg[2], strlen(c->arg[2]), q->folder) == 0 ? 0 :
	    agent_say(c, CM_EDATA, "not a name of a folder");
}

static int
number(const char *s, uint64_t max, uint64_t *v)
{
	return str_u64(s, strlen(s), max, v);
}

static int
do_add(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*q = arg;

	return change_folder_add(d, x, q->mailbox, q->folder, q->use);
}

/* folder-add MAILBOX FOLDER USE */
int
agent_cmd_folder_add(struct session *c)
{
	struct request	 q;
	uint64_t	 use;
	int		 rc;

	if ((rc = begin(c, &q)) != 0)
		return rc;
	if (number(c->arg[3], USE_ALL, &use) != 0)
		return agent_say(c, CM_EDATA, "not a use of a folder");
	q.use = (uint32_t)use;
	return agent_change(c->a, do_add, &q);
}

/* CM_ENOINPUT: the folder of that name is another one. */
static int
is_meant(struct catdb *d, struct kv_txn *x, const struct request *q)
{
	struct row_account a;
	struct row_folder f = { .validity = 0 };
	struct buf	 raw;
	int		 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = account_get(d, x, q->mailbox, &raw, &a)) == 0)
		rc = account_folder_get(d, x, a.id, (struct span){ q->folder,
		    strlen(q->folder) }, &f);
	buf_free(&raw);
	return rc != 0 || f.validity == q->validity ? rc : CM_ENOINPUT;
}

static int
do_del(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*q = arg;
	int		 rc;

	if (q->validity != 0 && (rc = is_meant(d, x, q)) != 0)
		return rc;
	return change_folder_del(d, x, q->mailbox, q->folder);
}

/* folder-del MAILBOX FOLDER [UIDVALIDITY] */
int
agent_cmd_folder_del(struct session *c)
{
	struct request	 q;
	const char	*word = agent_last_word(c, 3);
	uint64_t	 validity = 0;
	int		 rc;

	if ((rc = begin(c, &q)) != 0)
		return rc;
	if (word != NULL && number(word, UINT32_MAX, &validity) != 0)
		return agent_say(c, CM_EDATA, "not a UIDVALIDITY");
	q.validity = (uint32_t)validity;
	if (strcmp(q.folder, "INBOX") == 0)
		return agent_say(c, CM_EPERM, "INBOX stays");
	if ((rc = agent_change(c->a, do_del, &q)) != 0)
		return rc;
	/* its messages are going */
	pthread_mutex_lock(&c->a->writing);
	c->a->purging = true;
	pthread_mutex_unlock(&c->a->writing);
	agent_ask(c->a);
	return 0;
}

static int
do_rename(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*q = arg;

	return change_folder_rename(d, x, q->mailbox, q->folder, q->to);
}

/* folder-rename MAILBOX FOLDER TO */
int
agent_cmd_folder_rename(struct session *c)
{
	struct request	 q;
	int		 rc;

	if ((rc = begin(c, &q)) != 0)
		return rc;
	if (folder_name(c->arg[3], strlen(c->arg[3]), q.to) != 0)
		return agent_say(c, CM_EDATA, "not a name of a folder");
	return agent_change(c->a, do_rename, &q);
}

static int
do_subscribe(struct catdb *d, struct kv_txn *x, void *arg)
{
	struct request	*q = arg;

	return change_subscribe(d, x, q->mailbox, q->folder, q->on);
}

/* subscribe MAILBOX FOLDER 1|0 */
int
agent_cmd_subscribe(struct session *c)
{
	struct request	 q;
	uint64_t	 on;
	int		 rc;

	if ((rc = begin(c, &q)) != 0)
		return rc;
	if (number(c->arg[3], 1, &on) != 0)
		return agent_say(c, CM_EDATA, "neither 1 nor 0");
	q.on = on == 1;
	return agent_change(c->a, do_subscribe, &q);
}
