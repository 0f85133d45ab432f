/* In which order volumes are tried. */
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
#include "cluster/route_int.h"

#define COUNT_WAIT_MS	50
#define COUNT_DIGITS	20
#define COUNT_LINE	(COUNT_DIGITS + 1)

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
 * others write, and would undo the turns.  share: those on one file system
 * have a part of it each.
 */
static int
measure(struct candidate *v, size_t n, bool share)
{
	struct stat	 st;
	char		 at[CONF_PATH_MAX + 1];
	dev_t		*dev;
	size_t		 k;

	if ((dev = calloc(n + 1, sizeof(*dev))) == NULL)
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
	for (size_t i = 0; share && i < n; i++) {
		k = 1;
		for (size_t j = 0; j < n; j++)
			k += j != i && dev[j] == dev[i];
		v[i].space /= k;
	}
	free(dev);
	return 0;
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

/* Each place by the space of what is left, as a lottery. */
static void
draw(struct candidate *v, size_t n)
{
	struct candidate swap;
	uint64_t	 left = 0, ticket;
	size_t		 k;

	for (size_t i = 0; i < n; i++) {
		/* in KiB: the sum of many must fit, and each has a ticket */
		v[i].space = (v[i].space >> 10) + 1;
		left += v[i].space;
	}
	for (size_t i = 0; i + 1 < n && i < ROUTE_MAX; i++) {
		ticket = random_u64() % left;
		for (k = i; ticket >= v[k].space; k++)
			ticket -= v[k].space;
		left -= v[k].space;
		swap = v[i];
		v[i] = v[k];
		v[k] = swap;
	}
}

/* Of another node's volumes: what it said when it was polled. */
static void
ask_nodes(const struct nodes *ns, struct candidate *v, size_t n)
{
	const struct nodes_node *node;
	const char		*home;

	for (size_t i = 0; i < n; i++) {
		home = v[i].volume->home;
		node = nodes_find(ns, home, strlen(home));
		v[i].space = node != NULL ? node->free : 0;
	}
}

static int
find_space(const struct log *log, const struct conf *c,
    const struct nodes *ns, struct candidate *v, size_t n)
{
	int	 rc;

	if (ns != NULL) {
		ask_nodes(ns, v, n);
		return 0;
	}
	rc = measure(v, n, c->select == CONF_WEIGHTED);
	return rc == 0 ? 0 : log_fail(log, rc, "choosing a volume");
}

/* Turns: v[start] is first, then those behind it and around. */
static void
rotate(struct candidate *v, size_t n, size_t start)
{
	for (size_t i = 0; i < n; i++) {
		v[i].turn = (i + n - start) % n;
		v[i].space = 0;
	}
}

static int
take_turns(const struct log *log, const struct conf *c,
    const struct nodes *ns, struct candidate *v, size_t n, size_t slot)
{
	uint64_t count;
	int	 rc;

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
	if (c->select == CONF_LEAST_LOAD &&
	    (rc = find_space(log, c, ns, v, n)) != 0)
		return rc;
	qsort(v, n, sizeof(*v), by_load);
	return 0;
}

int
route_order(const struct log *log, const struct conf *c,
    const struct nodes *ns, struct candidate *v, size_t n, size_t slot)
{
	int	 rc;

	if (n < 2)
		return 0;
	switch (c->select) {
	case CONF_STATIC:
		return 0;
	case CONF_RANDOM:
		shuffle(v, n);
		return 0;
	case CONF_WEIGHTED:
		if ((rc = find_space(log, c, ns, v, n)) == 0)
			draw(v, n);
		return rc;
	default:
		return take_turns(log, c, ns, v, n, slot);
	}
}

uint64_t
route_space(const struct conf *c)
{
	struct stat	 st;
	char		 at[CONF_PATH_MAX + 1];
	uint64_t	 most = 0, v;

	for (size_t i = 0; i < c->nvolumes; i++) {
		if (!conf_is_home(c, &c->volumes[i]) ||
		    !conf_takes_mail(c, &c->volumes[i]) ||
		    stat_nearest(c->volumes[i].path, &st, at) != 0)
			continue;
		if ((v = file_space(at)) > most)
			most = v;
	}
	return most;
}
