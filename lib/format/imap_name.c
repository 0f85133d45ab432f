#include "format/imap_name.h"

#include <stdint.h>
#include <string.h>

#include "format/charset.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+,";

static bool
is_direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* --- from modified UTF-7 --- */

/* UTF-16, bit by bit. */
struct units {
	uint32_t	 bits;
	unsigned	 nbits;
	uint32_t	 high;		/* the first of a pair, or 0 */
	bool		 any;
};

/* What has another form of its own is no character here. */
static int
take_unit(struct units *u, uint32_t c, struct buf *out)
{
	u->any = true;
	if (u->high != 0) {
		if (c < 0xdc00 || c > 0xdfff)
			return CM_EDATA;
		c = 0x10000 + ((u->high - 0xd800) << 10) + (c - 0xdc00);
		u->high = 0;
		return charset_put(out, c);
	}
	if (c >= 0xd800 && c <= 0xdbff) {
		u->high = c;
		return 0;
	}
	if ((c >= 0xdc00 && c <= 0xdfff) || is_direct(c))
		return CM_EDATA;
	return charset_put(out, c);
}

static int
take_digit(struct units *u, char c, struct buf *out)
{
	const char	*d = c != '\0' ? strchr(digits, c) : NULL;

	if (d == NULL)
		return CM_EDATA;
	u->bits = (u->bits << 6 | (uint32_t)(d - digits)) & 0x3fffff;
	u->nbits += 6;
	if (u->nbits < 16)
		return 0;
	u->nbits -= 16;
	return take_unit(u, u->bits >> u->nbits & 0xffff, out);
}

/* Is "&" and more than "-" at the begin? */
static bool
is_shift(const struct span *s)
{
	return s->len > 1 && s->p[0] == '&' && s->p[1] != '-';
}

/* Behind "&", up to and with "-". */
static int
take_shifted(struct span *s, struct buf *out)
{
	struct units	 u = { 0 };
	int		 rc = 0;

	if (s->len > 0 && s->p[0] == '-') {
		buf_addc(out, '&');
	} else {
		while (rc == 0 && s->len > 0 && s->p[0] != '-') {
			rc = take_digit(&u, s->p[0], out);
			s->p++;
			s->len--;
		}
		if (rc == 0 && (!u.any || u.high != 0 || u.nbits >= 6 ||
		    (u.bits & ((1u << u.nbits) - 1)) != 0))
			rc = CM_EDATA;
	}
	if (rc == 0 && s->len == 0)
		rc = CM_EDATA;
	if (rc == 0) {
		s->p++;
		s->len--;
	}
	/* both would have been one */
	return rc == 0 && u.any && is_shift(s) ? CM_EDATA : rc;
}

int
imap_name_decode(struct span s, bool utf8, struct buf *out)
{
	char	 c;
	int	 rc;

	if (!charset_is_utf8(s))
		return CM_EDATA;
	if (utf8)
		return buf_add(out, s.p, s.len);
	while (s.len > 0) {
		c = s.p[0];
		s.p++;
		s.len--;
		if (c != '&')
			buf_addc(out, c);
		else if ((rc = take_shifted(&s, out)) != 0)
			return rc;
	}
	return out->err;
}

/* --- to modified UTF-7 --- */

static void
put_unit(struct buf *out, struct units *u, uint32_t c)
{
	u->bits = u->bits << 16 | c;
	u->nbits += 16;
	while (u->nbits >= 6) {
		u->nbits -= 6;
		buf_addc(out, digits[u->bits >> u->nbits & 63]);
	}
	u->bits &= (1u << u->nbits) - 1;
}

static void
put_shifted(struct buf *out, struct units *u, uint32_t c)
{
	if (!u->any) {
		*u = (struct units){ .any = true };
		buf_addc(out, '&');
	}
	if (c < 0x10000) {
		put_unit(out, u, c);
		return;
	}
	c -= 0x10000;
	put_unit(out, u, 0xd800 + (c >> 10));
	put_unit(out, u, 0xdc00 + (c & 0x3ff));
}

static void
end_shift(struct buf *out, struct units *u)
{
	if (!u->any)
		return;
	if (u->nbits > 0)
		buf_addc(out, digits[u->bits << (6 - u->nbits) & 63]);
	buf_addc(out, '-');
	u->any = false;
}

int
imap_name_encode(struct span s, bool utf8, struct buf *out)
{
	struct units	 u = { 0 };
	uint32_t	 c;

	if (!charset_is_utf8(s))
		return CM_EDATA;
	if (utf8)
		return buf_add(out, s.p, s.len);
	while (s.len > 0) {
		c = charset_take(&s);
		if (!is_direct(c)) {
			put_shifted(out, &u, c);
			continue;
		}
		end_shift(out, &u);
		buf_addc(out, (char)c);
		if (c == '&')
			buf_addc(out, '-');
	}
	end_shift(out, &u);
	return out->err;
}

/* --- patterns --- */

static bool
is_inbox(struct span name)
{
	return name.len >= 5 && str_ieq(name.p, 5, "inbox") &&
	    (name.len == 5 || name.p[5] == '/');
}

static bool
same(struct span name, size_t at, bool fold, char c)
{
	return fold && at < 5 ? str_lower(name.p[at]) == str_lower(c) :
	    name.p[at] == c;
}

/*
 * Where a "%" cannot go on, the last "*" before it takes one more; no "*"
 * before the last one has to be looked at again.
 */
struct wildcard {
	size_t		 pattern;	/* behind it; 0: there is none */
	size_t		 name;		/* what it has not taken */
};

bool
imap_name_match(struct span pattern, struct span name)
{
	struct wildcard	 any = { 0, 0 }, level = { 0, 0 };
	bool		 fold = is_inbox(name);
	size_t		 p = 0, n = 0;

	for (;;) {
		if (p < pattern.len && pattern.p[p] == '*') {
			any = (struct wildcard){ ++p, n };
			level.pattern = 0;
		} else if (p < pattern.len && pattern.p[p] == '%') {
			level = (struct wildcard){ ++p, n };
		} else if (p < pattern.len && n < name.len &&
		    same(name, n, fold, pattern.p[p])) {
			p++;
			n++;
		} else if (p == pattern.len && n == name.len) {
			return true;
		} else if (level.pattern > 0 && level.name < name.len &&
		    name.p[level.name] != '/') {
			p = level.pattern;
			n = ++level.name;
		} else if (any.pattern > 0 && any.name < name.len) {
			p = any.pattern;
			n = ++any.name;
			level.pattern = 0;
		} else {
			return false;
		}
	}
}
