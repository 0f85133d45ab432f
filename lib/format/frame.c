#include "format/frame.h"

#include <string.h>

#define STATE_LEN	67
#define LEAD_LEN	8
#define WITNESS_LEN	14	/* without the name */

static uint32_t
u32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 |
	    (uint32_t)u[2] << 8 | u[3];
}

static void
add_u32(struct buf *b, uint32_t v)
{
	char	 p[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8),
		    (char)v };

	buf_add(b, p, sizeof(p));
}

static uint64_t
u64(const char *p)
{
	return (uint64_t)u32(p) << 32 | u32(p + 4);
}

static void
add_u64(struct buf *b, uint64_t v)
{
	add_u32(b, (uint32_t)(v >> 32));
	add_u32(b, (uint32_t)v);
}

static struct frame_place
place(const char *p)
{
	return (struct frame_place){ u32(p), u32(p + 4) };
}

static void
add_place(struct buf *b, struct frame_place at)
{
	add_u32(b, at.file);
	add_u32(b, at.offset);
}

/* A byte that is no or yes. */
static bool
is_flag(char c)
{
	return c == 0 || c == 1;
}

static int
parse_state(const char *p, size_t len, struct frame_state *s)
{
	if (len != STATE_LEN || p[0] < 0 || p[0] >= FRAME_ROLES ||
	    !is_flag(p[1]) || !is_flag(p[2]))
		return CM_EPROTO;
	s->role = (uint8_t)p[0];
	s->joined = p[1] != 0;
	s->stands = p[2] != 0;
	s->ballot = u32(p + 3);
	s->data = u32(p + 7);
	s->end = place(p + 11);
	s->generation = u32(p + 19);
	s->at = place(p + 23);
	s->alone = u64(p + 31);
	s->seen = u64(p + 39);
	s->offer = u64(p + 47);
	s->level = u64(p + 55);
	s->changes = u32(p + 63);
	return 0;
}

static int
parse_data(const char *p, size_t len, struct frame *f)
{
	uint32_t	 control;

	if (len < 4 || (control = u32(p)) > len - 4)
		return CM_EPROTO;
	f->control = (struct span){ p + 4, control };
	f->rec = (struct span){ p + 4 + control, len - 4 - control };
	return 0;
}

static int
parse_witness(const char *p, size_t len, struct frame_witness *w)
{
	if (len < WITNESS_LEN || !is_flag(p[0]) || !is_flag(p[1]) ||
	    memchr(p + WITNESS_LEN, '\0', len - WITNESS_LEN) != NULL)
		return CM_EPROTO;
	w->joined = p[0] != 0;
	w->alone = p[1] != 0;
	w->ballot = u32(p + 2);
	w->by = u32(p + 6);
	w->number = u32(p + 10);
	return str_ncopy(w->name, sizeof(w->name), p + WITNESS_LEN,
	    len - WITNESS_LEN) == 0 ? 0 : CM_EPROTO;
}

static int
parse(const char *p, size_t len, struct frame *f)
{
	f->kind = p[0];
	p++;
	len--;
	switch (f->kind) {
	case 'S':
		return parse_state(p, len, &f->state);
	case 'D':
		return parse_data(p, len, f);
	case 'L':
		if (len != LEAD_LEN)
			return CM_EPROTO;
		f->end = place(p);
		return 0;
	case 'W':
		return parse_witness(p, len, &f->witness);
	default:
		return CM_EPROTO;
	}
}

int
frame_parse(const char *p, size_t len, struct frame *f, size_t *used)
{
	uint32_t	 n;

	*used = 0;
	memset(f, 0, sizeof(*f));
	if (len < FRAME_HEAD)
		return 0;
	n = u32(p);
	if (n == 0 || n > FRAME_MAX)
		return CM_EPROTO;
	if (len - FRAME_HEAD < n)
		return 0;
	*used = FRAME_HEAD + n;
	return parse(p + FRAME_HEAD, n, f);
}

static void
begin(struct buf *b, size_t len, char kind)
{
	add_u32(b, (uint32_t)len + 1);
	buf_addc(b, kind);
}

void
frame_add_state(struct buf *b, const struct frame_state *s)
{
	begin(b, STATE_LEN, 'S');
	buf_addc(b, (char)s->role);
	buf_addc(b, s->joined);
	buf_addc(b, s->stands);
	add_u32(b, s->ballot);
	add_u32(b, s->data);
	add_place(b, s->end);
	add_u32(b, s->generation);
	add_place(b, s->at);
	add_u64(b, s->alone);
	add_u64(b, s->seen);
	add_u64(b, s->offer);
	add_u64(b, s->level);
	add_u32(b, s->changes);
}

void
frame_add_data(struct buf *b, struct span control, struct span rec)
{
	begin(b, 4 + control.len + rec.len, 'D');
	add_u32(b, (uint32_t)control.len);
	buf_add(b, control.p, control.len);
	if (rec.len > 0)
		buf_add(b, rec.p, rec.len);
}

void
frame_add_lead(struct buf *b, struct frame_place end)
{
	begin(b, LEAD_LEN, 'L');
	add_place(b, end);
}

void
frame_add_witness(struct buf *b, const struct frame_witness *w)
{
	size_t	 n = strlen(w->name);

	begin(b, WITNESS_LEN + n, 'W');
	buf_addc(b, w->joined);
	buf_addc(b, w->alone);
	add_u32(b, w->ballot);
	add_u32(b, w->by);
	add_u32(b, w->number);
	buf_add(b, w->name, n);
}
