/* What the filters of cluster.xml say of a message, and what that means. */
#include "cluster/quarantine.h"
#include "format/receipt.h"
#include "protocol/smtp_accept.h"

static int
rcpt_lines(const struct smtp_mail *y, struct buf *b)
{
	for (size_t i = 0; i < y->nrcpt; i++)
		buf_addf(b, "%s\n", y->rcpt[i].address);
	return b->err;
}

/* Fields of filters go in front of Received, behind what is for mailboxes. */
static int
rewrite(struct accepted *a, const struct filter_verdict *v)
{
	size_t		 at = a->m->mail.received_at;
	struct span	 body = { a->msg.p + at, a->msg.len - at };
	struct intake	*all = &a->filtered;
	int		 rc;

	if (v->changed.len > 0)
		body = (struct span){ v->changed.p, v->changed.len };
	else if (v->fields.len == 0)
		return 0;
	if ((rc = intake_add(all, a->msg.p, at)) != 0 ||
	    (rc = intake_add(all, v->fields.p, v->fields.len)) != 0 ||
	    (rc = intake_add(all, body.p, body.len)) != 0)
		return rc;
	return intake_get(all, &a->msg.p, &a->msg.len);
}

/* What filters say means; false: it is answered, and not kept. */
static bool
obey(struct accepted *a, struct filter_msg *f, struct filter_verdict *v)
{
	struct span	 boxes = { a->mailboxes.p, a->mailboxes.len };
	int		 rc;

	switch (v->action) {
	case FILTER_PASS:
		return true;
	case FILTER_JUNK:
		a->folder = "Junk";
		return true;
	case FILTER_DISCARD:
		a->held = "discard";
		return false;
	case FILTER_QUARANTINE:
		a->held = "quarantine";
		f->p = a->msg.p;
		f->len = a->msg.len;
		if ((rc = quarantine_add(a->m->s->log, a->m->w->conf,
		    a->m->w->deliver, f, v, boxes)) != 0)
			smtp_refuse_for(a, rc);
		return false;
	case FILTER_DEFER:
		smtp_refuse(a, 451, "4.7.1", "it cannot be checked now, try "
		    "again");
		return false;
	case FILTER_REJECT:
		break;
	}
	if (str_copy(a->said, sizeof(a->said), v->text) != 0 ||
	    a->said[0] == '\0')
		smtp_refuse(a, 550, "5.7.1", "refused by policy");
	else
		smtp_refuse(a, 550, "5.7.1", a->said);
	return false;
}

bool
smtp_filter(struct accepted *a)
{
	struct smtp	*m = a->m;
	struct filter_msg f = { .id = m->mail.id_text,
			    .client = m->s->client, .helo = m->helo,
			    .user = m->user, .sender = m->mail.sender };
	struct filter_verdict v;
	struct buf	 rcpts;
	bool		 good = false;
	int		 rc;

	buf_init(&rcpts, RECEIPT_MAX);
	filter_verdict_init(&v, m->w->conf);
	f.p = a->msg.p + m->mail.received_at;
	f.len = a->msg.len - m->mail.received_at;
	if ((rc = rcpt_lines(&m->mail, &rcpts)) == 0) {
		f.rcpts = (struct span){ rcpts.p, rcpts.len };
		rc = filter_run(m->w->filters, m->s->log, &f, &v);
	}
	if (rc == 0)
		rc = rewrite(a, &v);
	/* too much for our room is not too large for good */
	if (rc != 0)
		smtp_refuse_for(a, rc == CM_ETOOBIG ? CM_EAGAIN : rc);
	else
		good = obey(a, &f, &v);
	filter_verdict_free(&v);
	buf_free(&rcpts);
	return good;
}
