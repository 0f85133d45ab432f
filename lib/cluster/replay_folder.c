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
