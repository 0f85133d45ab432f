/*
 * APPEND: RFC 3501 section 6.3.11, several messages (RFC 3502), of pieces (RFC
 * 4469), with bytes over 127 in the header (RFC 6855).
 */
#include "format/imap_int.h"
#include "format/imap_text.h"

/* "UTF8 (~{12}...)"; UTF8 was read. */
static int
read_utf8(struct imap_in *in, struct span *out)
{
	bool	 binary;
	int	 rc;

	if ((rc = imap_blank(in)) != 0 || (rc = imap_open(in)) != 0 ||
	    (rc = imap_bytes(in, out, &binary)) != 0)
		return rc;
	if (!binary)
		return imap_bad(in, "UTF8 wants ~{...}");
	return imap_take(in, ')') ? 0 : imap_bad(in, "a ) is missing");
}

static int
read_part(struct imap_in *in, struct imap_append *a, struct imap_part *p)
{
	bool	 binary;
	int	 rc;

	if (imap_take_word(in, "UTF8")) {
		a->utf8 = true;
		return read_utf8(in, &p->text);
	}
	if (imap_take_word(in, "URL"))
		p->url = true;
	else if (!imap_take_word(in, "TEXT"))
		return imap_bad(in, "no such part of CATENATE");
	if ((rc = imap_blank(in)) != 0)
		return rc;
	return p->url ? imap_astring(in, &p->text) :
	    imap_bytes(in, &p->text, &binary);
}

static int
read_catenate(struct imap_in *in, struct imap_append *a)
{
	struct imap_part *p = NULL;
	int		 rc;

	a->catenate = true;
	if ((rc = imap_blank(in)) != 0 || (rc = imap_open(in)) != 0)
		return rc;
	while ((rc = imap_more(in, a->nparts, 1)) > 0) {
		p = imap_grow(in, p, a->nparts, sizeof(*p));
		if (p == NULL)
			return imap_short(in);
		a->part = p;
		if ((rc = read_part(in, a, &p[a->nparts])) != 0)
			return rc;
		a->nparts++;
	}
	return rc;
}

static int
read_date(struct imap_in *in, struct imap_append *a)
{
	struct span	 s;
	int		 rc;

	if ((rc = imap_quoted(in, &s)) != 0)
		return rc;
	if (imap_date_time_parse(s, &a->time_ms) != 0)
		return imap_bad(in, "not a date and time");
	a->has_date = true;
	return imap_blank(in);
}

static int
read_message(struct imap_in *in, struct imap_append *a)
{
	bool	 binary;
	int	 rc;

	if (imap_next(in, '(') && ((rc = imap_flag_list(in, &a->flags)) != 0 ||
	    (rc = imap_blank(in)) != 0))
		return rc;
	if (imap_next(in, '"') && (rc = read_date(in, a)) != 0)
		return rc;
	if (imap_take_word(in, "CATENATE"))
		return read_catenate(in, a);
	if (imap_take_word(in, "UTF8")) {
		a->utf8 = true;
		return read_utf8(in, &a->msg);
	}
	return imap_bytes(in, &a->msg, &binary);
}

int
imap_args_append(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	struct imap_append *a = NULL;
	int		 rc;

	if ((rc = imap_blank(in)) != 0 ||
	    (rc = imap_astring(in, &c->name)) != 0)
		return rc;
	do {
		if (c->nappend == IMAP_ITEMS_MAX)
			return imap_big(in, "too many messages");
		if ((rc = imap_blank(in)) != 0)
			return rc;
		a = imap_grow(in, a, c->nappend, sizeof(*a));
		if (a == NULL)
			return imap_short(in);
		c->append = a;
		if ((rc = read_message(in, &a[c->nappend])) != 0)
			return rc;
		c->nappend++;
	} while (imap_next(in, ' ') && in->end - in->p > 1);
	return 0;
}
