/* The words that commands are made of. */
#include <string.h>

#include "format/imap_int.h"

#define LITERAL_MAX	28	/* of "~{...+}" CR */

int
imap_bad(struct imap_in *in, const char *why)
{
	in->cmd->why = why;
	return CM_EDATA;
}

int
imap_big(struct imap_in *in, const char *why)
{
	in->cmd->why = why;
	return CM_ETOOBIG;
}

bool
imap_next(const struct imap_in *in, char c)
{
	return in->p < in->end && *in->p == c;
}

bool
imap_take(struct imap_in *in, char c)
{
	if (!imap_next(in, c))
		return false;
	in->p++;
	return true;
}

/* ATOM-CHAR of RFC 3501 section 9. */
static bool
is_atom_char(char c)
{
	return c > 0x20 && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

/* In names of folders and the like clients send other bytes, too. */
static bool
is_astring_char(char c)
{
	return is_atom_char(c) || c == ']' || (unsigned char)c > 0x7f;
}

static bool
is_pattern_char(char c)
{
	return is_astring_char(c) || c == '%' || c == '*';
}

static bool
is_word_char(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	    (str_lower(c) >= 'a' && str_lower(c) <= 'z');
}

static struct span
run(struct imap_in *in, bool (*is)(char))
{
	const char	*p = in->p;

	while (in->p < in->end && is(*in->p))
		in->p++;
	return (struct span){ p, (size_t)(in->p - p) };
}

struct span
imap_word(struct imap_in *in)
{
	return run(in, is_word_char);
}

bool
imap_take_word(struct imap_in *in, const char *want)
{
	struct imap_in	 save = *in;
	struct span	 w = imap_word(in);

	if (str_ieq(w.p, w.len, want))
		return true;
	*in = save;
	return false;
}

size_t
imap_find(struct span s, const char *const *names, size_t n)
{
	size_t	 i;

	for (i = 0; i < n && !str_ieq(s.p, s.len, names[i]); i++)
		;
	return i;
}

int
imap_blank(struct imap_in *in)
{
	return imap_take(in, ' ') ? 0 : imap_bad(in, in->p == in->end ?
	    "something is missing at the end" : "a blank is missing");
}

bool
imap_take_list(struct imap_in *in)
{
	if (in->end - in->p < 2 || in->p[0] != ' ' || in->p[1] != '(')
		return false;
	in->p += 2;
	return true;
}

int
imap_open(struct imap_in *in)
{
	return imap_take(in, '(') ? 0 : imap_bad(in, "a ( is missing");
}

int
imap_more(struct imap_in *in, unsigned n, unsigned min)
{
	int	 rc;

	if (imap_take(in, ')'))
		return n < min ? imap_bad(in, "a list is empty") : 0;
	if (n == IMAP_ITEMS_MAX)
		return imap_big(in, "a list is too long");
	if (n > 0 && (rc = imap_blank(in)) != 0)
		return rc;
	return in->p < in->end ? 1 : imap_bad(in, "a ) is missing");
}

int
imap_atom(struct imap_in *in, struct span *out)
{
	*out = run(in, is_atom_char);
	return out->len > 0 ? 0 : imap_bad(in, "a word is missing");
}

/* What was quoted, without the backslashes. */
static int
unquote(struct imap_in *in, struct span s, struct span *out)
{
	char	*p = imap_alloc(in, s.len);
	size_t	 n = 0;

	if (p == NULL)
		return imap_short(in);
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		p[n++] = s.p[i];
	}
	*out = (struct span){ p, n };
	return 0;
}

int
imap_quoted(struct imap_in *in, struct span *out)
{
	const char	*start;
	bool		 escaped = false;

	if (!imap_take(in, '"'))
		return imap_bad(in, "a string is missing");
	start = in->p;
	for (; in->p < in->end && *in->p != '"'; in->p++) {
		if (*in->p == '\r' || *in->p == '\n' || *in->p == '\0')
			break;
		if (*in->p != '\\')
			continue;
		escaped = true;
		if (++in->p == in->end || (*in->p != '"' && *in->p != '\\'))
			return imap_bad(in, "a \\ is not before \" or \\");
	}
	*out = (struct span){ start, (size_t)(in->p - start) };
	if (!imap_take(in, '"'))
		return imap_bad(in, "a string has no end");
	return escaped ? unquote(in, *out, out) : 0;
}

int
imap_bytes(struct imap_in *in, struct span *out, bool *binary)
{
	struct imap_literal l;
	const char	*cr = NULL, *brace = in->p + imap_next(in, '~');
	size_t		 n = (size_t)(in->end - in->p);

	if (n > LITERAL_MAX)
		n = LITERAL_MAX;
	if (brace < in->end && *brace == '{')
		cr = memchr(in->p, '\r', n);
	if (cr == NULL || in->end - cr < 2 || cr[1] != '\n' ||
	    memchr(brace + 1, '{', (size_t)(cr - brace - 1)) != NULL ||
	    imap_literal((struct span){ in->p, (size_t)(cr - in->p) }, &l) != 0)
		return imap_bad(in, "a literal is missing");
	if (l.len > (uint64_t)(in->end - cr - 2))
		return imap_bad(in, "a literal is not complete");
	*out = (struct span){ cr + 2, (size_t)l.len };
	*binary = l.binary;
	in->p = cr + 2 + l.len;
	return 0;
}

int
imap_text(struct imap_in *in, struct span *out)
{
	bool	 binary;
	int	 rc;

	if (!imap_next(in, '{'))
		return imap_quoted(in, out);
	if ((rc = imap_bytes(in, out, &binary)) != 0)
		return rc;
	if (out->len > 0 && memchr(out->p, '\0', out->len) != NULL)
		return imap_bad(in, "a NUL in a string");
	return 0;
}

int
imap_astring(struct imap_in *in, struct span *out)
{
	if (imap_next(in, '"') || imap_next(in, '{'))
		return imap_text(in, out);
	*out = run(in, is_astring_char);
	return out->len > 0 ? 0 : imap_bad(in, "a string is missing");
}

int
imap_nil(struct imap_in *in, struct span *out)
{
	if (!imap_take_word(in, "NIL"))
		return imap_text(in, out);
	*out = (struct span){ NULL, 0 };
	return 0;
}

int
imap_pattern(struct imap_in *in, struct span *out)
{
	if (imap_next(in, '"') || imap_next(in, '{'))
		return imap_text(in, out);
	*out = run(in, is_pattern_char);
	return out->len > 0 ? 0 : imap_bad(in, "a pattern is missing");
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int
imap_number(struct imap_in *in, uint64_t max, uint64_t *out)
{
	struct span	 s = run(in, is_digit);

	if (s.len == 0)
		return imap_bad(in, "a number is missing");
	if (str_u64(s.p, s.len, max, out) != 0)
		return imap_bad(in, "a number is too large");
	return 0;
}

int
imap_number_nz(struct imap_in *in, uint32_t *out)
{
	uint64_t	 v;
	int		 rc;

	if ((rc = imap_number(in, UINT32_MAX, &v)) != 0)
		return rc;
	*out = (uint32_t)v;
	return v == 0 ? imap_bad(in, "a number is 0") : 0;
}

/* RFC 7162 section 7: of 63 bits. */
int
imap_modseq(struct imap_in *in, uint64_t *out)
{
	return imap_number(in, INT64_MAX, out);
}

static bool
is_set_char(char c)
{
	return is_digit(c) || c == ',' || c == ':' || c == '*' || c == '$';
}

int
imap_read_set(struct imap_in *in, struct imap_set *out, enum imap_kind kind)
{
	struct span	 s = run(in, is_set_char);
	int		 rc;

	if (s.len == 0)
		return imap_bad(in, "a set of numbers is missing");
	if ((rc = imap_set_parse(s, out)) == CM_EDATA)
		return imap_bad(in, "a set of numbers is wrong");
	if (rc == CM_ETOOBIG)
		return imap_big(in, "a set of numbers is too long");
	return rc != 0 ? rc : imap_keep_set(in, out, kind);
}

/* --- of lines --- */

int
imap_literal(struct span line, struct imap_literal *l)
{
	size_t	 at, end;

	*l = (struct imap_literal){ 0 };
	if (line.len < 3 || line.p[line.len - 1] != '}')
		return CM_EEND;
	end = line.len - 1;
	if (line.p[end - 1] == '+') {
		l->plus = true;
		end--;
	}
	for (at = end; at > 0 && is_digit(line.p[at - 1]); at--)
		;
	if (at == end || at == 0 || line.p[at - 1] != '{')
		return CM_EEND;
	l->binary = at > 1 && line.p[at - 2] == '~';
	return str_u64(line.p + at, end - at, INT64_MAX, &l->len);
}
