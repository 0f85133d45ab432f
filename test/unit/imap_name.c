/* Names of folders in modified UTF-7, and LIST's patterns. */
#include "format/imap_name.h"
#include "tap.h"

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
both_ways(const char *wire, const char *name)
{
	struct buf	 b;

	buf_init(&b, 4096);
	ok(imap_name_decode(sp(wire), false, &b) == 0 && b.len ==
	    strlen(name) && memcmp(b.p, name, b.len) == 0, "%s is read", wire);
	buf_reset(&b);
	ok(imap_name_encode(sp(name), false, &b) == 0 && b.len ==
	    strlen(wire) && memcmp(b.p, wire, b.len) == 0, "%s is written",
	    wire);
	buf_reset(&b);
	ok(imap_name_decode(sp(name), true, &b) == 0 && b.len ==
	    strlen(name), "%s with UTF8=ACCEPT", wire);
	buf_free(&b);
}

/* RFC 3501 section 5.1.3: it has one form. */
static void
refused(const char *wire, const char *why)
{
	struct buf	 b;

	buf_init(&b, 4096);
	is_int(imap_name_decode(sp(wire), false, &b), CM_EDATA, "%s: %s",
	    wire, why);
	buf_free(&b);
}

static void
test_utf7(void)
{
	struct buf	 b;

	buf_init(&b, 4096);
	both_ways("INBOX", "INBOX");
	both_ways("a&-b", "a&b");
	both_ways("&-&-", "&&");
	both_ways("~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	    "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e");
	both_ways("Entw&APw-rfe", "Entw\xc3\xbcrfe");
	both_ways("&2D3eAA-", "\xf0\x9f\x98\x80");
	both_ways("&AOQA5ADk-", "\xc3\xa4\xc3\xa4\xc3\xa4");
	refused("&", "no end");
	refused("a&AOQ", "no end");
	refused("&AOQ*-", "no digit");
	refused("&AO-", "half a unit");
	refused("&AOR-", "bits behind it that are not 0");
	refused("&AOQA-", "six bits too many");
	refused("&AGE-", "an \"a\", which has a form of its own");
	refused("&ACY-", "an \"&\", which has one, too");
	refused("&2D0-", "half a pair");
	refused("&3gA-", "the other half");
	refused("&2D0AYQ-", "half a pair before something else");
	refused("\xff", "no UTF-8");
	is_int(imap_name_decode(sp("\xff"), true, &b), CM_EDATA,
	    "not with UTF8=ACCEPT either");
	is_int(imap_name_encode(sp("\xff"), false, &b), CM_EDATA,
	    "what is not UTF-8 is not written");
	buf_reset(&b);
	ok(imap_name_decode(sp("\xc3\xa4"), false, &b) == 0 && b.len == 2,
	    "UTF-8 as it is, of clients that do not know better");
	buf_free(&b);
}

static void
matches(const char *pattern, const char *name, bool want)
{
	ok(imap_name_match(sp(pattern), sp(name)) == want, "%s %s %s",
	    pattern, want ? "is" : "is not", name);
}

static void
test_patterns(void)
{
	char	 p[401], n[401];

	matches("*", "a/b/c", true);
	matches("*", "", true);
	matches("", "", true);
	matches("", "a", false);
	matches("%", "a", true);
	matches("%", "a/b", false);
	matches("%/%", "a/b", true);
	matches("%/%", "a/b/c", false);
	matches("a/%", "a/", true);
	matches("a*", "a/b/c", true);
	matches("*c", "a/b/c", true);
	matches("*/b/%", "x/b/b/c", true);
	matches("*%", "a/b", true);
	matches("%*", "a/b", true);
	matches("%b", "a/b", false);
	matches("*a*b", "xaxxbxb", true);
	matches("*a%b", "xa/xab", true);
	matches("*a%b", "xa/xa/b", false);
	matches("inbox", "INBOX", true);
	matches("iNbOx/A", "INBOX/A", true);
	matches("inbox/a", "INBOX/A", false);
	matches("inboxes", "INBOXES", false);
	matches("Arc", "arc", false);
	/* "*a*a*a...b" against "aaa...": no time is lost */
	for (int i = 0; i < 200; i++)
		p[2 * i] = '*', p[2 * i + 1] = 'a';
	memset(n, 'a', 400);
	p[400] = n[400] = '\0';
	matches(p, n, true);
	p[399] = 'b';
	matches(p, n, false);
	for (int i = 0; i < 200; i++)
		p[2 * i] = '%';
	matches(p, n, false);
}

int
main(void)
{
	test_utf7();
	test_patterns();
	return tap_done();
}
