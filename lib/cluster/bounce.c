#include "cluster/bounce.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "format/header.h"

#define FULL_MAX	(1u << 20)	/* of a message given back whole */

/* RFC 5322 section 3.3, UTC, whatever the locale. */
static void
add_date(struct buf *b, int64_t ms)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t		 t = (time_t)(ms / 1000);
	struct tm	 tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	buf_addf(b, "%.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n",
	    days + (size_t)tm.tm_wday * 3, tm.tm_mday,
	    months + (size_t)tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
}

static bool
is_ascii(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] > 0x7f)
			return false;
	return true;
}

static bool
has_word(const char *list, const char *word)
{
	struct span	 rest = { list, strlen(list) }, f;

	while (str_field(&rest, ',', &f))
		if (str_ieq(f.p, f.len, word))
			return true;
	return false;
}

bool
bounce_wanted(const struct queued_rcpt *r)
{
	if (r->state == QUEUED_RELAYED)
		return r->notify != NULL && has_word(r->notify, "SUCCESS");
	return r->state == QUEUED_FAILED &&
	    (r->notify == NULL || has_word(r->notify, "FAILURE"));
}

/* Undoes xtext (RFC 3461 section 4); what is not printable becomes '?'. */
static void
add_xtext(struct buf *b, const char *p)
{
	uint64_t	 v;
	char		 hex[2];

	for (; *p != '\0'; p++) {
		if (*p == '+' && p[1] != '\0' && p[2] != '\0') {
			hex[0] = str_lower(p[1]);
			hex[1] = str_lower(p[2]);
			if (str_hex(hex, 2, &v) == 0) {
				buf_addc(b, v >= ' ' && v < 0x7f ? (char)v :
				    '?');
				p += 2;
				continue;
			}
		}
		buf_addc(b, *p);
	}
}

/* The status in an answer's text (RFC 3463), or what its code says. */
static void
add_status(struct buf *b, const struct queued_rcpt *r)
{
	const char	*p = r->text;
	size_t		 n, dots = 0;

	if (r->state == QUEUED_RELAYED) {
		buf_adds(b, "2.0.0");
		return;
	}
	/* what waited to the end: RFC 3463, X.4.7 */
	if (r->code < 500) {
		buf_adds(b, "4.4.7");
		return;
	}
	for (n = 0; isdigit((unsigned char)p[n]) || p[n] == '.'; n++)
		dots += p[n] == '.';
	if (p[0] == '5' && p[1] == '.' && dots == 2 && n >= 5 && n <= 9 &&
	    p[n - 1] != '.' && p[2] != '.')
		buf_add(b, p, n);
	else
		buf_adds(b, "5.0.0");
}

static void
add_address(struct buf *b, const char *field, const char *address)
{
	buf_addf(b, "%s: %s; %s\r\n", field, is_ascii(address,
	    strlen(address)) ? "rfc822" : "utf-8", address);
}

static void
add_rcpt(struct buf *b, const struct bounce *y, const struct queued_rcpt *r)
{
	const char	*type = r->orcpt != NULL ? strchr(r->orcpt, ';') :
			    NULL;

	buf_adds(b, "\r\n");
	if (type != NULL) {
		buf_addf(b, "Original-Recipient: %.*s; ",
		    (int)(type - r->orcpt), r->orcpt);
		add_xtext(b, type + 1);
		buf_adds(b, "\r\n");
	}
	add_address(b, "Final-Recipient", r->address);
	buf_addf(b, "Action: %s\r\nStatus: ",
	    r->state == QUEUED_RELAYED ? "relayed" : "failed");
	add_status(b, r);
	buf_adds(b, "\r\n");
	if (r->code != 0)
		buf_addf(b, "Remote-MTA: dns; %s\r\n"
		    "Diagnostic-Code: smtp; %d %s\r\n", y->remote, r->code,
		    r->text);
	buf_adds(b, "Last-Attempt-Date: ");
	add_date(b, y->now);
}

static void
add_status_part(struct buf *b, const struct bounce *y)
{
	const struct queued	*q = y->q;

	buf_addf(b, "Reporting-MTA: dns; %s\r\n", y->host);
	if (q->envid != NULL) {
		buf_adds(b, "Original-Envelope-Id: ");
		add_xtext(b, q->envid);
		buf_adds(b, "\r\n");
	}
	buf_adds(b, "Arrival-Date: ");
	add_date(b, q->time);
	for (size_t i = 0; i < q->n; i++)
		if (bounce_wanted(&q->to[i]))
			add_rcpt(b, y, &q->to[i]);
}

static void
add_text(struct buf *b, const struct bounce *y, bool failed)
{
	const struct queued	*q = y->q;

	buf_addf(b, "This is the mail system at %s.\r\n\r\n%s\r\n\r\n",
	    y->host, failed ?
	    "Your message could not be delivered to the recipients below.\r\n"
	    "It is not tried again for them." :
	    "Your message was passed on to a mail system that sends no\r\n"
	    "reports of delivery.");
	for (size_t i = 0; i < q->n; i++) {
		const struct queued_rcpt *r = &q->to[i];

		if (!bounce_wanted(r))
			continue;
		buf_addf(b, "<%s>:\r\n", r->address);
		if (r->state == QUEUED_FAILED && r->code < 500)
			buf_adds(b, "    it was tried for five days\r\n");
		if (r->code != 0)
			buf_addf(b, "    %s said: %d %s\r\n", y->remote,
			    r->code, r->text);
		else if (r->text[0] != '\0')
			buf_addf(b, "    %s\r\n", r->text);
	}
}

static void
add_head(struct buf *b, const struct bounce *y, bool failed, const char *mark)
{
	buf_addf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n"
	    "To: <%s>\r\nSubject: %s\r\nDate: ", y->host, y->q->sender,
	    failed ? "Undelivered mail returned to sender" :
	    "Mail was passed on");
	add_date(b, y->now);
	buf_addf(b, "Message-ID: <%s@%s>\r\nAuto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: multipart/report;\r\n"
	    "\treport-type=delivery-status; boundary=\"%s\"\r\n\r\n", y->id,
	    y->host, mark);
}

/* The message that came back, or its header. */
static void
add_original(struct buf *b, const struct queued *q, bool failed)
{
	bool	 full = failed && q->ret != NULL &&
		    str_ieq(q->ret, strlen(q->ret), "FULL") &&
		    q->msg.len <= FULL_MAX;
	size_t	 len = full ? q->msg.len : header_end(q->msg.p, q->msg.len);
	bool	 ascii = is_ascii(q->msg.p, len), utf8 = q->utf8 && !ascii;

	buf_addf(b, "Content-Type: %s\r\n", full ?
	    (utf8 ? "message/global" : "message/rfc822") :
	    (utf8 ? "message/global-headers" : "text/rfc822-headers"));
	if (!ascii)
		buf_adds(b, "Content-Transfer-Encoding: 8bit\r\n");
	buf_adds(b, "\r\n");
	buf_add(b, q->msg.p, len);
	if (len > 0 && q->msg.p[len - 1] != '\n')
		buf_adds(b, "\r\n");
}

int
bounce_write(struct buf *b, const struct bounce *y)
{
	struct buf	 status;
	char		 mark[ULID_LEN + 8];
	bool		 failed = false, ascii;

	for (size_t i = 0; i < y->q->n; i++)
		failed = failed || (bounce_wanted(&y->q->to[i]) &&
		    y->q->to[i].state == QUEUED_FAILED);
	snprintf(mark, sizeof(mark), "=_%s", y->id);
	buf_init(&status, b->max);
	add_status_part(&status, y);
	ascii = is_ascii(status.p != NULL ? status.p : "", status.len);
	add_head(b, y, failed, mark);
	buf_addf(b, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n", mark,
	    ascii ? "7bit" : "8bit");
	add_text(b, y, failed);
	buf_addf(b, "\r\n--%s\r\nContent-Type: message/%sdelivery-status\r\n"
	    "%s\r\n", mark, ascii ? "" : "global-",
	    ascii ? "" : "Content-Transfer-Encoding: 8bit\r\n");
	buf_add(b, status.p, status.len);
	buf_addf(b, "\r\n--%s\r\n", mark);
	add_original(b, y->q, failed);
	buf_addf(b, "\r\n--%s--\r\n", mark);
	if (status.err != 0 && b->err == 0)
		b->err = status.err;
	buf_free(&status);
	return b->err;
}
