/*
 * Questions for the DNS server, each by UDP and by TCP: the answer is a right
 * message, to this question, and no larger than what was asked for.  The first
 * byte says how nodes are chosen, and whether answers are limited.
 */
#include "protocol/dnsd.h"

#include <arpa/nameser.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tools/dns_check.h"

#define SELECTS	5

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* There is nothing to complain about. */
static void
put_log(void *arg, enum log_level level, const char *line)
{
	(void)arg, (void)level;
	fprintf(stderr, "%s\n", line);
	abort();
}

static const char xml_begin[] =
    "<cluster name=\"fuzz\"><domain name=\"example.org\"/>"
    "<domain name=\"Sub.Example.org\"/><domain name=\"a.b.example.net\"/>"
    "<domain name=\"example.net\"/>";
static const char xml_records[] =
    "<record name=\"www\" type=\"CNAME\" data=\"smtp\"/>"
    "<record name=\"loop\" type=\"CNAME\" data=\"pool\"/>"
    "<record name=\"pool\" type=\"CNAME\" data=\"loop\"/>"
    "<record name=\"away\" type=\"CNAME\" data=\"else.where.example.\"/>"
    "<record name=\"none\" type=\"CNAME\" data=\"not.there\"/>"
    "<record name=\"@\" type=\"TXT\" data=\"v=spf1 mx -all\"/>"
    "<record name=\"*.wild\" type=\"A\" data=\"192.0.2.77\"/>"
    "<record name=\"*.wild\" type=\"MX\" data=\"5 Mail.Example.org.\"/>"
    "<record name=\"host.a.wild\" type=\"TXT\" data=\"x\"/>"
    "<record name=\"*\" type=\"CAA\" data='0 issue \"example.net\"'/>"
    "<record name=\"big.example.org.\" type=\"TXT\" data=\"";

static struct {
	char		 dir[32];
	struct conf	*conf[SELECTS];
	struct dnsd_limit *limit;
	struct dnsd	*d[SELECTS][2];
} all = { .dir = "/tmp/cm-fuzz-dnsd.XXXXXX" };

static void
close_all(void)
{
	static const char *const names[] = { "/run/turns.1", "/run/dns.secret",
	    "/run", "/cluster.xml", "" };
	char	 path[64];

	for (int i = 0; i < SELECTS; i++) {
		dnsd_close(all.d[i][0]);
		dnsd_close(all.d[i][1]);
		conf_free(all.conf[i]);
	}
	dnsd_limit_close(all.limit);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", all.dir, names[i]);
		(void)remove(path);
	}
}

static void
write_conf(const char *path, const char *select)
{
	FILE	*f = fopen(path, "w");

	must(f != NULL);
	fputs(xml_begin, f);
	for (int i = 1; i <= 3; i++)
		fprintf(f, "<node name=\"n%d\" state=\"%s/%d\" public=\""
		    "192.0.2.%d 2001:db8::%d\" capacity=\"%d\"/>", i,
		    all.dir, i, i, i, i * 10);
	for (int i = 4; i <= 30; i++)
		fprintf(f, "<node name=\"n%d\" state=\"%s/%d\" hostname=\""
		    "host-%d.of-a-name-that-takes-room.example.com\" "
		    "public=\"192.0.2.%d\"/>", i, all.dir, i, i, i);
	fprintf(f, "<node name=\"n0\" state=\"%s\"/><volume name=\"v1\" "
	    "home=\"n1\" path=\"%s/v1\"/><dns select=\"%s\" rate=\"20\" "
	    "contact=\"post.Master@example.org\">", all.dir, all.dir, select);
	fputs(xml_records, f);
	for (int i = 0; i < 2000; i++)
		fputc('a' + i % 26, f);
	fputs("\"/></dns></cluster>\n", f);
	must(fclose(f) == 0);
}

static void
open_all(void)
{
	static const char *const selects[SELECTS] = { "round-robin", "random",
	    "least-load", "weighted", "static" };
	static const struct log log = { CM_LOG_ERROR, put_log, NULL };
	const char *root = getenv("ROOT");
	char	 path[4096];

	snprintf(path, sizeof(path), "%s/share", root != NULL ? root : ".");
	setenv("CM_SHARE", path, 1);
	must(mkdtemp(all.dir) != NULL);
	atexit(close_all);
	snprintf(path, sizeof(path), "%s/run", all.dir);
	must(mkdir(path, 0700) == 0);
	must(dnsd_limit_open(&all.limit) == 0);
	snprintf(path, sizeof(path), "%s/cluster.xml", all.dir);
	for (int i = 0; i < SELECTS; i++) {
		write_conf(path, selects[i]);
		must(conf_load(&log, path, "n0", &all.conf[i]) == 0);
		must(dnsd_open(&log, all.conf[i], NULL, &all.d[i][0]) == 0);
		must(dnsd_open(&log, all.conf[i], all.limit,
		    &all.d[i][1]) == 0);
	}
}

/* Id, flags and question are those that were sent. */
static void
check(const uint8_t *q, size_t qlen, const uint8_t *a, size_t alen,
    size_t most)
{
	struct dns_query parsed;
	const char	*wrong;
	int		 code = dns_parse(q, qlen, &parsed);

	must(code != -1 && alen <= most && alen >= DNS_HEADER);
	if ((wrong = dns_check_answer(a, alen)) != NULL) {
		fprintf(stderr, "%s\n", wrong);
		abort();
	}
	must(memcmp(q, a, 2) == 0);
	must((q[2] & 0x79) == (a[2] & 0x79));	/* opcode, RD */
	must((q[3] & 0x10) == (a[3] & 0x10));	/* CD */
	must((a[3] & 0x80) == 0);		/* RA */
	if (dns_get_u16(a + 4) == 1)
		must(parsed.has_question && memcmp(a + DNS_HEADER, q +
		    DNS_HEADER, parsed.name.len + 4) == 0);
	else
		must(code != 0 || !parsed.has_question);
	if (code != 0)
		must(alen == DNS_HEADER && (a[3] & 15) == code);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char udp[DNS_UDP_MAX], tcp[DNS_TCP_MAX];
	struct dnsd_client client = { .ip = { [10] = 0xff, 0xff, 192, 0, 2,
			    1 } };
	struct dns_query q;
	size_t		 n, m, most = DNS_UDP_MIN;

	if (size < 1)
		return 0;
	if (all.limit == NULL)
		open_all();
	if (dns_parse(data + 1, size - 1, &q) == 0 && q.has_edns)
		most = q.size < DNS_UDP_MAX ? q.size : DNS_UDP_MAX;
	client.ip[14] = data[0];
	n = dnsd_answer(all.d[data[0] % SELECTS][data[0] >> 7], &client,
	    data + 1, size - 1, udp, sizeof(udp));
	if (n > 0)
		check(data + 1, size - 1, udp, n, most);
	client.tcp = true;
	m = dnsd_answer(all.d[data[0] % SELECTS][0], &client, data + 1,
	    size - 1, tcp, sizeof(tcp));
	if (m > 0) {
		check(data + 1, size - 1, tcp, m, sizeof(tcp));
		must((tcp[2] & 2) == 0);	/* TC */
	}
	/* no limit: an answer by both or by none, and the same one */
	must(data[0] >> 7 || (n > 0) == (m > 0));
	if (n > 0 && (udp[2] & 2) == 0)
		must(m >= n && memcmp(udp + 2, tcp + 2, 8) == 0);
	return 0;
}
