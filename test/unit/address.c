#include "format/address.h"
#include "tap.h"

/* What address_parse makes of it; "-" when it refuses. */
static const char *
parsed(const char *s)
{
	static char	 out[ADDRESS_MAX + 1];

	if (address_parse(s, strlen(s), out) == 0)
		return out;
	return out[0] == '\0' ? "-" : "refused, but written";
}

static void
test_parse(void)
{
	is_str(parsed("Ann@Example.NET"), "Ann@example.net",
	    "domain in lower case, local part as it is");
	is_str(parsed("<ann@example.net>"), "ann@example.net", "angles");
	is_str(parsed("<@a.example,@b.example:ann@x.example>"),
	    "ann@x.example", "a source route goes");
	is_str(parsed("@a.example:ann@x.example"), "ann@x.example",
	    "without angles, too");
	is_str(parsed("\"ann\"@x.example"), "ann@x.example",
	    "needless quotes go");
	is_str(parsed("\"ann\\.lee\"@x"), "ann.lee@x",
	    "and needless backslashes");
	is_str(parsed("\"ann lee\"@x"), "\"ann lee\"@x", "needed quotes stay");
	is_str(parsed("\"a\\\"b\\\\c\"@x"), "\"a\\\"b\\\\c\"@x", "escapes");
	is_str(parsed("\"a@b\"@x"), "\"a@b\"@x", "an @ in quotes");
	is_str(parsed("\"\"@x"), "\"\"@x", "an empty quoted string");
	is_str(parsed("\"a..b\"@x"), "\"a..b\"@x", "dots that need quotes");
	is_str(parsed("ann@[192.0.2.1]"), "ann@[192.0.2.1]", "IPv4 literal");
	is_str(parsed("ann@[IPv6:2001:DB8::1]"), "ann@[ipv6:2001:db8::1]",
	    "IPv6 literal");
	is_str(parsed("<@[192.0.2.1]:ann@x>"), "ann@x", "literal in a route");
	is_str(parsed("jürgen@Bücher.example"), "jürgen@bücher.example",
	    "UTF-8");
	is_str(parsed("a!#$%&'*+-/=?^_`{|}~z@x"), "a!#$%&'*+-/=?^_`{|}~z@x",
	    "all of atext");
	is_str(parsed("postmaster"), "postmaster", "no domain");
	is_str(parsed("<Postmaster>"), "Postmaster", "in angles, too");
	is_str(parsed("bounce_x@some_host.example"),
	    "bounce_x@some_host.example", "_ in a host name");
}

static void
test_refuse(void)
{
	static const char *const bad[] = {
		"", "<>", "<", ">", "@", "@x", "ann@", "ann@x@y", "a b@x",
		"ann@x y", " ann@x", "ann@x ", "<ann@x", "ann@x>",
		"<<ann@x>>", ".a@x", "a.@x", "a..b@x", "a@.x", "a@x.", "a@x..y",
		"a@-x", "a@x-", "a@[", "a@[]", "a@[1.2.3.4", "a@[1 2]",
		"a@[a@b]", "\"a@x", "\"a\\", "\"a\"b@x", "a\"b\"@x",
		"\"a\nb\"@x", "\"a\\\nb\"@x", "a,b@x", "a(b)@x", "a@x(y)",
		"@a,b:c@d", "@a,:c@d", "@:c@d", "@a:", "a\r\nb@x", "a\x7f@x",
		"\x80@x", "a@\xc3", "\xc0\xaf@x", "\xed\xa0\x80@x",
		"\xc2\x85@x", "\xf4\x90\x80\x80@x", "a@x/y", "a@x;y",
	};
	char	 out[ADDRESS_MAX + 1];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_str(parsed(bad[i]), "-", "refused, number %zu", i);
	is_int(address_parse("a\0b@x", 5, out), CM_EDATA, "NUL");
	is_int(address_parse("a@x\0y", 5, out), CM_EDATA, "NUL in domain");
	is_int(address_parse("a@[1\0]", 7, out), CM_EDATA, "NUL in literal");
}

static void
test_limits(void)
{
	char	 s[1000], out[ADDRESS_MAX + 1];
	size_t	 n;

	memset(s, 'a', sizeof(s));
	is_int(address_parse(s, 64, out), 0, "64 bytes of local part");
	is_int(address_parse(s, 65, out), CM_EDATA, "65");
	s[64] = '@';
	n = 65;
	for (int i = 0; i < 3; i++, n += 64)
		s[n + 63] = '.';
	is_int(address_parse(s, n + 63, out), 0, "domain of 255");
	is_int(strlen(out), ADDRESS_MAX, "is the longest address");
	s[n + 61] = '.';
	is_int(address_parse(s, n + 64, out), CM_EDATA, "domain of 256");
	s[n + 61] = 'a';
	s[128] = 'a';
	is_int(address_parse(s, 65 + 64, out), CM_EDATA, "label of 64");
	memset(s, '"', 64);
	for (int i = 1; i < 63; i += 2)
		s[i] = '\\';
	is_int(address_parse(s, 68, out), 0, "64 bytes with quotes");
	memmove(s + 2, s, 64);
	s[0] = '"';
	s[1] = s[2] = 'x';
	s[66] = '@';
	is_int(address_parse(s, 70, out), CM_EDATA, "66 with quotes");
}

static const char *
key(const char *s)
{
	static char	 out[ADDRESS_MAX + 1];

	return address_key(s, strlen(s), out) == 0 ? out : "-";
}

static const char *
base(const char *s)
{
	static char	 out[ADDRESS_MAX + 1];

	return address_base(s, out) ? out : "-";
}

static void
test_parts(void)
{
	is_str(address_domain("ann@x.example"), "x.example", "domain");
	is_str(address_domain("\"a@b\\\"@c\"@x"), "x", "behind the quotes");
	ok(address_domain("postmaster") == NULL, "no domain");
	ok(address_domain("\"a@b\"") == NULL, "an @ in quotes is none");
	is_str(key("<Ann.Lee@X.Example>"), "ann.lee@x.example", "key");
	is_str(key("\"Ann Lee\"@x"), "\"ann lee\"@x", "quoted key");
	is_str(key("a b@x"), "-", "no key");
	is_str(base("ann+lists@x"), "ann@x", "base");
	is_str(base("ann+a+b@x"), "ann@x", "up to the first +");
	is_str(base("ann@x"), "-", "no detail");
	is_str(base("+a@x"), "-", "nothing before the +");
	is_str(base("ann+@x"), "ann@x", "an empty detail");
	is_str(base("ann+a"), "ann", "no domain");
	is_str(base("\"a+b c\"@x"), "a@x", "quotes not needed any more");
	is_str(base("\"a b+c\"@x"), "\"a b\"@x", "quotes still needed");
	is_str(base("\"+a b\"@x"), "-", "nothing before a quoted +");
}

static void
add(struct buf *b, struct span s, bool blanks)
{
	buf_addc(b, '[');
	address_text(s, blanks, b);
	buf_addc(b, ']');
}

/* A list as "[name][route][local][domain]", groups as "{name" and "}". */
static const char *
list(const char *s)
{
	static char	 out[2000];
	struct span	 rest = { s, strlen(s) };
	struct address	 a;
	struct buf	 b;

	buf_init(&b, sizeof(out) - 1);
	while (address_next(&rest, &a)) {
		if (a.kind == ADDRESS_GROUP_END) {
			buf_addc(&b, '}');
			continue;
		}
		if (a.kind == ADDRESS_GROUP)
			buf_addc(&b, '{');
		add(&b, a.name, true);
		if (a.kind == ADDRESS_GROUP)
			continue;
		if (a.route.len > 0)
			add(&b, a.route, false);
		add(&b, a.local, false);
		add(&b, a.domain, false);
		buf_addc(&b, ' ');
	}
	snprintf(out, sizeof(out), "%s", b.p ? b.p : "");
	buf_free(&b);
	return out;
}

static void
test_list(void)
{
	is_str(list(""), "", "empty");
	is_str(list(" , ,, "), "", "nothing but commas");
	is_str(list("a@b"), "[][a][b] ", "bare");
	is_str(list("<a@b>"), "[][a][b] ", "angles");
	is_str(list("Ann Lee <a@b>, c@d"), "[Ann Lee][a][b] [][c][d] ", "two");
	is_str(list("\"Lee, Ann \\\"A\\\"\" <a@b>"),
	    "[Lee, Ann \"A\"][a][b] ", "quoted name");
	is_str(list("Joe \"Q. P.\"  Public <a@b>"),
	    "[Joe Q. P. Public][a][b] ", "phrase of words");
	is_str(list("a@b (Ann (the) Lee)"), "[Ann (the) Lee][a][b] ",
	    "the name is a comment");
	is_str(list("<a@b> (Ann)"), "[Ann][a][b] ", "behind the angles");
	is_str(list("Ann (x) <a(y)@(z)b>"), "[Ann][a][b] ", "comments go");
	is_str(list("<@x.example,@y:a@b>"), "[][@x.example,@y][a][b] ",
	    "source route");
	is_str(list("\"a b\"@c"), "[][a b][c] ", "quoted local part");
	is_str(list("\"a@b\"@c"), "[][a@b][c] ", "an @ in quotes");
	is_str(list("john . doe @ x . y"), "[][john.doe][x.y] ",
	    "obsolete blanks");
	is_str(list("a@[IPv6:::1], b@[1.2.3.4]"),
	    "[][a][[IPv6:::1]] [][b][[1.2.3.4]] ", "literals");
	is_str(list("root (Cron Daemon)"), "[Cron Daemon][root][] ",
	    "no domain");
	is_str(list("Foo Bar"), "[Foo Bar][][] ", "only a name");
	is_str(list("Foo <>"), "[Foo][][] ", "empty angles");
	is_str(list("=?utf-8?q?J=C3=B6?= <a@b>"),
	    "[=?utf-8?q?J=C3=B6?=][a][b] ", "encoded-words stay");
	is_str(list("Pete(A nice \\) chap) <pete(his account)@silly.test>"),
	    "[Pete][pete][silly.test] ", "RFC 5322 appendix A.5");
}

static void
test_groups(void)
{
	is_str(list("G: a@b, C <c@d>; , e@f"),
	    "{[G][][a][b] [C][c][d] }[][e][f] ", "group");
	is_str(list("undisclosed-recipients:;"),
	    "{[undisclosed-recipients]}", "empty group");
	is_str(list("Undisclosed : (nobody (I know)) ; "),
	    "{[Undisclosed]}", "only a comment in it");
	is_str(list("\"A: B\": a@b;"), "{[A: B][][a][b] }", "quoted colon");
	is_str(list("G: a@b"), "{[G][][a][b] ", "not closed");
	is_str(list("a@b; c@d"), "[][a][b] }[][c][d] ", "stray semicolon");
	is_str(list("G: H: a@b;;"), "{[G]{[H][][a][b] }}", "in each other");
}

static void
test_broken(void)
{
	is_str(list("a@b <c@d> e <f@g>"), "[a@b][c][d] [e][f][g] ",
	    "a comma is missing");
	is_str(list("Big Bug bb@bug.test, x . y@z"),
	    "[Big Bug][bb][bug.test] [][x.y][z] ", "< and > are missing");
	is_str(list("a@b c@d"), "[a@b][c][d] ", "or the comma");
	is_str(list("(x) \"a b\" c@d (Name)"), "[Name][c][d] ",
	    "a comment is the name");
	is_str(list("<a@b>>, <<c@d>"), "[][a][b] [][][] [][c][d] ",
	    "too many angles");
	is_str(list("<a@b, c@d"), "[][a][b] [][c][d] ", "> is missing");
	is_str(list("\"a <a@b>, c@d"), "[a <a@b>, c@d][][] ",
	    "open quotes take the rest");
	is_str(list("a@b (c, d@e"), "[c, d@e][a][b] ",
	    "an open comment takes the rest");
	is_str(list("a@b\\"), "[][a][b\\] ", "a backslash at the end");
	is_str(list("<@x,@y>"), "[][][x,@y] ", "a route and no address");
	is_str(list("[x <a@b>"), "[[x][a][b] ", "an open bracket");
	is_str(list("(only a comment)"), "", "only a comment");
}

int
main(void)
{
	test_parse();
	test_refuse();
	test_limits();
	test_parts();
	test_list();
	test_groups();
	test_broken();
	return tap_done();
}
