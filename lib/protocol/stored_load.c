/* What a node says of itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/time.h"
#include "cluster/mirror.h"
#include "protocol/stored_int.h"

#define TEXT_MAX	(8u << 20)
#define LOADS		3

/* Is any part of the volume on this node?  Its folder then. */
static const char *
local_dir(const struct conf *conf, const struct conf_volume *v)
{
	if (conf_is_home(conf, v))
		return v->path;
	for (size_t i = 0; i < v->ncopies; i++)
		if (strcmp(v->copies[i].node, conf->self) == 0)
			return v->copies[i].path;
	return NULL;
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

/* A line for each copy of each volume at home here. */
static void
add_lags(struct call *c, struct buf *b, bool metrics)
{
	struct mirror_lag	*lag;
	struct mirror		 m = { .log = NULL, .conf = c->conf,
				    .file = c->conf->file,
				    .node = c->sd->node };
	size_t			 n;

	if (mirror_lags(&m, &lag, &n) != 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (metrics)
			buf_addf(b, "clustermail_copy_lag_bytes{volume=\"%s\","
			    "copy=\"%s\"} %llu\n", lag[i].volume,
			    lag[i].label, (unsigned long long)lag[i].bytes);
		else
			buf_addf(b, "lag %s %s %llu %lld %s\n",
			    lag[i].volume, lag[i].label,
			    (unsigned long long)lag[i].bytes,
			    (long long)lag[i].ms / 1000,
			    lag[i].up ? "up" : "down");
	free(lag);
}

/* GET load: "word value ..." lines. */
int
stored_load(struct call *c)
{
	double		 load[LOADS] = { 0 };
	struct buf	 b;
	const char	*dir;

	buf_init(&b, TEXT_MAX);
	if (getloadavg(load, LOADS) < 1)
		load[0] = 0;
	buf_addf(&b, "node %s\nload %.2f\nprocessors %ld\nsessions %u\n",
	    c->conf->self, load[0], sysconf(_SC_NPROCESSORS_ONLN),
	    atomic_load(&c->sd->sessions));
	for (size_t i = 0; i < c->conf->nvolumes; i++) {
		dir = local_dir(c->conf, &c->conf->volumes[i]);
		if (dir != NULL)
			buf_addf(&b, "free %s %llu\n",
			    c->conf->volumes[i].name,
			    (unsigned long long)file_space(dir));
	}
	add_lags(c, &b, false);
	return reply(c, &b, "text/plain");
}

/* GET /metrics: the Prometheus text format, version 0.0.4. */
int
stored_metrics(struct call *c)
{
	const struct stored	*sd = c->sd;
	struct buf		 b;
	const char		*dir;

	buf_init(&b, TEXT_MAX);
	buf_addf(&b, "# TYPE clustermail_requests_total counter\n"
	    "clustermail_requests_total %llu\n"
	    "# TYPE clustermail_refused_total counter\n"
	    "clustermail_refused_total %llu\n"
	    "# TYPE clustermail_copy_bytes_total counter\n"
	    "clustermail_copy_bytes_total %llu\n"
	    "# TYPE clustermail_sent_bytes_total counter\n"
	    "clustermail_sent_bytes_total %llu\n"
	    "# TYPE clustermail_sessions gauge\n"
	    "clustermail_sessions %u\n"
	    "# TYPE clustermail_start_time_seconds gauge\n"
	    "clustermail_start_time_seconds %lld\n"
	    "# TYPE clustermail_free_bytes gauge\n",
	    (unsigned long long)atomic_load(&sd->requests),
	    (unsigned long long)atomic_load(&sd->refused),
	    (unsigned long long)atomic_load(&sd->appended),
	    (unsigned long long)atomic_load(&sd->sent),
	    atomic_load(&sd->sessions), (long long)sd->started_ms / 1000);
	for (size_t i = 0; i < c->conf->nvolumes; i++) {
		dir = local_dir(c->conf, &c->conf->volumes[i]);
		if (dir != NULL)
			buf_addf(&b, "clustermail_free_bytes{volume=\"%s\"} "
			    "%llu\n", c->conf->volumes[i].name,
			    (unsigned long long)file_space(dir));
	}
	buf_adds(&b, "# TYPE clustermail_copy_lag_bytes gauge\n");
	add_lags(c, &b, true);
	return reply(c, &b, "text/plain; version=0.0.4");
}
