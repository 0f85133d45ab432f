/* What the agent's files of commands share; nobody else includes it.
 * Level 3. */
#ifndef CM_AGENT_CMDS_H
#define CM_AGENT_CMDS_H

#include "cluster/agent_int.h"
#include "format/imap_set.h"

#define AGENT_FLUSH	65536	/* bytes of an answer that are sent at once */

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

/* The text of the answer's last line, and code again. */
int	 agent_say(struct session *, int code, const char *text);
/*
 * Sends what has gathered, when it is that much.  What was read of several
 * catalogs must be safe on enough of them before anybody is told.
 */
int	 agent_flush(struct session *, size_t least);
/* The last word of the request, when it has more than n; or NULL. */
const char *agent_last_word(const struct session *, size_t n);

/* agent_reads.c: 0, or the code that is answered. */
int	 agent_cmd_rcpt(struct session *);
int	 agent_cmd_verifier(struct session *);
int	 agent_cmd_wait(struct session *);
int	 agent_cmd_list(struct session *);
int	 agent_cmd_user_list(struct session *);
int	 agent_cmd_dump(struct session *);
int	 agent_cmd_journal(struct session *);
int	 agent_cmd_cursors(struct session *);
int	 agent_cmd_stat(struct session *);
/* A dump of this node's own catalog. */
bool	 agent_is_dump_here(const struct session *);

/* agent_mailbox.c: the same. */
int	 agent_cmd_folders(struct session *);
int	 agent_cmd_quota(struct session *);
int	 agent_cmd_messages(struct session *);
int	 agent_cmd_uids(struct session *);
int	 agent_cmd_vanished(struct session *);
/* "=NAME TAB UIDVALIDITY TAB UIDNEXT TAB messages TAB unseen TAB bytes TAB
 * modseq TAB id TAB use" */
void	 agent_add_folder(struct buf *, struct span name,
	    const struct row_folder *);

/* Messages of a folder whose UIDs are in a resolved set (NULL: all), in their
 * order; fn gives 0 or a code. */
int	 agent_walk_uids(struct catdb *, struct kv_txn *, uint32_t account,
	    uint32_t folder, const struct imap_set *, kv_fn fn, void *arg)
	    CM_MUST;

/* agent_store.c: the same. */
int	 agent_cmd_store(struct session *);
int	 agent_cmd_expunge_set(struct session *);
int	 agent_cmd_copy(struct session *);

/* agent_folder.c: the same. */
int	 agent_cmd_folder_add(struct session *);
int	 agent_cmd_folder_del(struct session *);
int	 agent_cmd_folder_rename(struct session *);
int	 agent_cmd_subscribe(struct session *);

/* agent_changes.c: the same. */
int	 agent_cmd_user_add(struct session *);
int	 agent_cmd_user_set(struct session *);
int	 agent_cmd_user_del(struct session *);
int	 agent_cmd_alias(struct session *);
int	 agent_cmd_flag(struct session *);
int	 agent_cmd_expunge(struct session *);
int	 agent_cmd_expunge_all(struct session *);
int	 agent_cmd_index(struct session *);
int	 agent_cmd_merge(struct session *);
int	 agent_cmd_merge_end(struct session *);
int	 agent_cmd_load(struct session *);
int	 agent_cmd_rebuild(struct session *);
int	 agent_cmd_sync(struct session *);

#endif
