/*
 * What a client that uses NOTIFY (RFC 5465) is told of; between imapd_notify.c,
 * the command and its session, and imapd_watch.c, the folders.  Level 4.
 */
#ifndef CM_IMAPD_NOTIFY_H
#define CM_IMAPD_NOTIFY_H

#include "protocol/imapd_int.h"

#define WATCH_FOLDERS_MAX 10000	/* of a mailbox that is watched */
#define WATCH_NAMES_MAX	1000	/* that a client may list */
#define WATCH_TOLD_MAX	1000	/* folders, or new messages with items, that a
				 * client is told of at once */

/* Folders that are watched, and what of them: a group for others than the
 * selected one. */
struct watch_group {
	const struct imap_notify *g;
	char		 (*name)[FOLDER_MAX + 1];
	size_t		 n;
};

/* All folders, in the order of their names' bytes. */
struct watch_list {
	struct mailbox_folder *f;
	size_t		 n, room;
};

struct imapd_notify {
	struct buf	 text;		/* the command */
	struct imap_command c;		/* and what it says */
	unsigned	 selected;	/* events of the selected folder */
	bool		 delayed;
	struct watch_group *group;
	size_t		 ngroups;	/* 0: only the selected one counts */
	struct watch_list known;	/* what the client knows of */
	struct watch_list now;
	bool		 too_much;	/* NOTIFICATIONOVERFLOW comes next */

	/* what the client did, which it is not told of */
	enum imap_verb	 did;		/* IMAP_UNKNOWN: nothing */
	char		 from[FOLDER_MAX + 1];	/* that folder */
	char		 to[FOLDER_MAX + 1];	/* RENAME */
	char		 added_to[FOLDER_MAX + 1]; /* APPEND, COPY, MOVE */
	uint32_t	 added;		/* messages */
	struct imap_set	 own;		/* UIDs in the selected folder */
};

/* --- imapd_watch.c --- */

/* All folders that there are.  CM_ETOOBIG: too many. */
int	 watch_list(struct imapd *, struct watch_list *) CM_MUST;
/* NULL: not there. */
struct mailbox_folder *watch_find(const struct watch_list *, const char *name);
/* STATUS of each folder whose messages are watched. */
void	 watch_say_all(struct imapd *, const struct imapd_notify *);
/* n->now differs from n->known in these: names, and messages. */
int	 watch_say_names(struct imapd *, struct imapd_notify *) CM_MUST;
void	 watch_say_messages(struct imapd *, struct imapd_notify *);

#endif
