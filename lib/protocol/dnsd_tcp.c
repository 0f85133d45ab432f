/* Questions by TCP, RFC 7766: as many as the client likes. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "protocol/dnsd_int.h"

#define IDLE_MS		10000	/* RFC 7766 section 6.2.3: some seconds */
#define STRESSED_MS	1000
#define ANSWERS_MAX	10000	/* of one connection */

static int
open_worker(const struct log *log, const struct conf *conf, const char *file,
    const char *node, void *arg, void **worker)
{
	struct dnsd	*d = NULL;
	int		 rc;

	(void)file;
	(void)node;
	(void)arg;
	rc = dnsd_open(log, conf, NULL, &d);
	*worker = d;
	return rc;
}

static void
close_worker(void *worker)
{
	dnsd_close(worker);
}

static int
check(const struct log *log, const struct conf *conf)
{
	struct dnsd	*d;
	int		 rc = dnsd_open(log, conf, NULL, &d);

	if (rc == 0)
		dnsd_close(d);
	return rc;
}

/* The next message, its length in front; takes nothing. */
static int
next_message(struct conn *c, unsigned char *room, size_t *len)
{
	struct span	 s;
	size_t		 have = 0, want = 2, n;
	int		 rc;

	while (have < want) {
		if ((rc = conn_peek(c, &s)) != 0)
			return rc;
		n = s.len < want - have ? s.len : want - have;
		memcpy(room + have, s.p, n);
		conn_take(c, n);
		have += n;
		if (have == 2 && want == 2)
			want += dns_get_u16(room);
	}
	*len = want - 2;
	return 0;
}

static void
serve(struct session *s, void *arg)
{
	struct dnsd	*d = s->worker;
	struct dnsd_client client = { .tcp = true };
	unsigned char	*room = malloc(2 * (2 + DNS_TCP_MAX)), *out;
	size_t		 n;

	(void)arg;
	if (room == NULL)
		return;
	out = room + 2 + DNS_TCP_MAX;
	memcpy(client.ip, s->client_ip, sizeof(client.ip));
	for (int i = 0; i < ANSWERS_MAX && !*s->stop; i++) {
		session_deadline(s, time_mono_ms() + IDLE_MS,
		    time_mono_ms() + STRESSED_MS);
		if (next_message(s->conn, room, &n) != 0)
			break;
		dnsd_tick(d);
		n = dnsd_answer(d, &client, room + 2, n, out + 2, DNS_TCP_MAX);
		if (n == 0)
			break;		/* that is no client */
		dns_put_u16(out, (unsigned)n);
		buf_add(conn_out(s->conn), out, n + 2);
		/* more that came together is answered together */
		if (!conn_pending(s->conn) && conn_flush(s->conn) != 0)
			break;
		if (conn_out(s->conn)->len > DNS_TCP_MAX &&
		    conn_flush(s->conn) != 0)
			break;
	}
	if (conn_flush(s->conn) != 0)
		log_debug(s->log, "client went away");
	free(room);
}

struct session_service
dnsd_service(void)
{
	return (struct session_service){ .name = "dnsd", .check = check,
	    .open = open_worker, .close = close_worker, .serve = serve };
}
