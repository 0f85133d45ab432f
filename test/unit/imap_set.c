/* Sets of numbers, as clients write them and as answers have them. */
#include "format/imap_set.h"
#include "tap.h"

#define CEILING	(1 << 22)

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static void
is_set(const struct imap_set *s, const char *want, const char *what)
{
	struct buf	 b;

	buf_init(&b, CEILING);
	buf_adds(&b, "");
	is_int(imap_set_write(&b, s), 0, "%s: written", what);
	is_str(b.p, want, "%s", what);
	buf_free(&b);
}

static void
test_parse(void)
{
	static const char *const good[] = { "1", "*", "1:*", "*:4", "*:*",
		"2,4:7,9,12:*", "4294967295", "5:3", "3,3,3", "1:1", "$" };
	static const char *const bad[] = { "", "0", "0:1", "1:0", "1:", ":1",
		":", ",", "1,", ",1", "1,,2", "1:2:3", "-1", "+1", "01", "1 ",
		" 1", "1, 2", "a", "**", "*1", "4294967296", "1:4294967296",
		"99999999999999999999999", "$,1", "1,$", "$$", "$:1", "1;2",
		"1.2", "0x1", "\"1\"", "(1)" };
	struct imap_set	 s;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		is_int(imap_set_parse(sp(good[i]), &s), 0, "%s", good[i]);
		if (strcmp(good[i], "1:1") != 0 && strcmp(good[i], "*:*") != 0)
			is_set(&s, good[i], "as it was written");
		imap_set_free(&s);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		is_int(imap_set_parse(sp(bad[i]), &s), CM_EDATA, "\"%s\"",
		    bad[i]);
		ok(s.r == NULL && s.n == 0 && !s.saved, "is empty then");
	}
	is_int(imap_set_parse((struct span){ NULL, 0 }, &s), CM_EDATA, "none");
	is_int(imap_set_parse((struct span){ "1\0002", 3 }, &s), CM_EDATA,
	    "a NUL");
	is_int(imap_set_parse(sp("$"), &s), 0, "what was saved");
	ok(s.saved && s.n == 0, "is nothing else");
	imap_set_free(&s);
	ok(!s.saved, "and gone");
	imap_set_free(NULL);
}

static void
resolve(const char *text, uint32_t max, const char *want, uint64_t count)
{
	struct imap_set	 s;

	is_int(imap_set_parse(sp(text), &s), 0, "%s", text);
	imap_set_resolve(&s, max);
	is_set(&s, want, text);
	is_int(imap_set_count(&s), count, "so many numbers");
	imap_set_resolve(&s, max);
	is_set(&s, want, "twice is as once");
	imap_set_free(&s);
}

static void
test_resolve(void)
{
	resolve("1", 10, "1", 1);
	resolve("*", 10, "10", 1);
	resolve("1:*", 10, "1:10", 10);
	resolve("*:4", 10, "4:10", 7);
	resolve("*:*", 10, "10", 1);
	/* RFC 3501 section 9: 2,4:7,9,12:* of 15 */
	resolve("2,4:7,9,12:*", 15, "2,4:7,9,12:15", 10);
	/* *:4,5:7 of 10: the same twice */
	resolve("*:4,5:7", 10, "4:10", 7);
	/* the last one is in it always (RFC 3501 section 6.4.8) */
	resolve("559:*", 10, "10:559", 550);
	resolve("5:3", 10, "3:5", 3);
	resolve("7,3,5", 10, "3,5,7", 3);
	resolve("3,2,1", 10, "1:3", 3);
	resolve("1:3,4:6", 10, "1:6", 6);
	resolve("1:3,5:6", 10, "1:3,5:6", 5);
	resolve("1:9,2:3,4", 10, "1:9", 9);
	resolve("2:3,1:9", 10, "1:9", 9);
	resolve("3,3,3", 10, "3", 1);
	resolve("1:4294967295", 10, "1:4294967295", 4294967295u);
	resolve("4294967295,4294967294", 1, "4294967294:4294967295", 2);
	resolve("4294967295,1", 1, "1,4294967295", 2);
	resolve("1:4294967295,5", 1, "1:4294967295", 4294967295u);
	/* an empty folder */
	resolve("*", 0, "", 0);
	resolve("1:*,3,*:5", 0, "3", 1);
	resolve("$", 10, "$", 0);
}

static void
test_has(void)
{
	struct imap_set	 s = { 0 };
	bool		 good = true;

	ok(!imap_set_has(&s, 1), "an empty set has nothing");
	is_int(imap_set_parse(sp("2,4:7,9,12:*"), &s), 0, "a set");
	imap_set_resolve(&s, 15);
	for (uint32_t i = 0; i < 20; i++)
		good = good && imap_set_has(&s, i) == (i == 2 ||
		    (i >= 4 && i <= 7) || i == 9 || (i >= 12 && i <= 15));
	ok(good, "has what it says");
	ok(!imap_set_has(&s, UINT32_MAX), "and not the last number");
	imap_set_free(&s);
}

static void
test_add(void)
{
	struct imap_set	 s = { 0 };

	is_set(&s, "", "nothing");
	is_int(imap_set_add(&s, 1, 1), 0, "1");
	is_int(imap_set_add(&s, 2, 2), 0, "2");
	is_int(imap_set_add(&s, 3, 5), 0, "3:5");
	is_int(imap_set_add(&s, 4, 4), 0, "4, that is there");
	is_int(imap_set_add(&s, 7, 7), 0, "7");
	is_int(imap_set_add(&s, 9, 12), 0, "9:12");
	is_int(imap_set_add(&s, 12, 13), 0, "12:13");
	is_set(&s, "1:5,7,9:13", "sorted");
	is_int(imap_set_add(&s, 8, 8), CM_EUSAGE, "one below");
	is_int(imap_set_add(&s, 20, 19), CM_EUSAGE, "the wrong way");
	is_int(imap_set_add(&s, 0, 19), CM_EUSAGE, "0");
	is_int(imap_set_add(&s, UINT32_MAX, UINT32_MAX), 0, "the largest");
	is_int(imap_set_add(&s, UINT32_MAX, UINT32_MAX), 0, "again");
	is_set(&s, "1:5,7,9:13,4294967295", "the largest, once");
	is_int(imap_set_count(&s), 12, "counted");
	imap_set_free(&s);
}

static void
test_append(void)
{
	struct imap_set	 s = { 0 };

	is_int(imap_set_append(&s, 304), 0, "304");
	is_int(imap_set_append(&s, 319), 0, "319");
	is_int(imap_set_append(&s, 320), 0, "320");
	is_set(&s, "304,319:320", "as in RFC 4315");
	is_int(imap_set_append(&s, 7), 0, "one below");
	is_int(imap_set_append(&s, 7), 0, "the same");
	is_int(imap_set_append(&s, 6), 0, "downwards");
	is_set(&s, "304,319:320,7,7,6", "in this order");
	is_int(imap_set_append(&s, 0), CM_EUSAGE, "0");
	is_int(imap_set_append(&s, UINT32_MAX), 0, "the largest");
	is_int(imap_set_append(&s, 1), 0, "and 1 does not follow it");
	is_set(&s, "304,319:320,7,7,6,4294967295,1", "both");
	imap_set_free(&s);
}

static void
test_many(void)
{
	struct imap_set	 s, t;
	struct buf	 b;

	buf_init(&b, CEILING);
	for (unsigned i = 0; i < IMAP_SET_MAX; i++)
		buf_addf(&b, "%s%u", i ? "," : "",
		    2 * (IMAP_SET_MAX - i));
	is_int(imap_set_parse((struct span){ b.p, b.len }, &s), 0,
	    "as many as may be");
	imap_set_resolve(&s, 1);
	is_int(imap_set_count(&s), IMAP_SET_MAX, "all of them");
	ok(imap_set_has(&s, 2) && !imap_set_has(&s, 3), "sorted");
	buf_adds(&b, ",1");
	is_int(imap_set_parse((struct span){ b.p, b.len }, &t), CM_ETOOBIG,
	    "one more");
	ok(t.r == NULL && t.n == 0, "leaves nothing");
	buf_free(&b);
	buf_init(&b, 100);
	is_int(imap_set_write(&b, &s), CM_ETOOBIG, "no room to write it");
	buf_free(&b);
	imap_set_free(&s);
}

int
main(void)
{
	test_parse();
	test_resolve();
	test_has();
	test_add();
	test_append();
	test_many();
	return tap_done();
}
