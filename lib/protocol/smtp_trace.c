/* Trace fields: RFC 5321 section 4.4, RFC 3848, RFC 6531 section 4.3. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "format/header.h"
#include "protocol/smtp_int.h"

#define HOPS_MAX	100		/* RFC 5321 section 6.3 */
#define DATE_SIZE	64

/* RFC 5322 section 3.3, in UTC, whatever the locale. */
static void
date(char out[DATE_SIZE])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t		 t = (time_t)(time_now_ms() / 1000);
	struct tm	 tm;

	gmtime_r(&t, &tm);
	snprintf(out, DATE_SIZE, "%.3s, %d %.3s %d %02d:%02d:%02d +0000",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* "ESMTPSA": the protocol and what was used of it. */
static void
protocol(const struct smtp *m, struct buf *b)
{
	if (m->mail.utf8)
		buf_adds(b, "UTF8");
	if (m->mode == SMTP_LMTP)
		buf_adds(b, "LMTP");
	else
		buf_adds(b, m->mail.utf8 || !m->esmtp ? "SMTP" : "ESMTP");
	if (smtp_is_tls(m) && m->esmtp)
		buf_addc(b, 'S');
	if (m->user[0] != '\0')
		buf_addc(b, 'A');
}

/* The one mailbox it is for; an empty span when there are several. */
static struct span
only_mailbox(const struct smtp_mail *y)
{
	struct span	 none = { "", 0 }, rest, l, found = none;

	for (size_t i = 0; i < y->nrcpt; i++) {
		if (y->rcpt[i].mailboxes == NULL)
			return none;
		rest = (struct span){ y->rcpt[i].mailboxes,
		    strlen(y->rcpt[i].mailboxes) };
		while (str_field(&rest, '\n', &l)) {
			if (l.len == 0)
				continue;
			if (found.len > 0 && (found.len != l.len ||
			    memcmp(found.p, l.p, l.len) != 0))
				return none;
			found = l;
		}
	}
	return found;
}

int
smtp_trace(struct smtp *m, struct buf *b)
{
	struct smtp_mail *y = &m->mail;
	struct span	 only = only_mailbox(y);
	char		 now[DATE_SIZE];

	date(now);
	buf_addf(b, "Return-Path: <%s>\r\n", y->sender);
	if (only.len > 0)
		buf_addf(b, "Delivered-To: %.*s\r\n", (int)only.len, only.p);
	y->received_at = b->len;
	buf_addf(b, "Received: from %s (", m->helo);
	if (m->s->has_ip)
		buf_addf(b, "[%s%s]", strchr(m->s->client, ':') != NULL ?
		    "IPv6:" : "", m->s->client);
	else
		buf_adds(b, "local");
	buf_addf(b, ")\r\n");
	if (smtp_is_tls(m))
		buf_addf(b, "\t(using %s)\r\n",
		    tls_session_label(conn_tls(m->s->conn)));
	buf_addf(b, "\tby %s (clustermail) with ", m->w->host);
	protocol(m, b);
	buf_addf(b, " id %s", y->id_text);
	if (y->nrcpt == 1)
		buf_addf(b, "\r\n\tfor <%s>", y->rcpt[0].address);
	buf_addf(b, "; %s\r\n", now);
	return b->err;
}

int
smtp_missing(struct smtp *m, struct span header, struct buf *b)
{
	struct header_field	 f;
	char			 now[DATE_SIZE];

	if (!header_find(header, "Date", &f)) {
		date(now);
		buf_addf(b, "Date: %s\r\n", now);
	}
	if (!header_find(header, "Message-ID", &f))
		buf_addf(b, "Message-ID: <%s@%s>\r\n", m->mail.id_text,
		    m->w->host);
	return b->err;
}

static bool
is_recipient(const struct smtp_mail *y, struct span name)
{
	struct span	 rest, l;
	char		 box[ADDRESS_MAX + 1];

	for (size_t i = 0; i < y->nrcpt; i++) {
		if (y->rcpt[i].mailboxes == NULL)
			continue;
		rest = (struct span){ y->rcpt[i].mailboxes,
		    strlen(y->rcpt[i].mailboxes) };
		while (str_field(&rest, '\n', &l))
			if (l.len > 0 && str_ncopy(box, sizeof(box), l.p,
			    l.len) == 0 && str_ieq(name.p, name.len, box))
				return true;
	}
	return false;
}

bool
smtp_is_loop(const struct smtp *m, struct span header)
{
	struct header_field	 f;
	struct buf		 value;
	unsigned		 hops = 0, homes = 0;
	bool			 been = false;

	buf_init(&value, ADDRESS_MAX * 4);
	/* each is compared with all recipients: so many are a loop, too */
	while (!been && homes <= HOPS_MAX &&
	    header_next(&header, &f)) {
		hops += str_ieq(f.name.p, f.name.len, "Received");
		if (!str_ieq(f.name.p, f.name.len, "Delivered-To"))
			continue;
		homes++;
		buf_reset(&value);
		if (header_unfold(f.value, &value) == 0 && value.len > 0)
			been = is_recipient(&m->mail,
			    (struct span){ value.p, value.len });
	}
	buf_free(&value);
	/* our own Received counts not */
	return been || homes > HOPS_MAX || hops > HOPS_MAX + 1;
}
