#include "format/envelope.h"

#include <string.h>

static void
skip(struct span *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

/* Takes c off, if it is there. */
static bool
take(struct span *s, char c)
{
	if (s->len == 0 || *s->p != c)
		return false;
	skip(s, 1);
	return true;
}

static bool
take_nil(struct span *s)
{
	if (s->len < 3 || memcmp(s->p, "NIL", 3) != 0)
		return false;
	skip(s, 3);
	return true;
}

/* The length of a string behind its first quote; len: it has no end. */
static size_t
quoted(const char *p, size_t len)
{
	size_t	 n = 0;

	while (n < len && p[n] != '"')
		n += p[n] == '\\' ? 2 : 1;
	return n < len ? n : len;
}

static bool
take_string(struct span *s, struct span *out)
{
	size_t	 n;

	*out = (struct span){ NULL, 0 };
	if (take_nil(s))
		return true;
	if (!take(s, '"') || (n = quoted(s->p, s->len)) == s->len)
		return false;
	*out = (struct span){ s->p, n };
	skip(s, n + 1);
	return true;
}

/* From "(" to the ")" that belongs to it, without them. */
static bool
take_list(struct span *s, struct span *out)
{
	size_t	 depth = 1, n;

	*out = (struct span){ NULL, 0 };
	if (take_nil(s))
		return true;
	if (!take(s, '('))
		return false;
	for (n = 0; n < s->len; n++) {
		if (s->p[n] == '"')
			n += 1 + quoted(s->p + n + 1, s->len - n - 1);
		else if (s->p[n] == '(')
			depth++;
		else if (s->p[n] == ')' && --depth == 0)
			break;
	}
	if (n >= s->len)
		return false;
	*out = (struct span){ s->p, n };
	skip(s, n + 1);
	return true;
}

int
envelope_read(struct span s, struct envelope *e)
{
	struct span *const lists[] = { &e->from, &e->sender, &e->reply_to,
	    &e->to, &e->cc, &e->bcc };

	memset(e, 0, sizeof(*e));
	if (!take(&s, '(') || !take_string(&s, &e->date) || !take(&s, ' ') ||
	    !take_string(&s, &e->subject) || !take(&s, ' '))
		return CM_EDATA;
	for (size_t i = 0; i < 6; i++)
		if (!take_list(&s, lists[i]) || !take(&s, ' '))
			return CM_EDATA;
	if (!take_string(&s, &e->in_reply_to) || !take(&s, ' ') ||
	    !take_string(&s, &e->message_id) || !take(&s, ')') || s.len > 0)
		return CM_EDATA;
	return 0;
}

bool
envelope_address(struct span *s, struct envelope_address *a)
{
	return take(s, '(') && take_string(s, &a->name) && take(s, ' ') &&
	    take_string(s, &a->route) && take(s, ' ') &&
	    take_string(s, &a->mailbox) && take(s, ' ') &&
	    take_string(s, &a->host) && take(s, ')');
}

int
envelope_text(struct span s, struct buf *b)
{
	size_t	 run = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] != '\\')
			continue;
		buf_add(b, s.p + run, i - run);
		run = ++i;
	}
	if (run < s.len)
		buf_add(b, s.p + run, s.len - run);
	return b->err;
}
