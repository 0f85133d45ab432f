#include "cluster/relaytool.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cluster/sending.h"
#include "cluster/takeover.h"

#define OLD_S	3600		/* nobody writes as long as that */

static void
free_all(char **ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ids[i]);
	free(ids);
}

static bool
is_there(const struct spooldir *s, const char *sub, const char *name)
{
	char	 path[FILE_PATH_MAX];

	return spooldir_path(s, sub, name, path) != 0 || file_exists(path);
}

/*
 * Files of those who were killed, and states of what is done: how many there
 * are still.
 */
static size_t
sweep(const struct spooldir *s, const char *sub)
{
	char		 path[FILE_PATH_MAX];
	struct dirent	*e;
	struct stat	 st;
	time_t		 old = time(NULL) - OLD_S;
	size_t		 n = 0;
	DIR		*d;

	if (spooldir_path(s, sub, "", path) != 0 ||
	    (d = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || is_there(s, "new", e->d_name) ||
		    is_there(s, "failed", e->d_name) ||
		    spooldir_path(s, sub, e->d_name, path) != 0 ||
		    stat(path, &st) == -1)
			continue;
		if (st.st_mtime >= old || unlink(path) == -1)
			n++;
	}
	closedir(d);
	return n;
}

static int
worse(int a, int b)
{
	return a == 0 || (a == CM_EDATA && b != 0) ? b : a;
}

static int
send_these(struct sending *s, char *const ids[], int n)
{
	int	 rc;

	for (int i = 0; i < n; i++)
		if (strchr(ids[i], '/') != NULL ||
		    !is_there(s->dir, "new", ids[i]))
			return log_fail(s->log, CM_ENOINPUT, "%s", ids[i]);
	rc = sending_run(s, ids, (size_t)n, true);
	return worse(rc, sending_tell(s, ids, (size_t)n));
}

/* What comes while we send finds the connections taken: look again. */
static int
send_due(struct sending *s)
{
	char	**due;
	size_t	 n;
	int	 rc, worst = 0;

	do {
		due = NULL;
		s->tried = 0;
		if ((rc = queued_due(s->dir, time_now_ms(), &due, &n)) == 0) {
			rc = sending_run(s, due, n, false);
			rc = worse(rc, sending_tell(s, due, n));
		}
		free_all(due, n);
		worst = worse(worst, rc);
	} while (s->tried > 0);
	return worst;
}

int
relaytool_queue(struct tool *t, char *const ids[], int n)
{
	struct spooldir	 dir;
	struct sending	 s = { .log = &t->log, .conf = t->conf,
			    .file = t->conf->file, .node = t->node,
			    .catalog = t->catalog, .dir = &dir };
	int		 rc;

	if ((rc = queued_spool(&dir, &t->log, t->conf)) != 0)
		return rc;
	/* those who send will see what is there */
	if (n == 0 && sending_is_busy(&dir))
		return CM_EAGAIN;
	sweep(&dir, "tmp");
	rc = n > 0 ? send_these(&s, ids, n) : send_due(&s);
	return sweep(&dir, "state") > 0 ? worse(rc, takeover_tidy(t, &dir)) :
	    rc;
}

static int
list_one(const struct queued *q, struct buf *b)
{
	char	 since[TIME_ISO_SIZE], next[TIME_ISO_SIZE];
	bool	 first = true;

	time_iso(since, q->time);
	time_iso(next, q->next);
	buf_addf(b, "%s\t%s\t%s\t%u\t%zu\t", q->id, since,
	    q->tries > 0 ? next : "-", q->tries, q->msg.len);
	str_pct(b, q->sender, strlen(q->sender), ",");
	for (size_t i = 0; i < q->n; i++) {
		if (q->to[i].state != QUEUED_WAIT)
			continue;
		buf_addc(b, first ? '\t' : ',');
		str_pct(b, q->to[i].address, strlen(q->to[i].address), ",");
		first = false;
	}
	if (first)
		buf_addc(b, '\t');
	buf_addc(b, '\t');
	if (q->last[0] != '\0')
		return buf_addf(b, "%s\n", q->last);
	for (size_t i = 0; i < q->n; i++)
		if (q->to[i].state == QUEUED_WAIT && q->to[i].code != 0)
			return buf_addf(b, "%d %s\n", q->to[i].code,
			    q->to[i].text);
	return buf_addc(b, '\n');
}

int
relaytool_list(struct tool *t)
{
	struct spooldir	 dir;
	struct queued	*q;
	struct buf	 b;
	char		**ids = NULL;
	size_t		 n = 0;
	int		 rc, worst = 0;

	if ((rc = queued_spool(&dir, &t->log, t->conf)) != 0 ||
	    (rc = queued_due(&dir, INT64_MAX, &ids, &n)) != 0)
		return rc;
	buf_init(&b, SPOOL_HEAD_MAX * 16);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&b);
		rc = queued_open(&dir, ids[i], t->conf->max_size, false, &q);
		if (rc == 0 && (rc = list_one(q, &b)) == 0 &&
		    file_write(STDOUT_FILENO, b.p, b.len) != 0)
			rc = log_errno(&t->log, "output");
		queued_close(q);
		if (rc != CM_ENOINPUT)
			worst = worse(worst, rc);
	}
	buf_free(&b);
	free_all(ids, n);
	return worst;
}

int
relaytool_remove(struct tool *t, char *const ids[], int n)
{
	struct spooldir	 dir;
	struct queued	*q;
	int		 rc, worst = 0;

	if ((rc = queued_spool(&dir, &t->log, t->conf)) != 0)
		return rc;
	for (int i = 0; i < n; i++) {
		rc = strchr(ids[i], '/') != NULL ? CM_ENOINPUT :
		    queued_open(&dir, ids[i], t->conf->max_size, true, &q);
		if (rc == 0) {
			if ((rc = queued_save(q)) == 0)
				rc = queued_remove(q);
			queued_close(q);
		} else if (rc != CM_EDATA)
			log_fail(&t->log, rc, "%s", ids[i]);
		worst = worse(worst, rc);
	}
	return worst;
}

int
relaytool_take(struct tool *t, const char *node)
{
	struct spooldir	 dir;
	int		 rc;

	if ((rc = queued_spool(&dir, &t->log, t->conf)) != 0)
		return rc;
	return takeover_run(t, &dir, node);
}
