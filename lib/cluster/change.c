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

/* Flags as they were given; they can be read. */
static int
note_words(struct buf *b, const char *words)
{
	struct buf	 keywords;
	uint32_t	 flags;
	int		 rc;

	buf_init(&keywords, 8192);
	if ((rc = flags_parse(words, strlen(words), &flags, &keywords)) == 0)
		note_flags(b, flags, (struct span){ keywords.len ?
		    keywords.p : "", keywords.len });
	buf_free(&keywords);
	return rc;
}

int
change_flag(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t uid, const char *add, const char *del)
{
	struct row_message	 m;
	struct buf		 raw, *b;
	uint64_t		 modseq;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	rc = account_message(d, x, mailbox, folder, uid, &raw, &m);
	if (rc == 0 && (rc = account_flag(d, x, mailbox, folder, uid, add,
	    del, &modseq)) == 0 && (b = begin(d, "flag")) != NULL) {
		note_message(b, mailbox, folder, uid, &m);
		if ((rc = note_words(b, add)) == 0 &&
		    (rc = note_words(b, del)) == 0) {
			journal_number(b, modseq);
			rc = end(b);
		}
	}
	buf_free(&raw);
	return rc;
}

int
change_expunge(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t uid)
{
	struct row_message	 m;
	struct buf		 raw, *b;
	uint64_t		 modseq;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	rc = account_message(d, x, mailbox, folder, uid, &raw, &m);
	if (rc == 0 && (rc = account_expunge(d, x, mailbox, folder, uid,
	    &modseq)) == 0 && (b = begin(d, "expunge")) != NULL) {
		note_message(b, mailbox, folder, uid, &m);
		journal_number(b, modseq);
		rc = end(b);
	}
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
	if (u->ids.len > 0) {
		journal_number(b, u->modseq);
		buf_addc(b, '\t');
		buf_add(b, u->ids.p, u->ids.len);
	}
	buf_addc(b, '\n');
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
