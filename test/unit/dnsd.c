#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdint.h>

#include "../tools/dns_check.h"
#include "base/time.h"
#include "protocol/dnsd_int.h"
#include "zone_case.h"

#define ORG "<domain name='example.org'/>\n"

static struct conf *conf;
static struct dnsd *dnsd;
static struct dnsd_limit *limit;
static struct dnsd_client client;

static unsigned char ask[600], got[DNS_TCP_MAX];
static size_t	 nask, ngot;

static void
forget(void)
{
	dnsd_close(dnsd);
	conf_free(conf);
	dnsd = NULL;
	conf = NULL;
}

static void
use(const char *xml)
{
	forget();
	conf = load(xml);
	if (dnsd_open(&lg, conf, limit, &dnsd) != 0) {
		printf("# %s\n", said.len > 0 ? said.p : "no server");
		exit(1);
	}
}

static void
from(const char *ip)
{
	memset(&client, 0, sizeof(client));
	memset(client.ip + 10, 0xff, 2);
	if (inet_pton(AF_INET, ip, client.ip + 12) != 1 &&
	    inet_pton(AF_INET6, ip, client.ip) != 1)
		abort();
}

/* --- a question --- */

static void
add(const void *p, size_t n)
{
	memcpy(ask + nask, p, n);
	nask += n;
}

static void
question(const char *name, unsigned type)
{
	struct dns_name	 n;
	unsigned char	 tail[4];

	memcpy(ask, "\x12\x34\0\0\0\1\0\0\0\0\0", 12);
	nask = 12;
	if (dns_name(&n, name, strlen(name)) != 0)
		abort();
	/* the case as given: none of these names has escapes */
	for (size_t i = 1, k = 0; name[k] != '\0' && i < n.len; i++, k++)
		if (n.b[i] >= 'a' && n.b[i] <= 'z')
			n.b[i] = (unsigned char)name[k];
	add(n.b, n.len);
	dns_put_u16(tail, type);
	dns_put_u16(tail + 2, ns_c_in);
	add(tail, 4);
}

static void
edns(unsigned size, const void *cookie, size_t n)
{
	unsigned char	 opt[11] = { 0, 0, ns_t_opt }, head[4] = { 0, 10 };

	dns_put_u16(opt + 3, size);
	if (n > 0)
		opt[10] = (unsigned char)(n + 4);
	add(opt, sizeof(opt));
	ask[11]++;
	if (n == 0)
		return;
	head[3] = (unsigned char)n;
	add(head, 4);
	add(cookie, n);
}

/* The answer's length; what is there must be a right message. */
static size_t
answer(void)
{
	unsigned char	*copy = malloc(nask);
	const char	*wrong;

	if (copy == NULL)
		abort();
	memcpy(copy, ask, nask);
	memset(got, 0xee, sizeof(got));
	ngot = dnsd_answer(dnsd, &client, copy, nask, got, client.tcp ?
	    DNS_TCP_MAX : DNS_UDP_MAX);
	free(copy);
	if (ngot > 0 && (wrong = dns_check_answer(got, ngot)) != NULL)
		ok(0, "an answer: %s", wrong);
	return ngot;
}

/* Flags as letters and rcode, counts: "aa 0 2 0 3". */
static const char *
summary(void)
{
	static char	 s[64];
	unsigned	 f = dns_get_u16(got + 2);

	snprintf(s, sizeof(s), "%s%s%s%s%u %u %u %u", f & 0x400 ? "aa " : "",
	    f & 0x200 ? "tc " : "", f & 0x100 ? "rd " : "",
	    f & 0x10 ? "cd " : "", f & 15, dns_get_u16(got + 6),
	    dns_get_u16(got + 8), dns_get_u16(got + 10));
	return ngot == 0 ? "nothing" : s;
}
#define ANSWERS(want, ...) do {						\
	(void)answer();							\
	is_str(summary(), want, __VA_ARGS__);				\
} while (0)

/* The i-th record of the answer. */
static struct dns_check_rr *
record(unsigned i)
{
	static struct dns_check	 c;
	static struct dns_check_rr r;
	unsigned	 type, class;

	dns_check_begin(&c, got, ngot);
	dns_check_question(&c, &type, &class);
	for (; c.wrong == NULL; i--) {
		dns_check_rr(&c, &r);
		if (i == 0)
			return &r;
	}
	abort();
}

static void
test_header(void)
{
	use(CLUSTER(ORG, ""));
	from("192.0.2.99");
	question("example.org", ns_t_mx);
	ANSWERS("aa 0 2 0 4", "MX and the addresses of its hosts");
	is_int(dns_get_u16(got), 0x1234, "id");
	ask[2] = 1;
	ask[3] = 0x10;
	ANSWERS("aa rd cd 0 2 0 4", "RD and CD are copied");
	ask[2] = 0x06;
	ask[3] = 0xe0;
	ANSWERS("aa 0 2 0 4", "others are not: AA, TC, RA, Z, AD");
	question("nothing.example.org", ns_t_a);
	ANSWERS("aa 3 0 1 0", "no name");
	is_int(record(0)->type, ns_t_soa, "for how long is said");
	is_int(record(0)->ttl, 300, "the least of its times");
	question("example.org", ns_t_a);
	ANSWERS("aa 0 0 1 0", "no data");
	question("example.com", ns_t_a);
	ANSWERS("5 0 0 0", "not ours: REFUSED");
	question(".", ns_t_ns);
	ANSWERS("5 0 0 0", "the root is not");
	question("n2.example.org", ns_t_a);
	ANSWERS("aa 0 2 0 0", "a host");
	question("example.org", ns_t_ns);
	ANSWERS("aa 0 2 0 4", "name servers with addresses");
}

static void
test_refused(void)
{
	static const unsigned	 types[] = { ns_t_axfr, ns_t_ixfr, ns_t_mailb,
		ns_t_maila, ns_t_tsig, 249, ns_t_opt, 0, 128 };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		question("example.org", types[i]);
		ANSWERS("5 0 0 0", "type %u", types[i]);
	}
	question("version.bind", ns_t_txt);
	ask[nask - 1] = ns_c_chaos;
	ANSWERS("5 0 0 0", "CHAOS");
	question("example.org", ns_t_mx);
	ask[nask - 1] = 255;
	ANSWERS("5 0 0 0", "any class");
	ask[nask - 1] = 1;
	ask[2] = 0x28;
	ANSWERS("4 0 0 0", "UPDATE: not done");
	is_int(ngot, 12, "without what was not understood");
	is_int(got[2] & 0x78, 0x28, "its opcode");
	ask[2] = 0x80;
	ANSWERS("nothing", "an answer gets none");
	question("example.org", ns_t_mx);
	nask -= 3;
	ANSWERS("1 0 0 0", "half a question");
	nask = 11;
	ANSWERS("nothing", "half a header");
	nask = 12;
	ask[5] = 0;
	ANSWERS("1 0 0 0", "no question");
}

static void
test_any(void)
{
	use(CLUSTER(ORG, "<dns><record name='www' type='CNAME' data='smtp'/>"
	    "</dns>"));
	question("example.org", ns_t_any);
	ANSWERS("aa 0 1 0 0", "ANY: one record");
	is_int(record(0)->type, ns_t_hinfo, "HINFO, RFC 8482");
	question("nothing.example.org", ns_t_any);
	ANSWERS("aa 3 0 1 0", "of no name none");
	question("www.example.org", ns_t_any);
	ANSWERS("aa 0 1 0 0", "of another name");
	is_int(record(0)->type, ns_t_cname, "that it is");
}

static void
test_cname(void)
{
	use(CLUSTER(ORG "<domain name='b.test'/>\n", "<dns>"
	    "<record name='www' type='CNAME' data='SMTP'/>"
	    "<record name='a' type='CNAME' data='www.b.test.'/>"
	    "<record name='away' type='CNAME' data='x.other.test.'/>"
	    "<record name='none' type='CNAME' data='is.not.there'/>"
	    "<record name='self' type='CNAME' data='self'/>"
	    "<record name='l1' type='CNAME' data='l2'/>"
	    "<record name='l2' type='CNAME' data='l3'/>"
	    "<record name='l3' type='CNAME' data='l1'/>"
	    "<record name='*.w' type='CNAME' data='away'/>"
	    "</dns>"));
	question("a.example.org", ns_t_a);
	ANSWERS("aa 0 5 0 0", "through two names to three addresses");
	is_int(record(2)->ttl, 5, "which change");
	question("www.b.test", ns_t_txt);
	ANSWERS("aa 0 1 1 0", "to a name without such data");
	question("away.b.test", ns_t_a);
	ANSWERS("aa 0 1 0 0", "to another's: who asked goes on");
	question("none.b.test", ns_t_a);
	ANSWERS("aa 3 1 1 0", "to none: RFC 6604");
	question("self.b.test", ns_t_a);
	ANSWERS("aa 0 1 0 0", "to itself");
	question("l2.b.test", ns_t_a);
	ANSWERS("aa 0 3 0 0", "round and round: once");
	question("l2.b.test", ns_t_cname);
	ANSWERS("aa 0 1 0 0", "asked for itself");
	question("x.y.w.b.test", ns_t_mx);
	ANSWERS("aa 0 2 0 0", "by a wildcard");
}

static void
test_case(void)
{
	use(CLUSTER(ORG, ""));
	question("eXaMPLe.oRG", ns_t_mx);
	ANSWERS("aa 0 2 0 4", "a name in any case");
	ok(memcmp(got + 12, ask + 12, nask - 12) == 0, "comes back as it was");
	ok(memcmp(record(0)->owner, ask + 12, 13) == 0,
	    "and its records have it");
}

/* MX of that many nodes. */
static void
use_many(unsigned n)
{
	static char	 xml[200000];
	struct buf	 b;

	buf_init(&b, sizeof(xml) - 1);
	buf_adds(&b, "<cluster>" ORG "<node name='n1' state='@'/>");
	for (unsigned i = 2; i <= n; i++)
		buf_addf(&b, "<node name='n%u' state='/s/%u' public='"
		    "192.0.2.%u'/>", i, i, i & 255);
	buf_adds(&b, "<volume name='v1' home='n1' path='/v/1'/></cluster>");
	memcpy(xml, b.p, b.len + 1);
	buf_free(&b);
	use(xml);
}

static void
test_size(void)
{
	static const unsigned	 sizes[] = { 0, 100, 512, 513, 600, 700, 800,
		900, 1000, 1100, 1231, 1232, 1233, 4096, 65535 };
	unsigned	 bad = 0, tc = 0, most;

	for (unsigned n = 10; n < 100; n += 3) {
		use_many(n);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			question("example.org", ns_t_mx);
			edns(sizes[i], "12345678", i % 2 ? 8 : 0);
			most = sizes[i] < 512 ? 512 : sizes[i] > 1232 ? 1232 :
			    sizes[i];
			bad += answer() > most || ngot == 0;
			if ((got[2] & 2) == 0)
				bad += dns_get_u16(got + 6) != n;
			else
				bad += dns_get_u16(got + 6) != 0;
			tc += (got[2] & 2) != 0;
		}
	}
	is_int(bad, 0, "no larger than asked for, whole or none");
	ok(tc > 50, "some are cut: %u", tc);
	question("example.org", ns_t_mx);
	ANSWERS("aa tc 0 0 0 0", "without EDNS 512");
	is_int(ngot, nask, "no more than was asked");
	client.tcp = true;
	(void)answer();
	is_int(dns_get_u16(got + 6), 97, "all by TCP");
	client.tcp = false;
	use_many(21);
	question("example.org", ns_t_mx);
	ANSWERS("aa 0 21 0 0", "addresses are left out first");
}

/* Too much for any message. */
static void
test_too_large(void)
{
	static char	 xml[90000];
	struct buf	 b;

	buf_init(&b, sizeof(xml) - 1);
	buf_adds(&b, "<dns>");
	for (int i = 0; i < 6; i++) {
		buf_adds(&b, "<record name='big' type='TXT' data='");
		for (int k = 0; k < 13000; k++)
			buf_addc(&b, (char)('a' + i));
		buf_adds(&b, "'/>");
	}
	buf_adds(&b, "</dns>");
	snprintf(xml, sizeof(xml), CLUSTER(ORG, "%s"), b.p);
	buf_free(&b);
	use(xml);
	client.tcp = true;
	question("big.example.org", ns_t_txt);
	ANSWERS("2 0 0 0", "SERVFAIL");
	ok(was_said("big.example.org. TXT cannot be answered"),
	    "a line");
	buf_reset(&said);
	ANSWERS("2 0 0 0", "again");
	is_int(said.len, 0, "no second line");
	question("big.example.org", ns_t_a);
	ANSWERS("aa 0 0 1 0", "others of that name are there");
	client.tcp = false;
}

static void
test_edns(void)
{
	use(CLUSTER(ORG, ""));
	question("example.org", ns_t_mx);
	edns(1232, NULL, 0);
	ANSWERS("aa 0 2 0 5", "OPT with an OPT");
	is_int(record(6)->class, 1232, "our size");
	is_int(record(6)->len, 0, "no options");
	ask[nask - 5] = 1;		/* version */
	ANSWERS("0 0 0 1", "another version");
	is_int(record(0)->ttl, 0x01000000, "BADVERS, ours is 0");
	ask[nask - 5] = 0;
	ask[nask - 4] = 0x80;
	(void)answer();
	is_int(record(6)->ttl, 0x8000, "DO is copied");
}

/* --- cookies --- */

static void
hex(const char *s, unsigned char *out)
{
	for (size_t i = 0; s[2 * i] != '\0'; i++)
		out[i] = (unsigned char)strtoul((char[]){ s[2 * i],
		    s[2 * i + 1], '\0' }, NULL, 16);
}

/* RFC 9018, Appendix A. */
static void
vector(const char *secret, const char *ip, int64_t now, const char *sent,
    const char *want, bool good)
{
	unsigned char	 cookie[40], out[DNS_COOKIE], w[DNS_COOKIE];
	struct dns_query q = { .cookie = cookie,
			    .cookie_len = strlen(sent) / 2 };

	hex(secret, dnsd->secret);
	hex(sent, cookie);
	hex(want, w);
	from(ip);
	dnsd->now_s = now;
	is_int(dnsd_cookie(dnsd, &q, &client, out), good, "%s is %s", sent,
	    good ? "good" : "not");
	ok(memcmp(out, w, DNS_COOKIE) == 0, "gets %s", want);
}

static void
test_vectors(void)
{
	static const char secret[] = "e5e973e5a6b2a43f48e7dc849e37bfcf";

	use(CLUSTER(ORG, ""));
	vector(secret, "198.51.100.100", 1559731985, "2464c4abcf10c957",
	    "2464c4abcf10c957010000005cf79f111f8130c3eee29480", false);
	vector(secret, "198.51.100.100", 1559734385,
	    "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
	    "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", true);
	/* the RFC's server takes this one two hours later; ours does not */
	vector(secret, "203.0.113.203", 1559734700,
	    "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
	    "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e", false);
	vector(secret, "203.0.113.203", 1559727985 + 100,
	    "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
	    "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", true);
	vector("445536bcd2513298075a5d379663c962",
	    "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
	    "22681ab97d52c298",
	    "22681ab97d52c298010000005cf7c609a6bb79d16625507a", false);
}

static bool
is_trusted(int64_t age, const char *ip)
{
	unsigned char	 cookie[DNS_COOKIE] = "abcdefgh", out[DNS_COOKIE];
	struct dns_query q = { .cookie = cookie,
			    .cookie_len = DNS_COOKIE_CLIENT };

	from("192.0.2.99");
	dnsd->now_s = 0xffffff00;	/* 2106: time wraps */
	(void)dnsd_cookie(dnsd, &q, &client, out);
	memcpy(cookie, out, DNS_COOKIE);
	q.cookie_len = DNS_COOKIE;
	dnsd->now_s += age;
	from(ip);
	return dnsd_cookie(dnsd, &q, &client, out);
}

static void
test_cookies(void)
{
	unsigned char	 first[DNS_COOKIE];

	ok(is_trusted(0, "192.0.2.99") && is_trusted(3600, "192.0.2.99") &&
	    is_trusted(-300, "192.0.2.99"), "an hour old, or of a clock ahead");
	ok(!is_trusted(3601, "192.0.2.99") && !is_trusted(-301, "192.0.2.99"),
	    "no older, nor more ahead");
	ok(!is_trusted(0, "192.0.2.98") && !is_trusted(0, "2001:db8::1"),
	    "nor of another address");
	from("192.0.2.99");
	question("", 0);
	nask = 12;
	ask[5] = 0;
	edns(1232, "abcdefgh", 8);
	ANSWERS("0 0 0 1", "no question but a cookie");
	is_int(ngot, 12 + 11 + 4 + 24, "gets a cookie");
	memcpy(first, got + 12 + 15, DNS_COOKIE);
	ok(memcmp(first, "abcdefgh\1\0\0\0", 12) == 0, "of this form");
	question("example.org", ns_t_mx);
	edns(1232, first, DNS_COOKIE);
	(void)answer();
	ok(memcmp(got + ngot - DNS_COOKIE, first, DNS_COOKIE) == 0,
	    "a young one stays");
}

/* A secret of the wrong length is none; one that cannot be kept serves. */
static void
test_secret(void)
{
	unsigned char	 a[SIPHASH_KEY], b[SIPHASH_KEY];
	char		 path[64];

	snprintf(path, sizeof(path), "%s/run/dns.secret", dir);
	is_int(dnsd_secret(&lg, conf, a), 0, "a secret");
	is_int(dnsd_secret(&lg, conf, b), 0, "again");
	ok(memcmp(a, b, sizeof(a)) == 0, "the same");
	for (int n = 0; n <= 40; n += 8) {
		if (n == SIPHASH_KEY)
			continue;
		ok(file_commit(NULL, path, "0123456789012345678901234567890123"
		    "456789", (size_t)n, 0600) == 0 &&
		    dnsd_secret(&lg, conf, b) == 0 && memcmp(a, b,
		    sizeof(a)) != 0, "%d bytes are none", n);
		ok(dnsd_secret(&lg, conf, a) == 0 && memcmp(a, b,
		    sizeof(a)) == 0, "and a right one is put there");
	}
	(void)remove(path);
	(void)mkdir(path, 0700);
	buf_reset(&said);
	is_int(dnsd_secret(&lg, conf, b), 0, "no place for it: one for now");
	ok(was_said("this process only"), "with a line");
	(void)remove(path);
}

/* --- how much --- */

/* Answers, cut ones and none of n questions. */
static const char *
flood(unsigned n)
{
	static char	 s[64];
	unsigned	 full = 0, cut = 0, none = 0;

	for (unsigned i = 0; i < n; i++) {
		if (answer() == 0)
			none++;
		else if (got[2] & 2)
			cut++;
		else
			full++;
	}
	snprintf(s, sizeof(s), "%u %u %u", full, cut, none);
	return s;
}

static void
test_limit(void)
{
	unsigned char	 cookie[DNS_COOKIE];

	if (dnsd_limit_open(&limit) != 0)
		abort();
	use(CLUSTER(ORG, "<dns rate='10'/>"));
	from("192.0.2.99");
	dnsd->now_s = 1000;
	question("example.org", ns_t_mx);
	is_str(flood(30), "10 10 10", "10 a second, and every second one cut");
	from("192.0.2.1");
	is_str(flood(2), "0 1 1", "for all of a network");
	from("192.0.3.1");
	is_str(flood(5), "5 0 0", "not for others");
	from("192.0.2.99");
	question("nothing.example.org", ns_t_mx);
	is_str(flood(12), "10 1 1", "what is not there counts by itself");
	question("example.com", ns_t_mx);
	is_str(flood(2), "0 1 1", "with what is not ours");
	nask -= 2;
	is_str(flood(2), "0 0 2", "what is no question gets nothing");
	question("example.org", ns_t_mx);
	client.tcp = true;
	is_str(flood(30), "30 0 0", "TCP has none");
	client.tcp = false;
	edns(1232, "abcdefgh", 8);
	(void)flood(1);
	is_int(answer() > 0 || answer() > 0, 1, "a cut one");
	memcpy(cookie, got + ngot - DNS_COOKIE, DNS_COOKIE);
	question("example.org", ns_t_mx);
	edns(1232, cookie, DNS_COOKIE);
	is_str(flood(30), "30 0 0", "gives a cookie, with which there is none");
	from("192.0.2.98");
	is_int(strncmp(flood(30), "0 15", 4), 0, "who has another's has it");
	dnsd->now_s++;
	question("example.org", ns_t_mx);
	is_str(flood(12), "10 1 1", "the next second");
	dnsd->now_s--;
	is_str(flood(2), "0 1 1", "a process that is late has no other one");
	dnsd->now_s += 2;
	is_str(flood(12), "10 1 1", "and the one behind it");
	from("2001:db8::1");
	is_str(flood(12), "10 1 1", "IPv6");
	from("2001:db8:0:ff::1");
	is_str(flood(2), "0 1 1", "a /56");
	from("2001:db8:0:100::1");
	is_str(flood(2), "2 0 0", "and another");
	use(CLUSTER(ORG, "<dns rate='0'/>"));
	is_str(flood(3000), "3000 0 0", "rate 0: no limit");
	forget();
	dnsd_limit_close(limit);
	limit = NULL;
}

/* --- turns, and nodes that change --- */

/* Which node comes first: by preference, or by its address. */
static unsigned
first(void)
{
	unsigned best = 0, pref = 65535;

	(void)answer();
	for (unsigned i = 0; i < dns_get_u16(got + 6); i++) {
		struct dns_check_rr *r = record(i);

		if (r->type == ns_t_a)
			return r->data[3];
		if (r->type == ns_t_mx && dns_get_u16(r->data) < pref) {
			pref = dns_get_u16(r->data);
			best = r->data[4] - '0';
		}
	}
	return best;
}

static void
test_turns(void)
{
	unsigned	 a, bad = 0;

	use(CLUSTER(ORG, ""));
	from("192.0.2.99");
	question("example.org", ns_t_mx);
	a = first();
	for (int i = 0; i < 20; i++)
		bad += first() != ((a + (unsigned)i) % 2) + 1;
	is_int(bad, 0, "MX in turn");
	question("imap.example.org", ns_t_a);
	a = first();
	for (int i = 0; i < 20; i++)
		bad += first() != ((a + (unsigned)i) % 2) + 1;
	is_int(bad, 0, "addresses in turn");
	client.tcp = true;
	bad = first() == first();
	client.tcp = false;
	is_int(bad, 0, "by TCP, too");
	question("n2.example.org", ns_t_a);
	ok(first() == 2 && first() == 2, "a host's own have none");
}

static void
say(const char *text)
{
	char	 path[64];

	snprintf(path, sizeof(path), "%s/nodes", dir);
	if (file_commit(NULL, path, text, strlen(text), 0600) != 0)
		abort();
	dnsd->looked_ms = time_mono_ms() - DNSD_LOOK_MS;
	dnsd_tick(dnsd);
}

/* Kept answers are of nodes that were there when they were made. */
static void
test_nodes(void)
{
	use(CLUSTER(ORG "<node name='n3' state='/s/3'/>\n", ""));
	question("example.org", ns_t_mx);
	ANSWERS("aa 0 3 0 4", "three nodes");
	say("n2 down 2026-11-24T08:00:00.000Z 10 -\n");
	ANSWERS("aa 0 2 0 2", "one is down");
	question("imap.example.org", ns_t_a);
	ANSWERS("aa 0 1 0 0", "its addresses, too");
	question("example.org", ns_t_mx);
	say("n2 up 2026-11-24T08:00:01.000Z 1 2026-11-24T08:00:01.000Z\n");
	ANSWERS("aa 0 3 0 4", "and back");
	ok(first() == 2 && first() == 2, "preferred");
	say("n1 down 2026-11-24T08:00:00.000Z 10 -\n"
	    "n2 drain 2026-11-24T08:00:00.000Z 10 -\n"
	    "n3 down 2026-11-24T08:00:00.000Z 10 -\n");
	ANSWERS("aa 0 3 0 4", "nobody: all");
	for (int i = 0; i < 50; i++) {
		say(i % 2 ? "" : "n2 down 2026-11-24T08:00:00.000Z 10 -\n");
		(void)answer();
	}
	ANSWERS("aa 0 3 0 4", "to and fro");
}

/* --- what is kept --- */

static void
test_kept(void)
{
	size_t	 most = 0;

	use_many(500);
	client.tcp = true;
	for (unsigned i = 256; i < 40256; i++) {
		question("example.org", i == 257 ? ns_t_mx : i);
		(void)answer();
		if (dnsd->kept_size > most)
			most = dnsd->kept_size;
	}
	question("example.org", ns_t_mx);
	ANSWERS("aa 0 500 0 499", "many types of one name");
	ok(most > 1 << 20 && most <= DNSD_KEPT_MAX, "kept: %zu bytes", most);
	dnsd->kept_size = DNSD_KEPT_MAX + 4096;
	question("example.org", 50000);
	ANSWERS("aa 0 0 1 0", "over the limit");
	ok(dnsd->kept_size < 4096, "all go: %zu bytes", dnsd->kept_size);
	question("example.org", ns_t_mx);
	ANSWERS("aa 0 500 0 499", "and are made again");
	most = dnsd->kept_size;
	for (unsigned i = 0; i < 1000; i++) {
		question("example.org", ns_t_a);
		ask[12] = 7;
		question("x.example.org", ns_t_a);
		ask[13] = (unsigned char)('a' + i % 26);
		(void)answer();
	}
	is_int(dnsd->kept_size, most, "names that are not there are not kept");
	client.tcp = false;
}

int
main(void)
{
	begin_cases();
	from("192.0.2.99");
	test_header();
	test_refused();
	test_any();
	test_cname();
	test_case();
	test_size();
	test_too_large();
	test_edns();
	test_vectors();
	test_cookies();
	test_secret();
	test_limit();
	test_turns();
	test_nodes();
	test_kept();
	forget();
	return end_cases();
}
