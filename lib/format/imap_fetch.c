/* FETCH: RFC 3501 section 6.4.5, and what extensions add to it. */
#include "format/imap_int.h"

struct item_name {
	const char	*name;
	enum imap_what	 what;
};

/* BODY, BINARY and BINARY.SIZE with a section are seen to elsewhere. */
static const struct item_name simple[] = {
	{ "FLAGS", IMAP_GET_FLAGS }, { "UID", IMAP_GET_UID },
	{ "INTERNALDATE", IMAP_GET_INTERNALDATE },
	{ "RFC822.SIZE", IMAP_GET_SIZE }, { "ENVELOPE", IMAP_GET_ENVELOPE },
	{ "BODY", IMAP_GET_BODY }, { "BODYSTRUCTURE", IMAP_GET_BODYSTRUCTURE },
	{ "RFC822", IMAP_GET_RFC822 },
	{ "RFC822.HEADER", IMAP_GET_RFC822_HEADER },
	{ "RFC822.TEXT", IMAP_GET_RFC822_TEXT },
	{ "MODSEQ", IMAP_GET_MODSEQ }, { "EMAILID", IMAP_GET_EMAILID },
	{ "THREADID", IMAP_GET_THREADID }, { "PREVIEW", IMAP_GET_PREVIEW },
	{ "SAVEDATE", IMAP_GET_SAVEDATE }
};
#define NSIMPLE (sizeof(simple) / sizeof(*simple))

/* The macros; each has one more than the one before it. */
static const enum imap_what macro[] = { IMAP_GET_FLAGS,
	IMAP_GET_INTERNALDATE, IMAP_GET_SIZE, IMAP_GET_ENVELOPE,
	IMAP_GET_BODY };

/* --- BODY[...] --- */

static int
read_fields(struct imap_in *in, struct imap_section *s)
{
	struct span	*field = NULL;
	int		 rc;

	if ((rc = imap_blank(in)) != 0 || (rc = imap_open(in)) != 0)
		return rc;
	while ((rc = imap_more(in, s->nfields, 1)) > 0) {
		field = imap_grow(in, field, s->nfields, sizeof(*field));
		if (field == NULL)
			return imap_short(in);
		s->field = field;
		if ((rc = imap_astring(in, &field[s->nfields])) != 0)
			return rc;
		s->nfields++;
	}
	return rc;
}

static int
read_text(struct imap_in *in, struct imap_section *s)
{
	static const char *const names[] = { "HEADER", "HEADER.FIELDS",
		"HEADER.FIELDS.NOT", "TEXT", "MIME" };
	size_t		 i = imap_find(imap_word(in), names, 5);

	if (i == 5 || (i == 4 && s->nparts == 0))
		return imap_bad(in, "no such section");
	s->what = IMAP_HEADER + (unsigned)i;
	return i == 1 || i == 2 ? read_fields(in, s) : 0;
}

/* "1.2", or "1.2." before a word. */
static int
read_parts(struct imap_in *in, struct imap_section *s)
{
	uint32_t	*part = NULL;
	int		 rc;

	while (in->p < in->end && *in->p >= '0' && *in->p <= '9') {
		if (s->nparts == IMAP_DEPTH_MAX)
			return imap_big(in, "a section is too deep");
		part = imap_grow(in, part, s->nparts, sizeof(*part));
		if (part == NULL)
			return imap_short(in);
		s->part = part;
		if ((rc = imap_number_nz(in, &part[s->nparts])) != 0)
			return rc;
		s->nparts++;
		if (!imap_take(in, '.'))
			return 0;
		if (imap_next(in, ']'))
			return imap_bad(in, "no such section");
	}
	return 0;
}

static int
read_section(struct imap_in *in, struct imap_section *s)
{
	int	 rc;

	if (!imap_take(in, '['))
		return imap_bad(in, "a [ is missing");
	if ((rc = read_parts(in, s)) != 0)
		return rc;
	/* a number ends before "]", or after its "." */
	if (!imap_next(in, ']') && s->nparts > 0 && in->p[-1] != '.')
		return imap_bad(in, "no such section");
	if (!imap_next(in, ']') && (rc = read_text(in, s)) != 0)
		return rc;
	return imap_take(in, ']') ? 0 : imap_bad(in, "a ] is missing");
}

static int
read_partial(struct imap_in *in, struct imap_item *it)
{
	uint64_t	 v;
	int		 rc;

	if (!imap_take(in, '<'))
		return 0;
	it->partial = true;
	if ((rc = imap_number(in, UINT32_MAX, &v)) != 0)
		return rc;
	it->offset = (uint32_t)v;
	if (!imap_take(in, '.'))
		return imap_bad(in, "a . is missing");
	if ((rc = imap_number_nz(in, &it->count)) != 0)
		return rc;
	return imap_take(in, '>') ? 0 : imap_bad(in, "a > is missing");
}

/* --- items --- */

static int
with_section(struct imap_in *in, struct span name, struct imap_item *it)
{
	static const char *const names[] = { "BODY", "BODY.PEEK", "BINARY",
		"BINARY.PEEK", "BINARY.SIZE" };
	static const enum imap_what what[] = { IMAP_GET_SECTION,
		IMAP_GET_SECTION, IMAP_GET_BINARY, IMAP_GET_BINARY,
		IMAP_GET_BINARY_SIZE };
	size_t		 i = imap_find(name, names, 5);
	int		 rc;

	if (i == 5)
		return imap_bad(in, "no such item");
	it->what = what[i];
	it->peek = i == 1 || i == 3;
	if ((rc = read_section(in, &it->section)) != 0)
		return rc;
	if (i >= 2 && it->section.what != IMAP_WHOLE)
		return imap_bad(in, "BINARY has parts' numbers alone");
	return i == 4 ? 0 : read_partial(in, it);
}

/*
 * RFC 8970: "PREVIEW (LAZY)".  Without parentheses around the items it may be
 * a list of FETCH's modifiers that follows.
 */
static void
read_lazy(struct imap_in *in, struct imap_item *it)
{
	struct imap_in	 save = *in;

	if (imap_take_list(in) && imap_take_word(in, "LAZY") &&
	    imap_take(in, ')'))
		it->lazy = true;
	else
		*in = save;
}

static int
read_item(struct imap_in *in, struct imap_item *it)
{
	struct span	 w = imap_word(in);

	if (imap_next(in, '['))
		return with_section(in, w, it);
	for (size_t i = 0; i < NSIMPLE; i++)
		if (str_ieq(w.p, w.len, simple[i].name)) {
			it->what = simple[i].what;
			if (it->what == IMAP_GET_PREVIEW)
				read_lazy(in, it);
			return 0;
		}
	return imap_bad(in, "no such item");
}

/* FAST, ALL and FULL: false when it is none of them. */
static bool
read_macro(struct imap_in *in, unsigned *n)
{
	if (imap_take_word(in, "FAST"))
		*n = 3;
	else if (imap_take_word(in, "ALL"))
		*n = 4;
	else if (imap_take_word(in, "FULL"))
		*n = 5;
	else
		return false;
	return true;
}

int
imap_fetch_items(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	struct imap_item *it = NULL;
	int		 rc;

	while ((rc = imap_more(in, c->fetch.n, 1)) > 0) {
		it = imap_grow(in, it, c->fetch.n, sizeof(*it));
		if (it == NULL)
			return imap_short(in);
		c->fetch.item = it;
		if ((rc = read_item(in, &it[c->fetch.n])) != 0)
			return rc;
		c->fetch.n++;
	}
	return rc;
}

static int
read_one(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	struct imap_item *it;
	unsigned	 n = 0;
	bool		 is_macro = read_macro(in, &n);
	int		 rc;

	it = imap_alloc(in, (is_macro ? n : 1) * sizeof(*it));
	if (it == NULL)
		return imap_short(in);
	if (!is_macro && (rc = read_item(in, it)) != 0)
		return rc;
	for (unsigned i = 0; i < n; i++)
		it[i].what = macro[i];
	c->fetch.item = it;
	c->fetch.n = is_macro ? n : 1;
	return 0;
}

/* --- modifiers: RFC 7162 --- */

static int
read_modifier(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	int		 rc;

	if (imap_take_word(in, "VANISHED")) {
		c->fetch.vanished = true;
		return 0;
	}
	if (!imap_take_word(in, "CHANGEDSINCE"))
		return imap_bad(in, "no such modifier of FETCH");
	c->fetch.has_since = true;
	if ((rc = imap_blank(in)) != 0)
		return rc;
	return imap_modseq(in, &c->fetch.changed_since);
}

static int
read_modifiers(struct imap_in *in)
{
	int	 rc;

	if (!imap_take_list(in))
		return 0;
	for (unsigned n = 0; (rc = imap_more(in, n, 1)) > 0; n++)
		if ((rc = read_modifier(in)) != 0)
			return rc;
	if (rc == 0 && in->cmd->fetch.vanished &&
	    (!in->cmd->uid || !in->cmd->fetch.has_since))
		return imap_bad(in, "VANISHED is for UID FETCH with "
		    "CHANGEDSINCE");
	return rc;
}

int
imap_args_fetch(struct imap_in *in)
{
	int	 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	rc = imap_read_set(in, &in->cmd->set, IMAP_OF_NEITHER);
	if (rc != 0 || (rc = imap_blank(in)) != 0)
		return rc;
	rc = imap_take(in, '(') ? imap_fetch_items(in) : read_one(in);
	return rc != 0 ? rc : read_modifiers(in);
}
