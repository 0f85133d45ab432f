/* The text of messages, as SEARCH looks at it. */
#include <string.h>

#include "format/charset.h"
#include "format/envelope.h"
#include "format/header.h"
#include "format/part_text.h"
#include "format/search_int.h"

#define PART_MAX	(32u << 20)	/* bytes of one part that are read */
#define FIELD_MAX	(1u << 20)	/* and of one field */
#define CUT_MIN		8000		/* mime_envelope cuts nothing shorter */

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len > 0 ? b->p : "", b->len };
}

static bool
has(const struct search *s, const struct search_node *n, struct span folded)
{
	return n->len == 0 || (folded.len >= n->len &&
	    memmem(folded.p, folded.len, s->needles.p + n->at, n->len) != NULL);
}

int
search_contains(struct search *s, const struct search_node *n,
    struct span utf8, bool *match)
{
	int	 rc;

	buf_reset(&s->folded);
	if ((rc = charset_fold(utf8, &s->folded)) == 0)
		*match = has(s, n, span_of(&s->folded));
	return rc;
}

/* A field's value for people, added to words. */
static int
add_value(struct search *s, struct span value)
{
	int	 rc;

	if (value.len > FIELD_MAX)
		value.len = FIELD_MAX;
	buf_reset(&s->raw);
	if ((rc = header_unfold(value, &s->raw)) == 0)
		rc = charset_words(span_of(&s->raw), &s->words);
	return rc;
}

static bool
once(struct span name)
{
	return str_ieq(name.p, name.len, "subject") ||
	    str_ieq(name.p, name.len, "message-id") ||
	    str_ieq(name.p, name.len, "in-reply-to") ||
	    str_ieq(name.p, name.len, "date");
}

static bool
same(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (str_lower(a.p[i]) != str_lower(b.p[i]))
			return false;
	return true;
}

int
search_header(struct search *s, const struct search_node *n,
    struct span name, struct span msg, bool *match)
{
	struct span		 rest = { msg.p, header_end(msg.p, msg.len) };
	struct header_field	 f;
	int			 rc = 0;

	*match = false;
	while (rc == 0 && !*match && header_next(&rest, &f)) {
		if (!same(f.name, name))
			continue;
		buf_reset(&s->words);
		if ((rc = add_value(s, f.value)) == 0)
			rc = search_contains(s, n, span_of(&s->words), match);
		if (once(name))
			break;
	}
	return rc;
}

/* --- the envelope --- */

static int
add_string(struct search *s, struct span string, const char *missing)
{
	int	 rc;

	buf_reset(&s->raw);
	if ((rc = envelope_text(string, &s->raw)) != 0 ||
	    span_is(span_of(&s->raw), missing))
		return rc;
	return charset_words(span_of(&s->raw), &s->words);
}

/* An address as it is in a header: name <route:mailbox@host>. */
static int
add_address(struct search *s, const struct envelope_address *a)
{
	int	 rc = 0;

	if (s->words.len > 0)
		buf_adds(&s->words, ", ");
	if (a->name.p != NULL) {
		rc = add_string(s, a->name, "");
		buf_adds(&s->words, " <");
	}
	if (rc == 0 && a->route.p != NULL) {
		rc = add_string(s, a->route, "");
		buf_addc(&s->words, ':');
	}
	if (rc == 0)
		rc = add_string(s, a->mailbox, "MISSING_MAILBOX");
	if (rc == 0 && a->host.p != NULL) {
		buf_addc(&s->words, '@');
		rc = add_string(s, a->host, "MISSING_DOMAIN");
	}
	if (a->name.p != NULL)
		buf_addc(&s->words, '>');
	return rc != 0 ? rc : s->words.err;
}

static bool
pick_list(const struct search_node *n, const struct envelope *e,
    struct span *out)
{
	switch (n->key->key) {
	case IMAP_KEY_BCC:
		*out = e->bcc;
		return true;
	case IMAP_KEY_CC:
		*out = e->cc;
		return true;
	case IMAP_KEY_FROM:
		*out = e->from;
		return true;
	case IMAP_KEY_TO:
		*out = e->to;
		return true;
	default:
		return false;
	}
}

static struct span
pick_string(const struct search_node *n, const struct envelope *e)
{
	struct span	 name = n->key->field;

	if (n->key->key == IMAP_KEY_SUBJECT ||
	    str_ieq(name.p, name.len, "subject"))
		return e->subject;
	return str_ieq(name.p, name.len, "message-id") ? e->message_id :
	    e->in_reply_to;
}

int
search_envelope(struct search *s, const struct search_node *n,
    struct span envelope, bool *match, bool *sure)
{
	struct envelope_address	 a;
	struct envelope		 e;
	struct span		 v;
	int			 rc = 0;

	*match = *sure = false;
	if (envelope_read(envelope, &e) != 0)
		return 0;
	buf_reset(&s->words);
	if (pick_list(n, &e, &v)) {
		struct span rest = v;

		while (rc == 0 && rest.len > 0 && envelope_address(&rest, &a))
			rc = add_address(s, &a);
	} else if ((v = pick_string(n, &e)).p != NULL) {
		rc = add_string(s, v, "");
	}
	if (rc == 0 && v.p != NULL)
		rc = search_contains(s, n, span_of(&s->words), match);
	*sure = *match || v.len < CUT_MIN;
	return rc;
}

/* --- the whole message --- */

/* All nodes that look there are asked at once: a text is decoded once. */
static int
look(struct search *s, bool header)
{
	int	 rc;

	buf_reset(&s->folded);
	if ((rc = charset_fold(span_of(&s->words), &s->folded)) != 0)
		return rc;
	for (uint32_t i = 0; i < s->n; i++) {
		struct search_node *n = &s->node[i];

		if (!n->hit && (n->key->key == IMAP_KEY_TEXT ||
		    (!header && n->key->key == IMAP_KEY_BODY)))
			n->hit = has(s, n, span_of(&s->folded));
	}
	return 0;
}

/* RFC 9051 section 6.4.4: a part's header, too, is TEXT alone.  So are lines
 * in it that are no field. */
static int
scan_header(struct search *s, struct span header)
{
	struct header_field	 f;
	const char		*at = header.p, *end = header.p + header.len;
	int			 rc = 0;
	bool			 more;

	buf_reset(&s->words);
	do {
		more = header_next(&header, &f);
		rc = add_value(s, (struct span){ at,
		    (size_t)((more ? f.whole.p : end) - at) });
		buf_addc(&s->words, '\n');
		if (rc != 0 || !more)
			break;
		at = f.whole.p + f.whole.len;
		buf_add(&s->words, f.name.p, f.name.len);
		buf_adds(&s->words, ": ");
		rc = add_value(s, f.value);
		buf_addc(&s->words, '\n');
	} while (rc == 0);
	return rc != 0 ? rc : look(s, true);
}

static int
scan_text(struct search *s, struct span header, struct span body)
{
	bool	 html;
	int	 rc;

	if (body.len > PART_MAX)
		body.len = PART_MAX;
	buf_reset(&s->words);
	rc = part_text(header, body, true, &s->raw, &s->words, &html);
	if (rc == CM_ENOINPUT)
		return 0;
	return rc != 0 ? rc : look(s, false);
}

int
search_scan(struct search *s, struct span msg)
{
	struct mime_tree	 t;
	int			 rc;

	for (uint32_t i = 0; i < s->n; i++)
		s->node[i].hit = s->node[i].len == 0;
	if ((rc = mime_scan(msg.p, msg.len, &t)) != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < t.n; i++) {
		const struct mime_part	*p = &t.parts[i];
		struct span		 header = { msg.p + p->header,
					    p->body - p->header };

		rc = scan_header(s, header);
		if (rc == 0 && p->kind == MIME_LEAF)
			rc = scan_text(s, header, (struct span){
			    msg.p + p->body, p->end - p->body });
	}
	mime_free(&t);
	return rc;
}
