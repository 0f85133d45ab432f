/*
 * What is known of the cluster's nodes: what they said when they were polled,
 * and what an admin has set.  cm-route polls; cm-dnsd and others look.
 * Level 3.
 */
#ifndef CM_NODES_H
#define CM_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "cluster/conf.h"

#define NODES_PREF	10		/* of a node, by default */
#define NODES_PREF_MAX	65535
#define NODES_TEXT_MAX	(4u << 20)	/* bytes of either file */

/* What an admin says; NODES_UP: what the polls say counts. */
enum nodes_set { NODES_UP, NODES_DOWN, NODES_DRAIN };

struct nodes_node {
	const struct conf_node *conf;	/* the conf's, as long as that is */
	/* the polls of this node; asked_ms 0: never, and then it is up */
	bool		 down;
	unsigned	 misses;	/* in a row, up to now */
	unsigned	 answers;	/* in a row, up to now */
	int64_t		 since_ms;	/* when it last went down or came up,
					   or was first asked */
	double		 load;		/* load_percent, of the last answer */
	uint64_t	 free;		/* bytes, where it would put mail */
	uint64_t	 sessions;	/* of all its services */
	int64_t		 asked_ms, answered_ms;
	/* the admin's */
	enum nodes_set	 set;
	unsigned	 pref;		/* lower ones come first */
	int64_t		 set_ms, pref_ms;	/* of each; 0: never set */
};

/* In the order of conf->nodes, all of them. */
struct nodes {
	struct nodes_node *node;
	size_t		 n;
};

/* What admins have said of a node, each with its time; 0: nothing was said. */
struct nodes_said {
	enum nodes_set	 set;
	int64_t		 set_ms;
	unsigned	 pref;
	int64_t		 pref_ms;
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
/* NULL when there is no such node. */
struct nodes_node *nodes_find(const struct nodes *, const char *name,
	    size_t len);

/* --- changing them */

/*
 * The same as nodes_load, and nobody else changes them until nodes_unlock:
 * CM_ELOCK when that cannot be had within some seconds.  lock is a descriptor.
 */
int	 nodes_lock(const struct log *, const struct conf *, struct nodes *,
	    int *lock) CM_MUST;
void	 nodes_unlock(struct nodes *, int lock);
/* Put in place whole, the first one not synced.  Both log. */
int	 nodes_write_polls(const struct log *, const struct conf *,
	    const struct nodes *) CM_MUST;
int	 nodes_write_sets(const struct log *, const struct conf *,
	    const struct nodes *) CM_MUST;

/*
 * An answer of a node, or none, at that time: true when it went down or came
 * up by that.
 */
bool	 nodes_note(const struct conf *, struct nodes_node *, bool answered,
	    int64_t now_ms);
/*
 * What admins said, here or on another node: either part counts when it is
 * newer than what is known (of the same time, a certain one of the two, on all
 * nodes).  "up" also forgets that polls were missed.  True when any counts.
 */
bool	 nodes_take(struct nodes_node *, const struct nodes_said *,
	    int64_t now_ms);
/* As it stands; and did anybody say anything? */
struct nodes_said nodes_said(const struct nodes_node *);
bool	 nodes_said_any(const struct nodes_said *);

/* "NODE up|down|drain TIME PREF TIME", without an end; CM_EDATA. */
void	 nodes_said_write(struct buf *, const char *node,
	    const struct nodes_said *);
int	 nodes_said_parse(struct span line, struct span *node,
	    struct nodes_said *) CM_MUST;
/* "up", "down", "drain" */
const char *nodes_set_word(enum nodes_set);
int	 nodes_set_parse(struct span word, enum nodes_set *) CM_MUST;

#endif
