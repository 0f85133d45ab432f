#include "cluster/storetool.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"
#include "cluster/collect.h"
#include "cluster/intake.h"
#include "cluster/spool.h"
#include "cluster/store.h"
#include "format/address.h"
#include "format/receipt.h"

#define BATCH		256		/* messages of one sync */
#define BATCH_BYTES	(16u << 20)

struct run {
	const struct storetool *t;
	const struct log *log;
	struct store	*store;
	struct intake	 in;
	struct buf	 mailboxes;
	struct buf	 receipts;
	struct store_msg msg;
	char		 sender[ADDRESS_MAX + 1];
	char		 folder[FOLDER_MAX + 1];
	char		 tmp[FILE_PATH_MAX];
	unsigned	 pending;
	uint64_t	 bytes;
	struct progress	 progress;
};

/* Makes what was appended safe, and shows the receipts. */
static int
commit(struct run *r)
{
	int	 rc;

	if (r->pending == 0)
		return 0;
	if ((rc = store_commit(r->store)) != 0)
		return rc;
	/* from here these messages are safe on this disk */
	rc = file_write(STDOUT_FILENO, r->receipts.p, r->receipts.len);
	if (rc != 0)
		return log_fail(r->log, rc, "output");
	buf_reset(&r->receipts);
	r->pending = 0;
	r->bytes = 0;
	return 0;
}

static int
append(struct run *r)
{
	int	 rc;

	if ((rc = intake_get(&r->in, &r->msg.p, &r->msg.len)) != 0 ||
	    (rc = store_append(r->store, &r->msg, &r->receipts)) != 0)
		return rc;
	r->pending++;
	r->bytes += r->msg.len;
	return r->pending == BATCH || r->bytes >= BATCH_BYTES ? commit(r) : 0;
}

/* A From_ line's sender, unless one was given or it is no address. */
static void
take_sender(struct run *r, const char *from)
{
	if (r->t->sender != NULL)
		return;
	r->sender[0] = '\0';
	if (from == NULL || strchr(from, '@') == NULL ||
	    address_parse(from, strlen(from), r->sender) != 0)
		r->sender[0] = '\0';
}

static int
on_message(void *arg, const struct collect_msg *m)
{
	struct run	*r = arg;
	int		 rc;

	intake_reset(&r->in);
	take_sender(r, m->sender);
	r->msg.flags = m->flags;
	r->msg.time_ms = m->time_ms;
	if ((rc = intake_add(&r->in, m->p, m->len)) == 0)
		rc = append(r);
	if (rc != 0)
		log_warn(r->log, "stopped at %s", m->where);
	else
		progress_add(&r->progress, m->len);
	return rc;
}

static uint64_t
stdin_size(void)
{
	struct stat	 st;

	return fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) ?
	    (uint64_t)st.st_size : 0;
}

static int
read_messages(struct run *r)
{
	const struct storetool	*t = r->t;
	uint64_t		 max = t->tool->conf->max_size;
	int			 rc;

	if (!t->mbox && t->maildir == NULL) {
		rc = intake_fd(&r->in, STDIN_FILENO);
		return rc == 0 ? append(r) : rc;
	}
	progress_start(&r->progress, "storing", t->mbox ? stdin_size() : 0,
	    true);
	if (t->mbox)
		rc = collect_mbox(r->log, STDIN_FILENO, "mbox", max,
		    on_message, r);
	else
		rc = collect_maildir(r->log, t->maildir, max, on_message, r);
	progress_end(&r->progress);
	return rc;
}

static int
prepare(struct run *r)
{
	const struct storetool	*t = r->t;
	const struct conf	*conf = t->tool->conf;
	int			 rc;

	if ((rc = folder_name(t->folder, strlen(t->folder), r->folder)) != 0)
		return log_fail(r->log, rc, "folder %s", t->folder);
	if (t->sender != NULL && t->sender[0] != '\0' &&
	    strcmp(t->sender, "<>") != 0 && (rc = address_parse(t->sender,
	    strlen(t->sender), r->sender)) != 0)
		return log_fail(r->log, rc, "sender %s", t->sender);
	if (str_fmt(r->tmp, sizeof(r->tmp), "%s/spool",
	    conf->node->state) != 0)
		return log_fail(r->log, CM_ETOOBIG, "%s", conf->node->state);
	if ((rc = store_recipients(r->log, t->tool->catalog, t->recipients,
	    t->nrecipients, &r->mailboxes)) != 0)
		return rc;
	intake_init(&r->in, r->log, r->tmp, conf->max_size);
	r->msg.sender = r->sender;
	r->msg.folder = r->folder;
	r->msg.flags = "";
	r->msg.time_ms = -1;
	r->msg.mailboxes = (struct span){ r->mailboxes.p, r->mailboxes.len };
	return store_open(r->log, conf, &r->store);
}

int
storetool_run(const struct storetool *t)
{
	struct run	 r = { .t = t, .log = &t->tool->log };
	int		 rc, last;

	if (t->spool)
		return spool_incoming(r.log, t->tool->conf, t->tool->catalog,
		    STDOUT_FILENO);
	buf_init(&r.mailboxes, RECEIPT_MAX);
	buf_init(&r.receipts, (size_t)BATCH * RECEIPT_MAX);
	if ((rc = prepare(&r)) == 0) {
		rc = read_messages(&r);
		/* of a mailbox that ends badly, what came before is kept */
		if ((last = commit(&r)) != 0)
			rc = last;
	}
	if (r.store != NULL)
		intake_free(&r.in);
	store_close(r.store);
	buf_free(&r.mailboxes);
	buf_free(&r.receipts);
	return rc;
}
