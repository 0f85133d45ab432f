#include <arpa/inet.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "format/proxy.h"
#include "tap.h"

#define SIG	"\r\n\r\n\0\r\nQUIT\n"
#define V4	"\xc0\0\2\1\xc0\0\2\2\xdc\4\0\x19"	/* .1:56324 .2:25 */

static struct proxy	 x;
static size_t		 used;

static int
parse(const char *p, size_t len)
{
	char	*copy = malloc(len + 1);
	int	 rc;

	/* of its exact size, so that ASan sees a read beyond it */
	if (copy == NULL || (copy = realloc(copy, len ? len : 1)) == NULL)
		abort();
	memcpy(copy, p, len);
	rc = proxy_parse(copy, len, &x, &used);
	free(copy);
	return rc;
}

#define PARSE(s)	parse((s), sizeof(s) - 1)

static const char *
addr(const unsigned char *a)
{
	static char	 b[2][INET6_ADDRSTRLEN];
	static int	 i;

	i ^= 1;
	return inet_ntop(AF_INET6, a, b[i], sizeof(b[i]));
}

static void
is_tcp4(const char *what, size_t want)
{
	is_str(addr(x.src), "::ffff:192.0.2.1", "%s: client", what);
	is_str(addr(x.dst), "::ffff:192.0.2.2", "%s: local", what);
	is_int(x.src_port, 56324, "%s: client's port", what);
	is_int(x.dst_port, 25, "%s: local port", what);
	is_int(used, want, "%s: length", what);
	is_int(x.local, false, "%s: for somebody", what);
}

static void
test_v1(void)
{
	static const char *const bad[] = {
		"PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 56324 25 1\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 056324 25\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 -1 25\r\n",
		"PROXY TCP4 192.0.2.1  192.0.2.2 56324 25\r\n",
		"PROXY TCP4 192.0.2 192.0.2.2 56324 25\r\n",
		"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
		"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY \r\n", "PROXY\r\n", "proxy UNKNOWN\r\n", "EHLO a\r\n",
		" PROXY UNKNOWN\r\n", "\r\n\r\nx",
	};

	is_int(PARSE("PROXY TCP4 192.0.2.1 192.0.2.2 56324 25\r\nEHLO a\r\n"),
	    0, "TCP4");
	is_tcp4("version 1", 41);
	is_int(PARSE("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), 0, "TCP6");
	is_str(addr(x.src), "2001:db8::1", "client");
	is_int(x.dst_port, 65535, "port");
	is_int(PARSE("PROXY UNKNOWN\r\n"), 0, "UNKNOWN");
	is_int(x.local, true, "is as if there were none");
	is_int(PARSE("PROXY UNKNOWN a b\0c\r\n"), 0, "UNKNOWN and words");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(parse(bad[i], strlen(bad[i])), CM_EPROTO, "bad line %zu",
		    i);
	is_int(PARSE("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"), CM_EPROTO,
	    "a NUL");
}

static void
test_lengths(void)
{
	char	 line[200];

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + 105, "\r\n", 2);
	is_int(parse(line, 106), CM_EAGAIN, "106 bytes without an end");
	is_int(parse(line, 107), 0, "107 with one");
	memcpy(line + 105, "xx\r\n", 4);
	is_int(parse(line, 107), CM_EPROTO, "107 without one");
	is_int(parse("", 0), CM_EAGAIN, "nothing yet");
	is_int(parse("PRO", 3), CM_EAGAIN, "a beginning");
	is_int(parse(SIG, 12), CM_EAGAIN, "version 2 begins");
	is_int(PARSE(SIG "\x21\x11\x0f\xf0"), CM_EAGAIN, "4080 bytes behind");
	is_int(PARSE(SIG "\x21\x11\x0f\xf1"), CM_EPROTO, "4081 bytes behind");
}

static void
test_v2(void)
{
	is_int(PARSE(SIG "\x21\x11\0\x0c" V4 "EHLO"), 0, "TCP4");
	is_tcp4("version 2", 28);
	is_int(PARSE(SIG "\x21\x11\0\x12" V4 "\4\0\3abc"), 0, "with a field");
	is_tcp4("with a field", 34);
	is_int(PARSE(SIG "\x20\x11\0\x0c" V4), 0, "LOCAL");
	is_int(x.local, true, "takes no address");
	is_int(PARSE(SIG "\x21\0\0\3abc"), 0, "UNSPEC");
	is_int(x.local, true, "neither does it");
	is_int(PARSE(SIG "\x11\x11\0\x0c" V4), CM_EPROTO, "version 1");
	is_int(PARSE(SIG "\x22\x11\0\x0c" V4), CM_EPROTO, "command 2");
	is_int(PARSE(SIG "\x21\x12\0\x0c" V4), CM_EPROTO, "UDP");
	is_int(PARSE(SIG "\x21\x41\0\x0c" V4), CM_EPROTO, "family 4");
	is_int(PARSE(SIG "\x21\x11\0\x0b" V4), CM_EPROTO, "too short");
	is_int(PARSE(SIG "\x21\x21\0\x0c" V4), CM_EPROTO, "too short for 6");
	is_int(PARSE(SIG "\x21\x11\0\x0e" V4 "\4\0"), CM_EPROTO,
	    "half a field");
	is_int(PARSE(SIG "\x21\x11\0\x10" V4 "\4\0\2a"), CM_EPROTO,
	    "a field beyond the end");
	is_int(PARSE(SIG "\x21\x11\0\x0c" "\xc0"), CM_EAGAIN, "not all");
}

static void
test_checksum(void)
{
	char		 h[] = SIG "\x21\x11\0\x13" V4 "\3\0\4\0\0\0\0";
	size_t		 n = sizeof(h) - 1;
	uint32_t	 crc = crc32c(0, h, n);

	for (int i = 0; i < 4; i++)
		h[n - 4 + (size_t)i] = (char)(crc >> (24 - 8 * i));
	is_int(parse(h, n), 0, "a right CRC32C");
	h[20] ^= 1;
	is_int(parse(h, n), CM_EPROTO, "a wrong one");
}

int
main(void)
{
	test_v1();
	test_lengths();
	test_v2();
	test_checksum();
	return tap_done();
}
