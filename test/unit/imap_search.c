/* SEARCH, SORT and THREAD; what is too large. */
#include "imap_case.h"

/* --- SEARCH --- */

static void
put_key(struct buf *b, const struct imap_search *s)
{
	static const char *const names[] = { "all", "and", "or", "not", "set",
		"uid", "flag", "keyword", "none", "bcc", "cc", "from", "to",
		"subject", "body", "text", "header", "before", "on", "since",
		"sentbefore", "senton", "sentsince", "savedbefore", "savedon",
		"savedsince", "savedates", "larger", "smaller", "older",
		"younger", "modseq", "emailid", "threadid" };

	buf_adds(b, names[s->key]);
	if (s->set.n > 0 || s->set.saved) {
		buf_addc(b, ' ');
		imap_set_write(b, &s->set);
	}
	if (s->bits != 0)
		buf_addf(b, " %u", s->bits);
	if (s->field.p != NULL)
		buf_addf(b, " %.*s", (int)s->field.len, s->field.p);
	if (s->text.p != NULL)
		buf_addf(b, " \"%.*s\"", (int)s->text.len, s->text.p);
	if (s->number != 0)
		buf_addf(b, " %llu", (unsigned long long)s->number);
	if (s->first == NULL)
		return;
	buf_addc(b, '(');
	for (const struct imap_search *k = s->first; k != NULL; k = k->next) {
		put_key(b, k);
		if (k->next != NULL)
			buf_adds(b, ", ");
	}
	buf_addc(b, ')');
}

static void
is_keys(const struct imap_command *c, const char *want)
{
	struct buf	 b;

	buf_init(&b, CEILING);
	if (c->search.key != NULL)
		put_key(&b, c->search.key);
	is_str(b.p, want, "%s", want);
	buf_free(&b);
}

static void
search(struct imap_command *c, const char *keys, const char *want)
{
	struct buf	 line;

	buf_init(&line, CEILING);
	buf_addf(&line, "a SEARCH %s", keys);
	parse(c, line.p);
	is_keys(c, want);
	imap_command_free(c);
	buf_free(&line);
}

static void
test_search(struct imap_command *c)
{
	search(c, "ALL", "and(all)");
	search(c, "1:3,5 uid *:4 $ UID $",
	    "and(set 1:3,5, uid *:4, set $, uid $)");
	search(c, "SEEN ANSWERED FLAGGED DELETED DRAFT",
	    "and(flag 1, flag 2, flag 4, flag 8, flag 16)");
	search(c, "UNSEEN UNANSWERED UNFLAGGED UNDELETED UNDRAFT",
	    "and(not(flag 1), not(flag 2), not(flag 4), not(flag 8), "
	    "not(flag 16))");
	search(c, "NEW OLD RECENT", "and(none, all, none)");
	search(c, "KEYWORD $Junk UNKEYWORD Work",
	    "and(keyword \"$Junk\", not(keyword \"Work\"))");
	search(c, "BCC a CC b FROM c TO d SUBJECT e BODY \"f g\" TEXT {3}\r\n"
	    "h i", "and(bcc \"a\", cc \"b\", from \"c\", to \"d\", subject "
	    "\"e\", body \"f g\", text \"h i\")");
	search(c, "HEADER List-Id \"\" HEADER \"X-Y\" z",
	    "and(header List-Id \"\", header X-Y \"z\")");
	search(c, "LARGER 0 SMALLER 4294967296 OLDER 60 YOUNGER 3600",
	    "and(larger, smaller 4294967296, older 60, younger 3600)");
	search(c, "EMAILID M6d99ac3275bb4e THREADID T64b478a75b7ea9",
	    "and(emailid \"M6d99ac3275bb4e\", threadid \"T64b478a75b7ea9\")");
	search(c, "SAVEDATESUPPORTED", "and(savedates)");
	search(c, "NOT SEEN", "and(not(flag 1))");
	search(c, "OR SEEN NOT 1 ALL", "and(or(flag 1, not(set 1)), all)");
	search(c, "OR (SEEN 1) (2 3 (4)) (ALL)",
	    "and(or(and(flag 1, set 1), and(set 2, set 3, and(set 4))), "
	    "and(all))");
	search(c, "NOT OR NOT 1 2 UNSEEN",
	    "and(not(or(not(set 1), set 2)), not(flag 1))");
	search(c, "ALL ", "and(all)");
	parse(c, "a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338");
	ok(c->search.modseq, "RFC 7162");
	is_keys(c, "and(modseq 620162338)");
	parse(c, "A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"");
	ok(!c->search.modseq && !c->search.has_return && c->search.charset.p
	    == NULL, "RFC 3501");
	is_keys(c, "and(flag 4, since, not(from \"Smith\"))");
	ok(c->search.key->first->next->day > 365 * 24, "a day");
	parse(c, "a SEARCH ON \"1-Feb-1994\" BEFORE 01-Feb-1994 SENTBEFORE "
	    "1-feb-1994 SENTON 1-Feb-1994 SENTSINCE 1-Feb-1994 SAVEDON "
	    "1-Feb-1994 SAVEDBEFORE 1-Feb-1994 SAVEDSINCE 1-Feb-1994");
	is_keys(c, "and(on, before, sentbefore, senton, sentsince, savedon, "
	    "savedbefore, savedsince)");
	parse(c, "A283 SEARCH CHARSET UTF-8 TEXT {6}\r\n\xd0\xb9\xd1\x86\xd1"
	    "\x83");
	is_span(c->search.charset, "UTF-8");
	parse(c, "A284 uid SEARCH RETURN (MIN COUNT SAVE) CHARSET x 1");
	ok(c->uid && c->search.has_return && c->search.min && c->search.count
	    && c->search.save && !c->search.max && !c->search.all, "RFC 4731");
	parse(c, "A284 SEARCH RETURN () FLAGGED");
	ok(c->search.has_return && c->search.all, "nothing is all");
	parse(c, "A284 SEARCH RETURN (ALL MAX) FLAGGED");
	ok(c->search.all && c->search.max, "both");
}

static void
test_search_wrong(void)
{
	bad("a SEARCH");
	bad("a SEARCH ");
	bad("a SEARCH FOO");
	bad("a SEARCH ()");
	bad("a SEARCH (ALL");
	bad("a SEARCH (ALL))");
	bad("a SEARCH (ALL)ALL");
	bad("a SEARCH ALL,SEEN");
	bad("a SEARCH NOT");
	bad("a SEARCH NOT ");
	bad("a SEARCH OR SEEN");
	bad("a SEARCH OR SEEN )");
	bad("a SEARCH UID");
	bad("a SEARCH UID x");
	bad("a SEARCH 0");
	bad("a SEARCH 1:");
	bad("a SEARCH KEYWORD");
	bad("a SEARCH KEYWORD \\Seen");
	bad("a SEARCH KEYWORD \"a\"");
	bad("a SEARCH FROM");
	bad("a SEARCH FROM (a)");
	bad("a SEARCH FROM \"a");
	bad("a SEARCH FROM {2}\r\na");
	bad("a SEARCH HEADER x");
	bad("a SEARCH LARGER x");
	bad("a SEARCH LARGER -1");
	bad("a SEARCH LARGER 9223372036854775808");
	bad("a SEARCH OLDER 0");
	bad("a SEARCH YOUNGER 4294967296");
	bad("a SEARCH SINCE yesterday");
	bad("a SEARCH SINCE 1-Foo-1994");
	bad("a SEARCH SINCE");
	bad("a SEARCH MODSEQ");
	bad("a SEARCH MODSEQ \"/flags/x\" 1");
	bad("a SEARCH MODSEQ \"/flags/x\" none 1");
	bad("a SEARCH MODSEQ 9223372036854775808");
	bad("a SEARCH CHARSET");
	bad("a SEARCH CHARSET x");
	bad("a SEARCH CHARSET x RETURN () ALL");
	bad("a SEARCH RETURN");
	bad("a SEARCH RETURN ()");
	bad("a SEARCH RETURN (FOO) ALL");
	bad("a SEARCH RETURN (PARTIAL 1:5) ALL");
	bad("a SEARCH RETURN ALL ALL");
}

static void
test_sort(struct imap_command *c)
{
	parse(c, "A282 SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994");
	ok(c->search.nsort == 1 && c->search.sort[0].key == IMAP_SORT_SUBJECT &&
	    !c->search.sort[0].reverse, "RFC 5256");
	is_span(c->search.charset, "UTF-8");
	parse(c, "a UID SORT RETURN (COUNT) (SUBJECT REVERSE DATE ARRIVAL CC "
	    "FROM REVERSE SIZE TO) US-ASCII ALL");
	ok(c->search.nsort == 7 && c->search.sort[1].reverse &&
	    c->search.sort[1].key == IMAP_SORT_DATE &&
	    c->search.sort[6].key == IMAP_SORT_TO && c->uid &&
	    c->search.count, "RFC 5267");
	parse(c, "a THREAD ORDEREDSUBJECT UTF-8 SINCE 5-Mar-2000");
	is_int(c->search.thread, IMAP_ORDEREDSUBJECT, "by subject");
	parse(c, "a UID THREAD references us-ascii (1 2) SEEN");
	is_int(c->search.thread, IMAP_REFERENCES, "by references");
	is_keys(c, "and(and(set 1, set 2), flag 1)");
	bad("a SORT");
	bad("a SORT ALL");
	bad("a SORT () UTF-8 ALL");
	bad("a SORT (SUBJECT) UTF-8");
	bad("a SORT (REVERSE) UTF-8 ALL");
	bad("a SORT (REVERSE REVERSE DATE) UTF-8 ALL");
	bad("a SORT (FOO) UTF-8 ALL");
	bad("a SORT (SUBJECT) CHARSET UTF-8 ALL");
	bad("a THREAD UTF-8 ALL");
	bad("a THREAD REFS UTF-8 ALL");
	bad("a THREAD REFERENCES UTF-8");
	bad("a THREAD RETURN () REFERENCES UTF-8 ALL");
}

static void
test_resolve(struct imap_command *c)
{
	parse(c, "a UID FETCH 5:* FLAGS");
	imap_command_resolve(c, 3, 70);
	is_set(&c->set, "5:70");
	parse(c, "a STORE * FLAGS ()");
	imap_command_resolve(c, 3, 70);
	is_set(&c->set, "3");
	parse(c, "a SEARCH 3,2,1 OR UID * NOT (1:* $)");
	imap_command_resolve(c, 9, 70);
	is_keys(c, "and(set 1:3, or(uid 70, not(and(set 1:9, set $))))");
	parse(c, "a UID SEARCH 1:* UID 9:*");
	imap_command_resolve(c, 0, 0);
	is_keys(c, "and(set, uid)");
	parse(c, "a NOOP");
	imap_command_resolve(c, 1, 1);
}

/* --- limits --- */

/* head, n times the piece, tail */
static char *
many(const char *head, unsigned n, const char *piece, const char *tail)
{
	static struct buf b;

	buf_free(&b);
	buf_init(&b, CEILING);
	buf_adds(&b, head);
	for (unsigned i = 0; i < n; i++)
		buf_adds(&b, piece);
	buf_adds(&b, tail);
	return b.p;
}

static void
test_limits(struct imap_command *c)
{
	parse(c, many("a SEARCH ", IMAP_DEPTH_MAX - 1, "NOT ", "ALL"));
	big(many("a SEARCH ", IMAP_DEPTH_MAX, "NOT ", "ALL"), "NOTs");
	big(many("a SEARCH ", IMAP_DEPTH_MAX, "(", "ALL"), "parentheses");
	big(many("a SEARCH ", 10000, "OR ALL ", "ALL"), "ORs");
	big(many("a SEARCH ", 100000, "(", ""), "open ones");
	parse(c, many("a SEARCH ALL", IMAP_KEYS_MAX - 2, " ALL", ""));
	big(many("a SEARCH ALL", IMAP_KEYS_MAX - 1, " ALL", ""), "keys");
	parse(c, many("a FETCH 1 (UID", IMAP_ITEMS_MAX - 1, " UID", ")"));
	is_int(c->fetch.n, IMAP_ITEMS_MAX, "all of them");
	ok(c->fetch.item[999].what == IMAP_GET_UID, "the last one, too");
	big(many("a FETCH 1 (UID", IMAP_ITEMS_MAX, " UID", ")"), "items");
	big(many("a FETCH 1 BODY[1", IMAP_DEPTH_MAX, ".1", "]"), "parts");
	big(many("a FETCH 1 BODY[HEADER.FIELDS (a", 1000, " a", ")]"),
	    "fields");
	big(many("a FETCH 1", IMAP_SET_MAX, ",1", " FLAGS"), "ranges");
	big(many("a STORE 1 FLAGS (a", 1000, " a", ")"), "flags");
	big(many("a STORE 1 FLAGS a", 1000, " a", ""), "flags");
	big(many("a APPEND x {0}\r\n", 1000, " {0}\r\n", ""), "messages");
	big(many("a LIST \"\" (a", 1000, " a", ")"), "patterns");
	big(many("a SORT (CC", 1000, " CC", ") x ALL"), "sort keys");
	big(many("a ID (\"a\" NIL", 1000, " \"a\" NIL", ")"), "pairs");
	big(many("a APPEND x CATENATE (URL x", 1000, " URL x", ")"), "URLs");
	parse(c, many("a LOGIN x \"", 100000, "\\\\", "\""));
	is_int(c->name2.len, 100000, "a long string");
	imap_command_free(c);
}

static void
test_arena(void)
{
	struct imap_command c;
	struct buf	 b;

	buf_init(&b, 64 << 20);
	buf_adds(&b, "a SEARCH");
	for (int i = 0; i < 1500; i++) {
		buf_adds(&b, " TEXT \"\\\\");
		for (int k = 0; k < 600; k++)
			buf_adds(&b, "0123456789");
		buf_adds(&b, "\"");
	}
	is_int(imap_parse((struct span){ b.p, b.len }, &c), CM_ETOOBIG,
	    "more than the arena takes");
	ok(c.why != NULL && c.verb == IMAP_SEARCH, "and why");
	imap_command_free(&c);
	ok(c.arena == NULL, "free");
	imap_command_free(&c);
	imap_command_free(NULL);
	buf_free(&b);
}

int
main(void)
{
	struct imap_command c = { 0 };

	test_search(&c);
	test_search_wrong();
	test_sort(&c);
	test_resolve(&c);
	test_limits(&c);
	test_arena();
	imap_command_free(&c);
	return tap_done();
}
