/*
 * The engine under cm-smtpd, cm-pop3d and cm-imapd: connections from inetd, one
 * process for each, each with a deadline.  Level 4.
 *
 * fd 0 as a connected socket or a pipe (nowait): one session in this process.
 * As a listening socket (wait): workers are forked ahead which accept in turn,
 * each one session at a time; their number follows the load between some spare
 * ones and conf->sessions, beyond which clients wait in the queue; with
 * no session for idle_s seconds all end, and inetd listens again.
 *
 * The first process reads configuration and certificate, looks once a second
 * whether they have changed, and does nothing else: it has no thread and no
 * connection that its workers would share.  A change gets new workers: the old
 * ones end with the session they are in.
 */
#ifndef CM_SESSION_H
#define CM_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "adapter/conn.h"
#include "base/log.h"
#include "cluster/conf.h"

#define SESSION_ADDRESS_MAX 64		/* "2001:db8::1", and a NUL */
#define SESSION_ID_MAX	16
#define SESSION_STOP_S	10	/* for sessions to end, after SIGTERM */

struct session_engine;

/* One connection; all of it is the engine's. */
struct session {
	const struct log *log;		/* lines get the session's id */
	char		 id[SESSION_ID_MAX];	/* unique on the node */
	const struct conf *conf;	/* stays the same for the session */
	struct conn	*conn;
	struct tls_server *tls;		/* NULL: none is configured */
	bool		 implicit;	/* TLS was begun by the engine */
	char		 client[SESSION_ADDRESS_MAX];	/* or "pipe" */
	unsigned	 client_port;
	char		 local[SESSION_ADDRESS_MAX];
	unsigned	 local_port;
	unsigned char	 client_ip[16];	/* IPv4 as ::ffff:a.b.c.d */
	bool		 has_ip;	/* false: a pipe or a Unix socket */
	void		*worker;	/* what open() gave */
	const volatile bool *stop;	/* the node wants to end: say 421 */
	int64_t		 account;	/* its place of it; 0: none */
	struct session_engine *engine;	/* its own */
};

struct session_service {
	const char	*name;		/* "smtpd": in the log, run/NAME.log */
	/*
	 * Once in each process, before the first session, with what stays the
	 * same for all sessions of that process.  A failure ends it; another
	 * one is tried later.
	 */
	int		(*open)(const struct log *, const struct conf *,
			    const char *file, const char *node, void *arg,
			    void **worker);
	void		(*close)(void *worker);
	/*
	 * May a changed configuration be served by?  When not, with a line,
	 * the old one stays.  May be NULL.
	 */
	int		(*check)(const struct log *, const struct conf *);
	/* One session from greeting to goodbye. */
	void		(*serve)(struct session *, void *arg);
	/*
	 * What a client over a limit is told before it is hung up on, with
	 * some seconds to take it; the engine flushes it.  why is "too many
	 * connections" or the like.  Not where TLS comes first: a handshake is
	 * too dear.  May be NULL.
	 */
	void		(*turn_away)(struct session *, const char *why,
			    void *arg);
	void		*arg;
};

struct session_options {
	const char	*file;		/* -C */
	const char	*node;		/* -n */
	bool		 implicit;	/* TLS from the first byte */
	bool		 proxy;		/* a PROXY header comes first */
	int		 idle_s;	/* wait mode */
	unsigned	 workers;	/* at most; 0: conf->sessions */
	unsigned	 spare;		/* idle workers kept; 0: 4 */
};

/*
 * Serves what is on fd 0.  The log goes to syslog (mail) and to the file
 * STATE/run/NAME.log (see handler.h).  *stop: set by SIGTERM and SIGINT, which
 * this takes over, and which are blocked but while a conn waits; running
 * sessions get SESSION_STOP_S seconds to end.  SIGPIPE is ignored.
 *
 * With options->proxy a PROXY header (format/proxy.h) has to come first, within
 * some seconds, from one of conf->proxies; anyone else is hung up on, with a
 * line.  conf->per_client counts those for whom the proxies connect.
 */
int	 session_run(const struct session_service *,
	    const struct session_options *) CM_MUST;

/*
 * Are nearly all workers of all that there may be in a session?  Then whoever
 * says nothing keeps others out, and has less time.  Never in a process with
 * one session.
 */
bool	 session_is_stressed(const struct session *);
/*
 * The deadline of what follows, and an earlier one that holds while the
 * sessions are stressed, now or later in the same wait (time_mono_ms).
 */
#define SESSION_STRESS_MS 10000		/* for what takes minutes otherwise */
void	 session_deadline(struct session *, int64_t mono_ms,
	    int64_t stressed_ms);

/*
 * Words of a log line: " key=value", value in double quotes where it is empty
 * or has other bytes than printable ASCII without blank, " \ and =; in quotes
 * " and \ get a \, and bytes that are not printable ASCII become \xNN.  A long
 * one is cut at SESSION_FIELD_MAX bytes, which "..." shows.
 */
#define SESSION_FIELD_MAX 256
void	 session_log_field(struct buf *, const char *key, const char *value);

/*
 * Failed logins slow down, per client address (IPv6: its /64) and per account,
 * for all services of a node (they share STATE/run/logins): how long to wait
 * before the answer, ms, SESSION_DELAY_MAX at most; and what came of it.  An
 * account is the name that the client gave, ASCII case ignored.
 */
#define SESSION_DELAY_MAX 15000
int	 session_login_delay(struct session *, const char *account);
void	 session_login_result(struct session *, const char *account, bool good);

/*
 * Who has logged in counts as one of the mailbox's sessions, of which there
 * are conf->per_account at most on a node, in all services and all of their
 * processes together (they share STATE/run/accounts).  The session's earlier
 * mailbox, if any, is left.  CM_ETOOBIG: one too many, it is not counted; the
 * client is told so.  No other failure: what cannot be counted is let in.
 * mailbox: as catalog_verifier gives it.  It lasts until it is left or the
 * session ends, by kill -9 too.  After a change of the configuration sessions
 * that are there keep their places.
 */
int	 session_account_enter(struct session *, const char *mailbox) CM_MUST;
void	 session_account_leave(struct session *);

#endif
