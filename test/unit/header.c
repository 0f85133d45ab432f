#include "format/header.h"
#include "tap.h"

static void
end_is(const char *msg, size_t want, const char *what)
{
	is_int(header_end(msg, strlen(msg)), want, "%s", what);
}

static void
test_end(void)
{
	end_is("", 0, "nothing");
	end_is("A: b\r\n\r\nbody", 8, "CRLF");
	end_is("A: b\n\nbody", 6, "LF");
	end_is("A: b\n\r\nbody", 7, "both");
	end_is("\r\nbody", 2, "an empty header");
	end_is("A: b\r\n", 6, "no body");
	end_is("A: b", 4, "no line end");
	end_is("A: b\r\n \r\nB: c\r\n\r\n", 17, "blank is not empty");
	end_is("A: b\r\n\r", 7, "a CR alone is no empty line");
	end_is("no header\r\n\r\nbody", 0, "no header");
	end_is(" b\r\n\r\n", 0, "a continuation of nothing");
	end_is("A: b\r\ngarbage\r\n\r\n", 17, "garbage inside is header");
	end_is("From a@b Thu Jan  1 1970\nA: b\n\nx", 31, "a From_ line");
	end_is(">From a@b Thu Jan  1 1970\nA: b\n\nx", 32, "a quoted one");
	end_is("From here on\r\n", 14, "what looks like one");
}

/* The fields as "name=value|", unfolded. */
static const char *
fields(const char *p, size_t len)
{
	static char		 out[500];
	struct span		 rest = { p, len };
	struct header_field	 f;
	struct buf		 b;

	buf_init(&b, sizeof(out) - 1);
	while (header_next(&rest, &f)) {
		buf_add(&b, f.name.p, f.name.len);
		buf_addc(&b, '=');
		header_unfold(f.value, &b);
		buf_addc(&b, '|');
	}
	if (rest.len != 0)
		buf_adds(&b, "rest is left");
	snprintf(out, sizeof(out), "%s", b.p ? b.p : "");
	buf_free(&b);
	return out;
}

static const char *
fields_of(const char *p)
{
	return fields(p, strlen(p));
}

static void
test_next(void)
{
	is_str(fields_of(""), "", "no fields");
	is_str(fields_of("A: b\r\nC:d\r\n\r\n"), "A=b|C=d|", "two");
	is_str(fields_of("A: b\r\n\r\nC: d"), "A=b|", "not behind the end");
	is_str(fields_of("A: b\r\n c\r\n\td \r\nE: f"), "A=b c\td|E=f|",
	    "folded");
	is_str(fields_of("A: b\n c\nE: f\n\n"), "A=b c|E=f|", "folded, LF");
	is_str(fields_of("A:\r\n b\r\n"), "A=b|", "value on the second line");
	is_str(fields_of("A: b\r\n  \r\n c\r\n\r\n"), "A=b   c|",
	    "a blank line inside");
	is_str(fields_of("A:\r\nB: \r\n"), "A=|B=|", "empty values");
	is_str(fields_of("A : b\r\n"), "A=b|", "obsolete blank before :");
	is_str(fields_of(": b\r\nA b: c\r\nnone\r\n more\r\nD: e\r\n"), "D=e|",
	    "lines that are no field");
	is_str(fields_of("From a@b Thu Jan  1 00:00\r\nA: b\r\n"), "A=b|",
	    "a From_ line");
	is_str(fields_of("\xc3\xa4: b\r\nA: \xc3\xa4\r\n"), "A=\xc3\xa4|",
	    "8 bit: not in names, but in values");
	is_str(fields("A: \0b\0c\0\r\n", 10), "A=b c|", "NUL is a blank");
	is_str(fields_of("A: b\rc\r\r\n d\r\r\n"), "A=b c  d|",
	    "a bare CR is a blank");
}

static void
test_spans(void)
{
	const char		*p = "A: b\r\n c\r\nD: e";
	struct span		 rest = { p, strlen(p) };
	struct header_field	 f;

	ok(header_next(&rest, &f), "first");
	ok(f.whole.p == p && f.whole.len == 10, "with both line ends");
	is_int(f.value.len, 6, "the value without the last one");
	is_int(rest.len, 4, "the rest");
	ok(header_next(&rest, &f), "second");
	ok(f.whole.len == 4 && f.value.len == 2, "no line end there");
	ok(!header_next(&rest, &f) && rest.len == 0, "no more");
}

static void
test_find(void)
{
	const char		*p = "Ab: 1\r\nA: 2\r\na: 3\r\n\r\nB: 4\r\n";
	struct span		 header = { p, strlen(p) };
	struct header_field	 f;

	ok(header_find(header, "a", &f) && f.name.p == p + 7,
	    "the first of that name");
	ok(header_find(header, "AB", &f), "in any case");
	ok(!header_find(header, "b", &f), "not in the body");
}

static void
test_unfold(void)
{
	struct buf	 b;

	buf_init(&b, 5);
	is_int(header_unfold((struct span){ " abcde\r\n ", 9 }, &b), 0,
	    "blanks take no room");
	is_int(header_unfold((struct span){ "f", 1 }, &b), CM_ETOOBIG,
	    "over the ceiling");
	is_str(b.p, "abcde", "nothing changed");
	buf_free(&b);
}

int
main(void)
{
	test_end();
	test_next();
	test_spans();
	test_find();
	test_unfold();
	return tap_done();
}
