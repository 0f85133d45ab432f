#include "format/sort.h"

#include <stdlib.h>
#include <string.h>

#include "format/charset.h"
#include "format/date.h"
#include "format/envelope.h"
#include "format/header.h"
#include "format/line.h"

#define SUBJECT_MAX	16384	/* bytes of a subject that are looked at */
#define REFERENCES_MAX	65536	/* and, from its end, of References */
#define SCRATCH_MAX	(1u << 20)

/* --- the base subject, RFC 5256 section 2.1 --- */

static bool
starts(struct span s, const char *word)
{
	size_t	 n = strlen(word);

	return s.len >= n && str_ieq(s.p, n, word);
}

static bool
ends(struct span s, const char *word)
{
	size_t	 n = strlen(word);

	return s.len >= n && str_ieq(s.p + s.len - n, n, word);
}

static size_t
blanks(struct span s, size_t at)
{
	while (at < s.len && s.p[at] == ' ')
		at++;
	return at;
}

/* Where the subj-blob at this place ends: at where there is none. */
static size_t
blob(struct span s, size_t at)
{
	size_t	 n = at;

	if (n == s.len || s.p[n] != '[')
		return at;
	for (n++; n < s.len && s.p[n] != '[' && s.p[n] != ']'; n++)
		;
	return n < s.len && s.p[n] == ']' ? blanks(s, n + 1) : at;
}

/* The same of a subj-refwd. */
static size_t
refwd(struct span s, size_t at)
{
	struct span	 rest = { s.p + at, s.len - at };
	size_t		 n;

	if (starts(rest, "fwd"))
		n = at + 3;
	else if (starts(rest, "re") || starts(rest, "fw"))
		n = at + 2;
	else
		return at;
	n = blob(s, blanks(s, n));
	return n < s.len && s.p[n] == ':' ? n + 1 : at;
}

/* Steps 3 to 5.  Blobs go as long as there is something behind them. */
static struct span
strip_front(struct span s, bool *reply)
{
	size_t	 at = 0, kept, next;

	for (;;) {
		at = kept = blanks(s, at);
		while ((next = blob(s, at)) > at) {
			kept = at;
			at = next;
		}
		if ((next = refwd(s, at)) == at)
			break;
		*reply = true;
		at = next;
	}
	if (at == s.len)
		at = kept;
	return (struct span){ s.p + at, s.len - at };
}

/* Step 2. */
static struct span
strip_back(struct span s, bool *reply)
{
	for (;;) {
		if (s.len > 0 && s.p[s.len - 1] == ' ') {
			s.len--;
		} else if (ends(s, "(fwd)")) {
			s.len -= 5;
			*reply = true;
		} else {
			return s;
		}
	}
}

static struct span
base_of(struct span s, bool *reply)
{
	for (;;) {
		s = strip_front(strip_back(s, reply), reply);
		if (!starts(s, "[fwd:") || !ends(s, "]"))
			return s;
		s = (struct span){ s.p + 5, s.len - 6 };
		*reply = true;
	}
}

/* Any blanks become one space. */
static void
one_space(struct buf *b)
{
	size_t	 n = 0;

	for (size_t i = 0; i < b->len; i++) {
		char c = line_blank(b->p[i]) ? ' ' : b->p[i];

		if (c != ' ' || n == 0 || b->p[n - 1] != ' ')
			b->p[n++] = c;
	}
	b->len = n;
}

int
sort_subject(struct span subject, struct buf *out, bool *reply)
{
	struct buf	 b;
	struct span	 s;
	int		 rc;

	*reply = false;
	if (subject.len > SUBJECT_MAX)
		subject.len = SUBJECT_MAX;
	buf_init(&b, SCRATCH_MAX);
	if ((rc = charset_words(subject, &b)) == 0 && b.len > 0) {
		one_space(&b);
		s = base_of((struct span){ b.p, b.len }, reply);
		if (s.len > 0)
			rc = charset_fold(s, out);
	}
	buf_free(&b);
	return rc;
}

/* --- a message's strings; their p is an offset until sort_settle --- */

static struct span
since(const struct buf *text, size_t start)
{
	return (struct span){ (const char *)(uintptr_t)start,
	    text->len - start };
}

static int
fill_address(struct span list, struct buf *scratch, struct buf *text,
    struct span *out)
{
	struct envelope_address	 a;
	size_t			 start = text->len;
	int			 rc = 0;

	buf_reset(scratch);
	if (list.p != NULL && envelope_address(&list, &a) &&
	    (rc = envelope_text(a.mailbox, scratch)) == 0 && scratch->len > 0)
		rc = charset_fold((struct span){ scratch->p, scratch->len },
		    text);
	*out = since(text, start);
	return rc;
}

static void
cut(struct buf *b, size_t len)
{
	if (b->len > len)
		b->p[b->len = len] = '\0';
}

/*
 * Adds up to max ids, each with a space behind it, without what may be written
 * in more than one way: brackets, quotes, blanks.
 */
static int
add_ids(struct span s, size_t max, struct buf *text)
{
	size_t	 start = text->len;
	bool	 in = false, quotes = false;

	for (size_t i = 0; i < s.len && max > 0; i++) {
		char c = s.p[i];

		if (c == '<' && !quotes) {
			cut(text, start);
			in = true;
		} else if (in && c == '>' && !quotes) {
			in = false;
			if (text->len == start)
				continue;
			buf_addc(text, ' ');
			start = text->len;
			max--;
		} else if (in && c == '"') {
			quotes = !quotes;
		} else if (in && c != '\\') {
			if ((unsigned char)c > ' ')
				buf_addc(text, c);
		} else if (in && i + 1 < s.len && (unsigned char)s.p[++i] > ' ')
			buf_addc(text, s.p[i]);
	}
	cut(text, start);
	return text->err;
}

static int
fill_references(struct sort_message *m, const struct envelope *e,
    struct span header, struct buf *scratch, struct buf *text)
{
	struct header_field	 f;
	size_t			 start = text->len;
	struct span		 v;
	int			 rc = 0;

	if (header.p != NULL && header_find(header, "references", &f)) {
		v = f.value;
		if (v.len > REFERENCES_MAX) {
			v.p += v.len - REFERENCES_MAX;
			v.len = REFERENCES_MAX;
		}
		rc = add_ids(v, SIZE_MAX, text);
	}
	if (rc == 0 && text->len == start) {
		buf_reset(scratch);
		if ((rc = envelope_text(e->in_reply_to, scratch)) == 0)
			rc = add_ids((struct span){ scratch->p, scratch->len },
			    1, text);
	}
	m->references = since(text, start);
	if (m->references.len > 0)
		m->references.len--;
	return rc;
}

static int
fill_id(struct sort_message *m, const struct envelope *e, struct buf *scratch,
    struct buf *text)
{
	size_t	 start = text->len;
	int	 rc;

	buf_reset(scratch);
	if ((rc = envelope_text(e->message_id, scratch)) == 0)
		rc = add_ids((struct span){ scratch->p, scratch->len }, 1,
		    text);
	m->message_id = since(text, start);
	if (m->message_id.len > 0)
		m->message_id.len--;
	return rc;
}

static int
fill_subject(struct sort_message *m, const struct envelope *e,
    struct buf *scratch, struct buf *text)
{
	size_t	 start = text->len;
	int	 rc;

	buf_reset(scratch);
	if ((rc = envelope_text(e->subject, scratch)) == 0)
		rc = sort_subject((struct span){ scratch->p, scratch->len },
		    text, &m->reply);
	m->subject = since(text, start);
	return rc;
}

static int
fill_date(struct sort_message *m, const struct envelope *e,
    struct buf *scratch)
{
	int32_t	 day;
	int	 rc;

	m->sent_ms = m->arrival_ms;
	buf_reset(scratch);
	if ((rc = envelope_text(e->date, scratch)) == 0 && scratch->len > 0 &&
	    date_parse((struct span){ scratch->p, scratch->len }, &day,
	    &m->sent_ms) != 0)
		m->sent_ms = m->arrival_ms;
	return rc;
}

int
sort_fill(struct sort_message *m, struct span envelope, struct span header,
    struct buf *text)
{
	struct envelope	 e;
	struct buf	 b;
	int		 rc;

	if (envelope_read(envelope, &e) != 0)
		memset(&e, 0, sizeof(e));
	buf_init(&b, SCRATCH_MAX);
	if ((rc = fill_address(e.cc, &b, text, &m->cc)) == 0 &&
	    (rc = fill_address(e.from, &b, text, &m->from)) == 0 &&
	    (rc = fill_address(e.to, &b, text, &m->to)) == 0 &&
	    (rc = fill_subject(m, &e, &b, text)) == 0 &&
	    (rc = fill_date(m, &e, &b)) == 0 &&
	    (rc = fill_id(m, &e, &b, text)) == 0)
		rc = fill_references(m, &e, header, &b, text);
	buf_free(&b);
	return rc;
}

void
sort_settle(struct sort_message *m, size_t n, const struct buf *text)
{
	for (size_t i = 0; i < n; i++) {
		struct span *const all[] = { &m[i].cc, &m[i].from, &m[i].to,
		    &m[i].subject, &m[i].message_id, &m[i].references };

		for (size_t k = 0; k < 6; k++)
			all[k]->p = all[k]->len == 0 ? "" :
			    text->p + (uintptr_t)all[k]->p;
	}
}

/* --- SORT --- */

struct order {
	const struct imap_sort_key *key;
	unsigned	 n;
};

static int
by_span(struct span a, struct span b)
{
	size_t	 n = a.len < b.len ? a.len : b.len;
	int	 c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int
by_key(const struct sort_message *a, const struct sort_message *b,
    enum imap_sort key)
{
	switch (key) {
	case IMAP_SORT_ARRIVAL:
		return (a->arrival_ms > b->arrival_ms) -
		    (a->arrival_ms < b->arrival_ms);
	case IMAP_SORT_CC:
		return by_span(a->cc, b->cc);
	case IMAP_SORT_DATE:
		return (a->sent_ms > b->sent_ms) - (a->sent_ms < b->sent_ms);
	case IMAP_SORT_FROM:
		return by_span(a->from, b->from);
	case IMAP_SORT_SIZE:
		return (a->size > b->size) - (a->size < b->size);
	case IMAP_SORT_SUBJECT:
		return by_span(a->subject, b->subject);
	case IMAP_SORT_TO:
		return by_span(a->to, b->to);
	}
	return 0;
}

static int
by_keys(const void *va, const void *vb, void *vo)
{
	const struct sort_message	*a = va, *b = vb;
	const struct order		*o = vo;
	int				 c;

	for (unsigned i = 0; i < o->n; i++)
		if ((c = by_key(a, b, o->key[i].key)) != 0)
			return o->key[i].reverse ? (c < 0) - (c > 0) : c;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

void
sort_messages(struct sort_message *m, size_t n,
    const struct imap_sort_key *key, unsigned nkeys)
{
	struct order	 o = { key, nkeys };

	if (n > 1)
		qsort_r(m, n, sizeof(*m), by_keys, &o);
}
