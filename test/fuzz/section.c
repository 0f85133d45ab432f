/*
 * Parts of messages.  Whatever FETCH can name of whatever message is a piece of
 * it, or gathered from its header's lines; header and text are all of it; parts
 * follow each other; a partial one is a slice; and BINARY, BODY and PREVIEW are
 * well-formed.  The first line is what is in the brackets, "1.HEADER", and may
 * have <offset.count> behind it; the rest is the message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/charset.h"
#include "format/header.h"
#include "format/mime.h"
#include "format/section.h"

#define INPUT_MAX	65536
#define TEXT_MAX	(1 << 20)
#define PREVIEW_MAX	200		/* characters */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
is_within(struct span in, struct span s)
{
	return s.p >= in.p && s.p + s.len <= in.p + in.len;
}

static bool
same(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* --- slices --- */

static void
try_slice(struct span s, uint32_t offset, uint32_t count)
{
	struct span	 part = section_partial(s, offset, count);
	size_t		 n = 0;

	for (size_t i = offset; i < s.len && n < count; i++, n++)
		must(n < part.len && part.p[n] == s.p[i]);
	must(part.len == n);
}

/* Slices behind each other are the whole. */
static void
try_slices(struct span s, uint32_t count)
{
	size_t		 at = 0;
	struct span	 part;

	if (count < 1 + s.len / 1000)
		count = (uint32_t)(1 + s.len / 1000);
	while ((part = section_partial(s, (uint32_t)at, count)).len > 0) {
		must(part.p == s.p + at);
		at += part.len;
	}
	must(at == s.len);
}

/* --- BODY[...] --- */

static int
get(struct span msg, const struct imap_section *like, unsigned what,
    struct buf *b, struct span *out)
{
	struct imap_section s = *like;

	s.what = what;
	return section_get(msg, &s, b, out);
}

/* Lines are in one of both, and so is nothing else but the empty line, when
 * there is one. */
static void
try_fields(struct span msg, const struct imap_section *s, struct span header)
{
	struct buf	 with, without;
	struct span	 a, b, rest = header;
	struct header_field f;
	size_t		 bytes = 0;

	buf_init(&with, TEXT_MAX);
	buf_init(&without, TEXT_MAX);
	must(get(msg, s, IMAP_HEADER_FIELDS, &with, &a) == 0);
	must(get(msg, s, IMAP_HEADER_FIELDS_NOT, &without, &b) == 0);
	while (header_next(&rest, &f))
		bytes += f.whole.len;
	if (a.len + b.len != bytes) {
		must(a.len >= 2 && memcmp(a.p + a.len - 2, "\r\n", 2) == 0);
		must(b.len >= 2 && memcmp(b.p + b.len - 2, "\r\n", 2) == 0);
		must(a.len + b.len == bytes + 4);
	}
	for (unsigned i = 0; i < s->nfields; i++) {
		must(!header_find(b, "X-None", &f) ||
		    !span_is(s->field[i], "X-None"));
	}
	buf_free(&with);
	buf_free(&without);
}

/* Header and text of a message, or of one that is a part. */
static void
try_message(struct span msg, const struct imap_section *s)
{
	struct buf	 b;
	struct span	 header, text, whole;

	buf_init(&b, TEXT_MAX);
	if (get(msg, s, IMAP_HEADER, &b, &header) != 0) {
		must(s->nparts > 0);
		must(get(msg, s, IMAP_TEXT, &b, &text) == CM_ENOINPUT);
		must(get(msg, s, IMAP_HEADER_FIELDS, &b, &text) ==
		    CM_ENOINPUT);
	} else {
		must(get(msg, s, IMAP_TEXT, &b, &text) == 0);
		must(get(msg, s, IMAP_WHOLE, &b, &whole) == 0);
		must(is_within(msg, whole) && is_within(whole, header));
		must(header.p == whole.p && text.p == header.p + header.len);
		must(text.p + text.len == whole.p + whole.len);
		try_fields(msg, s, header);
	}
	buf_free(&b);
}

/* Those beside it begin behind each other's ends. */
static void
try_beside(struct span msg, const struct imap_section *s)
{
	struct imap_section one = *s;
	uint32_t	 part[64];
	struct buf	 b;
	struct span	 head, body;
	const char	*at = msg.p;
	int		 rc = 0;

	if (s->nparts == 0 || s->nparts > 64)
		return;
	buf_init(&b, TEXT_MAX);
	memcpy(part, s->part, s->nparts * sizeof(*part));
	one.part = part;
	for (uint32_t n = 1; rc == 0 && n < 20; n++) {
		part[s->nparts - 1] = n;
		rc = get(msg, &one, IMAP_MIME, &b, &head);
		must(get(msg, &one, IMAP_WHOLE, &b, &body) == rc);
		if (rc != 0)
			break;
		must(is_within(msg, head) && is_within(msg, body));
		must(head.p >= at && body.p == head.p + head.len);
		at = body.p + body.len;
	}
	must(rc == 0 || rc == CM_ENOINPUT);
	buf_free(&b);
}

static void
try_section(struct span msg, const struct imap_item *it)
{
	const struct imap_section *s = &it->section;
	struct buf	 b;
	struct span	 part;
	int		 rc;

	buf_init(&b, TEXT_MAX);
	rc = section_get(msg, s, &b, &part);
	must(rc == 0 || (rc == CM_ENOINPUT && s->nparts > 0));
	if (rc == 0) {
		must(part.len == 0 || is_within(msg, part) ||
		    (part.p == b.p && part.len == b.len));
		must(s->nparts > 0 || s->what != IMAP_WHOLE ||
		    same(part, msg));
		try_slices(part, it->count);
		if (it->partial)
			try_slice(part, it->offset, it->count);
	}
	try_message(msg, s);
	try_beside(msg, s);
	buf_free(&b);
}

/* --- the others --- */

/* It has no more bytes than the encoded one, and is there when that is. */
static void
try_binary(struct span msg, const struct imap_section *s)
{
	struct buf	 b, c;
	struct span	 part;
	bool		 nul = false;
	int		 rc;

	buf_init(&b, TEXT_MAX);
	buf_init(&c, TEXT_MAX);
	rc = section_binary(msg, s, &b, &nul);
	must((get(msg, s, IMAP_WHOLE, &c, &part) == 0) ==
	    (rc == 0 || rc == CM_EDATA));
	if (rc == 0) {
		must(b.len <= part.len);
		must(nul == (b.len > 0 && memchr(b.p, 0, b.len) != NULL));
	}
	buf_free(&b);
	buf_free(&c);
}

static void
try_preview(struct span msg)
{
	struct buf	 b;
	struct span	 s;
	unsigned	 n;

	buf_init(&b, TEXT_MAX);
	must(section_preview(msg, &b) == 0);
	s = (struct span){ b.len > 0 ? b.p : "", b.len };
	must(charset_is_utf8(s) && memchr(s.p, '\n', s.len) == NULL &&
	    memchr(s.p, '\r', s.len) == NULL &&
	    memchr(s.p, '\0', s.len) == NULL);
	for (n = 0; s.len > 0; n++)
		charset_take(&s);
	must(n <= PREVIEW_MAX);
	buf_free(&b);
}

static void
try_body(struct span msg)
{
	struct mime_tree t;
	struct buf	 full, body, again;

	buf_init(&full, MIME_SUMMARY_MAX);
	buf_init(&body, MIME_SUMMARY_MAX);
	buf_init(&again, MIME_SUMMARY_MAX);
	must(mime_scan(msg.p, msg.len, &t) == 0);
	must(mime_bodystructure(msg.p, &t, &full) == 0);
	must(section_body((struct span){ full.p, full.len }, &body) == 0);
	must(body.len <= full.len && body.p[body.len - 1] == ')');
	/* there is nothing more to leave out */
	must(section_body((struct span){ body.p, body.len }, &again) == 0);
	must(same((struct span){ body.p, body.len },
	    (struct span){ again.p, again.len }));
	buf_reset(&again);
	if (section_body(msg, &again) != 0)
		must(again.len == 0);
	mime_free(&t);
	buf_free(&full);
	buf_free(&body);
	buf_free(&again);
}

/* The item that such a line asks for; false: none. */
static bool
read_item(struct span name, struct buf *line, struct imap_command *c)
{
	const char	*part = name.len > 0 ? memchr(name.p, '<', name.len) :
			    NULL;
	size_t		 n = part != NULL ? (size_t)(part - name.p) : name.len;

	buf_adds(line, "a FETCH 1 BODY.PEEK[");
	buf_add(line, name.p, n);
	buf_addc(line, ']');
	buf_add(line, name.p + n, name.len - n);
	return imap_parse((struct span){ line->p, line->len }, c) == 0 &&
	    c->fetch.n == 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span	 msg = { (const char *)data, size }, name;
	struct imap_command c = { .why = NULL };
	struct buf	 line;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	if (!str_field(&msg, '\n', &name) || msg.p == NULL)
		return 0;
	if (name.len > 0 && name.p[name.len - 1] == '\r')
		name.len--;
	buf_init(&line, 2 * INPUT_MAX);
	if (read_item(name, &line, &c)) {
		try_section(msg, &c.fetch.item[0]);
		try_binary(msg, &c.fetch.item[0].section);
	}
	imap_command_free(&c);
	buf_free(&line);
	try_preview(msg);
	try_body(msg);
	return 0;
}
