/*
 * What is known of the cluster's nodes: what they said when they were polled,
 * and what an admin has set.  cm-route polls; cm-dnsd and others look.  Level 3.
 */
#ifndef CM_NODES_H
#define CM_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "cluster/conf.h"

#define NODES_PREF	10		/* of a node, by default */
#define NODES_PREF_MAX	65535

/* What an admin says; NODES_UP: what the polls say counts. */
enum nodes_set { NODES_UP, NODES_DOWN, NODES_DRAIN };

struct nodes_node {
	const struct conf_node *conf;	/* the conf's, as long as that is */
	/* the polls of this node; asked_ms 0: never, and then it is up */
	bool		 down;
	unsigned	 misses;	/* in a row, up to now */
	unsigned	 answers;	/* in a row, up to now */
	double		 load;		/* see load_percent; of the last answer */
	uint64_t	 free;		/* bytes, where it would put mail */
	uint64_t	 sessions;	/* of all its services */
	int64_t		 asked_ms, answered_ms;
	/* the admin's */
	enum nodes_set	 set;
	unsigned	 pref;		/* lower ones come first */
	int64_t		 set_ms;	/* when, or when it was last known; 0 */
};

/* In the order of conf->nodes, all of them. */
struct nodes {
	struct nodes_node *node;
	size_t		 n;
};

/*
 * Reads STATE/run/nodes (polls, lost when the machine is new) and
 * STATE/nodes (what is set).  Nothing there: all are up.  A line that is not
 * as it should be is left out, with a line to the log.  CM_ENOMEM, CM_EIO.
 * The conf must live longer.
 */
int	 nodes_load(const struct log *, const struct conf *, struct nodes *)
	    CM_MUST;
void	 nodes_free(struct nodes *);
/*
 * Changes whenever one of the two files has changed (device, inode, time,
 * size): for who looks again.  0 when none is there.
 */
uint64_t nodes_stamp(const struct conf *);

/* Drained by cluster.xml or by the admin. */
bool	 nodes_is_drained(const struct nodes_node *);
/*
 * Does the node take new clients: neither down nor drained, no witness, and
 * its load under conf->dns.overload?
 */
bool	 nodes_is_in(const struct conf *, const struct nodes_node *);

#endif
