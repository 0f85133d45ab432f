#include "format/record.h"

#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/time.h"
#include "format/receipt.h"

/* cmr1 ENVLEN MSGLEN ENVCRC MSGCRC HEADCRC, each of 8 hex digits */
#define MAGIC	"cmr1 "
#define BEFORE_CRC 41

uint64_t
record_len(const struct record_head *h)
{
	return (uint64_t)RECORD_HEAD + h->env_len + h->msg_len + 1;
}

static uint32_t
head_crc(const char *p, const struct record_spot *s)
{
	unsigned char	 spot[12];

	for (int i = 0; i < 4; i++) {
		spot[i] = (unsigned char)(s->salt >> (24 - 8 * i));
		spot[4 + i] = (unsigned char)(s->segment >> (24 - 8 * i));
		spot[8 + i] = (unsigned char)(s->offset >> (24 - 8 * i));
	}
	return crc32c(crc32c(0, spot, sizeof(spot)), p, BEFORE_CRC);
}

static void
hex8(char *out, uint32_t v)
{
	for (int i = 0; i < 8; i++)
		out[i] = "0123456789abcdef"[v >> (28 - 4 * i) & 15];
	out[8] = ' ';
}

void
record_head_write(char out[RECORD_HEAD], const struct record_head *h,
    const struct record_spot *s)
{
	memcpy(out, MAGIC, 5);
	hex8(out + 5, h->env_len);
	hex8(out + 14, h->msg_len);
	hex8(out + 23, h->env_crc);
	hex8(out + 32, h->msg_crc);
	hex8(out + BEFORE_CRC, head_crc(out, s));
	out[RECORD_HEAD - 1] = '\n';
}

int
record_head_parse(const char *p, const struct record_spot *s,
    struct record_head *h)
{
	uint64_t	 v[5];

	if (memcmp(p, MAGIC, 5) != 0 || p[RECORD_HEAD - 1] != '\n')
		return CM_ECORRUPT;
	for (int i = 0; i < 5; i++) {
		if (str_hex(p + 5 + 9 * i, 8, &v[i]) != 0)
			return CM_ECORRUPT;
		if (i < 4 && p[13 + 9 * i] != ' ')
			return CM_ECORRUPT;
	}
	if (v[4] != head_crc(p, s))
		return CM_ECORRUPT;
	h->env_len = (uint32_t)v[0];
	h->msg_len = (uint32_t)v[1];
	h->env_crc = (uint32_t)v[2];
	h->msg_crc = (uint32_t)v[3];
	if (h->env_len > RECORD_ENV_MAX || h->msg_len > RECORD_MSG_MAX)
		return CM_ECORRUPT;
	return 0;
}

int
record_to_add(struct buf *b, const char *mailbox, const char *folder,
    const char *flags)
{
	buf_adds(b, "to ");
	entry_write(b, mailbox, folder);
	if (flags[0] != '\0')
		buf_addf(b, " %s", flags);
	return buf_addc(b, '\n');
}

static void
line(struct buf *b, const char *key, struct span v)
{
	buf_adds(b, key);
	buf_addc(b, ' ');
	buf_add(b, v.p, v.len);
	buf_addc(b, '\n');
}

int
record_env_write(struct buf *b, const struct record_env *e)
{
	char	 id[ULID_LEN + 1], iso[TIME_ISO_SIZE];

	ulid_text(&e->id, id);
	time_iso(iso, e->time_ms);
	buf_addf(b, "id %s\ntime %s\n", id, iso);
	line(b, "from", e->sender);
	buf_add(b, e->to.p, e->to.len);
	buf_addf(b, "size %u\n", e->size);
	line(b, "envelope", e->envelope);
	line(b, "body", e->body);
	return b->err;
}

static int
env_line(struct span key, struct span v, struct record_env *e, unsigned *seen)
{
	uint64_t	 n;

	if (span_is(key, "id")) {
		*seen |= 1;
		return ulid_parse(v.p, v.len, &e->id);
	} else if (span_is(key, "time")) {
		*seen |= 2;
		return time_parse_iso(v.p, v.len, &e->time_ms);
	} else if (span_is(key, "from")) {
		e->sender = v;
	} else if (span_is(key, "size")) {
		*seen |= 4;
		if (str_u64(v.p, v.len, RECORD_MSG_MAX, &n) != 0)
			return CM_ECORRUPT;
		e->size = (uint32_t)n;
	} else if (span_is(key, "envelope")) {
		e->envelope = v;
	} else if (span_is(key, "body")) {
		e->body = v;
	} else if (span_is(key, "cancel")) {
		e->cancel = v;
	}
	return 0;
}

int
record_env_parse(const char *p, size_t len, struct record_env *e)
{
	struct span	 rest = { p, len }, l, key, v;
	unsigned	 seen = 0;

	memset(e, 0, sizeof(*e));
	if (len == 0 || p[len - 1] != '\n')
		return CM_ECORRUPT;
	rest.len--;
	while (str_field(&rest, '\n', &l)) {
		v = l;
		if (!str_field(&v, ' ', &key) || v.p == NULL)
			return CM_ECORRUPT;
		if (span_is(key, "to")) {
			/* one run of lines */
			if (e->to.p == NULL)
				e->to.p = l.p;
			else if (e->to.p + e->to.len != l.p)
				return CM_ECORRUPT;
			e->to.len = (size_t)(l.p + l.len + 1 - e->to.p);
		} else if (env_line(key, v, e, &seen) != 0) {
			return CM_ECORRUPT;
		}
	}
	return seen == 7 ? 0 : CM_ECORRUPT;
}

int
record_cancel_write(struct buf *b, const struct ulid *id, int64_t time_ms,
    uint32_t segment, uint32_t offset)
{
	char	 text[ULID_LEN + 1], iso[TIME_ISO_SIZE];

	ulid_text(id, text);
	time_iso(iso, time_ms);
	return buf_addf(b, "id %s\ntime %s\nsize 0\ncancel %u:%u\n", text,
	    iso, segment, offset);
}

int
record_cancel_parse(struct span s, uint32_t *segment, uint32_t *offset)
{
	struct span	 f;
	uint64_t	 seg, off;

	if (!str_field(&s, ':', &f) || s.p == NULL ||
	    str_u64(f.p, f.len, UINT32_MAX, &seg) != 0 ||
	    str_u64(s.p, s.len, UINT32_MAX, &off) != 0)
		return CM_ECORRUPT;
	*segment = (uint32_t)seg;
	*offset = (uint32_t)off;
	return 0;
}

bool
record_to_next(struct span *to, struct span *entry, struct span *flags)
{
	struct span	 l;

	if (to->len < 4 || !str_field(to, '\n', &l))
		return false;
	l.p += 3;
	l.len = l.len > 3 ? l.len - 3 : 0;
	flags->p = NULL;
	flags->len = 0;
	if (!str_field(&l, ' ', entry))
		return false;
	*flags = l;
	return true;
}
