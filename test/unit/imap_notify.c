/* NOTIFY, most of it from RFC 5465. */
#include <stdlib.h>

#include "imap_case.h"

static const struct imap_notify *
group(const struct imap_command *c, unsigned i, int where, unsigned events)
{
	const struct imap_notify *g;

	if (!ok(i < c->notify.ngroups, "group %u is there", i))
		exit(1);
	g = &c->notify.group[i];
	is_int((int)g->where, where, "its folders");
	is_int((int)g->events, (int)events, "its events");
	return g;
}

static void
test_forms(struct imap_command *c)
{
	parse(c, "a NOTIFY NONE");
	ok(c->verb == IMAP_NOTIFY && !c->notify.set && c->notify.ngroups == 0,
	    "NONE");
	parse(c, "a notify set (selected NONE)");
	ok(c->notify.set && !c->notify.status, "SET without STATUS");
	is_int((int)c->notify.ngroups, 1, "one group");
	group(c, 0, IMAP_SELECTED, 0);
	parse(c, "a Notify Set Status (personal None) ");
	ok(c->notify.status, "STATUS");
	group(c, 0, IMAP_PERSONAL, 0);
	bad("a NOTIFY");
	bad("a NOTIFY ");
	bad("a NOTIFY SOME");
	bad("a NOTIFY NONE (selected NONE)");
	bad("a NOTIFY SET");
	bad("a NOTIFY SET STATUS");
	bad("a NOTIFY SET STATUS ");
	bad("a NOTIFY SETSTATUS (selected NONE)");
	bad("a NOTIFY SET(selected NONE)");
	bad("a NOTIFY SET selected NONE");
	bad("a NOTIFY SET ()");
	bad("a NOTIFY SET (selected)");
	bad("a NOTIFY SET (selected )");
	bad("a NOTIFY SET (selected ())");
	bad("a NOTIFY SET (selected NONE");
	bad("a NOTIFY SET (selected NONE) x");
	bad("a NOTIFY SET (selected NONE)(personal NONE)");
	bad("a NOTIFY SET (selected (NONE)");
	bad("a NOTIFY SET (everything NONE)");
}

/* The example of section 3.1 with its parentheses. */
static void
test_example(struct imap_command *c)
{
	const struct imap_notify *g;

	parse(c, "b notify set status (selected (MessageNew (uid "
	    "body.peek[header.fields (from to subject)]) MessageExpunge)) "
	    "(subtree Lists (MessageNew MessageExpunge))");
	ok(c->notify.status && c->notify.ngroups == 2, "two groups");
	group(c, 0, IMAP_SELECTED, IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE);
	is_int((int)c->fetch.n, 2, "items of new messages");
	ok(c->fetch.n == 2 && c->fetch.item[0].what == IMAP_GET_UID &&
	    c->fetch.item[1].what == IMAP_GET_SECTION &&
	    c->fetch.item[1].peek &&
	    c->fetch.item[1].section.nfields == 3, "these");
	g = group(c, 1, IMAP_SUBTREE, IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE);
	is_int((int)g->nnames, 1, "a name");
	is_span(g->name[0], "Lists");
	parse(c, "a notify set (mailboxes INBOX (Messagenew messageExpunge)) "
	    "(personal (SubscriptionChange))");
	g = group(c, 0, IMAP_MAILBOXES, IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE);
	is_span(g->name[0], "INBOX");
	group(c, 1, IMAP_PERSONAL, IMAP_EVENT_SUBSCRIPTION);
	is_int((int)c->fetch.n, 0, "no items");
}

static void
test_folders(struct imap_command *c)
{
	const struct imap_notify *g;

	parse(c, "a NOTIFY SET (selected-delayed NONE) (inboxes NONE) "
	    "(personal NONE) (subscribed NONE) (subtree a NONE) "
	    "(mailboxes (a \"b c\" {3}\r\nd e) NONE)");
	is_int((int)c->notify.ngroups, 6, "all kinds");
	for (int i = 0; i < 6; i++)
		group(c, (unsigned)i, IMAP_SELECTED_DELAYED + i, 0);
	g = &c->notify.group[5];
	is_int((int)g->nnames, 3, "three names");
	is_span(g->name[0], "a");
	is_span(g->name[1], "b c");
	is_span(g->name[2], "d e");
	bad("a NOTIFY SET (mailboxes NONE)");
	bad("a NOTIFY SET (mailboxes () NONE)");
	bad("a NOTIFY SET (mailboxes (a NONE)");
	bad("a NOTIFY SET (mailboxes (a  b) NONE)");
	bad("a NOTIFY SET (mailboxes (a*) NONE)");
	bad("a NOTIFY SET (subtree NONE)");
	bad("a NOTIFY SET (selected NONE) (selected NONE)");
	bad("a NOTIFY SET (selected NONE) (selected-delayed NONE)");
}

static void
test_events(struct imap_command *c)
{
	parse(c, "a NOTIFY SET (personal (messagenew MESSAGEEXPUNGE "
	    "flagchange MailboxName SubscriptionChange))");
	group(c, 0, IMAP_PERSONAL, IMAP_EVENT_MESSAGES | IMAP_EVENT_NAME |
	    IMAP_EVENT_SUBSCRIPTION);
	bad("a NOTIFY SET (personal (MessageNew))");
	bad("a NOTIFY SET (personal (MessageExpunge))");
	bad("a NOTIFY SET (personal (FlagChange))");
	bad("a NOTIFY SET (personal (MessageNew FlagChange))");
	bad("a NOTIFY SET (personal (MailboxName MessageNew))");
	bad("a NOTIFY SET (selected (MailboxName))");
	bad("a NOTIFY SET (selected-delayed (MessageNew MessageExpunge "
	    "SubscriptionChange))");
	bad("a NOTIFY SET (personal (MessageNew (UID) MessageExpunge))");
	bad("a NOTIFY SET (selected (MessageNew () MessageExpunge))");
	bad("a NOTIFY SET (selected (MessageNew (NONSENSE) MessageExpunge))");
	bad("a NOTIFY SET (selected (MessageNew (ALL) MessageExpunge))");
	bad("a NOTIFY SET (selected (MessageNew (UID) MessageNew (FLAGS) "
	    "MessageExpunge))");
	bad("a NOTIFY SET (selected (MessageExpunge (UID) MessageNew))");
	bad("a NOTIFY SET (selected (MessageNew  MessageExpunge))");
}

/* Section 3.1: unsupported is NO, not BAD, and so they are read. */
static void
test_others(struct imap_command *c)
{
	parse(c, "a NOTIFY SET (selected (AnnotationChange))");
	group(c, 0, IMAP_SELECTED, IMAP_EVENT_OTHER);
	parse(c, "a NOTIFY SET (personal (MailboxMetadataChange "
	    "ServerMetadataChange X-Unknown MessageNew))");
	group(c, 0, IMAP_PERSONAL, IMAP_EVENT_OTHER | IMAP_EVENT_NEW);
}

static void
test_limits(void)
{
	struct buf	 b;

	buf_init(&b, CEILING);
	buf_adds(&b, "a NOTIFY SET");
	for (int i = 0; i <= IMAP_ITEMS_MAX; i++)
		buf_adds(&b, " (personal NONE)");
	big(b.p, "too many groups");
	buf_reset(&b);
	buf_adds(&b, "a NOTIFY SET (mailboxes (a");
	for (int i = 0; i <= IMAP_ITEMS_MAX; i++)
		buf_adds(&b, " a");
	buf_adds(&b, ") NONE)");
	big(b.p, "too many names");
	buf_free(&b);
}

int
main(void)
{
	struct imap_command c = { 0 };

	test_forms(&c);
	test_example(&c);
	test_folders(&c);
	test_events(&c);
	test_others(&c);
	test_limits();
	imap_command_free(&c);
	return tap_done();
}
