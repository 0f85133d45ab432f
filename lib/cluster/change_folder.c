/* Changes of folders, noted for the journal. */
#include <string.h>

#include "base/time.h"
#include "cluster/change.h"
#include "cluster/folder.h"
#include "cluster/journal.h"

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

/* KIND MAILBOX/FOLDER; NULL: nothing is to be noted. */
static struct buf *
begin(struct catdb *d, const char *kind, const char *mailbox,
    const char *folder)
{
	struct buf	*b = change_begin(d, kind);

	if (b != NULL) {
		buf_addc(b, '\t');
		entry_write(b, mailbox, folder);
	}
	return b;
}

static int
note_add(struct catdb *d, const char *mailbox, const char *folder,
    const struct row_folder *f)
{
	struct buf	*b;

	if ((b = begin(d, "folder-add", mailbox, folder)) == NULL)
		return 0;
	journal_number(b, f->id);
	journal_number(b, f->validity);
	journal_number(b, f->use);
	return change_end(b);
}

static int
add(struct catdb *d, struct kv_txn *x, const char *mailbox,
    struct row_account *a, const char *folder, uint32_t use)
{
	struct row_folder	 f;
	int			 rc;

	rc = account_folder_make(d, x, a, text(folder), time_now_ms(), &f);
	if (rc != 0)
		return rc;
	f.use = use;
	if ((rc = account_folder_put(d, x, a->id, text(folder), &f)) != 0 ||
	    (rc = account_put(d, x, mailbox, a)) != 0)
		return rc;
	return note_add(d, mailbox, folder, &f);
}

int
change_folder_add(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t use)
{
	struct row_account	 a;
	struct buf		 raw;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &raw, &a)) == 0)
		rc = add(d, x, mailbox, &a, folder, use);
	buf_free(&raw);
	return rc;
}

int
change_folder_use(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, uint32_t use)
{
	struct row_account	 a;
	struct row_folder	 f;
	struct buf		 raw;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &raw, &a)) == 0 &&
	    (rc = account_folder_get(d, x, a.id, text(folder), &f)) == 0) {
		f.use = use;
		rc = account_folder_put(d, x, a.id, text(folder), &f);
	}
	buf_free(&raw);
	return rc != 0 ? rc : note_add(d, mailbox, folder, &f);
}

int
change_folder_del(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder)
{
	struct row_account	 a;
	struct row_folder	 f;
	struct buf		 raw, *b;
	int			 rc;

	if (strcmp(folder, "INBOX") == 0)
		return CM_EPERM;
	buf_init(&raw, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &raw, &a)) == 0 &&
	    (rc = folder_del(d, x, mailbox, &a, text(folder), &f)) == 0 &&
	    (b = begin(d, "folder-del", mailbox, folder)) != NULL) {
		journal_number(b, f.validity);
		journal_number(b, f.messages);
		journal_number(b, f.bytes);
		journal_number(b, f.modseq);
		rc = change_end(b);
	}
	buf_free(&raw);
	return rc;
}

int
change_folder_rename(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *from, const char *to)
{
	struct row_account	 a;
	struct row_folder	 inbox = { 0 };
	struct buf		 raw, *b;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &raw, &a)) == 0 &&
	    (rc = folder_rename(d, x, mailbox, &a, from, to, time_now_ms(),
	    &inbox)) == 0 &&
	    (b = begin(d, "folder-rename", mailbox, from)) != NULL) {
		journal_text(b, to);
		journal_number(b, inbox.id);
		journal_number(b, inbox.validity);
		rc = change_end(b);
	}
	buf_free(&raw);
	return rc;
}

int
change_subscribe(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, bool on)
{
	struct row_account	 a;
	struct buf		 raw, *b;
	bool			 was;
	int			 rc;

	buf_init(&raw, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &raw, &a)) == 0 &&
	    (rc = folder_subscribed(d, x, a.id, text(folder), &was)) == 0 &&
	    was != on && (rc = folder_subscribe(d, x, a.id, text(folder),
	    on)) == 0 &&
	    (b = begin(d, "subscribe", mailbox, folder)) != NULL) {
		journal_number(b, on);
		rc = change_end(b);
	}
	buf_free(&raw);
	return rc;
}
