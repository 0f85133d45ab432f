#include "cluster/known.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/str.h"
#include "cluster/account.h"
#include "cluster/rows.h"
#include "format/address.h"

static int
path_of(const struct conf *conf, char path[FILE_PATH_MAX])
{
	return str_fmt(path, FILE_PATH_MAX, "%s/accounts.last",
	    conf->node->state);
}

int
known_save(const struct log *log, const struct conf *conf,
    const struct buf *text)
{
	char	 path[FILE_PATH_MAX];

	if (path_of(conf, path) != 0)
		return log_fail(log, CM_ETOOBIG, "%s", conf->node->state);
	return file_commit(log, path, text->len ? text->p : "", text->len,
	    0600);
}

int
known_account(struct buf *b, struct span k, struct span v)
{
	struct row_account	 a;

	if (row_account_get(v, &a) != 0)
		return CM_ECORRUPT;
	buf_add(b, k.p, k.len);
	buf_addf(b, "\t%u\t%llu\t%llu\t%s\t", a.messages,
	    (unsigned long long)a.bytes, (unsigned long long)a.quota,
	    a.verifier.len ? "password" : "-");
	if (a.sms.len)
		str_pct(b, a.sms.p, a.sms.len, "");
	else
		buf_addc(b, '-');
	return buf_addc(b, '\n');
}

int
known_alias(struct buf *b, struct span k, struct span v)
{
	struct span	 t;

	buf_add(b, k.p, k.len);
	buf_adds(b, "\talias");
	while (v.p != NULL) {
		if (str_field(&v, '\n', &t) && t.len > 0) {
			buf_addc(b, '\t');
			buf_add(b, t.p, t.len);
		}
	}
	return buf_addc(b, '\n');
}

/* Only names: what is counted changes with each message. */
static int
add_name(void *arg, struct span k, struct span v)
{
	struct buf	*b = arg;

	(void)v;
	buf_add(b, k.p, k.len);
	return buf_adds(b, "\t0\t0\t0\t-\t-\n");
}

static int
add_alias(void *arg, struct span k, struct span v)
{
	return known_alias(arg, k, v);
}

int
known_remember(const struct log *log, const struct conf *conf,
    struct catdb *d, uint32_t *sum)
{
	struct span	 all = { "", 0 };
	struct buf	 b;
	uint32_t	 now;
	int		 rc;

	buf_init(&b, KNOWN_MAX);
	rc = kv_walk(d->accounts, NULL, all, 0, add_name, &b);
	if (rc == 0)
		rc = kv_walk(d->aliases, NULL, all, 0, add_alias, &b);
	if (rc == 0) {
		now = crc32c(0, b.len ? b.p : "", b.len);
		if (now != *sum && (rc = known_save(log, conf, &b)) == 0)
			*sum = now;
	}
	buf_free(&b);
	return rc;
}

/* The fields behind a name: "\talias\tTARGET..." or those of a mailbox. */
static bool
find(const struct buf *all, const char *name, struct span *fields)
{
	struct span	 rest = { all->p, all->len }, l, f;

	while (str_field(&rest, '\n', &l))
		if (str_field(&l, '\t', &f) && span_is(f, name)) {
			*fields = l;
			return true;
		}
	return false;
}

static int	 resolve(const struct buf *, const char *, int, struct buf *);

static int
resolve_alias(const struct buf *all, struct span targets, int depth,
    struct buf *out)
{
	char		 target[ADDRESS_MAX + 1];
	struct span	 f;
	int		 rc = CM_EAGAIN;

	while (str_field(&targets, '\t', &f))
		if (f.len > 0 && address_key(f.p, f.len, target) == 0 &&
		    resolve(all, target, depth + 1, out) == 0)
			rc = 0;
	return rc;
}

static int
resolve(const struct buf *all, const char *name, int depth, struct buf *out)
{
	char		 base[ADDRESS_MAX + 1];
	struct span	 fields, f;

	if (depth > ACCOUNT_ALIAS_DEPTH)
		return CM_EAGAIN;
	if (!find(all, name, &fields))
		return address_base(name, base) ?
		    resolve(all, base, depth + 1, out) : CM_EAGAIN;
	if (str_field(&fields, '\t', &f) && span_is(f, "alias"))
		return resolve_alias(all, fields, depth, out);
	return buf_addf(out, "%s\n", name);
}

int
known_resolve(const struct log *log, const struct conf *conf,
    const char *address, struct buf *out)
{
	char		 key[ADDRESS_MAX + 1], path[FILE_PATH_MAX];
	struct buf	 all;
	int		 rc;

	if (address_key(address, strlen(address), key) != 0)
		return CM_ENOUSER;
	if (path_of(conf, path) != 0 || !file_exists(path))
		return CM_EAWAY;
	buf_init(&all, KNOWN_MAX);
	if ((rc = file_read(log, path, &all)) == 0)
		rc = resolve(&all, key, 0, out);
	buf_free(&all);
	return rc;
}
