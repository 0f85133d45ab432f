/* What the filter*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_FILTER_INT_H
#define CM_FILTER_INT_H

#include "cluster/filter.h"

/* One question to one filter. */
struct filter_ask {
	const struct log *log;
	const struct conf_filter *conf;
	const struct filter_msg *msg;
	struct span	 now;		/* the message as it is by now */
	struct filter_verdict *v;
	char		 why[FILTER_TEXT];	/* it could not be asked */
};

/*
 * 0: it has answered; the verdict's action and text are its, a changed message
 * is in v->changed.  CM_ENOMEM; anything else: it cannot be asked, why says
 * more.
 */
int	 filter_clamd(struct filter_ask *) CM_MUST;
int	 filter_program(struct filter_ask *) CM_MUST;

#endif
