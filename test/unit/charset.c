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

int
main(void)
{
	test_decode();
	test_words();
	test_fold();
	return tap_done();
}
