/* STORE, EXPUNGE, COPY and MOVE: RFC 3501 section 6.4, RFC 4315, RFC 6851. */
#include <string.h>

#include "protocol/imapd_int.h"

#define RANGES_MAX	10000		/* of one request */

static bool
is_writable(struct imapd *m)
{
	if (m->view.readonly)
		imapd_no(m, "READ-ONLY", "the folder was opened to be read "
		    "only");
	return !m->view.readonly;
}

/* The command's set as UIDs; false: that was answered. */
static bool
command_set(struct imapd *m, const struct imap_command *c,
    struct imap_set *out)
{
	int	 rc = imapd_view_set(m, &c->set, c->uid, out);

	if (rc == CM_EDATA)
		imapd_bad(m, NULL, "there is no such message");
	else if (rc != 0)
		imapd_no_for(m, rc);
	return rc == 0;
}

/* --- STORE --- */

struct storing {
	struct imapd	*m;
	const struct imap_command *c;
	size_t		 found;
	struct imap_set	 modified;	/* UIDs that were left alone */
};

/* "* 4 FETCH (MODSEQ (12))": RFC 7162 section 3.1.3. */
static void
say_modseq(struct imapd *m, size_t at, const struct mailbox_message *row,
    bool uid)
{
	struct buf	*out = conn_out(m->s->conn);

	buf_addf(out, "* %zu FETCH (", at + 1);
	if (uid)
		buf_addf(out, "UID %u ", row->uid);
	buf_addf(out, "MODSEQ (%llu))\r\n", (unsigned long long)row->modseq);
}

/* Silent is what the client knows: its own change, of what it had seen. */
static int
take_stored(void *arg, const struct mailbox_message *row)
{
	struct storing	*s = arg;
	struct imapd_view *v = &s->m->view;
	size_t		 at = imapd_view_find(s->m, row->uid);

	if (at == v->n)
		return 0;
	s->found++;
	if (!s->c->store.silent || row->was > v->modseq[at])
		imapd_say_flags(s->m, at, row, s->c->uid);
	else if (imapd_is_condstore(s->m))
		say_modseq(s->m, at, row, s->c->uid);
	v->modseq[at] = row->modseq;
	return 0;
}

static int
add_all(struct imap_set *to, const struct imap_set *s)
{
	int	 rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n; i++)
		rc = imap_set_add(to, s->r[i].from, s->r[i].to);
	return rc;
}

static int
store_some(struct storing *s, const struct imap_set *uids)
{
	const struct imap_command *c = s->c;
	struct imapd_view *v = &s->m->view;
	struct mailbox_store how = { .flags = c->store.flags.bits,
			    .keywords = c->store.flags.keywords,
			    .conditional = c->store.has_since,
			    .since = c->store.unchanged_since };
	struct imap_set	 modified;
	int		 rc;

	how.how = c->store.how == IMAP_ADD ? MAILBOX_ADD :
	    c->store.how == IMAP_REMOVE ? MAILBOX_REMOVE : MAILBOX_REPLACE;
	if (how.keywords.p == NULL)
		how.keywords = (struct span){ "", 0 };
	rc = mailbox_store(s->m->box, v->name, v->validity, uids, &how,
	    take_stored, s, &modified);
	if (rc == 0)
		rc = add_all(&s->modified, &modified);
	imap_set_free(&modified);
	return rc;
}

/* UIDs, or the numbers that they have. */
static int
modified_code(struct storing *s, struct buf *code)
{
	const struct imapd_view *v = &s->m->view;
	struct imap_set	 numbers = { .n = 0 };
	uint32_t	 n;
	int		 rc = 0;

	buf_adds(code, "MODIFIED ");
	if (s->c->uid)
		return imap_set_write(code, &s->modified);
	for (size_t i = 0; rc == 0 && i < v->n; i++) {
		n = (uint32_t)i + 1;
		if (imap_set_has(&s->modified, v->uid[i]))
			rc = imap_set_add(&numbers, n, n);
	}
	if (rc == 0)
		rc = imap_set_write(code, &numbers);
	imap_set_free(&numbers);
	return rc;
}

/*
 * Who hears NO takes it that nothing was done: what was done, silently or not,
 * is told with what others did.
 */
static void
tell_again(struct imapd *m, const struct imap_set *uids)
{
	struct imapd_view *v = &m->view;

	for (size_t i = 0; i < v->n; i++)
		if (imap_set_has(uids, v->uid[i]))
			v->modseq[i] = 0;
}

static void
say_stored(struct storing *s, const struct imap_set *uids)
{
	struct imapd	*m = s->m;
	struct buf	 code;
	uint64_t	 left = imapd_view_count(m, &s->modified);

	buf_init(&code, 2u << 20);
	if (s->modified.n > 0 && modified_code(s, &code) != 0) {
		tell_again(m, uids);
		imapd_no_for(m, CM_ENOMEM);
	} else if (s->modified.n > 0)
		imapd_ok(m, code.p, "these were changed meanwhile");
	else if (!s->c->uid && s->found + left < imapd_view_count(m, uids)) {
		tell_again(m, uids);
		imapd_no(m, "EXPUNGEISSUED", "some of them have gone");
	} else
		imapd_ok(m, NULL, "stored");
	buf_free(&code);
}

void
imapd_store(struct imapd *m, const struct imap_command *c)
{
	struct storing	 s = { .m = m, .c = c };
	struct imap_set	 uids, some;
	int		 rc = 0;

	if (!is_writable(m) || !command_set(m, c, &uids))
		return;
	if (c->store.has_since)
		imapd_condstore(m);
	for (size_t at = 0; rc == 0 && at < uids.n; at += some.n) {
		some = (struct imap_set){ .r = uids.r + at,
		    .n = uids.n - at < RANGES_MAX ? uids.n - at : RANGES_MAX };
		rc = store_some(&s, &some);
	}
	if (rc != 0) {
		tell_again(m, &uids);
		imapd_no_for(m, rc);
	} else
		say_stored(&s, &uids);
	imap_set_free(&s.modified);
	imap_set_free(&uids);
}

/* --- EXPUNGE --- */

/* Which have gone is told with all that others did. */
void
imapd_expunge(struct imapd *m, const struct imap_command *c)
{
	struct imapd_view *v = &m->view;
	struct imap_set	 uids = { .n = 0 }, gone = { .n = 0 };
	char		 code[64];
	int		 rc;

	if (!is_writable(m) || (c->uid && !command_set(m, c, &uids)))
		return;
	rc = mailbox_expunge(m->box, v->name, v->validity, c->uid ? &uids :
	    NULL, &gone);
	if (rc == 0)
		rc = imapd_view_sync(m, true);
	if (rc != 0)
		imapd_no_for(m, rc);
	else if (imapd_is_condstore(m) && gone.n > 0 &&
	    str_fmt(code, sizeof(code), "HIGHESTMODSEQ %llu",
	    (unsigned long long)v->highest) == 0)
		imapd_ok(m, code, "expunged");
	else
		imapd_ok(m, NULL, "%llu expunged",
		    (unsigned long long)imap_set_count(&gone));
	imap_set_free(&gone);
	imap_set_free(&uids);
}

/* --- COPY and MOVE --- */

/* "COPYUID 7 1:3 21:23". */
static int
copy_uid(const struct mailbox_copied *done, struct buf *b)
{
	int	 rc;

	buf_addf(b, "COPYUID %u ", done->validity);
	if ((rc = imap_set_write(b, &done->from)) != 0)
		return rc;
	buf_addc(b, ' ');
	return imap_set_write(b, &done->to);
}

/* MOVE has its UIDs before the EXPUNGEs: RFC 6851 section 4.3. */
static void
say_copied(struct imapd *m, const struct imap_command *c,
    const struct mailbox_copied *done)
{
	struct buf	*out = conn_out(m->s->conn), b;
	int		 rc;

	buf_init(&b, 4u << 20);
	if (done->from.n == 0)
		imapd_ok(m, NULL, "none of them is there");
	else if ((rc = copy_uid(done, &b)) != 0)
		imapd_ok(m, NULL, "done");
	else if (c->verb == IMAP_COPY)
		imapd_ok(m, b.p, "copied");
	else {
		buf_addf(out, "* OK [%s] moved\r\n", b.p);
		imapd_ok(m, NULL, "done");
	}
	buf_free(&b);
}

static void
settle_copied(struct imapd *m, const struct imap_command *c,
    const char to[FOLDER_MAX + 1], const struct mailbox_copied *done)
{
	int	 rc = 0;

	say_copied(m, c, done);
	imapd_notify_added(m, to, &done->to);
	if (c->verb == IMAP_MOVE && m->unwanted & IMAP_EVENT_NEW)
		rc = imapd_view_sync(m, true);
	if (rc != 0)
		imapd_log(m, "changes not told", cm_strerror(rc));
}

void
imapd_copy(struct imapd *m, const struct imap_command *c)
{
	struct imapd_view *v = &m->view;
	struct mailbox_copied done;
	struct imap_set	 uids;
	char		 to[FOLDER_MAX + 1];
	int		 rc;

	if ((c->verb == IMAP_MOVE && !is_writable(m)) ||
	    !imapd_folder(m, c->name, to) || !command_set(m, c, &uids))
		return;
	rc = mailbox_copy(m->box, v->name, v->validity, &uids, to,
	    c->verb == IMAP_MOVE, &done);
	if (rc == CM_EEND)
		imapd_no(m, "TRYCREATE", "no such folder");
	else if (rc != 0)
		imapd_no_for(m, rc);
	else
		settle_copied(m, c, to, &done);
	mailbox_copied_free(&done);
	imap_set_free(&uids);
}
