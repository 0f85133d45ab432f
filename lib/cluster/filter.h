/*
 * Who is asked about a message before it is kept: the filters of cluster.xml,
 * in their order.  Level 3.
 */
#ifndef CM_FILTER_H
#define CM_FILTER_H

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "cluster/conf.h"

enum filter_action {
	FILTER_PASS,
	FILTER_JUNK,		/* keep it in the folder Junk */
	FILTER_DISCARD,		/* say that it is taken, and drop it */
	FILTER_QUARANTINE,	/* the same, and keep it for the admin */
	FILTER_DEFER,		/* it may come again later */
	FILTER_REJECT		/* never */
};

#define FILTER_TEXT	256
#define FILTER_FIELD	"X-Clustermail-Filter"

/* All of them, with counts of what came of it; for one thread. */
struct filters;

/* CM_ENOMEM.  The conf must live longer. */
int	 filters_open(const struct log *, const struct conf *,
	    struct filters **) CM_MUST;
void	 filters_close(struct filters *);

/* A message, and what is known of it. */
struct filter_msg {
	const char	*id;
	const char	*client;	/* an address, or "" */
	const char	*helo;
	const char	*user;		/* who has logged in, or "" */
	const char	*sender;	/* canonical; "" the null sender */
	struct span	 rcpts;		/* canonical addresses, one a line */
	const char	*p;		/* lines end with CRLF */
	size_t		 len;
};

/* Begin with filter_verdict_init. */
struct filter_verdict {
	enum filter_action action;
	char		 by[CONF_NAME_MAX + 1];	/* who said that; "" nobody */
	char		 text[FILTER_TEXT];	/* signature, or what to say */
	struct buf	 fields;	/* to be put in front of the message */
	struct buf	 changed;	/* what to keep instead; empty: as is */
};

void	 filter_verdict_init(struct filter_verdict *, const struct conf *);
void	 filter_verdict_free(struct filter_verdict *);

/*
 * Asks them all, until one does not let it pass.  Who cannot be asked defers
 * it, or lets it pass with a field that says so, as cluster.xml wants.  All
 * that is not a plain pass has a line in the log.  CM_ENOMEM, with a line.
 */
int	 filter_run(struct filters *, const struct log *,
	    const struct filter_msg *, struct filter_verdict *) CM_MUST;

/*
 * What came of all messages on this node since its counts were begun, in
 * Prometheus' text format.
 */
void	 filter_metrics(const struct log *, const struct conf *,
	    struct buf *);

#endif
