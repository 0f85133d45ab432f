/* What the mirror*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_MIRROR_INT_H
#define CM_MIRROR_INT_H

#include "adapter/stream.h"
#include "cluster/acks.h"
#include "cluster/mirror.h"
#include "cluster/service.h"
#include "format/receipt.h"

#define MIRROR_CHUNK	256	/* receipts waited for together */

/* The way to one volume's shipper. */
struct line_to {
	const struct conf_volume *cv;
	struct acks	 acks;
	struct service	 service;
	struct stream	 s;
	bool		 up;
	char		 idle[16];
};

struct item {
	char		*text;		/* the receipt's line */
	size_t		 len;
	struct receipt	 r;
	struct line_to	*to;
	bool		 absent;	/* its home does not have it */
	bool		 enough;
	char		*copies;	/* labels with commas */
};

struct filter {
	const struct mirror *m;
	struct line_to	*lines;
	size_t		 nlines;
	struct item	 item[MIRROR_CHUNK];
	size_t		 n;
	unsigned	 refused;
};

int	 mirror_lines_init(const struct mirror *, struct line_to **, size_t *n)
	    CM_MUST;
void	 mirror_lines_free(struct line_to *, size_t n);
int	 mirror_dial(struct line_to *, int timeout_ms) CM_MUST;
void	 mirror_hang_up(struct line_to *);

/* Besides the home. */
unsigned mirror_copies_asked(const struct mirror *);
/* Asks a volume's shipper about its items; again when it dies meanwhile. */
int	 mirror_ask(struct filter *, struct line_to *, int timeout_ms) CM_MUST;
void	 mirror_add_wait(const struct mirror *, const struct item *,
	    int timeout_ms);
int	 mirror_take_answer(struct item *) CM_MUST;
/* What nobody could tell of is on the home alone. */
int	 mirror_fill_in(struct filter *) CM_MUST;
/* Before a record is refused: another node may have enough copies. */
int	 mirror_forward_short(struct filter *) CM_MUST;
void	 mirror_items_free(struct filter *);

#endif
