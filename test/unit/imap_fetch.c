/* FETCH, and what changes messages: STORE, COPY, APPEND. */
#include "imap_case.h"

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

int
main(void)
{
	struct imap_command c = { 0 };

	test_append(&c);
	test_store(&c);
	test_fetch(&c);
	test_fetch_wrong();
	imap_command_free(&c);
	return tap_done();
}
