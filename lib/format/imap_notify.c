/* NOTIFY: RFC 5465 section 8, and what its section 5 says of the groups. */
#include "format/imap_int.h"

/* --- events --- */

/* One with items is of the selected folder, and there only once. */
static int
read_new(struct imap_in *in, const struct imap_notify *g)
{
	if (g->events & IMAP_EVENT_NEW)
		return imap_bad(in, "MessageNew twice");
	if (!imap_take_list(in))
		return 0;
	if (g->where > IMAP_SELECTED_DELAYED)
		return imap_bad(in, "items are for the selected folder");
	return imap_fetch_items(in);
}

static int
read_event(struct imap_in *in, struct imap_notify *g)
{
	static const char *const names[] = { "MessageNew", "MessageExpunge",
		"FlagChange", "MailboxName", "SubscriptionChange" };
	struct span	 w;
	unsigned	 bit;
	int		 rc;

	if ((rc = imap_atom(in, &w)) != 0)
		return rc;
	bit = 1u << imap_find(w, names, 5);
	if (bit == IMAP_EVENT_NEW && (rc = read_new(in, g)) != 0)
		return rc;
	g->events |= bit;
	return 0;
}

/* What is not offered is answered with NO, whatever comes with it. */
static int
check_events(struct imap_in *in, const struct imap_notify *g)
{
	unsigned	 e = g->events;

	if (e & IMAP_EVENT_OTHER)
		return 0;
	if (g->where <= IMAP_SELECTED_DELAYED &&
	    (e & ~(unsigned)IMAP_EVENT_MESSAGES))
		return imap_bad(in, "only messages' events are for the "
		    "selected folder");
	if (!(e & IMAP_EVENT_NEW) != !(e & IMAP_EVENT_EXPUNGE))
		return imap_bad(in, "MessageNew and MessageExpunge go "
		    "together");
	if (e & IMAP_EVENT_FLAGS && !(e & IMAP_EVENT_NEW))
		return imap_bad(in, "FlagChange goes with MessageNew and "
		    "MessageExpunge");
	return 0;
}

static int
read_events(struct imap_in *in, struct imap_notify *g)
{
	int	 rc;

	if ((rc = imap_blank(in)) != 0 || imap_take_word(in, "NONE"))
		return rc;
	if ((rc = imap_open(in)) != 0)
		return rc;
	for (unsigned n = 0; (rc = imap_more(in, n, 1)) > 0; n++)
		if ((rc = read_event(in, g)) != 0)
			return rc;
	return rc != 0 ? rc : check_events(in, g);
}

/* --- groups --- */

/* A folder, or some in parentheses. */
static int
read_names(struct imap_in *in, struct imap_notify *g)
{
	struct span	*name = NULL;
	bool		 many;
	int		 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	many = imap_take(in, '(');
	do {
		if (many && (rc = imap_more(in, g->nnames, 1)) <= 0)
			return rc;
		name = imap_grow(in, name, g->nnames, sizeof(*name));
		if (name == NULL)
			return imap_short(in);
		g->name = name;
		if ((rc = imap_astring(in, &name[g->nnames])) != 0)
			return rc;
		g->nnames++;
	} while (many);
	return 0;
}

static int
read_group(struct imap_in *in, struct imap_notify *g, bool *selected)
{
	static const char *const names[] = { "SELECTED", "SELECTED-DELAYED",
		"INBOXES", "PERSONAL", "SUBSCRIBED", "SUBTREE", "MAILBOXES" };
	size_t		 i;
	int		 rc;

	if ((rc = imap_open(in)) != 0)
		return rc;
	if ((i = imap_find(imap_word(in), names, 7)) == 7)
		return imap_bad(in, "no such folders of NOTIFY");
	if (i <= IMAP_SELECTED_DELAYED && *selected)
		return imap_bad(in, "the selected folder twice");
	*selected |= i <= IMAP_SELECTED_DELAYED;
	g->where = (unsigned)i;
	if (i >= IMAP_SUBTREE && (rc = read_names(in, g)) != 0)
		return rc;
	if ((rc = read_events(in, g)) != 0)
		return rc;
	return imap_take(in, ')') ? 0 : imap_bad(in, "a ) is missing");
}

static int
read_groups(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	struct imap_notify *g = NULL;
	bool		 selected = false;
	int		 rc;

	do {
		if (c->notify.ngroups == IMAP_ITEMS_MAX)
			return imap_big(in, "too many groups");
		g = imap_grow(in, g, c->notify.ngroups, sizeof(*g));
		if (g == NULL)
			return imap_short(in);
		c->notify.group = g;
		if ((rc = imap_blank(in)) != 0 || (rc = read_group(in,
		    &g[c->notify.ngroups], &selected)) != 0)
			return rc;
		c->notify.ngroups++;
	} while (in->end - in->p > 1 && imap_next(in, ' ') && in->p[1] != ' ');
	return 0;
}

int
imap_args_notify(struct imap_in *in)
{
	struct imap_command *c = in->cmd;
	struct imap_in	 save;
	int		 rc;

	if ((rc = imap_blank(in)) != 0)
		return rc;
	if (imap_take_word(in, "NONE"))
		return 0;
	if (!imap_take_word(in, "SET"))
		return imap_bad(in, "SET or NONE is missing");
	c->notify.set = true;
	save = *in;
	c->notify.status = imap_take(in, ' ') && imap_take_word(in, "STATUS");
	if (!c->notify.status)
		*in = save;
	return read_groups(in);
}
