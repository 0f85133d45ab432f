/* What the unit tests of IMAP's commands share. */
#ifndef IMAP_CASE_H
#define IMAP_CASE_H

#include "format/imap.h"
#include "tap.h"

#define CEILING	(1 << 22)

static inline struct span
sp(const char *s)
{
	return (struct span){ s, strlen(s) };
}

/* For one command: it is there until the next one. */
static inline void
parse(struct imap_command *c, const char *text)
{
	char	 show[60];
	int	 rc;

	imap_command_free(c);
	rc = imap_parse(sp(text), c);
	snprintf(show, sizeof(show), "%s", text);
	str_clean(show);
	ok(rc == 0 && c->why == NULL, "%s (%s)", show, c->why ? c->why : "");
}

static inline void
bad(const char *text)
{
	struct imap_command c;
	char	 show[60];
	int	 rc = imap_parse(sp(text), &c);

	snprintf(show, sizeof(show), "%s", text);
	str_clean(show);
	ok(rc == CM_EDATA && c.why != NULL, "wrong: %s (%s)", show,
	    c.why ? c.why : "no reason");
	imap_command_free(&c);
}

static inline void
big(const char *text, const char *what)
{
	struct imap_command c;
	int	 rc = imap_parse(sp(text), &c);

	ok(rc == CM_ETOOBIG && c.why != NULL, "%s: %d, %s", what, rc,
	    c.why ? c.why : "no reason");
	imap_command_free(&c);
}

static inline void
is_set(const struct imap_set *s, const char *want)
{
	struct buf	 b;

	buf_init(&b, CEILING);
	buf_adds(&b, "");
	imap_set_write(&b, s);
	is_str(b.p, want, "the set %s", want);
	buf_free(&b);
}

static inline void
is_span(struct span s, const char *want)
{
	char	 show[60];

	snprintf(show, sizeof(show), "%s", want);
	str_clean(show);
	ok(span_is(s, want), "%s", show);
}

#endif
