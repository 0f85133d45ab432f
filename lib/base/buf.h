/* A growing byte buffer with a ceiling.  Level 0. */
#ifndef CM_BUF_H
#define CM_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/err.h"

/*
 * p holds len bytes and, once anything was added, a NUL behind them that is
 * not counted.  The first failure (CM_ETOOBIG over max, or CM_ENOMEM) stays in
 * err, and later additions do nothing and return it: so a row of additions
 * needs one check at its end.  Contents before the failure are unchanged.
 */
struct buf {
	char	*p;
	size_t	 len;
	size_t	 cap;
	size_t	 max;
	int	 err;
};

/* An empty buffer that may hold up to max bytes.  Allocates nothing. */
void	 buf_init(struct buf *, size_t max);
/* Frees the memory; the buffer is as after buf_init.  NULL is fine. */
void	 buf_free(struct buf *);
/* Forget the contents and the error, keep the memory. */
void	 buf_reset(struct buf *);

int	 buf_add(struct buf *, const void *, size_t);
int	 buf_addc(struct buf *, char);
int	 buf_adds(struct buf *, const char *);
/* A decimal number, with zeros in front up to width digits. */
int	 buf_addu(struct buf *, unsigned long long, unsigned width);
int	 buf_addf(struct buf *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
int	 buf_vaddf(struct buf *, const char *, va_list)
	    __attribute__((format(printf, 2, 0)));
/* Room for n more bytes at p + len; the caller adds to len what it wrote. */
int	 buf_room(struct buf *, size_t n) CM_MUST;
/* Drop the first n bytes. */
void	 buf_drop(struct buf *, size_t n);

#endif
