#include "format/disarm.h"

#include "base/str.h"
#include "format/header.h"

static const char content[] = "Content-Type: text/plain; charset=us-ascii\r\n"
    "Content-Disposition: inline\r\n\r\n";

/* What says how the body was to be read. */
static bool
is_content(struct span name)
{
	return name.len > 8 && str_ieq(name.p, 8, "Content-");
}

static void
add_header(const char *msg, const struct mime_part *p, struct buf *out)
{
	struct span		 rest = { msg + p->header,
				    p->body - p->header };
	struct header_field	 f;

	while (header_next(&rest, &f))
		if (!is_content(f.name)) {
			buf_add(out, f.whole.p, f.whole.len);
			/* the last line may lack its end */
			if (f.whole.p[f.whole.len - 1] != '\n')
				buf_adds(out, "\r\n");
		}
}

/* Is it a message, whose header has more than its form? */
static bool
is_whole(const struct mime_tree *t, size_t i)
{
	return t->parts[i].parent == -1 ||
	    t->parts[t->parts[i].parent].kind == MIME_MESSAGE;
}

int
disarm(const char *msg, size_t len, const struct mime_tree *t,
    const bool *bad, const char *text, struct buf *out)
{
	size_t	 at = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct mime_part *p = &t->parts[i];

		if (!bad[i] || p->kind != MIME_LEAF || p->header < at)
			continue;
		buf_add(out, msg + at, p->header - at);
		if (is_whole(t, i))
			add_header(msg, p, out);
		buf_adds(out, content);
		buf_adds(out, text);
		at = p->end;
	}
	return buf_add(out, msg + at, len - at);
}
