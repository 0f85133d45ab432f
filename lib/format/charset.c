#include "format/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "format/transfer.h"

#define NAME_MAX_LEN	64	/* of a charset */
#define CHUNK		4096
#define RUN_MAX		16384	/* bytes that are folded at once */
#define REPLACEMENT	"\xef\xbf\xbd"

/* --- characters --- */

bool
charset_is_utf8(struct span s)
{
	return s.len == 0 || u8_check((const uint8_t *)s.p, s.len) == NULL;
}

uint32_t
charset_take(struct span *s)
{
	ucs4_t	 c;
	int	 n = u8_mbtouc(&c, (const uint8_t *)s->p, s->len);

	s->p += n;
	s->len -= (size_t)n;
	return c;
}

int
charset_put(struct buf *out, uint32_t c)
{
	uint8_t	 u[6];
	int	 n = u8_uctomb(u, c, sizeof(u));

	return n <= 0 ? CM_EDATA : buf_add(out, u, (size_t)n);
}

/* --- charsets --- */

/* As iconv wants it: "//" would be options, and a path is none of its names. */
static int
charset_name(struct span name, char out[NAME_MAX_LEN + 1])
{
	for (size_t i = 0; i < name.len; i++) {
		char c = str_lower(name.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    strchr("-_.:+()", c) != NULL))
			return CM_EDATA;
	}
	return name.len == 0 ? CM_EDATA :
	    str_ncopy(out, NAME_MAX_LEN + 1, name.p, name.len);
}

/* Names in mail that iconv does not know. */
static const char *
other_name(struct span name)
{
	static const struct {
		const char	*name, *known;
	} names[] = { { "ks_c_5601-1987", "cp949" },
	    { "ks_c_5601-1989", "cp949" }, { "ksc5601", "cp949" },
	    { "ksc_5601", "cp949" }, { "x-windows-949", "cp949" },
	    { "x-sjis", "cp932" }, { "x-gbk", "gbk" },
	    { "x-euc-jp", "euc-jp" }, { "iso-8859-8-i", "iso-8859-8" },
	    { "iso-8859-8-e", "iso-8859-8" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(name.p, name.len, names[i].name))
			return names[i].known;
	return NULL;
}

static iconv_t
open_charset(struct span name)
{
	const char	*known = other_name(name);
	char		 text[NAME_MAX_LEN + 1];

	if (known != NULL)
		return iconv_open("UTF-8", known);
	return charset_name(name, text) != 0 ? (iconv_t)-1 :
	    iconv_open("UTF-8", text);
}

static bool
is_unicode(struct span name)
{
	return str_ieq(name.p, name.len, "utf-8") ||
	    str_ieq(name.p, name.len, "utf8") ||
	    str_ieq(name.p, name.len, "us-ascii");
}

bool
charset_is_known(struct span name)
{
	iconv_t	 cd;

	if (is_unicode(name))
		return true;
	if ((cd = open_charset(name)) == (iconv_t)-1)
		return false;
	iconv_close(cd);
	return true;
}

/* What is no UTF-8 becomes U+FFFD, a byte at a time. */
static int
add_utf8(struct span s, struct buf *out)
{
	const uint8_t	*bad;
	size_t		 n;

	while (s.len > 0) {
		bad = u8_check((const uint8_t *)s.p, s.len);
		n = bad != NULL ? (size_t)((const char *)bad - s.p) : s.len;
		buf_add(out, s.p, n);
		if (bad != NULL) {
			buf_adds(out, REPLACEMENT);
			n++;
		}
		s.p += n;
		s.len -= n;
	}
	return out->err;
}

static int
add_latin1(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x80) {
			buf_addc(out, (char)c);
			continue;
		}
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
	return out->err;
}

static int
convert(iconv_t cd, struct span s, struct buf *out)
{
	char	 piece[CHUNK], *to, *from, *in = NULL;
	size_t	 left, room, r;

	/* iconv does not write there, but wants it so */
	memcpy(&from, &s.p, sizeof(from));
	for (left = s.len; out->err == 0;) {
		to = piece;
		room = sizeof(piece);
		r = iconv(cd, left > 0 ? &from : &in, &left, &to, &room);
		buf_add(out, piece, sizeof(piece) - room);
		if (r != (size_t)-1 && left == 0)
			break;
		if (r == (size_t)-1 && errno != E2BIG) {
			buf_adds(out, REPLACEMENT);
			from++;
			left--;
			if (left == 0)
				break;
		}
	}
	return out->err;
}

/* Whoever reads what was added from was on relies on its being UTF-8. */
static int
repair(struct buf *out, size_t was)
{
	struct buf	 b;
	int		 rc;

	if (out->len == was ||
	    u8_check((uint8_t *)out->p + was, out->len - was) == NULL)
		return out->err;
	buf_init(&b, out->max);
	rc = add_utf8((struct span){ out->p + was, out->len - was }, &b);
	out->len = was;
	if (rc == 0)
		rc = buf_add(out, b.p, b.len);
	buf_free(&b);
	return rc;
}

int
charset_decode(struct span name, struct span text, struct buf *out)
{
	iconv_t	 cd = (iconv_t)-1;
	size_t	 was = out->len;
	int	 rc;

	if (text.len == 0)
		return out->err;
	if (!is_unicode(name))
		cd = open_charset(name);
	if (cd != (iconv_t)-1) {
		rc = convert(cd, text, out);
		iconv_close(cd);
		return rc == 0 ? repair(out, was) : rc;
	}
	if (str_ieq(name.p, name.len, "utf-8") || charset_is_utf8(text))
		return add_utf8(text, out);
	return add_latin1(text, out);
}

/* --- encoded words --- */

struct word {
	struct span	 charset;
	char		 encoding;	/* 'b', 'q' */
	struct span	 text;
};

/* The piece of s up to a byte. */
static bool
cut(struct span *s, char at, size_t max, struct span *piece)
{
	size_t		 n = s->len < max ? s->len : max;
	const char	*e = n > 0 ? memchr(s->p, at, n) : NULL;

	if (e == NULL)
		return false;
	*piece = (struct span){ s->p, (size_t)(e - s->p) };
	s->p = e + 1;
	s->len -= piece->len + 1;
	return true;
}

/* Is an encoded word at the begin of s?  Blanks in it are no good form, and
 * common. */
static bool
read_word(struct span s, struct word *w, size_t *len)
{
	struct span	 rest = s, encoding;
	const char	*star;

	if (s.len < 8 || s.p[0] != '=' || s.p[1] != '?')
		return false;
	rest.p += 2;
	rest.len -= 2;
	if (!cut(&rest, '?', NAME_MAX_LEN, &w->charset) ||
	    !cut(&rest, '?', 2, &encoding) || encoding.len != 1 ||
	    !cut(&rest, '?', rest.len, &w->text) || rest.len == 0 ||
	    rest.p[0] != '=' || w->charset.len == 0)
		return false;
	/* RFC 2231 section 5: a language behind it */
	star = memchr(w->charset.p, '*', w->charset.len);
	if (star != NULL)
		w->charset.len = (size_t)(star - w->charset.p);
	w->encoding = str_lower(encoding.p[0]);
	*len = (size_t)(rest.p - s.p) + 1;
	return w->encoding == 'b' || w->encoding == 'q';
}

static void
add_q(struct span s, struct buf *out)
{
	struct buf	 text;

	buf_init(&text, s.len + 1);
	for (size_t i = 0; i < s.len; i++)
		buf_addc(&text, s.p[i] == '_' ? ' ' : s.p[i]);
	/* a blank at the end is meant */
	while (s.len > 0 && (text.p[s.len - 1] == ' '))
		s.len--;
	if (transfer_decode(TRANSFER_QP, (struct span){ text.len > 0 ? text.p :
	    "", s.len }, out) == 0 && text.len > s.len)
		buf_add(out, text.p + s.len, text.len - s.len);
	buf_free(&text);
}

struct words {
	struct buf	*out;
	struct buf	 raw;		/* of words in one charset: some cut a
					 * character in two */
	struct span	 charset;
};

static int
settle_words(struct words *w)
{
	int	 rc = 0;

	if (w->raw.len > 0)
		rc = charset_decode(w->charset, (struct span){ w->raw.p,
		    w->raw.len }, w->out);
	buf_reset(&w->raw);
	return rc;
}

static bool
same_charset(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (str_lower(a.p[i]) != str_lower(b.p[i]))
			return false;
	return true;
}

static int
add_word(struct words *w, const struct word *x)
{
	int	 rc = 0;

	if (w->raw.len > 0 && !same_charset(w->charset, x->charset))
		rc = settle_words(w);
	w->charset = x->charset;
	if (x->encoding == 'q')
		add_q(x->text, &w->raw);
	else if (rc == 0)
		rc = transfer_decode(TRANSFER_BASE64, x->text, &w->raw);
	return rc != 0 ? rc : w->raw.err;
}

static bool
is_blank(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr(" \t\r\n", s.p[i]) == NULL || s.p[i] == '\0')
			return false;
	return true;
}

int
charset_words(struct span s, struct buf *out)
{
	struct words	 w = { .out = out };
	struct word	 x;
	struct span	 plain = { s.p, 0 }, none = { "", 0 };
	size_t		 at = 0, len;
	bool		 behind = false;	/* plain is behind a word */
	int		 rc = 0;

	buf_init(&w.raw, s.len + 16);
	while (rc == 0 && at < s.len) {
		if (!read_word((struct span){ s.p + at, s.len - at }, &x,
		    &len)) {
			at++;
			plain.len++;
			continue;
		}
		/* blanks between words belong to their form */
		if (!behind || !is_blank(plain)) {
			if ((rc = settle_words(&w)) == 0)
				rc = charset_decode(none, plain, out);
		}
		if (rc == 0)
			rc = add_word(&w, &x);
		at += len;
		plain = (struct span){ s.p + at, 0 };
		behind = true;
	}
	if (rc == 0 && (rc = settle_words(&w)) == 0)
		rc = charset_decode(none, plain, out);
	buf_free(&w.raw);
	return rc != 0 ? rc : out->err;
}

/* --- comparison --- */

/* Bytes over 127 only: what is cut there is not joined in NFKD. */
static int
fold_run(struct span s, struct buf *out)
{
	uint8_t	 room[1024], *p;
	size_t	 n = sizeof(room);

	p = u8_casefold((const uint8_t *)s.p, s.len, NULL, UNINORM_NFKD, room,
	    &n);
	if (p == NULL)
		return errno == ENOMEM ? CM_ENOMEM : add_utf8(s, out);
	buf_add(out, p, n);
	if (p != room)
		free(p);
	return out->err;
}

int
charset_fold(struct span s, struct buf *out)
{
	size_t	 n;
	int	 rc = 0;

	while (rc == 0 && s.len > 0) {
		n = 0;
		if ((unsigned char)s.p[0] < 0x80) {
			while (n < s.len && (unsigned char)s.p[n] < 0x80)
				buf_addc(out, str_lower(s.p[n++]));
			rc = out->err;
		} else {
			while (n < s.len && (unsigned char)s.p[n] >= 0x80 &&
			    (n < RUN_MAX || (s.p[n] & 0xc0) == 0x80))
				n++;
			rc = fold_run((struct span){ s.p, n }, out);
		}
		s.p += n;
		s.len -= n;
	}
	return rc;
}
