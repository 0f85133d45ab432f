/*
 * dnsflood [-n packets] [-s seed] PORT [PID...]: packets at a DNS server on
 * 127.0.0.1: whole questions, changed ones and noise, from several addresses
 * 127.0.0.x.  Each answer is to be a right message of no more bytes than were
 * asked for.  What the processes PID use of memory is looked at with a tenth
 * of all sent and at the end.  Prints what came of it; exits 1 when an answer
 * is wrong or a process is gone.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "dns_check.h"
#include "format/dns.h"

#define SOURCES	8
#define BATCH	64
#define PACKET	600
#define IDS	65536
#define PIDS_MAX 64
#define WINDOW	160		/* answers waited for; the queue has room */
#define PATIENCE_MS 20

struct flood {
	int		 fd[SOURCES];
	uint64_t	 seed;
	uint16_t	 limit[SOURCES][IDS];	/* of the answer to an id */
	uint64_t	 sent, answers, wrong, large, unasked, lost;
	uint64_t	 waiting;	/* for answers */
	uint64_t	 codes[16], cut, most;
	pid_t		 pid[PIDS_MAX];
	size_t		 npids;
	long		 memory[PIDS_MAX];	/* KiB, early on */
};

static const char *const names[] = {
	"example.org", "smtp.example.org", "imap.example.org",
	"pop.example.org", "n1.example.org", "n2.example.org",
	"_imaps._tcp.example.org", "_tcp.example.org", "www.example.org",
	"big.example.org", "x.y.wild.example.org", "loop.example.org",
	"nothing.example.org", "other.test", "", "sub.example.org",
};
static const unsigned types[] = {
	ns_t_mx, ns_t_a, ns_t_aaaa, ns_t_txt, ns_t_soa, ns_t_ns, ns_t_srv,
	ns_t_any, ns_t_cname, ns_t_axfr, ns_t_opt, 257, 65280, 0, ns_t_ptr,
	ns_t_mx,
};

/* splitmix64 */
static uint64_t
number(struct flood *f)
{
	uint64_t v = f->seed += 0x9e3779b97f4a7c15u;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
	v = (v ^ v >> 27) * 0x94d049bb133111ebu;
	return v ^ v >> 31;
}

static size_t
below(struct flood *f, size_t n)
{
	return (size_t)(number(f) % n);
}

static size_t
question(struct flood *f, unsigned char *p)
{
	struct dns_name	 n;
	const char	*name = names[below(f, sizeof(names) /
			    sizeof(*names))];
	size_t		 len = DNS_HEADER, option = 0;
	uint64_t	 r = number(f);

	memset(p, 0, DNS_HEADER);
	p[5] = 1;
	if (r & 1)
		p[2] = 1;
	if (dns_name(&n, name, strlen(name)) != 0)
		exit(2);
	for (size_t i = 0; i < n.len; i++)	/* 0x20 */
		if (n.b[i] >= 'a' && n.b[i] <= 'z' && number(f) & 1)
			n.b[i] -= 32;
	memcpy(p + len, n.b, n.len);
	len += n.len;
	dns_put_u16(p + len, types[r >> 8 & 15]);
	dns_put_u16(p + len + 2, r >> 16 & 63 ? ns_c_in : (unsigned)(r & 255));
	len += 4;
	if ((r >> 24 & 3) == 0)
		return len;
	p[11] = 1;
	memset(p + len, 0, 11);
	p[len + 2] = ns_t_opt;
	dns_put_u16(p + len + 3, (unsigned)(r >> 32 & (r & 2 ? 0x7ff :
	    0xffff)));
	p[len + 5] = 0;
	p[len + 7] = r & 4 ? 0x80 : 0;
	if (r & 8) {
		option = r & 16 ? 8 : 16 + (r >> 48) % 25;
		p[len + 10] = (unsigned char)(option + 4);
		p[len + 12] = 10;
		p[len + 14] = (unsigned char)option;
		p[len + 11] = p[len + 13] = 0;
		memset(p + len + 15, (int)(r >> 56), option);
		option += 4;
	}
	return len + 11 + option;
}

/* A few bytes changed, cut, or something put in. */
static size_t
mutate(struct flood *f, unsigned char *p, size_t len)
{
	for (size_t n = 1 + below(f, 4); n > 0; n--)
		switch (below(f, 5)) {
		case 0:
			p[below(f, len)] = (unsigned char)number(f);
			break;
		case 1:
			p[below(f, len)] ^= (unsigned char)(1 << below(f, 8));
			break;
		case 2:
			len = 1 + below(f, len);
			break;
		case 3:
			p[2 + below(f, 10) % len] = (unsigned char)below(f, 4);
			break;
		default:
			while (len < PACKET - 40 && number(f) & 7)
				p[len++] = (unsigned char)(number(f) & 1 ?
				    0xc0 : number(f));
			break;
		}
	return len < 2 ? 2 : len;
}

static size_t
packet(struct flood *f, unsigned char *p)
{
	size_t	 len;

	switch (below(f, 8)) {
	case 0:			/* noise */
		len = 2 + below(f, PACKET - 2);
		for (size_t i = 0; i < len; i++)
			p[i] = (unsigned char)number(f);
		p[2] &= 0x87;	/* more often a question */
		return len;
	case 1: case 2: case 3:
		return mutate(f, p, question(f, p));
	default:
		return question(f, p);
	}
}

/* What an answer may have; 0: there may be none. */
static uint16_t
limit_of(const unsigned char *p, size_t len)
{
	struct dns_query q;
	int		 code = dns_parse(p, len, &q);

	if (code == -1)
		return 0;
	if (code != 0 || !q.has_edns)
		return DNS_UDP_MIN;
	return q.size < DNS_UDP_MAX ? q.size : DNS_UDP_MAX;
}

static void
look(struct flood *f, int source, const unsigned char *p, size_t len)
{
	const char	*wrong = dns_check_answer(p, len);
	uint16_t	 limit;

	f->answers++;
	f->waiting -= f->waiting > 0;
	if (wrong != NULL) {
		f->wrong++;
		fprintf(stderr, "dnsflood: an answer: %s\n", wrong);
		return;
	}
	limit = f->limit[source][dns_get_u16(p)];
	f->unasked += limit == 0;
	f->large += len > limit;
	f->codes[p[3] & 15]++;
	f->cut += (p[2] & 2) != 0;
	if (len > f->most)
		f->most = len;
}

/* What is there, or comes within ms. */
static void
hear(struct flood *f, int ms)
{
	static unsigned char room[BATCH][4096];
	struct mmsghdr	 m[BATCH];
	struct iovec	 v[BATCH];
	struct pollfd	 p[SOURCES];
	int		 n;

	for (int i = 0; i < SOURCES; i++)
		p[i] = (struct pollfd){ .fd = f->fd[i], .events = POLLIN };
	if (poll(p, SOURCES, ms) <= 0)
		return;
	for (int i = 0; i < SOURCES; i++) {
		if (p[i].revents == 0)
			continue;
		memset(m, 0, sizeof(m));
		for (int k = 0; k < BATCH; k++) {
			v[k] = (struct iovec){ room[k], sizeof(room[k]) };
			m[k].msg_hdr.msg_iov = &v[k];
			m[k].msg_hdr.msg_iovlen = 1;
		}
		n = recvmmsg(f->fd[i], m, BATCH, MSG_DONTWAIT, NULL);
		for (int k = 0; k < n; k++)
			look(f, i, room[k], m[k].msg_len);
	}
}

static void
batch(struct flood *f, int source, unsigned n)
{
	static unsigned char room[BATCH][PACKET];
	static uint16_t	 id;
	struct mmsghdr	 m[BATCH];
	struct iovec	 v[BATCH];
	size_t		 len;
	int		 k;

	memset(m, 0, sizeof(m));
	for (unsigned i = 0; i < n; i++) {
		len = packet(f, room[i]);
		dns_put_u16(room[i], ++id);
		f->limit[source][id] = limit_of(room[i], len);
		f->waiting += f->limit[source][id] != 0;
		v[i] = (struct iovec){ room[i], len };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned done = 0; done < n; done += (unsigned)k) {
		k = sendmmsg(f->fd[source], m + done, n - done, 0);
		/* an error is of one packet: the server was away */
		if (k <= 0)
			k = errno != EINTR && errno != EAGAIN;
	}
	f->sent += n;
}

/* KiB of a process that are its own; -1: it is gone. */
static long
memory_of(pid_t pid)
{
	char	 path[64], line[256];
	long	 kib = -1, v;
	FILE	*in;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	if ((in = fopen(path, "r")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0 &&
		    (v = strtol(line + 8, NULL, 10)) >= 0)
			kib = v;
	fclose(in);
	return kib;
}

static int
report(struct flood *f, int64_t ms)
{
	int	 status = f->wrong + f->large + f->unasked > 0;
	long	 now;

	printf("sent %llu answers %llu lost %llu seconds %.1f wrong %llu "
	    "large %llu unasked %llu cut %llu longest %llu\n",
	    (unsigned long long)f->sent, (unsigned long long)f->answers,
	    (unsigned long long)f->lost, (double)ms / 1000,
	    (unsigned long long)f->wrong, (unsigned long long)f->large,
	    (unsigned long long)f->unasked, (unsigned long long)f->cut,
	    (unsigned long long)f->most);
	printf("codes");
	for (int i = 0; i < 16; i++)
		if (f->codes[i] > 0)
			printf(" %d:%llu", i, (unsigned long long)f->codes[i]);
	printf("\n");
	for (size_t i = 0; i < f->npids; i++) {
		now = memory_of(f->pid[i]);
		printf("process %ld kib %ld then %ld\n", (long)f->pid[i],
		    f->memory[i], now);
		status |= now == -1;
	}
	return status;
}

static int
open_sources(struct flood *f, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int	 size = 4 << 20;

	for (uint32_t i = 0; i < SOURCES; i++) {
		a.sin_port = 0;
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i * 256 + i);
		f->fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (f->fd[i] == -1 || bind(f->fd[i], (struct sockaddr *)&a,
		    sizeof(a)) == -1)
			return -1;
		(void)setsockopt(f->fd[i], SOL_SOCKET, SO_RCVBUF, &size,
		    sizeof(size));
		a.sin_port = htons(port);
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (connect(f->fd[i], (struct sockaddr *)&a, sizeof(a)) == -1)
			return -1;
	}
	return 0;
}

/* Waits while too many are on their way; who gets no answer goes on. */
static void
wait_for_answers(struct flood *f, uint64_t most)
{
	uint64_t before;

	while (f->waiting > most) {
		before = f->answers;
		hear(f, PATIENCE_MS);
		if (f->answers == before) {
			f->lost += f->waiting;
			f->waiting = 0;
		}
	}
}

/* As fast as answers come: who only sends measures the kernel's queue. */
static void
flood(struct flood *f, uint64_t packets)
{
	bool	 looked = false;

	while (f->sent < packets) {
		batch(f, (int)below(f, SOURCES), (unsigned)(packets - f->sent <
		    BATCH ? packets - f->sent : BATCH));
		wait_for_answers(f, WINDOW);
		if (looked || f->sent < packets / 10)
			continue;
		looked = true;
		for (size_t i = 0; i < f->npids; i++)
			f->memory[i] = memory_of(f->pid[i]);
	}
	wait_for_answers(f, 0);
}

static uint64_t
argument(const char *s, uint64_t max)
{
	uint64_t v;

	if (str_u64(s, strlen(s), max, &v) != 0) {
		fprintf(stderr, "dnsflood: %s is no number\n", s);
		exit(2);
	}
	return v;
}

int
main(int argc, char **argv)
{
	struct flood	*f = calloc(1, sizeof(*f));
	uint64_t	 packets = 100000;
	int64_t		 begun;
	int		 ch;

	if (f == NULL)
		return 2;
	while ((ch = getopt(argc, argv, "n:s:")) != -1)
		switch (ch) {
		case 'n':
			packets = argument(optarg, UINT64_MAX);
			break;
		case 's':
			f->seed = argument(optarg, UINT64_MAX);
			break;
		default:
			return 2;
		}
	if (optind == argc)
		return 2;
	if (open_sources(f, (uint16_t)argument(argv[optind], 65535)) == -1) {
		perror("dnsflood");
		return 2;
	}
	for (int i = optind + 1; i < argc && f->npids < PIDS_MAX; i++)
		f->pid[f->npids++] = (pid_t)argument(argv[i], INT32_MAX);
	begun = time_mono_ms();
	flood(f, packets);
	ch = report(f, time_mono_ms() - begun);
	free(f);
	return ch;
}
