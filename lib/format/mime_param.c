#include "format/mime_param.h"

#include <string.h>

#include "format/line.h"

static void
skip(struct span *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

/* Passes over one comment; an unclosed one takes the rest. */
static void
skip_comment(struct span *s)
{
	size_t	 depth = 0;

	do {
		if (*s->p == '\\' && s->len > 1)
			skip(s, 1);
		else if (*s->p == '(')
			depth++;
		else if (*s->p == ')')
			depth--;
		skip(s, 1);
	} while (s->len > 0 && depth > 0);
}

static void
skip_blanks(struct span *s)
{
	while (s->len > 0) {
		if (*s->p == '(')
			skip_comment(s);
		else if (line_blank(*s->p))
			skip(s, 1);
		else
			break;
	}
}

static bool
is_token_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static struct span
take_token(struct span *rest)
{
	struct span	 t;

	skip_blanks(rest);
	t.p = rest->p;
	while (rest->len > 0 && is_token_char(*rest->p))
		skip(rest, 1);
	t.len = (size_t)(rest->p - t.p);
	return t;
}

bool
mime_param_token(struct span *rest, struct span *token)
{
	*token = take_token(rest);
	return token->len > 0 && (rest->len == 0 || *rest->p != '=');
}

bool
mime_param_type(struct span *rest, struct span *type, struct span *subtype)
{
	*type = take_token(rest);
	skip_blanks(rest);
	if (type->len == 0 || rest->len == 0 || *rest->p != '/')
		return false;
	skip(rest, 1);
	*subtype = take_token(rest);
	return subtype->len > 0;
}

/*
 * A quoted string, or anything up to a blank or semicolon: unquoted values
 * with characters that should be quoted are common.
 */
static struct span
take_value(struct span *rest)
{
	struct span	 v = { rest->p, 0 };

	if (rest->len > 0 && *rest->p == '"') {
		skip(rest, 1);
		while (rest->len > 0 && *rest->p != '"')
			skip(rest, *rest->p == '\\' && rest->len > 1 ? 2 : 1);
		if (rest->len > 0)
			skip(rest, 1);
	} else {
		while (rest->len > 0 && *rest->p != ';' &&
		    !line_blank(*rest->p))
			skip(rest, 1);
	}
	v.len = (size_t)(rest->p - v.p);
	return v;
}

static void
take_name(struct span *rest, struct span *name)
{
	name->p = rest->p;
	while (rest->len > 0 && *rest->p != '=' && *rest->p != ';' &&
	    *rest->p != '(' && !line_blank(*rest->p))
		skip(rest, 1);
	name->len = (size_t)(rest->p - name->p);
}

bool
mime_param_next(struct span *rest, struct mime_param *p)
{
	for (;;) {
		skip_blanks(rest);
		if (rest->len == 0)
			return false;
		if (*rest->p == ';') {
			skip(rest, 1);
			continue;
		}
		take_name(rest, &p->name);
		skip_blanks(rest);
		if (rest->len == 0 || *rest->p != '=')
			continue;
		skip(rest, 1);
		skip_blanks(rest);
		p->value = take_value(rest);
		if (p->name.len > 0)
			return true;
	}
}

int
mime_param_text(struct span v, struct buf *b)
{
	bool	 quoted = v.len > 0 && *v.p == '"';

	for (size_t i = quoted; i < v.len; i++) {
		char c = v.p[i];

		if (quoted && c == '"')
			break;
		if (quoted && c == '\\' && i + 1 < v.len)
			c = v.p[++i];
		if (c == '\0')
			c = ' ';
		if (c != '\r' && c != '\n')
			buf_addc(b, c);
	}
	return b->err;
}

bool
mime_param_piece(struct span name, struct mime_piece *x)
{
	const char	*star = memchr(name.p, '*', name.len);
	struct span	 digits;
	uint64_t	 v;

	if (star == NULL || star == name.p)
		return false;
	x->name = (struct span){ name.p, (size_t)(star - name.p) };
	digits = (struct span){ star + 1, name.len - x->name.len - 1 };
	x->encoded = digits.len > 0 && digits.p[digits.len - 1] == '*';
	digits.len -= x->encoded;
	if (str_u64(digits.p, digits.len, 9999, &v) != 0)
		return false;
	x->number = (unsigned)v;
	return true;
}

int
mime_param_encode(struct span text, struct buf *b)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (is_token_char((char)c) && strchr("*'%", c) == NULL)
			buf_addc(b, (char)c);
		else
			buf_addf(b, "%%%02X", c);
	}
	return b->err;
}
