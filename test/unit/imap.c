/* IMAP's commands, most of them from the RFCs. */
#include "imap_case.h"

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
		"GETQUOTA", "GETQUOTAROOT", "SETQUOTA", "NOTIFY" };
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
	imap_command_free(&c);
	return tap_done();
}
