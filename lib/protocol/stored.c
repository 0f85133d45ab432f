#include "protocol/stored.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cluster/catalog.h"
#include "cluster/witness.h"
#include "format/place.h"
#include "format/record.h"
#include "protocol/stored_int.h"

#define CONNECTIONS	400
#define PER_ADDRESS	200
#define TIMEOUT_S	30
#define BODIES		(256u << 20)	/* bytes of all of them in memory */

enum what { W_VOLUME, W_SEGMENT, W_SHIP, W_OTHER };

static int	 stored_catalog(struct call *);
static int	 stored_replica(struct call *);

/* What can be asked.  Nothing from the network names a path: a volume is
 * looked up in cluster.xml, a segment is a number. */
static const struct route {
	const char	*method;
	const char	*path;		/* up to the names in it */
	enum what	 what;
	int		(*fn)(struct call *);
} routes[] = {
	{ "GET", "/v1/volume/", W_VOLUME, stored_volume },
	{ "GET", "/v1/volume/", W_SEGMENT, stored_segment },
	{ "POST", "/v1/volume/", W_SEGMENT, stored_change },
	{ "POST", "/v1/volume/", W_VOLUME, stored_keep },
	{ "POST", "/v1/ship/", W_SHIP, stored_ship },
	{ "GET", "/v1/load", W_OTHER, stored_load },
	{ "GET", "/v1/ping", W_OTHER, stored_ping },
	{ "GET", "/v1/catalog", W_OTHER, stored_catalog },
	{ "GET", "/v1/replica", W_OTHER, stored_replica },
	{ "GET", "/metrics", W_OTHER, stored_metrics },
};

int
call_number(const struct call *c, const char *name, uint64_t max,
    uint64_t *v)
{
	const char	*s = httpd_query(c->req, name);

	return s != NULL && str_u64(s, strlen(s), max, v) == 0 ? 0 :
	    CM_EPROTO;
}

/* VOLUME or VOLUME/SEGMENT behind the route's path. */
static bool
split(const char *rest, struct span *volume, struct span *segment)
{
	const char	*slash = strchr(rest, '/');

	*volume = (struct span){ rest, strcspn(rest, "/") };
	*segment = (struct span){ NULL, 0 };
	if (slash == NULL)
		return true;
	*segment = (struct span){ slash + 1, strlen(slash + 1) };
	return segment->len == 8;
}

static const struct route *
find_route(const char *method, const char *path, struct span *volume,
    struct span *segment, bool *known)
{
	const struct route	*r;
	bool			 fits;
	size_t			 n;

	*known = false;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		r = &routes[i];
		n = strlen(r->path);
		if (r->what == W_OTHER) {
			fits = strcmp(path, r->path) == 0;
		} else {
			fits = strncmp(path, r->path, n) == 0 &&
			    split(path + n, volume, segment) &&
			    (segment->p != NULL) == (r->what == W_SEGMENT);
		}
		*known |= fits;
		if (fits && strcmp(method, r->method) == 0)
			return r;
	}
	return NULL;
}

/* The place that the query's "copy" means: home when it is not there. */
static int
find_place(struct call *c)
{
	const char	*s = httpd_query(c->req, "copy");
	uint64_t	 v;

	c->index = -1;
	if (s != NULL && strcmp(s, "-1") != 0) {
		if (str_u64(s, strlen(s), CONF_COPIES_MAX, &v) != 0)
			return CM_EPROTO;
		c->index = (int)v;
	}
	if (c->index == -1) {
		c->dir = conf_is_home(c->conf, c->cv) ? c->cv->path : NULL;
	} else if ((size_t)c->index < c->cv->ncopies &&
	    strcmp(c->cv->copies[c->index].node, c->conf->self) == 0) {
		c->dir = c->cv->copies[c->index].path;
	}
	return c->dir != NULL ? 0 : CM_ECONF;
}

static int
parse(struct call *c, const struct route **out)
{
	struct span	 volume = { NULL, 0 }, segment = { NULL, 0 };
	uint64_t	 v;
	bool		 known;

	*out = find_route(httpd_method(c->req), httpd_path(c->req), &volume,
	    &segment, &known);
	if (*out == NULL)
		return known ? CM_EEXIST : CM_ENOINPUT;	/* 405, 404 */
	if ((*out)->what == W_OTHER)
		return 0;
	if ((c->cv = conf_volume(c->conf, volume.p, volume.len)) == NULL)
		return CM_ENOINPUT;
	if ((*out)->what == W_SEGMENT) {
		if (str_u64(segment.p, segment.len, PLACE_SEGMENT_MAX,
		    &v) != 0 || v == 0)
			return CM_EPROTO;
		c->segment = (uint32_t)v;
	}
	return find_place(c);
}

static void
refuse(struct call *c, int code)
{
	atomic_fetch_add(&c->sd->refused, 1);
	httpd_say(c->req, cm_http(code), "%s", cm_strerror(code));
}

static int64_t
on_begin(void *arg, void *conn, struct httpd_request *req)
{
	struct stored		*sd = arg;
	struct call		 c = { .sd = sd, .log = sd->log, .req = req };
	const struct route	*r;
	int64_t			 max = 0;
	int			 rc;

	(void)conn;
	c.conf = confwatch_get(sd->conf);
	rc = parse(&c, &r);
	/* before its body is read */
	if (rc == 0 && r->fn == stored_change)
		rc = stored_may_change(&c);
	if (rc != 0) {
		if (rc == CM_ECONF)
			log_warn(sd->log, "node %s asks for a place of volume "
			    "%s that is not on this node", httpd_peer(req),
			    c.cv->name);
		refuse(&c, rc);
		max = rc;
	} else if (r->fn == stored_change) {
		max = STORED_BODY_MAX;
	} else if (r->fn == stored_keep) {
		max = (int64_t)c.conf->max_size + RECORD_ENV_MAX;
	}
	confwatch_put(sd->conf, c.conf);
	return max;
}

static void
on_end(void *arg, void *conn, struct httpd_request *req, const char *body,
    size_t len)
{
	struct stored		*sd = arg;
	struct call		 c = { .sd = sd, .log = sd->log, .req = req,
				    .body = body, .len = len };
	const struct route	*r;
	int			 rc;

	(void)conn;
	atomic_fetch_add(&sd->requests, 1);
	c.conf = confwatch_get(sd->conf);
	if ((rc = parse(&c, &r)) == 0)
		rc = r->fn(&c);
	if (rc != 0)
		refuse(&c, rc);
	confwatch_put(sd->conf, c.conf);
}

/* This node's agent, or witness: a witness has no other frames. */
static int
dial(struct call *c, int *fd)
{
	struct catalog	*cat;
	int		 rc;

	if (conf_is_witness(c->conf))
		return witness_dial(c->log, c->conf, c->sd->node, fd);
	if ((rc = catalog_open(c->log, c->conf, c->conf->file, c->sd->node,
	    &cat)) != 0)
		return rc;
	rc = catalog_dial(cat, fd);
	catalog_close(cat);
	return rc;
}

/* The connection becomes one to it; first: a request of ours that comes before
 * all that the other node says. */
static int
to_agent(struct call *c, const char *first)
{
	int	 fd, rc;

	if ((rc = dial(c, &fd)) == 0 &&
	    (rc = file_write(fd, first, strlen(first))) != 0)
		close(fd);
	else if (rc == 0)
		httpd_upgrade(c->req, fd);
	return rc;
}

/* With the name that the other node's certificate has. */
static int
pass_on(struct call *c, const char *word)
{
	char	 first[CONF_NAME_MAX + 16];
	int	 rc;

	if ((rc = str_fmt(first, sizeof(first), "%s\t%s\n", word,
	    httpd_peer(c->req))) != 0)
		return rc;
	return to_agent(c, first);
}

static int
stored_catalog(struct call *c)
{
	/* a node that only relays must not relay in a ring */
	if (!conf_has_catalog(c->conf))
		return log_fail(c->log, CM_ECONF, "node %s asks here for the "
		    "catalog, which is at %s", httpd_peer(c->req),
		    c->conf->catalogs[0]);
	return pass_on(c, "remote");
}

/* Frames of another node's agent: its certificate says which. */
static int
stored_replica(struct call *c)
{
	if (!conf_has_catalog(c->conf) && !conf_is_witness(c->conf))
		return CM_ECONF;
	return pass_on(c, "replicate");
}

static bool
allow(void *arg, const char *name)
{
	struct stored		*sd = arg;
	const struct conf	*conf = confwatch_get(sd->conf);
	bool			 known;

	known = conf_node(conf, name, strlen(name)) != NULL;
	confwatch_put(sd->conf, conf);
	return known;
}

static void *
on_hello(void *arg, const char *peer)
{
	struct stored	*sd = arg;

	(void)peer;
	atomic_fetch_add(&sd->sessions, 1);
	return NULL;
}

static void
on_bye(void *arg, void *conn)
{
	struct stored	*sd = arg;

	(void)conn;
	atomic_fetch_sub(&sd->sessions, 1);
}

int
stored_run(const struct log *log, const char *file, const char *node, int fd,
    int idle_s, bool *stop)
{
	struct stored		 sd = { .log = log, .node = node };
	struct httpd		 h = { .log = log, .allow = allow,
				    .connections = CONNECTIONS,
				    .per_address = PER_ADDRESS,
				    .timeout_s = TIMEOUT_S, .idle_s = idle_s,
				    .hello = on_hello, .bye = on_bye,
				    .begin = on_begin, .end = on_end,
				    .arg = &sd, .stop = stop };
	const struct conf	*conf;
	int			 rc;

	if ((rc = confwatch_open(log, file, node, &sd.conf)) != 0)
		return rc;
	sd.started_ms = time_now_ms();
	conf = confwatch_get(sd.conf);
	sd.file = conf->file;
	h.tls = conf->node->tls;
	/* the largest message has room at all times */
	h.bodies = BODIES + conf->max_size + RECORD_ENV_MAX;
	rc = httpd_run(&h, fd);
	confwatch_put(sd.conf, conf);
	confwatch_close(sd.conf);
	return rc;
}
