/*
 * Three properties of mbox.c: what mbox_quote and mbox_from_line wrote reads
 * back as the same message; a file in small pieces reads as the file at once;
 * and a file that was read and written again reads the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/str.h"
#include "format/mbox.h"

#define MAX (1 << 20)

int	 LLVMFuzzerTestOneInput(const unsigned char *, size_t);

/* The message as an mbox keeps it: CRLF is LF, and the last line has an end. */
static void
plain(struct buf *out, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != '\r' || i + 1 == len || p[i + 1] != '\n')
			buf_addc(out, p[i]);
	if (len > 0 && p[len - 1] != '\n')
		buf_addc(out, '\n');
}

/* Each writing takes one CR before a LF: so sums are over text without any. */
static uint32_t
sum_of(uint32_t crc, const char *p, size_t len)
{
	uint32_t	 n = 0;
	char		 last = '\n';

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\r')
			continue;
		crc = crc32c(crc, p + i, 1);
		last = p[i];
		n++;
	}
	if (last != '\n' || (len > 0 && p[len - 1] == '\r')) {
		crc = crc32c(crc, "\n", 1);
		n++;
	}
	return crc32c(crc, &n, sizeof(n));
}

struct sum {
	int		 rc;
	unsigned	 n;
	uint32_t	 crc;
};

/* Reads in pieces; adds each message, written again, to out (may be NULL). */
static struct sum
read_all(const char *p, size_t len, size_t piece, size_t max, struct buf *out)
{
	struct mbox_reader	 r;
	struct span		 in, msg;
	struct sum		 s = { CM_EAGAIN, 0, 0 };
	size_t			 at = 0;

	mbox_reader_init(&r, max);
	while (s.rc == CM_EAGAIN) {
		in.p = p + at;
		in.len = len - at < piece ? len - at : piece;
		at += in.len;
		while ((s.rc = mbox_next(&r, &in, at == len && in.len == 0,
		    &msg)) == 0) {
			if (msg.len > max)
				abort();
			s.n++;
			s.crc = sum_of(s.crc, msg.p, msg.len);
			if (out == NULL)
				continue;
			mbox_from_line(out, r.cur.sender, r.cur.time_ms);
			mbox_quote(out, msg.p, msg.len);
		}
	}
	mbox_reader_free(&r);
	return s;
}

static void
as_message(const char *p, size_t len)
{
	struct mbox_reader	 r;
	struct buf		 box, want;
	struct span		 in, msg;
	char			 sender[64];

	buf_init(&box, 4 * MAX);
	buf_init(&want, 4 * MAX);
	if (str_ncopy(sender, sizeof(sender), p, len < 63 ? len : 63) != 0)
		abort();
	if (mbox_from_line(&box, sender, (int64_t)len * 86400000) != 0 ||
	    mbox_quote(&box, p, len) != 0 ||
	    mbox_from_line(&box, "second", 0) != 0)
		abort();
	plain(&want, p, len);
	mbox_reader_init(&r, MAX * 2);
	in.p = box.p;
	in.len = box.len;
	if (mbox_next(&r, &in, true, &msg) != 0 || msg.len != want.len ||
	    (msg.len > 0 && memcmp(msg.p, want.p, msg.len) != 0) ||
	    r.cur.time_ms != (int64_t)len * 86400000)
		abort();
	if (mbox_next(&r, &in, true, &msg) != 0 || msg.len != 0 ||
	    strcmp(r.cur.sender, "second") != 0 ||
	    mbox_next(&r, &in, true, &msg) != CM_EEND)
		abort();
	mbox_reader_free(&r);
	buf_free(&box);
	buf_free(&want);
}

static void
as_file(const char *p, size_t len, size_t piece, size_t max)
{
	struct buf	 again;
	struct sum	 a, b;

	buf_init(&again, 8 * MAX);
	a = read_all(p, len, len, max, &again);
	b = read_all(p, len, piece, max, NULL);
	if (a.rc != b.rc || a.n != b.n || a.crc != b.crc)
		abort();
	b = read_all(again.len > 0 ? again.p : "", again.len, piece, MAX, NULL);
	if (b.rc != CM_EEND || a.n != b.n || a.crc != b.crc)
		abort();
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
	const char	*p = (const char *)data;
	struct span	 sender;
	int64_t		 ms;

	if (len < 2 || len > MAX / 4)
		return 0;
	(void)mbox_from(p, len, &sender, &ms);
	as_message(p, len);
	as_file(p + 2, len - 2, (size_t)data[0] + 1,
	    data[1] < 128 ? MAX : (size_t)(data[1] - 128) * 8);
	return 0;
}
