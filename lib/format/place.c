#include "format/place.h"

#include <string.h>

#include "base/str.h"

int
place_volume_ok(const char *p, size_t len)
{
	if (len == 0 || len > PLACE_VOLUME_MAX || p[0] == '-')
		return CM_EDATA;
	for (size_t i = 0; i < len; i++) {
		char c = str_lower(p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '_'))
			return CM_EDATA;
	}
	return 0;
}

int
place_write(struct buf *b, const struct place *p)
{
	buf_adds(b, p->volume);
	buf_addc(b, ':');
	buf_addu(b, p->segment, 8);
	buf_addc(b, ':');
	buf_addu(b, p->offset, 0);
	buf_addc(b, ':');
	return buf_addu(b, p->length, 0);
}

int
place_parse(const char *p, size_t len, struct place *out)
{
	struct span	 rest = { p, len }, f;
	uint64_t	 seg, off, n;

	if (!str_field(&rest, ':', &f) || place_volume_ok(f.p, f.len) != 0)
		return CM_EDATA;
	memcpy(out->volume, f.p, f.len);
	out->volume[f.len] = '\0';
	if (!str_field(&rest, ':', &f) || f.len != 8 ||
	    str_u64(f.p, f.len, PLACE_SEGMENT_MAX, &seg) != 0 || seg == 0)
		return CM_EDATA;
	if (!str_field(&rest, ':', &f) ||
	    str_u64(f.p, f.len, UINT32_MAX, &off) != 0)
		return CM_EDATA;
	if (!str_field(&rest, ':', &f) ||
	    str_u64(f.p, f.len, UINT32_MAX, &n) != 0 || rest.p != NULL)
		return CM_EDATA;
	if (off + n > UINT32_MAX)
		return CM_EDATA;
	out->segment = (uint32_t)seg;
	out->offset = (uint32_t)off;
	out->length = (uint32_t)n;
	return 0;
}
