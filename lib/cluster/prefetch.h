/* The next piece is read while the one before is written.  Level 3. */
#ifndef CM_PREFETCH_H
#define CM_PREFETCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Reads exactly n bytes at at; nobody else uses what it does meanwhile. */
typedef int	(*prefetch_fn)(void *arg, uint32_t at, void *p, uint32_t n);

struct prefetch {
	prefetch_fn	 fn;
	void		*arg;
	char		*buf[2];	/* one is read into, one is in use */
	int		 next;
	bool		 running;
	pthread_t	 thread;
	uint32_t	 at, n;
	int		 rc;
};

/* size: bytes of the largest piece. */
int	 prefetch_init(struct prefetch *, prefetch_fn, void *arg,
	    uint32_t size) CM_MUST;
/* Waits for a piece that is still under way. */
void	 prefetch_free(struct prefetch *);
/*
 * The piece [at, at + n), valid until the next call but one of this; then has
 * the one behind it, of next_n bytes (0: none), read.  After an error nothing
 * is under way.
 */
int	 prefetch_get(struct prefetch *, uint32_t at, uint32_t n,
	    uint32_t next_n, char **p) CM_MUST;

#endif
