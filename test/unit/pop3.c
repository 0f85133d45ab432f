/* POP3's words, and messages as they go to the client. */
#include "format/pop3.h"
#include "tap.h"

#define CEILING	(1 << 20)

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
test_verbs(void)
{
	static const char *const names[] = { "USER", "PASS", "AUTH", "STLS",
	    "CAPA", "UTF8", "QUIT", "STAT", "LIST", "RETR", "DELE", "NOOP",
	    "RSET", "TOP", "UIDL" };
	struct span	 args;

	for (int i = 0; i < POP3_UNKNOWN; i++)
		is_int(pop3_verb(sp(names[i]), &args), i, "%s", names[i]);
	is_int(pop3_verb(sp("reTR 12"), &args), POP3_RETR, "in any case");
	ok(span_is(args, "12"), "what is behind its blank");
	is_int(pop3_verb(sp("PASS  a b "), &args), POP3_PASS, "a password");
	ok(span_is(args, " a b "), "has the other blanks (RFC 1939 section 7)");
	is_int(pop3_verb(sp("QUIT"), &args), POP3_QUIT, "nothing behind it");
	is_int(args.len, 0, "is nothing");
	is_int(pop3_verb(sp("QUIT "), &args), POP3_QUIT, "a blank behind it");
	is_int(args.len, 0, "is nothing, too");
	is_int(pop3_verb(sp("RETRX 1"), &args), POP3_UNKNOWN, "a longer word");
	is_int(pop3_verb(sp("RET"), &args), POP3_UNKNOWN, "a shorter one");
	is_int(pop3_verb(sp("RETR\t1"), &args), POP3_UNKNOWN, "a tab");
	is_int(pop3_verb(sp(" QUIT"), &args), POP3_UNKNOWN, "a blank first");
	is_int(pop3_verb(sp("APOP x y"), &args), POP3_UNKNOWN, "APOP");
	is_int(pop3_verb(sp(""), &args), POP3_UNKNOWN, "an empty line");
	is_int(pop3_verb((struct span){ NULL, 0 }, &args), POP3_UNKNOWN,
	    "no line");
	is_int(args.len, 0, "has nothing behind it");
}

static void
numbers(const char *text, unsigned min, unsigned max, int rc, unsigned n,
    uint32_t a, uint32_t b)
{
	uint32_t	 out[2] = { 0, 0 };
	unsigned	 got;
	int		 r = pop3_numbers(sp(text), min, max, out, &got);

	ok(r == rc && (rc != 0 || (got == n && out[0] == a && out[1] == b)),
	    "\"%s\", %u to %u numbers", text, min, max);
}

static void
test_numbers(void)
{
	numbers("1", 1, 1, 0, 1, 1, 0);
	numbers("", 0, 1, 0, 0, 0, 0);
	numbers("  ", 0, 1, 0, 0, 0, 0);
	numbers(" 12  0 ", 2, 2, 0, 2, 12, 0);
	numbers("4294967295", 1, 1, 0, 1, 4294967295u, 0);
	numbers("0007", 1, 1, 0, 1, 7, 0);
	numbers("4294967296", 1, 1, CM_EDATA, 0, 0, 0);
	numbers("99999999999999999999999", 1, 1, CM_EDATA, 0, 0, 0);
	numbers("", 1, 1, CM_EDATA, 0, 0, 0);
	numbers("1", 2, 2, CM_EDATA, 0, 0, 0);
	numbers("1 2", 0, 1, CM_EDATA, 0, 0, 0);
	numbers("1 2 3", 2, 2, CM_EDATA, 0, 0, 0);
	numbers("-1", 1, 1, CM_EDATA, 0, 0, 0);
	numbers("+1", 1, 1, CM_EDATA, 0, 0, 0);
	numbers("0x1", 1, 1, CM_EDATA, 0, 0, 0);
	numbers("1\t2", 2, 2, CM_EDATA, 0, 0, 0);
	numbers("one", 1, 1, CM_EDATA, 0, 0, 0);
}

/* In chunks of any size the same comes out. */
static void
text(const char *msg, uint64_t lines, const char *want, const char *what)
{
	struct buf	 b;
	struct pop3_text t;
	unsigned	 calls;

	for (size_t chunk = 2; chunk < 64; chunk++) {
		t = (struct pop3_text){ .msg = sp(msg), .lines = lines };
		buf_init(&b, CEILING);
		calls = 0;
		while (!pop3_text(&t, chunk, &b) && calls < 10000)
			calls++;
		if (b.len != strlen(want) || memcmp(b.p, want, b.len) != 0) {
			is_str(b.p, want, "%s, in chunks of %zu", what, chunk);
			buf_free(&b);
			return;
		}
		buf_free(&b);
	}
	ok(true, "%s", what);
}

static void
test_whole(void)
{
	const uint64_t	 all = UINT64_MAX;

	text("a: b\r\n\r\nc\r\n", all, "a: b\r\n\r\nc\r\n.\r\n", "a message");
	text("", all, ".\r\n", "an empty one");
	text("a: b\r\n", all, "a: b\r\n.\r\n", "a header alone");
	text(".a: b\r\n\r\n.\r\n..\r\n.x\r\nx.\r\n", all,
	    "..a: b\r\n\r\n..\r\n...\r\n..x\r\nx.\r\n.\r\n",
	    "dots at the begin of lines");
	text("a: b\r\n\r\nno end", all, "a: b\r\n\r\nno end\r\n.\r\n",
	    "a last line without an end");
	text(".", all, "..\r\n.\r\n", "a dot without one");
	text("\n", all, "\n.\r\n", "a bare LF, which has an end");
	text("a: b\r\n\r\nx\n.\r\n", all, "a: b\r\n\r\nx\n..\r\n.\r\n",
	    "a dot behind a bare LF");
	text("x.......................................................\r\n",
	    all,
	    "x.......................................................\r\n.\r\n",
	    "dots in the middle of a long line");
}

static void
test_top(void)
{
	static const char m[] = "a: b\r\nc: d\r\n\r\n1\r\n.2\r\n\r\n4\r\n";

	text(m, 0, "a: b\r\nc: d\r\n\r\n.\r\n", "no line of the body");
	text(m, 1, "a: b\r\nc: d\r\n\r\n1\r\n.\r\n", "one");
	text(m, 2, "a: b\r\nc: d\r\n\r\n1\r\n..2\r\n.\r\n", "two");
	text(m, 3, "a: b\r\nc: d\r\n\r\n1\r\n..2\r\n\r\n.\r\n",
	    "an empty line is one");
	text(m, 4, "a: b\r\nc: d\r\n\r\n1\r\n..2\r\n\r\n4\r\n.\r\n",
	    "as many as there are");
	text(m, UINT32_MAX, "a: b\r\nc: d\r\n\r\n1\r\n..2\r\n\r\n4\r\n.\r\n",
	    "more than there are");
	text("a: b\r\n", 5, "a: b\r\n.\r\n", "a header alone");
	text("\r\n1\r\n2\r\n", 1, "\r\n1\r\n.\r\n", "no header");
	text("a\n\n1\n2\n", 1, "a\n\n1\n.\r\n", "bare LFs");
	text("a: b\r\n\r\nlong\r\n", 0, "a: b\r\n\r\n.\r\n",
	    "nothing of the body is looked at");
}

/* What is added at once is not much more than was asked for. */
static void
test_chunks(void)
{
	static char	 m[200000];
	struct pop3_text t = { .msg = { m, sizeof(m) }, .lines = UINT64_MAX };
	struct buf	 b;
	size_t		 most = 0, had, calls = 0;
	bool		 end = false;

	memset(m, '.', sizeof(m));
	for (size_t i = 1; i < sizeof(m); i += 2)
		m[i] = '\n';
	buf_init(&b, CEILING);
	while (!end) {
		had = b.len;
		end = pop3_text(&t, 4096, &b);
		if (b.len - had > most)
			most = b.len - had;
		calls++;
	}
	ok(most < 2 * 4096 && calls > 40, "%zu bytes at most, %zu calls", most,
	    calls);
	is_int(b.len, sizeof(m) / 2 * 3 + 3, "all of them");
	buf_free(&b);
}

int
main(void)
{
	test_verbs();
	test_numbers();
	test_whole();
	test_top();
	test_chunks();
	return tap_done();
}
