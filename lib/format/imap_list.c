/*
 * LIST, LSUB, STATUS, SELECT and CREATE: RFC 3501 section 6.3, RFC 5258, 5819,
 * 6154, 7162.
 */
#include "format/imap_int.h"

/* --- STATUS --- */

static int
read_status_items(struct imap_in *in, unsigned *bits)
{
	static const char *const names[] = { "MESSAGES", "RECENT", "UIDNEXT",
		"UIDVALIDITY", "UNSEEN", "SIZE", "HIGHESTMODSEQ", "DELETED",
		"MAILBOXID", "APPENDLIMIT", "DELETED-STORAGE" };
	size_t		 i;
	int		 rc;

	if ((rc = imap_open(in)) != 0)
		return rc;
	for (unsigned n = 0; (rc = imap_more(in, n, 1)) > 0; n++) {
		if ((i = imap_find(imap_word(in), names, 11)) == 11)
			return imap_bad(in, "no such item of STATUS");
		*bits |= 1u << i;
	}
	return rc;
}

int
imap_args_status(struct imap_in *in)
{
	int	 rc;

	if ((rc = imap_blank(in)) != 0 ||
	    (rc = imap_astring(in, &in->cmd->name)) != 0 ||
	    (rc = imap_blank(in)) != 0)
		return rc;
	return read_status_items(in, &in->cmd->status);
}

/* --- LIST --- */

static int
read_selection(struct imap_in *in)
{
	static const char *const names[] = { "SUBSCRIBED", "REMOTE",
		"RECURSIVEMATCH", "SPECIAL-USE" };
	struct imap_command *c = in->cmd;
	bool		*const to[] = { &c->list.only_subscribed,
		&c->list.remote, &c->list.recursive_match,
		&c->list.only_special };
	size_t		 i;
	int		 rc;

	for (unsigned n = 0; (rc = imap_more(in, n, 0)) > 0; n++) {
		if ((i = imap_find(imap_word(in), names, 4)) == 4)
			return imap_bad(in, "no such selection of LIST");
		*to[i] = true;
	}
	if (rc == 0 && c->list.recursive_match && !c->list.only_subscribed &&
	    !c->list.only_special)
		return imap_bad(in, "RECURSIVEMATCH with nothing to match");
	return rc;
}

static int
read_returns(struct imap_in *in)
{
	static const char *const names[] = { "SUBSCRIBED", "CHILDREN",
		"SPECIAL-USE", "STATUS" };
	struct imap_command *c = in->cmd;
	bool		*const to[] = { &c->list.subscribed, &c->list.children,
		&c->list.special };
	size_t		 i;
	int		 rc;

	if (!imap_take_word(in, "RETURN"))
		return imap_bad(in, "something is too much");
	c->list.extended = true;
	if ((rc = imap_blank(in)) != 0 || (rc = imap_open(in)) != 0)
		return rc;
	for (unsigned n = 0; (rc = imap_more(in, n, 0)) > 0; n++) {
		if ((i = imap_find(imap_word(in), names, 4)) == 4)
			return imap_bad(in, "LIST cannot return this");
		if (i < 3) {
			*to[i] = true;
			continue;
		}
		if ((rc = imap_blank(in)) != 0 ||
		    (rc = read_status_items(in, &c->list.status)) != 0)
			return rc;
	}
	return rc;
}

static int
read_patterns(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	bool		 many = imap_take(in, '(');
	struct span	*w = NULL;
	int		 rc = 1;

	c->list.extended |= many;
	do {
		if (many && (rc = imap_more(in, c->list.npatterns, 1)) <= 0)
			return rc;
		w = imap_grow(in, w, c->list.npatterns, sizeof(*w));
		if (w == NULL)
			return imap_short(in);
		c->list.pattern = w;
		if ((rc = imap_pattern(in, &w[c->list.npatterns])) != 0)
			return rc;
		c->list.npatterns++;
	} while (many);
	return 0;
}

/* RFC 5258 section 6; a reference does not begin with "(". */
int
imap_args_list(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	int		 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	if (imap_take(in, '(')) {
		c->list.extended = true;
		if ((rc = read_selection(in)) != 0 ||
		    (rc = imap_blank(in)) != 0)
			return rc;
	}
	if ((rc = imap_astring(in, &c->name)) != 0 ||
	    (rc = imap_blank(in)) != 0 || (rc = read_patterns(in)) != 0)
		return rc;
	if (in->end - in->p > 1 && in->p[1] != ' ' && imap_take(in, ' '))
		return read_returns(in);
	return 0;
}

int
imap_args_lsub(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	struct span	*w = imap_alloc(in, sizeof(*w));
	int		 rc;

	if (w == NULL)
		return imap_short(in);
	if ((rc = imap_blank(in)) != 0 ||
	    (rc = imap_astring(in, &c->name)) != 0 ||
	    (rc = imap_blank(in)) != 0 || (rc = imap_pattern(in, w)) != 0)
		return rc;
	c->list.pattern = w;
	c->list.npatterns = 1;
	return 0;
}

/* --- SELECT --- */

/* What a client knows has no "*", and is no "$" (RFC 7162 section 7). */
static int
read_known(struct imap_in *in, struct imap_set *s)
{
	int	 rc;

	if ((rc = imap_read_set(in, s, IMAP_OF_NEITHER)) != 0)
		return rc;
	for (size_t i = 0; i < s->n; i++)
		if (s->r[i].from == 0 || s->r[i].to == 0)
			return imap_bad(in, "a * in what is known");
	if (s->saved)
		return imap_bad(in, "a $ in what is known");
	imap_set_resolve(s, 0);
	return 0;
}

/* "(1,2 11,12)": numbers and the UIDs that they had. */
static int
read_match(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	int		 rc;

	if ((rc = read_known(in, &c->select.match_seq)) != 0 ||
	    (rc = imap_blank(in)) != 0 ||
	    (rc = read_known(in, &c->select.match_uid)) != 0)
		return rc;
	return imap_take(in, ')') ? 0 : imap_bad(in, "a ) is missing");
}

static int
read_qresync(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	int		 rc;

	c->select.qresync = true;
	if ((rc = imap_blank(in)) != 0 || (rc = imap_open(in)) != 0 ||
	    (rc = imap_number_nz(in, &c->select.validity)) != 0 ||
	    (rc = imap_blank(in)) != 0 ||
	    (rc = imap_modseq(in, &c->select.modseq)) != 0)
		return rc;
	if (imap_take(in, ')'))
		return 0;
	if ((rc = imap_blank(in)) != 0)
		return rc;
	if (!imap_next(in, '(')) {
		if ((rc = read_known(in, &c->select.known)) != 0)
			return rc;
		if (imap_take(in, ')'))
			return 0;
		if ((rc = imap_blank(in)) != 0)
			return rc;
	}
	if ((rc = imap_open(in)) != 0 || (rc = read_match(in)) != 0)
		return rc;
	return imap_take(in, ')') ? 0 : imap_bad(in, "a ) is missing");
}

int
imap_args_select(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	int		 rc;

	if ((rc = imap_blank(in)) != 0 ||
	    (rc = imap_astring(in, &c->name)) != 0)
		return rc;
	if (!imap_take_list(in))
		return 0;
	for (unsigned n = 0; (rc = imap_more(in, n, 1)) > 0; n++) {
		if (imap_take_word(in, "CONDSTORE"))
			c->select.condstore = true;
		else if (!imap_take_word(in, "QRESYNC") || c->select.qresync)
			return imap_bad(in, "no such parameter of SELECT");
		else if ((rc = read_qresync(in)) != 0)
			return rc;
	}
	return rc;
}

/* --- CREATE --- */

static int
read_uses(struct imap_in *in)
{
	static const char *const names[] = { "All", "Archive", "Drafts",
		"Flagged", "Junk", "Sent", "Trash", "Important" };
	struct imap_command *c = in->cmd;
	struct span	 w;
	size_t		 i;
	int		 rc;

	if ((rc = imap_blank(in)) != 0 || (rc = imap_open(in)) != 0)
		return rc;
	for (unsigned n = 0; (rc = imap_more(in, n, 0)) > 0; n++) {
		if (!imap_take(in, '\\'))
			return imap_bad(in, "a \\ is missing");
		if ((rc = imap_atom(in, &w)) != 0)
			return rc;
		if ((i = imap_find(w, names, 8)) == 8)
			c->bad_use = true;
		else
			c->use |= 1u << i;
	}
	return rc;
}

/* RFC 6154 section 3. */
int
imap_args_create(struct imap_in *in)
{
	int	 rc;

	if ((rc = imap_blank(in)) != 0 ||
	    (rc = imap_astring(in, &in->cmd->name)) != 0)
		return rc;
	if (!imap_take_list(in))
		return 0;
	for (unsigned n = 0; (rc = imap_more(in, n, 1)) > 0; n++) {
		if (!imap_take_word(in, "USE"))
			return imap_bad(in, "no such parameter of CREATE");
		if ((rc = read_uses(in)) != 0)
			return rc;
	}
	return rc;
}
