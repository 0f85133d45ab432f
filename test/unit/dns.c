#include <arpa/nameser.h>
#include <stdint.h>
#include <stdlib.h>

#include "../tools/dns_check.h"
#include "format/dns.h"
#include "tap.h"

/* --- names --- */

/* The text as a name and back, or "bad". */
static const char *
round_trip(const char *text)
{
	static char	 out[DNS_TEXT_MAX];
	struct dns_name	 n;

	if (dns_name(&n, text, strlen(text)) != 0)
		return "bad";
	if (dns_name_len(n.b) != n.len)
		return "of another length";
	dns_name_text(n.b, out);
	return out;
}

static void
test_text(void)
{
	static const char *const	 same[] = {
		".", "a.", "mail.example.org.", "a\\.b.example.", "\\\\.",
		"\\000\\032\\255.", "\\\"\\(\\)\\;\\@\\$.", "_imaps._tcp.x.",
		"*.example.org.",
	};
	static const char *const	 bad[] = {
		"..", ".a", "a..b", "a..", "\\", "a\\", "\\1", "\\12", "\\256",
		"\\1x2", "\\999",
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		is_str(round_trip(same[i]), same[i], "%s", same[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_str(round_trip(bad[i]), "bad", "%s is no name", bad[i]);
	is_str(round_trip(""), ".", "nothing is the root");
	is_str(round_trip("a"), "a.", "a dot at the end or none");
	is_str(round_trip("MaiL.Example.ORG."), "mail.example.org.",
	    "lower case");
	is_str(round_trip("\\065\\x.b"), "ax.b.", "escapes of what is plain");
}

static void
test_limits(void)
{
	char		 text[300];
	struct dns_name	 n;

	memset(text, 'x', sizeof(text));
	is_int(dns_name(&n, text, 63), 0, "a label of 63");
	is_int(n.len, 65, "and its bytes");
	is_int(dns_name(&n, text, 64), CM_EDATA, "a label of 64");
	/* 63 + 63 + 63 + 61: with lengths and root 255 */
	text[63] = text[127] = text[191] = '.';
	is_int(dns_name(&n, text, 192 + 61), 0, "a name of 255");
	is_int(n.len, 255, "and its bytes");
	text[192 + 61] = '.';
	is_int(dns_name(&n, text, 192 + 62), 0, "with a dot at its end");
	is_int(n.len, 255, "the same");
	text[192 + 61] = 'x';
	is_int(dns_name(&n, text, 192 + 62), CM_EDATA, "a name of 256");
	for (int i = 0; i < 254; i++)
		text[i] = i % 2 == 0 ? 'a' : '.';
	is_int(dns_name(&n, text, 253), 0, "127 labels");
	is_int(n.len, 255, "of 255 bytes");
	is_int(dns_name(&n, text, 255), CM_EDATA, "128 labels");
	memset(n.b, 0xff, sizeof(n.b));
	n.b[0] = n.b[64] = n.b[128] = 63;
	n.b[192] = 61;
	n.b[254] = 0;
	dns_name_text(n.b, (char[DNS_TEXT_MAX]){ 0 });
	ok(1, "the longest text has room");
}

static void
test_join(void)
{
	struct dns_name	 a, b, out;
	char		 text[DNS_TEXT_MAX], l[130];

	is_int(dns_name(&a, "x.y", 3) | dns_name(&b, "Example.org", 11), 0,
	    "two names");
	is_int(dns_join(&out, a.b, a.len, b.b, b.len), 0, "joined");
	dns_name_text(out.b, text);
	is_str(text, "x.y.example.org.", "one behind the other");
	is_int(out.len, dns_name_len(out.b), "length");
	dns_name_text(dns_parent(out.b), text);
	is_str(text, "y.example.org.", "without its first label");
	is_int(*dns_parent((const unsigned char *)""), 0, "of the root");
	is_int(dns_join(&out, (const unsigned char *)"", 1, b.b, b.len), 0,
	    "the root in front");
	is_int(out.len, b.len, "adds nothing");

	memset(l, 'x', sizeof(l));
	l[63] = '.';
	is_int(dns_name(&a, l, 127), 0, "129 bytes");	/* 64 + 64 + 1 */
	is_int(dns_name(&b, l, 125), 0, "127 bytes");
	is_int(dns_join(&out, a.b, a.len, b.b, b.len), 0, "255 bytes");
	is_int(dns_name(&b, l, 126), 0, "128 bytes");
	is_int(dns_join(&out, a.b, a.len, b.b, b.len), CM_EDATA, "256 bytes");
}

/* --- questions --- */

#define HEADER(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" \
    ns "\0" ar
#define QUESTION "\4MaIl\7example\3org\0\0\17\0\1"
#define OPT(size, version, len) "\0\0\51" size "\0" version "\x80\0\0" len
#define COOKIE8 "\0\12\0\10abcdefgh"
#define COOKIE24 "\0\12\0\30abcdefgh0123456789abcdef"

/* Messages are taken apart in memory of their size, for ASan. */
static int
parse(const char *p, size_t len, struct dns_query *q)
{
	static unsigned char *copy;
	int	 rc;

	free(copy);
	if ((copy = malloc(len + (len == 0))) == NULL)
		return -2;
	memcpy(copy, p, len);
	rc = dns_parse(copy, len, q);
	return rc;
}
#define PARSE(s, q) parse(s, sizeof(s) - 1, q)

static void
test_parse(void)
{
	static const char good[] = HEADER("\1\0", "\1", "\0", "\0", "\1")
	    QUESTION OPT("\4\320", "\0", "\34") COOKIE24;
	struct dns_query q;
	char		 text[DNS_TEXT_MAX];
	int		 bad = 0;

	is_int(PARSE(good, &q), ns_r_noerror, "a question");
	dns_name_text(q.name.b, text);
	is_str(text, "mail.example.org.", "its name");
	ok(memcmp(q.qname, "\4MaIl", 5) == 0, "and as it came");
	ok(q.id == 0x1234 && q.flags == 0x0100 && q.type == ns_t_mx &&
	    q.class == ns_c_in && q.has_question, "id, flags, type, class");
	ok(q.has_edns && q.size == 1232 && q.version == 0 && q.dnssec_ok,
	    "EDNS");
	ok(q.cookie_len == 24 && memcmp(q.cookie, "abcdefgh01", 10) == 0,
	    "cookie");
	for (size_t n = 0; n < sizeof(good) - 1; n++)
		bad += parse(good, n, &q) != (n < 12 ? -1 : ns_r_formerr);
	is_int(bad, 0, "cut anywhere it is none");
	is_int(PARSE(HEADER("\1\0", "\1", "\0", "\0", "\0") QUESTION, &q), 0,
	    "without EDNS");
	ok(!q.has_edns && q.size == 512 && q.cookie == NULL, "512 bytes");
}

static void
test_opcodes(void)
{
	struct dns_query q;

	is_int(PARSE(HEADER("\x80\0", "\1", "\0", "\0", "\0") QUESTION, &q),
	    -1, "answers get no answer");
	is_int(PARSE(HEADER("\xa0\0", "\1", "\0", "\0", "\0") QUESTION, &q),
	    -1, "of any kind");
	is_int(PARSE(HEADER("\x28\0", "\1", "\0", "\0", "\0") QUESTION, &q),
	    ns_r_notimpl, "UPDATE");
	is_int(q.id, 0x1234, "its id");
	ok(!q.has_question, "what it asks is not looked at");
	is_int(PARSE(HEADER("\0\0", "\2", "\0", "\0", "\0") QUESTION QUESTION,
	    &q), ns_r_formerr, "two questions");
	is_int(PARSE(HEADER("\0\0", "\0", "\0", "\0", "\0"), &q),
	    ns_r_formerr, "none");
	is_int(PARSE(HEADER("\0\0", "\0", "\0", "\0", "\1")
	    OPT("\4\320", "\0", "\14") COOKIE8, &q), 0, "none but a cookie");
	ok(q.cookie_len == 8 && !q.has_question, "is a question for one");
	is_int(PARSE(HEADER("\0\0", "\1", "\0", "\0", "\0")
	    "\300\14\0\17\0\1", &q), ns_r_formerr, "a pointer as its name");
	is_int(PARSE(HEADER("\0\0", "\1", "\0", "\0", "\0")
	    "\100x\0\0\17\0\1", &q), ns_r_formerr, "a label of another kind");
}

#define WITH_OPT(o) HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION o

static void
test_edns(void)
{
	struct dns_query q;

	is_int(PARSE(WITH_OPT(OPT("\0\12", "\0", "\0")), &q), 0, "size 10");
	is_int(q.size, 512, "is 512");
	is_int(PARSE(WITH_OPT(OPT("\377\377", "\0", "\0")), &q), 0,
	    "size 65535");
	is_int(q.size, 65535, "is that");
	is_int(PARSE(HEADER("\0\0", "\1", "\0", "\0", "\2") QUESTION
	    OPT("\4\0", "\0", "\0") OPT("\4\0", "\0", "\0"), &q),
	    ns_r_formerr, "two OPT");
	is_int(PARSE(HEADER("\0\0", "\1", "\1", "\0", "\0") QUESTION
	    OPT("\4\0", "\0", "\0"), &q), ns_r_formerr,
	    "OPT among the answers");
	is_int(PARSE(WITH_OPT("\1a\0\0\51\4\0\0\0\0\0\0\0"), &q),
	    ns_r_formerr, "OPT with a name");
	is_int(PARSE(WITH_OPT(OPT("\4\0", "\1", "\1") "x"), &q), 0,
	    "a later version may say anything");
	is_int(q.version, 1, "and is told");
	is_int(PARSE(WITH_OPT(OPT("\4\0", "\0", "\1") "x"), &q),
	    ns_r_formerr, "half an option");
	is_int(PARSE(WITH_OPT(OPT("\4\0", "\0", "\13")
	    "\0\12\0\7abcdefg"), &q), ns_r_formerr, "a cookie of 7");
	is_int(PARSE(WITH_OPT(OPT("\4\0", "\0", "\23")
	    "\0\12\0\17abcdefg01234567"), &q), ns_r_formerr,
	    "a cookie of 15");
	is_int(PARSE(WITH_OPT(OPT("\4\0", "\0", "\23") COOKIE8
	    "\0\12\0\3abc"), &q), 0, "a second cookie does not matter");
	is_int(q.cookie_len, 8, "the first one does");
	is_int(PARSE(WITH_OPT(OPT("\4\0", "\0", "\6") "\0\17\0\2xy"), &q), 0,
	    "other options");
	is_int(PARSE(HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION
	    "\300\14\0\1\0\1\0\0\0\5\0\4abcd", &q), 0, "other records");
}

/* Whatever one byte is, nothing is read over the end. */
static void
test_mutated(void)
{
	char		 m[] = HEADER("\1\0", "\1", "\0", "\0", "\1")
	    QUESTION OPT("\4\320", "\0", "\34") COOKIE24, was;
	struct dns_query q;
	unsigned	 codes = 0;

	for (size_t i = 0; i < sizeof(m) - 1; i++) {
		was = m[i];
		for (int v = 0; v < 256; v++) {
			m[i] = (char)v;
			codes |= 1u << (parse(m, sizeof(m) - 1, &q) + 1);
		}
		m[i] = was;
	}
	is_int(codes, 1u | 1u << 1 | 1u << 2 | 1u << 5, "each byte changed");
}

static void
test_opt(void)
{
	struct dns_query q = { .dnssec_ok = true };
	unsigned char	 out[DNS_OPT_MAX];

	is_int(dns_opt(out, &q, DNS_BADVERS, NULL, 0), DNS_OPT, "OPT");
	ok(memcmp(out, "\0\0\51\4\320\1\0\x80\0\0\0", DNS_OPT) == 0,
	    "our size, the upper bits, version 0, DO");
	q.dnssec_ok = false;
	is_int(dns_opt(out, &q, 0, (const unsigned char *)
	    "abcdefgh0123456789abcdef", DNS_COOKIE), 39, "with a cookie");
	ok(memcmp(out, "\0\0\51\4\320\0\0\0\0\0\34\0\12\0\30abcdefgh01", 25)
	    == 0, "of 24 bytes");
}

/* --- answers --- */

static struct dns_check	 check;
static struct dns_check_rr rr;

static void
begin(struct dns_writer *w, unsigned char *p, const char *name, size_t max)
{
	struct dns_name	 n;

	if (dns_name(&n, name, strlen(name)) != 0)
		abort();
	memset(p, 0, DNS_HEADER + n.len + 4);
	memcpy(p + DNS_HEADER, n.b, n.len);
	dns_writer(w, p, DNS_HEADER + n.len + 4, max);
}

static size_t
add(struct dns_writer *w, const char *owner, unsigned type, const char *before,
    size_t nbefore, const char *name)
{
	unsigned char	 data[DNS_NAME_MAX + 16];
	struct dns_name	 o, n = { .len = 0 };

	if (dns_name(&o, owner, strlen(owner)) != 0 || (name != NULL &&
	    dns_name(&n, name, strlen(name)) != 0))
		abort();
	memcpy(data, before, nbefore);
	memcpy(data + nbefore, n.b, n.len);
	return dns_add_record(w, o.b, type, 5, data, nbefore + n.len);
}

static void
test_compression(void)
{
	unsigned char	 p[1000];
	struct dns_writer w;
	size_t		 at;

	begin(&w, p, "example.org", sizeof(p));
	at = add(&w, "example.org", ns_t_mx, "\0\12", 2, "mx.example.org");
	is_int(at, 29 + 12, "where its data begin");
	is_int(w.len - at, 2 + 3 + 2, "a pointer to the question");
	at = add(&w, "mx.example.org", ns_t_a, "\1\2\3\4", 4, NULL);
	is_int(at - 12, 29 + 12 + 7, "a pointer to a name in data");
	at = add(&w, "a.b.mx.example.org", ns_t_cname, "", 0,
	    "b.mx.example.org");
	is_int(w.len - at, 2, "to the end of a name");
	at = add(&w, "x.example.net", ns_t_srv, "\0\0\0\1\0\31", 6,
	    "mx.example.org");
	is_int(w.len - at, 6 + 16, "none in SRV");
	at = add(&w, "example.net", ns_t_txt, "\4abcd", 5, NULL);
	is_int(w.len - at, 5, "other data");
	at = add(&w, ".", ns_t_ns, "", 0, ".");
	is_int(w.len - at, 1, "the root");
	p[2] = 0x80;
	dns_put_u16(p + 4, 1);
	dns_put_u16(p + 6, 6);
	ok(!w.full && dns_check_answer(p, w.len) == NULL, "all of it: %s",
	    dns_check_answer(p, w.len));
}

/* The question's case is the client's: names still are the same. */
static void
test_case(void)
{
	unsigned char	 p[200];
	struct dns_writer w;
	size_t		 at;

	begin(&w, p, "example.org", sizeof(p));
	memcpy(p + DNS_HEADER + 1, "eXAMPLe", 7);
	at = add(&w, "example.org", ns_t_ns, "", 0, "ns.example.org");
	is_int(w.len - at, 5, "a pointer to another case");
}

static void
test_full(void)
{
	static unsigned char p[DNS_TCP_MAX];
	struct dns_writer w;
	size_t		 good = 0, most = 0;

	for (size_t max = 29; max < 100; max++) {
		begin(&w, p, "example.org", max);
		memset(p + max, 0xee, 10);
		add(&w, "example.org", ns_t_mx, "\0\12", 2, "mx.example.org");
		add(&w, "mx.example.org", ns_t_a, "\1\2\3\4", 4, NULL);
		if (w.len > max || p[max] != 0xee)
			break;
		good += !w.full;
		most++;
	}
	is_int(most, 71, "never over the end");
	is_int(good, 100 - 64, "and full below 64 bytes");
	begin(&w, p, "example.org", 20);
	ok(w.full, "no room for the question");
}

/* Behind 0x3fff no pointer can point: names there are written out. */
static void
test_far(void)
{
	static unsigned char p[DNS_TCP_MAX], zeros[0x3fff];
	char		 owner[40], name[64];
	struct dns_writer w;
	unsigned	 n = 0, type, class, wrong = 0;
	struct dns_name	 want;

	begin(&w, p, "example.org", sizeof(p));
	for (; !w.full; n++) {
		snprintf(owner, sizeof(owner), "o%u.label-%u.test", n, n / 3);
		snprintf(name, sizeof(name), "host%u.%s", n, owner);
		add(&w, owner, ns_t_mx, "\0\12", 2, name);
	}
	ok(n > 800, "%u records", n);
	ok(w.n <= DNS_NAMES_MAX, "names to point to");
	dns_check_begin(&check, p, w.len);
	dns_check_question(&check, &type, &class);
	for (unsigned i = 0; i + 1 < n; i++) {
		dns_check_rr(&check, &rr);
		snprintf(owner, sizeof(owner), "o%u.label-%u.test", i, i / 3);
		snprintf(name, sizeof(name), "host%u.%s", i, owner);
		if (dns_name(&want, owner, strlen(owner)) != 0 ||
		    want.len != rr.owner_len ||
		    memcmp(want.b, rr.owner, want.len) != 0)
			wrong++;
		if (dns_name(&want, name, strlen(name)) != 0 ||
		    want.len + 2 != rr.data_len ||
		    memcmp(want.b, rr.data + 2, want.len) != 0)
			wrong++;
	}
	ok(check.wrong == NULL, "each pointer is right: %s", check.wrong);
	is_int(wrong, 0, "each name is the one that was written");

	/* a name that begins just before the border, and one behind it */
	begin(&w, p, "example.org", sizeof(p));
	dns_add_bytes(&w, zeros, 0x3fff - w.len - 5);
	add(&w, "near.test", ns_t_a, "\1\2\3\4", 4, NULL);
	add(&w, "near.test", ns_t_a, "\1\2\3\4", 4, NULL);
	add(&w, "far.example.org", ns_t_a, "\1\2\3\4", 4, NULL);
	is_int(w.len, 0x3fff - 5 + 2 * (11 + 14) + 4 + 2 + 14,
	    "written out, but for what is near");
}

int
main(void)
{
	test_text();
	test_limits();
	test_join();
	test_parse();
	test_opcodes();
	test_edns();
	test_mutated();
	test_opt();
	test_compression();
	test_case();
	test_full();
	test_far();
	return tap_done();
}
