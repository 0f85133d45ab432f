#include "cluster/push.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/cancel.h"
#include "cluster/catdump.h"

#define ANSWER_MS	10000
#define BATCH_RECORDS	1000
#define BATCH_BYTES	(4u << 20)
#define TEXT_MAX	(64u << 20)	/* of a batch: one large record more */
#define CURSORS_MAX	(1u << 20)
#define GAPS_MAX	1000		/* tried at a time */

/* How far the agent has each segment. */
struct cursors {
	struct cursor {
		uint32_t segment;
		uint32_t end;
	}		*v;
	size_t		 n, cap;
	struct gap {
		uint32_t segment;
		uint32_t from, to;
	}		*gap;		/* what could not be read */
	size_t		 ngaps;
};

/* One segment's entries on their way. */
struct batch {
	const struct push_source *src;
	const struct cancels *cancels;
	uint32_t	 segment;
	struct buf	 text;
	uint32_t	 from, end;
	uint32_t	 records;
	bool		 full;
	bool		 mends;		/* a gap: all of it, and right */
	bool		 bad;		/* no record where one must be */
};

void
push_hang_up(struct push *p)
{
	if (p->up)
		stream_close(&p->s);
	p->up = false;
}

static int
dial(struct push *p)
{
	int	 fd, rc;

	if (p->up)
		return 0;
	if ((rc = p->dial(p->arg, &fd)) != 0)
		return rc;
	stream_init(&p->s, fd, CATDUMP_LINE_MAX, ANSWER_MS);
	p->up = true;
	return 0;
}

/* The last line of an answer: ".CODE TAB TEXT". */
static int
last_line(struct span l)
{
	struct span	 code;
	uint64_t	 v;

	l.p++;
	l.len--;
	if (!str_field(&l, '\t', &code))
		return CM_EPROTO;
	if (span_is(code, "0"))
		return 0;
	if (code.len < 2 || code.p[0] != '-' ||
	    str_u64(code.p + 1, code.len - 1, 1000, &v) != 0)
		return CM_EPROTO;
	return -(int)v;
}

static int
add_cursor(struct cursors *c, uint64_t segment, uint64_t end)
{
	struct cursor	*v;
	size_t		 cap = c->cap ? c->cap * 2 : 64;

	if (c->n == c->cap) {
		if (cap > CURSORS_MAX || (v = reallocarray(c->v, cap,
		    sizeof(*v))) == NULL)
			return CM_ENOMEM;
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n++] = (struct cursor){ (uint32_t)segment, (uint32_t)end };
	return 0;
}

static uint32_t
cursor_of(const struct cursors *c, uint32_t segment)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].segment == segment)
			return c->v[i].end;
	return 0;
}

static int
numbers(struct span l, uint64_t *v, size_t n)
{
	struct span	 f;

	for (size_t i = 0; i < n; i++)
		if (!str_field(&l, '\t', &f) ||
		    str_u64(f.p, f.len, UINT32_MAX, &v[i]) != 0)
			return CM_EPROTO;
	return l.p == NULL ? 0 : CM_EPROTO;
}

/* "SEGMENT TAB OFFSET TAB LENGTH" */
static int
gap_line(struct cursors *c, struct span l)
{
	struct gap	*g;
	uint64_t	 v[3];

	if (numbers(l, v, 3) != 0 || v[1] + v[2] > UINT32_MAX)
		return CM_EPROTO;
	/* the rest has its turn when these are mended */
	if (c->ngaps == GAPS_MAX)
		return 0;
	if (c->gap == NULL && (c->gap = calloc(GAPS_MAX, sizeof(*g))) == NULL)
		return CM_ENOMEM;
	g = &c->gap[c->ngaps++];
	*g = (struct gap){ (uint32_t)v[0], (uint32_t)v[1],
	    (uint32_t)(v[1] + v[2]) };
	return 0;
}

/* "=SEGMENT TAB END", or "=gap TAB" and a gap. */
static int
cursor_line(struct cursors *c, struct span l)
{
	uint64_t	 v[2];

	if (l.len > 5 && memcmp(l.p, "=gap\t", 5) == 0)
		return gap_line(c, (struct span){ l.p + 5, l.len - 5 });
	if (l.p[0] != '=' ||
	    numbers((struct span){ l.p + 1, l.len - 1 }, v, 2) != 0)
		return CM_EPROTO;
	return add_cursor(c, v[0], v[1]);
}

static int
answer(struct push *p, struct cursors *c)
{
	struct span	 l;
	int		 rc;

	if ((rc = stream_flush(&p->s, 1)) != 0)
		return rc;
	while ((rc = stream_line(&p->s, &l)) == 0) {
		if (l.len == 0)
			return CM_EPROTO;
		if (l.p[0] == '.')
			return last_line(l);
		if ((rc = c == NULL ? CM_EPROTO : cursor_line(c, l)) != 0)
			return rc;
	}
	return rc == CM_EEND ? CM_EAWAY : rc;
}

static int
ask_cursors(struct push *p, const struct push_source *src, struct cursors *c)
{
	const struct seg_meta	*m = src->meta;

	buf_addf(&p->s.out, "cursors\t%s\t%08x\t%u%s\n", m->name, m->salt,
	    m->epoch, src->copy ? "\tcopy" : "");
	return answer(p, c);
}

static int
add_item(void *arg, const struct seg_item *it)
{
	struct batch	*b = arg;
	bool		 record = it->what == SEG_RECORD ||
			    it->what == SEG_UNREAD;

	/* what ends a segment and is no record may be completed by a copy */
	if (it->what == SEG_TAIL)
		return 1;
	b->bad = (b->src->copy || b->mends) && !record;
	if (b->bad)
		return 1;
	if (cancels_has(b->cancels, b->segment, it->offset)) {
		buf_addf(&b->text, "C\t%u\t%u\n", it->offset, it->length);
	} else if (record) {
		buf_addf(&b->text, "R\t%u\t%u\t", it->offset, it->length);
		str_pct(&b->text, it->env, it->head.env_len, "");
		buf_addc(&b->text, '\n');
		b->records++;
	} else {
		buf_addf(&b->text, "G\t%u\t%u\n", it->offset, it->length);
	}
	b->end = it->offset + it->length;
	b->full = !b->mends && (b->records >= BATCH_RECORDS ||
	    b->text.len >= BATCH_BYTES);
	return b->text.err != 0 ? b->text.err : b->full;
}

/* Reads the next entries of a segment. */
static int
read_batch(struct push *p, struct batch *b, uint32_t from, uint32_t to)
{
	struct seg_scan	 s = { .salt = b->src->meta->salt,
			    .segment = b->segment, .from = from, .to = to,
			    .messages = b->mends, .fn = add_item, .arg = b };
	int		 rc;

	buf_reset(&b->text);
	b->from = b->end = from;
	b->records = 0;
	b->full = b->bad = false;
	if ((rc = seg_open(p->log, b->src->dir, b->segment, O_RDONLY,
	    &s.fd)) != 0)
		return rc;
	/* who appended to a copy may have died before it was on the disk */
	if (b->src->copy && fdatasync(s.fd) == -1)
		rc = log_errno(p->log, "%s: segment %08u", b->src->dir,
		    b->segment);
	else
		rc = seg_scan(p->log, &s);
	close(s.fd);
	return rc < 0 ? rc : 0;
}

static int
push_batch(struct push *p, const struct batch *b)
{
	const struct seg_meta	*m = b->src->meta;

	buf_addf(&p->s.out, "index\t%s\t%08x\t%u\t%u\t%u\t%u%s\n", m->name,
	    m->salt, m->epoch, b->segment, b->from, b->end,
	    b->mends ? "\tgap" : b->src->copy ? "\tcopy" : "");
	buf_add(&p->s.out, b->text.p, b->text.len);
	buf_adds(&p->s.out, ".\n");
	return answer(p, NULL);
}

static int
push_segment(struct push *p, const struct push_source *src,
    struct cancels *cancels, uint32_t segment, uint32_t at, uint32_t to)
{
	struct batch	 b = { .src = src, .cancels = cancels,
			    .segment = segment };
	int		 rc;

	if ((rc = cancels_cover(p->log, src->dir, src->meta->salt, cancels,
	    (struct vol_end){ segment, at }, src->to)) != 0)
		return rc;
	buf_init(&b.text, TEXT_MAX);
	while (rc == 0 && at < to && !*p->stop) {
		if ((rc = read_batch(p, &b, at, to)) == 0 && b.end > at)
			rc = push_batch(p, &b);
		if (b.bad)
			log_warn(p->log, "%s: segment %08u: not listed from "
			    "%u on, which is no record (cm-rebuild check -r)",
			    src->dir, segment, b.end);
		if (b.end == at || b.bad)
			break;
		at = b.end;
	}
	buf_free(&b.text);
	return rc;
}

/* A repair may have brought the bytes of a gap back. */
static int
push_gap(struct push *p, const struct push_source *src,
    struct cancels *cancels, const struct gap *g)
{
	struct batch	 b = { .src = src, .cancels = cancels,
			    .segment = g->segment, .mends = true };
	int		 rc;

	if ((rc = cancels_cover(p->log, src->dir, src->meta->salt, cancels,
	    (struct vol_end){ g->segment, g->from }, src->to)) != 0)
		return rc;
	buf_init(&b.text, TEXT_MAX);
	rc = read_batch(p, &b, g->from, g->to);
	if (rc == CM_EEND || rc == CM_ENOINPUT || rc == CM_EIO)
		rc = 0;			/* not there yet */
	else if (rc == 0 && !b.bad && b.end == g->to)
		rc = push_batch(p, &b);
	buf_free(&b.text);
	return rc;
}

static int
push_gaps(struct push *p, const struct push_source *src,
    const struct cursors *c)
{
	struct cancels	 cancels = { .n = 0 };
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < c->ngaps && !*p->stop; i++)
		rc = push_gap(p, src, &cancels, &c->gap[i]);
	cancels_free(&cancels);
	return rc;
}

static int
push_segments(struct push *p, const struct push_source *src,
    const struct cursors *c, const uint32_t *list, size_t n)
{
	struct cancels	 cancels = { .n = 0 };
	uint32_t	 at, to;
	int		 rc = 0;

	for (size_t i = 0; rc == 0 && i < n && !*p->stop; i++) {
		if (list[i] < src->from.segment || list[i] > src->to.segment)
			continue;
		to = src->to.offset;
		if (list[i] < src->to.segment && (rc = seg_size(p->log,
		    src->dir, list[i], &to)) != 0)
			break;
		if ((at = cursor_of(c, list[i])) < to)
			rc = push_segment(p, src, &cancels, list[i], at, to);
	}
	cancels_free(&cancels);
	return rc;
}

int
push_log(struct push *p, const struct push_source *src)
{
	struct cursors	 c = { .n = 0 };
	uint32_t	*list = NULL;
	size_t		 n;
	int		 rc;

	if ((rc = dial(p)) != 0)
		return rc;
	if ((rc = ask_cursors(p, src, &c)) == 0 &&
	    (rc = seg_list(p->log, src->dir, &list, &n)) == 0)
		rc = push_segments(p, src, &c, list, n);
	if (rc == 0 && src->gaps)
		rc = push_gaps(p, src, &c);
	if (rc == 0 && *p->stop)
		rc = CM_EAGAIN;
	free(list);
	free(c.v);
	free(c.gap);
	return rc;
}
