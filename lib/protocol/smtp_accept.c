/* The whole message is there: checks, keeping, the answer. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "cluster/outgoing.h"
#include "format/header.h"
#include "format/receipt.h"
#include "protocol/smtp_accept.h"

#define LOGGED_RCPTS	10

void
smtp_refuse(struct accepted *a, int code, const char *enhanced,
    const char *text)
{
	a->code = code;
	a->enhanced = enhanced;
	a->text = text;
}

/* What a delivery's failure means to the client: try again, always. */
void
smtp_refuse_for(struct accepted *a, int rc)
{
	switch (rc) {
	case CM_ESHORT:
		smtp_refuse(a, 451, "4.4.0", "too few copies can be made now, "
		    "try again");
		break;
	case CM_ESPACE:
		smtp_refuse(a, 452, "4.3.1", "no space, try again");
		break;
	case CM_ETOOBIG:
		smtp_refuse(a, 552, "5.3.4", "too large");
		break;
	case CM_EAWAY:
		smtp_refuse(a, 451, "4.3.0", "no volume can be reached now, "
		    "try again");
		break;
	default:
		smtp_refuse(a, 451, "4.3.0", "cannot be kept now, try again");
		break;
	}
}

static void
add_once(struct buf *lines, struct span l)
{
	struct span	 rest = { lines->p, lines->len }, have;

	while (lines->len > 0 && str_field(&rest, '\n', &have))
		if (have.len == l.len && memcmp(have.p, l.p, l.len) == 0)
			return;
	buf_add(lines, l.p, l.len);
	buf_addc(lines, '\n');
}

/* A long list that was named twice is not to be compared with itself. */
static bool
was_before(const struct smtp_mail *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (y->rcpt[i].mailboxes != NULL &&
		    strcmp(y->rcpt[i].mailboxes, y->rcpt[n].mailboxes) == 0)
			return true;
	return false;
}

static int
gather(struct accepted *a)
{
	const struct smtp_mail *y = &a->m->mail;
	struct span	 rest, l;

	for (size_t i = 0; i < y->nrcpt; i++) {
		const struct smtp_rcpt *r = &y->rcpt[i];

		if (r->mailboxes == NULL || was_before(y, i))
			continue;
		rest = (struct span){ r->mailboxes, strlen(r->mailboxes) };
		while (str_field(&rest, '\n', &l))
			if (l.len > 0)
				add_once(&a->mailboxes, l);
	}
	return a->mailboxes.err;
}

static int
keep_here(struct accepted *a)
{
	struct smtp_mail *y = &a->m->mail;
	struct store_msg  s = { .p = a->msg.p, .len = a->msg.len,
			    .sender = y->sender, .folder = a->folder,
			    .flags = "", .time_ms = -1, .id = &y->id };

	if (a->mailboxes.len == 0)
		return 0;
	s.mailboxes = (struct span){ a->mailboxes.p, a->mailboxes.len };
	return deliver_message(a->m->w->deliver, &s, &a->delivery);
}

static bool
is_there(const struct outgoing_rcpt *to, size_t n, const char *address)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(to[i].address, address) == 0)
			return true;
	return false;
}

static int
send_on(struct accepted *a)
{
	struct smtp	*m = a->m;
	struct smtp_mail *y = &m->mail;
	struct outgoing_msg o = { .sender = y->sender, .utf8 = y->utf8 };
	struct outgoing_rcpt *to;
	int		 rc;

	if ((to = calloc(y->nrcpt, sizeof(*to))) == NULL)
		return log_fail(m->s->log, CM_ENOMEM, "outgoing");
	for (size_t i = 0; i < y->nrcpt; i++)
		if (y->rcpt[i].mailboxes == NULL && !is_there(to, o.n,
		    y->rcpt[i].address))
			to[o.n++].address = y->rcpt[i].address;
	o.to = to;
	/* of a record that has been kept it is taken */
	o.id = a->mailboxes.len > 0 ? NULL : y->id_text;
	a->outgoing = o.n > 0;
	rc = o.n == 0 ? 0 : outgoing_add(m->s->log, m->w->conf,
	    m->w->deliver, &o, a->msg.p + y->received_at,
	    a->msg.len - y->received_at);
	free(to);
	return rc;
}

static void
log_accepted(struct accepted *a)
{
	struct smtp	*m = a->m;
	struct smtp_mail *y = &m->mail;
	struct buf	 b;
	size_t		 i;

	buf_init(&b, 65536);
	buf_addf(&b, "accepted id=%s", y->id_text);
	smtp_log_client(m, &b);
	session_log_field(&b, "from", y->sender);
	for (i = 0; i < y->nrcpt && i < LOGGED_RCPTS; i++)
		session_log_field(&b, "to", y->rcpt[i].address);
	if (i < y->nrcpt)
		buf_addf(&b, " more=%zu", y->nrcpt - i);
	buf_addf(&b, " size=%zu", a->msg.len);
	if (a->held != NULL)
		buf_addf(&b, " held=%s", a->held);
	else if (a->mailboxes.len > 0) {
		session_log_field(&b, "volume", a->delivery.place.volume);
		session_log_field(&b, "copies", a->delivery.copies.p);
		if (a->delivery.few)
			buf_adds(&b, " short=yes");
	}
	if (a->outgoing)
		buf_adds(&b, " outgoing=yes");
	buf_addf(&b, " delay=%lldms",
	    (long long)(time_mono_ms() - y->since_ms));
	log_info(m->s->log, "%s", b.err ? y->id_text : b.p);
	buf_free(&b);
}

/*
 * RFC 2033 section 4.2: in LMTP each recipient has its own answer; they share
 * one record, so they share its fate.
 */
static void
answer(struct accepted *a)
{
	struct smtp	*m = a->m;
	size_t		 n = m->mode == SMTP_LMTP ? m->mail.nrcpt : 1;

	if (a->code == 0) {
		m->useful_ms = time_mono_ms();
		log_accepted(a);
	}
	for (size_t i = 0; i < n; i++) {
		if (a->code == 0)
			smtp_say(m, 250, "2.0.0", "ok %s", m->mail.id_text);
		else if (m->mode == SMTP_LMTP)
			smtp_say(m, a->code, a->enhanced, "<%s>: %s",
			    m->mail.rcpt[i].address, a->text);
		else
			smtp_say(m, a->code, a->enhanced, "%s", a->text);
	}
}

/* The one place where a message is looked at before it is kept. */
static bool
is_clean(struct accepted *a)
{
	struct span	 body = { a->msg.p + a->m->mail.received_at,
			    a->msg.len - a->m->mail.received_at };
	struct span	 header = { body.p, header_end(body.p, body.len) };

	if (smtp_is_loop(a->m, header)) {
		smtp_refuse(a, 554, "5.4.6", "this message goes in circles");
		return false;
	}
	return a->m->w->conf->nfilters == 0 || smtp_filter(a);
}

/*
 * Mail for other domains is spooled last: when copies are missing the client
 * tries all again, and strangers would get it twice.
 */
static void
keep(struct accepted *a)
{
	int64_t	 begun = time_mono_ms();
	int	 rc = keep_here(a);

	/* copies that were waited for in vain count too */
	if (a->mailboxes.len > 0)
		delay_add(a->m->w->delay, time_mono_ms() - begun);
	if (rc == 0)
		rc = send_on(a);
	if (rc != 0)
		smtp_refuse_for(a, rc);
}

/* In front of the header go the fields that a submitted message lacks. */
static int
complete(struct smtp *m, struct span msg, struct intake *all,
    struct span *out)
{
	size_t		 at = m->mail.received_at;
	struct span	 header = { msg.p + at,
			    header_end(msg.p + at, msg.len - at) };
	struct buf	 b;
	const char	*p;
	int		 rc;

	buf_init(&b, 8192);
	if ((rc = smtp_missing(m, header, &b)) == 0 && b.len > 0) {
		/* behind the trace: the header's first field is Received */
		size_t lead = at;
		struct header_field f;

		if (header_next(&header, &f))
			lead = (size_t)(f.whole.p - msg.p) + f.whole.len;
		if ((rc = intake_add(all, msg.p, lead)) == 0 &&
		    (rc = intake_add(all, b.p, b.len)) == 0 &&
		    (rc = intake_add(all, msg.p + lead, msg.len - lead)) == 0 &&
		    (rc = intake_get(all, &p, &out->len)) == 0)
			out->p = p;
	}
	buf_free(&b);
	return rc;
}

void
smtp_accept(struct smtp *m)
{
	struct accepted	 a = { .m = m, .folder = "INBOX" };
	struct intake	 whole;
	int		 rc;

	intake_init(&whole, m->s->log, m->w->spool, UINT64_MAX);
	intake_init(&a.filtered, m->s->log, m->w->spool, UINT64_MAX);
	buf_init(&a.mailboxes, RECEIPT_MAX);
	if ((rc = gather(&a)) == 0 &&
	    (rc = intake_get(&m->in, &a.msg.p, &a.msg.len)) == 0 &&
	    m->mode == SMTP_SUBMISSION)
		rc = complete(m, a.msg, &whole, &a.msg);
	if (rc != 0)
		smtp_refuse_for(&a, rc);
	else if (is_clean(&a))
		keep(&a);
	answer(&a);
	if (a.code == 0 && a.outgoing)
		outgoing_start(m->s->log, m->w->conf, m->w->file, m->w->node);
	delivery_free(&a.delivery);
	buf_free(&a.mailboxes);
	intake_free(&a.filtered);
	intake_free(&whole);
}
