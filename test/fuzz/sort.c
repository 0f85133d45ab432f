/*
 * SORT and THREAD of messages made from the input: blocks of header lines with
 * empty lines between.  What comes out has each message once, in brackets that
 * match; the order is one; and the
 * reader of an ENVELOPE takes what mime_envelope writes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/date.h"
#include "format/envelope.h"
#include "format/mime.h"
#include "format/sort.h"

#define MAX	(1 << 24)
#define MESSAGES 200

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
fill(struct sort_message *m, struct span header, struct buf *text)
{
	struct mime_part	 p = { .body = header.len, .end = header.len };
	struct envelope		 e;
	struct envelope_address	 a;
	struct buf		 b;
	struct span		 s;

	buf_init(&b, MAX);
	must(mime_envelope(header.p, &p, &b) == 0);
	s = (struct span){ b.p, b.len };
	must(envelope_read(s, &e) == 0);
	while (envelope_address(&e.to, &a))
		;
	must(e.to.len == 0);
	must(sort_fill(m, s, header, text) == 0);
	buf_free(&b);
}

static size_t
split(struct span in, struct sort_message *m, struct buf *text)
{
	size_t		 n = 0, len;
	const char	*end;

	for (; in.len > 0 && n < MESSAGES; in.p += len, in.len -= len) {
		end = memmem(in.p, in.len, "\n\n", 2);
		len = end ? (size_t)(end - in.p) + 2 : in.len;
		m[n].number = m[n].seq = (uint32_t)n + 1;
		m[n].arrival_ms = (int64_t)(len % 7) * 1000;
		m[n].size = (uint32_t)len;
		fill(&m[n++], (struct span){ in.p, len }, text);
	}
	sort_settle(m, n, text);
	return n;
}

/* Each number once; brackets match, and none is empty. */
static void
check_threads(const struct buf *b, size_t n)
{
	bool	 seen[MESSAGES + 1] = { false };
	size_t	 depth = 0, got = 0, v;

	for (size_t i = 0; i < b->len; i++) {
		char c = b->p[i];

		if (c == '(') {
			depth++;
		} else if (c == ')') {
			must(depth-- > 0 && b->p[i - 1] != '(' &&
			    b->p[i - 1] != ' ');
		} else if (c == ' ') {
			must(b->p[i - 1] != '(' && b->p[i - 1] != ' ');
		} else {
			must(depth > 0);
			for (v = 0; b->p[i] >= '0' && b->p[i] <= '9'; i++)
				v = v * 10 + (size_t)(b->p[i] - '0');
			i--;
			must(v >= 1 && v <= n && !seen[v]);
			seen[v] = true;
			got++;
		}
	}
	must(depth == 0 && got == n);
}

static void
threads(const struct sort_message *m, size_t n)
{
	struct buf	 b;

	buf_init(&b, MAX);
	must(thread_references(m, n, &b) == 0);
	check_threads(&b, n);
	buf_reset(&b);
	must(thread_subject(m, n, &b) == 0);
	check_threads(&b, n);
	buf_free(&b);
}

static void
sorts(struct sort_message *m, size_t n, unsigned kind)
{
	struct imap_sort_key key[2] = {
	    { (enum imap_sort)(kind % 7), kind & 8 },
	    { (enum imap_sort)(kind / 16 % 7), kind & 128 } };
	uint32_t	 order[MESSAGES];

	sort_messages(m, n, key, 2);
	for (size_t i = 0; i < n; i++)
		order[i] = m[i].seq;
	sort_messages(m, n, NULL, 0);
	for (size_t i = 0; i < n; i++)
		must(m[i].seq == i + 1);
	sort_messages(m, n, key, 2);
	for (size_t i = 0; i < n; i++)
		must(m[i].seq == order[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sort_message	*m;
	struct span		 in = { (const char *)data, size };
	struct envelope		 e;
	struct buf		 text;
	int32_t			 day;
	int64_t			 ms;
	size_t			 n;

	if (envelope_read(in, &e) == 0)
		must(in.p[0] == '(' && in.p[size - 1] == ')');
	if (date_parse(in, &day, &ms) == 0)
		must(ms / 86400000 - day <= 100 && day - ms / 86400000 <= 100);
	if (size == 0)
		return 0;
	if ((m = calloc(MESSAGES, sizeof(*m))) == NULL)
		return 0;
	buf_init(&text, MAX);
	n = split(in, m, &text);
	threads(m, n);
	sorts(m, n, data[0]);
	buf_free(&text);
	free(m);
	return 0;
}
