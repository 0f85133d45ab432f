/* What the pop3*.c files share; nobody else includes it.  Level 4. */
#ifndef CM_POP3_INT_H
#define CM_POP3_INT_H

#include "adapter/sasl_server.h"
#include "cluster/catalog.h"
#include "cluster/reader.h"
#include "format/pop3.h"
#include "format/receipt.h"
#include "protocol/pop3.h"

/* What a worker keeps from session to session. */
struct pop3_worker {
	const struct log *log;
	const struct conf *conf;
	char		 host[256];
	struct catalog	*catalog;
	struct reader	*reader;
	struct sasl_server *sasl;
};

struct pop3_message {
	struct ulid	 id;
	struct place	 place;
	uint32_t	 uid;
	uint32_t	 size;
	bool		 again;		/* one before it has the same id */
	bool		 deleted;
};

struct pop3 {
	struct session	*s;
	struct pop3_worker *w;
	char		 name[1024];	/* of USER; or "" */
	char		 user[ADDRESS_MAX + 1];	/* logged in; "": nobody */
	struct pop3_message *msg;	/* the snapshot; number i + 1 */
	size_t		 n;
	unsigned	 errors;
	bool		 done;
	int64_t		 begun_ms;
};

/* --- pop3.c --- */

void	 pop3_good(struct pop3 *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* code: of RFC 2449 section 8, such as "IN-USE"; or NULL. */
void	 pop3_bad(struct pop3 *, const char *code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
void	 pop3_deadline(struct pop3 *, int ms);
void	 pop3_lost(struct pop3 *, int rc);
/* A log line: what happened, and what is known of the client. */
void	 pop3_log(struct pop3 *, const char *what, const char *why);

/* --- pop3_auth.c --- */

void	 pop3_user(struct pop3 *, struct span args);
void	 pop3_pass(struct pop3 *, struct span args);
void	 pop3_auth(struct pop3 *, struct span args);
/* Are names and passwords taken as they are? */
bool	 pop3_is_private(const struct pop3 *);

/* --- pop3_drop.c: the mailbox --- */

/* Takes the snapshot: INBOX as it is now. */
int	 pop3_open(struct pop3 *) CM_MUST;
void	 pop3_stat(struct pop3 *);
void	 pop3_list(struct pop3 *, struct span args);
void	 pop3_uidl(struct pop3 *, struct span args);
void	 pop3_retr(struct pop3 *, struct span args);
void	 pop3_top(struct pop3 *, struct span args);
void	 pop3_dele(struct pop3 *, struct span args);
void	 pop3_rset(struct pop3 *);
/* What was marked goes, all or none. */
int	 pop3_update(struct pop3 *, size_t *n) CM_MUST;

#endif
