/*
 * A transactional store of sorted keys and values: Berkeley DB, and the only
 * module that knows it.  Level 2.
 *
 * One process opens the store; its threads share the handles.  One of them
 * writes at a time (the caller sees to it); any number read.
 */
#ifndef CM_KV_H
#define CM_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

struct kv_env;
struct kv;		/* one table */
struct kv_txn;

/*
 * Opens the store in a folder, after bringing it to its last committed state.
 * cache: bytes of memory for pages.  CM_ECORRUPT when that cannot be done.
 */
int	 kv_open(const struct log *, const char *dir, uint64_t cache,
	    struct kv_env **) CM_MUST;
/* Closes the tables too; all transactions must be over. */
void	 kv_close(struct kv_env *);
/* Opens a table, made when missing; it belongs to the environment. */
int	 kv_table(struct kv_env *, const char *name, struct kv **) CM_MUST;
/*
 * Writes pages back and lets old logs go, if much was logged since (or now,
 * when forced).  For a thread of its own.
 */
int	 kv_checkpoint(struct kv_env *, bool force) CM_MUST;

int	 kv_begin(struct kv_env *, struct kv_txn **) CM_MUST;
/*
 * On disk when it returns 0; after an error it is as if aborted.  Of a
 * replicated store: on enough nodes' disks; CM_EAWAY: nobody knows.
 */
int	 kv_commit(struct kv_txn *) CM_MUST;
void	 kv_abort(struct kv_txn *);

/*
 * In all of these txn may be NULL for reading.  CM_ENOINPUT: no such key;
 * CM_EAGAIN: a deadlock, abort the transaction and begin again.
 */
int	 kv_get(struct kv *, struct kv_txn *, struct span key,
	    struct buf *value) CM_MUST;
int	 kv_put(struct kv *, struct kv_txn *, struct span key,
	    struct span value) CM_MUST;
/* As kv_put, but CM_EEXIST when the key is there. */
int	 kv_add(struct kv *, struct kv_txn *, struct span key,
	    struct span value) CM_MUST;
int	 kv_del(struct kv *, struct kv_txn *, struct span key) CM_MUST;
/* Empties a table. */
int	 kv_truncate(struct kv *, struct kv_txn *) CM_MUST;

/*
 * Values of many keys, outside a transaction, most of them each a little behind
 * the one before: those between are then read along, so that one look into the
 * table does for many.  Where that does not help it is not done.  A value may
 * be as old as the kv_near that gave it; it stays until the next call.
 */
struct kv_near;
struct kv_near	*kv_near_new(struct kv *);	/* NULL: no memory */
void	 kv_near_free(struct kv_near *);
int	 kv_near_get(struct kv_near *, struct span key, struct span *value)
	    CM_MUST;

/* Anything but 0 ends the walk and is returned. */
typedef int	(*kv_fn)(void *arg, struct span key, struct span value);
/*
 * Walks the keys from from on, as long as they begin with the first
 * prefix bytes of from, in order.  Outside a transaction it starts again by
 * itself after a deadlock; no key is given twice.  No lock is held while fn
 * runs.
 */
int	 kv_walk(struct kv *, struct kv_txn *, struct span from,
	    size_t prefix, kv_fn, void *) CM_MUST;
#endif
