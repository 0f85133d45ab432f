/*
 * IMAP's commands.  What was parsed lies in the input or in the arena, within
 * all limits; it ends where a reader of lines and literals says it ends; and
 * written out it is parsed as the same.  Sets are what a slow reading says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/imap.h"

#define MAX	(1 << 25)
#define SMALL	40		/* numbers that are looked at one by one */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* --- sets --- */

static void
is_resolved(const struct imap_set *s)
{
	must(!s->saved || s->n == 0);
	for (size_t i = 0; i < s->n; i++) {
		must(s->r[i].from > 0 && s->r[i].from <= s->r[i].to);
		must(i == 0 || (s->r[i].from > s->r[i - 1].to &&
		    s->r[i].from - s->r[i - 1].to > 1));
	}
}

/* Is v in it, by its ranges as they were written? */
static bool
has_slowly(const struct imap_set *s, uint32_t max, uint32_t v)
{
	for (size_t i = 0; i < s->n; i++) {
		uint32_t a = s->r[i].from, b = s->r[i].to;

		if (max == 0 && (a == 0 || b == 0))
			continue;
		a = a == 0 ? max : a;
		b = b == 0 ? max : b;
		if ((a <= v && v <= b) || (b <= v && v <= a))
			return true;
	}
	return false;
}

static void
same_again(const struct imap_set *s)
{
	struct imap_set	 t;
	struct buf	 b;

	buf_init(&b, MAX);
	must(imap_set_write(&b, s) == 0);
	if (b.len > 0) {
		must(imap_set_parse((struct span){ b.p, b.len }, &t) == 0);
		must(t.n == s->n && t.saved == s->saved && (t.n == 0 ||
		    memcmp(t.r, s->r, t.n * sizeof(*t.r)) == 0));
		imap_set_free(&t);
	}
	buf_free(&b);
}

static void
try_set(struct span in, uint32_t max)
{
	struct imap_set	 s, copy = { 0 };
	bool		 had[SMALL];

	if (imap_set_parse(in, &s) != 0) {
		must(s.r == NULL && s.n == 0 && !s.saved);
		return;
	}
	must(s.saved == (s.n == 0));
	same_again(&s);
	for (uint32_t v = 0; v < SMALL; v++)
		had[v] = v > 0 && has_slowly(&s, max, v);
	imap_set_resolve(&s, max);
	is_resolved(&s);
	same_again(&s);
	for (uint32_t v = 0; v < SMALL; v++)
		must(imap_set_has(&s, v) == had[v]);
	for (size_t i = 0; i < s.n; i++)
		must(imap_set_add(&copy, s.r[i].from, s.r[i].to) == 0);
	must(copy.n == s.n && imap_set_count(&copy) == imap_set_count(&s));
	imap_set_free(&copy);
	imap_set_free(&s);
}

/* --- a command, written with a literal for each string --- */

static void
put_text(struct buf *b, struct span s)
{
	if (s.p == NULL) {
		buf_adds(b, "NIL");
		return;
	}
	buf_addf(b, "{%zu}\r\n", s.len);
	buf_add(b, s.p, s.len);
}

static void
put_flags(struct buf *b, const struct imap_flags *f)
{
	static const char *const names[] = { "\\Seen ", "\\Answered ",
		"\\Flagged ", "\\Deleted ", "\\Draft " };

	must(f->bits < 32);
	buf_addc(b, '(');
	for (unsigned i = 0; i < 5; i++)
		if (f->bits & 1u << i)
			buf_adds(b, names[i]);
	if (f->keywords.len > 0)
		buf_add(b, f->keywords.p, f->keywords.len);
	else
		b->len -= f->bits != 0;
	buf_addc(b, ')');
}

static void
put_section(struct buf *b, const struct imap_section *s)
{
	static const char *const what[] = { "", "HEADER", "HEADER.FIELDS",
		"HEADER.FIELDS.NOT", "TEXT", "MIME" };

	must(s->nparts <= IMAP_DEPTH_MAX && s->nfields <= IMAP_ITEMS_MAX);
	must((s->nfields > 0) == (s->what == IMAP_HEADER_FIELDS ||
	    s->what == IMAP_HEADER_FIELDS_NOT));
	buf_addc(b, '[');
	for (unsigned i = 0; i < s->nparts; i++)
		buf_addf(b, "%s%u", i ? "." : "", s->part[i]);
	if (s->nparts > 0 && s->what != IMAP_WHOLE)
		buf_addc(b, '.');
	buf_adds(b, what[s->what]);
	for (unsigned i = 0; i < s->nfields; i++) {
		buf_adds(b, i ? " " : " (");
		put_text(b, s->field[i]);
	}
	buf_adds(b, s->nfields > 0 ? ")]" : "]");
}

static void
put_item(struct buf *b, const struct imap_item *it)
{
	static const char *const what[] = { "FLAGS", "UID", "INTERNALDATE",
		"RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "BODY",
		"RFC822", "RFC822.HEADER", "RFC822.TEXT", "BINARY",
		"BINARY.SIZE", "MODSEQ", "EMAILID", "THREADID", "PREVIEW",
		"SAVEDATE" };

	buf_adds(b, what[it->what]);
	if (it->peek)
		buf_adds(b, ".PEEK");
	if (it->lazy)
		buf_adds(b, " (LAZY)");
	if (it->what == IMAP_GET_SECTION || it->what == IMAP_GET_BINARY ||
	    it->what == IMAP_GET_BINARY_SIZE)
		put_section(b, &it->section);
	if (it->partial)
		buf_addf(b, "<%u.%u>", it->offset, it->count);
}

static void
put_fetch(struct buf *b, const struct imap_command *c)
{
	must(c->fetch.n > 0 && c->fetch.n <= IMAP_ITEMS_MAX);
	imap_set_write(b, &c->set);
	for (unsigned i = 0; i < c->fetch.n; i++) {
		buf_adds(b, i ? " " : " (");
		put_item(b, &c->fetch.item[i]);
	}
	buf_addc(b, ')');
	if (c->fetch.has_since)
		buf_addf(b, " (CHANGEDSINCE %llu%s)",
		    (unsigned long long)c->fetch.changed_since,
		    c->fetch.vanished ? " VANISHED" : "");
}

static void
put_store(struct buf *b, const struct imap_command *c)
{
	static const char *const how[] = { "", "+", "-" };

	imap_set_write(b, &c->set);
	if (c->store.has_since)
		buf_addf(b, " (UNCHANGEDSINCE %llu)",
		    (unsigned long long)c->store.unchanged_since);
	buf_addf(b, " %sFLAGS%s ", how[c->store.how],
	    c->store.silent ? ".SILENT" : "");
	put_flags(b, &c->store.flags);
}

/* A key that has a day goes out as ALL: the other way there is none. */
static const char *
key_name(const struct imap_search *s)
{
	static const char *const names[] = { "ALL", "", "OR", "NOT", "", "UID",
		"", "KEYWORD", "NEW", "BCC", "CC", "FROM", "TO", "SUBJECT",
		"BODY", "TEXT", "HEADER", "ALL", "ALL", "ALL", "ALL", "ALL",
		"ALL", "ALL", "ALL", "ALL", "SAVEDATESUPPORTED", "LARGER",
		"SMALLER", "OLDER", "YOUNGER", "MODSEQ", "EMAILID",
		"THREADID" };

	if (s->key != IMAP_KEY_FLAG)
		return names[s->key];
	switch (s->bits) {
	case IMAP_SEEN:
		return "SEEN";
	case IMAP_ANSWERED:
		return "ANSWERED";
	case IMAP_FLAGGED:
		return "FLAGGED";
	case IMAP_DELETED:
		return "DELETED";
	default:
		must(s->bits == IMAP_DRAFT);
		return "DRAFT";
	}
}

static void	put_key(struct buf *, const struct imap_search *, unsigned,
		    unsigned *);

/* "UNSEEN" for NOT SEEN, which is less deep. */
static void
put_children(struct buf *b, const struct imap_search *s, unsigned depth,
    unsigned *keys)
{
	const struct imap_search *k = s->first;

	if (s->key == IMAP_KEY_NOT && (k->key == IMAP_KEY_FLAG ||
	    k->key == IMAP_KEY_KEYWORD)) {
		b->len -= 3;
		buf_adds(b, "UN");
		put_key(b, k, depth, keys);
		return;
	}
	for (; k != NULL; k = k->next) {
		if (k != s->first || s->key != IMAP_KEY_AND)
			buf_addc(b, ' ');
		put_key(b, k, depth + 1, keys);
	}
}

static void
put_key(struct buf *b, const struct imap_search *s, unsigned depth,
    unsigned *keys)
{
	must(depth <= IMAP_DEPTH_MAX && ++*keys <= IMAP_KEYS_MAX);
	if (s->key == IMAP_KEY_AND && depth > 0)
		buf_addc(b, '(');
	buf_adds(b, key_name(s));
	if (s->first != NULL)
		put_children(b, s, depth, keys);
	if (s->key == IMAP_KEY_AND && depth > 0)
		buf_addc(b, ')');
	if (s->field.p != NULL) {
		buf_addc(b, ' ');
		put_text(b, s->field);
	}
	if (s->key == IMAP_KEY_KEYWORD)
		buf_addf(b, " %.*s", (int)s->text.len, s->text.p);
	else if (s->text.p != NULL) {
		buf_addc(b, ' ');
		put_text(b, s->text);
	}
	if (s->key == IMAP_KEY_UID)
		buf_addc(b, ' ');
	imap_set_write(b, &s->set);
	if (s->key >= IMAP_KEY_LARGER && s->key <= IMAP_KEY_MODSEQ)
		buf_addf(b, " %llu", (unsigned long long)s->number);
}

static void
put_search(struct buf *b, const struct imap_command *c)
{
	unsigned	 keys = 0;

	if (c->search.charset.p != NULL) {
		buf_adds(b, "CHARSET ");
		put_text(b, c->search.charset);
		buf_addc(b, ' ');
	}
	put_key(b, c->search.key, 0, &keys);
}

static void
put_append(struct buf *b, const struct imap_command *c)
{
	must(c->nappend > 0 && c->nappend <= IMAP_ITEMS_MAX);
	put_text(b, c->name);
	for (unsigned i = 0; i < c->nappend; i++) {
		const struct imap_append *a = &c->append[i];

		must(a->catenate == (a->nparts > 0));
		buf_addc(b, ' ');
		put_flags(b, &a->flags);
		buf_adds(b, a->catenate ? " CATENATE (" : " ");
		for (unsigned k = 0; k < a->nparts; k++) {
			buf_adds(b, k ? " " : "");
			buf_adds(b, a->part[k].url ? "URL " : "TEXT ");
			put_text(b, a->part[k].text);
		}
		if (a->catenate)
			buf_addc(b, ')');
		else
			put_text(b, a->msg);
	}
}

static void
put_list(struct buf *b, const struct imap_command *c)
{
	must(c->list.npatterns > 0 && c->list.npatterns <= IMAP_ITEMS_MAX);
	put_text(b, c->name);
	for (unsigned i = 0; i < c->list.npatterns; i++) {
		buf_adds(b, i ? " " : c->verb == IMAP_LSUB ? " " : " (");
		put_text(b, c->list.pattern[i]);
	}
	buf_adds(b, c->verb == IMAP_LSUB ? "" : ")");
}

/* An event that is not offered goes out as X. */
static void
put_group(struct buf *b, const struct imap_command *c,
    const struct imap_notify *g)
{
	static const char *const where[] = { "SELECTED", "SELECTED-DELAYED",
		"INBOXES", "PERSONAL", "SUBSCRIBED", "SUBTREE", "MAILBOXES" };
	static const char *const events[] = { "MessageNew", "MessageExpunge",
		"FlagChange", "MailboxName", "SubscriptionChange", "X" };
	const char	*blank = " (";

	must((g->nnames > 0) == (g->where >= IMAP_SUBTREE));
	buf_addf(b, " (%s", where[g->where]);
	for (unsigned i = 0; i < g->nnames; i++) {
		buf_adds(b, i ? " " : " (");
		put_text(b, g->name[i]);
	}
	buf_adds(b, g->nnames > 0 ? ")" : "");
	for (unsigned i = 0; i < 6; i++) {
		if (!(g->events & 1u << i))
			continue;
		buf_addf(b, "%s%s", blank, events[i]);
		blank = " ";
		for (unsigned k = 0; i == 0 && g->where <=
		    IMAP_SELECTED_DELAYED && k < c->fetch.n; k++) {
			buf_adds(b, k ? " " : " (");
			put_item(b, &c->fetch.item[k]);
			buf_adds(b, k + 1 == c->fetch.n ? ")" : "");
		}
	}
	buf_adds(b, g->events == 0 ? " NONE)" : "))");
}

static void
put_notify(struct buf *b, const struct imap_command *c)
{
	must(c->notify.set == (c->notify.ngroups > 0));
	must(c->notify.ngroups <= IMAP_ITEMS_MAX);
	buf_adds(b, c->notify.set ? "SET" : "NONE");
	buf_adds(b, c->notify.status ? " STATUS" : "");
	for (unsigned i = 0; i < c->notify.ngroups; i++)
		put_group(b, c, &c->notify.group[i]);
}

static bool
put_command(struct buf *b, const struct imap_command *c)
{
	buf_add(b, c->tag.p, c->tag.len);
	buf_addf(b, " %s%s ", c->uid ? "UID " : "", imap_verb_name(c->verb));
	switch (c->verb) {
	case IMAP_FETCH:
		put_fetch(b, c);
		break;
	case IMAP_STORE:
		put_store(b, c);
		break;
	case IMAP_SEARCH:
		put_search(b, c);
		break;
	case IMAP_APPEND:
		put_append(b, c);
		break;
	case IMAP_LIST:
	case IMAP_LSUB:
		put_list(b, c);
		break;
	case IMAP_NOTIFY:
		put_notify(b, c);
		break;
	case IMAP_LOGIN:
	case IMAP_RENAME:
		put_text(b, c->name);
		buf_addc(b, ' ');
		put_text(b, c->name2);
		break;
	case IMAP_COPY:
	case IMAP_MOVE:
		imap_set_write(b, &c->set);
		buf_addc(b, ' ');
		put_text(b, c->name);
		break;
	default:
		return false;
	}
	return true;
}

static void
written_again(const struct imap_command *c)
{
	struct imap_command d = { 0 };
	struct buf	 b, again;

	buf_init(&b, MAX);
	buf_init(&again, MAX);
	if (put_command(&b, c)) {
		must(b.err == 0);
		must(imap_parse((struct span){ b.p, b.len }, &d) == 0);
		must(put_command(&again, &d) && again.len == b.len &&
		    memcmp(b.p, again.p, b.len) == 0);
	}
	imap_command_free(&d);
	buf_free(&b);
	buf_free(&again);
}

/* --- where it ends --- */

/* As a reader of lines does it: how far the first command goes. */
static size_t
command_end(struct span in)
{
	struct imap_literal l;
	size_t		 at = 0, n;
	const char	*crlf;

	for (;;) {
		crlf = memmem(in.p + at, in.len - at, "\r\n", 2);
		n = crlf == NULL ? in.len - at : (size_t)(crlf - in.p) - at;
		if (imap_literal((struct span){ in.p + at, n }, &l) != 0)
			return at + n;
		if (crlf == NULL || l.len > in.len - at - n - 2)
			return in.len + 1;
		at += n + 2 + (size_t)l.len;
	}
}

static void
resolved(struct imap_command *c)
{
	imap_command_resolve(c, 7, 30);
	is_resolved(&c->set);
	is_resolved(&c->select.known);
	is_resolved(&c->select.match_seq);
	is_resolved(&c->select.match_uid);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span	 in = { (const char *)data, size }, tag;
	struct imap_command c;
	int		 rc;

	try_set(in, size % 4 * 10);
	rc = imap_parse(in, &c);
	must(rc == 0 || rc == CM_EDATA || rc == CM_ETOOBIG);
	must((rc == 0) == (c.why == NULL));
	must(imap_peek(in, &tag) == c.verb && tag.len == c.tag.len &&
	    tag.p == c.tag.p);
	if (rc == 0 && c.verb != IMAP_UNKNOWN) {
		must(command_end(in) == size);
		written_again(&c);
		resolved(&c);
	}
	imap_command_free(&c);
	return 0;
}
