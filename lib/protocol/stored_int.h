/* What the stored*.c files share; nobody else includes it.  Level 4. */
#ifndef CM_STORED_INT_H
#define CM_STORED_INT_H

#include <stdatomic.h>

#include "adapter/httpd.h"
#include "cluster/conf.h"
#include "cluster/confwatch.h"

struct stored {
	const struct log *log;
	const char	*file;
	const char	*node;
	struct confwatch *conf;
	_Atomic uint64_t requests, refused;
	_Atomic uint64_t appended, sent;	/* bytes */
	_Atomic uint32_t sessions;
	int64_t		 started_ms;
};

/* One request on its way: what its path and query say. */
struct call {
	struct stored	*sd;
	const struct log *log;
	const struct conf *conf;
	struct httpd_request *req;
	const char	*body;
	size_t		 len;
	const struct conf_volume *cv;
	int		 index;		/* of the mirroring table; -1: home */
	const char	*dir;		/* of the two, on this node */
	uint32_t	 segment;	/* 0: none was named */
};

/* A number in the query; CM_EPROTO when it is missing or no number. */
int	 call_number(const struct call *, const char *name, uint64_t max,
	    uint64_t *) CM_MUST;

/* Each answers, or returns the code for the answer. */
int	 stored_volume(struct call *) CM_MUST;	/* GET  volume/V */
int	 stored_segment(struct call *) CM_MUST;	/* GET  volume/V/SEG */
int	 stored_change(struct call *) CM_MUST;	/* POST volume/V/SEG */
int	 stored_may_change(struct call *) CM_MUST;	/* only asks */
int	 stored_keep(struct call *) CM_MUST;	/* POST volume/V */
int	 stored_ship(struct call *) CM_MUST;	/* POST ship/V */
int	 stored_load(struct call *) CM_MUST;	/* GET  load */
int	 stored_ping(struct call *) CM_MUST;	/* GET  ping */
int	 stored_metrics(struct call *) CM_MUST;	/* GET  metrics */

#endif
