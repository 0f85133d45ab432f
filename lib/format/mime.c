#include "format/mime.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "format/header.h"
#include "format/line.h"
#include "format/mime_param.h"

#define BOUNDARY_MAX	256	/* RFC 2046 says 70; some write more */

/* A part whose end was not seen yet. */
struct open {
	int		 part;
	int		 last;		/* its last child, -1 for none */
	bool		 digest;	/* children are messages by default */
	bool		 delimits;	/* its boundary is looked for */
	uint32_t	 hash;		/* of the boundary */
	size_t		 blen;
	char		 boundary[BOUNDARY_MAX];
};

/*
 * The scan goes over the lines once.  stack[0] is the message, stack[depth-1]
 * the innermost open part: the one that has the line unless it delimits.
 */
struct scan {
	const char	*msg;
	struct mime_tree *tree;
	size_t		 at;		/* start of the line */
	uint32_t	 lines;		/* line ends before it */
	bool		 in_header;
	size_t		 depth;
	struct open	 stack[MIME_DEPTH_MAX + 1];
};

/* FNV-1a, so that a line is read once however many boundaries are open. */
static uint32_t
hash_add(uint32_t h, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)p[i]) * 16777619u;
	return h;
}

#define HASH_START 2166136261u

static struct open *
top(struct scan *s)
{
	return &s->stack[s->depth - 1];
}

static struct mime_part *
top_part(struct scan *s)
{
	return &s->tree->parts[top(s)->part];
}

/* Where the line before this one ends, without its line end. */
static size_t
before(const struct scan *s)
{
	size_t	 at = s->at;

	if (at > 0 && s->msg[at - 1] == '\n')
		at -= at > 1 && s->msg[at - 2] == '\r' ? 2 : 1;
	return at;
}

/* The line ends before pos, which is before() or the line's start. */
static uint32_t
lines_at(const struct scan *s, size_t pos)
{
	return pos < s->at ? s->lines - 1 : s->lines;
}

static int
grow(struct mime_tree *t)
{
	size_t		  cap = t->cap ? t->cap * 2 : 8;
	struct mime_part *p;

	if (t->n < t->cap)
		return 0;
	if ((p = realloc(t->parts, cap * sizeof(*p))) == NULL)
		return CM_ENOMEM;
	t->parts = p;
	t->cap = cap;
	return 0;
}

/* Opens a part, a child of the innermost one, whose header starts there. */
static int
push(struct scan *s, size_t header)
{
	struct mime_tree *t = s->tree;
	struct open	 *o;
	struct mime_part *p;
	int		  rc;

	if ((rc = grow(t)) != 0)
		return rc;
	p = &t->parts[t->n];
	*p = (struct mime_part){ .header = header, .child = -1, .next = -1,
	    .parent = -1 };
	if (s->depth > 0) {
		o = top(s);
		p->parent = o->part;
		if (o->last == -1)
			t->parts[o->part].child = (int)t->n;
		else
			t->parts[o->last].next = (int)t->n;
		o->last = (int)t->n;
	}
	o = &s->stack[s->depth++];
	o->part = (int)t->n++;
	o->last = -1;
	o->digest = o->delimits = false;
	s->in_header = true;
	return 0;
}

/* Closes the innermost part at pos or where its contents end, if later. */
static size_t
pop(struct scan *s, size_t pos)
{
	struct mime_part	*p = top_part(s);

	if (pos < p->body)
		pos = p->body;
	p->end = pos;
	p->lines = lines_at(s, pos) - p->lines;
	s->depth--;
	return pos;
}

/* Keeps the boundary parameter; false when there is none to be used. */
static bool
take_boundary(struct open *o, struct span params)
{
	struct mime_param	 p;
	struct buf		 b;
	bool			 good;

	do {
		if (!mime_param_next(&params, &p))
			return false;
	} while (!str_ieq(p.name.p, p.name.len, "boundary"));
	buf_init(&b, BOUNDARY_MAX);
	good = mime_param_text(p.value, &b) == 0;
	while (b.len > 0 && line_blank(b.p[b.len - 1]))
		b.len--;
	if ((good = good && b.len > 0)) {
		memcpy(o->boundary, b.p, b.len);
		o->blen = b.len;
		o->hash = hash_add(HASH_START, b.p, b.len);
		o->delimits = true;
	}
	buf_free(&b);
	return good;
}

/* The encodings that hide the lines of a part from a scan. */
static bool
is_encoded(struct span encoding)
{
	struct span	 t;

	return mime_param_token(&encoding, &t) &&
	    (str_ieq(t.p, t.len, "base64") ||
	    str_ieq(t.p, t.len, "quoted-printable"));
}

/* What a part is by its header; type is empty when it has none. */
static enum mime_kind
kind_of(struct scan *s, struct span type, struct span encoding)
{
	struct open	*o = top(s);
	struct span	 t, sub;

	if (type.p == NULL) {
		if (s->depth > 1 && o[-1].digest && !is_encoded(encoding))
			return MIME_MESSAGE;
		return MIME_LEAF;
	}
	if (!mime_param_type(&type, &t, &sub))
		return MIME_LEAF;
	if (str_ieq(t.p, t.len, "message"))
		return !is_encoded(encoding) &&
		    (str_ieq(sub.p, sub.len, "rfc822") ||
		    str_ieq(sub.p, sub.len, "global")) ?
		    MIME_MESSAGE : MIME_LEAF;
	if (!str_ieq(t.p, t.len, "multipart") || !take_boundary(o, type))
		return MIME_LEAF;
	o->digest = str_ieq(sub.p, sub.len, "digest");
	return MIME_MULTIPART;
}

/* The innermost part's header ends at pos, where lines line ends are passed. */
static int
end_header(struct scan *s, size_t pos, uint32_t lines)
{
	struct mime_part	*p = top_part(s);
	struct span		 rest = { s->msg + p->header,
				    pos - p->header };
	struct span		 type = { NULL, 0 }, encoding = { NULL, 0 };
	struct header_field	 f;

	s->in_header = false;
	p->body = pos;
	p->lines = lines;
	if (s->depth > MIME_DEPTH_MAX || s->tree->n >= MIME_PARTS_MAX)
		return 0;
	while (header_next(&rest, &f)) {
		if (type.p == NULL &&
		    str_ieq(f.name.p, f.name.len, "content-type"))
			type = f.value;
		else if (encoding.p == NULL && str_ieq(f.name.p, f.name.len,
		    "content-transfer-encoding"))
			encoding = f.value;
	}
	p->kind = kind_of(s, type, encoding);
	return p->kind == MIME_MESSAGE ? push(s, pos) : 0;
}

/* A delimiter, or the end of the message, comes before the empty line. */
static int
cut_header(struct scan *s, size_t pos)
{
	int	 rc = 0;

	while (rc == 0 && s->in_header) {
		if (pos < top_part(s)->header)
			pos = top_part(s)->header;
		rc = end_header(s, pos, lines_at(s, pos));
	}
	return rc;
}

/*
 * The innermost open multipart that this line (behind its "--") delimits: its
 * place in the stack, 0 and *found false for none.
 */
static size_t
match(const struct scan *s, const char *p, size_t len, bool *closes,
    bool *found)
{
	uint32_t	 whole, part;
	size_t		 n;

	*found = false;
	while (len > 0 && line_blank(p[len - 1]))
		len--;
	if (len == 0 || len > BOUNDARY_MAX + 2)
		return 0;
	n = len > 2 && memcmp(p + len - 2, "--", 2) == 0 ? len - 2 : len;
	part = hash_add(HASH_START, p, n);
	whole = hash_add(part, p + n, len - n);
	for (size_t i = s->depth; i-- > 0; ) {
		const struct open *o = &s->stack[i];

		if (!o->delimits)
			continue;
		*closes = n < len && o->blen == n && o->hash == part;
		if (!*closes && !(o->blen == len && o->hash == whole))
			continue;
		if (memcmp(o->boundary, p, o->blen) == 0) {
			*found = true;
			return i;
		}
	}
	return 0;
}

/* The line delimits the multipart at place i of the stack. */
static int
delimiter(struct scan *s, size_t i, bool closes, size_t next)
{
	size_t	 pos = before(s);
	int	 rc;

	if ((rc = cut_header(s, pos)) != 0)
		return rc;
	while (s->depth > i + 1)
		pos = pop(s, pos);
	s->in_header = false;
	if (closes) {
		top(s)->delimits = false;
		return 0;
	}
	return push(s, next);
}

/* One line of n bytes, text without its end. */
static int
scan_line(struct scan *s, size_t n, size_t text)
{
	const char	*p = s->msg + s->at;
	bool		 closes = false, found = false;
	size_t		 i;
	int		 rc = 0;

	if (text > 2 && p[0] == '-' && p[1] == '-') {
		i = match(s, p + 2, text - 2, &closes, &found);
		if (found && (closes || s->tree->n < MIME_PARTS_MAX))
			return delimiter(s, i, closes, s->at + n);
	}
	/* A first line that no header starts with is the body's first. */
	while (rc == 0 && s->in_header && top_part(s)->header == s->at &&
	    text > 0 && !header_starts(p, text))
		rc = end_header(s, s->at, s->lines);
	if (rc == 0 && s->in_header && text == 0)
		rc = end_header(s, s->at + n, s->lines + 1);
	return rc;
}

static int
scan_all(struct scan *s, size_t len)
{
	size_t	 n, text;
	int	 rc;

	if ((rc = push(s, 0)) != 0)
		return rc;
	while (s->at < len) {
		n = line_span(s->msg + s->at, len - s->at, &text);
		if ((rc = scan_line(s, n, text)) != 0)
			return rc;
		s->at += n;
		s->lines += s->msg[s->at - 1] == '\n';
	}
	if ((rc = cut_header(s, len)) != 0)
		return rc;
	while (s->depth > 0)
		pop(s, len);
	return 0;
}

int
mime_scan(const char *msg, size_t len, struct mime_tree *t)
{
	struct scan	*s;
	int		 rc;

	memset(t, 0, sizeof(*t));
	/* On the heap: too big for a thread's stack to be sure. */
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return CM_ENOMEM;
	s->msg = msg;
	s->tree = t;
	if ((rc = scan_all(s, len)) != 0)
		mime_free(t);
	free(s);
	return rc;
}

void
mime_free(struct mime_tree *t)
{
	if (t == NULL)
		return;
	free(t->parts);
	memset(t, 0, sizeof(*t));
}
