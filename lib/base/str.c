#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
str_ncopy(char *dst, size_t n, const char *s, size_t len)
{
	if (len >= n) {
		if (n > 0)
			dst[0] = '\0';
		return CM_ETOOBIG;
	}
	memcpy(dst, s, len);
	dst[len] = '\0';
	return 0;
}

int
str_copy(char *dst, size_t n, const char *s)
{
	return str_ncopy(dst, n, s, strlen(s));
}

int
str_fmt(char *dst, size_t n, const char *fmt, ...)
{
	va_list	 ap;
	int	 rc;

	va_start(ap, fmt);
	rc = vsnprintf(dst, n, fmt, ap);
	va_end(ap);
	if (rc < 0 || (size_t)rc >= n) {
		if (n > 0)
			dst[0] = '\0';
		return CM_ETOOBIG;
	}
	return 0;
}

int
str_u64(const char *p, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	unsigned d;

	if (len == 0)
		return CM_EDATA;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return CM_EDATA;
		d = (unsigned)(p[i] - '0');
		if (v > (max - d) / 10 || d > max)
			return CM_EDATA;
		v = v * 10 + d;
	}
	*out = v;
	return 0;
}

int
str_hex(const char *p, size_t len, uint64_t *out)
{
	uint64_t v = 0;

	if (len == 0 || len > 16)
		return CM_EDATA;
	for (size_t i = 0; i < len; i++) {
		if (p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (uint64_t)(p[i] - '0');
		else if (p[i] >= 'a' && p[i] <= 'f')
			v = v << 4 | (uint64_t)(p[i] - 'a' + 10);
		else
			return CM_EDATA;
	}
	*out = v;
	return 0;
}

int
str_size(const char *s, uint64_t *bytes)
{
	size_t	 len = strlen(s);
	int	 shift = 0, rc;

	if (len > 0) {
		switch (s[len - 1]) {
		case 'k': case 'K':
			shift = 10;
			break;
		case 'm': case 'M':
			shift = 20;
			break;
		case 'g': case 'G':
			shift = 30;
			break;
		}
	}
	rc = str_u64(s, shift ? len - 1 : len, UINT64_MAX >> (shift + 1),
	    bytes);
	if (rc == 0)
		*bytes <<= shift;
	return rc;
}

bool
str_field(struct span *rest, char sep, struct span *field)
{
	const char	*e;

	if (rest->p == NULL)
		return false;
	field->p = rest->p;
	e = rest->len ? memchr(rest->p, sep, rest->len) : NULL;
	if (e == NULL) {
		field->len = rest->len;
		rest->p = NULL;
		rest->len = 0;
	} else {
		field->len = (size_t)(e - rest->p);
		rest->len -= field->len + 1;
		rest->p = e + 1;
	}
	return true;
}

bool
span_is(struct span s, const char *t)
{
	return strlen(t) == s.len && memcmp(s.p, t, s.len) == 0;
}

char
str_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool
str_ieq(const char *a, size_t alen, const char *b)
{
	size_t	 i;

	for (i = 0; i < alen && b[i] != '\0'; i++)
		if (str_lower(a[i]) != str_lower(b[i]))
			return false;
	return i == alen && b[i] == '\0';
}

void
str_clean(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

int
str_pct(struct buf *b, const char *p, size_t len, const char *also)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c <= 0x20 || c == 0x7f || c == '%' ||
		    strchr(also, c) != NULL)
			buf_addf(b, "%%%02X", c);
		else
			buf_addc(b, p[i]);
	}
	return b->err;
}

static int
hexval(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = str_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
str_unpct(struct buf *b, const char *p, size_t len)
{
	int	 hi, lo;

	for (size_t i = 0; i < len; i++) {
		if (p[i] != '%') {
			buf_addc(b, p[i]);
			continue;
		}
		if (len - i < 3 || (hi = hexval(p[i + 1])) == -1 ||
		    (lo = hexval(p[i + 2])) == -1 || (hi | lo) == 0)
			return CM_EDATA;
		buf_addc(b, (char)(hi << 4 | lo));
		i += 2;
	}
	return b->err;
}
