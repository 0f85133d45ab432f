#include "format/place.h"
#include "format/receipt.h"
#include "format/record.h"
#include "format/ulid.h"
#include "tap.h"

static void
test_ulid(void)
{
	struct ulid	 u, v;
	char		 text[ULID_LEN + 1];
	unsigned char	 r[ULID_RANDOM] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 255 };

	ulid_make(&u, 1469918176385, r);
	ulid_text(&u, text);
	is_int(strlen(text), 26, "26 characters");
	ok(memcmp(text, "01ARYZ6S41", 10) == 0, "time part as in the spec");
	is_int(ulid_parse(text, 26, &v), 0, "parses");
	ok(memcmp(&u, &v, 16) == 0, "to the same bytes");
	is_int(ulid_parse("81ARYZ6S410000000000000000", 26, &v), CM_EDATA,
	    "over 128 bits");
	is_int(ulid_parse("01ARYZ6S4100000000000000OU", 26, &v), CM_EDATA,
	    "no O and U in the alphabet");
	is_int(ulid_parse("01ARYZ6S41", 10, &v), CM_EDATA, "too short");
}

static void
test_place(void)
{
	static const char *bad[] = { "v1:1:0:5", "v1:00000000:0:5",
	    "v1:00000001:0", "v1:00000001:0:5:6", ":00000001:0:5",
	    "v/1:00000001:0:5", "v1:00000001:-1:5",
	    "v1:00000001:4294967295:1", "..:00000001:0:5", "" };
	struct place	 p;
	struct buf	 b;

	buf_init(&b, 1000);
	is_int(place_parse("v1:00000012:77:4711", 19, &p), 0, "place");
	ok(p.segment == 12 && p.offset == 77 && p.length == 4711, "numbers");
	place_write(&b, &p);
	is_str(b.p, "v1:00000012:77:4711", "written the same");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(place_parse(bad[i], strlen(bad[i]), &p), CM_EDATA,
		    "refused: %s", bad[i]);
	buf_free(&b);
}

static void
test_receipt(void)
{
	static const char line[] = "01ARYZ6S41TSV4RRFFQ69G5FAV\t"
	    "v1:00000001:0:99\tn1,n2\tbob@example.org/INBOX";
	static const char full[] = "01ARYZ6S41TSV4RRFFQ69G5FAV\t"
	    "v1:00000001:0:99\tn1\tb@x/INBOX,c@x/A%2Cb\tb@x/INBOX/7";
	struct receipt	 r;
	struct buf	 b, m, f;
	uint32_t	 uid;
	char		 name[FOLDER_MAX + 1];

	buf_init(&b, 1000);
	buf_init(&m, 1000);
	buf_init(&f, 1000);
	is_int(receipt_parse(line, strlen(line), &r), 0, "four fields");
	receipt_write(&b, &r);
	b.p[b.len - 1] = '\0';
	is_str(b.p, line, "written the same");
	is_int(receipt_parse(full, strlen(full), &r), 0, "five fields");
	ok(span_is(r.entries, "b@x/INBOX/7"), "entries");
	is_int(receipt_parse(line, 40, &r), CM_EDATA, "cut off");
	buf_reset(&b);
	entry_write(&b, "a/b@x", "Lists/x, y");
	is_str(b.p, "a%2Fb@x/Lists/x%2C%20y", "entry encoded");
	is_int(entry_parse(b.p, b.len, &m, &f, NULL), 0, "entry");
	is_str(m.p, "a/b@x", "its mailbox");
	is_str(f.p, "Lists/x, y", "its folder");
	is_int(entry_parse("b@x/A/B/12", 10, &m, &f, &uid), 0, "with uid");
	is_str(f.p, "A/B", "folder before it");
	is_int(uid, 12, "uid");
	is_int(entry_parse("b@x/INBOX/0", 11, &m, &f, &uid), CM_EDATA,
	    "uid 0");
	is_int(entry_parse("b@x/5", 5, &m, &f, &uid), CM_EDATA, "no folder");
	is_int(entry_parse("b@x", 3, &m, &f, NULL), CM_EDATA, "no slash");
	is_int(folder_name("inbox", 5, name), 0, "inbox");
	is_str(name, "INBOX", "in capitals");
	is_int(folder_name("Entw\xc3\xbcrfe", 9, name), 0, "UTF-8");
	is_int(folder_name("a\xff", 2, name), CM_EDATA, "not UTF-8");
	is_int(folder_name("a//b", 4, name), CM_EDATA, "empty level");
	is_int(folder_name("a\nb", 3, name), CM_EDATA, "control character");
	buf_free(&b);
	buf_free(&m);
	buf_free(&f);
}

static void
test_record(void)
{
	struct record_spot	 s = { 0x12345678, 3, 1000 }, t = s;
	struct record_head	 h = { 100, 5000, 0xdeadbeef, 0x01020304 }, g;
	struct record_env	 e = { .time_ms = 1700000000123, .size = 77 };
	struct record_env	 d;
	struct span		 to, entry, flags;
	struct buf		 b, lines;
	char			 head[RECORD_HEAD];
	int			 bad = 0;

	record_head_write(head, &h, &s);
	is_int(record_head_parse(head, &s, &g), 0, "head parses");
	ok(memcmp(&h, &g, sizeof(h)) == 0, "same head");
	is_int(record_len(&h), 50 + 5100 + 1, "length");
	t.offset++;
	is_int(record_head_parse(head, &t, &g), CM_ECORRUPT, "other place");
	t = s;
	t.salt++;
	is_int(record_head_parse(head, &t, &g), CM_ECORRUPT, "other volume");
	for (int i = 0; i < RECORD_HEAD * 8; i++) {
		head[i / 8] ^= (char)(1 << i % 8);
		if (record_head_parse(head, &s, &g) != CM_ECORRUPT)
			bad++;
		head[i / 8] ^= (char)(1 << i % 8);
	}
	is_int(bad, 0, "every flipped bit of a head is seen");

	buf_init(&b, 10000);
	buf_init(&lines, 10000);
	record_to_add(&lines, "bob@x", "INBOX", "");
	record_to_add(&lines, "eve@x", "A b", "\\Seen \\Flagged");
	e.sender = (struct span){ "ann@x", 5 };
	e.to = (struct span){ lines.p, lines.len };
	e.envelope = (struct span){ "(NIL)", 5 };
	e.body = (struct span){ "(\"text\")", 8 };
	is_int(record_env_write(&b, &e), 0, "envelope part");
	is_int(record_env_parse(b.p, b.len, &d), 0, "parses");
	ok(d.time_ms == e.time_ms && d.size == 77 &&
	    span_is(d.sender, "ann@x") && span_is(d.envelope, "(NIL)") &&
	    span_is(d.body, "(\"text\")"), "same values");
	to = d.to;
	ok(record_to_next(&to, &entry, &flags) && span_is(entry, "bob@x/INBOX")
	    && flags.len == 0, "first mailbox");
	ok(record_to_next(&to, &entry, &flags) && span_is(entry, "eve@x/A%20b")
	    && span_is(flags, "\\Seen \\Flagged"), "second, with flags");
	ok(!record_to_next(&to, &entry, &flags), "no third");
	is_int(record_env_parse(b.p, b.len - 1, &d), CM_ECORRUPT, "cut");
	is_int(record_env_parse(b.p + 1, b.len - 1, &d), CM_ECORRUPT, "no id");
	buf_free(&b);
	buf_free(&lines);
}

int
main(void)
{
	test_ulid();
	test_place();
	test_receipt();
	test_record();
	return tap_done();
}
