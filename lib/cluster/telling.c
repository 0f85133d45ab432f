#include "cluster/sending.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/time.h"
#include "cluster/bounce.h"
#include "cluster/deliver.h"
#include "cluster/outgoing.h"
#include "format/receipt.h"

struct teller {
	struct sending	*s;
	struct deliver	*deliver;
	struct buf	 text;
	char		 host[256];
};

/*
 * The same report always has the same id: when it was stored and that was not
 * noted, it is stored again and listed once.
 */
static void
report_id(const struct queued *q, struct ulid *id)
{
	unsigned char	 r[ULID_RANDOM];
	uint32_t	 v[3];
	uint64_t	 told = queued_count(q, QUEUED_TOLD);

	v[0] = crc32c(0, q->id, sizeof(q->id));
	v[1] = crc32c(v[0], &told, sizeof(told));
	v[2] = crc32c(v[1], q->sender, strlen(q->sender));
	memcpy(r, v, sizeof(r));
	ulid_make(id, q->time, r);
}

static int
to_mailbox(struct teller *t, const struct ulid *id, const struct buf *boxes)
{
	struct delivery	 y = { 0 };
	struct store_msg m = { .p = t->text.p, .len = t->text.len,
			    .sender = "", .folder = "INBOX", .flags = "",
			    .time_ms = -1, .id = id,
			    .mailboxes = { boxes->p, boxes->len } };
	int		 rc = deliver_message(t->deliver, &m, &y);

	delivery_free(&y);
	return rc;
}

static int
to_others(struct teller *t, const char *id, const struct queued *q)
{
	struct outgoing_rcpt	 to = { .address = q->sender,
				    .notify = "NEVER" };
	struct outgoing_msg	 m = { .id = id, .sender = "", .to = &to,
				    .n = 1, .utf8 = q->utf8 };
	int			 rc;

	rc = outgoing_add(t->s->log, t->s->conf, t->deliver, &m, t->text.p,
	    t->text.len);
	return rc == CM_EEXIST ? 0 : rc;
}

static int
report(struct teller *t, const struct queued *q)
{
	struct bounce	 y = { .q = q, .host = t->host,
			    .remote = t->s->conf->relay.host != NULL ?
			    t->s->conf->relay.host : "relay.invalid",
			    .now = time_now_ms() };
	struct ulid	 id;
	struct buf	 boxes;
	char		 text[ULID_LEN + 1];
	int		 rc;

	report_id(q, &id);
	ulid_text(&id, text);
	y.id = text;
	buf_reset(&t->text);
	if ((rc = bounce_write(&t->text, &y)) != 0)
		return log_fail(t->s->log, rc, "%s: report", q->id);
	buf_init(&boxes, RECEIPT_MAX);
	rc = catalog_rcpt(t->s->catalog, q->sender, &boxes);
	if (rc == 0)
		rc = to_mailbox(t, &id, &boxes);
	else if (rc == CM_ENOHOST || (rc == CM_ENOUSER &&
	    conf_is_open(t->s->conf)))
		rc = to_others(t, text, q);
	else if (rc == CM_ENOUSER) {
		log_warn(t->s->log, "%s: its sender %s is gone, the report "
		    "is dropped", q->id, q->sender);
		rc = 0;
	}
	buf_free(&boxes);
	return rc;
}

static bool
is_wanted(const struct queued *q)
{
	for (size_t i = 0; i < q->n; i++)
		if (bounce_wanted(&q->to[i]))
			return true;
	return false;
}

static void
log_failed(const struct log *log, const struct queued *q)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->to[i].state == QUEUED_FAILED)
			log_warn(log, "%s: %s: %s: %d %s", q->id,
			    q->sender[0] != '\0' ? "goes back" : "a report "
			    "that cannot be delivered is dropped",
			    q->to[i].address, q->to[i].code, q->to[i].text);
}

static int
tell(struct teller *t, struct queued *q)
{
	int	 rc;

	if (queued_count(q, QUEUED_FAILED) > 0 ||
	    queued_count(q, QUEUED_RELAYED) > 0) {
		if (q->sender[0] != '\0' && is_wanted(q) &&
		    (rc = report(t, q)) != 0)
			return rc;
		log_failed(t->s->log, q);
		for (size_t i = 0; i < q->n; i++)
			if (q->to[i].state == QUEUED_FAILED ||
			    q->to[i].state == QUEUED_RELAYED)
				q->to[i].state = QUEUED_TOLD;
		/* from here the sender is not told again */
		if ((rc = queued_save(q)) != 0)
			return rc;
	}
	return queued_count(q, QUEUED_WAIT) > 0 ? 0 : queued_remove(q);
}

static int
teller_open(struct teller *t, struct sending *s)
{
	int	 rc;

	t->s = s;
	buf_init(&t->text, 2 * s->conf->max_size + SPOOL_HEAD_MAX);
	if ((rc = conf_hostname(s->conf, t->host, sizeof(t->host))) != 0)
		return log_fail(s->log, rc, "this node's host name");
	return deliver_open(s->log, s->conf, s->file, s->node, &t->deliver);
}

int
sending_tell(struct sending *s, char *const ids[], size_t n)
{
	struct teller	 t = { 0 };
	struct queued	*q;
	int		 rc, worst = 0;

	for (size_t i = 0; i < n; i++) {
		rc = queued_open(s->dir, ids[i], s->conf->max_size, true, &q);
		if (rc == CM_ENOINPUT || rc == CM_ELOCK)
			continue;
		if (rc == 0 && t.deliver == NULL)
			rc = teller_open(&t, s);
		if (rc == 0)
			rc = tell(&t, q);
		queued_close(q);
		if (rc != 0 && (worst == 0 || worst == CM_EDATA))
			worst = rc;
	}
	deliver_close(t.deliver);
	buf_free(&t.text);
	return worst;
}
