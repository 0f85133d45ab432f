/* What the catcheck*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_CATCHECK_INT_H
#define CM_CATCHECK_INT_H

#include "base/buf.h"
#include "base/str.h"

/* The rows of a mailbox, of its folders, and names that are subscribed to;
 * begun with zeros, and a buf_init of wrong. */
struct check_box {
	char		*name;		/* NULL: none so far */
	uint64_t	 bytes, messages;	/* as its row says */
	uint64_t	 sum_bytes, sum_messages;	/* as its folders' do */
	uint32_t	 next_folder;
	uint32_t	*ids;
	size_t		 n, cap;
	bool		 inbox;
	struct buf	 wrong;		/* a line for each */
};

/* Fields of a dump's line; those of other kinds are passed over.  CM_EPROTO. */
int	 check_box_line(struct check_box *, const struct span f[], size_t n)
	    CM_MUST;
/* There are no more. */
void	 check_box_end(struct check_box *);
void	 check_box_free(struct check_box *);

#endif
