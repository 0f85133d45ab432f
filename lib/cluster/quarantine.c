#include "cluster/quarantine.h"

#include <string.h>

#include "base/time.h"
#include "cluster/spooldir.h"
#include "cluster/sysbox.h"

#define OUT_MAX		(256u << 20)

int
quarantine_report(const char *id, char out[QUARANTINE_NAME_SIZE])
{
	return str_fmt(out, QUARANTINE_NAME_SIZE, "%s.report", id);
}

static void
add_lines(struct buf *b, const char *word, struct span lines)
{
	struct span	 l;

	while (lines.len > 0 && str_field(&lines, '\n', &l))
		if (l.len > 0)
			buf_addf(b, "%s %.*s\n", word, (int)l.len, l.p);
}

static int
write_report(struct buf *b, const struct filter_msg *m,
    const struct filter_verdict *v, struct span mailboxes)
{
	buf_addf(b, QUARANTINE_MAGIC "\ntime %lld\nfilter %s\nfinding %s\n",
	    (long long)time_now_ms(), v->by, v->text);
	if (m->client[0] != '\0')
		buf_addf(b, "client %s\n", m->client);
	buf_addf(b, "from %s\n", m->sender);
	add_lines(b, "to", m->rcpts);
	add_lines(b, "mailbox", mailboxes);
	return b->err;
}

static int
copy_away(const struct conf *conf, struct deliver *d,
    const struct filter_msg *m, struct span msg)
{
	struct delivery	 y = { 0 };
	struct store_msg s = { .p = msg.p, .len = msg.len,
			    .sender = m->sender, .folder = "INBOX",
			    .flags = "", .time_ms = -1 };
	struct ulid	 id;
	char		 box[SYSBOX_SIZE];
	int		 rc;

	if ((rc = sysbox_name("quarantine", conf->self, box)) != 0 ||
	    (rc = ulid_parse(m->id, strlen(m->id), &id)) != 0)
		return rc;
	s.id = &id;
	s.mailboxes = (struct span){ box, strlen(box) };
	rc = deliver_message(d, &s, &y);
	delivery_free(&y);
	return rc;
}

/*
 * The copies first, and the report before the message: a message is there when
 * all of it is.  Copies without a file are a matter of expiry.
 */
int
quarantine_add(const struct log *log, const struct conf *conf,
    struct deliver *d, const struct filter_msg *m,
    const struct filter_verdict *v, struct span mailboxes)
{
	struct spooldir	 dir;
	struct buf	 b;
	char		 name[QUARANTINE_NAME_SIZE];
	int		 rc;

	buf_init(&b, OUT_MAX);
	if ((rc = write_report(&b, m, v, mailboxes)) == 0 &&
	    (rc = quarantine_report(m->id, name)) == 0 &&
	    (rc = spooldir_open(&dir, log, conf, "quarantine")) == 0 &&
	    (rc = copy_away(conf, d, m,
	    (struct span){ m->p, m->len })) == 0 &&
	    (rc = spooldir_write(&dir, name, b.p, b.len)) == 0)
		rc = spooldir_write(&dir, m->id, m->p, m->len);
	buf_free(&b);
	return rc == 0 ? 0 : log_fail(log, rc, "quarantine: %s", m->id);
}
