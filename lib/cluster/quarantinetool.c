#include "cluster/quarantinetool.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/quarantine.h"
#include "cluster/spooldir.h"
#include "cluster/sysbox.h"

#define OUT_MAX		(256u << 20)
#define YOUNG_MS	600000

/* A report that was read: spans into buf. */
struct report {
	struct buf	 buf;
	struct span	 time, filter, finding, from, to, release;
	struct buf	 mailboxes;	/* one a line */
};

static void
free_report(struct report *r)
{
	buf_free(&r->buf);
	buf_free(&r->mailboxes);
}

static void
take_line(struct report *r, struct span l)
{
	const char	*blank = memchr(l.p, ' ', l.len);
	struct span	 word, value;

	if (blank == NULL)
		return;
	word = (struct span){ l.p, (size_t)(blank - l.p) };
	value = (struct span){ blank + 1, l.len - word.len - 1 };
	if (span_is(word, "time"))
		r->time = value;
	else if (span_is(word, "filter"))
		r->filter = value;
	else if (span_is(word, "finding"))
		r->finding = value;
	else if (span_is(word, "from"))
		r->from = value;
	else if (span_is(word, "to") && r->to.len == 0)
		r->to = value;
	else if (span_is(word, "release"))
		r->release = value;
	else if (span_is(word, "mailbox")) {
		buf_add(&r->mailboxes, value.p, value.len);
		buf_addc(&r->mailboxes, '\n');
	}
}

static int
read_report(const struct spooldir *dir, const char *id, struct report *r)
{
	struct span	 rest, l;
	struct stat	 st;
	char		 name[QUARANTINE_NAME_SIZE];
	int		 fd, rc;

	memset(r, 0, sizeof(*r));
	buf_init(&r->buf, OUT_MAX);
	buf_init(&r->mailboxes, OUT_MAX);
	if ((rc = quarantine_report(id, name)) != 0 ||
	    (rc = spooldir_read(dir, name, &r->buf, &st, &fd)) != 0)
		return rc;
	close(fd);
	rest = (struct span){ r->buf.p, r->buf.len };
	if (r->buf.len == 0 || !str_field(&rest, '\n', &l) ||
	    !span_is(l, QUARANTINE_MAGIC))
		return log_fail(dir->log, CM_EDATA, "%s/new/%s", dir->path,
		    name);
	while (str_field(&rest, '\n', &l))
		take_line(r, l);
	return r->mailboxes.err;
}

static int
read_message(const struct spooldir *dir, const char *id, struct buf *b)
{
	struct stat	 st;
	int		 fd, rc;

	buf_init(b, OUT_MAX * 4);
	if ((rc = spooldir_read(dir, id, b, &st, &fd)) == 0)
		close(fd);
	return rc;
}

static bool
is_id(const char *s)
{
	struct ulid	 id;

	return strlen(s) == ULID_LEN && ulid_parse(s, ULID_LEN, &id) == 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Ids of new/, oldest first, to be freed by free_ids. */
static int
list_ids(const struct spooldir *dir, char ***out, size_t *n)
{
	char		 path[FILE_PATH_MAX];
	struct dirent	*e;
	char		**more;
	DIR		*d;
	int		 rc;

	*out = NULL;
	*n = 0;
	if ((rc = spooldir_path(dir, "new", "", path)) != 0)
		return rc;
	if ((d = opendir(path)) == NULL)
		return log_errno(dir->log, "%s", path);
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (!is_id(e->d_name))
			continue;
		more = reallocarray(*out, *n + 1, sizeof(*more));
		if (more == NULL || (more[*n] = strdup(e->d_name)) == NULL)
			rc = log_fail(dir->log, CM_ENOMEM, "%s", path);
		else
			++*n;
		if (more != NULL)
			*out = more;
	}
	closedir(d);
	if (*n > 0)
		qsort(*out, *n, sizeof(**out), by_name);
	return rc;
}

static void
free_ids(char **ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ids[i]);
	free(ids);
}

static void
add_row(const struct spooldir *dir, const char *id, const struct report *r,
    struct buf *out)
{
	char		 iso[TIME_ISO_SIZE], path[FILE_PATH_MAX];
	struct stat	 st;
	uint64_t	 ms;

	if (str_u64(r->time.p, r->time.len, INT64_MAX, &ms) != 0 ||
	    spooldir_path(dir, "new", id, path) != 0 || stat(path, &st) == -1)
		return;
	time_iso(iso, (int64_t)ms);
	buf_addf(out, "%s\t%s\t%.*s\t%.*s\t%.*s\t%.*s\t%lld\n", id, iso,
	    (int)r->filter.len, r->filter.p, (int)r->finding.len,
	    r->finding.p, (int)r->from.len, r->from.p, (int)r->to.len, r->to.p,
	    (long long)st.st_size);
}

int
quarantinetool_list(struct tool *t)
{
	struct spooldir	 dir;
	struct report	 r;
	struct buf	 out;
	char		**ids = NULL;
	size_t		 n = 0;
	int		 rc;

	buf_init(&out, OUT_MAX);
	if ((rc = spooldir_open(&dir, &t->log, t->conf, "quarantine")) == 0)
		rc = list_ids(&dir, &ids, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (read_report(&dir, ids[i], &r) == 0)
			add_row(&dir, ids[i], &r, &out);
		free_report(&r);
	}
	free_ids(ids, n);
	if (rc == 0 && (rc = out.err) == 0 && out.len > 0)
		rc = file_write(STDOUT_FILENO, out.p, out.len);
	buf_free(&out);
	return rc;
}

/* An id that is there.  All else that fails has a line already. */
static int
open_one(struct tool *t, const char *id, struct spooldir *dir,
    struct report *r, struct buf *msg)
{
	int	 rc;

	memset(r, 0, sizeof(*r));
	buf_init(msg, OUT_MAX);
	if (!is_id(id))
		return log_fail(&t->log, CM_ENOINPUT, "%s", id);
	if ((rc = spooldir_open(dir, &t->log, t->conf, "quarantine")) != 0)
		return rc;
	if ((rc = read_report(dir, id, r)) == 0)
		rc = read_message(dir, id, msg);
	return rc == CM_ENOINPUT ? log_fail(&t->log, rc, "%s", id) : rc;
}

int
quarantinetool_show(struct tool *t, const char *id)
{
	struct spooldir	 dir;
	struct report	 r;
	struct buf	 msg;
	int		 rc;

	if ((rc = open_one(t, id, &dir, &r, &msg)) == 0 &&
	    (rc = file_write(STDOUT_FILENO, r.buf.p, r.buf.len)) == 0 &&
	    (rc = file_write(STDOUT_FILENO, "\n", 1)) == 0)
		rc = file_write(STDOUT_FILENO, msg.p, msg.len);
	free_report(&r);
	buf_free(&msg);
	return rc;
}

/* The message first: a report alone is nothing. */
static int
take_away(struct tool *t, const struct spooldir *dir, const char *id)
{
	char	 path[FILE_PATH_MAX], name[QUARANTINE_NAME_SIZE];
	int	 rc;

	if ((rc = spooldir_path(dir, "new", id, path)) != 0)
		return rc;
	if (unlink(path) == -1 && errno != ENOENT)
		return log_errno(&t->log, "%s", path);
	if ((rc = quarantine_report(id, name)) != 0 ||
	    (rc = spooldir_path(dir, "new", name, path)) != 0)
		return rc;
	if (unlink(path) == -1 && errno != ENOENT)
		return log_errno(&t->log, "%s", path);
	return 0;
}

/*
 * Copies of what is there no more; while the catalog is away that has time.  Of
 * a young one the file may be about to be written, but for those that were
 * taken away, in order.
 */
static int
tidy(struct tool *t, const struct spooldir *dir, char **ids, size_t n)
{
	char		*key;
	int64_t		 old = time_now_ms() - YOUNG_MS;
	struct sysbox_entry e;
	struct span	 rest;
	struct buf	 b;
	char		 box[SYSBOX_SIZE], path[FILE_PATH_MAX];
	int		 rc;

	if ((rc = sysbox_name("quarantine", t->conf->self, box)) != 0)
		return rc;
	rc = sysbox_list(t, box, &b);
	rest = (struct span){ b.p, b.len };
	while (rc == 0 && (rc = sysbox_next(&rest, &e)) == 0) {
		key = e.id;
		if (e.time_ms > old && (n == 0 || bsearch(&key, ids, n,
		    sizeof(*ids), by_name) == NULL))
			continue;
		if ((rc = spooldir_path(dir, "new", e.id, path)) == 0 &&
		    !file_exists(path))
			rc = sysbox_expunge(t, box, &e);
	}
	buf_free(&b);
	return rc == CM_EEND || rc == CM_EAWAY || rc == CM_ETIMEOUT ? 0 : rc;
}

int
quarantinetool_delete(struct tool *t, const char *id)
{
	char		 own_id[ULID_LEN + 1], *own = own_id;
	struct spooldir	 dir;
	struct report	 r;
	struct buf	 msg;
	int		 rc;

	if ((rc = open_one(t, id, &dir, &r, &msg)) == 0 &&
	    (rc = str_copy(own_id, sizeof(own_id), id)) == 0 &&
	    (rc = take_away(t, &dir, id)) == 0)
		rc = tidy(t, &dir, &own, 1);
	free_report(&r);
	buf_free(&msg);
	return rc;
}

/* Its id in the mailboxes is noted before it is used. */
static int
new_id(const struct spooldir *dir, const char *id, struct report *r,
    struct ulid *out)
{
	char	 text[ULID_LEN + 1], path[FILE_PATH_MAX];
	char	 name[QUARANTINE_NAME_SIZE];
	int	 rc;

	if (r->release.len > 0)
		return ulid_parse(r->release.p, r->release.len, out);
	if ((rc = store_new_id(time_now_ms(), out)) != 0)
		return rc;
	ulid_text(out, text);
	buf_addf(&r->buf, "release %s\n", text);
	if ((rc = r->buf.err) != 0 || (rc = quarantine_report(id, name)) != 0 ||
	    (rc = spooldir_path(dir, "new", name, path)) != 0)
		return rc;
	return file_commit(dir->log, path, r->buf.p, r->buf.len, 0600);
}

static int
deliver(struct tool *t, const struct report *r, const struct buf *msg,
    const struct ulid *id)
{
	struct delivery	 y = { 0 };
	struct deliver	*d;
	struct store_msg s = { .p = msg->p, .len = msg->len,
			    .folder = "INBOX", .flags = "", .time_ms = -1,
			    .id = id };
	char		*sender = strndup(r->from.p, r->from.len);
	int		 rc;

	if (sender == NULL)
		return log_fail(&t->log, CM_ENOMEM, "quarantine");
	s.sender = sender;
	s.mailboxes = (struct span){ r->mailboxes.p, r->mailboxes.len };
	if ((rc = deliver_open(&t->log, t->conf, t->conf->file, t->node,
	    &d)) == 0) {
		rc = deliver_message(d, &s, &y);
		deliver_close(d);
	}
	delivery_free(&y);
	free(sender);
	return rc;
}

int
quarantinetool_release(struct tool *t, const char *id)
{
	struct spooldir	 dir;
	struct report	 r;
	struct buf	 msg;
	struct ulid	 fresh;
	char		 text[ULID_LEN + 2], *own = text;
	int		 rc;

	if ((rc = open_one(t, id, &dir, &r, &msg)) != 0 ||
	    (rc = str_copy(text, sizeof(text), id)) != 0)
		goto out;
	if (r.mailboxes.len == 0)
		rc = log_fail(&t->log, CM_ENOUSER, "%s was for no mailbox here",
		    id);
	else if ((rc = new_id(&dir, id, &r, &fresh)) == 0 &&
	    (rc = deliver(t, &r, &msg, &fresh)) == 0 &&
	    (rc = take_away(t, &dir, id)) == 0)
		rc = tidy(t, &dir, &own, 1);
	if (rc == 0) {
		ulid_text(&fresh, text);
		text[ULID_LEN] = '\n';
		rc = file_write(STDOUT_FILENO, text, ULID_LEN + 1);
	}
out:
	free_report(&r);
	buf_free(&msg);
	return rc;
}

int
quarantinetool_expire(struct tool *t, int64_t age_ms)
{
	struct spooldir	 dir;
	struct report	 r;
	char		**ids = NULL;
	int64_t		 until = time_now_ms() - age_ms;
	uint64_t	 ms;
	size_t		 n = 0;
	int		 rc;

	if ((rc = spooldir_open(&dir, &t->log, t->conf, "quarantine")) == 0)
		rc = list_ids(&dir, &ids, &n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (read_report(&dir, ids[i], &r) == 0 &&
		    str_u64(r.time.p, r.time.len, INT64_MAX, &ms) == 0 &&
		    (int64_t)ms < until)
			rc = take_away(t, &dir, ids[i]);
		free_report(&r);
	}
	if (rc == 0)
		rc = tidy(t, &dir, ids, n);
	free_ids(ids, n);
	return rc;
}
