/* What a search has found, and how it is told.  Level 4. */
#ifndef CM_IMAPD_FOUND_H
#define CM_IMAPD_FOUND_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/imap.h"

struct imapd;

struct imapd_found {
	size_t		*at;		/* places in the view */
	size_t		 n, room;
	uint64_t	 modseq;	/* the highest of them */
};

void	 imapd_found_free(struct imapd_found *);
int	 imapd_found_add(struct imapd_found *, size_t at, uint64_t modseq)
	    CM_MUST;
/* In the order of the view. */
void	 imapd_found_sort(struct imapd_found *);
/* SEARCH's or ESEARCH's line; what is to be saved is saved. */
int	 imapd_found_say(struct imapd *, const struct imap_command *,
	    const struct imapd_found *) CM_MUST;

/* SORT's or THREAD's; CM_ECORRUPT, CM_EAWAY, ...: a header cannot be read. */
int	 imapd_sorted_say(struct imapd *, const struct imap_command *,
	    const struct imapd_found *) CM_MUST;

#endif
