#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "format/mbox.h"
#include "tap.h"

#define T1 821495134000LL	/* Sat Jan 13 01:05:34 1996 UTC */

static void
test_from(void)
{
	static const struct {
		const char	*line, *sender;
		int64_t		 ms;
	} good[] = {
		{ "From a@b Sat Jan 13 01:05:34 1996", "a@b", T1 },
		{ "From a@b Sat Jan 13 01:05:34 1996\t", "a@b", T1 },
		{ "From a@b  sat jan 13 01:05:34 1996", "a@b", T1 },
		{ "From a@b Sat Jan 13 01:05 1996", "a@b", T1 - 34000 },
		{ "From a@b Sat Jan 13 1:05:34 1996", "a@b", T1 },
		{ "From a@b Sat Jan  3 01:05:34 1996", "a@b",
		    T1 - 10 * 86400000LL },
		{ "From a@b Sat Jan 13 01:05:34 96", "a@b", T1 },
		{ "From a@b Sat Jan 13 01:05:34 +0200 1996", "a@b",
		    T1 - 7200000 },
		{ "From a@b Sat Jan 13 01:05:34 1996 -0130", "a@b",
		    T1 + 5400000 },
		{ "From a@b Sat Jan 13 01:05:34 EST 1996", "a@b",
		    T1 + 5 * 3600000 },
		{ "From a@b Sat Jan 13 01:05:34 GMT 1996", "a@b", T1 },
		{ "From a@b Sat Jan 13 01:05:34 MET DST 1996", "a@b", T1 },
		{ "From a Sat Jan 13 01:05:34 1996 remote from x", "a", T1 },
		{ "From - Sat Jan 13 01:05:34 1996", "-", T1 },
		{ "From Sat Sat Jan 13 01:05:34 1996", "Sat", T1 },
		{ "From  Sat Jan 13 01:05:34 1996", "", T1 },
		{ "From a at b.org  Sat Jan 13 01:05:34 1996", "a", T1 },
		{ "From \"a b\\\" c\"@d Sat Jan 13 01:05:34 1996",
		    "\"a b\\\" c\"@d", T1 },
		{ "From \"ab Sat Jan 13 01:05:34 1996", "\"ab", T1 },
		{ "From a@b Sat Feb 30 01:05:34 1996", "a@b", -1 },
		{ "From a@b Sat Jan 13 01:05:34 1896", "a@b", -1 },
		{ "From a@b Thu Jan  1 00:00:00 +0100 1970", "a@b", -1 },
		{ "From a@b Sat Dec 31 23:59:60 2016", "a@b",
		    1483228800000LL },
	};
	static const char *const bad[] = {
		"", "From ", "From", "From:", "From a@b",
		"from a@b Sat Jan 13 01:05:34 1996",
		">From a@b Sat Jan 13 01:05:34 1996",
		"From: a@b Sat Jan 13 01:05:34 1996",
		"From what I saw on Sat Jan 13 01:05:34 1996",
		"From a@b Sat Jan 13 01:05:34",
		"From a@b Sat Jan 13 01:05:34 one two three 1996",
		"From a@b Sat Jan 13 24:05:34 1996",
		"From a@b Sat Jan 13 01:05:34: 1996",
		"From a@b Sat Jan 13 01 1996",
		"From a@b Sat Jan 0 01:05:34 1996",
		"From a@b Sat Jan 32 01:05:34 1996",
		"From a@b Sat Foo 13 01:05:34 1996",
		"From a@b Sun, 13 Jan 1996 01:05:34",
		"From \"a\\",
	};
	struct span	 s;
	int64_t		 ms;
	char		*big = malloc(2000);

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		bool yes = mbox_from(good[i].line, strlen(good[i].line), &s,
		    &ms);

		ok(yes && span_is(s, good[i].sender) && ms == good[i].ms,
		    "%s", good[i].line);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!mbox_from(bad[i], strlen(bad[i]), &s, &ms), "not: %s",
		    bad[i]);
	memset(big, 'x', 2000);
	memcpy(big, "From ", 5);
	memcpy(big + 1900, good[0].line + 8, strlen(good[0].line + 8));
	ok(!mbox_from(big, 1900 + strlen(good[0].line + 8), &s, &ms),
	    "a line over the limit");
	free(big);
}

static void
test_write(void)
{
	const char	*msg = "a: b\r\n\r\nFrom x\r\n>From y\n>> From\nFrom\r"
			    "From z\r\r\nFrom ";
	struct buf	 b;
	struct span	 s;
	int64_t		 ms;

	buf_init(&b, 10000);
	mbox_from_line(&b, "a@b", T1);
	is_str(b.p, "From a@b Sat Jan 13 01:05:34 1996\n", "a From_ line");
	buf_reset(&b);
	mbox_from_line(&b, "", -1);
	is_str(b.p, "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n", "empty");
	buf_reset(&b);
	mbox_from_line(&b, "a b\nFrom c\t\x7f", T1);
	is_str(b.p, "From a_b_From_c__ Sat Jan 13 01:05:34 1996\n",
	    "a sender can't make lines or words");
	buf_reset(&b);
	for (int i = 0; i < 3000; i++)
		buf_addc(&b, 'x');
	mbox_from_line(&b, b.p, T1);
	ok(mbox_from(b.p + 3000, b.len - 3001, &s, &ms) && ms == T1,
	    "a long sender is cut to what can be read");
	buf_reset(&b);
	is_int(mbox_quote(&b, msg, strlen(msg)), 0, "quotes");
	is_str(b.p, "a: b\n\n>From x\n>>From y\n>> From\nFrom\r"
	    "From z\r\n>From \n\n", "every From_, and CRLF gone");
	buf_reset(&b);
	mbox_quote(&b, "", 0);
	is_str(b.p, "\n", "an empty message");
	b.max = 5;
	is_int(mbox_quote(&b, "12345", 5), CM_ETOOBIG, "over the ceiling");
	buf_free(&b);
}

/* Reads text in pieces of n bytes; "sender@line{text}..." then the code. */
static void
run(const char *text, size_t n, size_t max, struct buf *out)
{
	struct mbox_reader	 r;
	struct span		 in, msg;
	size_t			 at = 0, len = strlen(text);
	int			 rc = CM_EAGAIN;

	buf_reset(out);
	mbox_reader_init(&r, max);
	while (rc == CM_EAGAIN) {
		in.p = text + at;
		in.len = len - at < n ? len - at : n;
		at += in.len;
		while ((rc = mbox_next(&r, &in, at == len && in.len == 0,
		    &msg)) == 0)
			buf_addf(out, "%s@%d{%.*s}", r.cur.sender,
			    (int)r.cur.line, (int)msg.len, msg.p);
	}
	if (rc != CM_EEND)
		buf_addf(out, "%s", cm_strerror(rc));
	mbox_reader_free(&r);
}

static void
test_read(void)
{
#define A "From a Sat Jan 13 01:05:34 1996"
#define B "From b Sat Jan 13 01:05:34 1996"
	static const struct { const char *text, *want, *what; } t[] = {
		{ "", "", "no messages" },
		{ A, "a@1{}", "a From_ line without an end" },
		{ A "\n\n", "a@1{}", "an empty message" },
		{ A "\nx\n", "a@1{x\n}", "no empty line at the end" },
		{ A "\nx", "a@1{x}", "no end of the last line" },
		{ A "\nx\n\n" B "\ny\n\n", "a@1{x\n}b@4{y\n}", "two" },
		{ A "\nx\n\n\n" B, "a@1{x\n\n}b@5{}", "one empty line goes" },
		{ A "\nx\n" B "\n\n", "a@1{x\n" B "\n}",
		    "From_ without an empty line before it" },
		{ A "\nx\n\nFrom here on\n\n", "a@1{x\n\nFrom here on\n}",
		    "text that starts with From" },
		{ A "\n\n\nx\n\n", "a@1{\n\nx\n}", "empty lines at the start" },
		{ A "\n\n" B "\n", "a@1{}b@3{}", "two empty messages" },
		{ A "\r\nx\r\n\r\n" B "\r\n>From \r\n\r\n",
		    "a@1{x\r\n}b@4{From \r\n}", "CRLF" },
		{ A "\n>>From x\n> From y\n>Fromage\n>From ",
		    "a@1{>From x\n> From y\n>Fromage\nFrom }",
		    "one > of a quoted line goes" },
		{ A "\n\r", "a@1{\r}", "a bare CR is no empty line" },
		{ "\n" A "\n\n", "malformed input", "empty line first" },
		{ "x\n", "malformed input", "no From_ line" },
		{ "x", "malformed input", "nor a line" },
	};
	struct buf	 b;

	buf_init(&b, 100000);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (size_t n = 1; n < 100; n += 1 + n * n) {
			run(t[i].text, n, 1000, &b);
			is_str(b.len ? b.p : "", t[i].want, "%s, %zu at once",
			    t[i].what, n);
		}
	for (size_t n = 1; n < 100; n += 1 + n * n) {
		run(A "\n12345\n>From\n\n" B "\n1234\n>From \n\n", n, 12, &b);
		is_str(b.p, "a@1{12345\n>From\n}b@5{1234\nFrom \n}",
		    "exactly the ceiling, %zu at once", n);
		run(A "\n1\n\n" B "\n12345678\n\n\nx\n", n, 11, &b);
		is_str(b.p, "a@1{1\n}too large", "over it, %zu at once", n);
	}
	buf_free(&b);
}

/* A file without From_ lines is not kept until its end. */
static void
test_no_mbox(void)
{
	char			*big = calloc(1, 100000);
	struct mbox_reader	 r;
	struct span		 in = { big, 100000 }, msg;

	mbox_reader_init(&r, 1000000);
	is_int(mbox_next(&r, &in, false, &msg), CM_EDATA, "no line at all");
	is_int(r.text.len, 0, "nothing of it was kept");
	mbox_reader_free(&r);
	mbox_reader_free(NULL);
	free(big);
}

int
main(void)
{
	test_from();
	test_write();
	test_read();
	test_no_mbox();
	return tap_done();
}
