/* A whole message on its way to being kept; for smtp_accept.c and
 * smtp_filter.c.  Level 4. */
#ifndef CM_SMTP_ACCEPT_H
#define CM_SMTP_ACCEPT_H

#include "cluster/filter.h"
#include "protocol/smtp_int.h"

struct accepted {
	struct smtp	*m;
	struct span	 msg;		/* with the trace in front */
	struct buf	 mailboxes;	/* each once, one a line */
	bool		 outgoing;	/* it goes to other domains, too */
	const char	*folder;
	const char	*held;		/* "quarantine", "discard": not kept */
	struct intake	 filtered;	/* what filters have made of it */
	struct delivery	 delivery;
	int		 code;		/* the answer; 0: taken */
	char		 said[FILTER_TEXT];	/* by a filter */
	const char	*enhanced;
	const char	*text;
};

/* The answer that it gets instead; the texts must live as long. */
void	 smtp_refuse(struct accepted *, int code, const char *enhanced,
	    const char *text);
/* What a failure means to the client: try again, always. */
void	 smtp_refuse_for(struct accepted *, int rc);
/*
 * Asks the filters, and puts what they have made of the message in its place;
 * false: it is not to be kept, and has its answer.
 */
bool	 smtp_filter(struct accepted *);

#endif
