/* Journal lines about folders, done again. */
#include <string.h>

#include "cluster/folder.h"
#include "cluster/replay_int.h"

#define NUMBERS_MAX	3

/* What a line is about: MAILBOX/FOLDER, its account, numbers behind it. */
struct folder_line {
	struct row_account a;
	struct span	 rest;		/* behind the first field */
	uint64_t	 v[NUMBERS_MAX];
};

/* Mailbox and folder; why is set when there is no such mailbox. */
static int
begin(struct redo *w, struct span line, struct folder_line *l)
{
	struct span	 entry;
	int		 rc;

	if (!str_field(&line, '\t', &entry) || entry_parse(entry.p, entry.len,
	    &w->mailbox, &w->folder, NULL) != 0 ||
	    w->folder.len > FOLDER_MAX)
		return CM_EDATA;
	l->rest = line;
	rc = replay_account(w, w->mailbox.p, replay_unknown_date(w), &l->a);
	if (rc == CM_ENOUSER) {
		w->why = "there is no such mailbox";
		return 0;
	}
	return rc;
}

static int
numbers(struct folder_line *l, int n)
{
	for (int i = 0; i < n; i++)
		if (l->rest.p == NULL ||
		    journal_take_number(&l->rest, &l->v[i]) != 0 ||
		    l->v[i] > UINT32_MAX)
			return CM_EDATA;
	return 0;
}

/* It gets the id that it had, if that is not given yet. */
static void
want_id(struct row_account *a, uint64_t id)
{
	if (id > a->next_folder)
		a->next_folder = (uint32_t)id;
}

/* folder-add MAILBOX/FOLDER ID UIDVALIDITY USE */
int
replay_folder_add(struct redo *w, struct span line)
{
	struct folder_line	 l;
	struct row_folder	 f;
	int			 rc;

	if ((rc = begin(w, line, &l)) != 0 || w->why != NULL)
		return rc;
	if (numbers(&l, 3) != 0)
		return CM_EDATA;
	rc = replay_get_folder(w, &l.a, &f);
	if (rc == CM_ENOINPUT) {
		want_id(&l.a, l.v[0]);
		rc = replay_make_folder(w, &l.a, (uint32_t)l.v[1], &f);
	}
	if (rc != 0)
		return rc;
	f.use = (uint32_t)l.v[2];
	return replay_put_folder(w, &l.a, &f);
}

/*
 * folder-del MAILBOX/FOLDER ...  What the journal told of messages that are not
 * listed yet names the folder by its id, and so they do not come back.
 */
int
replay_folder_del(struct redo *w, struct span line)
{
	struct folder_line	 l;
	struct row_folder	 f;
	int			 rc;

	if ((rc = begin(w, line, &l)) != 0 || w->why != NULL)
		return rc;
	if (strcmp(w->folder.p, "INBOX") == 0)
		return CM_EDATA;
	rc = folder_del(w->db, w->txn, w->mailbox.p, &l.a,
	    replay_span(&w->folder), &f);
	return rc == CM_ENOINPUT ? 0 : rc;
}

static int
note_rename(struct redo *w, const char *to)
{
	struct buf	*b = &w->renames;

	entry_write(b, w->mailbox.p, w->folder.p);
	buf_addc(b, '\t');
	entry_write(b, w->mailbox.p, to);
	/* what is below INBOX stays */
	return buf_adds(b, strcmp(w->folder.p, "INBOX") == 0 ? "\t-\n" :
	    "\n");
}

/* The entry becomes that of the name before, when it is of the folder of a
 * line of renames, or of one that was below it. */
static int
go_before(struct buf *entry, struct span line)
{
	struct span	 from, to;
	struct buf	 b;
	size_t		 n;
	int		 rc;

	if (!str_field(&line, '\t', &from) || !str_field(&line, '\t', &to))
		return 0;
	n = to.len;
	if (entry->len < n || memcmp(entry->p, to.p, n) != 0 ||
	    (entry->len > n && (entry->p[n] != '/' || line.p != NULL)))
		return 0;
	buf_init(&b, REPLAY_KEY_MAX);
	buf_add(&b, from.p, from.len);
	buf_add(&b, entry->p + n, entry->len - n);
	buf_reset(entry);
	if ((rc = b.err) == 0)
		rc = buf_add(entry, b.p, b.len);
	buf_free(&b);
	return rc;
}

/* Also where the rename could not be done: the folder was not there yet, and
 * its mail makes it. */
int
replay_name_before(struct redo *w, char name[FOLDER_MAX + 1])
{
	const char	*p = w->renames.p;
	struct buf	 entry, mailbox, folder;
	size_t		 at, end = w->renames.len;
	int		 rc;

	buf_init(&entry, REPLAY_KEY_MAX);
	buf_init(&mailbox, REPLAY_KEY_MAX);
	buf_init(&folder, REPLAY_KEY_MAX);
	rc = entry_write(&entry, w->mailbox.p, w->folder.p);
	for (; rc == 0 && end > 0; end = at) {
		for (at = end - 1; at > 0 && p[at - 1] != '\n'; at--)
			continue;
		rc = go_before(&entry, (struct span){ p + at,
		    end - 1 - at });
	}
	if (rc == 0)
		rc = entry_parse(entry.p, entry.len, &mailbox, &folder, NULL);
	if (rc == 0)
		rc = str_ncopy(name, FOLDER_MAX + 1, folder.p, folder.len);
	buf_free(&entry);
	buf_free(&mailbox);
	buf_free(&folder);
	return rc;
}

/* folder-rename MAILBOX/FOLDER TO ID UIDVALIDITY, those of a new INBOX */
int
replay_folder_rename(struct redo *w, struct span line)
{
	struct folder_line	 l;
	struct row_folder	 inbox;
	char			 to[FOLDER_MAX + 1];
	int			 rc;

	if ((rc = begin(w, line, &l)) != 0 || w->why != NULL)
		return rc;
	if (l.rest.p == NULL || journal_take(&l.rest, &w->f[0]) != 0 ||
	    folder_name(replay_text(&w->f[0]), w->f[0].len, to) != 0 ||
	    numbers(&l, 2) != 0)
		return CM_EDATA;
	if ((rc = note_rename(w, to)) != 0)
		return rc;
	want_id(&l.a, l.v[0]);
	return folder_rename(w->db, w->txn, w->mailbox.p, &l.a, w->folder.p,
	    to, (int64_t)l.v[1] * 1000, &inbox);
}

/* subscribe MAILBOX/FOLDER 1|0 */
int
replay_subscribe(struct redo *w, struct span line)
{
	struct folder_line	 l;
	int			 rc;

	if ((rc = begin(w, line, &l)) != 0 || w->why != NULL)
		return rc;
	return numbers(&l, 1) != 0 ? CM_EDATA : folder_subscribe(w->db,
	    w->txn, l.a.id, replay_span(&w->folder), l.v[0] != 0);
}
