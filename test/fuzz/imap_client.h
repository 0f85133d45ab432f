/*
 * A client that believes what it is told: it reads answers by the grammar of
 * RFC 3501 section 9, numbers messages as EXISTS and EXPUNGE say, and stops
 * where something cannot be.  Of imap_session.c.
 */
#ifndef FUZZ_IMAP_CLIENT_H
#define FUZZ_IMAP_CLIENT_H

#include "format/imap.h"
#include "format/imap_set.h"

#define KNOWN		10000		/* messages of a folder, at most */
#define FLAGS_SIZE	512
#define LAST_TAG	"zy"

struct known {
	uint32_t	 uid;		/* 0: never told */
	bool		 has_flags;
	char		 flags[FLAGS_SIZE];
};

struct client {
	struct span	 said;		/* answers that are yet to be read */
	struct span	 sent;		/* commands, behind the last answered */
	bool		 plain;		/* no literals: lines are commands */
	bool		 silent;	/* flags may be changed by STORE unseen */
	bool		 alone;		/* nobody changes anything at the end */
	bool		 sure;		/* of the numbers */
	bool		 last;		/* what is told now is how it is */
	size_t		 n;
	struct known	*m;		/* KNOWN of them */
	size_t		 listed;	/* FETCH answers, of this command */
	enum imap_verb	 verb;		/* of the command that was answered */
	bool		 uid;		/* UID came before it */
	bool		 bye;
};

/* --- words */

static bool
is_next(const struct span *s, const char *text)
{
	return s->len >= strlen(text) && memcmp(s->p, text, strlen(text)) == 0;
}

static void
skip(struct span *s, size_t n)
{
	must(n <= s->len);
	s->p += n;
	s->len -= n;
}

static bool
take(struct span *s, const char *text)
{
	if (!is_next(s, text))
		return false;
	skip(s, strlen(text));
	return true;
}

static bool
is_digit(const struct span *s)
{
	return s->len > 0 && s->p[0] >= '0' && s->p[0] <= '9';
}

static uint64_t
take_number(struct span *s)
{
	uint64_t	 v = 0;

	must(is_digit(s));
	for (unsigned i = 0; is_digit(s); i++) {
		must(i < 20);
		v = v * 10 + (uint64_t)(s->p[0] - '0');
		skip(s, 1);
	}
	return v;
}

/* Takes a literal when one is here. */
static bool
take_literal(struct span *s)
{
	bool		 binary = is_next(s, "~{");
	struct span	 t = *s;
	size_t		 n;

	if (!take(&t, binary ? "~{" : "{") || !is_digit(&t))
		return false;
	n = (size_t)take_number(&t);
	if (!take(&t, "}\r\n"))
		return false;
	must(n <= t.len && (binary || n == 0 ||
	    memchr(t.p, '\0', n) == NULL));
	skip(&t, n);
	*s = t;
	return true;
}

static bool
is_text(char c)
{
	return c != '\r' && c != '\n' && c != '\0';
}

static void
take_quoted(struct span *s)
{
	must(take(s, "\""));
	while (!take(s, "\"")) {
		must(s->len > 0 && is_text(s->p[0]));
		if (take(s, "\\"))
			must(is_next(s, "\"") || is_next(s, "\\"));
		skip(s, 1);
	}
}

/* An atom, a string, or a list of them. */
static struct span
take_value(struct span *s)
{
	struct span	 from = *s;
	unsigned	 depth = 0;

	do {
		if (take(s, "(")) {
			depth++;
		} else if (depth > 0 && take(s, ")")) {
			depth--;
		} else if (is_next(s, "\"")) {
			take_quoted(s);
		} else if (!take_literal(s)) {
			if (depth > 0 && take(s, " "))
				continue;
			must(s->len > 0 && strchr(" ()\r\n", s->p[0]) == NULL);
			while (s->len > 0 && strchr(" ()\r\n\"", s->p[0]) ==
			    NULL)
				skip(s, 1);
		}
	} while (depth > 0);
	return (struct span){ from.p, from.len - s->len };
}

/* BODY[1.HEADER.FIELDS ("a b" {1}...)]<3> */
static struct span
take_name(struct span *s)
{
	struct span	 from = *s;
	bool		 in = false;

	while (in || !is_next(s, " ")) {
		must(s->len > 0);
		if (is_next(s, "\"")) {
			take_quoted(s);
		} else if (!take_literal(s)) {
			must(is_text(s->p[0]));
			in = s->p[0] == '[' || (in && s->p[0] != ']');
			skip(s, 1);
		}
	}
	must(s->p > from.p);
	return (struct span){ from.p, from.len - s->len };
}

/* Up to the line's end, literals included. */
static struct span
take_line(struct span *s)
{
	struct span	 from = *s;

	while (!take(s, "\r\n"))
		if (!take_literal(s)) {
			must(s->len > 0 && is_text(s->p[0]));
			skip(s, 1);
		}
	return (struct span){ from.p, from.len - s->len };
}

/* --- what is told of messages */

static void
learn(const struct client *c, struct known *k, struct span name,
    struct span value)
{
	uint32_t	 uid;

	if (span_is(name, "UID")) {
		uid = (uint32_t)take_number(&value);
		must(value.len == 0 && uid > 0 && (k->uid == 0 ||
		    k->uid == uid));
		k->uid = uid;
	} else if (span_is(name, "FLAGS") && value.len < FLAGS_SIZE) {
		must(value.len >= 2 && value.p[0] == '(');
		if (c->last && c->alone && c->plain && !c->silent &&
		    k->has_flags)
			must(span_is(value, k->flags));
		must(str_ncopy(k->flags, FLAGS_SIZE, value.p, value.len) == 0);
		k->has_flags = true;
	}
}

static void
told_fetch(struct client *c, uint64_t number, struct span *s)
{
	struct known	*k;
	struct span	 name;

	must(number >= 1 && (!c->sure || number <= c->n) && number < KNOWN);
	k = &c->m[number - 1];
	must(take(s, "("));
	do {
		name = take_name(s);
		skip(s, 1);
		if (c->sure)
			learn(c, k, name, take_value(s));
		else
			take_value(s);
	} while (take(s, " "));
	must(take(s, ")"));
	c->listed++;
	/* UIDs go up with the numbers */
	for (size_t i = number - 1; c->sure && k->uid > 0 && i-- > 0;)
		must(c->m[i].uid < k->uid);
}

static void
drop(struct client *c, size_t at)
{
	c->n--;
	memmove(&c->m[at], &c->m[at + 1], (c->n - at) * sizeof(c->m[0]));
}

static void
told_exists(struct client *c, uint64_t number)
{
	must((!c->sure || number >= c->n) && number < KNOWN);
	if (number > c->n)
		memset(&c->m[c->n], 0, (number - c->n) * sizeof(c->m[0]));
	c->n = number;
}

/* RFC 3501 section 7.4.1: not where numbers are in use. */
static bool
may_expunge(const struct client *c)
{
	return !c->plain || c->uid || (c->verb != IMAP_FETCH &&
	    c->verb != IMAP_STORE && c->verb != IMAP_SEARCH &&
	    c->verb != IMAP_SORT && c->verb != IMAP_THREAD);
}

static void
told_expunge(struct client *c, uint64_t number)
{
	must(may_expunge(c));
	if (!c->sure)
		return;
	must(number >= 1 && number <= c->n);
	drop(c, number - 1);
}

static void
told_vanished(struct client *c, struct span *s)
{
	bool		 early = take(s, "(EARLIER) ");
	const char	*end = s->len > 0 ? memchr(s->p, '\r', s->len) : NULL;
	struct imap_set	 gone;

	must(end != NULL && imap_set_parse((struct span){ s->p,
	    (size_t)(end - s->p) }, &gone) == 0 && !gone.saved && gone.n > 0);
	for (size_t i = 0; i < gone.n; i++)
		must(gone.r[i].from > 0 && gone.r[i].from <= gone.r[i].to);
	skip(s, (size_t)(end - s->p));
	must(early || may_expunge(c));
	for (size_t i = 0; !early && c->sure && i < c->n;) {
		/* one whose UID was never told may be one of them */
		if (c->m[i].uid == 0)
			c->sure = false;
		else if (imap_set_has(&gone, c->m[i].uid))
			drop(c, i);
		else
			i++;
	}
	imap_set_free(&gone);
}

/* SEARCH and SORT. */
static void
told_numbers(const struct client *c, struct span *s)
{
	uint64_t	 number;

	while (take(s, " ")) {
		if (take(s, "(MODSEQ ")) {
			take_number(s);
			must(take(s, ")"));
			return;
		}
		number = take_number(s);
		must(number >= 1 && (!c->plain || c->uid || !c->sure ||
		    number <= c->n));
	}
}

static void
told_number(struct client *c, struct span *s)
{
	uint64_t	 number = take_number(s);

	if (take(s, " EXISTS"))
		told_exists(c, number);
	else if (take(s, " EXPUNGE"))
		told_expunge(c, number);
	else if (take(s, " FETCH "))
		told_fetch(c, number, s);
	else
		must(take(s, " RECENT") && number == 0);
}

/* --- lines */

static void
told_list(struct span *s)
{
	must(is_next(s, "("));
	take_value(s);
	must(take(s, " \"/\" "));
	take_value(s);
	if (take(s, " "))
		take_value(s);
}

/* Those with one text for people at their end. */
static bool
told_text(struct client *c, struct span *s)
{
	static const char *const words[] = { "OK ", "NO ", "BAD ",
	    "CAPABILITY ", "NAMESPACE ", "QUOTA ", "QUOTAROOT ", "ID ",
	    "ENABLED", "THREAD", "ESEARCH ", "BYE ", "STATUS " };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (take(s, words[i])) {
			c->bye |= strcmp(words[i], "BYE ") == 0;
			return true;
		}
	return false;
}

static void
untagged(struct client *c, struct span *s)
{
	if (is_digit(s)) {
		told_number(c, s);
	} else if (take(s, "FLAGS ")) {
		/* SELECT alone tells them: what follows is of a folder */
		take_value(s);
		c->n = 0;
		c->sure = true;
	} else if (take(s, "VANISHED ")) {
		told_vanished(c, s);
	} else if (take(s, "SEARCH") || take(s, "SORT")) {
		told_numbers(c, s);
	} else if (take(s, "LIST ") || take(s, "LSUB ")) {
		told_list(s);
	} else {
		must(told_text(c, s));
		take_line(s);
		return;
	}
	must(take(s, "\r\n"));
}

/* A line of what was sent that begins with the tag: all before was answered,
 * or belonged to others. */
static void
find_command(struct client *c, struct span tag)
{
	struct span	 line, found;

	for (;;) {
		must(c->sent.len > 0 && str_field(&c->sent, '\n', &line));
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (line.len >= tag.len && memcmp(line.p, tag.p, tag.len) ==
		    0 && (line.len == tag.len || line.p[tag.len] == ' '))
			break;
	}
	c->verb = imap_peek(line, &found);
	c->uid = line.len > tag.len + 4 && str_ieq(line.p + tag.len + 1, 4,
	    "UID ");
}

/* All answers up to a command's last one, which says whose they are. */
static void
read_group(struct client *c)
{
	struct span	 s = c->said, line = { NULL, 0 }, tag;
	bool		 idle = false;

	for (line = take_line(&s); s.len > 0 && (is_next(&line, "* ") ||
	    is_next(&line, "+ ")); line = take_line(&s))
		continue;
	c->verb = IMAP_UNKNOWN;
	c->uid = true;
	c->listed = 0;
	if (!is_next(&line, "* ") && !is_next(&line, "+ ")) {
		must(str_field(&line, ' ', &tag) && tag.len > 0 &&
		    (is_next(&line, "OK ") || is_next(&line, "NO ") ||
		    is_next(&line, "BAD ")));
		find_command(c, tag);
		c->last = span_is(tag, LAST_TAG) && is_next(&line, "OK ");
	}
	while (is_next(&c->said, "* ") || is_next(&c->said, "+ ")) {
		idle |= is_next(&c->said, "+ idling");
		if (take(&c->said, "+ "))
			take_line(&c->said);
		else if (take(&c->said, "* "))
			untagged(c, &c->said);
	}
	must(c->said.len == s.len || line.len > 0);
	c->said = s;
	/* the line that ended it */
	if (idle)
		str_field(&c->sent, '\n', &line);
}

/* All that was said, to what was sent. */
static void
client_reads(struct client *c)
{
	must(is_next(&c->said, "* OK [CAPABILITY "));
	while (c->said.len > 0) {
		must(!c->bye);
		read_group(c);
	}
}

#endif
