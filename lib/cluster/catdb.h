/* The catalog's tables in the store.  Level 3; only the agent opens them. */
#ifndef CM_CATDB_H
#define CM_CATDB_H

#include "adapter/kv.h"
#include "adapter/sasl.h"
#include "base/log.h"
#include "cluster/rows.h"

#define CATDB_CACHE	(128u << 20)	/* bytes */

enum catdb_state {
	CATDB_NEW,		/* nothing was ever put in */
	CATDB_OK,
	CATDB_BUILDING,		/* indexing everything; makes mailboxes */
	CATDB_LOADING		/* a load was cut off: load or build again */
};

struct catdb {
	const struct log *log;
	struct kv_env	*env;
	struct kv	*meta;		/* name -> text */
	struct kv	*accounts;	/* mailbox -> row_account */
	struct kv	*names;		/* account id -> mailbox */
	struct kv	*aliases;	/* address -> targets, one a line */
	struct kv	*folders;	/* account, name -> row_folder */
	struct kv	*messages;	/* account, folder, uid -> row */
	struct kv	*records;	/* message id -> row_record */
	struct kv	*cursors;	/* volume, segment -> indexed up to */
	struct kv	*gaps;		/* volume, segment, offset -> length */
	struct kv	*purge;		/* accounts, and folders of accounts,
					 * that are going */
	struct kv	*deleted;	/* mailboxes that were, and are not to
					 * be made for late mail */
	struct kv	*expected;	/* id, folder -> row_expected */
	struct kv	*vanished;	/* see vanished.h */
	struct kv	*subscribed;	/* account, name -> "1" */
	/*
	 * Of the transaction that is under way: what is to be in the journal
	 * (see journal.h).  NULL: nothing is noted.
	 */
	struct buf	*notes;
	uint64_t	 origin;	/* of what is noted: another journal */
	/* see account_leap_of; NULL, or 0 in it: no UIDs are left out */
	const _Atomic uint64_t *leaps;
};

int	 catdb_open(const struct log *, const char *dir, struct catdb *)
	    CM_MUST;
/* The same as one of several; the tables are there after kv_reopen. */
struct kv_rep;
int	 catdb_open_rep(const struct log *, const char *dir,
	    const struct kv_rep *, struct catdb *) CM_MUST;
void	 catdb_close(struct catdb *);
/* Bytes of the tables in dir. */
uint64_t catdb_bytes(const char *dir);
/* Empties all tables; the secret stays. */
int	 catdb_clear(struct catdb *, struct kv_txn *) CM_MUST;

int	 catdb_state(struct catdb *, struct kv_txn *, enum catdb_state *)
	    CM_MUST;
int	 catdb_set_state(struct catdb *, struct kv_txn *, enum catdb_state)
	    CM_MUST;
/* A number in meta; 0 when it is not there. */
int	 catdb_number(struct catdb *, struct kv_txn *, const char *name,
	    uint64_t *) CM_MUST;
int	 catdb_set_number(struct catdb *, struct kv_txn *, const char *name,
	    uint64_t) CM_MUST;

#define CATDB_SECRET	"login-secret"	/* in meta; in no dump */
/*
 * The secret that verifiers of unknown names are made up from (sasl_complete),
 * the same on all nodes; "" when there is none yet.  The second one makes it,
 * when there is none.
 */
int	 catdb_secret(struct catdb *, struct kv_txn *,
	    char out[SASL_SECRET_SIZE]) CM_MUST;
int	 catdb_make_secret(struct catdb *, struct kv_txn *) CM_MUST;

/*
 * Where the catalog is in its journal: which catalog it is, a number that was
 * drawn, and how many batches of changes were made.  In meta, as "catalog" and
 * "batch"; "next_catalog" is what it is from its next change on, when it was
 * loaded: 0 for none.
 */
struct catdb_point {
	uint64_t	 catalog, batch;
	uint64_t	 next;
};
int	 catdb_point(struct catdb *, struct kv_txn *, struct catdb_point *)
	    CM_MUST;
int	 catdb_set_point(struct catdb *, struct kv_txn *,
	    const struct catdb_point *) CM_MUST;
/* The transaction makes changes: *p is the point behind them. */
int	 catdb_next_point(struct catdb *, struct kv_txn *,
	    struct catdb_point *p) CM_MUST;
/* A number for a catalog; never 0. */
int	 catdb_draw(uint64_t *) CM_MUST;

/* The cursor of a segment; 0 when there is none. */
int	 catdb_cursor(struct catdb *, struct kv_txn *, const char *volume,
	    uint32_t segment, uint32_t *end) CM_MUST;
int	 catdb_set_cursor(struct catdb *, struct kv_txn *, const char *volume,
	    uint32_t segment, uint32_t end) CM_MUST;

/*
 * Which home the cursors and gaps of a volume were taken from: its salt and
 * epoch as text; "" when none was noted.
 */
#define CATDB_HOME_SIZE	24
int	 catdb_home(struct catdb *, struct kv_txn *, const char *volume,
	    char out[CATDB_HOME_SIZE]) CM_MUST;
int	 catdb_set_home(struct catdb *, struct kv_txn *, const char *volume,
	    const char *home) CM_MUST;
/* Drops the cursors and gaps of a volume; *n: how many there were. */
int	 catdb_drop_cursors(struct catdb *, struct kv_txn *,
	    const char *volume, size_t *n) CM_MUST;

#endif
