#include "cluster/takeover.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/reader.h"
#include "format/place.h"

#define LIST_MAX	(64u << 20)
#define YOUNG_MS	600000	/* its file may be about to be written */

/* A line of the catalog's list. */
struct listed {
	char		 uid[12];
	char		 id[ULID_LEN + 1];
	struct place	 place;
	int64_t		 time_ms;
};

static int
parse(struct span l, struct listed *e)
{
	struct span	 entry, id, place, size, at;
	const char	*slash;

	if (!str_field(&l, '\t', &entry) || !str_field(&l, '\t', &id) ||
	    !str_field(&l, '\t', &place) || !str_field(&l, '\t', &size) ||
	    !str_field(&l, '\t', &at) ||
	    (slash = memrchr(entry.p, '/', entry.len)) == NULL ||
	    str_ncopy(e->uid, sizeof(e->uid), slash + 1,
	    (size_t)(entry.p + entry.len - slash - 1)) != 0 ||
	    str_ncopy(e->id, sizeof(e->id), id.p, id.len) != 0 ||
	    strlen(e->id) != ULID_LEN ||
	    place_parse(place.p, place.len, &e->place) != 0)
		return CM_EDATA;
	return time_parse_iso(at.p, at.len, &e->time_ms);
}

static int
keep(void *arg, struct span line)
{
	struct buf	*b = arg;

	buf_add(b, line.p, line.len);
	return buf_addc(b, '\n');
}

/* No such mailbox: there are none. */
static int
list(struct tool *t, const char *box, struct buf *b)
{
	const char	*words[] = { "list", box, "INBOX", NULL };
	int		 rc;

	buf_init(b, LIST_MAX);
	rc = catalog_call(t->catalog, words, -1, CATALOG_CALL_MS, keep, b);
	return rc == CM_ENOUSER || rc == CM_ENOHOST || rc == CM_ENOINPUT ? 0 :
	    rc;
}

static int
expunge(struct tool *t, const char *box, const struct listed *e)
{
	const char	*words[] = { "expunge", box, "INBOX", e->uid, NULL };
	int		 rc = catalog_call(t->catalog, words, -1,
			    CATALOG_CALL_MS, NULL, NULL);

	return rc == CM_ENOINPUT ? 0 : rc;
}

static bool
is_there(const struct spooldir *s, const char *sub, const char *id)
{
	char	 path[FILE_PATH_MAX];

	return spooldir_path(s, sub, id, path) != 0 || file_exists(path);
}

int
takeover_tidy(struct tool *t, const struct spooldir *s)
{
	char		 box[QUEUED_MAILBOX_SIZE], path[FILE_PATH_MAX];
	struct span	 rest, l;
	struct listed	 e;
	struct buf	 b;
	int64_t		 old = time_now_ms() - YOUNG_MS;
	int		 rc;

	if ((rc = queued_mailbox(t->conf->self, box)) != 0)
		return rc;
	rc = list(t, box, &b);
	rest = (struct span){ b.len > 0 ? b.p : "", b.len };
	while (rc == 0 && str_field(&rest, '\n', &l)) {
		if (l.len == 0)
			continue;
		if ((rc = parse(l, &e)) != 0)
			break;
		if (is_there(s, "new", e.id) || is_there(s, "failed", e.id) ||
		    (!is_there(s, "state", e.id) && e.time_ms > old))
			continue;
		if ((rc = expunge(t, box, &e)) == 0 &&
		    spooldir_path(s, "state", e.id, path) == 0)
			unlink(path);
	}
	buf_free(&b);
	return rc == CM_EAWAY || rc == CM_ETIMEOUT ? 0 : rc;
}

static int
take_one(struct tool *t, const struct spooldir *s, struct reader *reader,
    const char *box, const struct listed *e)
{
	struct reader_record	 r;
	struct ulid		 id;
	int			 rc;

	if ((rc = ulid_parse(e->id, strlen(e->id), &id)) != 0 ||
	    (rc = reader_get(reader, &e->place, &id, &r)) != 0)
		return log_fail(&t->log, rc, "%s", e->id);
	rc = spooldir_write(s, e->id, r.msg.p, r.msg.len);
	if (rc != 0 && rc != CM_EEXIST)
		return rc;
	/* from here it will be sent by this node */
	return expunge(t, box, e);
}

int
takeover_run(struct tool *t, const struct spooldir *s, const char *node)
{
	char		 box[QUEUED_MAILBOX_SIZE];
	struct reader	*reader = NULL;
	struct span	 rest, l;
	struct listed	 e;
	struct buf	 b;
	int		 rc, worst = 0;

	if (strcmp(node, t->conf->self) == 0 ||
	    place_volume_ok(node, strlen(node)) != 0)
		return log_fail(&t->log, CM_EUSAGE, "node %s", node);
	if ((rc = queued_mailbox(node, box)) != 0)
		return log_fail(&t->log, rc, "node %s", node);
	if ((rc = list(t, box, &b)) == 0)
		rc = reader_open(&t->log, t->conf, &reader);
	rest = (struct span){ b.len > 0 ? b.p : "", b.len };
	while (rc == 0 && str_field(&rest, '\n', &l)) {
		if (l.len == 0)
			continue;
		if ((rc = parse(l, &e)) != 0)
			break;
		if (take_one(t, s, reader, box, &e) != 0)
			worst = CM_EAGAIN;
	}
	reader_close(reader);
	buf_free(&b);
	return rc != 0 ? rc : worst;
}
