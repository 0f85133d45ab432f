/* Text of any charset, encoded words, and comparison. */
#include "format/charset.h"
#include "tap.h"

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
is_buf(struct buf *b, int rc, const char *want, const char *name)
{
	ok(rc == 0 && b->len == strlen(want) &&
	    memcmp(b->len > 0 ? b->p : "", want, b->len) == 0, "%s", name);
	buf_free(b);
}

static void
decodes(const char *charset, const char *in, const char *want,
    const char *name)
{
	struct buf	 b;

	buf_init(&b, 10000);
	is_buf(&b, charset_decode(sp(charset), sp(in), &b), want, name);
}

static void
words(const char *in, const char *want, const char *name)
{
	struct buf	 b;

	buf_init(&b, 10000);
	is_buf(&b, charset_words(sp(in), &b), want, name);
}

static void
folds(const char *in, const char *want, const char *name)
{
	struct buf	 b;

	buf_init(&b, 10000);
	is_buf(&b, charset_fold(sp(in), &b), want, name);
}

static void
test_decode(void)
{
	decodes("utf-8", "", "", "nothing");
	decodes("UTF-8", "\xc3\xa9", "\xc3\xa9", "UTF-8");
	decodes("utf-8", "a\xe9z", "a\xef\xbf\xbdz", "what is none");
	decodes("iso-8859-1", "\xe9", "\xc3\xa9", "Latin 1");
	decodes("windows-1252", "\x80", "\xe2\x82\xac", "the Euro");
	decodes("iso-2022-jp", "\x1b$B$\"\x1b(B", "\xe3\x81\x82",
	    "one with states");
	decodes("koi8-r", "\xc1", "\xd0\xb0", "Russian");
	decodes("gb2312", "\xc4\xe3", "\xe4\xbd\xa0", "Chinese");
	decodes("gb2312", "\xc4", "\xef\xbf\xbd", "half a character");
	decodes("KS_C_5601-1987", "\xbd\xba", "\xec\x8a\xa4",
	    "Korean by the name that Windows gives it");
	decodes("iso-8859-8-i", "\xe0", "\xd7\x90", "Hebrew");
	decodes("x-nobody", "\xc3\xa9", "\xc3\xa9", "unknown, but UTF-8");
	decodes("x-nobody", "\xe9", "\xc3\xa9", "unknown, and not");
	decodes("us-ascii", "\xe9", "\xc3\xa9", "8 bits that should not be");
	decodes("utf-8//IGNORE", "\xe9", "\xc3\xa9", "options are no name");
	decodes("../x", "a", "a", "nor is a path");
	ok(charset_is_known(sp("utf-8")) && charset_is_known(sp("US-ASCII")) &&
	    charset_is_known(sp("iso-8859-15")), "known ones");
	ok(!charset_is_known(sp("x-nobody")) && !charset_is_known(sp("")) &&
	    !charset_is_known(sp("utf-8//TRANSLIT")), "unknown ones");
}

/* RFC 2047 section 8 and others. */
static void
test_words(void)
{
	words("plain", "plain", "no word");
	words("", "", "nothing");
	words("=?ISO-8859-1?Q?a?=", "a", "a word");
	words("=?ISO-8859-1?Q?a?= b", "a b", "text behind it");
	words("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab", "two words");
	words("=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=", "ab",
	    "with more blanks");
	words("=?ISO-8859-1?Q?a_b?=", "a b", "a blank");
	words("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b", "one of them");
	words("=?ISO-8859-1?Q?a_?= =?UTF-8?q?b?=", "a b", "at the end");
	words("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
	    "Keith Moore <moore@cs.utk.edu>", "an address");
	words("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=",
	    "Keld J\xc3\xb8rn Simonsen", "Latin 1");
	words("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= "
	    "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
	    "If you can read this you understand the example.", "base64");
	words("=?utf-8?B?w?= =?utf-8?B?6k=?=", "\xef\xbf\xbd",
	    "a character cut in the middle of its base64");
	words("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "\xc3\xa9",
	    "one cut between two words");
	words("=?utf-8*en?Q?x?=", "x", "with a language");
	words("a=?utf-8?Q?b?=c", "abc", "inside a word, as some send it");
	words("=?utf-8?X?b?=", "=?utf-8?X?b?=", "no encoding");
	words("=?utf-8?Q?b", "=?utf-8?Q?b", "no end");
	words("=?utf-8?Q?b?", "=?utf-8?Q?b?", "nearly");
	words("=?", "=?", "a begin");
	words("\xe9", "\xc3\xa9", "8 bits in plain");
	words("=?utf-8?Q?a b?=", "a b", "a blank that should not be");
}

static void
test_fold(void)
{
	folds("", "", "nothing");
	folds("AbC 1", "abc 1", "ASCII");
	folds("\xc3\x89", "e\xcc\x81", "an accent");
	folds("E\xcc\x81", "e\xcc\x81", "composed or not");
	folds("\xc3\x9f", "ss", "sharp s");
	folds("\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83", "both sigmas");
	folds("\xef\xac\x81", "fi", "a ligature");
	folds("\xef\xbc\xa1", "a", "a wide letter");
	folds("\xd0\x90\xd0\x91", "\xd0\xb0\xd0\xb1", "Cyrillic");
	folds("a\xff" "B", "a\xef\xbf\xbd" "b", "what is no UTF-8");
}

/* Bytes that are no character are taken off, one at least. */
static void
takes(const char *in, size_t len, uint32_t want, size_t taken,
    const char *name)
{
	struct span	 s = { in, len };
	uint32_t	 c = charset_take(&s);

	ok(c == want, "%s: U+%04X", name, c);
	is_int(s.p - in, taken, "its bytes");
	is_int(s.len, len - taken, "the rest");
}

static void
test_take(void)
{
	takes("abc", 3, 'a', 1, "ASCII");
	takes("\0x", 2, 0, 1, "NUL");
	takes("\xc3\xa9x", 3, 0xe9, 2, "two bytes");
	takes("\xe2\x82\xac", 3, 0x20ac, 3, "three");
	takes("\xf0\x9f\x98\x80z", 5, 0x1f600, 4, "four");
	takes("\xf4\x8f\xbf\xbf", 4, 0x10ffff, 4, "the last");
	takes("\xff" "a", 2, 0xfffd, 1, "no byte of UTF-8");
	takes("\x80" "a", 2, 0xfffd, 1, "a later byte");
	takes("\xc3", 1, 0xfffd, 1, "half a character");
	takes("\xc3" "a", 2, 0xfffd, 1, "half, and another");
	takes("\xe2\x82", 2, 0xfffd, 2, "two of three bytes");
}

/* To the end, whatever comes. */
static void
test_take_all(void)
{
	unsigned char	 b[4];
	struct span	 s;
	unsigned	 bad = 0;
	size_t		 was;

	for (unsigned i = 0; i < 1u << 16; i++) {
		b[0] = (unsigned char)(i >> 8);
		b[1] = (unsigned char)i;
		b[2] = (unsigned char)(i * 31);
		b[3] = (unsigned char)(i * 7 >> 3);
		for (s = (struct span){ (char *)b, 4 }; s.len > 0;) {
			was = s.len;
			bad += charset_take(&s) > 0x10ffff || s.len >= was ||
			    s.p != (char *)b + 4 - s.len;
		}
	}
	is_int(bad, 0, "each call takes some and no more than there is");
}

static void
test_put(void)
{
	struct buf	 b;
	struct span	 s;
	unsigned	 bad = 0;

	buf_init(&b, 10);
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		buf_reset(&b);
		if (c >= 0xd800 && c <= 0xdfff) {
			bad += charset_put(&b, c) != CM_EDATA || b.len != 0;
			continue;
		}
		bad += charset_put(&b, c) != 0;
		s = (struct span){ b.p, b.len };
		bad += !charset_is_utf8(s) || charset_take(&s) != c ||
		    s.len != 0;
	}
	is_int(bad, 0, "all characters are written, and read");
	buf_reset(&b);
	is_int(charset_put(&b, 0x110000), CM_EDATA, "there are no others");
	is_int(charset_put(&b, UINT32_MAX), CM_EDATA, "none at all");
	is_int(b.len, 0, "nothing was added");
	buf_free(&b);
	buf_init(&b, 2);
	is_int(charset_put(&b, 0x20ac), CM_ETOOBIG, "no room");
	buf_free(&b);
}

static void
test_is_utf8(void)
{
	ok(charset_is_utf8((struct span){ NULL, 0 }), "nothing is UTF-8");
	ok(charset_is_utf8(sp("a\xc3\xa9\xf4\x8f\xbf\xbf")), "this too");
	ok(charset_is_utf8((struct span){ "a\0b", 3 }), "and NUL");
	ok(!charset_is_utf8(sp("\xc3")), "not half a character");
	ok(!charset_is_utf8(sp("\xa9")), "nor the other half");
	ok(!charset_is_utf8(sp("\xc0\x80")), "nor too long a form");
	ok(!charset_is_utf8(sp("\xe0\x80\xaf")), "of three bytes");
	ok(!charset_is_utf8(sp("\xed\xa0\x80")), "nor a surrogate");
	ok(!charset_is_utf8(sp("\xf4\x90\x80\x80")), "nor what is too high");
	ok(!charset_is_utf8(sp("\xfe")), "nor what never is");
}

int
main(void)
{
	test_decode();
	test_take();
	test_take_all();
	test_put();
	test_is_utf8();
	test_words();
	test_fold();
	return tap_done();
}
