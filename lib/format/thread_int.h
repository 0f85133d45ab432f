/* What the files of THREAD share.  Level 1, private. */
#ifndef CM_THREAD_INT_H
#define CM_THREAD_INT_H

#include <string.h>

#include "format/sort.h"

#define NONE	UINT32_MAX

/* A message, or an id that is only referred to: a dummy. */
struct node {
	uint32_t	 msg;		/* NONE: a dummy */
	uint32_t	 up;		/* parent; NONE: at the root */
	uint32_t	 child, next;	/* the lists, in the end */
	uint32_t	 first;		/* message that gives date, subject */
	uint32_t	 tops;		/* messages next to it, but for dummies
					 * between: 0, 1, or 2 for more */
	bool		 gone;
};

/* One mention of an id. */
struct id {
	struct span	 s;
	uint32_t	 node;
};

struct threads {
	const struct sort_message *m;
	size_t		 n;		/* of them */
	struct id	*id;		/* of each message its own, and those
					 * it refers to */
	size_t		 nid;
	uint32_t	*subject;	/* equal ones, the same */
	struct node	*node;
	uint32_t	 nnode;
	uint32_t	*order;		/* scratch, with room for all nodes */
};

static inline int
thread_compare(struct span a, struct span b)
{
	size_t	 n = a.len < b.len ? a.len : b.len;
	int	 c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static inline int
thread_by_sent(const struct sort_message *a, const struct sort_message *b)
{
	if (a->sent_ms != b->sent_ms)
		return a->sent_ms < b->sent_ms ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static inline int
thread_by_number(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static inline uint32_t
thread_new_node(struct threads *t, uint32_t msg)
{
	t->node[t->nnode] = (struct node){ .msg = msg, .up = NONE,
	    .child = NONE, .next = NONE, .first = msg };
	return t->nnode++;
}

/* The earlier one of two messages, of which the first may not be there. */
static inline uint32_t
thread_earlier(const struct threads *t, uint32_t a, uint32_t b)
{
	return a == NONE || thread_by_sent(&t->m[b], &t->m[a]) < 0 ? b : a;
}

/* For qsort_r: numbers of messages; the array of them. */
int	 thread_order_subjects(const void *, const void *, void *);
/* And numbers of nodes; struct threads. */
int	 thread_order_nodes(const void *, const void *, void *);
/* Steps 4 and 5; CM_ENOMEM. */
int	 thread_gather(struct threads *) CM_MUST;

#endif
