/*
 * Counters that all processes of a node share, in the mapped file
 * STATE/run/turns.1: whose turn it is, and how many answers each has had.  Not
 * synced: after a crash any start is as good.  Level 3.
 */
#ifndef CM_TURNS_H
#define CM_TURNS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/log.h"
#include "cluster/conf.h"

#define TURNS_FILE	"turns.1"	/* in STATE/run */

struct turns;

/*
 * Makes the file where it is missing or has not its form.  When it cannot be
 * had, a line is logged and counters of this process (and those it forks)
 * serve instead; CM_ENOMEM only.
 */
int	 turns_open(const struct log *, const struct conf *, struct turns **)
	    CM_MUST;
void	 turns_close(struct turns *);

/*
 * The counter of a name such as "mx example.org", made at its first use; stays
 * valid until turns_close.  When there are too many, names share one.
 */
_Atomic uint64_t *turns_counter(struct turns *, const char *name, size_t len);

#endif
