#include "cluster/change.h"

#include <string.h>

#include "base/time.h"
#include "cluster/account.h"
#include "cluster/journal.h"

/* NULL: nothing is to be noted. */
static struct buf *
begin(struct catdb *d, const char *kind)
{
	struct buf	*b = d->notes;

	if (b == NULL)
		return NULL;
	if (d->origin != 0)
		buf_addf(b, "%016llx\t%s", (unsigned long long)d->origin,
		    kind);
	else
		buf_addf(b, "-\t%s", kind);
	return b;
}

static int
end(struct buf *b)
{
	return b == NULL ? 0 : buf_addc(b, '\n');
}

static void
note_flags(struct buf *b, uint32_t flags, struct span keywords)
{
	struct buf	 s;

	buf_init(&s, 16384);
	flags_write(&s, flags, keywords);
	journal_field(b, (struct span){ s.len ? s.p : "", s.len });
	buf_free(&s);
}

/* MAILBOX/FOLDER/UID ID PLACE MODSEQ FLAGS, as it is before the change. */
static void
note_message(struct buf *b, const char *mailbox, const char *folder,
    uint32_t uid, const struct row_message *m)
{
	char		 id[ULID_LEN + 1];

	buf_addc(b, '\t');
	entry_write(b, mailbox, folder);
	ulid_text(&m->id, id);
	buf_addf(b, "/%u\t%s\t", uid, id);
	place_write(b, &m->place);
	journal_number(b, m->modseq);
	note_flags(b, m->flags, m->keywords);
}

int
change_flag_in(struct catdb *d, struct kv_txn *x, struct account_view *v,
    uint32_t uid, struct row_message *m, const struct account_words *add,
    const struct account_words *del, struct buf *words)
{
	struct row_message	 was = *m;
	struct buf		*b;
	int			 rc;

	rc = account_view_flag(d, x, v, uid, m, add, del, words);
	if (rc != 0 || (b = begin(d, "flag")) == NULL)
		return rc;
	note_message(b, v->mailbox, v->name, uid, &was);
	note_flags(b, add->flags, add->keywords);
	note_flags(b, del->flags, del->keywords);
	journal_number(b, m->modseq);
	return end(b);
}

int
change_expunge_in(struct catdb *d, struct kv_txn *x, struct account_view *v,
    uint32_t uid, const struct row_message *m)
{
	struct buf	*b;
	int		 rc = account_view_expunge(d, x, v, uid, m);

	if (rc != 0 || (b = begin(d, "expunge")) == NULL)
		return rc;
	note_message(b, v->mailbox, v->name, uid, m);
	journal_number(b, v->folder.modseq);
	return end(b);
}

/* Words as they are given. */
static int
read_words(const char *s, struct buf *b, struct account_words *w)
{
	int	 rc = flags_parse(s, strlen(s), &w->flags, b);

	w->keywords = (struct span){ b->len > 0 ? b->p : "", b->len };
	return rc;
}

int
change_flag(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t uid, const char *add, const char *del)
{
	struct account_words	 set, clear;
	struct account_view	 v;
	struct row_message	 m;
	struct buf		 raw, b[3];
	int			 rc;

	buf_init(&raw, ROW_MAX);
	for (int i = 0; i < 3; i++)
		buf_init(&b[i], 8192);
	if ((rc = account_view_open(d, x, mailbox, folder, &v)) == 0 &&
	    (rc = account_view_message(d, x, &v, uid, &raw, &m)) == 0 &&
	    (rc = read_words(add, &b[0], &set)) == 0 &&
	    (rc = read_words(del, &b[1], &clear)) == 0 &&
	    (rc = change_flag_in(d, x, &v, uid, &m, &set, &clear, &b[2])) == 0)
		rc = account_view_put(d, x, &v);
	account_view_free(&v);
	buf_free(&raw);
	for (int i = 0; i < 3; i++)
		buf_free(&b[i]);
	return rc;
}

int
change_expunge(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t uid)
{
	struct account_view	 v;
	struct row_message	 m;
	struct buf		 raw;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = account_view_open(d, x, mailbox, folder, &v)) == 0 &&
	    (rc = account_view_message(d, x, &v, uid, &raw, &m)) == 0 &&
	    (rc = change_expunge_in(d, x, &v, uid, &m)) == 0)
		rc = account_view_put(d, x, &v);
	account_view_free(&v);
	buf_free(&raw);
	return rc;
}

int
change_user_add(struct catdb *d, struct kv_txn *x, const char *mailbox,
    struct span verifier)
{
	struct row_account	 a;
	struct buf		 raw, *b;
	int			 rc;

	if ((rc = account_add(d, x, mailbox, verifier, time_now_ms())) != 0 ||
	    d->notes == NULL)
		return rc;
	buf_init(&raw, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &raw, &a)) == 0) {
		b = begin(d, "user-add");
		journal_text(b, mailbox);
		journal_field(b, verifier);
		journal_number(b, a.id);
		journal_number(b, (uint64_t)a.created);
		rc = end(b);
		change_note_inbox(d, mailbox, a.last_validity);
	}
	buf_free(&raw);
	return rc;
}

int
change_value(const struct row_account *a, const char *what, struct buf *out)
{
	buf_reset(out);
	if (strcmp(what, "password") == 0)
		return buf_add(out, a->verifier.p, a->verifier.len);
	if (strcmp(what, "sms") == 0)
		return buf_add(out, a->sms.p, a->sms.len);
	if (strcmp(what, "quota") == 0)
		return buf_addu(out, a->quota, 0);
	return CM_EDATA;
}

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

/* What is so already is no change. */
static bool
is_text(const struct buf *b, struct span s)
{
	return b->len == s.len && (s.len == 0 ||
	    memcmp(b->p, s.p, s.len) == 0);
}

int
change_user_set(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *what, const char *value)
{
	struct row_account	 a;
	struct buf		 raw, was, *b;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	buf_init(&was, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &raw, &a)) != 0 ||
	    (rc = change_value(&a, what, &was)) != 0 ||
	    is_text(&was, text(value)))
		goto out;
	if (strcmp(what, "password") == 0)
		a.verifier = text(value);
	else if (strcmp(what, "sms") == 0)
		a.sms = text(value);
	else
		rc = str_u64(value, strlen(value), INT64_MAX, &a.quota);
	if (rc == 0 && (rc = account_put(d, x, mailbox, &a)) == 0 &&
	    (b = begin(d, "user-set")) != NULL) {
		journal_text(b, mailbox);
		journal_text(b, what);
		journal_field(b, span_of(&was));
		journal_text(b, value);
		rc = end(b);
	}
out:
	buf_free(&raw);
	buf_free(&was);
	return rc;
}

int
change_user_del(struct catdb *d, struct kv_txn *x, const char *mailbox)
{
	struct row_account	 a;
	struct buf		 raw, *b;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	rc = account_get(d, x, mailbox, &raw, &a);
	if (rc == 0 && (rc = account_del(d, x, mailbox)) == 0 &&
	    (b = begin(d, "user-del")) != NULL) {
		journal_text(b, mailbox);
		journal_number(b, a.messages);
		journal_number(b, a.bytes);
		journal_number(b, a.id);
		rc = end(b);
	}
	buf_free(&raw);
	return rc;
}

int
change_alias(struct catdb *d, struct kv_txn *x, const char *name,
    struct span targets)
{
	struct buf	 was, *b;
	int		 rc;

	buf_init(&was, ROW_MAX);
	rc = kv_get(d->aliases, x, text(name), &was);
	if (rc == CM_ENOINPUT)
		rc = 0;
	if (rc == 0 && targets.len > 0 && is_text(&was, targets))
		goto out;
	if (rc == 0 && (rc = account_alias(d, x, name, targets)) == 0 &&
	    (b = begin(d, "alias")) != NULL) {
		journal_text(b, name);
		journal_field(b, span_of(&was));
		journal_field(b, targets);
		rc = end(b);
	}
out:
	buf_free(&was);
	return rc;
}

void
change_note_uids(struct catdb *d, const char *mailbox, const char *folder,
    const struct change_uids *u)
{
	struct buf	*b;

	if ((b = begin(d, "uids")) == NULL)
		return;
	buf_addc(b, '\t');
	entry_write(b, mailbox, folder);
	buf_addf(b, "\t%u\t%u\t%u", u->validity, u->first, u->next);
	if (u->modseq != 0)
		journal_number(b, u->modseq);
	if (u->ids.len > 0) {
		buf_addc(b, '\t');
		buf_add(b, u->ids.p, u->ids.len);
	}
	buf_addc(b, '\n');
}

void
change_note_leap(struct catdb *d, const char *mailbox, const char *folder,
    const struct row_folder *f)
{
	change_note_uids(d, mailbox, folder, &(struct change_uids){
	    f->validity, f->left_from, f->left_to, 0, { NULL, 0 } });
}

void
change_note_floor(struct catdb *d, uint32_t validity)
{
	struct buf	*b;

	if ((b = begin(d, "floor")) != NULL)
		buf_addf(b, "\t%u\n", validity);
}

void
change_note_inbox(struct catdb *d, const char *mailbox, uint32_t validity)
{
	change_note_uids(d, mailbox, "INBOX", &(struct change_uids){ validity,
	    1, 1, 0, { NULL, 0 } });
}

int
change_note_copy(struct catdb *d, const char *mailbox, const char *folder,
    uint32_t uid, const struct row_message *m, const struct change_copied *to)
{
	struct buf	*b;

	if ((b = begin(d, to->gone != 0 ? "move" : "copy")) == NULL)
		return 0;
	note_message(b, mailbox, folder, uid, m);
	buf_addc(b, '\t');
	entry_write(b, mailbox, to->folder);
	buf_addf(b, "/%u\t%u", to->uid, to->validity);
	journal_number(b, to->modseq);
	journal_number(b, (uint64_t)to->saved_ms);
	if (to->gone != 0)
		journal_number(b, to->gone);
	return end(b);
}

struct buf *
change_begin(struct catdb *d, const char *kind)
{
	return begin(d, kind);
}

int
change_end(struct buf *b)
{
	return end(b);
}
