#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "adapter/wire.h"
#include "format/proxy.h"
#include "protocol/session_int.h"

/*
 * Looks at what has come, and takes what is the header's: all of it while it
 * goes on, so that each wait is for new bytes.
 */
static int
read_header(struct wire *w, struct proxy *x)
{
	char	 h[PROXY_MAX];
	size_t	 len = 0, used;
	ssize_t	 n;
	int	 rc;

	for (;;) {
		if ((rc = wire_wait(w, false)) != 0)
			return rc;
		n = recv(w->in, h + len, sizeof(h) - len,
		    MSG_PEEK | MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return CM_EAWAY;
		rc = proxy_parse(h, len + (size_t)n, x, &used);
		if (rc == CM_EAGAIN && len + (size_t)n == sizeof(h))
			rc = CM_EPROTO;
		if (rc != 0 && rc != CM_EAGAIN)
			return rc;
		if (rc == 0)
			n = (ssize_t)(used - len);
		if (recv(w->in, h + len, (size_t)n, MSG_DONTWAIT) != n)
			return CM_EAWAY;
		if (rc == 0)
			return 0;
		len += (size_t)n;
	}
}

int
session_proxy(struct session *s, int fd, int64_t deadline_ms)
{
	struct wire	 w;
	struct proxy	 x;
	int		 rc;

	if (!s->has_ip || !conf_in_network(s->conf->proxies,
	    s->conf->nproxies, s->client_ip)) {
		log_warn(s->log, "client=%s refused: it is none of the "
		    "proxies of cluster.xml", s->client);
		return CM_EPERM;
	}
	wire_init(&w, fd, fd);
	wire_stop(&w, s->stop);
	w.deadline = deadline_ms;
	if ((rc = read_header(&w, &x)) != 0) {
		log_warn(s->log, "proxy=%s sent no PROXY header: %s",
		    s->client, cm_strerror(rc));
		return rc;
	}
	if (!x.local) {
		session_set_client(s, x.src, x.src_port);
		session_set_local(s, x.dst, x.dst_port);
	}
	return 0;
}
