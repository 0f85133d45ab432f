/*
 * SEARCH's keys that ask for text: RFC 3501 section 6.4.4.  Level 1.
 */
#ifndef CM_SEARCH_H
#define CM_SEARCH_H

#include <stdint.h>

#include "format/imap.h"
#include "format/mime.h"

/*
 * What a key needs to be answered, of a tree of keys the most.  SEARCH_ROW:
 * what the catalog's rows have; SEARCH_ENVELOPE: the ENVELOPE too; SEARCH_TEXT:
 * the message.
 */
enum search_need { SEARCH_ROW, SEARCH_ENVELOPE, SEARCH_MESSAGE };
enum search_need search_need(const struct imap_search *);
/*
 * Does a key ask for more of a row than its flags, keywords and mod-sequence:
 * id, size or times?  SEARCH_MESSAGE does: the id is needed to read it.
 */
bool	 search_is_of_rest(const struct imap_search *);

struct search;

/*
 * A program made from keys: strings converted from charset and folded, once.
 * The keys and the command's bytes must stay.  CM_EDATA: the charset is not
 * known.
 */
int	 search_new(const struct imap_search *, struct span charset,
	    struct search **) CM_MUST;
void	 search_free(struct search *);

/* A message as far as it is known: what its need says must be there. */
struct search_message {
	uint32_t	 number, uid;
	uint32_t	 flags;		/* enum imap_flag */
	struct span	 keywords;
	uint32_t	 size;
	int64_t		 time_ms;	/* INTERNALDATE */
	int64_t		 saved_ms;
	uint64_t	 modseq;
	char		 id[27];	/* EMAILID's text */
	struct span	 envelope;	/* of mime_envelope; or NULL */
	struct span	 msg;		/* or NULL */
};
/*
 * Does it match?  *more: cannot be said without more, see what: fill it in and
 * ask again.  So a message is read only where its flags and the like do not
 * decide it (AND and OR look at the cheap keys first).  now_ms: for OLDER and
 * YOUNGER.  saved: the resolved set that "$" stands for, of numbers; or NULL.
 * Sets in the keys are resolved by the caller.
 */
int	 search_match(struct search *, const struct search_message *,
	    int64_t now_ms, const struct imap_set *saved, bool *match,
	    enum search_need *more) CM_MUST;

/*
 * The keys BCC, CC, FROM, TO, SUBJECT, SENT... and HEADER of Subject, of
 * Message-ID and of In-Reply-To are answered from the ENVELOPE, as RFC 3501
 * says; where it may have been cut and does not match, the header is asked.
 * Addresses are "name <mailbox@host>".  *more is SEARCH_ROW when the answer
 * is known.
 */

#endif
