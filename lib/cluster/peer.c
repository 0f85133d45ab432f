#include "cluster/peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/http.h"
#include "base/str.h"

#define ERROR_MAX	4096

struct peer {
	const struct log *log;
	const struct conf_node *node;
	struct http	*http;
	struct buf	 error;
	char		 path[PEER_PATH_MAX];
	uint64_t	 rate;
};

static void
to_http(const struct conf *conf, const struct conf_node *n,
    struct http_peer *hp)
{
	hp->name = n->name;
	hp->address = n->address != NULL ? n->address : n->name;
	hp->port = n->port;
	hp->tls = conf->node->tls;
}

int
peer_tunnel(const struct log *log, const struct conf *conf, const char *node,
    const char *path, int *fd)
{
	const struct conf_node	*n = conf_node(conf, node, strlen(node));
	struct http_peer	 hp;

	*fd = -1;
	if (n == NULL)
		return log_fail(log, CM_ECONF, "there is no node %s", node);
	to_http(conf, n, &hp);
	return http_tunnel(log, &hp, path, PEER_MS, fd);
}

int
peer_open(const struct log *log, const struct conf *conf, const char *node,
    struct peer **out)
{
	struct http_peer	 hp;
	struct peer		*p;
	int			 rc;

	*out = NULL;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return log_fail(log, CM_ENOMEM, "node %s", node);
	p->log = log;
	buf_init(&p->error, ERROR_MAX);
	if ((p->node = conf_node(conf, node, strlen(node))) == NULL) {
		rc = log_fail(log, CM_ECONF, "there is no node %s", node);
		goto out;
	}
	to_http(conf, p->node, &hp);
	rc = http_open(log, &hp, &p->http);
out:
	if (rc != 0)
		peer_close(p);
	else
		*out = p;
	return rc;
}

void
peer_close(struct peer *p)
{
	if (p == NULL)
		return;
	http_close(p->http);
	buf_free(&p->error);
	free(p);
}

const char *
peer_node(const struct peer *p)
{
	return p->node->name;
}

void
peer_limit(struct peer *p, uint64_t rate)
{
	p->rate = rate;
}

const char *
peer_text(const struct peer *p)
{
	return p->error.len > 0 ? p->error.p : http_text(p->http);
}

static int
into_buf(void *arg, const char *p, size_t len)
{
	return buf_add(arg, p, len);
}

static int
call(struct peer *p, struct http_request *r, struct buf *out)
{
	int	 status = 0, rc;

	buf_reset(&p->error);
	r->path = p->path;
	r->timeout_ms = PEER_MS;
	r->rate = p->rate;
	if (out != NULL) {
		r->fn = into_buf;
		r->arg = out;
	}
	if ((rc = http_call(p->http, r, &status, &p->error)) != 0)
		return rc;
	return cm_from_http(status);
}

int
peer_get(struct peer *p, const char *range, struct buf *out,
    const char *path, ...)
{
	struct http_request	 r = { .method = "GET", .range = range };
	va_list			 ap;
	int			 n;

	va_start(ap, path);
	n = vsnprintf(p->path, sizeof(p->path), path, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= sizeof(p->path) ? CM_ETOOBIG :
	    call(p, &r, out);
}

int
peer_post(struct peer *p, const void *body, size_t len, struct buf *out,
    const char *path, ...)
{
	struct http_request	 r = { .method = "POST", .body = body,
				    .body_len = len };
	va_list			 ap;
	int			 n;

	va_start(ap, path);
	n = vsnprintf(p->path, sizeof(p->path), path, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= sizeof(p->path) ? CM_ETOOBIG :
	    call(p, &r, out);
}

int
peer_ping(struct peer *p, int ms)
{
	struct http_request	 r = { .method = "GET", .path = "/v1/ping",
				    .timeout_ms = ms };
	int			 status;

	buf_reset(&p->error);
	return http_call(p->http, &r, &status, &p->error);
}

void
peer_volume_free(struct peer_volume *v)
{
	free(v->seg);
	memset(v, 0, sizeof(*v));
}

static int
add_segment(struct peer_volume *v, size_t *cap, uint64_t segment,
    uint64_t end)
{
	struct peer_segment	*s;

	if (v->nseg == *cap) {
		*cap = *cap ? *cap * 2 : 64;
		if ((s = reallocarray(v->seg, *cap, sizeof(*s))) == NULL)
			return CM_ENOMEM;
		v->seg = s;
	}
	v->seg[v->nseg++] = (struct peer_segment){ (uint32_t)segment,
	    (uint32_t)end };
	return 0;
}

/* "name V", "salt HEX", "epoch N", "role R", "seg SEGMENT END". */
static int
take_line(struct peer_volume *v, size_t *cap, struct span l)
{
	struct span	 key, f;
	uint64_t	 a, b;

	if (!str_field(&l, ' ', &key) || l.p == NULL)
		return key.len == 0 ? 0 : CM_EPROTO;
	if (span_is(key, "name"))
		return str_ncopy(v->meta.name, sizeof(v->meta.name), l.p,
		    l.len);
	if (span_is(key, "salt")) {
		if (l.len != 8 || str_hex(l.p, l.len, &a) != 0)
			return CM_EPROTO;
		v->meta.salt = (uint32_t)a;
	} else if (span_is(key, "epoch")) {
		if (str_u64(l.p, l.len, UINT32_MAX, &a) != 0)
			return CM_EPROTO;
		v->meta.epoch = (uint32_t)a;
	} else if (span_is(key, "role")) {
		return seg_role_parse(&v->meta, l);
	} else if (span_is(key, "seg")) {
		if (!str_field(&l, ' ', &f) || l.p == NULL ||
		    str_u64(f.p, f.len, PLACE_SEGMENT_MAX, &a) != 0 ||
		    str_u64(l.p, l.len, UINT32_MAX, &b) != 0)
			return CM_EPROTO;
		return add_segment(v, cap, a, b);
	}
	return 0;
}

int
peer_volume(struct peer *p, const char *volume, int index,
    struct peer_volume *v)
{
	struct buf	 b;
	struct span	 rest, l;
	size_t		 cap = 0;
	int		 rc;

	memset(v, 0, sizeof(*v));
	buf_init(&b, 64 * PEER_TEXT_MAX);
	rc = peer_get(p, NULL, &b, "/v1/volume/%s?copy=%d", volume, index);
	rest = (struct span){ b.p, b.len };
	while (rc == 0 && rest.len > 0 && str_field(&rest, '\n', &l))
		rc = take_line(v, &cap, l);
	if (rc == 0 && v->meta.epoch != 0 && v->meta.name[0] == '\0')
		rc = CM_EPROTO;
	buf_free(&b);
	if (rc != 0)
		peer_volume_free(v);
	return rc;
}

struct into {
	char	*p;
	size_t	 len, max;
};

static int
into_place(void *arg, const char *p, size_t len)
{
	struct into	*to = arg;

	if (len > to->max - to->len)
		return CM_EPROTO;
	memcpy(to->p + to->len, p, len);
	to->len += len;
	return 0;
}

int
peer_read(struct peer *p, const char *volume, int index, uint32_t segment,
    uint32_t offset, char *to, size_t need, size_t want, size_t *got)
{
	struct into		 in = { .p = to, .max = want };
	struct http_request	 r = { .method = "GET", .fn = into_place,
				    .arg = &in };
	char			 range[48];
	int			 rc;

	*got = 0;
	if ((rc = str_fmt(range, sizeof(range), "%llu-%llu",
	    (unsigned long long)offset,
	    (unsigned long long)offset + want - 1)) != 0 ||
	    (rc = str_fmt(p->path, sizeof(p->path),
	    "/v1/volume/%s/%08u?copy=%d", volume, segment, index)) != 0)
		return rc;
	r.range = range;
	if ((rc = call(p, &r, NULL)) != 0)
		return rc == CM_EEND ? CM_ENOINPUT : rc;
	*got = in.len;
	return in.len < need ? CM_ENOINPUT : 0;
}
