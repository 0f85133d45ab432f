/* Flags, and STORE: RFC 3501 section 6.4.6, RFC 7162 section 3.1.3. */
#include <string.h>

#include "format/imap_int.h"

struct words {
	struct span	*w;
	unsigned	 n;
};

static bool
is_same(struct span a, struct span b)
{
	size_t	 i = 0;

	while (i < a.len && i < b.len && str_lower(a.p[i]) == str_lower(b.p[i]))
		i++;
	return i == a.len && i == b.len;
}

/* Clients differ in case, RFC 3501 leaves it open: one spelling is enough. */
static bool
is_known(const struct words *k, struct span w)
{
	for (unsigned i = 0; i < k->n; i++)
		if (is_same(k->w[i], w))
			return true;
	return false;
}

static int
read_keyword(struct imap_in *in, struct words *k)
{
	struct span	 w;
	int		 rc;

	if ((rc = imap_atom(in, &w)) != 0 || is_known(k, w))
		return rc;
	if ((k->w = imap_grow(in, k->w, k->n, sizeof(*k->w))) == NULL)
		return imap_short(in);
	k->w[k->n++] = w;
	return 0;
}

static int
read_flag(struct imap_in *in, struct imap_flags *f, struct words *k)
{
	static const char *const names[] = { "Seen", "Answered", "Flagged",
		"Deleted", "Draft", "Recent" };
	static const enum imap_flag bits[] = { IMAP_SEEN, IMAP_ANSWERED,
		IMAP_FLAGGED, IMAP_DELETED, IMAP_DRAFT };
	struct span	 w;
	size_t		 i;
	int		 rc;

	if (!imap_take(in, '\\'))
		return read_keyword(in, k);
	if ((rc = imap_atom(in, &w)) != 0)
		return rc;
	if ((i = imap_find(w, names, 6)) == 6)
		return imap_bad(in, "no such flag");
	if (i < 5)
		f->bits |= bits[i];
	return 0;
}

static int
join(struct imap_in *in, const struct words *k, struct span *out)
{
	size_t	 n = 0;
	char	*p;

	for (unsigned i = 0; i < k->n; i++)
		n += k->w[i].len + 1;
	if (n == 0)
		return 0;
	if ((p = imap_alloc(in, n)) == NULL)
		return imap_short(in);
	*out = (struct span){ p, n - 1 };
	for (unsigned i = 0; i < k->n; i++) {
		if (i > 0)
			*p++ = ' ';
		memcpy(p, k->w[i].p, k->w[i].len);
		p += k->w[i].len;
	}
	return 0;
}

int
imap_flag_list(struct imap_in *in, struct imap_flags *f)
{
	struct words	 k = { 0 };
	int		 rc;

	if ((rc = imap_open(in)) != 0)
		return rc;
	for (unsigned n = 0; (rc = imap_more(in, n, 0)) > 0; n++)
		if ((rc = read_flag(in, f, &k)) != 0)
			return rc;
	return rc != 0 ? rc : join(in, &k, &f->keywords);
}

/* The same without parentheses, to the end of the command. */
static int
read_flags(struct imap_in *in, struct imap_flags *f)
{
	struct words	 k = { 0 };
	unsigned	 n = 0;
	int		 rc;

	do {
		if (n++ == IMAP_ITEMS_MAX)
			return imap_big(in, "a list is too long");
		if ((rc = read_flag(in, f, &k)) != 0)
			return rc;
	} while (in->end - in->p > 1 && in->p[1] != ' ' && imap_take(in, ' '));
	return join(in, &k, &f->keywords);
}

static int
read_how(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	struct span	 w;

	if (imap_take(in, '+'))
		c->store.how = IMAP_ADD;
	else if (imap_take(in, '-'))
		c->store.how = IMAP_REMOVE;
	w = imap_word(in);
	c->store.silent = str_ieq(w.p, w.len, "FLAGS.SILENT");
	return c->store.silent || str_ieq(w.p, w.len, "FLAGS") ? 0 :
	    imap_bad(in, "STORE has FLAGS alone");
}

static int
read_modifiers(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	int		 rc;

	for (unsigned n = 0; (rc = imap_more(in, n, 1)) > 0; n++) {
		if (!imap_take_word(in, "UNCHANGEDSINCE"))
			return imap_bad(in, "no such modifier of STORE");
		c->store.has_since = true;
		if ((rc = imap_blank(in)) != 0 || (rc = imap_modseq(in,
		    &c->store.unchanged_since)) != 0)
			return rc;
	}
	return rc != 0 ? rc : imap_blank(in);
}

int
imap_args_store(struct imap_in *in)
{
	struct imap_flags *f = &in->cmd->store.flags;
	int		 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	rc = imap_read_set(in, &in->cmd->set, IMAP_OF_NEITHER);
	if (rc != 0 || (rc = imap_blank(in)) != 0)
		return rc;
	if (imap_take(in, '(') && (rc = read_modifiers(in)) != 0)
		return rc;
	if ((rc = read_how(in)) != 0 || (rc = imap_blank(in)) != 0)
		return rc;
	return imap_next(in, '(') ? imap_flag_list(in, f) : read_flags(in, f);
}
