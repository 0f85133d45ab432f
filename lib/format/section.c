#include "format/section.h"

#include <string.h>

#include "format/header.h"
#include "format/mime.h"
#include "format/transfer.h"

/*
 * The part that numbers lead to; false: there is none.  Those of a message that
 * is no multipart are 1, which is its body; message/rfc822 has the numbers of
 * what is in it.  A multipart without parts has the empty one that its
 * BODYSTRUCTURE says.
 */
static bool
find_part(const struct mime_tree *t, const struct imap_section *s,
    struct mime_part *out)
{
	const struct mime_part *parts = t->parts;
	int		 in = 0, at = 0;	/* in: whose numbers they are */

	for (unsigned i = 0; i < s->nparts; i++) {
		if (i > 0) {
			if (parts[at].kind == MIME_LEAF)
				return false;
			in = parts[at].kind == MIME_MESSAGE ?
			    parts[at].child : at;
			if (in < 0)
				return false;
		}
		if (parts[in].kind != MIME_MULTIPART) {
			if (s->part[i] != 1)
				return false;
			at = in;
			continue;
		}
		if (parts[in].child < 0) {
			size_t end = parts[in].end;

			*out = (struct mime_part){ .header = end, .body = end,
			    .end = end };
			return s->part[i] == 1 && i + 1 == s->nparts;
		}
		at = parts[in].child;
		for (uint32_t n = 1; at >= 0 && n < s->part[i]; n++)
			at = parts[at].next;
		if (at < 0)
			return false;
	}
	*out = parts[at];
	return true;
}

static bool
is_named(struct span name, const struct imap_section *s)
{
	for (unsigned i = 0; i < s->nfields; i++)
		if (name.len == s->field[i].len &&
		    strncasecmp(name.p, s->field[i].p, name.len) == 0)
			return true;
	return false;
}

static bool
ends_empty(struct span header)
{
	size_t	 n = header.len;

	if (n == 0 || header.p[--n] != '\n')
		return false;
	if (n > 0 && header.p[n - 1] == '\r')
		n--;
	return n == 0 || header.p[n - 1] == '\n';
}

/* Those fields in their order, and the empty line if there is one. */
static int
pick_fields(struct span header, const struct imap_section *s, struct buf *b)
{
	struct header_field f;
	bool		 not = s->what == IMAP_HEADER_FIELDS_NOT;
	bool		 empty = ends_empty(header);

	while (header_next(&header, &f))
		if (is_named(f.name, s) != not)
			buf_add(b, f.whole.p, f.whole.len);
	return empty ? buf_adds(b, "\r\n") : b->err;
}

static struct span
header_of(struct span msg, const struct mime_part *p)
{
	return (struct span){ msg.p + p->header, p->body - p->header };
}

static struct span
body_of(struct span msg, const struct mime_part *p)
{
	return (struct span){ msg.p + p->body, p->end - p->body };
}

static int
pick(struct span msg, const struct mime_tree *t, const struct imap_section *s,
    struct buf *b, struct span *out)
{
	struct mime_part found;
	const struct mime_part *p = &found;
	int		 rc;

	if (!find_part(t, s, &found))
		return CM_ENOINPUT;
	if (s->what == IMAP_MIME) {
		*out = header_of(msg, p);
		return 0;
	}
	if (s->what == IMAP_WHOLE) {
		*out = s->nparts == 0 ? msg : body_of(msg, p);
		return 0;
	}
	/* the rest is of messages */
	if (s->nparts > 0) {
		if (p->kind != MIME_MESSAGE)
			return CM_ENOINPUT;
		p = &t->parts[p->child];
	}
	if (s->what == IMAP_TEXT) {
		*out = body_of(msg, p);
		return 0;
	}
	*out = header_of(msg, p);
	if (s->what == IMAP_HEADER)
		return 0;
	rc = pick_fields(*out, s, b);
	*out = (struct span){ b->len > 0 ? b->p : "", b->len };
	return rc;
}

int
section_get(struct span msg, const struct imap_section *s, struct buf *b,
    struct span *out)
{
	struct mime_tree t;
	int		 rc;

	buf_reset(b);
	/* what most ask for needs no look at the parts */
	if (s->nparts == 0 && s->what == IMAP_WHOLE) {
		*out = msg;
		return 0;
	}
	if (s->nparts == 0) {
		size_t n = header_end(msg.p, msg.len);
		struct mime_part root = { .body = n, .end = msg.len };

		t = (struct mime_tree){ .parts = &root, .n = 1 };
		return pick(msg, &t, s, b, out);
	}
	if ((rc = mime_scan(msg.p, msg.len, &t)) != 0)
		return rc;
	rc = pick(msg, &t, s, b, out);
	mime_free(&t);
	return rc;
}

struct span
section_partial(struct span s, uint32_t offset, uint32_t count)
{
	size_t	 skip = offset < s.len ? offset : s.len;

	if (s.p == NULL)
		return (struct span){ "", 0 };
	s.p += skip;
	s.len -= skip;
	if (s.len > count)
		s.len = count;
	return s;
}

/* --- BINARY --- */

static int
decode(struct span msg, const struct mime_part *p, struct buf *b)
{
	enum transfer	 how = transfer_of(header_of(msg, p));

	/* a multipart's or a message's own encoding changes nothing */
	if (p->kind != MIME_LEAF)
		how = TRANSFER_NONE;
	if (how == TRANSFER_UNKNOWN)
		return CM_EDATA;
	return transfer_decode(how, body_of(msg, p), b);
}

int
section_binary(struct span msg, const struct imap_section *s, struct buf *b,
    bool *nul)
{
	struct mime_tree t;
	struct mime_part p;
	int		 rc;

	buf_reset(b);
	if (s->nparts == 0) {
		rc = buf_add(b, msg.p, msg.len);
	} else if ((rc = mime_scan(msg.p, msg.len, &t)) == 0) {
		rc = find_part(&t, s, &p) ? decode(msg, &p, b) : CM_ENOINPUT;
		mime_free(&t);
	}
	*nul = rc == 0 && b->len > 0 && memchr(b->p, '\0', b->len) != NULL;
	return rc;
}

/* --- BODY --- */

/* A value: a list, a quoted string, or a word. */
static int
value(struct span *in, struct span *out)
{
	unsigned	 depth = 0;
	size_t		 n = 0;

	do {
		if (n == in->len)
			return CM_EDATA;
		if (in->p[n] == '"') {
			for (n++; n < in->len && in->p[n] != '"'; n++)
				n += in->p[n] == '\\';
			if (n >= in->len)
				return CM_EDATA;
		} else if (in->p[n] == '(') {
			depth++;
		} else if (in->p[n] == ')') {
			if (depth-- == 0)
				return CM_EDATA;
		} else if (depth == 0) {
			if (in->p[n] == ' ')
				return CM_EDATA;
			while (n + 1 < in->len && in->p[n + 1] != ' ' &&
			    in->p[n + 1] != ')')
				n++;
		}
		n++;
	} while (depth > 0);
	*out = (struct span){ in->p, n };
	in->p += n;
	in->len -= n;
	return 0;
}

static bool
next_is(const struct span *in, char c)
{
	return in->len > 0 && in->p[0] == c;
}

static int
expect(struct span *in, char c)
{
	if (!next_is(in, c))
		return CM_EDATA;
	in->p++;
	in->len--;
	return 0;
}

static int
copy_values(struct span *in, unsigned n, struct buf *out)
{
	struct span	 v;

	for (unsigned i = 0; i < n; i++) {
		if (i > 0) {
			if (expect(in, ' ') != 0)
				return CM_EDATA;
			buf_addc(out, ' ');
		}
		if (value(in, &v) != 0)
			return CM_EDATA;
		buf_add(out, v.p, v.len);
	}
	return 0;
}

/* The extension data, and what closes it. */
static int
skip_rest(struct span *in, struct buf *out)
{
	struct span	 v;

	while (!next_is(in, ')'))
		if (expect(in, ' ') != 0 || value(in, &v) != 0)
			return CM_EDATA;
	buf_addc(out, ')');
	return expect(in, ')');
}

static int body(struct span *in, struct buf *out, unsigned depth);

/* Type, subtype, parameters, id, description, encoding, size; then of a text
 * its lines, of a message its ENVELOPE, BODY and lines. */
static int
single(struct span *in, struct buf *out, unsigned depth)
{
	if (copy_values(in, 7, out) != 0)
		return CM_EDATA;
	if (in->len > 1 && in->p[0] == ' ' && in->p[1] == '(') {
		if (expect(in, ' ') != 0)
			return CM_EDATA;
		buf_addc(out, ' ');
		if (copy_values(in, 1, out) != 0 || expect(in, ' ') != 0)
			return CM_EDATA;
		buf_addc(out, ' ');
		if (body(in, out, depth + 1) != 0)
			return CM_EDATA;
	}
	if (in->len > 1 && in->p[0] == ' ' && in->p[1] >= '0' &&
	    in->p[1] <= '9') {
		if (expect(in, ' ') != 0)
			return CM_EDATA;
		buf_addc(out, ' ');
		if (copy_values(in, 1, out) != 0)
			return CM_EDATA;
	}
	return skip_rest(in, out);
}

static int
body(struct span *in, struct buf *out, unsigned depth)
{
	if (depth > MIME_DEPTH_MAX || expect(in, '(') != 0)
		return CM_EDATA;
	buf_addc(out, '(');
	if (!next_is(in, '('))
		return single(in, out, depth);
	while (next_is(in, '('))
		if (body(in, out, depth + 1) != 0)
			return CM_EDATA;
	if (expect(in, ' ') != 0)
		return CM_EDATA;
	buf_addc(out, ' ');
	if (copy_values(in, 1, out) != 0)
		return CM_EDATA;
	return skip_rest(in, out);
}

int
section_body(struct span s, struct buf *out)
{
	size_t	 was = out->len;

	if (body(&s, out, 0) == 0 && s.len == 0)
		return out->err;
	if (out->err == 0)
		out->len = was;
	return out->err != 0 ? out->err : CM_EDATA;
}
