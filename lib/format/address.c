#include "format/address.h"

#include <string.h>

#include "format/line.h"

#define LOCAL_MAX	64
#define DOMAIN_MAX	255
#define LABEL_MAX	63

/*
 * The length of the UTF-8 character at p, 0 when it is none (RFC 3629 section
 * 4) or a C1 control, which a terminal might obey.
 */
static size_t
utf8_len(const char *s, size_t len)
{
	const unsigned char	*p = (const unsigned char *)s;
	size_t			 n;

	n = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 :
	    p[0] < 0xf5 ? 4 : 0;
	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
	    (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

/* The length of the atext (RFC 5322 section 3.2.3, RFC 6531) at p, or 0. */
static size_t
atext_len(const char *p, size_t len)
{
	if (is_alnum(*p) ||
	    (*p > ' ' && strchr("!#$%&'*+-/=?^_`{|}~", *p) != NULL))
		return 1;
	return utf8_len(p, len);
}

static bool
is_dot_atom(const char *p, size_t len)
{
	bool	 dot = true;
	size_t	 n;

	for (size_t i = 0; i < len; i += n) {
		if (p[i] == '.') {
			if (dot)
				return false;
			dot = true;
			n = 1;
		} else {
			if ((n = atext_len(p + i, len - i)) == 0)
				return false;
			dot = false;
		}
	}
	return !dot;
}

static void
skip(struct span *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

/* Takes a Quoted-string (RFC 5321) off s; its bytes, unescaped, into raw. */
static bool
take_quoted(struct span *s, char raw[LOCAL_MAX], size_t *len)
{
	size_t	 n;

	*len = 0;
	for (skip(s, 1); s->len > 0 && *s->p != '"'; skip(s, n)) {
		if (*s->p == '\\') {
			skip(s, 1);
			if (s->len == 0)
				return false;
			n = 1;
		} else {
			n = utf8_len(s->p, s->len);
			if (n == 0)
				n = 1;
		}
		if ((n == 1 && (*s->p < ' ' || *s->p > '~')) ||
		    *len + n > LOCAL_MAX)
			return false;
		memcpy(raw + *len, s->p, n);
		*len += n;
	}
	if (s->len == 0)
		return false;
	skip(s, 1);
	return true;
}

static bool
take_atoms(struct span *s, char raw[LOCAL_MAX], size_t *len)
{
	size_t	 n = 0;

	while (n < s->len && s->p[n] != '@')
		n++;
	if (n > LOCAL_MAX || !is_dot_atom(s->p, n))
		return false;
	memcpy(raw, s->p, n);
	*len = n;
	skip(s, n);
	return true;
}

/* Takes the local part off s and writes it to out; its length, 0 if wrong. */
static size_t
take_local(struct span *s, char *out)
{
	char	 raw[LOCAL_MAX];
	size_t	 len, n = 0;

	if (s->len == 0)
		return 0;
	if (*s->p == '"' ? !take_quoted(s, raw, &len) :
	    !take_atoms(s, raw, &len))
		return 0;
	if (is_dot_atom(raw, len)) {
		memcpy(out, raw, len);
		return len;
	}
	out[n++] = '"';
	for (size_t i = 0; i < len && n < LOCAL_MAX; i++) {
		if (raw[i] == '"' || raw[i] == '\\')
			out[n++] = '\\';
		out[n++] = raw[i];
	}
	out[n++] = '"';
	return n <= LOCAL_MAX ? n : 0;
}

/* [192.0.2.1], [IPv6:2001:db8::1] and what has the same form. */
static bool
is_literal(const char *p, size_t len)
{
	if (len < 3 || p[len - 1] != ']')
		return false;
	for (size_t i = 1; i < len - 1; i++)
		if (!is_alnum(p[i]) && strchr(".:-", p[i]) == NULL)
			return false;
	return memchr(p, '\0', len) == NULL;
}

/* One label; _ is no letter of host names, but some are in use. */
static bool
is_label(const char *p, size_t len)
{
	size_t	 n;

	if (len == 0 || len > LABEL_MAX || p[0] == '-' || p[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i += n) {
		if (is_alnum(p[i]) || p[i] == '-' || p[i] == '_')
			n = 1;
		else if ((n = utf8_len(p + i, len - i)) == 0)
			return false;
	}
	return true;
}

static bool
is_domain(const char *p, size_t len)
{
	struct span	 rest = { p, len }, label;

	if (len == 0 || len > DOMAIN_MAX)
		return false;
	if (*p == '[')
		return is_literal(p, len);
	while (str_field(&rest, '.', &label))
		if (!is_label(label.p, label.len))
			return false;
	return true;
}

/* Takes "@a,@b:" off s, the route of RFC 5321 appendix C. */
static bool
take_route(struct span *s)
{
	size_t	 n;
	char	 c;

	if (s->len == 0 || *s->p != '@')
		return true;
	do {
		if (s->len == 0 || *s->p != '@')
			return false;
		skip(s, 1);
		for (n = 0; n < s->len && s->p[n] != ',' && s->p[n] != ':' &&
		    s->p[n] != '['; n++)
			;
		if (n < s->len && s->p[n] == '[')
			while (n < s->len && s->p[n++] != ']')
				;
		if (n == s->len || !is_domain(s->p, n))
			return false;
		c = s->p[n];
		skip(s, n + 1);
	} while (c == ',');
	return c == ':';
}

int
address_parse(const char *p, size_t len, char *out)
{
	struct span	 s = { p, len };
	char		 tmp[ADDRESS_MAX + 1];
	size_t		 n;

	out[0] = '\0';
	if (len > 0 && p[0] == '<') {
		if (len < 2 || p[len - 1] != '>')
			return CM_EDATA;
		s = (struct span){ p + 1, len - 2 };
	}
	if (!take_route(&s) || (n = take_local(&s, tmp)) == 0)
		return CM_EDATA;
	if (s.len > 0) {
		if (*s.p != '@' || !is_domain(s.p + 1, s.len - 1))
			return CM_EDATA;
		for (size_t i = 0; i < s.len; i++)
			tmp[n++] = str_lower(s.p[i]);
	}
	return str_ncopy(out, ADDRESS_MAX + 1, tmp, n);
}

/* Where the local part ends: the @ or the end of the string. */
static const char *
local_end(const char *addr)
{
	const char	*p = addr;

	if (*p != '"')
		return p + strcspn(p, "@");
	for (p++; *p != '\0' && *p != '"'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return *p == '"' ? p + 1 : p;
}

const char *
address_domain(const char *addr)
{
	const char	*at = local_end(addr);

	return *at == '@' ? at + 1 : NULL;
}

int
address_key(const char *p, size_t len, char *out)
{
	const char	*end;
	int		 rc;

	if ((rc = address_parse(p, len, out)) != 0)
		return rc;
	end = local_end(out);
	for (char *q = out; q < end; q++)
		*q = str_lower(*q);
	return 0;
}

bool
address_base(const char *addr, char *out)
{
	const char	*end = local_end(addr), *plus;
	size_t		 q = *addr == '"';
	char		 tmp[ADDRESS_MAX + 1];

	out[0] = '\0';
	plus = memchr(addr, '+', (size_t)(end - addr));
	if (plus == NULL || plus == addr + q)
		return false;
	/* Parsed again, as the rest may need no quotes any more. */
	return str_fmt(tmp, sizeof(tmp), "%.*s%s%s", (int)(plus - addr), addr,
	    q ? "\"" : "", end) == 0 &&
	    address_parse(tmp, strlen(tmp), out) == 0;
}

/* The length of the quoted string, comment or literal at p. */
static size_t
quoted_len(const char *p, size_t len)
{
	size_t	 i;

	for (i = 1; i < len; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '"')
			return i + 1;
	}
	return len;
}

static size_t
comment_len(const char *p, size_t len)
{
	size_t	 i, depth = 0;

	for (i = 0; i < len; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '(')
			depth++;
		else if (p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return len;
}

/* A literal that isn't closed ends with the address. */
static size_t
literal_len(const char *p, size_t len)
{
	size_t	 i;

	for (i = 1; i < len && strchr("],;<>\"(", p[i]) == NULL; i++)
		;
	return i < len && p[i] == ']' ? i + 1 : i;
}

/* The length of what must be taken whole at p: one byte or a quoted thing. */
static size_t
token_len(const char *p, size_t len)
{
	switch (*p) {
	case '"':
		return quoted_len(p, len);
	case '(':
		return comment_len(p, len);
	case '[':
		return literal_len(p, len);
	}
	return 1;
}

static struct span
trimmed(const char *p, const char *end)
{
	while (p < end && line_blank(*p))
		p++;
	while (p < end && line_blank(end[-1]))
		end--;
	return (struct span){ p, (size_t)(end - p) };
}

/* What a walk over one address finds before its end. */
struct found {
	const char	*start;
	const char	*at;		/* the last @ */
	const char	*word;		/* that it is in */
	struct span	 comment;	/* the last one */
	bool		 text;		/* more than blanks and comments */
	bool		 words;		/* more than one word, or quoted */
};

/* Moves *rest to the first of stop's bytes that is in nothing quoted. */
static void
walk(struct span *rest, const char *stop, struct found *f)
{
	const char *word = rest->p;
	size_t	 n;
	bool	 blank = false, gap = true;
	char	 before = '\0';

	memset(f, 0, sizeof(*f));
	f->start = rest->p;
	for (; rest->len > 0; skip(rest, n)) {
		char c = *rest->p;

		if (c != '\0' && strchr(stop, c) != NULL &&
		    (c != ':' || f->at == NULL))
			return;
		n = token_len(rest->p, rest->len);
		if (c == '(') {
			f->comment = (struct span){ rest->p, n };
		} else if (line_blank(c)) {
			blank = f->text;
			gap = true;
		} else {
			/* "a . b @ c" is one */
			if (gap && strchr(".@", c) == NULL &&
			    before != '.' && before != '@')
				word = rest->p;
			if (c == '@') {
				f->at = rest->p;
				f->word = word;
			}
			f->words |= blank || c == '"';
			f->text = true;
			gap = false;
			before = c;
		}
	}
}

/* The text of the walk without a comment at its end or start. */
static struct span
phrase(const struct found *f, const char *end)
{
	struct span	 s = trimmed(f->start, end);
	const char	*c = f->comment.p;

	if (c == NULL)
		return s;
	if (c + f->comment.len == s.p + s.len)
		s = trimmed(s.p, c);
	else if (c == s.p)
		s = trimmed(c + f->comment.len, s.p + s.len);
	return s;
}

static void
split(struct address *a, const struct found *f, const char *start,
    const char *end)
{
	a->local = trimmed(start, f->at ? f->at : end);
	if (f->at != NULL)
		a->domain = trimmed(f->at + 1, end);
}

/* Takes "@a,@b:" off *rest; there is no route when no colon comes. */
static void
angle_route(struct span *rest, struct address *a)
{
	const char	*start = rest->p;
	size_t		 n;

	for (; rest->len > 0 && strchr("<>;:\"", *rest->p) == NULL;
	    skip(rest, n))
		n = token_len(rest->p, rest->len);
	if (rest->len > 0 && *rest->p == ':') {
		a->route = trimmed(start, rest->p);
		skip(rest, 1);
	} else {
		a->domain = trimmed(start + 1, rest->p);
	}
}

/* Takes the address in < > and its comments off *rest. */
static void
angle(struct span *rest, struct address *a)
{
	struct found	 f;

	skip(rest, 1);
	while (rest->len > 0 && line_blank(*rest->p))
		skip(rest, 1);
	if (rest->len > 0 && *rest->p == '@')
		angle_route(rest, a);
	if (a->domain.p == NULL) {
		walk(rest, "<>,;", &f);
		split(a, &f, f.start, rest->p);
	}
	if (rest->len == 0 || *rest->p != '>')
		return;
	while (rest->len > 0 && (line_blank(*rest->p) || *rest->p == '>' ||
	    *rest->p == '(')) {
		size_t n = token_len(rest->p, rest->len);

		if (*rest->p == '(' && a->name.len == 0)
			a->name = (struct span){ rest->p, n };
		skip(rest, n);
	}
}

/*
 * An address without < >: the name may be in a comment; words before it, where
 * the < was left out, are one.
 */
static void
bare(const struct found *f, const char *end, struct address *a)
{
	if (f->comment.p != NULL)
		a->name = f->comment;
	if (f->at != NULL && trimmed(f->start, f->word).len > 0 &&
	    a->name.p == NULL)
		a->name = trimmed(f->start, f->word);
	if (f->at != NULL)
		split(a, f, f->word, end);
	else if (!f->words)
		split(a, f, f->start, end);
	else
		a->name = phrase(f, end);
}

/* Passes over blanks, empty elements and the > of an address before. */
static void
skip_empty(struct span *rest)
{
	while (rest->len > 0 && (line_blank(*rest->p) || *rest->p == ',' ||
	    *rest->p == '>'))
		skip(rest, 1);
}

bool
address_next(struct span *rest, struct address *a)
{
	struct found	 f;
	char		 c;

	memset(a, 0, sizeof(*a));
	do {
		skip_empty(rest);
		if (rest->len == 0)
			return false;
		walk(rest, ",;:<", &f);
		c = rest->len > 0 ? *rest->p : '\0';
	} while (!f.text && (c == ',' || c == '\0'));
	if (c == ':') {
		a->kind = ADDRESS_GROUP;
		a->name = phrase(&f, rest->p);
		skip(rest, 1);
	} else if (c == '<') {
		a->name = phrase(&f, rest->p);
		if (a->name.len == 0)
			a->name = f.comment;
		angle(rest, a);
	} else if (f.text) {
		bare(&f, rest->p, a);
	} else {
		a->kind = ADDRESS_GROUP_END;
		skip(rest, 1);
	}
	return true;
}

/* Adds the bytes of a quoted string or comment without its outer marks. */
static void
unescape(struct buf *b, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\\' && i + 1 < len)
			i++;
		buf_addc(b, p[i]);
	}
}

/* The length inside the marks; an unclosed one has no second mark. */
static size_t
inner_len(const char *p, size_t n, char mark)
{
	return n - 1 - (n > 1 && p[n - 1] == mark);
}

int
address_text(struct span s, bool blanks, struct buf *b)
{
	size_t	 n, start = b->len;
	bool	 gap = false;

	if (blanks && s.len > 0 && *s.p == '(' &&
	    comment_len(s.p, s.len) == s.len) {
		unescape(b, s.p + 1, inner_len(s.p, s.len, ')'));
		return b->err;
	}
	for (; s.len > 0 && b->err == 0; skip(&s, n)) {
		n = *s.p == '[' ? 1 : token_len(s.p, s.len);
		if (line_blank(*s.p) || *s.p == '(') {
			gap = true;
			continue;
		}
		if (gap && blanks && b->len > start)
			buf_addc(b, ' ');
		gap = false;
		if (*s.p == '"')
			unescape(b, s.p + 1, inner_len(s.p, n, '"'));
		else
			buf_add(b, s.p, n);
	}
	return b->err;
}
