#include "cluster/scantool.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/filter.h"
#include "cluster/intake.h"
#include "cluster/store.h"

#define RCPTS_MAX	(1u << 20)

static int
exit_code(enum filter_action a)
{
	switch (a) {
	case FILTER_PASS:
		return 0;
	case FILTER_JUNK:
		return SCANTOOL_JUNK;
	case FILTER_DISCARD:
		return SCANTOOL_DISCARD;
	case FILTER_QUARANTINE:
		return SCANTOOL_QUARANTINE;
	case FILTER_DEFER:
		return SCANTOOL_DEFER;
	default:
		return SCANTOOL_REJECT;
	}
}

static int
write_out(const struct filter_msg *m, const struct filter_verdict *v)
{
	int	 rc;

	if (v->action != FILTER_PASS && v->action != FILTER_JUNK)
		return 0;
	if ((rc = file_write(STDOUT_FILENO, v->fields.p, v->fields.len)) != 0)
		return rc;
	return v->changed.len > 0 ?
	    file_write(STDOUT_FILENO, v->changed.p, v->changed.len) :
	    file_write(STDOUT_FILENO, m->p, m->len);
}

static int
ask(struct tool *t, struct filter_msg *m, int *status)
{
	struct filter_verdict v;
	struct filters	*f;
	int		 rc;

	if ((rc = filters_open(&t->log, t->conf, &f)) != 0)
		return rc;
	filter_verdict_init(&v, t->conf);
	if ((rc = filter_run(f, &t->log, m, &v)) == 0 &&
	    (rc = write_out(m, &v)) != 0)
		log_fail(&t->log, rc, "output");
	*status = exit_code(v.action);
	filter_verdict_free(&v);
	filters_close(f);
	return rc;
}

int
scantool_run(struct tool *t, const char *sender, char **rcpts, int n,
    int *status)
{
	struct filter_msg m = { .client = "", .helo = "", .user = "",
			    .sender = sender };
	struct intake	 in;
	struct ulid	 id;
	struct buf	 to;
	char		 text[ULID_LEN + 1];
	int		 rc;

	buf_init(&to, RCPTS_MAX);
	buf_adds(&to, "");
	for (int i = 0; i < n; i++)
		buf_addf(&to, "%s\n", rcpts[i]);
	intake_init(&in, &t->log, "/tmp", t->conf->max_size);
	if ((rc = to.err) == 0 && (rc = store_new_id(time_now_ms(),
	    &id)) == 0 && (rc = intake_fd(&in, STDIN_FILENO)) == 0 &&
	    (rc = intake_get(&in, &m.p, &m.len)) == 0) {
		ulid_text(&id, text);
		m.id = text;
		m.rcpts = (struct span){ to.p, to.len };
		rc = ask(t, &m, status);
	} else
		log_fail(&t->log, rc, "message");
	intake_free(&in);
	buf_free(&to);
	return rc;
}

int
scantool_counts(struct tool *t)
{
	struct buf	 b;
	int		 rc;

	buf_init(&b, RCPTS_MAX);
	filter_metrics(&t->log, t->conf, &b);
	if ((rc = b.err) == 0 && b.len > 0)
		rc = file_write(STDOUT_FILENO, b.p, b.len);
	buf_free(&b);
	return rc == 0 ? 0 : log_fail(&t->log, rc, "output");
}
