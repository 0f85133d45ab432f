#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/time.h"
#include "protocol/dnsd_int.h"
#include "protocol/dnsd_udp.h"

#define IN_MAX		4096	/* a question is far smaller */
#define CONTROL		64	/* for one in_pktinfo or in6_pktinfo */
#define WAIT_S		1
#define NAP_MS		100	/* when nothing can be had */
#define QUEUE		(4 << 20)	/* bytes; the host may allow less */

union address {
	struct sockaddr		 any;
	struct sockaddr_in	 in;
	struct sockaddr_in6	 in6;
};

struct dnsd_batch {
	int		 fd;
	bool		 wild;		/* to which address is told */
	struct mmsghdr	 in[DNSD_BATCH], out[DNSD_BATCH];
	struct iovec	 in_vec[DNSD_BATCH], out_vec[DNSD_BATCH];
	union address	 from[DNSD_BATCH];
	_Alignas(struct cmsghdr) char control[DNSD_BATCH][CONTROL];
	unsigned char	 question[DNSD_BATCH][IN_MAX];
	unsigned char	 answer[DNSD_BATCH][DNS_UDP_MAX];
};

/*
 * A socket for all addresses of the host: the answer has to come from the one
 * that was asked.
 */
static bool
is_wild(int fd)
{
	union address	 a;
	socklen_t	 len = sizeof(a);

	memset(&a, 0, sizeof(a));
	if (getsockname(fd, &a.any, &len) == -1)
		return false;
	if (a.any.sa_family == AF_INET)
		return a.in.sin_addr.s_addr == htonl(INADDR_ANY);
	return a.any.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&a.in6.sin6_addr);
}

static bool
ask_for_addresses(int fd)
{
	int	 on = 1, family = 0;
	socklen_t len = sizeof(family);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == -1)
		return false;
	return family == AF_INET6 ?
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on,
	    sizeof(on)) == 0 :
	    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0;
}

int
dnsd_batch_open(const struct log *log, int fd, struct dnsd_batch **out)
{
	struct timeval	 wait = { WAIT_S, 0 };
	struct dnsd_batch *b;
	int		 type = 0, queue = QUEUE, flags;
	socklen_t	 len = sizeof(type);

	*out = NULL;
	/* some who start us have it not wait, and we would not either */
	if ((flags = fcntl(fd, F_GETFL)) != -1 && flags & O_NONBLOCK)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
	    type != SOCK_DGRAM || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO,
	    &wait, sizeof(wait)) == -1)
		return log_fail(log, CM_EUSAGE, "no datagram socket");
	if ((b = calloc(1, sizeof(*b))) == NULL)
		return log_fail(log, CM_ENOMEM, "DNS");
	/* a burst waits, rather than be lost */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue)) == -1)
		log_debug(log, "a longer queue is not to be had");
	b->fd = fd;
	b->wild = is_wild(fd) && ask_for_addresses(fd);
	for (size_t i = 0; i < DNSD_BATCH; i++) {
		b->in_vec[i] = (struct iovec){ b->question[i], IN_MAX };
		b->in[i].msg_hdr.msg_iov = &b->in_vec[i];
		b->in[i].msg_hdr.msg_iovlen = 1;
		b->in[i].msg_hdr.msg_name = &b->from[i];
	}
	*out = b;
	return 0;
}

void
dnsd_batch_close(struct dnsd_batch *b)
{
	free(b);
}

/* What the kernel has written over. */
static void
prepare(struct dnsd_batch *b, int used)
{
	for (int i = 0; i < used; i++) {
		struct msghdr *h = &b->in[i].msg_hdr;

		h->msg_namelen = sizeof(b->from[i]);
		h->msg_control = b->wild ? b->control[i] : NULL;
		h->msg_controllen = b->wild ? CONTROL : 0;
		h->msg_flags = 0;
	}
}

static void
client_of(const union address *a, struct dnsd_client *c)
{
	memset(c, 0, sizeof(*c));
	if (a->any.sa_family == AF_INET6) {
		memcpy(c->ip, &a->in6.sin6_addr, 16);
		return;
	}
	memset(c->ip + 10, 0xff, 2);
	memcpy(c->ip + 12, &a->in.sin_addr, 4);
}

/* From the address that was asked, by whatever interface leads back. */
static void
answer_from(struct msghdr *out, const struct msghdr *in)
{
	struct cmsghdr	*c = CMSG_FIRSTHDR(in);

	out->msg_control = NULL;
	out->msg_controllen = 0;
	if (c == NULL)
		return;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo *p = (void *)CMSG_DATA(c);

		p->ipi_ifindex = 0;
	} else if (c->cmsg_level != IPPROTO_IPV6 ||
	    c->cmsg_type != IPV6_PKTINFO)
		return;
	out->msg_control = in->msg_control;
	out->msg_controllen = in->msg_controllen;
}

/* Those that cannot be sent are left out: the client asks again. */
static void
send_all(struct dnsd_batch *b, int n)
{
	int	 sent = 0, k;

	while (sent < n) {
		k = sendmmsg(b->fd, b->out + sent, (unsigned)(n - sent), 0);
		if (k > 0)
			sent += k;
		else if (errno != EINTR)
			sent++;
	}
}

int
dnsd_batch_serve(struct dnsd_batch *b, struct dnsd *d)
{
	struct dnsd_client client;
	struct msghdr	*in, *out;
	size_t		 len;
	int		 n, k = 0;

	prepare(b, DNSD_BATCH);
	n = recvmmsg(b->fd, b->in, DNSD_BATCH, MSG_WAITFORONE, NULL);
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		time_sleep_ms(NAP_MS);
	if (n <= 0)
		return 0;
	dnsd_tick(d);
	for (int i = 0; i < n; i++) {
		in = &b->in[i].msg_hdr;
		/* longer than any question, or from nowhere */
		if (in->msg_flags & MSG_TRUNC || in->msg_namelen == 0)
			continue;
		client_of(&b->from[i], &client);
		len = dnsd_answer(d, &client, b->question[i],
		    b->in[i].msg_len, b->answer[k], DNS_UDP_MAX);
		if (len == 0)
			continue;
		out = &b->out[k].msg_hdr;
		b->out_vec[k] = (struct iovec){ b->answer[k], len };
		out->msg_iov = &b->out_vec[k++];
		out->msg_iovlen = 1;
		out->msg_name = in->msg_name;
		out->msg_namelen = in->msg_namelen;
		answer_from(out, in);
	}
	send_all(b, k);
	return n;
}
