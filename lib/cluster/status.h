/* The whole cluster as a person wants to see it, from any node.  Level 3. */
#ifndef CM_STATUS_H
#define CM_STATUS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/log.h"
#include "cluster/conf.h"

#define STATUS_TEXT_MAX	(64u << 20)	/* bytes of any of the three forms */
#define STATUS_LAG_S	60	/* a copy that is behind longer is wrong */

struct status;

/*
 * Asks every node's cm-stored at the same time, and the catalog's agent of this
 * node (which is started when need be).  A node that says nothing for PEER_MS
 * is down.  With a single node this one is looked at without cm-stored.  file
 * and node: what conf_load was given.  conf is kept.  What does not answer is
 * part of the result: CM_ENOMEM only.
 */
int	 status_gather(const struct log *, const struct conf *,
	    const char *file, const char *node, struct status **) CM_MUST;
void	 status_free(struct status *);

/*
 * False when something is wrong: a node is down, a copy is behind for over
 * STATUS_LAG_S, a home is gone or an old one, the last check left damage, a
 * disk is full, the catalog is away or incomplete.
 */
bool	 status_is_well(const struct status *);

/* How the text is to look. */
struct status_view {
	bool		 color;
	unsigned	 rows;	/* of the terminal; 0: any number */
};

/*
 * For a terminal: what is wrong first, then tables.  Where they have more than
 * rows, only rows with something wrong are shown, with the number of others.
 */
int	 status_text(const struct status *, const struct status_view *,
	    struct buf *) CM_MUST;
/* As an XML document; its elements are in cm-status(1). */
int	 status_xml(const struct status *, struct buf *) CM_MUST;
/* As one XHTML page that needs nothing else, with charts in SVG. */
int	 status_html(const struct status *, struct buf *) CM_MUST;

#endif
