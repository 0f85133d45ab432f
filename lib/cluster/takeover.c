#include "cluster/takeover.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/reader.h"
#include "cluster/sysbox.h"
#include "format/place.h"

#define YOUNG_MS	600000	/* its file may be about to be written */

static bool
is_there(const struct spooldir *s, const char *sub, const char *id)
{
	char	 path[FILE_PATH_MAX];

	return spooldir_path(s, sub, id, path) != 0 || file_exists(path);
}

int
takeover_tidy(struct tool *t, const struct spooldir *s)
{
	char		 box[SYSBOX_SIZE], path[FILE_PATH_MAX];
	struct span	 rest;
	struct sysbox_entry	 e;
	struct buf	 b;
	int64_t		 old = time_now_ms() - YOUNG_MS;
	int		 rc;

	if ((rc = sysbox_name("outgoing", t->conf->self, box)) != 0)
		return rc;
	rc = sysbox_list(t, box, &b);
	rest = (struct span){ b.p, b.len };
	while (rc == 0 && (rc = sysbox_next(&rest, &e)) == 0) {
		if (is_there(s, "new", e.id) || is_there(s, "failed", e.id) ||
		    (!is_there(s, "state", e.id) && e.time_ms > old))
			continue;
		if ((rc = sysbox_expunge(t, box, &e)) == 0 &&
		    spooldir_path(s, "state", e.id, path) == 0)
			unlink(path);
	}
	buf_free(&b);
	return rc == CM_EEND || rc == CM_EAWAY || rc == CM_ETIMEOUT ? 0 : rc;
}

static int
take_one(struct tool *t, const struct spooldir *s, struct reader *reader,
    const char *box, const struct sysbox_entry *e)
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
	return sysbox_expunge(t, box, e);
}

int
takeover_run(struct tool *t, const struct spooldir *s, const char *node)
{
	char		 box[SYSBOX_SIZE];
	struct reader	*reader = NULL;
	struct span	 rest;
	struct sysbox_entry	 e;
	struct buf	 b;
	int		 rc, worst = 0;

	if (strcmp(node, t->conf->self) == 0 ||
	    place_volume_ok(node, strlen(node)) != 0)
		return log_fail(&t->log, CM_EUSAGE, "node %s", node);
	if ((rc = sysbox_name("outgoing", node, box)) != 0)
		return log_fail(&t->log, rc, "node %s", node);
	if ((rc = sysbox_list(t, box, &b)) == 0)
		rc = reader_open(&t->log, t->conf, &reader);
	rest = (struct span){ b.p, b.len };
	while (rc == 0 && (rc = sysbox_next(&rest, &e)) == 0) {
		if (take_one(t, s, reader, box, &e) != 0)
			worst = CM_EAGAIN;
	}
	reader_close(reader);
	buf_free(&b);
	return rc != CM_EEND ? rc : worst;
}
