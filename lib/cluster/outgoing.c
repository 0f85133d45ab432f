#include "cluster/outgoing.h"

#include <stdio.h>
#include <string.h>

#include "base/spawn.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/queued.h"
#include "cluster/service.h"
#include "cluster/spooldir.h"
#include "cluster/sysbox.h"
#include "format/address.h"
#include "format/ulid.h"

/* A word of RFC 3461: no blanks, no control characters. */
static bool
is_word(const char *s)
{
	if (s == NULL)
		return true;
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return s[0] != '\0' && strlen(s) <= OUTGOING_PARAM_MAX;
}

static bool
is_address(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f || *p == '>' ||
		    *p == '<')
			return false;
	return strlen(s) <= ADDRESS_MAX;
}

static int
check_rcpt(const struct log *log, const struct conf *conf,
    const struct outgoing_rcpt *r)
{
	const char	*domain = address_domain(r->address);

	if (domain == NULL || conf_has_domain(conf, domain, strlen(domain)))
		return log_fail(log, CM_EUSAGE, "outgoing: %s is here",
		    r->address);
	if (!is_address(r->address) || !is_word(r->notify) ||
	    !is_word(r->orcpt))
		return log_fail(log, CM_EDATA, "outgoing: recipient");
	return 0;
}

static int
check(const struct log *log, const struct conf *conf,
    const struct outgoing_msg *m)
{
	int	 rc;

	if (conf->relay.host == NULL)
		return log_fail(log, CM_EPERM, "outgoing: there is no relay");
	if (m->n == 0 || m->n > QUEUED_RECIPIENTS)
		return log_fail(log, CM_EUSAGE, "outgoing: recipients");
	if (!is_address(m->sender) || !is_word(m->ret) || !is_word(m->envid))
		return log_fail(log, CM_EDATA, "outgoing: sender");
	for (size_t i = 0; i < m->n; i++)
		if ((rc = check_rcpt(log, conf, &m->to[i])) != 0)
			return rc;
	return 0;
}

/* The form is queued.h's. */
static int
write_head(struct buf *b, const struct outgoing_msg *m, int64_t now)
{
	buf_addf(b, QUEUED_MAGIC "\ntime %lld\nfrom %s\n", (long long)now,
	    m->sender);
	if (m->ret != NULL)
		buf_addf(b, "ret %s\n", m->ret);
	if (m->envid != NULL)
		buf_addf(b, "envid %s\n", m->envid);
	if (m->utf8)
		buf_adds(b, "utf8 yes\n");
	for (size_t i = 0; i < m->n; i++) {
		buf_addf(b, "to %s\n", m->to[i].address);
		if (m->to[i].notify != NULL)
			buf_addf(b, "notify %s\n", m->to[i].notify);
		if (m->to[i].orcpt != NULL)
			buf_addf(b, "orcpt %s\n", m->to[i].orcpt);
	}
	return buf_adds(b, "\n");
}

static int
add_message(struct buf *b, const char *p, size_t len)
{
	const char	*nl, *end = p + len;

	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if (nl > p && nl[-1] == '\r')
			buf_add(b, p, (size_t)(nl + 1 - p));
		else {
			buf_add(b, p, (size_t)(nl - p));
			buf_adds(b, "\r\n");
		}
		p = nl + 1;
	}
	return buf_add(b, p, (size_t)(end - p));
}

/* The file as a record of a mirrored volume: cm-relay -t finds it there. */
static int
copy_away(const struct conf *conf, struct deliver *d, const struct ulid *id,
    const struct buf *b, int64_t now)
{
	struct delivery	 y = { 0 };
	struct store_msg m = { .p = b->p, .len = b->len, .sender = "",
			    .folder = "INBOX", .flags = "", .time_ms = now,
			    .id = id };
	char		 box[SYSBOX_SIZE];
	int		 rc;

	if ((rc = sysbox_name("outgoing", conf->self, box)) != 0)
		return rc;
	m.mailboxes = (struct span){ box, strlen(box) };
	rc = deliver_message(d, &m, &y);
	delivery_free(&y);
	return rc;
}

int
outgoing_add(const struct log *log, const struct conf *conf,
    struct deliver *d, const struct outgoing_msg *m, const char *p,
    size_t len)
{
	int64_t		 now = time_now_ms();
	struct spooldir	 dir;
	struct ulid	 id;
	struct buf	 b;
	char		 name[ULID_LEN + 1];
	int		 rc;

	if ((rc = check(log, conf, m)) != 0)
		return rc;
	if (len > conf->max_size)
		return log_fail(log, CM_ETOOBIG, "outgoing");
	buf_init(&b, 2 * conf->max_size + SPOOL_HEAD_MAX);
	rc = m->id != NULL ? ulid_parse(m->id, strlen(m->id), &id) :
	    store_new_id(now, &id);
	if (rc == 0)
		rc = write_head(&b, m, now);
	if (rc == 0)
		rc = add_message(&b, p, len);
	if (rc != 0) {
		log_fail(log, rc, "outgoing");
		goto out;
	}
	ulid_text(&id, name);
	if ((rc = spooldir_open(&dir, log, conf, "outgoing")) != 0)
		goto out;
	/*
	 * The copies first: what is in the spool is sent at once.  A record
	 * without a file is taken away by cm-relay -q.
	 */
	if (d != NULL && (rc = copy_away(conf, d, &id, &b, now)) != 0)
		goto out;
	rc = spooldir_write(&dir, name, b.p, b.len);
	/* from here the message is safe, and will be sent */
out:
	buf_free(&b);
	return rc;
}

void
outgoing_start(const struct log *log, const struct conf *conf,
    const char *file, const char *node)
{
	struct service	 s;

	if (service_init(&s, log, conf, file, node, "relay",
	    "cm-relay") != 0)
		return;
	s.argv[0] = "-q";
	if (service_start(&s) != 0)
		log_warn(log, "cm-relay is not started");
	service_free(&s);
}
