#include "adapter/kv_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define LOG_BUFFER	(4u << 20)
#define LOG_MAX		(32u << 20)
#define CHECKPOINT_KB	(64u << 10)
#define LOCKS_MAX	200000u
#define PAGE_SIZE	8192
#define BULK		(256u << 10)	/* a multiple of 1024, over a page */
#define LOGS_KEPT	8		/* for followers that were away */

struct kv_txn {
	struct kv_env	*env;
	DB_TXN		*txn;
};

int
kv_code(struct kv_env *e, int ret, const char *what)
{
	switch (ret) {
	case 0:
		return 0;
	case DB_NOTFOUND:
	case DB_KEYEMPTY:
		return CM_ENOINPUT;
	case DB_LOCK_DEADLOCK:
	case DB_LOCK_NOTGRANTED:
		return CM_EAGAIN;
	case DB_REP_HANDLE_DEAD:
		pthread_mutex_lock(&e->mu);
		e->dead = true;
		pthread_mutex_unlock(&e->mu);
		return CM_EAWAY;
	case DB_REP_LOCKOUT:
	case DB_REP_UNAVAIL:
		return CM_EAWAY;
	case DB_RUNRECOVERY:
		return log_fail(e->log, CM_ECORRUPT, "store: %s: %s", what,
		    db_strerror(ret));
	default:
		log_fail(e->log, ret > 0 ? cm_errno(ret) : CM_ECORRUPT,
		    "store: %s: %s", what, db_strerror(ret));
		return ret > 0 ? cm_errno(ret) : CM_ECORRUPT;
	}
}

static void
complain(const DB_ENV *env, const char *prefix, const char *msg)
{
	const struct kv_env	*e = env->app_private;

	(void)prefix;
	log_warn(e->log, "store: %s", msg);
}

int
kv_open(const struct log *log, const char *dir, uint64_t cache,
    struct kv_env **out)
{
	return kv_open_rep(log, dir, cache, NULL, out);
}

int
kv_open_rep(const struct log *log, const char *dir, uint64_t cache,
    const struct kv_rep *rep, struct kv_env **out)
{
	u_int32_t	 flags = DB_CREATE | DB_PRIVATE | DB_THREAD |
			    DB_RECOVER | DB_INIT_TXN | DB_INIT_LOG |
			    DB_INIT_LOCK | DB_INIT_MPOOL;
	struct kv_env	*e;
	DB_ENV		*d;
	int		 ret;

	*out = NULL;
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", dir);
	e->log = log;
	e->rep = rep;
	pthread_rwlock_init(&e->handles, NULL);
	pthread_mutex_init(&e->mu, NULL);
	if (rep != NULL)
		flags |= DB_INIT_REP;
	if ((ret = db_env_create(&d, 0)) != 0)
		goto out;
	e->env = d;
	d->app_private = e;
	d->set_errcall(d, complain);
	if ((ret = d->set_cachesize(d, (u_int32_t)(cache >> 30),
	    (u_int32_t)(cache & ((1u << 30) - 1)), 1)) != 0 ||
	    (ret = d->set_lg_bsize(d, LOG_BUFFER)) != 0 ||
	    (ret = d->set_lg_max(d, LOG_MAX)) != 0 ||
	    (ret = d->set_lk_max_locks(d, LOCKS_MAX)) != 0 ||
	    (ret = d->set_lk_max_objects(d, LOCKS_MAX)) != 0 ||
	    (ret = d->set_lk_max_lockers(d, 4096)) != 0 ||
	    (ret = d->set_lk_detect(d, DB_LOCK_YOUNGEST)) != 0 ||
	    (rep == NULL && (ret = d->log_set_config(d, DB_LOG_AUTO_REMOVE,
	    1)) != 0) || (rep != NULL && (ret = kv_rep_prepare(e)) != 0))
		goto out;
	ret = d->open(d, dir, flags, 0600);
out:
	if (ret != 0) {
		log_fail(log, CM_ECORRUPT, "%s: %s", dir, db_strerror(ret));
		kv_close(e);
		return ret > 0 && ret != EINVAL ? cm_errno(ret) : CM_ECORRUPT;
	}
	*out = e;
	return 0;
}

void
kv_close(struct kv_env *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < e->n; i++) {
		if (e->tables[i].db != NULL)
			e->tables[i].db->close(e->tables[i].db, 0);
		free(e->tables[i].name);
	}
	if (e->env != NULL)
		e->env->close(e->env, 0);
	free(e);
}

/* An environment that is replicated: its tables come from the leader. */
static int
open_table(struct kv *k, bool create)
{
	const u_int32_t	 flags = DB_AUTO_COMMIT | DB_THREAD |
			    (create ? DB_CREATE : 0);
	struct kv_env	*e = k->env;
	char		 file[256];
	DB		*db;
	int		 ret;

	if (str_fmt(file, sizeof(file), "%s.db", k->name) != 0)
		return CM_ETOOBIG;
	if ((ret = db_create(&db, e->env, 0)) != 0)
		return kv_code(e, ret, k->name);
	if ((ret = db->set_pagesize(db, PAGE_SIZE)) == 0)
		ret = db->open(db, NULL, file, NULL, DB_BTREE, flags, 0600);
	if (ret == 0) {
		k->db = db;
		return 0;
	}
	db->close(db, DB_NOSYNC);
	if (ret == ENOENT)
		return CM_ENOINPUT;
	/* a damaged table is a damaged store, whatever errno says */
	return kv_code(e, ret == EINVAL ? DB_RUNRECOVERY : ret, k->name);
}

int
kv_reopen(struct kv_env *e, bool create)
{
	int	 rc = 0;

	pthread_rwlock_wrlock(&e->handles);
	pthread_mutex_lock(&e->mu);
	e->dead = false;
	pthread_mutex_unlock(&e->mu);
	for (size_t i = 0; i < e->n; i++) {
		struct kv *k = &e->tables[i];

		if (k->db != NULL)
			k->db->close(k->db, DB_NOSYNC);
		k->db = NULL;
	}
	for (size_t i = 0; i < e->n && rc == 0; i++)
		rc = open_table(&e->tables[i], create);
	pthread_rwlock_unlock(&e->handles);
	return rc;
}

int
kv_table(struct kv_env *e, const char *name, struct kv **out)
{
	struct kv	*k = &e->tables[e->n];
	int		 rc;

	*out = NULL;
	if (e->n == KV_TABLES_MAX)
		return CM_ESOFT;
	if ((k->name = strdup(name)) == NULL)
		return CM_ENOMEM;
	k->env = e;
	if (e->rep == NULL && (rc = open_table(k, true)) != 0) {
		free(k->name);
		return rc;
	}
	e->n++;
	*out = k;
	return 0;
}

/* Logs that a follower may still ask for stay for a while: without them all
 * of the store has to be sent. */
static int
trim(struct kv_env *e)
{
	char	**list = NULL, path[FILE_PATH_MAX];
	size_t	 n = 0;
	int	 ret;

	if ((ret = e->env->log_archive(e->env, &list, DB_ARCH_ABS)) != 0 ||
	    list == NULL)
		return kv_code(e, ret, "log archive");
	while (list[n] != NULL)
		n++;
	for (size_t i = 0; i + LOGS_KEPT < n; i++)
		if (str_copy(path, sizeof(path), list[i]) == 0)
			unlink(path);
	free(list);
	return 0;
}

int
kv_checkpoint(struct kv_env *e, bool force)
{
	int	 rc;

	if (e->rep != NULL && (rc = trim(e)) != 0)
		return rc;
	return kv_code(e, e->env->txn_checkpoint(e->env,
	    force ? 0 : CHECKPOINT_KB, 0, force ? DB_FORCE : 0),
	    "checkpoint");
}

int
kv_begin(struct kv_env *e, struct kv_txn **out)
{
	struct kv_txn	*t;
	int		 ret;

	*out = NULL;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return CM_ENOMEM;
	t->env = e;
	if ((ret = e->env->txn_begin(e->env, NULL, &t->txn, 0)) != 0) {
		free(t);
		return kv_code(e, ret, "begin");
	}
	*out = t;
	return 0;
}

int
kv_commit(struct kv_txn *t)
{
	struct kv_env	*e = t->env;
	int		 rc;

	/* of a replicated one the log is synced by who waits for the others */
	rc = kv_code(e, t->txn->commit(t->txn, e->rep == NULL ?
	    DB_TXN_SYNC : DB_TXN_NOSYNC), "commit");
	free(t);
	return rc == 0 && e->rep != NULL ? e->rep->committed(e->rep->arg) : rc;
}

void
kv_abort(struct kv_txn *t)
{
	if (t == NULL)
		return;
	t->txn->abort(t->txn);
	free(t);
}

static DB_TXN *
txn_of(struct kv_txn *t)
{
	return t == NULL ? NULL : t->txn;
}

static void
set_dbt(DBT *d, struct span s)
{
	memset(d, 0, sizeof(*d));
	d->data = (void *)(uintptr_t)s.p;
	d->size = (u_int32_t)s.len;
}

/* A DBT that reads into b; call again with the room it asked for. */
static void
user_dbt(DBT *d, struct buf *b)
{
	memset(d, 0, sizeof(*d));
	d->data = b->p;
	d->ulen = b->cap > 0 ? (u_int32_t)(b->cap - 1) : 0;
	d->flags = DB_DBT_USERMEM;
}

static int
more_room(struct buf *b, const DBT *d)
{
	buf_reset(b);
	return buf_room(b, d->size > 512 ? d->size : 512);
}

/* Its handle can be used until done; false: there is none. */
static bool
use(struct kv *k)
{
	pthread_rwlock_rdlock(&k->env->handles);
	return k->db != NULL;
}

static void
done(struct kv *k)
{
	pthread_rwlock_unlock(&k->env->handles);
}

static int
get_once(struct kv *k, struct kv_txn *t, struct span key, struct buf *value)
{
	DBT	 dk, dv;
	int	 ret;

	for (;;) {
		set_dbt(&dk, key);
		user_dbt(&dv, value);
		ret = use(k) ? k->db->get(k->db, txn_of(t), &dk, &dv, 0) :
		    DB_REP_LOCKOUT;
		done(k);
		if (ret != DB_BUFFER_SMALL)
			break;
		if ((ret = more_room(value, &dv)) != 0)
			return ret;
	}
	if (ret == 0) {
		value->len = dv.size;
		if (value->p != NULL)
			value->p[value->len] = '\0';
	}
	return kv_code(k->env, ret, "get");
}

int
kv_get(struct kv *k, struct kv_txn *t, struct span key, struct buf *value)
{
	int	 rc;

	buf_reset(value);
	if (value->cap == 0 && (rc = buf_room(value, 512)) != 0)
		return rc;
	do {
		rc = get_once(k, t, key, value);
	} while (rc == CM_EAGAIN && t == NULL);
	return rc;
}

int
kv_put(struct kv *k, struct kv_txn *t, struct span key, struct span value)
{
	DBT	 dk, dv;

	int	 ret = DB_REP_LOCKOUT;

	set_dbt(&dk, key);
	set_dbt(&dv, value);
	if (use(k))
		ret = k->db->put(k->db, txn_of(t), &dk, &dv, 0);
	done(k);
	return kv_code(k->env, ret, "put");
}

int
kv_add(struct kv *k, struct kv_txn *t, struct span key, struct span value)
{
	DBT	 dk, dv;
	int	 ret = DB_REP_LOCKOUT;

	set_dbt(&dk, key);
	set_dbt(&dv, value);
	if (use(k))
		ret = k->db->put(k->db, txn_of(t), &dk, &dv, DB_NOOVERWRITE);
	done(k);
	return ret == DB_KEYEXIST ? CM_EEXIST : kv_code(k->env, ret, "put");
}

int
kv_del(struct kv *k, struct kv_txn *t, struct span key)
{
	DBT	 dk;
	int	 ret = DB_REP_LOCKOUT;

	set_dbt(&dk, key);
	if (use(k))
		ret = k->db->del(k->db, txn_of(t), &dk, 0);
	done(k);
	return kv_code(k->env, ret, "del");
}

int
kv_truncate(struct kv *k, struct kv_txn *t)
{
	u_int32_t	 n;
	int		 ret = DB_REP_LOCKOUT;

	if (use(k))
		ret = k->db->truncate(k->db, txn_of(t), &n, 0);
	done(k);
	return kv_code(k->env, ret, "truncate");
}

struct walk {
	struct span	 from;
	size_t		 prefix;
	kv_fn		 fn;
	void		*arg;
	struct buf	 at;		/* the key to begin at */
	bool		 given;		/* it was given out already */
	bool		 any;		/* this round gave out a key */
	int		 stop;		/* what fn said */
};

/* Hands out one buffer of keys; CM_EEND when the prefix is over. */
static int
walk_buffer(struct walk *w, DBT *bulk)
{
	void		*p, *kp, *vp;
	size_t		 kl, vl;

	w->any = false;
	DB_MULTIPLE_INIT(p, bulk);
	for (;;) {
		DB_MULTIPLE_KEY_NEXT(p, bulk, kp, kl, vp, vl);
		if (p == NULL)
			return w->any ? 0 : CM_EEND;
		if (kl < w->prefix ||
		    memcmp(kp, w->from.p, w->prefix) != 0)
			return CM_EEND;
		if (w->given && kl == w->at.len &&
		    memcmp(kp, w->at.p, kl) == 0)
			continue;
		if ((w->stop = w->fn(w->arg, (struct span){ kp, kl },
		    (struct span){ vp, vl })) != 0)
			return CM_EEND;
		w->any = w->given = true;
		buf_reset(&w->at);
		if (buf_add(&w->at, kp, kl) != 0)
			return w->at.err;
	}
}

/* The handle is in use. */
static int
fill(struct kv *k, struct kv_txn *t, struct span from, DBT *bulk)
{
	char	 key[KV_KEY_MAX];
	DBC	*c;
	DBT	 dk;
	char	*grown;
	int	 ret;

	ret = k->db->cursor(k->db, txn_of(t), &c, t == NULL ?
	    DB_READ_COMMITTED | DB_CURSOR_BULK : DB_CURSOR_BULK);
	if (ret != 0)
		return kv_code(k->env, ret, "cursor");
	for (;;) {
		memset(&dk, 0, sizeof(dk));
		memcpy(key, from.p, from.len);
		dk.data = key;
		dk.size = (u_int32_t)from.len;
		dk.ulen = sizeof(key);
		dk.flags = DB_DBT_USERMEM;
		ret = c->get(c, &dk, bulk, DB_SET_RANGE | DB_MULTIPLE_KEY);
		if (ret != DB_BUFFER_SMALL)
			break;
		bulk->ulen = (bulk->size + 1023u + BULK) & ~1023u;
		if ((grown = realloc(bulk->data, bulk->ulen)) == NULL) {
			ret = ENOMEM;
			break;
		}
		bulk->data = grown;
	}
	c->close(c);
	return kv_code(k->env, ret, "walk");
}

int
kv_fill(struct kv *k, struct kv_txn *t, struct span from, DBT *bulk)
{
	int	 rc;

	rc = use(k) ? fill(k, t, from, bulk) : CM_EAWAY;
	done(k);
	return rc;
}

int
kv_walk(struct kv *k, struct kv_txn *t, struct span from, size_t prefix,
    kv_fn fn, void *arg)
{
	struct walk	 w = { .from = from, .prefix = prefix, .fn = fn,
			    .arg = arg };
	DBT		 bulk;
	int		 rc;

	memset(&bulk, 0, sizeof(bulk));
	buf_init(&w.at, KV_KEY_MAX);
	bulk.ulen = BULK;
	bulk.flags = DB_DBT_USERMEM;
	rc = buf_room(&w.at, 1);
	if (rc == 0)
		rc = buf_add(&w.at, from.p, from.len);
	if (rc == 0 && (bulk.data = malloc(bulk.ulen)) == NULL)
		rc = CM_ENOMEM;
	while (rc == 0) {
		rc = kv_fill(k, t, (struct span){ w.at.p, w.at.len }, &bulk);
		if (rc == 0)
			rc = walk_buffer(&w, &bulk);
		else if (rc == CM_EAGAIN && t == NULL)
			rc = 0;
	}
	free(bulk.data);
	buf_free(&w.at);
	if (w.stop != 0)
		return w.stop;
	return rc == CM_EEND || rc == CM_ENOINPUT ? 0 : rc;
}
