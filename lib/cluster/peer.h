/* Asking another node's cm-stored; the requests are in stored(7)'s words in
 * cm-internals(7).  Level 3. */
#ifndef CM_PEER_H
#define CM_PEER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "cluster/conf.h"
#include "cluster/segment.h"

#define PEER_MS		5000		/* without progress */
#define PEER_PATH_MAX	512
#define PEER_TEXT_MAX	(4u << 20)	/* bytes of a text answer */

struct peer;		/* one node; for one thread at a time */

/* No connection yet.  CM_ECONF for a node that is not in cluster.xml. */
int	 peer_open(const struct log *, const struct conf *, const char *node,
	    struct peer **) CM_MUST;
void	 peer_close(struct peer *);
const char *peer_node(const struct peer *);
/* Bytes per second that its requests take at most; 0: any number. */
void	 peer_limit(struct peer *, uint64_t rate);
/* What was wrong with the last request; never NULL. */
const char *peer_text(const struct peer *);

/*
 * One request; out (or NULL) gets the answer's body, up to its ceiling.  What
 * the other node says is wrong comes back as the code it had there;
 * CM_EAWAY and CM_ETIMEOUT when it could not be asked.  Logs nothing.
 */
int	 peer_get(struct peer *, const char *range, struct buf *out,
	    const char *path, ...) __attribute__((format(printf, 4, 5)))
	    CM_MUST;
int	 peer_post(struct peer *, const void *, size_t, struct buf *out,
	    const char *path, ...) __attribute__((format(printf, 5, 6)))
	    CM_MUST;

/*
 * Is its cm-stored there?  0 when it answered anything; CM_EAWAY, CM_ETIMEOUT
 * after ms, CM_EPERM for a certificate.  Logs nothing.
 */
int	 peer_ping(struct peer *, int ms) CM_MUST;

/* A two-way stream to what the path stands for; see http_tunnel. */
int	 peer_tunnel(const struct log *, const struct conf *,
	    const char *node, const char *path, int *fd) CM_MUST;

/* A volume at a node: index of the mirroring table, or -1 for the home. */
struct peer_volume {
	struct seg_meta	 meta;		/* epoch 0: nothing is there yet */
	struct peer_segment {
		uint32_t segment;
		uint32_t end;
	}		*seg;
	size_t		 nseg;
};

int	 peer_volume(struct peer *, const char *volume, int index,
	    struct peer_volume *) CM_MUST;
void	 peer_volume_free(struct peer_volume *);

/*
 * Bytes of a segment there, from offset on: at least need, and up to want as
 * far as the segment goes.  *got: how many came.  CM_ENOINPUT when it has
 * fewer than need, or there is no such segment.
 */
int	 peer_read(struct peer *, const char *volume, int index,
	    uint32_t segment, uint32_t offset, char *to, size_t need,
	    size_t want, size_t *got) CM_MUST;

#endif
