/*
 * dnsload HOST PORT NAME mx|a|aaaa COUNT: asks so often by UDP, with up to
 * WINDOW questions on the way, and prints of the answers
 *
 *	first NAME COUNT	had the lowest preference, or was first
 *	second NAME COUNT	and was next
 *	records LEAST MOST	how many records the answers had
 *	lost COUNT		had no answer within a second
 *	rate COUNT		answers per second
 */
#include <arpa/nameser.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "base/str.h"
#include "base/time.h"
#include "format/dns.h"

#define WINDOW		128	/* less than a socket keeps */
#define BATCH		32
#define SIZE		4096
#define NAMES		256
#define WAIT_MS		1000

struct tally {
	char		 name[NAMES][NAME_MAX];
	unsigned long	 count[2][NAMES];	/* as first, as second */
	size_t		 n;
	unsigned	 least, most;
	unsigned long	 answers;
};

struct load {
	int		 fd;
	unsigned char	 question[DNS_HEADER + DNS_QUESTION_MAX + DNS_OPT];
	size_t		 len;
	unsigned	 type;
	bool		 waits[65536];		/* by id */
	struct tally	 tally;
};

static void
question(struct load *l, const char *name)
{
	struct dns_query q = { .has_edns = true };
	struct dns_name	 n;
	unsigned char	*p = l->question;

	if (dns_name(&n, name, strlen(name)) != 0)
		errx(EX_USAGE, "%s: not a name", name);
	dns_put_u16(p + 4, 1);
	dns_put_u16(p + 10, 1);
	memcpy(p + DNS_HEADER, n.b, n.len);
	dns_put_u16(p + DNS_HEADER + n.len, l->type);
	dns_put_u16(p + DNS_HEADER + n.len + 2, ns_c_in);
	l->len = DNS_HEADER + n.len + 4;
	l->len += dns_opt(p + l->len, &q, 0, NULL, 0);
}

static void
note(struct tally *t, int which, const char *name)
{
	size_t	 i;

	for (i = 0; i < t->n && strcmp(t->name[i], name) != 0; i++)
		continue;
	if (i == NAMES)
		errx(EX_DATAERR, "more than %d names", NAMES);
	if (i == t->n && str_copy(t->name[t->n++], NAME_MAX, name) != 0)
		errx(EX_DATAERR, "%s: too long", name);
	t->count[which][i]++;
}

/* Where the name at p + at ends. */
static size_t
name_end(const unsigned char *p, size_t len, size_t at)
{
	while (at < len && p[at] != 0) {
		if (p[at] >= 0xc0)
			return at + 2;
		at += (size_t)p[at] + 1;
	}
	return at + 1;
}

/* A node's name is the first label of its host's. */
static void
first_label(const unsigned char *p, size_t len, size_t at, char out[NAME_MAX])
{
	if (at + 1 < len && p[at] >= 0xc0)
		at = (size_t)(p[at] & 0x3f) << 8 | p[at + 1];
	if (at >= len || p[at] >= 0xc0 || at + 1 + p[at] > len)
		errx(EX_DATAERR, "a name in an answer");
	memcpy(out, p + at + 1, p[at]);
	out[p[at]] = '\0';
}

static void
hex(const unsigned char *p, size_t n, char out[NAME_MAX])
{
	for (size_t i = 0; i < n && 2 * i + 2 < NAME_MAX; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

/* The lowest preference and the next one; of addresses the first two. */
struct best {
	unsigned	 pref[2];
	char		 name[2][NAME_MAX];
};

static void
rank(struct best *b, unsigned pref, const char *name)
{
	if (pref < b->pref[0]) {
		b->pref[1] = b->pref[0];
		memcpy(b->name[1], b->name[0], NAME_MAX);
		b->pref[0] = pref;
		memcpy(b->name[0], name, NAME_MAX);
	} else if (pref < b->pref[1]) {
		b->pref[1] = pref;
		memcpy(b->name[1], name, NAME_MAX);
	}
}

static void
look(struct load *l, const unsigned char *p, size_t len)
{
	struct best	 b = { { UINT_MAX, UINT_MAX }, { "", "" } };
	char		 name[NAME_MAX] = "";
	size_t		 at = l->len - DNS_OPT, size;
	unsigned	 n = dns_get_u16(p + 6);

	if ((p[2] & 2) != 0 || (p[3] & 15) != 0)
		errx(EX_DATAERR, "an answer is cut short, or none");
	for (unsigned i = 0; i < n; i++, at += size) {
		if ((at = name_end(p, len, at) + 10) > len ||
		    at + (size = dns_get_u16(p + at - 2)) > len ||
		    dns_get_u16(p + at - 10) != l->type)
			errx(EX_DATAERR, "a record is not what was asked for");
		if (l->type == ns_t_mx)
			first_label(p, len, at + 2, name);
		else
			hex(p + at, size, name);
		rank(&b, l->type == ns_t_mx ? dns_get_u16(p + at) : i, name);
	}
	for (int i = 0; i < 2; i++)
		if (b.pref[i] != UINT_MAX)
			note(&l->tally, i, b.name[i]);
	if (l->tally.answers++ == 0 || n < l->tally.least)
		l->tally.least = n;
	if (n > l->tally.most)
		l->tally.most = n;
}

static void
ask(struct load *l, unsigned long first, unsigned n)
{
	static unsigned char	 out[BATCH][sizeof(l->question)];
	struct iovec		 v[BATCH];
	struct mmsghdr		 h[BATCH];
	int			 k;

	memset(h, 0, sizeof(h));
	for (unsigned i = 0; i < n; i++) {
		memcpy(out[i], l->question, l->len);
		dns_put_u16(out[i], (first + i) & 0xffff);
		l->waits[(first + i) & 0xffff] = true;
		v[i] = (struct iovec){ out[i], l->len };
		h[i].msg_hdr.msg_iov = &v[i];
		h[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned i = 0; i < n; i += (unsigned)k)
		if ((k = sendmmsg(l->fd, h + i, n - i, 0)) <= 0)
			err(EX_OSERR, "sendmmsg");
}

/* How many came; 0: none within a second. */
static unsigned
take(struct load *l)
{
	static unsigned char	 in[BATCH][SIZE];
	struct iovec		 v[BATCH];
	struct mmsghdr		 h[BATCH];
	unsigned		 got = 0, id;
	int			 n;

	memset(h, 0, sizeof(h));
	for (unsigned i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){ in[i], SIZE };
		h[i].msg_hdr.msg_iov = &v[i];
		h[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(l->fd, h, BATCH, MSG_WAITFORONE, NULL);
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		err(EX_OSERR, "recvmmsg");
	for (int i = 0; i < n; i++) {
		id = h[i].msg_len < DNS_HEADER ? 0 : dns_get_u16(in[i]);
		if (h[i].msg_len < DNS_HEADER || !l->waits[id])
			continue;	/* too late */
		l->waits[id] = false;
		look(l, in[i], h[i].msg_len);
		got++;
	}
	return got;
}

static void
print(const struct load *l, unsigned long lost, int64_t ms)
{
	static const char *const which[] = { "first", "second" };
	const struct tally *t = &l->tally;

	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < t->n; i++)
			if (t->count[k][i] > 0)
				printf("%s %s %lu\n", which[k], t->name[i],
				    t->count[k][i]);
	printf("records %u %u\nlost %lu\nrate %.0f\n", t->least, t->most, lost,
	    (double)t->answers * 1000 / (double)(ms > 0 ? ms : 1));
}

static void
run(struct load *l, unsigned long count)
{
	unsigned long	 asked = 0, lost = 0;
	unsigned	 away = 0, n;
	int64_t		 begun = time_mono_ms();

	while (asked < count || away > 0) {
		n = WINDOW - away < BATCH ? WINDOW - away : BATCH;
		if (n > count - asked)
			n = (unsigned)(count - asked);
		if (n > 0)
			ask(l, asked, n);
		asked += n;
		away += n;
		if ((n = take(l)) == 0) {
			memset(l->waits, 0, sizeof(l->waits));
			lost += away;
			n = away;
		}
		away -= n;
	}
	print(l, lost, time_mono_ms() - begun);
}

static int
connect_to(const char *host, const char *port)
{
	struct addrinfo	 hints = { .ai_socktype = SOCK_DGRAM }, *a;
	struct timeval	 wait = { WAIT_MS / 1000, 0 };
	int		 fd, size = 1 << 20;	/* all that are on the way */

	if (getaddrinfo(host, port, &hints, &a) != 0)
		errx(EX_NOHOST, "%s:%s", host, port);
	if ((fd = socket(a->ai_family, SOCK_DGRAM, 0)) == -1 ||
	    connect(fd, a->ai_addr, a->ai_addrlen) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == -1)
		err(EX_OSERR, "%s:%s", host, port);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	freeaddrinfo(a);
	return fd;
}

int
main(int argc, char **argv)
{
	struct load	*l = calloc(1, sizeof(*l));
	uint64_t	 count;

	if (l == NULL)
		err(EX_OSERR, NULL);
	if (argc != 6 || str_u64(argv[5], strlen(argv[5]), UINT32_MAX,
	    &count) != 0)
		errx(EX_USAGE, "usage: dnsload host port name mx|a|aaaa count");
	l->type = strcasecmp(argv[4], "mx") == 0 ? ns_t_mx :
	    strcasecmp(argv[4], "a") == 0 ? ns_t_a : ns_t_aaaa;
	l->fd = connect_to(argv[1], argv[2]);
	question(l, argv[3]);
	run(l, (unsigned long)count);
	free(l);
	return 0;
}
