#include "format/receipt.h"

#include <string.h>

static bool
clean(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return false;
	return s.len > 0;
}

int
receipt_parse(const char *line, size_t len, struct receipt *r)
{
	struct span	 rest = { line, len }, f;
	struct ulid	 id;

	memset(r, 0, sizeof(*r));
	if (!str_field(&rest, '\t', &f) || ulid_parse(f.p, f.len, &id) != 0)
		return CM_EDATA;
	ulid_text(&id, r->id);
	if (!str_field(&rest, '\t', &f) ||
	    place_parse(f.p, f.len, &r->place) != 0)
		return CM_EDATA;
	if (!str_field(&rest, '\t', &r->copies) || !clean(r->copies))
		return CM_EDATA;
	if (!str_field(&rest, '\t', &r->mailboxes) || !clean(r->mailboxes))
		return CM_EDATA;
	if (str_field(&rest, '\t', &f)) {
		if (f.len > 0 && !clean(f))
			return CM_EDATA;
		r->entries = f;
	}
	return rest.p == NULL ? 0 : CM_EDATA;
}

int
receipt_write(struct buf *b, const struct receipt *r)
{
	buf_adds(b, r->id);
	buf_addc(b, '\t');
	place_write(b, &r->place);
	buf_addc(b, '\t');
	buf_add(b, r->copies.p, r->copies.len);
	buf_addc(b, '\t');
	buf_add(b, r->mailboxes.p, r->mailboxes.len);
	if (r->entries.p != NULL) {
		buf_addc(b, '\t');
		buf_add(b, r->entries.p, r->entries.len);
	}
	return buf_addc(b, '\n');
}

int
entry_write(struct buf *b, const char *mailbox, const char *folder)
{
	str_pct(b, mailbox, strlen(mailbox), "/,");
	buf_addc(b, '/');
	return str_pct(b, folder, strlen(folder), ",");
}

int
entry_parse(const char *p, size_t len, struct buf *mailbox,
    struct buf *folder, uint32_t *uid)
{
	const char	*slash, *last = p + len;
	uint64_t	 v;

	buf_reset(mailbox);
	buf_reset(folder);
	if (!clean((struct span){ p, len }) ||
	    (slash = memchr(p, '/', len)) == NULL)
		return CM_EDATA;
	if (uid != NULL) {
		last = memrchr(p, '/', len);
		if (last == slash || str_u64(last + 1,
		    (size_t)(p + len - last - 1), UINT32_MAX, &v) != 0 ||
		    v == 0)
			return CM_EDATA;
		*uid = (uint32_t)v;
	}
	if (slash == p || slash + 1 == last)
		return CM_EDATA;
	if (str_unpct(mailbox, p, (size_t)(slash - p)) != 0)
		return CM_EDATA;
	return str_unpct(folder, slash + 1, (size_t)(last - slash - 1));
}

/* The length of the UTF-8 character at p; 0 when it is none (RFC 3629). */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	size_t	 len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

int
folder_name(const char *p, size_t len, char out[FOLDER_MAX + 1])
{
	size_t	 n;

	out[0] = '\0';
	if (len == 0 || len > FOLDER_MAX || p[0] == '/' || p[len - 1] == '/')
		return CM_EDATA;
	for (size_t i = 0; i < len; i += n) {
		n = utf8_len((const unsigned char *)p + i, len - i);
		if (n == 0 || (unsigned char)p[i] < 0x20 || p[i] == 0x7f ||
		    (p[i] == '/' && p[i + 1] == '/'))
			return CM_EDATA;
	}
	memcpy(out, p, len);
	out[len] = '\0';
	if (len >= 5 && str_ieq(p, 5, "INBOX") && (len == 5 || p[5] == '/'))
		memcpy(out, "INBOX", 5);
	return 0;
}
