/* A copy on another node, through its cm-stored. */
#include <stdlib.h>
#include <string.h>

#include "cluster/copy_impl.h"
#include "cluster/peer.h"

#define READ_MAX	(4u << 20)	/* bytes asked for at a time */

struct remote {
	struct copy	 copy;
	struct peer	*peer;
	struct seg_meta	 meta;		/* the home's */
	int		 index;
	struct buf	 in;
};

static struct remote *
remote(struct copy *c)
{
	return (struct remote *)c;
}

/* Those that are not a part of the normal course get a line. */
static int
fail(struct remote *r, int rc)
{
	if (rc == 0 || rc == CM_EOFFSET || rc == CM_EEND)
		return rc;
	return log_fail(r->copy.log, rc, "volume %s at node %s: %s",
	    r->meta.name, peer_node(r->peer), peer_text(r->peer));
}

static void
remote_close(struct copy *copy)
{
	struct remote	*r = remote(copy);

	peer_close(r->peer);
	buf_free(&r->in);
	free(r);
}

static int
remote_list(struct copy *copy, uint32_t **list, size_t *n)
{
	struct remote		*r = remote(copy);
	struct peer_volume	 v;
	int			 rc;

	*list = NULL;
	*n = 0;
	if ((rc = peer_volume(r->peer, r->meta.name, r->index, &v)) != 0)
		return fail(r, rc);
	if (v.nseg > 0) {
		*list = reallocarray(NULL, v.nseg, sizeof(**list));
		if (*list == NULL)
			rc = log_fail(copy->log, CM_ENOMEM, "volume %s",
			    r->meta.name);
	}
	for (size_t i = 0; rc == 0 && i < v.nseg; i++)
		(*list)[(*n)++] = v.seg[i].segment;
	peer_volume_free(&v);
	return rc;
}

/* "end N" */
static int
parse_end(const struct buf *b, uint32_t *end)
{
	uint64_t	 v;
	size_t		 len = b->len;

	if (len > 0 && b->p[len - 1] == '\n')
		len--;
	if (len < 5 || memcmp(b->p, "end ", 4) != 0 ||
	    str_u64(b->p + 4, len - 4, UINT32_MAX, &v) != 0)
		return CM_EPROTO;
	*end = (uint32_t)v;
	return 0;
}

static int
remote_end(struct copy *copy, uint32_t segment, uint32_t *end)
{
	struct remote	*r = remote(copy);
	int		 rc;

	*end = 0;
	buf_reset(&r->in);
	rc = peer_get(r->peer, NULL, &r->in, "/v1/volume/%s/%08u?copy=%d&end",
	    r->meta.name, segment, r->index);
	if (rc == CM_ENOINPUT)
		return 0;
	if (rc == 0)
		rc = parse_end(&r->in, end);
	return fail(r, rc);
}

#define CHANGE	"/v1/volume/%s/%08u?copy=%d&salt=%08x&epoch=%u"
#define CHANGE_ARGS(r, segment)	(r)->meta.name, (segment), (r)->index, \
		(r)->meta.salt, (r)->meta.epoch

static int
remote_append(struct copy *copy, uint32_t segment, uint32_t offset,
    const void *p, size_t n)
{
	struct remote	*r = remote(copy);
	uint32_t	 end;
	int		 rc;

	buf_reset(&r->in);
	rc = peer_post(r->peer, p, n, &r->in, CHANGE "&offset=%u",
	    CHANGE_ARGS(r, segment), offset);
	/* an answer that says less is no promise */
	if (rc == 0 && ((rc = parse_end(&r->in, &end)) != 0 ||
	    end != offset + n))
		rc = CM_EPROTO;
	return fail(r, rc);
}

static int
remote_read(struct copy *copy, uint32_t segment, uint32_t offset, void *p,
    size_t n)
{
	struct remote	*r = remote(copy);
	size_t		 len, got;
	int		 rc = 0;

	for (size_t at = 0; rc == 0 && at < n; at += len) {
		len = n - at < READ_MAX ? n - at : READ_MAX;
		rc = peer_read(r->peer, r->meta.name, r->index, segment,
		    offset + (uint32_t)at, (char *)p + at, len, len, &got);
		if (rc == CM_ENOINPUT)
			rc = CM_EEND;
	}
	return fail(r, rc);
}

static int
remote_patch(struct copy *copy, uint32_t segment, uint32_t offset,
    const void *p, size_t n)
{
	struct remote	*r = remote(copy);

	return fail(r, peer_post(r->peer, p, n, NULL, CHANGE
	    "&patch&offset=%u", CHANGE_ARGS(r, segment), offset));
}

static int
remote_cut(struct copy *copy, uint32_t segment, uint32_t end)
{
	struct remote	*r = remote(copy);

	return fail(r, peer_post(r->peer, "", 0, NULL, CHANGE "&cut=%u",
	    CHANGE_ARGS(r, segment), end));
}

/* Asks again and again, since no request may take long. */
static int
remote_sum(struct copy *copy, uint32_t segment, uint32_t to, uint32_t max,
    struct sum *s)
{
	struct remote	*r = remote(copy);
	uint32_t	 from = s->at, was;
	int		 rc = 0;

	while (rc == 0 && s->at < to && (max == 0 || s->at - from < max)) {
		was = s->at;
		buf_reset(&r->in);
		rc = peer_get(r->peer, NULL, &r->in, "/v1/volume/%s/%08u"
		    "?copy=%d&sum=%08x&from=%u&to=%u&max=%u", r->meta.name,
		    segment, r->index, s->sum, s->at, to, max);
		if (rc == 0)
			rc = sum_parse((struct span){ r->in.p, r->in.len }, s);
		if (rc == 0 && (s->at <= was || s->at > to))
			rc = CM_EPROTO;
	}
	return rc == CM_ENOINPUT ? rc : fail(r, rc);
}

static const struct copy_ops remote_ops = {
	remote_close, remote_list, remote_end, remote_append, remote_read,
	remote_patch, remote_cut, remote_sum,
};

/* What is there must be a copy of this volume, and of no newer home. */
static int
check(struct remote *r, const struct seg_meta *have)
{
	const struct log	*log = r->copy.log;
	const struct seg_meta	*m = &r->meta;

	if (have->epoch == 0)
		return 0;
	if (strcmp(have->name, m->name) != 0 || have->salt != m->salt)
		return log_fail(log, CM_ECONF, "node %s has a copy of another "
		    "volume (%s, salt %08x) than %s (salt %08x)",
		    peer_node(r->peer), have->name, have->salt, m->name,
		    m->salt);
	if (have->epoch > m->epoch)
		return log_fail(log, CM_EEPOCH, "volume %s: node %s has epoch "
		    "%u, this home only %u: the home was made anew elsewhere",
		    m->name, peer_node(r->peer), have->epoch, m->epoch);
	return 0;
}

/* Not connected yet; what it is a copy of is not known. */
static int
begin(const struct log *log, const struct conf *conf,
    const struct conf_volume *v, int index, struct remote **out)
{
	struct remote	*r;
	int		 rc;

	*out = NULL;
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return log_fail(log, CM_ENOMEM, "volume %s", v->name);
	r->copy.ops = &remote_ops;
	r->copy.log = log;
	r->index = index;
	buf_init(&r->in, PEER_TEXT_MAX + 1);
	rc = peer_open(log, conf, index < 0 ? v->home :
	    v->copies[index].node, &r->peer);
	if (rc == 0)
		rc = str_copy(r->meta.name, sizeof(r->meta.name), v->name);
	if (rc != 0)
		remote_close(&r->copy);
	else
		*out = r;
	return rc;
}

int
copy_open_remote(const struct log *log, const struct conf *conf,
    const struct conf_volume *v, size_t index, const struct seg_meta *meta,
    struct copy **out)
{
	struct peer_volume	 pv;
	struct remote		*r;
	int			 rc;

	*out = NULL;
	if ((rc = begin(log, conf, v, (int)index, &r)) != 0)
		return rc;
	r->meta = *meta;
	if ((rc = peer_volume(r->peer, v->name, r->index, &pv)) != 0) {
		fail(r, rc);
	} else {
		rc = check(r, &pv.meta);
		peer_volume_free(&pv);
	}
	if (rc != 0)
		remote_close(&r->copy);
	else
		*out = &r->copy;
	return rc;
}

int
copy_open_home(const struct log *log, const struct conf *conf,
    const struct conf_volume *v, struct peer_volume *pv, struct copy **out)
{
	struct remote	*r;
	int		 rc;

	*out = NULL;
	memset(pv, 0, sizeof(*pv));
	if ((rc = begin(log, conf, v, -1, &r)) != 0)
		return rc;
	if ((rc = peer_volume(r->peer, v->name, -1, pv)) != 0)
		fail(r, rc);
	else if (pv->meta.epoch == 0)
		rc = log_fail(log, CM_ENOINPUT, "volume %s: nothing of it is "
		    "at its home, node %s", v->name, v->home);
	r->meta = pv->meta;
	if (rc != 0) {
		peer_volume_free(pv);
		remote_close(&r->copy);
	} else {
		*out = &r->copy;
	}
	return rc;
}
