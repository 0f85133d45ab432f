/*
 * Parts of messages.  The input is a line of FETCH's items, and a message.
 * What is given lies in the message or was gathered from it; headers and texts
 * are what they come from; a partial one is a piece of the whole; BINARY is the
 * same part; and PREVIEW and BODY have their form.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/charset.h"
#include "format/header.h"
#include "format/mime.h"
#include "format/part_text.h"
#include "format/section.h"

#define MAX	(1 << 24)
#define ITEMS	20

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
same(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static bool
lies_in(struct span s, struct span in)
{
	return s.len == 0 || (s.p >= in.p && s.p + s.len <= in.p + in.len);
}

static struct span
of(const struct buf *b)
{
	return (struct span){ b->len > 0 ? b->p : "", b->len };
}

/* --- sections --- */

static void
partial(struct span whole)
{
	static const uint32_t n[] = { 0, 1, 3, 100, UINT32_MAX };
	struct span	 s;
	size_t		 want;

	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++) {
			s = section_partial(whole, n[i], n[k]);
			want = n[i] < whole.len ? whole.len - n[i] : 0;
			want = want < n[k] ? want : n[k];
			must(s.len == want && s.p != NULL);
			must(want == 0 || s.p == whole.p + n[i]);
		}
}

/* The fields that are named and those that are not are all of the header. */
static void
fields(struct span msg, const struct imap_section *s, struct span named)
{
	struct imap_section other = *s;
	struct buf	 b;
	struct span	 header, rest;
	struct header_field f;
	size_t		 all = 0;

	buf_init(&b, MAX);
	other.what = IMAP_HEADER;
	must(section_get(msg, &other, &b, &header) == 0);
	must(lies_in(header, msg));
	while (header_next(&header, &f))
		all += f.whole.len;
	other.what = s->what == IMAP_HEADER_FIELDS ? IMAP_HEADER_FIELDS_NOT :
	    IMAP_HEADER_FIELDS;
	must(section_get(msg, &other, &b, &rest) == 0);
	must(named.len + rest.len == all + 4);
	must(memcmp(named.p + named.len - 2, "\r\n", 2) == 0);
	buf_free(&b);
}

/* Header and text of a message are all of it. */
static void
halves(struct span msg, const struct imap_section *s)
{
	struct imap_section other = *s;
	struct span	 whole, header, text;
	struct buf	 b;

	buf_init(&b, MAX);
	other.what = IMAP_WHOLE;
	must(section_get(msg, &other, &b, &whole) == 0);
	other.what = IMAP_HEADER;
	must(section_get(msg, &other, &b, &header) == 0);
	other.what = IMAP_TEXT;
	must(section_get(msg, &other, &b, &text) == 0);
	must(header.len + text.len == whole.len);
	must(lies_in(text, msg) && lies_in(header, msg) &&
	    lies_in(whole, msg) && whole.p + header.len == text.p);
	buf_free(&b);
}

static void
section(struct span msg, const struct imap_section *s)
{
	struct buf	 b;
	struct span	 out;
	int		 rc;

	buf_init(&b, MAX);
	rc = section_get(msg, s, &b, &out);
	must(rc == 0 || (rc == CM_ENOINPUT && s->nparts > 0));
	if (rc == 0) {
		partial(out);
		if (s->what == IMAP_HEADER_FIELDS ||
		    s->what == IMAP_HEADER_FIELDS_NOT)
			fields(msg, s, out);
		else
			must(lies_in(out, msg) && b.len == 0);
		if (s->what == IMAP_HEADER || s->what == IMAP_TEXT)
			halves(msg, s);
	}
	buf_free(&b);
}

/* --- BINARY --- */

static void
binary(struct span msg, const struct imap_section *s)
{
	struct buf	 b, raw;
	struct span	 whole;
	bool		 nul;
	int		 rc, there;

	buf_init(&b, MAX);
	buf_init(&raw, MAX);
	there = section_get(msg, s, &raw, &whole);
	rc = section_binary(msg, s, &b, &nul);
	must((rc == CM_ENOINPUT) == (there == CM_ENOINPUT));
	must(rc == 0 || rc == CM_ENOINPUT || (rc == CM_EDATA &&
	    s->nparts > 0));
	must(nul == (rc == 0 && b.len > 0 && memchr(b.p, '\0', b.len) !=
	    NULL));
	if (rc == 0) {
		must(b.len <= whole.len);
		must(s->nparts > 0 || same(of(&b), msg));
	}
	buf_free(&b);
	buf_free(&raw);
}

/* --- what is of the whole message --- */

static void
preview(struct span msg)
{
	struct buf	 b;
	struct span	 s;
	size_t		 n = 0;
	uint32_t	 c, was = ' ';

	buf_init(&b, MAX);
	must(section_preview(msg, &b) == 0);
	s = of(&b);
	must(charset_is_utf8(s));
	for (; s.len > 0; n++, was = c) {
		c = charset_take(&s);
		must(c >= ' ' && c != 0x7f && (c != ' ' || was != ' '));
	}
	must(n <= 200);
	buf_free(&b);
}

/* Without its extension data it has none, and its parts are as many. */
static void
body(struct span msg)
{
	struct mime_tree t;
	struct buf	 full, b, again;

	buf_init(&full, MAX);
	buf_init(&b, MAX);
	buf_init(&again, MAX);
	must(mime_scan(msg.p, msg.len, &t) == 0);
	must(mime_bodystructure(msg.p, &t, &full) == 0);
	must(section_body(of(&full), &b) == 0);
	must(b.len <= full.len && section_body(of(&b), &again) == 0);
	must(same(of(&b), of(&again)));
	/* garbage is none, and adds nothing */
	buf_reset(&again);
	must(section_body(msg, &again) == 0 || again.len == 0);
	mime_free(&t);
	buf_free(&full);
	buf_free(&b);
	buf_free(&again);
}

static void
text(struct span msg)
{
	size_t		 n = header_end(msg.p, msg.len);
	struct buf	 raw, out;
	bool		 html;
	int		 rc;

	buf_init(&raw, MAX);
	buf_init(&out, MAX);
	rc = part_text((struct span){ msg.p, n }, (struct span){ msg.p + n,
	    msg.len - n }, &raw, &out, &html);
	must(rc == 0 || (rc == CM_ENOINPUT && out.len == 0));
	must(charset_is_utf8(of(&out)));
	buf_free(&raw);
	buf_free(&out);
}

static void
items(struct span names, struct span msg)
{
	struct imap_command c;
	struct buf	 line;

	buf_init(&line, MAX);
	buf_adds(&line, "a FETCH 1 (");
	buf_add(&line, names.p, names.len);
	buf_addc(&line, ')');
	if (imap_parse((struct span){ line.p, line.len }, &c) == 0)
		for (unsigned i = 0; i < c.fetch.n && i < ITEMS; i++) {
			if (c.fetch.item[i].what == IMAP_GET_SECTION)
				section(msg, &c.fetch.item[i].section);
			else if (c.fetch.item[i].what == IMAP_GET_BINARY)
				binary(msg, &c.fetch.item[i].section);
		}
	imap_command_free(&c);
	buf_free(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span	 msg = { (const char *)data, size }, names;

	if (!str_field(&msg, '\n', &names) || msg.p == NULL)
		return 0;
	items(names, msg);
	preview(msg);
	body(msg);
	text(msg);
	return 0;
}
