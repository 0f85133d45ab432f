/* SEARCH, SORT and THREAD: RFC 3501 section 6.4.4; which messages match. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "format/search.h"
#include "protocol/imapd_int.h"
#include "protocol/imapd_found.h"

#define CHUNK		4096	/* messages of one request */

/* A message that only its bytes can decide, and what is known of it. */
struct open_case {
	size_t		 at;
	uint32_t	 flags, size;
	uint64_t	 modseq;
	int64_t		 time_ms, saved_ms;
	struct ulid	 id;
	struct place	 place;
	size_t		 text, keywords_len, envelope_len;
	size_t		 found;		/* its place in the order */
};

struct searching {
	struct imapd	*m;
	const struct imap_command *c;
	struct search	*program;
	enum search_need need;
	unsigned	 what;
	int64_t		 now_ms;
	struct imap_set	 saved;		/* numbers of "$" */
	struct imapd_found *found;
	struct open_case *open;
	size_t		 nopen, room;
	struct buf	 text;
	int		 failed;
};

/* --- one message --- */

static struct search_message
of_row(size_t at, const struct mailbox_message *row)
{
	struct search_message g = { .number = (uint32_t)at + 1,
			    .uid = row->uid, .flags = row->flags,
			    .keywords = row->keywords, .size = row->size,
			    .time_ms = row->time_ms, .saved_ms = row->saved_ms,
			    .modseq = row->modseq };

	ulid_text(&row->id, g.id);
	if (row->envelope.len > 0)
		g.envelope = row->envelope;
	return g;
}

static int
keep_open(struct searching *s, size_t at, const struct mailbox_message *row)
{
	size_t		 room = s->room > 0 ? 2 * s->room : 64;
	struct open_case *o;

	if (s->nopen == s->room) {
		if ((o = realloc(s->open, room * sizeof(*o))) == NULL)
			return CM_ENOMEM;
		s->open = o;
		s->room = room;
	}
	o = &s->open[s->nopen++];
	*o = (struct open_case){ .at = at, .flags = row->flags,
	    .size = row->size, .modseq = row->modseq,
	    .time_ms = row->time_ms, .saved_ms = row->saved_ms,
	    .id = row->id, .place = row->place,
	    .text = s->text.len, .keywords_len = row->keywords.len,
	    .envelope_len = row->envelope.len };
	buf_add(&s->text, row->keywords.p, row->keywords.len);
	return buf_add(&s->text, row->envelope.p, row->envelope.len);
}

static int
take_row(void *arg, const struct mailbox_message *row)
{
	struct searching *s = arg;
	struct search_message g;
	enum search_need more;
	size_t		 at = imapd_view_find(s->m, row->uid);
	bool		 match;
	int		 rc;

	if (at == s->m->view.n)
		return 0;
	g = of_row(at, row);
	rc = search_match(s->program, &g, s->now_ms, &s->saved, &match, &more);
	if (rc != 0)
		return rc;
	if (more == SEARCH_ROW)
		return match ? imapd_found_add(s->found, at, row->modseq) : 0;
	/* it is not known where it lies */
	if ((s->what & MAILBOX_STORED) == 0)
		return 1;
	return keep_open(s, at, row);
}

/* --- those that have to be read --- */

static int
decide(struct searching *s, const struct open_case *o)
{
	struct reader_record rec;
	struct mailbox_message row = { .uid = s->m->view.uid[o->at],
			    .flags = o->flags, .size = o->size,
			    .modseq = o->modseq, .time_ms = o->time_ms,
			    .saved_ms = o->saved_ms, .id = o->id,
			    .keywords = { s->text.p + o->text,
			    o->keywords_len },
			    .envelope = { s->text.p + o->text +
			    o->keywords_len, o->envelope_len } };
	struct search_message g = of_row(o->at, &row);
	enum search_need more;
	bool		 match;
	int		 rc;

	if ((rc = reader_get(s->m->w->reader, &o->place, &o->id,
	    &rec)) != 0) {
		imapd_log(s->m, "message not read", cm_strerror(rc));
		if (s->failed == 0)
			s->failed = rc;
		return 0;
	}
	g.msg = rec.msg;
	rc = search_match(s->program, &g, s->now_ms, &s->saved, &match, &more);
	return rc == 0 && match ?
	    imapd_found_add(s->found, o->at, o->modseq) : rc;
}

static int
decide_all(struct searching *s)
{
	int	 rc = 0;

	for (size_t i = 0; rc == 0 && i < s->nopen; i++)
		rc = decide(s, &s->open[i]);
	s->nopen = 0;
	buf_reset(&s->text);
	return rc;
}

/* --- all of them --- */

/* "$" as numbers of now. */
static int
read_saved(struct searching *s)
{
	struct imapd_view *v = &s->m->view;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < v->n; i++)
		if (imap_set_has(&v->saved, v->uid[i]))
			rc = imap_set_add(&s->saved, (uint32_t)i + 1,
			    (uint32_t)i + 1);
	return rc;
}

/* Numbers from 0 on that a set may stand for: from before *end. */
static void
narrow_to(const struct imapd_view *v, const struct imap_search *k,
    size_t *from, size_t *end, struct imapd *m)
{
	const struct imap_range *r = k->set.r;
	uint32_t	 first, last;
	size_t		 low, high;

	if (k->set.saved || k->set.n == 0)
		return;
	first = r[0].from;
	last = r[k->set.n - 1].to;
	if (k->key == IMAP_KEY_SET) {
		low = first > 0 ? first - 1 : 0;
		high = last;
	} else {
		low = imapd_view_from(m, first);
		high = last == UINT32_MAX ? v->n : imapd_view_from(m, last + 1);
	}
	if (low > *from)
		*from = low;
	if (high < *end)
		*end = high;
}

/* The part of the folder in which all is that can match. */
static void
narrow(struct searching *s, size_t *from, size_t *end)
{
	const struct imap_search *k = s->c->search.key;

	*from = 0;
	*end = s->m->view.n;
	if (k->key == IMAP_KEY_AND)
		k = k->first;
	for (; k != NULL; k = k->next)
		if (k->key == IMAP_KEY_SET || k->key == IMAP_KEY_UID)
			narrow_to(&s->m->view, k, from, end, s->m);
}

/* One answer of the catalog; 1: see restart. */
static int
walk_some(struct searching *s, size_t from, size_t end)
{
	struct imapd_view *v = &s->m->view;
	struct imap_range r = { v->uid[from], v->uid[end - 1] };
	struct imap_set	 uids = { .r = &r, .n = 1 };
	int		 bad, rc;

	rc = mailbox_list(s->m->box, v->name, v->validity, &uids, 0, s->what,
	    NULL, take_row, s);
	if (rc == 0 && s->nopen > 0 && (bad = decide_all(s)) != 0)
		rc = bad;
	return rc;
}

/* A message has to be read after all. */
static void
restart(struct searching *s)
{
	s->what |= MAILBOX_STORED;
	s->found->n = s->nopen = 0;
	s->found->modseq = 0;
	buf_reset(&s->text);
}

static int
walk(struct searching *s)
{
	size_t		 from, end, n;
	int		 rc = 0;

	narrow(s, &from, &end);
	while (rc == 0 && from < end) {
		n = s->need == SEARCH_MESSAGE && end - from > CHUNK ? CHUNK :
		    end - from;
		if ((rc = walk_some(s, from, from + n)) == 1) {
			restart(s);
			narrow(s, &from, &end);
			rc = 0;
		} else {
			from += n;
		}
	}
	return rc;
}

static int
search(struct searching *s)
{
	int	 rc;

	s->need = search_need(s->c->search.key);
	s->what = search_is_of_rest(s->c->search.key) ? MAILBOX_STORED : 0;
	if (s->need >= SEARCH_ENVELOPE)
		s->what |= MAILBOX_ENVELOPE;
	s->now_ms = time_now_ms();
	if ((rc = read_saved(s)) == 0)
		rc = walk(s);
	/* those that were read came late */
	if (rc == 0)
		imapd_found_sort(s->found);
	return rc;
}

static void
settle(struct searching *s, int rc)
{
	struct imapd	*m = s->m;

	if (rc == 0 && s->failed == 0)
		rc = s->c->verb == IMAP_SEARCH ?
		    imapd_found_say(m, s->c, s->found) :
		    imapd_sorted_say(m, s->c, s->found);
	if (rc == 0)
		rc = s->failed == CM_ENOINPUT ? CM_ECORRUPT : s->failed;
	if (rc == CM_ECORRUPT)
		imapd_no(m, "CORRUPTION", "a message has no good copy");
	else if (rc != 0)
		imapd_no_for(m, rc);
	else
		imapd_ok(m, NULL, "searched");
	/* RFC 5182 section 2.1: "$" is empty when it failed */
	if (rc != 0 && s->c->search.save)
		imap_set_free(&m->view.saved);
}

void
imapd_search(struct imapd *m, const struct imap_command *c)
{
	struct imapd_found found = { .n = 0 };
	struct searching s = { .m = m, .c = c, .found = &found };
	int		 rc;

	if (c->verb != IMAP_SEARCH && c->search.has_return) {
		imapd_bad(m, NULL, "RETURN is SEARCH's");
		return;
	}
	/* RFC 6855 section 3 */
	if (c->verb == IMAP_SEARCH && c->search.charset.p != NULL &&
	    (m->enabled & IMAP_ENABLE_UTF8)) {
		imapd_bad(m, NULL, "no charset: UTF8=ACCEPT is enabled");
		return;
	}
	if (c->search.modseq)
		imapd_condstore(m);
	buf_init(&s.text, 1u << 30);
	rc = search_new(c->search.key, c->search.charset, &s.program);
	if (rc == CM_EDATA)
		imapd_no(m, "BADCHARSET (UTF-8 US-ASCII)", "not a charset "
		    "that is known");
	else
		settle(&s, rc == 0 ? search(&s) : rc);
	search_free(s.program);
	imap_set_free(&s.saved);
	imapd_found_free(&found);
	buf_free(&s.text);
	free(s.open);
}
