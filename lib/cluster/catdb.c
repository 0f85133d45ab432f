#include "cluster/catdb.h"

#include "adapter/kv_rep.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

static const char *const state_names[] = {
	[CATDB_NEW] = "new", [CATDB_OK] = "ok", [CATDB_BUILDING] = "building",
	[CATDB_LOADING] = "loading",
};

struct table {
	const char	*name;
	struct kv	**kv;
};

#define TABLES(d) {							\
	{ "meta", &(d)->meta }, { "accounts", &(d)->accounts },		\
	{ "names", &(d)->names }, { "aliases", &(d)->aliases },		\
	{ "folders", &(d)->folders }, { "messages", &(d)->messages },	\
	{ "records", &(d)->records }, { "cursors", &(d)->cursors },	\
	{ "gaps", &(d)->gaps }, { "purge", &(d)->purge },		\
	{ "deleted", &(d)->deleted },	{ "expected", &(d)->expected },	\
	{ "vanished", &(d)->vanished },					\
	{ "subscribed", &(d)->subscribed },				\
}

int
catdb_open(const struct log *log, const char *dir, struct catdb *d)
{
	return catdb_open_rep(log, dir, NULL, d);
}

int
catdb_open_rep(const struct log *log, const char *dir,
    const struct kv_rep *rep, struct catdb *d)
{
	struct table	 t[] = TABLES(d);
	int		 rc;

	memset(d, 0, sizeof(*d));
	d->log = log;
	if ((rc = kv_open_rep(log, dir, CATDB_CACHE, rep, &d->env)) != 0)
		return rc;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if ((rc = kv_table(d->env, t[i].name, t[i].kv)) != 0) {
			catdb_close(d);
			return rc;
		}
	return 0;
}

void
catdb_close(struct catdb *d)
{
	kv_close(d->env);
	d->env = NULL;
}

uint64_t
catdb_bytes(const char *dir)
{
	struct dirent	*e;
	struct stat	 st;
	uint64_t	 n = 0;
	DIR		*d;

	if ((d = opendir(dir)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);

		if (len > 3 && strcmp(e->d_name + len - 3, ".db") == 0 &&
		    fstatat(dirfd(d), e->d_name, &st, 0) == 0)
			n += (uint64_t)st.st_size;
	}
	closedir(d);
	return n;
}

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

int
catdb_secret(struct catdb *d, struct kv_txn *x, char out[SASL_SECRET_SIZE])
{
	struct buf	 b;
	int		 rc;

	out[0] = '\0';
	buf_init(&b, 1024);
	rc = kv_get(d->meta, x, text(CATDB_SECRET), &b);
	if (rc == CM_ENOINPUT)
		rc = 0;
	else if (rc == 0 && str_ncopy(out, SASL_SECRET_SIZE, b.p, b.len) != 0)
		rc = CM_ECORRUPT;
	buf_free(&b);
	return rc;
}

static int
put_secret(struct catdb *d, struct kv_txn *x, const char *secret)
{
	return kv_put(d->meta, x, text(CATDB_SECRET), text(secret));
}

int
catdb_make_secret(struct catdb *d, struct kv_txn *x)
{
	char	 secret[SASL_SECRET_SIZE];
	int	 rc;

	if ((rc = catdb_secret(d, x, secret)) == 0 && secret[0] == '\0' &&
	    (rc = sasl_secret(secret)) == 0)
		rc = put_secret(d, x, secret);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

int
catdb_clear(struct catdb *d, struct kv_txn *x)
{
	struct table	 t[] = TABLES(d);
	char		 secret[SASL_SECRET_SIZE];
	int		 rc;

	rc = catdb_secret(d, x, secret);
	for (size_t i = 0; rc == 0 && i < sizeof(t) / sizeof(t[0]); i++)
		rc = kv_truncate(*t[i].kv, x);
	if (rc == 0 && secret[0] != '\0')
		rc = put_secret(d, x, secret);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

int
catdb_state(struct catdb *d, struct kv_txn *x, enum catdb_state *state)
{
	struct buf	 b;
	int		 rc;

	*state = CATDB_NEW;
	buf_init(&b, 1024);
	rc = kv_get(d->meta, x, text("state"), &b);
	if (rc == CM_ENOINPUT) {
		rc = 0;
	} else if (rc == 0) {
		rc = CM_ECORRUPT;
		for (int i = CATDB_NEW; i <= CATDB_LOADING; i++)
			if (strcmp(b.p, state_names[i]) == 0) {
				*state = (enum catdb_state)i;
				rc = 0;
			}
	}
	buf_free(&b);
	return rc;
}

int
catdb_set_state(struct catdb *d, struct kv_txn *x, enum catdb_state s)
{
	return kv_put(d->meta, x, text("state"), text(state_names[s]));
}

int
catdb_number(struct catdb *d, struct kv_txn *x, const char *name, uint64_t *v)
{
	struct buf	 b;
	int		 rc;

	*v = 0;
	buf_init(&b, 1024);
	rc = kv_get(d->meta, x, text(name), &b);
	if (rc == CM_ENOINPUT)
		rc = 0;
	else if (rc == 0)
		rc = str_u64(b.p, b.len, UINT64_MAX, v);
	buf_free(&b);
	return rc;
}

int
catdb_set_number(struct catdb *d, struct kv_txn *x, const char *name,
    uint64_t v)
{
	char	 s[24];

	snprintf(s, sizeof(s), "%llu", (unsigned long long)v);
	return kv_put(d->meta, x, text(name), text(s));
}

int
catdb_draw(uint64_t *id)
{
	for (*id = 0; *id == 0;)
		if (getrandom(id, sizeof(*id), 0) != sizeof(*id))
			return CM_EIO;
	return 0;
}

int
catdb_point(struct catdb *d, struct kv_txn *x, struct catdb_point *p)
{
	int	 rc;

	if ((rc = catdb_number(d, x, "catalog", &p->catalog)) != 0 ||
	    (rc = catdb_number(d, x, "batch", &p->batch)) != 0)
		return rc;
	return catdb_number(d, x, "next_catalog", &p->next);
}

int
catdb_set_point(struct catdb *d, struct kv_txn *x,
    const struct catdb_point *p)
{
	int	 rc;

	if (p->catalog != 0 &&
	    ((rc = catdb_set_number(d, x, "catalog", p->catalog)) != 0 ||
	    (rc = catdb_set_number(d, x, "batch", p->batch)) != 0))
		return rc;
	if (p->next != 0)
		return catdb_set_number(d, x, "next_catalog", p->next);
	rc = kv_del(d->meta, x, text("next_catalog"));
	return rc == CM_ENOINPUT ? 0 : rc;
}

int
catdb_next_point(struct catdb *d, struct kv_txn *x, struct catdb_point *p)
{
	struct catdb_point	 was;
	int			 rc;

	if ((rc = catdb_point(d, x, &was)) != 0)
		return rc;
	p->batch = was.batch + 1;
	p->catalog = was.next != 0 ? was.next : was.catalog;
	p->next = 0;
	if (p->catalog == 0 && (rc = catdb_draw(&p->catalog)) != 0)
		return rc;
	if (was.next != 0 || was.catalog == 0)
		return catdb_set_point(d, x, p);
	return catdb_set_number(d, x, "batch", p->batch);
}

int
catdb_cursor(struct catdb *d, struct kv_txn *x, const char *volume,
    uint32_t segment, uint32_t *end)
{
	char		 key[ROW_KEY_MAX];
	struct buf	 b;
	int		 rc;

	*end = 0;
	buf_init(&b, 1024);
	rc = kv_get(d->cursors, x, key_cursor(key, volume, segment), &b);
	if (rc == CM_ENOINPUT)
		rc = 0;
	else if (rc == 0 && b.len != 4)
		rc = CM_ECORRUPT;
	else if (rc == 0)
		*end = get_u32(b.p);
	buf_free(&b);
	return rc;
}

int
catdb_set_cursor(struct catdb *d, struct kv_txn *x, const char *volume,
    uint32_t segment, uint32_t end)
{
	char	 key[ROW_KEY_MAX], val[4];

	return kv_put(d->cursors, x, key_cursor(key, volume, segment),
	    key_u32(val, end));
}

static int
home_key(const char *volume, char key[ROW_KEY_MAX])
{
	return str_fmt(key, ROW_KEY_MAX, "volume/%s", volume);
}

int
catdb_home(struct catdb *d, struct kv_txn *x, const char *volume,
    char out[CATDB_HOME_SIZE])
{
	char		 key[ROW_KEY_MAX];
	struct buf	 b;
	int		 rc;

	out[0] = '\0';
	if ((rc = home_key(volume, key)) != 0)
		return rc;
	buf_init(&b, 1024);
	rc = kv_get(d->meta, x, text(key), &b);
	if (rc == CM_ENOINPUT)
		rc = 0;
	else if (rc == 0)
		rc = str_ncopy(out, CATDB_HOME_SIZE, b.p, b.len);
	buf_free(&b);
	return rc;
}

int
catdb_set_home(struct catdb *d, struct kv_txn *x, const char *volume,
    const char *home)
{
	char	 key[ROW_KEY_MAX];
	int	 rc;

	if ((rc = home_key(volume, key)) != 0)
		return rc;
	return kv_put(d->meta, x, text(key), text(home));
}

struct drop {
	struct kv	*kv;
	struct kv_txn	*txn;
	size_t		 n;
};

static int
drop_row(void *arg, struct span key, struct span value)
{
	struct drop	*d = arg;

	(void)value;
	d->n++;
	return kv_del(d->kv, d->txn, key);
}

int
catdb_drop_cursors(struct catdb *d, struct kv_txn *x, const char *volume,
    size_t *n)
{
	struct kv	*from[2] = { d->cursors, d->gaps };
	struct drop	 drop = { .txn = x };
	struct span	 all = { volume, strlen(volume) + 1 };
	int		 rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++) {
		drop.kv = from[i];
		rc = kv_walk(from[i], x, all, all.len, drop_row, &drop);
	}
	*n = drop.n;
	return rc;
}
