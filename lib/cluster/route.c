#include "cluster/route.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/str.h"
#include "base/time.h"

#define COUNT_WAIT_MS	50
#define COUNT_DIGITS	20
#define COUNT_LINE	(COUNT_DIGITS + 1)

struct candidate {
	const struct conf_volume *volume;
	uint64_t		  space;
	size_t			  turn;
};

static bool
is_open_here(const struct conf *c, const struct conf_volume *v)
{
	return conf_is_home(c, v) && conf_takes_mail(c, v);
}

static bool
rule_fits(const struct conf_rule *u, uint64_t size, bool high)
{
	return size >= u->min_size && size <= u->max_size &&
	    (u->high == -1 || (u->high == 1) == high);
}

static size_t
from_rule(const struct conf *c, const struct conf_rule *u,
    struct candidate *out)
{
	const struct conf_volume *v;
	size_t			  n = 0, k;

	for (size_t i = 0; i < u->nvolumes && n < c->nvolumes; i++) {
		v = conf_volume(c, u->volumes[i], strlen(u->volumes[i]));
		if (v == NULL || !is_open_here(c, v))
			continue;
		for (k = 0; k < n && out[k].volume != v; k++)
			continue;
		if (k == n)
			out[n++].volume = v;
	}
	return n;
}

/* *slot: whose turns count, 0 without a rule, else the rule's number. */
static size_t
collect(const struct conf *c, uint64_t size, bool high,
    struct candidate *out, size_t *slot)
{
	size_t	 n;

	for (size_t i = 0; i < c->nrules; i++) {
		if (!rule_fits(&c->rules[i], size, high))
			continue;
		if ((n = from_rule(c, &c->rules[i], out)) > 0) {
			*slot = i + 1;
			return n;
		}
	}
	n = 0;
	for (size_t i = 0; i < c->nvolumes; i++)
		if (is_open_here(c, &c->volumes[i]))
			out[n++].volume = &c->volumes[i];
	*slot = 0;
	return n;
}

static uint64_t
random_u64(void)
{
	uint64_t v;

	/* Up to 256 bytes come whole once the kernel's pool is ready. */
	if (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
		v = (uint64_t)time_mono_us();
	return v;
}

/* Another process may remove the folder, or never have made it. */
static int
open_counts(const struct conf *c, int *fd)
{
	char	 dir[FILE_PATH_MAX], path[FILE_PATH_MAX];
	int	 rc;

	if ((rc = str_fmt(dir, sizeof(dir), "%s/run", c->node->state)) != 0 ||
	    (rc = str_fmt(path, sizeof(path), "%s/select", dir)) != 0)
		return rc;
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd == -1 && errno == ENOENT &&
	    (rc = file_mkdirs(NULL, dir, 0700)) == 0)
		*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd == -1)
		return rc != 0 ? rc : cm_errno(errno);
	return 0;
}

/*
 * The file is one line of COUNT_DIGITS digits per slot.  It is not synced:
 * after a crash any start is as good, and a damaged line starts again at 0.
 */
static int
next_count(const struct conf *c, size_t slot, uint64_t *out)
{
	char	 line[COUNT_LINE + 1];
	off_t	 off = (off_t)(slot * COUNT_LINE);
	int	 fd, rc;

	if ((rc = open_counts(c, &fd)) != 0)
		return rc;
	if ((rc = lock_file(fd, LOCK_EX, COUNT_WAIT_MS)) != 0)
		goto out;
	if (file_pread(fd, line, COUNT_LINE, off) != 0 ||
	    str_u64(line, COUNT_DIGITS, UINT64_MAX, out) != 0)
		*out = 0;
	if ((rc = str_fmt(line, sizeof(line), "%0*llu\n", COUNT_DIGITS,
	    (unsigned long long)(*out + 1))) == 0)
		rc = file_pwrite(fd, line, COUNT_LINE, off);
out:
	close(fd);
	return rc;
}

/* The folder is made at the first append: until then its parent tells. */
static int
stat_nearest(const char *path, struct stat *st, char *at)
{
	char	*slash;

	if (str_copy(at, CONF_PATH_MAX + 1, path) != 0)
		return CM_ETOOBIG;
	while (stat(at, st) == -1) {
		if ((slash = strrchr(at, '/')) == NULL || at[1] == '\0')
			return cm_errno(errno);
		slash[slash == at] = '\0';
	}
	return 0;
}

/*
 * Asks each file system once: numbers taken one after the other differ while
 * others write, and would undo the turns.
 */
static int
measure(struct candidate *v, size_t n)
{
	struct stat	 st;
	char		 at[CONF_PATH_MAX + 1];
	dev_t		*dev;
	size_t		 k;

	if ((dev = calloc(n, sizeof(*dev))) == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		v[i].space = 0;
		if (stat_nearest(v[i].volume->path, &st, at) != 0)
			continue;
		dev[i] = st.st_dev;
		for (k = 0; k < i && dev[k] != dev[i]; k++)
			continue;
		v[i].space = k < i ? v[k].space : file_space(at);
	}
	free(dev);
	return 0;
}

uint64_t
route_space(const struct conf *c)
{
	struct stat	 st;
	char		 at[CONF_PATH_MAX + 1];
	uint64_t	 most = 0, v;

	for (size_t i = 0; i < c->nvolumes; i++) {
		if (!is_open_here(c, &c->volumes[i]) ||
		    stat_nearest(c->volumes[i].path, &st, at) != 0)
			continue;
		if ((v = file_space(at)) > most)
			most = v;
	}
	return most;
}

static int
by_load(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->space != y->space)
		return x->space > y->space ? -1 : 1;
	return (x->turn > y->turn) - (x->turn < y->turn);
}

static void
shuffle(struct candidate *v, size_t n)
{
	struct candidate swap;
	size_t		 k;

	for (size_t i = 0; i + 1 < n && i < ROUTE_MAX; i++) {
		k = i + (size_t)(random_u64() % (n - i));
		swap = v[i];
		v[i] = v[k];
		v[k] = swap;
	}
}

/* Turns: v[start] is first, then those behind it and around. */
static void
rotate(struct candidate *v, size_t n, size_t start)
{
	for (size_t i = 0; i < n; i++)
		v[i].turn = (i + n - start) % n;
}

static int
order(const struct log *log, const struct conf *c, struct candidate *v,
    size_t n, size_t slot)
{
	uint64_t count;
	int	 rc;

	if (n < 2)
		return 0;
	if (c->select == CONF_RANDOM) {
		shuffle(v, n);
		return 0;
	}
	if ((rc = next_count(c, slot, &count)) != 0) {
		log_debug(log, "%s/run/select: %s; choosing at random",
		    c->node->state, cm_strerror(rc));
		if (c->select == CONF_ROUND_ROBIN) {
			shuffle(v, n);
			return 0;
		}
		count = random_u64();
	}
	rotate(v, n, (size_t)(count % n));
	for (size_t i = 0; i < n; i++)
		v[i].space = 0;
	if (c->select == CONF_LEAST_LOAD && (rc = measure(v, n)) != 0)
		return log_fail(log, rc, "choosing a volume");
	qsort(v, n, sizeof(*v), by_load);
	return 0;
}

int
route_select(const struct log *log, const struct conf *c, uint64_t size,
    bool high, struct route_pick *pick)
{
	struct candidate *v;
	size_t		  n, slot;
	int		  rc;

	pick->n = 0;
	if ((v = calloc(c->nvolumes + 1, sizeof(*v))) == NULL)
		return log_fail(log, CM_ENOMEM, "choosing a volume");
	if ((n = collect(c, size, high, v, &slot)) == 0) {
		rc = log_fail(log, CM_EAWAY, "an open volume whose home is "
		    "node %s", c->self);
		goto out;
	}
	if ((rc = order(log, c, v, n, slot)) != 0)
		goto out;
	for (size_t i = 0; i < n && i < ROUTE_MAX; i++)
		pick->volume[pick->n++] = v[i].volume;
out:
	free(v);
	return rc;
}
