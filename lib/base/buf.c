#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_free(struct buf *b)
{
	if (b == NULL)
		return;
	free(b->p);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->err = 0;
	if (b->p != NULL)
		b->p[0] = '\0';
}

int
buf_room(struct buf *b, size_t n)
{
	size_t	 cap;
	char	*p;

	if (b->err)
		return b->err;
	if (n > b->max || b->len > b->max - n)
		return b->err = CM_ETOOBIG;
	if (b->len + n < b->cap)
		return 0;
	cap = b->cap ? b->cap : 256;
	while (cap < b->len + n + 1)
		cap *= 2;
	if ((p = realloc(b->p, cap)) == NULL)
		return b->err = CM_ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

int
buf_add(struct buf *b, const void *p, size_t n)
{
	int	 rc;

	if ((rc = buf_room(b, n)) != 0)
		return rc;
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
	return 0;
}

int
buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int
buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int
buf_addu(struct buf *b, unsigned long long v, unsigned width)
{
	char	 d[24], *p = d + sizeof(d);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (p > d && (size_t)(d + sizeof(d) - p) < width)
		*--p = '0';
	return buf_add(b, p, (size_t)(d + sizeof(d) - p));
}

int
buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list	 ap2;
	int	 n, rc;

	/* mostly it fits into what there is */
	if ((rc = buf_room(b, 0)) != 0)
		return rc;
	va_copy(ap2, ap);
	n = vsnprintf(b->cap ? b->p + b->len : NULL,
	    b->cap ? b->cap - b->len : 0, fmt, ap2);
	va_end(ap2);
	if (n < 0)
		return b->err = CM_ESOFT;
	if (b->cap == 0 || (size_t)n >= b->cap - b->len ||
	    (size_t)n > b->max - b->len) {
		if (b->cap > 0)
			b->p[b->len] = '\0';
		if ((rc = buf_room(b, (size_t)n)) != 0)
			return rc;
		vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
	}
	b->len += (size_t)n;
	return 0;
}

int
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list	 ap;
	int	 rc;

	va_start(ap, fmt);
	rc = buf_vaddf(b, fmt, ap);
	va_end(ap);
	return rc;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
	} else {
		memmove(b->p, b->p + n, b->len - n);
		b->len -= n;
	}
	if (b->p != NULL)
		b->p[b->len] = '\0';
}
