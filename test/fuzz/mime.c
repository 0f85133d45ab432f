#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/disarm.h"
#include "format/header.h"
#include "format/mime.h"

#define CHECK(x) do { if (!(x)) abort(); } while (0)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t
count_lines(const char *p, size_t len)
{
	uint32_t	 n = 0;

	for (size_t i = 0; i < len; i++)
		n += p[i] == '\n';
	return n;
}

/* Checks a part's children: in order, inside of it.  Returns its depth. */
static int
check_part(const struct mime_tree *t, int i)
{
	const struct mime_part	*p = &t->parts[i];
	size_t			 at = p->body, n = 0;
	int			 depth = 0, below;

	CHECK(p->header <= p->body && p->body <= p->end);
	for (int k = p->child; k != -1; k = t->parts[k].next) {
		const struct mime_part *c = &t->parts[k];

		CHECK(k > i && (size_t)k < t->n);
		CHECK(c->parent == i);
		CHECK(c->header >= at && c->end <= p->end);
		at = c->end;
		n++;
		if ((below = check_part(t, k)) >= depth)
			depth = below + 1;
	}
	if (p->kind == MIME_LEAF)
		CHECK(n == 0);
	if (p->kind == MIME_MESSAGE)
		CHECK(n == 1 && t->parts[p->child].header == p->body &&
		    t->parts[p->child].end == p->end);
	return depth;
}

static void
check_tree(const char *msg, size_t len, const struct mime_tree *t)
{
	size_t	 n = 0, work = 0;

	CHECK(t->n >= 1 && t->n <= MIME_PARTS_MAX);
	CHECK(t->parts[0].header == 0 && t->parts[0].end == len);
	CHECK(t->parts[0].body == header_end(msg, len));
	CHECK(t->parts[0].parent == -1 && t->parts[0].next == -1);
	for (size_t i = 0; i < t->n; i++) {
		const struct mime_part *p = &t->parts[i];

		for (int k = p->child; k != -1; k = t->parts[k].next)
			n++;
		/* Depth would make this slow; some parts will do. */
		if ((work += p->end - p->body) < 1 << 20)
			CHECK(p->lines ==
			    count_lines(msg + p->body, p->end - p->body));
	}
	CHECK(n == t->n - 1);
}

/* One balanced list on one line, nothing behind it. */
static void
check_list(const char *p, size_t len)
{
	size_t	 depth = 0;
	bool	 quoted = false;

	CHECK(len >= 2 && len <= MIME_SUMMARY_MAX);
	CHECK(p[0] == '(' && p[len - 1] == ')');
	CHECK(memchr(p, '\0', len) == NULL);
	for (size_t i = 0; i < len; i++) {
		CHECK(p[i] != '\r' && p[i] != '\n');
		if (quoted && p[i] == '\\') {
			i++;
			CHECK(i < len && (p[i] == '"' || p[i] == '\\'));
		} else if (p[i] == '"') {
			quoted = !quoted;
		} else if (!quoted && p[i] == '(') {
			CHECK(depth > 0 || i == 0);
			depth++;
		} else if (!quoted && p[i] == ')') {
			CHECK(depth-- > 0);
		}
	}
	CHECK(depth == 0 && !quoted);
}

/* Each second leaf replaced: the rest of the bytes is there, in order. */
static void
check_disarm(const char *msg, size_t len, const struct mime_tree *t)
{
	bool		*bad = calloc(t->n, sizeof(*bad));
	struct buf	 out;
	size_t		 gone = 0, n = 0, leaf = 0;

	CHECK(bad != NULL);
	for (size_t i = 0; i < t->n; i++)
		if (t->parts[i].kind == MIME_LEAF && leaf++ % 2 == 0) {
			bad[i] = true;
			n++;
			gone += t->parts[i].end - t->parts[i].header;
		}
	buf_init(&out, 2 * len + (n + 1) * 200);
	CHECK(disarm(msg, len, t, bad, "gone\r\n", &out) == 0);
	CHECK(out.len >= len - gone + n * 80);
	buf_free(&out);
	free(bad);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*msg = (const char *)data;
	struct mime_tree t;
	struct buf	 b;

	CHECK(mime_scan(msg, size, &t) == 0);
	check_tree(msg, size, &t);
	CHECK(check_part(&t, 0) <= MIME_DEPTH_MAX);
	buf_init(&b, MIME_SUMMARY_MAX);
	CHECK(mime_envelope(msg, &t.parts[0], &b) == 0);
	check_list(b.p, b.len);
	buf_reset(&b);
	CHECK(mime_bodystructure(msg, &t, &b) == 0);
	check_list(b.p, b.len);
	buf_free(&b);
	check_disarm(msg, size, &t);
	mime_free(&t);
	return 0;
}
