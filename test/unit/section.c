/* Parts of messages: BODY[...], BINARY[...], PREVIEW, BODY. */
#include <stdlib.h>

#include "format/section.h"
#include "tap.h"

#define LEAF								\
	"From: a@example.org\r\n"					\
	"Subject: one\r\n"						\
	" two\r\n"							\
	"X-Last: z\r\n"							\
	"\r\n"								\
	"text\r\nmore\r\n"
#define INNER								\
	"Subject: inner\r\n"						\
	"Content-Type: multipart/alternative; boundary=i\r\n"		\
	"\r\n"								\
	"--i\r\n\r\nplain"						\
	"\r\n--i\r\nContent-Type: text/html\r\n\r\n<b>html</b>"		\
	"\r\n--i--\r\n"
#define MIXED								\
	"Subject: outer\r\n"						\
	"Content-Type: multipart/mixed; boundary=o\r\n"			\
	"\r\n"								\
	"preamble\r\n"							\
	"--o\r\nX-Part: 1\r\n\r\nfirst"					\
	"\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n" INNER		\
	"\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n" LEAF		\
	"\r\n--o--\r\nepilogue\r\n"

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

/* The item as FETCH has it: "BODY[1.MIME]".  It points into the line. */
static const struct imap_item *
item(const char *name, struct imap_command *c)
{
	static char	 line[1000];

	snprintf(line, sizeof(line), "a FETCH 1 %s", name);
	if (imap_parse(sp(line), c) != 0 || c->fetch.n != 1) {
		printf("# %s: %s\n", name, c->why != NULL ? c->why : "");
		abort();
	}
	return c->fetch.item;
}

/* want NULL: there is none. */
static void
gives(const char *msg, const char *name, const char *want)
{
	struct imap_command c;
	const struct imap_item *it = item(name, &c);
	struct span	 s = { NULL, 0 };
	struct buf	 b;
	int		 rc;

	buf_init(&b, 100000);
	buf_adds(&b, "left from before");
	rc = section_get(sp(msg), &it->section, &b, &s);
	if (rc == 0 && it->partial)
		s = section_partial(s, it->offset, it->count);
	if (want == NULL)
		is_int(rc, CM_ENOINPUT, "no %s", name);
	else if (!ok(rc == 0 && span_is(s, want), "%s", name))
		printf("#   %d \"%.*s\"\n", rc, rc == 0 ? (int)s.len : 0,
		    s.p != NULL ? s.p : "");
	buf_free(&b);
	imap_command_free(&c);
}

static void
test_leaf(void)
{
	gives(LEAF, "BODY[]", LEAF);
	gives(LEAF, "BODY[TEXT]", "text\r\nmore\r\n");
	gives(LEAF, "BODY[1]", "text\r\nmore\r\n");
	gives(LEAF, "BODY[1.MIME]", "From: a@example.org\r\nSubject: one\r\n"
	    " two\r\nX-Last: z\r\n\r\n");
	gives(LEAF, "BODY[HEADER]", "From: a@example.org\r\nSubject: one\r\n"
	    " two\r\nX-Last: z\r\n\r\n");
	gives(LEAF, "BODY[2]", NULL);
	gives(LEAF, "BODY[1.1]", NULL);
	gives(LEAF, "BODY[1.TEXT]", NULL);
	gives(LEAF, "BODY[1.HEADER]", NULL);
	gives(LEAF, "BODY[4294967295]", NULL);
	gives("", "BODY[]", "");
	gives("", "BODY[TEXT]", "");
	gives("", "BODY[HEADER]", "");
	gives("", "BODY[1]", "");
	gives("", "BODY[HEADER.FIELDS (X)]", "");
	gives("A: b\r\n", "BODY[HEADER]", "A: b\r\n");
	gives("A: b\r\n", "BODY[TEXT]", "");
	gives("no header\r\n\r\nbody", "BODY[HEADER]", "");
	gives("no header\r\n\r\nbody", "BODY[TEXT]",
	    "no header\r\n\r\nbody");
}

static void
test_fields(void)
{
	gives(LEAF, "BODY[HEADER.FIELDS (SUBJECT)]",
	    "Subject: one\r\n two\r\n\r\n");
	gives(LEAF, "BODY[HEADER.FIELDS (x-last from)]",
	    "From: a@example.org\r\nX-Last: z\r\n\r\n");
	gives(LEAF, "BODY[HEADER.FIELDS (Sub)]", "\r\n");
	gives(LEAF, "BODY[HEADER.FIELDS (Subject Subject)]",
	    "Subject: one\r\n two\r\n\r\n");
	gives(LEAF, "BODY[HEADER.FIELDS (\"From\")]",
	    "From: a@example.org\r\n\r\n");
	gives(LEAF, "BODY[HEADER.FIELDS.NOT (Subject x)]",
	    "From: a@example.org\r\nX-Last: z\r\n\r\n");
	gives(LEAF, "BODY[HEADER.FIELDS.NOT (Nothing)]",
	    "From: a@example.org\r\nSubject: one\r\n two\r\n"
	    "X-Last: z\r\n\r\n");
	gives("A: 1\r\nB: 2\r\na: 3\r\n\r\n", "BODY[HEADER.FIELDS (A)]",
	    "A: 1\r\na: 3\r\n\r\n");
	gives(MIXED, "BODY[2.HEADER.FIELDS (SUBJECT)]",
	    "Subject: inner\r\n\r\n");
	gives(MIXED, "BODY[3.HEADER.FIELDS.NOT (SUBJECT)]",
	    "From: a@example.org\r\nX-Last: z\r\n\r\n");
	gives(MIXED, "BODY[1.HEADER.FIELDS (SUBJECT)]", NULL);
}

static void
test_parts(void)
{
	gives(MIXED, "BODY[1]", "first");
	gives(MIXED, "BODY[1.MIME]", "X-Part: 1\r\n\r\n");
	gives(MIXED, "BODY[1.TEXT]", NULL);
	gives(MIXED, "BODY[1.HEADER]", NULL);
	gives(MIXED, "BODY[1.1]", NULL);
	gives(MIXED, "BODY[2]", INNER);
	gives(MIXED, "BODY[2.MIME]", "Content-Type: message/rfc822\r\n\r\n");
	gives(MIXED, "BODY[2.HEADER]", "Subject: inner\r\nContent-Type: "
	    "multipart/alternative; boundary=i\r\n\r\n");
	gives(MIXED, "BODY[2.TEXT]", "--i\r\n\r\nplain\r\n--i\r\n"
	    "Content-Type: text/html\r\n\r\n<b>html</b>\r\n--i--\r\n");
	gives(MIXED, "BODY[2.1]", "plain");
	gives(MIXED, "BODY[2.1.MIME]", "\r\n");
	gives(MIXED, "BODY[2.2]", "<b>html</b>");
	gives(MIXED, "BODY[2.2.MIME]", "Content-Type: text/html\r\n\r\n");
	gives(MIXED, "BODY[2.2.1]", NULL);
	gives(MIXED, "BODY[2.3]", NULL);
	gives(MIXED, "BODY[3]", LEAF);
	gives(MIXED, "BODY[3.1]", "text\r\nmore\r\n");
	gives(MIXED, "BODY[3.1.MIME]", "From: a@example.org\r\n"
	    "Subject: one\r\n two\r\nX-Last: z\r\n\r\n");
	gives(MIXED, "BODY[3.2]", NULL);
	gives(MIXED, "BODY[3.1.1]", NULL);
	gives(MIXED, "BODY[4]", NULL);
	gives(MIXED, "BODY[TEXT]", strstr(MIXED, "\r\n\r\n") + 4);
	gives(MIXED, "BODY[HEADER]", "Subject: outer\r\nContent-Type: "
	    "multipart/mixed; boundary=o\r\n\r\n");
}

static void
test_partial(void)
{
	struct span	 none = { NULL, 0 };

	gives(LEAF, "BODY[TEXT]<0.4>", "text");
	gives(LEAF, "BODY[TEXT]<4.100>", "\r\nmore\r\n");
	gives(LEAF, "BODY[TEXT]<6.4>", "more");
	gives(LEAF, "BODY[TEXT]<12.1>", "");
	gives(LEAF, "BODY[TEXT]<11.1>", "\n");
	gives(LEAF, "BODY[TEXT]<4294967295.4294967295>", "");
	gives(LEAF, "BODY[TEXT]<1.4294967295>", "ext\r\nmore\r\n");
	gives(LEAF, "BODY[HEADER.FIELDS (X-Last)]<2.4>", "Last");
	none = section_partial(none, 0, 5);
	ok(none.p != NULL && none.len == 0, "of nothing");
}

/* want NULL: rc is what comes. */
static void
binary(const char *msg, size_t len, const char *name, int want_rc,
    const char *want, size_t want_len)
{
	struct imap_command c;
	const struct imap_item *it = item(name, &c);
	struct buf	 b;
	bool		 nul = true;
	int		 rc;

	buf_init(&b, 100000);
	buf_adds(&b, "left from before");
	rc = section_binary((struct span){ msg, len }, &it->section, &b,
	    &nul);
	if (want_rc != 0)
		ok(rc == want_rc && !nul, "%s: %d", name, rc);
	else
		ok(rc == 0 && b.len == want_len && memcmp(b.len > 0 ? b.p : "",
		    want, want_len) == 0 &&
		    nul == (memchr(want, '\0', want_len) != NULL),
		    "%s of %zu bytes", name, want_len);
	buf_free(&b);
	imap_command_free(&c);
}

#define CODED								\
	"Content-Type: multipart/mixed; boundary=o\r\n"			\
	"Content-Transfer-Encoding: x-none\r\n\r\n"			\
	"--o\r\nContent-Transfer-Encoding: BASE64\r\n\r\n"		\
	"AGhp\r\n/w==\r\n"						\
	"--o\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"	\
	"a=3Db=\r\nc \r\nd\r\n"						\
	"--o\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nabc\r\n"	\
	"--o\r\nContent-Transfer-Encoding: 8bit\r\n\r\nabc\r\n"		\
	"--o\r\n\r\ndef\r\n"						\
	"--o\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n"	\
	"--o--\r\n"

static void
test_binary(void)
{
	const size_t	 n = strlen(CODED);

	binary(CODED, n, "BINARY[1]", 0, "\0hi\xff", 4);
	binary(CODED, n, "BINARY[2]", 0, "a=bc\r\nd", 7);
	binary(CODED, n, "BINARY[3]", CM_EDATA, NULL, 0);
	binary(CODED, n, "BINARY.SIZE[3]", CM_EDATA, NULL, 0);
	binary(CODED, n, "BINARY[4]", 0, "abc", 3);
	binary(CODED, n, "BINARY[5]", 0, "def", 3);
	binary(CODED, n, "BINARY[6]", 0, "", 0);
	binary(CODED, n, "BINARY[7]", CM_ENOINPUT, NULL, 0);
	binary(CODED, n, "BINARY[1.1]", CM_ENOINPUT, NULL, 0);
	binary(CODED, n, "BINARY[]", 0, CODED, n);
	binary(LEAF, strlen(LEAF), "BINARY[1]", 0, "text\r\nmore\r\n", 12);
	binary(MIXED, strlen(MIXED), "BINARY[2]", 0, INNER, strlen(INNER));
	binary("", 0, "BINARY[]", 0, "", 0);
	binary("", 0, "BINARY[1]", 0, "", 0);
	binary("A: b\r\n\r\n\0", 9, "BINARY[1]", 0, "\0", 1);
	binary("Content-Transfer-Encoding: x\r\n\r\nabc", 35, "BINARY[1]",
	    CM_EDATA, NULL, 0);
	binary("Content-Transfer-Encoding: x\r\n\r\nabc", 35, "BINARY[]", 0,
	    "Content-Transfer-Encoding: x\r\n\r\nabc", 35);
}

static void
preview(const char *msg, const char *want, const char *name)
{
	struct buf	 b;

	buf_init(&b, 10000);
	buf_adds(&b, "");
	is_int(section_preview(sp(msg), &b), 0, "%s", name);
	is_str(b.p, want, "%s: as it shall be", name);
	buf_free(&b);
}

#define HTML "Content-Type: text/html; charset=utf-8\r\n\r\n"

static void
test_preview(void)
{
	preview("", "", "nothing");
	preview(LEAF, "text more", "a text");
	preview(MIXED, "first", "the first part of several");
	preview("A: b\r\n\r\n \t\r\n a \r\n\r\n  b\r\n", "a b", "blanks");
	preview("A: b\r\n\r\n\xe9t\xe9", "\xc3\xa9t\xc3\xa9",
	    "8 bits of no charset");
	preview("Content-Type: text/plain; charset=koi8-r\r\n\r\n\xc1\xc2",
	    "\xd0\xb0\xd0\xb1", "a charset");
	preview("Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\naMOpCg==\r\n",
	    "h\xc3\xa9", "an encoding");
	preview("Content-Type: image/png\r\n\r\nabc", "", "no text");
	preview("Content-Transfer-Encoding: x\r\n\r\nabc", "",
	    "an unknown encoding");
	preview("Content-Type: multipart/mixed; boundary=o\r\n\r\n"
	    "--o\r\nContent-Type: image/png\r\n\r\nabc\r\n"
	    "--o\r\n\r\n \r\n"
	    "--o\r\n\r\nthis\r\n--o--\r\n", "this",
	    "the first part with a text in it");
	preview(HTML "<p>a<br>b</p>", "a b", "tags");
	preview(HTML "<html><head><title>no</title><style>p{}</style>"
	    "</head><body>yes</body>", "yes", "what nobody sees");
	preview(HTML "<style type=x>p > a {}</style>a<script>1 > 0"
	    "</script>b", "a b", "with its own brackets");
	preview(HTML "<header>is seen</header>", "is seen",
	    "a tag that begins alike");
	preview(HTML "a<!-- > <b> -->b", "a b", "a comment");
	preview(HTML "a<!-- without an end", "a", "and one that does not end");
	preview(HTML "a<b", "a", "nor does a tag");
	preview(HTML "a<style>b", "a", "nor a style");
	preview(HTML "&lt;b&gt; &amp; &quot;c&quot; &nbsp; d",
	    "<b> & \"c\" d", "names of characters");
	preview(HTML "&#233;&#xe9;&#XE9;&#x1F600;",
	    "\xc3\xa9\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80", "numbers of them");
	preview(HTML "&#xD800;a&#1114112;b&#x110000;c&#;d&x;e&",
	    "a&#1114112;b&#x110000;c&#;d&x;e&", "what is none");
	preview("A: b\r\n\r\n<b>&amp;</b>", "<b>&amp;</b>",
	    "in a plain text they are text");
}

/* 200 characters, whole ones. */
static void
test_preview_end(void)
{
	struct buf	 msg, want;

	buf_init(&msg, 100000);
	buf_init(&want, 100000);
	buf_adds(&msg, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
	for (int i = 0; i < 300; i++) {
		buf_adds(&msg, "\xf0\x9f\x98\x80");
		if (i < 200)
			buf_adds(&want, "\xf0\x9f\x98\x80");
	}
	preview(msg.p, want.p, "many characters");
	buf_reset(&msg);
	buf_reset(&want);
	buf_adds(&msg, "A: b\r\n\r\n");
	for (int i = 0; i < 300; i++) {
		buf_adds(&msg, "a ");
		if (i < 100)
			buf_adds(&want, i == 0 ? "a" : " a");
	}
	preview(msg.p, want.p, "many words");
	buf_free(&msg);
	buf_free(&want);
}

static void
body(const char *in, const char *want, const char *name)
{
	struct buf	 b;
	int		 rc;

	buf_init(&b, 10000);
	buf_adds(&b, "x");
	rc = section_body(sp(in), &b);
	if (want == NULL) {
		is_int(rc, CM_EDATA, "%s", name);
		is_str(b.p != NULL && b.len == 1 ? "x" : "", "x",
		    "and nothing was added");
	} else {
		is_int(rc, 0, "%s", name);
		is_str(b.p + 1, want, "%s: as it shall be", name);
	}
	buf_free(&b);
}

#define TEXT	"(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL " \
		"\"7bit\" 5 1"
#define IMAGE	"(\"image\" \"png\" NIL \"<i>\" \"a)(\\\"b\" \"base64\" 7"
#define ENV	"(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)"
#define MESSAGE	"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 " ENV " "

static void
test_body(void)
{
	body(TEXT " NIL NIL NIL NIL)", TEXT ")", "a text");
	body(TEXT ")", TEXT ")", "a text without more");
	body(IMAGE " NIL (\"attachment\" (\"filename\" \"x)\")) (\"a\" \"b\")"
	    " NIL)", IMAGE ")", "a picture");
	body("(" TEXT " NIL NIL NIL NIL)" IMAGE " NIL NIL NIL NIL) \"mixed\""
	    " (\"boundary\" \"o\") NIL NIL NIL)",
	    "(" TEXT ")" IMAGE ") \"mixed\")", "two parts");
	body(MESSAGE TEXT " NIL NIL NIL NIL) 3 NIL NIL NIL NIL)",
	    MESSAGE TEXT ") 3)", "a message");
	body("(((" TEXT " NIL) \"a\" NIL)" TEXT " NIL) \"b\" NIL) \"c\" NIL)",
	    "(((" TEXT ") \"a\")" TEXT ") \"b\") \"c\")", "in each other");
}

static void
test_no_body(void)
{
	static const char *const bad[] = { "", "(", ")", "()", "x", "(\"",
	    "(\"text\")", "(NIL NIL NIL NIL NIL NIL)", TEXT, TEXT ") ",
	    TEXT "))", TEXT " NIL", TEXT "  NIL)", TEXT " (NIL)", "(" TEXT ")",
	    "(" TEXT ") )", "(" TEXT ")\"mixed\")", "(\"a", "(\"a\\",
	    MESSAGE, MESSAGE "x)", MESSAGE ")" };
	struct buf	 deep;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		body(bad[i], NULL, bad[i]);
	buf_init(&deep, 10000);
	for (int i = 0; i < 1000; i++)
		buf_addc(&deep, '(');
	body(deep.p, NULL, "too deep");
	buf_free(&deep);
}

int
main(void)
{
	test_leaf();
	test_fields();
	test_parts();
	test_partial();
	test_binary();
	test_preview();
	test_preview_end();
	test_body();
	test_no_body();
	return tap_done();
}
