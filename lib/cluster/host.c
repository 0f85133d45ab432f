#include "cluster/host.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"

struct host {
	struct hosts	*hosts;
	const char	*node;
	struct peer	*peer;
	int64_t		 failed_ms;	/* 0: it answered last */
	int64_t		 rest_ms;
};

struct hosts {
	const struct log *log;
	const struct conf *conf;
	struct host	*v;		/* as conf->nodes */
};

int
hosts_open(const struct log *log, const struct conf *conf,
    struct hosts **out)
{
	struct hosts	*hs;

	*out = NULL;
	if ((hs = calloc(1, sizeof(*hs))) == NULL ||
	    (hs->v = calloc(conf->nnodes + 1, sizeof(*hs->v))) == NULL) {
		free(hs);
		return log_fail(log, CM_ENOMEM, "nodes");
	}
	hs->log = log;
	hs->conf = conf;
	for (size_t i = 0; i < conf->nnodes; i++) {
		hs->v[i].hosts = hs;
		hs->v[i].node = conf->nodes[i].name;
	}
	*out = hs;
	return 0;
}

void
hosts_close(struct hosts *hs)
{
	if (hs == NULL)
		return;
	for (size_t i = 0; i < hs->conf->nnodes; i++)
		peer_close(hs->v[i].peer);
	free(hs->v);
	free(hs);
}

struct host *
hosts_find(struct hosts *hs, const char *node)
{
	for (size_t i = 0; i < hs->conf->nnodes; i++)
		if (strcmp(hs->v[i].node, node) == 0)
			return &hs->v[i];
	return NULL;
}

int
host_peer(struct host *h, bool urgent, struct peer **out)
{
	int64_t	 rest = urgent ? HOST_URGENT_MS : h->rest_ms;
	int	 rc;

	if (h->failed_ms != 0 && time_mono_ms() - h->failed_ms < rest)
		return CM_EAWAY;
	if (h->peer == NULL && (rc = peer_open(h->hosts->log, h->hosts->conf,
	    h->node, &h->peer)) != 0)
		return rc;
	*out = h->peer;
	return 0;
}

bool
host_is_away(int rc)
{
	return rc == CM_EAWAY || rc == CM_ETIMEOUT || rc == CM_EPERM ||
	    rc == CM_EAGAIN || rc == CM_ELOCK;
}

int
host_note(struct host *h, int rc)
{
	if (rc != CM_EAWAY && rc != CM_ETIMEOUT && rc != CM_EPERM) {
		h->failed_ms = 0;
		return rc;
	}
	if (h->failed_ms == 0) {
		h->rest_ms = HOST_REST_MS;
		log_warn(h->hosts->log, "node %s: %s: %s", h->node,
		    cm_strerror(rc), peer_text(h->peer));
	} else if ((h->rest_ms *= 2) > HOST_REST_MAX_MS) {
		h->rest_ms = HOST_REST_MAX_MS;
	}
	h->failed_ms = time_mono_ms();
	return rc;
}
