#include "cluster/queued.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/lock.h"

#define STATE_MAX	(16u << 20)

static const char *const states[] = { "wait", "sent", "relayed", "failed",
    "told" };
#define NSTATES	(sizeof(states) / sizeof(states[0]))

int
queued_spool(struct spooldir *s, const struct log *log,
    const struct conf *conf)
{
	char	 path[FILE_PATH_MAX];
	int	 rc;

	if ((rc = spooldir_open(s, log, conf, "outgoing")) != 0 ||
	    (rc = spooldir_path(s, "state", "", path)) != 0)
		return rc;
	path[strlen(path) - 1] = '\0';
	return file_mkdirs(log, path, 0700);
}

/* --- reading */

static int
copy(struct span v, char **out)
{
	if (*out != NULL)
		return CM_EDATA;
	return (*out = strndup(v.p, v.len)) == NULL ? CM_ENOMEM : 0;
}

static int
add_rcpt(struct queued *q, struct span v)
{
	struct queued_rcpt	*p;

	if (q->n == QUEUED_RECIPIENTS || v.len == 0)
		return CM_EDATA;
	if ((p = realloc(q->to, (q->n + 1) * sizeof(*p))) == NULL)
		return CM_ENOMEM;
	q->to = p;
	memset(&p[q->n], 0, sizeof(*p));
	return copy(v, &p[q->n++].address);
}

static int
get_number(struct span v, int64_t *out)
{
	uint64_t	 n;
	int		 rc = str_u64(v.p, v.len, INT64_MAX / 2, &n);

	if (rc == 0)
		*out = (int64_t)n;
	return rc;
}

static int
head_line(struct queued *q, struct span key, struct span v)
{
	struct queued_rcpt	*to = q->n > 0 ? &q->to[q->n - 1] : NULL;

	if (span_is(key, "to"))
		return add_rcpt(q, v);
	if (span_is(key, "time"))
		return get_number(v, &q->time);
	if (span_is(key, "from"))
		return copy(v, &q->sender);
	if (span_is(key, "ret"))
		return copy(v, &q->ret);
	if (span_is(key, "envid"))
		return copy(v, &q->envid);
	if (span_is(key, "utf8"))
		q->utf8 = true;
	else if (to != NULL && span_is(key, "notify"))
		return copy(v, &to->notify);
	else if (to != NULL && span_is(key, "orcpt"))
		return copy(v, &to->orcpt);
	else
		return CM_EDATA;
	return 0;
}

static int
parse_file(struct queued *q)
{
	struct span	 rest = { q->file.p, q->file.len }, l, key;
	int		 rc;

	if (memchr(rest.p != NULL ? rest.p : "", '\0', rest.len) != NULL &&
	    memmem(rest.p, rest.len, "\n\n", 2) == NULL)
		return CM_EDATA;
	if (!str_field(&rest, '\n', &l) || !span_is(l, QUEUED_MAGIC))
		return CM_EDATA;
	while (str_field(&rest, '\n', &l)) {
		if (l.len == 0) {
			if (rest.p == NULL)
				return CM_EDATA;
			q->msg = rest;
			return q->n > 0 && q->sender != NULL && q->time > 0 ?
			    0 : CM_EDATA;
		}
		if (!str_field(&l, ' ', &key) || l.p == NULL)
			return CM_EDATA;
		if ((rc = head_line(q, key, l)) != 0)
			return rc;
	}
	return CM_EDATA;
}

static int
state_rcpt(struct queued *q, struct span v)
{
	struct span	 n, state, code;
	struct queued_rcpt *r;
	int64_t		 at, c;
	size_t		 s;

	if (!str_field(&v, ' ', &n) || !str_field(&v, ' ', &state) ||
	    !str_field(&v, ' ', &code) || v.p == NULL ||
	    get_number(n, &at) != 0 || (size_t)at >= q->n ||
	    get_number(code, &c) != 0 || c > 599)
		return CM_EDATA;
	for (s = 0; s < NSTATES && !span_is(state, states[s]); s++)
		;
	if (s == NSTATES)
		return CM_EDATA;
	r = &q->to[at];
	r->state = (enum queued_state)s;
	r->code = (int)c;
	return str_ncopy(r->text, sizeof(r->text), v.p, v.len);
}

static int
parse_state(struct queued *q, struct span rest)
{
	struct span	 l, key;
	int64_t		 n;
	int		 rc = 0;

	while (rc == 0 && str_field(&rest, '\n', &l)) {
		if (l.len == 0)
			return rest.p == NULL || rest.len == 0 ? 0 : CM_EDATA;
		if (!str_field(&l, ' ', &key) || l.p == NULL)
			return CM_EDATA;
		if (span_is(key, "rcpt"))
			rc = state_rcpt(q, l);
		else if (span_is(key, "next"))
			rc = get_number(l, &q->next);
		else if (span_is(key, "last"))
			rc = str_ncopy(q->last, sizeof(q->last), l.p, l.len);
		else if (span_is(key, "tries")) {
			if ((rc = get_number(l, &n)) == 0)
				q->tries = n > 1000000 ? 1000000 : (unsigned)n;
		} else
			return CM_EDATA;
	}
	return rc;
}

static int
read_state(struct queued *q)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	int		 rc;

	if ((rc = spooldir_path(q->dir, "state", q->id, path)) != 0)
		return rc;
	if (access(path, F_OK) == -1 && errno == ENOENT)
		return 0;
	buf_init(&b, STATE_MAX);
	if ((rc = file_read(q->dir->log, path, &b)) == 0 && b.len > 0)
		rc = parse_state(q, (struct span){ b.p, b.len });
	buf_free(&b);
	return rc;
}

static int
lock_it(struct queued *q)
{
	struct stat	 st;
	int		 rc;

	if ((rc = lock_file(q->fd, LOCK_EX, 0)) != 0)
		return rc;
	/* whoever had it may have taken it away */
	if (fstat(q->fd, &st) == -1)
		return CM_EIO;
	return st.st_nlink == 0 ? CM_ENOINPUT : 0;
}

int
queued_open(struct spooldir *dir, const char *id, uint64_t max, bool lock,
    struct queued **out)
{
	struct queued	*q;
	struct stat	 st;
	struct ulid	 u;
	int		 rc;

	*out = NULL;
	if ((q = calloc(1, sizeof(*q))) == NULL)
		return CM_ENOMEM;
	q->dir = dir;
	q->fd = -1;
	buf_init(&q->file, 2 * max + SPOOL_HEAD_MAX);
	if ((rc = spooldir_read(dir, id, &q->file, &st, &q->fd)) == 0 &&
	    lock)
		rc = lock_it(q);
	if (rc == 0 && (rc = ulid_parse(id, strlen(id), &u)) == 0) {
		memcpy(q->id, id, sizeof(q->id));
		if ((rc = parse_file(q)) == 0)
			rc = read_state(q);
	}
	if (rc == CM_EDATA || rc == CM_ETOOBIG) {
		if (spooldir_fail(dir, id) == 0)
			rc = CM_EDATA;
	}
	if (rc != 0) {
		queued_close(q);
		return rc;
	}
	*out = q;
	return 0;
}

void
queued_close(struct queued *q)
{
	if (q == NULL)
		return;
	for (size_t i = 0; i < q->n; i++) {
		free(q->to[i].address);
		free(q->to[i].notify);
		free(q->to[i].orcpt);
	}
	free(q->to);
	free(q->sender);
	free(q->ret);
	free(q->envid);
	buf_free(&q->file);
	if (q->fd != -1)
		close(q->fd);
	free(q);
}

/* --- writing */

int
queued_save(struct queued *q)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	int		 rc;

	buf_init(&b, STATE_MAX);
	buf_addf(&b, "tries %u\nnext %lld\n", q->tries, (long long)q->next);
	if (q->last[0] != '\0')
		buf_addf(&b, "last %s\n", q->last);
	for (size_t i = 0; i < q->n; i++) {
		const struct queued_rcpt *r = &q->to[i];

		if (r->state != QUEUED_WAIT || r->code != 0)
			buf_addf(&b, "rcpt %zu %s %d %s\n", i,
			    states[r->state], r->code, r->text);
	}
	if ((rc = b.err) != 0)
		log_fail(q->dir->log, rc, "%s", q->id);
	else if ((rc = spooldir_path(q->dir, "state", q->id, path)) == 0)
		rc = file_commit(q->dir->log, path, b.p, b.len, 0600);
	buf_free(&b);
	return rc;
}

int
queued_remove(struct queued *q)
{
	char	 path[FILE_PATH_MAX];
	int	 rc;

	if ((rc = spooldir_path(q->dir, "new", q->id, path)) != 0)
		return rc;
	if (unlink(path) == -1)
		return log_errno(q->dir->log, "%s", path);
	path[strlen(path) - strlen(q->id) - 1] = '\0';
	return file_sync_dir(q->dir->log, path);
}

size_t
queued_count(const struct queued *q, enum queued_state state)
{
	size_t	 n = 0;

	for (size_t i = 0; i < q->n; i++)
		n += q->to[i].state == state;
	return n;
}

void
queued_defer(struct queued *q, int64_t now, const char *why)
{
	int64_t	 ms = QUEUED_FIRST_MS;

	for (unsigned i = 0; i < q->tries && ms < QUEUED_LONGEST_MS; i++)
		ms *= 2;
	if (ms > QUEUED_LONGEST_MS)
		ms = QUEUED_LONGEST_MS;
	q->tries++;
	q->next = now + ms;
	if (q->next > q->time + QUEUED_LIFE_MS)
		q->next = q->time + QUEUED_LIFE_MS;
	snprintf(q->last, sizeof(q->last), "%s", why != NULL ? why : "");
	str_clean(q->last);
}

/* --- what there is to do */

static bool
is_due(const struct spooldir *s, const char *name, int64_t now)
{
	char		 path[FILE_PATH_MAX];
	struct span	 rest, l, key;
	struct buf	 b;
	int64_t		 next = 0;
	bool		 tell = false;

	if (now == INT64_MAX || spooldir_path(s, "state", name, path) != 0 ||
	    !file_exists(path))
		return true;
	buf_init(&b, STATE_MAX);
	if (file_read(s->log, path, &b) == 0 && b.len > 0) {
		rest = (struct span){ b.p, b.len };
		while (str_field(&rest, '\n', &l))
			if (str_field(&l, ' ', &key) && l.p != NULL &&
			    span_is(key, "next") && get_number(l, &next) != 0)
				next = 0;
		tell = memmem(b.p, b.len, " failed ", 8) != NULL ||
		    memmem(b.p, b.len, " relayed ", 9) != NULL;
	}
	buf_free(&b);
	return next <= now || tell;
}

int
queued_due(struct spooldir *s, int64_t now, char ***out, size_t *n)
{
	char		 path[FILE_PATH_MAX];
	struct dirent	**list = NULL;
	int		 all, rc;

	*out = NULL;
	*n = 0;
	if ((rc = spooldir_path(s, "new", "", path)) != 0)
		return rc;
	if ((all = scandir(path, &list, NULL, alphasort)) == -1)
		return log_errno(s->log, "%s", path);
	if ((*out = calloc((size_t)all + 1, sizeof(**out))) == NULL)
		rc = CM_ENOMEM;
	for (int i = 0; i < all; i++) {
		if (rc == 0 && list[i]->d_name[0] != '.' &&
		    is_due(s, list[i]->d_name, now) &&
		    ((*out)[(*n)++] = strdup(list[i]->d_name)) == NULL)
			rc = CM_ENOMEM;
		free(list[i]);
	}
	free(list);
	return rc;
}
