/*
 * What the files of the engine share.  Level 4.
 *
 * session.c		one session, and a process for one
 * session_master.c	wait mode: the first process, which keeps the workers
 * session_worker.c	wait mode: a worker
 * session_board.c	what master and workers know of each other
 * session_proxy.c	whom a proxy connects for
 * session_login.c	failed logins
 * session_account.c	sessions of an account
 * session_log.c	lines
 * session_signal.c	signals
 */
#ifndef CM_SESSION_INT_H
#define CM_SESSION_INT_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "protocol/session.h"

#define SESSION_SPARE	4

/* --- the board: shared memory of master and workers */

enum slot_state { SLOT_FREE, SLOT_START, SLOT_IDLE, SLOT_BUSY };

/* One worker's; a cache line, which it alone writes often. */
struct slot {
	_Atomic int	 pid;		/* of a slot that is not free */
	_Atomic unsigned state;
	_Atomic bool	 retire;	/* to end behind this session */
	_Atomic uint64_t turn;		/* see board_admit */
	_Atomic int64_t	 since;		/* of its state, time_mono_ms */
	_Atomic uint64_t client[2];	/* address of the limit */
	unsigned	 reading;	/* of cluster.xml, which it serves */
} __attribute__((aligned(64)));

/*
 * Nothing here needs a lock, so a worker may die anywhere.  idle is a hint
 * that dead ones may leave wrong: the master counts again.
 */
struct board {
	_Atomic uint64_t sessions;	/* begun */
	_Atomic uint64_t turns;		/* given to those with an address */
	_Atomic int	 idle;
	_Atomic int	 spare;		/* with fewer the master is woken */
	_Atomic bool	 full;		/* no more can be had: never */
	_Atomic bool	 woken;
	_Atomic bool	 stressed;	/* nearly all that may be are busy */
	_Atomic unsigned top;		/* slots up to here were used */
	unsigned	 max;
	size_t		 size;		/* bytes of it all */
	_Atomic uint32_t *clients;	/* of each slot: hash, or 0 */
	struct slot	 slots[];
};

struct logins;

struct session_engine {
	const struct session_service *service;
	const struct session_options *options;
	struct log	 log;
	char		 prog[32];	/* "cm-smtpd" */
	const struct conf *conf;
	struct tls_server *tls;
	struct logins	*logins;
	int		 accounts;	/* or -1 */
	void		*worker;
	int64_t		 last_id;
	/* wait mode */
	int		 listen;
	int		 master;	/* its pid */
	int		 wake;		/* eventfd: workers wake the master */
	struct board	*board;
	struct slot	*slot;		/* of a worker */
};

/* One for each slot; CM_ENOMEM. */
int	 board_open(unsigned max, struct board **) CM_MUST;
void	 board_close(struct board *);
/* A free slot, now SLOT_START; NULL: none is. */
struct slot *board_take(struct board *);
/* Its worker is gone. */
void	 board_free(struct board *, struct slot *);
struct slot *board_find(struct board *, int pid);
void	 slot_set(struct slot *, enum slot_state);
/*
 * A session begins; wakes the master when few are idle.  was_idle: it was
 * counted.
 */
void	 board_busy(struct session_engine *, bool was_idle);
void	 board_idle(struct session_engine *);
/* The session is one of the client's; false: that is one over the limit. */
bool	 board_admit(struct board *, struct slot *,
	    const unsigned char ip[16], unsigned limit);
void	 board_leave(struct board *, struct slot *);

/* --- the parts */

/*
 * Both run until the process is to end.  Workers are forked by session_master
 * and come back from it too, so that each ends as main() does.
 */
int	 session_master(struct session_engine *) CM_MUST;
int	 session_worker(struct session_engine *) CM_MUST;

/* What a session is limited by: an address, or an IPv6 network. */
void	 session_client(const unsigned char ip[16], uint64_t key[2]);
uint64_t session_hash(uint64_t seed, const void *, size_t);

/* One connection from its begin to its end; closes the descriptors. */
void	 session_one(struct session_engine *, int in, int out);
/* Of a connected or a listening socket, whose connections have it then. */
void	 session_tune(int fd);
/* Certificate and key of the configuration; NULL when it has none. */
int	 session_tls(const struct log *, const struct conf *,
	    const struct tls_server *old, struct tls_server **) CM_MUST;

/*
 * Reads the header that comes first, and not a byte behind it, and puts its
 * addresses into the session.  CM_EPERM, CM_EPROTO, CM_ETIMEOUT, CM_EAWAY.
 */
int	 session_proxy(struct session *, int fd, int64_t deadline_ms) CM_MUST;
/* Addresses of a socket, or of a PROXY header. */
void	 session_set_client(struct session *, const unsigned char ip[16],
	    unsigned port);
void	 session_set_local(struct session *, const unsigned char ip[16],
	    unsigned port);

/* path: made when it is not there; when it cannot be used, a warning. */
int	 logins_open(const struct log *, const char *state,
	    struct logins **) CM_MUST;
void	 logins_close(struct logins *);
/* The same as of session.h, with the clock (seconds); ip may be NULL. */
int	 logins_delay(struct logins *, const unsigned char *ip,
	    const char *account, int64_t now_s);
void	 logins_result(struct logins *, const unsigned char *ip,
	    const char *account, bool good, int64_t now_s);

/*
 * The file, made when it is not there; -1, with a warning, when it cannot be
 * used.  A process has it open once: closing it ends the locks.
 */
int	 accounts_open(const struct log *, const char *state);
/* The same as of session.h; place: what account_leave wants.  CM_ETOOBIG. */
int	 account_enter(int fd, const char *mailbox, unsigned limit,
	    int64_t *place) CM_MUST;
void	 account_leave(int fd, int64_t place);

/* Lines as of prog; prog is kept. */
void	 session_log_open(struct log *, const char *prog);
void	 session_log_close(void);

/*
 * Takes over SIGTERM, SIGINT, SIGUSR1 (retire), SIGPIPE, and SIGCHLD for a
 * master, and blocks them but SIGPIPE.  Their flags, and the mask in which they
 * come through.
 */
void	 session_signals(bool master);
const volatile bool *session_stop(void);
bool	 session_is_retired(void);
void	 session_wait_mask(sigset_t *);

#endif
