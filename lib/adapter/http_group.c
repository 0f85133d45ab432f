/* Requests to several nodes at the same time. */
#include <stdlib.h>

#include "adapter/http_int.h"
#include "base/time.h"

struct http_group {
	CURLM	*multi;
};

/* What is being done. */
struct round {
	struct http_group *g;
	struct http_one	*one;
	size_t		 n;
	size_t		 left;		/* that have not ended */
	int64_t		 until;
};

int
http_group_open(const struct log *log, struct http_group **out)
{
	struct http_group	*g;
	int			 rc;

	*out = NULL;
	if ((rc = curl_load(log)) != 0)
		return rc;
	if ((g = calloc(1, sizeof(*g))) == NULL ||
	    (g->multi = curl.multi_init()) == NULL) {
		free(g);
		return CM_ENOMEM;
	}
	*out = g;
	return 0;
}

void
http_group_close(struct http_group *g)
{
	if (g == NULL)
		return;
	curl.multi_cleanup(g->multi);
	free(g);
}

static void
begin(struct round *r, struct http_one *o)
{
	o->status = 0;
	if ((o->rc = http_begin(o->http, &o->req, NULL)) != 0)
		return;
	if (curl.multi_add_handle(r->g->multi, o->http->easy) != CURLM_OK) {
		o->rc = CM_ESOFT;
		return;
	}
	/* until it ends */
	o->rc = CM_EAGAIN;
	r->left++;
}

static void
end(struct round *r, struct http_one *o, CURLcode c)
{
	o->rc = http_end(o->http, c, &o->status);
	curl.multi_remove_handle(r->g->multi, o->http->easy);
	r->left--;
}

static void
end_of(struct round *r, const CURL *easy, CURLcode c)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->one[i].rc == CM_EAGAIN && r->one[i].http->easy == easy) {
			end(r, &r->one[i], c);
			return;
		}
}

static CURLMcode
take_ended(struct round *r)
{
	CURLMsg		*msg;
	CURLMcode	 m;
	int		 n;

	if ((m = curl.multi_perform(r->g->multi, &n)) != CURLM_OK)
		return m;
	/* a message is gone when its handle is removed */
	while ((msg = curl.multi_info_read(r->g->multi, &n)) != NULL)
		if (msg->msg == CURLMSG_DONE)
			end_of(r, msg->easy_handle, msg->data.result);
	return CURLM_OK;
}

int
http_group_call(struct http_group *g, struct http_one *one, size_t n, int ms)
{
	struct round	 r = { .g = g, .one = one, .n = n,
			    .until = time_mono_ms() + ms };
	CURLMcode	 m = CURLM_OK;
	int64_t		 left;

	for (size_t i = 0; i < n; i++)
		begin(&r, &one[i]);
	while (r.left > 0) {
		if ((m = take_ended(&r)) != CURLM_OK || r.left == 0)
			break;
		if ((left = r.until - time_mono_ms()) <= 0)
			break;
		if ((m = curl.multi_poll(g->multi, NULL, 0,
		    left > 1000 ? 1000 : (int)left, NULL)) != CURLM_OK)
			break;
	}
	for (size_t i = 0; i < n; i++)
		if (one[i].rc == CM_EAGAIN)
			end(&r, &one[i], CURLE_OPERATION_TIMEDOUT);
	if (m == CURLM_OK)
		return 0;
	return m == CURLM_OUT_OF_MEMORY ? CM_ENOMEM : CM_ESOFT;
}
