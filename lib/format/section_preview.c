/* PREVIEW: RFC 8970. */
#include <string.h>

#include "format/charset.h"
#include "format/mime.h"
#include "format/part_text.h"
#include "format/section.h"

#define CHARACTERS_MAX	200		/* RFC 8970 section 3.1: 256 at most */
#define BODY_MAX	65536		/* bytes that are looked at */
#define TEXT_MAX	(1u << 20)

struct preview {
	struct buf	*out;
	size_t		 n;		/* characters so far */
	bool		 blank;		/* one comes before the next */
};

static bool
is_blank(uint32_t c)
{
	return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad ||
	    (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
	    c == 0x3000 || c == 0xfeff;
}

static bool
is_full(const struct preview *v)
{
	return v->n >= CHARACTERS_MAX;
}

static void
put(struct preview *v, uint32_t c)
{
	if (is_blank(c)) {
		v->blank = v->n > 0;
		return;
	}
	if (v->blank) {
		/* no blank at the very end */
		if (v->n + 1 == CHARACTERS_MAX) {
			v->n++;
			return;
		}
		buf_addc(v->out, ' ');
		v->n++;
		v->blank = false;
	}
	if (!is_full(v) && charset_put(v->out, c) == 0)
		v->n++;
}

/* --- HTML --- */

#define ENTITY_MAX	12		/* bytes, with & and ; */

/* "#233", "#xE9" */
static bool
number(struct span s, uint32_t *c)
{
	char		 digits[ENTITY_MAX];
	uint64_t	 v = 0;
	int		 rc;

	if (s.len < 2 || s.p[0] != '#' || s.len > sizeof(digits))
		return false;
	for (size_t i = 0; i < s.len; i++)
		digits[i] = str_lower(s.p[i]);
	rc = digits[1] == 'x' ? str_hex(digits + 2, s.len - 2, &v) :
	    str_u64(digits + 1, s.len - 1, 0x10ffff, &v);
	*c = (uint32_t)v;
	return rc == 0 && v <= 0x10ffff;
}

/* "&amp;" and the like; false: it is none. */
static bool
entity(struct span *s, uint32_t *c)
{
	static const struct {
		const char	*name;
		uint32_t	 c;
	} known[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' },
	    { "quot", '"' }, { "apos", '\'' }, { "nbsp", 0xa0 },
	    { "ndash", 0x2013 }, { "mdash", 0x2014 }, { "zwnj", 0x200c },
	    { "rsquo", 0x2019 }, { "hellip", 0x2026 }, { "copy", 0xa9 } };
	const char	*end = memchr(s->p, ';', s->len < ENTITY_MAX ?
			    s->len : ENTITY_MAX);
	struct span	 name;
	bool		 good;

	if (end == NULL || s->len < 3)
		return false;
	name = (struct span){ s->p + 1, (size_t)(end - s->p) - 1 };
	good = number(name, c);
	for (size_t i = 0; !good && i < sizeof(known) / sizeof(*known); i++)
		if (span_is(name, known[i].name)) {
			*c = known[i].c;
			good = true;
		}
	if (good) {
		s->len -= name.len + 2;
		s->p += name.len + 2;
	}
	return good;
}

/* Is it "<style" or the like, whose text nobody sees?  Its end then. */
static const char *
hidden(struct span s)
{
	static const char *const names[] = { "style", "script", "head",
		"title" };
	static const char *const ends[] = { "</style", "</script", "</head",
		"</title" };
	size_t		 n;

	for (size_t i = 0; i < 4; i++) {
		n = strlen(names[i]);
		if (s.len > n + 1 && str_ieq(s.p + 1, n, names[i]) &&
		    strchr("> \t\r\n", s.p[n + 1]) != NULL)
			return ends[i];
	}
	return NULL;
}

static void
skip_to(struct span *s, const char *end)
{
	size_t	 n = strlen(end);

	while (s->len > 0 && !(s->len >= n && str_ieq(s->p, n, end))) {
		s->p++;
		s->len--;
	}
}

static void
skip_tag(struct span *s)
{
	const char	*end = hidden(*s);

	if (s->len >= 4 && memcmp(s->p, "<!--", 4) == 0)
		end = "-->";
	if (end != NULL)
		skip_to(s, end);
	skip_to(s, ">");
	if (s->len > 0) {
		s->p++;
		s->len--;
	}
}

/* --- both --- */

static void
squeeze(struct preview *v, struct span s, bool html)
{
	uint32_t	 c;

	while (s.len > 0 && !is_full(v)) {
		if (html && s.p[0] == '<') {
			skip_tag(&s);
			put(v, ' ');
			continue;
		}
		if (html && s.p[0] == '&' && entity(&s, &c)) {
			put(v, c);
			continue;
		}
		put(v, charset_take(&s));
	}
}

/* CM_ENOINPUT: there is nothing to read in it. */
static int
try_part(struct span msg, const struct mime_part *p, struct preview *v)
{
	struct span	 header = { msg.p + p->header, p->body - p->header };
	struct span	 body = { msg.p + p->body, p->end - p->body };
	struct buf	 raw, text;
	bool		 html;
	int		 rc;

	if (body.len > BODY_MAX)
		body.len = BODY_MAX;
	buf_init(&raw, TEXT_MAX);
	buf_init(&text, TEXT_MAX);
	rc = part_text(header, body, false, &raw, &text, &html);
	if (rc == 0) {
		squeeze(v, (struct span){ text.p, text.len }, html);
		rc = v->n > 0 ? v->out->err : CM_ENOINPUT;
	}
	buf_free(&raw);
	buf_free(&text);
	return rc;
}

int
section_preview(struct span msg, struct buf *out)
{
	struct preview	 v = { .out = out };
	struct mime_tree t;
	int		 rc;

	if ((rc = mime_scan(msg.p, msg.len, &t)) != 0)
		return rc;
	rc = CM_ENOINPUT;
	for (size_t i = 0; i < t.n && rc == CM_ENOINPUT; i++)
		if (t.parts[i].kind == MIME_LEAF)
			rc = try_part(msg, &t.parts[i], &v);
	mime_free(&t);
	return rc == CM_ENOINPUT ? 0 : rc;
}
