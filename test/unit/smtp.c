#include "format/smtp.h"
#include "tap.h"

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
test_verbs(void)
{
	struct span	 args;

	is_int(smtp_verb(sp("mail FROM:<a@b>  "), &args), SMTP_MAIL,
	    "a command in any case");
	ok(span_is(args, "FROM:<a@b>"), "what is behind it, without blanks");
	is_int(smtp_verb(sp("QUIT"), &args), SMTP_QUIT, "nothing behind it");
	is_int(args.len, 0, "is nothing");
	is_int(smtp_verb(sp("MAILFROM:<a@b>"), &args), SMTP_UNKNOWN,
	    "a command ends at a blank");
	is_int(smtp_verb(sp(""), &args), SMTP_UNKNOWN, "an empty line");
}

static void
path(const char *text, int rc, const char *address, const char *what)
{
	struct smtp_path p;
	int		 got = smtp_path(sp(text), "FROM", &p);

	ok(got == rc && (rc != 0 || strcmp(p.address, address) == 0),
	    "%s: %s", text, what);
}

static void
test_paths(void)
{
	struct smtp_path p;

	path("FROM:<a@b.example>", 0, "a@b.example", "a path");
	path("from: <a@B.example> ", 0, "a@b.example", "blanks, any case");
	path("FROM:<>", 0, "", "the null sender");
	path("FROM:<@x.example,@y.example:a@b.example>", 0, "a@b.example",
	    "a source route goes");
	path("FROM:<\"a>b\"@c.example>", 0, "\"a>b\"@c.example",
	    "a > in quotes");
	path("FROM:<\"a\\\">b\"@c.example>", 0, "\"a\\\">b\"@c.example",
	    "a quoted quote");
	path("FROM:a@b.example", CM_EDATA, "", "no brackets");
	path("FROM <a@b.example>", CM_EDATA, "", "no colon");
	path("TO:<a@b.example>", CM_EDATA, "", "the other word");
	path("FROM:<a@b.example", CM_EDATA, "", "no end");
	path("FROM:<a@b.example>x", CM_EDATA, "", "something behind it");
	path("FROM:<a@>", CM_EUSAGE, "", "no address");
	path("FROM:<a@b> =1", CM_EDATA, "", "a parameter without a name");
	path("FROM:<a@b> X=", CM_EDATA, "", "one without a value");
	path("FROM:<a@b> X=a=b", CM_EDATA, "", "a value with =");
	path("FROM:<a@b> a b c d e f g h i j k l m n o p q", CM_ETOOBIG, "",
	    "too many");
	is_int(smtp_path(sp("FROM:<a@b>  SIZE=12   SMTPUTF8"), "FROM", &p), 0,
	    "parameters");
	ok(p.nparams == 2 && span_is(p.param[0].key, "SIZE") &&
	    span_is(p.param[0].value, "12") &&
	    span_is(p.param[1].key, "SMTPUTF8") && p.param[1].value.p == NULL,
	    "with and without a value");
}

static void
test_xtext(void)
{
	struct buf	 b;

	buf_init(&b, 100);
	is_int(smtp_xtext(sp("a+2Bb+3d"), &b), 0, "xtext");
	is_str(b.p, "a+b=", "decoded");
	is_int(smtp_xtext(sp("+2"), &b), CM_EDATA, "cut off");
	is_int(smtp_xtext(sp("+0a"), &b), CM_EDATA, "a control character");
	buf_free(&b);
}

/* In pieces of n bytes; what came out, and what is left behind the end. */
static void
feed(const char *in, size_t n, const char *want, const char *left,
    const char *what)
{
	struct smtp_data d;
	struct buf	 out;
	size_t		 len = strlen(in), at = 0;
	bool		 end = false;

	buf_init(&out, 10000);
	buf_adds(&out, "");
	smtp_data_init(&d);
	while (at < len && !end) {
		struct span s = { in + at, len - at < n ? len - at : n };
		size_t	    had = s.len;

		end = smtp_data_feed(&d, &s, &out);
		at += had - s.len;
	}
	if (left == NULL)
		ok(!end, "%s, %zu at once: no end", what, n);
	else
		ok(end && strcmp(out.len ? out.p : "", want) == 0 &&
		    strcmp(in + at, left) == 0, "%s, %zu at once", what, n);
	buf_free(&out);
}

static void
test_data(void)
{
	for (size_t n = 1; n < 20; n += 6) {
		feed("a\r\n.\r\nQUIT", n, "a\r\n", "QUIT", "a line");
		feed(".\r\n", n, "", "", "nothing");
		feed("..a\r\n...\r\n..\r\n.\r\n", n, ".a\r\n..\r\n.\r\n", "",
		    "stuffed dots");
		feed(".a\r\n.\r\n", n, "a\r\n", "", "an unstuffed one goes");
		feed("a\n.\nb\r\n.\r\n", n, "a\n.\nb\r\n", "", "LF.LF");
		feed("a\n.\r\nb\r\n.\r\n", n, "a\n.\r\nb\r\n", "", "LF.CRLF");
		feed("a\r\n.\nb\r\n.\r\n", n, "a\r\n\nb\r\n", "", "CRLF.LF");
		feed("a\r.\rb\r\n.\r\n", n, "a\r.\rb\r\n", "", "CR.CR");
		feed("a\r\n.\r\r\n", n, "", NULL, "CRLF.CRCRLF");
		feed("a\r\n.\rb\r\n", n, "", NULL, "CRLF.CR");
	}
}

static void
test_flaws(void)
{
	static const struct {
		const char	*text;
		bool		 lf, cr;
	} t[] = {
		{ "a\r\nb\r\n", false, false }, { "a\nb\r\n", true, false },
		{ "a\rb\r\n", false, true }, { "\r\r\n", false, true },
		{ "\n", true, false }, { ".\r\r\n", false, true }
	};
	struct smtp_data d;
	struct buf	 out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct span s = sp(t[i].text);

		smtp_data_init(&d);
		(void)smtp_data_feed(&d, &s, &out);
		ok(d.bare_lf == t[i].lf && d.bare_cr == t[i].cr,
		    "bare ends, DATA, %zu", i);
		smtp_data_init(&d);
		smtp_data_look(&d, sp(t[i].text));
		smtp_data_end(&d);
		ok(d.bare_lf == t[i].lf && d.bare_cr == t[i].cr,
		    "bare ends, BDAT, %zu", i);
	}
	buf_free(&out);
}

static void
test_replies(void)
{
	struct buf	 b;

	buf_init(&b, 1000);
	smtp_reply(&b, 250, "", "one\ntwo");
	smtp_reply(&b, 550, "5.1.1", "no");
	is_str(b.p, "250-one\r\n250 two\r\n550 5.1.1 no\r\n", "replies");
	buf_reset(&b);
	smtp_reply(&b, 250, "", "one\n\ntwo\n");
	is_str(b.p, "250-one\r\n250-\r\n250-two\r\n250 \r\n",
	    "empty lines do not end one");
	buf_free(&b);
}

int
main(void)
{
	test_verbs();
	test_paths();
	test_xtext();
	test_data();
	test_flaws();
	test_replies();
	return tap_done();
}
