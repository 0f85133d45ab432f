#include "cluster/sum.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/time.h"
#include "cluster/segment.h"

#define ENOUGH	1	/* ends a scan: not a failure */

struct reading {
	struct sum	*s;
	uint32_t	 from, max;
	int64_t		 until_ms;
};

int
sum_add_bad(struct sum *s, uint32_t offset, uint32_t length)
{
	struct sum_bad	*p;

	if (s->n == SUM_BAD_MAX)
		return CM_ETOOBIG;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		if ((p = reallocarray(s->bad, s->cap, sizeof(*p))) == NULL)
			return CM_ENOMEM;
		s->bad = p;
	}
	s->bad[s->n++] = (struct sum_bad){ offset, length };
	return 0;
}

void
sum_free(struct sum *s)
{
	free(s->bad);
	memset(s, 0, sizeof(*s));
}

static int
on_item(void *arg, const struct seg_item *it)
{
	struct reading	*r = arg;
	uint32_t	 v[5] = { it->offset, it->head.env_len,
			    it->head.msg_len, it->head.env_crc,
			    it->head.msg_crc };
	int		 rc = 0;

	if (it->what == SEG_RECORD)
		r->s->sum = crc32c(r->s->sum, v, sizeof(v));
	else
		rc = sum_add_bad(r->s, it->offset, it->length);
	r->s->at = it->offset + it->length;
	if (rc == 0 && ((r->max != 0 && r->s->at - r->from >= r->max) ||
	    (r->until_ms != 0 && time_mono_ms() >= r->until_ms)))
		rc = ENOUGH;
	return rc;
}

int
sum_read(const struct log *log, const char *dir, uint32_t salt,
    uint32_t segment, uint32_t to, uint32_t max, int ms, struct sum *s)
{
	struct reading	 r = { .s = s, .from = s->at, .max = max,
			    .until_ms = ms ? time_mono_ms() + ms : 0 };
	struct seg_scan	 sc = { .salt = salt, .segment = segment,
			    .from = s->at, .to = to, .messages = true,
			    .fn = on_item, .arg = &r };
	int		 rc;

	if ((rc = seg_open(log, dir, segment, O_RDONLY, &sc.fd)) != 0)
		return rc;
	rc = seg_scan(log, &sc);
	close(sc.fd);
	return rc == ENOUGH ? 0 : rc;
}

int
sum_write(struct buf *b, const struct sum *s)
{
	buf_addf(b, "at %u\nsum %08x\n", s->at, s->sum);
	for (size_t i = 0; i < s->n; i++)
		buf_addf(b, "bad %u %u\n", s->bad[i].offset, s->bad[i].length);
	return b->err;
}

static int
parse_bad(struct span l, struct sum *s)
{
	struct span	 f;
	uint64_t	 a, b;

	if (!str_field(&l, ' ', &f) || l.p == NULL ||
	    str_u64(f.p, f.len, UINT32_MAX, &a) != 0 ||
	    str_u64(l.p, l.len, UINT32_MAX - a, &b) != 0)
		return CM_EPROTO;
	return sum_add_bad(s, (uint32_t)a, (uint32_t)b);
}

int
sum_parse(struct span text, struct sum *s)
{
	struct span	 l, key;
	uint64_t	 v;
	unsigned	 have = 0;

	while (text.len > 0 && str_field(&text, '\n', &l)) {
		if (!str_field(&l, ' ', &key) || l.p == NULL)
			continue;
		if (span_is(key, "bad")) {
			if (parse_bad(l, s) != 0)
				return CM_EPROTO;
		} else if (span_is(key, "at")) {
			if (str_u64(l.p, l.len, UINT32_MAX, &v) != 0)
				return CM_EPROTO;
			s->at = (uint32_t)v;
			have |= 1;
		} else if (span_is(key, "sum")) {
			if (l.len != 8 || str_hex(l.p, l.len, &v) != 0)
				return CM_EPROTO;
			s->sum = (uint32_t)v;
			have |= 2;
		}
	}
	return have == 3 ? 0 : CM_EPROTO;
}
