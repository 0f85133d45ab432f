/*
 * Transfer encodings and charsets: what was encoded comes back, and text of
 * whatever charset comes out as UTF-8.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/charset.h"
#include "format/transfer.h"

#define MAX	(1 << 24)

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static bool
same(const struct buf *b, struct span s)
{
	return b->len == s.len && (s.len == 0 ||
	    memcmp(b->p, s.p, s.len) == 0);
}

static struct span
span_of(const struct buf *b)
{
	return (struct span){ b->len > 0 ? b->p : "", b->len };
}

/* UTF-8 is what decoding it does not change. */
static void
is_utf8(const struct buf *b)
{
	static const struct span utf8 = { "utf-8", 5 };
	struct buf	 again;

	buf_init(&again, MAX);
	must(charset_decode(utf8, span_of(b), &again) == 0);
	must(same(&again, span_of(b)));
	buf_free(&again);
}

static void
encode_base64(struct span s, struct buf *b)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"
	    "nopqrstuvwxyz0123456789+/";
	uint32_t	 v;

	for (size_t i = 0; i < s.len; i += 3) {
		v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < s.len ?
			    (unsigned char)s.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_addc(b, i + k > s.len ? '=' :
			    digits[v >> (18 - 6 * k) & 63]);
		if (i % 57 == 54)
			buf_adds(b, "\r\n");
	}
}

static void
encode_qp(struct span s, struct buf *b)
{
	for (size_t i = 0; i < s.len; i++) {
		buf_addf(b, "=%02X", (unsigned char)s.p[i]);
		if (i % 20 == 19)
			buf_adds(b, "=\r\n");
	}
}

static void
transfers(struct span in)
{
	struct buf	 text, back;

	buf_init(&text, MAX);
	buf_init(&back, MAX);
	encode_base64(in, &text);
	must(transfer_decode(TRANSFER_BASE64, span_of(&text), &back) == 0);
	must(same(&back, in));
	buf_reset(&text);
	buf_reset(&back);
	encode_qp(in, &text);
	must(transfer_decode(TRANSFER_QP, span_of(&text), &back) == 0);
	must(same(&back, in));
	/* garbage never gets longer */
	for (enum transfer e = TRANSFER_NONE; e <= TRANSFER_UNKNOWN; e++) {
		buf_reset(&back);
		must(transfer_decode(e, in, &back) == 0);
		must(back.len <= in.len);
	}
	(void)transfer_of(in);
	buf_free(&text);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const charsets[] = { "utf-8", "us-ascii",
	    "iso-8859-1", "windows-1252", "iso-2022-jp", "gb18030", "utf-7",
	    "utf-16", "big5", "euc-kr", "x-nobody" };
	struct span	 in = { (const char *)data, size }, cs;
	struct buf	 b, folded;

	buf_init(&b, MAX);
	buf_init(&folded, MAX);
	transfers(in);
	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
		cs = (struct span){ charsets[i], strlen(charsets[i]) };
		buf_reset(&b);
		must(charset_decode(cs, in, &b) == 0);
		is_utf8(&b);
	}
	buf_reset(&b);
	must(charset_words(in, &b) == 0);
	is_utf8(&b);
	must(charset_fold(span_of(&b), &folded) == 0);
	is_utf8(&folded);
	(void)charset_is_known(in);
	buf_free(&b);
	buf_free(&folded);
	return 0;
}
