/*
 * Records read ahead from several volumes at once, each by a thread with a
 * reader of its own.  Level 3.
 */
#ifndef CM_AHEAD_H
#define CM_AHEAD_H

#include "cluster/reader.h"

struct ahead;
struct ahead_item;

/* conf is kept.  Begins no thread yet. */
int	 ahead_open(const struct log *, const struct conf *, struct ahead **)
	    CM_MUST;
/* After all items were dropped. */
void	 ahead_close(struct ahead *);
/*
 * Asks for a record: those of a volume are read in the order they are asked
 * for.  Does not wait.  Memory of p->length bytes is held until the item is
 * dropped.
 */
int	 ahead_ask(struct ahead *, const struct place *, const struct ulid *,
	    struct ahead_item **) CM_MUST;
/* Waits for it: what reader_get gave.  The record lives as long as the item. */
int	 ahead_take(struct ahead_item *, struct reader_record *) CM_MUST;
/* NULL is fine.  An item that is not read yet is waited for. */
void	 ahead_drop(struct ahead_item *);

#endif
