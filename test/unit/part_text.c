/* What people read of a part. */
#include <stdlib.h>

#include "format/part_text.h"
#include "tap.h"

static struct buf	 raw;

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
text(const char *header, const char *body, const char *want, bool want_html)
{
	struct buf	 out;
	bool		 html = !want_html;
	int		 rc;

	buf_init(&out, 10000);
	buf_adds(&out, "<");
	rc = part_text(sp(header), sp(body), false, &raw, &out, &html);
	is_int(rc, 0, "a text");
	ok(rc == 0 && html == want_html && out.len == strlen(want) + 1 &&
	    strcmp(out.p + 1, want) == 0, "\"%s\"", out.p + 1);
	buf_free(&out);
}

static void
none(const char *header)
{
	struct buf	 out;
	bool		 html;

	buf_init(&out, 10000);
	is_int(part_text(sp(header), sp("abc"), false, &raw, &out, &html),
	    CM_ENOINPUT, "no text");
	is_int(out.len, 0, "and nothing was added");
	buf_free(&out);
}

static void
test_kinds(void)
{
	text("", "abc", "abc", false);
	text("", "", "", false);
	text("Subject: x\r\n\r\n", "abc", "abc", false);
	text("Content-Type: text/plain\r\n\r\n", "abc", "abc", false);
	text("CONTENT-TYPE: TEXT/HTML\r\n\r\n", "<b>", "<b>", true);
	text("Content-Type: text/calendar; x=y\r\n\r\n", "abc", "abc",
	    false);
	text("Content-Type: nonsense\r\n\r\n", "abc", "abc", false);
	text("Content-Type:\r\n\r\n", "abc", "abc", false);
	none("Content-Type: image/png\r\n\r\n");
	none("Content-Type: application/html\r\n\r\n");
	none("Content-Type: texts/html\r\n\r\n");
	none("Content-Transfer-Encoding: x-nobody\r\n\r\n");
}

#define CHARSET(x) "Content-Type: text/plain; charset=" x "\r\n\r\n"

static void
test_charsets(void)
{
	text(CHARSET("utf-8"), "\xc3\xa9", "\xc3\xa9", false);
	text(CHARSET("\"iso-8859-1\""), "\xe9", "\xc3\xa9", false);
	text(CHARSET("koi8-r; format=flowed"), "\xc1", "\xd0\xb0", false);
	text("Content-Type: text/html; format=flowed;\r\n\tCHARSET=koi8-r"
	    "\r\n\r\n", "\xc1", "\xd0\xb0", true);
	text(CHARSET("us-ascii"), "\xe9", "\xc3\xa9", false);
	text(CHARSET("us-ascii"), "\xc3\xa9", "\xc3\xa9", false);
	text(CHARSET("x-nobody"), "\xc3\xa9", "\xc3\xa9", false);
	text(CHARSET("x-nobody"), "\xe9", "\xc3\xa9", false);
	text(CHARSET("\"\""), "\xe9", "\xc3\xa9", false);
	text(CHARSET("utf-8"), "a\xff" "b", "a\xef\xbf\xbd" "b", false);
	/* the first one counts */
	text(CHARSET("koi8-r; charset=utf-8"), "\xc1", "\xd0\xb0", false);
	text(CHARSET("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
	    "\xc3\xa9", "\xc3\xa9", false);
}

#define CODED(x) "Content-Type: text/plain; charset=iso-8859-1\r\n"	\
	"Content-Transfer-Encoding: " x "\r\n\r\n"

static void
test_encodings(void)
{
	text(CODED("base64"), "6WE=\r\n", "\xc3\xa9" "a", false);
	text(CODED("Quoted-Printable"), "=E9=\r\na", "\xc3\xa9" "a", false);
	text(CODED("8bit"), "\xe9", "\xc3\xa9", false);
	text(CODED("base64"), "", "", false);
	text(CODED("base64"), "!!", "", false);
}

static void
test_room(void)
{
	struct buf	 out, little;
	bool		 html;

	buf_init(&out, 3);
	is_int(part_text(sp(""), sp("abcd"), false, &raw, &out, &html),
	    CM_ETOOBIG,
	    "no room for it");
	buf_free(&out);
	buf_init(&out, 100);
	buf_init(&little, 2);
	is_int(part_text(sp(CODED("base64")), sp("YWJjZA=="), false, &little,
	    &out, &html), CM_ETOOBIG, "nor for what is between");
	buf_free(&little);
	buf_free(&out);
}

int
main(void)
{
	buf_init(&raw, 10000);
	test_kinds();
	test_charsets();
	test_encodings();
	test_room();
	buf_free(&raw);
	return tap_done();
}
