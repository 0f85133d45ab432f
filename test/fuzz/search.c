/*
 * SEARCH in the input's message, for a string of it.  More knowledge does not
 * change an answer; NOT turns it; what BODY finds TEXT finds; and nothing that
 * is asked with the message at hand asks for more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/header.h"
#include "format/search.h"

#define MAX	(1 << 24)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
ask(const struct imap_search *k, const struct search_message *m,
    enum search_need *more)
{
	struct search	*s;
	bool		 match;

	must(search_new(k, (struct span){ NULL, 0 }, &s) == 0);
	must(search_match(s, m, 0, NULL, &match, more) == 0);
	search_free(s);
	return match;
}

static bool
levels(const struct imap_search *k, struct search_message m)
{
	struct search_message	 row = m, env = m;
	struct imap_search	 one = *k;
	struct imap_search	 not = { .key = IMAP_KEY_NOT, .first = &one };
	enum search_need	 more;
	bool			 match;

	one.next = NULL;
	row.envelope.p = row.msg.p = env.msg.p = NULL;
	match = ask(k, &m, &more);
	must(more == SEARCH_ROW);
	must(ask(&not, &m, &more) == !match && more == SEARCH_ROW);
	must(ask(k, &env, &more) == match || more != SEARCH_ROW);
	must(more == SEARCH_ROW || more == SEARCH_MESSAGE);
	must(ask(k, &row, &more) == match || more != SEARCH_ROW);
	m.envelope.p = NULL;
	must(ask(k, &m, &more) == match && more == SEARCH_ROW);
	return match;
}

static void
search(struct search_message m, struct span text, struct span field)
{
	struct imap_search	 k = { .text = text, .field = field };
	struct imap_search	 l = k;
	struct imap_search	 both = { .key = IMAP_KEY_OR, .first = &k };
	bool			 body, match;

	k.key = IMAP_KEY_BODY;
	body = levels(&k, m);
	k.key = IMAP_KEY_TEXT;
	must(!body || levels(&k, m));
	l.key = IMAP_KEY_SENTSINCE;
	k.next = &l;
	for (int i = IMAP_KEY_BCC; i <= IMAP_KEY_HEADER; i++) {
		k.key = (enum imap_key)i;
		match = levels(&k, m);
		must(!match || levels(&both, m));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct search_message	 m = { .number = 1, .uid = 1 };
	struct mime_part	 p = { 0 };
	struct span		 text, field = { "subject", 7 };
	struct buf		 env;

	if (size < 3)
		return 0;
	m.msg = (struct span){ (const char *)data + 2, size - 2 };
	text = m.msg;
	text.p += data[0] % text.len;
	text.len = data[1] % (text.len - (size_t)(text.p - m.msg.p) + 1);
	if (data[1] & 1)
		field = (struct span){ "x", 1 };
	p.body = header_end(m.msg.p, m.msg.len);
	buf_init(&env, MAX);
	must(mime_envelope(m.msg.p, &p, &env) == 0);
	m.envelope = (struct span){ env.p, env.len };
	search(m, text, field);
	buf_free(&env);
	return 0;
}
