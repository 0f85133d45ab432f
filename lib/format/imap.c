#include "format/imap.h"

#include <string.h>

#include "format/imap_int.h"

static const char *const verbs[] = {
	"CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "AUTHENTICATE", "LOGIN",
	"ID", "ENABLE", "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME",
	"SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB", "STATUS", "NAMESPACE",
	"APPEND", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH", "SORT",
	"THREAD", "FETCH", "STORE", "COPY", "MOVE", "IDLE", "COMPRESS",
	"GETQUOTA", "GETQUOTAROOT", "SETQUOTA", "NOTIFY", "(unknown)"
};

const char *
imap_verb_name(enum imap_verb v)
{
	return verbs[v < IMAP_UNKNOWN ? v : IMAP_UNKNOWN];
}

/* --- tag and verb --- */

/* Those that may come after UID. */
static bool
has_uids(enum imap_verb v)
{
	return v == IMAP_FETCH || v == IMAP_STORE || v == IMAP_COPY ||
	    v == IMAP_MOVE || v == IMAP_SEARCH || v == IMAP_SORT ||
	    v == IMAP_THREAD || v == IMAP_EXPUNGE;
}

static struct span
until_blank(struct imap_in *in)
{
	const char	*p = in->p;

	while (in->p < in->end && *in->p != ' ' && *in->p != '\r' &&
	    *in->p != '\n')
		in->p++;
	return (struct span){ p, (size_t)(in->p - p) };
}

/* A tag has no "+", and nothing that needs quotes: RFC 3501 section 9. */
static bool
is_tag(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f ||
		    strchr("(){%*\"\\+", s.p[i]) != NULL)
			return false;
	return s.len > 0;
}

static enum imap_verb
find_verb(struct imap_in *in, bool *uid)
{
	struct span	 w = until_blank(in);
	enum imap_verb	 v;

	*uid = str_ieq(w.p, w.len, "UID");
	if (*uid && imap_take(in, ' '))
		w = until_blank(in);
	v = (enum imap_verb)imap_find(w, verbs, IMAP_UNKNOWN);
	return *uid && !has_uids(v) ? IMAP_UNKNOWN : v;
}

/* CM_EDATA when there is no tag, or no word after it. */
static int
read_start(struct imap_in *in)
{
	struct span	 tag = until_blank(in);
	const char	*verb;

	in->cmd->verb = IMAP_UNKNOWN;
	if (!is_tag(tag))
		return imap_bad(in, "a tag is missing");
	in->cmd->tag = tag;
	if (!imap_take(in, ' '))
		return imap_bad(in, "a command is missing");
	verb = in->p;
	in->cmd->verb = find_verb(in, &in->cmd->uid);
	return in->p > verb ? 0 : imap_bad(in, "a command is missing");
}

enum imap_verb
imap_peek(struct span line, struct span *tag)
{
	struct imap_command c = { 0 };
	struct imap_in	 in = { line.p, line.p, &c };

	if (line.len > 0)
		in.end += line.len;
	(void)read_start(&in);
	*tag = c.tag;
	return c.verb;
}

/* --- arguments of simple commands --- */

static int
args_none(struct imap_in *in)
{
	(void)in;
	return 0;
}

static int
args_name(struct imap_in *in)
{
	int	 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	return imap_astring(in, &in->cmd->name);
}

static int
args_names(struct imap_in *in)
{
	int	 rc;

	if ((rc = args_name(in)) != 0 || (rc = imap_blank(in)) != 0)
		return rc;
	return imap_astring(in, &in->cmd->name2);
}

static int
args_word(struct imap_in *in)
{
	int	 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	return imap_atom(in, &in->cmd->name);
}

static bool
is_base64(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = str_lower(s.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '+' && c != '/' && c != '=')
			return false;
	}
	return s.len > 0;
}

/* RFC 4959: the first answer, "=" when it is empty. */
static int
args_authenticate(struct imap_in *in)
{
	int	 rc;

	if ((rc = args_word(in)) != 0 || in->p == in->end)
		return rc;
	if ((rc = imap_blank(in)) != 0 || in->p == in->end)
		return rc;
	in->cmd->name2 = until_blank(in);
	return is_base64(in->cmd->name2) ? 0 :
	    imap_bad(in, "not in base64");
}

/* RFC 2971. */
static int
args_id(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	struct span	*pair = NULL;
	int		 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	if (imap_take_word(in, "NIL"))
		return 0;
	if ((rc = imap_open(in)) != 0)
		return rc;
	while ((rc = imap_more(in, c->npairs, 0)) > 0) {
		pair = imap_grow(in, pair, c->npairs, 2 * sizeof(*pair));
		if (pair == NULL)
			return imap_short(in);
		c->pair = pair;
		if ((rc = imap_text(in, &pair[2 * c->npairs])) != 0 ||
		    (rc = imap_blank(in)) != 0 ||
		    (rc = imap_nil(in, &pair[2 * c->npairs + 1])) != 0)
			return rc;
		c->npairs++;
	}
	return rc;
}

/* RFC 5161. */
static int
args_enable(struct imap_in *in)
{
	static const char *const known[] = { "CONDSTORE", "QRESYNC",
		"UTF8=ACCEPT", "IMAP4rev2" };
	struct span	 w;
	int		 rc;

	do {
		if ((rc = imap_blank(in)) != 0 || (rc = imap_atom(in, &w)) != 0)
			return rc;
		in->cmd->enable |= 1u << imap_find(w, known, 4);
	} while (imap_next(in, ' ') && in->p + 1 < in->end);
	return 0;
}

/* RFC 2087: names of resources and their limits; all are looked at only. */
static int
args_setquota(struct imap_in *in)
{
	struct span	 name;
	uint64_t	 limit;
	int		 rc;

	if ((rc = args_name(in)) != 0 || (rc = imap_blank(in)) != 0 ||
	    (rc = imap_open(in)) != 0)
		return rc;
	for (unsigned n = 0; (rc = imap_more(in, n, 0)) > 0; n++)
		if ((rc = imap_atom(in, &name)) != 0 ||
		    (rc = imap_blank(in)) != 0 ||
		    (rc = imap_number(in, INT64_MAX, &limit)) != 0)
			return rc;
	return rc;
}

static int
args_expunge(struct imap_in *in)
{
	int	 rc;

	if (!in->cmd->uid)
		return 0;
	if ((rc = imap_blank(in)) != 0)
		return rc;
	return imap_read_set(in, &in->cmd->set, IMAP_OF_NEITHER);
}

static int
args_copy(struct imap_in *in)
{
	int	 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	rc = imap_read_set(in, &in->cmd->set, IMAP_OF_NEITHER);
	return rc != 0 ? rc : args_name(in);
}

/* --- all of it --- */

static int (*const args[])(struct imap_in *) = {
	[IMAP_CAPABILITY] = args_none, [IMAP_NOOP] = args_none,
	[IMAP_LOGOUT] = args_none, [IMAP_STARTTLS] = args_none,
	[IMAP_AUTHENTICATE] = args_authenticate, [IMAP_LOGIN] = args_names,
	[IMAP_ID] = args_id, [IMAP_ENABLE] = args_enable,
	[IMAP_SELECT] = imap_args_select, [IMAP_EXAMINE] = imap_args_select,
	[IMAP_CREATE] = imap_args_create, [IMAP_DELETE] = args_name,
	[IMAP_RENAME] = args_names, [IMAP_SUBSCRIBE] = args_name,
	[IMAP_UNSUBSCRIBE] = args_name, [IMAP_LIST] = imap_args_list,
	[IMAP_LSUB] = imap_args_lsub, [IMAP_STATUS] = imap_args_status,
	[IMAP_NAMESPACE] = args_none, [IMAP_APPEND] = imap_args_append,
	[IMAP_CHECK] = args_none, [IMAP_CLOSE] = args_none,
	[IMAP_UNSELECT] = args_none, [IMAP_EXPUNGE] = args_expunge,
	[IMAP_SEARCH] = imap_args_search, [IMAP_SORT] = imap_args_search,
	[IMAP_THREAD] = imap_args_search, [IMAP_FETCH] = imap_args_fetch,
	[IMAP_STORE] = imap_args_store, [IMAP_COPY] = args_copy,
	[IMAP_MOVE] = args_copy, [IMAP_IDLE] = args_none,
	[IMAP_COMPRESS] = args_word, [IMAP_GETQUOTA] = args_name,
	[IMAP_GETQUOTAROOT] = args_name, [IMAP_SETQUOTA] = args_setquota,
	[IMAP_NOTIFY] = imap_args_notify
};

int
imap_parse(struct span s, struct imap_command *c)
{
	struct imap_in	 in = { s.p, s.p, c };
	int		 rc;

	memset(c, 0, sizeof(*c));
	if (s.len > 0)
		in.end += s.len;
	if ((rc = read_start(&in)) != 0 || c->verb == IMAP_UNKNOWN)
		return rc;
	if ((rc = args[c->verb](&in)) != 0)
		return rc;
	/* some clients leave one there */
	while (imap_take(&in, ' '))
		;
	return in.p == in.end ? 0 : imap_bad(&in, "something is too much");
}
