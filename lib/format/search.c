#include "format/search.h"

#include <stdlib.h>
#include <string.h>

#include "format/charset.h"
#include "format/date.h"
#include "format/envelope.h"
#include "format/header.h"
#include "format/search_int.h"

#define DAY_MS		86400000
#define NEEDLES_MAX	(64u << 20)
#define TEXT_MAX	(512u << 20)

/* What a key needs that has no others below it. */
static enum search_need
need_of(const struct imap_search *k)
{
	switch (k->key) {
	case IMAP_KEY_BCC:
	case IMAP_KEY_CC:
	case IMAP_KEY_FROM:
	case IMAP_KEY_TO:
	case IMAP_KEY_SUBJECT:
	case IMAP_KEY_SENTBEFORE:
	case IMAP_KEY_SENTON:
	case IMAP_KEY_SENTSINCE:
		return SEARCH_ENVELOPE;
	case IMAP_KEY_BODY:
	case IMAP_KEY_TEXT:
		return SEARCH_MESSAGE;
	case IMAP_KEY_HEADER:
		return str_ieq(k->field.p, k->field.len, "subject") ||
		    str_ieq(k->field.p, k->field.len, "message-id") ||
		    str_ieq(k->field.p, k->field.len, "in-reply-to") ?
		    SEARCH_ENVELOPE : SEARCH_MESSAGE;
	default:
		return SEARCH_ROW;
	}
}

static bool
has_below(const struct imap_search *k)
{
	return k->key == IMAP_KEY_AND || k->key == IMAP_KEY_OR ||
	    k->key == IMAP_KEY_NOT;
}

/* So deep only as IMAP_DEPTH_MAX lets the keys be. */
enum search_need
search_need(const struct imap_search *k)
{
	enum search_need	 need = SEARCH_ROW, n;

	if (!has_below(k))
		return need_of(k);
	for (const struct imap_search *c = k->first; c != NULL; c = c->next)
		if ((n = search_need(c)) > need)
			need = n;
	return need;
}

bool
search_is_of_rest(const struct imap_search *k)
{
	if (has_below(k)) {
		for (k = k->first; k != NULL; k = k->next)
			if (search_is_of_rest(k))
				return true;
		return false;
	}
	switch (k->key) {
	case IMAP_KEY_ALL:
	case IMAP_KEY_SET:
	case IMAP_KEY_UID:
	case IMAP_KEY_FLAG:
	case IMAP_KEY_KEYWORD:
	case IMAP_KEY_MODSEQ:
		return false;
	default:
		return need_of(k) != SEARCH_ENVELOPE;
	}
}

static uint32_t
count(const struct imap_search *k)
{
	uint32_t	 n = 1;

	if (has_below(k))
		for (k = k->first; k != NULL; k = k->next)
			n += count(k);
	return n;
}

static int
add_needle(struct search *s, struct search_node *n, struct span charset)
{
	struct buf	 b;
	int		 rc;

	n->at = s->needles.len;
	if (n->need == SEARCH_ROW || n->key->text.len == 0)
		return 0;
	buf_init(&b, NEEDLES_MAX);
	if ((rc = charset_decode(charset, n->key->text, &b)) == 0)
		rc = charset_fold((struct span){ b.p, b.len }, &s->needles);
	buf_free(&b);
	n->len = s->needles.len - n->at;
	return rc;
}

/* A key and those below it, cheap ones first: node *at. */
static int
add_key(struct search *s, const struct imap_search *k, struct span charset,
    uint32_t *at)
{
	struct search_node	*n = &s->node[*at = s->n++];
	uint32_t		 list[3] = { SEARCH_NONE, SEARCH_NONE,
				    SEARCH_NONE }, c;
	int			 rc;

	*n = (struct search_node){ .key = k, .need = search_need(k),
	    .first = SEARCH_NONE, .next = SEARCH_NONE };
	if (!has_below(k))
		return add_needle(s, n, charset);
	for (k = k->first; k != NULL; k = k->next) {
		if ((rc = add_key(s, k, charset, &c)) != 0)
			return rc;
		s->node[c].next = list[s->node[c].need];
		list[s->node[c].need] = c;
	}
	for (int need = SEARCH_MESSAGE; need >= SEARCH_ROW; need--)
		while ((c = list[need]) != SEARCH_NONE) {
			list[need] = s->node[c].next;
			s->node[c].next = n->first;
			n->first = c;
		}
	return 0;
}

int
search_new(const struct imap_search *k, struct span charset,
    struct search **out)
{
	struct search	*s;
	uint32_t	 root;
	int		 rc;

	*out = NULL;
	if (charset.p == NULL)
		charset = (struct span){ "", 0 };
	else if (!charset_is_known(charset))
		return CM_EDATA;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return CM_ENOMEM;
	buf_init(&s->needles, NEEDLES_MAX);
	buf_init(&s->envelope, MIME_SUMMARY_MAX + 1);
	buf_init(&s->raw, TEXT_MAX);
	buf_init(&s->words, TEXT_MAX);
	buf_init(&s->folded, TEXT_MAX);
	if ((s->node = calloc(count(k), sizeof(*s->node))) == NULL)
		rc = CM_ENOMEM;
	else
		rc = add_key(s, k, charset, &root);
	if (rc == 0)
		*out = s;
	else
		search_free(s);
	return rc;
}

void
search_free(struct search *s)
{
	if (s == NULL)
		return;
	buf_free(&s->needles);
	buf_free(&s->envelope);
	buf_free(&s->raw);
	buf_free(&s->words);
	buf_free(&s->folded);
	free(s->node);
	free(s);
}

/* --- a message --- */

/* What is asked of it, and what came out. */
struct asked {
	struct search	*s;
	const struct search_message *m;
	struct span	 envelope;
	int64_t		 now_ms;
	const struct imap_set *saved;
	enum search_need more;		/* the least that was missing */
	int		 rc;
};

enum answer { NO, YES, UNKNOWN };

static enum answer
answer(bool yes)
{
	return yes ? YES : NO;
}

static enum answer
missing(struct asked *a, enum search_need need)
{
	if (a->more == SEARCH_ROW || need < a->more)
		a->more = need;
	return UNKNOWN;
}

static bool
in_set(const struct asked *a, const struct imap_set *set, uint32_t v)
{
	if (set->saved)
		return a->saved != NULL &&
		    imap_set_has(a->saved, a->m->number);
	return imap_set_has(set, v);
}

static bool
has_keyword(struct span rest, struct span word)
{
	struct span	 f;

	while (rest.p != NULL && str_field(&rest, ' ', &f)) {
		size_t i = 0;

		while (i < f.len && i < word.len &&
		    str_lower(f.p[i]) == str_lower(word.p[i]))
			i++;
		if (f.len > 0 && i == f.len && i == word.len)
			return true;
	}
	return false;
}

static int64_t
day_of(int64_t ms)
{
	return ms / DAY_MS - (ms % DAY_MS < 0);
}

/* Days compared as a key with three of them says. */
static bool
is_when(enum imap_key key, enum imap_key before, int64_t day, int32_t limit)
{
	return key == before ? day < limit :
	    key == before + 1 ? day == limit : day >= limit;
}

static int64_t
saved_day(const struct search_message *m)
{
	return day_of(m->saved_ms != 0 ? m->saved_ms : m->time_ms);
}

/* Keys that the row answers. */
static bool
row(const struct asked *a, const struct imap_search *k)
{
	const struct search_message	*m = a->m;
	int64_t				 age = a->now_ms - m->time_ms;

	switch (k->key) {
	case IMAP_KEY_ALL:
	case IMAP_KEY_SAVEDATESUPPORTED:
		return true;
	case IMAP_KEY_SET:
		return in_set(a, &k->set, m->number);
	case IMAP_KEY_UID:
		return in_set(a, &k->set, m->uid);
	case IMAP_KEY_FLAG:
		return (m->flags & k->bits) == k->bits;
	case IMAP_KEY_KEYWORD:
		return has_keyword(m->keywords, k->text);
	case IMAP_KEY_BEFORE:
	case IMAP_KEY_ON:
	case IMAP_KEY_SINCE:
		return is_when(k->key, IMAP_KEY_BEFORE, day_of(m->time_ms),
		    k->day);
	case IMAP_KEY_SAVEDBEFORE:
	case IMAP_KEY_SAVEDON:
	case IMAP_KEY_SAVEDSINCE:
		return is_when(k->key, IMAP_KEY_SAVEDBEFORE, saved_day(m),
		    k->day);
	case IMAP_KEY_LARGER:
		return m->size > k->number;
	case IMAP_KEY_SMALLER:
		return m->size < k->number;
	case IMAP_KEY_OLDER:
		return age >= 0 && (uint64_t)age / 1000 >= k->number;
	case IMAP_KEY_YOUNGER:
		return age <= 0 || ((uint64_t)age + 999) / 1000 <= k->number;
	case IMAP_KEY_MODSEQ:
		return m->modseq >= k->number;
	case IMAP_KEY_EMAILID:
		return span_is(k->text, m->id);
	default:
		/* NONE; THREADID, which no message has. */
		return false;
	}
}

/* SENTBEFORE and the like: the date as it is written. */
static bool
sent(struct asked *a, const struct imap_search *k)
{
	struct envelope	 e;
	int32_t		 day;
	int64_t		 ms;

	if (envelope_read(a->envelope, &e) != 0)
		return false;
	buf_reset(&a->s->raw);
	if ((a->rc = envelope_text(e.date, &a->s->raw)) != 0 ||
	    a->s->raw.len == 0 || date_parse((struct span){ a->s->raw.p,
	    a->s->raw.len }, &day, &ms) != 0)
		return false;
	return is_when(k->key, IMAP_KEY_SENTBEFORE, day, k->day);
}

static bool
make_envelope(struct asked *a)
{
	struct mime_part	 p = { 0 };
	struct span		 msg = a->m->msg;

	if (a->envelope.p == NULL && msg.p != NULL) {
		p.body = header_end(msg.p, msg.len);
		p.end = msg.len;
		buf_reset(&a->s->envelope);
		a->rc = mime_envelope(msg.p, &p, &a->s->envelope);
		a->envelope = (struct span){ a->s->envelope.p,
		    a->s->envelope.len };
	}
	return a->rc == 0 && a->envelope.p != NULL;
}

static struct span
field_of(const struct imap_search *k)
{
	static const char *const names[] = { "bcc", "cc", "from", "to",
	    "subject" };
	const char	*name;

	if (k->key == IMAP_KEY_HEADER)
		return k->field;
	name = names[k->key - IMAP_KEY_BCC];
	return (struct span){ name, strlen(name) };
}

static enum answer
of_envelope(struct asked *a, const struct search_node *n)
{
	bool	 match, sure;

	if (!make_envelope(a))
		return a->rc != 0 ? NO : missing(a, SEARCH_ENVELOPE);
	if (n->key->key >= IMAP_KEY_SENTBEFORE &&
	    n->key->key <= IMAP_KEY_SENTSINCE)
		return answer(sent(a, n->key));
	a->rc = search_envelope(a->s, n, a->envelope, &match, &sure);
	if (a->rc != 0 || sure)
		return answer(a->rc == 0 && match);
	if (a->m->msg.p == NULL)
		return missing(a, SEARCH_MESSAGE);
	a->rc = search_header(a->s, n, field_of(n->key), a->m->msg, &match);
	return answer(a->rc == 0 && match);
}

static enum answer
of_message(struct asked *a, const struct search_node *n)
{
	bool	 match = false;

	if (a->m->msg.p == NULL)
		return missing(a, SEARCH_MESSAGE);
	if (n->key->key == IMAP_KEY_HEADER) {
		a->rc = search_header(a->s, n, n->key->field, a->m->msg,
		    &match);
		return answer(a->rc == 0 && match);
	}
	if (!a->s->scanned)
		a->rc = search_scan(a->s, a->m->msg);
	a->s->scanned = a->rc == 0;
	return answer(n->hit);
}

/* So deep only as IMAP_DEPTH_MAX lets the keys be. */
static enum answer
ask(struct asked *a, const struct search_node *n)
{
	enum imap_key	 key = n->key->key;
	enum answer	 all = key == IMAP_KEY_OR ? NO : YES, one;

	if (!has_below(n->key))
		return n->need == SEARCH_ROW ? answer(row(a, n->key)) :
		    n->need == SEARCH_ENVELOPE ? of_envelope(a, n) :
		    of_message(a, n);
	for (uint32_t i = n->first; i != SEARCH_NONE && a->rc == 0;
	    i = a->s->node[i].next) {
		one = ask(a, &a->s->node[i]);
		if (key == IMAP_KEY_NOT)
			return one == UNKNOWN ? one : answer(one == NO);
		if (one == (key == IMAP_KEY_OR ? YES : NO))
			return one;
		if (one == UNKNOWN)
			all = UNKNOWN;
	}
	return all;
}

int
search_match(struct search *s, const struct search_message *m,
    int64_t now_ms, const struct imap_set *saved, bool *match,
    enum search_need *more)
{
	struct asked	 a = { .s = s, .m = m, .envelope = m->envelope,
			    .now_ms = now_ms, .saved = saved };
	enum answer	 got;

	s->scanned = false;
	got = ask(&a, &s->node[0]);
	*match = a.rc == 0 && got == YES;
	*more = got == UNKNOWN ? a.more : SEARCH_ROW;
	return a.rc;
}
