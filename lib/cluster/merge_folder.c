/* Lines about folders of the loser of a split pair, done again. */
#include <string.h>

#include "cluster/change.h"
#include "cluster/folder.h"
#include "cluster/merge_int.h"

#define NO_MAILBOX	"there is no such mailbox"

/*
 * The account and the folder of a line, whose names go to w->mailbox and
 * w->folder; why is set when there is no such account.  *there: the folder.
 */
static int
find_folder(struct work *w, struct row_account *a, struct row_folder *f,
    bool *there)
{
	int	 rc;

	*there = false;
	if (entry_parse(w->entry.p, w->entry.len, &w->mailbox, &w->folder,
	    NULL) != 0 || w->folder.len > FOLDER_MAX)
		return CM_EPROTO;
	rc = account_get(w->db, w->txn, w->mailbox.p, &w->words, a);
	if (rc == CM_ENOUSER)
		w->why = NO_MAILBOX;
	if (rc != 0)
		return rc == CM_ENOUSER ? 0 : rc;
	rc = account_folder_get(w->db, w->txn, a->id, merge_span(&w->folder),
	    f);
	*there = rc == 0;
	return rc == CM_ENOINPUT ? 0 : rc;
}

struct given {
	struct work	*w;
	uint32_t	 validity;
	struct row_folder *f;
};

static int
match_given(void *arg, struct span key, struct span value)
{
	struct given		*g = arg;
	struct row_folder	 f;

	if (key.len < 4 || row_folder_get(value, &f) != 0)
		return CM_ECORRUPT;
	if (f.validity != g->validity)
		return 0;
	*g->f = f;
	buf_reset(&g->w->folder);
	return buf_add(&g->w->folder, key.p + 4, key.len - 4) == 0 ? 1 :
	    CM_ENOMEM;
}

/* No two folders of a mailbox have the same one. */
int
merge_find_given(struct work *w, uint32_t account, uint32_t validity,
    struct row_folder *f)
{
	struct given	 g = { w, validity, f };
	char		 key[4];
	int		 rc;

	rc = account_folder_get(w->db, w->txn, account,
	    merge_span(&w->folder), f);
	if (rc == 0 && f->validity <= validity)
		return 0;
	if (rc != 0 && rc != CM_ENOINPUT)
		return rc;
	/* this side may have renamed it, and made one of the name since */
	if ((rc = kv_walk(w->db->folders, w->txn, key_u32(key, account), 4,
	    match_given, &g)) != 0)
		return rc == 1 ? 0 : rc;
	return account_folder_get(w->db, w->txn, account,
	    merge_span(&w->folder), f);
}

static int
number(struct work *w, int field, uint64_t *v)
{
	return str_u64(w->f[field].p, w->f[field].len, UINT64_MAX, v) != 0 ?
	    CM_EPROTO : 0;
}

/* folder-add MAILBOX/FOLDER ID UIDVALIDITY USE */
int
merge_folder_add(struct work *w, struct span line)
{
	struct row_account	 a;
	struct row_folder	 f;
	uint64_t		 validity, use;
	bool			 there;
	int			 rc;

	(void)line;
	if (number(w, 2, &validity) != 0 || number(w, 3, &use) != 0 ||
	    validity > UINT32_MAX || use > UINT32_MAX)
		return CM_EPROTO;
	if ((rc = find_folder(w, &a, &f, &there)) != 0 || w->why != NULL)
		return rc;
	if (!there) {
		/* a reader may have seen it */
		rc = merge_raise_floor(w, (uint32_t)validity);
		return rc != 0 ? rc : change_folder_add(w->db, w->txn,
		    w->mailbox.p, w->folder.p, (uint32_t)use);
	}
	if (f.validity < validity && (rc = merge_new_validity(w, &a, &f,
	    (uint32_t)validity)) != 0)
		return rc;
	if (use == 0 || f.use == use)
		return 0;
	if (f.use == 0)
		return change_folder_use(w->db, w->txn, w->mailbox.p,
		    w->folder.p, (uint32_t)use);
	w->why = "it has another use here";
	return 0;
}

static bool
has_given(struct work *w, uint32_t account, uint64_t validity)
{
	struct row_folder	 f;
	struct given		 g = { w, (uint32_t)validity, &f };
	char			 key[4];

	return kv_walk(w->db->folders, w->txn, key_u32(key, account), 4,
	    match_given, &g) == 1;
}

/*
 * It is not here: nothing is left to do when this side deleted it.  When it got
 * another name, by itself or with one above it, it is a folder that somebody
 * wants, and the name is what was deleted.
 */
static void
del_missing(struct work *w, uint32_t account, uint64_t validity)
{
	struct touch	*t = merge_touch_folder(w, w->entry);

	if (w->known ? t == NULL || !t->deleted :
	    has_given(w, account, validity))
		w->why = "it is not here under that name";
}

/* folder-del MAILBOX/FOLDER UIDVALIDITY MESSAGES BYTES MODSEQ: when nothing
 * came to it here. */
int
merge_folder_del(struct work *w, struct span line)
{
	struct row_account	 a;
	struct row_folder	 f;
	struct touch		*t;
	uint64_t		 v[5];
	bool			 there;
	int			 rc;

	(void)line;
	for (int i = 1; i < 5; i++)
		if (number(w, i, &v[i]) != 0)
			return CM_EPROTO;
	if ((rc = find_folder(w, &a, &f, &there)) != 0 || w->why != NULL)
		return rc;
	if (!there) {
		del_missing(w, a.id, v[1]);
		return 0;
	}
	t = merge_touch_folder(w, w->entry);
	if (f.messages != v[2] || f.bytes != v[3])
		w->why = "it has other messages here";
	else if (w->known ? t != NULL && t->any : f.messages > 0 &&
	    (f.validity != v[1] || f.modseq != v[4]))
		w->why = "it was changed here";
	if (w->why != NULL || (rc = change_folder_del(w->db, w->txn,
	    w->mailbox.p, w->folder.p)) != 0)
		return rc;
	return merge_renamed(w, w->folder.p, NULL);
}

/*
 * The loser may have given UIDs in it under its new name, of which nobody here
 * knew what folder that is.
 */
static int
renew(struct work *w, const char *name)
{
	struct row_account	 a;
	struct row_folder	 f;
	int			 rc;

	buf_reset(&w->folder);
	if ((rc = buf_adds(&w->folder, name)) != 0 ||
	    (rc = account_get(w->db, w->txn, w->mailbox.p, &w->words,
	    &a)) != 0 || (rc = account_folder_get(w->db, w->txn, a.id,
	    merge_span(&w->folder), &f)) != 0)
		return rc;
	return merge_new_validity(w, &a, &f, f.validity);
}

static int
do_rename(struct work *w, const char *from, const char *to,
    const struct folder_rows *l)
{
	char	 name[FOLDER_MAX + 1];
	int	 rc;

	rc = change_folder_rename(w->db, w->txn, w->mailbox.p, from, to);
	switch (rc) {
	case 0:
		break;
	case CM_ENOINPUT:
		w->why = "there is no such folder";
		return 0;
	case CM_EEXIST:
		w->why = "a folder of that name is here";
		return 0;
	case CM_EUSAGE:
	case CM_ETOOBIG:
		w->why = "it cannot have that name here";
		return 0;
	default:
		return rc;
	}
	for (size_t i = 0; rc == 0 && i < l->n; i++)
		if ((rc = str_fmt(name, sizeof(name), "%s%s", to,
		    l->r[i].name + strlen(from))) == 0 &&
		    (rc = renew(w, name)) == 0)
			rc = merge_renamed(w, l->r[i].name, name);
	return rc;
}

/* folder-rename MAILBOX/FOLDER TO ID UIDVALIDITY, those of a new INBOX or 0 */
int
merge_folder_rename(struct work *w, struct span line)
{
	struct folder_rows	 l;
	struct row_account	 a;
	struct row_folder	 f;
	uint64_t		 validity;
	char			 from[FOLDER_MAX + 1], to[FOLDER_MAX + 1];
	bool			 there;
	int			 rc;

	(void)line;
	if (number(w, 3, &validity) != 0 || validity > UINT32_MAX ||
	    folder_name(w->f[1].p, w->f[1].len, to) != 0)
		return CM_EPROTO;
	if ((rc = find_folder(w, &a, &f, &there)) != 0 || w->why != NULL ||
	    (rc = str_copy(from, sizeof(from), w->folder.p)) != 0 ||
	    (validity != 0 &&
	    (rc = merge_raise_floor(w, (uint32_t)validity)) != 0))
		return rc;
	rc = folder_below(w->db, w->txn, a.id, from, &l);
	if (strcmp(from, "INBOX") == 0 && l.n > 1)
		l.n = 1;		/* what is below it stays */
	if (rc == 0)
		rc = do_rename(w, from, to, &l);
	folder_rows_free(&l);
	return rc;
}

void
merge_note_rename(struct work *w, struct span fields)
{
	struct buf	*b = &w->renames;
	char		 to[FOLDER_MAX + 1];
	struct span	 entry;
	size_t		 at = b->len;

	if (!str_field(&fields, '\t', &entry) || fields.p == NULL ||
	    entry_parse(entry.p, entry.len, &w->mailbox, &w->folder,
	    NULL) != 0 || journal_take(&fields, &w->f[0]) != 0 ||
	    folder_name(w->f[0].p, w->f[0].len, to) != 0)
		return;
	buf_add(b, entry.p, entry.len);
	buf_addc(b, '\t');
	entry_write(b, w->mailbox.p, to);
	if (buf_addc(b, '\n') != 0)
		b->len = at;
}

/* Is the key of that folder, or of what is below it? */
static bool
is_of(const struct buf *key, struct span entry)
{
	return key->len >= entry.len && memcmp(key->p, entry.p,
	    entry.len) == 0 && (key->len == entry.len ||
	    key->p[entry.len] == '/');
}

bool
merge_name_before(struct work *w, size_t *left, struct buf *key)
{
	const char	*p = w->renames.p;
	struct span	 from, to, rest;
	size_t		 at;

	while (*left > 0) {
		for (at = *left - 1; at > 0 && p[at - 1] != '\n'; at--)
			continue;
		to = (struct span){ p + at, *left - 1 - at };
		*left = at;
		if (!str_field(&to, '\t', &from) || !is_of(key, to))
			continue;
		rest = (struct span){ key->p + to.len, key->len - to.len };
		buf_reset(&w->words);
		buf_add(&w->words, from.p, from.len);
		buf_add(&w->words, rest.p, rest.len);
		buf_reset(key);
		return buf_add(key, w->words.p, w->words.len) == 0 &&
		    w->words.err == 0;
	}
	return false;
}

/* subscribe MAILBOX/FOLDER 1|0 */
int
merge_subscribe(struct work *w, struct span line)
{
	struct row_account	 a;
	struct row_folder	 f;
	uint64_t		 on;
	bool			 there;
	int			 rc;

	(void)line;
	if (number(w, 1, &on) != 0)
		return CM_EPROTO;
	if ((rc = find_folder(w, &a, &f, &there)) != 0 || w->why != NULL)
		return rc;
	return change_subscribe(w->db, w->txn, w->mailbox.p, w->folder.p,
	    on != 0);
}
