/* Mailboxes and their folders, in a dump. */
#include <stdlib.h>
#include <string.h>

#include "cluster/catcheck_int.h"
#include "format/imap.h"
#include "format/receipt.h"

#define ENTRY_MAX	8192
#define USE_ALL		(2 * IMAP_USE_IMPORTANT - 1)

static int
number(const struct span *f, uint64_t max, uint64_t *v)
{
	return str_u64(f->p, f->len, max, v) != 0 ? CM_EPROTO : 0;
}

void
check_box_end(struct check_box *b)
{
	if (b->name == NULL)
		return;
	if (b->messages != b->sum_messages || b->bytes != b->sum_bytes)
		buf_addf(&b->wrong, "%s: %llu messages with %llu bytes in its "
		    "folders, but its row says %llu with %llu\n", b->name,
		    (unsigned long long)b->sum_messages,
		    (unsigned long long)b->sum_bytes,
		    (unsigned long long)b->messages,
		    (unsigned long long)b->bytes);
	if (!b->inbox)
		buf_addf(&b->wrong, "%s: it has no INBOX\n", b->name);
	free(b->name);
	b->name = NULL;
}

static int
begin(struct check_box *b, const struct span f[])
{
	uint64_t	 next;

	check_box_end(b);
	if ((b->name = strndup(f[1].p, f[1].len)) == NULL)
		return CM_ENOMEM;
	b->sum_bytes = b->sum_messages = 0;
	b->n = 0;
	b->inbox = false;
	if (number(&f[3], UINT32_MAX, &next) != 0 ||
	    number(&f[6], UINT64_MAX, &b->bytes) != 0 ||
	    number(&f[7], UINT32_MAX, &b->messages) != 0)
		return CM_EPROTO;
	b->next_folder = (uint32_t)next;
	return 0;
}

/* A name as folder_name gives it, of this mailbox? */
static int
look_at_name(struct check_box *b, const struct span *entry)
{
	struct buf	 mailbox, folder;
	char		 name[FOLDER_MAX + 1];

	buf_init(&mailbox, ENTRY_MAX);
	buf_init(&folder, ENTRY_MAX);
	if (entry_parse(entry->p, entry->len, &mailbox, &folder, NULL) != 0 ||
	    folder_name(folder.p, folder.len, name) != 0 ||
	    strcmp(name, folder.p) != 0)
		buf_addf(&b->wrong, "%.*s: not a name of a folder\n",
		    (int)entry->len, entry->p);
	else if (strcmp(name, "INBOX") == 0)
		b->inbox = true;
	buf_free(&mailbox);
	buf_free(&folder);
	return b->wrong.err;
}

static int
note_id(struct check_box *b, const struct span *entry, uint32_t id)
{
	uint32_t	*ids;
	size_t		 cap = b->cap > 0 ? 2 * b->cap : 64;

	if (id == 0 || id >= b->next_folder)
		buf_addf(&b->wrong, "%.*s: its id is %u, but its mailbox's "
		    "next one %u\n", (int)entry->len, entry->p, id,
		    b->next_folder);
	for (size_t i = 0; i < b->n; i++)
		if (b->ids[i] == id)
			buf_addf(&b->wrong, "%.*s: another folder has its "
			    "id, %u\n", (int)entry->len, entry->p, id);
	if (b->n == b->cap) {
		if ((ids = reallocarray(b->ids, cap, sizeof(*ids))) == NULL)
			return CM_ENOMEM;
		b->ids = ids;
		b->cap = cap;
	}
	b->ids[b->n++] = id;
	return b->wrong.err;
}

static int
add_folder(struct check_box *b, const struct span f[], size_t n)
{
	uint64_t	 id, messages, bytes, use = 0;
	int		 rc;

	if (number(&f[2], UINT32_MAX, &id) != 0 ||
	    number(&f[6], UINT32_MAX, &messages) != 0 ||
	    number(&f[8], UINT64_MAX, &bytes) != 0 ||
	    (n > 9 && number(&f[9], UINT32_MAX, &use) != 0))
		return CM_EPROTO;
	b->sum_messages += messages;
	b->sum_bytes += bytes;
	if (use > USE_ALL)
		buf_addf(&b->wrong, "%.*s: its use is %llu\n",
		    (int)f[1].len, f[1].p, (unsigned long long)use);
	if ((rc = look_at_name(b, &f[1])) != 0)
		return rc;
	return note_id(b, &f[1], (uint32_t)id);
}

int
check_box_line(struct check_box *b, const struct span f[], size_t n)
{
	bool	 inbox = b->inbox;
	int	 rc;

	if (n >= 8 && span_is(f[0], "account"))
		return begin(b, f);
	if (n >= 9 && span_is(f[0], "folder"))
		return add_folder(b, f, n);
	if (n < 2 || !span_is(f[0], "subscribed"))
		return 0;
	rc = look_at_name(b, &f[1]);
	b->inbox = inbox;
	return rc;
}

void
check_box_free(struct check_box *b)
{
	free(b->name);
	free(b->ids);
	buf_free(&b->wrong);
}
