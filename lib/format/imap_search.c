/* SEARCH's keys: RFC 3501 section 6.4.4, RFC 5032, 7162, 8474, 8514. */
#include "format/imap_int.h"
#include "format/imap_text.h"

/* What comes after a key's name. */
enum arg { NONE, FLAG, NOT_FLAG, KEYWORD, NOT_KEYWORD, TEXT, FIELD, DAY,
	BYTES, SECONDS, UIDS, MODSEQ, ID, ONE, TWO };

/*
 * No folder has recent messages: of two sessions that look at one, none could
 * say which has seen them first.  So OLD is ALL, and NEW is nothing, too.
 */
static const struct key_name {
	const char	*name;
	enum imap_key	 key;
	enum arg	 arg;
	enum imap_flag	 bit;
} keys[] = {
	{ "ALL", IMAP_KEY_ALL, NONE, 0 },
	{ "ANSWERED", IMAP_KEY_FLAG, FLAG, IMAP_ANSWERED },
	{ "BCC", IMAP_KEY_BCC, TEXT, 0 },
	{ "BEFORE", IMAP_KEY_BEFORE, DAY, 0 },
	{ "BODY", IMAP_KEY_BODY, TEXT, 0 },
	{ "CC", IMAP_KEY_CC, TEXT, 0 },
	{ "DELETED", IMAP_KEY_FLAG, FLAG, IMAP_DELETED },
	{ "DRAFT", IMAP_KEY_FLAG, FLAG, IMAP_DRAFT },
	{ "EMAILID", IMAP_KEY_EMAILID, ID, 0 },
	{ "FLAGGED", IMAP_KEY_FLAG, FLAG, IMAP_FLAGGED },
	{ "FROM", IMAP_KEY_FROM, TEXT, 0 },
	{ "HEADER", IMAP_KEY_HEADER, FIELD, 0 },
	{ "KEYWORD", IMAP_KEY_KEYWORD, KEYWORD, 0 },
	{ "LARGER", IMAP_KEY_LARGER, BYTES, 0 },
	{ "MODSEQ", IMAP_KEY_MODSEQ, MODSEQ, 0 },
	{ "NEW", IMAP_KEY_NONE, NONE, 0 },
	{ "NOT", IMAP_KEY_NOT, ONE, 0 },
	{ "OLD", IMAP_KEY_ALL, NONE, 0 },
	{ "OLDER", IMAP_KEY_OLDER, SECONDS, 0 },
	{ "ON", IMAP_KEY_ON, DAY, 0 },
	{ "OR", IMAP_KEY_OR, TWO, 0 },
	{ "RECENT", IMAP_KEY_NONE, NONE, 0 },
	{ "SAVEDATESUPPORTED", IMAP_KEY_SAVEDATESUPPORTED, NONE, 0 },
	{ "SAVEDBEFORE", IMAP_KEY_SAVEDBEFORE, DAY, 0 },
	{ "SAVEDON", IMAP_KEY_SAVEDON, DAY, 0 },
	{ "SAVEDSINCE", IMAP_KEY_SAVEDSINCE, DAY, 0 },
	{ "SEEN", IMAP_KEY_FLAG, FLAG, IMAP_SEEN },
	{ "SENTBEFORE", IMAP_KEY_SENTBEFORE, DAY, 0 },
	{ "SENTON", IMAP_KEY_SENTON, DAY, 0 },
	{ "SENTSINCE", IMAP_KEY_SENTSINCE, DAY, 0 },
	{ "SINCE", IMAP_KEY_SINCE, DAY, 0 },
	{ "SMALLER", IMAP_KEY_SMALLER, BYTES, 0 },
	{ "SUBJECT", IMAP_KEY_SUBJECT, TEXT, 0 },
	{ "TEXT", IMAP_KEY_TEXT, TEXT, 0 },
	{ "THREADID", IMAP_KEY_THREADID, ID, 0 },
	{ "TO", IMAP_KEY_TO, TEXT, 0 },
	{ "UID", IMAP_KEY_UID, UIDS, 0 },
	{ "UNANSWERED", IMAP_KEY_FLAG, NOT_FLAG, IMAP_ANSWERED },
	{ "UNDELETED", IMAP_KEY_FLAG, NOT_FLAG, IMAP_DELETED },
	{ "UNDRAFT", IMAP_KEY_FLAG, NOT_FLAG, IMAP_DRAFT },
	{ "UNFLAGGED", IMAP_KEY_FLAG, NOT_FLAG, IMAP_FLAGGED },
	{ "UNKEYWORD", IMAP_KEY_KEYWORD, NOT_KEYWORD, 0 },
	{ "UNSEEN", IMAP_KEY_FLAG, NOT_FLAG, IMAP_SEEN },
	{ "YOUNGER", IMAP_KEY_YOUNGER, SECONDS, 0 }
};
#define NKEYS (sizeof(keys) / sizeof(*keys))

/* A tree that is being read. */
struct reading {
	struct imap_in	*in;
	unsigned	 keys;
};

static int	 read_key(struct reading *, unsigned, struct imap_search **);

static struct imap_search *
new_key(struct reading *r, enum imap_key key, int *rc)
{
	struct imap_search *s = NULL;

	*rc = 0;
	if (r->keys++ == IMAP_KEYS_MAX)
		*rc = imap_big(r->in, "too many keys");
	else if ((s = imap_alloc(r->in, sizeof(*s))) == NULL)
		*rc = imap_short(r->in);
	else
		s->key = key;
	return s;
}

/* --- arguments --- */

static int
read_day(struct imap_in *in, struct imap_search *s)
{
	struct span	 text;
	int		 rc;

	if ((rc = imap_astring(in, &text)) != 0)
		return rc;
	return imap_date_parse(text, &s->day) == 0 ? 0 :
	    imap_bad(in, "not a date");
}

static int
read_size(struct imap_in *in, enum arg arg, struct imap_search *s)
{
	uint32_t	 v;
	int		 rc;

	if (arg == BYTES)
		return imap_number(in, INT64_MAX, &s->number);
	if ((rc = imap_number_nz(in, &v)) == 0)
		s->number = v;
	return rc;
}

/*
 * RFC 7162 section 3.1.5: "MODSEQ "/flags/\\draft" all 620162338"; there is one
 * number for all that a message has, so the name says nothing.
 */
static int
read_modseq(struct imap_in *in, struct imap_search *s)
{
	static const char *const types[] = { "priv", "shared", "all" };
	struct span	 name;
	int		 rc;

	in->cmd->search.modseq = true;
	if (imap_next(in, '"')) {
		if ((rc = imap_quoted(in, &name)) != 0 ||
		    (rc = imap_blank(in)) != 0)
			return rc;
		if (imap_find(imap_word(in), types, 3) == 3)
			return imap_bad(in, "not priv, shared or all");
		if ((rc = imap_blank(in)) != 0)
			return rc;
	}
	return imap_modseq(in, &s->number);
}

static int
read_field(struct imap_in *in, struct imap_search *s)
{
	int	 rc;

	if ((rc = imap_astring(in, &s->field)) != 0 ||
	    (rc = imap_blank(in)) != 0)
		return rc;
	return imap_astring(in, &s->text);
}

static int
read_arg(struct imap_in *in, const struct key_name *k, struct imap_search *s)
{
	int	 rc;

	s->bits = k->bit;
	if (k->arg == NONE || k->arg == FLAG || k->arg == NOT_FLAG)
		return 0;
	if ((rc = imap_blank(in)) != 0)
		return rc;
	switch (k->arg) {
	case KEYWORD:
	case NOT_KEYWORD:
		return imap_atom(in, &s->text);
	case FIELD:
		return read_field(in, s);
	case DAY:
		return read_day(in, s);
	case BYTES:
	case SECONDS:
		return read_size(in, k->arg, s);
	case UIDS:
		return imap_read_set(in, &s->set, IMAP_OF_UIDS);
	case MODSEQ:
		return read_modseq(in, s);
	default:
		return imap_astring(in, &s->text);
	}
}

/* --- the tree --- */

static int
read_children(struct reading *r, unsigned depth, unsigned n,
    struct imap_search *s)
{
	const struct imap_search **tail = &s->first;
	struct imap_search *one;
	int		 rc;

	for (unsigned i = 0; i < n; i++) {
		if ((rc = imap_blank(r->in)) != 0 ||
		    (rc = read_key(r, depth + 1, &one)) != 0)
			return rc;
		*tail = one;
		tail = &one->next;
	}
	return 0;
}

static int
read_group(struct reading *r, unsigned depth, struct imap_search **out)
{
	struct imap_search *one, *s;
	const struct imap_search **tail;
	int		 rc;

	if ((s = new_key(r, IMAP_KEY_AND, &rc)) == NULL)
		return rc;
	*out = s;
	tail = &s->first;
	for (unsigned n = 0; (rc = imap_more(r->in, n, 1)) > 0; n++) {
		if ((rc = read_key(r, depth + 1, &one)) != 0)
			return rc;
		*tail = one;
		tail = &one->next;
	}
	return rc;
}

static int
read_named(struct reading *r, unsigned depth, const struct key_name *k,
    struct imap_search **out)
{
	struct imap_search *s, *un;
	int		 rc;

	if ((s = new_key(r, k->key, &rc)) == NULL)
		return rc;
	*out = s;
	if (k->arg == ONE || k->arg == TWO)
		return read_children(r, depth, k->arg == ONE ? 1 : 2, s);
	if (k->arg == NOT_FLAG || k->arg == NOT_KEYWORD) {
		if ((un = new_key(r, IMAP_KEY_NOT, &rc)) == NULL)
			return rc;
		un->first = s;
		*out = un;
	}
	return read_arg(r->in, k, s);
}

static bool
begins_set(const struct imap_in *in)
{
	return in->p < in->end && (*in->p == '*' || *in->p == '$' ||
	    (*in->p >= '0' && *in->p <= '9'));
}

static int
read_key(struct reading *r, unsigned depth, struct imap_search **out)
{
	struct imap_search *s;
	struct span	 w;
	int		 rc;

	if (depth > IMAP_DEPTH_MAX)
		return imap_big(r->in, "keys are too deep");
	if (imap_take(r->in, '('))
		return read_group(r, depth, out);
	if (begins_set(r->in)) {
		if ((s = new_key(r, IMAP_KEY_SET, &rc)) == NULL)
			return rc;
		*out = s;
		return imap_read_set(r->in, &s->set, IMAP_OF_NUMBERS);
	}
	w = imap_word(r->in);
	for (size_t i = 0; i < NKEYS; i++)
		if (str_ieq(w.p, w.len, keys[i].name))
			return read_named(r, depth, &keys[i], out);
	return imap_bad(r->in, "no such key");
}

int
imap_search_keys(struct imap_in *in)
{
	struct reading	 r = { in, 0 };
	struct imap_search *one, *s;
	const struct imap_search **tail;
	int		 rc;

	if ((s = new_key(&r, IMAP_KEY_AND, &rc)) == NULL)
		return rc;
	in->cmd->search.key = s;
	tail = &s->first;
	do {
		if ((rc = imap_blank(in)) != 0 ||
		    (rc = read_key(&r, 1, &one)) != 0)
			return rc;
		*tail = one;
		tail = &one->next;
	} while (imap_next(in, ' ') && in->end - in->p > 1);
	return 0;
}
