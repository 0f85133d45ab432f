/* Folders' names in modified UTF-7, and the patterns of LIST. */
#include <stdlib.h>

#include "format/charset.h"
#include "format/imap_name.h"
#include "tap.h"

#define MAX	100000

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

/* Both ways. */
static void
pair(const char *utf7, const char *utf8, const char *name)
{
	struct buf	 b;

	buf_init(&b, MAX);
	is_int(imap_name_decode(sp(utf7), false, &b), 0, "%s is read", name);
	is_str(b.p, utf8, "%s, as UTF-8", name);
	buf_reset(&b);
	is_int(imap_name_encode(sp(utf8), false, &b), 0, "%s is written",
	    name);
	is_str(b.p, utf7, "%s, as UTF-7", name);
	buf_free(&b);
}

static void
reads(const char *in, bool utf8, const char *want, const char *name)
{
	struct buf	 b;

	buf_init(&b, MAX);
	is_int(imap_name_decode(sp(in), utf8, &b), 0, "%s is read", name);
	is_str(b.p, want, "%s", name);
	buf_free(&b);
}

static void
refuses(const char *in, const char *name)
{
	struct buf	 b;

	buf_init(&b, MAX);
	is_int(imap_name_decode(sp(in), false, &b), CM_EDATA, "%s", name);
	buf_free(&b);
}

static void
test_pairs(void)
{
	pair("INBOX", "INBOX", "ASCII");
	pair("a&-b", "a&b", "the shift itself");
	pair("&-", "&", "nothing else");
	pair("&-&-", "&&", "twice");
	pair("&AOk-", "\xc3\xa9", "one letter");
	pair("Entw&APw-rfe", "Entw\xc3\xbcrfe", "among others");
	/* RFC 3501 section 5.1.3 */
	pair("~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	    "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac"
	    "\xe8\xaa\x9e", "the RFC's example");
	pair("&Jjo-!", "\xe2\x98\xba!", "its smile");
	pair("&U,BTF2XlZyyKng-", "\xe5\x8f\xb0\xe5\x8c\x97\xe6\x97\xa5"
	    "\xe6\x9c\xac\xe8\xaa\x9e", "five of them");
	pair("&2D3eAA-", "\xf0\x9f\x98\x80", "a pair of units");
	pair("&2D3eANg93gA-", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
	    "two pairs");
	pair("&2D3eAADp-", "\xf0\x9f\x98\x80\xc3\xa9", "a pair and another");
	pair("&2,,f,w-", "\xf4\x8f\xbf\xbf", "the last character");
	pair("&AOk-&-&AOk-", "\xc3\xa9&\xc3\xa9", "the shift between");
	pair("&AH8-", "\x7f", "a control character");
	pair("&AAk-", "\t", "a TAB");
	pair("+AOk-", "+AOk-", "UTF-7's own shift is none");
}

static void
test_refused(void)
{
	refuses("&", "a shift at the end");
	refuses("&AOk", "no end");
	refuses("a&AO-b", "half a unit");
	refuses("&A-", "a digit");
	refuses("&AOkA-", "six bits too much");
	refuses("&AOl-", "bits behind the last unit");
	refuses("&AGE-", "a letter that is written as it is");
	refuses("&ACY-", "and the shift");
	refuses("&AOkAYQ-", "and one behind another");
	refuses("&2D0-", "half a pair");
	refuses("&2D0AYQ-", "half a pair, and a letter");
	refuses("&2D3YPQ-", "half a pair twice");
	refuses("&3gA-", "the second half alone");
	refuses("&3gDYPQ-", "both in the wrong order");
	refuses("&AO/-", "a digit of the other base64");
	refuses("&A Ok-", "a blank");
	refuses("&AOk=-", "padding");
	refuses("&AO\xc3\xa9-", "UTF-8 in it");
	refuses("&&-", "a shift in a shift");
	refuses("\xff", "neither UTF-7 nor UTF-8");
	refuses("\xc3", "half a character");
	refuses("\xed\xa0\x80", "a surrogate in UTF-8");
	refuses("\xc0\x80", "too long a form");
	/* RFC 3501 section 5.1.3: superfluous shifts */
	refuses("&U,BTFw-&ZeVnLIqe-", "two shifts beside each other");
}

static void
test_utf8(void)
{
	struct buf	 b;

	reads("a&-b", true, "a&-b", "with UTF-8 no shift is one");
	reads("\xc3\xa9", true, "\xc3\xa9", "UTF-8");
	reads("\xc3\xa9&AOk-", false, "\xc3\xa9\xc3\xa9",
	    "8 bits beside a shift");
	buf_init(&b, MAX);
	is_int(imap_name_decode(sp("\xff"), true, &b), CM_EDATA,
	    "what is no UTF-8");
	is_int(imap_name_encode(sp("\xff"), true, &b), CM_EDATA,
	    "nor is it written");
	is_int(imap_name_encode(sp("\xff"), false, &b), CM_EDATA,
	    "in neither form");
	is_int(imap_name_encode(sp("&\xc3\xa9"), true, &b), 0, "UTF-8 is");
	is_str(b.p, "&\xc3\xa9", "as it is");
	is_int(imap_name_encode(sp("&"), false, &b), 0, "and more");
	is_str(b.p, "&\xc3\xa9&-", "behind what was there");
	buf_free(&b);
	buf_init(&b, 3);
	is_int(imap_name_encode(sp("\xc3\xa9"), false, &b), CM_ETOOBIG,
	    "no room to write");
	buf_reset(&b);
	is_int(imap_name_decode(sp("abcd"), false, &b), CM_ETOOBIG,
	    "no room to read");
	buf_free(&b);
}

/* Every character alone and behind another one. */
static void
test_all(void)
{
	struct buf	 name, coded, again;
	unsigned	 bad = 0, n = 0;

	buf_init(&name, 100);
	buf_init(&coded, 100);
	buf_init(&again, 100);
	for (uint32_t c = 1; c <= 0x10ffff; c++) {
		buf_reset(&name);
		buf_adds(&name, c % 3 == 0 ? "a" : c % 3 == 1 ?
		    "\xc3\xa9" : "");
		if (charset_put(&name, c) != 0)
			continue;
		n++;
		buf_reset(&coded);
		buf_reset(&again);
		bad += imap_name_encode((struct span){ name.p, name.len },
		    false, &coded) != 0 ||
		    imap_name_decode((struct span){ coded.p, coded.len },
		    false, &again) != 0 ||
		    again.len != name.len ||
		    memcmp(again.p, name.p, name.len) != 0;
		for (size_t i = 0; i < coded.len; i++)
			bad += coded.p[i] < 0x20 || coded.p[i] > 0x7e;
	}
	is_int(n, 0x10ffff - 0x800, "all but surrogates");
	is_int(bad, 0, "come back as they were, in ASCII between");
	buf_free(&name);
	buf_free(&coded);
	buf_free(&again);
}

static void
match(const char *pattern, const char *name, bool want)
{
	ok(imap_name_match(sp(pattern), sp(name)) == want,
	    "\"%s\" %s \"%s\"", pattern, want ? "is" : "is not", name);
}

static void
test_match(void)
{
	match("", "", true);
	match("", "a", false);
	match("a", "", false);
	match("*", "", true);
	match("%", "", true);
	match("a", "a", true);
	match("a", "A", false);
	match("a", "ab", false);
	match("*", "a/b/c", true);
	match("%", "a", true);
	match("%", "a/b", false);
	match("%/%", "a/b", true);
	match("%/%", "a/b/c", false);
	match("%/%", "a", false);
	match("a/*", "a/b/c", true);
	match("a/*", "a", false);
	match("a*", "a", true);
	match("*c", "a/b/c", true);
	match("%c", "a/b/c", false);
	match("%/c", "a/b/c", false);
	match("*/c", "a/b/c", true);
	match("*%", "a/b", true);
	match("%*", "a/b", true);
	match("%%", "a/b", false);
	match("a%*b%c", "a/x/byyc", true);
	match("a%*b%c", "a/x/by/c", false);
	match("*b%/c", "b/b/bx/c", true);
	match("*b%/c", "b/b/bx/d", false);
	match("%b*b%", "ab/ab", true);
	match("%b*b%", "ab/ab/", false);
	match("*ab*ab", "abab", true);
	match("*ab*ab", "aba", false);
	match("a*b*", "ab", true);
}

/* RFC 3501 section 5.1: in any case, as a level of its own. */
static void
test_inbox(void)
{
	match("inbox", "INBOX", true);
	match("InBox", "INBOX", true);
	match("in%", "INBOX", true);
	match("*BoX", "INBOX", true);
	match("inbox/%", "INBOX/a", true);
	match("inbox/A", "INBOX/a", false);
	match("inboxes", "INBOXes", false);
	match("INBOXes", "INBOXes", true);
	match("a/inbox", "a/INBOX", false);
}

/* Whoever tries everything does not come to an end with these. */
static void
test_work(void)
{
	char	*pattern = malloc(MAX), *name = malloc(MAX);
	size_t	 n = 3000;

	if (pattern == NULL || name == NULL)
		abort();
	for (size_t i = 0; i < n; i += 2) {
		pattern[i] = i % 4 == 0 ? '%' : '*';
		pattern[i + 1] = 'a';
	}
	memset(name, 'a', n);
	name[n] = 'b';
	ok(!imap_name_match((struct span){ pattern, n },
	    (struct span){ name, n + 1 }), "many wildcards, and no match");
	memset(pattern, '%', n);
	ok(imap_name_match((struct span){ pattern, n },
	    (struct span){ name, n }), "only wildcards");
	name[n / 2] = '/';
	ok(!imap_name_match((struct span){ pattern, n },
	    (struct span){ name, n }), "but not over a level");
	memset(pattern, '*', n);
	ok(imap_name_match((struct span){ pattern, n },
	    (struct span){ name, n }), "others go there");
	free(pattern);
	free(name);
}

int
main(void)
{
	test_pairs();
	test_refused();
	test_utf8();
	test_all();
	test_match();
	test_inbox();
	test_work();
	return tap_done();
}
