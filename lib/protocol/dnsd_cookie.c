#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/str.h"
#include "protocol/dnsd_int.h"

#define VERSION		1
#define OLD_S		3600	/* too old to count */
#define RENEW_S		1800
#define AHEAD_S		300	/* of a clock that was put back */
#define SERVER_FIXED	8	/* version, zeros, time */

/* What the hash is of: RFC 9018 section 4.4. */
static void
sign(const struct dnsd *d, unsigned char cookie[DNS_COOKIE],
    const struct dnsd_client *c)
{
	static const unsigned char v4[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char	 b[DNS_COOKIE_CLIENT + SERVER_FIXED + 16];
	bool		 is_v4 = memcmp(c->ip, v4, sizeof(v4)) == 0;
	size_t		 n = DNS_COOKIE_CLIENT + SERVER_FIXED;

	memcpy(b, cookie, n);
	memcpy(b + n, is_v4 ? c->ip + 12 : c->ip, is_v4 ? 4 : 16);
	siphash(d->secret, b, n + (is_v4 ? 4 : 16), cookie + n);
}

static bool
is_good(const struct dnsd *d, const struct dns_query *q,
    const struct dnsd_client *c, int64_t *age)
{
	unsigned char	 want[DNS_COOKIE];
	const unsigned char *t = q->cookie + DNS_COOKIE_CLIENT + 4;
	int32_t		 ago;

	if (q->cookie_len != DNS_COOKIE ||
	    q->cookie[DNS_COOKIE_CLIENT] != VERSION)
		return false;
	/* serial number arithmetic, RFC 1982 */
	ago = (int32_t)((uint32_t)d->now_s - ((uint32_t)dns_get_u16(t) << 16 |
	    dns_get_u16(t + 2)));
	*age = ago;
	if (ago > OLD_S || ago < -AHEAD_S)
		return false;
	memcpy(want, q->cookie, DNS_COOKIE_CLIENT + SERVER_FIXED);
	sign(d, want, c);
	return memcmp(want, q->cookie, DNS_COOKIE) == 0;
}

bool
dnsd_cookie(const struct dnsd *d, const struct dns_query *q,
    const struct dnsd_client *c, unsigned char out[DNS_COOKIE])
{
	int64_t	 age = 0;
	bool	 good = is_good(d, q, c, &age);

	if (good && age < RENEW_S && age >= 0) {
		memcpy(out, q->cookie, DNS_COOKIE);
		return true;
	}
	memcpy(out, q->cookie, DNS_COOKIE_CLIENT);
	out += DNS_COOKIE_CLIENT;
	memset(out, 0, 4);
	out[0] = VERSION;
	dns_put_u16(out + 4, (unsigned)(d->now_s >> 16) & 0xffff);
	dns_put_u16(out + 6, (unsigned)d->now_s & 0xffff);
	sign(d, out - DNS_COOKIE_CLIENT, c);
	return good;
}

int
dnsd_secret(const struct log *log, const struct conf *c,
    unsigned char out[SIPHASH_KEY])
{
	char		 path[FILE_PATH_MAX];
	struct buf	 b;
	int		 rc;

	if ((rc = str_fmt(path, sizeof(path), "%s/run/dns.secret",
	    c->node->state)) != 0)
		return rc;
	buf_init(&b, SIPHASH_KEY);
	if (file_exists(path) && file_read(NULL, path, &b) == 0 &&
	    b.len == SIPHASH_KEY) {
		memcpy(out, b.p, SIPHASH_KEY);
		buf_free(&b);
		return 0;
	}
	buf_free(&b);
	if (getrandom(out, SIPHASH_KEY, 0) != SIPHASH_KEY)
		return log_errno(log, "getrandom");
	/* of two at the same time the later one stays: cookies of the first
	 * are then no better than none, until it is started again */
	if (file_commit(log, path, out, SIPHASH_KEY, 0600) != 0)
		log_warn(log, "cookies of the DNS are good for this process "
		    "only");
	return 0;
}
