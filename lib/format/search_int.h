/* What search.c and search_text.c share.  Level 1, private. */
#ifndef CM_SEARCH_INT_H
#define CM_SEARCH_INT_H

#include "format/search.h"

#define SEARCH_NONE	UINT32_MAX

/* A key of the program. */
struct search_node {
	const struct imap_search *key;
	enum search_need need;
	uint32_t	 first, next;	/* SEARCH_NONE: there is none */
	size_t		 at, len;	/* its string, folded, in needles */
	bool		 hit;		/* BODY and TEXT, when scanned */
};

struct search {
	struct search_node *node;	/* node[0] is the root */
	uint32_t	 n;
	struct buf	 needles;
	struct buf	 envelope;	/* made of a message */
	struct buf	 raw, words, folded;	/* scratch */
	bool		 scanned;	/* of the message at hand */
};

/* Is the folded string of a node in UTF-8 text, when that is folded? */
int	 search_contains(struct search *, const struct search_node *,
	    struct span utf8, bool *) CM_MUST;
/*
 * In the header's fields of that name.  Of a field that may be there only once
 * (RFC 5322 section 3.6) the first counts, as in an envelope.
 */
int	 search_header(struct search *, const struct search_node *,
	    struct span name, struct span msg, bool *) CM_MUST;
/*
 * The same in the envelope.  *sure: that is what the header would give; not
 * when it does not match what may have been cut.
 */
int	 search_envelope(struct search *, const struct search_node *,
	    struct span envelope, bool *match, bool *sure) CM_MUST;
/* Sets hit in all nodes that ask for BODY or TEXT. */
int	 search_scan(struct search *, struct span msg) CM_MUST;

#endif
