#include "cluster/collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "format/mbox.h"

#define CHUNK		65536
#define NAMES_MAX	(1UL << 30)	/* bytes of names in a Maildir */
#define WHERE_MAX	(FILE_PATH_MAX + 32)
#define FLAGS_SIZE	64		/* all five of them */

enum { SEEN = 1, ANSWERED = 2, FLAGGED = 4, DELETED = 8, DRAFT = 16 };

static void
flag_names(char out[FLAGS_SIZE], unsigned flags)
{
	static const char *const names[] = { "\\Seen", "\\Answered",
	    "\\Flagged", "\\Deleted", "\\Draft" };
	size_t	 n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < 5; i++)
		if (flags & 1u << i)
			n += (size_t)snprintf(out + n, FLAGS_SIZE - n,
			    "%s%s", n > 0 ? " " : "", names[i]);
}

/* The letters of a Status: or X-Status: line, as mutt and others write them. */
static unsigned
status_flags(struct span line)
{
	struct span	 name;
	unsigned	 flags = 0;

	if (!str_field(&line, ':', &name) || (!str_ieq(name.p, name.len,
	    "Status") && !str_ieq(name.p, name.len, "X-Status")))
		return 0;
	for (size_t i = 0; i < line.len; i++) {
		switch (line.p[i]) {
		case 'R':
			flags |= SEEN;
			break;
		case 'A':
			flags |= ANSWERED;
			break;
		case 'F':
			flags |= FLAGGED;
			break;
		case 'D':
			flags |= DELETED;
			break;
		case 'T':
			flags |= DRAFT;
			break;
		}
	}
	return flags;
}

static unsigned
mbox_flags(struct span msg)
{
	struct span	 line;
	unsigned	 flags = 0;

	while (str_field(&msg, '\n', &line) && line.len > 0 &&
	    !span_is(line, "\r"))
		flags |= status_flags(line);
	return flags;
}

static int
call(const struct mbox_reader *r, const char *name, struct span msg,
    collect_fn fn, void *arg)
{
	char			 flags[FLAGS_SIZE], where[WHERE_MAX];
	struct collect_msg	 m = { 0 };

	flag_names(flags, mbox_flags(msg));
	snprintf(where, sizeof(where), "%.*s:%llu", FILE_PATH_MAX, name,
	    (unsigned long long)r->cur.line);
	m.p = msg.p;
	m.len = msg.len;
	m.sender = r->cur.sender[0] != '\0' ? r->cur.sender : NULL;
	m.time_ms = r->cur.time_ms;
	m.flags = flags;
	m.where = where;
	return fn(arg, &m);
}

static int
mbox_fail(const struct log *log, int rc, const char *name,
    const struct mbox_reader *r, uint64_t max)
{
	switch (rc) {
	case CM_EDATA:
		return log_fail(log, rc, "%s:1: not a From_ line", name);
	case CM_ETOOBIG:
		return log_fail(log, rc, "%s:%llu: message of over %llu bytes",
		    name, (unsigned long long)r->cur.line,
		    (unsigned long long)max);
	default:
		return log_fail(log, rc, "%s:%llu", name,
		    (unsigned long long)r->cur.line);
	}
}

int
collect_mbox(const struct log *log, int fd, const char *name, uint64_t max,
    collect_fn fn, void *arg)
{
	struct mbox_reader	 r;
	struct span		 in = { NULL, 0 }, msg;
	char			*chunk;
	ssize_t			 n = 1;
	int			 rc;

	if ((chunk = malloc(CHUNK)) == NULL)
		return log_fail(log, CM_ENOMEM, "%s", name);
	mbox_reader_init(&r, max);
	for (;;) {
		rc = mbox_next(&r, &in, n == 0, &msg);
		if (rc == 0) {
			if ((rc = call(&r, name, msg, fn, arg)) != 0)
				break;
		} else if (rc != CM_EAGAIN) {
			rc = rc == CM_EEND ? 0 :
			    mbox_fail(log, rc, name, &r, max);
			break;
		} else {
			while ((n = read(fd, chunk, CHUNK)) == -1 &&
			    errno == EINTR)
				continue;
			if (n == -1) {
				rc = log_errno(log, "%s: read", name);
				break;
			}
			in.p = chunk;
			in.len = (size_t)n;
		}
	}
	mbox_reader_free(&r);
	free(chunk);
	return rc;
}

/* Names of files: 'c' or 'n' for the folder, the name, and a NUL, each. */
struct names {
	struct buf	  text;
	const char	**v;
	size_t		  n;
};

/* Adds the names in dir/sub; CM_ENOINPUT when there is no such folder. */
static int
list(const struct log *log, const char *dir, const char *sub,
    struct names *names)
{
	char		 path[FILE_PATH_MAX];
	struct dirent	*e;
	DIR		*d;
	int		 rc = 0;

	if (str_fmt(path, sizeof(path), "%s/%s", dir, sub) != 0)
		return log_fail(log, CM_ETOOBIG, "%s/%s", dir, sub);
	if ((d = opendir(path)) == NULL) {
		if (errno == ENOENT || errno == ENOTDIR)
			return CM_ENOINPUT;
		return log_errno(log, "%s", path);
	}
	while (rc == 0 && (errno = 0, e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || e->d_type == DT_DIR)
			continue;
		buf_addc(&names->text, sub[0]);
		rc = buf_add(&names->text, e->d_name, strlen(e->d_name) + 1);
		names->n++;
	}
	if (rc != 0)
		log_fail(log, rc, "%s: reading its names", path);
	else if (errno != 0)
		rc = log_errno(log, "%s", path);
	closedir(d);
	return rc;
}

static int
by_name(const void *a, const void *b)
{
	const char	*x = *(const char *const *)a;
	const char	*y = *(const char *const *)b;
	int		 c = strcmp(x + 1, y + 1);

	return c != 0 ? c : (unsigned char)*y - (unsigned char)*x;
}

static int
sort_names(struct names *names)
{
	const char	*p = names->text.p;

	/* One more than needed, so that an empty list is none of malloc's. */
	if ((names->v = calloc(names->n + 1, sizeof(*names->v))) == NULL)
		return CM_ENOMEM;
	for (size_t i = 0; i < names->n; i++) {
		names->v[i] = p;
		p += strlen(p) + 1;
	}
	qsort(names->v, names->n, sizeof(*names->v), by_name);
	return 0;
}

/* The letters behind ":2,": https://cr.yp.to/proto/maildir.html */
static unsigned
maildir_flags(const char *name)
{
	const char	*p = strstr(name, ":2,");
	unsigned	 flags = 0;

	for (p = p != NULL ? p + 3 : ""; *p != '\0'; p++) {
		switch (*p) {
		case 'S':
			flags |= SEEN;
			break;
		case 'R':
			flags |= ANSWERED;
			break;
		case 'F':
			flags |= FLAGGED;
			break;
		case 'T':
			flags |= DELETED;
			break;
		case 'D':
			flags |= DRAFT;
			break;
		}
	}
	return flags;
}

/* Opens a message; *fd is -1 and 0 returned for what is to be left out. */
static int
open_msg(const struct log *log, const char *path, int *fd, struct stat *st)
{
	/* Nonblocking, or a FIFO would hold us. */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd == -1) {
		if (errno == ENOENT)
			return 0;
		if (errno != ELOOP)
			return log_errno(log, "%s", path);
		log_warn(log, "%s: is a link, left out", path);
		return 0;
	}
	if (fstat(*fd, st) == -1) {
		close(*fd);
		return log_errno(log, "%s", path);
	}
	if (!S_ISREG(st->st_mode)) {
		close(*fd);
		*fd = -1;
	}
	return 0;
}

static int
one_file(const struct log *log, const char *dir, const char *name,
    struct buf *b, collect_fn fn, void *arg)
{
	char			 path[FILE_PATH_MAX], flags[FLAGS_SIZE];
	struct collect_msg	 m = { 0 };
	struct stat		 st;
	int			 fd, rc;

	if (str_fmt(path, sizeof(path), "%s/%s/%s", dir,
	    *name == 'c' ? "cur" : "new", name + 1) != 0)
		return log_fail(log, CM_ETOOBIG, "%s/%s", dir, name + 1);
	if ((rc = open_msg(log, path, &fd, &st)) != 0 || fd == -1)
		return rc;
	buf_reset(b);
	rc = file_read_fd(fd, b);
	close(fd);
	if (rc == CM_ETOOBIG)
		return log_fail(log, rc, "%s: message of over %llu bytes", path,
		    (unsigned long long)b->max);
	if (rc != 0)
		return log_fail(log, rc, "%s", path);
	flag_names(flags, maildir_flags(name + 1));
	m.p = b->len > 0 ? b->p : "";
	m.len = b->len;
	m.time_ms = (int64_t)st.st_mtim.tv_sec * 1000 +
	    st.st_mtim.tv_nsec / 1000000;
	m.flags = flags;
	m.where = path;
	return fn(arg, &m);
}

/*
 * new before cur: a message that moves meanwhile is then seen twice, and gone
 * in new when it is read; the other way round it could be missed.
 */
static int
list_both(const struct log *log, const char *dir, struct names *names)
{
	int	 in_new, in_cur;

	in_new = list(log, dir, "new", names);
	if (in_new != 0 && in_new != CM_ENOINPUT)
		return in_new;
	in_cur = list(log, dir, "cur", names);
	if (in_cur == CM_ENOINPUT && in_new == CM_ENOINPUT)
		return log_fail(log, CM_ENOINPUT, "%s: no Maildir: cur/ or "
		    "new/", dir);
	return in_cur == CM_ENOINPUT ? 0 : in_cur;
}

int
collect_maildir(const struct log *log, const char *dir, uint64_t max,
    collect_fn fn, void *arg)
{
	struct names	 names = { 0 };
	struct buf	 b;
	int		 rc;

	buf_init(&names.text, NAMES_MAX);
	buf_init(&b, max < SIZE_MAX / 4 ? (size_t)max : SIZE_MAX / 4);
	if ((rc = list_both(log, dir, &names)) != 0)
		goto out;
	if ((rc = sort_names(&names)) != 0) {
		log_fail(log, rc, "%s", dir);
		goto out;
	}
	for (size_t i = 0; i < names.n && rc == 0; i++)
		rc = one_file(log, dir, names.v[i], &b, fn, arg);
out:
	buf_free(&b);
	buf_free(&names.text);
	free(names.v);
	return rc;
}
