/* Small things with strings; none writes to its input.  Level 0. */
#ifndef CM_STR_H
#define CM_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* A piece of somebody else's bytes. */
struct span {
	const char	*p;
	size_t		 len;
};

/* Copies s into dst of size n; CM_ETOOBIG (dst then "") when it doesn't fit. */
int	 str_copy(char *dst, size_t n, const char *s) CM_MUST;
int	 str_ncopy(char *dst, size_t n, const char *s, size_t len) CM_MUST;
/* snprintf that fails with CM_ETOOBIG instead of cutting. */
int	 str_fmt(char *dst, size_t n, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4))) CM_MUST;

/* All of p[0..len) is one number of at most max; CM_EDATA otherwise. */
int	 str_u64(const char *p, size_t len, uint64_t max, uint64_t *out)
	    CM_MUST;
/* The same for exactly len lower-case hex digits, at most 16. */
int	 str_hex(const char *p, size_t len, uint64_t *out) CM_MUST;
/* A size such as 50M: digits and K, M or G (powers of 1024). */
int	 str_size(const char *s, uint64_t *bytes) CM_MUST;

/*
 * The next field of *rest up to sep; *rest moves behind it.  False when
 * nothing is left (an empty last field behind a sep is a field).
 */
bool	 str_field(struct span *rest, char sep, struct span *field);
bool	 span_is(struct span, const char *);
bool	 str_ieq(const char *a, size_t alen, const char *b);

/* ASCII lower case, whatever the locale. */
char	 str_lower(char);
/* Bytes that are no printable ASCII become '?': somebody else's words. */
void	 str_clean(char *);

/*
 * Percent-encoding for fields of receipts and lists: everything that is a
 * control character, a space, % or in also becomes %XX.
 */
int	 str_pct(struct buf *, const char *p, size_t len, const char *also);
/* Undoes it; CM_EDATA on a bad %XX or %00. */
int	 str_unpct(struct buf *, const char *p, size_t len) CM_MUST;

#endif
