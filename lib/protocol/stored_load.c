/* What a node says of itself. */
#include "base/file.h"
#include "cluster/filter.h"
#include "cluster/load.h"
#include "protocol/stored_int.h"

typedef unsigned long long ull;

static int
gather(struct call *c, struct load *l)
{
	int	 rc;

	/* quiet: whoever looks every minute would fill the log */
	if (httpd_query(c->req, "brief") != NULL)
		rc = load_brief(NULL, c->conf, l);
	else
		rc = load_gather(NULL, c->conf, c->conf->file, c->sd->node,
		    l);
	if (rc == 0)
		l->sessions = atomic_load(&c->sd->sessions);
	return rc;
}

static int
reply(struct call *c, struct buf *b, const char *type)
{
	int	 rc = b->err;

	if (rc == 0)
		httpd_text(c->req, 200, type, b->p, b->len);
	buf_free(b);
	return rc;
}

/* GET load[?brief]: "word value ..." lines. */
int
stored_load(struct call *c)
{
	struct load	 l;
	struct buf	 b;
	int		 rc;

	if ((rc = gather(c, &l)) != 0)
		return rc;
	buf_init(&b, LOAD_TEXT_MAX);
	load_write(&l, &b);
	load_free(&l);
	return reply(c, &b, "text/plain");
}

/* GET ping: for who looks every second whether this node is there. */
int
stored_ping(struct call *c)
{
	httpd_text(c->req, 200, "text/plain", "", 0);
	return 0;
}

/* GET /metrics: the Prometheus text format, version 0.0.4. */
int
stored_metrics(struct call *c)
{
	const struct stored	*sd = c->sd;
	struct load		 l;
	struct buf		 b;
	int			 rc;

	if ((rc = gather(c, &l)) != 0)
		return rc;
	buf_init(&b, LOAD_TEXT_MAX);
	buf_addf(&b, "# TYPE clustermail_requests_total counter\n"
	    "clustermail_requests_total %llu\n"
	    "# TYPE clustermail_refused_total counter\n"
	    "clustermail_refused_total %llu\n"
	    "# TYPE clustermail_copy_bytes_total counter\n"
	    "clustermail_copy_bytes_total %llu\n"
	    "# TYPE clustermail_sent_bytes_total counter\n"
	    "clustermail_sent_bytes_total %llu\n"
	    "# TYPE clustermail_start_time_seconds gauge\n"
	    "clustermail_start_time_seconds %lld\n",
	    (ull)atomic_load(&sd->requests), (ull)atomic_load(&sd->refused),
	    (ull)atomic_load(&sd->appended), (ull)atomic_load(&sd->sent),
	    (long long)sd->started_ms / 1000);
	load_metrics(&l, &b);
	filter_metrics(NULL, c->conf, &b);
	load_free(&l);
	return reply(c, &b, "text/plain; version=0.0.4");
}
