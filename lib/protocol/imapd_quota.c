/* Quotas: RFC 2087, RFC 9208.  A mailbox has one, of all its folders. */
#include "protocol/imapd_int.h"

#define KIB	1024

/* Its root is "", and its STORAGE counts in KiB, what was begun included. */
static int
say_quota(struct imapd *m)
{
	struct buf	*out = conn_out(m->s->conn);
	struct mailbox_quota q;
	int		 rc;

	if ((rc = mailbox_quota(m->box, &q)) != 0)
		return rc;
	buf_adds(out, "* QUOTA \"\" (");
	if (q.limit > 0)
		buf_addf(out, "STORAGE %llu %llu",
		    (unsigned long long)((q.bytes + KIB - 1) / KIB),
		    (unsigned long long)(q.limit / KIB));
	buf_adds(out, ")\r\n");
	return 0;
}

static void
settle(struct imapd *m, int rc)
{
	if (rc != 0)
		imapd_no_for(m, rc);
	else
		imapd_ok(m, NULL, "that is how it is");
}

void
imapd_getquota(struct imapd *m, const struct imap_command *c)
{
	if (c->name.len != 0)
		imapd_no(m, "NONEXISTENT", "no such quota root");
	else
		settle(m, say_quota(m));
}

void
imapd_getquotaroot(struct imapd *m, const struct imap_command *c)
{
	struct buf	*out = conn_out(m->s->conn);
	char		 name[FOLDER_MAX + 1];

	if (!imapd_folder(m, c->name, name))
		return;
	buf_adds(out, "* QUOTAROOT ");
	imap_string(out, c->name, imapd_is_utf8(m));
	buf_adds(out, " \"\"\r\n");
	settle(m, say_quota(m));
}

void
imapd_setquota(struct imapd *m, const struct imap_command *c)
{
	(void)c;
	imapd_no(m, "NOPERM", "quotas are the administrator's, see cm-user");
}
