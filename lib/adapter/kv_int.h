/* What the kv*.c files share; nobody else includes it.  Level 2. */
#ifndef CM_KV_INT_H
#define CM_KV_INT_H

#include <db.h>
#include <pthread.h>

#include "adapter/kv.h"
#include "adapter/kv_rep.h"

#define KV_TABLES_MAX	32
#define KV_KEY_MAX	2048		/* bytes of a key */
#define KV_FORM		8		/* bytes of two versions */

struct kv {
	struct kv_env	*env;
	char		*name;
	DB		*db;		/* NULL: a replica has not got it yet */
};

struct kv_env {
	const struct log *log;
	DB_ENV		*env;
	struct kv	 tables[KV_TABLES_MAX];
	size_t		 n;
	const struct kv_rep *rep;	/* NULL: not replicated */
	pthread_rwlock_t handles;	/* shared to use a table's handle */
	pthread_mutex_t	 mu;		/* what follows */
	struct kv_lsn	 perm;		/* the last one that was sent */
	bool		 dead;		/* handles must be opened again */
	/* how messages of this version of the store begin; 0: not known */
	size_t		 form_len;
	char		 form[KV_FORM];
	int64_t		 complained_ms;
};

/* The code of what Berkeley DB returned, with a line when it is unusual. */
int	 kv_code(struct kv_env *, int ret, const char *what);
/*
 * Fills a buffer of the caller's (DB_DBT_USERMEM; it may be grown) with keys
 * and values from a key on: no lock is held behind it.
 */
int	 kv_fill(struct kv *, struct kv_txn *, struct span from, DBT *bulk);
/* Sets up replication before the environment is opened. */
int	 kv_rep_prepare(struct kv_env *);

#endif
