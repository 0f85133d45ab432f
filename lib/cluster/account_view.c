#include "cluster/account_view.h"

#include <string.h>

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len ? b->p : "", b->len };
}

static struct span
text(const char *s)
{
	return (struct span){ s, strlen(s) };
}

int
account_view_open(struct catdb *d, struct kv_txn *x, const char *mailbox,
    const char *folder, struct account_view *v)
{
	int	 rc;

	memset(v, 0, sizeof(*v));
	v->mailbox = mailbox;
	v->name = folder;
	buf_init(&v->raw, ROW_MAX);
	if ((rc = account_get(d, x, mailbox, &v->raw, &v->account)) == 0)
		rc = account_folder_get(d, x, v->account.id, text(folder),
		    &v->folder);
	return rc;
}

int
account_view_put(struct catdb *d, struct kv_txn *x, struct account_view *v)
{
	int	 rc = 0;

	if (v->folder_changed)
		rc = account_folder_put(d, x, v->account.id, text(v->name),
		    &v->folder);
	if (rc == 0 && v->account_changed)
		rc = account_put(d, x, v->mailbox, &v->account);
	v->folder_changed = v->account_changed = false;
	return rc;
}

void
account_view_free(struct account_view *v)
{
	buf_free(&v->raw);
}

int
account_view_message(struct catdb *d, struct kv_txn *x,
    const struct account_view *v, uint32_t uid, struct buf *raw,
    struct row_message *m)
{
	struct row_ref	 ref = { v->account.id, v->folder.id, uid };
	char		 key[12];
	int		 rc;

	rc = kv_get(d->messages, x, key_message(key, &ref), raw);
	return rc != 0 ? rc : row_message_get(span_of(raw), m);
}

int
account_words_join(struct buf *out, struct span a, struct span b,
    struct span less)
{
	struct span	 from[2] = { a, b }, f;

	buf_reset(out);
	for (int i = 0; i < 2; i++)
		while (from[i].p != NULL && str_field(&from[i], ' ', &f)) {
			if (f.len == 0 || flags_has(less, f) ||
			    (i == 1 && flags_has(a, f)))
				continue;
			if (out->len > 0)
				buf_addc(out, ' ');
			buf_add(out, f.p, f.len);
		}
	return out->err;
}

int
account_view_flag(struct catdb *d, struct kv_txn *x, struct account_view *v,
    uint32_t uid, struct row_message *m, const struct account_words *add,
    const struct account_words *del, struct buf *words)
{
	struct row_ref	 ref = { v->account.id, v->folder.id, uid };
	struct buf	 row;
	uint32_t	 was = m->flags;
	char		 key[12];
	int		 rc;

	if ((rc = account_words_join(words, m->keywords, add->keywords,
	    del->keywords)) != 0)
		return rc;
	m->flags = (was | add->flags) & ~del->flags;
	m->keywords = span_of(words);
	m->modseq = ++v->folder.modseq;
	if ((was ^ m->flags) & FLAG_SEEN)
		v->folder.unseen += was & FLAG_SEEN ? 1 : UINT32_MAX;
	v->folder_changed = true;
	buf_init(&row, ROW_MAX);
	if ((rc = row_message_put(&row, m)) == 0)
		rc = kv_put(d->messages, x, key_message(key, &ref),
		    span_of(&row));
	buf_free(&row);
	return rc;
}

int
account_view_expunge(struct catdb *d, struct kv_txn *x, struct account_view *v,
    uint32_t uid, const struct row_message *m)
{
	v->folder.modseq++;
	v->folder_changed = v->account_changed = true;
	return account_displace(d, x, &v->account, &v->folder, uid, m);
}
