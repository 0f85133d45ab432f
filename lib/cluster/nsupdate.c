/*
 * Another server gets what the domain's next answers have, by the commands of
 * nsupdate(1), RFC 2136.  What it has already is not told again.
 *
 * What was put there once, and is in the domain no more, is to go: for that
 * the names are kept, in STATE/run/nsupdate.DOMAIN.
 */
#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter/rr.h"
#include "base/file.h"
#include "base/str.h"
#include "cluster/zonetool.h"
#include "cluster/zoneview.h"

#define OUT_MAX		(64u << 20)
#define TIMEOUT_MS	3000
#define DNS_PORT	53

struct updater {
	struct tool	*tool;
	const char	*domain;
	struct rr_server server;	/* address NULL: nobody is asked */
	struct zoneview	 view;
	struct zone_set	 set;
	struct buf	 gone;		/* commands for what is to go */
	struct buf	 out;		/* and for what is to come */
	struct buf	 names;		/* "NAME TYPE" lines, as they are now */
};

/* Lines in one order, to be compared. */
static int
by_line(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	size_t	 n = x->len < y->len ? x->len : y->len;
	int	 d = memcmp(x->p, y->p, n);

	return d != 0 ? d : (x->len > y->len) - (x->len < y->len);
}

static int
sorted(const struct buf *b, struct span **out, size_t *n)
{
	struct span	 rest = { b->p, b->len }, l;
	size_t		 max = 1;

	for (size_t i = 0; i < b->len; i++)
		max += b->p[i] == '\n';
	*n = 0;
	if ((*out = calloc(max, sizeof(**out))) == NULL)
		return CM_ENOMEM;
	while (b->len > 0 && *n < max && str_field(&rest, '\n', &l))
		if (l.len > 0)
			(*out)[(*n)++] = l;
	qsort(*out, *n, sizeof(**out), by_line);
	return 0;
}

/* Have both the same lines, in whatever order? */
static int
compare(const struct buf *a, const struct buf *b, bool *same)
{
	struct span	*x = NULL, *y = NULL;
	size_t		 n, m;
	int		 rc;

	*same = false;
	if ((rc = sorted(a, &x, &n)) == 0 && (rc = sorted(b, &y, &m)) == 0) {
		*same = n == m;
		for (size_t i = 0; *same && i < n; i++)
			*same = by_line(&x[i], &y[i]) == 0;
	}
	free(x);
	free(y);
	return rc;
}

static int
ask(struct updater *u, const char *name, unsigned type, struct buf *has)
{
	char	 word[RR_TYPE_MAX];
	int	 rc = rr_ask(&u->server, name, type, has);

	if (rc == 0)
		rc = has->err;
	if (rc == 0)
		return 0;
	rr_type_text(type, word);
	return log_fail(&u->tool->log, rc, "%s port %u: %s %s",
	    u->server.address, u->server.port, name, word);
}

/* What the set is to be, "TTL data" a line. */
static int
wanted(const struct updater *u, struct buf *want)
{
	int	 rc = 0;

	for (size_t i = 0; rc == 0 && i < u->set.n; i++) {
		buf_addf(want, "%u ", u->set.ttl);
		rc = rr_to_text(u->set.type, zone_data(&u->set, i),
		    u->set.rr[i].len, want);
		buf_addc(want, '\n');
	}
	return rc != 0 ? rc : want->err;
}

/* In one message all of a set goes and comes: nobody sees less of it. */
static void
tell(struct updater *u, const char *name, const char *word,
    const struct buf *want)
{
	struct span	 rest = { want->p, want->len }, l;
	const char	*blank;

	buf_addf(&u->out, "update delete %s %s\n", name, word);
	while (want->len > 0 && str_field(&rest, '\n', &l)) {
		if ((blank = memchr(l.p, ' ', l.len)) == NULL)
			continue;
		buf_addf(&u->out, "update add %s %.*s IN %s ", name,
		    (int)(blank - l.p), l.p, word);
		buf_add(&u->out, blank + 1, l.len -
		    (size_t)(blank + 1 - l.p));
		buf_addc(&u->out, '\n');
	}
}

static int
one_set(void *arg, const struct dns_name *name, unsigned type)
{
	struct updater	*u = arg;
	char		 text[DNS_TEXT_MAX], word[RR_TYPE_MAX];
	struct buf	 want, has;
	bool		 same = false;
	int		 rc;

	if (type == ns_t_soa || type == ns_t_ns)
		return 0;
	if ((rc = zoneview_find(&u->view, name, type, &u->set)) != 0 ||
	    u->set.type != type || u->set.n == 0)
		return rc;
	dns_name_text(name->b, text);
	rr_type_text(type, word);
	buf_addf(&u->names, "%s %s\n", text, word);
	buf_init(&want, OUT_MAX);
	buf_init(&has, OUT_MAX);
	rc = wanted(u, &want);
	if (rc == 0 && u->server.address != NULL &&
	    (rc = ask(u, text, type, &has)) == 0)
		rc = compare(&want, &has, &same);
	if (rc == 0 && !same)
		tell(u, text, word, &want);
	buf_free(&want);
	buf_free(&has);
	return rc;
}

static int
names_path(const struct updater *u, char path[FILE_PATH_MAX])
{
	return str_fmt(path, FILE_PATH_MAX, "%s/run/nsupdate.%s",
	    u->tool->conf->node->state, u->domain);
}

static bool
has_line(const struct buf *b, struct span want)
{
	struct span	 rest = { b->p, b->len }, l;

	while (b->len > 0 && str_field(&rest, '\n', &l))
		if (by_line(&l, &want) == 0)
			return true;
	return false;
}

/* One that was there, and is not now.  It stays noted until it is gone. */
static int
one_old(struct updater *u, struct span line)
{
	char		 name[DNS_TEXT_MAX], word[RR_TYPE_MAX];
	const char	*blank = memchr(line.p, ' ', line.len);
	struct buf	 has;
	int		 rc = 0;

	if (blank == NULL || str_ncopy(name, sizeof(name), line.p,
	    (size_t)(blank - line.p)) != 0 || str_ncopy(word, sizeof(word),
	    blank + 1, line.len - (size_t)(blank + 1 - line.p)) != 0 ||
	    rr_type(word) == 0)
		return 0;
	buf_init(&has, OUT_MAX);
	if (u->server.address != NULL)
		rc = ask(u, name, rr_type(word), &has);
	if (rc == 0 && (u->server.address == NULL || has.len > 0)) {
		buf_addf(&u->gone, "update delete %s %s\n", name, word);
		buf_addf(&u->names, "%s %s\n", name, word);
	}
	buf_free(&has);
	return rc;
}

static int
old_names(struct updater *u)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 old, now;
	struct span	 rest, l;
	int		 rc;

	if ((rc = names_path(u, path)) != 0)
		return rc;
	buf_init(&old, OUT_MAX);
	buf_init(&now, OUT_MAX);
	buf_add(&now, u->names.p, u->names.len);
	if (file_exists(path))
		rc = file_read(&u->tool->log, path, &old);
	rest = (struct span){ old.p, old.len };
	while (rc == 0 && old.len > 0 && str_field(&rest, '\n', &l))
		if (l.len > 0 && !has_line(&now, l))
			rc = one_old(u, l);
	buf_free(&old);
	buf_free(&now);
	return rc;
}

/*
 * The names are noted before anybody is told, so that none is forgotten; what
 * was not done in the end is found missing, or there, the next time.
 */
static int
finish(struct updater *u)
{
	char		 path[FILE_PATH_MAX];
	struct buf	 all;
	int		 rc;

	if ((rc = u->names.err) != 0 || (rc = u->out.err) != 0 ||
	    (rc = u->gone.err) != 0 || (rc = names_path(u, path)) != 0)
		return rc;
	if (u->out.len + u->gone.len == 0)
		return 0;
	*strrchr(path, '/') = '\0';
	if ((rc = file_mkdirs(&u->tool->log, path, 0700)) != 0 ||
	    (rc = names_path(u, path)) != 0 ||
	    (rc = file_commit(&u->tool->log, path, u->names.p, u->names.len,
	    0600)) != 0)
		return rc;
	buf_init(&all, OUT_MAX);
	if (u->server.address != NULL)
		buf_addf(&all, "server %s %u\n", u->server.address,
		    u->server.port);
	buf_addf(&all, "zone %s.\n", u->domain);
	/* a CNAME cannot come where something else still is */
	buf_add(&all, u->gone.p, u->gone.len);
	buf_add(&all, u->out.p, u->out.len);
	buf_adds(&all, "send\n");
	if ((rc = all.err) == 0)
		rc = file_write(STDOUT_FILENO, all.p, all.len);
	buf_free(&all);
	return rc;
}

static int
update(struct updater *u, const struct dns_name *name)
{
	int	 rc;

	if ((rc = zone_walk(u->view.zone, name, one_set, u)) != 0 ||
	    (rc = old_names(u)) != 0)
		return rc;
	return finish(u);
}

int
zonetool_nsupdate(struct tool *t, const char *domain, const char *server,
    unsigned port)
{
	struct updater	 u = { .tool = t, .server = { server, port != 0 ?
			    port : DNS_PORT, TIMEOUT_MS } };
	struct dns_name	 name;
	int		 rc;

	/* as cluster.xml has it: it becomes part of a file's name */
	for (size_t i = 0; i < t->conf->ndomains; i++)
		if (str_ieq(domain, strlen(domain), t->conf->domains[i]))
			u.domain = t->conf->domains[i];
	if (u.domain == NULL || dns_name(&name, u.domain,
	    strlen(u.domain)) != 0)
		return log_fail(&t->log, CM_ENOHOST, "%s", domain);
	if ((rc = zoneview_open(&t->log, t->conf, &u.view)) != 0)
		return rc;
	zone_set_init(&u.set);
	buf_init(&u.gone, OUT_MAX);
	buf_init(&u.out, OUT_MAX);
	buf_init(&u.names, OUT_MAX);
	rc = update(&u, &name);
	buf_free(&u.gone);
	buf_free(&u.out);
	buf_free(&u.names);
	zone_set_free(&u.set);
	zoneview_close(&u.view);
	return rc;
}
