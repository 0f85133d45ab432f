/* IMAP's commands, most of them from the RFCs. */
#include "format/imap.h"
#include "tap.h"

#include <stdlib.h>

#define CEILING	(1 << 22)

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

/* For one command: it is there until the next one. */
static void
parse(struct imap_command *c, const char *text)
{
	char	 show[60];
	int	 rc;

	imap_command_free(c);
	rc = imap_parse(sp(text), c);
	snprintf(show, sizeof(show), "%s", text);
	str_clean(show);
	ok(rc == 0 && c->why == NULL, "%s (%s)", show, c->why ? c->why : "");
}

static void
bad(const char *text)
{
	struct imap_command c;
	char	 show[60];
	int	 rc = imap_parse(sp(text), &c);

	snprintf(show, sizeof(show), "%s", text);
	str_clean(show);
	ok(rc == CM_EDATA && c.why != NULL, "wrong: %s (%s)", show,
	    c.why ? c.why : "no reason");
	imap_command_free(&c);
}

static void
big(const char *text, const char *what)
{
	struct imap_command c;
	int	 rc = imap_parse(sp(text), &c);

	ok(rc == CM_ETOOBIG && c.why != NULL, "%s: %d, %s", what, rc,
	    c.why ? c.why : "no reason");
	imap_command_free(&c);
}

static void
is_set(const struct imap_set *s, const char *want)
{
	struct buf	 b;

	buf_init(&b, CEILING);
	buf_adds(&b, "");
	imap_set_write(&b, s);
	is_str(b.p, want, "the set %s", want);
	buf_free(&b);
}

#define is_span(s, want) ok(span_is(s, want), "%s", want)

/* --- tag, verb, literal --- */

static void
test_verbs(void)
{
	static const char *const names[] = { "CAPABILITY", "NOOP", "LOGOUT",
		"STARTTLS", "AUTHENTICATE", "LOGIN", "ID", "ENABLE", "SELECT",
		"EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE",
		"UNSUBSCRIBE", "LIST", "LSUB", "STATUS", "NAMESPACE", "APPEND",
		"CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH", "SORT",
		"THREAD", "FETCH", "STORE", "COPY", "MOVE", "IDLE", "COMPRESS",
		"GETQUOTA", "GETQUOTAROOT", "SETQUOTA" };
	char		 line[60];
	struct span	 tag;

	for (int i = 0; i < IMAP_UNKNOWN; i++) {
		snprintf(line, sizeof(line), "a1 %s", names[i]);
		is_int(imap_peek(sp(line), &tag), i, "%s", line);
		is_str(imap_verb_name((enum imap_verb)i), names[i], "named");
	}
	is_str(imap_verb_name(IMAP_UNKNOWN), "(unknown)", "none of them");
}

static void
peek(const char *line, const char *want, enum imap_verb v)
{
	struct span	 tag;

	is_int(imap_peek(sp(line), &tag), v, "\"%s\" is %s", line,
	    imap_verb_name(v));
	ok(tag.len == strlen(want) && (tag.len == 0 || span_is(tag, want)),
	    "its tag is \"%s\"", want);
}

static void
test_peek(void)
{
	struct span	 tag;

	peek("a fetch 1 (", "a", IMAP_FETCH);
	peek("A142 uid Fetch 1 (", "A142", IMAP_FETCH);
	peek("a UID LOGIN x y", "a", IMAP_UNKNOWN);
	peek("a UID", "a", IMAP_UNKNOWN);
	peek("a ", "a", IMAP_UNKNOWN);
	peek("a", "a", IMAP_UNKNOWN);
	peek("a NOOPS", "a", IMAP_UNKNOWN);
	peek("a.]-/1 NOOP", "a.]-/1", IMAP_NOOP);
	peek("+ NOOP", "", IMAP_UNKNOWN);
	peek("a+ NOOP", "", IMAP_UNKNOWN);
	peek("* NOOP", "", IMAP_UNKNOWN);
	peek("\"a\" NOOP", "", IMAP_UNKNOWN);
	peek(" NOOP", "", IMAP_UNKNOWN);
	peek("", "", IMAP_UNKNOWN);
	peek("a  NOOP", "a", IMAP_UNKNOWN);
	peek("a\tNOOP", "", IMAP_UNKNOWN);
	is_int(imap_peek((struct span){ NULL, 0 }, &tag), IMAP_UNKNOWN, "none");
}

static void
literal(const char *line, int rc, uint64_t len, bool plus, bool binary)
{
	struct imap_literal l;

	is_int(imap_literal(sp(line), &l), rc, "literal: \"%s\"", line);
	if (rc == 0)
		ok(l.len == len && l.plus == plus && l.binary == binary,
		    "its length and kind");
}

static void
test_literal(void)
{
	literal("a LOGIN {12}", 0, 12, false, false);
	literal("a LOGIN {12+}", 0, 12, true, false);
	literal("a APPEND x ~{12}", 0, 12, false, true);
	literal("a APPEND x ~{0+}", 0, 0, true, true);
	literal("{0}", 0, 0, false, false);
	literal("{9223372036854775807}", 0, INT64_MAX, false, false);
	literal("{9223372036854775808}", CM_EDATA, 0, false, false);
	literal("{99999999999999999999999999999}", CM_EDATA, 0, false, false);
	literal("a LOGIN {12} ", CM_EEND, 0, false, false);
	literal("a LOGIN 12}", CM_EEND, 0, false, false);
	literal("a LOGIN {}", CM_EEND, 0, false, false);
	literal("{+}", CM_EEND, 0, false, false);
	literal("{1++}", CM_EEND, 0, false, false);
	literal("{-1}", CM_EEND, 0, false, false);
	literal("{1 }", CM_EEND, 0, false, false);
	literal("{1", CM_EEND, 0, false, false);
	literal("1}", CM_EEND, 0, false, false);
	literal("}", CM_EEND, 0, false, false);
	literal("", CM_EEND, 0, false, false);
	/* the client will send its bytes, whatever stands before it */
	literal("a LOGIN x{3+}", 0, 3, true, false);
}

/* --- commands --- */

static void
test_simple(struct imap_command *c)
{
	parse(c, "a1 NOOP");
	ok(c->verb == IMAP_NOOP && span_is(c->tag, "a1"), "verb and tag");
	parse(c, "a1 capability");
	parse(c, "a1 LOGOUT ");
	parse(c, "a1 STARTTLS");
	parse(c, "a1 NAMESPACE");
	parse(c, "a1 CHECK");
	parse(c, "a1 CLOSE");
	parse(c, "a1 UNSELECT");
	parse(c, "a1 IDLE");
	parse(c, "a1 EXPUNGE");
	ok(!c->uid && c->set.n == 0, "EXPUNGE without a set");
	parse(c, "a1 UID EXPUNGE 3000:3002");
	ok(c->uid && c->verb == IMAP_EXPUNGE, "RFC 4315");
	is_set(&c->set, "3000:3002");
	parse(c, "a1 FOO bar {");
	is_int(c->verb, IMAP_UNKNOWN, "not known");
	parse(c, "a1 UID NOOP");
	is_int(c->verb, IMAP_UNKNOWN, "not known");
	bad("");
	bad("a1");
	bad("a1 ");
	bad("* NOOP");
	bad("a1 NOOP x");
	bad("a1 NOOP (");
	bad("a1 NOOP\r\n");
	bad("a1 NOOP\r\nNOOP");
	bad("a1 EXPUNGE 1");
	bad("a1 UID EXPUNGE");
	bad("a1 UID EXPUNGE x");
	bad("a1 UID EXPUNGE 0");
	imap_command_free(c);
	is_int(imap_parse((struct span){ NULL, 0 }, c), CM_EDATA, "nothing");
	is_int(imap_parse((struct span){ "a NOOP \0", 8 }, c), CM_EDATA, "NUL");
}

static void
test_login(struct imap_command *c)
{
	parse(c, "a LOGIN SMITH SESAME");
	is_span(c->name, "SMITH");
	is_span(c->name2, "SESAME");
	parse(c, "a login \"a\\\"b\\\\\" {5}\r\nx y\"{");
	is_span(c->name, "a\"b\\");
	is_span(c->name2, "x y\"{");
	parse(c, "a LOGIN {11}\r\nFRED FOOBAR {7+}\r\nfat man");
	is_span(c->name, "FRED FOOBAR");
	is_span(c->name2, "fat man");
	parse(c, "a LOGIN \"\" {0}\r\n");
	ok(c->name.len == 0 && c->name2.len == 0, "empty ones");
	parse(c, "a LOGIN j\xc3\xb6rg \"\xc3\xa4\"");
	is_span(c->name, "j\xc3\xb6rg");
	bad("a LOGIN");
	bad("a LOGIN ");
	bad("a LOGIN x");
	bad("a LOGIN x ");
	bad("a LOGIN x y z");
	bad("a LOGIN  x y");
	bad("a LOGIN (x) y");
	bad("a LOGIN x \"y");
	bad("a LOGIN x \"y\\\"");
	bad("a LOGIN x \"y\\n\"");
	bad("a LOGIN x \"y\r\n\"");
	bad("a LOGIN x {5}\r\nabcd");
	bad("a LOGIN x {5}abcde");
	bad("a LOGIN x {5}\nabcde");
	bad("a LOGIN x {5}\r\nabcdef");
	bad("a LOGIN x {5");
	bad("a LOGIN x {}\r\n");
	bad("a LOGIN x {9}{1}\r\ny");
	bad("a LOGIN x {99999999999999999999}\r\nx");
	bad("a LOGIN x ~{1}\r\ny");
	bad("a LOGIN x \"a\"b");
	imap_command_free(c);
	is_int(imap_parse((struct span){ "a LOGIN x {1}\r\n\0", 16 }, c),
	    CM_EDATA, "a NUL in a literal");
}

static void
test_auth(struct imap_command *c)
{
	parse(c, "a AUTHENTICATE PLAIN");
	is_span(c->name, "PLAIN");
	ok(c->name2.p == NULL, "no first answer");
	parse(c, "a AUTHENTICATE PLAIN AGphY2sAc2VjcmV0Kw==");
	is_span(c->name2, "AGphY2sAc2VjcmV0Kw==");
	parse(c, "a AUTHENTICATE EXTERNAL =");
	is_span(c->name2, "=");
	bad("a AUTHENTICATE");
	bad("a AUTHENTICATE \"PLAIN\"");
	bad("a AUTHENTICATE PLAIN x y");
	bad("a AUTHENTICATE PLAIN {1}\r\nx");
	bad("a AUTHENTICATE PLAIN \"\"");
	parse(c, "a ID NIL");
	is_int(c->npairs, 0, "no pairs");
	parse(c, "a ID ()");
	is_int(c->npairs, 0, "no pairs");
	parse(c, "a ID (\"name\" \"sodr\" \"version\" NIL {1}\r\nx {2}\r\nyz)");
	is_int(c->npairs, 3, "RFC 2971");
	is_span(c->pair[0], "name");
	is_span(c->pair[1], "sodr");
	is_span(c->pair[2], "version");
	ok(c->pair[3].p == NULL, "NIL");
	is_span(c->pair[4], "x");
	is_span(c->pair[5], "yz");
	bad("a ID");
	bad("a ID (\"name\")");
	bad("a ID (\"name\" \"x\"");
	bad("a ID (\"name\" x)");
	bad("a ID (\"name\" \"x\" )");
	bad("a ID NILL");
	parse(c, "a ENABLE CONDSTORE");
	is_int(c->enable, IMAP_ENABLE_CONDSTORE, "CONDSTORE");
	parse(c, "a ENABLE qresync UTF8=ACCEPT X-GOOD-IDEA IMAP4rev2");
	is_int(c->enable, IMAP_ENABLE_QRESYNC | IMAP_ENABLE_UTF8 |
	    IMAP_ENABLE_REV2 | IMAP_ENABLE_OTHER, "many");
	bad("a ENABLE");
	bad("a ENABLE (CONDSTORE)");
	bad("a ENABLE \"CONDSTORE\"");
	parse(c, "a COMPRESS DEFLATE");
	is_span(c->name, "DEFLATE");
	bad("a COMPRESS");
	bad("a COMPRESS DEFLATE 9");
}

static void
test_select(struct imap_command *c)
{
	parse(c, "a SELECT INBOX");
	is_span(c->name, "INBOX");
	ok(!c->select.condstore && !c->select.qresync, "nothing more");
	parse(c, "a EXAMINE \"a b\" (CONDSTORE)");
	ok(c->select.condstore && c->verb == IMAP_EXAMINE, "CONDSTORE");
	parse(c, "A03 SELECT INBOX (QRESYNC (67890007 90060115194045000 "
	    "41:211,214:541))");
	ok(c->select.qresync && c->select.validity == 67890007 &&
	    c->select.modseq == 90060115194045000, "RFC 7162");
	is_set(&c->select.known, "41:211,214:541");
	is_int(c->select.match_seq.n, 0, "no more of it");
	parse(c, "B04 SELECT INBOX (QRESYNC (67890007 90060115194045000 "
	    "1:29997 (5000,7500,9000,9990:9999 15000,22500,27000,"
	    "29970,29973,29976,29979,29982,29985,29988,29991,29994,29997)) "
	    "CONDSTORE)");
	is_set(&c->select.match_seq, "5000,7500,9000,9990:9999");
	is_int(c->select.match_uid.n, 13, "as many");
	ok(c->select.condstore, "and CONDSTORE");
	parse(c, "a SELECT x (QRESYNC (1 2 (1,2 3,4)))");
	ok(c->select.known.n == 0, "no UIDs, but a match");
	is_set(&c->select.match_uid, "3:4");
	parse(c, "a SELECT x (QRESYNC (1 2))");
	bad("a SELECT");
	bad("a SELECT x y");
	bad("a SELECT x ()");
	bad("a SELECT x (FOO)");
	bad("a SELECT x (CONDSTORE");
	bad("a SELECT x(CONDSTORE)");
	bad("a SELECT x (QRESYNC)");
	bad("a SELECT x (QRESYNC ())");
	bad("a SELECT x (QRESYNC (1))");
	bad("a SELECT x (QRESYNC (0 1))");
	bad("a SELECT x (QRESYNC (4294967296 1))");
	bad("a SELECT x (QRESYNC (1 9223372036854775808))");
	bad("a SELECT x (QRESYNC (1 2 1:*))");
	bad("a SELECT x (QRESYNC (1 2 $))");
	bad("a SELECT x (QRESYNC (1 2 3 4))");
	bad("a SELECT x (QRESYNC (1 2 3 (4)))");
	bad("a SELECT x (QRESYNC (1 2 3 (4 5)");
	bad("a SELECT x (QRESYNC (1 2) QRESYNC (1 2))");
}

static void
test_names(struct imap_command *c)
{
	parse(c, "a CREATE owatagusiam/");
	is_span(c->name, "owatagusiam/");
	parse(c, "t2 CREATE MySpecial (USE (\\Drafts \\Sent))");
	ok(c->use == (IMAP_USE_DRAFTS | IMAP_USE_SENT) && !c->bad_use,
	    "RFC 6154");
	parse(c, "t2 CREATE x (USE (\\important \\Foo))");
	ok(c->use == IMAP_USE_IMPORTANT && c->bad_use, "one is not known");
	parse(c, "t2 CREATE x (USE ())");
	parse(c, "a DELETE blurdybloop");
	parse(c, "a RENAME INBOX \"old mail\"");
	is_span(c->name, "INBOX");
	is_span(c->name2, "old mail");
	parse(c, "a SUBSCRIBE #news.comp.mail.mime");
	is_span(c->name, "#news.comp.mail.mime");
	parse(c, "a UNSUBSCRIBE a]b");
	is_span(c->name, "a]b");
	parse(c, "a GETQUOTA \"\"");
	parse(c, "a GETQUOTAROOT INBOX");
	parse(c, "a SETQUOTA \"\" (STORAGE 512 MESSAGE 9)");
	parse(c, "a SETQUOTA \"\" ()");
	bad("a CREATE");
	bad("a CREATE x (USE \\Sent)");
	bad("a CREATE x (USE (Sent))");
	bad("a CREATE x (FOO)");
	bad("a CREATE x ()");
	bad("a CREATE x%y");
	bad("a CREATE *");
	bad("a DELETE");
	bad("a DELETE x y");
	bad("a RENAME x");
	bad("a RENAME x y z");
	bad("a SUBSCRIBE");
	bad("a UNSUBSCRIBE ()");
	bad("a GETQUOTA");
	bad("a GETQUOTAROOT");
	bad("a SETQUOTA x");
	bad("a SETQUOTA x (STORAGE)");
	bad("a SETQUOTA x (STORAGE x)");
}

static void
test_list(struct imap_command *c)
{
	parse(c, "a LIST \"\" \"\"");
	ok(c->name.len == 0 && c->list.npatterns == 1 && !c->list.extended,
	    "the plain form");
	parse(c, "a LIST ~/Mail/ %");
	is_span(c->name, "~/Mail/");
	is_span(c->list.pattern[0], "%");
	parse(c, "a LSUB \"#news.\" \"comp.mail.*\"");
	is_span(c->list.pattern[0], "comp.mail.*");
	parse(c, "a LIST (SUBSCRIBED) \"\" \"*\"");
	ok(c->list.extended && c->list.only_subscribed, "RFC 5258");
	parse(c, "a LIST () \"\" (\"INBOX\" Drafts Sent/%)");
	is_int(c->list.npatterns, 3, "three patterns");
	is_span(c->list.pattern[2], "Sent/%");
	parse(c, "a LIST (SUBSCRIBED RECURSIVEMATCH REMOTE) \"\" % RETURN "
	    "(CHILDREN SUBSCRIBED)");
	ok(c->list.recursive_match && c->list.remote && c->list.children &&
	    c->list.subscribed && !c->list.special, "options");
	parse(c, "a LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE)");
	ok(c->list.only_special && c->list.special, "RFC 6154");
	parse(c, "a LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))");
	ok(c->list.status == (IMAP_STATUS_MESSAGES | IMAP_STATUS_UNSEEN) &&
	    c->list.extended, "RFC 5819");
	parse(c, "a LIST \"\" (a) RETURN ()");
	bad("a LIST");
	bad("a LIST \"\"");
	bad("a LIST \"\" ()");
	bad("a LIST \"\" (a b");
	bad("a LIST \"\" a b");
	bad("a LIST (FOO) \"\" a");
	bad("a LIST (RECURSIVEMATCH) \"\" a");
	bad("a LIST (RECURSIVEMATCH REMOTE) \"\" a");
	bad("a LIST \"\" a RETURN");
	bad("a LIST \"\" a RETURN (FOO)");
	bad("a LIST \"\" a RETURN (STATUS)");
	bad("a LIST \"\" a RETURN (STATUS ())");
	bad("a LIST % a");
	bad("a LSUB \"\"");
	bad("a LSUB \"\" (a b)");
	bad("a LSUB (SUBSCRIBED) \"\" a");
	parse(c, "A042 STATUS blurdybloop (UIDNEXT MESSAGES)");
	is_int(c->status, IMAP_STATUS_UIDNEXT | IMAP_STATUS_MESSAGES, "two");
	parse(c, "a STATUS x (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE "
	    "HIGHESTMODSEQ DELETED MAILBOXID APPENDLIMIT DELETED-STORAGE)");
	is_int(c->status, 2047, "all");
	bad("a STATUS x");
	bad("a STATUS x ()");
	bad("a STATUS x MESSAGES");
	bad("a STATUS x (FOO)");
	bad("a STATUS x (MESSAGES,UNSEEN)");
}

static void
test_append(struct imap_command *c)
{
	const struct imap_append *a;

	parse(c, "A003 APPEND saved-messages (\\Seen) {10}\r\nDate: x\r\n\r");
	a = c->append;
	ok(c->nappend == 1 && a->flags.bits == IMAP_SEEN && !a->has_date,
	    "RFC 3501");
	is_span(a->msg, "Date: x\r\n\r");
	parse(c, "a APPEND x {0}\r\n");
	ok(c->append->msg.len == 0, "no bytes");
	parse(c, "a APPEND x (\\Flagged Work \\Recent work $Junk) "
	    "\"17-Jul-1996 02:44:25 -0700\" ~{3+}\r\na\\b");
	a = c->append;
	ok(a->flags.bits == IMAP_FLAGGED && a->has_date, "flags and a date");
	is_span(a->flags.keywords, "Work $Junk");
	is_span(a->msg, "a\\b");
	parse(c, "a APPEND x () \" 1-Jan-2020 00:00:00 +0000\" {1}\r\na {1}\r\n"
	    "b (\\Seen) {1}\r\nc");
	is_int(c->nappend, 3, "three messages");
	ok(c->append[0].has_date && !c->append[1].has_date &&
	    c->append[2].flags.bits == IMAP_SEEN, "each has its own");
	is_span(c->append[2].msg, "c");
	parse(c, "a APPEND x CATENATE (URL \"/Drafts;UIDVALIDITY=385759045/;"
	    "UID=20/;section=HEADER\" TEXT {3}\r\na)b TEXT {0}\r\n)");
	a = c->append;
	ok(a->catenate && a->nparts == 3 && a->part[0].url && !a->part[1].url,
	    "RFC 4469");
	is_span(a->part[1].text, "a)b");
	parse(c, "a APPEND x UTF8 (~{5}\r\n\xc3\xa4))\n)");
	ok(c->append->utf8 && c->append->msg.len == 5, "RFC 6855");
	parse(c, "a APPEND x CATENATE (UTF8 (~{1}\r\nx)) {1}\r\ny");
	ok(c->append[0].utf8 && c->nappend == 2, "as a part");
	bad("a APPEND");
	bad("a APPEND x");
	bad("a APPEND x ");
	bad("a APPEND x message");
	bad("a APPEND x \"message\"");
	bad("a APPEND x {4}\r\nabc");
	bad("a APPEND x {4}\r\nabcde");
	bad("a APPEND x (\\Seen){1}\r\na");
	bad("a APPEND x (\\Foo) {1}\r\na");
	bad("a APPEND x (\\*) {1}\r\na");
	bad("a APPEND x (\\) {1}\r\na");
	bad("a APPEND x (a(b)) {1}\r\na");
	bad("a APPEND x (\\Seen {1}\r\na");
	bad("a APPEND x \\Seen {1}\r\na");
	bad("a APPEND x \"yesterday\" {1}\r\na");
	bad("a APPEND x {1}\r\na{1}\r\nb");
	bad("a APPEND x {1}\r\na (\\Seen)");
	bad("a APPEND x CATENATE ()");
	bad("a APPEND x CATENATE {1}\r\na");
	bad("a APPEND x CATENATE (TEXT a)");
	bad("a APPEND x CATENATE (URL)");
	bad("a APPEND x CATENATE (FOO {1}\r\na)");
	bad("a APPEND x UTF8 {1}\r\na");
	bad("a APPEND x UTF8 ({1}\r\na)");
	bad("a APPEND x UTF8 (~{1}\r\na");
	imap_command_free(c);
	is_int(imap_parse((struct span){ "a APPEND x {1}\r\n\0", 17 }, c), 0,
	    "a NUL in a message");
}

static void
test_store(struct imap_command *c)
{
	parse(c, "A003 STORE 2:4 +FLAGS (\\Deleted)");
	ok(c->store.how == IMAP_ADD && !c->store.silent &&
	    c->store.flags.bits == IMAP_DELETED && !c->uid, "RFC 3501");
	is_set(&c->set, "2:4");
	parse(c, "a UID STORE 1:* -flags.silent \\Seen \\draft $Fwd $fwd");
	ok(c->store.how == IMAP_REMOVE && c->store.silent && c->uid &&
	    c->store.flags.bits == (IMAP_SEEN | IMAP_DRAFT), "no parentheses");
	is_span(c->store.flags.keywords, "$Fwd");
	parse(c, "a STORE 1 FLAGS ()");
	ok(c->store.how == IMAP_REPLACE && c->store.flags.bits == 0, "none");
	parse(c, "a STORE $ FLAGS (b a \\Answered c)");
	ok(c->set.saved, "$");
	is_span(c->store.flags.keywords, "b a c");
	parse(c, "a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) "
	    "+FLAGS.SILENT (\\Deleted)");
	ok(c->store.has_since && c->store.unchanged_since == 12121230045,
	    "RFC 7162");
	is_set(&c->set, "6,4,8");
	parse(c, "a STORE 1 (UNCHANGEDSINCE 0) FLAGS (a)");
	bad("a STORE");
	bad("a STORE 1");
	bad("a STORE x FLAGS (\\Seen)");
	bad("a STORE 1 FLAGS");
	bad("a STORE 1 FLAGS ");
	bad("a STORE 1 *FLAGS (a)");
	bad("a STORE 1 + FLAGS (a)");
	bad("a STORE 1 FLAG (a)");
	bad("a STORE 1 FLAGS.SILENTLY (a)");
	bad("a STORE 1 FLAGS (\\Foo)");
	bad("a STORE 1 FLAGS (\"a\")");
	bad("a STORE 1 FLAGS (\xc3\xa4)");
	bad("a STORE 1 FLAGS (a");
	bad("a STORE 1 FLAGS (a) b");
	bad("a STORE 1 () FLAGS (a)");
	bad("a STORE 1 (UNCHANGEDSINCE) FLAGS (a)");
	bad("a STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS (a)");
	bad("a STORE 1 (FOO 1) FLAGS (a)");
	parse(c, "A003 COPY 2:4 MEETING");
	is_span(c->name, "MEETING");
	parse(c, "a UID MOVE 42:69 foo");
	ok(c->uid && c->verb == IMAP_MOVE, "RFC 6851");
	bad("a COPY 1");
	bad("a COPY x");
	bad("a COPY 1 x y");
	bad("a MOVE MEETING 1");
}

/* --- FETCH --- */

static void
put_section(struct buf *b, const struct imap_section *s)
{
	static const char *const what[] = { "", "HEADER", "FIELDS", "NOT",
		"TEXT", "MIME" };

	buf_addc(b, '[');
	for (unsigned i = 0; i < s->nparts; i++)
		buf_addf(b, "%u.", s->part[i]);
	buf_adds(b, what[s->what]);
	for (unsigned i = 0; i < s->nfields; i++)
		buf_addf(b, " %.*s", (int)s->field[i].len, s->field[i].p);
	buf_addc(b, ']');
}

static void
fetch(struct imap_command *c, const char *items, const char *want)
{
	static const char *const what[] = { "flags", "uid", "date", "size",
		"envelope", "body", "structure", "section", "822", "822header",
		"822text", "binary", "bsize", "modseq", "emailid", "threadid",
		"preview", "savedate" };
	struct buf	 line, b;

	buf_init(&line, CEILING);
	buf_init(&b, CEILING);
	buf_addf(&line, "a UID FETCH 1:* %s", items);
	parse(c, line.p);
	is_set(&c->set, "1:*");
	for (unsigned i = 0; i < c->fetch.n; i++) {
		const struct imap_item *it = &c->fetch.item[i];

		buf_addf(&b, "%s%s%s", i ? " " : "", it->peek ? "?" : "",
		    what[it->what]);
		if (it->what == IMAP_GET_SECTION || it->what == IMAP_GET_BINARY
		    || it->what == IMAP_GET_BINARY_SIZE)
			put_section(&b, &it->section);
		if (it->partial)
			buf_addf(&b, "<%u.%u>", it->offset, it->count);
		if (it->lazy)
			buf_adds(&b, "(lazy)");
	}
	is_str(b.p, want, "%s", want);
	/* spans of literals are in there */
	imap_command_free(c);
	buf_free(&line);
	buf_free(&b);
}

static void
test_fetch(struct imap_command *c)
{
	fetch(c, "FAST", "flags date size");
	fetch(c, "all", "flags date size envelope");
	fetch(c, "FULL", "flags date size envelope body");
	fetch(c, "FLAGS", "flags");
	fetch(c, "(FLAGS)", "flags");
	fetch(c, "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY "
	    "BODYSTRUCTURE RFC822 RFC822.HEADER RFC822.TEXT)", "uid flags "
	    "date size envelope body structure 822 822header 822text");
	fetch(c, "(MODSEQ EMAILID THREADID SAVEDATE PREVIEW)",
	    "modseq emailid threadid savedate preview");
	fetch(c, "BODY[]", "section[]");
	fetch(c, "BODY.PEEK[]", "?section[]");
	fetch(c, "body[header]<0.2048>", "section[HEADER]<0.2048>");
	fetch(c, "BODY[]<4294967295.1>", "section[]<4294967295.1>");
	fetch(c, "(FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
	    "flags section[FIELDS DATE FROM]");
	fetch(c, "BODY.PEEK[HEADER.FIELDS.NOT (\"a\" {1}\r\nb)]",
	    "?section[NOT a b]");
	fetch(c, "(BODY[1] BODY[4.2.2.1] BODY[3.HEADER] BODY[4.1.MIME] "
	    "BODY[TEXT] BODY[2.TEXT] BODY[1.HEADER.FIELDS (To)])",
	    "section[1.] section[4.2.2.1.] section[3.HEADER] "
	    "section[4.1.MIME] section[TEXT] section[2.TEXT] "
	    "section[1.FIELDS To]");
	fetch(c, "(BINARY[1.2] BINARY.PEEK[1]<3.4> BINARY.SIZE[2] BINARY[])",
	    "binary[1.2.] ?binary[1.]<3.4> bsize[2.] binary[]");
	fetch(c, "PREVIEW (LAZY)", "preview(lazy)");
	fetch(c, "(PREVIEW (LAZY) UID)", "preview(lazy) uid");
	fetch(c, "PREVIEW (CHANGEDSINCE 1)", "preview");
	fetch(c, "PREVIEW (LAZY) (CHANGEDSINCE 1)", "preview(lazy)");
	parse(c, "s100 UID FETCH 1:* (FLAGS MODSEQ) (CHANGEDSINCE 12345 "
	    "VANISHED)");
	ok(c->fetch.has_since && c->fetch.changed_since == 12345 &&
	    c->fetch.vanished, "RFC 7162");
	parse(c, "a FETCH $ FAST (CHANGEDSINCE 0)");
	ok(c->set.saved && !c->uid && c->fetch.has_since, "$");
}

static void
test_fetch_wrong(void)
{
	bad("a FETCH");
	bad("a FETCH 1");
	bad("a FETCH 1 ");
	bad("a FETCH x FLAGS");
	bad("a FETCH 1, FLAGS");
	bad("a FETCH 1:2:3 FLAGS");
	bad("a FETCH 1 2 FLAGS");
	bad("a FETCH 1 ()");
	bad("a FETCH 1 (FLAGS");
	bad("a FETCH 1 (FLAGS))");
	bad("a FETCH 1 (FLAGS )");
	bad("a FETCH 1 (FLAGS  UID)");
	bad("a FETCH 1 FLAGS UID");
	bad("a FETCH 1 (FLAGS (UID))");
	bad("a FETCH 1 (ALL)");
	bad("a FETCH 1 FOO");
	bad("a FETCH 1 RFC822.PEEK");
	bad("a FETCH 1 BODY.PEEK");
	bad("a FETCH 1 BODYSTRUCTURE[]");
	bad("a FETCH 1 BINARY");
	bad("a FETCH 1 BODY[");
	bad("a FETCH 1 BODY[FOO]");
	bad("a FETCH 1 BODY[0]");
	bad("a FETCH 1 BODY[1.0]");
	bad("a FETCH 1 BODY[1.]");
	bad("a FETCH 1 BODY[1..2]");
	bad("a FETCH 1 BODY[.1]");
	bad("a FETCH 1 BODY[1TEXT]");
	bad("a FETCH 1 BODY[4294967296]");
	bad("a FETCH 1 BODY[MIME]");
	bad("a FETCH 1 BODY[1.FOO]");
	bad("a FETCH 1 BODY[HEADER.1]");
	bad("a FETCH 1 BODY[HEADER.FIELDS]");
	bad("a FETCH 1 BODY[HEADER.FIELDS ()]");
	bad("a FETCH 1 BODY[HEADER.FIELDS (a]");
	bad("a FETCH 1 BODY[HEADER.FIELDS From]");
	bad("a FETCH 1 BODY[HEADER (From)]");
	bad("a FETCH 1 BODY[]<0>");
	bad("a FETCH 1 BODY[]<0.0>");
	bad("a FETCH 1 BODY[]<.1>");
	bad("a FETCH 1 BODY[]<0.1");
	bad("a FETCH 1 BODY[]<4294967296.1>");
	bad("a FETCH 1 BODY<0.1>");
	bad("a FETCH 1 BINARY[HEADER]");
	bad("a FETCH 1 BINARY[1.MIME]");
	bad("a FETCH 1 BINARY.SIZE[1]<0.1>");
	bad("a FETCH 1 BINARY.SIZE");
	bad("a FETCH 1 (PREVIEW (FOO))");
	bad("a FETCH 1 PREVIEW (LAZY");
	bad("a FETCH 1 FLAGS (CHANGEDSINCE)");
	bad("a FETCH 1 FLAGS (CHANGEDSINCE x)");
	bad("a FETCH 1 FLAGS (FOO)");
	bad("a FETCH 1 FLAGS ()");
	bad("a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)");
	bad("a UID FETCH 1 FLAGS (VANISHED)");
}

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

	test_verbs();
	test_peek();
	test_literal();
	test_simple(&c);
	test_login(&c);
	test_auth(&c);
	test_select(&c);
	test_names(&c);
	test_list(&c);
	test_append(&c);
	test_store(&c);
	test_fetch(&c);
	test_fetch_wrong();
	test_search(&c);
	test_search_wrong();
	test_sort(&c);
	test_resolve(&c);
	test_limits(&c);
	test_arena();
	imap_command_free(&c);
	return tap_done();
}
