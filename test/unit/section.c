/* Parts of a message as FETCH names them. */
#include "format/section.h"
#include "tap.h"

static const char nested[] =
    "From: a@b.c\r\n"
    "Subject: outer\r\n"
    " folded\r\n"
    "X-Empty:\r\n"
    "Content-Type: multipart/mixed; boundary=\"o\"\r\n"
    "\r\n"
    "preamble\r\n"
    "--o\r\n"
    "Content-Type: text/html; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "<html><head><title>no</title></head><style>p {}</style>"
    "<p>Caf=E9 &amp;  more&nbsp;&#33;</p>\r\n"
    "--o\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n"
    "Subject: inner\r\n"
    "Content-Type: multipart/alternative; boundary=i\r\n"
    "\r\n"
    "--i\r\n"
    "\r\n"
    "one\r\n"
    "--i\r\n"
    "Content-Type: application/octet-stream\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "\r\n"
    "YQBi\r\n"
    "--i--\r\n"
    "--o\r\n"
    "Content-Type: image/png\r\n"
    "Content-Transfer-Encoding: x-own\r\n"
    "\r\n"
    "???\r\n"
    "--o--\r\n"
    "epilogue\r\n";
static const char plain[] = "Subject: s\r\n\r\nh\xc3\xa9llo\r\n\r\nyou\r\n";

/* "1.2" to numbers. */
static struct imap_section
parts(const char *s, uint32_t room[8])
{
	struct imap_section	 c = { .part = room, .what = IMAP_WHOLE };

	for (; *s != '\0'; s++)
		if (*s != '.')
			room[c.nparts++] = (uint32_t)(*s - '0');
	return c;
}

static void
gives(const char *msg, const char *part, int what, const char *names,
    const char *want)
{
	static const char *const words[] = { "", "HEADER", "HEADER.FIELDS",
	    "HEADER.FIELDS.NOT", "TEXT", "MIME" };
	struct span		 m = { msg, strlen(msg) }, got, field[4];
	struct span		 rest = { names, strlen(names) };
	struct imap_section	 c;
	struct buf		 b;
	uint32_t		 room[8];
	int			 rc;

	c = parts(part, room);
	c.what = what;
	c.field = field;
	while (*names != '\0' && str_field(&rest, ' ', &field[c.nfields]))
		c.nfields++;
	buf_init(&b, 1 << 20);
	rc = section_get(m, &c, &b, &got);
	if (want == NULL)
		is_int(rc, CM_ENOINPUT, "BODY[%s %s]: there is none", part,
		    words[what]);
	else if (!ok(rc == 0 && got.len == strlen(want) && memcmp(got.p,
	    want, got.len) == 0, "BODY[%s %s %s]", part, words[what], names))
		printf("# %d: %.*s\n", rc, (int)(rc == 0 ? got.len : 0),
		    rc == 0 ? got.p : "");
	buf_free(&b);
}

static void
test_get(void)
{
	const char	*text = strstr(nested, "preamble");
	const char	*inner = strstr(nested, "Subject: inner");
	char		 b[1000];

	gives(nested, "", IMAP_WHOLE, "", nested);
	gives(nested, "", IMAP_TEXT, "", text);
	snprintf(b, sizeof(b), "%.*s", (int)(text - nested), nested);
	gives(nested, "", IMAP_HEADER, "", b);
	gives(nested, "", IMAP_HEADER_FIELDS, "SUBJECT x-none X-EMPTY",
	    "Subject: outer\r\n folded\r\nX-Empty:\r\n\r\n");
	gives(nested, "", IMAP_HEADER_FIELDS, "nothing", "\r\n");
	gives(nested, "", IMAP_HEADER_FIELDS_NOT, "subject content-type",
	    "From: a@b.c\r\nX-Empty:\r\n\r\n");
	gives(nested, "1", IMAP_MIME, "",
	    "Content-Type: text/html; charset=iso-8859-1\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	gives(nested, "2", IMAP_MIME, "",
	    "Content-Type: message/rfc822\r\n\r\n");
	snprintf(b, sizeof(b), "%.*s", (int)(strstr(inner, "\r\n--o") -
	    inner), inner);
	gives(nested, "2", IMAP_WHOLE, "", b);
	gives(nested, "2", IMAP_HEADER, "", "Subject: inner\r\nContent-Type: "
	    "multipart/alternative; boundary=i\r\n\r\n");
	gives(nested, "2", IMAP_HEADER_FIELDS, "subject",
	    "Subject: inner\r\n\r\n");
	gives(nested, "2.1", IMAP_WHOLE, "", "one");
	gives(nested, "2.1", IMAP_MIME, "", "\r\n");
	gives(nested, "2.2", IMAP_WHOLE, "", "YQBi");
	gives(nested, "2.3", IMAP_WHOLE, "", NULL);
	gives(nested, "2.1.1", IMAP_WHOLE, "", NULL);
	gives(nested, "4", IMAP_WHOLE, "", NULL);
	gives(nested, "1", IMAP_HEADER, "", NULL);
	gives(nested, "1", IMAP_TEXT, "", NULL);
	gives(plain, "1", IMAP_WHOLE, "", "h\xc3\xa9llo\r\n\r\nyou\r\n");
	gives(plain, "2", IMAP_WHOLE, "", NULL);
	gives(plain, "1.1", IMAP_WHOLE, "", NULL);
	gives("\r\n", "", IMAP_HEADER, "", "\r\n");
	gives("\r\n", "", IMAP_TEXT, "", "");
	gives("", "", IMAP_WHOLE, "", "");
	gives("Subject: no end", "", IMAP_TEXT, "", "");
}

static void
binary(const char *part, int code, size_t len, const char *want, bool nul)
{
	struct span		 m = { nested, sizeof(nested) - 1 };
	struct imap_section	 c;
	struct buf		 b;
	uint32_t		 room[8];
	bool			 has = false;

	c = parts(part, room);
	buf_init(&b, 1 << 20);
	is_int(section_binary(m, &c, &b, &has), code, "BINARY[%s]", part);
	if (code == 0) {
		len = len > 0 ? len : strlen(want);
		ok(b.len == len && memcmp(b.p, want, len) == 0, "is it");
		ok(has == nul, "a NUL is %s", nul ? "said" : "not said");
	}
	buf_free(&b);
}

static void
test_partial(void)
{
	struct span	 s = { "abcdef", 6 };

	is_int(section_partial(s, 0, 100).len, 6, "all");
	ok(span_is(section_partial(s, 2, 3), "cde"), "a piece");
	is_int(section_partial(s, 6, 1).len, 0, "at the end");
	is_int(section_partial(s, 7, 1).len, 0, "behind it");
	is_int(section_partial(s, UINT32_MAX, UINT32_MAX).len, 0, "far away");
	ok(span_is(section_partial(s, 5, UINT32_MAX), "f"), "the last one");
}

static void
preview(const char *msg, const char *want)
{
	struct buf	 b;

	buf_init(&b, 4096);
	if (!ok(section_preview((struct span){ msg, strlen(msg) }, &b) == 0 &&
	    b.len == strlen(want) && memcmp(b.p != NULL ? b.p : "", want,
	    b.len) == 0, "preview: %.30s", want))
		printf("# %.*s\n", (int)b.len, b.p);
	buf_free(&b);
}

static void
test_preview(void)
{
	static char	 longer[3000];
	struct buf	 b;
	size_t		 n = 0;

	preview(nested, "Caf\xc3\xa9 & more !");
	preview(plain, "h\xc3\xa9llo you");
	preview("\r\n", "");
	preview("Content-Type: image/png\r\n\r\nx", "");
	preview("Content-Type: text/html\r\n\r\n<!-- <p> no -->a<br>b &no; <",
	    "a b &no;");
	strcpy(longer, "\r\n");
	for (int i = 0; i < 500; i++)
		strcat(longer, "\xc3\xa4");
	buf_init(&b, 4096);
	is_int(section_preview((struct span){ longer, strlen(longer) }, &b),
	    0, "a long text");
	for (size_t i = 0; i < b.len; i++)
		n += (b.p[i] & 0xc0) != 0x80;
	is_int(n, 200, "is cut, behind a character");
	buf_free(&b);
}

int
main(void)
{
	test_get();
	binary("1", 0, 0, "<html><head><title>no</title></head><style>p {}"
	    "</style><p>Caf\xe9 &amp;  more&nbsp;&#33;</p>", false);
	binary("2.2", 0, 3, "a\0b", true);
	binary("3", CM_EDATA, 0, "", false);
	binary("5", CM_ENOINPUT, 0, "", false);
	test_partial();
	test_preview();
	return tap_done();
}
