#include "adapter/kv.h"

#include <db.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define TABLES_MAX	32
#define LOG_BUFFER	(4u << 20)
#define LOG_MAX		(32u << 20)
#define CHECKPOINT_KB	(64u << 10)
#define LOCKS_MAX	200000u
#define PAGE_SIZE	8192
#define KEY_MAX		2048		/* bytes of a key */
#define BULK		(256u << 10)	/* a multiple of 1024, over a page */

struct kv {
	struct kv_env	*env;
	DB		*db;
};

struct kv_env {
	const struct log *log;
	DB_ENV		*env;
	struct kv	 tables[TABLES_MAX];
	size_t		 n;
};

struct kv_txn {
	struct kv_env	*env;
	DB_TXN		*txn;
};

static int
code(const struct kv_env *e, int ret, const char *what)
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
	const u_int32_t	 flags = DB_CREATE | DB_PRIVATE | DB_THREAD |
			    DB_RECOVER | DB_INIT_TXN | DB_INIT_LOG |
			    DB_INIT_LOCK | DB_INIT_MPOOL;
	struct kv_env	*e;
	DB_ENV		*d;
	int		 ret;

	*out = NULL;
	if ((e = calloc(1, sizeof(*e))) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", dir);
	e->log = log;
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
	    (ret = d->log_set_config(d, DB_LOG_AUTO_REMOVE, 1)) != 0)
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
	for (size_t i = 0; i < e->n; i++)
		e->tables[i].db->close(e->tables[i].db, 0);
	if (e->env != NULL)
		e->env->close(e->env, 0);
	free(e);
}

int
kv_table(struct kv_env *e, const char *name, struct kv **out)
{
	const u_int32_t	 flags = DB_CREATE | DB_AUTO_COMMIT | DB_THREAD;
	char		 file[256];
	DB		*db;
	int		 ret;

	*out = NULL;
	if (e->n == TABLES_MAX)
		return CM_ESOFT;
	if (str_fmt(file, sizeof(file), "%s.db", name) != 0)
		return CM_ETOOBIG;
	if ((ret = db_create(&db, e->env, 0)) != 0)
		return code(e, ret, name);
	if ((ret = db->set_pagesize(db, PAGE_SIZE)) != 0 ||
	    (ret = db->open(db, NULL, file, NULL, DB_BTREE, flags,
	    0600)) != 0) {
		db->close(db, 0);
		/* a damaged table is a damaged store, whatever errno says */
		return code(e, ret == EINVAL ? DB_RUNRECOVERY : ret, name);
	}
	e->tables[e->n].env = e;
	e->tables[e->n].db = db;
	*out = &e->tables[e->n++];
	return 0;
}

int
kv_checkpoint(struct kv_env *e, bool force)
{
	return code(e, e->env->txn_checkpoint(e->env,
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
		return code(e, ret, "begin");
	}
	*out = t;
	return 0;
}

int
kv_commit(struct kv_txn *t)
{
	int	 rc;

	rc = code(t->env, t->txn->commit(t->txn, DB_TXN_SYNC), "commit");
	free(t);
	return rc;
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

static int
get_once(struct kv *k, struct kv_txn *t, struct span key, struct buf *value)
{
	DBT	 dk, dv;
	int	 ret;

	for (;;) {
		set_dbt(&dk, key);
		user_dbt(&dv, value);
		ret = k->db->get(k->db, txn_of(t), &dk, &dv, 0);
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
	return code(k->env, ret, "get");
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

	set_dbt(&dk, key);
	set_dbt(&dv, value);
	return code(k->env, k->db->put(k->db, txn_of(t), &dk, &dv, 0), "put");
}

int
kv_add(struct kv *k, struct kv_txn *t, struct span key, struct span value)
{
	DBT	 dk, dv;
	int	 ret;

	set_dbt(&dk, key);
	set_dbt(&dv, value);
	ret = k->db->put(k->db, txn_of(t), &dk, &dv, DB_NOOVERWRITE);
	return ret == DB_KEYEXIST ? CM_EEXIST : code(k->env, ret, "put");
}

int
kv_del(struct kv *k, struct kv_txn *t, struct span key)
{
	DBT	 dk;

	set_dbt(&dk, key);
	return code(k->env, k->db->del(k->db, txn_of(t), &dk, 0), "del");
}

int
kv_truncate(struct kv *k, struct kv_txn *t)
{
	u_int32_t	 n;

	return code(k->env, k->db->truncate(k->db, txn_of(t), &n, 0),
	    "truncate");
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

/* Fills one buffer.  The cursor is closed before fn runs: no lock is held. */
static int
walk_fill(struct kv *k, struct kv_txn *t, struct walk *w, DBT *bulk)
{
	char	 key[KEY_MAX];
	DBC	*c;
	DBT	 dk;
	char	*grown;
	int	 ret;

	ret = k->db->cursor(k->db, txn_of(t), &c, t == NULL ?
	    DB_READ_COMMITTED | DB_CURSOR_BULK : DB_CURSOR_BULK);
	if (ret != 0)
		return code(k->env, ret, "cursor");
	for (;;) {
		memset(&dk, 0, sizeof(dk));
		memcpy(key, w->at.p, w->at.len);
		dk.data = key;
		dk.size = (u_int32_t)w->at.len;
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
	return code(k->env, ret, "walk");
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
	buf_init(&w.at, KEY_MAX);
	bulk.ulen = BULK;
	bulk.flags = DB_DBT_USERMEM;
	rc = buf_room(&w.at, 1);
	if (rc == 0)
		rc = buf_add(&w.at, from.p, from.len);
	if (rc == 0 && (bulk.data = malloc(bulk.ulen)) == NULL)
		rc = CM_ENOMEM;
	while (rc == 0) {
		rc = walk_fill(k, t, &w, &bulk);
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
