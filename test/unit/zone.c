#include <arpa/nameser.h>
#include <stdint.h>

#include "adapter/rr.h"
#include "cluster/zone.h"
#include "zone_case.h"

#define ORG "<domain name='example.org'/>\n"

static struct conf *conf;
static struct nodes nodes;
static struct choose choose;
static struct zone *zone;
static struct zone_set set;

static void
forget(void)
{
	zone_close(zone);
	choose_close(&choose);
	nodes_free(&nodes);
	conf_free(conf);
	zone = NULL;
	conf = NULL;
}

static void
use(const char *xml)
{
	forget();
	conf = load(xml);
	if (nodes_load(&lg, conf, &nodes) != 0 ||
	    choose_open(conf, &nodes, &choose) != 0 ||
	    zone_open(&lg, conf, &zone) != 0) {
		printf("# %s\n", said.len > 0 ? said.p : "no zone");
		exit(1);
	}
}

static int
find(const char *name, const char *type)
{
	struct dns_name	 n;

	if (dns_name(&n, name, strlen(name)) != 0)
		return CM_EUSAGE;
	return zone_find(zone, &choose, &n, rr_type(type), &set);
}

/* "300 data; data", with the type where it is another one. */
static const char *
get(const char *name, const char *type)
{
	static const char *const what[] = { "not ours", "no name", "no data" };
	static struct buf b;
	char		 t[RR_TYPE_MAX];
	int		 rc = find(name, type);

	if (b.max == 0)
		buf_init(&b, 1 << 20);
	buf_reset(&b);
	if (rc != 0)
		return cm_strerror(rc);
	if (set.what != ZONE_DATA)
		return what[set.what];
	rr_type_text(set.type, t);
	if (strcmp(t, type) != 0)
		buf_addf(&b, "%s ", t);
	buf_addf(&b, "%u ", set.ttl);
	for (size_t i = 0; i < set.n; i++) {
		buf_adds(&b, i > 0 ? "; " : "");
		if (rr_to_text(set.type, zone_data(&set, i), set.rr[i].len,
		    &b) != 0)
			return "data that are none";
	}
	return b.p;
}
#define IS(name, type, want) is_str(get(name, type), want, name " " type)

static void
test_made(void)
{
	use(CLUSTER(ORG, ""));
	IS("example.org", "MX", "5 10 n1.example.org.; 10 n2.example.org.");
	IS("example.org", "NS", "300 n1.example.org.; n2.example.org.");
	ok(find("example.org", "SOA") == 0 && set.n == 1 && set.ttl == 300 &&
	    strstr(get("example.org", "SOA"), "300 n1.example.org. hostmaster."
	    "example.org. ") != NULL, "SOA: %s", get("example.org", "SOA"));
	ok(strstr(get("example.org", "SOA"), " 3600 600 604800 300") != NULL,
	    "its times");
	IS("n1.example.org", "A", "300 192.0.2.1");
	IS("n2.example.org", "A", "300 192.0.2.2; 192.0.2.22");
	IS("n1.example.org", "AAAA", "300 2001:db8::1");
	IS("n2.example.org", "AAAA", "no data");
	IS("smtp.example.org", "A", "5 192.0.2.1; 192.0.2.2; 192.0.2.22");
	IS("imap.example.org", "A", "5 192.0.2.1; 192.0.2.2; 192.0.2.22");
	IS("pop.example.org", "AAAA", "5 2001:db8::1");
	IS("_imaps._tcp.example.org", "SRV", "300 0 1 993 imap.example.org.");
	IS("_imap._tcp.example.org", "SRV", "300 0 1 143 imap.example.org.");
	IS("_pop3._tcp.example.org", "SRV", "300 0 1 110 pop.example.org.");
	IS("_pop3s._tcp.example.org", "SRV", "300 0 1 995 pop.example.org.");
	IS("_submission._tcp.example.org", "SRV",
	    "300 0 1 587 smtp.example.org.");
	IS("_submissions._tcp.example.org", "SRV",
	    "300 0 1 465 smtp.example.org.");
	IS("_tcp.example.org", "SRV", "no data");
	IS("_tcp.example.org", "A", "no data");
	IS("example.org", "A", "no data");
	IS("example.org", "TXT", "no data");
	IS("other.example.org", "A", "no name");
	IS("x.n1.example.org", "A", "no name");
	IS("example.com", "MX", "not ours");
	IS("org", "MX", "not ours");
	IS(".", "NS", "not ours");
	IS("notexample.org", "MX", "not ours");
}

static void
test_settings(void)
{
	use(CLUSTER("<domain name='Example.ORG'/><domain name='b.test'/>\n",
	    "<dns ttl='1' keep='60' ns='NS1.other.test ns2.b.test' "
	    "access='mail' contact='a.b@c.test'/>"));
	IS("example.org", "NS", "60 ns1.other.test.; ns2.b.test.");
	ok(strstr(get("b.test", "SOA"), "60 ns1.other.test. a\\.b.c.test. ")
	    != NULL, "contact with a dot: %s", get("b.test", "SOA"));
	IS("mail.b.test", "A", "1 192.0.2.1; 192.0.2.2; 192.0.2.22");
	IS("smtp.b.test", "A", "no name");
	IS("_imap._tcp.b.test", "SRV", "no name");
	IS("b.test", "MX", "1 10 n1.example.org.; 10 n2.example.org.");
	IS("n1.example.org", "A", "60 192.0.2.1");
	IS("n1.b.test", "A", "no name");
}

/* Host names are in a domain or not; one may be called as an access name. */
static void
test_hosts(void)
{
	use("<cluster>\n" ORG
	    "<node name='n1' state='@' hostname='Mx1.Example.org' "
	    "public='192.0.2.1'/>\n"
	    "<node name='n2' state='/s/2' hostname='mx2.other.test' "
	    "public='192.0.2.2 2001:db8::2'/>\n"
	    "<node name='n3' state='/s/3' hostname='smtp.example.org' "
	    "public='192.0.2.3'/>\n"
	    "<volume name='v1' home='n1' path='/v/1'/></cluster>");
	IS("example.org", "MX", "5 10 mx1.example.org.; 10 mx2.other.test.; "
	    "10 smtp.example.org.");
	IS("mx1.example.org", "A", "300 192.0.2.1");
	IS("mx2.other.test", "A", "not ours");
	IS("smtp.example.org", "A", "300 192.0.2.3");
	IS("smtp.example.org", "AAAA", "no data");
	IS("imap.example.org", "AAAA", "5 2001:db8::2");
}

static void
test_given(void)
{
	use(CLUSTER(ORG "<domain name='b.test'/>\n", "<dns>"
	    "<record name='@' type='MX' data='5 mail' ttl='77'/>\n"
	    "<record name='@' type='MX' data='6 @'/>\n"
	    "<record name='smtp' type='A' data='198.51.100.1'/>\n"
	    "<record name='imap' type='CNAME' data='smtp'/>\n"
	    "<record name='example.org.' type='TXT' data='only here'/>\n"
	    "<record name='@' type='TXT' data='\"a\" \"b c\"'/>\n"
	    "<record name='@' type='TXT' data='\"a\" \"b c\"'/>\n"
	    "<record name='@' type='caa' data='0 issue \"x.test\"'/>\n"
	    "<record name='@' type='TYPE65280' data='\\# 2 0102'/>\n"
	    "<record name='n1.example.org.' type='A' data='203.0.113.1'/>\n"
	    "<record name='_imaps._tcp' type='SRV' data='0 0 0 .'/>\n"
	    "<record name='away' type='CNAME' data='x.other.test.'/>\n"
	    "<record name='n' type='SRV' data=' 65535 007 (1) x'/>\n"
	    "<record name='n' type='NAPTR' data='65535 1 \"s\" \"a\" "
	    "\"\" y'/>\n"
	    "<record name='n' type='TYPE33' data='\\# 7 00010002000300'/>\n"
	    "</dns>"));
	IS("n.b.test", "SRV", "300 65535 7 1 x.b.test.; 1 2 3 .");
	IS("n.b.test", "NAPTR", "300 65535 1 \"s\" \"a\" \"\" y.b.test.");
	IS("example.org", "MX", "77 5 mail.example.org.; 6 example.org.");
	IS("b.test", "MX", "77 5 mail.b.test.; 6 b.test.");
	IS("smtp.b.test", "A", "300 198.51.100.1");
	IS("smtp.b.test", "AAAA", "5 2001:db8::1");
	IS("imap.b.test", "A", "CNAME 300 smtp.b.test.");
	IS("imap.b.test", "CNAME", "300 smtp.b.test.");
	IS("imap.b.test", "TXT", "CNAME 300 smtp.b.test.");
	IS("away.b.test", "A", "CNAME 300 x.other.test.");
	IS("b.test", "TXT", "300 \"a\" \"b c\"");
	IS("example.org", "TXT", "300 \"a\" \"b c\"; \"only here\"");
	IS("b.test", "CAA", "300 0 issue \"x.test\"");
	IS("b.test", "TYPE65280", "300 \\# 2 0102");
	IS("n1.example.org", "A", "300 203.0.113.1");
	IS("n1.example.org", "AAAA", "300 2001:db8::1");
	IS("_imaps._tcp.b.test", "SRV", "300 0 0 0 .");
	IS("_imap._tcp.b.test", "SRV", "300 0 1 143 imap.b.test.");
}

static void
test_wildcards(void)
{
	use(CLUSTER(ORG "<domain name='sub.example.org'/>\n"
	    "<domain name='a.b.c.example.org'/>\n", "<dns>"
	    "<record name='*' type='TXT' data='any'/>\n"
	    "<record name='host.w' type='A' data='192.0.2.9'/>\n"
	    "<record name='*.w' type='CNAME' data='smtp'/>\n"
	    "<record name='deep.er.example.org.' type='A' data='192.0.2.9'/>\n"
	    "</dns>"));
	IS("x.example.org", "TXT", "300 \"any\"");
	ok(set.wild, "by a wildcard");
	IS("x.y.z.example.org", "TXT", "300 \"any\"");
	IS("x.example.org", "A", "no data");
	IS("*.example.org", "TXT", "300 \"any\"");
	ok(!set.wild, "asked for by name it is a name");
	IS("example.org", "TXT", "no data");
	IS("smtp.example.org", "TXT", "no data");
	IS("x.smtp.example.org", "TXT", "no name");
	IS("x.w.example.org", "A", "CNAME 300 smtp.example.org.");
	IS("w.example.org", "TXT", "no data");
	IS("host.w.example.org", "TXT", "no data");
	IS("x.host.w.example.org", "TXT", "no name");
	IS("er.example.org", "TXT", "no data");
	IS("x.er.example.org", "TXT", "no name");
	IS("er.sub.example.org", "TXT", "300 \"any\"");
	/* names between a domain and one above it are there, RFC 8020 */
	IS("b.c.example.org", "TXT", "no data");
	IS("c.example.org", "TXT", "no data");
	IS("x.c.example.org", "TXT", "no name");
	IS("a.b.c.example.org", "MX",
	    "5 10 n1.example.org.; 10 n2.example.org.");
	is_int(set.apex, 0, "the longest domain's");
	IS("x.a.b.c.example.org", "TXT", "300 \"any\"");
	is_int(set.apex, 2, "of the longest domain, too");
}

/* A domain that leaves hardly room for names in it. */
static void
test_long(void)
{
	static char	 xml[4000];
	char		 domain[254], name[300];

	memset(domain, 'd', sizeof(domain) - 1);
	domain[63] = domain[127] = domain[191] = '.';
	domain[253] = '\0';
	snprintf(xml, sizeof(xml), CLUSTER(ORG "<domain name='%s'/>\n"
	    "<domain name='%s'/>\n", ""), domain, domain + 9);
	use(xml);
	ok(find(domain, "MX") == 0 && set.n == 2, "MX of a name of 255");
	ok(find(domain, "NS") == 0 && set.n == 2, "NS");
	ok(find(domain, "SOA") == 0 && set.n == 1, "SOA");
	/* two hosts in the first one would be too long */
	ok(strstr(get(domain, "SOA"), " . ") != NULL, "without a contact");
	snprintf(name, sizeof(name), "imap.%s", domain + 9);
	ok(find(name, "A") == 0 && set.n == 3, "imap fits below 244");
	snprintf(name, sizeof(name), "x.y.z.%s", domain + 9);
	ok(find(name, "A") == 0 && set.what == ZONE_NO_NAME, "no such name");
	ok(find(domain + 9, "SOA") == 0 && set.n == 1, "its SOA");
}

static void
test_text(void)
{
	static char	 xml[4000];
	char		 text[601];

	memset(text, 't', 600);
	text[600] = '\0';
	snprintf(xml, sizeof(xml), CLUSTER(ORG, "<dns><record name='k' "
	    "type='TXT' data='%s'/><record name='s' type='TXT' "
	    "data='v=spf1 mx; \\ -all'/></dns>"), text);
	use(xml);
	ok(find("k.example.org", "TXT") == 0 && set.n == 1 &&
	    set.rr[0].len == 603, "600 bytes in three strings");
	ok(zone_data(&set, 0)[0] == 255 && zone_data(&set, 0)[256] == 255 &&
	    zone_data(&set, 0)[512] == 90, "of 255, 255 and 90");
	ok(find("s.example.org", "TXT") == 0 && set.rr[0].len == 18 &&
	    memcmp(zone_data(&set, 0), "\21v=spf1 mx; \\ -all", 18) == 0,
	    "as it is, ; and \\ too");
}

/* Preferences and order of one turn. */
static void
test_turn(void)
{
	uint16_t order[] = { 1, 0 };

	use(CLUSTER(ORG, ""));
	(void)find("example.org", "MX");
	is_int(set.turn, ZONE_PREFS, "MX");
	zone_set_turn(&set, &choose, order);
	ok(dns_get_u16(zone_data(&set, 0)) == 20 &&
	    dns_get_u16(zone_data(&set, 1)) == 10, "the second node first");
	(void)find("imap.example.org", "A");
	is_int(set.turn, ZONE_ADDRESSES, "A");
	zone_set_turn(&set, &choose, order);
	ok(zone_data(&set, 0)[3] == 2 && zone_data(&set, 1)[3] == 22 &&
	    zone_data(&set, 2)[3] == 1, "its addresses, too");
	use(CLUSTER(ORG, "<dns select='static'/>"));
	(void)find("example.org", "MX");
	zone_set_turn(&set, &choose, order);
	ok(dns_get_u16(zone_data(&set, 0)) == 10 &&
	    dns_get_u16(zone_data(&set, 1)) == 10, "static: preferences of "
	    "the nodes");
	(void)find("n1.example.org", "A");
	is_int(set.turn, ZONE_FIXED, "a host has no turns");
	/* nobody is there to be named */
	choose.n = 0;
	IS("example.org", "MX", "no data");
	IS("imap.example.org", "A", "no data");
	choose.n = 2;
}

/* The record is wrong: a line with its place. */
static void
bad(const char *record, const char *want)
{
	char		 xml[2000], place[100];
	int		 rc;

	forget();
	snprintf(xml, sizeof(xml), CLUSTER(ORG, "<dns>\n<record %s/></dns>"),
	    record);
	conf = load(xml);
	rc = zone_open(&lg, conf, &zone);
	snprintf(place, sizeof(place), "%s:7: record ", file);
	if (!ok(rc == CM_ECONF && zone == NULL && said.len > 0 &&
	    strncmp(said.p, place, strlen(place)) == 0 &&
	    strstr(said.p, want) != NULL, "%s: %s", record, want))
		printf("#   %d, %s", rc, said.len > 0 ? said.p : "nothing\n");
}

static void
test_bad(void)
{
	bad("name='a..b' type='A' data='1.2.3.4'", "that is no name");
	bad("name='a' type='NOPE' data='1'", "no such type");
	bad("name='a' type='ANY' data='1'", "not a type of records");
	bad("name='a' type='AXFR' data='1'", "not a type of records");
	bad("name='@' type='SOA' data='. . 1 2 3 4 5'", "SOA record is made");
	bad("name='a' type='NS' data='x'", "no domain is given");
	bad("name='@' type='CNAME' data='x'", "cannot be another one");
	bad("name='example.org.' type='CNAME' data='x'",
	    "cannot be another one");
	bad("name='a' type='DNAME' data='x'", "not served");
	bad("name='a' type='RRSIG' data='x'", "not served");
	bad("name='a' type='A' data='1.2.3'", "");
	bad("name='a' type='A' data='1.2.3.4 5.6.7.8'", "");
	bad("name='a' type='MX' data='10'", "");
	bad("name='other.test.' type='A' data='1.2.3.4'", "no domain of ours");
	bad("name='a' type='CNAME' data='x'/><record name='a' type='TXT' "
	    "data='x'", "only record of its name");
	bad("name='a' type='CNAME' data='x'/><record name='a' type='CNAME' "
	    "data='y'", "only record of its name");
	/* data that end before they should */
	bad("name='a' type='MX' data='\\# 2 000a'", "missing at the end");
	bad("name='@' type='NS' data='\\# 0'", "missing at the end");
	bad("name='a' type='CNAME' data='\\# 0'", "missing at the end");
	bad("name='a' type='SRV' data='\\# 2 0000'", "missing at the end");
	bad("name='a' type='MINFO' data='\\# 1 00'", "missing at the end");
	bad("name='a' type='MX' data='\\# 4 000ac00c'", "");
	bad("name='a' type='TYPE15' data='\\# 2 000a'", "missing at the end");
	/* and numbers with more bits than their place */
	bad("name='a' type='MX' data='70000 a'", "a number is too large");
	bad("name='a' type='SRV' data='0 0  65536 a'",
	    "a number is too large");
	bad("name='a' type='CAA' data='256 issue \"x.test\"'",
	    "a number is too large");
	forget();
	conf = load(CLUSTER("", ""));
	is_int(zone_open(&lg, conf, &zone), CM_ECONF, "no domain");
	ok(strstr(said.p, "no domain is named") != NULL, "is said: %s",
	    said.p);
}

/* As many as may be: it takes a moment, and no square of anything. */
static void
test_many(void)
{
	struct buf	 b;

	buf_init(&b, 64 << 20);
	buf_adds(&b, "<cluster>");
	for (int i = 0; i < 20000; i++)
		buf_addf(&b, "<domain name='d%d.test'/>", i);
	buf_adds(&b, "<node name='n1' state='@' public='192.0.2.1'/><volume "
	    "name='v1' home='n1' path='/v/1'/><dns>");
	for (int i = 0; i < 20000; i++)
		buf_addf(&b, "<record name='r%d' type='A' data='192.0.2.9'/>"
		    "<record name='@' type='TXT' data='%d'/>", i, i);
	buf_adds(&b, "</dns></cluster>");
	use(b.p);
	buf_free(&b);
	IS("r19999.d19999.test", "A", "300 192.0.2.9");
	IS("d0.test", "MX", "5 10 n1.d0.test.");
	ok(find("d1.test", "TXT") != 0 || set.n > 0, "more TXT than fit");
}

int
main(void)
{
	begin_cases();
	zone_set_init(&set);
	test_made();
	test_settings();
	test_hosts();
	test_given();
	test_wildcards();
	test_long();
	test_text();
	test_turn();
	test_bad();
	test_many();
	zone_set_free(&set);
	forget();
	return end_cases();
}
