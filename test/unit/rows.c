/* Rows and keys of the catalog come back as they were put in. */
#include "cluster/rows.h"
#include "tap.h"

static struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

static bool
same(struct span a, const char *b)
{
	return span_is(a, b);
}

static void
test_keys(void)
{
	struct row_ref	 r = { 7, 0x01020304, UINT32_MAX }, s;
	char		 key[ROW_KEY_MAX], other[ROW_KEY_MAX], vol[64];
	uint32_t	 seg, off;
	struct span	 a, b;

	ok(key_message_parse(key_message(key, &r), &s) == 0 &&
	    memcmp(&r, &s, sizeof(r)) == 0, "message key");
	is_int(key_message_parse(sp("short"), &s), CM_ECORRUPT, "too short");
	ok(key_cursor_parse(key_cursor(key, "v1", 12), vol, &seg, NULL) == 0
	    && strcmp(vol, "v1") == 0 && seg == 12, "cursor key");
	ok(key_cursor_parse(key_gap(key, "v1", 12, 99), vol, &seg, &off) == 0
	    && seg == 12 && off == 99, "gap key");
	is_int(key_cursor_parse(key_gap(key, "v1", 12, 99), vol, &seg, NULL),
	    CM_ECORRUPT, "a gap is no cursor");
	/* bytes sort as numbers do */
	r = (struct row_ref){ 1, 1, 255 };
	s = (struct row_ref){ 1, 1, 256 };
	a = key_message(key, &r);
	b = key_message(other, &s);
	ok(memcmp(a.p, b.p, a.len) < 0, "keys are in the order of UIDs");
}

static void
test_rows(void)
{
	struct row_account	 a = { 1, 2, 3, 1ULL << 40, 5, 6, -1,
				    sp("verifier"), sp("+49 1") }, b;
	struct row_folder	 f = { 1, 2, 3, 1ULL << 33, 5, 6, 7, 8, 9,
				    10, 32 };
	struct row_folder	 g = { 0 };
	struct row_message	 m = { .size = 5, .time_ms = 1700000000123,
				    .modseq = 9, .flags = FLAG_SEEN,
				    .keywords = sp("$Work") }, n;
	struct row_record	 r = { .size = 5, .nrefs = 2,
				    .envelope = sp("(NIL)"),
				    .body = sp("(x)") }, q;
	struct row_ref		 ref = { 1, 2, 3 }, got;
	struct buf		 row, refs;
	int			 bad = 0;

	buf_init(&row, ROW_MAX);
	buf_init(&refs, ROW_MAX);
	row_account_put(&row, &a);
	ok(row_account_get((struct span){ row.p, row.len }, &b) == 0 &&
	    b.quota == a.quota && b.created == -1 &&
	    same(b.verifier, "verifier") && same(b.sms, "+49 1"), "account");
	row_folder_put(&row, &f);
	ok(row_folder_get((struct span){ row.p, row.len }, &g) == 0 &&
	    g.id == 1 && g.uidnext == 3 && g.modseq == f.modseq &&
	    g.unseen == 6 && g.bytes == 7 && g.use == 32, "folder");
	memcpy(m.place.volume, "v1", 3);
	m.place.segment = 1;
	row_message_put(&row, &m);
	ok(row_message_get((struct span){ row.p, row.len }, &n) == 0 &&
	    n.time_ms == m.time_ms && n.place.segment == 1 &&
	    same(n.keywords, "$Work"), "message");
	for (size_t i = 0; i < row.len; i++)
		if (row_message_get((struct span){ row.p, i }, &n) == 0)
			bad++;
	is_int(bad, 0, "no cut row is taken");
	row_ref_add(&refs, &ref);
	ref.uid = 4;
	row_ref_add(&refs, &ref);
	r.place = m.place;
	r.refs = (struct span){ refs.p, refs.len };
	row_record_put(&row, &r);
	ok(row_record_get((struct span){ row.p, row.len }, &q) == 0 &&
	    q.nrefs == 2 && same(q.envelope, "(NIL)"), "record");
	row_ref_get(q.refs, 1, &got);
	ok(got.account == 1 && got.folder == 2 && got.uid == 4, "reference");
	/* behind version, place, size and time: the number of references */
	memset(row.p + 34, 0xff, 4);
	is_int(row_record_get((struct span){ row.p, row.len }, &q),
	    CM_ECORRUPT, "a mad length");
	buf_free(&row);
	buf_free(&refs);
}

/* Those that were written before there was one more number. */
static void
test_older(void)
{
	struct row_folder	 f = { .id = 1, .left_to = 9 }, g = { 0 };
	struct row_expected	 e = { .account = 1, .uid = 2,
				    .keywords = sp("$Work") }, h;
	struct buf		 row;
	int			 bad = 0;

	buf_init(&row, ROW_MAX);
	g.use = 77;
	row_folder_put(&row, &f);
	ok(get_u32(row.p) == 1 && row_folder_get((struct span){ row.p,
	    row.len }, &g) == 0 && g.use == 0 && g.left_to == 9,
	    "a folder without use is as it always was");
	f.use = 64;
	row_folder_put(&row, &f);
	ok(get_u32(row.p) == 2, "one with a use is not");
	for (size_t i = 0; i < row.len; i++)
		bad += row_folder_get((struct span){ row.p, i }, &g) == 0;
	is_int(bad, 0, "and not cut");
	buf_addc(&row, 0);
	is_int(row_folder_get((struct span){ row.p, row.len }, &g),
	    CM_ECORRUPT, "nor longer");
	row_expected_put(&row, &e);
	ok(get_u32(row.p) == 1 && row_expected_get((struct span){ row.p,
	    row.len }, &h) == 0 && h.folder == 0 && same(h.keywords, "$Work"),
	    "what is expected by name");
	e.folder = 7;
	row_expected_put(&row, &e);
	ok(row_expected_get((struct span){ row.p, row.len }, &h) == 0 &&
	    h.folder == 7 && h.uid == 2 && same(h.keywords, "$Work"),
	    "what is expected in a folder");
	buf_free(&row);
}

static void
test_flags(void)
{
	static const char names[] = "\\seen $Work \\Flagged  x";
	struct buf	 b, k;
	uint32_t	 f;

	buf_init(&b, 1000);
	buf_init(&k, 1000);
	is_int(flags_parse(names, strlen(names), &f, &k), 0, "ok");
	is_int(f, FLAG_SEEN | FLAG_FLAGGED, "case does not matter");
	is_str(k.p, "$Work x", "keywords");
	flags_write(&b, f, (struct span){ k.p, k.len });
	is_str(b.p, "\\Flagged \\Seen $Work x", "written in one order");
	is_int(flags_parse("\\Recent2", 8, &f, &k), CM_EDATA, "no such flag");
	is_int(flags_parse("a(b", 3, &f, &k), CM_EDATA, "not an atom");
	is_int(flags_parse("a\r\nb", 4, &f, &k), CM_EDATA, "line ends");
	buf_free(&b);
	buf_free(&k);
}

int
main(void)
{
	test_keys();
	test_rows();
	test_older();
	test_flags();
	return tap_done();
}
