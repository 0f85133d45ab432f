/*
 * What SEARCH, SORT and THREAD have before their keys: RFC 3501 section 6.4.4,
 * RFC 4731, 5182, 5256, 5267.
 */
#include "format/imap_int.h"

static int
read_returns(struct imap_in *in)
{
	static const char *const names[] = { "MIN", "MAX", "ALL", "COUNT",
		"SAVE" };
	struct imap_command *c = in->cmd;
	bool		*const to[] = { &c->search.min, &c->search.max,
		&c->search.all, &c->search.count, &c->search.save };
	unsigned	 n;
	size_t		 i;
	int		 rc;

	c->search.has_return = true;
	if ((rc = imap_blank(in)) != 0 || (rc = imap_open(in)) != 0)
		return rc;
	for (n = 0; (rc = imap_more(in, n, 0)) > 0; n++) {
		if ((i = imap_find(imap_word(in), names, 5)) == 5)
			return imap_bad(in, "SEARCH cannot return this");
		*to[i] = true;
	}
	/* RFC 4731 section 3.1 */
	if (n == 0)
		c->search.all = true;
	return rc;
}

/* A blank and a word, when this word is next. */
static bool
take_option(struct imap_in *in, const char *name)
{
	struct imap_in	 save = *in;

	if (imap_take(in, ' ') && imap_take_word(in, name))
		return true;
	*in = save;
	return false;
}

static int
read_charset(struct imap_in *in)
{
	int	 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	return imap_astring(in, &in->cmd->search.charset);
}

static int
read_criteria(struct imap_in *in)
{
	static const char *const names[] = { "ARRIVAL", "CC", "DATE", "FROM",
		"SIZE", "SUBJECT", "TO" };
	struct imap_command *c = in->cmd;
	struct imap_sort_key *k = NULL;
	bool		 reverse;
	size_t		 i;
	int		 rc;

	if ((rc = imap_blank(in)) != 0 || (rc = imap_open(in)) != 0)
		return rc;
	while ((rc = imap_more(in, c->search.nsort, 1)) > 0) {
		k = imap_grow(in, k, c->search.nsort, sizeof(*k));
		if (k == NULL)
			return imap_short(in);
		c->search.sort = k;
		reverse = imap_take_word(in, "REVERSE");
		if (reverse && (rc = imap_blank(in)) != 0)
			return rc;
		if ((i = imap_find(imap_word(in), names, 7)) == 7)
			return imap_bad(in, "SORT has no such key");
		k[c->search.nsort++] = (struct imap_sort_key){
		    (enum imap_sort)i, reverse };
	}
	return rc;
}

static int
read_algorithm(struct imap_in *in)
{
	static const char *const names[] = { "REFERENCES", "ORDEREDSUBJECT" };
	size_t		 i;
	int		 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	if ((i = imap_find(imap_word(in), names, 2)) == 2)
		return imap_bad(in, "THREAD has no such algorithm");
	in->cmd->search.thread = i == 0 ? IMAP_REFERENCES :
	    IMAP_ORDEREDSUBJECT;
	return 0;
}

int
imap_args_search(struct imap_in *in)
{
	enum imap_verb	 v = in->cmd->verb;
	int		 rc = 0;

	if (v != IMAP_THREAD && take_option(in, "RETURN"))
		rc = read_returns(in);
	if (rc == 0 && v == IMAP_SORT)
		rc = read_criteria(in);
	if (rc == 0 && v == IMAP_THREAD)
		rc = read_algorithm(in);
	if (rc == 0 && (v != IMAP_SEARCH || take_option(in, "CHARSET")))
		rc = read_charset(in);
	return rc != 0 ? rc : imap_search_keys(in);
}
