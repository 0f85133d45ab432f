#include "format/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/str.h"

#define V1_MAX		107	/* CR LF included */
#define V1_WORDS	6
#define V2_FIXED	16
#define V2_TCP4		0x11
#define V2_TCP6		0x21
#define V2_UNIX		0x31
#define V2_UNIX_SIZE	216
#define TLV_CRC32C	0x03

static const char	sig1[] = "PROXY ";
static const char	sig2[] = "\r\n\r\n\0\r\nQUIT\n";

static unsigned
be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void
put_v4(unsigned char out[16], const void *v4)
{
	memset(out, 0, 10);
	memset(out + 10, 0xff, 2);
	memcpy(out + 12, v4, 4);
}

static bool
parse_address(struct span s, bool is_v6, unsigned char out[16])
{
	char		 text[INET6_ADDRSTRLEN];
	unsigned char	 v4[4];

	if (str_ncopy(text, sizeof(text), s.p, s.len) != 0 ||
	    memchr(s.p, '\0', s.len) != NULL)
		return false;
	if (is_v6)
		return inet_pton(AF_INET6, text, out) == 1;
	if (inet_pton(AF_INET, text, v4) != 1)
		return false;
	put_v4(out, v4);
	return true;
}

static bool
parse_port(struct span s, unsigned *port)
{
	uint64_t	 v;

	if ((s.len > 1 && s.p[0] == '0') ||
	    str_u64(s.p, s.len, 65535, &v) != 0)
		return false;
	*port = (unsigned)v;
	return true;
}

/* "PROXY TCP4 SOURCE DESTINATION PORT PORT", without its end. */
static int
parse_line(struct span line, struct proxy *x)
{
	struct span	 w[V1_WORDS] = { { NULL, 0 } }, rest = line;
	size_t		 n = 0;
	bool		 is_v6;

	while (n < V1_WORDS && str_field(&rest, ' ', &w[n]))
		n++;
	if (n >= 2 && span_is(w[1], "UNKNOWN")) {
		x->local = true;
		return 0;
	}
	is_v6 = n >= 2 && span_is(w[1], "TCP6");
	if (n != V1_WORDS || rest.p != NULL ||
	    (!is_v6 && !span_is(w[1], "TCP4")))
		return CM_EPROTO;
	return parse_address(w[2], is_v6, x->src) &&
	    parse_address(w[3], is_v6, x->dst) &&
	    parse_port(w[4], &x->src_port) && parse_port(w[5], &x->dst_port) ?
	    0 : CM_EPROTO;
}

static int
parse_v1(const char *p, size_t len, struct proxy *x, size_t *used)
{
	size_t		 n = len < V1_MAX ? len : V1_MAX;
	const char	*lf = memchr(p, '\n', n);

	if (lf == NULL)
		return len < V1_MAX ? CM_EAGAIN : CM_EPROTO;
	*used = (size_t)(lf + 1 - p);
	if (lf[-1] != '\r')
		return CM_EPROTO;
	return parse_line((struct span){ p, *used - 2 }, x);
}

/* The fields behind the addresses: each within its bounds, a checksum right. */
static int
check_tlvs(const unsigned char *p, size_t at, size_t end)
{
	static const unsigned char zero[4];
	uint32_t		 crc, want;
	size_t			 n;

	for (; at < end; at += n) {
		if (end - at < 3)
			return CM_EPROTO;
		n = be16(p + at + 1);
		if (n > end - at - 3)
			return CM_EPROTO;
		if (p[at] == TLV_CRC32C) {
			if (n != sizeof(zero))
				return CM_EPROTO;
			want = (uint32_t)be16(p + at + 3) << 16 |
			    be16(p + at + 5);
			crc = crc32c(0, p, at + 3);
			crc = crc32c(crc, zero, sizeof(zero));
			crc = crc32c(crc, p + at + 7, end - at - 7);
			if (crc != want)
				return CM_EPROTO;
		}
		n += 3;
	}
	return 0;
}

/* How many bytes of addresses, or -1: nothing for TCP. */
static int
take_addresses(const unsigned char *p, size_t n, struct proxy *x)
{
	const unsigned char	*a = p + V2_FIXED;

	switch (p[13]) {
	case V2_TCP4:
		if (n < 12)
			return -1;
		put_v4(x->src, a);
		put_v4(x->dst, a + 4);
		x->src_port = be16(a + 8);
		x->dst_port = be16(a + 10);
		return 12;
	case V2_TCP6:
		if (n < 36)
			return -1;
		memcpy(x->src, a, 16);
		memcpy(x->dst, a + 16, 16);
		x->src_port = be16(a + 32);
		x->dst_port = be16(a + 34);
		return 36;
	case V2_UNIX:
		x->local = true;
		return n < V2_UNIX_SIZE ? -1 : V2_UNIX_SIZE;
	case 0:
		/* nobody knows where its fields begin */
		x->local = true;
		return (int)n;
	default:
		return -1;
	}
}

static int
parse_v2(const unsigned char *p, size_t len, struct proxy *x, size_t *used)
{
	size_t	 n;
	int	 skip;

	if (len >= 13 && p[12] != 0x20 && p[12] != 0x21)
		return CM_EPROTO;
	if (len < V2_FIXED)
		return CM_EAGAIN;
	n = be16(p + 14);
	if (n > PROXY_MAX - V2_FIXED)
		return CM_EPROTO;
	if (len - V2_FIXED < n)
		return CM_EAGAIN;
	*used = V2_FIXED + n;
	if (p[12] == 0x20) {
		/* LOCAL: whatever follows is to be skipped */
		x->local = true;
		return 0;
	}
	if ((skip = take_addresses(p, n, x)) == -1)
		return CM_EPROTO;
	return check_tlvs(p, V2_FIXED + (size_t)skip, *used);
}

static bool
begins(const char *p, size_t len, const char *sig, size_t n)
{
	return memcmp(p, sig, len < n ? len : n) == 0;
}

int
proxy_parse(const char *p, size_t len, struct proxy *x, size_t *used)
{
	*used = 0;
	memset(x, 0, sizeof(*x));
	if (len == 0)
		return CM_EAGAIN;
	if (begins(p, len, sig1, sizeof(sig1) - 1))
		return len < sizeof(sig1) - 1 ? CM_EAGAIN :
		    parse_v1(p, len, x, used);
	if (begins(p, len, sig2, sizeof(sig2) - 1))
		return len < sizeof(sig2) - 1 ? CM_EAGAIN :
		    parse_v2((const unsigned char *)p, len, x, used);
	return CM_EPROTO;
}
