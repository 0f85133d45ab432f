/* What answers of IMAP are made of. */
#include "format/imap_text.h"
#include "tap.h"

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
is_buf(struct buf *b, const char *want, const char *name)
{
	ok(b->err == 0 && b->len == strlen(want) && (b->len == 0 ||
	    memcmp(b->p, want, b->len) == 0), "%s", name);
	buf_reset(b);
}

static void
test_strings(void)
{
	char		 longer[2000];
	struct buf	 b;

	buf_init(&b, 8192);
	imap_string(&b, sp("ann"), false);
	is_buf(&b, "\"ann\"", "plain");
	imap_string(&b, sp(""), false);
	is_buf(&b, "\"\"", "empty");
	imap_string(&b, sp("a\"b\\c"), false);
	is_buf(&b, "\"a\\\"b\\\\c\"", "quotes");
	imap_string(&b, sp("a\r\nb"), false);
	is_buf(&b, "{4}\r\na\r\nb", "lines");
	imap_string(&b, (struct span){ "a\0b", 3 }, false);
	ok(b.len == 8 && memcmp(b.p, "{3}\r\na\0b", 8) == 0, "a NUL");
	buf_reset(&b);
	imap_string(&b, sp("\xc3\xa9"), false);
	is_buf(&b, "{2}\r\n\xc3\xa9", "8 bits");
	imap_string(&b, sp("\xc3\xa9"), true);
	is_buf(&b, "\"\xc3\xa9\"", "8 bits with UTF8=ACCEPT");
	imap_string(&b, sp("\xe9"), true);
	is_buf(&b, "{1}\r\n\xe9", "but only UTF-8");
	imap_nstring(&b, (struct span){ NULL, 0 }, false);
	is_buf(&b, "NIL", "none");
	imap_nstring(&b, sp("NIL"), false);
	is_buf(&b, "\"NIL\"", "not none");
	imap_literal_head(&b, 4294967296u, true);
	is_buf(&b, "~{4294967296}\r\n", "a binary literal");
	memset(longer, 'x', sizeof(longer));
	imap_string(&b, (struct span){ longer, sizeof(longer) }, false);
	ok(b.len == 2000 + 8 && memcmp(b.p, "{2000}\r\nx", 9) == 0,
	    "a long one is a literal");
	buf_free(&b);
}

/* A list's strings for a client without UTF8=ACCEPT, and for one with it. */
static void
is_list(const char *list, const char *plain, const char *utf8,
    const char *name)
{
	struct buf	 b;

	buf_init(&b, 8192);
	imap_strings(&b, sp(list), false);
	is_buf(&b, plain, name);
	imap_strings(&b, sp(list), true);
	is_buf(&b, utf8, "the same with UTF8=ACCEPT");
	buf_free(&b);
}

static void
test_lists(void)
{
	static const char *const same[] = { "", "NIL", "()",
	    "(\"a\" (\"\" NIL) \"x(y\\\"z\\\\\")", "(\"a", "(\"a\\" };

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		is_list(same[i], same[i], same[i], "nothing over 127");
	is_list("(\"a\" \"\xc3\xa9\" NIL)", "(\"a\" {2}\r\n\xc3\xa9 NIL)",
	    "(\"a\" \"\xc3\xa9\" NIL)", "UTF-8");
	is_list("(\"\xe9\" 7)", "({1}\r\n\xe9 7)", "({1}\r\n\xe9 7)",
	    "what is no UTF-8 is a literal in any case");
	is_list("\"\xc3\xa9\\\"\\\\\"\"(\"", "{4}\r\n\xc3\xa9\"\\\"(\"",
	    "\"\xc3\xa9\\\"\\\\\"\"(\"", "a literal has no backslashes");
	is_list("(\"\\\xc3\xa9\" \"\xc3\xa9\")",
	    "({2}\r\n\xc3\xa9 {2}\r\n\xc3\xa9)",
	    "(\"\\\xc3\xa9\" \"\xc3\xa9\")", "several");
}

static void
is_time(const char *text, int64_t want)
{
	int64_t	 ms = -1;

	is_int(imap_date_time_parse(sp(text), &ms), 0, "%s", text);
	ok(ms == want, "is %lld", (long long)want);
}

static void
test_date_time(void)
{
	static const char *const bad[] = { "", "17-Jul-1996",
	    "17-Jul-1996 02:44:25", "17-Jul-1996 02:44:25 0000",
	    "17-Jul-1996 2:44:25 +0000", "31-Jun-1996 02:44:25 +0000",
	    "29-Feb-1900 00:00:00 +0000", "17-Foo-1996 02:44:25 +0000",
	    "17-Jul-96 02:44:25 +0000", "17-Jul-1996 24:00:00 +0000",
	    "17-Jul-1996 02:60:25 +0000", "17-Jul-1996 02:44:61 +0000",
	    "17-Jul-1996 02:44:25 +0060", "17-Jul-1996 02:44:25 +000",
	    "17-Jul-1996 02:44:25 +00000", "17-Jul-1996 02:44:25 +0000 ",
	    "1-Jul-1996 02:44:25 +0000", " 17-Jul-1996 02:44:25 +0000",
	    "00-Jul-1996 02:44:25 +0000", "17-Jul-0000 02:44:25 +0000",
	    "17 Jul 1996 02:44:25 +0000", "17-Jul-1996T02:44:25 +0000",
	    "-1-Jul-1996 02:44:25 +0000" };
	int64_t		 ms;

	is_time("17-Jul-1996 02:44:25 +0000", 837571465000);
	is_time("17-Jul-1996 02:44:25 -0700", 837596665000);
	is_time("17-jul-1996 02:44:25 +0530", 837551665000);
	is_time(" 1-Jan-1970 00:00:00 +0000", 0);
	is_time("01-Jan-1970 00:00:00 +0000", 0);
	is_time("01-Jan-1970 00:00:00 +0100", -3600000);
	is_time("31-Dec-1969 23:59:59 +0000", -1000);
	is_time("29-Feb-2000 12:00:00 +0000", 951825600000);
	is_time("29-Feb-2024 12:00:00 +0000", 1709208000000);
	is_time("01-Mar-2100 00:00:00 +0000", 4107542400000);
	is_time("31-Dec-9999 23:59:59 +0000", 253402300799000);
	is_time("01-Jan-0001 00:00:00 +0000", -62135596800000);
	is_time("31-Dec-2016 23:59:60 +0000", 1483228800000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(imap_date_time_parse(sp(bad[i]), &ms), CM_EDATA,
		    "\"%s\" is none", bad[i]);
}

/* Each is written, and read again. */
static void
test_round_trip(void)
{
	struct buf	 b;
	int64_t		 t, got;
	int		 bad = 0;

	buf_init(&b, 256);
	imap_date_time(&b, 837571465999);
	is_buf(&b, "\"17-Jul-1996 02:44:25 +0000\"", "a time");
	imap_date_time(&b, 0);
	is_buf(&b, "\" 1-Jan-1970 00:00:00 +0000\"", "the first one");
	imap_date_time(&b, -1);
	is_buf(&b, "\"31-Dec-1969 23:59:59 +0000\"", "before it");
	for (t = -62135596800; t < 253402300800; t += 86400 * 11 + 4001) {
		buf_reset(&b);
		imap_date_time(&b, t * 1000);
		if (imap_date_time_parse((struct span){ b.p + 1, b.len - 2 },
		    &got) != 0 || got != t * 1000)
			bad++;
	}
	is_int(bad, 0, "all from the year 1 to 9999 come back");
	buf_free(&b);
}

static void
test_date(void)
{
	static const char *const bad[] = { "", "\"\"", "1-Feb", "1-Feb-94",
	    "001-Feb-1994", "30-Feb-1994", "1-Feb-1994 ", "\"1-Feb-1994",
	    "0-Feb-1994", "x-Feb-1994", "1/Feb/1994", " 1-Feb-1994" };
	int32_t		 day;

	is_int(imap_date_parse(sp("1-Feb-1994"), &day), 0, "1-Feb-1994");
	is_int(day, 8797, "is that day");
	is_int(imap_date_parse(sp("\"01-FEB-1994\""), &day), 0, "quoted");
	is_int(day, 8797, "is the same");
	is_int(imap_date_parse(sp("31-Dec-1969"), &day), 0, "an early one");
	is_int(day, -1, "is the day before");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(imap_date_parse(sp(bad[i]), &day), CM_EDATA,
		    "\"%s\" is none", bad[i]);
}

/* As a client asks for them, names come back. */
static void
test_names(void)
{
	static const char *const names[] = { "FLAGS", "UID", "INTERNALDATE",
	    "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "RFC822",
	    "RFC822.HEADER", "RFC822.TEXT", "MODSEQ", "EMAILID", "THREADID",
	    "PREVIEW", "SAVEDATE", "BODY[]", "BODY[HEADER]", "BODY[TEXT]",
	    "BODY[1]", "BODY[1.2.MIME]", "BODY[4.2.HEADER]",
	    "BODY[HEADER.FIELDS (From Message-ID)]",
	    "BODY[2.HEADER.FIELDS.NOT (X-A \"X (\" \"\" \"X*\")]",
	    "BINARY[1.2]", "BINARY.SIZE[3]" };
	struct imap_command c;
	struct buf	 line, b;

	buf_init(&line, 1024);
	buf_init(&b, 1024);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_reset(&line);
		buf_addf(&line, "a FETCH 1 (%s)", names[i]);
		is_int(imap_parse((struct span){ line.p, line.len }, &c), 0,
		    "%s is read", names[i]);
		if (c.fetch.n == 1)
			imap_item_name(&b, &c.fetch.item[0]);
		is_buf(&b, names[i], "and written");
		imap_command_free(&c);
	}
	is_int(imap_parse(sp("a FETCH 1 BODY.PEEK[1.TEXT]<7.9>"), &c), 0,
	    "a piece of one");
	imap_item_name(&b, &c.fetch.item[0]);
	is_buf(&b, "BODY[1.TEXT]<7>", "has its offset");
	imap_command_free(&c);
	buf_free(&line);
	buf_free(&b);
}

static void
test_words(void)
{
	struct buf	 b;

	buf_init(&b, 1024);
	imap_flags_write(&b, 0, sp(""));
	is_buf(&b, "()", "no flags");
	imap_flags_write(&b, 31, sp("work b"));
	is_buf(&b, "(\\Seen \\Answered \\Flagged \\Deleted \\Draft work b)",
	    "all of them");
	imap_flags_write(&b, 0, sp("work"));
	is_buf(&b, "(work)", "a keyword");
	imap_use_write(&b, IMAP_USE_SENT | IMAP_USE_DRAFTS);
	is_buf(&b, "\\Drafts \\Sent", "uses");
	imap_use_write(&b, 255);
	is_buf(&b, "\\All \\Archive \\Drafts \\Flagged \\Junk \\Sent \\Trash "
	    "\\Important", "all uses");
	buf_free(&b);
}

int
main(void)
{
	test_strings();
	test_lists();
	test_date_time();
	test_round_trip();
	test_date();
	test_names();
	test_words();
	return tap_done();
}
