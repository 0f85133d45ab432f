/* What the imapd*.c files share; nobody else includes it.  Level 4. */
#ifndef CM_IMAPD_INT_H
#define CM_IMAPD_INT_H

#include "adapter/sasl_server.h"
#include "cluster/ahead.h"
#include "cluster/catalog.h"
#include "cluster/deliver.h"
#include "cluster/mailbox.h"
#include "cluster/reader.h"
#include "format/imap.h"
#include "format/imap_text.h"
#include "format/receipt.h"
#include "protocol/imapd.h"

/* What a worker keeps from session to session. */
struct imapd_worker {
	const struct log *log;
	const struct conf *conf;
	char		 host[256];
	char		*spool;			/* for large messages */
	struct catalog	*catalog;
	struct reader	*reader;
	struct ahead	*ahead;			/* for records elsewhere */
	struct deliver	*deliver;
	struct sasl_server *sasl;
};

/*
 * The selected folder as the client knows it: number i + 1 has uid[i].  What
 * was changed since is told by imapd_view_sync.
 */
struct imapd_view {
	bool		 open, readonly;
	char		 name[FOLDER_MAX + 1];
	uint32_t	 validity;
	uint32_t	*uid;		/* ascending */
	uint64_t	*modseq;	/* what the client was told of it */
	size_t		 n, room;
	uint32_t	 uidnext;	/* UIDs below it were given */
	uint64_t	 highest;	/* changes up to it were looked at */
	uint64_t	 looked;	/* and up to it, what has gone */
	struct imap_set	 saved;		/* "$" of RFC 5182: UIDs */
};

struct imapd {
	struct session	*s;
	struct imapd_worker *w;
	char		 user[ADDRESS_MAX + 1];	/* logged in; "": nobody */
	struct mailbox	*box;		/* his */
	struct imapd_view view;
	unsigned	 enabled;	/* enum imap_capability */
	struct imapd_notify *notify;	/* NULL: not while no command runs */
	unsigned	 unwanted;	/* enum imap_event: of the selected
					 * folder, and not told */
	struct buf	 line;		/* the command, literals included */
	struct buf	 reply;		/* behind its tag */
	unsigned	 errors;
	bool		 compressed;
	bool		 done;
	int64_t		 begun_ms;
};

/* --- imapd.c --- */

/*
 * The command's one answer, sent behind all else that it has to say.  code: a
 * response code such as "UIDNEXT 4" without [ ], or NULL.
 */
void	 imapd_ok(struct imapd *, const char *code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
void	 imapd_no(struct imapd *, const char *code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* Counts: a client that goes on with it is hung up on. */
void	 imapd_bad(struct imapd *, const char *code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* NO, with the code of RFC 5530 for what became of a request. */
void	 imapd_no_for(struct imapd *, int rc);
/* BYE, and the end. */
void	 imapd_bye(struct imapd *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	 imapd_deadline(struct imapd *, int ms);
#define IMAPD_SEND_MS	300000		/* for some of an answer */
/* The connection is lost, or the time was up. */
void	 imapd_lost(struct imapd *, int rc);
/* A log line: what happened, and what is known of the client. */
void	 imapd_log(struct imapd *, const char *what, const char *why);
/* Sends some of what was gathered; false: the client has gone. */
bool	 imapd_send_some(struct imapd *);
/* Does the client read UTF-8 in strings? */
bool	 imapd_is_utf8(const struct imapd *);
/* Has it enabled IMAP4rev2 (RFC 9051)? */
bool	 imapd_is_rev2(const struct imapd *);
/* Has it said that it knows modification sequences (RFC 7162)? */
bool	 imapd_is_condstore(const struct imapd *);
bool	 imapd_is_qresync(const struct imapd *);

/* --- imapd_read.c --- */

/*
 * A whole command into m->line.  CM_EDATA: it cannot be taken, which was
 * answered, and the next one may come; else the connection is lost, or
 * m->done.
 */
int	 imapd_read(struct imapd *) CM_MUST;

/* --- imapd_auth.c --- */

void	 imapd_capability(const struct imapd *, struct buf *);
void	 imapd_login(struct imapd *, const struct imap_command *);
void	 imapd_authenticate(struct imapd *, const struct imap_command *);
void	 imapd_starttls(struct imapd *, const struct imap_command *);
void	 imapd_compress(struct imapd *, const struct imap_command *);
void	 imapd_id(struct imapd *, const struct imap_command *);
void	 imapd_enable(struct imapd *, const struct imap_command *);
/* A command shows that the client knows it: RFC 7162 section 3.1. */
void	 imapd_condstore(struct imapd *);

/* --- imapd_view.c --- */

void	 imapd_select(struct imapd *, const struct imap_command *);
void	 imapd_close(struct imapd *, const struct imap_command *);
void	 imapd_unselect(struct imapd *, const struct imap_command *);
/* Ends the view; NULL memory is fine. */
void	 imapd_view_end(struct imapd *);
/* The place of a UID in the view; view.n when it is not in it. */
size_t	 imapd_view_find(const struct imapd *, uint32_t uid);
/* The first place with that UID or a higher one. */
size_t	 imapd_view_from(const struct imapd *, uint32_t uid);
/* How many messages of the view are in a set of UIDs. */
uint64_t imapd_view_count(const struct imapd *, const struct imap_set *);
/* CM_ESTALE: not a higher one than the last. */
int	 imapd_view_add(struct imapd *, uint32_t uid, uint64_t modseq) CM_MUST;
/* The command's set, of numbers or UIDs, as UIDs of the view; *out to be
 * freed.  CM_EDATA: a number that there is none of. */
int	 imapd_view_set(struct imapd *, const struct imap_set *, bool uid,
	    struct imap_set *out) CM_MUST;

/* --- imapd_sync.c --- */

/*
 * Tells the client what others have changed: EXISTS, FETCH, and with expunge
 * EXPUNGE.  CM_ENOINPUT, CM_ESTALE: the folder is not there any more.
 */
int	 imapd_view_sync(struct imapd *, bool expunge) CM_MUST;
/* All that was in the view has gone, and what comes has another UIDVALIDITY. */
int	 imapd_view_emptied(struct imapd *) CM_MUST;
/* "* 4 FETCH (FLAGS (\Seen) UID 7 MODSEQ (12))" of a row with flags. */
void	 imapd_say_flags(struct imapd *, size_t at,
	    const struct mailbox_message *, bool uid);
void	 imapd_idle(struct imapd *, const struct imap_command *);
/* The same of a folder as it is now, of that UIDVALIDITY. */
int	 imapd_view_sync_to(struct imapd *, const struct mailbox_folder *,
	    bool expunge) CM_MUST;
/* What the client is to be told of all folders; as imapd_view_sync. */
int	 imapd_look(struct imapd *, bool expunge) CM_MUST;
/* Until the client has said something: 0, or it is time to look again. */
#define IMAPD_LOOK_AGAIN	1
int	 imapd_wait_some(struct imapd *, int64_t end) CM_MUST;

/* --- imapd_notify.c --- */

void	 imapd_notify(struct imapd *, const struct imap_command *);
void	 imapd_notify_end(struct imapd *);
/* As imapd_look, and only where m->notify is set, as with the next two. */
int	 imapd_notify_look(struct imapd *, bool expunge) CM_MUST;
/* ms between two looks; 0: there is nothing to look at. */
int	 imapd_notify_period(const struct imapd *);
/* Looks until the client has said something. */
int	 imapd_notify_wait(struct imapd *, int ms) CM_MUST;
/*
 * RFC 5465 section 5: a client is not told of what it did itself: a command was
 * OK, messages were added to a folder, the selected folder is left (and
 * messages were expunged with it).
 */
void	 imapd_notify_did(struct imapd *, const struct imap_command *);
void	 imapd_notify_added(struct imapd *, const char folder[FOLDER_MAX + 1],
	    const struct imap_set *uids);
void	 imapd_notify_left(struct imapd *, uint64_t expunged);
/* FETCH of new messages, from that place in the view on. */
void	 imapd_notify_fetch(struct imapd *, size_t from);

/* --- imapd_qresync.c --- */

/* "* VANISHED (EARLIER) 3:5": of known, or NULL: of all. */
int	 imapd_say_vanished(struct imapd *, uint64_t since,
	    const struct imap_set *known) CM_MUST;
/* What SELECT's QRESYNC asks for. */
int	 imapd_resync(struct imapd *, const struct imap_command *,
	    const struct mailbox_folder *) CM_MUST;

/* --- imapd_folder.c --- */

/* A folder's name as the client wrote it; false: that was answered. */
bool	 imapd_folder(struct imapd *, struct span, char name[FOLDER_MAX + 1]);
void	 imapd_create(struct imapd *, const struct imap_command *);
void	 imapd_delete(struct imapd *, const struct imap_command *);
void	 imapd_rename(struct imapd *, const struct imap_command *);
void	 imapd_subscribe(struct imapd *, const struct imap_command *);
void	 imapd_status(struct imapd *, const struct imap_command *);
void	 imapd_namespace(struct imapd *, const struct imap_command *);
/* STATUS's line of a folder. */
void	 imapd_say_status(struct imapd *, const struct mailbox_folder *,
	    unsigned items);

/* --- imapd_quota.c --- */

void	 imapd_getquota(struct imapd *, const struct imap_command *);
void	 imapd_getquotaroot(struct imapd *, const struct imap_command *);
void	 imapd_setquota(struct imapd *, const struct imap_command *);

/* --- imapd_list.c --- */

void	 imapd_list(struct imapd *, const struct imap_command *);
/* "* LIST () "/" INBOX". */
void	 imapd_say_list(struct imapd *, const struct mailbox_folder *);

/* --- imapd_fetch.c, imapd_item.c --- */

void	 imapd_fetch(struct imapd *, const struct imap_command *);
/* What the items need of the catalog: MAILBOX_ bits; *bytes: and the message
 * itself. */
unsigned imapd_items_need(const struct imap_command *, bool *bytes);
bool	 imapd_has_item(const struct imap_command *, enum imap_what);
/* Adds the items that a row answers, with blanks between. */
void	 imapd_items_of_row(const struct imapd *, const struct imap_command *,
	    const struct mailbox_message *, struct buf *);
/* CM_EDATA: BINARY of an unknown transfer encoding. */
int	 imapd_items_check(const struct imap_command *, struct span msg)
	    CM_MUST;
/* Sends those of the message; some: a blank comes before the first. */
int	 imapd_items_of_text(struct imapd *, const struct imap_command *,
	    struct span msg, bool some) CM_MUST;

/* --- imapd_store.c --- */

void	 imapd_store(struct imapd *, const struct imap_command *);
void	 imapd_expunge(struct imapd *, const struct imap_command *);
void	 imapd_copy(struct imapd *, const struct imap_command *);

/* --- imapd_append.c --- */

void	 imapd_append(struct imapd *, const struct imap_command *);

/* --- imapd_url.c --- */

/* Adds what a URL names.  CM_EDATA, CM_ENOINPUT: it is none of a message that
 * is there; CM_ECORRUPT, CM_EAWAY, ...: it cannot be read. */
int	 imapd_add_url(struct imapd *, struct span, struct buf *) CM_MUST;

/* --- imapd_search.c; see imapd_found.h --- */

void	 imapd_search(struct imapd *, const struct imap_command *);

#endif
