#include "format/pop3.h"

#include <string.h>

static const char *const verbs[] = {
	"USER", "PASS", "AUTH", "STLS", "CAPA", "UTF8", "QUIT", "STAT", "LIST",
	"RETR", "DELE", "NOOP", "RSET", "TOP", "UIDL"
};

enum pop3_verb
pop3_verb(struct span line, struct span *args)
{
	size_t	 n = 0;

	while (n < line.len && line.p[n] != ' ')
		n++;
	*args = (struct span){ line.p + n, line.len - n };
	if (args->len > 0) {
		args->p++;
		args->len--;
	}
	for (size_t i = 0; i < POP3_UNKNOWN; i++)
		if (str_ieq(line.p, n, verbs[i]))
			return (enum pop3_verb)i;
	return POP3_UNKNOWN;
}

int
pop3_numbers(struct span args, unsigned min, unsigned max, uint32_t out[2],
    unsigned *n)
{
	struct span	 f;
	uint64_t	 v;

	*n = 0;
	while (args.p != NULL && str_field(&args, ' ', &f)) {
		if (f.len == 0)
			continue;
		if (*n == max || str_u64(f.p, f.len, UINT32_MAX, &v) != 0)
			return CM_EDATA;
		out[(*n)++] = (uint32_t)v;
	}
	return *n < min ? CM_EDATA : 0;
}

/* A line, or what fits of a long one; its end included. */
static size_t
piece(const struct pop3_text *t, size_t chunk)
{
	const char	*p = t->msg.p + t->at, *lf;
	size_t		 left = t->msg.len - t->at;

	if (left > chunk)
		left = chunk;
	lf = memchr(p, '\n', left);
	return lf == NULL ? left : (size_t)(lf - p) + 1;
}

/* What comes before the end: the last line has to have one itself. */
static void
finish(const struct pop3_text *t, struct buf *out)
{
	if (t->at > 0 && t->msg.p[t->at - 1] != '\n')
		buf_adds(out, "\r\n");
	buf_adds(out, ".\r\n");
}

bool
pop3_text(struct pop3_text *t, size_t chunk, struct buf *out)
{
	size_t	 n, had = out->len;

	while (t->at < t->msg.len && out->len - had < chunk) {
		const char *p = t->msg.p + t->at;

		if (t->body && !t->mid && t->lines == 0)
			break;
		n = piece(t, chunk);
		if (!t->mid && *p == '.')
			buf_addc(out, '.');
		buf_add(out, p, n);
		t->at += n;
		if (t->body && p[n - 1] == '\n' && t->lines != UINT64_MAX)
			t->lines--;
		if (!t->body && !t->mid && (n == 1 || n == 2) &&
		    p[n - 1] == '\n' && (n == 1 || p[0] == '\r'))
			t->body = true;
		t->mid = p[n - 1] != '\n';
	}
	if (out->err == 0 && t->at < t->msg.len &&
	    !(t->body && !t->mid && t->lines == 0))
		return false;
	finish(t, out);
	return true;
}
