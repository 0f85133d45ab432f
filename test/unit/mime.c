#include <stdbool.h>
#include <stdlib.h>

#include "format/mime.h"
#include "tap.h"

#define ALT								\
	"--in\r\nContent-Type: text/plain\r\n\r\nplain\r\n"		\
	"--in\r\nContent-Type: text/html\r\n\r\n<p>\r\nhtml\r\n--in--\r\n"
#define TEXT_PLAIN "\"text\" \"plain\" (\"charset\" \"us-ascii\")"
#define EMPTY_PART "(" TEXT_PLAIN " NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)"
#define NO_ENVELOPE "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

static void
put(struct buf *b, const char *msg, const struct mime_tree *t, int i)
{
	const struct mime_part	*p = &t->parts[i];

	buf_addc(b, "LXM"[p->kind]);
	if (p->kind == MIME_LEAF) {
		buf_addc(b, '{');
		buf_add(b, msg + p->body, p->end - p->body);
		buf_addc(b, '}');
	}
	if (p->child != -1)
		buf_addc(b, '(');
	for (int k = p->child; k != -1; k = t->parts[k].next)
		put(b, msg, t, k);
	if (p->child != -1)
		buf_addc(b, ')');
}

/* The tree: L{body}, X(multipart's children), M(message). */
static const char *
tree(const char *msg)
{
	static char	 out[2000];
	struct mime_tree t;
	struct buf	 b;

	buf_init(&b, sizeof(out) - 1);
	if (mime_scan(msg, strlen(msg), &t) != 0)
		return "failed";
	put(&b, msg, &t, 0);
	snprintf(out, sizeof(out), "%s", b.p);
	mime_free(&t);
	buf_free(&b);
	return out;
}

static void
test_leaf(void)
{
	is_str(tree(""), "L{}", "an empty message");
	is_str(tree("A: b\r\n\r\nbody\r\n"), "L{body\r\n}", "plain");
	is_str(tree("A: b\n\nbody"), "L{body}", "LF");
	is_str(tree("no header\r\n\r\nbody"), "L{no header\r\n\r\nbody}",
	    "no header");
	is_str(tree("\r\nbody"), "L{body}", "empty header");
	is_str(tree("A: b\r\n"), "L{}", "no body");
	is_str(tree("Content-Type: multipart/mixed\r\n\r\n--b\r\n"),
	    "L{--b\r\n}", "a multipart without a boundary");
	is_str(tree("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n"
	    "-- \r\nx"), "L{-- \r\nx}", "with an empty one");
	is_str(tree("Content-Type: multipart; boundary=b\r\n\r\n--b\r\n"),
	    "L{--b\r\n}", "a type without a subtype");
}

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\r\n\r\n"

static void
test_multipart(void)
{
	is_str(tree(MIXED("b") "pre\r\n--b\r\n\r\none\r\n--b\r\nA: b\r\n\r\n"
	    "two\r\n\r\n--b--\r\npost\r\n--b\r\n"), "X(L{one}L{two\r\n})",
	    "preamble, two parts, epilogue");
	is_str(tree("Content-Type: multipart/mixed;\n boundary=\"b\"\n\n--b\n"
	    "\none\n--b--\n"), "X(L{one})", "LF, folded, quoted");
	is_str(tree(MIXED("o") "--o\r\n" MIXED("in") ALT "--o\r\n\r\nx\r\n"
	    "--o--\r\n"), "X(X(L{plain}L{<p>\r\nhtml})L{x})", "nested");
	is_str(tree(MIXED("b") "--b\r\n\r\none"), "X(L{one})", "not closed");
	is_str(tree(MIXED("o") "--o\r\n" MIXED("i") "--i\r\n\r\none\r\n"
	    "--o\r\n\r\ntwo\r\n--i\r\n--o--"), "X(X(L{one})L{two\r\n--i})",
	    "the inner one ends with its parent");
	is_str(tree(MIXED("b") "--b\r\n--b\r\n\r\n--b\r\nA: b\r\n--b--"),
	    "X(L{}L{}L{})", "parts with nothing in them");
	is_str(tree(MIXED("b") "--b\r\nno header\r\n--b--"),
	    "X(L{no header})", "a part without a header");
	is_str(tree(MIXED("b") "nothing\r\n"), "X", "no parts");
	is_str(tree(MIXED("b") "--b--\r\n"), "X", "closed at once");
	is_str(tree(MIXED("o") "--o\r\n" MIXED("i") "--i\r\nA: b\r\n\r\n"
	    "--o--\r\n"), "X(X(L{}))", "ends behind a header");
	is_str(tree(MIXED("o") "--o\r\n" MIXED("o") "--o\r\n\r\none\r\n"
	    "--o--\r\n--o\r\n\r\ntwo\r\n--o--\r\n"), "X(X(L{one})L{two})",
	    "the same boundary twice: the inner one first");
}

static void
test_boundary(void)
{
	is_str(tree(MIXED("b") "--b \t\r\n\r\none\r\n--b-- \r\nx"),
	    "X(L{one})", "padding behind it");
	is_str(tree(MIXED("b") "--b\r\n\r\n--bb\r\n--B\r\n --b\r\n-- b\r\n"
	    "--b-\r\n--b---\r\n--b--\r\n"),
	    "X(L{--bb\r\n--B\r\n --b\r\n-- b\r\n--b-\r\n--b---})",
	    "what only looks like it");
	is_str(tree(MIXED("ab") "--ab\r\n" MIXED("ab_2") "--ab_2\r\n\r\none"
	    "\r\n--ab_2--\r\n--ab\r\n\r\ntwo\r\n--ab--"),
	    "X(X(L{one})L{two})", "one starts like the other");
	is_str(tree(MIXED("b--") "--b--\r\n\r\none\r\n--b----\r\n--b--"),
	    "X(L{one})", "it ends with --");
	is_str(tree(MIXED("----=_Next:1.=?") "------=_Next:1.=?\r\n\r\none"),
	    "X(L{one})", "unquoted, though it should be");
	is_str(tree(MIXED("\"a \\\"b \"") "--a \"b\r\n\r\none"),
	    "X(L{one})", "quoted, with a backslash and blanks");
	is_str(tree(MIXED("b (comment)") "--b\r\n\r\none"), "X(L{one})",
	    "a comment");
	is_str(tree(MIXED("b") "--b\r\n\r\none\r\n--b--"), "X(L{one})",
	    "no line end at the end");
}

#define MESSAGE "Content-Type: message/rfc822\r\n"

static void
test_message(void)
{
	is_str(tree(MESSAGE "\r\nA: b\r\n\r\nbody"), "M(L{body})", "message");
	is_str(tree("Content-Type: Message/Global\r\n\r\nA: b\r\n\r\nbody"),
	    "M(L{body})", "message/global");
	is_str(tree(MESSAGE "Content-Transfer-Encoding: Base64\r\n\r\nQTog"),
	    "L{QTog}", "an encoded one is a leaf");
	is_str(tree(MESSAGE "Content-Transfer-Encoding: 8bit\r\n\r\nx"),
	    "M(L{x})", "8bit is not encoded");
	is_str(tree(MESSAGE), "M(L{})", "nothing in it");
	is_str(tree(MESSAGE "\r\n" MESSAGE "\r\nA: b\r\n\r\nx"),
	    "M(M(L{x}))", "a message in a message");
	is_str(tree(MESSAGE "\r\n" MIXED("b") "--b\r\n\r\nx\r\n--b--\r\n"),
	    "M(X(L{x}))", "a multipart in a message");
	is_str(tree(MIXED("b") "--b\r\n" MESSAGE "\r\n" MIXED("i")
	    "--i\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--"),
	    "X(M(X(L{one}))L{two})", "a cut multipart in a message");
	is_str(tree("Content-Type: message/delivery-status\r\n\r\nA: b"),
	    "L{A: b}", "others are leaves");
}

static void
test_digest(void)
{
#define DIGEST "Content-Type: multipart/digest; boundary=d\r\n\r\n"
	is_str(tree(DIGEST "--d\r\n\r\nA: b\r\n\r\none\r\n--d\r\n"
	    "Content-Type: text/plain\r\n\r\ntwo\r\n--d--"),
	    "X(M(L{one})L{two})", "digest");
	is_str(tree(DIGEST "--d\r\nno header at all\r\n--d--"),
	    "X(M(L{no header at all}))", "neither header");
	is_str(tree(DIGEST "--d\r\n--d--"), "X(M(L{}))", "empty");
	is_str(tree(DIGEST "--d\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "QTog\r\n--d--"), "X(L{QTog})", "encoded");
}

static void
test_offsets(void)
{
	const char	*msg = MIXED("b") "--b\r\nA: b\r\n\r\n1\r\n2\r\n\r\n"
			    "--b--\r\n\r\n";
	struct mime_tree t;

	is_int(mime_scan(msg, strlen(msg), &t), 0, "scan");
	is_int(t.n, 2, "two parts");
	is_int(t.parts[0].header, 0, "the message's header");
	is_int(t.parts[0].end, strlen(msg), "the message's end");
	is_int(t.parts[0].lines, 8, "the message's lines");
	is_int(t.parts[1].header, t.parts[0].body + 5, "the part's header");
	is_int(t.parts[1].body, t.parts[1].header + 8, "the part's body");
	is_int(t.parts[1].end, t.parts[1].body + 6, "the part's end");
	is_int(t.parts[1].lines, 2, "the part's lines");
	ok(t.parts[1].parent == 0 && t.parts[0].parent == -1, "parents");
	mime_free(&t);
	ok(t.parts == NULL && t.n == 0, "freed");
	mime_free(&t);
	mime_free(NULL);
}

/* Checks that p is one balanced list on one line. */
static bool
well_formed(const struct buf *b)
{
	size_t	 depth = 0;
	bool	 quoted = false;

	if (b->len < 2 || b->len > MIME_SUMMARY_MAX || strlen(b->p) != b->len)
		return false;
	for (size_t i = 0; i < b->len; i++) {
		char c = b->p[i];

		if (c == '\r' || c == '\n' || (depth == 0 && i > 0))
			return false;
		if (c == '\\' && quoted)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted)
			depth += c == '(' ? 1 : c == ')' ? (size_t)-1 : 0;
	}
	return depth == 0 && !quoted;
}

/* Writes one of the two into out; false when it is not well-formed. */
static bool
summary(const char *msg, size_t len, bool body, struct buf *out)
{
	struct mime_tree t;
	int		 rc;

	buf_reset(out);
	if (mime_scan(msg, len, &t) != 0)
		return false;
	rc = body ? mime_bodystructure(msg, &t, out) :
	    mime_envelope(msg, &t.parts[0], out);
	mime_free(&t);
	return rc == 0 && well_formed(out);
}

static struct buf	 result;

static const char *
envelope(const char *msg)
{
	return summary(msg, strlen(msg), false, &result) ? result.p : "bad";
}

static const char *
body(const char *msg)
{
	return summary(msg, strlen(msg), true, &result) ? result.p : "bad";
}

#define TERRY "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"

static void
test_envelope(void)
{
	is_str(envelope(
	    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	    "From: Terry Gray <gray@cac.washington.edu>\r\n"
	    "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
	    "To: imap@cac.washington.edu\r\n"
	    "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>"
	    "\r\nMessage-Id: <B27397-0100000@cac.washington.edu>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"),
	    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\""
	    " \"IMAP4rev1 WG mtg summary and minutes\" " TERRY " " TERRY " "
	    TERRY " ((NIL NIL \"imap\" \"cac.washington.edu\"))"
	    " ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
	    "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL"
	    " \"<B27397-0100000@cac.washington.edu>\")",
	    "the example of RFC 3501 section 8");
	is_str(envelope(""), NO_ENVELOPE, "nothing is there");
	is_str(envelope("Date:\r\nSubject: \r\nFrom:\r\nTo: ,\r\n"
	    "In-Reply-To:\r\nMessage-ID:\r\n"),
	    "(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")",
	    "empty is a string, but no list");
	is_str(envelope("Subject: a \"b\" \\c\r\n d\r\nSubject: e\r\n"),
	    "(NIL \"a \\\"b\\\" \\\\c d\" NIL NIL NIL NIL NIL NIL NIL NIL)",
	    "escapes, folding, the first counts");
	is_str(envelope("Subject: =?utf-8?q?=C3=B6?= \xc3\xb6\xff\r\n"),
	    "(NIL \"=?utf-8?q?=C3=B6?= \xc3\xb6\xff\" NIL NIL NIL NIL NIL NIL"
	    " NIL NIL)", "encoded-words and bytes stay");
	is_str(envelope("From: a@b\r\nSender: c@d\r\nReply-To: \r\n"),
	    "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\"))"
	    " ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)",
	    "an empty Reply-To is that of From");
	is_str(envelope("To: a@b\r\nX: y\r\nTo: c@d\r\n"),
	    "(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")"
	    "(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)", "To twice");
	ok(summary("Subject: a\0b\rc\r\n\r\n", 17, false, &result) &&
	    strncmp(result.p, "(NIL \"a b c\" ", 13) == 0, "NUL and CR");
}

static void
test_addresses(void)
{
#define TO(list) "(NIL NIL NIL NIL NIL " list " NIL NIL NIL NIL)"
	is_str(envelope("To: G: a@b, C <c@d>;, e@f\r\n"),
	    TO("((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(\"C\" NIL \"c\""
	    " \"d\")(NIL NIL NIL NIL)(NIL NIL \"e\" \"f\"))"), "group");
	is_str(envelope("To: undisclosed-recipients:;\r\n"),
	    TO("((NIL NIL \"undisclosed-recipients\" NIL)"
	    "(NIL NIL NIL NIL))"), "an empty group");
	is_str(envelope("To: G: a@b, H: c@d\r\n"),
	    TO("((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"
	    "(NIL NIL \"H\" NIL)(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL))"),
	    "groups that are not closed");
	is_str(envelope("To: a@b; c@d\r\n"),
	    TO("((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))"),
	    "semicolons between");
	is_str(envelope("To: <@x,@y:\"a \\\"b\"@c>\r\n"),
	    TO("((NIL \"@x,@y\" \"a \\\"b\" \"c\"))"),
	    "route and quoted local part");
	is_str(envelope("To: root, Foo Bar\r\n"),
	    TO("((NIL NIL \"root\" \"MISSING_DOMAIN\")"
	    "(\"Foo Bar\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\"))"),
	    "missing parts are no NIL");
}

static void
test_body_leaf(void)
{
	is_str(body(""), EMPTY_PART, "an empty message");
	is_str(body("Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"
	    "1\r\n2\r\n"), "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\")"
	    " NIL NIL \"7bit\" 6 2 NIL NIL NIL NIL)", "names as sent");
	is_str(body("Content-Type: image/png; name=\"a \\\"b\\\".png\"\r\n"
	    "Content-Transfer-Encoding: BASE64 (x)\r\nContent-ID: <1@x>\r\n"
	    "Content-Description: a\r\n picture\r\nContent-MD5: Q2h==\r\n"
	    "Content-Disposition: attachment; filename=a.png; size=3\r\n"
	    "Content-Language: en, de\r\nContent-Location: http://x/\r\n\r\n"
	    "AAAA"), "(\"image\" \"png\" (\"name\" \"a \\\"b\\\".png\")"
	    " \"<1@x>\" \"a picture\" \"BASE64\" 4 \"Q2h==\""
	    " (\"attachment\" (\"filename\" \"a.png\" \"size\" \"3\"))"
	    " (\"en\" \"de\") \"http://x/\")", "all there is");
	is_str(body("Content-Type: text\r\nContent-Disposition: filename=x\r\n"
	    "Content-Language: (none)\r\nContent-Transfer-Encoding:\r\n\r\n"),
	    EMPTY_PART, "broken ones are as if not there");
	is_str(body("Content-Type: text/html\r\nContent-Disposition: inline"
	    "\r\nContent-Language: en\r\n\r\n"),
	    "(\"text\" \"html\" NIL NIL NIL \"7bit\" 0 0 NIL"
	    " (\"inline\" NIL) \"en\" NIL)", "no parameters");
	is_str(body("Content-Type: multipart/mixed\r\n\r\nx\r\n"),
	    "(" TEXT_PLAIN " NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL)",
	    "a multipart without a boundary is text");
	is_str(body(MESSAGE "Content-Transfer-Encoding: base64\r\n\r\nQTog"),
	    "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4 NIL"
	    " NIL NIL NIL)", "an encoded message is data");
}

static void
test_params(void)
{
#define PARAMS(p) "(\"a\" \"b\" " p " NIL NIL \"7bit\" 0 NIL NIL NIL NIL)"
	is_str(body("Content-Type: a/b; name*0*=utf-8''a%20;\r\n"
	    " name*1=\"b;c\"; name*3=d; name*0*=again; name*=e\r\n\r\n"),
	    PARAMS("(\"name*\" \"utf-8''a%20b%3Bc\""
	    " \"name*3\" \"d\" \"name*\" \"again\" \"name*\" \"e\")"),
	    "RFC 2231: pieces are joined");
	is_str(body("Content-Type: a/b; x*2=c; NAME*1=\"b \\\"\""
	    "; name*0=\"a \"; x*1*=%62; y*1=n; z*=q; x*0=a*; *0=s; u*0;"
	    " v*=; u*0x=1\r\n\r\n"),
	    PARAMS("(\"x*\" \"''a%2A%62c\" \"NAME\" \"a b \\\"\""
	    " \"y*1\" \"n\" \"z*\" \"q\" \"*0\" \"s\" \"v*\" \"\""
	    " \"u*0x\" \"1\")"), "in any order, encoded where one is");
	is_str(body("Content-Type: a/b;; x ; =y; c = (z) d (e) ; f=\r\n\r\n"),
	    PARAMS("(\"c\" \"d\" \"f\" \"\")"), "what is none goes");
	is_str(body("Content-Type: a/b c=d e=\"f\r\n g\\\"\r\n\r\n"),
	    PARAMS("(\"c\" \"d\" \"e\" \"f g\\\"\")"),
	    "no semicolons, open quotes");
	is_str(body("Content-Type: a (x) / (y) b (unclosed; c=d\r\n\r\n"),
	    PARAMS("NIL"), "an open comment");
	is_str(body("Content-Type: a/b; n=\"\xc3\xb6\xff\"\r\n\r\n"),
	    PARAMS("(\"n\" \"\xc3\xb6\xff\")"), "8 bit");
}

static void
test_body_tree(void)
{
	is_str(body(MIXED("b") "nothing"), "(" EMPTY_PART
	    " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)",
	    "a multipart without parts");
	is_str(body("Content-Type: multipart/alternative; boundary=in\r\n"
	    "Content-Language: de\r\n\r\n" ALT),
	    "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 0 NIL NIL NIL NIL)"
	    "(\"text\" \"html\" NIL NIL NIL \"7bit\" 9 1 NIL NIL NIL NIL)"
	    " \"alternative\" (\"boundary\" \"in\") NIL \"de\" NIL)",
	    "multipart");
	is_str(body(MIXED("b") "--b\r\n" MESSAGE "\r\nSubject: in\r\n\r\nx\r\n"
	    "\r\n--b--\r\n"), "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\""
	    " 18 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) ("
	    TEXT_PLAIN " NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL) 3 NIL NIL NIL"
	    " NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)", "message");
	is_str(body(DIGEST "--d\r\n\r\n--d--"), "((\"message\" \"rfc822\" NIL"
	    " NIL NIL \"7bit\" 0 " NO_ENVELOPE " " EMPTY_PART " 0 NIL NIL NIL"
	    " NIL) \"digest\" (\"boundary\" \"d\") NIL NIL NIL)", "digest");
}

static struct buf	 big;

static void
repeat(const char *s, size_t n)
{
	while (n-- > 0)
		buf_adds(&big, s);
}

static void
start(const char *s)
{
	buf_reset(&big);
	buf_adds(&big, s);
}

static size_t
part_count(void)
{
	struct mime_tree t;
	size_t		 n;

	if (mime_scan(big.p, big.len, &t) != 0)
		return 0;
	n = t.n;
	mime_free(&t);
	return n;
}

static void
test_tree_limits(void)
{
	const char	*fallback = "(\"application\" \"octet-stream\" NIL ";

	start("");
	repeat(MESSAGE "\r\n", 10000);
	is_int(part_count(), MIME_DEPTH_MAX + 1, "10000 nested messages");
	ok(summary(big.p, big.len, true, &result), "have a structure");
	start("");
	for (int i = 0; i < 10000; i++)
		buf_addf(&big, MIXED("b%d") "--b%d\r\n", i, i);
	is_int(part_count(), MIME_DEPTH_MAX + 1, "10000 nested multiparts");
	ok(summary(big.p, big.len, true, &result), "have a structure");
	start(MIXED("b"));
	repeat("--b\r\n\r\n", MIME_PARTS_MAX + 10);
	is_int(part_count(), MIME_PARTS_MAX, "the most parts");
	ok(summary(big.p, big.len, true, &result) &&
	    strncmp(result.p, fallback, strlen(fallback)) == 0,
	    "are too many to be told");
	start(MIXED("b"));
	repeat("--b\r\n" MESSAGE "\r\n", MIME_PARTS_MAX);
	is_int(part_count(), MIME_PARTS_MAX, "messages count twice");
	start(MIXED("b"));
	repeat("--b\r\n\r\n", 1000);
	ok(summary(big.p, big.len, true, &result) &&
	    strncmp(result.p, "((\"text\"", 8) == 0, "1000 parts are told");
	start("Content-Type: multipart/mixed; boundary=");
	repeat("x", 256);
	buf_adds(&big, "\r\n\r\n--");
	repeat("x", 256);
	buf_adds(&big, "--\r\n");
	is_str(tree(big.p), "X", "a boundary of 256");
	start("Content-Type: multipart/mixed; boundary=");
	repeat("x", 257);
	buf_adds(&big, "\r\n\r\n");
	is_str(tree(big.p), "L{}", "longer ones are none");
}

/* What there is of s in result. */
static size_t
count(const char *s)
{
	size_t		 n = 0;
	const char	*p = result.p;

	for (; (p = strstr(p, s)) != NULL; p += strlen(s))
		n++;
	return n;
}

static void
test_string_limits(void)
{
	start("Subject: ");
	repeat("\xe2\x82\xac", 100000);
	ok(summary(big.p, big.len, false, &result), "a long subject");
	ok(count("\xe2\x82\xac\" NIL") == 1, "is cut between characters");
	start("Subject: ");
	repeat("\"", 100000);
	ok(summary(big.p, big.len, false, &result), "a long row of quotes");
	start("From: ");
	repeat("a@b, ", 100000);
	repeat("\r\nTo: g: a@b,", 50000);
	buf_adds(&big, "\r\nCc: ");
	repeat("a: b@c,", 100000);
	buf_adds(&big, "\r\nBcc: ");
	repeat("a@b, ", 100000);
	buf_adds(&big, "\r\nIn-Reply-To: ");
	repeat("x", 100000);
	buf_adds(&big, "\r\nMessage-ID: ");
	repeat("x", 100000);
	ok(summary(big.p, big.len, false, &result), "all of it long");
	ok(count("(NIL NIL \"a\" NIL)") > 1000, "Cc has its share");
	is_int(count("NIL)(NIL NIL NIL NIL))"), 0, "no group ends twice");
	start("To: ");
	repeat("Somebody Else <somebody.else@example.net>, ", 1000);
	ok(summary(big.p, big.len, false, &result), "1000 recipients");
	is_int(count("somebody.else"), 1000, "are all there");
	start("Content-Type: a/b");
	repeat("; name*0*=utf-8''x", 100000);
	ok(summary(big.p, big.len, true, &result), "100000 parameters");
	is_int(count("name*"), 64, "are cut");
	start("Content-Type: a/b");
	for (int i = 0; i < 64; i++) {
		buf_addf(&big, "; n*%d=", i);
		repeat("x", 1000);
	}
	ok(summary(big.p, big.len, true, &result), "a long one in pieces");
	is_int(count("x"), 4096, "is cut");
	start("Content-Language: en");
	repeat(",en", 1000);
	ok(summary(big.p, big.len, true, &result), "languages");
	is_int(count("\"en\""), 32, "are cut");
}

static void
test_small_buffer(void)
{
	struct mime_tree t;
	struct buf	 b;

	buf_init(&b, 20);
	is_int(mime_scan("", 0, &t), 0, "scan");
	is_int(mime_bodystructure("", &t, &b), CM_ETOOBIG, "no room");
	is_int(b.len, 0, "nothing was added");
	buf_reset(&b);
	is_int(mime_envelope("", &t.parts[0], &b), CM_ETOOBIG, "no room");
	mime_free(&t);
	buf_free(&b);
}

int
main(void)
{
	buf_init(&result, 2 * MIME_SUMMARY_MAX);
	buf_init(&big, 16 << 20);
	test_leaf();
	test_multipart();
	test_boundary();
	test_message();
	test_digest();
	test_offsets();
	test_envelope();
	test_addresses();
	test_body_leaf();
	test_params();
	test_body_tree();
	test_tree_limits();
	test_string_limits();
	test_small_buffer();
	buf_free(&result);
	buf_free(&big);
	return tap_done();
}
