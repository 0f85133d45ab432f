/* Journal lines about mailboxes and aliases, done again. */
#include <string.h>

#include "cluster/change.h"
#include "cluster/replay_int.h"

static int
is_deleted(struct redo *w, const char *mailbox, bool *deleted)
{
	int	 rc;

	rc = kv_get(w->db->deleted, w->txn, (struct span){ mailbox,
	    strlen(mailbox) }, &w->words);
	*deleted = rc == 0;
	return rc == CM_ENOINPUT ? 0 : rc;
}

/*
 * The mailbox of a line.  One that is not there was made by mail; or it was
 * there before the journal begins, and when is not known: 0, until the end.
 * CM_ENOUSER.
 */
int
replay_account(struct redo *w, const char *name, int64_t created,
    struct row_account *a)
{
	bool	 deleted;
	int	 rc;

	rc = account_get(w->db, w->txn, name, &w->raw, a);
	if (rc != CM_ENOUSER || created < 0)
		return rc;
	if ((rc = is_deleted(w, name, &deleted)) != 0 || deleted)
		return rc != 0 ? rc : CM_ENOUSER;
	rc = account_add(w->db, w->txn, name, (struct span){ "", 0 },
	    created);
	if (rc != 0)
		return rc == CM_EEXIST ? CM_ENOUSER : rc;
	return account_get(w->db, w->txn, name, &w->raw, a);
}

int64_t
replay_unknown_date(const struct redo *w)
{
	return w->r->scratch ? 0 : -1;
}

/* It gets the id that it had, if that is not given yet. */
static int
want_id(struct redo *w, uint64_t id)
{
	uint64_t	 next;
	int		 rc;

	rc = catdb_number(w->db, w->txn, "next_account", &next);
	if (rc != 0 || id <= next)
		return rc;
	return catdb_set_number(w->db, w->txn, "next_account", id);
}

/* user-add MAILBOX VERIFIER ID CREATED */
int
replay_user_add(struct redo *w, struct span line)
{
	struct row_account	 a;
	uint64_t		 id, created;
	int			 rc;

	(void)line;
	if (replay_number(&w->f[2], UINT32_MAX, &id) != 0 ||
	    replay_number(&w->f[3], INT64_MAX, &created) != 0)
		return CM_EDATA;
	if ((rc = want_id(w, id)) != 0)
		return rc;
	rc = account_add(w->db, w->txn, replay_text(&w->f[0]),
	    replay_span(&w->f[1]), (int64_t)created);
	if (rc != CM_EEXIST)
		return rc;
	rc = account_get(w->db, w->txn, replay_text(&w->f[0]), &w->raw, &a);
	if (rc == CM_ENOUSER) {
		w->why = "an alias has that name";
		return 0;
	}
	if (rc != 0 || w->f[1].len == 0)
		return rc;
	return change_user_set(w->db, w->txn, replay_text(&w->f[0]), "password",
	    replay_text(&w->f[1]));
}

/* user-set MAILBOX WHAT BEFORE VALUE */
int
replay_user_set(struct redo *w, struct span line)
{
	struct row_account	 a;
	int			 rc;

	(void)line;
	rc = replay_account(w, replay_text(&w->f[0]),
	    replay_unknown_date(w), &a);
	if (rc == CM_ENOUSER) {
		w->why = "there is no such mailbox";
		return 0;
	}
	return rc != 0 ? rc : change_user_set(w->db, w->txn,
	    replay_text(&w->f[0]), replay_text(&w->f[1]),
	    replay_text(&w->f[3]));
}

/* user-del MAILBOX MESSAGES BYTES ID */
int
replay_user_del(struct redo *w, struct span line)
{
	struct span	 name = replay_span(&w->f[0]);
	int		 rc;

	(void)line;
	rc = change_user_del(w->db, w->txn, name.p);
	if (rc != CM_ENOUSER)
		return rc;
	/* mail for it must not make it again */
	return w->r->scratch ? kv_put(w->db->deleted, w->txn, name,
	    (struct span){ "1", 1 }) : 0;
}

/* alias NAME BEFORE TARGETS */
int
replay_alias(struct redo *w, struct span line)
{
	int	 rc;

	(void)line;
	rc = change_alias(w->db, w->txn, replay_text(&w->f[0]),
	    replay_span(&w->f[2]));
	if (rc == CM_EEXIST)
		w->why = "a mailbox has that name";
	return rc == CM_EEXIST || rc == CM_ENOUSER ? 0 : rc;
}
