#include "format/transfer.h"

#include <string.h>

#include "format/header.h"

enum transfer
transfer_of(struct span header)
{
	struct header_field f;
	struct span	 v;

	if (!header_find(header, "Content-Transfer-Encoding", &f))
		return TRANSFER_NONE;
	v = f.value;
	while (v.len > 0 && strchr(" \t\r\n", v.p[0]) != NULL) {
		v.p++;
		v.len--;
	}
	while (v.len > 0 && strchr(" \t\r\n;", v.p[v.len - 1]) != NULL)
		v.len--;
	if (str_ieq(v.p, v.len, "base64"))
		return TRANSFER_BASE64;
	if (str_ieq(v.p, v.len, "quoted-printable"))
		return TRANSFER_QP;
	if (str_ieq(v.p, v.len, "7bit") || str_ieq(v.p, v.len, "8bit") ||
	    str_ieq(v.p, v.len, "binary") || v.len == 0)
		return TRANSFER_NONE;
	return TRANSFER_UNKNOWN;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 2045 section 6.8: other characters are passed over.  Some put several
 * encoded pieces behind each other, so padding ends one of them. */
static int
decode_base64(struct span s, struct buf *out)
{
	uint32_t	 bits = 0;
	unsigned	 have = 0;
	int		 v;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '=') {
			bits = have = 0;
			continue;
		}
		if ((v = base64_value(s.p[i])) < 0)
			continue;
		bits = (bits << 6 | (uint32_t)v) & 0xffffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		buf_addc(out, (char)(bits >> have & 0xff));
	}
	return out->err;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of "=3D" at s, or of "=" itself; 0: a broken one. */
static size_t
decode_escape(struct span s, struct buf *out)
{
	int	 hi, lo;

	if (s.len < 3 || (hi = hex_value(s.p[1])) < 0 ||
	    (lo = hex_value(s.p[2])) < 0)
		return 0;
	buf_addc(out, (char)(hi << 4 | lo));
	return 3;
}

/* A line without its end; true: the next one goes on with it. */
static bool
decode_qp_line(struct span s, struct buf *out)
{
	size_t	 n;

	/* rule 3: blanks at the end were added on the way */
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	while (s.len > 0) {
		if (s.p[0] == '=' && s.len == 1)
			return true;
		if (s.p[0] == '=' && (n = decode_escape(s, out)) > 0) {
			s.p += n;
			s.len -= n;
			continue;
		}
		buf_addc(out, s.p[0]);
		s.p++;
		s.len--;
	}
	return false;
}

static int
decode_qp(struct span s, struct buf *out)
{
	const char	*lf;
	struct span	 line;
	size_t		 n;
	bool		 cr;

	while (s.len > 0) {
		lf = memchr(s.p, '\n', s.len);
		n = lf != NULL ? (size_t)(lf - s.p) + 1 : s.len;
		line = (struct span){ s.p, lf != NULL ? n - 1 : n };
		cr = lf != NULL && line.len > 0 &&
		    line.p[line.len - 1] == '\r';
		line.len -= cr;
		if (!decode_qp_line(line, out) && lf != NULL)
			buf_add(out, cr ? "\r\n" : "\n", cr ? 2 : 1);
		s.p += n;
		s.len -= n;
	}
	return out->err;
}

int
transfer_decode(enum transfer e, struct span s, struct buf *out)
{
	switch (e) {
	case TRANSFER_BASE64:
		return decode_base64(s, out);
	case TRANSFER_QP:
		return decode_qp(s, out);
	default:
		return s.len > 0 ? buf_add(out, s.p, s.len) : out->err;
	}
}
