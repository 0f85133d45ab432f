/* What the smtp*.c files share; nobody else includes it.  Level 4. */
#ifndef CM_SMTP_INT_H
#define CM_SMTP_INT_H

#include "adapter/sasl_server.h"
#include "cluster/catalog.h"
#include "cluster/delay.h"
#include "cluster/deliver.h"
#include "cluster/filter.h"
#include "cluster/intake.h"
#include "format/smtp.h"
#include "protocol/smtp.h"

#define SMTP_HOST_MAX	256

/* What a worker keeps from session to session. */
struct smtp_worker {
	const struct log *log;
	const struct conf *conf;
	const char	*file, *node;		/* what conf_load was given */
	char		 host[SMTP_HOST_MAX];	/* what we call ourselves */
	char		*spool;			/* for large messages */
	struct catalog	*catalog;
	int64_t		 away_ms;	/* it is not asked before */
	struct deliver	*deliver;
	struct delay	*delay;		/* of all workers; may be NULL */
	struct sasl_server *sasl;
	struct filters	*filters;	/* NULL: there are none */
};

struct smtp_rcpt {
	char		*address;	/* canonical */
	char		*mailboxes;	/* one a line; NULL: another domain */
};

/* A message on its way: from MAIL to the answer behind the data. */
struct smtp_mail {
	bool		 begun;
	char		 sender[ADDRESS_MAX + 1];
	bool		 utf8, eight_bit;	/* SMTPUTF8, BODY=8BITMIME */
	uint64_t	 size;			/* declared, or 0 */
	struct smtp_rcpt *rcpt;
	size_t		 nrcpt, room;
	size_t		 names;			/* bytes of all mailboxes */
	bool		 chunks;		/* BDAT was used */
	bool		 spoilt;		/* one of its chunks failed */
	int64_t		 since_ms;
	struct ulid	 id;
	char		 id_text[ULID_LEN + 1];
	size_t		 received_at;	/* what is before is for mailboxes */
};

struct smtp {
	struct session	*s;
	struct smtp_worker *w;
	enum smtp_mode	 mode;
	char		 helo[SMTP_HOST_MAX];	/* "": none yet */
	bool		 esmtp;
	char		 user[ADDRESS_MAX + 1];	/* logged in; "": nobody */
	struct smtp_mail mail;
	struct intake	 in;
	struct smtp_data data;
	unsigned	 errors;
	bool		 done;
	int64_t		 begun_ms;
	int64_t		 useful_ms;	/* when it last did what it is for */
};

/* --- smtp.c --- */

/* A reply; one of 400 and above counts, and is logged as a refusal. */
void	 smtp_say(struct smtp *, int code, const char *enhanced,
	    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void	 smtp_reset(struct smtp *);
/* The largest message taken: with what is put in front it fits the policy's. */
uint64_t smtp_limit(const struct smtp *);
void	 smtp_too_big(struct smtp *);
/* The beginning of a log line: what is known of the client. */
void	 smtp_log_client(struct smtp *, struct buf *);
/*
 * Waiting: the command's time, and not over the session's; less while others
 * wait for a worker.
 */
void	 smtp_deadline(struct smtp *, int ms);
/* The connection failed: says so if that is possible, and ends. */
void	 smtp_lost(struct smtp *, int rc, const char *when);
bool	 smtp_is_tls(const struct smtp *);

/* --- smtp_mail.c: MAIL and RCPT --- */

void	 smtp_mail(struct smtp *, struct span args);
void	 smtp_rcpt(struct smtp *, struct span args);
/* May he send mail to other domains? */
bool	 smtp_may_relay(const struct smtp *);

/* --- smtp_data.c: DATA and BDAT --- */

void	 smtp_data(struct smtp *, struct span args);
void	 smtp_bdat(struct smtp *, struct span args);

/* --- smtp_trace.c: what is put in front of a message, and looked for --- */

/* Return-Path, Delivered-To when it is for one mailbox, Received. */
int	 smtp_trace(struct smtp *, struct buf *) CM_MUST;
/* Date and Message-ID, those that are missing (RFC 6409 section 8). */
int	 smtp_missing(struct smtp *, struct span header, struct buf *) CM_MUST;
/* Has it been here before, or too often anywhere? */
bool	 smtp_is_loop(const struct smtp *, struct span header);

/* --- smtp_accept.c: the whole message is there --- */

/* Checks it, keeps it and answers. */
void	 smtp_accept(struct smtp *);

/* --- smtp_auth.c --- */

void	 smtp_auth(struct smtp *, struct span args);
/* Is logging in offered now? */
bool	 smtp_has_auth(const struct smtp *);

#endif
